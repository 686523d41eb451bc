//! The values that go up and down with every packet.
//!
//! Job: name what one layer tells the next. Owns: plain `Copy` values. Does not know: any header's layout.
//! Sources: RFC 3168 (ECN), RFC 2474 (DSCP), RFC 1122 3.4 (the interface between IP and what is above).

use core::fmt;
use core::hash::Hasher;
use core::net::{IpAddr, SocketAddr};

use crate::Instant;

/// The number of a packet in this run, counted from 1 as packets cross the device either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PacketId(pub u64);

impl fmt::Display for PacketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One attachment of the stack to a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceId(pub u16);

/// Which way a packet crossed the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the link to us.
    In,
    /// From us to the link.
    Out,
}

/// Explicit congestion notification: the low two bits of the traffic class (RFC 3168 5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Ecn {
    /// Not ECN-capable.
    #[default]
    NotEct,
    /// ECN-capable, codepoint 01 (L4S by RFC 9331).
    Ect1,
    /// ECN-capable, codepoint 10.
    Ect0,
    /// Congestion experienced.
    Ce,
}

impl Ecn {
    /// From a traffic class octet.
    #[must_use]
    pub const fn from_traffic_class(octet: u8) -> Self {
        match octet & 3 {
            0 => Self::NotEct,
            1 => Self::Ect1,
            2 => Self::Ect0,
            _ => Self::Ce,
        }
    }

    /// The two bits.
    #[must_use]
    pub const fn bits(self) -> u8 {
        match self {
            Self::NotEct => 0,
            Self::Ect1 => 1,
            Self::Ect0 => 2,
            Self::Ce => 3,
        }
    }
}

/// To whom a packet was addressed, as seen from our interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Cast {
    /// To one of our addresses.
    #[default]
    Unicast,
    /// To a group.
    Multicast,
    /// To everybody on the link.
    Broadcast,
}

/// What is known about a transport checksum when a packet comes up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ChecksumState {
    /// Nothing: verify it.
    #[default]
    Unverified,
    /// The device vouches for it, or the packet never left this machine.
    Verified,
}

/// What comes up with every transport segment.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// When the device gave us the packet: not when we got round to it.
    pub at: Instant,
    /// The packet's number in this run.
    pub id: PacketId,
    /// Where it came in.
    pub iface: InterfaceId,
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// To one, some or all.
    pub cast: Cast,
    /// The congestion marking it arrived with.
    pub ecn: Ecn,
    /// Remaining time to live or hop limit.
    pub hop_limit: u8,
    /// Whether the transport checksum still needs verifying.
    pub checksum: ChecksumState,
    /// Size of the segments merged into this one by the device, if it is a super-segment.
    pub gso_size: Option<u16>,
    /// The way back to `src`.
    pub path: Path,
}

/// What a route means to a transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Path {
    /// The largest IP packet that passes, in bytes.
    pub mtu: u32,
    /// The largest super-segment the device cuts for us, IP header included; zero if it cuts none.
    pub gso_max: u32,
    /// Whether the device completes transport checksums for us.
    pub checksum_offload: bool,
}

impl Path {
    /// A path of this MTU over a device without any offload.
    #[must_use]
    pub const fn plain(mtu: u32) -> Self {
        Self {
            mtu,
            gso_max: 0,
            checksum_offload: false,
        }
    }
}

/// The default time to live and hop limit (RFC 1700; RFC 9293 MUST-49 asks that it be settable).
pub const DEFAULT_HOP_LIMIT: u8 = 64;

/// The IP header fields a transport decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IpFields {
    /// Congestion marking.
    pub ecn: Ecn,
    /// Differentiated services code point, six bits.
    pub dscp: u8,
    /// Time to live or hop limit.
    pub ttl: u8,
    /// IPv4 "don't fragment".
    pub df: bool,
    /// IPv6 flow label, twenty bits.
    pub flow_label: u32,
}

impl Default for IpFields {
    fn default() -> Self {
        Self {
            ecn: Ecn::NotEct,
            dscp: 0,
            ttl: DEFAULT_HOP_LIMIT,
            df: true,
            flow_label: 0,
        }
    }
}

/// Transport protocols with ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// Protocol number 6.
    Tcp,
    /// Protocol number 17.
    Udp,
}

impl Transport {
    /// The number in the IP header.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
        }
    }
}

/// Both ends of a conversation, from our side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flow {
    /// The protocol.
    pub transport: Transport,
    /// Our address and port.
    pub local: SocketAddr,
    /// The peer's address and port.
    pub remote: SocketAddr,
}

impl Flow {
    /// Feeds both sockets to a keyed hasher in few words: every packet is looked up by them, and field by field
    /// costs twice as much.
    #[inline]
    pub fn feed(&self, into: &mut impl Hasher) {
        match (self.local.ip(), self.remote.ip()) {
            (IpAddr::V4(local), IpAddr::V4(remote)) => {
                let (local, remote) = (u64::from(local.to_bits()), u64::from(remote.to_bits()));
                into.write_u64(local << 32 | remote);
            }
            (IpAddr::V6(local), IpAddr::V6(remote)) => {
                into.write_u128(local.to_bits());
                into.write_u128(remote.to_bits());
            }
            // No connection has such ends.
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => {}
        }
        let (local, remote) = (self.local.port(), self.remote.port());
        into.write_u32(u32::from(local) << 16 | u32::from(remote));
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} > {}", self.local, self.remote)
    }
}

/// What the path says about a flow, by ICMP: to be validated against live state before it has effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathSignal {
    /// The flow quoted.
    pub flow: Flow,
    /// The sequence number quoted (TCP).
    pub seq: Option<u32>,
    /// What is said.
    pub kind: PathSignalKind,
    /// The packet that said it.
    pub id: PacketId,
}

/// The kinds of news from the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathSignalKind {
    /// The packet quoted was larger than this MTU.
    TooBig(u32),
    /// The network or the host cannot be reached for now (ICMP codes 0 and 1, ICMPv6 codes 0 and 3): the way is
    /// interrupted (RFC 6069 3).
    Disrupted,
    /// Trouble on the way of another kind: source route, time exceeded, a header field.
    Soft,
    /// Unreachable for good: protocol, port, administratively.
    Hard,
    /// The route changed.
    Redirected,
}
