//! What happened without a packet.
//!
//! Job: let an engine state facts (a state change, a timer, a loss) at no cost when nobody records.
//! Owns: the list between two drains. Does not know: who reads it.

use core::panic::Location;
use core::time::Duration;

use crate::{Cause, Flow, Instant, TimerKind};

/// How much a run records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Nothing.
    #[default]
    Off,
    /// Facts without packets' state.
    Events,
    /// Every packet with the state it left or met, and every fact.
    Full,
}

/// Something that happened inside an engine.
#[derive(Clone, Copy, Debug)]
pub struct Fact {
    /// The flow it concerns, if one.
    pub flow: Option<Flow>,
    /// What happened.
    pub kind: FactKind,
    /// What made it happen.
    pub cause: Cause,
    /// The line that states it.
    pub src: &'static Location<'static>,
}

impl Fact {
    /// A fact; the caller's line becomes `src`.
    #[must_use]
    #[track_caller]
    pub const fn new(flow: Option<Flow>, kind: FactKind, cause: Cause) -> Self {
        Self {
            flow,
            kind,
            cause,
            src: Location::caller(),
        }
    }
}

/// The kinds of facts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FactKind {
    /// A connection, neighbour or address changed its state.
    State {
        /// The state before, in the RFC's spelling.
        from: &'static str,
        /// The state after.
        to: &'static str,
    },
    /// A timer was set.
    TimerArmed {
        /// Which.
        timer: TimerKind,
        /// For when.
        at: Instant,
    },
    /// A timer ran out.
    TimerFired {
        /// Which.
        timer: TimerKind,
    },
    /// A timer was stopped before it ran out.
    TimerStopped {
        /// Which.
        timer: TimerKind,
    },
    /// Bytes were declared lost.
    Lost {
        /// Stream offset of the first.
        start: u64,
        /// How many.
        len: u64,
        /// By which mechanism: `dup-acks`, `rack`, `rto`.
        how: &'static str,
    },
    /// A retransmission turned out not to have been needed.
    Spurious {
        /// By which evidence: `eifel`, `d-sack`, `f-rto`.
        how: &'static str,
    },
    /// The congestion controller's variables changed by more than growth.
    Congestion {
        /// Congestion window, bytes.
        cwnd: u64,
        /// Slow-start threshold, bytes.
        ssthresh: u64,
        /// What happened: `slow-start`, `recovery`, `timeout`, `undo` ..
        phase: &'static str,
    },
    /// A new round-trip estimate.
    Rtt {
        /// The sample.
        sample: Duration,
        /// The smoothed value.
        srtt: Duration,
        /// The timeout that follows from it.
        rto: Duration,
    },
    /// The path's MTU changed.
    Mtu {
        /// Bytes before.
        from: u32,
        /// Bytes after.
        to: u32,
    },
    /// A program's call had an effect.
    Call {
        /// Bytes concerned, zero if none.
        bytes: u64,
    },
    /// A connection ended.
    Closed {
        /// How, in one word.
        reason: &'static str,
    },
    /// Anything worth a sentence.
    Remark(&'static str),
}

/// The facts an engine has stated since they were last taken.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    level: Level,
    list: Vec<Fact>,
}

impl Facts {
    /// A list that keeps facts from `Level::Events` on.
    #[must_use]
    pub const fn new(level: Level) -> Self {
        Self {
            level,
            list: Vec::new(),
        }
    }

    /// Sets how much is recorded.
    pub const fn set_level(&mut self, level: Level) {
        self.level = level;
    }

    /// Whether facts are kept at all.
    #[must_use]
    pub fn enabled(&self) -> bool {
        self.level != Level::Off
    }

    /// States a fact; `make` runs only if somebody records.
    #[inline]
    pub fn emit(&mut self, make: impl FnOnce() -> Fact) {
        if self.level != Level::Off {
            self.list.push(make());
        }
    }

    /// Moves all facts to `into`, oldest first.
    pub fn drain_into(&mut self, into: &mut Vec<Fact>) {
        into.append(&mut self.list);
    }
}
