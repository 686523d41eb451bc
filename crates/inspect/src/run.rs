//! A whole file, from reader to output.

use std::io::{self, Read, Write};

use outcrop_capture::{ReadError, Reader, Record};

use crate::{Ladder, LadderOptions, PrintOptions, Printer};

/// Why a capture could not be shown to its end.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// The capture is bad; what came before was shown.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The output was refused, for instance because a pager was left.
    #[error("cannot write: {0}")]
    Write(#[from] io::Error),
}

/// Prints a capture as `tcpdump -nvv` would, with what the stack knew.
///
/// # Errors
/// The capture is damaged, or the output refused.
pub fn print<R: Read>(
    reader: &mut Reader<R>,
    options: PrintOptions,
    out: &mut dyn Write,
) -> Result<(), InspectError> {
    let mut printer = Printer::new(options);
    show(reader, out, |record, text| printer.record(record, text))
}

/// Draws a capture as a ladder.
///
/// # Errors
/// The capture is damaged, or the output refused.
pub fn ladder<R: Read>(
    reader: &mut Reader<R>,
    options: LadderOptions,
    out: &mut dyn Write,
) -> Result<(), InspectError> {
    let mut ladder = Ladder::new(options);
    let shown = show(reader, out, |record, text| ladder.record(record, text));
    let mut text = String::new();
    ladder.finish(&mut text);
    out.write_all(text.as_bytes())?;
    shown
}

fn show<R: Read>(
    reader: &mut Reader<R>,
    out: &mut dyn Write,
    mut each: impl FnMut(&Record, &mut String),
) -> Result<(), InspectError> {
    let mut text = String::new();
    for record in reader {
        text.clear();
        each(&record?, &mut text);
        out.write_all(text.as_bytes())?;
    }
    out.flush()?;
    Ok(())
}
