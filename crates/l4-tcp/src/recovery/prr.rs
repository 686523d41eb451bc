//! Sending smoothly while a loss is repaired.
//!
//! Job: let out, for each byte that arrives at the peer, the share that brings the window to its new goal by the
//! end of recovery. Owns: what was delivered and sent since recovery began. Does not know: which bytes.
//! Sources: RFC 6937 3, with draft-ietf-tcpm-prr-rfc6937bis 5 (slow-start bound while recovery makes progress).

/// Proportional rate reduction of one recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Prr {
    /// RecoverFS: bytes outstanding when recovery began, less what was known to have arrived before (6937bis 5):
    /// that will not be delivered again.
    flight: u64,
    delivered: u64,
    out: u64,
    /// The window at present: what is under way plus what may leave.
    cwnd: u64,
}

/// What one acknowledgment brought.
#[derive(Clone, Copy, Debug)]
pub struct PrrAck {
    /// Bytes newly known to have arrived.
    pub delivered: u64,
    /// Bytes under way now.
    pub in_flight: u64,
    /// Whether it moved SND.UNA and nothing more was found lost.
    pub safe: bool,
    /// The goal: the controller's slow-start threshold.
    pub ssthresh: u64,
    /// A full segment.
    pub mss: u64,
}

impl Prr {
    /// Begins with `flight` bytes outstanding.
    #[must_use]
    pub fn new(flight: u64) -> Self {
        Self {
            flight: flight.max(1),
            delivered: 0,
            out: 0,
            cwnd: 0,
        }
    }

    /// An acknowledgment arrived.
    pub fn on_ack(&mut self, a: &PrrAck) {
        self.delivered += a.delivered;
        let mut quota = if a.in_flight > a.ssthresh {
            // Proportional: ceil(delivered * ssthresh / RecoverFS), in whole segments: a part of one could not
            // leave, and would only be late.
            let goal = u128::from(self.delivered) * u128::from(a.ssthresh);
            let goal = goal.div_ceil(u128::from(self.flight));
            let goal = u64::try_from(goal).unwrap_or(u64::MAX);
            goal.div_ceil(a.mss)
                .saturating_mul(a.mss)
                .saturating_sub(self.out)
        } else {
            // The slow-start reduction bound, or its conservative form while more is being lost.
            let replaced = self.delivered.saturating_sub(self.out).max(a.delivered);
            let growth = if a.safe { a.mss } else { 0 };
            (replaced + growth).min(a.ssthresh - a.in_flight)
        };
        if self.out == 0 {
            // The fast retransmission itself always leaves.
            quota = quota.max(a.mss);
        }
        self.cwnd = a.in_flight + quota;
    }

    /// `bytes` left.
    pub const fn on_sent(&mut self, bytes: u64) {
        self.out += bytes;
    }

    /// The window at present, bytes.
    #[must_use]
    pub const fn cwnd(&self) -> u64 {
        self.cwnd
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MSS: u64 = 1000;

    // RFC 6937 3's example in spirit: 20 segments out, one lost, ssthresh 10: one segment leaves for
    // every two acknowledged.
    #[test]
    fn half_the_window_one_segment_leaves_for_two_delivered() {
        let mut prr = Prr::new(20 * MSS);
        let mut sent = 0;
        let mut pipe = 19 * MSS;
        for n in 1..=18 {
            pipe -= MSS;
            prr.on_ack(&PrrAck {
                delivered: MSS,
                in_flight: pipe,
                safe: false,
                ssthresh: 10 * MSS,
                mss: MSS,
            });
            while prr.cwnd() >= pipe + MSS {
                prr.on_sent(MSS);
                pipe += MSS;
                sent += 1;
            }
            assert!(sent + 1 >= n / 2 && sent <= n / 2 + 1, "{sent} after {n}");
        }
        assert!((9 * MSS..=11 * MSS).contains(&pipe), "{pipe}");
    }

    // RFC 6937 3: the fast retransmission is not held back by the proportion.
    #[test]
    fn first_segment_always_leaves() {
        let mut prr = Prr::new(20 * MSS);
        prr.on_ack(&PrrAck {
            delivered: MSS,
            in_flight: 18 * MSS,
            safe: false,
            ssthresh: 10 * MSS,
            mss: MSS,
        });
        assert_eq!(prr.cwnd(), 19 * MSS);
    }

    #[test]
    fn far_below_the_goal_a_safe_ack_lets_grow_and_an_unsafe_one_only_replaces() {
        let ack = |safe| PrrAck {
            delivered: 2 * MSS,
            in_flight: 2 * MSS,
            safe,
            ssthresh: 10 * MSS,
            mss: MSS,
        };
        let mut prr = Prr::new(20 * MSS);
        prr.on_ack(&ack(false));
        assert_eq!(prr.cwnd(), 4 * MSS);
        let mut prr = Prr::new(20 * MSS);
        prr.on_ack(&ack(true));
        assert_eq!(prr.cwnd(), 5 * MSS);
    }

    // RFC 6937 3 counts in segments where segments are what can leave: with seven tenths of ten as the goal, the
    // second delivery lets the second segment out, not the third.
    #[test]
    fn goal_is_rounded_up_to_whole_segments() {
        let mut prr = Prr::new(10 * MSS);
        let mut sent = Vec::new();
        for n in 1..=4u64 {
            let pipe = 9 * MSS;
            prr.on_ack(&PrrAck {
                delivered: MSS,
                in_flight: pipe,
                safe: false,
                ssthresh: 7 * MSS,
                mss: MSS,
            });
            let out = (prr.cwnd() - pipe) / MSS;
            prr.on_sent(out * MSS);
            sent.push((n, out));
        }
        assert_eq!(sent, [(1, 1), (2, 1), (3, 1), (4, 0)]);
    }
}
