//! What goes in and out of the engine.
//!
//! Job: name the values the layers above and below exchange with IP. Owns: plain data.
//! Does not know: how any of it is decided.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::{Buf, Bytes};

use outcrop_base::{
    Arrival, ChecksumState, Flow, Instant, InterfaceId, IpFields, Note, PacketId, PathSignal,
    PathSignalKind, Transport, Verdict,
};

use crate::AddressNews;

/// A packet from the link, from its IP header on.
#[derive(Clone, Debug)]
pub struct PacketIn {
    /// When the device gave it to us.
    pub at: Instant,
    /// Its number in the run.
    pub id: PacketId,
    /// Where it came in.
    pub iface: InterfaceId,
    /// IP header and all that follows; trailing padding is allowed.
    pub bytes: Bytes,
    /// Whether the transport checksum still needs verifying. IP's own is always verified.
    pub checksum: ChecksumState,
    /// Size of the segments merged into this one by the device, if it is a super-segment.
    pub gso_size: Option<u16>,
}

/// What became of a packet from the link.
#[must_use = "a packet for the layer above must be handed on, a verdict be recorded"]
#[derive(Clone, Debug)]
pub enum Delivery {
    /// It is for a transport protocol.
    Up(Up),
    /// It ends here: answered, kept for reassembly, reported as an event, or dropped.
    Done(Verdict),
}

/// A packet for the layer above.
#[derive(Clone, Debug)]
pub struct Up {
    /// Addresses, time, path and markings.
    pub arrival: Arrival,
    /// The protocol of the payload: 6 is TCP, 17 is UDP.
    pub protocol: u8,
    /// The packet, in one piece: who takes it needs no second hold on its buffer.
    pub packet: Bytes,
    /// Where its payload begins.
    pub payload_at: usize,
}

impl Up {
    /// What follows the IP header and its options.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.packet.get(self.payload_at..).unwrap_or_default()
    }

    /// The IP header with options or extension headers, to be quoted if the packet is refused.
    #[must_use]
    pub fn header(&self) -> &[u8] {
        self.packet.get(..self.payload_at).unwrap_or_default()
    }

    /// The payload alone.
    #[must_use]
    pub fn into_payload(self) -> Bytes {
        let mut payload = self.packet;
        payload.advance(self.payload_at.min(payload.len()));
        payload
    }
}

/// Why the layer above refuses a packet: which error [`Endpoint::unreachable`](crate::Endpoint::unreachable) sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unreachable {
    /// Nobody listens on that port.
    Port,
    /// Nobody speaks that protocol.
    Protocol,
    /// A filter said no.
    Prohibited,
}

/// A packet the layer above wants to send: what the IP header needs.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Source: one of our addresses.
    pub src: IpAddr,
    /// Destination, of the same family.
    pub dst: IpAddr,
    /// Protocol number of what follows.
    pub protocol: u8,
    /// Header fields the transport decides. `df` forbids any fragmentation, at the source too.
    pub fields: IpFields,
    /// Bytes after the IP header: the transport header and all it carries.
    pub payload_len: usize,
    /// Payload bytes of one segment, where the device will cut this super-segment.
    pub gso: Option<u16>,
    /// The link it must leave by, if that is not for the routes to say: the destination is then on it.
    pub iface: Option<InterfaceId>,
}

/// What [`Endpoint::wrap`](crate::Endpoint::wrap) made of a plan.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrap {
    /// The header is in the room: send it.
    Wrapped(Hop),
    /// Longer than the path and allowed to be cut: call [`Endpoint::fragment`](crate::Endpoint::fragment).
    Fragment,
    /// It cannot leave.
    Unresolved(Unresolved),
}

/// The way from a host to itself (RFC 1122 3.2.1.3 g, RFC 4291 2.5.3): no device, no neighbour. What leaves by it is to be
/// handed to the same endpoint again.
pub const LOOPBACK: InterfaceId = InterfaceId(u16::MAX);
/// The largest packet on that way: what IPv4's length field can say.
pub const LOOPBACK_MTU: u32 = 65_535;

/// Where a packet goes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop {
    /// The interface.
    pub iface: InterfaceId,
    /// The neighbour: the destination itself, or a gateway.
    pub next: IpAddr,
}

/// Why a packet cannot leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unresolved {
    /// No route leads to the destination.
    #[error("no route to the destination")]
    NoRoute,
    /// Longer than the path, and not to be fragmented.
    #[error("larger than the path's MTU of {mtu} bytes, and not to be fragmented")]
    TooBig {
        /// The largest IP packet that passes.
        mtu: u32,
    },
    /// Longer than any IP packet can be.
    #[error("larger than an IP packet can be")]
    TooLong,
    /// Source and destination are of different families.
    #[error("source and destination are of different address families")]
    MixedFamilies,
    /// The queue of packets waiting for the device is full.
    #[error("too many packets wait for the device")]
    QueueFull,
}

/// A packet IP sends of its own: ICMP and fragments.
#[derive(Clone, Debug)]
pub struct Transmit {
    /// Where to.
    pub hop: Hop,
    /// The whole IP packet.
    pub bytes: Bytes,
    /// Why.
    pub note: Note,
}

/// News for the layers above.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// An echo request of ours was answered.
    EchoReply(EchoReply),
    /// The path says something about a packet of ours; nothing has been changed on its word yet.
    IcmpError {
        /// What is said about what.
        quote: Quote,
        /// The packet that said it.
        id: PacketId,
    },
    /// The largest packet that reaches `dst` has changed.
    PathChanged {
        /// The destination.
        dst: IpAddr,
        /// Bytes, IP header included.
        mtu: u32,
    },
    /// An interface joined a group, or left it: what its link is to let through.
    Group {
        /// The interface.
        iface: InterfaceId,
        /// The group.
        group: IpAddr,
        /// Joined, or left.
        joined: bool,
    },
    /// An address came, aged or went.
    Address {
        /// The interface.
        iface: InterfaceId,
        /// What happened.
        news: AddressNews,
    },
    /// Something was said about where an address is: the link's to judge.
    Neighbor {
        /// The interface.
        iface: InterfaceId,
        /// The address.
        ip: IpAddr,
        /// Where it is, if that was said.
        link: Option<[u8; 6]>,
        /// Who said so.
        heard: Heard,
    },
    /// Routers said who resolves names on a link: see [`Endpoint::resolvers`](crate::Endpoint::resolvers).
    Resolvers {
        /// The interface.
        iface: InterfaceId,
    },
    /// An IPv4 address is to be checked on its link; the answer is `adopt` or `refuse`.
    Claim {
        /// The interface.
        iface: InterfaceId,
        /// The address.
        addr: Ipv4Addr,
    },
    /// A neighbour sends by us what another is nearer to: it is told by [`Endpoint::redirect`](crate::Endpoint::redirect),
    /// once the link was asked where that one is.
    Redirect(Redirect),
}

/// A better first hop, about to be told (RFC 4861 8.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// The link that all three are on.
    pub iface: InterfaceId,
    /// Who is told.
    pub to: Ipv6Addr,
    /// The better hop.
    pub target: Ipv6Addr,
    /// For what goes there.
    pub destination: Ipv6Addr,
    /// The packet that was sent by us.
    pub packet: Bytes,
    /// Its number.
    pub id: PacketId,
}

/// In which role an address was heard of (RFC 4861 7.2.3, 7.2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Heard {
    /// As the source of a question, or as the target of a redirect that is its destination.
    Source,
    /// As the source of a router's word, or as the better router of a redirect.
    Router,
    /// As the target of an advertisement.
    Advertisement {
        /// It answers a question.
        solicited: bool,
        /// It replaces what was known.
        replaces: bool,
        /// It is a router.
        router: bool,
    },
}

/// The answer to an echo request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EchoReply {
    /// Who answered.
    pub from: IpAddr,
    /// The request's identifier.
    pub ident: u16,
    /// The request's sequence number.
    pub seq: u16,
    /// Bytes of data that came back.
    pub len: usize,
    /// The time to live or hop limit left on arrival.
    pub hop_limit: u8,
    /// When it arrived.
    pub at: Instant,
}

/// An ICMP error and the packet it quotes, from our side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quote {
    /// Who sent the error: the destination or a router on the way.
    pub from: IpAddr,
    /// The source of the quoted packet: one of our addresses.
    pub local: IpAddr,
    /// Its destination.
    pub remote: IpAddr,
    /// Its protocol number.
    pub protocol: u8,
    /// What its first bytes say.
    pub inner: Quoted,
    /// What the error means for the sender.
    pub kind: PathSignalKind,
    /// The ICMP type as it came.
    pub icmp_type: u8,
    /// The ICMP code as it came.
    pub icmp_code: u8,
}

/// What an ICMP error quotes behind the IP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quoted {
    /// A TCP segment of ours.
    Tcp {
        /// Our port.
        local: u16,
        /// The peer's port.
        remote: u16,
        /// Its sequence number.
        seq: u32,
    },
    /// A UDP datagram of ours.
    Udp {
        /// Our port.
        local: u16,
        /// The peer's port.
        remote: u16,
    },
    /// An echo request of ours.
    Echo {
        /// Its identifier.
        ident: u16,
        /// Its sequence number.
        seq: u16,
    },
    /// Something else, or too little of it.
    Other,
}

impl Quote {
    /// The flow quoted, if it has ports.
    #[must_use]
    pub const fn flow(&self) -> Option<Flow> {
        let (transport, local, remote) = match self.inner {
            Quoted::Tcp { local, remote, .. } => (Transport::Tcp, local, remote),
            Quoted::Udp { local, remote } => (Transport::Udp, local, remote),
            Quoted::Echo { .. } | Quoted::Other => return None,
        };
        Some(Flow {
            transport,
            local: SocketAddr::new(self.local, local),
            remote: SocketAddr::new(self.remote, remote),
        })
    }

    /// The sequence number quoted, if TCP.
    #[must_use]
    pub const fn seq(&self) -> Option<u32> {
        match self.inner {
            Quoted::Tcp { seq, .. } => Some(seq),
            Quoted::Udp { .. } | Quoted::Echo { .. } | Quoted::Other => None,
        }
    }

    /// The signal for the transport concerned; `id` is the packet that carried the error.
    #[must_use]
    pub fn signal(&self, id: PacketId) -> Option<PathSignal> {
        Some(PathSignal {
            flow: self.flow()?,
            seq: self.seq(),
            kind: self.kind,
            id,
        })
    }
}

/// Why an echo request was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PingError {
    /// No route leads there, or no address of ours fits it.
    #[error("no route to that address")]
    NoRoute,
    /// More data than an IP packet holds.
    #[error("too much data for one packet")]
    TooLong,
    /// Too many packets wait for the device.
    #[error("too many packets wait for the device")]
    QueueFull,
}

/// Why an interface or route was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The number is taken.
    #[error("there is an interface of that number already")]
    DuplicateInterface,
    /// No interface has that number.
    #[error("there is no interface of that number")]
    UnknownInterface,
    /// The MTU cannot carry IP.
    #[error("an MTU must be between 68 and 65535 bytes, and at least 1280 where IPv6 is spoken")]
    Mtu,
    /// A gateway of the other family.
    #[error("the gateway is of another address family than the destination")]
    MixedFamilies,
    /// An address no host may have.
    #[error("a host cannot have that address")]
    Address,
    /// A router cannot say that.
    #[error("{0}")]
    Advertising(&'static str),
    /// The interface has as many addresses as it can hold.
    #[error("the interface has too many addresses")]
    TooMany,
}
