//! A run as documentation.
//!
//! Job: write the tables of a run into `docs/performance.md`, between the comments that name them, and its plots into the
//! book. Owns: which table and which plot stands where (`tables` and `pictures` make them). Does not know: how anything was
//! measured. All of it is made from `docs/bench`; a test holds that what is in the repository is what it makes.

mod pictures;
mod tables;

use core::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::figures::{OURS, Table};
use crate::{Outcome, profile};

pub(crate) use tables::once;

/// Who has a column, in this order.
const COLUMNS: [&str; 8] = [
    OURS, "ceiling", "nginx", "kernel", "smoltcp", "lwIP", "gVisor", "ipstack",
];

/// The section that is kept as it is until a complete run on a quiet machine, and then left out.
const UNTIL_QUIET: &str = "until quiet";

/// From where to where.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Options {
    /// What a run has kept.
    #[arg(default_value = "target/bench/results.json")]
    results: PathBuf,
    /// The documentation.
    #[arg(long, default_value = "docs")]
    docs: PathBuf,
}

/// Profiles beside a run: the names of their files, and what is in them.
type Profiles = Vec<(String, String)>;

impl Options {
    pub(crate) fn run(&self) -> Outcome<()> {
        let table = Table::read(&self.results)?;
        let kept = self.docs.join("bench/results.json");
        table.write(&kept)?;
        let pictures = self.docs.join("book/src/speed");
        fs::create_dir_all(&pictures)?;
        for (name, svg) in pictures::all(&table) {
            fs::write(pictures.join(name), svg)?;
        }
        let page = self.docs.join("performance.md");
        let text = fs::read_to_string(&page)?;
        fs::write(&page, filled(&text, &table, &profiles(&self.docs)?)?)?;
        println!(
            "written: {}, {}, {}",
            kept.display(),
            pictures.display(),
            page.display()
        );
        if tables::is_crowded(&table) {
            eprintln!(
                "This run was crowded, load {:.1} to {:.1}: its rates and verdicts are the scheduler's. Again, on a quiet machine.",
                table.load[0], table.load[1]
            );
        }
        Ok(())
    }
}

/// Those that there are, in the order of their names.
fn profiles(docs: &Path) -> Outcome<Profiles> {
    let mut found = Vec::new();
    let Ok(folder) = fs::read_dir(docs.join(profile::FOLDER)) else {
        return Ok(found);
    };
    for entry in folder {
        let path = entry?.path();
        if path.extension().is_some_and(|kind| kind == "md") {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            found.push((name.into_owned(), fs::read_to_string(&path)?));
        }
    }
    found.sort();
    Ok(found)
}

/// `text` with every section of a run made anew: what stands between `<!-- bench: NAME -->` and `<!-- end -->`.
fn filled(text: &str, table: &Table, profiles: &Profiles) -> Outcome<String> {
    const END: &str = "<!-- end -->";
    let mut made = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("<!-- bench: ") {
        let (name, after) = after.split_once(" -->").ok_or("a section without a name")?;
        let (kept, after) = after
            .split_once(END)
            .ok_or_else(|| format!("section {name}: no {END}"))?;
        rest = after;
        if name == UNTIL_QUIET {
            made.push_str(before);
            if table.is_complete() && !tables::is_crowded(table) {
                rest = after.trim_start_matches('\n');
            } else {
                write!(made, "<!-- bench: {name} -->{kept}{END}")?;
            }
            continue;
        }
        let section =
            section(name, table, profiles).ok_or_else(|| format!("{name}: no such section"))?;
        write!(made, "{before}<!-- bench: {name} -->\n{section}{END}")?;
    }
    made.push_str(rest);
    Ok(made)
}

fn section(name: &str, table: &Table, profiles: &Profiles) -> Option<String> {
    match name {
        "when" => Some(tables::when(table)),
        "bars" => Some(tables::judged(table, profiles)),
        "rates" => Some(tables::rates(table)),
        "cpu" => Some(tables::cpu(table)),
        "latency" => Some(tables::latency(table)),
        "handlers" => Some(tables::handlers(table)),
        "queues" => Some(tables::queues(table)),
        "paths" => Some(tables::paths(table)),
        "idle" => Some(tables::held(table)),
        "engine" => Some(tables::engine(table)),
        "profiles" => Some(tables::profiled(profiles)),
        _ => None,
    }
}

fn push(text: &mut String, more: core::fmt::Arguments<'_>) {
    // A string always takes what it is given.
    let _never = text.write_fmt(more);
}

/// Where the documentation of this repository is.
#[cfg(test)]
fn docs() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_the_repository_is_what_its_results_make() {
        let table = Table::read(&docs().join("bench/results.json")).unwrap();
        for (name, svg) in pictures::all(&table) {
            let kept = fs::read_to_string(docs().join("book/src/speed").join(name)).unwrap();
            assert!(
                kept == svg,
                "{name}: run `outcrop-bench report docs/bench/results.json`"
            );
        }
        let page = fs::read_to_string(docs().join("performance.md")).unwrap();
        assert!(
            filled(&page, &table, &profiles(&docs()).unwrap()).unwrap() == page,
            "docs/performance.md is of another run"
        );
    }

    #[test]
    fn a_section_that_nobody_knows_is_an_error() {
        let table = Table::read(&docs().join("bench/results.json")).unwrap();
        assert!(
            filled(
                "a <!-- bench: nothing --> <!-- end -->",
                &table,
                &Vec::new()
            )
            .is_err()
        );
        assert!(filled("a <!-- bench: when --> without", &table, &Vec::new()).is_err());
        assert_eq!(
            filled("nothing of a run\n", &table, &Vec::new()).unwrap(),
            "nothing of a run\n"
        );
    }

    #[test]
    fn what_waits_for_a_quiet_complete_run_goes_with_it() {
        let page = "new\n<!-- bench: until quiet -->\nold\n<!-- end -->\n";
        let mut table = Table::read(&docs().join("bench/results.json")).unwrap();
        table.load = [9.0, 9.0];
        assert_eq!(filled(page, &table, &Vec::new()).unwrap(), page);
        table.complete();
        assert_eq!(filled(page, &table, &Vec::new()).unwrap(), page);
        table.load = [0.5, 1.9];
        assert_eq!(filled(page, &table, &Vec::new()).unwrap(), "new\n");
        table.rounds = 4;
        assert_eq!(filled(page, &table, &Vec::new()).unwrap(), page);
    }
}
