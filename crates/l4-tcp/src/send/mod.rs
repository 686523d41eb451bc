//! The sending half of a connection.
//!
//! Job: hold the program's bytes, know the peer's window, and plan what new data may leave. Owns: SND.UNA, SND.NXT,
//! SND.WND, our FIN, the persist timer. Does not know: the receiving half, what is lost, sequence numbers.
//! A plan is made by `&self` and committed by `on_sent`. Ranges include the FIN as their last offset.
//! Sources: RFC 9293 3.3.1, 3.7, 3.8.6; whether a window update is news (WL1, WL2) is the caller's question.

pub mod buffer;
pub(crate) mod dormant;
pub mod persist;
pub mod scoreboard;
pub mod sws;

use core::hash::{Hash, Hasher};

use outcrop_base::{Instant, Limit};

use crate::segment::StreamRange;

use buffer::{FinState, Freed, SendBuffer};
use persist::Persist;
use sws::Offer;

/// What limits a plan from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A full segment, bytes of payload.
    pub mss: u32,
    /// The most payload of one plan: `mss`, or more where the device cuts super-segments.
    pub max_len: u32,
    /// Bytes the congestion window still takes.
    pub allowance: u64,
    /// Nagle's algorithm is on.
    pub nagle: bool,
    /// The program holds back short segments.
    pub cork: bool,
}

/// New data that may leave now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewData {
    /// What leaves, the FIN included.
    pub range: StreamRange,
    /// The payload alone.
    pub data: StreamRange,
    /// Whether the FIN goes along.
    pub fin: bool,
    /// Whether it empties the buffer: PSH (RFC 9293 3.9.1.2).
    pub push: bool,
    /// What keeps more from leaving with it.
    pub limit: Limit,
}

/// SND.* of one connection.
#[derive(Clone, Debug)]
pub struct Sender {
    buffer: SendBuffer,
    /// SND.UNA + SND.WND.
    edge: u64,
    /// The largest window the peer ever offered.
    max_window: u64,
    /// The end of the last segment sent below full size (Minshall).
    small_end: u64,
    persist: Persist,
}

impl Sender {
    /// An empty stream of `capacity` bytes towards a peer that offers `window`.
    #[must_use]
    pub fn new(capacity: u32, window: u64) -> Self {
        let capacity = usize::try_from(capacity).unwrap_or(usize::MAX);
        Self::with_buffer(SendBuffer::new(capacity), window)
    }

    /// A sender over what was written before the peer's window was known.
    #[must_use]
    pub const fn with_buffer(buffer: SendBuffer, window: u64) -> Self {
        Self {
            edge: buffer.una() + window,
            buffer,
            max_window: window,
            small_end: 0,
            persist: Persist::new(),
        }
    }

    /// The bytes and the FIN.
    #[must_use]
    pub const fn buffer(&self) -> &SendBuffer {
        &self.buffer
    }

    /// The bytes and the FIN, to be written to, closed or resized.
    pub const fn buffer_mut(&mut self) -> &mut SendBuffer {
        &mut self.buffer
    }

    /// The persist timer.
    #[must_use]
    pub const fn persist(&self) -> &Persist {
        &self.persist
    }

    /// The persist timer, to be started, stopped or told of a probe.
    pub const fn persist_mut(&mut self) -> &mut Persist {
        &mut self.persist
    }

    /// SND.UNA as an offset.
    #[must_use]
    pub const fn una(&self) -> u64 {
        self.buffer.una()
    }

    /// SND.NXT as an offset.
    #[must_use]
    pub const fn nxt(&self) -> u64 {
        self.buffer.nxt()
    }

    /// SND.WND: bytes from SND.UNA the peer takes.
    #[must_use]
    pub const fn window(&self) -> u64 {
        self.edge.saturating_sub(self.buffer.una())
    }

    /// The largest window the peer ever offered.
    #[must_use]
    pub const fn max_window(&self) -> u64 {
        self.max_window
    }

    /// The peer offers `window` bytes from `una` on. The caller has checked that this is news
    /// (RFC 9293 3.10.7.4, SND.WL1 and SND.WL2). It may move the edge left (MUST-34).
    pub fn on_window(&mut self, una: u64, window: u64) {
        self.edge = una + window;
        self.max_window = self.max_window.max(window);
    }

    /// The peer has everything before `una`.
    pub fn on_ack(&mut self, una: u64) -> Freed {
        self.buffer.on_ack(una)
    }

    /// What new data may leave now, FIN included.
    ///
    /// # Errors
    /// What holds it back; [`Limit::App`] if there is none.
    pub fn plan(&self, l: &Limits) -> Result<NewData, Limit> {
        if !self.buffer.has_unsent() {
            return Err(Limit::App);
        }
        let usable = self.usable();
        if self.buffer.unsent() == 0 {
            // A FIN alone takes one offset of the window and nothing of the congestion window.
            return match usable {
                0 => Err(Limit::Rwnd),
                _ => Ok(self.new_data(0, l, usable)),
            };
        }
        let len = sws::decide(&self.offer(l, usable), l.nagle, l.cork)?;
        Ok(self.new_data(len.min(u64::from(l.max_len)), l, usable))
    }

    fn offer(&self, l: &Limits, usable: u64) -> Offer {
        // A record is sent as if there were nothing behind it, and does not wait for more if there is.
        let end = self.record_end();
        Offer {
            unsent: end - self.nxt(),
            usable,
            allowance: l.allowance,
            small_outstanding: self.una() < self.small_end,
            closing: self.buffer.fin() == FinState::Unsent || end < self.buffer.end(),
            max_window: self.max_window,
            mss: u64::from(l.mss.max(1)),
        }
    }

    /// Where the record ends that is next, or all that was written.
    fn record_end(&self) -> u64 {
        let end = self.buffer.end();
        self.buffer.record_end(self.nxt()).unwrap_or(end).min(end)
    }

    /// U = SND.UNA + SND.WND - SND.NXT (RFC 9293 3.8.6.2.1).
    const fn usable(&self) -> u64 {
        self.edge.saturating_sub(self.buffer.nxt())
    }

    /// `len` bytes, cut to what one gathered write can carry.
    #[inline]
    fn new_data(&self, len: u64, l: &Limits, usable: u64) -> NewData {
        let nxt = self.nxt();
        let data = self.buffer.cut_to_slices(StreamRange::new(nxt, nxt + len));
        let data = self.buffer.cut_to_record(data);
        let last = data.end == self.buffer.end();
        let ends_record = data.end == self.record_end();
        let fin = last && self.buffer.fin() == FinState::Unsent && usable > data.len();
        let limit = if last {
            Limit::App
        } else if len == u64::from(l.max_len) || data.len() < len {
            self.after(data.len(), l, usable)
        } else if len == self.buffer.unsent() - self.buffer.unsent() % u64::from(l.mss.max(1)) {
            Limit::Nagle
        } else if usable < l.allowance {
            Limit::Rwnd
        } else {
            Limit::Cwnd
        };
        NewData {
            range: StreamRange::new(data.start, data.end + u64::from(fin)),
            data,
            fin,
            push: ends_record && !data.is_empty(),
            limit,
        }
    }

    /// What holds back the segment behind a full one of `len` bytes: nothing, or a window that this one fills.
    fn after(&self, len: u64, l: &Limits, usable: u64) -> Limit {
        let next = u64::from(l.mss).min(self.buffer.unsent().saturating_sub(len));
        let (window, allowance) = (usable.saturating_sub(len), l.allowance.saturating_sub(len));
        if window.min(allowance) >= next {
            Limit::Segment
        } else if window < allowance {
            Limit::Rwnd
        } else {
            Limit::Cwnd
        }
    }

    /// Whether only the peer's window holds new data back while nothing is outstanding that could
    /// bring an acknowledgment: the persist timer must run.
    #[must_use]
    pub fn stalled(&self, mss: u32) -> bool {
        let free = Limits {
            mss,
            max_len: mss,
            allowance: u64::MAX,
            nagle: false,
            cork: false,
        };
        self.una() == self.nxt() && matches!(self.plan(&free), Err(Limit::Rwnd | Limit::Sws))
    }

    /// What the persist timer sends: bytes the window takes though they make a silly segment;
    /// `None` if it takes none. Then an empty segment just below SND.UNA asks, as Linux does: the peer
    /// must answer it (RFC 9293 3.10.7.4), and no byte is ever sent outside the window.
    #[must_use]
    pub fn plan_probe(&self, mss: u32) -> Option<NewData> {
        let usable = self.usable();
        let len = self.buffer.unsent().min(usable).min(u64::from(mss));
        let l = Limits {
            mss,
            max_len: mss,
            allowance: u64::MAX,
            nagle: false,
            cork: false,
        };
        (usable > 0 && self.buffer.has_unsent()).then(|| self.new_data(len, &l, usable))
    }

    /// `range`, as planned, left. `mss` tells whether its last segment was a short one.
    pub fn on_sent(&mut self, range: StreamRange, mss: u32) {
        let (len, mss) = (range.len(), u64::from(mss.max(1)));
        let is_short = len < mss && len > 0 || !len.is_multiple_of(mss);
        if range.end > self.nxt() && is_short {
            self.small_end = range.end;
        }
        self.buffer.on_sent(range);
    }

    /// Panics if an invariant does not hold.
    #[doc(hidden)]
    pub fn check(&self) {
        self.buffer.check();
    }

    /// Hashes what decides the future, times relative to `now`.
    pub fn fingerprint(&self, now: Instant, mut into: &mut dyn Hasher) {
        self.buffer.fingerprint(into);
        self.persist.fingerprint(now, into);
        (self.edge, self.max_window, self.small_end).hash(&mut into);
    }
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "small test data")]
mod tests;
