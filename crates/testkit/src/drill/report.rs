//! How a script went.
//!
//! Job: say it so that the reader can mend the script or the stack. Owns: the verdict and its wording.
//! Does not know: how it was reached.

use core::fmt;
use std::collections::BTreeSet;

/// How a run is set up; the script's own `--name=value` lines say the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whose habits the script assumes; `None` lets the script's text tell.
    pub dialect: Option<Dialect>,
    /// The family of the packets.
    pub family: Family,
    /// The peer's number for sequence number 0 of the script. Any value must give the same result.
    pub peer_isn: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            dialect: None,
            family: Family::V4,
            peer_isn: 0x2000_0000,
        }
    }
}

/// Whose habits a script assumes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// Our own: everything written is compared, times exactly.
    Ours,
    /// Linux: windows, option order and PSH are that system's own; 4 ms of tolerance.
    Linux,
    /// FreeBSD: the same, and acknowledgments are delayed from the first segment on.
    FreeBsd,
}

/// The family of the packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4, on a link of 1500 bytes.
    V4,
    /// IPv6, on a link of 1520 bytes, so that segments are as large as with IPv4.
    V6,
}

/// What became of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The verdict.
    pub outcome: Outcome,
    /// The dialect it was read in.
    pub dialect: Dialect,
    /// The rules that decided about the peer's packets, as far as the script was played.
    pub rules: BTreeSet<&'static str>,
}

impl Report {
    /// Whether everything happened as written.
    #[must_use]
    pub const fn passed(&self) -> bool {
        matches!(self.outcome, Outcome::Passed)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.outcome {
            Outcome::Passed => f.write_str("passed"),
            Outcome::Skipped { reason } => write!(f, "skipped: {reason}"),
            Outcome::Failed(failure) => failure.fmt(f),
        }
    }
}

/// The verdict on a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything happened as written, and nothing else.
    Passed,
    /// Something did not.
    Failed(Failure),
    /// The script needs something that is not there.
    Skipped {
        /// What.
        reason: String,
    },
}

/// Where a script and the stack part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// The line of the script, from 1.
    pub line: usize,
    /// What is wrong, in a few words.
    pub what: String,
    /// What the script says, in its grammar.
    pub expected: Option<String>,
    /// What the stack did, in the same grammar.
    pub actual: Option<String>,
    /// The last packets that crossed the link before, with their times.
    pub context: Vec<String>,
}

impl Failure {
    pub(super) fn new(line: usize, what: impl Into<String>) -> Self {
        Self {
            line,
            what: what.into(),
            ..Self::default()
        }
    }

    pub(super) fn compared(
        mut self,
        expected: impl Into<String>,
        actual: impl Into<String>,
    ) -> Self {
        self.expected = Some(expected.into());
        self.actual = Some(actual.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)?;
        if let Some(expected) = &self.expected {
            write!(f, "\n    expected: {expected}")?;
        }
        if let Some(actual) = &self.actual {
            write!(f, "\n    actual:   {actual}")?;
        }
        for line in &self.context {
            write!(f, "\n    | {line}")?;
        }
        Ok(())
    }
}

/// Why a run stops before its end.
#[derive(Debug)]
pub(super) enum Stop {
    Fail(Failure),
    Skip(String),
}

impl Stop {
    pub(super) fn skip(reason: impl Into<String>) -> Self {
        Self::Skip(reason.into())
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fail(failure) => failure.fmt(f),
            Self::Skip(reason) => f.write_str(reason),
        }
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Fail(failure)
    }
}
