//! The model of the path.
//!
//! Job: the largest recent delivery rate, the smallest recent round trip, how acknowledgments clump, and the bounds
//! that losses have taught. Owns: those, and the count of rounds. Does not know: which phase uses them.
//! Sources: draft-ietf-ccwg-bbr 5.5.

use core::hash::{Hash, Hasher};
use core::num::NonZeroU64;
use core::time::Duration;

use outcrop_base::Instant;

use super::marks::Marks;
use super::{BETA, per_mille};
use crate::congestion::{AckEvent, Rate};
use crate::span::Span;

/// 2.8 MinRTTFilterLen.
const MIN_RTT_WINDOW: Duration = Duration::from_secs(10);
/// 2.8 ProbeRTTInterval.
const PROBE_RTT_INTERVAL: Duration = Duration::from_secs(5);
/// Half of ExtraAckedFilterLen (2.8: ten rounds), for a window of two halves.
const EXTRA_ACKED_HALF: u8 = 5;

/// What is known of the path.
#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    /// The largest rate of this probing cycle and of the one before.
    max_bw: [Rate; 2],
    bounds: Bounds,
    latest: Latest,
    rounds: Rounds,
    min_rtt: MinRtt,
    aggregation: Aggregation,
    marks: Marks,
    /// Marks are weighed by their share: one alone is no loss.
    weighed: bool,
}

impl Remembered {
    pub(super) fn wake(self) -> Model {
        let bytes = |known: NonZeroU64| known.get() - 1;
        let long = |seen: Option<(Span, Instant)>| seen.map(|(rtt, at)| (rtt.get(), at));
        let [value, probe] = self.min_rtt;
        Model {
            max_bw: self.max_bw,
            bounds: Bounds {
                inflight_long: self.inflight_long.map(bytes),
                inflight_short: self.inflight_short.map(bytes),
                bw_short: self.bw_short.map(|rate| Rate(bytes(rate))),
            },
            latest: Latest {
                round_delivered: self.delivered,
                ..Latest::default()
            },
            rounds: Rounds {
                delivered: self.delivered,
                next: self.delivered,
                start: false,
                limited_until: 0,
            },
            min_rtt: MinRtt {
                value: long(value),
                probe: long(probe),
            },
            aggregation: Aggregation {
                extra: self.extra,
                rounds: self.extra_rounds,
                ..Aggregation::default()
            },
            marks: Marks::averaging(self.marks),
            weighed: self.weighed,
        }
    }
}

/// What losses have taught: `None` is no bound.
#[derive(Clone, Copy, Debug, Default, Hash)]
struct Bounds {
    /// The most under way that did not cost too much loss.
    inflight_long: Option<u64>,
    /// The same since the last probe.
    inflight_short: Option<u64>,
    bw_short: Option<Rate>,
}

/// The best of the current round, to which short-term bounds fall.
#[derive(Clone, Copy, Debug, Default, Hash)]
struct Latest {
    bw: Rate,
    inflight: u64,
    loss_in_round: bool,
    round_delivered: u64,
    round_start: bool,
    /// Something in it was sent as fast as the path allowed.
    full: bool,
}

#[derive(Clone, Copy, Debug, Default, Hash)]
struct Rounds {
    delivered: u64,
    next: u64,
    start: bool,
    /// What was sent before so much had arrived was held back by the sender itself.
    limited_until: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct MinRtt {
    value: Option<(Duration, Instant)>,
    /// The smallest since the last probe.
    probe: Option<(Duration, Instant)>,
}

/// 5.5.9: more is acknowledged at once than the rate explains.
#[derive(Clone, Copy, Debug, Default)]
struct Aggregation {
    since: Option<Instant>,
    acked: u64,
    /// The most of the current half of the window of rounds, and of the half before.
    extra: [u64; 2],
    rounds: u8,
}

/// What a pause leaves of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Remembered {
    max_bw: [Rate; 2],
    inflight_long: Option<NonZeroU64>,
    inflight_short: Option<NonZeroU64>,
    bw_short: Option<NonZeroU64>,
    delivered: u64,
    min_rtt: [Option<(Span, Instant)>; 2],
    extra: [u64; 2],
    extra_rounds: u8,
    weighed: bool,
    marks: u16,
}

impl Model {
    /// Everything sent has arrived: the round is over, and so is what was measured in it.
    pub(super) fn doze(&self) -> Remembered {
        let known = |bytes: u64| NonZeroU64::MIN.saturating_add(bytes);
        let short = |seen: Option<(Duration, Instant)>| seen.map(|(rtt, at)| (Span::new(rtt), at));
        Remembered {
            max_bw: self.max_bw,
            inflight_long: self.bounds.inflight_long.map(known),
            inflight_short: self.bounds.inflight_short.map(known),
            bw_short: self.bounds.bw_short.map(|rate| known(rate.0)),
            delivered: self.rounds.delivered,
            min_rtt: [short(self.min_rtt.value), short(self.min_rtt.probe)],
            extra: self.aggregation.extra,
            extra_rounds: self.aggregation.rounds,
            weighed: self.weighed,
            marks: self.marks.average(),
        }
    }

    pub(super) const fn round_start(&self) -> bool {
        self.rounds.start
    }

    pub(super) const fn delivered(&self) -> u64 {
        self.rounds.delivered
    }

    pub(super) fn min_rtt(&self) -> Option<Duration> {
        self.min_rtt.value.map(|(rtt, _)| rtt)
    }

    pub(super) fn max_bw(&self) -> Rate {
        let [now, before] = self.max_bw;
        now.max(before)
    }

    /// 5.5.13: the rate to send at.
    pub(super) fn bw(&self) -> Rate {
        self.bounds
            .bw_short
            .map_or_else(|| self.max_bw(), |short| short.min(self.max_bw()))
    }

    pub(super) fn extra_acked(&self) -> u64 {
        let [now, before] = self.aggregation.extra;
        now.max(before)
    }

    pub(super) fn inflight_long(&self) -> u64 {
        self.bounds.inflight_long.unwrap_or(u64::MAX)
    }

    pub(super) const fn set_inflight_long(&mut self, bytes: u64) {
        self.bounds.inflight_long = Some(bytes);
    }

    pub(super) fn inflight_short(&self) -> u64 {
        self.bounds.inflight_short.unwrap_or(u64::MAX)
    }

    pub(super) const fn inflight_latest(&self) -> u64 {
        self.latest.inflight
    }

    pub(super) const fn loss_round_start(&self) -> bool {
        self.latest.round_start
    }

    /// 5.5.10.3: losses count against the short-term bounds once, at the end of the round that begins with the first.
    pub(super) const fn on_loss(&mut self) {
        if !self.latest.loss_in_round {
            self.latest.round_delivered = self.rounds.delivered;
        }
        self.latest.loss_in_round = true;
    }

    /// The path marked packets, and that is news: where they are not weighed it is as good as a loss (RFC 3168 5).
    pub(super) const fn on_mark(&mut self) {
        if !self.weighed {
            self.on_loss();
        }
    }

    pub(super) const fn marks(&self) -> &Marks {
        &self.marks
    }

    pub(super) const fn start_round(&mut self) {
        self.rounds.next = self.rounds.delivered;
    }

    pub(super) const fn forget_short_bounds(&mut self) {
        self.bounds.inflight_short = None;
        self.bounds.bw_short = None;
        self.latest.loss_in_round = false;
    }

    pub(super) const fn reset_signals(&mut self) {
        self.latest.loss_in_round = false;
        self.latest.bw = Rate(0);
        self.latest.inflight = 0;
        self.latest.full = false;
    }

    /// 5.5.6: another probing cycle has ended.
    pub(super) const fn advance_max_bw(&mut self) {
        let [now, _] = self.max_bw;
        if now.0 > 0 {
            self.max_bw = [Rate(0), now];
        }
    }

    /// 5.3.4.3: what is under way now shows less than the path can do, and so will what is sent until it has arrived.
    pub(super) const fn mark_limited(&mut self, in_flight: u64) {
        self.rounds.limited_until = self.rounds.delivered + in_flight;
    }

    /// The acknowledgment with that mark on its sample.
    pub(super) fn marked(&self, e: &AckEvent) -> AckEvent {
        let mut e = *e;
        if let Some(sample) = &mut e.rate {
            sample.app_limited |= sample.prior_delivered < self.rounds.limited_until;
        }
        e
    }

    /// 5.5.10: the signals of one acknowledgment. `probing` suspends the short-term bounds.
    pub(super) fn on_ack(&mut self, e: &AckEvent, probing: bool, cwnd: u64, mss: u64) {
        self.weighed = Marks::apply(e);
        self.marks.on_ack(e, mss);
        self.rounds.delivered += e.delivered;
        self.rounds.start = false;
        self.latest.round_start = false;
        if e.lost > 0 {
            self.on_loss();
        }
        let Some(sample) = e.rate else {
            return;
        };
        // Without SACK what was delivered is an estimate; the sample's count is the exact one.
        self.rounds.delivered = sample.prior_delivered + sample.delivered;
        let rate = Rate(sample.bytes_per_second());
        self.latest.bw = self.latest.bw.max(rate);
        self.latest.inflight = self.latest.inflight.max(sample.delivered);
        self.latest.full |= !sample.app_limited;
        if sample.prior_delivered >= self.latest.round_delivered {
            self.latest.round_delivered = self.rounds.delivered;
            self.latest.round_start = true;
        }
        if sample.prior_delivered >= self.rounds.next {
            self.rounds.next = self.rounds.delivered;
            self.rounds.start = true;
        }
        if rate >= self.max_bw() || !sample.app_limited {
            let [now, _] = &mut self.max_bw;
            *now = rate.max(*now);
        }
        if self.latest.round_start {
            if self.latest.loss_in_round && self.latest.full && !probing {
                self.lower_bounds(cwnd);
            }
            self.latest.loss_in_round = false;
            if let Some(cut) = self.marks.end_round().filter(|_| !probing) {
                let inflight = self.bounds.inflight_short.unwrap_or(cwnd);
                self.bounds.inflight_short = Some(per_mille(inflight, 1000 - cut));
            }
        }
    }

    fn lower_bounds(&mut self, cwnd: u64) {
        let bw = self.bounds.bw_short.unwrap_or_else(|| self.max_bw());
        let inflight = self.bounds.inflight_short.unwrap_or(cwnd);
        self.bounds.bw_short = Some(self.latest.bw.max(Rate(per_mille(bw.0, BETA))));
        self.bounds.inflight_short = Some(self.latest.inflight.max(per_mille(inflight, BETA)));
    }

    /// 5.5.10: the next round begins with the latest sample.
    pub(super) fn advance(&mut self, e: &AckEvent) {
        if let Some(sample) = e.rate.filter(|_| self.latest.round_start) {
            self.latest.bw = Rate(sample.bytes_per_second());
            self.latest.inflight = sample.delivered;
            self.latest.full = !sample.app_limited;
        }
    }

    /// 5.5.9.
    pub(super) fn update_aggregation(&mut self, e: &AckEvent, cwnd: u64, long: bool) {
        let bw = self.bw();
        let a = &mut self.aggregation;
        if self.rounds.start {
            a.rounds += 1;
            let half = if long { EXTRA_ACKED_HALF } else { 1 };
            if a.rounds >= half {
                a.rounds = 0;
                let [now, _] = a.extra;
                a.extra = [0, now];
            }
        }
        let nanos = (e.now - a.since.unwrap_or(e.now)).as_nanos();
        let expected = u128::from(bw.0) * nanos / 1_000_000_000;
        let mut expected = u64::try_from(expected).unwrap_or(u64::MAX);
        if a.acked <= expected {
            a.acked = 0;
            a.since = Some(e.now);
            expected = 0;
        }
        a.acked += e.delivered;
        let extra = a.acked.saturating_sub(expected).min(cwnd);
        let [now, _] = &mut a.extra;
        *now = extra.max(*now);
    }

    pub(super) const fn restart_aggregation(&mut self, now: Instant) {
        self.aggregation.since = Some(now);
        self.aggregation.acked = 0;
    }

    /// 5.5.8: whether the round trip is due to be probed.
    pub(super) fn update_min_rtt(&mut self, e: &AckEvent) -> bool {
        let m = &mut self.min_rtt;
        let expired = m
            .probe
            .is_some_and(|(_, at)| e.now - at > PROBE_RTT_INTERVAL);
        if let Some(rtt) = e.rtt
            && (expired || m.probe.is_none_or(|(least, _)| rtt < least))
        {
            m.probe = Some((rtt, e.now));
        }
        if let Some((least, at)) = m.probe {
            let stale = m.value.is_none_or(|(_, at)| e.now - at > MIN_RTT_WINDOW);
            if stale || m.value.is_some_and(|(value, _)| least <= value) {
                m.value = Some((least, at));
            }
        }
        expired
    }

    /// The round trip was probed at `now`.
    pub(super) const fn refresh_probe(&mut self, now: Instant) {
        if let Some((_, at)) = &mut self.min_rtt.probe {
            *at = now;
        }
    }

    pub(super) fn fingerprint(&self, now: Instant, mut into: &mut dyn Hasher) {
        (self.max_bw, self.bounds, self.latest, self.rounds).hash(&mut into);
        let age = |seen: Option<(Duration, Instant)>| seen.map(|(rtt, at)| (rtt, now - at));
        (age(self.min_rtt.value), age(self.min_rtt.probe)).hash(&mut into);
        let a = &self.aggregation;
        let since = a.since.map(|at| now - at);
        (since, a.acked, a.extra, a.rounds).hash(&mut into);
        (self.marks, self.weighed).hash(&mut into);
    }
}
