//! The urgent pointer, both ways.
//!
//! Job: remember where urgent data ends in each stream, and say so: to the peer in every segment before
//! that place, to the program as often as it asks.
//! Owns: SND.UP and RCV.UP. Does not know: the data; urgent bytes travel and are read in line, in order.
//! Sources: RFC 9293 3.8.5 (MUST-30 to MUST-33, MUST-62), 3.10.2, 3.10.3; RFC 6093 (why new programs should
//! not use it, and why nothing is ever taken out of the stream).

use super::Connection;

/// Where urgent data ends, as offsets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Urgent {
    /// SND.UP: the offset after the last urgent byte written; zero if there never was one.
    sent: u64,
    /// RCV.UP: the same of what the peer announced.
    received: u64,
    /// Whether the peer has not been told yet: it is to know even if the window lets no byte through.
    unannounced: bool,
}

impl Urgent {
    /// Everything before `end` was urgent when the connection began.
    pub(super) const fn new(end: u64) -> Self {
        Self {
            sent: end,
            received: 0,
            unannounced: end > 0,
        }
    }

    /// Everything written up to `end` is urgent. The pointer never goes back.
    pub(super) fn mark(&mut self, end: u64) {
        self.unannounced |= end > self.sent;
        self.sent = self.sent.max(end);
    }

    /// Whether somebody has to say so.
    pub(super) const fn is_unannounced(&self) -> bool {
        self.unannounced
    }

    /// A segment that said so left.
    pub(super) const fn on_announced(&mut self) {
        self.unannounced = false;
    }

    /// The urgent pointer of a segment that begins at `start` (MUST-62: it points behind the last
    /// urgent byte); `None` if nothing from there on is urgent. What lies further than the field
    /// reaches is told by later segments: the data may have any length (MUST-31).
    pub(super) fn pointer(&self, start: u64) -> Option<u16> {
        let ahead = self.sent.checked_sub(start).filter(|ahead| *ahead > 0)?;
        Some(u16::try_from(ahead).unwrap_or(u16::MAX))
    }
}

impl Connection {
    /// The peer's urgent data ends at `up`; returns whether that is news to a program that has not read
    /// so far (MUST-32). A pointer that goes back is none: the peer cannot take urgency back.
    pub(super) fn hear_urgent(&mut self, up: i64) -> bool {
        let up = u64::try_from(up).unwrap_or(0);
        let is_news = up > self.urgent.received && up > self.consumed();
        if is_news {
            self.urgent.received = up;
        }
        is_news
    }

    /// Bytes until the end of the peer's urgent data, arrived or not (MUST-33).
    pub(crate) fn urgent_left(&self) -> u64 {
        let end = if self.recv.finished() {
            // The peer promised more than it sent.
            self.urgent.received.min(self.recv.nxt().saturating_sub(1))
        } else {
            self.urgent.received
        };
        end.saturating_sub(self.consumed())
    }

    /// What the program has written so far is urgent.
    pub(crate) fn mark_urgent(&mut self) {
        self.urgent.mark(self.send.buffer().end());
    }

    /// Bytes the program has read.
    fn consumed(&self) -> u64 {
        let fin = u64::from(self.recv.finished());
        self.recv.nxt().saturating_sub(fin + self.recv.queued())
    }
}
