//! The requirement ledgers.
//!
//! Job: read `docs/ledger/*.toml`, hold every row to its promise (a test that exists, a deviation that is
//! written down), and print how much is covered into the book. Owns: the row's shape. Does not know: what a
//! requirement means.

mod coverage;
pub(crate) mod mutate;

use core::fmt;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::report::{Error, Finding};
use crate::source::Source;
use crate::workspace::{Workspace, files, read};

const LEDGERS: &str = "docs/ledger";
const SCRIPTS: &str = "fixtures/drill";
const DEVIATIONS: &str = "docs/deviations.md";
const BOOK: &str = "docs/book/src/coverage.md";

/// One ledger: the requirements of one document.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ledger {
    /// The document: `RFC 9293`.
    pub(crate) document: String,
    /// How many rows of each kind the document has, so that none is forgotten; empty for those nobody counted.
    #[serde(default)]
    pub(crate) expect: BTreeMap<String, usize>,
    /// The rows.
    #[serde(rename = "requirement")]
    pub(crate) requirements: Vec<Requirement>,
}

/// One row.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Requirement {
    /// The document's own label: `MUST-14`.
    pub(crate) id: String,
    /// `MUST`, `MUST NOT`, `SHOULD`, `SHOULD NOT`, `MAY` or `RECOMMENDED`.
    pub(crate) level: Level,
    /// Where it is written.
    pub(crate) section: String,
    /// What it asks, in our words.
    pub(crate) text: String,
    /// Where we stand.
    pub(crate) status: Status,
    /// Rules of the engine that carry it out, by printed name.
    #[serde(default)]
    pub(crate) rules: Vec<String>,
    /// Tests that fail when it is broken: `outcrop-tcp::name_of_the_test`, or `drill::sack/report-gap` for a script.
    #[serde(default)]
    pub(crate) tests: Vec<String>,
    /// Edits of the sources that break it: each must make one of the tests fail.
    #[serde(default)]
    pub(crate) breaks: Vec<Break>,
    /// The deviation that explains an exception: `D-01`.
    pub(crate) deviation: Option<String>,
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // On one line, whatever it spans.
        write!(f, "{}: {:?} for {:?}", self.file, self.replace, self.find)
    }
}

impl Requirement {
    /// `MUST` of `MUST-14`.
    pub(crate) fn kind(&self) -> &str {
        self.id.split('-').next().unwrap_or_default()
    }
}

/// One edit that breaks what a row promises.
#[derive(Debug, Deserialize, Hash)]
#[serde(deny_unknown_fields)]
pub(crate) struct Break {
    /// The file, relative to the workspace.
    pub(crate) file: String,
    /// What to look for: stands in the file once.
    pub(crate) find: String,
    /// What to put in its place.
    pub(crate) replace: String,
}

/// How strongly the document asks.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub(crate) enum Level {
    /// Must.
    #[serde(rename = "MUST")]
    Must,
    /// Must not.
    #[serde(rename = "MUST NOT")]
    MustNot,
    /// Should.
    #[serde(rename = "SHOULD")]
    Should,
    /// Should not.
    #[serde(rename = "SHOULD NOT")]
    ShouldNot,
    /// May.
    #[serde(rename = "MAY")]
    May,
    /// Is recommended.
    #[serde(rename = "RECOMMENDED")]
    Recommended,
}

/// Where we stand.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Status {
    /// Carried out, and a test fails if it is not.
    #[serde(rename = "done")]
    Done,
    /// Carried out in part.
    #[serde(rename = "partial")]
    Partial,
    /// Not carried out, on purpose, with a deviation.
    #[serde(rename = "exception")]
    Exception,
    /// Asks nothing of us.
    #[serde(rename = "n/a")]
    NotApplicable,
    /// Not looked at yet.
    #[serde(rename = "open")]
    Open,
}

/// Checks every ledger and the table in the book.
pub(crate) fn run(workspace: &Workspace, check: bool) -> Result<Vec<Finding>, Error> {
    let mut tests = tests(workspace)?;
    tests.extend(scripts(workspace)?);
    let names = quoted_names(workspace)?;
    let deviations = fs::read_to_string(workspace.root.join(DEVIATIONS)).unwrap_or_default();
    let known = Known {
        tests: &tests,
        rules: &names,
        deviations: &deviations,
    };
    let ledgers = load(workspace)?;
    let mut findings = Vec::new();
    for (place, ledger) in &ledgers {
        let wrong = check_ledger(ledger, &known).into_iter();
        let wrong = wrong.chain(check_breaks(ledger, &workspace.root));
        findings.extend(wrong.map(|what| Finding::new(place, what)));
    }
    let table = coverage::table(&ledgers);
    print!("{}", coverage::summary(&ledgers));
    findings.extend(coverage::publish(
        &workspace.root.join(BOOK),
        BOOK,
        &table,
        check,
    )?);
    Ok(findings)
}

/// Breaks what carries rows out, and demands that their tests notice.
pub(crate) fn break_rows(
    workspace: &Workspace,
    options: &mutate::Options,
) -> Result<Vec<Finding>, Error> {
    mutate::run(workspace, &load(workspace)?, options)
}

/// Every ledger, and where it stands.
fn load(workspace: &Workspace) -> Result<Vec<(String, Ledger)>, Error> {
    let paths = files(&workspace.root.join(LEDGERS), "toml")?;
    let each = paths.into_iter().map(|path| {
        let ledger = toml::from_str(&read(&path)?).map_err(|error| Error::parse(&path, error))?;
        Ok((workspace.relative(&path), ledger))
    });
    each.collect()
}

/// What the rows are held against.
struct Known<'a> {
    /// Tests that exist, as `crate::name`.
    tests: &'a BTreeSet<String>,
    /// Every short string literal of the engines' sources: rule names among them.
    rules: &'a BTreeSet<String>,
    /// The text of the deviations.
    deviations: &'a str,
}

fn check_ledger(ledger: &Ledger, known: &Known<'_>) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    let mut counted: BTreeMap<String, usize> = BTreeMap::new();
    for row in &ledger.requirements {
        if !seen.insert(&row.id) {
            wrong.push(format!("{} appears twice", row.id));
        }
        *counted.entry(row.kind().to_owned()).or_default() += 1;
        wrong.extend(
            check_row(row, known)
                .into_iter()
                .map(|what| format!("{}: {what}", row.id)),
        );
    }
    wrong.extend(check_breaks_exist(ledger));
    if !ledger.expect.is_empty() && counted != ledger.expect {
        wrong.push(format!(
            "holds {counted:?}, the document has {:?}",
            ledger.expect
        ));
    }
    wrong
}

/// Every row that is done has a break.
fn check_breaks_exist(ledger: &Ledger) -> impl Iterator<Item = String> {
    let missing = |row: &&Requirement| row.status == Status::Done && row.breaks.is_empty();
    let rows = ledger.requirements.iter().filter(missing);
    rows.map(|row| format!("{}: is done without a break that its tests notice", row.id))
}

fn check_row(row: &Requirement, known: &Known<'_>) -> Vec<String> {
    let mut wrong = Vec::new();
    if row.text.trim().is_empty() || row.section.trim().is_empty() {
        wrong.push("lacks its text or its section".to_owned());
    }
    for test in row.tests.iter().filter(|test| !known.tests.contains(*test)) {
        wrong.push(format!("no test is called {test}"));
    }
    for rule in row.rules.iter().filter(|rule| !known.rules.contains(*rule)) {
        wrong.push(format!("no engine has a rule called {rule}"));
    }
    if row.status == Status::Done && row.tests.is_empty() {
        wrong.push("is done without a test".to_owned());
    }
    let explained = |tag: &String| known.deviations.contains(&format!("## {tag} "));
    match (&row.deviation, row.status) {
        (None, Status::Exception) => wrong.push("is an exception without a deviation".to_owned()),
        (Some(tag), _) if !explained(tag) => {
            wrong.push(format!("{DEVIATIONS} does not explain {tag}"))
        }
        _ => {}
    }
    wrong
}

/// Every edit must find its place, once, and change it.
fn check_breaks(ledger: &Ledger, root: &Path) -> Vec<String> {
    let mut wrong = Vec::new();
    for row in &ledger.requirements {
        for edit in &row.breaks {
            let text = fs::read_to_string(root.join(&edit.file)).unwrap_or_default();
            let places = text.matches(&edit.find).count();
            if edit.find.is_empty() || places != 1 {
                wrong.push(format!(
                    "{}: {} holds {places} times what a break looks for: {}",
                    row.id, edit.file, edit.find
                ));
            }
            if edit.find == edit.replace {
                wrong.push(format!("{}: a break changes nothing", row.id));
            }
        }
    }
    wrong
}

/// Every drill script, as `drill::folder/name`.
fn scripts(workspace: &Workspace) -> Result<BTreeSet<String>, Error> {
    let root = workspace.root.join(SCRIPTS);
    let name = |path: &Path| {
        let path = path.strip_prefix(&root).unwrap_or(path);
        format!("drill::{}", path.with_extension("").display())
    };
    let found = files(&root, "pkt")?;
    Ok(found.iter().map(|path| name(path)).collect())
}

/// Every test of every crate, as `crate::name`.
fn tests(workspace: &Workspace) -> Result<BTreeSet<String>, Error> {
    each_source(workspace, &["src", "tests"], |member, source| {
        source
            .tests()
            .into_iter()
            .map(|test| format!("{member}::{test}"))
            .collect()
    })
}

/// Every short string literal in the crates: what a printed rule name must be one of.
fn quoted_names(workspace: &Workspace) -> Result<BTreeSet<String>, Error> {
    each_source(workspace, &["src"], |_, source| source.words())
}

fn each_source(
    workspace: &Workspace,
    folders: &[&str],
    mut look: impl FnMut(&str, &Source) -> BTreeSet<String>,
) -> Result<BTreeSet<String>, Error> {
    let mut found = BTreeSet::new();
    for member in &workspace.crates {
        for folder in folders {
            for path in files(&workspace.root.join(&member.dir).join(folder), "rs")? {
                let source = parse(&path)?;
                found.extend(look(&member.name, &source));
            }
        }
    }
    Ok(found)
}

fn parse(path: &Path) -> Result<Source, Error> {
    Source::parse(path, &read(path)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(row: &str) -> Vec<String> {
        let row = row.replace(
            "BREAK",
            "breaks = [{ file = \"f\", find = \"x\", replace = \"y\" }]",
        );
        let text = format!(
            "document = \"RFC 1\"\n[expect]\nMUST = 1\n[[requirement]]\nid = \"MUST-1\"\nlevel = \"MUST\"\nsection = \"3\"\ntext = \"t\"\n{row}"
        );
        let ledger: Ledger = toml::from_str(&text).unwrap();
        let tests = BTreeSet::from(["outcrop-tcp::syn_is_answered".to_owned()]);
        let rules = BTreeSet::from(["tcp:syn".to_owned()]);
        let known = Known {
            tests: &tests,
            rules: &rules,
            deviations: "## D-01 RTO floor\n",
        };
        check_ledger(&ledger, &known)
    }

    #[test]
    fn a_row_with_a_real_test_and_rule_passes() {
        assert!(wrong("status = \"done\"\ntests = [\"outcrop-tcp::syn_is_answered\"]\nrules = [\"tcp:syn\"]\nBREAK").is_empty());
        assert!(wrong("status = \"open\"").is_empty());
    }

    #[test]
    fn done_needs_a_test_that_exists() {
        assert_eq!(
            wrong("status = \"done\"\nBREAK"),
            ["MUST-1: is done without a test"]
        );
        assert_eq!(
            wrong("status = \"done\"\ntests = [\"x::y\"]\nBREAK"),
            ["MUST-1: no test is called x::y"]
        );
    }

    #[test]
    fn done_needs_a_break_and_what_is_done_in_part_does_not() {
        let tests = "tests = [\"outcrop-tcp::syn_is_answered\"]";
        assert_eq!(
            wrong(&format!("status = \"done\"\n{tests}")),
            ["MUST-1: is done without a break that its tests notice"]
        );
        assert!(wrong(&format!("status = \"partial\"\n{tests}")).is_empty());
    }

    #[test]
    fn an_exception_needs_a_deviation_that_is_written_down() {
        assert_eq!(
            wrong("status = \"exception\""),
            ["MUST-1: is an exception without a deviation"]
        );
        assert!(wrong("status = \"exception\"\ndeviation = \"D-01\"").is_empty());
        assert_eq!(
            wrong("status = \"exception\"\ndeviation = \"D-09\"").len(),
            1
        );
    }

    #[test]
    fn a_break_must_find_its_place_once_and_change_it() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.rs"), "one two two").unwrap();
        let found = |find: &str, replace: &str| {
            let text = format!(
                "document = \"RFC 1\"\n[[requirement]]\nid = \"MUST-1\"\nlevel = \"MUST\"\nsection = \"3\"\ntext = \"t\"\nstatus = \"open\"\nbreaks = [{{ file = \"a.rs\", find = \"{find}\", replace = \"{replace}\" }}]"
            );
            check_breaks(&toml::from_str(&text).unwrap(), dir.path()).len()
        };
        assert_eq!(found("one", "three"), 0);
        assert_eq!(found("one", "one"), 1);
        assert_eq!(found("two", "three"), 1);
        assert_eq!(found("four", "three"), 1);
    }

    #[test]
    fn rows_that_are_missing_or_double_are_found() {
        let double = "status = \"open\"\n[[requirement]]\nid = \"MUST-1\"\nlevel = \"MUST\"\nsection = \"3\"\ntext = \"t\"\nstatus = \"open\"";
        let found = wrong(double);
        assert!(
            found[0].contains("twice") && found[1].contains("the document has"),
            "{found:?}"
        );
    }
}
