//! One step.
//!
//! Job: run a command, pass its output on as it comes, and remember its closing line. Owns: the list of steps
//! and how each is called. Does not know: in what order they matter.

use core::time::Duration;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;

use super::Outcome;
use crate::ledger::mutate;
use crate::report::{Error, Finding};
use crate::workspace::Workspace;
use crate::{clippy_toml, instructions, layering, ledger, reached, shape};

/// One step of the integration.
pub(crate) struct Step {
    /// What it is called on the command line.
    pub(crate) name: &'static str,
    /// What it does.
    pub(crate) about: &'static str,
    how: How,
}

enum How {
    /// A chore of this program.
    Chore(fn(&Workspace) -> Result<Vec<Finding>, Error>),
    /// A cargo command, with environment.
    Cargo(
        &'static [&'static str],
        &'static [(&'static str, &'static str)],
    ),
    /// Unit and integration tests, by the best runner there is.
    Tests,
    /// The fuzz harness on the stable toolchain.
    FuzzSmoke,
    /// cargo-deny, if it is installed.
    Deny,
}

/// Cheap steps first, so that a slip is seen early.
pub(crate) const STEPS: &[Step] = &[
    Step {
        name: "fmt",
        about: "formatting",
        how: How::Cargo(&["fmt", "--all", "--check"], &[]),
    },
    Step {
        name: "clippy-toml",
        about: "clippy.toml of every engine",
        how: How::Chore(|w| clippy_toml::run(w, true)),
    },
    Step {
        name: "layering",
        about: "who knows whom",
        how: How::Chore(|w| layering::run(w, false)),
    },
    Step {
        name: "shape",
        about: "lengths, READMEs, examples",
        how: How::Chore(shape::run),
    },
    Step {
        name: "ledger",
        about: "requirements and their tests",
        how: How::Chore(|w| ledger::run(w, true)),
    },
    Step {
        name: "clippy",
        about: "lints, all targets, warnings are errors",
        how: How::Cargo(
            &[
                "clippy",
                "--workspace",
                "--all-targets",
                "--all-features",
                "--",
                "-D",
                "warnings",
            ],
            &[],
        ),
    },
    Step {
        name: "docs",
        about: "rustdoc, warnings are errors",
        how: How::Cargo(
            &[
                "doc",
                "--workspace",
                "--no-deps",
                "--document-private-items",
            ],
            &[(
                "RUSTDOCFLAGS",
                "-D warnings -A rustdoc::private_intra_doc_links",
            )],
        ),
    },
    Step {
        name: "tests",
        about: "unit, integration and end-to-end tests",
        how: How::Tests,
    },
    Step {
        name: "doctests",
        about: "examples in the documentation",
        how: How::Cargo(&["test", "--workspace", "--all-features", "--doc"], &[]),
    },
    Step {
        name: "soak",
        about: "ten thousand simulated lives of connections, every invariant checked",
        how: How::Cargo(&SOAK, &[]),
    },
    Step {
        name: "matrix",
        about: "goodput of every controller over every path, to the byte",
        how: How::Cargo(&MATRIX, &[]),
    },
    Step {
        name: "reached",
        about: "the book's page of what scripts and captures come past",
        how: How::Chore(|w| reached::run(w, true)),
    },
    Step {
        name: "instructions",
        about: "what the hot functions cost, by callgrind, to three per cent",
        how: How::Chore(instructions::run),
    },
    Step {
        name: "mutants",
        about: "ten rows of the ledgers broken by chance: their tests must notice",
        how: How::Chore(|w| ledger::break_rows(w, &MUTANTS)),
    },
    Step {
        name: "fuzz-smoke",
        about: "fuzz targets for some seconds each",
        how: How::FuzzSmoke,
    },
    Step {
        name: "deny",
        about: "licences, advisories, bans",
        how: How::Deny,
    },
];

/// The seeds are always the same; `make soak` chooses others and more.
const SOAK: [&str; 9] = [
    "run",
    "--profile",
    "sim",
    "--package",
    "outcrop-testkit",
    "--example",
    "soak",
    "--",
    "10000",
];
const MATRIX: [&str; 9] = [
    "run",
    "--profile",
    "sim",
    "--package",
    "outcrop-testkit",
    "--example",
    "matrix",
    "--",
    "--check",
];

/// Ten, other ones for each commit; the seed is printed. No further one is begun after two minutes, so that the step
/// stays below three.
const MUTANTS: mutate::Options = mutate::Options {
    count: mutate::Count::Some(10),
    seed: None,
    rows: Vec::new(),
    shard: None,
    resume: false,
    limit: Some(Duration::from_secs(120)),
};

const NEXTEST: [&str; 6] = [
    "nextest",
    "run",
    "--workspace",
    "--all-features",
    "--no-fail-fast",
    "--no-tests=pass",
];

/// Slots for tests, of which `.config/nextest.toml` gives one to a test that waits and this many to one that computes.
const SLOTS_A_PROCESSOR: usize = 3;

fn slots() -> usize {
    thread::available_parallelism().map_or(1, usize::from) * SLOTS_A_PROCESSOR
}

const TEST_ENVIRONMENT: &[(&str, &str)] = &[("RUST_BACKTRACE", "1")];

/// Runs one step.
pub(crate) fn run_step(workspace: &Workspace, step: &Step) -> Result<Outcome, Error> {
    match &step.how {
        How::Chore(chore) => {
            let findings = chore(workspace)?;
            findings.iter().for_each(|finding| println!("{finding}"));
            Ok(if findings.is_empty() {
                Outcome::Passed(None)
            } else {
                Outcome::Failed(Some(format!("{} to mend", findings.len())))
            })
        }
        How::Cargo(arguments, environment) => cargo(workspace, arguments, environment),
        How::Tests if is_installed("nextest") => {
            let slots = slots().to_string();
            let mut arguments = NEXTEST.to_vec();
            arguments.extend(["--test-threads", &slots]);
            cargo(workspace, &arguments, TEST_ENVIRONMENT)
        }
        How::Tests => cargo(
            workspace,
            &[
                "test",
                "--workspace",
                "--all-features",
                "--lib",
                "--bins",
                "--tests",
                "--no-fail-fast",
            ],
            TEST_ENVIRONMENT,
        ),
        How::FuzzSmoke => fuzz_smoke(workspace),
        How::Deny if is_installed("deny") => cargo(
            workspace,
            &["deny", "--offline", "check", "licenses", "bans", "sources"],
            &[],
        ),
        How::Deny => Ok(Outcome::Skipped(
            "cargo-deny is not installed; `layering` checks the same bans",
        )),
    }
}

/// The libFuzzer targets must build; what they call runs here under proptest, which needs no nightly.
fn fuzz_smoke(workspace: &Workspace) -> Result<Outcome, Error> {
    let targets = [
        "check",
        "--manifest-path",
        "tests/fuzz/Cargo.toml",
        "--target-dir",
        "target",
    ];
    match cargo(workspace, &targets, &[])? {
        Outcome::Passed(_) => {}
        unbuilt @ (Outcome::Failed(_) | Outcome::Skipped(_)) => return Ok(unbuilt),
    }
    cargo(
        workspace,
        &["test", "--package", "outcrop-tests", "--test", "fuzz_smoke"],
        &[("PROPTEST_CASES", FUZZ_CASES), ("RUST_BACKTRACE", "1")],
    )
}

/// Inputs a target gets in CI: some seconds each.
const FUZZ_CASES: &str = "5000";

/// Whether `cargo NAME` works here.
fn is_installed(name: &str) -> bool {
    let probe = Command::new("cargo")
        .args([name, "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    probe.is_ok_and(|status| status.success())
}

fn cargo(
    workspace: &Workspace,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> Result<Outcome, Error> {
    let program = Path::new("cargo");
    let mut child = Command::new(program)
        .args(arguments)
        .envs(environment.iter().copied())
        .current_dir(&workspace.root)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(Error::io(program))?;
    let (lines, incoming) = mpsc::channel();
    for stream in [
        child.stdout.take().map(boxed),
        child.stderr.take().map(boxed),
    ]
    .into_iter()
    .flatten()
    {
        let lines = lines.clone();
        thread::spawn(move || forward(stream, &lines));
    }
    drop(lines);
    let mut closing = Closing::default();
    let mut out = std::io::stdout().lock();
    for line in incoming {
        // A reader of our output that has gone is no reason to stop checking.
        let _gone = writeln!(out, "{line}");
        closing.read(&line);
    }
    let status = child.wait().map_err(Error::io(program))?;
    let last = closing.line();
    Ok(if status.success() {
        Outcome::Passed(last)
    } else {
        Outcome::Failed(last)
    })
}

fn boxed(stream: impl Read + Send + 'static) -> Box<dyn Read + Send> {
    Box::new(stream)
}

fn forward(stream: Box<dyn Read + Send>, lines: &mpsc::Sender<String>) {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    while reader
        .read_until(b'\n', &mut line)
        .is_ok_and(|read| read > 0)
    {
        let text = String::from_utf8_lossy(&line);
        if lines.send(text.trim_end().to_owned()).is_err() {
            return;
        }
        line.clear();
    }
}

/// The runner's last word: nextest prints one summary, `cargo test` one result a binary, which are added up.
#[derive(Default)]
struct Closing {
    summary: Option<String>,
    passed: u64,
    failed: u64,
    ignored: u64,
    results: u64,
}

impl Closing {
    fn read(&mut self, line: &str) {
        let line = line.trim();
        if line.starts_with("Summary [") {
            self.summary = Some(line.to_owned());
        } else if let Some(result) = line.strip_prefix("test result: ") {
            self.results += 1;
            self.passed += count(result, "passed");
            self.failed += count(result, "failed");
            self.ignored += count(result, "ignored");
        }
    }

    fn line(self) -> Option<String> {
        let added = || {
            format!(
                "{} passed, {} failed, {} ignored",
                self.passed, self.failed, self.ignored
            )
        };
        self.summary
            .clone()
            .or_else(|| (self.results > 0).then(added))
    }
}

/// The number before `word`: `3 passed`.
fn count(result: &str, word: &str) -> u64 {
    let before = result
        .split([';', '.'])
        .find_map(|part| part.trim().strip_suffix(word));
    before
        .and_then(|number| number.trim().parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_many_binaries_are_added_up() {
        let mut closing = Closing::default();
        closing.read("test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s");
        closing.read("test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured");
        assert_eq!(closing.line().unwrap(), "5 passed, 1 failed, 1 ignored");
    }

    #[test]
    fn the_summary_of_nextest_is_repeated_as_it_is() {
        let mut closing = Closing::default();
        closing.read("     Summary [   0.2s] 12 tests run: 12 passed, 0 skipped");
        assert_eq!(
            closing.line().unwrap(),
            "Summary [   0.2s] 12 tests run: 12 passed, 0 skipped"
        );
    }
}
