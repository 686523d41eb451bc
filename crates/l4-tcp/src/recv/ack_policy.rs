//! When to acknowledge.
//!
//! Job: decide whether an acknowledgment is owed now, may wait for a ride, or is not owed. Owns: what is pending,
//! the delayed-ACK deadline and how long it is. Does not know: the window, the bytes.
//! One acknowledgment a batch: arrivals only note what is owed; the flush asks once. Whatever leaves carries an
//! ACK, so any transmission clears the debt.
//! Sources: RFC 9293 3.8.6.3 (MUST-58, SHLD-18, SHLD-19), RFC 5681 4.2 (immediate for gaps), RFC 1122 4.2.3.2.
//! The RFCs leave room between "at least every second full segment" and "at once": [`AckStyle`] fills it.

use core::hash::{Hash, Hasher};
use core::time::Duration;

use outcrop_base::{Instant, Why};

use crate::config::AckStyle;
use crate::params::{DEFAULT_MSS_V4, DELAYED_ACK_MIN, MIN_FULL_SEGMENT, QUICK_ACKS};

/// What an arrival means for the acknowledgment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Urgency {
    /// Nothing to acknowledge.
    None,
    /// In order: may wait. `bytes` came.
    Normal {
        /// Payload bytes.
        bytes: u64,
    },
    /// In order, and the peer's last: a FIN behind `bytes`.
    End {
        /// Payload bytes.
        bytes: u64,
    },
    /// A gap closed, an unacceptable segment must be answered: at once.
    Now,
    /// Out of order or a duplicate: at once, and never merged with a delay.
    Duplicate,
}

/// The acknowledgments owed by one connection.
#[derive(Clone, Debug)]
pub struct AckPolicy {
    /// The longest wait; zero acknowledges at every flush.
    max_delay: Duration,
    /// The wait at present, between [`DELAYED_ACK_MIN`] and `max_delay`.
    delay: Duration,
    mss: u64,
    /// Bytes that came since the last acknowledgment left.
    unacked: u64,
    owed: Owed,
    deadline: Option<Instant>,
    /// Acknowledgments that will still be sent at once, to open the peer's window quickly.
    quick: u8,
    style: AckStyle,
    seen: Seen,
}

/// What [`AckStyle::Eager`] looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seen {
    /// What the peer's full segments seem to hold.
    full: u64,
    /// The segment before.
    last: u64,
    /// The program answers what it reads: a ride will come.
    answers: bool,
    /// When data last came in order.
    at: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Owed {
    Nothing,
    Later,
    Now,
    Duplicate,
}

impl AckPolicy {
    /// A policy that waits at most `max_delay` for a ride, for segments of `mss` bytes.
    #[must_use]
    pub const fn new(max_delay: Duration, mss: u32) -> Self {
        Self {
            max_delay,
            delay: max_delay,
            mss: mss as u64,
            unacked: 0,
            owed: Owed::Nothing,
            deadline: None,
            quick: QUICK_ACKS,
            style: AckStyle::Adaptive,
            seen: Seen {
                full: if DEFAULT_MSS_V4 as u64 > mss as u64 {
                    mss as u64
                } else {
                    DEFAULT_MSS_V4 as u64
                },
                last: 0,
                answers: false,
                at: None,
            },
        }
    }

    /// The wait at present.
    #[must_use]
    pub const fn delay(&self) -> Duration {
        self.delay
    }

    /// How it has adapted: the wait at present, and the acknowledgments still to be sent at once.
    pub(crate) const fn habits(&self) -> (Duration, u8) {
        (self.delay, self.quick)
    }

    /// A policy that owes nothing and has adapted already.
    pub(crate) const fn with_habits(
        max_delay: Duration,
        mss: u32,
        (delay, quick): (Duration, u8),
    ) -> Self {
        Self {
            delay,
            quick,
            ..Self::new(max_delay, mss)
        }
    }

    /// Whether all that can be told of it is how it has adapted.
    pub(crate) fn is_plain(&self) -> bool {
        self.style != AckStyle::Eager
    }

    /// The same in another style.
    #[must_use]
    pub const fn in_style(mut self, style: AckStyle) -> Self {
        self.style = style;
        self
    }

    /// The program's answers will carry the acknowledgments: none is sent at once to open the peer's window.
    pub const fn leave_quick(&mut self) {
        self.quick = 0;
        self.seen.answers = true;
    }

    /// Changes the longest wait.
    pub fn set_max_delay(&mut self, max_delay: Duration) {
        self.max_delay = max_delay;
        self.delay = self.delay.min(max_delay);
    }

    /// Changes the size of a full segment.
    pub fn set_mss(&mut self, mss: u32) {
        self.mss = u64::from(mss);
    }

    /// A segment arrived.
    pub fn on_arrival(&mut self, now: Instant, urgency: Urgency) {
        let owed = match urgency {
            Urgency::None => Owed::Nothing,
            Urgency::Now => Owed::Now,
            Urgency::Duplicate => {
                self.seen.answers = false;
                Owed::Duplicate
            }
            Urgency::End { bytes } => {
                self.unacked += bytes;
                // The program is about to say its last word as well: who has seen it answer waits for that.
                let waits = self.style == AckStyle::Eager && self.seen.at.is_some();
                self.seen.answers |= self.style == AckStyle::Eager;
                if waits && self.unacked <= self.seen.full && !self.max_delay.is_zero() {
                    self.deadline.get_or_insert(now + self.delay);
                    Owed::Later
                } else {
                    Owed::Now
                }
            }
            Urgency::Normal { bytes } => {
                self.unacked += bytes;
                self.seen.at = Some(now);
                if self.is_enough(bytes) || self.max_delay.is_zero() {
                    Owed::Now
                } else {
                    self.deadline.get_or_insert(now + self.delay);
                    Owed::Later
                }
            }
        };
        self.owed = self.owed.max(owed);
    }

    /// Whether `bytes` more in order are answered at once.
    fn is_enough(&mut self, bytes: u64) -> bool {
        match self.style {
            AckStyle::Adaptive => {
                // RFC 9293 SHLD-19: at least every second full segment. A short one is a request:
                // its answer will carry the acknowledgment, even where a full one would get it quickly.
                self.unacked >= 2 * self.mss || (self.quick > 0 && bytes >= self.mss)
            }
            AckStyle::Eager => {
                let seen = &mut self.seen;
                if bytes >= seen.full || (bytes == seen.last && bytes >= MIN_FULL_SEGMENT) {
                    seen.full = bytes.min(self.mss);
                }
                seen.last = bytes;
                self.unacked > seen.full || (self.quick > 0 && !seen.answers)
            }
            AckStyle::EverySecond => self.owed == Owed::Later || bytes > self.mss,
        }
    }

    /// Why a pure acknowledgment must leave at `now`, if one must.
    #[must_use]
    pub fn due(&self, now: Instant) -> Option<Why> {
        match self.owed {
            Owed::Nothing => None,
            Owed::Duplicate => Some(Why::DupAck),
            Owed::Now => Some(Why::PureAck),
            Owed::Later => self
                .deadline
                .is_some_and(|at| at <= now)
                .then_some(Why::DelayedAck),
        }
    }

    /// When a delayed acknowledgment falls due.
    #[must_use]
    pub const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Whether an acknowledgment is owed, now or later.
    #[must_use]
    pub fn pending(&self) -> bool {
        self.owed != Owed::Nothing
    }

    /// A segment left, and with it the acknowledgment. `rode` says that it carried data anyway.
    pub fn on_sent(&mut self, now: Instant, rode: bool) {
        if self.style == AckStyle::Eager {
            let spent = u8::from(self.owed != Owed::Nothing);
            self.quick = self.quick.saturating_sub(spent);
            let in_vain = self.deadline.is_some_and(|at| at <= now);
            let answer = rode && self.seen.at.is_some_and(|at| now < at + self.delay);
            self.seen.answers = (self.seen.answers || answer) && !in_vain;
        } else if self.owed != Owed::Nothing && self.style == AckStyle::Adaptive {
            if rode {
                // The program answers: waiting for a ride pays.
                self.quick = 0;
                self.delay = (self.delay * 2).min(self.max_delay);
            } else if self.owed == Owed::Later && self.deadline.is_some_and(|at| at <= now) {
                // The wait was in vain.
                self.delay = (self.delay / 2).max(DELAYED_ACK_MIN.min(self.max_delay));
            }
            if !rode {
                self.quick = self.quick.saturating_sub(1);
            }
        }
        self.unacked = 0;
        self.owed = Owed::Nothing;
        self.deadline = None;
    }

    /// Hashes what decides the future, times relative to `now`.
    pub fn fingerprint(&self, now: Instant, mut into: &mut dyn Hasher) {
        let deadline = self.deadline.map(|at| (at - now, now - at));
        (self.max_delay, self.delay, self.mss, self.unacked).hash(&mut into);
        (self.owed, deadline, self.quick).hash(&mut into);
        let seen = self.seen;
        let age = seen.at.map(|at| now - at);
        (self.style, seen.full, seen.last, seen.answers, age).hash(&mut into);
    }
}
