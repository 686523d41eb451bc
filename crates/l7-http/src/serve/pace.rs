//! Whether a client keeps up.
//!
//! Job: a deadline that moves on when enough bytes have moved, in one direction. Owns: it. Does not know: which direction.
//! Who sends or takes a byte a minute on purpose (slow post, slow read) holds a connection no better than who does nothing.

use core::time::Duration;

use outcrop_base::Instant;

/// How slow is too slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slowest {
    /// At least so many bytes ..
    pub bytes: u64,
    /// .. in this time, while the connection waits for nothing else.
    pub per: Duration,
}

impl Default for Slowest {
    fn default() -> Self {
        Self {
            bytes: 8 * 1024,
            per: Duration::from_secs(60),
        }
    }
}

/// The deadline, and what has moved towards it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    run: Option<(Instant, u64)>,
    paused: Option<Instant>,
}

impl Pace {
    /// The client is waited for, and has just moved so many bytes.
    pub(super) fn wait(&mut self, now: Instant, moved: u64, slowest: Slowest) {
        let pause = self
            .paused
            .take()
            .map(|since| now - since)
            .unwrap_or_default();
        self.run = Some(match self.run {
            Some((at, before)) if before + moved < slowest.bytes => (at + pause, before + moved),
            Some(_) | None => (now + slowest.per, 0),
        });
    }

    /// For a while it is not the client who is waited for.
    pub(super) fn pause(&mut self, now: Instant) {
        self.paused = self.paused.or_else(|| self.run.map(|_| now));
    }

    /// It is over.
    pub(super) fn rest(&mut self) {
        *self = Self::default();
    }

    /// When it has been too slow.
    pub(super) fn deadline(self) -> Option<Instant> {
        let (at, _) = self.run.filter(|_| self.paused.is_none())?;
        Some(at)
    }
}
