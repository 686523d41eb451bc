//! `outcrop to-drill`.
//!
//! Job: write the script drafted from a capture, and say how much of it is the capture's. Owns: the file.
//! Does not know: the language, or what a draft is made of (`testkit`).

use std::fs::{self, File};
use std::io::Write as _;

use outcrop_testkit::draft::{Role, draft};
use outcrop_testkit::drill::Family;

use crate::cli::{self, DrillRole};
use crate::failure::Failure;
use crate::sink::unfinished;

/// Drafts the script.
pub(crate) fn run(options: &cli::ToDrill) -> Result<u8, Failure> {
    let path = &options.file;
    let file = File::open(path).map_err(|error| Failure::file("capture", path, &error))?;
    let role = options.role.map(|role| match role {
        DrillRole::Client => Role::Client,
        DrillRole::Server => Role::Server,
    });
    let draft = draft(file, options.conn, role)
        .map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
    let Some(into) = &options.output else {
        let mut out = std::io::stdout().lock();
        let written = out.write_all(draft.script.as_bytes());
        written.map_err(|error| Failure::new(format!("standard output: {error}")))?;
        return Ok(0);
    };
    let failed = |error: std::io::Error| Failure::file("--output", into, &error);
    let partial = unfinished(into);
    fs::write(&partial, &draft.script).map_err(failed)?;
    fs::rename(&partial, into).map_err(failed)?;
    let end = match draft.role {
        Role::Client => "client",
        Role::Server => "server",
    };
    let how = match draft.family {
        Family::V4 => "outcrop drill",
        Family::V6 => "outcrop drill --ip6",
    };
    println!(
        "{}: {} packets, ours is the {end}; {} lines are not as recorded, and marked; `{how} {}` passes it",
        into.display(),
        draft.packets,
        draft.differences,
        into.display()
    );
    Ok(0)
}
