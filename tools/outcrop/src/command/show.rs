//! `outcrop print` and `outcrop ladder`.

use std::fs::File;
use std::io::{BufWriter, LineWriter, Write as _};
use std::path::Path;

use outcrop_capture::Reader;
use outcrop_inspect::{InspectError, LadderOptions, Paint, PrintOptions, ladder, print};

use crate::cli;
use crate::failure::Failure;
use crate::progress::Tracked;

/// Opens a capture of any kind, with its name in whatever is wrong with it.
pub(crate) fn open(path: &Path) -> Result<Reader<Tracked>, Failure> {
    if is_standard_input(path) {
        let reader = Reader::new(Tracked::standard_input());
        return reader.map_err(|error| Failure::new(format!("standard input: {error}")));
    }
    let file = File::open(path).map_err(|error| Failure::file("capture", path, &error))?;
    if path.is_dir() {
        return Err(Failure::new(format!(
            "capture: {}: is a folder; name a file",
            path.display()
        )));
    }
    Reader::new(Tracked::new(file))
        .map_err(|error| Failure::new(format!("{}: {error}", path.display())))
}

/// `-`: what another program writes, while it writes it.
fn is_standard_input(path: &Path) -> bool {
    path == Path::new("-")
}

/// Standard output: line by line for what comes live, in large pieces for a file.
fn output(path: &Path) -> Box<dyn std::io::Write> {
    if is_standard_input(path) {
        Box::new(LineWriter::new(std::io::stdout()))
    } else {
        Box::new(BufWriter::new(std::io::stdout()))
    }
}

/// Prints a capture in tcpdump's grammar.
pub(crate) fn run_print(options: &cli::Print) -> Result<u8, Failure> {
    let mut reader = open(&options.file)?;
    let chosen = PrintOptions {
        annotate: !options.bare,
        paint: paint(options.color),
    };
    let mut out = output(&options.file);
    let shown = print(&mut reader, chosen, &mut out);
    // What came before the damage is shown first.
    let _also = out.flush();
    done(&options.file, shown)
}

/// Draws a capture as a ladder.
pub(crate) fn run_ladder(options: &cli::Ladder) -> Result<u8, Failure> {
    let chosen = LadderOptions {
        paint: paint(options.color),
        every_event: options.every_event,
        terse: options.terse,
    };
    draw(&options.file, chosen)
}

/// Draws `path` on standard output.
pub(crate) fn draw(path: &Path, options: LadderOptions) -> Result<u8, Failure> {
    let mut reader = open(path)?;
    let mut out = output(path);
    let shown = ladder(&mut reader, options, &mut out);
    let _also = out.flush();
    done(path, shown)
}

/// Colours, if they are wanted on standard output.
pub(crate) fn paint(when: cli::When) -> Paint {
    if when.colors_stdout() {
        Paint::Color
    } else {
        Paint::Plain
    }
}

fn done(path: &Path, shown: Result<(), InspectError>) -> Result<u8, Failure> {
    shown.map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
    Ok(0)
}
