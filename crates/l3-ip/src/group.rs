//! Which multicast groups a host belongs to.
//!
//! Job: remember groups joined, decide when to tell the routers, and in which version's words.
//! Owns: memberships and their timers. Does not know: headers, or which program listens.
//! Sources: RFC 3376 5 and 7 (IGMPv3, any-source), RFC 3810 6 and 8 (MLDv2), RFC 2236 3, RFC 2710 4, RFC 1112.

use core::hash::{Hash, Hasher};
use core::net::{IpAddr, Ipv6Addr};
use core::time::Duration;

use outcrop_base::{Instant, InterfaceId, Random, Seed};

use crate::address;
use crate::wire::group::{Record, Version};

/// Groups of one interface and family; more are refused.
pub(crate) const MAX_GROUPS: usize = 64;
/// How often a change is told, in case a report is lost (RFC 3376 8.1, RFC 3810 9.1).
const ROBUSTNESS: u8 = 2;
/// The longest time between two tellings of a change (RFC 3376 8.11, RFC 3810 9.11).
const UNSOLICITED: Duration = Duration::from_secs(1);
/// The same where the querier is old (RFC 2236 8.10, RFC 2710 7.10).
const UNSOLICITED_OLD: Duration = Duration::from_secs(10);
/// How long an old querier is believed to be there after it has asked (RFC 3376 8.12: twice the query interval and
/// one response time).
const OLD_QUERIER: Duration = Duration::from_secs(2 * 125 + 10);

/// Why a group was not joined.
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
}

/// The memberships of one host.
#[derive(Clone, Debug)]
pub(crate) struct Groups {
    random: Random,
    links: Vec<Link>,
    /// A call has changed something that nobody was told yet.
    fresh: bool,
}

/// The memberships of one family on one interface.
#[derive(Clone, Debug)]
struct Link {
    iface: InterfaceId,
    is_v4: bool,
    /// The oldest querier heard, and until when it counts.
    old: Option<(Version, Instant)>,
    /// When everything is told, because a querier of the newest version has asked about all.
    all_due: Option<Instant>,
    members: Vec<Member>,
}

#[derive(Clone, Debug, Hash)]
struct Member {
    group: IpAddr,
    /// How many have joined; none: it is being left.
    count: u32,
    /// When a query is answered.
    due: Option<Instant>,
    /// How often the last change is still to be told, and when next (`None`: at once).
    changes: u8,
    change_due: Option<Instant>,
    /// Whether we, not another host, have reported last (RFC 2236 3).
    last_reporter: bool,
}

/// One thing to be told on one interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Telling {
    pub(crate) iface: InterfaceId,
    pub(crate) version: Version,
    pub(crate) records: Vec<(Record, IpAddr)>,
}

impl Groups {
    pub(crate) fn new(seed: &Seed) -> Self {
        Self {
            random: seed.random("ip-group"),
            links: Vec::new(),
            fresh: false,
        }
    }

    /// Whether a packet to `group` that came by `iface` is for us.
    pub(crate) fn contains(&self, iface: InterfaceId, group: IpAddr) -> bool {
        let of_link = |link: &&Link| link.iface == iface && link.is_v4 == group.is_ipv4();
        let link = self.links.iter().find(of_link);
        link.is_some_and(|link| link.members.iter().any(|m| m.group == group && m.count > 0))
    }

    pub(crate) fn join(&mut self, iface: InterfaceId, group: IpAddr) -> Result<(), GroupError> {
        let link = self.link(iface, group.is_ipv4());
        let link = link.ok_or(GroupError::TooMany)?;
        if let Some(member) = link.members.iter_mut().find(|m| m.group == group) {
            member.count += 1;
            if member.count > 1 {
                return Ok(());
            }
            member.tell_change();
        } else if link.members.len() >= MAX_GROUPS {
            return Err(GroupError::TooMany);
        } else {
            link.members.push(Member {
                group,
                count: 1,
                due: None,
                changes: ROBUSTNESS,
                change_due: None,
                last_reporter: false,
            });
        }
        self.fresh = true;
        Ok(())
    }

    pub(crate) fn leave(&mut self, iface: InterfaceId, group: IpAddr) -> Result<(), GroupError> {
        let link = self.link(iface, group.is_ipv4());
        let link = link.ok_or(GroupError::NotJoined)?;
        let joined = |m: &&mut Member| m.group == group && m.count > 0;
        let member = link.members.iter_mut().find(joined);
        let member = member.ok_or(GroupError::NotJoined)?;
        member.count -= 1;
        if member.count == 0 {
            member.tell_change();
            member.due = None;
            self.fresh = true;
        }
        Ok(())
    }

    fn link(&mut self, iface: InterfaceId, is_v4: bool) -> Option<&mut Link> {
        let known = |link: &Link| link.iface == iface && link.is_v4 == is_v4;
        let at = self.links.iter().position(known).unwrap_or_else(|| {
            self.links.push(Link {
                iface,
                is_v4,
                old: None,
                all_due: None,
                members: Vec::new(),
            });
            self.links.len() - 1
        });
        self.links.get_mut(at)
    }

    /// A querier asks.
    pub(crate) fn on_query(
        &mut self,
        now: Instant,
        iface: InterfaceId,
        (is_v4, group): (bool, Option<IpAddr>),
        (within, asks): (Duration, Version),
    ) {
        let random = &mut self.random;
        let known = |link: &&mut Link| link.iface == iface && link.is_v4 == is_v4;
        let Some(link) = self.links.iter_mut().find(known) else {
            return;
        };
        if asks < Version::Third {
            let version = link.version(now).min(asks);
            link.old = Some((version, now + OLD_QUERIER));
        }
        // An answer in the newest words is one report about all; its time is drawn once (RFC 3376 5.2).
        if group.is_none() && link.version(now) == Version::Third {
            let at = now + part_of(random, within);
            link.all_due = Some(link.all_due.map_or(at, |due| due.min(at)));
            return;
        }
        let asked = |m: &&mut Member| m.count > 0 && group.is_none_or(|group| m.group == group);
        for member in link.members.iter_mut().filter(asked) {
            let at = now + part_of(random, within);
            member.due = Some(member.due.map_or(at, |due| due.min(at)));
        }
    }

    /// Another host of the link has reported: where the querier is old, one report is enough.
    pub(crate) fn on_report(&mut self, now: Instant, iface: InterfaceId, group: IpAddr) {
        let known = |link: &&mut Link| link.iface == iface && link.is_v4 == group.is_ipv4();
        let Some(link) = self.links.iter_mut().find(known) else {
            return;
        };
        if link.version(now) == Version::Third {
            return;
        }
        if let Some(member) = link.members.iter_mut().find(|m| m.group == group) {
            member.due = None;
            member.last_reporter = false;
        }
    }

    /// Whether a call has changed something that is to be told at once.
    pub(crate) const fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// Whether a timer has run out.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.next_due().is_some_and(|at| at <= now)
    }

    pub(crate) fn next_due(&self) -> Option<Instant> {
        let of_link = |link: &Link| {
            let members = link.members.iter();
            let dues = members.flat_map(|m| [m.due, m.change_due]).flatten();
            link.all_due.into_iter().chain(dues).min()
        };
        self.links.iter().filter_map(of_link).min()
    }

    /// Everything to be told at `now`; what was left is forgotten once told.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<Telling> {
        self.fresh = false;
        let mut tellings = Vec::new();
        for link in &mut self.links {
            let version = link.version(now);
            let mut records = Vec::new();
            let answers_all = link.all_due.is_some_and(|at| at <= now);
            if answers_all {
                link.all_due = None;
            }
            for member in link.members.iter_mut().filter(|m| is_reported(m.group)) {
                let asked = member.due.is_some_and(|at| at <= now) || answers_all;
                if asked && member.count > 0 {
                    member.due = None;
                    member.last_reporter = true;
                    records.push((Record::Listens, member.group));
                }
                let between = if version == Version::Third {
                    UNSOLICITED
                } else {
                    UNSOLICITED_OLD
                };
                let random = &mut self.random;
                records.extend(member.change(now, version, || part_of(random, between)));
            }
            link.members
                .retain(|m| m.count > 0 || m.changes > 0 && is_reported(m.group));
            if !records.is_empty() {
                tellings.push(Telling {
                    iface: link.iface,
                    version,
                    records,
                });
            }
        }
        tellings
    }

    pub(crate) fn fingerprint(&self, now: Instant, into: &mut dyn Hasher) {
        let mut into = into;
        for link in &self.links {
            let Link {
                iface,
                is_v4,
                old,
                all_due,
                members,
            } = link;
            let old = old.map(|(version, until)| (version, until.saturating_since(now)));
            let all_due = all_due.map(|at| at.saturating_since(now));
            (iface, is_v4, old, all_due).hash(&mut into);
            for m in members {
                let due = m.due.map(|at| at.saturating_since(now));
                let change_due = m.change_due.map(|at| at.saturating_since(now));
                (
                    m.group,
                    m.count,
                    due,
                    m.changes,
                    change_due,
                    m.last_reporter,
                )
                    .hash(&mut into);
            }
        }
    }
}

impl Link {
    /// In which words the querier is spoken to.
    fn version(&self, now: Instant) -> Version {
        match self.old {
            Some((version, until)) if until > now => version,
            Some(_) | None => Version::Third,
        }
    }
}

impl Member {
    const fn tell_change(&mut self) {
        self.changes = ROBUSTNESS;
        self.change_due = None;
    }

    /// What is told of the last change at `now`, if it is time.
    fn change(
        &mut self,
        now: Instant,
        version: Version,
        later: impl FnOnce() -> Duration,
    ) -> Option<(Record, IpAddr)> {
        if self.changes == 0 || self.change_due.is_some_and(|at| at > now) {
            return None;
        }
        let record = if self.count > 0 {
            Record::Joined
        } else {
            Record::Left
        };
        self.changes -= 1;
        if record == Record::Left && version < Version::Third {
            // RFC 2236 3, RFC 2710 4: once, and only by whoever has reported last.
            self.changes = 0;
            if !self.last_reporter {
                self.change_due = None;
                return None;
            }
        }
        self.last_reporter = record == Record::Joined;
        self.change_due = (self.changes > 0).then(|| now + later());
        Some((record, self.group))
    }
}

/// A time drawn evenly from nothing up to `whole`.
fn part_of(random: &mut Random, whole: Duration) -> Duration {
    let nanos = u64::try_from(whole.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(random.below(nanos.max(1)) + 1)
}

/// Whether routers hear of a group: not of the one that everybody is in, nor of what never leaves a host
/// (RFC 3376 5, RFC 3810 6).
fn is_reported(group: IpAddr) -> bool {
    let is_inner = |group: Ipv6Addr| group.octets()[1] & 0x0f < 2;
    !address::is_all_hosts(group)
        && match group {
            IpAddr::V4(_) => true,
            IpAddr::V6(group) => !is_inner(group),
        }
}
