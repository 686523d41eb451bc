//! DHCP for IPv6: a client (RFC 8415), for addresses or for parameters alone.
//!
//! Job: what it says to the caller. Owns: ports, the group, plans. Does not know: sockets, interfaces, DAD.

use core::net::{Ipv6Addr, SocketAddrV6};

use bytes::Bytes;

mod client;
mod lease;
mod retry;
pub mod wire;

pub use client::{Client, ClientConfig, Event, Mode, State};
pub use lease::{Address, Information, Lease};

/// Where servers listen.
pub const SERVER_PORT: u16 = 547;
/// Where clients listen.
pub const CLIENT_PORT: u16 = 546;
/// All servers and relays of a link (RFC 8415 7.1).
pub const ALL_SERVERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);

outcrop_base::vocabulary! {
    /// What a message that leaves is for.
    pub enum Purpose {
        /// Looks for servers.
        Solicit = "dhcp6-solicit",
        /// Asks one server for the addresses that it advertised.
        Request = "dhcp6-request",
        /// Are these addresses right for this link?
        Confirm = "dhcp6-confirm",
        /// Asks its server for more time.
        Renew = "dhcp6-renew",
        /// Asks any server for more time.
        Rebind = "dhcp6-rebind",
        /// Gives addresses back.
        Release = "dhcp6-release",
        /// Somebody else has that address.
        Decline = "dhcp6-decline",
        /// Asks for parameters alone.
        InformationRequest = "dhcp6-information-request",
    }
}

/// One datagram to leave by UDP, from port 546 of the interface's link-local address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// The message.
    pub payload: Bytes,
    /// What it is for.
    pub purpose: Purpose,
}

impl Transmit {
    /// Where it goes: always to the group (RFC 8415 16).
    #[must_use]
    pub const fn to(&self) -> SocketAddrV6 {
        SocketAddrV6::new(ALL_SERVERS, SERVER_PORT, 0, 0)
    }
}
