//! What a host is told before it runs.
//!
//! Job: addresses, prefixes, interfaces and the limits on memory, time and rate.
//! Owns: plain values with defaults. Does not know: what is done with them.
//! Sources: RFC 4632 (prefixes), RFC 4443 2.4(f) (error rate), RFC 8200 4.5 (reassembly time),
//! RFC 8201 4 (age of a path MTU).

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::str::FromStr;
use core::time::Duration;

use outcrop_base::{DEFAULT_HOP_LIMIT, InterfaceId};

/// Settings of one [`Endpoint`](crate::Endpoint); the defaults are those of a careful host.
#[derive(Clone, Debug)]
pub struct Config {
    /// Time to live and hop limit of what we originate ourselves (ICMP).
    pub hop_limit: u8,
    /// Whether echo requests are answered.
    pub answer_echo: bool,
    /// How many ICMP errors may leave at once after a pause.
    pub error_burst: u32,
    /// How many ICMP errors may leave per second in the long run; zero sends none beyond the burst.
    pub errors_per_second: u32,
    /// Packets of our own (echo replies, errors, fragments) that may wait for the device.
    pub transmit_queue: usize,
    /// Bytes of fragments kept for reassembly, all packets together.
    pub reassembly_memory: usize,
    /// Packets in reassembly at once.
    pub reassembly_packets: usize,
    /// How long a packet may take to become complete.
    pub reassembly_timeout: Duration,
    /// How long a path MTU below the link's is believed.
    pub path_mtu_age: Duration,
    /// Destinations with a path MTU of their own.
    pub path_mtu_entries: usize,
    /// Whether packets for others are passed on: a router. Devices must not merge what they give a router.
    pub forward: bool,
    /// Whether a packet is passed on only if an answer would leave by the link it came by (RFC 1812 5.3.8: off unless
    /// asked for; networks where ways there and back differ cannot have it).
    pub strict_source: bool,
    /// Packets in transit that may wait for the device; what comes later is lost.
    pub forward_queue: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            hop_limit: DEFAULT_HOP_LIMIT,
            answer_echo: true,
            // Ten at once and a hundred a second: enough for a traceroute, too little to amplify.
            error_burst: 10,
            errors_per_second: 100,
            transmit_queue: 256,
            reassembly_memory: 1024 * 1024,
            reassembly_packets: 64,
            // RFC 8200 4.5 asks for sixty seconds; RFC 1122 3.3.2 allows sixty to a hundred and twenty.
            reassembly_timeout: Duration::from_secs(60),
            // RFC 8201 4: no sooner than five minutes, ten recommended.
            path_mtu_age: Duration::from_secs(600),
            path_mtu_entries: 1024,
            // RFC 1122 3.1: a host forwards nothing unless told to.
            forward: false,
            strict_source: false,
            // A driver reads 64 at a time; each may be cut into a few dozen.
            forward_queue: 4096,
        }
    }
}

/// One attachment to a link.
#[derive(Clone, Debug)]
pub struct InterfaceConfig {
    /// Its number, the same in all layers.
    pub id: InterfaceId,
    /// The largest IP packet the link carries, bytes.
    pub mtu: u32,
    /// The largest super-segment the device cuts for us, IP header included; zero if it cuts none.
    pub gso_max: u32,
    /// Whether the device completes transport checksums for us.
    pub checksum_offload: bool,
    /// Our addresses there, each with the length of the prefix that is on the link.
    pub addresses: Vec<Cidr>,
    /// Whether there is exactly one neighbour (a TUN): no address needs resolving.
    pub point_to_point: bool,
    /// Our hardware address there, where neighbours have one (Ethernet).
    pub link_address: Option<[u8; 6]>,
}

impl InterfaceConfig {
    /// A point-to-point link (a TUN) of this MTU, without offload.
    #[must_use]
    pub const fn tun(id: InterfaceId, mtu: u32, addresses: Vec<Cidr>) -> Self {
        Self {
            id,
            mtu,
            gso_max: 0,
            checksum_offload: false,
            addresses,
            point_to_point: true,
            link_address: None,
        }
    }

    /// A link with many neighbours, where we are `link_address`; without addresses or offload.
    #[must_use]
    pub fn ethernet(id: InterfaceId, mtu: u32, link_address: [u8; 6]) -> Self {
        Self {
            point_to_point: false,
            link_address: Some(link_address),
            ..Self::tun(id, mtu, Vec::new())
        }
    }
}

impl InterfaceConfig {
    /// Whether `addr` is everybody on one of its networks.
    #[must_use]
    pub fn is_broadcast(&self, addr: IpAddr) -> bool {
        let mut networks = self.addresses.iter();
        networks.any(|cidr| cidr.broadcast().map(IpAddr::V4) == Some(addr))
    }
}

/// An address with a prefix length: `10.77.0.2/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr {
    addr: IpAddr,
    prefix: u8,
}

/// Why a text or a pair is not an address with a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CidrError {
    /// The part before the slash is no address.
    #[error("not an IP address: write it like 10.77.0.2/24 or fd77::2/64")]
    Address,
    /// The part after the slash is no number.
    #[error("not a prefix length: a number must follow the slash, as in 10.77.0.2/24")]
    Prefix,
    /// The prefix is longer than the address.
    #[error("the prefix length is larger than {max}, the address's number of bits")]
    PrefixTooLong {
        /// 32 or 128.
        max: u8,
    },
}

impl Cidr {
    /// An address and the number of its leading bits that name the network.
    ///
    /// # Errors
    /// [`CidrError::PrefixTooLong`] beyond 32 (IPv4) or 128 (IPv6).
    pub const fn new(addr: IpAddr, prefix: u8) -> Result<Self, CidrError> {
        let max = bits(addr);
        if prefix > max {
            return Err(CidrError::PrefixTooLong { max });
        }
        Ok(Self { addr, prefix })
    }

    /// The address alone: a prefix of all its bits.
    #[must_use]
    pub const fn host(addr: IpAddr) -> Self {
        Self {
            addr,
            prefix: bits(addr),
        }
    }

    /// The address, host bits included.
    #[must_use]
    pub const fn addr(self) -> IpAddr {
        self.addr
    }

    /// Leading bits that name the network.
    #[must_use]
    pub const fn prefix(self) -> u8 {
        self.prefix
    }

    /// The network: the address with its host bits cleared.
    #[must_use]
    pub fn network(self) -> IpAddr {
        masked(self.addr, self.prefix)
    }

    /// Whether `addr` is inside.
    #[must_use]
    pub fn contains(self, addr: IpAddr) -> bool {
        self.addr.is_ipv4() == addr.is_ipv4() && masked(addr, self.prefix) == self.network()
    }

    /// The address that reaches every host of an IPv4 network, where there is one (RFC 919; not for
    /// prefixes of 31 and 32 bits, RFC 3021).
    #[must_use]
    pub fn broadcast(self) -> Option<Ipv4Addr> {
        match self.addr {
            IpAddr::V4(addr) if self.prefix < 31 => {
                let host_bits = u32::MAX.checked_shr(u32::from(self.prefix)).unwrap_or(0);
                Some(Ipv4Addr::from_bits(addr.to_bits() | host_bits))
            }
            IpAddr::V4(_) | IpAddr::V6(_) => None,
        }
    }
}

const fn bits(addr: IpAddr) -> u8 {
    match addr {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// `addr` with all but its first `prefix` bits cleared.
pub(crate) fn masked(addr: IpAddr, prefix: u8) -> IpAddr {
    match addr {
        IpAddr::V4(addr) => {
            let host_bits = u32::MAX.checked_shr(u32::from(prefix)).unwrap_or(0);
            Ipv4Addr::from_bits(addr.to_bits() & !host_bits).into()
        }
        IpAddr::V6(addr) => {
            let host_bits = u128::MAX.checked_shr(u32::from(prefix)).unwrap_or(0);
            Ipv6Addr::from_bits(addr.to_bits() & !host_bits).into()
        }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.addr, self.prefix)
    }
}

impl FromStr for Cidr {
    type Err = CidrError;

    /// `address/prefix`; without a slash, the address alone.
    fn from_str(text: &str) -> Result<Self, CidrError> {
        let (addr, prefix) = match text.split_once('/') {
            Some((addr, prefix)) => (addr, Some(prefix)),
            None => (text, None),
        };
        let addr = addr.parse().map_err(|_| CidrError::Address)?;
        match prefix {
            Some(prefix) => Self::new(addr, prefix.parse().map_err(|_| CidrError::Prefix)?),
            None => Ok(Self::host(addr)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str) -> Cidr {
        text.parse().unwrap()
    }

    #[test]
    fn prefix_decides_what_is_inside() {
        assert!(cidr("10.77.0.2/24").contains("10.77.0.255".parse().unwrap()));
        assert!(!cidr("10.77.0.2/24").contains("10.77.1.0".parse().unwrap()));
        assert!(cidr("0.0.0.0/0").contains("203.0.113.1".parse().unwrap()));
        assert!(!cidr("0.0.0.0/0").contains("::1".parse().unwrap()));
        assert!(cidr("fd77::2/64").contains("fd77::ffff:0:0:1".parse().unwrap()));
        assert!(!cidr("fd77::2/64").contains("fd77:0:0:1::".parse().unwrap()));
    }

    #[test]
    fn broadcast_exists_only_where_a_network_has_more_than_two_hosts() {
        let expected = [
            ("10.77.0.2/24", Some(Ipv4Addr::new(10, 77, 0, 255))),
            ("10.77.0.2/0", Some(Ipv4Addr::BROADCAST)),
            ("10.77.0.2/31", None),
            ("10.77.0.2/32", None),
            ("fd77::2/64", None),
        ];
        for (text, broadcast) in expected {
            assert_eq!(cidr(text).broadcast(), broadcast, "{text}");
        }
    }

    #[test]
    fn wrong_text_is_refused_with_its_reason() {
        assert_eq!(Cidr::from_str("ten/8"), Err(CidrError::Address));
        assert_eq!(Cidr::from_str("10.0.0.1/x"), Err(CidrError::Prefix));
        assert_eq!(
            Cidr::from_str("10.0.0.1/33"),
            Err(CidrError::PrefixTooLong { max: 32 })
        );
        assert_eq!(cidr("10.0.0.1").to_string(), "10.0.0.1/32");
    }
}
