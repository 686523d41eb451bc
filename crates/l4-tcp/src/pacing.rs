//! When the next data may leave.
//!
//! Job: spread a window over its round trip instead of sending it in one burst.
//! Owns: the earliest departure. Does not know: how the rate was found.
//! Sources: draft-ietf-ccwg-bbr 4.5.2 (pacing), RFC 9002 7.7 (the same idea for QUIC, and how much may go together).

use core::hash::{Hash, Hasher};
use core::time::Duration;

use outcrop_base::Instant;

use crate::congestion::{Controller, Rate, initial_window};
use crate::span::Span;

/// What an idle pacer lets out at once: timers are not finer than this.
const BURST: Duration = Duration::from_millis(1);

/// How much lateness of our own timer is made up for. A loaded machine wakes us a millisecond or two late each time,
/// which would cost as much of the rate; somebody who was away for longer begins anew, without a burst.
const CATCH_UP: Duration = Duration::from_millis(5);

/// The shortest round trip over which a window is worth spreading: below, its parts would be fewer than the turns of a
/// timer, and there is no queue on the way that a window of that path overruns.
pub const SHORTEST: Duration = Duration::from_millis(2);

/// Whether the path is long enough for it.
#[must_use]
pub fn is_long(min_rtt: Option<Duration>) -> bool {
    min_rtt.is_some_and(|min| min >= SHORTEST)
}

/// How data leaves where something spreads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// How fast.
    pub rate: Rate,
    /// For how long at that rate what leaves together may last.
    pub(crate) ahead: Duration,
}

impl Pace {
    /// `rate`, with nothing beside what a timer cannot part.
    #[must_use]
    pub const fn strict(rate: Rate) -> Self {
        Self { rate, ahead: BURST }
    }

    /// The pace for a controller that has none of its own, as Linux sets the rate: the window over the round trip, twice
    /// that in slow start, where the window doubles, and a fifth more else, so that pacing is not what limits. What
    /// every path must take when a connection begins may leave together (RFC 9002 7.7): apart, a loss would only show
    /// later. `None` where the path is too short (`min_rtt`: what waits in a queue does not make it longer).
    #[must_use]
    pub fn of_window(
        controller: &dyn Controller,
        srtt: Option<Duration>,
        min_rtt: Option<Duration>,
        mss: u32,
    ) -> Option<Self> {
        let srtt = srtt.filter(|_| is_long(min_rtt))?;
        let (cwnd, ssthresh) = (controller.cwnd(), controller.ssthresh());
        let gain = if cwnd < ssthresh / 2 { 200 } else { 120 };
        let rate = Rate::new(cwnd.saturating_mul(gain) / 100, srtt);
        let ahead = rate.time_for(initial_window(mss)).max(BURST);
        Some(Self { rate, ahead })
    }

    /// The most that leaves at once: in whole segments, at least two (a device cuts it as one super-segment).
    #[must_use]
    pub fn burst(self, mss: u64) -> u64 {
        let worth = u128::from(self.rate.0) * self.ahead.as_nanos() / 1_000_000_000;
        let segments = u64::try_from(worth).unwrap_or(u64::MAX) / mss.max(1);
        segments.max(2).saturating_mul(mss)
    }
}

/// The earliest departure of the next data.
#[derive(Clone, Debug)]
pub struct Pacer {
    next: Option<Instant>,
    /// How far before that something may leave.
    ahead: Span,
}

impl Default for Pacer {
    fn default() -> Self {
        Self::new()
    }
}

impl Pacer {
    /// A pacer that lets the first data out at once.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            next: None,
            ahead: Span::new(BURST),
        }
    }

    /// When data may leave, if not already at `now`.
    #[must_use]
    pub fn wait_until(&self, now: Instant) -> Option<Instant> {
        let (next, ahead) = (self.next?, self.ahead.get());
        let early = next - now;
        // Not for each segment anew: once a millisecond.
        (early > ahead).then(|| now + (early - ahead.saturating_sub(BURST)))
    }

    /// `bytes` left at `now`; the next wait for as long as they take at this pace. If these were `awaited`, held by the
    /// pacer until now, and it is later than it said, that was our timer's fault; otherwise time has passed idle.
    pub fn on_sent(&mut self, now: Instant, bytes: u64, pace: Option<Pace>, awaited: bool) {
        self.next = pace.map(|Pace { rate, ahead }| {
            self.ahead = Span::new(ahead);
            let made_up = if awaited { CATCH_UP } else { Duration::ZERO };
            let from = self
                .next
                .map_or(now, |next| next + (now - next).saturating_sub(made_up));
            from + rate.time_for(bytes)
        });
    }

    /// Nothing leaves before `until`, whatever the rate.
    pub fn hold(&mut self, until: Instant) {
        self.next = self.next.max(Some(until));
        self.ahead = Span::new(BURST);
    }

    /// Hashes what decides the future, times relative to `now`.
    pub fn fingerprint(&self, now: Instant, mut into: &mut dyn Hasher) {
        let next = self.next.map(|next| (next - now, now - next));
        (next, self.ahead).hash(&mut into);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_leave_at_the_rate_after_a_short_burst() {
        let rate = Some(Rate(1_000_000));
        let mut pacer = Pacer::new();
        let mut now = Instant::from_secs(1);
        let mut sent = 0;
        while now < Instant::from_secs(2) {
            match pacer.wait_until(now) {
                Some(at) => now = at,
                None => {
                    pacer.on_sent(now, 1000, rate.map(Pace::strict), false);
                    sent += 1000;
                }
            }
        }
        assert!((1_000_000..=1_003_000).contains(&sent), "{sent}");
    }

    #[test]
    fn burst_is_a_millisecond_in_whole_segments_two_at_least() {
        let burst = |rate| Pace::strict(Rate(rate)).burst(1460);
        assert_eq!(burst(10_000_000), 8760);
        assert_eq!(burst(1000), 2920);
    }

    #[test]
    fn without_a_rate_nothing_waits() {
        let mut pacer = Pacer::new();
        pacer.on_sent(Instant::ZERO, u64::MAX, None, false);
        assert_eq!(pacer.wait_until(Instant::ZERO), None);
    }

    /// Bytes that leave in a second at 10 MB/s, where each wait ends `late` after it should.
    fn sent_by_late_timers(late: Duration) -> u64 {
        let rate = Some(Rate(10_000_000));
        let (mut pacer, mut now, mut sent) = (Pacer::new(), Instant::from_secs(1), 0);
        let mut awaited = false;
        while now < Instant::from_secs(2) {
            if let Some(at) = pacer.wait_until(now) {
                awaited = true;
                now = at + late;
            } else {
                pacer.on_sent(now, 10_000, rate.map(Pace::strict), awaited);
                sent += 10_000;
            }
        }
        sent
    }

    #[test]
    fn timer_fires_late_each_time_the_rate_is_kept_all_the_same() {
        for late in [0, 500, 1_000, 4_000] {
            let sent = sent_by_late_timers(Duration::from_micros(late));
            assert!((9_900_000..=10_100_000).contains(&sent), "{late}: {sent}");
        }
        // Away for 20 ms at a time: no more than 5 ms of it are made up for, and one of burst.
        let sent = sent_by_late_timers(Duration::from_millis(20));
        assert!(sent < 4_000_000, "{sent}");
    }

    #[test]
    fn idle_time_is_not_saved_up() {
        let mut pacer = Pacer::new();
        pacer.on_sent(Instant::ZERO, 1000, Some(Pace::strict(Rate(1000))), false);
        let later = Instant::from_secs(100);
        assert_eq!(pacer.wait_until(later), None);
        pacer.on_sent(later, 1000, Some(Pace::strict(Rate(1000))), false);
        assert_eq!(pacer.wait_until(later), Some(Instant::from_secs(101)));
    }
}
