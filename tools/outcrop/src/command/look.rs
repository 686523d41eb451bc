//! `outcrop neigh`, `route`, `addr` and `conn`.
//!
//! Job: ask a running stack, print the answer. Owns: nothing. Does not know: what a row means.

use std::io::Write as _;

use crate::cli;
use crate::control::{self, place, tables::Table, text};
use crate::failure::Failure;

/// Prints one table of a running stack.
pub(crate) fn run(table: Table, options: &cli::Look, details: bool) -> Result<u8, Failure> {
    let path = place::find(options.control.as_deref())?;
    let reply = control::ask(&path, table)?;
    let shown = if options.json {
        text::json(&reply)
    } else {
        text::draw(&reply, details)
    };
    let written = std::io::stdout().write_all(shown.as_bytes());
    written.map_err(|error| Failure::new(format!("standard output: {error}")))?;
    Ok(0)
}
