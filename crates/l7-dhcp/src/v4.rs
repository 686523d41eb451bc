//! DHCP for IPv4: a client and a small server (RFC 2131, 2132).
//!
//! Job: what both ends say to the caller. Owns: ports and plans. Does not know: sockets, interfaces, ARP.

use core::net::{Ipv4Addr, SocketAddrV4};

use bytes::Bytes;

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

outcrop_base::vocabulary! {
    /// What a message that leaves is for.
    pub enum Purpose {
        /// Client: looks for servers.
        Discover = "dhcp-discover",
        /// Client: accepts an offer.
        Select = "dhcp-select",
        /// Client: may I still have the address that I had?
        Reboot = "dhcp-reboot",
        /// Client: asks its server for more time.
        Renew = "dhcp-renew",
        /// Client: asks any server for more time.
        Rebind = "dhcp-rebind",
        /// Client: somebody else has that address.
        Decline = "dhcp-decline",
        /// Client: gives the address back.
        Release = "dhcp-release",
        /// Server: offers an address.
        Offer = "dhcp-offer",
        /// Server: grants it.
        Ack = "dhcp-ack",
        /// Server: refuses.
        Nak = "dhcp-nak",
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
}

impl Transmit {
    /// Whether everybody on the link is addressed.
    #[must_use]
    pub fn is_broadcast(&self) -> bool {
        *self.to.ip() == Ipv4Addr::BROADCAST
    }
}
