//! What a client is told.
//!
//! Job: the settings, and how a client calls itself. Owns: the defaults. Does not know: what is done with them.

use core::net::Ipv4Addr;
use core::time::Duration;

/// RFC 2132 9.14: hardware type 1 is Ethernet.
const ETHERNET: u8 = 1;
/// RFC 4361 6.1: what follows is an IAID and a DUID.
const NODE_SPECIFIC: u8 = 255;

/// How a client calls itself in option 61.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum ClientId {
    /// Type 1 and the hardware address (RFC 2132 9.14).
    #[default]
    Hardware,
    /// An interface's number and a DUID-LL (RFC 4361 6.1): the same name as in DHCPv6.
    Duid {
        /// Which interface of the host.
        iaid: u32,
    },
    /// Not at all: the server goes by the hardware address.
    Omitted,
}

impl ClientId {
    /// The octets of the option.
    #[must_use]
    pub fn octets(&self, hardware: [u8; 6]) -> Option<Vec<u8>> {
        match self {
            Self::Hardware => Some([[ETHERNET].as_slice(), &hardware].concat()),
            Self::Duid { iaid } => {
                let duid = crate::duid_ll(hardware);
                Some([[NODE_SPECIFIC].as_slice(), &iaid.to_be_bytes(), &duid].concat())
            }
            Self::Omitted => None,
        }
    }
}

/// What a client is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientConfig {
    /// The interface's hardware address.
    pub hardware: [u8; 6],
    /// How it calls itself.
    pub id: ClientId,
    /// A name for the server's tables; at most 63 octets of it are sent.
    pub hostname: Option<String>,
    /// The address it had before it was restarted: verified first (INIT-REBOOT).
    pub previous: Option<Ipv4Addr>,
    /// How long a lease it would like.
    pub lease_time: Option<Duration>,
    /// Ask for answers by broadcast. True unless the caller takes datagrams to an address that it does not have yet
    /// (RFC 2131 4.1).
    pub broadcast: bool,
    /// Take an acknowledgment in place of an offer (RFC 4039).
    pub rapid_commit: bool,
    /// Least and most to wait before the first message; RFC 2131 4.4.1 asks for one to ten seconds, so that hosts
    /// that were switched on together do not speak together.
    pub start_wait: (Duration, Duration),
}

impl ClientConfig {
    /// The defaults, for an interface with this hardware address.
    #[must_use]
    pub const fn new(hardware: [u8; 6]) -> Self {
        Self {
            hardware,
            id: ClientId::Hardware,
            hostname: None,
            previous: None,
            lease_time: None,
            broadcast: true,
            rapid_commit: false,
            start_wait: (Duration::from_secs(1), Duration::from_secs(10)),
        }
    }
}
