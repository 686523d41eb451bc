//! How much may be under way.
//!
//! Job: the seam between loss recovery, which knows what was lost, and an algorithm that decides how much
//! may be outstanding. Owns: the trait and its event structs. Does not know: sequence numbers, buffers, which
//! bytes were lost.
//! Sources: RFC 5681, RFC 5033 (new algorithms), RFC 6928 (initial window).

mod bbr;
mod cubic;
pub mod hystart;
mod newreno;

use core::fmt::Debug;
use core::hash::Hasher;
use core::time::Duration;

use outcrop_base::Instant;

use crate::params::{INITIAL_WINDOW_BYTES, INITIAL_WINDOW_SEGMENTS, SLOW_START_LIMIT_SEGMENTS};
use crate::rate::{RateSample, billionfold};

pub use bbr::{Bbr, Parked as ParkedBbr};
pub use cubic::Cubic;
pub use newreno::NewReno;

/// Bytes a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate(pub u64);

impl Rate {
    /// The rate that carries `bytes` in `time`; zero time counts as a nanosecond.
    #[must_use]
    pub fn new(bytes: u64, time: Duration) -> Self {
        Self(billionfold(bytes, time.as_nanos()))
    }

    /// How long `bytes` take; for ever at rate zero.
    #[must_use]
    pub fn time_for(self, bytes: u64) -> Duration {
        if self.0 == 0 {
            return Duration::MAX;
        }
        Duration::from_nanos(billionfold(bytes, u128::from(self.0)))
    }
}

/// Data left, for the first time or again.
#[derive(Clone, Copy, Debug)]
pub struct SentEvent {
    /// When.
    pub now: Instant,
    /// How many bytes.
    pub bytes: u64,
    /// Bytes under way, these included.
    pub in_flight: u64,
    /// Whether they were sent before.
    pub retransmission: bool,
}

/// An acknowledgment said something new.
#[derive(Clone, Copy, Debug)]
pub struct AckEvent {
    /// When it arrived.
    pub now: Instant,
    /// Bytes newly acknowledged in order.
    pub acked: u64,
    /// Bytes newly known to have arrived, in order or selectively.
    pub delivered: u64,
    /// Bytes under way before it arrived.
    pub prior_in_flight: u64,
    /// Bytes under way now.
    pub in_flight: u64,
    /// Bytes declared lost since the last one, by it or by a timer.
    pub lost: u64,
    /// Whether the congestion window was what held the sender back since the last one.
    pub cwnd_limited: bool,
    /// Whether a loss is being repaired: fast recovery, not after a timeout.
    pub in_recovery: bool,
    /// Whether this ends a round trip: something sent after the last round ended was delivered.
    pub round_start: bool,
    /// The round trip measured by it.
    pub rtt: Option<Duration>,
    /// The smoothed round trip.
    pub srtt: Option<Duration>,
    /// The smallest recent round trip.
    pub min_rtt: Option<Duration>,
    /// The delivery rate measured by it.
    pub rate: Option<RateSample>,
    /// Packets it newly reports as marked by the path; with classic ECN one, as long as the peer echoes.
    pub marked: u64,
    /// Whether that is a count (RFC 9768).
    pub counted: bool,
}

/// What the path said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CongestionKind {
    /// Bytes were declared lost, for the first time in this window.
    Loss,
    /// The path marked packets, for the first time in this window (RFC 3168).
    Ecn,
    /// The retransmission timer ran out for the first time on these bytes (RFC 5681 equation 4).
    Timeout,
    /// The same timer ran out again: nothing is learned but that the loss window holds.
    TimeoutAgain,
}

/// The path is congested.
#[derive(Clone, Copy, Debug)]
pub struct CongestionEvent {
    /// When.
    pub now: Instant,
    /// How that is known.
    pub kind: CongestionKind,
    /// FlightSize: bytes outstanding before anything was declared lost.
    pub flight: u64,
}

/// The window rested.
#[derive(Clone, Copy, Debug)]
pub struct IdleEvent {
    /// When that is noticed.
    pub now: Instant,
    /// For how many periods: retransmission timeouts (RFC 2861 3), or five minutes each (RFC 7661 4.4.3).
    pub periods: u32,
}

/// RFC 2861 3.2 and RFC 7661 4.4.3: half the window for each period, not below the restart window (RFC 5681
/// 4.1); ssthresh remembers three quarters of what it was.
pub(crate) fn decay(cwnd: u64, ssthresh: u64, mss: u64, periods: u32) -> (u64, u64) {
    let mss = u32::try_from(mss).unwrap_or(u32::MAX);
    let restart = initial_window(mss).min(cwnd);
    let halved = cwnd.checked_shr(periods).unwrap_or(0);
    (halved.max(restart), ssthresh.max(cwnd / 4 * 3))
}

/// How an algorithm is growing its window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Doubling every round trip.
    SlowStart,
    /// Past a sign of a full queue, growing slower (RFC 9406).
    ConservativeSlowStart,
    /// Probing gently.
    Avoidance,
    /// BBR: letting a queue run empty.
    Drain,
    /// BBR: below the rate, to leave room.
    ProbeDown,
    /// BBR: at the rate.
    Cruise,
    /// BBR: filling the pipe before a probe.
    Refill,
    /// BBR: above the rate.
    ProbeUp,
    /// BBR: little under way, to see the round trip.
    ProbeRtt,
}

impl Phase {
    /// One word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SlowStart => "slow-start",
            Self::ConservativeSlowStart => "conservative-slow-start",
            Self::Avoidance => "avoidance",
            Self::Drain => "drain",
            Self::ProbeDown => "probe-down",
            Self::Cruise => "cruise",
            Self::Refill => "refill",
            Self::ProbeUp => "probe-up",
            Self::ProbeRtt => "probe-rtt",
        }
    }
}

/// What an algorithm shows of itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ControllerInfo {
    /// Its name: `newreno`.
    pub name: &'static str,
    /// The congestion window, bytes.
    pub cwnd: u64,
    /// The slow-start threshold, bytes; `u64::MAX` until there was congestion.
    pub ssthresh: u64,
    /// How it is growing.
    pub phase: Phase,
}

/// What the standards leave to the implementation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Habits {
    /// Segments that one acknowledgment may add to the window in slow start where nothing paces (L of RFC 3465 2.2 and
    /// RFC 9406 4.2);
    /// `None`: as many as it acknowledges, for paths where acknowledgments are rare.
    pub slow_start_limit: Option<u16>,
    /// A loss reduces the congestion window itself, not what was outstanding. RFC 9438 4.6 allows it where a window
    /// that is not used does not grow, which is so here (RFC 7661 4.3).
    pub reduce_window: bool,
    /// The window grows by what an acknowledgment that moves on first shows to have arrived, SACKed bytes among it, instead
    /// of by what it acknowledges: bytes reported while it stood still count for nothing. RFC 5681 3.1 sets the most.
    pub count_delivered: bool,
}

impl Default for Habits {
    fn default() -> Self {
        Self {
            slow_start_limit: Some(SLOW_START_LIMIT_SEGMENTS),
            reduce_window: false,
            count_delivered: false,
        }
    }
}

impl Habits {
    /// The bytes that an acknowledgment counts for.
    fn counted(self, e: &AckEvent) -> u64 {
        match (self.count_delivered, e.acked) {
            (true, 1..) => e.delivered,
            (true, 0) => 0,
            (false, acked) => acked,
        }
    }

    /// The most that one acknowledgment adds, bytes.
    fn slow_start_step(self, mss: u64) -> u64 {
        let limit = self.slow_start_limit;
        limit.map_or(u64::MAX, |segments| u64::from(segments) * mss)
    }
}

/// A congestion control algorithm. It owns the window; it is told events and asked for the window.
pub trait Controller: Debug + Send {
    /// Data left.
    fn on_sent(&mut self, _e: &SentEvent) {}
    /// An acknowledgment said something new. Called once for each, also while a loss is repaired.
    fn on_ack(&mut self, e: &AckEvent);
    /// The path is congested. Called once for a window of data, before it is repaired.
    fn on_congestion(&mut self, e: &CongestionEvent);
    /// The last congestion event was a mistake: nothing had been lost. The window goes back.
    fn on_spurious(&mut self, now: Instant);
    /// The window was not used for so long that it says little about the path.
    fn on_idle(&mut self, e: &IdleEvent);
    /// Where its standard leaves a choice, this is chosen.
    fn adopt(&mut self, _habits: Habits) {}
    /// It replaces `before` on a living connection: the window and the threshold go on from there.
    fn on_takeover(&mut self, before: &ControllerInfo);
    /// The handshake took `rtt`; nothing has left yet.
    fn on_handshake(&mut self, _rtt: Duration) {}
    /// The size of a full segment changed.
    fn on_mss_change(&mut self, mss: u32);
    /// The congestion window, bytes: never below one segment.
    fn cwnd(&self) -> u64;
    /// The slow-start threshold, bytes; `u64::MAX` until there was congestion.
    fn ssthresh(&self) -> u64;
    /// How fast to send; `None` leaves it to the window.
    fn pacing_rate(&self) -> Option<Rate> {
        None
    }
    /// Whether its window also meters what leaves during fast recovery, instead of proportional rate reduction.
    fn meters_recovery(&self) -> bool {
        false
    }
    /// What it shows of itself.
    fn snapshot(&self) -> ControllerInfo;
    /// A copy, for forks of a run.
    fn clone_box(&self) -> Box<dyn Controller>;
    /// What to keep of it while the connection is quiet.
    fn park(&self) -> Parked {
        Parked::Whole(self.clone_box())
    }
    /// Hashes everything that decides its future, times relative to `now`.
    fn fingerprint(&self, now: Instant, into: &mut dyn Hasher);
}

/// What is kept of a controller while its connection is quiet: nothing under way, nothing to send.
#[derive(Clone, Debug)]
pub enum Parked {
    /// All of it.
    Whole(Box<dyn Controller>),
    /// BBR's model, without what concerns the moment.
    Bbr(Box<ParkedBbr>),
}

impl Parked {
    /// The controller again.
    #[must_use]
    pub fn wake(self) -> Box<dyn Controller> {
        match self {
            Self::Whole(controller) => controller,
            Self::Bbr(parked) => parked.wake(),
        }
    }
}

impl Clone for Box<dyn Controller> {
    fn clone(&self) -> Self {
        (**self).clone_box()
    }
}

/// The algorithms built in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// RFC 5681 with RFC 6582: the textbook's.
    NewReno,
    /// RFC 9438 with RFC 9406: what most hosts run.
    #[default]
    Cubic,
    /// draft-ietf-ccwg-bbr: by rate and round trip instead of by loss.
    Bbr,
}

impl Algorithm {
    /// Every algorithm, the textbook's first.
    pub const ALL: [Self; 3] = [Self::NewReno, Self::Cubic, Self::Bbr];

    /// One word: what [`ControllerInfo::name`] says.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NewReno => "newreno",
            Self::Cubic => "cubic",
            Self::Bbr => "bbr",
        }
    }

    /// A controller for segments of `mss` bytes.
    #[must_use]
    pub fn controller(self, mss: u32) -> Box<dyn Controller> {
        match self {
            Self::NewReno => Box::new(NewReno::new(mss)),
            Self::Cubic => Box::new(Cubic::new(mss)),
            Self::Bbr => Box::new(Bbr::new(mss)),
        }
    }
}

/// The initial window of RFC 6928 2: `min(10 * MSS, max(2 * MSS, 14600))`.
#[must_use]
pub fn initial_window(mss: u32) -> u64 {
    let mss = u64::from(mss);
    (INITIAL_WINDOW_SEGMENTS * mss).min(INITIAL_WINDOW_BYTES.max(2 * mss))
}

/// Events for the algorithms' tests.
#[cfg(test)]
mod events {
    use super::{AckEvent, CongestionEvent, CongestionKind};
    use outcrop_base::Instant;

    /// `acked` bytes of a full window, without a round trip.
    pub(super) const fn ack(acked: u64) -> AckEvent {
        AckEvent {
            now: Instant::ZERO,
            acked,
            delivered: acked,
            prior_in_flight: 0,
            in_flight: 0,
            lost: 0,
            cwnd_limited: true,
            in_recovery: false,
            round_start: false,
            rtt: None,
            srtt: None,
            min_rtt: None,
            rate: None,
            marked: 0,
            counted: false,
        }
    }

    pub(super) const fn congestion(kind: CongestionKind, flight: u64) -> CongestionEvent {
        CongestionEvent {
            now: Instant::ZERO,
            kind,
            flight,
        }
    }
}
