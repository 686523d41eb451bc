//! STARTUP: double the rate each round until the path gives no more.
//!
//! Job: notice that the pipe is full: three rounds without a quarter more, or too many losses.
//! Owns: the best rate so far and the rounds without growth. Does not know: windows.
//! Sources: draft-ietf-ccwg-bbr 5.3.1.

use super::drain;
use super::{Bbr, State};
use crate::congestion::{AckEvent, Rate};

/// 2.4: the least gain that doubles the rate each round, 4 ln 2.
pub(super) const PACING_GAIN: u64 = 2770;
/// 5.3.1.2: rounds without growth.
const ROUNDS: u8 = 3;
/// 5.3.1.3: losses in a round that end it.
const LOSSES: u8 = 6;

/// Whether the pipe is full. PROBE_BW asks the same of each probe.
#[derive(Clone, Copy, Debug, Default, Hash)]
pub(super) struct FullPipe {
    best: Rate,
    rounds: u8,
    now: bool,
    reached: bool,
    losses: u8,
}

impl FullPipe {
    /// Whether it ever was.
    pub(super) const fn reached(&self) -> bool {
        self.reached
    }

    /// Whether it is, since the last reset.
    pub(super) const fn now(&self) -> bool {
        self.now
    }

    /// Asks anew, from this rate on.
    pub(super) const fn reset(&mut self, best: Rate) {
        self.best = best;
        self.rounds = 0;
        self.now = false;
    }

    pub(super) fn on_ack(&mut self, e: &AckEvent, round_start: bool) {
        self.losses = self.losses.saturating_add(u8::from(e.lost > 0));
        let Some(sample) = e.rate.filter(|sample| !sample.app_limited) else {
            return;
        };
        if self.now {
            return;
        }
        let rate = sample.bytes_per_second();
        if rate >= self.best.0.saturating_mul(5) / 4 {
            self.reset(Rate(rate));
            return;
        }
        if round_start {
            self.rounds += 1;
            self.now = self.rounds >= ROUNDS;
            self.reached |= self.now;
        }
    }
}

impl Bbr {
    /// 5.3.1.3: the queue is full before the rate stops growing, or its marks say so.
    pub(super) fn check_startup_high_loss(&mut self, e: &AckEvent) {
        if self.state != State::Startup || !self.model.loss_round_start() {
            return;
        }
        let many = core::mem::take(&mut self.full.losses) >= LOSSES;
        let lossy = many && e.in_recovery && self.window.recovering_long && Self::loses_too_much(e);
        if lossy || self.model.marks().pipe_full() {
            self.full.reached = true;
            self.full.now = true;
            let held = self
                .bdp(self.model.bw(), 1000)
                .max(self.model.inflight_latest());
            self.model.set_inflight_long(held);
        }
    }

    pub(super) fn check_startup_done(&mut self) {
        if self.state == State::Startup && self.full.reached {
            drain::enter(&mut self.state);
        }
    }
}
