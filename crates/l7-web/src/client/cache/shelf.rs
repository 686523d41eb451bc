//! Where kept answers lie.
//!
//! Job: all answers kept for one address, in memory or as a file of a folder, within a bound of bytes. Owns: them.
//! Does not know: which of them fits a request. What was not used for longest goes first; in a folder, what was written
//! longest ago. A file that cannot be understood is no answer.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Stored;
use crate::chance;

/// Files of a folder are named so, after a digest of the address.
const ENDING: &str = "kept";

#[derive(Clone, Debug)]
pub(super) enum Shelf {
    Memory(Memory),
    Folder(Folder),
}

impl Shelf {
    /// What is kept for `uri`.
    pub(super) fn load(&mut self, uri: &str) -> Vec<Stored> {
        match self {
            Self::Memory(memory) => memory.load(uri),
            Self::Folder(folder) => folder.load(uri).unwrap_or_default(),
        }
    }

    /// Keeps these for `uri`, in place of what was kept.
    pub(super) fn save(&mut self, uri: &str, all: Vec<Stored>) {
        match self {
            Self::Memory(memory) => memory.save(uri, all),
            Self::Folder(folder) => {
                // A cache that cannot keep something has nothing: that is always right.
                if let Err(error) = folder.save(uri, &all) {
                    log::warn!("cache: {}: {error}", folder.path.display());
                    folder.remove(uri);
                }
            }
        }
    }

    /// Bytes at most.
    pub(super) const fn most(&self) -> usize {
        match self {
            Self::Memory(Memory { most, .. }) | Self::Folder(Folder { most, .. }) => *most,
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Memory {
    kept: BTreeMap<String, (u64, Vec<Stored>)>,
    bytes: usize,
    most: usize,
    ticks: u64,
}

fn size(all: &[Stored]) -> usize {
    all.iter().map(Stored::size).sum()
}

impl Memory {
    pub(super) const fn new(most: usize) -> Self {
        Self {
            kept: BTreeMap::new(),
            bytes: 0,
            most,
            ticks: 0,
        }
    }

    fn load(&mut self, uri: &str) -> Vec<Stored> {
        self.ticks += 1;
        let Some((used, all)) = self.kept.get_mut(uri) else {
            return Vec::new();
        };
        *used = self.ticks;
        all.clone()
    }

    fn save(&mut self, uri: &str, all: Vec<Stored>) {
        if let Some((_, old)) = self.kept.remove(uri) {
            self.bytes -= size(&old);
        }
        if all.is_empty() {
            return;
        }
        self.ticks += 1;
        self.bytes += size(&all);
        self.kept.insert(uri.to_owned(), (self.ticks, all));
        while self.bytes > self.most {
            let used = |(uri, (used, _)): (&String, &(u64, Vec<Stored>))| (*used, uri.clone());
            let Some((_, oldest)) = self.kept.iter().map(used).min() else {
                return;
            };
            if let Some((_, old)) = self.kept.remove(&oldest) {
                self.bytes -= size(&old);
            }
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Folder {
    path: PathBuf,
    most: usize,
}

/// The first line of a file; the bodies follow it, one after the other.
#[derive(Serialize, Deserialize)]
struct Index {
    uri: String,
    answers: Vec<Entry>,
}

/// Bytes of fields stand for the characters of the same number: they need not be UTF-8.
type Pairs = Vec<(String, String)>;

#[derive(Serialize, Deserialize)]
struct Entry {
    status: u16,
    fields: Pairs,
    varied: Vec<(String, Option<String>)>,
    asked_ms: u64,
    came_ms: u64,
    bytes: usize,
}

impl Folder {
    pub(super) fn open(path: &Path, most: usize) -> io::Result<Self> {
        fs::create_dir_all(path)?;
        Ok(Self {
            path: path.to_owned(),
            most,
        })
    }

    fn file(&self, uri: &str) -> PathBuf {
        let name = chance::hex(&Sha256::digest(uri.as_bytes()));
        self.path.join(name).with_extension(ENDING)
    }

    fn load(&self, uri: &str) -> Option<Vec<Stored>> {
        let file = self.file(uri);
        // Ours are never larger: whatever is, somebody else made.
        let fits = fs::metadata(&file).ok()?.len() <= self.most as u64;
        let bytes = fits.then(|| fs::read(&file).ok())??;
        read(uri, bytes.into())
    }

    fn save(&self, uri: &str, all: &[Stored]) -> io::Result<()> {
        if all.is_empty() {
            self.remove(uri);
            return Ok(());
        }
        let file = self.file(uri);
        // Whole or not at all, whoever else writes at the same time: written beside, then moved.
        let beside = file.with_extension(chance::token().map_err(io::Error::other)?);
        let written = fs::File::create_new(&beside).and_then(|mut out| write(uri, all, &mut out));
        let moved = written.and_then(|()| fs::rename(&beside, &file));
        if moved.is_err() {
            let _perhaps_there = fs::remove_file(&beside);
        }
        moved?;
        self.shrink()
    }

    fn remove(&self, uri: &str) {
        let _perhaps_there = fs::remove_file(self.file(uri));
    }

    fn shrink(&self) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let (entry, path) = entry.map(|entry| (entry.metadata(), entry.path()))?;
            if let Ok(about) = entry
                && path.extension().is_some_and(|ending| ending == ENDING)
            {
                let written = about.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                files.push((written, path, about.len()));
            }
        }
        files.sort();
        let mut bytes: u64 = files.iter().map(|(.., bytes)| bytes).sum();
        for (_, path, size) in files {
            if bytes <= self.most as u64 {
                break;
            }
            fs::remove_file(path)?;
            bytes -= size;
        }
        Ok(())
    }
}

fn write(uri: &str, all: &[Stored], out: &mut fs::File) -> io::Result<()> {
    let answers = all.iter().map(|stored| Entry {
        status: stored.status.as_u16(),
        fields: pairs(&stored.fields),
        varied: (stored.varied.iter())
            .map(|(name, value)| (name.to_string(), value.clone()))
            .collect(),
        asked_ms: millis(stored.asked),
        came_ms: millis(stored.came),
        bytes: stored.body.len(),
    });
    let index = Index {
        uri: uri.to_owned(),
        answers: answers.collect(),
    };
    let mut line = serde_json::to_vec(&index)?;
    line.push(b'\n');
    out.write_all(&line)?;
    all.iter()
        .try_for_each(|stored| out.write_all(&stored.body))
}

fn millis(time: core::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn pairs(fields: &HeaderMap) -> Pairs {
    let text = |value: &HeaderValue| {
        value
            .as_bytes()
            .iter()
            .map(|byte| char::from(*byte))
            .collect()
    };
    fields
        .iter()
        .map(|(name, value)| (name.to_string(), text(value)))
        .collect()
}

fn map(pairs: &Pairs) -> Option<HeaderMap> {
    let mut fields = HeaderMap::new();
    for (name, value) in pairs {
        let bytes: Option<Vec<u8>> = value
            .chars()
            .map(|c| u8::try_from(u32::from(c)).ok())
            .collect();
        fields.append(
            HeaderName::try_from(name).ok()?,
            HeaderValue::from_bytes(&bytes?).ok()?,
        );
    }
    Some(fields)
}

/// What a file says, if it is one of ours, whole, and about this address.
fn read(uri: &str, mut bytes: Bytes) -> Option<Vec<Stored>> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let index: Index = serde_json::from_slice(bytes.split_to(end + 1).get(..end)?).ok()?;
    if index.uri != uri {
        return None;
    }
    let mut all = Vec::new();
    for entry in index.answers {
        if entry.bytes > bytes.len() {
            return None;
        }
        let varied = entry.varied.into_iter();
        let varied = varied.map(|(name, value)| Some((HeaderName::try_from(name).ok()?, value)));
        all.push(Stored {
            status: StatusCode::from_u16(entry.status).ok()?,
            fields: map(&entry.fields)?,
            body: bytes.split_to(entry.bytes),
            varied: varied.collect::<Option<_>>()?,
            asked: core::time::Duration::from_millis(entry.asked_ms),
            came: core::time::Duration::from_millis(entry.came_ms),
        });
    }
    bytes.is_empty().then_some(all)
}
