//! DRAIN: let the queue that STARTUP built run empty.
//!
//! Job: send slower than the path delivers until no more is under way than it holds. Owns: nothing.
//! Sources: draft-ietf-ccwg-bbr 5.3.2.

use super::{Bbr, State};
use crate::congestion::AckEvent;

/// 2.4: what STARTUP put into the queue in a round leaves in one.
pub(super) const PACING_GAIN: u64 = 350;

pub(super) const fn enter(state: &mut State) {
    *state = State::Drain;
}

impl Bbr {
    pub(super) fn check_drain_done(&mut self, e: &AckEvent) {
        if self.state == State::Drain && e.in_flight <= self.inflight(self.model.max_bw(), 1000) {
            self.start_down(e.now);
        }
    }
}
