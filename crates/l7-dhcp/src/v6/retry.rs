//! When to say it again.
//!
//! Job: the one algorithm by which every DHCPv6 message is repeated. Owns: its constants. Does not know: messages.
//! Source: RFC 8415 15 (the algorithm), 7.6 (the constants).

use core::time::Duration;

use outcrop_base::{Instant, Random};

/// How one kind of message is repeated (RFC 8415 15: IRT, MRT, MRC).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Pace {
    /// Wait at most so long before the first; drawn (18.2.1, 18.2.3, 18.2.6).
    pub(super) delay: Duration,
    /// Wait so long after the first.
    pub(super) first: Duration,
    /// Wait no longer, whichever it is.
    pub(super) longest: Option<Duration>,
    /// Say it so often at most; zero: no bound.
    pub(super) most: u32,
    /// The first wait is never drawn shorter: others may advertise meanwhile (18.2.1).
    pub(super) patient: bool,
}

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_hours(1);

const PLAIN: Pace = Pace {
    delay: Duration::ZERO,
    first: SECOND,
    longest: None,
    most: 0,
    patient: false,
};
pub(super) const SOLICIT: Pace = Pace {
    delay: SECOND,
    longest: Some(HOUR),
    patient: true,
    ..PLAIN
};
pub(super) const REQUEST: Pace = Pace {
    longest: Some(Duration::from_secs(30)),
    most: 10,
    ..PLAIN
};
pub(super) const CONFIRM: Pace = Pace {
    delay: SECOND,
    longest: Some(Duration::from_secs(4)),
    ..PLAIN
};
/// RFC 8415 7.6: CNF_MAX_RD.
pub(super) const CONFIRM_FOR: Duration = Duration::from_secs(10);
/// Renew and Rebind; both end with the lease.
pub(super) const RENEW: Pace = Pace {
    first: Duration::from_secs(10),
    longest: Some(Duration::from_mins(10)),
    ..PLAIN
};
pub(super) const INFORMATION: Pace = Pace {
    delay: SECOND,
    longest: Some(HOUR),
    ..PLAIN
};
/// Release and Decline.
pub(super) const FAREWELL: Pace = Pace { most: 4, ..PLAIN };

/// RFC 8415 15: RAND, from -0.1 to 0.1.
const SPREAD: f64 = 0.1;

/// One exchange, under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Retry {
    pub(super) pace: Pace,
    /// Messages that left.
    pub(super) sent: u32,
    /// When the first left.
    pub(super) began: Instant,
    /// When it is over, answered or not (MRD).
    until: Option<Instant>,
    wait: Duration,
}

impl Retry {
    pub(super) const fn new(now: Instant, pace: Pace, until: Option<Instant>) -> Self {
        Self {
            pace,
            sent: 0,
            began: now,
            until,
            wait: Duration::ZERO,
        }
    }

    /// What decides the next wait, relative to `now`.
    pub(super) fn fingerprint(&self, now: Instant) -> impl core::hash::Hash {
        let until = self.until.map(|until| until.saturating_since(now));
        (
            self.pace,
            self.sent,
            now.saturating_since(self.began),
            until,
            self.wait,
        )
    }

    /// Whether nothing more is to be said.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        let enough = self.pace.most > 0 && self.sent >= self.pace.most;
        enough || self.until.is_some_and(|until| until <= now)
    }

    /// Counts one more, and says when the next is due.
    pub(super) fn again(&mut self, now: Instant, random: &mut Random) -> Instant {
        if self.sent == 0 {
            self.began = now;
        }
        let drawn = (random.unit() * 2.0 - 1.0) * SPREAD;
        let first = self.sent == 0;
        let drawn = if first && self.pace.patient {
            drawn.abs()
        } else {
            drawn
        };
        let base = if first { self.pace.first } else { self.wait };
        let factor = if first { 1.0 } else { 2.0 };
        self.wait = base.mul_f64(factor + drawn);
        if let Some(longest) = self.pace.longest.filter(|longest| self.wait > *longest) {
            self.wait = longest.mul_f64(1.0 + drawn);
        }
        self.sent = self.sent.saturating_add(1);
        let next = now + self.wait;
        self.until.map_or(next, |until| until.min(next))
    }
}
