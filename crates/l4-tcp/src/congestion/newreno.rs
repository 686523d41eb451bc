//! NewReno: the textbook's congestion control.
//!
//! Job: slow start, congestion avoidance, halving. Owns: cwnd and ssthresh. Does not know: how recovery is run;
//! while it lasts, proportional rate reduction meters the sending, and this window already stands at its goal.
//! Sources: RFC 5681 3.1 and 4.1, RFC 3465 (counting bytes), RFC 6928 (initial window), RFC 7661 4.3 (no growth
//! while the window is not used).

use core::hash::{Hash, Hasher};

use outcrop_base::Instant;

use super::{
    AckEvent, CongestionEvent, CongestionKind, Controller, ControllerInfo, Habits, IdleEvent,
    Phase, decay, initial_window,
};
use crate::params::MIN_WINDOW_SEGMENTS;

/// The state of NewReno.
#[derive(Clone, Debug, Hash)]
pub struct NewReno {
    mss: u64,
    habits: Habits,
    cwnd: u64,
    ssthresh: u64,
    /// Bytes acknowledged towards the next growth in congestion avoidance (RFC 3465 2.1).
    acked: u64,
    /// cwnd and ssthresh before the last congestion event, should it prove a mistake.
    before: Option<(u64, u64)>,
}

impl NewReno {
    /// An initial window of segments of `mss` bytes.
    #[must_use]
    pub fn new(mss: u32) -> Self {
        Self {
            mss: u64::from(mss.max(1)),
            habits: Habits::default(),
            cwnd: initial_window(mss.max(1)),
            ssthresh: u64::MAX,
            acked: 0,
            before: None,
        }
    }

    /// RFC 5681 3.1 equation 4: half of what was outstanding.
    fn half_of(&self, flight: u64) -> u64 {
        let used = if self.habits.reduce_window {
            self.cwnd
        } else {
            flight
        };
        (used / 2).max(MIN_WINDOW_SEGMENTS * self.mss)
    }

    fn grow(&mut self, acked: u64) {
        if self.cwnd < self.ssthresh {
            // Equation 2, with a limit on what one ACK may add.
            let step = acked.min(self.habits.slow_start_step(self.mss));
            self.cwnd = (self.cwnd + step).min(self.ssthresh);
            return;
        }
        // RFC 3465 2.1: one segment for each window acknowledged.
        self.acked += acked;
        if self.acked >= self.cwnd {
            self.acked -= self.cwnd;
            self.cwnd += self.mss;
        }
    }
}

impl Controller for NewReno {
    fn on_ack(&mut self, e: &AckEvent) {
        // RFC 7661 4.3: acknowledgments of a window that was not used say nothing about a larger one.
        if !e.in_recovery && e.cwnd_limited {
            self.grow(self.habits.counted(e));
        }
    }

    fn on_congestion(&mut self, e: &CongestionEvent) {
        match e.kind {
            CongestionKind::Loss | CongestionKind::Ecn => {
                self.before = Some((self.cwnd, self.ssthresh));
                self.ssthresh = self.half_of(e.flight);
                self.cwnd = self.ssthresh;
            }
            CongestionKind::Timeout => {
                self.before = Some((self.cwnd, self.ssthresh));
                self.ssthresh = self.half_of(e.flight);
                // RFC 5681 3.1: the loss window is one segment.
                self.cwnd = self.mss;
            }
            CongestionKind::TimeoutAgain => self.cwnd = self.mss,
        }
        self.acked = 0;
    }

    fn on_spurious(&mut self, _now: Instant) {
        if let Some((cwnd, ssthresh)) = self.before.take() {
            self.cwnd = self.cwnd.max(cwnd);
            self.ssthresh = self.ssthresh.max(ssthresh);
        }
    }

    fn on_idle(&mut self, e: &IdleEvent) {
        (self.cwnd, self.ssthresh) = decay(self.cwnd, self.ssthresh, self.mss, e.periods);
    }

    fn adopt(&mut self, habits: Habits) {
        self.habits = habits;
    }

    fn on_takeover(&mut self, before: &ControllerInfo) {
        (self.cwnd, self.ssthresh) = (before.cwnd.max(self.mss), before.ssthresh);
    }

    fn on_mss_change(&mut self, mss: u32) {
        let mss = u64::from(mss.max(1));
        // RFC 5681 says nothing; the window stays the same number of segments when they shrink.
        if mss < self.mss {
            self.cwnd = (self.cwnd / self.mss).max(1) * mss;
        }
        self.mss = mss;
        self.cwnd = self.cwnd.max(mss);
    }

    fn cwnd(&self) -> u64 {
        self.cwnd
    }

    fn ssthresh(&self) -> u64 {
        self.ssthresh
    }

    fn snapshot(&self) -> ControllerInfo {
        ControllerInfo {
            name: "newreno",
            cwnd: self.cwnd,
            ssthresh: self.ssthresh,
            phase: if self.cwnd < self.ssthresh {
                Phase::SlowStart
            } else {
                Phase::Avoidance
            },
        }
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn fingerprint(&self, _now: Instant, mut into: &mut dyn Hasher) {
        self.hash(&mut into);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::congestion::events::{ack, congestion};

    const MSS: u64 = 1000;

    fn newreno() -> NewReno {
        NewReno::new(1000)
    }

    // RFC 6928 2: min(10 MSS, max(2 MSS, 14600)).
    #[test]
    fn initial_window_is_ten_segments_or_fewer_large_ones() {
        assert_eq!(initial_window(1460), 14_600);
        assert_eq!(initial_window(536), 5_360);
        assert_eq!(initial_window(2000), 14_600);
        assert_eq!(initial_window(9000), 18_000);
    }

    #[test]
    fn slow_start_grows_by_what_is_acknowledged_within_the_limit() {
        let mut c = newreno();
        c.on_ack(&ack(2 * MSS));
        assert_eq!(c.cwnd(), 12 * MSS);
        c.on_ack(&ack(60 * MSS));
        assert_eq!(c.cwnd(), 20 * MSS);
    }

    // RFC 5681 3.1 equation 4, then one segment a window.
    #[test]
    fn loss_halves_and_a_window_acknowledged_adds_one_segment() {
        let mut c = newreno();
        c.on_congestion(&congestion(CongestionKind::Loss, 20 * MSS));
        assert_eq!((c.cwnd(), c.ssthresh()), (10 * MSS, 10 * MSS));
        for _ in 0..9 {
            c.on_ack(&ack(MSS));
        }
        assert_eq!(c.cwnd(), 10 * MSS);
        c.on_ack(&ack(MSS));
        assert_eq!(c.cwnd(), 11 * MSS);
    }

    #[test]
    fn timeout_leaves_one_segment_and_a_second_one_no_less() {
        let mut c = newreno();
        c.on_congestion(&congestion(CongestionKind::Timeout, 20 * MSS));
        assert_eq!((c.cwnd(), c.ssthresh()), (MSS, 10 * MSS));
        c.on_congestion(&congestion(CongestionKind::TimeoutAgain, MSS));
        assert_eq!((c.cwnd(), c.ssthresh()), (MSS, 10 * MSS));
        let mut small = newreno();
        small.on_congestion(&congestion(CongestionKind::Timeout, MSS));
        assert_eq!(small.ssthresh(), 2 * MSS);
    }

    #[test]
    fn window_does_not_grow_in_recovery_or_when_unused() {
        let mut c = newreno();
        c.on_ack(&AckEvent {
            in_recovery: true,
            ..ack(MSS)
        });
        c.on_ack(&AckEvent {
            cwnd_limited: false,
            ..ack(MSS)
        });
        assert_eq!(c.cwnd(), 10 * MSS);
    }

    #[test]
    fn mistake_gives_the_window_back_once() {
        let mut c = newreno();
        c.on_congestion(&congestion(CongestionKind::Timeout, 10 * MSS));
        c.on_spurious(Instant::ZERO);
        assert_eq!((c.cwnd(), c.ssthresh()), (10 * MSS, u64::MAX));
        c.on_congestion(&congestion(CongestionKind::Loss, 10 * MSS));
        c.on_spurious(Instant::ZERO);
        c.on_spurious(Instant::ZERO);
        assert_eq!(c.cwnd(), 10 * MSS);
    }

    #[test]
    fn smaller_segments_keep_the_window_in_segments() {
        let mut c = newreno();
        c.on_mss_change(500);
        assert_eq!(c.cwnd(), 5 * MSS);
        c.on_mss_change(1400);
        assert_eq!(c.cwnd(), 5 * MSS);
    }
}
