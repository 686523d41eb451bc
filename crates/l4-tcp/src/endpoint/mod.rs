//! The face of the engine.
use core::net::SocketAddr;
use std::io::IoSlice;
use bytes::Bytes;
use outcrop_base::*;
use crate::*;

/// Every connection of one shard.
#[derive(Clone, Debug)]
pub struct Endpoint {}

impl Endpoint {
    /// An endpoint.
    #[must_use]
    pub fn new(config: Config, seed: &Seed) -> Self { todo!() }
    /// A segment from `a.src` to `a.dst`, as `wire::parse` read it.
    pub fn handle_segment(&mut self, a: &Arrival, segment: Segment, payload: Bytes) -> Verdict { todo!() }
    /// News from the path.
    pub fn handle_path(&mut self, now: Instant, signal: &PathSignal) -> Verdict { todo!() }
    /// Time passed.
    pub fn handle_timeout(&mut self, now: Instant) { todo!() }
    /// The next packet.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Transmit> { todo!() }
    /// The payload of a plan just polled: fills `out`, returns how many slices.
    pub fn payload<'a>(&'a self, t: &Transmit, out: &mut [IoSlice<'a>]) -> usize { todo!() }
    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> { todo!() }
    /// The next deadline (never too late; a lazy timer may make it early).
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> { todo!() }
    /// Listens; an unspecified address means all of its family.
    pub fn listen(&mut self, local: SocketAddr, settings: Listen) -> Result<ListenerId, ListenError> { todo!() }
    /// Stops listening: handshakes under way and connections not accepted are reset.
    pub fn unlisten(&mut self, id: ListenerId) -> Result<(), StaleId> { todo!() }
    /// The address of a listener.
    pub fn listener_addr(&self, id: ListenerId) -> Option<SocketAddr> { todo!() }
    /// The longest waiting connection.
    pub fn accept(&mut self, id: ListenerId) -> Option<ConnId> { todo!() }
    /// Opens; a local port of zero is chosen. `settings`: `None` means the endpoint's.
    pub fn connect(&mut self, local: SocketAddr, remote: SocketAddr, path: Path, settings: Option<Settings>) -> Result<ConnId, ConnectError> { todo!() }
    /// The next bytes, `None` after the peer's finish, `Err(WouldBlock)` if nothing is there yet.
    pub fn read(&mut self, id: ConnId) -> Result<Option<Bytes>, ReadError> { todo!() }
    /// Takes bytes from the front of `data` as room allows (zero: wait for `Event::Writable`).
    pub fn write(&mut self, id: ConnId, data: &mut ChunkQueue) -> Result<usize, WriteError> { todo!() }
    /// No more to send: FIN after everything written.
    pub fn shutdown(&mut self, id: ConnId) -> Result<(), StaleId> { todo!() }
    /// Lets go: the id is stale from now on, the engine finishes (unread data: reset).
    pub fn close(&mut self, id: ConnId) -> Result<(), StaleId> { todo!() }
    /// Resets; the id stays good until `close`.
    pub fn abort(&mut self, id: ConnId) -> Result<(), StaleId> { todo!() }
    /// The connection's settings.
    pub fn settings(&self, id: ConnId) -> Option<&Settings> { todo!() }
    /// Changes the connection's settings (window scale, timestamps, SACK and MSS have effect only before the SYN).
    pub fn configure(&mut self, id: ConnId, change: impl FnOnce(&mut Settings)) -> Result<(), StaleId> { todo!() }
    /// How the connection is doing.
    pub fn info(&self, id: ConnId) -> Option<Info> { todo!() }
    /// How the flow is doing, be it a connection, an embryo, a listener or a tuple in TIME-WAIT.
    pub fn state_of(&self, flow: &Flow) -> State { todo!() }
    /// The connection of a flow, while it has one.
    pub fn find(&self, flow: &Flow) -> Option<ConnId> { todo!() }
    /// Tells a connection's state as keys and values.
    pub fn describe(&self, id: ConnId, visit: &mut dyn FnMut(&'static str, Value<'_>)) { todo!() }
    /// The same by flow, for packets that belong to no connection as well (then only `state`).
    pub fn describe_flow(&self, flow: &Flow, visit: &mut dyn FnMut(&'static str, Value<'_>)) { todo!() }
    /// Facts since the last call; `facts().set_level(..)` switches them on.
    pub fn facts(&mut self) -> &mut Facts { todo!() }
    /// Connections, embryos included.
    pub fn len(&self) -> usize { todo!() }
    /// Whether there are none.
    pub fn is_empty(&self) -> bool { todo!() }
    /// Counts.
    pub fn counters(&self) -> &Counters { todo!() }
    /// Hashes everything, with times relative to `now`.
    pub fn fingerprint(&self, now: Instant, into: &mut dyn core::hash::Hasher) { todo!() }
    /// Panics if the engine could stall for ever.
    #[doc(hidden)]
    pub fn check(&self, now: Instant) { todo!() }
}
/// Counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters { /// Opened.
 pub opened: u64 }
pub(crate) fn flow_of(a: &Arrival, segment: &Segment) -> Flow {
    Flow {
        transport: Transport::Tcp,
        local: SocketAddr::new(a.dst, segment.dst_port),
        remote: SocketAddr::new(a.src, segment.src_port),
    }
}
