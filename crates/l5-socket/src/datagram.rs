//! A UDP socket as programs hold it.
//!
//! Job: send and receive datagrams. Owns: the handle; dropping it closes the socket.
//! Does not know: what is in a datagram.
//! Source: RFC 768, RFC 8085.

use core::future::poll_fn;
use core::net::{IpAddr, SocketAddr};
use core::task::{Context, Poll};
use std::io;

use bytes::Bytes;
use outcrop_base::InterfaceId;
use outcrop_stack::ip::{Listening, SourceFilter};
use outcrop_stack::udp::{self, Datagram, SendOptions};
use outcrop_stack::{Interest, SendError, Shard, UdpId};

use crate::error;

/// A UDP socket. Any number of tasks can share it.
#[derive(Debug)]
pub struct UdpSocket {
    shard: Shard,
    id: UdpId,
}

impl UdpSocket {
    /// Opens a socket on `local`; an unspecified address means every address of its family, port
    /// zero a free port.
    ///
    /// # Errors
    /// `AddrInUse`, or `AddrNotAvailable` if no port is free.
    pub fn bind(shard: &Shard, local: SocketAddr) -> io::Result<Self> {
        let id = shard
            .call(|core| core.udp_bind(local))
            .map_err(error::bind)?;
        Ok(Self {
            shard: shard.clone(),
            id,
        })
    }

    /// Hears and speaks to `remote` alone from now on.
    ///
    /// # Errors
    /// `InvalidInput` for an address this socket cannot speak to.
    pub fn connect(&self, remote: SocketAddr) -> io::Result<()> {
        self.shard
            .call(|core| core.udp_connect(self.id, remote))
            .map_err(error::udp_connect)
    }

    /// Hears what is sent to the group `group` on the host's interface `iface` as well; the routers there are told.
    /// Dropping the socket leaves.
    ///
    /// # Errors
    /// `InvalidInput` if it is no group or there is no such interface, `OutOfMemory` for too many groups.
    pub fn join_multicast(&self, iface: InterfaceId, group: IpAddr) -> io::Result<()> {
        self.listen((iface, group), &Listening::Join)
    }

    /// Takes a join back.
    ///
    /// # Errors
    /// `InvalidInput` if the socket has not joined it.
    pub fn leave_multicast(&self, iface: InterfaceId, group: IpAddr) -> io::Result<()> {
        self.listen((iface, group), &Listening::Leave)
    }

    /// Hears the group from `source` too, and from no others that are not named so (RFC 3678's join of one source).
    ///
    /// # Errors
    /// As for [`join_multicast`](Self::join_multicast); `InvalidInput` for a source no host speaks from, or if the group
    /// is heard from everybody already.
    pub fn join_source(&self, iface: InterfaceId, group: IpAddr, source: IpAddr) -> io::Result<()> {
        self.listen((iface, group), &Listening::JoinSource(source))
    }

    /// Takes such a join back; with the last the group is left.
    ///
    /// # Errors
    /// `InvalidInput` if the source was not named.
    pub fn leave_source(
        &self,
        iface: InterfaceId,
        group: IpAddr,
        source: IpAddr,
    ) -> io::Result<()> {
        self.listen((iface, group), &Listening::LeaveSource(source))
    }

    /// Hears everybody but `source`, and others blocked, in a group that was joined.
    ///
    /// # Errors
    /// `InvalidInput` if the group was not joined for everybody.
    pub fn block_source(
        &self,
        iface: InterfaceId,
        group: IpAddr,
        source: IpAddr,
    ) -> io::Result<()> {
        self.listen((iface, group), &Listening::Block(source))
    }

    /// Hears a source again that was blocked.
    ///
    /// # Errors
    /// `InvalidInput` if it was not.
    pub fn unblock_source(
        &self,
        iface: InterfaceId,
        group: IpAddr,
        source: IpAddr,
    ) -> io::Result<()> {
        self.listen((iface, group), &Listening::Unblock(source))
    }

    /// Hears the group as `filter` says from now on, whatever was asked before; from nobody is to leave it.
    ///
    /// # Errors
    /// As for [`join_multicast`](Self::join_multicast); `OutOfMemory` for too many sources.
    pub fn set_source_filter(
        &self,
        iface: InterfaceId,
        group: IpAddr,
        filter: SourceFilter,
    ) -> io::Result<()> {
        self.listen((iface, group), &Listening::Set(filter))
    }

    /// From whom the group is heard.
    #[must_use]
    pub fn source_filter(&self, iface: InterfaceId, group: IpAddr) -> SourceFilter {
        self.shard
            .call(|core| core.udp_filter(self.id, iface, group))
    }

    fn listen(&self, of: (InterfaceId, IpAddr), call: &Listening) -> io::Result<()> {
        self.shard
            .call(|core| core.udp_listen(self.id, of, call))
            .map_err(error::group)
    }

    /// Sends one datagram to the peer this socket is connected to.
    ///
    /// # Errors
    /// `NotConnected`, and as for [`send_to`](Self::send_to).
    pub async fn send(&self, data: Bytes) -> io::Result<()> {
        let options = SendOptions::default();
        poll_fn(|cx| self.poll_send(cx, &data, None, &options)).await
    }

    /// Sends one datagram, waiting for room if too many wait for the device.
    ///
    /// # Errors
    /// `NetworkUnreachable` without a route, `InvalidInput` for too much data or an address of the
    /// other family.
    pub async fn send_to(&self, data: Bytes, remote: SocketAddr) -> io::Result<()> {
        let options = SendOptions::default();
        poll_fn(|cx| self.poll_send(cx, &data, Some(remote), &options)).await
    }

    /// Answers a datagram: to its sender, from the address it was sent to.
    ///
    /// # Errors
    /// As for [`send_to`](Self::send_to).
    pub async fn reply(&self, to: &Datagram, data: Bytes) -> io::Result<()> {
        let options = SendOptions {
            source: Some(to.to.ip()),
            ..SendOptions::default()
        };
        poll_fn(|cx| self.poll_send(cx, &data, Some(to.from), &options)).await
    }

    /// Sends one datagram with these options, or the task of `cx` is woken when there is room.
    /// `None` for `remote` is the connected peer.
    ///
    /// # Errors
    /// As for [`send_to`](Self::send_to) and [`send`](Self::send).
    pub fn poll_send(
        &self,
        cx: &mut Context<'_>,
        data: &Bytes,
        remote: Option<SocketAddr>,
        options: &SendOptions,
    ) -> Poll<io::Result<()>> {
        self.shard
            .poll(Interest::Send(self.id), cx, |core| {
                match core.udp_send(self.id, remote, data.clone(), options) {
                    Err(SendError::Udp(udp::SendError::QueueFull)) => Poll::Pending,
                    done => Poll::Ready(done),
                }
            })
            .map_err(error::send)
    }

    /// The next datagram: data, sender, and when it arrived. Dropping the future leaves it for the
    /// next call.
    ///
    /// # Errors
    /// What the path said about a datagram sent before: `ConnectionRefused` for a closed port. The
    /// socket works on.
    pub async fn recv(&self) -> io::Result<Datagram> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// The next datagram, or the task of `cx` is woken when there is one.
    ///
    /// # Errors
    /// As for [`recv`](Self::recv).
    pub fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<io::Result<Datagram>> {
        self.shard.poll(Interest::Receive(self.id), cx, |core| {
            if let Some(said) = core.udp_take_error(self.id) {
                return Poll::Ready(Err(error::datagram(said)));
            }
            match core.udp_recv(self.id) {
                Ok(Some(datagram)) => Poll::Ready(Ok(datagram)),
                Ok(None) => Poll::Pending,
                Err(unknown) => Poll::Ready(Err(error::unknown(unknown))),
            }
        })
    }

    /// Where it is bound.
    ///
    /// # Errors
    /// `NotConnected` if the host has forgotten it.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.shard
            .call(|core| core.udp_local_addr(self.id))
            .ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// The host it belongs to.
    #[must_use]
    pub const fn shard(&self) -> &Shard {
        &self.shard
    }
}

impl Drop for UdpSocket {
    fn drop(&mut self) {
        self.shard.call(|core| core.udp_close(self.id));
    }
}
