//! What routers say of one link.
//!
//! Job: ask for routers, keep the default routers, the prefixes on the link and who resolves names, each with its
//! time. Owns: these lists. Does not know: the table of routes; it says what changed.
//! Sources: RFC 4861 6.3 (hosts), RFC 4862 5.5.3 (a prefix's times), RFC 4191 3 (which router), RFC 8106 6.

use core::hash::{Hash, Hasher};
use core::net::Ipv6Addr;
use core::time::Duration;

use outcrop_base::{Instant, InterfaceId, Random};

use super::AutoConfig;
use crate::wire::nd::{self, Options, Router};

/// Routers, prefixes and resolvers of one link; a flood of announcements takes no more (RFC 6980, RFC 6104).
pub(crate) const MAX_ROUTERS: usize = 16;
const MAX_PREFIXES: usize = 32;
const MAX_RESOLVERS: usize = 16;
/// RFC 4861 10.
const MAX_SOLICITATIONS: u8 = 3;
const SOLICITATION_INTERVAL: Duration = Duration::from_secs(4);
const MAX_SOLICITATION_DELAY: Duration = Duration::from_secs(1);

/// A default router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct DefaultRouter {
    addr: Ipv6Addr,
    preference: i8,
    until: Instant,
    /// It did not answer: others go first until it speaks.
    silent: bool,
}

/// One link that configures itself.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) iface: InterfaceId,
    pub(crate) mac: [u8; 6],
    pub(crate) config: AutoConfig,
    /// How often an address of ours was taken already.
    pub(crate) conflicts: u8,
    /// What was said last of DHCP: managed, other.
    dhcp: Option<(bool, bool)>,
    asked: u8,
    next_question: Option<Instant>,
    routers: Vec<DefaultRouter>,
    prefixes: Vec<(Ipv6Addr, u8, Option<Instant>)>,
    resolvers: Vec<(Ipv6Addr, Option<Instant>)>,
    domains: Vec<(String, Option<Instant>)>,
}

/// What time did to a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Ask for routers.
    Ask,
    /// A default router's time is over.
    Routers,
    /// So is a prefix's.
    Prefix(Ipv6Addr, u8),
    /// So is a resolver's.
    Resolvers,
}

impl Link {
    pub(crate) const fn new(iface: InterfaceId, mac: [u8; 6], config: AutoConfig) -> Self {
        Self {
            iface,
            mac,
            config,
            conflicts: 0,
            dhcp: None,
            asked: 0,
            next_question: None,
            routers: Vec::new(),
            prefixes: Vec::new(),
            resolvers: Vec::new(),
            domains: Vec::new(),
        }
    }

    /// There is an address to ask from.
    pub(crate) fn begin_asking(&mut self, now: Instant, random: &mut Random) {
        if self.config.routers && self.asked == 0 {
            self.next_question = Some(now + MAX_SOLICITATION_DELAY.mul_f64(random.unit()));
        }
    }

    /// A router spoke (RFC 4861 6.3.4). Returns whether the choice of a default router may have changed.
    pub(crate) fn hear(&mut self, now: Instant, from: Ipv6Addr, router: &Router) -> bool {
        // Whoever speaks need not be asked; one that is no default router leaves the question open (6.3.7).
        if router.lifetime > 0 {
            self.next_question = None;
            self.asked = MAX_SOLICITATIONS;
        }
        let before = self.routers.len();
        let known = self
            .routers
            .iter()
            .find(|known| known.addr == from)
            .copied();
        self.routers.retain(|known| known.addr != from);
        if router.lifetime == 0 {
            return self.routers.len() != before;
        }
        if self.routers.len() >= MAX_ROUTERS {
            return false;
        }
        let entry = DefaultRouter {
            addr: from,
            preference: router.preference,
            until: now + Duration::from_secs(u64::from(router.lifetime)),
            silent: false,
        };
        self.routers.push(entry);
        known.is_none_or(|known| known.silent || known.preference != entry.preference)
    }

    /// Which router what leads nowhere else goes to: one that answers, of the highest preference, heard first.
    pub(crate) fn default_router(&self) -> Option<Ipv6Addr> {
        let rank = |router: &&DefaultRouter| (!router.silent, router.preference);
        let best = self.routers.iter().map(|router| rank(&router)).max()?;
        let mut all = self.routers.iter();
        all.find(|router| rank(router) == best)
            .map(|router| router.addr)
    }

    /// A router does not answer (RFC 4861 6.3.6), or says it is none. Returns whether it was known.
    pub(crate) fn doubt(&mut self, addr: Ipv6Addr, gone: bool) -> bool {
        let Some(router) = self.routers.iter_mut().find(|known| known.addr == addr) else {
            return false;
        };
        router.silent = true;
        if gone {
            self.routers.retain(|known| known.addr != addr);
        }
        true
    }

    /// What a router says of DHCP. Returns whether that is new.
    pub(crate) fn hear_dhcp(&mut self, router: &Router) -> bool {
        let said = Some((router.managed, router.other));
        core::mem::replace(&mut self.dhcp, said) != said
    }

    /// A prefix is on this link for so long. Returns whether the table of routes changes.
    pub(crate) fn hear_prefix(
        &mut self,
        now: Instant,
        (network, len): (Ipv6Addr, u8),
        valid: u32,
    ) -> bool {
        let known = self
            .prefixes
            .iter()
            .position(|known| (known.0, known.1) == (network, len));
        if let Some(at) = known {
            self.prefixes.remove(at);
        }
        if valid == 0 || self.prefixes.len() >= MAX_PREFIXES {
            return known.is_some();
        }
        let until = nd::lifetime(valid).map(|valid| now + valid);
        self.prefixes.push((network, len, until));
        known.is_none()
    }

    /// Who resolves names. Returns whether that changed.
    pub(crate) fn hear_resolvers(&mut self, now: Instant, options: &Options) -> bool {
        let servers = merge(&mut self.resolvers, now, &options.resolvers);
        merge(&mut self.domains, now, &options.domains) | servers
    }

    pub(crate) fn resolvers(&self) -> (Vec<Ipv6Addr>, Vec<String>) {
        let servers = self.resolvers.iter().map(|(addr, _)| *addr);
        let domains = self.domains.iter().map(|(name, _)| name.clone());
        (servers.collect(), domains.collect())
    }

    /// The next thing that is due.
    pub(crate) fn due(&mut self, now: Instant) -> Option<Change> {
        if self.next_question.is_some_and(|at| at <= now) {
            self.asked += 1;
            let more = self.asked < MAX_SOLICITATIONS;
            self.next_question = more.then(|| now + SOLICITATION_INTERVAL);
            return Some(Change::Ask);
        }
        let past = |until: &Option<Instant>| until.is_some_and(|at| at <= now);
        let before = self.routers.len();
        self.routers.retain(|router| router.until > now);
        if self.routers.len() != before {
            return Some(Change::Routers);
        }
        if let Some(at) = self.prefixes.iter().position(|(.., until)| past(until)) {
            let (network, len, _) = self.prefixes.remove(at);
            return Some(Change::Prefix(network, len));
        }
        let before = self.resolvers.len() + self.domains.len();
        self.resolvers.retain(|(_, until)| !past(until));
        self.domains.retain(|(_, until)| !past(until));
        (self.resolvers.len() + self.domains.len() != before).then_some(Change::Resolvers)
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        let routers = self.routers.iter().map(|router| router.until);
        let prefixes = self.prefixes.iter().filter_map(|(.., until)| *until);
        let resolvers = self.resolvers.iter().filter_map(|(_, until)| *until);
        let domains = self.domains.iter().filter_map(|(_, until)| *until);
        let all = routers.chain(prefixes).chain(resolvers).chain(domains);
        all.chain(self.next_question).min()
    }

    pub(crate) fn fingerprint(&self, now: Instant, mut into: &mut dyn Hasher) {
        let ahead = |at: &Option<Instant>| at.map(|at| at.saturating_since(now));
        (
            self.iface,
            self.config,
            self.conflicts,
            self.dhcp,
            self.asked,
        )
            .hash(&mut into);
        ahead(&self.next_question).hash(&mut into);
        for router in &self.routers {
            (router.addr, router.preference, router.silent).hash(&mut into);
            router.until.saturating_since(now).hash(&mut into);
        }
        for (network, len, until) in &self.prefixes {
            (network, len, ahead(until)).hash(&mut into);
        }
        for (addr, until) in &self.resolvers {
            (addr, ahead(until)).hash(&mut into);
        }
        for (name, until) in &self.domains {
            (name, ahead(until)).hash(&mut into);
        }
    }
}

/// Takes what was said with its time over what was known; zero seconds takes it away (RFC 8106 5.1).
fn merge<T: Clone + PartialEq>(
    known: &mut Vec<(T, Option<Instant>)>,
    now: Instant,
    said: &[(T, u32)],
) -> bool {
    let mut changed = false;
    for (value, seconds) in said {
        let at = known.iter().position(|(known, _)| known == value);
        let until = nd::lifetime(*seconds).map(|seconds| now + seconds);
        match at {
            Some(at) if *seconds == 0 => {
                known.remove(at);
                changed = true;
            }
            Some(at) => {
                if let Some(slot) = known.get_mut(at) {
                    slot.1 = until;
                }
            }
            None if *seconds > 0 && known.len() < MAX_RESOLVERS => {
                known.push((value.clone(), until));
                changed = true;
            }
            None => {}
        }
    }
    changed
}

/// The times of an address whose prefix is announced again (RFC 4862 5.5.3 e): nobody shortens a long one below two
/// hours by one unproven message.
pub(crate) fn renewed(now: Instant, known: Option<Instant>, announced: u32) -> Option<Instant> {
    const TWO_HOURS: Duration = Duration::from_secs(2 * 60 * 60);
    let announced = nd::lifetime(announced)?;
    let left = known.map(|until| until.saturating_since(now));
    if announced > TWO_HOURS || left.is_some_and(|left| announced > left) {
        return Some(now + announced);
    }
    match left {
        Some(left) if left <= TWO_HOURS => known,
        Some(_) | None => Some(now + TWO_HOURS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The three cases of RFC 4862 5.5.3 e.
    #[test]
    fn one_message_shortens_no_long_life_below_two_hours() {
        const HOUR: u32 = 3600;
        let now = Instant::from_millis(1000);
        let after = |hours: u64| Some(now + Duration::from_secs(hours * 3600));
        assert_eq!(renewed(now, after(1), 3 * HOUR), after(3));
        assert_eq!(renewed(now, after(10), 3 * HOUR), after(3));
        assert_eq!(renewed(now, after(1), HOUR / 2), after(1));
        assert_eq!(renewed(now, after(10), HOUR), after(2));
        assert_eq!(renewed(now, None, HOUR), after(2));
        assert_eq!(renewed(now, after(1), u32::MAX), None);
        assert_eq!(
            renewed(now, Some(now + Duration::from_secs(60)), 120),
            Some(now + Duration::from_secs(120))
        );
    }
}
