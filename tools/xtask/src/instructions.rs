//! What the hot functions cost, held to what they cost before.
//!
//! Job: let callgrind count the benchmarks of `tools/bench/instructions`, compare with the figures kept, fail
//! above the tolerance. Owns: the tolerance, the runner's version. Does not know: what is counted.
//! Counts, unlike times, are the same on a loaded machine; between toolchains they differ, so the file names its own.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use crate::report::{Error, Finding};
use crate::workspace::{Workspace, read};

/// The version of `iai-callgrind` in Cargo.toml: runner and library must be of one.
const RUNNER: &str = "0.16.1";
const FIGURES: &str = "docs/bench/instructions.toml";
/// Per cent more than the kept figure that is still the same: another version of the C library chooses other copying
/// loops.
const TOLERANCE: u64 = 3;
const HEAD: &str = "# Instructions of the hot functions, counted by callgrind: `cargo xtask instructions` compares.\n\
    # Written by `BLESS=1 cargo xtask instructions`; say in the commit why a figure rose.\n";

/// The figures kept.
#[derive(Debug, Deserialize)]
struct Figures {
    toolchain: String,
    counts: BTreeMap<String, u64>,
}

/// Counts, compares, prints the table. With `BLESS` in the environment, writes what was counted instead.
pub(crate) fn run(workspace: &Workspace) -> Result<Vec<Finding>, Error> {
    if !is_installed("valgrind") {
        let what = "not found; it counts the instructions: apt-get install valgrind";
        return Ok(vec![Finding::new("valgrind", what)]);
    }
    let Some(text) = counted(workspace)? else {
        return Ok(vec![Finding::new("instructions", "did not run")]);
    };
    let counts = counts_in(&text);
    let path = workspace.root.join(FIGURES);
    let toolchain = toolchain()?;
    if env::var_os("BLESS").is_some() {
        let folder = path.parent().unwrap_or(&path);
        fs::create_dir_all(folder).map_err(Error::io(folder))?;
        fs::write(&path, written(&toolchain, &counts)).map_err(Error::io(&path))?;
    }
    let kept: Figures =
        toml::from_str(&read(&path)?).map_err(|error| Error::parse(&path, error))?;
    if kept.toolchain != toolchain {
        let what = format!(
            "figures of rustc {}, and this is {toolchain}: BLESS=1 cargo xtask instructions",
            kept.toolchain
        );
        return Ok(vec![Finding::new(FIGURES, what)]);
    }
    println!("{}", table(&kept.counts, &counts));
    Ok(judged(&kept.counts, &counts))
}

/// Runs the benchmarks; what they print, or nothing if they fail.
fn counted(workspace: &Workspace) -> Result<Option<String>, Error> {
    let tools = workspace.target.join("tools");
    let install = cargo(workspace)
        .args(["install", "--quiet", "--locked", "--debug", "--root"])
        .arg(&tools)
        .args(["iai-callgrind-runner", "--version"])
        .arg(format!("={RUNNER}"))
        // Beside the tools, or each installation would compile everything anew.
        .arg("--target-dir")
        .arg(tools.join("build"))
        .status()
        .map_err(Error::io(Path::new("cargo")))?;
    if !install.success() {
        return Ok(None);
    }
    // The release profile: what is measured is what is shipped.
    let output = cargo(workspace)
        .args(["bench", "--profile", "release", "--package"])
        .args(["outcrop-instructions", "--bench", "instructions"])
        .env("PATH", path_with(&tools.join("bin")))
        .env("IAI_CALLGRIND_COLOR", "never")
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(Error::io(Path::new("cargo")))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(Some(text));
    }
    println!("{text}");
    Ok(None)
}

fn cargo(workspace: &Workspace) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(&workspace.root);
    cargo
}

fn path_with(first: &Path) -> std::ffi::OsString {
    let rest = env::var_os("PATH").unwrap_or_default();
    let all = [first.to_owned()]
        .into_iter()
        .chain(env::split_paths(&rest).collect::<Vec<PathBuf>>());
    // A folder with a colon in its name cannot be in a PATH; then the runner is not found, and says so.
    env::join_paths(all).unwrap_or(rest)
}

fn is_installed(program: &str) -> bool {
    let probe = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    probe.is_ok_and(|status| status.success())
}

/// `1.95.0` of `rustc 1.95.0 (..)`.
fn toolchain() -> Result<String, Error> {
    let rustc = Path::new("rustc");
    let output = Command::new(rustc)
        .arg("--version")
        .output()
        .map_err(Error::io(rustc))?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text
        .split_whitespace()
        .nth(1)
        .unwrap_or_default()
        .to_owned())
}

/// Every benchmark's name, without that of the program and its setup, and its instructions.
fn counts_in(text: &str) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    let mut name = None;
    for line in text.lines() {
        if let Some(value) = line.trim_start().strip_prefix("Instructions:") {
            let number = value.split('|').next().unwrap_or_default().trim();
            if let (Some(name), Ok(count)) = (name.take(), number.parse()) {
                counts.insert(name, count);
            }
        } else if line.starts_with("instructions::") {
            let path = line.split(' ').next().unwrap_or_default();
            name = path.rsplit("::").next().map(str::to_owned);
        }
    }
    counts
}

fn written(toolchain: &str, counts: &BTreeMap<String, u64>) -> String {
    let rows: String = counts
        .iter()
        .map(|(name, count)| format!("{name} = {count}\n"))
        .collect();
    format!("{HEAD}toolchain = \"{toolchain}\"\n\n[counts]\n{rows}")
}

/// How much more `now` is than `kept`, per cent.
#[expect(clippy::cast_precision_loss, reason = "a share")]
fn change(kept: u64, now: u64) -> f64 {
    (now as f64 / kept.max(1) as f64 - 1.0) * 100.0
}

fn table(kept: &BTreeMap<String, u64>, counts: &BTreeMap<String, u64>) -> String {
    let mut text = format!(
        "{:28} {:>10} {:>10}  change\n",
        "instructions", "kept", "now"
    );
    for (name, now) in counts {
        let row = match kept.get(name) {
            Some(kept) => format!(
                "{name:28} {kept:>10} {now:>10}  {:+.1} %\n",
                change(*kept, *now)
            ),
            None => format!("{name:28} {:>10} {now:>10}\n", "-"),
        };
        text.push_str(&row);
    }
    text
}

fn judged(kept: &BTreeMap<String, u64>, counts: &BTreeMap<String, u64>) -> Vec<Finding> {
    let bless = "BLESS=1 cargo xtask instructions";
    let known = kept.iter().filter_map(|(name, before)| {
        let Some(now) = counts.get(name) else {
            let what = format!("{name} was not counted; if it is gone: {bless}");
            return Some(what);
        };
        let more = change(*before, *now);
        let risen = now.saturating_mul(100) > before.saturating_mul(100 + TOLERANCE);
        risen.then(|| {
            format!(
                "{name}: {before} instructions have become {now} ({more:+.1} %, at most {TOLERANCE} are the same); \
                 mend it, or say why and: {bless}"
            )
        })
    });
    let new = counts
        .keys()
        .filter(|name| !kept.contains_key(*name))
        .map(|name| format!("{name} is not kept yet: {bless}"));
    known
        .chain(new)
        .map(|what| Finding::new(FIGURES, what))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "instructions::tcp::tcp_takes_text of:text_for_a_server()\n  \
        Instructions:                       55228|55228                (No change)\n  \
        L1 Hits:                            79371|79371                (No change)\n\
        instructions::parts_of_it::h1_answers of:asked_server()\n  \
        Instructions:                        1178|N/A                  (*********)\n\n\
        Iai-Callgrind result: Ok. 2 without regressions; 0 regressed; 2 benchmarks finished in 1s\n";

    fn counts(rows: &[(&str, u64)]) -> BTreeMap<String, u64> {
        let own = |(name, count): &(&str, u64)| ((*name).to_owned(), *count);
        rows.iter().map(own).collect()
    }

    #[test]
    fn what_the_runner_prints_is_understood() {
        let expected = counts(&[("h1_answers", 1_178), ("tcp_takes_text", 55_228)]);
        assert_eq!(counts_in(PRINTED), expected);
    }

    #[test]
    fn what_is_written_is_read_again() {
        let expected = counts(&[("a", 1), ("b", 22)]);
        let figures: Figures = toml::from_str(&written("1.95.0", &expected)).unwrap();
        assert_eq!(figures.toolchain, "1.95.0");
        assert_eq!(figures.counts, expected);
    }

    #[test]
    fn three_per_cent_more_is_the_same_and_a_little_beyond_is_not() {
        let kept = counts(&[("a", 1_000), ("b", 1_000), ("c", 1_000)]);
        let now = counts(&[("a", 1_030), ("b", 1_031), ("c", 500)]);
        let found = judged(&kept, &now);
        assert_eq!(found.len(), 1);
        assert!(
            found[0]
                .what
                .contains("b: 1000 instructions have become 1031 (+3.1 %")
        );
    }

    #[test]
    fn a_benchmark_that_is_new_or_gone_is_said() {
        let found = judged(&counts(&[("old", 1)]), &counts(&[("new", 1)]));
        assert_eq!(found.len(), 2);
    }
}
