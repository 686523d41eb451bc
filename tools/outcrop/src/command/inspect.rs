//! `outcrop inspect`.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::Path;

use outcrop_inspect::{InspectError, page};

use super::show::open;
use crate::cli;
use crate::failure::Failure;
use crate::sink::unfinished;

/// Writes a capture as a page.
pub(crate) fn run(options: &cli::Inspect) -> Result<u8, Failure> {
    write(&options.file, &options.output)?;
    println!("{}", options.output.display());
    Ok(0)
}

/// Writes `capture` as the page `into`. The page appears when it is complete; that of a damaged capture holds what
/// came before the damage.
pub(crate) fn write(capture: &Path, into: &Path) -> Result<(), Failure> {
    let mut reader = open(capture)?;
    let partial = unfinished(into);
    let failed = |error: std::io::Error| Failure::file("--output", into, &error);
    let name = capture.file_name().unwrap_or_default().to_string_lossy();
    let file = File::create(&partial).map_err(failed)?;
    match page(&mut reader, &name, &mut BufWriter::new(file)) {
        Err(InspectError::Write(error)) => {
            // What matters is the error we have.
            let _gone = fs::remove_file(&partial);
            Err(failed(error))
        }
        Err(InspectError::Read(error)) => {
            fs::rename(&partial, into).map_err(failed)?;
            Err(Failure::new(format!("{}: {error}", capture.display())))
        }
        Ok(()) => fs::rename(&partial, into).map_err(failed),
    }
}
