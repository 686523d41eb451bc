//! What programs are told, and by which names.
//!
//! Job: one list of edges for all transports, and handles that name their owner's kind.
//! Owns: the types. Does not know: who waits for what.

use outcrop_tcp::CloseReason;

use super::Core;

/// A TCP connection of one [`Core`]. Stale handles are an error, never another connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub(crate) outcrop_tcp::ConnId);

/// A TCP listener of one [`Core`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenerId(pub(crate) outcrop_tcp::ListenerId);

/// A UDP socket of one [`Core`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UdpId(pub(crate) outcrop_udp::SocketId);

/// A sender of echo requests of one [`Core`], by the identifier its requests carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PingId(pub(crate) u16);

/// A raw socket of one [`Core`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RawId(pub(crate) u16);

/// Something a program may be waiting for. Edges: each is told once when it becomes true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// A connection is waiting to be accepted.
    Acceptable(ListenerId),
    /// An active open has completed.
    Connected(StreamId),
    /// There are bytes to read, or the peer has finished.
    Readable(StreamId),
    /// A write that found no room would find some now.
    Writable(StreamId),
    /// The peer has urgent data, or more of it than it said before.
    Urgent(StreamId),
    /// Retransmissions go unanswered; the connection lives on.
    Doubtful(StreamId),
    /// The connection has ended, in this way.
    Closed(StreamId, CloseReason),
    /// A datagram, or an error about one, waits.
    Datagram(UdpId),
    /// A datagram that found no room would find some now.
    DatagramRoom(UdpId),
    /// An echo, or an error about one, waits.
    Echo(PingId),
    /// A packet waits in a raw socket.
    Raw(RawId),
}

impl Core {
    /// The next thing a program may be waiting for. What a program closes itself is told once more, so
    /// that others who wait for it learn that there is nothing to wait for.
    pub fn poll_event(&mut self) -> Option<Event> {
        if let Some(event) = self.tcp.poll_event() {
            return Some(match event {
                outcrop_tcp::Event::Acceptable(id) => Event::Acceptable(ListenerId(id)),
                outcrop_tcp::Event::Connected(id) => Event::Connected(StreamId(id)),
                outcrop_tcp::Event::Readable(id) => Event::Readable(StreamId(id)),
                outcrop_tcp::Event::Writable(id) => Event::Writable(StreamId(id)),
                outcrop_tcp::Event::Urgent(id) => Event::Urgent(StreamId(id)),
                outcrop_tcp::Event::Doubtful(id) => Event::Doubtful(StreamId(id)),
                outcrop_tcp::Event::Closed(id, reason) => Event::Closed(StreamId(id), reason),
            });
        }
        if let Some(event) = self.udp.poll_event() {
            return Some(match event {
                outcrop_udp::Event::Readable(id) | outcrop_udp::Event::Error(id) => {
                    Event::Datagram(UdpId(id))
                }
                outcrop_udp::Event::Writable(id) => Event::DatagramRoom(UdpId(id)),
            });
        }
        let echo = self.pings.poll_event().map(Event::Echo);
        let raw = || self.raws.poll_event().map(Event::Raw);
        echo.or_else(raw).or_else(|| self.farewells.pop())
    }
}
