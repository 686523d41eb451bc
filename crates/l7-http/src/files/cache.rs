//! Small files in memory, ready to be sent.
//!
//! Job: answer again what was answered before, as long as the file is the same. Owns: the answers.
//! Does not know: how files are found. Nobody is given what a file was before he asked: an answer is held against the
//! file (one system call, nothing opened) once for all who ask at the same instant, which is one turn of the driver.

use core::time::Duration;
use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use outcrop_base::Instant;

use super::open::{Opened, Place, Root};
use crate::h1::Prepared;

/// Files up to this many bytes are kept. Larger ones are read anew, in chunks.
pub(super) const SMALL: u64 = 1024 * 1024;
/// Bytes kept in all; when full, everything is forgotten and the files in use come back by themselves.
const CAPACITY: usize = 64 * 1024 * 1024;
/// Answers kept in all.
const ENTRIES: usize = 16 * 1024;

#[derive(Debug, Default)]
pub(super) struct Cache {
    /// Only names of files that are there come in, so nobody can choose them to collide: a quick hash will do.
    entries: HashMap<Box<[u8]>, Entry, RandomState>,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    answer: Arc<Prepared>,
    mark: (u64, u64, Duration),
    place: Place,
    checked: Option<Instant>,
}

impl Cache {
    /// The answer for `path`, if there is one and the file has not changed. Without a clock the file is
    /// looked at every time.
    pub(super) fn get(
        &mut self,
        path: &[u8],
        now: Option<Instant>,
        root: &Root,
    ) -> Option<Arc<Prepared>> {
        let entry = self.entries.get_mut(path)?;
        if now.is_none() || entry.checked != now {
            if !root.unchanged(&entry.place) {
                self.forget(path);
                return None;
            }
            entry.checked = now;
        }
        Some(Arc::clone(&entry.answer))
    }

    /// The answer under a name of the caller's, if it was made of the file with this mark.
    pub(super) fn marked(&self, name: &str, mark: (u64, u64, Duration)) -> Option<Arc<Prepared>> {
        let entry = self
            .entries
            .get(name.as_bytes())
            .filter(|entry| entry.mark == mark);
        entry.map(|entry| Arc::clone(&entry.answer))
    }

    pub(super) fn put(
        &mut self,
        path: &str,
        file: &Opened,
        answer: Arc<Prepared>,
        now: Option<Instant>,
    ) {
        self.forget(path.as_bytes());
        let size = answer.body().len() + path.len();
        if self.bytes + size > CAPACITY || self.entries.len() >= ENTRIES {
            *self = Self::default();
        }
        self.bytes += size;
        let entry = Entry {
            answer,
            mark: file.mark(),
            place: file.place.clone(),
            checked: now,
        };
        self.entries.insert(path.as_bytes().into(), entry);
    }

    fn forget(&mut self, path: &[u8]) {
        if let Some(entry) = self.entries.remove(path) {
            self.bytes -= entry.answer.body().len() + path.len();
        }
    }
}
