//! Addresses and resolvers, as programs see them.
//!
//! Job: the calls that change an interface while the host runs, and the news of it until somebody takes them.
//! Owns: the news, the resolvers. Does not know: where an address came from.
//! Sources: RFC 8106 5.3.1 (resolvers from several sources), RFC 1035 7 (a resolver's list of servers).

use core::hash::{Hash, Hasher};
use core::net::IpAddr;
use std::collections::{BTreeMap, VecDeque};

use outcrop_base::{Instant, InterfaceId};
use outcrop_ip::{Address, AddressNews, Cidr, ConfigError, Lease, Origin};

use super::Core;

/// News one interface keeps; the oldest are lost.
const MAX_NEWS: usize = 64;
/// Resolvers, and domains to search, one source may name.
const MAX_RESOLVERS: usize = 16;

/// What an interface has to tell.
#[derive(Clone, Debug, Default)]
pub(super) struct News {
    waiting: BTreeMap<InterfaceId, Waiting>,
    resolvers: BTreeMap<(InterfaceId, Origin), Resolvers>,
}

#[derive(Clone, Debug, Default, Hash)]
struct Waiting {
    news: VecDeque<AddressNews>,
    untold: bool,
}

#[derive(Clone, Debug, Default, Hash)]
struct Resolvers {
    servers: Vec<IpAddr>,
    search: Vec<String>,
}

impl News {
    pub(super) fn push(&mut self, iface: InterfaceId, news: AddressNews) {
        let waiting = self.waiting.entry(iface).or_default();
        if waiting.news.len() >= MAX_NEWS {
            waiting.news.pop_front();
        }
        waiting.news.push_back(news);
        waiting.untold = true;
    }

    /// An edge for each interface with something new.
    pub(super) fn poll_event(&mut self) -> Option<InterfaceId> {
        let mut all = self.waiting.iter_mut();
        let (iface, waiting) = all.find(|(_, waiting)| waiting.untold)?;
        waiting.untold = false;
        Some(*iface)
    }

    pub(super) fn fingerprint(&self, mut into: &mut dyn Hasher) {
        self.waiting.hash(&mut into);
        self.resolvers.hash(&mut into);
    }
}

/// Addresses while the host runs.
impl Core {
    /// Gives an interface one more address, or new times to one it has. With `lease.check`, on a link with neighbours,
    /// it is tentative until nobody has objected: [`AddressNews::Ready`] or [`AddressNews::Duplicate`] follows.
    ///
    /// # Errors
    /// An unknown interface, an address no host can have, or too many.
    pub fn assign(
        &mut self,
        now: Instant,
        iface: InterfaceId,
        address: Cidr,
        lease: Lease,
    ) -> Result<(), ConfigError> {
        self.touched = true;
        self.ip.assign(now, iface, address, lease)?;
        self.hear_ip(now);
        Ok(())
    }

    /// Gives an address up; returns whether it was ours.
    pub fn withdraw(&mut self, now: Instant, iface: InterfaceId, addr: IpAddr) -> bool {
        self.touched = true;
        let withdrawn = self.ip.withdraw(iface, addr);
        self.hear_ip(now);
        withdrawn
    }

    /// Every address of the host, tentative ones too.
    pub fn addresses(&self) -> impl Iterator<Item = Address> {
        self.ip.addresses()
    }

    /// The oldest news of an interface's addresses not yet taken.
    pub fn take_address_news(&mut self, iface: InterfaceId) -> Option<AddressNews> {
        self.config_news.waiting.get_mut(&iface)?.news.pop_front()
    }

    /// Notes which servers resolve names, and which domains are searched, in the words of one source; what it said
    /// before is forgotten.
    pub fn set_resolvers(
        &mut self,
        iface: InterfaceId,
        source: Origin,
        servers: Vec<IpAddr>,
        search: Vec<String>,
    ) {
        let (mut servers, mut search) = (servers, search);
        servers.truncate(MAX_RESOLVERS);
        search.truncate(MAX_RESOLVERS);
        let said = Resolvers { servers, search };
        self.config_news.resolvers.insert((iface, source), said);
    }

    /// Routers said who resolves names.
    pub(super) fn hear_resolvers(&mut self, iface: InterfaceId) {
        let (servers, search) = self.ip.resolvers(iface);
        let servers = servers.into_iter().map(IpAddr::V6).collect();
        self.set_resolvers(iface, Origin::Router, servers, search);
        self.config_news.push(iface, AddressNews::Resolvers);
    }

    /// Every server that resolves names, each once.
    #[must_use]
    pub fn resolvers(&self) -> Vec<IpAddr> {
        let all = self.config_news.resolvers.values();
        once_each(all.flat_map(|said| said.servers.iter().copied()))
    }

    /// Every domain to search, each once.
    #[must_use]
    pub fn search_domains(&self) -> Vec<String> {
        let all = self.config_news.resolvers.values();
        once_each(all.flat_map(|said| said.search.iter().cloned()))
    }
}

fn once_each<T: PartialEq>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut kept = Vec::new();
    for one in all {
        if !kept.contains(&one) {
            kept.push(one);
        }
    }
    kept
}
