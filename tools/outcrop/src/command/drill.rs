//! `outcrop drill`.
//!
//! Job: run scripts and say of each how it went, in one line and, if it failed, where. Owns: the list of files.
//! Does not know: the language (`testkit`).

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use outcrop_testkit::drill::{Dialect, Family, Options, Outcome, Report, run as play};

use crate::cli;
use crate::failure::Failure;

/// The exit status if a script failed.
const FAILED: u8 = 1;

/// Runs the scripts.
pub(crate) fn run(options: &cli::Drill) -> Result<u8, Failure> {
    let rules = Options {
        dialect: options.dialect.map(|dialect| match dialect {
            cli::Dialect::Ours => Dialect::Ours,
            cli::Dialect::Linux => Dialect::Linux,
            cli::Dialect::Freebsd => Dialect::FreeBsd,
        }),
        family: if options.ip6 { Family::V6 } else { Family::V4 },
        ..Options::default()
    };
    let mut files = Vec::new();
    for path in &options.files {
        collect(path, &mut files)?;
    }
    let mut out = std::io::stdout().lock();
    let (mut passed, mut failed, mut skipped) = (0u32, 0u32, 0u32);
    let mut reasons: BTreeMap<String, u32> = BTreeMap::new();
    for path in &files {
        let text = std::fs::read(path).map_err(|error| Failure::file("script", path, &error))?;
        let report: Report = play(&String::from_utf8_lossy(&text), &rules);
        match &report.outcome {
            Outcome::Passed => passed += 1,
            Outcome::Failed(_) => failed += 1,
            Outcome::Skipped { reason } => {
                skipped += 1;
                *reasons.entry(general(reason)).or_default() += 1;
            }
        }
        writeln!(out, "{}: {}", path.display(), worded(&report)).map_err(unwritten)?;
    }
    if reasons.len() > 1 || skipped > 1 {
        writeln!(out, "skipped, by what is not there:").map_err(unwritten)?;
        let mut table: Vec<(&String, &u32)> = reasons.iter().collect();
        table.sort_by_key(|(reason, count)| (core::cmp::Reverse(**count), reason.as_str()));
        for (reason, count) in table {
            writeln!(out, "{count:>6}  {reason}").map_err(unwritten)?;
        }
    }
    writeln!(out, "{passed} passed, {failed} failed, {skipped} skipped").map_err(unwritten)?;
    Ok(if failed == 0 { 0 } else { FAILED })
}

/// A reason without what only one script says: its line number.
fn general(reason: &str) -> String {
    let rest = reason.strip_prefix("line ");
    let told = rest.and_then(|rest| rest.split_once(": "));
    told.map_or(reason, |(_, told)| told).to_owned()
}

fn worded(report: &Report) -> String {
    match &report.outcome {
        Outcome::Passed | Outcome::Skipped { .. } => report.to_string(),
        Outcome::Failed(failure) => format!("failed: {failure}"),
    }
}

fn unwritten(error: std::io::Error) -> Failure {
    Failure::new(format!("standard output: {error}"))
}

/// A script, or every script in a folder and the folders in it, by name.
fn collect(path: &Path, into: &mut Vec<PathBuf>) -> Result<(), Failure> {
    if !path.is_dir() {
        into.push(path.to_owned());
        return Ok(());
    }
    let unread = |error: std::io::Error| Failure::file("folder", path, &error);
    let entries: Result<Vec<_>, _> = std::fs::read_dir(path).map_err(unread)?.collect();
    let mut inside: Vec<PathBuf> = entries
        .map_err(unread)?
        .iter()
        .map(std::fs::DirEntry::path)
        .collect();
    inside.sort();
    for path in inside {
        if path.is_dir() || path.extension().is_some_and(|end| end == "pkt") {
            collect(&path, into)?;
        }
    }
    Ok(())
}
