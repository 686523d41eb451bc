//! The engine's face.
//!
//! Job: sockets, their queues, and the six verbs. Owns: everything a socket holds.
//! Does not know: routes, devices, or what programs do with datagrams.
//! Sources: RFC 768, RFC 1122 4.1, RFC 6056 3.3.1 (ports), RFC 8085 5.2 (errors).

use std::collections::VecDeque;

use core::hash::{Hash, Hasher};
use core::net::SocketAddr;

use bytes::Bytes;
use outcrop_base::{
    Arrival, CallKind, Cause, DropReason, Flow, Instant, Limit, Note, PathSignal, Random, Seed,
    Transport, Value, Verdict, Why,
};

use crate::table::Table;
use crate::{
    BindError, Config, ConnectError, Datagram, Event, PathError, Rule, SendError, SendOptions,
    SocketId, Transmit, UnknownSocket, wire,
};

/// Data shorter than this is copied out of the device's read buffer, which it would pin as a whole.
const COPY_BELOW: usize = 34 * 1024;
/// What a waiting datagram costs beyond its data; an empty one is not free.
const DATAGRAM_OVERHEAD: usize = 128;
/// News from the path that one socket keeps.
const MAX_ERRORS: usize = 8;

/// UDP of one host.
#[derive(Clone, Debug)]
pub struct Endpoint {
    config: Config,
    ports: Random,
    table: Table<Socket>,
    out: VecDeque<Transmit>,
    /// Sockets with an event to tell, each at most once.
    ready: VecDeque<SocketId>,
}

#[derive(Clone, Debug, Default)]
struct Socket {
    received: VecDeque<Datagram>,
    received_bytes: usize,
    /// Datagrams in `Endpoint::out`.
    sending: usize,
    errors: VecDeque<PathError>,
    pending: Pending,
}

/// Edges not yet told.
#[derive(Clone, Copy, Debug, Default, Hash)]
struct Pending {
    readable: bool,
    writable: bool,
    error: bool,
    /// A send was refused: say when there is room.
    wants_room: bool,
    /// In `Endpoint::ready`.
    queued: bool,
}

impl Endpoint {
    /// A host without sockets.
    #[must_use]
    pub fn new(config: Config, seed: &Seed) -> Self {
        Self {
            config,
            ports: seed.random("udp-ports"),
            table: Table::new(),
            out: VecDeque::new(),
            ready: VecDeque::new(),
        }
    }

    /// Opens a socket at `local`. An unspecified address means all of that family, port zero any free one.
    ///
    /// # Errors
    /// [`BindError::InUse`] if a socket has that port there already.
    pub fn bind(&mut self, local: SocketAddr) -> Result<SocketId, BindError> {
        let local = if local.port() == 0 {
            self.free_port(local).ok_or(BindError::NoPort)?
        } else {
            local
        };
        if self.table.is_bound(local) {
            return Err(BindError::InUse);
        }
        Ok(self.table.insert(local, Socket::default()))
    }

    /// Whether a socket would hear a datagram of `flow`.
    #[must_use]
    pub fn expects(&self, flow: &Flow) -> bool {
        self.table.find(flow.local, flow.remote).is_some()
    }

    /// A random ephemeral port, or the next free one after it (RFC 6056 3.3.1).
    fn free_port(&mut self, local: SocketAddr) -> Option<SocketAddr> {
        let range = self.config.ephemeral_ports.clone();
        let first = u32::from(*range.start());
        let count = u32::try_from(range.count()).unwrap_or(0);
        let start = u32::try_from(self.ports.below(u64::from(count))).unwrap_or(0);
        (0..count).find_map(|n| {
            let port = u16::try_from(first + (start + n) % count).ok()?;
            let candidate = SocketAddr::new(local.ip(), port);
            let ours = port != 0 && self.config.share.owns(port);
            (ours && !self.table.is_bound(candidate)).then_some(candidate)
        })
    }

    /// Makes `remote` the socket's only peer: others are no longer heard, and [`Endpoint::send`] goes there.
    ///
    /// # Errors
    /// A closed socket, or an address it cannot speak to.
    pub fn connect(&mut self, socket: SocketId, remote: SocketAddr) -> Result<(), ConnectError> {
        let (key, _) = self.table.get(socket).ok_or(ConnectError::UnknownSocket)?;
        if !can_speak(key.local, remote) {
            return Err(ConnectError::Address);
        }
        self.table.connect(socket, Some(remote));
        Ok(())
    }

    /// Sends to the connected peer.
    ///
    /// # Errors
    /// Why nothing was queued.
    pub fn send(
        &mut self,
        socket: SocketId,
        data: Bytes,
        options: &SendOptions,
    ) -> Result<(), SendError> {
        let (key, _) = self.table.get(socket).ok_or(SendError::UnknownSocket)?;
        let remote = key.remote.ok_or(SendError::NotConnected)?;
        self.send_to(socket, remote, data, options)
    }

    /// Sends one datagram to `remote`.
    ///
    /// # Errors
    /// Why nothing was queued.
    pub fn send_to(
        &mut self,
        socket: SocketId,
        remote: SocketAddr,
        data: Bytes,
        options: &SendOptions,
    ) -> Result<(), SendError> {
        let most = self.config.send_datagrams;
        let (key, state) = self.table.get_mut(socket).ok_or(SendError::UnknownSocket)?;
        let mut local = key.local;
        if !can_speak(local, remote) {
            return Err(SendError::Address);
        }
        let max = if local.is_ipv4() {
            wire::MAX_DATA_V4
        } else {
            wire::MAX_DATA_V6
        };
        if data.len() > max {
            return Err(SendError::TooLong { max });
        }
        if let Some(source) = options.source.filter(|_| local.ip().is_unspecified()) {
            if source.is_ipv4() != local.is_ipv4() {
                return Err(SendError::Address);
            }
            local.set_ip(source);
        }
        if state.sending >= most {
            state.pending.wants_room = true;
            return Err(SendError::QueueFull);
        }
        state.sending += 1;
        self.out.push_back(Transmit {
            socket,
            flow: Flow {
                transport: Transport::Udp,
                local,
                remote,
            },
            iface: options.iface,
            fields: options.fields(),
            payload: data,
            note: options.note.unwrap_or_else(|| {
                Note::new(Why::Datagram, Limit::App, Cause::Call(CallKind::Send))
            }),
        });
        Ok(())
    }

    /// The oldest datagram not yet fetched; `None` if there is none.
    ///
    /// # Errors
    /// A closed socket.
    pub fn recv(&mut self, socket: SocketId) -> Result<Option<Datagram>, UnknownSocket> {
        let (_, state) = self.table.get_mut(socket).ok_or(UnknownSocket)?;
        let datagram = state.received.pop_front();
        if let Some(datagram) = &datagram {
            state.received_bytes -= cost(datagram);
        }
        Ok(datagram)
    }

    /// The oldest news from the path not yet fetched.
    pub fn take_error(&mut self, socket: SocketId) -> Option<PathError> {
        self.table.get_mut(socket)?.1.errors.pop_front()
    }

    /// The socket's own address.
    #[must_use]
    pub fn local(&self, socket: SocketId) -> Option<SocketAddr> {
        self.table.get(socket).map(|(key, _)| key.local)
    }

    /// The socket's peer, if it is connected.
    #[must_use]
    pub fn remote(&self, socket: SocketId) -> Option<SocketAddr> {
        self.table.get(socket)?.0.remote
    }

    /// Closes a socket. What it has sent still leaves; what it has not fetched is gone.
    pub fn close(&mut self, socket: SocketId) {
        let _unread = self.table.remove(socket);
    }

    /// Takes a datagram with its header from IP.
    pub fn handle_segment(&mut self, a: &Arrival, bytes: Bytes) -> Verdict {
        let (header, data) = match wire::parse(a, bytes) {
            Ok(parsed) => parsed,
            Err(reason @ (DropReason::UdpBadChecksum | DropReason::UdpNoChecksum)) => {
                return Rule::Checksum.drop(reason);
            }
            Err(reason) => return Rule::Length.drop(reason),
        };
        let from = SocketAddr::new(a.src, header.src_port);
        let to = SocketAddr::new(a.dst, header.dst_port);
        let Some(socket) = self.table.find(to, from) else {
            return Rule::NoSocket.drop(DropReason::UdpNoSocket);
        };
        // A device that merges datagrams of one flow says how long each was.
        let each = a.gso_size.map_or(data.len(), usize::from).max(1);
        let mut kept = true;
        for n in 0..data.len().div_ceil(each).max(1) {
            let data = data.slice(n * each..data.len().min((n + 1) * each));
            let datagram = Datagram {
                from,
                to,
                data: if data.len() < COPY_BELOW {
                    Bytes::copy_from_slice(&data)
                } else {
                    data
                },
                at: a.at,
                id: a.id,
                iface: a.iface,
                ecn: a.ecn,
                hop_limit: a.hop_limit,
            };
            kept &= self.keep(socket, datagram);
        }
        if !kept {
            return Rule::ReceiveQueue.drop(DropReason::UdpQueueFull);
        }
        Rule::Demultiplex.taken()
    }

    /// Queues a datagram for its program; `false` if there is no room.
    fn keep(&mut self, socket: SocketId, datagram: Datagram) -> bool {
        let most = (self.config.receive_datagrams, self.config.receive_bytes);
        let Some((_, state)) = self.table.get_mut(socket) else {
            return false;
        };
        let bytes = state.received_bytes + cost(&datagram);
        if state.received.len() >= most.0 || bytes > most.1 {
            return false;
        }
        state.received_bytes = bytes;
        state.received.push_back(datagram);
        self.tell(socket, |pending| pending.readable = true);
        true
    }

    /// Takes news from the path about a datagram of ours.
    pub fn handle_path(&mut self, _now: Instant, signal: &PathSignal) -> Verdict {
        let socket = self.table.find(signal.flow.local, signal.flow.remote);
        let state = socket.and_then(|id| Some((id, self.table.get_mut(id)?.1)));
        let Some((socket, state)) = state else {
            return Rule::PathSignal.drop(DropReason::IcmpUnrelated);
        };
        if state.errors.len() < MAX_ERRORS {
            let PathSignal { flow, kind, .. } = *signal;
            state.errors.push_back(PathError {
                remote: flow.remote,
                kind,
            });
        }
        self.tell(socket, |pending| pending.error = true);
        Rule::PathSignal.taken()
    }

    /// Nothing: UDP has no timers.
    pub const fn handle_timeout(&mut self, _now: Instant) {}

    /// The next datagram to leave.
    pub fn poll_transmit(&mut self, _now: Instant) -> Option<Transmit> {
        let transmit = self.out.pop_front()?;
        if let Some((_, state)) = self.table.get_mut(transmit.socket) {
            state.sending -= 1;
            if state.pending.wants_room {
                state.pending.wants_room = false;
                self.tell(transmit.socket, |pending| pending.writable = true);
            }
        }
        Some(transmit)
    }

    /// The next news for a program.
    pub fn poll_event(&mut self) -> Option<Event> {
        loop {
            let socket = *self.ready.front()?;
            let state = self.table.get_mut(socket).map(|(_, state)| state);
            if let Some(event) = state.and_then(|state| state.pending.take(socket)) {
                return Some(event);
            }
            self.ready.pop_front();
        }
    }

    /// Never: UDP has no timers.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// Tells a socket's state as keys and values.
    pub fn describe(&self, socket: SocketId, visit: &mut dyn FnMut(&'static str, Value<'_>)) {
        if let Some((_, state)) = self.table.get(socket) {
            visit("rxq", Value::Number(state.received.len() as u64));
            visit("rxq_bytes", Value::Number(state.received_bytes as u64));
            visit("txq", Value::Number(state.sending as u64));
        }
    }

    /// The socket that a datagram of this flow belongs to.
    #[must_use]
    pub fn socket_of(&self, flow: &Flow) -> Option<SocketId> {
        self.table.find(flow.local, flow.remote)
    }

    /// Hashes everything that decides what happens next.
    pub fn fingerprint(&self, _now: Instant, into: &mut dyn Hasher) {
        let mut into = into;
        for (key, state) in self.table.iter() {
            let Socket {
                received,
                received_bytes,
                sending,
                errors,
                pending,
            } = state;
            (key, received_bytes, sending, errors.len(), pending).hash(&mut into);
            for Datagram { from, to, data, .. } in received {
                (from, to, data).hash(&mut into);
            }
        }
        for Transmit {
            flow,
            iface,
            payload,
            ..
        } in &self.out
        {
            (flow, iface, payload).hash(&mut into);
        }
        // The generator's state, seen through its next number.
        self.ports.clone().next_u64().hash(&mut into);
    }

    fn tell(&mut self, socket: SocketId, set: impl FnOnce(&mut Pending)) {
        if let Some((_, state)) = self.table.get_mut(socket) {
            set(&mut state.pending);
            if !state.pending.queued {
                state.pending.queued = true;
                self.ready.push_back(socket);
            }
        }
    }
}

impl Pending {
    /// One edge, or `None` and no longer queued.
    const fn take(&mut self, socket: SocketId) -> Option<Event> {
        if self.error {
            self.error = false;
            return Some(Event::Error(socket));
        }
        if self.readable {
            self.readable = false;
            return Some(Event::Readable(socket));
        }
        if self.writable {
            self.writable = false;
            return Some(Event::Writable(socket));
        }
        self.queued = false;
        None
    }
}

const fn cost(datagram: &Datagram) -> usize {
    datagram.data.len() + DATAGRAM_OVERHEAD
}

/// Whether a socket at `local` can send to `remote` at all.
fn can_speak(local: SocketAddr, remote: SocketAddr) -> bool {
    local.is_ipv4() == remote.is_ipv4() && remote.port() != 0 && !remote.ip().is_unspecified()
}
