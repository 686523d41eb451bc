//! Link-layer addresses.
//!
//! Job: six bytes, what their first bits mean, and which group address an IP group has. Owns: [`MacAddr`].
//! Does not know: who has which address. Sources: IEEE 802 8.2, RFC 1112 6.4, RFC 2464 7.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use outcrop_base::Seed;

/// The address of a station, or of a group of stations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacAddr(pub [u8; 6]);

impl MacAddr {
    /// Everybody on the link.
    pub const BROADCAST: Self = Self([0xff; 6]);
    /// Nobody: what an ARP request says of the address it asks for.
    pub const ZERO: Self = Self([0; 6]);

    /// An address of our own making: for one station, administered locally, the rest by chance.
    #[must_use]
    pub fn generate(seed: &Seed, label: &str) -> Self {
        let [first, rest @ .., _, _] = seed.split("mac").random(label).next_u64().to_be_bytes();
        let [b, c, d, e, f] = rest;
        Self([first & !GROUP | LOCAL, b, c, d, e, f])
    }

    /// Whether it names a group; everybody is a group too.
    #[must_use]
    pub const fn is_group(self) -> bool {
        self.0[0] & GROUP != 0
    }

    /// Whether it was not given by a manufacturer.
    #[must_use]
    pub const fn is_local(self) -> bool {
        self.0[0] & LOCAL != 0
    }

    /// Whether a frame may come from it.
    #[must_use]
    pub fn is_station(self) -> bool {
        !self.is_group() && self != Self::ZERO
    }

    /// Whether bridges keep frames to it on their own link (IEEE 802.1D 7.12.6).
    #[must_use]
    pub const fn is_link_local(self) -> bool {
        matches!(self.0, [0x01, 0x80, 0xc2, 0, 0, last] if last < 0x10)
    }

    /// Where frames to a group of hosts go.
    #[must_use]
    pub const fn of_group(group: IpAddr) -> Self {
        match group {
            IpAddr::V4(group) => Self::of_group_v4(group),
            IpAddr::V6(group) => Self::of_group_v6(group),
        }
    }

    /// RFC 1112 6.4: the low 23 bits of the group.
    const fn of_group_v4(group: Ipv4Addr) -> Self {
        let [_, b, c, d] = group.octets();
        Self([0x01, 0x00, 0x5e, b & 0x7f, c, d])
    }

    /// RFC 2464 7: the low 32 bits of the group.
    const fn of_group_v6(group: Ipv6Addr) -> Self {
        let [.., a, b, c, d] = group.octets();
        Self([0x33, 0x33, a, b, c, d])
    }
}

const GROUP: u8 = 0x01;
const LOCAL: u8 = 0x02;

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}
