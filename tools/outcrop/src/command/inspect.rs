//! `outcrop inspect`.
//!
//! Job: write a capture as a page: alone, beside another, or beside what would have happened.
//! The page appears when it is complete; that of a damaged capture holds what came before the damage.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use outcrop_inspect::{Beside, InspectError, PageOptions, WhatIf, compare, page_with};
use outcrop_testkit::replay::{Outcome, played, replay};

use super::show::open;
use crate::cli;
use crate::failure::Failure;
use crate::future::Future;
use crate::sink::unfinished;

/// Writes a capture as a page.
pub(crate) fn run(options: &cli::Inspect) -> Result<u8, Failure> {
    let into = &options.output;
    if !options.what_if.is_empty() {
        what_if(options)?;
    } else if let Some(other) = &options.compare {
        beside(&options.file, other, into)?;
    } else {
        write(&options.file, into, options.from, &[])?;
    }
    println!("{}", into.display());
    Ok(0)
}

/// Writes `capture` as the page `into`, in detail from this packet on, with these other pages to go on to.
pub(crate) fn write(
    capture: &Path,
    into: &Path,
    from: usize,
    links: &[(&str, &str)],
) -> Result<(), Failure> {
    let mut reader = open(capture)?;
    let command = command(capture);
    let name = name(capture);
    let what_if = match reader.section().get("scenario") {
        Some(_) => WhatIf::Command(&command),
        None => WhatIf::No,
    };
    let options = PageOptions {
        what_if,
        skip: from.saturating_sub(1),
        links,
        ..PageOptions::named(&name)
    };
    appear(capture, into, |out| page_with(&mut reader, &options, out))
}

/// What to type for another fate of a packet of this capture.
fn command(capture: &Path) -> String {
    // As it would have to be quoted in a shell, if it has to.
    let path = capture.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    let path = match path.chars().all(plain) {
        true => path,
        false => format!("'{}'", path.replace('\'', r"'\''")),
    };
    format!("outcrop inspect {path} -o what-if.html")
}

fn name(capture: &Path) -> String {
    let name = capture.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// Writes one capture beside another.
fn beside(first: &Path, second: &Path, into: &Path) -> Result<(), Failure> {
    let (mut reader, mut other) = (open(first)?, open(second)?);
    // The page's own comes second: it is the one shown in full.
    let (name, others) = (name(first), name(second));
    let beside = Beside {
        names: (&others, &name),
        told: &format!(
            "{others} beside {name}, each from its own first packet on: the connection of each that carried the most."
        ),
        turn: None,
        lost: false,
    };
    let title = format!("{name} beside {others}");
    let options = PageOptions::named(&title);
    appear(first, into, |out| {
        compare(&mut reader, (&mut other, &beside), &options, out)
    })
}

/// Writes a recorded scenario beside what would have happened.
fn what_if(options: &cli::Inspect) -> Result<(), Failure> {
    let path = &options.file;
    let said =
        |error: &dyn core::fmt::Display| Failure::new(format!("{}: {error}", path.display()));
    let section = open(path)?.section().clone();
    let play = played(&section).map_err(|error| said(&error))?;
    let Some(play) = play else {
        return Err(said(
            &"no recorded scenario: of a live conversation the other half was never ours to play again",
        ));
    };
    let capture = fs::read(path).map_err(|error| Failure::file("capture", path, &error))?;
    // A future is told beside what was recorded: it has to be what is played.
    match replay(&capture).map_err(|error| said(&error))? {
        Outcome::Identical { .. } | Outcome::Foreign(_) => {}
        Outcome::Diverged(divergence) => {
            return Err(said(&format!(
                "this version plays it differently from packet {} on: `outcrop replay` shows how",
                divergence.number
            )));
        }
    }
    let future = Future::of(&play, &options.what_if).map_err(|error| said(&error))?;
    if let Some(into) = &options.capture {
        fs::write(into, future.capture())
            .map_err(|error| Failure::file("--capture", into, &error))?;
    }
    let page = future
        .page(&format!("What if: {}", name(path)), WhatIf::No)
        .map_err(|error| said(&error))?;
    appear(path, &options.output, |out| {
        out.write_all(&page).map_err(InspectError::Write)
    })
}

/// Writes a page beside its place, and puts it there when it is complete.
fn appear(
    capture: &Path,
    into: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<(), InspectError>,
) -> Result<(), Failure> {
    let partial = unfinished(into);
    let failed = |error: std::io::Error| Failure::file("--output", into, &error);
    let mut out = BufWriter::new(File::create(&partial).map_err(failed)?);
    let written = write(&mut out).and_then(|()| out.flush().map_err(InspectError::Write));
    match written {
        Err(InspectError::Write(error)) => {
            // What matters is the error we have.
            let _gone = fs::remove_file(&partial);
            Err(failed(error))
        }
        Err(InspectError::Read(error)) => {
            drop(out);
            fs::rename(&partial, into).map_err(failed)?;
            Err(Failure::new(format!("{}: {error}", capture.display())))
        }
        Ok(()) => fs::rename(&partial, into).map_err(failed),
    }
}
