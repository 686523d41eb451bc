//! Addresses that come and go.
//!
//! Job: keep every address of a host with its origin and its times. Owns: the book.
//! Does not know: messages; `endpoint/addresses` and `endpoint/discovery` carry out what it says.
//! Sources: RFC 4862 5.5 (lifetimes), RFC 8981 3.4, RFC 7217, RFC 2131 4.4.5 (a lease's times are used alike).

pub(crate) mod book;

use core::net::IpAddr;

use outcrop_base::{Instant, InterfaceId};

use crate::Cidr;

pub use book::MAX_ADDRESSES;

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
    /// A router spoke: what it says of DHCP.
    Router {
        /// Addresses are to be had by DHCPv6.
        managed: bool,
        /// Other settings are.
        other: bool,
    },
}
