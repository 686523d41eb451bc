//! A TCP listener as programs hold it.
//!
//! Job: give out connections others opened. Owns: the handle; dropping it stops listening.
//! Does not know: what is done with them. Several tasks may accept from one listener.

use core::future::poll_fn;
use core::net::SocketAddr;
use core::task::{Context, Poll};
use std::io;

use outcrop_stack::tcp::Listen;
use outcrop_stack::tcp::auth::Keyring;
use outcrop_stack::{Interest, ListenerId, Shard};

use crate::{TcpStream, error};

/// Listens for TCP connections.
#[derive(Debug)]
pub struct TcpListener {
    shard: Shard,
    id: ListenerId,
}

impl TcpListener {
    /// Listens on `local`; an unspecified address means every address of its family.
    ///
    /// # Errors
    /// `AddrInUse`, or `InvalidInput` for port zero.
    pub fn bind(shard: &Shard, local: SocketAddr) -> io::Result<Self> {
        Self::bind_with(shard, local, Listen::default())
    }

    /// Listens with `settings`: queues, and what accepted connections start with.
    ///
    /// # Errors
    /// As for [`bind`](Self::bind).
    pub fn bind_with(shard: &Shard, local: SocketAddr, settings: Listen) -> io::Result<Self> {
        Self::bind_keyed(shard, local, settings, Keyring::new())
    }

    /// The same under keys from the first SYN on.
    pub(crate) fn bind_keyed(
        shard: &Shard,
        local: SocketAddr,
        settings: Listen,
        keys: Keyring,
    ) -> io::Result<Self> {
        let id = shard.call(|core| {
            let id = core.tcp_listen(local, settings).map_err(error::listen)?;
            core.tcp_set_keys(id, keys).map_err(error::key)?;
            Ok::<_, io::Error>(id)
        })?;
        Ok(Self {
            shard: shard.clone(),
            id,
        })
    }

    /// The next connection. Dropping the future leaves it for the next call.
    ///
    /// # Errors
    /// None while the listener lives; the result is there for `?` and for what may come.
    pub async fn accept(&self) -> io::Result<TcpStream> {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    /// The next connection, or the task of `cx` is woken when there is one.
    ///
    /// # Errors
    /// As for [`accept`](Self::accept).
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<TcpStream>> {
        let accept = |core: &mut outcrop_stack::Core| match core.tcp_accept(self.id) {
            Some(id) => Poll::Ready(id),
            None => Poll::Pending,
        };
        self.shard
            .poll(Interest::Accept(self.id), cx, accept)
            .map(|id| Ok(TcpStream::new(self.shard.clone(), id)))
    }

    /// Puts it under these keys instead of those it had: for the connections it will take from now on
    /// ([`TcpSocket`](crate::TcpSocket) gives it keys before the first).
    ///
    /// # Errors
    /// `NotConnected` if the host has forgotten it.
    pub fn set_keys(&self, keys: Keyring) -> io::Result<()> {
        self.shard
            .call(|core| core.tcp_set_keys(self.id, keys))
            .map_err(error::key)
    }

    /// Where it listens.
    ///
    /// # Errors
    /// `NotConnected` if the host has forgotten it.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.shard
            .call(|core| core.tcp_listener_addr(self.id))
            .ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// The host it belongs to.
    #[must_use]
    pub const fn shard(&self) -> &Shard {
        &self.shard
    }
}

impl Drop for TcpListener {
    fn drop(&mut self) {
        // Stale only if the host forgot it first.
        let _known = self.shard.call(|core| core.tcp_unlisten(self.id));
    }
}
