//! What an acknowledgment means.
//!
//! Job: the steps from "SEG.ACK and blocks" to losses found, windows changed and timers set, in the order of the
//! RFCs. Owns: nothing; these are methods of [`Recovery`].
//! Sources: RFC 6298 3 to 5, RFC 6582 3.2, RFC 8985 6.2, RFC 6937, RFC 3168 6.1.2.

use core::time::Duration;

use outcrop_base::Instant;

use super::frto::{Answer, FRto};
use super::prr::{Prr, PrrAck};
use super::tlp::ProbeFate;
use super::undo::{Evidence, Shown};
use super::{AckInput, AckOutcome, Lost, Phase, Recovery};
use crate::congestion::{AckEvent, CongestionEvent, CongestionKind, Controller};
use crate::segment::StreamRange;
use crate::send::scoreboard::Scoreboard;
use crate::tx_record::{Fate, TxRecord};

/// What became known by one acknowledgment.
#[derive(Clone, Copy, Debug, Default)]
struct News {
    acked: u64,
    /// What of it was not known to have arrived before.
    fresh: u64,
    sacked: u64,
    /// When the latest-sent of what was sent once left.
    timed: Option<Instant>,
    /// The same of what was reported in blocks.
    timed_by_sack: Option<Instant>,
    /// Whether something declared lost and never sent again was among it, and whether something sent again was.
    original: bool,
    /// The end of the highest of it.
    highest: u64,
    resent: bool,
    duplicate: Option<StreamRange>,
}

impl News {
    fn add(&mut self, part: &TxRecord) {
        self.highest = self.highest.max(part.range.end);
        if !part.retransmitted() {
            self.original |= part.fate == Fate::Lost;
            self.timed = self.timed.max(Some(part.sent_at));
        } else {
            self.resent = true;
        }
    }

    /// DeliveredData of RFC 6937 3: SND.UNA's advance over what was reported in blocks before is none.
    const fn delivered(&self) -> u64 {
        self.fresh + self.sacked
    }
}

impl Recovery {
    /// Takes in an acknowledgment, old ones included.
    pub fn on_ack(&mut self, input: &AckInput<'_>, controller: &mut dyn Controller) -> AckOutcome {
        let flight = self.outstanding();
        let prior_in_flight = self.in_flight();
        let counted = self.dup_acks.bytes(self.mss);
        let known = self.records.sacked();
        let news = self.account(input);
        let mut out = AckOutcome {
            acked: news.acked,
            sacked: news.sacked,
            duplicate_reported: news.duplicate.is_some_and(|range| !range.is_empty()),
            reorderings: self.rack.take_reorderings(),
            ..AckOutcome::default()
        };
        out.rtt = self.measure(input, &news, flight);
        out.rate = self.rate.sample(self.rtt.min());
        self.check_spurious(input, &news, &mut out, controller);
        self.detect(input, &news, &mut out, flight);
        let oversize = self.judge_size(out.lost.as_mut());
        let lost = out.lost.filter(|_| !oversize);
        self.rate.on_lost(lost.map_or(0, |lost| lost.bytes));
        if lost.is_some() && self.phase == Phase::Open {
            out.entered = true;
            out.reduced = true;
            self.enter_recovery(input.now, flight, controller);
            self.prr = Prr::new(flight.saturating_sub(known));
        }
        out.reduced |= self.check_probe(input, &news, flight, controller);
        // Only with progress: a peer that goes on echoing would hold us for ever.
        out.hold = input.marked > 0 && news.acked > 0 && controller.cwnd() <= self.mss;
        out.reduced |= out.hold | self.check_ecn(input, flight, controller);
        // RFC 5681 3.2 step 6: the acknowledgment that ends recovery leaves the window at the threshold.
        let held = self.holds_growth();
        out.recovered = self.leave_recovery();
        // RFC 3168 6.1.2: what reports a mark opens no window, also where it was reacted to before.
        let echoed = input.marked > 0 && self.phase == Phase::Open;
        let round_start = self.rate.round_started();
        // RFC 6937 3: a duplicate without SACK counts as a segment, once.
        let delivered = match (out.duplicate && !self.sack, self.sack) {
            (true, _) => self.mss,
            (false, true) => news.delivered(),
            (false, false) => news.acked.saturating_sub(counted),
        };
        controller.on_ack(&AckEvent {
            now: input.now,
            acked: news.acked,
            delivered,
            prior_in_flight,
            in_flight: self.in_flight(),
            lost: self.newly_lost(),
            cwnd_limited: self.cwnd_limited(controller) && self.validated(input.now, controller),
            in_recovery: out.hold || held || self.holds_growth() || echoed,
            round_start,
            rtt: out.rtt,
            srtt: self.rtt.srtt(),
            min_rtt: self.rtt.min(),
            rate: out.rate,
            marked: input.marked,
            counted: input.counted,
        });
        if round_start {
            self.usage.earlier = self.usage.peak;
            self.usage.peak = self.in_flight();
        }
        self.update_prr(delivered, news.acked > 0 && lost.is_none(), controller);
        self.set_timers(input.now, &news);
        if out.hold && self.outstanding() > 0 {
            self.rto.restart(input.now, self.rtt.rto());
        }
        out
    }

    /// Brings records and scoreboard up to date.
    fn account(&mut self, input: &AckInput<'_>) -> News {
        let mut news = News::default();
        let (now, echo, min_rtt) = (input.now, input.echo, self.rtt.min());
        let Self {
            records,
            board,
            rate,
            rack,
            sack,
            ..
        } = self;
        let (before, una) = (records.una(), input.una.max(records.una()));
        news.duplicate = Scoreboard::duplicate(input.sack, una).filter(|_| *sack);
        records.on_ack(una, |part| {
            if part.fate != Fate::Sacked {
                rate.on_delivered(now, part);
                rack.on_delivered(now, part, echo, min_rtt);
                news.add(part);
                news.fresh += part.len();
            }
        });
        news.acked = records.una() - before;
        board.on_ack(records.una());
        let outstanding = StreamRange::new(records.una(), records.nxt());
        for block in input.sack.iter().filter(|_| *sack) {
            board.insert(*block, outstanding, |new| {
                records.on_sacked(new, |part| {
                    rate.on_delivered(now, part);
                    // Out of order, the echo is of an earlier segment (RFC 7323 4.3): it tells nothing.
                    rack.on_delivered(now, part, None, min_rtt);
                    news.add(part);
                    if !part.retransmitted() {
                        news.timed_by_sack = news.timed_by_sack.max(Some(part.sent_at));
                    }
                    news.sacked += part.len();
                });
            });
        }
        if let Some(duplicate) = news.duplicate
            && !duplicate.is_empty()
        {
            rack.on_duplicate(records.una(), records.nxt());
        }
        news
    }

    /// RFC 6298 3 (Karn) and RFC 7323 4: only what was sent once, or what a timestamp identifies.
    fn measure(&mut self, input: &AckInput<'_>, news: &News, flight: u64) -> Option<Duration> {
        let echoed = input.echo.filter(|_| news.acked > 0);
        // Without SACK, what was sent once may have waited at the peer for what was sent again.
        let timed = if news.resent && self.means.careful_rtt {
            news.timed_by_sack
        } else {
            news.timed.filter(|_| self.sack || !news.resent)
        };
        let sample = input.now - timed.or(echoed)?;
        let two = 2 * self.mss;
        let expected = if flight <= two {
            1
        } else {
            u32::try_from(flight.div_ceil(two).min(1 << 16)).unwrap_or(1)
        };
        self.rtt.on_sample(input.now, sample, expected);
        Some(sample)
    }

    fn check_spurious(
        &mut self,
        input: &AckInput<'_>,
        news: &News,
        out: &mut AckOutcome,
        controller: &mut dyn Controller,
    ) {
        if !self.undo.is_open() && self.frto == FRto::Off {
            // No reduction is in doubt: what nearly every acknowledgment finds.
            return;
        }
        let after_timeout = self.undo.after_timeout();
        out.spurious = self.undo.on_ack(&Shown {
            echo: input.echo,
            una: self.records.una(),
            progress: news.acked > 0,
            duplicate: news.duplicate,
            original: news.original,
            sack: self.sack,
        });
        let duplicate = news.delivered() == 0 && input.una == self.records.una();
        let frto = self.frto.on_ack(&Answer {
            una: input.una,
            nxt: self.records.nxt(),
            highest: news.highest,
            progress: news.acked > 0,
            original: news.original,
            duplicate: duplicate && (self.sack || input.pure),
            sack: self.sack,
        });
        if frto && out.spurious.is_none() {
            self.undo.end();
            out.spurious = Some(Evidence::FRto);
        }
        if out.spurious.is_some() {
            self.frto = FRto::Off;
            controller.on_spurious(input.now);
            if !after_timeout {
                self.rack.on_reordering();
            }
            self.rack.on_spurious();
            self.records.forget_lost();
            self.rack.rebuild(&self.records);
            self.phase = Phase::Open;
            self.dup_acks.reset();
        }
    }

    fn detect(&mut self, input: &AckInput<'_>, news: &News, out: &mut AckOutcome, flight: u64) {
        let repeated = news.acked == 0 && input.una == self.records.una() && flight > 0;
        if self.sack {
            out.duplicate = repeated && news.sacked > 0;
            out.lost = self.detect_by_rack(input.now);
            return;
        }
        if news.acked > 0 {
            let in_recovery = matches!(self.phase, Phase::Recovery { .. });
            self.dup_acks
                .on_progress(news.acked.div_ceil(self.mss), in_recovery);
            if let Phase::Recovery { recover } = self.phase
                && self.records.una() < recover
            {
                // RFC 6582 3.2 step 3: a partial acknowledgment shows the next gap.
                out.lost = self.lose_first();
            }
        } else if repeated && input.pure && !matches!(self.phase, Phase::Loss { .. }) {
            out.duplicate = true;
            let meant = self.dup_acks.on_duplicate(self.records.una());
            if meant && self.phase == Phase::Open {
                out.lost = self.lose_first();
            }
        }
    }

    /// Declares the first outstanding segment lost, unless it is already.
    fn lose_first(&mut self) -> Option<Lost> {
        let una = self.records.una();
        let hull = self.records.first()?.range.first(self.mss);
        let bytes = self.records.on_lost(hull);
        (bytes > 0 && hull.start == una).then_some(Lost {
            hull,
            bytes,
            how: "dup-acks",
        })
    }

    pub(super) fn enter_recovery(
        &mut self,
        now: Instant,
        flight: u64,
        controller: &mut dyn Controller,
    ) {
        if self.phase != Phase::Open {
            return;
        }
        let recover = self.records.nxt();
        let counted = self.flight_that_counts(now, self.without_limited(flight, controller));
        self.phase = Phase::Recovery { recover };
        self.usage.ecn_until = Some(recover);
        self.dup_acks.set_guard(recover);
        self.tlp.cancel();
        self.undo.begin(false);
        self.prr = Prr::new(flight);
        controller.on_congestion(&CongestionEvent {
            now,
            kind: CongestionKind::Loss,
            flight: counted,
        });
    }

    fn leave_recovery(&mut self) -> bool {
        let (Phase::Recovery { recover } | Phase::Loss { recover }) = self.phase else {
            return false;
        };
        if self.records.una() < recover {
            return false;
        }
        self.phase = Phase::Open;
        self.dup_acks.reset();
        self.rack.on_recovered();
        true
    }

    fn check_probe(
        &mut self,
        input: &AckInput<'_>,
        news: &News,
        flight: u64,
        controller: &mut dyn Controller,
    ) -> bool {
        let repeated = news.delivered() == 0 && input.sack.is_empty() && input.pure;
        let una = self.records.una();
        match self.tlp.on_ack(una, news.duplicate, repeated) {
            ProbeFate::Nothing | ProbeFate::Needless => false,
            ProbeFate::Repaired if self.phase != Phase::Open => false,
            ProbeFate::Repaired => {
                // RFC 8985 7.4.2: the loss counts, though nothing is left to repair.
                controller.on_congestion(&CongestionEvent {
                    now: input.now,
                    kind: CongestionKind::Loss,
                    flight,
                });
                true
            }
        }
    }

    /// RFC 3168 6.1.2: react at most once a window of data.
    fn check_ecn(
        &mut self,
        input: &AckInput<'_>,
        flight: u64,
        controller: &mut dyn Controller,
    ) -> bool {
        // What is acknowledged up to `until` left before the reduction, and our CWR leaves beyond it at the earliest.
        let una = self.records.una();
        let told = self.usage.ecn_until.is_some_and(|until| una <= until);
        if input.marked == 0 || told || self.phase != Phase::Open {
            return false;
        }
        self.usage.ecn_until = Some(self.records.nxt());
        controller.on_congestion(&CongestionEvent {
            now: input.now,
            kind: CongestionKind::Ecn,
            flight,
        });
        true
    }

    /// Whether the window in which the path marked packets is not yet acknowledged.
    fn ecn_pending(&self) -> bool {
        let una = self.records.una();
        self.usage.ecn_until.is_some_and(|until| una < until)
    }

    /// Whether acknowledgments are those of a window that was reduced: it grows again after them. Not so after
    /// a timeout, whose slow start begins with the first (RFC 5681 3.1), though marks count no more there.
    fn holds_growth(&self) -> bool {
        match self.phase {
            Phase::Open => self.ecn_pending(),
            Phase::Recovery { .. } => true,
            Phase::Loss { .. } => false,
        }
    }

    /// RFC 7661 4.3: without use of half of it, the window may not grow.
    fn validated(&mut self, now: Instant, controller: &dyn Controller) -> bool {
        let (delivered, srtt) = (self.rate.delivered(), self.rtt.srtt());
        let round = self.rate.round_started();
        self.validation.as_mut().is_none_or(|validation| {
            validation.on_ack(now, delivered, round);
            validation.validated(now, srtt, controller.cwnd())
        })
    }

    /// RFC 5681 3.2 step 2: what limited transmit let out does not count. It is what went beyond the window, which
    /// nothing else does, unless the path's marks have just made the window smaller.
    fn without_limited(&self, flight: u64, controller: &dyn Controller) -> u64 {
        if self.ecn_pending() {
            flight
        } else {
            flight.min(controller.cwnd())
        }
    }

    /// RFC 7661 4.4.1: in a pause little is under way; what a loss costs is measured by what was used.
    fn flight_that_counts(&self, now: Instant, flight: u64) -> u64 {
        let used = self
            .validation
            .and_then(|validation| validation.pipe_ack(now, self.rtt.srtt()));
        flight.max(used.unwrap_or(0))
    }

    /// Bytes declared lost since the controller was last told.
    fn newly_lost(&mut self) -> u64 {
        let told = core::mem::replace(&mut self.usage.lost_told, self.rate.lost());
        self.rate.lost() - told
    }

    /// RFC 7661 4.3: in slow start half the window in use is enough (it doubles in this round).
    fn cwnd_limited(&self, controller: &dyn Controller) -> bool {
        let peak = self.usage.peak.max(self.usage.earlier);
        let cwnd = controller.cwnd();
        if cwnd < controller.ssthresh() {
            cwnd < 2 * peak
        } else {
            cwnd < peak + self.mss
        }
    }

    pub(super) fn update_prr(&mut self, delivered: u64, safe: bool, controller: &dyn Controller) {
        if let Phase::Recovery { .. } = self.phase {
            self.prr.on_ack(&PrrAck {
                delivered,
                in_flight: self.in_flight(),
                safe,
                ssthresh: controller.ssthresh(),
                mss: self.mss,
            });
        }
    }

    fn set_timers(&mut self, now: Instant, news: &News) {
        if self.outstanding() == 0 {
            self.rto.stop();
            self.rto.on_progress();
            // Nor is there anything to probe for.
            self.tlp.stop();
            return;
        } else if news.acked > 0 {
            self.rto.on_progress();
            self.rto.restart(now, self.rtt.rto());
        }
        if news.delivered() > 0 {
            self.schedule_probe(now);
        }
    }
}
