//! Every rule of the TCP engine decides something in the laboratory.
//!
//! One process runs the state x segment table, every drill script and a few stories that neither can tell, and
//! collects the rules they name. A rule nobody reached is dead code or a missing test: it fails here.
//! Simulations reach what two honest ends can; fewer than `simulated.txt` says is a simulation that got weaker.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod stories;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use outcrop_tcp::Rule;
use outcrop_testkit::drill::{self, Family};
use outcrop_testkit::simulate::{Plan, run};
use outcrop_testkit::table::{cells, observed};

/// The rules that the first [`LIVES`] simulations reach, one a line.
const RECORD: &str = include_str!("simulated.txt");
const LIVES: u64 = 300;

fn scripts(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            scripts(&path, into);
        } else if path.extension().is_some_and(|end| end == "pkt") {
            into.push(path);
        }
    }
}

fn reached_by_scripts() -> BTreeSet<&'static str> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/drill");
    let mut paths = Vec::new();
    scripts(&root, &mut paths);
    let mut reached = BTreeSet::new();
    for path in &paths {
        let text = fs::read_to_string(path).unwrap();
        for family in [Family::V4, Family::V6] {
            let options = drill::Options {
                family,
                ..drill::Options::default()
            };
            reached.extend(drill::run(&text, &options).rules);
        }
    }
    reached
}

#[test]
fn every_rule_is_reached_by_the_table_a_script_or_a_story() {
    let mut reached: BTreeSet<&str> = BTreeSet::new();
    for cell in cells() {
        reached.insert(observed(&cell).outcome.rule.name());
    }
    reached.extend(reached_by_scripts());
    reached.extend(stories::reached());
    let unreached: Vec<_> = Rule::ALL
        .iter()
        .filter(|rule| !reached.contains(rule.name()))
        .collect();
    assert!(unreached.is_empty(), "nobody reached {unreached:?}");
}

#[test]
fn simulations_reach_at_least_what_the_record_says() {
    let mut reached = BTreeSet::new();
    for seed in 0..LIVES {
        reached.extend(run(&Plan::from_seed(seed)).unwrap().rules);
    }
    let record: BTreeSet<&str> = RECORD.lines().collect();
    let lost: Vec<_> = record.difference(&reached).collect();
    let won: Vec<_> = reached.difference(&record).collect();
    println!(
        "{} rules reached; not in the record: {won:?}",
        reached.len()
    );
    assert!(lost.is_empty(), "no simulation reached {lost:?} any more");
    for name in &record {
        assert!(Rule::from_name(name).is_some(), "no rule is called {name}");
    }
}
