//! Addresses that come and go.
//!
//! Job: keep every address of a host with its origin and its times. Owns: the book.
//! Does not know: messages; `endpoint/addresses` and `endpoint/discovery` carry out what it says.
//! Sources: RFC 4862 5.5 (lifetimes), RFC 8981 3.4, RFC 7217, RFC 2131 4.4.5 (a lease's times are used alike).

pub(crate) mod book;
pub(crate) mod check;
pub(crate) mod identifier;
pub(crate) mod link;

use core::hash::{Hash, Hasher};
use core::net::{IpAddr, Ipv6Addr};
use std::collections::VecDeque;

use outcrop_base::{HashKey, Instant, InterfaceId, Random, Seed};

use crate::Cidr;

pub use book::MAX_ADDRESSES;

/// The parts of configuration that act by themselves.
#[derive(Clone, Debug)]
pub(crate) struct Auto {
    pub(crate) checks: check::Checks,
    pub(crate) links: Vec<link::Link>,
    pub(crate) random: Random,
    pub(crate) key: HashKey,
    /// Destinations with a better first hop, oldest first.
    pub(crate) redirects: VecDeque<Ipv6Addr>,
}

impl Auto {
    pub(crate) fn new(seed: &Seed) -> Self {
        let seed = seed.split("autoconf");
        Self {
            checks: check::Checks::default(),
            links: Vec::new(),
            random: seed.random("times"),
            key: seed.hash_key("stable"),
            redirects: VecDeque::new(),
        }
    }

    pub(crate) fn link(&mut self, iface: InterfaceId) -> Option<&mut link::Link> {
        self.links.iter_mut().find(|link| link.iface == iface)
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        let links = self.links.iter().filter_map(link::Link::next);
        links.chain(self.checks.next()).min()
    }

    pub(crate) fn fingerprint(&self, now: Instant, into: &mut dyn Hasher) {
        self.checks.fingerprint(now, into);
        for link in &self.links {
            link.fingerprint(now, into);
        }
        let mut into = into;
        self.redirects.hash(&mut into);
        self.random.clone().next_u64().hash(&mut into);
    }
}

/// Who says that an address is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// A person.
    Manual,
    /// Ourselves, for this link alone.
    LinkLocal,
    /// A router's prefix, with an identifier that stays (RFC 4862, RFC 7217).
    Router,
    /// A router's prefix, with an identifier that changes (RFC 8981).
    Temporary,
    /// A DHCP server.
    Lease,
}

/// Where an address stands (RFC 4862 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AddressState {
    /// Being checked: nobody may use it yet.
    Tentative,
    /// In use.
    Preferred,
    /// Still good for what uses it already; nothing new begins with it.
    Deprecated,
}

/// An address of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// Where.
    pub iface: InterfaceId,
    /// The address, and the prefix that is on the link with it.
    pub cidr: Cidr,
    /// Who says so.
    pub origin: Origin,
    /// Where it stands.
    pub state: AddressState,
    /// When it becomes deprecated; `None`: never.
    pub preferred: Option<Instant>,
    /// When it ceases to be ours; `None`: never.
    pub valid: Option<Instant>,
}

/// What a link is asked to configure by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AutoConfig {
    /// Whether routers are asked, and their prefixes and routes taken.
    pub routers: bool,
    /// Whether a prefix gives a temporary address beside the stable one (RFC 8981).
    pub temporary: bool,
}

/// On which terms an address is assigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Who says so.
    pub origin: Origin,
    /// When it becomes deprecated; `None`: never.
    pub preferred: Option<Instant>,
    /// When it ceases to be ours; `None`: never.
    pub valid: Option<Instant>,
    /// Whether the link is asked first that nobody else has it. Only Ethernet can be asked.
    pub check: bool,
}

impl Lease {
    /// Given by hand, for ever, unchecked.
    pub const FOREVER: Self = Self {
        origin: Origin::Manual,
        preferred: None,
        valid: None,
        check: false,
    };
}

/// What has become of the addresses of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AddressNews {
    /// It is ours now.
    Ready(IpAddr),
    /// Another station has it: it is not ours, or no more.
    Duplicate(IpAddr),
    /// It should begin nothing new.
    Deprecated(IpAddr),
    /// Its time is over.
    Expired(IpAddr),
    /// Who resolves names on the link has changed.
    Resolvers,
    /// What routers say of DHCP: the first word, and every change.
    Router {
        /// Addresses are to be had by DHCPv6.
        managed: bool,
        /// Other settings are.
        other: bool,
    },
}
