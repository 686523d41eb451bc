//! What earlier runs have shown.
//!
//! Job: remember which breaks were killed and which tests passed, and on which sources, so that a long run can be
//! interrupted. Owns: one file beside the copy; without it, everything is tried again. Does not know: what it means.
//! A line: the digest of the sources, what (`killed` or `passed`), its digest.

use core::hash::{Hash, Hasher};
use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::hash::DefaultHasher;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::Mutant;
use crate::report::Error;

const FILE: &str = "record";
const KILLED: &str = "killed";
const PASSED: &str = "passed";

/// The record of one target folder, as it concerns these sources.
#[derive(Debug, Default)]
pub(super) struct Record {
    path: PathBuf,
    sources: u64,
    /// Breaks killed, on whatever sources.
    killed: BTreeSet<u64>,
    /// The same, on these.
    killed_here: BTreeSet<u64>,
    /// Tests that passed on these.
    passed: BTreeSet<u64>,
}

impl Record {
    /// What is known in `place` about the sources with this digest.
    pub(super) fn open(place: &Path, sources: u64) -> Result<Self, Error> {
        fs::create_dir_all(place).map_err(Error::io(place))?;
        let mut record = Self {
            path: place.join(FILE),
            sources,
            ..Self::default()
        };
        let text = fs::read_to_string(&record.path).unwrap_or_default();
        for (of, what, which) in text.lines().filter_map(entry) {
            let here = of == sources;
            if what == KILLED {
                record.killed.insert(which);
            }
            if what == KILLED && here {
                record.killed_here.insert(which);
            }
            if what == PASSED && here {
                record.passed.insert(which);
            }
        }
        Ok(record)
    }

    /// Whether this break was ever killed, by the tests it has now.
    pub(super) fn was_killed(&self, mutant: &Mutant<'_>) -> bool {
        self.killed.contains(&digest(mutant))
    }

    /// The same, on these very sources.
    pub(super) fn was_killed_here(&self, mutant: &Mutant<'_>) -> bool {
        self.killed_here.contains(&digest(mutant))
    }

    /// A break was killed.
    pub(super) fn killed(&mut self, mutant: &Mutant<'_>) -> Result<(), Error> {
        self.killed.insert(digest(mutant));
        self.killed_here.insert(digest(mutant));
        self.add(KILLED, digest(mutant))
    }

    /// Whether this test passed on these sources.
    pub(super) fn has_passed(&self, test: &str) -> bool {
        self.passed.contains(&digest(&test))
    }

    /// A test passed.
    pub(super) fn passed(&mut self, test: &str) -> Result<(), Error> {
        self.passed.insert(digest(&test));
        self.add(PASSED, digest(&test))
    }

    fn add(&self, what: &str, which: u64) -> Result<(), Error> {
        let mut options = OpenOptions::new();
        let file = options.create(true).append(true).open(&self.path);
        file.and_then(|mut file| writeln!(file, "{:016x} {what} {which:016x}", self.sources))
            .map_err(Error::io(&self.path))
    }
}

fn entry(line: &str) -> Option<(u64, &str, u64)> {
    let mut words = line.split(' ');
    let number = |word: Option<&str>| u64::from_str_radix(word?, 16).ok();
    let sources = number(words.next())?;
    let what = words.next()?;
    Some((sources, what, number(words.next())?))
}

/// The same in every run of the same program.
fn digest(of: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}
