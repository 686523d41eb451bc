//! PROBE_BW: run at the known rate, leave room for others, and ask for more every few seconds.
//!
//! Job: the cycle DOWN, CRUISE, REFILL, UP, and what each probe teaches about the most that may be under way.
//! Owns: when the cycle began and how fast the bound is raised. Does not know: how rates are measured.
//! Sources: draft-ietf-ccwg-bbr 5.3.3, 5.5.10.

use core::hash::{Hash, Hasher};
use core::time::Duration;

use outcrop_base::Instant;

use super::{BETA, Bbr, State, per_mille};
use crate::congestion::{AckEvent, Phase as Shown, Rate};

/// 2.8 Headroom: what is left free for others.
const HEADROOM: u64 = 150;
/// 2.8 LossThresh: two percent.
const LOSS_THRESH: u64 = 20;
/// 5.3.3.5.1: the rounds after which Reno would have probed, at most.
const RENO_ROUNDS: u64 = 63;

/// Where in the cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Cycle {
    Down,
    Cruise,
    Refill,
    Up,
}

impl Cycle {
    pub(super) const fn pacing_gain(self) -> u64 {
        match self {
            Self::Down => 900,
            Self::Cruise | Self::Refill => 1000,
            Self::Up => 1250,
        }
    }

    pub(super) const fn cwnd_gain(self) -> u64 {
        match self {
            Self::Down | Self::Cruise | Self::Refill => 2000,
            Self::Up => 2250,
        }
    }

    pub(super) const fn shown(self) -> Shown {
        match self {
            Self::Down => Shown::ProbeDown,
            Self::Cruise => Shown::Cruise,
            Self::Refill => Shown::Refill,
            Self::Up => Shown::ProbeUp,
        }
    }
}

/// What the acknowledgments arriving now are about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Acks {
    #[default]
    Init,
    Refilling,
    Starting,
    Feedback,
    Stopping,
}

/// The probing cycle.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Probing {
    began: Option<Instant>,
    wait: Duration,
    rounds: u64,
    acks: Acks,
    /// Whether losses may still be the probe's.
    samples: bool,
    /// Bytes acknowledged towards raising the bound, and how many raise it by a segment.
    up_acked: u64,
    up_count: u64,
    up_rounds: u8,
}

/// What a pause leaves of it: when to probe next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    began: Option<Instant>,
    wait_millis: u32,
    rounds: u32,
}

impl Schedule {
    pub(super) fn wake(self) -> Probing {
        Probing {
            began: self.began,
            wait: Duration::from_millis(self.wait_millis.into()),
            rounds: self.rounds.into(),
            up_count: u64::MAX,
            ..Probing::default()
        }
    }
}

impl Probing {
    pub(super) fn doze(&self) -> Schedule {
        Schedule {
            began: self.began,
            wait_millis: u32::try_from(self.wait.as_millis()).unwrap_or(u32::MAX),
            rounds: u32::try_from(self.rounds).unwrap_or(u32::MAX),
        }
    }

    pub(super) fn fingerprint(&self, now: Instant, mut into: &mut dyn Hasher) {
        let age = self.began.map(|began| now - began);
        (age, self.wait, self.rounds, self.acks).hash(&mut into);
        (self.samples, self.up_acked, self.up_count, self.up_rounds).hash(&mut into);
    }

    pub(super) const fn stop(&mut self) {
        self.acks = Acks::Stopping;
    }
}

impl Bbr {
    pub(super) fn start_down(&mut self, now: Instant) {
        self.model.reset_signals();
        // 5.3.3.5.3: two to three seconds, and up to one round, so that flows do not probe together.
        let draw = self.model.delivered() / self.mss;
        let draw = draw.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        self.probing = Probing {
            began: Some(now),
            wait: Duration::from_millis(2000 + draw % 1000),
            rounds: draw >> 16 & 1,
            acks: Acks::Stopping,
            up_count: u64::MAX,
            ..self.probing
        };
        self.model.start_round();
        self.state = State::ProbeBw(Cycle::Down);
    }

    pub(super) const fn start_cruise(&mut self) {
        self.state = State::ProbeBw(Cycle::Cruise);
    }

    fn start_refill(&mut self) {
        self.model.forget_short_bounds();
        self.probing.up_rounds = 0;
        self.probing.up_acked = 0;
        self.probing.acks = Acks::Refilling;
        self.model.start_round();
        self.state = State::ProbeBw(Cycle::Refill);
    }

    fn start_up(&mut self, e: &AckEvent) {
        self.probing.acks = Acks::Starting;
        self.probing.samples = true;
        self.probing.began = Some(e.now);
        self.model.start_round();
        self.full.reset(latest_rate(e));
        self.state = State::ProbeBw(Cycle::Up);
        self.raise_slope();
    }

    /// 5.3.3.6.
    pub(super) fn update_cycle(&mut self, e: &AckEvent) {
        if !self.full.reached() {
            return;
        }
        self.adapt_long_term(e);
        let State::ProbeBw(cycle) = self.state else {
            return;
        };
        if self.model.round_start() {
            self.probing.rounds += 1;
        }
        match cycle {
            Cycle::Down => {
                if self.is_time_to_probe(e.now) {
                    self.start_refill();
                } else if self.is_time_to_cruise(e) {
                    self.start_cruise();
                }
            }
            Cycle::Cruise => {
                if self.is_time_to_probe(e.now) {
                    self.start_refill();
                }
            }
            Cycle::Refill => {
                if self.model.round_start() {
                    self.start_up(e);
                }
            }
            Cycle::Up => {
                if self.is_time_to_go_down(e) {
                    self.start_down(e.now);
                }
            }
        }
    }

    fn is_time_to_probe(&self, now: Instant) -> bool {
        let segments = self.inflight(self.model.bw(), 1000) / self.mss;
        self.probing
            .began
            .is_none_or(|began| now - began > self.probing.wait)
            || self.probing.rounds >= segments.min(RENO_ROUNDS)
    }

    fn is_time_to_cruise(&self, e: &AckEvent) -> bool {
        e.in_flight <= self.inflight_with_headroom()
            && e.in_flight <= self.inflight(self.model.max_bw(), 1000)
    }

    fn is_time_to_go_down(&mut self, e: &AckEvent) -> bool {
        if e.cwnd_limited && self.window.cwnd >= self.model.inflight_long() {
            // The bound holds the probe back, not the path: it is raised as the probe goes on.
            self.full.reset(latest_rate(e));
            return false;
        }
        self.full.now()
    }

    pub(super) fn inflight_with_headroom(&self) -> u64 {
        let most = self.model.inflight_long();
        if most == u64::MAX {
            return most;
        }
        let room = per_mille(most, HEADROOM).max(self.mss);
        most.saturating_sub(room).max(self.min_pipe())
    }

    /// 5.5.10.2: more than two percent of the flight this sample belongs to was lost.
    pub(super) fn loses_too_much(e: &AckEvent) -> bool {
        e.rate
            .is_some_and(|sample| sample.lost > per_mille(sample.tx_in_flight, LOSS_THRESH))
    }

    /// 5.5.10.1.
    fn adapt_long_term(&mut self, e: &AckEvent) {
        let round_start = self.model.round_start();
        let app_limited = e.rate.is_some_and(|sample| sample.app_limited);
        if self.probing.acks == Acks::Starting && round_start {
            self.probing.acks = Acks::Feedback;
        }
        if self.probing.acks == Acks::Stopping && round_start {
            self.probing.samples = false;
            self.probing.acks = Acks::Init;
            if matches!(self.state, State::ProbeBw(_)) && !app_limited {
                self.model.advance_max_bw();
            }
        }
        if Self::loses_too_much(e) || self.model.marks().too_many() {
            if self.probing.samples {
                self.handle_inflight_too_high(e);
            }
            return;
        }
        if self.model.inflight_long() == u64::MAX {
            return;
        }
        if let Some(sample) = e.rate
            && sample.tx_in_flight > self.model.inflight_long()
        {
            self.model.set_inflight_long(sample.tx_in_flight);
        }
        if self.state == State::ProbeBw(Cycle::Up) {
            self.probe_upward(e);
        }
    }

    fn handle_inflight_too_high(&mut self, e: &AckEvent) {
        self.probing.samples = false;
        if let Some(sample) = e.rate.filter(|sample| !sample.app_limited) {
            let target = self.bdp(self.model.bw(), 1000).min(self.window.cwnd);
            let bound = sample.tx_in_flight.max(per_mille(target, BETA));
            self.model.set_inflight_long(bound);
        }
        if self.state == State::ProbeBw(Cycle::Up) {
            self.start_down(e.now);
        }
    }

    /// 5.3.3.6: the bound rises by one segment in the first round, two in the next, four in the one after.
    fn probe_upward(&mut self, e: &AckEvent) {
        if !e.cwnd_limited || self.window.cwnd < self.model.inflight_long() {
            return;
        }
        self.probing.up_acked += e.delivered;
        let steps = self.probing.up_acked / self.probing.up_count.max(1);
        if steps > 0 {
            self.probing.up_acked -= steps * self.probing.up_count;
            let bound = self.model.inflight_long() + steps * self.mss;
            self.model.set_inflight_long(bound);
        }
        if self.model.round_start() {
            self.raise_slope();
        }
    }

    fn raise_slope(&mut self) {
        let growth = 1u64 << self.probing.up_rounds;
        self.probing.up_rounds = (self.probing.up_rounds + 1).min(30);
        self.probing.up_count = (self.window.cwnd / growth).max(1);
    }
}

fn latest_rate(e: &AckEvent) -> Rate {
    Rate(e.rate.map_or(0, |sample| sample.bytes_per_second()))
}
