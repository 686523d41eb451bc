//! When the next data may leave.
//!
//! Job: spread a window over its round trip instead of sending it in one burst.
//! Owns: the earliest departure. Does not know: how the rate was found.
//! Sources: draft-ietf-ccwg-bbr 4.5.2 (pacing), RFC 9002 7.7 (the same idea for QUIC).

use core::hash::{Hash, Hasher};
use core::time::Duration;

use outcrop_base::Instant;

use crate::congestion::{Controller, Rate};

/// What an idle pacer lets out at once: timers are not finer than this.
const BURST: Duration = Duration::from_millis(1);

/// How much lateness of our own timer is made up for. A loaded machine wakes us a millisecond or two late each time,
/// which would cost as much of the rate; somebody who was away for longer begins anew, without a burst.
const CATCH_UP: Duration = Duration::from_millis(5);

/// The rate for a controller that has none of its own, as Linux sets it: the window over the round trip, twice that
/// in slow start, where the window doubles, and a fifth more else, so that pacing is not what limits.
#[must_use]
pub fn rate_of_window(controller: &dyn Controller, srtt: Option<Duration>) -> Option<Rate> {
    let srtt = srtt.filter(|srtt| !srtt.is_zero())?;
    let (cwnd, ssthresh) = (controller.cwnd(), controller.ssthresh());
    let gain = if cwnd < ssthresh / 2 { 200 } else { 120 };
    Some(Rate::new(cwnd.saturating_mul(gain) / 100, srtt))
}

/// The most that leaves at once at `rate`: a millisecond's worth, in whole segments, at least two (RFC 9002 7.7
/// has the reasons; a device cuts it as one super-segment).
#[must_use]
pub fn burst(rate: Rate, mss: u64) -> u64 {
    let worth = u128::from(rate.0) * BURST.as_nanos() / 1_000_000_000;
    let segments = u64::try_from(worth).unwrap_or(u64::MAX) / mss.max(1);
    segments.max(2).saturating_mul(mss)
}

/// The earliest departure of the next data.
#[derive(Clone, Debug, Default)]
pub struct Pacer {
    next: Option<Instant>,
}

impl Pacer {
    /// A pacer that lets the first data out at once.
    #[must_use]
    pub const fn new() -> Self {
        Self { next: None }
    }

    /// When data may leave, if not already at `now`.
    #[must_use]
    pub fn wait_until(&self, now: Instant) -> Option<Instant> {
        self.next.filter(|next| *next - now > BURST)
    }

    /// `bytes` left at `now`; the next wait for as long as they take at `rate`. If these were `awaited`, held by the
    /// pacer until now, and it is later than it said, that was our timer's fault; otherwise time has passed idle.
    pub fn on_sent(&mut self, now: Instant, bytes: u64, rate: Option<Rate>, awaited: bool) {
        self.next = rate.map(|rate| {
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
    }

    /// Hashes what decides the future, times relative to `now`.
    pub fn fingerprint(&self, now: Instant, mut into: &mut dyn Hasher) {
        self.next
            .map(|next| (next - now, now - next))
            .hash(&mut into);
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
                    pacer.on_sent(now, 1000, rate, false);
                    sent += 1000;
                }
            }
        }
        assert!((1_000_000..=1_003_000).contains(&sent), "{sent}");
    }

    #[test]
    fn burst_is_a_millisecond_in_whole_segments_two_at_least() {
        assert_eq!(burst(Rate(10_000_000), 1460), 8760);
        assert_eq!(burst(Rate(1000), 1460), 2920);
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
                pacer.on_sent(now, 10_000, rate, awaited);
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
        pacer.on_sent(Instant::ZERO, 1000, Some(Rate(1000)), false);
        let later = Instant::from_secs(100);
        assert_eq!(pacer.wait_until(later), None);
        pacer.on_sent(later, 1000, Some(Rate(1000)), false);
        assert_eq!(pacer.wait_until(later), Some(Instant::from_secs(101)));
    }
}
