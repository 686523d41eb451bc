//! From whom a group is heard.
//!
//! Job: a filter of sources, how a program changes its own, and what the filters of several come to. Owns: the rules.
//! Does not know: who tells routers, or when.
//! Sources: RFC 3376 3.1 and 3.2, RFC 3810 4.1 and 4.2, RFC 3678 4 and 5 (the calls).

use core::net::IpAddr;
use std::collections::BTreeSet;

use crate::address;

/// Sources that one program names for one group; more are refused.
pub const MAX_SOURCES: usize = 64;
/// Sources that all programs together come to for one group of one interface; more are refused.
pub const MAX_MERGED: usize = 256;

/// Why a group is not heard as asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GroupError {
    /// No interface has that number.
    #[error("there is no interface of that number")]
    UnknownInterface,
    /// Not a multicast address.
    #[error("not a multicast address")]
    NotAGroup,
    /// As many as there may be.
    #[error("too many groups on one interface")]
    TooMany,
    /// Left without having been joined.
    #[error("the group was not joined")]
    NotJoined,
    /// Not an address that one host speaks from, or not of the group's family.
    #[error("not an address that can be a group's source")]
    NotASource,
    /// As many sources as there may be.
    #[error("too many sources for one group")]
    TooManySources,
    /// Sources are added one by one to hear them alone, or blocked one by one; not both in one group.
    #[error(
        "the group is heard the other way: sources are named, or all but those blocked are heard"
    )]
    OtherMode,
    /// The source is not on the list it should be taken from.
    #[error("the source was not named")]
    NotNamed,
}

/// From whom a group is heard (RFC 3376 3.1: filter mode and source list).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SourceFilter {
    /// From these alone; from nobody if there are none, which is not to listen.
    Include(BTreeSet<IpAddr>),
    /// From everybody but these.
    Exclude(BTreeSet<IpAddr>),
}

/// What a program asks for (RFC 3678 5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listening {
    /// Hear the group from everybody.
    Join,
    /// Do not hear it any longer.
    Leave,
    /// Hear it from this source too.
    JoinSource(IpAddr),
    /// No longer from this one; without the last the group is left.
    LeaveSource(IpAddr),
    /// From everybody but this one, too.
    Block(IpAddr),
    /// From this one again.
    Unblock(IpAddr),
    /// Exactly this filter from now on.
    Set(SourceFilter),
}

impl SourceFilter {
    /// Not listening.
    pub const NOBODY: Self = Self::Include(BTreeSet::new());
    /// Listening, whoever speaks.
    pub const EVERYBODY: Self = Self::Exclude(BTreeSet::new());

    /// Whether what `source` says is heard.
    #[must_use]
    pub fn passes(&self, source: IpAddr) -> bool {
        match self {
            Self::Include(sources) => sources.contains(&source),
            Self::Exclude(sources) => !sources.contains(&source),
        }
    }

    /// Whether this is not to listen at all.
    #[must_use]
    pub fn is_nobody(&self) -> bool {
        *self == Self::NOBODY
    }

    /// The source list, whatever the mode.
    #[must_use]
    pub const fn sources(&self) -> &BTreeSet<IpAddr> {
        match self {
            Self::Include(sources) | Self::Exclude(sources) => sources,
        }
    }

    /// What several listeners come to: nothing that one of them wants is filtered (RFC 3376 3.2, RFC 3810 4.2).
    #[must_use]
    pub fn merge<'a>(filters: impl Iterator<Item = &'a Self>) -> Self {
        let mut included = BTreeSet::new();
        let mut excluded: Option<BTreeSet<IpAddr>> = None;
        for filter in filters {
            match (filter, &mut excluded) {
                (Self::Include(sources), _) => included.extend(sources),
                (Self::Exclude(sources), None) => excluded = Some(sources.clone()),
                (Self::Exclude(sources), Some(all)) => all.retain(|one| sources.contains(one)),
            }
        }
        match excluded {
            Some(mut sources) => {
                sources.retain(|one| !included.contains(one));
                Self::Exclude(sources)
            }
            None => Self::Include(included),
        }
    }

    /// This filter of a listener to `group` after a call.
    ///
    /// # Errors
    /// What is wrong with the source, or with asking for it now.
    pub fn changed(&self, group: IpAddr, call: &Listening) -> Result<Self, GroupError> {
        let fits =
            |source: &IpAddr| source.is_ipv4() == group.is_ipv4() && address::may_send(*source);
        let add = |sources: &BTreeSet<IpAddr>, source: IpAddr| {
            let all: BTreeSet<_> = sources.iter().copied().chain([source]).collect();
            fits(&source).then_some(all).ok_or(GroupError::NotASource)
        };
        let take = |sources: &BTreeSet<IpAddr>, source: IpAddr| {
            let mut rest = sources.clone();
            rest.remove(&source)
                .then_some(rest)
                .ok_or(GroupError::NotNamed)
        };
        let new = match (call, self) {
            (Listening::Set(new), _) => new.clone(),
            (Listening::Leave, old) if old.is_nobody() => return Err(GroupError::NotJoined),
            (Listening::Leave, _) => Self::NOBODY,
            (Listening::Join, Self::Exclude(_)) => self.clone(),
            (Listening::Join, old) if old.is_nobody() => Self::EVERYBODY,
            (Listening::JoinSource(one), Self::Include(of)) => Self::Include(add(of, *one)?),
            (Listening::LeaveSource(one), Self::Include(of)) => Self::Include(take(of, *one)?),
            (Listening::Block(one), Self::Exclude(of)) => Self::Exclude(add(of, *one)?),
            (Listening::Unblock(one), Self::Exclude(of)) => Self::Exclude(take(of, *one)?),
            (Listening::Block(_) | Listening::Unblock(_), old) if old.is_nobody() => {
                return Err(GroupError::NotJoined);
            }
            (Listening::Join | Listening::Block(_) | Listening::Unblock(_), Self::Include(_))
            | (Listening::JoinSource(_) | Listening::LeaveSource(_), Self::Exclude(_)) => {
                return Err(GroupError::OtherMode);
            }
        };
        if !new.sources().iter().all(fits) {
            return Err(GroupError::NotASource);
        }
        if new.sources().len() > MAX_SOURCES {
            return Err(GroupError::TooManySources);
        }
        Ok(new)
    }
}

#[cfg(test)]
#[path = "sources_tests.rs"]
mod tests;
