//! DHCP for IPv6: a client (RFC 8415), for addresses or for parameters alone.
//!
//! Job: what it says to the caller. Owns: ports, the group, plans. Does not know: sockets, interfaces, DAD.

use core::net::{Ipv6Addr, SocketAddrV6};

use bytes::Bytes;
use outcrop_base::{Note, Why};

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

/// What a message that leaves is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Purpose {
    /// Looks for servers.
    Solicit,
    /// Asks one server for the addresses that it advertised.
    Request,
    /// Are these addresses right for this link?
    Confirm,
    /// Asks its server for more time.
    Renew,
    /// Asks any server for more time.
    Rebind,
    /// Gives addresses back.
    Release,
    /// Somebody else has that address.
    Decline,
    /// Asks for parameters alone.
    InformationRequest,
}

impl Purpose {
    /// What a capture says of it.
    #[must_use]
    pub const fn why(self) -> Why {
        match self {
            Self::Solicit => Why::Dhcp6Solicit,
            Self::Request => Why::Dhcp6Request,
            Self::Confirm => Why::Dhcp6Confirm,
            Self::Renew => Why::Dhcp6Renew,
            Self::Rebind => Why::Dhcp6Rebind,
            Self::Release => Why::Dhcp6Release,
            Self::Decline => Why::Dhcp6Decline,
            Self::InformationRequest => Why::Dhcp6InformationRequest,
        }
    }
}

/// One datagram to leave by UDP, from port 546 of the interface's link-local address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// The message.
    pub payload: Bytes,
    /// What it is for.
    pub purpose: Purpose,
    /// Why it leaves; what made it leave is known to whoever called.
    pub note: Note,
}

impl Transmit {
    /// Where it goes: always to the group (RFC 8415 16).
    #[must_use]
    pub const fn to(&self) -> SocketAddrV6 {
        SocketAddrV6::new(ALL_SERVERS, SERVER_PORT, 0, 0)
    }
}
