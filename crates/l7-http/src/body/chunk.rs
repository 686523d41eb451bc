//! Memory that files are read into.
//!
//! Job: lend a chunk for a stretch of a file, and take it back when the last slice of it has been sent. Owns: the
//! chunks nobody uses. Does not know: files. The chunk that came back last is lent first: it is still in the cache.
//! A chunk is cleared once in its life, not for every read; that was a tenth of what a large body cost.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

/// How much of a large file is read at a time: small enough to stay in cache until it is sent.
const CHUNK: usize = 256 * 1024;
/// Chunks kept for later: eight megabytes.
const KEPT: usize = 32;

static FREE: Mutex<Vec<Box<[u8]>>> = Mutex::new(Vec::new());

/// A lent chunk, of which the first `len` bytes are of use.
pub(super) struct Chunk {
    memory: Box<[u8]>,
    len: usize,
}

impl Chunk {
    pub(super) fn take() -> Self {
        let free = FREE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Self {
            memory: free.unwrap_or_else(|| vec![0; CHUNK].into()),
            len: 0,
        }
    }

    /// Where to read to, at most `most` bytes.
    pub(super) fn room(&mut self, most: u64) -> &mut [u8] {
        let room = usize::try_from(most).map_or(CHUNK, |most| most.min(CHUNK));
        self.memory.get_mut(..room).unwrap_or_default()
    }

    /// The first `len` bytes, shared; the chunk comes back with the last of them.
    pub(super) fn into_bytes(mut self, len: usize) -> Bytes {
        self.len = len;
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        self.memory.get(..self.len).unwrap_or_default()
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        let memory = core::mem::take(&mut self.memory);
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < KEPT {
            free.push(memory);
        }
    }
}
