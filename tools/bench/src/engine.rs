//! Idle connections of the engine alone.
//!
//! Job: run `examples/idle.rs`, which makes a million of them from segments, and understand what it prints. Owns: the
//! limit. Does not know: how they are made. It is a program of its own because its memory is what is counted.

use core::time::Duration;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::Outcome;
use crate::process;
use crate::serving::{FIRST, pinned};
use crate::statistics::Spread;

/// What it takes, about.
pub(crate) const SECONDS: f64 = 20.0;
/// What it may take, on a machine that others use as well.
const LIMIT: Duration = Duration::from_secs(600);

/// One world: so many connections on one endpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Engine {
    pub(crate) connections: u32,
    /// Bytes of each that were asked for and not given back, and what of the process is in memory for each.
    pub(crate) bytes: f64,
    pub(crate) resident: f64,
    /// Nanoseconds of processor a packet of sixteen busy ones takes, and a packet of any.
    pub(crate) busy: Spread,
    pub(crate) any: Spread,
}

/// Runs it.
pub(crate) fn measure(program: &Path) -> Outcome<Vec<Engine>> {
    let mut command = pinned(FIRST, &Command::new(program));
    let output = process::output(command.arg("--json"), LIMIT)?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().last().unwrap_or("it said nothing");
        return Err(format!("{}: {last}", program.display()).into());
    }
    read(&String::from_utf8(output.stdout)?)
}

/// A line a world.
fn read(text: &str) -> Outcome<Vec<Engine>> {
    let worlds = text.lines().map(serde_json::from_str);
    Ok(worlds.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_world() {
        let line = r#"{"connections":16,"bytes":1228,"resident":1300,"busy":{"least":369,"median":371,"most":380},"any":{"least":371,"median":374,"most":379}}"#;
        let read = read(&format!("{line}\n{line}\n")).unwrap();
        assert_eq!((read.len(), read[1].busy.median), (2, 371.0));
    }
}
