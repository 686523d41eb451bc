//! The clock that stamps what a device reads.
//!
//! Job: name the current instant of the run. Owns: the start of the run, or the hand-set time.
//! Does not know: who asks. Below the stack this is the only clock; engines are handed its values.

use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use outcrop_base::Instant;

/// A clock that counts from zero. Clones show the same time.
///
/// ```
/// use outcrop_base::Instant;
/// use outcrop_device::Clock;
/// let clock = Clock::manual();
/// let devices_copy = clock.clone();
/// clock.set(Instant::from_millis(20));
/// assert_eq!(devices_copy.now(), Instant::from_millis(20));
/// ```
#[derive(Clone, Debug)]
pub struct Clock(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Running(std::time::Instant),
    Manual(Arc<AtomicU64>),
}

impl Clock {
    /// A clock that runs, and reads zero now. It is monotonic.
    #[must_use]
    pub fn start() -> Self {
        Self(Kind::Running(std::time::Instant::now()))
    }

    /// A clock that stands at zero until it is [`set`](Self::set): for simulations.
    #[must_use]
    pub fn manual() -> Self {
        Self(Kind::Manual(Arc::new(AtomicU64::new(0))))
    }

    /// The time of the run.
    #[must_use]
    pub fn now(&self) -> Instant {
        match &self.0 {
            Kind::Running(start) => Instant::ZERO + start.elapsed(),
            Kind::Manual(nanos) => Instant::from_nanos(nanos.load(Ordering::Acquire)),
        }
    }

    /// Puts a manual clock forward to `now`. It never goes back, and a running clock is not moved.
    pub fn set(&self, now: Instant) {
        if let Kind::Manual(nanos) = &self.0 {
            nanos.fetch_max(now.as_nanos(), Ordering::AcqRel);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manual_clock_set_back_stands_still() {
        let clock = Clock::manual();
        clock.set(Instant::from_millis(5));
        clock.set(Instant::from_millis(3));
        assert_eq!(clock.now(), Instant::from_millis(5));
    }

    #[test]
    fn running_clock_starts_near_zero_and_ignores_hands() {
        let clock = Clock::start();
        clock.set(Instant::FAR_FUTURE);
        let first = clock.now();
        assert!(first < Instant::from_secs(3600));
        assert!(clock.now() >= first);
    }
}
