//! Where sessions are kept.
//!
//! Job: records by name, in memory or in a folder. Owns: the records. Does not know: cookies, requests.
//! Both are bounded: a memory store forgets the one unused longest, a folder is swept by [`FileStore::sweep`].

use core::time::Duration;
use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Record;

/// Keeps sessions. Names are 32 hexadecimal digits: a safe file name, key or path segment.
pub trait Store: Clone + Send + 'static {
    /// The record of this name.
    ///
    /// # Errors
    /// The store is not there.
    fn load(&self, id: &str) -> io::Result<Option<Record>>;

    /// Keeps a record, in place of the one of this name.
    ///
    /// # Errors
    /// It could not be kept.
    fn save(&self, id: &str, record: &Record) -> io::Result<()>;

    /// Forgets a record.
    ///
    /// # Errors
    /// It may still be there.
    fn remove(&self, id: &str) -> io::Result<()>;
}

/// In memory, for as long as the program runs. Clones share it.
#[derive(Clone, Debug)]
pub struct MemoryStore {
    records: Arc<Mutex<HashMap<String, Record>>>,
    most: usize,
}

impl MemoryStore {
    /// Keeps at most so many.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            records: Arc::default(),
            most: most.max(1),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Record>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Store for MemoryStore {
    fn load(&self, id: &str) -> io::Result<Option<Record>> {
        Ok(self.lock().get(id).cloned())
    }

    fn save(&self, id: &str, record: &Record) -> io::Result<()> {
        let mut records = self.lock();
        if records.len() >= self.most && !records.contains_key(id) {
            let key = |(id, record): (&String, &Record)| (record.seen, id.clone());
            if let Some((_, oldest)) = records.iter().map(key).min() {
                records.remove(&oldest);
            }
        }
        records.insert(id.to_owned(), record.clone());
        Ok(())
    }

    fn remove(&self, id: &str) -> io::Result<()> {
        self.lock().remove(id);
        Ok(())
    }
}

/// In a folder, one file each, readable by its owner alone; survives the program. Clones share it.
#[derive(Clone, Debug)]
pub struct FileStore {
    folder: PathBuf,
}

impl FileStore {
    /// In `folder`, which is made if it is not there.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn open(folder: impl AsRef<Path>) -> io::Result<Self> {
        let folder = folder.as_ref().to_owned();
        fs::create_dir_all(&folder)?;
        Ok(Self { folder })
    }

    fn path(&self, id: &str) -> io::Result<PathBuf> {
        let plain = id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit());
        if !plain {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Ok(self.folder.join(id))
    }

    /// Removes what was not used since `before` (since 1970); how many that were.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn sweep(&self, before: Duration) -> io::Result<usize> {
        let mut gone = 0;
        for entry in fs::read_dir(&self.folder)? {
            let name = entry?.file_name();
            let Some(id) = name.to_str() else { continue };
            let old = |record: Option<Record>| record.is_none_or(|r| r.seen < before.as_secs());
            if self.path(id).is_ok() && old(self.load(id).unwrap_or_default()) {
                self.remove(id)?;
                gone += 1;
            }
        }
        Ok(gone)
    }
}

impl Store for FileStore {
    fn load(&self, id: &str) -> io::Result<Option<Record>> {
        match fs::read(self.path(id)?) {
            Ok(text) => Ok(serde_json::from_slice(&text).ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn save(&self, id: &str, record: &Record) -> io::Result<()> {
        let path = self.path(id)?;
        // Whole or not at all: written beside, then moved.
        let beside = path.with_extension("new");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&beside)?;
        file.write_all(&serde_json::to_vec(record)?)?;
        fs::rename(beside, path)
    }

    fn remove(&self, id: &str) -> io::Result<()> {
        match fs::remove_file(self.path(id)?) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}
