//! Where tests are run on the copy.
//!
//! Job: find the binary a named test lives in, build it, run the named tests alone, read what became of them.
//! Owns: the limits. Does not know: what is broken.
//! Test binaries are called directly, so that one that hangs can be ended by its own id.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::Instant;

use cargo_metadata::Message;
use cargo_metadata::diagnostic::DiagnosticLevel;

use super::record::Record;
use super::tree::Tree;
use crate::ledger::SCRIPTS;
use crate::report::{Error, Finding};
use crate::source::Source;
use crate::workspace::{Workspace, files, read};

/// A test that takes longer on broken code hangs: its loop has lost its end. That is noticed, too.
const PATIENCE: Duration = Duration::from_secs(240);
/// How often to look whether a test has ended.
const GLANCE: Duration = Duration::from_millis(20);

/// What became of broken code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// A named test failed: this one.
    Killed(String),
    /// Every named test passed.
    Survived,
    /// It does not compile; the compiler's first error.
    Unbuilt(String),
}

impl Fate {
    /// Whether a test noticed.
    pub(super) const fn is_killed(&self) -> bool {
        matches!(self, Self::Killed(_))
    }
}

/// How a row names a drill script: `drill::sack/report-gap`.
const DRILL: &str = "drill";
/// The example that runs scripts, and whose.
const RUNNER: (&str, &str) = ("outcrop-testkit", "drill");

/// What cargo builds of a package to run its tests.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Target {
    /// The unit tests of the library.
    Lib,
    /// The unit tests of the program.
    Bins,
    /// `tests/NAME.rs` or `tests/NAME/`.
    Test(String),
    /// No tests: the runner of drill scripts, which are called by their names.
    Drill,
}

/// A test binary: the package and which of its targets.
type Binary = (String, Target);

/// Runs tests on the copy.
pub(super) struct Bench<'a> {
    workspace: &'a Workspace,
    tree: &'a Tree,
    /// Every test, as `crate::name`, and the targets that hold one of that name.
    homes: BTreeMap<String, BTreeSet<Target>>,
}

impl<'a> Bench<'a> {
    /// A bench on `tree`, which is whole.
    pub(super) fn new(workspace: &'a Workspace, tree: &'a Tree) -> Result<Self, Error> {
        let mut homes: BTreeMap<String, BTreeSet<Target>> = BTreeMap::new();
        for member in &workspace.crates {
            let dir = tree.root.join(&member.dir);
            for folder in ["src", "tests"] {
                for path in files(&dir.join(folder), "rs")? {
                    let Some(target) = target_of(&dir, &path) else {
                        continue;
                    };
                    for test in Source::parse(&path, &read(&path)?)?.tests() {
                        let test = format!("{}::{test}", member.name);
                        homes.entry(test).or_default().insert(target.clone());
                    }
                }
            }
        }
        Ok(Self {
            workspace,
            tree,
            homes,
        })
    }

    /// Runs `tests` on whole code: who does not pass there proves nothing.
    pub(super) fn sound<'t>(
        &self,
        tests: impl Iterator<Item = &'t String>,
        record: &mut Record,
    ) -> Result<Vec<Finding>, Error> {
        let tests: BTreeSet<&String> = tests.filter(|test| !record.has_passed(test)).collect();
        let mut findings = Vec::new();
        for (_, binary, names) in self.binaries(tests.iter().copied()) {
            let program = match self.build(&binary)? {
                Ok(program) => program,
                Err(why) => {
                    findings.push(Finding::new(binary.0, format!("does not compile: {why}")));
                    continue;
                }
            };
            let mut passed = self.run(&binary, &program, &names)?.passed;
            // Who failed beside the others may pass alone: namespaces and their programs want the machine's time.
            for name in names.difference(&passed.clone()) {
                let alone = BTreeSet::from([name.clone()]);
                passed.extend(self.run(&binary, &program, &alone)?.passed);
            }
            for name in passed {
                record.passed(&format!("{}::{name}", binary.0))?;
            }
        }
        let missing = tests.into_iter().filter(|test| !record.has_passed(test));
        findings.extend(missing.map(|test| Finding::new(test.as_str(), "does not pass unbroken")));
        Ok(findings)
    }

    /// What `tests` say of the copy as it is.
    pub(super) fn fate(&self, tests: &[String]) -> Result<Fate, Error> {
        for (_, binary, names) in self.binaries(tests.iter()) {
            let program = match self.build(&binary)? {
                Ok(program) => program,
                Err(why) => return Ok(Fate::Unbuilt(why)),
            };
            let ran = self.run(&binary, &program, &names)?;
            if let Some(name) = ran.failed {
                return Ok(Fate::Killed(format!("{}::{name}", binary.0)));
            }
        }
        Ok(Fate::Survived)
    }

    /// Which binaries hold the tests, the one that is built soonest first: it mostly settles the matter.
    fn binaries<'t>(
        &self,
        tests: impl Iterator<Item = &'t String>,
    ) -> Vec<(usize, Binary, BTreeSet<String>)> {
        let mut found: BTreeMap<Binary, BTreeSet<String>> = BTreeMap::new();
        for test in tests {
            let Some((package, name)) = test.split_once("::") else {
                continue;
            };
            let script = (package == DRILL).then_some(Target::Drill);
            let homes = self.homes.get(test).into_iter().flatten().cloned();
            for target in script.into_iter().chain(homes) {
                let binary = (package.to_owned(), target);
                found.entry(binary).or_default().insert(name.to_owned());
            }
        }
        let costly = found
            .into_iter()
            .map(|(binary, names)| (self.cost(&binary), binary, names));
        let mut sorted: Vec<_> = costly.collect();
        sorted.sort();
        sorted
    }

    /// How much is built for it: the packages of ours below, and scripts need the laboratory.
    fn cost(&self, (package, target): &Binary) -> usize {
        let package = match target {
            Target::Drill => RUNNER.0,
            Target::Lib | Target::Bins | Target::Test(_) => package,
        };
        let member = self.workspace.crates.iter().find(|c| c.name == package);
        member.map_or(0, |member| {
            let below = &member.dependencies;
            below
                .iter()
                .filter(|name| self.workspace.owns(name))
                .count()
        })
    }

    /// Builds a test binary; the compiler's first error if it cannot.
    fn build(&self, (package, target): &Binary) -> Result<Result<PathBuf, String>, Error> {
        let cargo = Path::new("cargo");
        let what = match target {
            Target::Lib => vec!["test", "--no-run", "--package", package, "--lib"],
            Target::Bins => vec!["test", "--no-run", "--package", package, "--bins"],
            Target::Test(name) => vec!["test", "--no-run", "--package", package, "--test", name],
            Target::Drill => vec!["build", "--package", RUNNER.0, "--example", RUNNER.1],
        };
        let mut child = self
            .settle(Command::new(cargo).args(what))
            .arg("--message-format=json")
            .current_dir(&self.tree.root)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(Error::io(cargo))?;
        let (mut program, mut complaint) = (None, None);
        let said = child.stdout.take().into_iter();
        for message in said.flat_map(|said| Message::parse_stream(BufReader::new(said))) {
            let message = message.map_err(Error::io(cargo))?;
            if let Message::CompilerArtifact(artifact) = message {
                let wanted = artifact.profile.test || *target == Target::Drill;
                let made = artifact.executable.filter(|_| wanted);
                program = made.map(PathBuf::from).or(program);
            } else if let Message::CompilerMessage(said) = message
                && said.message.level == DiagnosticLevel::Error
            {
                complaint.get_or_insert(said.message.message);
            }
        }
        let status = child.wait().map_err(Error::io(cargo))?;
        Ok(match program.filter(|_| status.success()) {
            Some(program) => Ok(program),
            None => Err(complaint.unwrap_or_else(|| format!("cargo: {status}"))),
        })
    }

    /// Tells a command where and how the copy is built: a test may build the program that it runs.
    fn settle<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command
            .env("CARGO_TARGET_DIR", &self.tree.build)
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .env("CARGO_INCREMENTAL", "1")
            // A broken line may leave a name unused; that is no error here.
            .env("RUSTFLAGS", "--cap-lints warn")
    }

    /// Runs `names` of the binary `program`.
    fn run(
        &self,
        (package, target): &Binary,
        program: &Path,
        names: &BTreeSet<String>,
    ) -> Result<Ran, Error> {
        if *target == Target::Drill {
            return self.run_scripts(program, names);
        }
        // In the folder cargo would run it in.
        let member = self.workspace.crates.iter().find(|c| c.name == *package);
        let dir = member.map_or_else(PathBuf::new, |member| PathBuf::from(&member.dir));
        let dir = self.tree.root.join(dir);
        let (said, status) = self.call(Command::new(program).args(names).current_dir(&dir))?;
        Ok(Ran::read(&said, status, names))
    }

    fn run_scripts(&self, program: &Path, names: &BTreeSet<String>) -> Result<Ran, Error> {
        let mut ran = Ran::default();
        for name in names {
            let script = self.tree.root.join(SCRIPTS).join(format!("{name}.pkt"));
            let (_, status) = self.call(Command::new(program).arg(script))?;
            if status.is_some_and(|status| status.success()) {
                ran.passed.insert(name.clone());
            } else {
                ran.failed.get_or_insert_with(|| name.clone());
            }
        }
        Ok(ran)
    }

    /// Runs a program to its end; what it said, and how it ended. `None` had to be ended.
    fn call(&self, command: &mut Command) -> Result<(String, Option<ExitStatus>), Error> {
        let program = PathBuf::from(command.get_program());
        let log = self.tree.build.join("said");
        let out = File::create(&log).map_err(Error::io(&log))?;
        let mut child = self
            .settle(command)
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(Stdio::null())
            .spawn()
            .map_err(Error::io(&program))?;
        let begin = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().map_err(Error::io(&program))? {
                break Some(status);
            }
            if begin.elapsed() > PATIENCE {
                child.kill().map_err(Error::io(&program))?;
                child.wait().map_err(Error::io(&program))?;
                break None;
            }
            thread::sleep(GLANCE);
        };
        let said = fs::read(&log).map_err(Error::io(&log))?;
        fs::remove_file(&log).map_err(Error::io(&log))?;
        Ok((String::from_utf8_lossy(&said).into_owned(), status))
    }
}

/// The target a source file's tests belong to.
fn target_of(package: &Path, file: &Path) -> Option<Target> {
    let mut parts = file.strip_prefix(package).ok()?.iter();
    let folder = parts.next()?;
    let first = Path::new(parts.next()?);
    if folder == "tests" {
        return Some(Target::Test(first.file_stem()?.to_str()?.to_owned()));
    }
    let program = package.join("src/main.rs").exists();
    Some(if program { Target::Bins } else { Target::Lib })
}

/// What a run of a test binary said.
#[derive(Debug, Default, PartialEq, Eq)]
struct Ran {
    passed: BTreeSet<String>,
    /// The first of the named tests that failed, or how the whole binary ended.
    failed: Option<String>,
}

impl Ran {
    /// `status` of `None` is a run that had to be ended.
    fn read(said: &str, status: Option<ExitStatus>, names: &BTreeSet<String>) -> Self {
        let mut ran = Self::default();
        for line in said.lines() {
            let Some((name, outcome)) = line.strip_prefix("test ").and_then(verdict) else {
                continue;
            };
            if !names.contains(name) {
                continue;
            }
            match outcome {
                "ok" => {
                    ran.passed.insert(name.to_owned());
                }
                "FAILED" => ran.failed = ran.failed.or_else(|| Some(name.to_owned())),
                _ => {}
            }
        }
        let unfinished = || {
            names
                .iter()
                .find(|name| !ran.passed.contains(*name))
                .cloned()
        };
        if ran.failed.is_none() {
            ran.failed = match status {
                None => unfinished().map(|name| format!("{name} (no end)")),
                // No verdict at all: an abort, or a stack that overflowed.
                Some(status) if status.code().is_none() => {
                    unfinished().map(|name| format!("{name} ({status})"))
                }
                Some(_) => None,
            };
        }
        ran
    }
}

/// `wire::tests::name ... ok`: the last part of the name, and the outcome.
fn verdict(line: &str) -> Option<(&str, &str)> {
    let (path, outcome) = line.rsplit_once(" ... ")?;
    let path = path.split(" - ").next().unwrap_or(path);
    Some((path.rsplit("::").next().unwrap_or(path), outcome))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(all: &[&str]) -> BTreeSet<String> {
        all.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn only_named_tests_count_wherever_they_live() {
        let said = "running 3 tests\ntest wire::tests::a ... ok\ntest ab ... FAILED\ntest b - should panic ... FAILED\n";
        let ended = ExitStatus::default();
        let ran = Ran::read(said, Some(ended), &names(&["a"]));
        assert_eq!((ran.passed, ran.failed), (names(&["a"]), None));
        let ran = Ran::read(said, Some(ended), &names(&["a", "b"]));
        assert_eq!(ran.failed.as_deref(), Some("b"));
    }

    #[test]
    fn a_run_that_had_to_be_ended_names_who_did_not_finish() {
        let ran = Ran::read("test a ... ok\n", None, &names(&["a", "b"]));
        assert_eq!(ran.failed.as_deref(), Some("b (no end)"));
    }

    #[test]
    fn a_file_belongs_to_the_target_cargo_makes_of_it() {
        let package = Path::new("/nowhere/crate");
        let target = |path: &str| target_of(package, &package.join(path));
        assert_eq!(target("src/wire/tests.rs"), Some(Target::Lib));
        let stories = Some(Target::Test("stories".to_owned()));
        assert_eq!(target("tests/stories.rs"), stories);
        assert_eq!(target("tests/stories/echo.rs"), stories);
    }
}
