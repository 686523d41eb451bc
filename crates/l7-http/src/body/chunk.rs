//! Memory that files are read into.
//!
//! Job: lend a chunk for a stretch of a file, and take it back when the last slice of it has been sent. Owns: the
//! chunks nobody uses. Does not know: files. The chunk that came back last is lent first: it is still in the cache.
//! A chunk is cleared once in its life, not for every read; that was a tenth of what a large body cost.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

/// How much of a large file is read at a time: small enough to stay in cache until it is sent.
const CHUNK: usize = 256 * 1024;
/// A page of the page cache, from which the chunk is filled.
const PAGE: usize = 4096;
/// Chunks kept for later: eight megabytes.
const KEPT: usize = 32;

static FREE: Mutex<Vec<Box<[u8]>>> = Mutex::new(Vec::new());

/// A lent chunk, of which `len` bytes from `start` on are of use.
pub(super) struct Chunk {
    memory: Box<[u8]>,
    start: usize,
    len: usize,
}

impl Chunk {
    pub(super) fn take() -> Self {
        let free = FREE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Self {
            memory: free.unwrap_or_else(|| vec![0; CHUNK + 2 * PAGE].into()),
            start: 0,
            len: 0,
        }
    }

    /// Where to read to what a file has from `at` on, at most `most` bytes.
    ///
    /// They lie in their page as they do in the page cache's. Copied to a place a few bytes further into its page, they
    /// would take four times as long: `rep movsb`, which the kernel copies with, takes that for an overlap on some
    /// processors (`docs/performance.md`, "A large file").
    pub(super) fn room(&mut self, at: u64, most: u64) -> &mut [u8] {
        let page = self.memory.as_ptr().align_offset(PAGE).min(PAGE);
        let within = usize::try_from(at % PAGE as u64).unwrap_or_default();
        self.start = page + within;
        let room = usize::try_from(most).map_or(CHUNK, |most| most.min(CHUNK));
        self.memory
            .get_mut(self.start..self.start + room)
            .unwrap_or_default()
    }

    /// The first `len` bytes of the room, shared; the chunk comes back with the last of them.
    pub(super) fn into_bytes(mut self, len: usize) -> Bytes {
        self.len = len;
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        self.memory
            .get(self.start..self.start + self.len)
            .unwrap_or_default()
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
