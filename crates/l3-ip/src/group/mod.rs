//! Which multicast groups a host belongs to, and from whom it hears them.
//!
//! Job: keep the groups of each link, decide when routers are told, and in which version's words.
//! Owns: who asked last, and the timers. Does not know: headers, or which program listens.
//! Sources: RFC 3376 5 and 7 (IGMPv3), RFC 3810 6 and 8 (MLDv2), RFC 2236 3, RFC 2710 4, RFC 1112.
//! `sources` is one listener's filter and what several come to, `member` one group of one link, `querier` who asks there.

mod member;
mod querier;
mod sources;

pub use sources::{GroupError, Listening, MAX_MERGED, MAX_SOURCES, SourceFilter};

use core::hash::{Hash, Hasher};
use core::net::{IpAddr, Ipv6Addr};
use core::time::Duration;

use outcrop_base::{Instant, InterfaceId, Random, Seed};

use crate::address;
use crate::wire::group::{Query, Record, Version};
use member::Member;
use querier::Querier;

/// Groups of one interface and family; more are refused.
pub(crate) const MAX_GROUPS: usize = 64;
/// The longest time between two tellings of a change (RFC 3376 8.11, RFC 3810 9.11).
const UNSOLICITED: Duration = Duration::from_secs(1);
/// The same where the querier is old (RFC 2236 8.10, RFC 2710 7.10).
const UNSOLICITED_OLD: Duration = Duration::from_secs(10);

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
    querier: Querier,
    /// When everything is told, because a querier of the newest version has asked about all.
    all_due: Option<Instant>,
    members: Vec<Member>,
}

/// What is to be told on one interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Telling {
    pub(crate) iface: InterfaceId,
    pub(crate) is_v4: bool,
    pub(crate) words: Words,
}

/// The same in the words that the querier understands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Words {
    Newest(Vec<Record>),
    /// Whether each group is listened to.
    Old(Version, Vec<(bool, IpAddr)>),
}

impl Groups {
    pub(crate) fn new(seed: &Seed) -> Self {
        Self {
            random: seed.random("ip-group"),
            links: Vec::new(),
            fresh: false,
        }
    }

    /// Whether anything sent to `group` that came by `iface` may be for us.
    pub(crate) fn contains(&self, iface: InterfaceId, group: IpAddr) -> bool {
        self.state(iface, group).is_some()
    }

    /// From whom `group` is heard on `iface`; `None` if it is not.
    pub(crate) fn state(&self, iface: InterfaceId, group: IpAddr) -> Option<&SourceFilter> {
        let of_link = |link: &&Link| link.iface == iface && link.is_v4 == group.is_ipv4();
        let link = self.links.iter().find(of_link)?;
        let heard = |m: &&Member| m.group == group && m.is_heard();
        link.members.iter().find(heard).map(Member::state)
    }

    /// The host itself listens to `group`, whoever speaks; as often as it says so.
    pub(crate) fn join(&mut self, iface: InterfaceId, group: IpAddr) -> Result<(), GroupError> {
        let (member, robustness) = self.member(iface, group)?;
        self.fresh |= member.join(robustness);
        Ok(())
    }

    pub(crate) fn leave(&mut self, iface: InterfaceId, group: IpAddr) -> Result<(), GroupError> {
        let link = self.link(iface, group.is_ipv4());
        let link = link.ok_or(GroupError::NotJoined)?;
        let robustness = link.querier.robustness();
        let member = link.members.iter_mut().find(|m| m.group == group);
        let changed = member.and_then(|member| member.leave(robustness));
        self.fresh |= changed.ok_or(GroupError::NotJoined)?;
        Ok(())
    }

    /// What programs want of `group`, taken together.
    pub(crate) fn listen(
        &mut self,
        iface: InterfaceId,
        group: IpAddr,
        wanted: SourceFilter,
    ) -> Result<(), GroupError> {
        if wanted.sources().len() > MAX_MERGED {
            return Err(GroupError::TooManySources);
        }
        if wanted.is_nobody() && !self.contains(iface, group) {
            return Ok(());
        }
        let (member, robustness) = self.member(iface, group)?;
        self.fresh |= member.listen(wanted, robustness);
        Ok(())
    }

    /// What is known of a group, newly made if need be, and how often a change is told.
    fn member(
        &mut self,
        iface: InterfaceId,
        group: IpAddr,
    ) -> Result<(&mut Member, u8), GroupError> {
        let link = self.link(iface, group.is_ipv4());
        let link = link.ok_or(GroupError::TooMany)?;
        let robustness = link.querier.robustness();
        let known = link.members.iter().position(|m| m.group == group);
        if known.is_none() {
            if link.members.len() >= MAX_GROUPS {
                return Err(GroupError::TooMany);
            }
            link.members.push(Member::new(group));
        }
        let at = known.unwrap_or(link.members.len() - 1);
        let member = link.members.get_mut(at).ok_or(GroupError::TooMany)?;
        Ok((member, robustness))
    }

    fn link(&mut self, iface: InterfaceId, is_v4: bool) -> Option<&mut Link> {
        let known = |link: &Link| link.iface == iface && link.is_v4 == is_v4;
        let at = self.links.iter().position(known).unwrap_or_else(|| {
            self.links.push(Link {
                iface,
                is_v4,
                querier: Querier::default(),
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
        is_v4: bool,
        query: &Query,
    ) {
        let random = &mut self.random;
        let known = |link: &&mut Link| link.iface == iface && link.is_v4 == is_v4;
        let Some(link) = self.links.iter_mut().find(known) else {
            return;
        };
        link.querier.heard(now, is_v4, query);
        link.settle(now);
        let at = now + part_of(random, query.within);
        if link.querier.version(now) < Version::Third {
            let asked = |m: &&mut Member| query.group.is_none_or(|group| m.group == group);
            for member in link.members.iter_mut().filter(asked) {
                if member.is_heard() {
                    member.ask_old(now + part_of(random, query.within), now + query.within);
                }
            }
            return;
        }
        // RFC 3376 5.2: an answer about everything that comes sooner is an answer to this too.
        if link.all_due.is_some_and(|due| due <= at) {
            return;
        }
        let Some(group) = query.group else {
            link.all_due = Some(at);
            return;
        };
        let asked = |m: &&mut Member| m.group == group && m.is_heard();
        if let Some(member) = link.members.iter_mut().find(asked) {
            member.ask(at, &query.sources);
        }
    }

    /// Another host of the link has reported: where the querier is old, one report is enough.
    pub(crate) fn on_report(&mut self, now: Instant, iface: InterfaceId, group: IpAddr) {
        let known = |link: &&mut Link| link.iface == iface && link.is_v4 == group.is_ipv4();
        let Some(link) = self.links.iter_mut().find(known) else {
            return;
        };
        if link.querier.version(now) == Version::Third {
            return;
        }
        if let Some(member) = link.members.iter_mut().find(|m| m.group == group) {
            member.spare();
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
            let dues = link.members.iter().filter_map(Member::next_due);
            link.all_due.into_iter().chain(dues).min()
        };
        self.links.iter().filter_map(of_link).min()
    }

    /// Everything to be told at `now`; what was left is forgotten once told.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<Telling> {
        self.fresh = false;
        let mut tellings = Vec::new();
        for link in &mut self.links {
            link.settle(now);
            let words = match link.querier.version(now) {
                Version::Third => Words::Newest(link.newest(now, &mut self.random)),
                old @ (Version::First | Version::Second) => {
                    Words::Old(old, link.old(now, &mut self.random))
                }
            };
            link.forget();
            if !words.is_empty() {
                tellings.push(Telling {
                    iface: link.iface,
                    is_v4: link.is_v4,
                    words,
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
                querier,
                all_due,
                members,
            } = link;
            let all_due = all_due.map(|at| at.saturating_since(now));
            (iface, is_v4, all_due, self.fresh).hash(&mut into);
            querier.fingerprint(now, &mut into);
            for member in members {
                member.fingerprint(now, &mut into);
            }
        }
    }
}

impl Link {
    /// Whoever asks has changed the version: what was to be told in other words is not (RFC 3376 7.2.1, RFC 3810 8.2.1).
    fn settle(&mut self, now: Instant) {
        if self.querier.settle(now) {
            self.all_due = None;
            self.members.iter_mut().for_each(Member::cancel);
            self.forget();
        }
    }

    fn forget(&mut self) {
        self.members.retain(|m| !m.is_over(is_reported(m.group)));
    }

    fn newest(&mut self, now: Instant, random: &mut Random) -> Vec<Record> {
        let answers_all = self.all_due.take_if(|at| *at <= now).is_some();
        let mut records = Vec::new();
        for member in reported(&mut self.members) {
            if answers_all && member.is_heard() {
                member.last_reporter = true;
                records.push(member.current());
            }
            if let Some(asked) = member.take_answer(now) {
                records.extend(member.answer(&asked));
            }
            if member.has_change(now) {
                let next = now + part_of(random, UNSOLICITED);
                records.extend(member.take_change(next));
            }
        }
        records
    }

    fn old(&mut self, now: Instant, random: &mut Random) -> Vec<(bool, IpAddr)> {
        let mut told = Vec::new();
        for member in reported(&mut self.members) {
            if member.take_answer(now).is_some() && member.is_heard() {
                member.last_reporter = true;
                told.push((true, member.group));
            }
            if member.has_change(now) {
                let next = now + part_of(random, UNSOLICITED_OLD);
                let change = member.take_old_change(next);
                told.extend(change.map(|listens| (listens, member.group)));
            }
        }
        told
    }
}

impl Words {
    const fn is_empty(&self) -> bool {
        match self {
            Self::Newest(records) => records.is_empty(),
            Self::Old(_, told) => told.is_empty(),
        }
    }
}

fn reported(members: &mut [Member]) -> impl Iterator<Item = &mut Member> {
    members.iter_mut().filter(|m| is_reported(m.group))
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
