//! What a program asks for.
//!
//! Job: the user calls of RFC 9293 3.10.1 to 3.10.5, each for whatever phase the connection is in.
//! Owns: nothing. Does not know: time; what a call causes is decided at the next `poll_transmit(now)`.
//! Sources: RFC 9293 3.9.1 and 3.10; RFC 6056 (local ports).
//!
//! RFC 9293's CLOSE is `shutdown` here: no more to send. `close` lets go of the id as well.

use core::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use outcrop_base::{
    CallKind, Cause, ChunkQueue, Fact, FactKind, Flow, IpFields, Limit, Note, Path, Transport, Why,
};

use super::place::{Holder, Phase, Place};
use super::{Endpoint, place_holder};
use crate::config::{Listen, Settings};
use crate::connection::{Connection, Cx};
use crate::error::{ConnectError, ListenError, ReadError, StaleId, WriteError};
use crate::event::{CloseReason, Edges};
use crate::handshake::{Early, Embryo, Origin};
use crate::segment::{Flags, SegmentHeader, StreamRange};
use crate::state::State;
use crate::table::{FlowTable, ListenerId};
use crate::transmit::{ConnId, Transmit};

impl Endpoint {
    /// Listens on `local`; an unspecified address means every address of its family.
    ///
    /// # Errors
    /// The address is taken by another listener, or the port is zero.
    pub fn listen(
        &mut self,
        local: SocketAddr,
        settings: Listen,
    ) -> Result<ListenerId, ListenError> {
        if local.port() == 0 {
            return Err(ListenError::NoPort);
        }
        let id = self
            .listeners
            .insert(local, settings)
            .ok_or(ListenError::AddressInUse)?;
        let flow = Flow {
            transport: Transport::Tcp,
            local,
            remote: SocketAddr::new(local.ip(), 0),
        };
        let cause = Cause::Call(CallKind::Listen);
        self.emit_state(&flow, State::Closed, State::Listen, cause);
        Ok(id)
    }

    /// Stops listening. Handshakes under way and connections nobody accepted are reset.
    ///
    /// # Errors
    /// The id names no listener.
    pub fn unlisten(&mut self, id: ListenerId) -> Result<(), StaleId> {
        self.listeners.get(id).ok_or(StaleId)?;
        let orphans: Vec<ConnId> = self
            .places
            .iter()
            .filter(|(_, _, place)| place.holder == Holder::Listener(id))
            .map(|(orphan, _, _)| orphan)
            .collect();
        for orphan in orphans {
            self.abort_place(orphan);
            if let Some((_, place)) = self.places.get_mut(orphan) {
                place.holder = Holder::Nobody;
                if let Phase::Ended(_) = place.phase {
                    self.vacate(orphan);
                }
            }
        }
        self.listeners.remove(id);
        self.auth.drop_ring(id);
        Ok(())
    }

    /// Where a listener listens.
    #[must_use]
    pub fn listener_addr(&self, id: ListenerId) -> Option<SocketAddr> {
        self.listeners.get(id).map(|listener| listener.local)
    }

    /// Takes the longest waiting connection; it is the program's from now on.
    pub fn accept(&mut self, id: ListenerId) -> Option<ConnId> {
        let connection = self.listeners.get_mut(id)?.accept()?;
        let (_, place) = self.places.get_mut(connection)?;
        place.holder = Holder::Program;
        self.queue_events(connection);
        Some(connection)
    }

    /// Opens a connection over `path`. A local port of zero is chosen for the program (RFC 6056);
    /// `settings` of `None` are the endpoint's. `Event::Connected` or `Event::Closed` will tell.
    ///
    /// # Errors
    /// The remote address is not one to connect to, or no local port is free for it.
    pub fn connect(
        &mut self,
        local: SocketAddr,
        remote: SocketAddr,
        path: Path,
        settings: Option<Settings>,
    ) -> Result<ConnId, ConnectError> {
        let addr = remote.ip();
        let everybody = matches!(addr, IpAddr::V4(addr) if addr.is_broadcast());
        let unfit = everybody || addr.is_unspecified() || addr.is_multicast() || remote.port() == 0;
        if unfit || local.is_ipv4() != remote.is_ipv4() {
            return Err(ConnectError::BadRemote);
        }
        let flow = self.free_flow(local, remote)?;
        let settings = settings.unwrap_or(self.config.settings);
        let mut embryo = Embryo::active(settings, path, self.isn.timestamp_offset(&flow));
        if let Origin::Active(early) = &mut embryo.origin
            && settings.fast_open
        {
            early.fast_open = self.known.option(self.latest, addr);
            let has_cookie = early
                .fast_open
                .is_some_and(|(cookie, _)| !cookie.is_request());
            if settings.hold_syn && has_cookie {
                embryo.hold();
            }
        }
        self.auth.forget(&flow);
        let place = Place::new(Phase::Embryo(Box::new(embryo)), Holder::Program);
        let id = self.places.insert(flow, place);
        self.counters.active_opens += 1;
        let cause = Cause::Call(CallKind::Connect);
        self.emit_state(&flow, State::Closed, State::SynSent, cause);
        self.settle(id);
        Ok(id)
    }

    fn free_flow(&mut self, local: SocketAddr, remote: SocketAddr) -> Result<Flow, ConnectError> {
        let flow_from = |port| Flow {
            transport: Transport::Tcp,
            local: SocketAddr::new(local.ip(), port),
            remote,
        };
        let (places, time_wait) = (&self.places, &self.time_wait);
        let is_free = |port| {
            let flow = flow_from(port);
            flow.local != remote && places.find(&flow).is_none() && !time_wait.rests(&flow)
        };
        let share = self.config.share;
        if local.port() != 0 {
            return if !share.owns(local.port()) {
                // Another engine of this host may have the same flow, and nobody would know.
                Err(ConnectError::OtherShare)
            } else if is_free(local.port()) {
                Ok(flow_from(local.port()))
            } else {
                Err(ConnectError::AlreadyExists)
            };
        }
        // RFC 6056 3.2: a port that somebody listens on is not drawn; who names it may have it.
        let listeners = &self.listeners;
        let is_quiet = |port| listeners.find(SocketAddr::new(local.ip(), port)).is_none();
        self.ports
            .choose(local, remote, |port| {
                share.owns(port) && is_quiet(port) && is_free(port)
            })
            .map(flow_from)
            .ok_or(ConnectError::NoPortFree)
    }

    /// The next bytes; `None` once the peer has finished and everything is read.
    ///
    /// # Errors
    /// `WouldBlock` if nothing is there yet, how the connection ended if not by the peer's finish,
    /// or a stale id.
    pub fn read(&mut self, id: ConnId) -> Result<Option<Bytes>, ReadError> {
        let (_, place) = held(&mut self.places, id).ok_or(ReadError::Stale)?;
        match &mut place.phase {
            Phase::Embryo(embryo) => {
                if embryo.is_held() {
                    embryo.release(CallKind::Read);
                    self.settle(id);
                }
                Err(ReadError::WouldBlock)
            }
            Phase::Open(connection) => {
                let read = connection.read();
                if matches!(read, Ok(Some(_))) {
                    self.settle(id);
                }
                read
            }
            Phase::Dormant(sleeper) if sleeper.dormant.peer_finished() => Ok(None),
            Phase::Dormant(_) => Err(ReadError::WouldBlock),
            Phase::Ended(ended) => match ended.readable.pop(usize::MAX) {
                Some(bytes) => {
                    self.count(id);
                    Ok(Some(bytes))
                }
                None if ended.peer_finished => Ok(None),
                None => Err(ReadError::Closed(ended.reason)),
            },
        }
    }

    /// Takes bytes from the front of `data` as room allows, and returns how many; after taking less
    /// than everything, `Event::Writable` tells of room.
    ///
    /// # Errors
    /// The sending side was shut down, the connection has ended, or a stale id.
    pub fn write(&mut self, id: ConnId, data: &mut ChunkQueue) -> Result<usize, WriteError> {
        self.wake(id);
        let (flow, place) = held(&mut self.places, id).ok_or(WriteError::Stale)?;
        let taken = match &mut place.phase {
            Phase::Embryo(embryo) => match &mut embryo.origin {
                Origin::Active(early) => {
                    let taken = write_early(early, data)?;
                    embryo.release(CallKind::Write);
                    taken
                }
                Origin::Passive(_) => return Err(WriteError::Stale),
            },
            Phase::Open(connection) => connection.write(data)?,
            Phase::Dormant(_) => return Ok(0),
            Phase::Ended(ended) => return Err(WriteError::Closed(ended.reason)),
        };
        let (flow, bytes) = (Some(*flow), taken as u64);
        let cause = Cause::Call(CallKind::Write);
        self.facts
            .emit(|| Fact::new(flow, FactKind::Call { bytes }, cause));
        self.settle(id);
        Ok(taken)
    }

    /// The same for urgent data (RFC 9293 3.10.2): what is taken, and everything before it, is announced
    /// to the peer as urgent. It stays in its place in the stream. New protocols should do without
    /// (SHLD-13, RFC 6093).
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_urgent(&mut self, id: ConnId, data: &mut ChunkQueue) -> Result<usize, WriteError> {
        let taken = self.write(id, data)?;
        if taken == 0 {
            return Ok(0);
        }
        if let Some((_, place)) = held(&mut self.places, id) {
            match &mut place.phase {
                Phase::Embryo(embryo) => {
                    if let Origin::Active(early) = &mut embryo.origin {
                        early.urgent = early.written.len() as u64;
                    }
                }
                Phase::Open(connection) => connection.mark_urgent(),
                Phase::Dormant(_) | Phase::Ended(_) => {}
            }
        }
        Ok(taken)
    }

    /// The same for a whole record: if all of it is taken, no segment will carry its last byte and the next one written
    /// (`MSG_EOR`). What is written before the handshake is over is not kept apart.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_record(&mut self, id: ConnId, data: &mut ChunkQueue) -> Result<usize, WriteError> {
        let taken = self.write(id, data)?;
        if data.is_empty()
            && let Some((_, place)) = held(&mut self.places, id)
            && let Phase::Open(connection) = &mut place.phase
        {
            connection.end_record();
        }
        Ok(taken)
    }

    /// How many of the bytes to be read next the peer called urgent, arrived or not
    /// (RFC 9293 3.8.5 MUST-33); zero in normal mode.
    #[must_use]
    pub fn urgent_left(&self, id: ConnId) -> u64 {
        let left = |place: &Place| place.with_connection(&self.shared, Connection::urgent_left);
        self.places.get(id).and_then(left).unwrap_or(0)
    }

    /// Takes back what was written and has not left yet; returns how many bytes (RFC 9293 3.9.1.7 FLUSH, MAY-14). What
    /// left is delivered, and a FIN asked for still follows.
    ///
    /// # Errors
    /// A stale id.
    pub fn discard_unsent(&mut self, id: ConnId) -> Result<u64, StaleId> {
        let (_, place) = held(&mut self.places, id).ok_or(StaleId)?;
        let dropped = match &mut place.phase {
            Phase::Embryo(embryo) => embryo.discard_unsent(),
            Phase::Open(connection) => connection.discard_unsent(),
            // A quiet one has nothing unsent.
            Phase::Dormant(_) | Phase::Ended(_) => 0,
        };
        self.settle(id);
        Ok(dropped)
    }

    /// No more to send: a FIN follows everything written (RFC 9293 3.10.4). Reading goes on.
    /// A second call has no effect.
    ///
    /// # Errors
    /// A stale id.
    pub fn shutdown(&mut self, id: ConnId) -> Result<(), StaleId> {
        self.wake(id);
        let (flow, place) = held(&mut self.places, id).ok_or(StaleId)?;
        match &mut place.phase {
            Phase::Embryo(embryo) => {
                if let Origin::Active(early) = &mut embryo.origin {
                    early.shutdown = true;
                }
                embryo.release(CallKind::Shutdown);
            }
            Phase::Open(connection) => connection.shutdown(&mut Cx {
                flow,
                facts: &mut self.facts,
                cause: Cause::Call(CallKind::Shutdown),
            }),
            Phase::Dormant(_) | Phase::Ended(_) => {}
        }
        self.settle(id);
        Ok(())
    }

    /// Lets go: the id is stale from now on, and the engine finishes alone. Bytes that nobody has
    /// read, or that arrive later, reset the connection (RFC 9293 3.6.1, RFC 1122 4.2.2.13).
    ///
    /// # Errors
    /// A stale id.
    pub fn close(&mut self, id: ConnId) -> Result<(), StaleId> {
        self.wake(id);
        let (flow, place) = held(&mut self.places, id).ok_or(StaleId)?;
        place.holder = Holder::Nobody;
        place.edges = Edges::NONE;
        let cause = Cause::Call(CallKind::Close);
        match &mut place.phase {
            Phase::Embryo(embryo) if embryo.state() == State::SynSent => {
                // RFC 9293 3.10.4: in SYN-SENT, CLOSE deletes the connection.
                self.end_embryo(id, None, cause);
            }
            Phase::Embryo(embryo) => {
                if let Origin::Active(early) = &mut embryo.origin {
                    early.shutdown = true;
                }
            }
            Phase::Open(connection) => connection.let_go(&mut Cx {
                flow,
                facts: &mut self.facts,
                cause,
            }),
            Phase::Dormant(_) => {}
            Phase::Ended(_) => self.vacate(id),
        }
        self.settle(id);
        Ok(())
    }

    /// Ends the connection at once by a reset (RFC 9293 3.10.5). The id stays good until `close`.
    ///
    /// # Errors
    /// A stale id.
    pub fn abort(&mut self, id: ConnId) -> Result<(), StaleId> {
        if place_holder(&self.places, id) != Some(Holder::Program) {
            return Err(StaleId);
        }
        self.abort_place(id);
        Ok(())
    }

    fn abort_place(&mut self, id: ConnId) {
        let cause = Cause::Call(CallKind::Abort);
        self.wake(id);
        let Some((flow, place)) = self.places.get_mut(id) else {
            return;
        };
        match &mut place.phase {
            Phase::Embryo(embryo) => {
                let reset = abort_embryo(embryo, flow, &self.config.settings, cause);
                if let Some(reset) = reset {
                    self.reply(reset);
                }
                self.end_embryo(id, Some(CloseReason::Aborted), cause);
            }
            Phase::Open(connection) => {
                let facts = &mut self.facts;
                connection.abort(&mut Cx { flow, facts, cause });
            }
            Phase::Dormant(_) | Phase::Ended(_) => {}
        }
        self.settle(id);
    }

    /// The connection's settings.
    #[must_use]
    pub fn settings(&self, id: ConnId) -> Option<&Settings> {
        match &self.places.get(id)?.phase {
            Phase::Embryo(embryo) => match &embryo.origin {
                Origin::Active(early) => Some(&early.settings),
                Origin::Passive(_) => None,
            },
            Phase::Open(connection) => Some(connection.settings()),
            Phase::Dormant(sleeper) => self.shared.get(sleeper.settings),
            Phase::Ended(_) => None,
        }
    }

    /// From now on acknowledgments wait for a ride, as after an exchange of questions and answers (`TCP_QUICKACK` = 0).
    ///
    /// # Errors
    /// A stale id, or a connection that is not open.
    pub fn leave_quick_acks(&mut self, id: ConnId) -> Result<(), StaleId> {
        self.wake(id);
        let (_, place) = held(&mut self.places, id).ok_or(StaleId)?;
        let Phase::Open(connection) = &mut place.phase else {
            return Err(StaleId);
        };
        connection.leave_quick_acks();
        self.settle(id);
        Ok(())
    }

    /// Changes the connection's settings. What the SYN offers (window scale, timestamps, SACK, segment
    /// size, ECN, fast open) has effect only before it leaves; a new controller goes on with the old one's window.
    ///
    /// # Errors
    /// A stale id, or a connection that has ended.
    pub fn configure(
        &mut self,
        id: ConnId,
        change: impl FnOnce(&mut Settings),
    ) -> Result<(), StaleId> {
        self.wake(id);
        let (_, place) = held(&mut self.places, id).ok_or(StaleId)?;
        match &mut place.phase {
            Phase::Embryo(embryo) => match &mut embryo.origin {
                Origin::Active(early) => change(&mut early.settings),
                Origin::Passive(_) => return Err(StaleId),
            },
            Phase::Open(connection) => {
                let mut settings = *connection.settings();
                change(&mut settings);
                connection.configure(settings);
            }
            Phase::Dormant(_) | Phase::Ended(_) => return Err(StaleId),
        }
        self.settle(id);
        Ok(())
    }
}

/// A place whose id a program holds. After `close` the id is stale, though the engine may still be
/// finishing.
fn held(places: &mut FlowTable<Place>, id: ConnId) -> Option<(&Flow, &mut Place)> {
    let (flow, place) = places.get_mut(id)?;
    (place.holder == Holder::Program).then_some((flow, place))
}

fn write_early(early: &mut Early, data: &mut ChunkQueue) -> Result<usize, WriteError> {
    if early.shutdown {
        return Err(WriteError::Shutdown);
    }
    let room = (early.settings.send_buffer as usize).saturating_sub(early.written.len());
    let taken = early.written.append_up_to(data, room);
    early.blocked |= !data.is_empty();
    Ok(taken)
}

/// The reset that ends a handshake (RFC 9293 3.10.5); none in SYN-SENT, where nobody listens yet.
fn abort_embryo(
    embryo: &Embryo,
    flow: &Flow,
    settings: &Settings,
    cause: Cause,
) -> Option<Transmit> {
    let ack = embryo.rcv_nxt()?;
    Some(Transmit {
        conn: None,
        flow: *flow,
        header: SegmentHeader {
            seq: embryo.iss? + 1,
            ack: Some(ack),
            flags: Flags::RST | Flags::ACK,
            ..SegmentHeader::default()
        },
        fields: IpFields {
            ttl: settings.ttl,
            ..IpFields::default()
        },
        range: StreamRange::default(),
        gso: None,
        mac: None,
        note: Note::new(Why::ResetAborted, Limit::None, cause),
    })
}
