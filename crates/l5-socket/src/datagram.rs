//! A UDP socket as programs hold it.
//!
//! Job: send and receive datagrams. Owns: the handle; dropping it closes the socket.
//! Does not know: what is in a datagram.
//! Source: RFC 768, RFC 8085.

use core::future::poll_fn;
use core::net::SocketAddr;
use core::task::{Context, Poll};
use std::io;

use bytes::Bytes;
use outcrop_stack::udp::{self, Datagram};
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

    /// Sends one datagram, waiting for room if too many wait for the device.
    ///
    /// # Errors
    /// `NetworkUnreachable` without a route, `InvalidInput` for too much data or an address of the
    /// other family.
    pub async fn send_to(&self, data: Bytes, remote: SocketAddr) -> io::Result<()> {
        poll_fn(|cx| self.poll_send_to(cx, &data, remote)).await
    }

    /// Sends one datagram, or the task of `cx` is woken when there is room.
    ///
    /// # Errors
    /// As for [`send_to`](Self::send_to).
    pub fn poll_send_to(
        &self,
        cx: &mut Context<'_>,
        data: &Bytes,
        remote: SocketAddr,
    ) -> Poll<io::Result<()>> {
        self.shard
            .poll(Interest::Send(self.id), cx, |core| {
                match core.udp_send(self.id, remote, data.clone()) {
                    Err(SendError::Udp(udp::SendError::QueueFull)) => Poll::Pending,
                    done => Poll::Ready(done),
                }
            })
            .map_err(error::send)
    }

    /// The next datagram: data, sender, and when it arrived.
    ///
    /// # Errors
    /// What the path said about a datagram sent before: `ConnectionRefused` for a closed port. The
    /// socket works on.
    pub async fn recv_from(&self) -> io::Result<Datagram> {
        poll_fn(|cx| self.poll_recv_from(cx)).await
    }

    /// The next datagram, or the task of `cx` is woken when there is one.
    ///
    /// # Errors
    /// As for [`recv_from`](Self::recv_from).
    pub fn poll_recv_from(&self, cx: &mut Context<'_>) -> Poll<io::Result<Datagram>> {
        self.shard.poll(Interest::Receive(self.id), cx, |core| {
            match core.udp_recv(self.id) {
                Some(datagram) => Poll::Ready(Ok(datagram)),
                None => Poll::Pending,
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
