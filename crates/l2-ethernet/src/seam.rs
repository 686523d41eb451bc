//! What goes in and out of the engine.
//!
//! Job: name the values that IP and the device exchange with a link. Owns: plain data.
//! Does not know: how any of it is decided.

use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;

use bytes::Bytes;
use outcrop_base::{Cast, Note, Verdict};

use crate::wire::Header;
use crate::{Filter, MacAddr};

/// Settings of one [`Endpoint`](crate::Endpoint).
#[derive(Clone, Debug)]
pub struct Config {
    /// Our address on the link: see [`MacAddr::generate`].
    pub mac: MacAddr,
    /// The VLAN we belong to; frames leave with its tag, and others are refused. `None`: untagged.
    pub vlan: Option<u16>,
    /// Whose frames are taken.
    pub filter: Filter,
    /// The neighbour cache.
    pub neighbors: Limits,
    /// What is done when another station claims an address of ours.
    pub defence: Defence,
}

impl Config {
    /// The defaults for a station with this address.
    #[must_use]
    pub fn new(mac: MacAddr) -> Self {
        Self {
            mac,
            vlan: None,
            filter: Filter::Exact,
            neighbors: Limits::default(),
            defence: Defence::Once,
        }
    }
}

/// Bounds and times of the neighbour cache.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Neighbours kept; the one unused for longest gives way.
    pub entries: usize,
    /// Of these, those not yet found: a scan of a network pushes out only its own kind.
    pub unresolved: usize,
    /// Packets that wait for one neighbour.
    pub queue: usize,
    /// Mean time a neighbour counts as reachable (RFC 4861 10: 30 s).
    pub reachable: Duration,
    /// Time between questions (RFC 4861 10: 1 s; RFC 1122 2.3.2.1 allows no more of them).
    pub retransmit: Duration,
    /// Time given to the layers above to confirm a neighbour before it is asked (RFC 4861 10: 5 s).
    pub delay: Duration,
    /// Questions to all, and then to one (RFC 4861 10: 3).
    pub questions: u8,
    /// Time after which an unused neighbour is forgotten.
    pub forget: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            entries: 1024,
            unresolved: 256,
            queue: 8,
            reachable: Duration::from_secs(30),
            retransmit: Duration::from_secs(1),
            delay: Duration::from_secs(5),
            questions: 3,
            forget: Duration::from_secs(600),
        }
    }
}

/// What is done when another station uses an address of ours (RFC 5227 2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Defence {
    /// The address is given up at once.
    Never,
    /// Said once to be ours; given up at a second conflict within ten seconds.
    Once,
    /// Said to be ours again and again, at most every ten seconds: for servers at well-known addresses.
    Always,
}

/// Where a packet of IP is to go on this link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Plan {
    /// The router or the destination itself; for a group or for everybody, that address.
    pub next_hop: IpAddr,
    /// Whether it is one, some or all.
    pub cast: Cast,
}

/// What became of a plan.
#[must_use = "an unresolved packet is to be held"]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wrap {
    /// The header is written.
    Wrapped,
    /// The header is written, from what was true some time ago: tell the engine by `used`.
    Stale,
    /// Nobody knows where the neighbour is: give the engine a copy by `hold`.
    Unresolved,
}

/// What became of a packet that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Taken, or not for want of room.
    pub verdict: Verdict,
    /// An older packet for the same neighbour that gave way.
    pub displaced: Option<Bytes>,
}

/// What became of a frame.
#[must_use = "the caller counts the verdict and hands the packet up"]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Taken or dropped.
    pub verdict: Verdict,
    /// The packet inside, if it is for IP: with what may be padding behind it.
    pub packet: Option<Bytes>,
    /// To one, some or all: RFC 1122 3.3.6 wants IP to know.
    pub cast: Cast,
}

/// A frame on its way out: what this layer asks and answers, and packets that waited.
#[derive(Clone, Debug)]
pub struct Transmit {
    /// Written by [`wire::emit`](crate::wire::emit).
    pub header: Header,
    /// What is behind it.
    pub payload: Bytes,
    /// Why.
    pub note: Note,
}

/// What neighbour discovery heard about an address (RFC 4861).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Heard {
    /// The source of a solicitation or the target of a redirect that is its destination, with its link-layer option.
    Source,
    /// The source of a router's advertisement, or the better router of a redirect, with its link-layer option.
    Router,
    /// The target of an advertisement.
    Advertisement {
        /// It answers a question of ours.
        solicited: bool,
        /// It replaces what was known.
        replaces: bool,
        /// It is a router.
        router: bool,
    },
}

/// News for the layer above.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// Neighbour discovery is to ask for this address: all, or the one that had it.
    Solicit {
        /// The address.
        ip: IpAddr,
        /// Who had it.
        to: Option<MacAddr>,
    },
    /// Nobody answered; these packets waited.
    Unreachable {
        /// The address.
        ip: IpAddr,
        /// What waited, oldest first.
        packets: Vec<Bytes>,
    },
    /// A neighbour says that it is no router any more (RFC 4861 7.3.3).
    NotARouter(IpAddr),
    /// A claimed address is ours.
    Claimed(Ipv4Addr),
    /// Another station has the address: it is ours no more, or did not become so.
    Conflict {
        /// The address.
        ip: Ipv4Addr,
        /// The other.
        with: MacAddr,
    },
}
