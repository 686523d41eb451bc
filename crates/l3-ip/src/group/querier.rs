//! Who asks on a link.
//!
//! Job: in which version's words a querier is answered, how often a change is told. Owns: what queries said of that.
//! Does not know: groups.
//! Sources: RFC 3376 4.1.6, 4.1.7, 7.2.1, 8.1 and 8.12, RFC 3810 5.1.8, 5.1.9, 8.2.1, 9.1 and 9.12.

use core::hash::{Hash, Hasher};
use core::time::Duration;

use outcrop_base::Instant;

use crate::wire::group::{Query, Version};

/// How often a change is told, in case a report is lost, until a querier says otherwise.
const ROBUSTNESS: u8 = 2;
/// How often a querier asks about everything, until one says otherwise (RFC 3376 8.2).
const INTERVAL: Duration = Duration::from_secs(125);

#[derive(Clone, Debug)]
pub(super) struct Querier {
    /// Until when one of version 1, and of version 2 (MLD: 1), is believed to be there.
    first_until: Option<Instant>,
    second_until: Option<Instant>,
    robustness: u8,
    interval: Duration,
    /// The version last spoken.
    spoken: Version,
}

impl Default for Querier {
    fn default() -> Self {
        Self {
            first_until: None,
            second_until: None,
            robustness: ROBUSTNESS,
            interval: INTERVAL,
            spoken: Version::Third,
        }
    }
}

impl Querier {
    pub(super) const fn robustness(&self) -> u8 {
        self.robustness
    }

    /// In which words it is answered.
    pub(super) fn version(&self, now: Instant) -> Version {
        let present = |until: Option<Instant>| until.is_some_and(|at| at > now);
        if present(self.first_until) {
            Version::First
        } else if present(self.second_until) {
            Version::Second
        } else {
            Version::Third
        }
    }

    /// Somebody asks. An old querier is believed to be there for the robustness times its interval, and one response
    /// time more.
    pub(super) fn heard(&mut self, now: Instant, is_v4: bool, query: &Query) {
        let until = now + self.interval * u32::from(self.robustness) + query.within;
        match query.version {
            Version::First => self.first_until = Some(until),
            // RFC 3376 7.2.1: a question about all; RFC 3810 8.2.1: any.
            Version::Second if query.group.is_none() || !is_v4 => self.second_until = Some(until),
            Version::Second => {}
            Version::Third => {
                self.robustness = query.robustness.map_or(ROBUSTNESS, |said| said.get());
                self.interval = query.interval.unwrap_or(INTERVAL);
            }
        }
    }

    /// Whether the version is another than when this was asked last.
    pub(super) fn settle(&mut self, now: Instant) -> bool {
        let version = self.version(now);
        core::mem::replace(&mut self.spoken, version) != version
    }

    pub(super) fn fingerprint(&self, now: Instant, into: &mut impl Hasher) {
        let Self {
            first_until,
            second_until,
            robustness,
            interval,
            spoken,
        } = self;
        let left = |at: &Option<Instant>| at.map(|at| at.saturating_since(now));
        (left(first_until), left(second_until)).hash(into);
        (robustness, interval, spoken).hash(into);
    }
}
