//! What stands before IP on Ethernet, and ARP, which stands beside it.
//!
//! Job: name the parts of a frame's header and of ARP for Ethernet and IPv4. Owns: plain values.
//! Does not know: who has which address. Sources: IEEE 802.3 3.2, RFC 826, RFC 5227 1.1.

use core::fmt;
use core::net::Ipv4Addr;

/// A hardware address, shown as tools show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mac(pub [u8; 6]);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// An ARP packet for Ethernet and IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arp {
    /// 1 asks, 2 answers.
    pub operation: u16,
    /// Where the sender is.
    pub sender_mac: Mac,
    /// The sender's address; nobody's in a probe.
    pub sender: Ipv4Addr,
    /// Where the target is, if that is known.
    pub target_mac: Mac,
    /// The address spoken of.
    pub target: Ipv4Addr,
    /// Bytes, padding included.
    pub len: usize,
}

/// Bytes of an ARP packet for Ethernet and IPv4.
pub(crate) const ARP_LEN: usize = 28;

impl Arp {
    /// Reads one; `None` for other hardware, other protocols and half a packet.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        // Hardware, protocol, and how long the addresses of each are.
        const ETHERNET_IPV4: [u8; 6] = [0, 1, 8, 0, 6, 4];
        let (head, rest) = bytes.split_first_chunk::<6>()?;
        let (operation, rest) = rest.split_first_chunk::<2>()?;
        let (sender_mac, rest) = rest.split_first_chunk::<6>()?;
        let (sender, rest) = rest.split_first_chunk::<4>()?;
        let (target_mac, rest) = rest.split_first_chunk::<6>()?;
        let (target, _) = rest.split_first_chunk::<4>()?;
        (*head == ETHERNET_IPV4).then(|| Self {
            operation: u16::from_be_bytes(*operation),
            sender_mac: Mac(*sender_mac),
            sender: Ipv4Addr::from(*sender),
            target_mac: Mac(*target_mac),
            target: Ipv4Addr::from(*target),
            len: bytes.len(),
        })
    }
}

impl fmt::Display for Arp {
    /// What it says, in the common words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            sender_mac,
            sender,
            target_mac,
            target,
            ..
        } = self;
        match self.operation {
            1 if target_mac.0 == [0; 6] => write!(f, "Request who-has {target} tell {sender}"),
            1 => write!(f, "Request who-has {target} ({target_mac}) tell {sender}"),
            2 => write!(f, "Reply {sender} is-at {sender_mac}"),
            operation => write!(f, "Unknown ({operation})"),
        }
    }
}
