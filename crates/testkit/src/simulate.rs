//! Whole lives of connections, by the thousand, out of a number.
//!
//! ```text
//!   seed ─► Plan: link, outages, settings, programs ─► run: two engines, virtual time ─► Outcome | Failure
//! ```
//! A [`Plan`] says everything about a run and follows from its seed; [`run()`] plays it. After every event the
//! engines' own invariants are checked (`Endpoint::check` panics). At the end the bytes must be the bytes, both
//! ends must have closed, and nothing may be left, no timer either. A [`Failure`] names the seed: that is all it
//! takes to see it again.
//!
//! ```
//! use outcrop_testkit::simulate::{Plan, run};
//! let outcome = run(&Plan::from_seed(7)).unwrap();
//! assert!(outcome.packets > 0);
//! ```
//! Two rules, chosen by the seed. *Strict*: both programs write, shut down, read to the end, close; everything
//! must arrive and end as finished. *Rough*: programs abort or let go in the middle of it; what arrives must be
//! a prefix of what was sent, and both ends must come to rest.

mod host;
mod plan;
mod run;

use core::fmt;
use core::time::Duration;
use std::collections::BTreeSet;

use outcrop_base::Instant;

pub use plan::{End, Leave, Outage, Plan};
pub use run::run;

/// What a run came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Virtual time until nothing was left, TIME-WAIT included.
    pub lasted: Duration,
    /// Packets that left, from both ends.
    pub packets: u64,
    /// Bytes the programs received.
    pub bytes: u64,
    /// The rules that decided about segments.
    pub rules: BTreeSet<&'static str>,
    /// Whether the connection was never established, for which a bad enough link is a good reason.
    pub never_opened: bool,
}

/// A run that went wrong.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The run.
    pub plan: Box<Plan>,
    /// When, in virtual time.
    pub at: Instant,
    /// What.
    pub what: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.at.as_millis() / 1000;
        write!(f, "seed {} at {seconds} s: {}", self.plan.seed, self.what)
    }
}

impl core::error::Error for Failure {}
