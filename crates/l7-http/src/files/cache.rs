//! Small files in memory, ready to be sent.
//!
//! Job: answer again what was answered before, as long as the file is the same. Owns: the answers.
//! Does not know: how files are found. An answer is checked against the file at most once in `TRUSTED`.

use core::time::Duration;
use std::collections::HashMap;
use std::path::Path;

use foldhash::fast::RandomState;
use outcrop_base::Instant;

use super::open::{Opened, Root};
use crate::h1::Prepared;

/// Files up to this many bytes are kept. Larger ones are read anew, in chunks.
pub(super) const SMALL: u64 = 1024 * 1024;
/// How long an answer is given without looking at the file: a change shows within this time.
const TRUSTED: Duration = Duration::from_millis(500);
/// Bytes kept in all; when full, everything is forgotten and the files in use come back by themselves.
const CAPACITY: usize = 64 * 1024 * 1024;
/// Answers kept in all.
const ENTRIES: usize = 16 * 1024;

#[derive(Debug, Default)]
pub(super) struct Cache {
    /// Only names of files that are there come in, so nobody can choose them to collide: a quick hash will do.
    entries: HashMap<Box<str>, Entry, RandomState>,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    answer: Prepared,
    relative: Box<Path>,
    mark: (u64, u64, Duration),
    checked: Option<Instant>,
}

impl Cache {
    /// The answer for `path`, if there is one and the file has not changed. Without a clock the file is
    /// looked at every time.
    pub(super) fn get(
        &mut self,
        path: &str,
        now: Option<Instant>,
        root: &Root,
    ) -> Option<Prepared> {
        let entry = self.entries.get_mut(path)?;
        let trusted =
            matches!((now, entry.checked), (Some(now), Some(then)) if now - then < TRUSTED);
        if !trusted {
            if !root.unchanged(&entry.relative, entry.mark) {
                self.forget(path);
                return None;
            }
            entry.checked = now;
        }
        Some(entry.answer.clone())
    }

    /// The answer under a name of the caller's, if it was made of the file with this mark.
    pub(super) fn marked(&self, name: &str, mark: (u64, u64, Duration)) -> Option<Prepared> {
        let entry = self.entries.get(name).filter(|entry| entry.mark == mark);
        entry.map(|entry| entry.answer.clone())
    }

    pub(super) fn put(
        &mut self,
        path: &str,
        file: &Opened,
        answer: Prepared,
        now: Option<Instant>,
    ) {
        self.forget(path);
        let size = answer.body().len() + path.len();
        if self.bytes + size > CAPACITY || self.entries.len() >= ENTRIES {
            *self = Self::default();
        }
        self.bytes += size;
        let entry = Entry {
            answer,
            relative: file.relative.as_path().into(),
            mark: file.mark(),
            checked: now,
        };
        self.entries.insert(path.into(), entry);
    }

    fn forget(&mut self, path: &str) {
        if let Some(entry) = self.entries.remove(path) {
            self.bytes -= entry.answer.body().len() + path.len();
        }
    }
}
