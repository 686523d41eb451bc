//! What became of one input.
//!
//! Job: the answer of every `handle_*` verb. Owns: nothing. Does not know: who counts, records or acts on it.

use core::fmt;

use crate::DropReason;

/// A rule of a standard, as one engine names it.
///
/// Each engine has its own closed enum of rules; this is a member's name and source for readers of
/// another layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleRef {
    /// Printed name, with the layer first: `tcp:rst-exact`.
    pub name: &'static str,
    /// Where it is written: `RFC 9293 3.10.7.4`.
    pub source: &'static str,
}

/// Whether an input was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// It had its effect, if only as an acknowledgment.
    Taken,
    /// It had none, for this reason. An answer to it may still leave.
    Dropped(DropReason),
}

/// What became of one input, and by what rule.
#[must_use = "the caller counts, records and acts on a verdict"]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Verdict {
    /// Taken or dropped.
    pub fate: Fate,
    /// The rule that decided.
    pub rule: RuleRef,
}

impl Verdict {
    /// The input was taken by `rule`.
    pub const fn taken(rule: RuleRef) -> Self {
        Self {
            fate: Fate::Taken,
            rule,
        }
    }

    /// The input was dropped for `reason` by `rule`.
    pub const fn dropped(reason: DropReason, rule: RuleRef) -> Self {
        Self {
            fate: Fate::Dropped(reason),
            rule,
        }
    }

    /// The reason, if it was dropped.
    #[must_use]
    pub const fn drop_reason(&self) -> Option<DropReason> {
        match self.fate {
            Fate::Taken => None,
            Fate::Dropped(reason) => Some(reason),
        }
    }
}

impl fmt::Display for RuleRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.source)
    }
}
