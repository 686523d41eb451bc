//! The receiving half of a connection.
//!
//! Job: take segments' payload in any order, give the program bytes in order, and say what the peer must hear:
//! RCV.NXT, the window, SACK blocks, and when. Owns: RCV.*. Does not know: the sending half, sequence numbers
//! (offsets only), timestamps.
//! ```text
//!  offset   0 ....... read ......... RCV.NXT ...... gap  [held]  gap ..... edge
//!           gone      in order, unread         out of order               promised
//! ```
//! Sources: RFC 9293 3.4 (acceptability), 3.8.6, 3.10.7.4; RFC 2018 4 and RFC 2883 4 (which blocks).

pub mod ack_policy;
pub mod assembler;
pub(crate) mod dormant;
pub mod tuning;
pub mod window;

use core::hash::{Hash, Hasher};
use core::time::Duration;

use bytes::Bytes;
use outcrop_base::{Instant, Why};

use crate::budget::Pressure;
use crate::config::AckStyle;
use crate::params::LAST_SEGMENTS;
use crate::segment::{MAX_SACK_BLOCKS, StreamRange};

use ack_policy::{AckPolicy, Urgency};
use assembler::{Assembler, Placed};
use tuning::Tuning;
use window::RecvWindow;

/// What a receiver starts with.
#[derive(Clone, Copy, Debug)]
pub struct ReceiverConfig {
    /// Bytes it may hold.
    pub capacity: u32,
    /// Bytes it may grow to while the program reads as fast as they come; `None` keeps it as it is.
    pub capacity_max: Option<u32>,
    /// The shift of our window field, zero if scaling was not agreed upon.
    pub scale: u8,
    /// The window our SYN or SYN-ACK promised, bytes.
    pub promised: u32,
    /// The size of a full segment from the peer, bytes.
    pub mss: u32,
    /// The longest wait of an acknowledgment.
    pub delayed_ack: Duration,
    /// The round trip, if the handshake measured it.
    pub round_trip: Option<Duration>,
    /// Which acknowledgments wait.
    pub ack_style: AckStyle,
    /// Whether the window opens with what arrives, not at once.
    pub opens_slowly: bool,
}

/// What became of one segment's payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Bytes that are readable because of it.
    pub readable: u64,
    /// Whether the peer's FIN is now reached: everything before it has arrived.
    pub finished: bool,
    /// Bytes kept out of order.
    pub out_of_order: u64,
    /// Whether anything of it was new.
    pub new: bool,
    /// Whether part of it was refused for want of memory: a drop to count.
    pub refused: bool,
}

/// RCV.* of one connection.
#[derive(Clone, Debug)]
pub struct Receiver {
    assembler: Assembler,
    window: RecvWindow,
    acks: AckPolicy,
    tuning: Option<Tuning>,
    mss: u64,
    /// Starts of what arrived out of order, latest first: decides the order of SACK blocks.
    recent: [Option<u64>; MAX_SACK_BLOCKS],
    /// What arrived twice, to be reported once (RFC 2883 4).
    duplicate: Option<StreamRange>,
    /// RCV.NXT as the peer last heard it.
    acked: u64,
    pressure: Pressure,
}

impl Receiver {
    /// A receiver of a stream of which nothing has come.
    #[must_use]
    pub fn new(config: &ReceiverConfig) -> Self {
        Self {
            assembler: Assembler::new(),
            window: RecvWindow::new(config.capacity, config.scale, config.mss, config.promised)
                .opening_slowly(config.opens_slowly),
            acks: AckPolicy::new(config.delayed_ack, config.mss).in_style(config.ack_style),
            tuning: config
                .capacity_max
                .map(|max| Tuning::new(max, config.round_trip)),
            mss: u64::from(config.mss),
            recent: [None; MAX_SACK_BLOCKS],
            duplicate: None,
            acked: 0,
            pressure: Pressure::Easy,
        }
    }

    /// RCV.NXT: the next offset expected; one past the FIN once that has come.
    #[must_use]
    pub const fn nxt(&self) -> u64 {
        self.assembler.nxt()
    }

    /// RCV.NXT + RCV.WND: the first offset the peer may not send.
    #[must_use]
    pub const fn edge(&self) -> u64 {
        self.window.edge()
    }

    /// Last.ACK.sent: RCV.NXT as the peer last heard it (RFC 7323 4.3).
    #[must_use]
    pub const fn last_ack_sent(&self) -> u64 {
        self.acked
    }

    /// Bytes in order that nobody has read.
    #[must_use]
    pub fn queued(&self) -> u64 {
        self.assembler.queued()
    }

    /// Whether the peer's FIN has come, and everything before it.
    #[must_use]
    pub fn finished(&self) -> bool {
        self.assembler.finished()
    }

    /// Whether something is held out of order.
    #[must_use]
    pub const fn has_gap(&self) -> bool {
        !self.assembler.held().is_empty()
    }

    /// RFC 9293 3.4: whether a segment of `len` numbers at `start` is acceptable. -1 is the SYN.
    #[must_use]
    pub fn acceptable(&self, start: i64, len: u32) -> bool {
        let signed = |offset| i64::try_from(offset).unwrap_or(i64::MAX);
        let (nxt, edge) = (signed(self.nxt()), signed(self.edge()));
        let inside = |at: i64| nxt <= at && at < edge;
        match (len, edge > nxt) {
            (0, false) => start == nxt,
            (0, true) => inside(start),
            (_, false) => false,
            (_, true) => {
                inside(start) || inside(start.saturating_add(i64::from(len)).saturating_sub(1))
            }
        }
    }

    /// Takes the payload that begins at offset `at`, and a FIN behind it if `fin`.
    ///
    /// What lies outside the window is cut off, a FIN with it. `at` before RCV.NXT is welcome.
    pub fn on_segment(&mut self, now: Instant, at: u64, payload: Bytes, fin: bool) -> Received {
        if payload.is_empty() && !fin {
            return Received::default();
        }
        let (payload, fin) = self.clip(at, payload, fin);
        let (bytes, whole) = (payload.len() as u64, payload.len() as u64 + u64::from(fin));
        if whole == 0 {
            self.acks.on_arrival(now, Urgency::Duplicate);
            return Received::default();
        }
        if self.refuses(at, bytes) {
            self.assembler.shed();
            self.acks.on_arrival(now, Urgency::Duplicate);
            return Received {
                refused: true,
                ..Received::default()
            };
        }
        let placed = self.assembler.insert(at, payload, fin);
        self.remember(at, &placed);
        let finished = placed.advanced > 0 && self.finished();
        self.window.on_arrival(placed.advanced);
        self.tune(now);
        let urgency = self.urgency(&placed, bytes, finished);
        self.acks.on_arrival(now, urgency);
        Received {
            readable: placed.advanced.saturating_sub(u64::from(finished)),
            finished,
            out_of_order: placed.stored,
            new: placed.advanced + placed.stored > 0,
            refused: placed.refused,
        }
    }

    /// Whether there is no memory for `bytes` at `at`: none for what is out of order, nor for what would queue
    /// behind a few segments unread. What has no text needs none.
    fn refuses(&self, at: u64, bytes: u64) -> bool {
        let full = self.pressure == Pressure::Full && bytes > 0;
        let most = u64::from(LAST_SEGMENTS) * self.mss;
        full && (at > self.nxt() || self.queued() >= most)
    }

    /// Learns how scarce memory is.
    pub(crate) const fn set_pressure(&mut self, pressure: Pressure) {
        self.pressure = pressure;
        self.window
            .squeeze(matches!(pressure, Pressure::Shrink | Pressure::Full));
    }

    /// How scarce memory is.
    pub(crate) const fn pressure(&self) -> Pressure {
        self.pressure
    }

    /// Bytes held, in order or not.
    pub(crate) fn held(&self) -> u64 {
        self.queued() + self.assembler.kept() as u64
    }

    /// Grows the buffer if the program keeps up with what comes.
    fn tune(&mut self, now: Instant) {
        let (nxt, edge, capacity) = (self.nxt(), self.edge(), self.window.capacity());
        let grown = self
            .tuning
            .as_mut()
            .and_then(|tuning| tuning.on_data(now, nxt, edge, (capacity, self.mss)));
        if let Some(capacity) = grown.filter(|_| self.pressure == Pressure::Easy) {
            self.set_capacity(capacity);
        }
    }

    fn clip(&self, at: u64, mut payload: Bytes, fin: bool) -> (Bytes, bool) {
        let room = self.edge().saturating_sub(at);
        let len = payload.len() as u64;
        if len > room {
            payload.truncate(usize::try_from(room).unwrap_or(usize::MAX));
            return (payload, false);
        }
        // A FIN needs no buffer: one just at a closed window's edge, in order, is taken.
        let fin_fits = at + len < self.edge() || at + len == self.nxt();
        (payload, fin && fin_fits)
    }

    /// RFC 5681 4.2: out of order, or into a gap, is acknowledged at once.
    fn urgency(&self, placed: &Placed, bytes: u64, finished: bool) -> Urgency {
        if placed.advanced == 0 {
            Urgency::Duplicate
        } else if placed.filled || self.has_gap() {
            Urgency::Now
        } else if finished {
            Urgency::End { bytes }
        } else {
            Urgency::Normal { bytes }
        }
    }

    fn remember(&mut self, at: u64, placed: &Placed) {
        if placed.duplicate.is_some() {
            self.duplicate = placed.duplicate;
        }
        if at >= self.nxt() && self.recent.first() != Some(&Some(at)) {
            self.recent.rotate_right(1);
            if let Some(first) = self.recent.first_mut() {
                *first = Some(at);
            }
        }
    }

    /// Owes the peer an acknowledgment at once: for an unacceptable segment, a keep-alive, a probe.
    pub fn owe_ack(&mut self, now: Instant) {
        self.acks.on_arrival(now, Urgency::Now);
    }

    /// The next bytes for the program; `None` if there are none (yet, or any more: see [`Self::finished`]).
    pub fn read(&mut self) -> Option<Bytes> {
        let bytes = self.assembler.read()?;
        if let Some(tuning) = &mut self.tuning {
            tuning.on_read(bytes.len() as u64);
        }
        Some(bytes)
    }

    /// Programs have had their chance: what still waits keeps no buffer much larger than itself.
    pub(crate) fn compact(&mut self) {
        self.assembler.compact();
    }

    /// Why a pure acknowledgment must leave at `now`, if one must.
    #[must_use]
    pub fn ack_due(&self, now: Instant) -> Option<Why> {
        let update = || {
            let due = self.window.update_due(self.nxt(), self.queued()) && !self.finished();
            due.then_some(Why::WindowUpdate)
        };
        self.acks.due(now).or_else(update)
    }

    /// Whether an acknowledgment is owed, now or later.
    #[must_use]
    pub fn ack_pending(&self) -> bool {
        self.acks.pending()
    }

    /// When a delayed acknowledgment falls due.
    #[must_use]
    pub const fn deadline(&self) -> Option<Instant> {
        self.acks.deadline()
    }

    /// The window field for a segment that leaves now.
    #[must_use]
    pub fn window_field(&self) -> u16 {
        self.window.plan(self.nxt(), self.queued()).field
    }

    /// RCV.WND as the peer knows it, bytes.
    #[must_use]
    pub fn window(&self) -> u64 {
        self.edge().saturating_sub(self.nxt())
    }

    /// Whether there is anything to report in a SACK option; nearly always there is not.
    #[must_use]
    pub const fn has_sack(&self) -> bool {
        self.duplicate.is_some() || self.has_gap()
    }

    /// What to report in a SACK option, at most `max` ranges: a duplicate first (RFC 2883), then the
    /// range that grew last, then the ones reported before it (RFC 2018 4). No duplicates without `dsack`.
    pub fn sack_ranges(
        &self,
        max: usize,
        dsack: bool,
    ) -> impl Iterator<Item = StreamRange> + use<> {
        let mut ranges = [StreamRange::default(); MAX_SACK_BLOCKS];
        let mut count = 0;
        let held = self.assembler.held();
        // Nearly always there is nothing to tell.
        let recent = if held.is_empty() {
            &[][..]
        } else {
            &self.recent[..]
        };
        let twice = self.duplicate.filter(|_| dsack);
        let enclosing = twice.and_then(|d| held.containing(d.start));
        let recent = recent.iter().flatten();
        let recent = recent.filter_map(|at| held.containing(*at));
        // The rest in ascending order, should the memory of what came last be too short.
        let rest = held.as_slice().iter().copied();
        for range in enclosing.into_iter().chain(recent).chain(rest) {
            let known = ranges.iter().take(count).any(|known| *known == range);
            if let Some(slot) = ranges.get_mut(count)
                && !known
            {
                *slot = range;
                count += 1;
            }
        }
        twice
            .into_iter()
            .chain(ranges.into_iter().take(count))
            .take(max.min(MAX_SACK_BLOCKS))
    }

    /// A segment left with what [`Self::window_field`] and [`Self::nxt`] said. `data` says that it
    /// carried payload or a FIN, so that the acknowledgment cost nothing.
    pub fn on_sent(&mut self, now: Instant, data: bool) {
        self.on_told(now, self.window_field(), data);
    }

    /// The same where what [`Self::window_field`] said is at hand.
    pub(crate) fn on_told(&mut self, now: Instant, field: u16, data: bool) {
        let told = self.window.of_field(self.nxt(), field);
        self.window.on_advertised(told);
        self.acks.on_sent(now, data);
        self.acked = self.nxt();
        self.duplicate = None;
    }

    /// Bytes the buffer holds at most.
    #[must_use]
    pub const fn capacity(&self) -> u64 {
        self.window.capacity()
    }

    /// How long an acknowledgment waits for a ride at present.
    #[must_use]
    pub const fn ack_delay(&self) -> Duration {
        self.acks.delay()
    }

    /// The receiver's own idea of the round trip; `None` while the buffer is not tuned, or it has none.
    #[must_use]
    pub fn round_trip(&self) -> Option<Duration> {
        self.tuning.as_ref().and_then(Tuning::rtt)
    }

    /// Changes the buffer's capacity.
    pub fn set_capacity(&mut self, capacity: u32) {
        self.window.set_capacity(capacity);
    }

    /// Changes the size of a full segment.
    pub fn set_mss(&mut self, mss: u32) {
        self.mss = u64::from(mss);
        self.window.set_mss(mss);
        self.acks.set_mss(mss);
    }

    /// Acknowledgments wait for a ride from now on.
    pub const fn leave_quick_acks(&mut self) {
        self.acks.leave_quick();
    }

    /// Changes the longest wait of an acknowledgment.
    pub fn set_delayed_ack(&mut self, max: Duration) {
        self.acks.set_max_delay(max);
    }

    /// Panics if an invariant does not hold.
    #[doc(hidden)]
    pub fn check(&self) {
        self.assembler.check();
        assert!(self.acked <= self.nxt());
    }

    /// Hashes what decides the future, times relative to `now`.
    pub fn fingerprint(&self, now: Instant, mut into: &mut dyn Hasher) {
        self.assembler.fingerprint(into);
        self.acks.fingerprint(now, into);
        if let Some(tuning) = &self.tuning {
            tuning.fingerprint(now, into);
        }
        (&self.window, self.recent, self.duplicate, self.acked).hash(&mut into);
    }
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "small test data")]
mod tests;
