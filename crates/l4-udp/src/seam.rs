//! What goes in and out of the engine.
//!
//! Job: name the values programs and the layer below exchange with UDP. Owns: plain data.
//! Does not know: how any of it is decided.

use core::net::{IpAddr, SocketAddr};
use core::ops::RangeInclusive;

use bytes::Bytes;
use outcrop_base::{
    Ecn, Flow, Instant, InterfaceId, IpFields, Note, PacketId, PathSignalKind, Share,
};

/// Settings of one [`Endpoint`](crate::Endpoint).
#[derive(Clone, Debug)]
pub struct Config {
    /// Datagrams one socket keeps until they are fetched.
    pub receive_datagrams: usize,
    /// Bytes of data one socket keeps until they are fetched.
    pub receive_bytes: usize,
    /// Datagrams one socket may have waiting for the device.
    pub send_datagrams: usize,
    /// Ports given to sockets that do not care.
    pub ephemeral_ports: RangeInclusive<u16>,
    /// Which of them are ours, if several engines are one host.
    pub share: Share,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            receive_datagrams: 256,
            receive_bytes: 256 * 1024,
            send_datagrams: 256,
            // The dynamic ports of RFC 6335 6.
            ephemeral_ports: 49_152..=65_535,
            share: Share::ALL,
        }
    }
}

/// A socket. A stale one is an error, never another socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

/// A datagram that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// Who sent it. Port zero: no answer is wanted.
    pub from: SocketAddr,
    /// To which of our addresses, or to which group.
    pub to: SocketAddr,
    /// Its data.
    pub data: Bytes,
    /// When it arrived.
    pub at: Instant,
    /// The packet that brought it: the cause of what answers it.
    pub id: PacketId,
    /// Where it arrived.
    pub iface: InterfaceId,
    /// The congestion marking it arrived with.
    pub ecn: Ecn,
    /// The time to live or hop limit left.
    pub hop_limit: u8,
}

/// How a datagram is to leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SendOptions {
    /// Our address, where the socket is not bound to one: an answer leaves from the address asked.
    pub source: Option<IpAddr>,
    /// The link it must leave by; `None` leaves that to the routes. Groups and everybody are on more than one.
    pub iface: Option<InterfaceId>,
    /// Time to live, if not the default.
    pub hop_limit: Option<u8>,
    /// Differentiated services code point.
    pub dscp: u8,
    /// Congestion marking.
    pub ecn: Ecn,
    /// Refuse a datagram larger than its path instead of fragmenting it.
    pub dont_fragment: bool,
    /// Why it leaves, where whoever sends it can say more than that a program does.
    pub note: Option<Note>,
}

impl SendOptions {
    pub(crate) fn fields(&self) -> IpFields {
        let default = IpFields::default();
        IpFields {
            ecn: self.ecn,
            dscp: self.dscp,
            ttl: self.hop_limit.unwrap_or(default.ttl),
            df: self.dont_fragment,
            flow_label: 0,
        }
    }
}

/// A datagram on its way out.
#[derive(Clone, Debug)]
pub struct Transmit {
    /// The socket that sent it.
    pub socket: SocketId,
    /// From where to where. An unspecified local address is for IP to choose.
    pub flow: Flow,
    /// The link it must leave by, if the program says so.
    pub iface: Option<InterfaceId>,
    /// What the IP header says.
    pub fields: IpFields,
    /// The data, without a header.
    pub payload: Bytes,
    /// Why.
    pub note: Note,
}

/// News for the program. Each is an edge: told once until the program has acted on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// There is something to receive.
    Readable(SocketId),
    /// There is room to send again.
    Writable(SocketId),
    /// The path said something: see [`Endpoint::take_error`](crate::Endpoint::take_error).
    Error(SocketId),
}

/// What the path said about a datagram of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathError {
    /// To whom it was sent.
    pub remote: SocketAddr,
    /// What is said: `Hard` is a closed port or a filter.
    pub kind: PathSignalKind,
}

/// Why a socket was not bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// Another socket has that port.
    #[error("the address is in use")]
    InUse,
    /// No ephemeral port is free.
    #[error("no port is free")]
    NoPort,
}

/// Why a socket was not connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The socket is closed.
    #[error("no such socket")]
    UnknownSocket,
    /// Port zero, no address, or an address of the other family.
    #[error("not an address that this socket can speak to")]
    Address,
}

/// Why a datagram was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The socket is closed.
    #[error("no such socket")]
    UnknownSocket,
    /// No destination given, and the socket is not connected.
    #[error("the socket is not connected")]
    NotConnected,
    /// Port zero, no address, or an address of the other family.
    #[error("not an address that this socket can speak to")]
    Address,
    /// More data than a datagram holds.
    #[error("more than the {max} bytes a datagram holds")]
    TooLong {
        /// The most.
        max: usize,
    },
    /// Too many datagrams wait for the device; [`Event::Writable`] tells when there is room.
    #[error("too many datagrams wait for the device")]
    QueueFull,
}

/// The socket is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such socket")]
pub struct UnknownSocket;
