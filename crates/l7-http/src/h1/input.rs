//! Received bytes not yet understood.
//!
//! Job: show them as one slice, hand parts of them out. Owns: the bytes. Does not know: what they mean.
//! A chunk that arrives when nothing waits is kept as it is and parsed in place; only a message cut
//! by the arrival of chunks is joined by copying.

use bytes::{Bytes, BytesMut};

#[derive(Clone, Debug, Default)]
pub(super) struct Input {
    /// As it arrived. Invariant: empty when `joined` is not.
    whole: Bytes,
    /// Pieces copied together.
    joined: BytesMut,
    /// What waits is not enough to go on with: half a chunk-size line, say.
    starved: bool,
}

impl Input {
    pub(super) fn push(&mut self, bytes: Bytes) {
        self.starved = false;
        if self.is_empty() {
            self.whole = bytes;
            return;
        }
        if self.joined.is_empty() {
            self.joined.extend_from_slice(&self.whole);
            self.whole = Bytes::new();
        }
        self.joined.extend_from_slice(&bytes);
    }

    pub(super) fn view(&self) -> &[u8] {
        if self.joined.is_empty() {
            &self.whole
        } else {
            &self.joined
        }
    }

    /// Takes the first `count` bytes (all, if there are fewer), without copying.
    pub(super) fn take(&mut self, count: usize) -> Bytes {
        if self.joined.is_empty() {
            self.whole.split_to(count.min(self.whole.len()))
        } else {
            let taken = self.joined.split_to(count.min(self.joined.len())).freeze();
            if self.joined.is_empty() {
                // What is left of its memory would wait, unused, for another message that comes in pieces.
                self.joined = BytesMut::new();
            }
            taken
        }
    }

    /// Its reader found nothing to go on with.
    pub(super) const fn starve(&mut self) {
        self.starved = true;
    }

    /// Whether only more bytes can help.
    pub(super) fn needs_more(&self) -> bool {
        self.starved || self.is_empty()
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn len(&self) -> usize {
        self.view().len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.whole.is_empty() && self.joined.is_empty()
    }
}
