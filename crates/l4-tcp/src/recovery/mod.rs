//! Loss recovery.
//!
//! Job: keep the account of what is under way, decide what is lost and when to look again, and tell the congestion
//! controller. Owns: the records, the scoreboard, the round trip, RACK, tail loss probes, the retransmission timer,
//! proportional rate reduction, undo. Does not know: the bytes, the peer's window, sequence numbers.
//! ```text
//!  on_sent ──► records ──► on_ack ──► RACK or duplicate ACKs ──► lost ──► next_retransmission
//!                            │                                    │
//!                            └──► round trip, rate                └──► Controller, PRR ──► allowance
//! ```
//! SND.NXT is never taken back: a timeout marks records lost.
//! Sources: RFC 9293 3.8, RFC 5681, RFC 6298, RFC 6582, RFC 6675, RFC 8985, RFC 6937.

mod ack;
pub(crate) mod dormant;
pub mod dup_acks;
pub mod frto;
pub mod prr;
pub mod rack;
pub mod rto;
mod size_probe;
mod timeout;
pub mod tlp;
pub mod undo;
pub mod validation;

use core::hash::{Hash, Hasher};
use core::time::Duration;

use outcrop_base::{Instant, TimerKind};

use crate::congestion::{Controller, IdleEvent, SentEvent};
use crate::rate::{RateEstimator, RateSample};
use crate::rtt::RttEstimator;
use crate::segment::StreamRange;
use crate::send::scoreboard::Scoreboard;
use crate::tx_record::TxRecords;

use dup_acks::DupAcks;
use frto::FRto;
use prr::Prr;
use rack::Rack;
use rto::RtoTimer;
use size_probe::SizeProbe;
use tlp::Tlp;
use undo::{Evidence, Undo};
use validation::Validation;

/// What is being done about losses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Nothing is known to be lost.
    Open,
    /// Fast recovery, until SND.UNA reaches `recover`.
    Recovery {
        /// SND.NXT when it began.
        recover: u64,
    },
    /// After a timeout, until SND.UNA reaches `recover`.
    Loss {
        /// SND.NXT at the timeout.
        recover: u64,
    },
}

impl Phase {
    /// One word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Recovery { .. } => "recovery",
            Self::Loss { .. } => "loss",
        }
    }
}

/// What an acknowledgment says, in offsets. The caller has checked that it is acceptable.
#[derive(Clone, Copy, Debug)]
pub struct AckInput<'a> {
    /// When it arrived.
    pub now: Instant,
    /// SEG.ACK.
    pub una: u64,
    /// The SACK blocks, in the order of the option.
    pub sack: &'a [StreamRange],
    /// When the segment whose timestamp it echoes left; `None` without timestamps.
    pub echo: Option<Instant>,
    /// It carries nothing else: no payload, SYN or FIN, and the window is unchanged (RFC 5681 2).
    pub pure: bool,
    /// Packets of ours that it newly reports as marked; with classic ECN one, as long as the peer echoes.
    pub marked: u64,
    /// Whether that is a count (RFC 9768).
    pub counted: bool,
}

/// Bytes declared lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// From the first to the last of them.
    pub hull: StreamRange,
    /// How many.
    pub bytes: u64,
    /// By which mechanism: `dup-acks`, `rack`, `rto`.
    pub how: &'static str,
}

/// What followed from an acknowledgment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AckOutcome {
    /// Bytes newly acknowledged in order, a FIN as one.
    pub acked: u64,
    /// Bytes newly acknowledged selectively.
    pub sacked: u64,
    /// It was a duplicate acknowledgment.
    pub duplicate: bool,
    /// What was declared lost because of it.
    pub lost: Option<Lost>,
    /// The round trip it measured.
    pub rtt: Option<Duration>,
    /// The delivery rate it measured.
    pub rate: Option<RateSample>,
    /// The congestion window was reduced, whatever for.
    pub reduced: bool,
    /// Fast recovery began.
    pub entered: bool,
    /// Recovery, or the repair after a timeout, is complete.
    pub recovered: bool,
    /// The path marked the last segment the window had left: nothing leaves for a timeout (RFC 3168 6.1.2).
    pub hold: bool,
    /// The last reduction was a mistake, by this evidence.
    pub spurious: Option<Evidence>,
    /// It reported something that had arrived twice (RFC 2883).
    pub duplicate_reported: bool,
    /// How much of what it reports was overtaken on its way.
    pub reorderings: u32,
}

/// What a timer that ran out has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fired {
    /// Nothing was due.
    Nothing,
    /// The retransmission timer: everything outstanding is lost. The count is of timeouts in a row.
    Rto {
        /// What was lost.
        lost: Lost,
        /// How often in a row.
        count: u8,
    },
    /// A tail loss probe is due: see [`Recovery::probe`].
    TailLossProbe,
    /// The reordering window has passed: more was declared lost, or not.
    Reordering {
        /// What was lost.
        lost: Option<Lost>,
    },
}

/// Which means of recovery are in use beyond those that every connection has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Means {
    /// Tail loss probes (RFC 8985 7).
    pub tail_probes: bool,
    /// F-RTO (RFC 5682).
    pub frto: bool,
    /// An acknowledgment of anything sent twice measures nothing, whatever else it acknowledges.
    pub careful_rtt: bool,
}

impl Default for Means {
    fn default() -> Self {
        Self {
            tail_probes: true,
            frto: true,
            careful_rtt: false,
        }
    }
}

/// Loss recovery of one connection.
#[derive(Clone, Debug)]
pub struct Recovery {
    records: TxRecords,
    board: Scoreboard,
    rate: RateEstimator,
    rtt: RttEstimator,
    phase: Phase,
    dup_acks: DupAcks,
    rack: Rack,
    tlp: Tlp,
    rto: RtoTimer,
    prr: Prr,
    undo: Undo,
    frto: FRto,
    size_probe: Option<Box<SizeProbe>>,
    /// Whether the peer sends SACK.
    sack: bool,
    mss: u64,
    /// Transmissions so far.
    order: u64,
    usage: Usage,
    /// Keeps the window through pauses (RFC 7661); `None` lets it decay (RFC 2861).
    validation: Option<Validation>,
    means: Means,
}

/// How the window is used.
#[derive(Clone, Copy, Debug, Default)]
struct Usage {
    /// The most that was under way at once in this round trip, and in the one before.
    peak: u64,
    earlier: u64,
    /// ECN: no second reduction before SND.UNA reaches this.
    ecn_until: Option<u64>,
    last_sent: Option<Instant>,
    /// Bytes declared lost that the controller has heard of.
    lost_told: u64,
}

impl Recovery {
    /// Nothing sent yet. `rtt` may hold what the handshake measured.
    #[must_use]
    pub fn new(now: Instant, mss: u32, sack: bool, rtt: RttEstimator) -> Self {
        Self {
            records: TxRecords::new(),
            board: Scoreboard::new(),
            rate: RateEstimator::new(now),
            rtt,
            phase: Phase::Open,
            dup_acks: DupAcks::default(),
            rack: Rack::default(),
            tlp: Tlp::default(),
            rto: RtoTimer::default(),
            prr: Prr::new(0),
            undo: Undo::default(),
            frto: FRto::Off,
            size_probe: None,
            sack,
            mss: u64::from(mss.max(1)),
            order: 0,
            usage: Usage::default(),
            validation: None,
            means: Means::default(),
        }
    }

    /// Chooses the means.
    pub const fn set_means(&mut self, means: Means) {
        self.means = means;
    }

    /// Whether a window that is not used is kept (RFC 7661) or decays (RFC 5681 4.1, RFC 2861).
    pub fn keep_unused_window(&mut self, keep: bool) {
        self.validation = keep.then(|| self.validation.unwrap_or_default());
    }

    /// Changes the size of a full segment.
    pub fn set_mss(&mut self, mss: u32) {
        self.mss = u64::from(mss.max(1));
    }

    /// The round trip.
    #[must_use]
    pub const fn rtt(&self) -> &RttEstimator {
        &self.rtt
    }

    /// The round trip, for what is measured elsewhere.
    pub const fn rtt_mut(&mut self) -> &mut RttEstimator {
        &mut self.rtt
    }

    /// How much later than its successors something may come before it counts as lost; `None` before a round trip.
    #[must_use]
    pub fn reorder_window(&self) -> Option<Duration> {
        self.rack.reorder_window(&self.rtt)
    }

    /// The records of what is outstanding.
    #[must_use]
    pub const fn records(&self) -> &TxRecords {
        &self.records
    }

    /// What is being done about losses.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// Timeouts in a row without progress (R1 and R2 of RFC 9293 3.8.3 count these).
    #[must_use]
    pub const fn timeouts(&self) -> u8 {
        self.rto.count()
    }

    /// When the oldest outstanding byte left for the first time.
    #[must_use]
    pub fn oldest_sent_at(&self) -> Option<Instant> {
        self.records.first().map(|record| record.first_sent_at)
    }

    /// Bytes known to have arrived, in order or not.
    #[must_use]
    pub const fn delivered(&self) -> u64 {
        self.rate.delivered()
    }

    /// Bytes sent and not acknowledged in order.
    #[must_use]
    pub const fn outstanding(&self) -> u64 {
        self.records.outstanding()
    }

    /// Bytes under way, as far as is known ("pipe" of RFC 6675).
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        let arrived = self.dup_acks.bytes(self.mss);
        self.records.in_flight().saturating_sub(arrived)
    }

    /// The window that counts now: the controller's, or that of proportional rate reduction.
    #[must_use]
    pub fn cwnd(&self, controller: &dyn Controller) -> u64 {
        match self.phase {
            Phase::Open | Phase::Loss { .. } => controller.cwnd(),
            Phase::Recovery { .. } if controller.meters_recovery() => controller.cwnd(),
            Phase::Recovery { .. } => self.prr.cwnd(),
        }
    }

    /// Bytes that may leave now.
    #[must_use]
    pub fn allowance(&self, controller: &dyn Controller) -> u64 {
        self.cwnd(controller).saturating_sub(self.in_flight())
    }

    /// The first lost range, whole.
    #[must_use]
    pub fn next_lost(&self) -> Option<StreamRange> {
        self.records.next_lost()
    }

    /// What to send again now, at most `max` bytes: lost, and allowed by the window.
    #[must_use]
    pub fn next_retransmission(
        &self,
        controller: &dyn Controller,
        max: u32,
    ) -> Option<StreamRange> {
        let lost = self.next_lost().filter(|_| !self.frto.waits())?;
        let allowance = self.allowance(controller);
        if allowance < lost.len().min(self.mss) {
            // RFC 6582 3.2 steps 2 and 3: what a third duplicate or a partial acknowledgment shows to be
            // missing is sent at once, whatever the window.
            let head = !self.sack && lost.start == self.records.una();
            return head.then(|| lost.first(self.mss.min(u64::from(max))));
        }
        // Whole segments, as many as the window and the device take.
        let whole = (allowance / self.mss).max(1) * self.mss;
        Some(lost.first(whole.min(u64::from(max))))
    }

    /// Whether new data, if any may leave, goes before what is lost (RFC 5682, step 2b).
    #[must_use]
    pub const fn asks_for_new(&self) -> bool {
        self.frto.asks_for_new()
    }

    /// A router says that the way is unreachable for now, quoting the first outstanding byte after a timeout:
    /// RFC 6069 4.2 takes one doubling back, and the timer runs from the last transmission. Returns whether it did.
    pub fn on_disruption(&mut self) -> bool {
        let Some(first) = self.records.first().copied() else {
            return false;
        };
        self.rto.on_disruption();
        let repairing = matches!(self.phase, Phase::Loss { .. });
        if !repairing || self.rto.count() == 0 || self.rtt.backoff() == 0 {
            return false;
        }
        self.rtt.undo_back_off();
        self.rto.restart(first.sent_at, self.rtt.rto());
        true
    }

    /// Timeouts in a row about which no router said anything.
    #[must_use]
    pub const fn silent_timeouts(&self) -> u8 {
        self.rto.silent()
    }

    /// Whether a tail loss probe shall leave now, whatever the congestion window says: one segment of new
    /// data if the peer's window takes it, else [`Self::probe`].
    #[must_use]
    pub const fn probe_due(&self) -> bool {
        self.tlp.due()
    }

    /// What a tail loss probe sends if there is no new data: the last segment outstanding; `None`
    /// if no probe is due. New data sent while it is due counts as the probe.
    #[must_use]
    pub fn probe(&self) -> Option<StreamRange> {
        let last = self.records.last().filter(|_| self.tlp.due())?.range;
        Some(StreamRange::new(
            last.start.max(last.end.saturating_sub(self.mss)),
            last.end,
        ))
    }

    /// `range` leaves: new, or again.
    pub fn on_sent(&mut self, now: Instant, range: StreamRange, controller: &mut dyn Controller) {
        let (una, nxt) = (self.records.una(), self.records.nxt());
        let again = range.start < nxt;
        self.check_idle(now, controller);
        let stamp = self
            .rate
            .on_sent(now, self.records.in_flight(), range.len());
        self.order += 1;
        self.records.on_sent(range, now, self.order, stamp);
        self.rack.on_sent(range, self.order);
        self.tlp.on_sent(again.then_some(range), self.records.nxt());
        self.frto.on_sent(range.end, again);
        if again {
            self.undo.on_resent(now, range);
        }
        if let Phase::Recovery { .. } = self.phase {
            self.prr.on_sent(range.len());
        }
        if again && range.start == una {
            self.rto.restart(now, self.rtt.rto());
        } else {
            self.rto.start(now, self.rtt.rto());
        }
        self.schedule_probe(now);
        let in_flight = self.in_flight();
        self.usage.peak = self.usage.peak.max(in_flight);
        controller.on_sent(&SentEvent {
            now,
            bytes: range.len(),
            in_flight,
            retransmission: again,
        });
    }

    /// RFC 5681 4.1 and RFC 2861 3: a window that rested for a timeout says little about the path, and less
    /// with each more.
    fn check_idle(&mut self, now: Instant, controller: &mut dyn Controller) {
        let Some(last) = self.usage.last_sent.replace(now) else {
            return;
        };
        if let Some(validation) = &mut self.validation {
            validation.validated(now, self.rtt.srtt(), controller.cwnd());
            let periods = validation.expired(now);
            if periods > 0 {
                controller.on_idle(&IdleEvent { now, periods });
            }
            return;
        }
        let (rto, rest) = (self.rtt.rto(), now - last);
        if rest < rto || self.outstanding() > 0 {
            return;
        }
        let periods = rest.as_nanos() / rto.as_nanos().max(1);
        let periods = u32::try_from(periods).unwrap_or(u32::MAX);
        if periods > 0 {
            controller.on_idle(&IdleEvent { now, periods });
            // What was used before the pause says nothing about the window after it.
            (self.usage.peak, self.usage.earlier) = (0, 0);
        }
    }

    /// The program has nothing more to send, and the window would take more.
    pub fn on_app_limited(&mut self) {
        self.rate.on_app_limited(self.records.in_flight());
    }

    /// Declares `range` lost without blaming congestion: it was too large for the path.
    pub fn mark_lost(&mut self, range: StreamRange) -> u64 {
        self.records.on_lost(range)
    }

    /// When to call [`Self::handle_timeout`], and which timer that is.
    #[must_use]
    pub fn deadline(&self) -> Option<(Instant, TimerKind)> {
        [
            (self.rack.deadline(), TimerKind::Reordering),
            (self.tlp.deadline(), TimerKind::TailLossProbe),
            (self.rto.deadline(), TimerKind::Retransmit),
        ]
        .into_iter()
        .filter_map(|(at, kind)| Some((at?, kind)))
        .min_by_key(|(at, _)| *at)
    }

    /// The same without which it is.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        Instant::first_of([
            self.rack.deadline(),
            self.tlp.deadline(),
            self.rto.deadline(),
        ])
    }

    /// Panics if an invariant does not hold.
    #[doc(hidden)]
    pub fn check(&self) {
        self.records.check();
        let outstanding = self.outstanding() > 0;
        assert!(
            !outstanding || self.deadline().is_some(),
            "bytes outstanding and no timer"
        );
        assert!(
            outstanding || self.rto.deadline().is_none(),
            "timer without anything outstanding"
        );
    }

    /// Hashes what decides the future, times relative to `now`.
    pub fn fingerprint(&self, now: Instant, mut into: &mut dyn Hasher) {
        self.records.fingerprint(now, into);
        self.rate.fingerprint(now, into);
        self.rtt.fingerprint(now, into);
        self.rack.fingerprint(now, into);
        self.tlp.fingerprint(now, into);
        self.rto.fingerprint(now, into);
        self.undo.fingerprint(now, into);
        if let Some(validation) = &self.validation {
            validation.fingerprint(now, into);
        }
        (&self.board, self.phase, &self.dup_acks, self.prr).hash(&mut into);
        (self.frto, &self.size_probe).hash(&mut into);
        let u = &self.usage;
        let last_sent = u.last_sent.map(|at| now - at);
        (
            self.sack,
            self.mss,
            u.peak,
            u.earlier,
            u.ecn_until,
            last_sent,
        )
            .hash(&mut into);
    }
}

#[cfg(test)]
mod tests;
