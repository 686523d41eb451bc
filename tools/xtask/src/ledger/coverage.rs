//! Coverage, as a table in the book.
//!
//! Job: count rows by level and status, and keep the chapter current. Owns: the chapter `coverage.md`, whole.

use core::fmt::Write as _;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::{Ledger, Level, Requirement, Status};
use crate::report::{Error, Finding};

const STATUSES: &[(Status, &str)] = &[
    (Status::Done, "done"),
    (Status::Partial, "partial"),
    (Status::Exception, "exception"),
    (Status::NotApplicable, "n/a"),
    (Status::Open, "open"),
];

/// The chapter.
pub(crate) fn table(ledgers: &[(String, Ledger)]) -> String {
    let mut text = String::from(
        "# What the standards ask, and where we stand\n\n<!-- Written by `cargo xtask ledger`; do not edit. -->\n\n\
         A row is *done* when a test fails after the line that carries it out is broken; *partial* when part of it is;\n\
         an *exception* is a deviation on purpose, explained in `docs/deviations.md`; *open* means not claimed yet.\n\n\
         Every row that is done names at least one *break*: an edit of the sources that its tests catch. `cargo xtask ledger`\n\
         refuses a row without one, and one whose place is gone. `cargo xtask ledger --mutate N` makes N of them, chosen by\n\
         chance, one at a time in a copy of the sources below the target folder; the integration does so with ten.\n\n\
         - `--mutate all` makes each of them, `--mutate new` those that were never caught in this target folder.\n\
         - `--rows rfc5681,rfc9293:MUST-14` makes those of a document or of a row.\n\
         - `--shard 1/4` to `--shard 4/4` are the parts of a long run; `--resume` goes on with one that was interrupted, and\n  \
         leaves out what it has caught, as long as the sources are the same.\n\n\
         The last line is `N breaks, N killed, N survived`; if one survived, a test is to be mended, and the run fails.\n",
    );
    text.push_str("\n## All documents\n\n");
    header(&mut text);
    for (_, ledger) in ledgers {
        counts(&mut text, &ledger.document, ledger.requirements.iter());
    }
    counts(
        &mut text,
        "all",
        ledgers.iter().flat_map(|(_, ledger)| &ledger.requirements),
    );
    for (place, ledger) in ledgers {
        let _infallible = write!(text, "\n## {}\n\nFrom `{place}`.\n\n", ledger.document);
        header(&mut text);
        let kinds: BTreeSet<_> = ledger.requirements.iter().map(Requirement::kind).collect();
        for kind in kinds {
            counts(
                &mut text,
                kind,
                ledger.requirements.iter().filter(|row| row.kind() == kind),
            );
        }
        text.push_str("\n| id | level | section | asks for | status |\n|---|---|---|---|---|\n");
        for row in &ledger.requirements {
            line(&mut text, row);
        }
    }
    text
}

fn header(text: &mut String) {
    text.push_str("| | done | partial | exception | n/a | open | all | with a break |\n|---|---|---|---|---|---|---|---|\n");
}

/// One line of a table of counts. The last column: rows with an edit that their tests are known to catch.
fn counts<'a>(text: &mut String, name: &str, rows: impl Iterator<Item = &'a Requirement>) {
    let rows: Vec<_> = rows.collect();
    let _infallible = write!(text, "| {name} |");
    for (status, _) in STATUSES {
        let count = rows.iter().filter(|row| row.status == *status).count();
        let _infallible = write!(text, " {count} |");
    }
    let broken = rows.iter().filter(|row| !row.breaks.is_empty()).count();
    let _infallible = writeln!(text, " {} | {broken} |", rows.len());
}

fn line(text: &mut String, row: &Requirement) {
    let deviation = row
        .deviation
        .as_ref()
        .map(|tag| format!(" ({tag})"))
        .unwrap_or_default();
    let _infallible = writeln!(
        text,
        "| {} | {} | {} | {} | {}{deviation} |",
        row.id,
        level(row.level),
        row.section,
        row.text,
        status(row.status),
    );
}

/// One line a ledger, for the terminal.
pub(crate) fn summary(ledgers: &[(String, Ledger)]) -> String {
    let mut text = String::new();
    for (place, ledger) in ledgers {
        let counts: Vec<_> = STATUSES
            .iter()
            .map(|(status, name)| {
                let count = ledger
                    .requirements
                    .iter()
                    .filter(|row| row.status == *status)
                    .count();
                format!("{name} {count}")
            })
            .collect();
        let _infallible = writeln!(
            text,
            "{place}: {} rows: {}",
            ledger.requirements.len(),
            counts.join(", ")
        );
    }
    text
}

/// Writes the chapter, or says that it is not current.
pub(crate) fn publish(
    path: &Path,
    place: &str,
    table: &str,
    check: bool,
) -> Result<Vec<Finding>, Error> {
    if fs::read_to_string(path).is_ok_and(|have| have == table) {
        return Ok(Vec::new());
    }
    if check {
        return Ok(vec![Finding::new(
            place,
            "is not current: cargo xtask ledger",
        )]);
    }
    fs::write(path, table).map_err(Error::io(path))?;
    Ok(Vec::new())
}

const fn level(level: Level) -> &'static str {
    match level {
        Level::Must => "must",
        Level::MustNot => "must not",
        Level::Should => "should",
        Level::ShouldNot => "should not",
        Level::May => "may",
        Level::Recommended => "recommended",
    }
}

fn status(status: Status) -> &'static str {
    STATUSES
        .iter()
        .find(|(known, _)| *known == status)
        .map_or("", |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger() -> Vec<(String, Ledger)> {
        let text = "document = \"RFC 1\"\n[expect]\nMUST = 2\n[[requirement]]\nid = \"MUST-1\"\nlevel = \"MUST NOT\"\nsection = \"3\"\ntext = \"never\"\nstatus = \"open\"\n[[requirement]]\nid = \"MUST-2\"\nlevel = \"MUST\"\nsection = \"3\"\ntext = \"always\"\nstatus = \"done\"\n";
        vec![("a.toml".to_owned(), toml::from_str(text).unwrap())]
    }

    #[test]
    fn rows_are_counted_by_status() {
        assert!(table(&ledger()).contains("| MUST | 1 | 0 | 0 | 0 | 1 | 2 | 0 |"));
        assert!(table(&ledger()).contains("| MUST-1 | must not | 3 | never | open |"));
        assert_eq!(
            summary(&ledger()),
            "a.toml: 2 rows: done 1, partial 0, exception 0, n/a 0, open 1\n"
        );
    }

    #[test]
    fn a_stale_chapter_is_found_and_written_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("coverage.md");
        assert_eq!(
            publish(&path, "coverage.md", "table", true).unwrap().len(),
            1
        );
        assert!(
            publish(&path, "coverage.md", "table", false)
                .unwrap()
                .is_empty()
        );
        assert!(
            publish(&path, "coverage.md", "table", true)
                .unwrap()
                .is_empty()
        );
    }
}
