//! One group on one interface.
//!
//! Job: what is heard there, and what routers are still to be told of it: the answer to a question, or a change.
//! Owns: the reception state and its counters. Does not know: which version the querier speaks of its own accord.
//! Sources: RFC 3376 3.2, 5.1 and 5.2, RFC 3810 4.2, 6.1 and 6.3, RFC 2236 3.

use core::hash::{Hash, Hasher};
use core::net::IpAddr;
use std::collections::{BTreeMap, BTreeSet};

use outcrop_base::Instant;

use super::sources::SourceFilter;
use crate::wire::group::{Kind, Record};

/// Sources asked about that are remembered; who asks about more is told about the whole group.
const MAX_ASKED: usize = 256;

#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) group: IpAddr,
    /// Joins of the host itself: its addresses and whoever else takes any source.
    own: u32,
    /// What programs want, taken together.
    programs: SourceFilter,
    /// Both together: the state of the interface.
    state: SourceFilter,
    answer: Answer,
    change: Change,
    /// Whether we, not another host, have reported last (RFC 2236 3).
    pub(super) last_reporter: bool,
}

/// The answer that a querier waits for.
#[derive(Clone, Debug, Default)]
struct Answer {
    due: Option<Instant>,
    /// The sources asked about; none: the group.
    asked: BTreeSet<IpAddr>,
}

/// A change that routers are still to be told of.
#[derive(Clone, Debug, Default)]
struct Change {
    /// How many reports, and when the next (`None`: at once).
    left: u8,
    due: Option<Instant>,
    /// How many of them tell the whole state, because the mode has changed.
    mode_left: u8,
    /// How many of them name a source.
    sources_left: BTreeMap<IpAddr, u8>,
    /// Whether listening itself has begun or ended: all that older versions have words for.
    presence: bool,
}

impl Member {
    pub(super) const fn new(group: IpAddr) -> Self {
        Self {
            group,
            own: 0,
            programs: SourceFilter::NOBODY,
            state: SourceFilter::NOBODY,
            answer: Answer {
                due: None,
                asked: BTreeSet::new(),
            },
            change: Change {
                left: 0,
                due: None,
                mode_left: 0,
                sources_left: BTreeMap::new(),
                presence: false,
            },
            last_reporter: false,
        }
    }

    pub(super) const fn state(&self) -> &SourceFilter {
        &self.state
    }

    pub(super) fn is_heard(&self) -> bool {
        !self.state.is_nobody()
    }

    /// Whether there is nothing left to remember.
    pub(super) fn is_over(&self, reported: bool) -> bool {
        !self.is_heard() && (self.change.left == 0 || !reported)
    }

    /// One more of the host itself listens.
    pub(super) fn join(&mut self, robustness: u8) -> bool {
        self.own += 1;
        self.settle(robustness)
    }

    /// One less; `None` if there was none.
    pub(super) fn leave(&mut self, robustness: u8) -> Option<bool> {
        self.own = self.own.checked_sub(1)?;
        Some(self.settle(robustness))
    }

    /// Programs want this from now on.
    pub(super) fn listen(&mut self, wanted: SourceFilter, robustness: u8) -> bool {
        self.programs = wanted;
        self.settle(robustness)
    }

    /// Works out the state anew; whether it has changed (RFC 3376 5.1, the table of differences).
    fn settle(&mut self, robustness: u8) -> bool {
        let everybody = SourceFilter::EVERYBODY;
        let own = (self.own > 0).then_some(&everybody);
        let new = SourceFilter::merge(own.into_iter().chain([&self.programs]));
        if new == self.state {
            return false;
        }
        let change = &mut self.change;
        match (&self.state, &new) {
            (SourceFilter::Include(old), SourceFilter::Include(new))
            | (SourceFilter::Exclude(old), SourceFilter::Exclude(new)) => {
                let differ = old.symmetric_difference(new);
                change
                    .sources_left
                    .extend(differ.map(|one| (*one, robustness)));
            }
            (SourceFilter::Include(_), SourceFilter::Exclude(_))
            | (SourceFilter::Exclude(_), SourceFilter::Include(_)) => change.mode_left = robustness,
        }
        change.presence |= self.state.is_nobody() != new.is_nobody();
        change.left = robustness;
        change.due = None;
        self.state = new;
        if !self.is_heard() {
            self.answer = Answer::default();
        }
        true
    }

    /// A querier of the newest version asks about the group, or some of its sources (RFC 3376 5.2, steps 3 to 5).
    pub(super) fn ask(&mut self, at: Instant, sources: &[IpAddr]) {
        let answer = &mut self.answer;
        let pending_whole = answer.due.is_some() && answer.asked.is_empty();
        if sources.is_empty() || pending_whole {
            answer.asked.clear();
        } else {
            answer.asked.extend(sources);
            if answer.asked.len() > MAX_ASKED {
                answer.asked.clear();
            }
        }
        answer.due = Some(answer.due.map_or(at, |due| due.min(at)));
    }

    /// One of an older version asks: a timer that runs out before `latest` runs on (RFC 2236 3, RFC 2710 4).
    pub(super) fn ask_old(&mut self, at: Instant, latest: Instant) {
        self.answer.asked.clear();
        let due = self.answer.due.filter(|due| *due <= latest);
        self.answer.due = Some(due.unwrap_or(at));
    }

    /// Another host has answered.
    pub(super) fn spare(&mut self) {
        self.answer = Answer::default();
        self.last_reporter = false;
    }

    /// The querier's version has changed: what was to be told in the old words is not (RFC 3376 7.2.1). A change that
    /// nobody was told yet stays.
    pub(super) fn cancel(&mut self) {
        self.answer = Answer::default();
        if self.change.due.is_some() {
            self.change = Change::default();
        }
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        self.answer.due.into_iter().chain(self.change.due).min()
    }

    /// Whether an answer is due; it counts as given. With the sources it is about.
    pub(super) fn take_answer(&mut self, now: Instant) -> Option<BTreeSet<IpAddr>> {
        self.answer.due.filter(|at| *at <= now)?;
        Some(core::mem::take(&mut self.answer).asked)
    }

    /// The answer to a question about `asked`, if there is anything to say (RFC 3376 5.2, the table of responses).
    pub(super) fn answer(&self, asked: &BTreeSet<IpAddr>) -> Option<Record> {
        if asked.is_empty() {
            return self.is_heard().then(|| self.current());
        }
        let heard = asked.iter().copied().filter(|one| self.state.passes(*one));
        let sources: Vec<_> = heard.collect();
        (!sources.is_empty()).then(|| self.record(Kind::IsInclude, sources))
    }

    /// The whole state.
    pub(super) fn current(&self) -> Record {
        let kind = match self.state {
            SourceFilter::Include(_) => Kind::IsInclude,
            SourceFilter::Exclude(_) => Kind::IsExclude,
        };
        self.record(kind, self.state.sources().iter().copied().collect())
    }

    fn record(&self, kind: Kind, sources: Vec<IpAddr>) -> Record {
        Record {
            kind,
            group: self.group,
            sources,
        }
    }

    /// Whether a change is to be told at `now`.
    pub(super) fn has_change(&self, now: Instant) -> bool {
        self.change.left > 0 && self.change.due.is_none_or(|at| at <= now)
    }

    /// What is told of the changes (RFC 3376 5.1, the table of records); the next telling, if any, is at `next`.
    pub(super) fn take_change(&mut self, next: Instant) -> Vec<Record> {
        let change = &self.change;
        let records = if change.mode_left > 0 {
            let kind = match self.state {
                SourceFilter::Include(_) => Kind::ToInclude,
                SourceFilter::Exclude(_) => Kind::ToExclude,
            };
            vec![self.record(kind, self.state.sources().iter().copied().collect())]
        } else {
            let named = change.sources_left.keys().copied();
            let (heard, blocked) = named.partition::<Vec<_>, _>(|one| self.state.passes(*one));
            let both = [(Kind::Allow, heard), (Kind::Block, blocked)];
            let told = both.into_iter().filter(|(_, sources)| !sources.is_empty());
            told.map(|(kind, sources)| self.record(kind, sources))
                .collect()
        };
        let change = &mut self.change;
        change.mode_left = change.mode_left.saturating_sub(1);
        change.sources_left.retain(|_, left| {
            *left -= 1;
            *left > 0
        });
        self.count_down(next);
        records
    }

    /// The same where the querier is old: whether it is told that listening has begun (`true`) or ended (`false`).
    /// RFC 2236 3, RFC 2710 4: the end is told once, and only by whoever has reported last.
    pub(super) fn take_old_change(&mut self, next: Instant) -> Option<bool> {
        let heard = self.is_heard();
        if !self.change.presence || !heard {
            let tells = self.change.presence && self.last_reporter;
            self.change = Change::default();
            self.last_reporter &= heard;
            return tells.then_some(false);
        }
        self.last_reporter = true;
        self.count_down(next);
        Some(true)
    }

    fn count_down(&mut self, next: Instant) {
        self.change.left = self.change.left.saturating_sub(1);
        self.change.due = Some(next);
        if self.change.left == 0 {
            self.change = Change::default();
        }
    }

    pub(super) fn fingerprint(&self, now: Instant, into: &mut impl Hasher) {
        let Self {
            group,
            own,
            programs,
            state,
            answer,
            change,
            last_reporter,
        } = self;
        (group, own, programs, state, last_reporter).hash(into);
        let left = |at: Option<Instant>| at.map(|at| at.saturating_since(now));
        (left(answer.due), &answer.asked).hash(into);
        let Change {
            left: times,
            due,
            mode_left,
            sources_left,
            presence,
        } = change;
        (times, left(*due), mode_left, sources_left, presence).hash(into);
    }
}
