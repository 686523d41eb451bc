//! DHCP for IPv4: a client and a small server (RFC 2131, 2132).
//!
//! Job: what both ends say to the caller. Owns: ports and plans. Does not know: sockets, interfaces, ARP.

use core::net::{Ipv4Addr, SocketAddrV4};

use bytes::Bytes;
use outcrop_base::{Cause, Limit, Note, Why};

pub mod client;
mod lease;
pub mod server;
pub mod wire;

pub use client::{Client, ClientConfig, ClientId, Event, State};
pub use lease::{Lease, Route};
pub use server::{Change, Server, ServerConfig, ServerConfigError};

/// Where servers listen.
pub const SERVER_PORT: u16 = 67;
/// Where clients listen.
pub const CLIENT_PORT: u16 = 68;

/// What a message that leaves is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Purpose {
    /// Client: looks for servers.
    Discover,
    /// Client: accepts an offer.
    Select,
    /// Client: may I still have the address that I had?
    Reboot,
    /// Client: asks its server for more time.
    Renew,
    /// Client: asks any server for more time.
    Rebind,
    /// Client: somebody else has that address.
    Decline,
    /// Client: gives the address back.
    Release,
    /// Server: offers an address.
    Offer,
    /// Server: grants it.
    Ack,
    /// Server: refuses.
    Nak,
}

impl Purpose {
    /// What a capture says of it.
    #[must_use]
    pub const fn why(self) -> Why {
        match self {
            Self::Discover => Why::DhcpDiscover,
            Self::Select => Why::DhcpSelect,
            Self::Reboot => Why::DhcpReboot,
            Self::Renew => Why::DhcpRenew,
            Self::Rebind => Why::DhcpRebind,
            Self::Decline => Why::DhcpDecline,
            Self::Release => Why::DhcpRelease,
            Self::Offer => Why::DhcpOffer,
            Self::Ack => Why::DhcpAck,
            Self::Nak => Why::DhcpNak,
        }
    }
}

/// One datagram to leave by UDP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// From here; unspecified while the client has no address, and then it must leave so.
    pub from: SocketAddrV4,
    /// To here; 255.255.255.255 is everybody on the link, in a link-layer broadcast.
    pub to: SocketAddrV4,
    /// The station behind `to` when it does not answer ARP yet: a client that was just granted that address and did
    /// not ask for a broadcast. Who cannot send to a station directly broadcasts (RFC 2131 4.1).
    pub station: Option<[u8; 6]>,
    /// The message.
    pub payload: Bytes,
    /// What it is for.
    pub purpose: Purpose,
    /// Why it leaves; what made it leave is known to whoever called.
    pub note: Note,
}

impl Transmit {
    #[track_caller]
    pub(crate) const fn new(
        from: SocketAddrV4,
        to: SocketAddrV4,
        payload: Bytes,
        purpose: Purpose,
    ) -> Self {
        Self {
            from,
            to,
            station: None,
            payload,
            purpose,
            note: Note::new(purpose.why(), Limit::None, Cause::None),
        }
    }

    /// Whether everybody on the link is addressed.
    #[must_use]
    pub fn is_broadcast(&self) -> bool {
        *self.to.ip() == Ipv4Addr::BROADCAST
    }
}
