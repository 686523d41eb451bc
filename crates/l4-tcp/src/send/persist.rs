//! Asking about a closed window.
//!
//! Job: time the probes of a window that is too small to send into, so that a lost window update does not end the
//! conversation. Owns: the timer and its backoff. Does not know: what a probe looks like.
//! It never gives up while the peer answers (MUST-37); who counts unanswered probes is the connection.
//! Sources: RFC 9293 3.8.6.1 (MUST-36, SHLD-29, SHLD-30), 3.8.6.2.1 (the override timeout of SWS avoidance).

use core::hash::{Hash, Hasher};
use core::time::Duration;

use outcrop_base::Instant;

use crate::params::{BACKOFF_MAX, RTO_MIN};

/// 2^9 times the least timeout is beyond the ceiling.
const MAX_BACKOFF: u8 = 9;

/// The persist timer.
#[derive(Clone, Debug, Default)]
pub struct Persist {
    deadline: Option<Instant>,
    probes: u8,
}

impl Persist {
    /// A timer that does not run.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            deadline: None,
            probes: 0,
        }
    }

    /// Starts the timer if it does not run: the sender is stalled.
    pub fn start(&mut self, now: Instant, rto: Duration) {
        if self.deadline.is_none() {
            self.deadline = Some(now + self.interval(rto));
        }
    }

    /// Stops it: the sender can send.
    pub const fn stop(&mut self) {
        *self = Self::new();
    }

    /// When the next probe is due.
    #[must_use]
    pub const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Probes sent since the window closed.
    #[must_use]
    pub const fn probes(&self) -> u8 {
        self.probes
    }

    /// A probe left: the next waits twice as long.
    pub fn on_probe(&mut self, now: Instant, rto: Duration) {
        self.probes = self.probes.saturating_add(1);
        self.deadline = Some(now + self.interval(rto));
    }

    /// The peer answered that the window is still closed: the pause begins anew.
    pub fn on_answer(&mut self, now: Instant, rto: Duration) {
        if self.deadline.is_some() {
            self.deadline = Some(now + self.interval(rto));
        }
    }

    fn interval(&self, rto: Duration) -> Duration {
        let factor = 1u32 << self.probes.min(MAX_BACKOFF);
        rto.saturating_mul(factor).clamp(RTO_MIN, BACKOFF_MAX)
    }

    /// Hashes what decides the future, times relative to `now`.
    pub fn fingerprint(&self, now: Instant, mut into: &mut dyn Hasher) {
        let deadline = self.deadline.map(|at| (at - now, now - at));
        (deadline, self.probes).hash(&mut into);
    }
}
