//! The retransmission timer.
//!
//! Job: know when the oldest outstanding byte has waited too long, and how often that has happened in a row.
//! Owns: the deadline and the count. Does not know: how long to wait (`rtt`), what to do then.
//! Sources: RFC 6298 5.

use core::hash::{Hash, Hasher};
use core::time::Duration;

use outcrop_base::Instant;

/// The retransmission timer of one connection.
#[derive(Clone, Debug, Default)]
pub struct RtoTimer {
    deadline: Option<Instant>,
    /// Timeouts since SND.UNA last moved.
    count: u8,
    /// Of them, those about which no router said anything.
    silent: u8,
}

impl RtoTimer {
    /// When it runs out.
    #[must_use]
    pub const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Timeouts in a row.
    #[must_use]
    pub const fn count(&self) -> u8 {
        self.count
    }

    /// Timeouts in a row about which no router said anything.
    #[must_use]
    pub const fn silent(&self) -> u8 {
        self.silent
    }

    /// A router said that the way is interrupted: that is why nothing comes back (RFC 6069).
    pub const fn on_disruption(&mut self) {
        self.silent = 0;
    }

    /// Something left: the timer runs (5.1).
    pub fn start(&mut self, now: Instant, rto: Duration) {
        self.deadline.get_or_insert(now + rto);
    }

    /// Something new was acknowledged, or the oldest byte left again: the timer starts afresh (5.3).
    pub fn restart(&mut self, now: Instant, rto: Duration) {
        self.deadline = Some(now + rto);
    }

    /// SND.UNA moved: the path works.
    pub const fn on_progress(&mut self) {
        self.count = 0;
        self.silent = 0;
    }

    /// Everything is acknowledged (5.2).
    pub const fn stop(&mut self) {
        self.deadline = None;
    }

    /// It ran out.
    pub const fn on_fired(&mut self) {
        self.deadline = None;
        self.count = self.count.saturating_add(1);
        self.silent = self.silent.saturating_add(1);
    }

    /// Hashes what decides the future, times relative to `now`.
    pub fn fingerprint(&self, now: Instant, mut into: &mut dyn Hasher) {
        let deadline = self.deadline.map(|at| (at - now, now - at));
        (deadline, self.count, self.silent).hash(&mut into);
    }
}
