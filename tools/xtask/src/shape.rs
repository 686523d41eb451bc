//! The shape of the house.
//!
//! Job: keep files short, every crate with the same front door, and every crate runnable alone.
//! Owns: the limits below. Does not know: what the code does.

mod dependencies;
mod readme;

use crate::report::{Error, Finding};
use crate::source::Source;
use crate::workspace::{Crate, Workspace, files, read};

/// Lines of code a file may have, tests apart. At 400 it looks for its second idea; here it fails.
const FILE_LINES: usize = 600;
/// Lines of code an inline test module may have; a longer one moves to `tests.rs` beside the file.
const INLINE_TEST_LINES: usize = 150;
/// Lines of any kind `lib.rs` may have: it is a front door.
const LIB_LINES: usize = 120;
/// Cargo features a crate may declare.
const FEATURES: usize = 3;
/// The only places where `unsafe` may be written.
const UNSAFE_HOMES: &[&str] = &[
    "crates/l1-device/src/offload",
    "crates/l1-device/src/namespace",
];

/// Findings on every crate and file.
pub(crate) fn run(workspace: &Workspace) -> Result<Vec<Finding>, Error> {
    let mut findings = Vec::new();
    for member in &workspace.crates {
        findings.extend(check_files(workspace, member)?);
        if member.features.len() > FEATURES {
            let what = format!(
                "{} features ({}); at most {FEATURES}: features are crates",
                member.features.len(),
                member.features.join(", ")
            );
            findings.push(Finding::new(format!("{}/Cargo.toml", member.dir), what));
        }
        if member.dir.starts_with("crates/") {
            findings.extend(check_door(workspace, member)?);
        }
    }
    findings.extend(dependencies::check(workspace)?);
    findings.sort();
    Ok(findings)
}

fn check_files(workspace: &Workspace, member: &Crate) -> Result<Vec<Finding>, Error> {
    let mut findings = Vec::new();
    let dir = workspace.root.join(&member.dir);
    for path in ["src", "examples", "tests"]
        .iter()
        .map(|part| files(&dir.join(part), "rs"))
        .collect::<Result<Vec<_>, _>>()?
        .concat()
    {
        let place = workspace.relative(&path);
        let text = read(&path)?;
        let source = Source::parse(&path, &text)?;
        findings.extend(check_length(&place, &source));
        if !UNSAFE_HOMES.iter().any(|home| place.starts_with(home)) && has_unsafe(&text) {
            findings.push(Finding::new(
                &place,
                format!("unsafe may be written only in {UNSAFE_HOMES:?}"),
            ));
        }
    }
    Ok(findings)
}

fn check_length(place: &str, source: &Source) -> Vec<Finding> {
    let lines = source.lines();
    let mut findings = Vec::new();
    if lines.code > FILE_LINES {
        findings.push(Finding::new(
            place,
            format!("{} lines of code; at most {FILE_LINES}", lines.code),
        ));
    }
    if lines.tests > INLINE_TEST_LINES {
        let what = format!(
            "{} lines of tests inside; past {INLINE_TEST_LINES} they move to a sibling tests.rs",
            lines.tests
        );
        findings.push(Finding::new(place, what));
    }
    findings
}

/// Whether a line of code holds the keyword. Comments and attributes that forbid it do not count.
fn has_unsafe(text: &str) -> bool {
    text.lines().any(|line| {
        let code = line.split("//").next().unwrap_or_default();
        ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern"]
            .iter()
            .any(|form| code.contains(form) && !code.contains('"'))
    })
}

/// The front door of a crate: lib.rs, README, an example.
fn check_door(workspace: &Workspace, member: &Crate) -> Result<Vec<Finding>, Error> {
    let dir = workspace.root.join(&member.dir);
    let lib = dir.join("src/lib.rs");
    let mut findings = Vec::new();
    let mut find = |file: &str, what: String| {
        findings.push(Finding::new(format!("{}/{file}", member.dir), what))
    };
    let text = read(&lib)?;
    let lines = text.lines().count();
    if lines > LIB_LINES {
        find(
            "src/lib.rs",
            format!("{lines} lines; at most {LIB_LINES}: it is the front door"),
        );
    }
    if !text.lines().any(|line| line.starts_with("//! ```")) {
        find("src/lib.rs", "has no doctest".to_owned());
    }
    let source = Source::parse(&lib, &text)?;
    if member.short() != "device" && !source.attribute("#![forbid(unsafe_code)]") {
        find("src/lib.rs", "lacks #![forbid(unsafe_code)]".to_owned());
    }
    match read(&dir.join("README.md")) {
        Ok(readme) => readme::check(&readme)
            .into_iter()
            .for_each(|what| find("README.md", what)),
        Err(_) => find("README.md", "is missing".to_owned()),
    }
    if !member.has_example {
        find("examples", "no runnable example".to_owned());
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn a_long_file_is_found_and_its_comments_do_not_count() {
        let code = "fn f() {}\n".repeat(FILE_LINES + 1);
        let comments = "// why\n".repeat(FILE_LINES + 1);
        let check =
            |text: &str| check_length("x.rs", &Source::parse(Path::new("x.rs"), text).unwrap());
        assert_eq!(check(&code).len(), 1);
        assert!(check(&comments).is_empty());
    }

    #[test]
    fn the_word_unsafe_in_a_comment_is_not_unsafe() {
        assert!(has_unsafe("    let x = unsafe { y() };"));
        assert!(!has_unsafe(
            "#![forbid(unsafe_code)]\n// unsafe { } is elsewhere"
        ));
    }
}
