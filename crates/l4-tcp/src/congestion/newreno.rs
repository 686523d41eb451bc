//! NewReno: the textbook's congestion control.
//!
//! Job: slow start, congestion avoidance, halving. Owns: cwnd and ssthresh. Does not know: how recovery is run;
//! while it lasts, proportional rate reduction meters the sending, and this window already stands at its goal.
//! Sources: RFC 5681 3.1 and 4.1, RFC 3465 (counting bytes), RFC 6928 (initial window), RFC 7661 4.3 (no growth
//! while the window is not used).

use core::hash::{Hash, Hasher};

use outcrop_base::Instant;

use super::{
    AckEvent, CongestionEvent, CongestionKind, Controller, ControllerInfo, Phase, initial_window,
};
use crate::params::{ABC_LIMIT_SEGMENTS, MIN_WINDOW_SEGMENTS};

/// The state of NewReno.
#[derive(Clone, Debug, Hash)]
pub struct NewReno {
    mss: u64,
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
            cwnd: initial_window(mss.max(1)),
            ssthresh: u64::MAX,
            acked: 0,
            before: None,
        }
    }

    /// RFC 5681 3.1 equation 4: half of what was outstanding.
    fn half_of(&self, flight: u64) -> u64 {
        (flight / 2).max(MIN_WINDOW_SEGMENTS * self.mss)
    }

    fn grow(&mut self, acked: u64) {
        if self.cwnd < self.ssthresh {
            // Equation 2, with RFC 3465 2.3's limit on what one ACK may add.
            let step = acked.min(ABC_LIMIT_SEGMENTS * self.mss);
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
            self.grow(e.acked);
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

    fn on_idle(&mut self, _now: Instant) {
        // RFC 5681 4.1: the restart window.
        let initial = u32::try_from(self.mss).map_or(self.cwnd, initial_window);
        self.cwnd = self.cwnd.min(initial);
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
