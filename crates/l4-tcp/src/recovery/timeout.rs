//! What happens when acknowledgments do not come.
//!
//! Job: act on the timers of loss recovery, earliest first. Owns: nothing; these are methods of [`Recovery`].
//! Sources: RFC 6298 5, RFC 5681 3.1, RFC 8985 6.3 and 7, RFC 2018 8 (reneging).

use outcrop_base::Instant;

use super::frto::FRto;
use super::prr::Prr;
use super::rack::Situation;
use super::{Fired, Lost, Phase, Recovery, tlp};
use crate::congestion::{CongestionEvent, CongestionKind, Controller};
use crate::segment::StreamRange;
use crate::tx_record::Fate;

impl Recovery {
    /// Acts on the first timer due at `now`. Call again until it says that nothing was.
    pub fn handle_timeout(&mut self, now: Instant, controller: &mut dyn Controller) -> Fired {
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        // Where both are due, the probe goes first: it may show that less is lost than a timeout would say.
        if due(self.rto.deadline()) && !due(self.tlp.deadline()) {
            return self.on_rto(now, controller);
        }
        if due(self.rack.deadline()) {
            let flight = self.outstanding();
            let mut lost = self.detect_by_rack(now);
            let oversize = self.judge_size(lost.as_mut());
            let counted = lost.filter(|_| !oversize);
            self.rate.on_lost(counted.map_or(0, |lost| lost.bytes));
            if counted.is_some() {
                let is_new = self.phase == Phase::Open;
                self.enter_recovery(now, flight, controller);
                if is_new {
                    self.prr = Prr::new(flight.saturating_sub(self.records.sacked()));
                }
                self.update_prr(0, false, controller);
            }
            return Fired::Reordering { lost };
        }
        if due(self.tlp.deadline()) {
            self.tlp.on_fired();
            // RFC 8985 7.3: the retransmission timer guards the probe.
            self.rto.restart(now, self.rtt.rto());
            return Fired::TailLossProbe;
        }
        Fired::Nothing
    }

    /// RFC 6298 5.4 to 5.6, without taking SND.NXT back.
    fn on_rto(&mut self, now: Instant, controller: &mut dyn Controller) -> Fired {
        let flight = self.outstanding();
        let repeated = matches!(self.phase, Phase::Loss { .. });
        self.frto = if self.means.frto {
            FRto::begin(repeated)
        } else {
            FRto::Off
        };
        let again = self.rto.count() > 0 && matches!(self.phase, Phase::Loss { .. });
        if self.records.first().is_some_and(|r| r.fate == Fate::Sacked) {
            // The peer reported these bytes and never acknowledged them: it has let go of them.
            self.board.clear();
            self.records.forget_sacked();
        }
        let hull = StreamRange::new(self.records.una(), self.records.nxt());
        let oversize = self.judge_size_at_timeout(hull);
        let bytes = self.records.on_lost(hull);
        self.rate.on_lost(if oversize { 0 } else { bytes });
        self.rto.on_fired();
        self.rtt.back_off();
        self.tlp.cancel();
        self.dup_acks.reset();
        self.dup_acks.set_guard(hull.end);
        self.phase = Phase::Loss { recover: hull.end };
        self.usage.ecn_until = Some(hull.end);
        if !again {
            self.undo.begin(true);
        }
        let kind = if again {
            CongestionKind::TimeoutAgain
        } else {
            CongestionKind::Timeout
        };
        if !oversize {
            controller.on_congestion(&CongestionEvent { now, kind, flight });
        }
        if flight > 0 {
            self.rto.start(now, self.rtt.rto());
        }
        Fired::Rto {
            lost: Lost {
                hull,
                bytes,
                how: "rto",
            },
            count: self.rto.count(),
        }
    }

    pub(super) fn detect_by_rack(&mut self, now: Instant) -> Option<Lost> {
        let situation = Situation {
            in_recovery: self.phase != Phase::Open,
            mss: self.mss,
        };
        let found = self
            .rack
            .detect(now, &self.rtt, &situation, &mut self.records);
        found.map(|(hull, bytes)| Lost {
            hull,
            bytes,
            how: "rack",
        })
    }

    /// RFC 8985 7.2: a probe is scheduled while nothing is amiss.
    pub(super) fn schedule_probe(&mut self, now: Instant) {
        let amiss = self.phase != Phase::Open
            || !self.sack
            || !self.means.tail_probes
            || self.records.sacked() > 0
            || self.records.lost() > 0
            || self.tlp.under_way();
        let at = (!amiss && self.outstanding() > 0).then(|| {
            let one = self.outstanding() <= self.mss;
            now + tlp::timeout(self.rtt.srtt(), one)
        });
        // Never after the retransmission timer, but in its place.
        let rto = self.rto.deadline();
        self.tlp
            .schedule(at.map(|at| rto.map_or(at, |rto| at.min(rto))));
    }
}
