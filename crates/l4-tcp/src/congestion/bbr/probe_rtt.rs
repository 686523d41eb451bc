//! PROBE_RTT: for a fifth of a second, so little under way that no queue stands.
//!
//! Job: keep the round trip honest: every five seconds, unless a quiet moment has shown it anyway.
//! Owns: when the probe may end. Does not know: how the round trip is kept.
//! Sources: draft-ietf-ccwg-bbr 5.3.4.

use core::hash::{Hash, Hasher};
use core::time::Duration;

use outcrop_base::Instant;

use super::{Bbr, State};
use crate::congestion::AckEvent;

/// 2.8 ProbeRTTCwndGain.
pub(super) const CWND_GAIN: u64 = 500;
/// 2.8 ProbeRTTDuration.
const DURATION: Duration = Duration::from_millis(200);

/// The probe under way.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RttProbe {
    /// Not before: set once little enough is under way.
    until: Option<Instant>,
    /// A round has passed since.
    round_done: bool,
}

impl RttProbe {
    /// When it may end: with nothing under way it is as good as over.
    pub(super) const fn doze(&self) -> Option<Instant> {
        self.until
    }

    pub(super) const fn ending(until: Option<Instant>) -> Self {
        Self {
            until,
            round_done: until.is_some(),
        }
    }

    pub(super) fn fingerprint(&self, now: Instant, mut into: &mut dyn Hasher) {
        let left = self.until.map(|at| (at - now, now - at));
        (left, self.round_done).hash(&mut into);
    }
}

impl Bbr {
    pub(super) fn probe_rtt_cwnd(&self) -> u64 {
        self.bdp(self.model.bw(), CWND_GAIN).max(self.min_pipe())
    }

    pub(super) fn check_probe_rtt(&mut self, e: &AckEvent, expired: bool) {
        if self.state != State::ProbeRtt && expired && !self.window.idle_restart {
            self.save_cwnd();
            self.state = State::ProbeRtt;
            self.rtt_probe = RttProbe::default();
            self.probing.stop();
            self.model.start_round();
        }
        if self.state == State::ProbeRtt {
            self.handle_probe_rtt(e);
        }
    }

    fn handle_probe_rtt(&mut self, e: &AckEvent) {
        self.model.mark_limited(e.in_flight);
        if self.rtt_probe.until.is_some() {
            self.rtt_probe.round_done |= self.model.round_start();
            if self.rtt_probe.round_done {
                self.check_probe_rtt_done(e.now);
            }
        } else if e.in_flight <= self.probe_rtt_cwnd() {
            self.rtt_probe.until = Some(e.now + DURATION);
            self.rtt_probe.round_done = false;
            self.model.start_round();
        }
    }

    pub(super) fn check_probe_rtt_done(&mut self, now: Instant) {
        if self.rtt_probe.until.is_none_or(|until| now <= until) {
            return;
        }
        self.model.refresh_probe(now);
        self.restore_cwnd();
        self.model.forget_short_bounds();
        if self.full.reached() {
            self.start_down(now);
            self.start_cruise();
        } else {
            self.state = State::Startup;
        }
    }
}
