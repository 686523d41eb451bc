//! A sender with nothing to send.
//!
//! Job: keep where the stream stands, and give back the buffer. Owns: nothing else. Does not know: when a
//! connection has been quiet for long enough.
//! Sources: none; what is left out is exactly what an empty sender begins with.

use super::Sender;
use super::buffer::{FinState, SendBuffer};
use super::persist::Persist;

/// SND.* of a connection that is quiet: everything written is acknowledged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dormant {
    una: u64,
    edge: u64,
    max_window: u64,
    capacity: usize,
    fin: FinState,
}

impl Sender {
    /// Whether nothing is held, outstanding or probed for.
    pub(crate) fn is_quiet(&self) -> bool {
        self.una() == self.nxt() && !self.buffer.has_unsent() && self.persist.deadline().is_none()
    }

    /// What to keep of a quiet one.
    pub(crate) const fn doze(&self) -> Dormant {
        Dormant {
            una: self.una(),
            edge: self.edge,
            max_window: self.max_window,
            capacity: self.buffer.capacity(),
            fin: self.buffer.fin(),
        }
    }
}

impl Dormant {
    /// SND.UNA.
    pub(crate) const fn una(&self) -> u64 {
        self.una
    }

    /// The sender as it was.
    pub(crate) fn wake(self) -> Sender {
        Sender {
            buffer: SendBuffer::acknowledged(self.una, self.capacity, self.fin),
            edge: self.edge,
            max_window: self.max_window,
            // Nothing is outstanding, so nothing short is.
            small_end: 0,
            persist: Persist::new(),
        }
    }
}
