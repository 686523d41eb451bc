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
    /// A window is a gibibyte at most (RFC 7323 2.3).
    max_window: u32,
    capacity: u32,
    fin: FinState,
}

impl Sender {
    /// Whether nothing is held, outstanding or probed for.
    pub(crate) fn is_quiet(&self) -> bool {
        self.una() == self.nxt() && !self.buffer.has_unsent() && self.persist.deadline().is_none()
    }

    /// What to keep of a quiet one.
    pub(crate) fn doze(&self) -> Dormant {
        Dormant {
            una: self.una(),
            edge: self.edge,
            max_window: u32::try_from(self.max_window).unwrap_or(u32::MAX),
            capacity: u32::try_from(self.buffer.capacity()).unwrap_or(u32::MAX),
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
        let capacity = usize::try_from(self.capacity).unwrap_or(usize::MAX);
        Sender {
            buffer: SendBuffer::acknowledged(self.una, capacity, self.fin),
            edge: self.edge,
            max_window: self.max_window.into(),
            // Nothing is outstanding, so nothing short is.
            small_end: 0,
            persist: Persist::new(),
        }
    }
}
