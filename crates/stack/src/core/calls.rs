//! What programs ask of a host.
//!
//! Job: give each call to the engine it concerns, with what IP knows (source address, path) filled in.
//! Owns: the errors that need two layers. Does not know: who calls; nothing here blocks or waits.
//! Sources: RFC 9293 3.9.1 (TCP's calls), RFC 768 (UDP's), RFC 1122 3.4 (what IP tells a transport).

use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use bytes::Bytes;
use outcrop_base::{ChunkQueue, Flow, Instant};
use outcrop_ip::PingError;
use outcrop_tcp::{
    CloseReason, Doubt, Explanation, Info, Listen, ListenError, ReadError, Settings, StaleId,
    WriteError,
};
use outcrop_udp::{BindError, Datagram, PathError, SendOptions, UnknownSocket};
use thiserror::Error;

use super::{Core, Echo, Event, ListenerId, PingId, StreamId, UdpId};

/// Why a connection could not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// No route leads there, or no address of ours fits it.
    #[error("no route to that address")]
    NoRoute,
    /// The local address asked for is none of ours.
    #[error("the local address is not one of this host")]
    NotOurs,
    /// TCP refused.
    #[error(transparent)]
    Tcp(#[from] outcrop_tcp::ConnectError),
}

/// Why a datagram could not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SendError {
    /// No route leads there, or no address of ours fits it.
    #[error("no route to that address")]
    NoRoute,
    /// UDP refused.
    #[error(transparent)]
    Udp(#[from] outcrop_udp::SendError),
}

/// TCP.
impl Core {
    /// Listens on `local`; an unspecified address means every address of its family.
    ///
    /// # Errors
    /// The address is taken by another listener, or the port is zero.
    pub fn tcp_listen(
        &mut self,
        local: SocketAddr,
        settings: Listen,
    ) -> Result<ListenerId, ListenError> {
        self.touched = true;
        self.tcp.listen(local, settings).map(ListenerId)
    }

    /// Stops listening. Connections nobody accepted are reset.
    ///
    /// # Errors
    /// A stale handle.
    pub fn tcp_unlisten(&mut self, id: ListenerId) -> Result<(), StaleId> {
        self.bid_farewell(Event::Acceptable(id));
        self.tcp.unlisten(id.0)
    }

    /// Where a listener listens.
    #[must_use]
    pub fn tcp_listener_addr(&self, id: ListenerId) -> Option<SocketAddr> {
        self.tcp.listener_addr(id.0)
    }

    /// Takes the longest waiting connection.
    pub fn tcp_accept(&mut self, id: ListenerId) -> Option<StreamId> {
        let accepted = self.tcp.accept(id.0).map(StreamId);
        self.touched |= accepted.is_some();
        accepted
    }

    /// Opens a connection from `local` (`None`: the address the route prefers and a free port; port
    /// zero: a free port). `settings` of `None` are the host's.
    ///
    /// # Errors
    /// No route, an unusable remote address, or no free port.
    pub fn tcp_connect(
        &mut self,
        local: Option<SocketAddr>,
        remote: SocketAddr,
        settings: Option<Settings>,
    ) -> Result<StreamId, ConnectError> {
        let remote = self.unscoped(remote).map_err(|_| ConnectError::NoRoute)?;
        if self.ip.is_broadcast(remote.ip()) {
            // Only IP knows which addresses are everybody's on a link (RFC 9293 3.9.1.1 MUST-46).
            return Err(outcrop_tcp::ConnectError::BadRemote.into());
        }
        let path = self.ip.path(remote.ip()).ok_or(ConnectError::NoRoute)?;
        let local = match local {
            Some(local) if self.ip.is_local(local.ip()) => local,
            Some(local) if !local.ip().is_unspecified() => return Err(ConnectError::NotOurs),
            Some(_) | None => {
                let source = self.ip.source_for(remote.ip());
                let port = local.map_or(0, |local| local.port());
                SocketAddr::new(source.ok_or(ConnectError::NoRoute)?, port)
            }
        };
        self.touched = true;
        Ok(StreamId(self.tcp.connect(local, remote, path, settings)?))
    }

    /// The next bytes; `None` once the peer has finished and everything is read.
    ///
    /// # Errors
    /// Nothing there yet, how the connection ended, or a stale handle.
    pub fn tcp_read(&mut self, id: StreamId) -> Result<Option<Bytes>, ReadError> {
        let read = self.tcp.read(id.0);
        // Reading opens the window, which the next flush may announce.
        self.touched |= matches!(read, Ok(Some(_)));
        read
    }

    /// Takes bytes from the front of `data` as room allows, and returns how many.
    ///
    /// # Errors
    /// The sending side was shut down, how the connection ended, or a stale handle.
    pub fn tcp_write(&mut self, id: StreamId, data: &mut ChunkQueue) -> Result<usize, WriteError> {
        let written = self.tcp.write(id.0, data);
        self.touched |= matches!(written, Ok(taken) if taken > 0);
        written
    }

    /// The same for a whole record: no segment will carry its last byte and the next one written (`MSG_EOR`).
    ///
    /// # Errors
    /// As [`tcp_write`](Self::tcp_write).
    pub fn tcp_write_record(
        &mut self,
        id: StreamId,
        data: &mut ChunkQueue,
    ) -> Result<usize, WriteError> {
        let written = self.tcp.write_record(id.0, data);
        self.touched |= matches!(written, Ok(taken) if taken > 0);
        written
    }

    /// The same for urgent data (RFC 9293 3.8.5): what is taken, and everything before it, is announced as urgent.
    ///
    /// # Errors
    /// As [`tcp_write`](Self::tcp_write).
    pub fn tcp_write_urgent(
        &mut self,
        id: StreamId,
        data: &mut ChunkQueue,
    ) -> Result<usize, WriteError> {
        let written = self.tcp.write_urgent(id.0, data);
        self.touched |= matches!(written, Ok(taken) if taken > 0);
        written
    }

    /// No more to send: a FIN follows everything written. Reading goes on.
    ///
    /// # Errors
    /// A stale handle.
    pub fn tcp_shutdown(&mut self, id: StreamId) -> Result<(), StaleId> {
        self.touched = true;
        self.tcp.shutdown(id.0)
    }

    /// Lets go: the handle is stale from now on, and the host finishes the connection alone.
    ///
    /// # Errors
    /// A stale handle.
    pub fn tcp_close(&mut self, id: StreamId) -> Result<(), StaleId> {
        self.touched = true;
        self.tcp.close(id.0)
    }

    /// Takes back what was written and has not left yet; returns how many bytes.
    ///
    /// # Errors
    /// A stale handle.
    pub fn tcp_discard_unsent(&mut self, id: StreamId) -> Result<u64, StaleId> {
        self.touched = true;
        self.tcp.discard_unsent(id.0)
    }

    /// The soft error a connection suffers from, since its last progress.
    #[must_use]
    pub fn tcp_doubt(&self, id: StreamId) -> Option<Doubt> {
        self.tcp.doubt(id.0)
    }

    /// Ends the connection at once by a reset. The handle stays good until `tcp_close`.
    ///
    /// # Errors
    /// A stale handle.
    pub fn tcp_abort(&mut self, id: StreamId) -> Result<(), StaleId> {
        self.touched = true;
        self.tcp.abort(id.0)
    }

    /// From now on acknowledgments wait for a ride (`TCP_QUICKACK` = 0).
    ///
    /// # Errors
    /// A stale handle, or a connection that is not open.
    pub fn tcp_leave_quick_acks(&mut self, id: StreamId) -> Result<(), StaleId> {
        self.touched = true;
        self.tcp.leave_quick_acks(id.0)
    }

    /// How many of the bytes to be read next the peer called urgent, arrived or not (RFC 9293 3.8.5 MUST-33).
    #[must_use]
    pub fn tcp_urgent_left(&self, id: StreamId) -> u64 {
        self.tcp.urgent_left(id.0)
    }

    /// Changes the connection's settings.
    ///
    /// # Errors
    /// A stale handle, or a connection that has ended.
    pub fn tcp_configure(
        &mut self,
        id: StreamId,
        change: impl FnOnce(&mut Settings),
    ) -> Result<(), StaleId> {
        self.touched = true;
        self.tcp.configure(id.0, change)
    }

    /// How a connection is doing: addresses, state, figures.
    #[must_use]
    pub fn tcp_info(&self, id: StreamId) -> Option<Info> {
        self.tcp.info(id.0)
    }

    /// Both ends of a connection.
    #[must_use]
    pub fn tcp_flow(&self, id: StreamId) -> Option<Flow> {
        self.tcp.flow(id.0)
    }

    /// The settings of a connection; `None` once it has ended.
    #[must_use]
    pub fn tcp_settings(&self, id: StreamId) -> Option<Settings> {
        self.tcp.settings(id.0).copied()
    }

    /// What connections start with unless a call or a listener says otherwise.
    #[must_use]
    pub const fn tcp_default_settings(&self) -> Settings {
        self.tcp.config().settings
    }

    /// Whether the SYN of a connection waits for the first write (`Settings::hold_syn`).
    #[must_use]
    pub fn tcp_holds_syn(&self, id: StreamId) -> bool {
        self.tcp.holds_syn(id.0)
    }

    /// Why a connection is not sending more at `now`, and how its life divided.
    #[must_use]
    pub fn tcp_explain(&self, now: Instant, id: StreamId) -> Option<Explanation> {
        self.tcp.explain(now, id.0)
    }

    /// Takes the final accounts of connections that have ended (`final_accounts` of TCP's configuration says how many
    /// are kept).
    pub fn tcp_take_final_accounts(&mut self) -> Vec<Explanation> {
        self.tcp.take_final_accounts()
    }

    /// How a connection ended; `None` while it has not.
    #[must_use]
    pub fn tcp_close_reason(&self, id: StreamId) -> Option<CloseReason> {
        self.tcp.close_reason(id.0)
    }
}

/// UDP.
impl Core {
    /// Opens a socket on `local`; an unspecified address means every address of its family, port
    /// zero a free port.
    ///
    /// # Errors
    /// The address is taken, is not ours, or no port is free.
    pub fn udp_bind(&mut self, local: SocketAddr) -> Result<UdpId, BindError> {
        self.udp.bind(local).map(UdpId)
    }

    /// Hears and speaks to `remote` alone from now on.
    ///
    /// # Errors
    /// An address the socket cannot speak to, or a stale handle.
    pub fn udp_connect(
        &mut self,
        id: UdpId,
        remote: SocketAddr,
    ) -> Result<(), outcrop_udp::ConnectError> {
        let bad = outcrop_udp::ConnectError::Address;
        let remote = self.unscoped(remote).map_err(|_| bad)?;
        self.udp.connect(id.0, remote)
    }

    /// Sends one datagram to `remote`, or to the connected peer.
    ///
    /// # Errors
    /// No route, no room, too large, an unfit address, or a stale handle.
    pub fn udp_send(
        &mut self,
        id: UdpId,
        remote: Option<SocketAddr>,
        data: Bytes,
        options: &SendOptions,
    ) -> Result<(), SendError> {
        let remote = remote.or_else(|| self.udp.remote(id.0));
        let remote = remote.ok_or(outcrop_udp::SendError::NotConnected)?;
        let remote = self.unscoped(remote).map_err(|_| SendError::NoRoute)?;
        // A socket bound to every address speaks from the one the route prefers.
        let source = self.source_of(remote.ip(), options);
        let options = SendOptions {
            source: Some(source.ok_or(SendError::NoRoute)?),
            // RFC 1112 6.1: what goes to a group stays on its link unless the program says otherwise.
            hop_limit: options
                .hop_limit
                .or_else(|| remote.ip().is_multicast().then_some(1)),
            ..*options
        };
        self.touched = true;
        Ok(self.udp.send_to(id.0, remote, data, &options)?)
    }

    /// The address a datagram leaves from: the program's choice, the route's, that of the link it must leave by. Who
    /// has none there speaks as nobody, and only to everybody (RFC 1122 3.2.1.3 a).
    fn source_of(&self, remote: IpAddr, options: &SendOptions) -> Option<IpAddr> {
        // An answer to what everybody got comes from one of us (RFC 1122 4.1.3.5).
        let chosen = options.source;
        let chosen = chosen.filter(|addr| !addr.is_multicast() && !self.ip.is_broadcast(*addr));
        let Some(iface) = options.iface else {
            let routed = self.ip.source_for(remote)?;
            return chosen.or(Some(routed));
        };
        let nobody = || match remote {
            IpAddr::V4(all) if all.is_broadcast() => Some(Ipv4Addr::UNSPECIFIED.into()),
            IpAddr::V4(_) | IpAddr::V6(_) => None,
        };
        let there = || self.ip.source_on(iface, remote);
        chosen.or_else(there).or_else(nobody)
    }

    /// The next datagram that arrived.
    ///
    /// # Errors
    /// A stale handle.
    pub fn udp_recv(&mut self, id: UdpId) -> Result<Option<Datagram>, UnknownSocket> {
        self.udp.recv(id.0)
    }

    /// The oldest thing the path said about datagrams of this socket.
    pub fn udp_take_error(&mut self, id: UdpId) -> Option<PathError> {
        self.udp.take_error(id.0)
    }

    /// Where a socket is bound.
    #[must_use]
    pub fn udp_local_addr(&self, id: UdpId) -> Option<SocketAddr> {
        self.udp.local(id.0)
    }

    /// The peer of a connected socket.
    #[must_use]
    pub fn udp_remote_addr(&self, id: UdpId) -> Option<SocketAddr> {
        self.udp.remote(id.0)
    }

    /// Closes a socket. What was sent still leaves; what waits in it is lost.
    pub fn udp_close(&mut self, id: UdpId) {
        self.bid_farewell(Event::Datagram(id));
        self.bid_farewell(Event::DatagramRoom(id));
        self.leave_all(id);
        self.udp.close(id.0);
    }
}

/// ICMP echo.
impl Core {
    /// A new sender of echo requests; `None` if all identifiers are taken.
    pub fn ping_open(&mut self) -> Option<PingId> {
        self.pings.open(self.share)
    }

    /// Forgets a sender and what waits for it.
    pub fn ping_close(&mut self, id: PingId) {
        self.bid_farewell(Event::Echo(id));
        self.pings.close(id);
    }

    /// Sends an echo request with `data` to `dst`.
    ///
    /// # Errors
    /// No route, too much data, or too many packets waiting.
    pub fn ping_send(
        &mut self,
        id: PingId,
        dst: IpAddr,
        seq: u16,
        data: &Bytes,
    ) -> Result<(), PingError> {
        self.touched = true;
        self.ip.ping(dst, id.0, seq, data)
    }

    /// The next answer.
    pub fn ping_recv(&mut self, id: PingId) -> Option<Echo> {
        self.pings.pop(id)
    }

    /// Lets others who wait for something that is being closed look again.
    pub(super) fn bid_farewell(&mut self, event: Event) {
        self.touched = true;
        self.farewells.push(event);
    }
}
