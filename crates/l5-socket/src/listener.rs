//! A TCP listener as programs hold it.
//!
//! Job: give out connections others opened. Owns: the handle; dropping it stops listening.
//! Does not know: what is done with them. Several tasks may accept from one listener.

use core::future::poll_fn;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll};
use std::io;

use outcrop_stack::tcp::auth::Keyring;
use outcrop_stack::tcp::{Listen, ListenError};
use outcrop_stack::{Core, Interest, ListenerId, Shard};

use crate::{TcpStream, error};

/// Where listeners without a port of their own are put (RFC 6335 section 6: the dynamic ports).
const DYNAMIC: core::ops::RangeInclusive<u16> = 49_152..=65_535;

/// Listens for TCP connections.
///
/// An address is free for another as soon as its listener is dropped, whatever becomes of its connections, those in
/// TIME-WAIT included: what `SO_REUSEADDR` is set for elsewhere always holds here. Two listeners never share one.
#[derive(Debug)]
pub struct TcpListener {
    shard: Shard,
    id: ListenerId,
    /// Its twin of the other family.
    twin: Option<ListenerId>,
    /// Whether the twin is asked first, so that neither family keeps the other out.
    twin_first: AtomicBool,
}

impl TcpListener {
    /// Listens on `local`; an unspecified address means every address of its family, port zero one that is free.
    ///
    /// # Errors
    /// `AddrInUse`; for port zero, if none is free.
    pub fn bind(shard: &Shard, local: SocketAddr) -> io::Result<Self> {
        Self::bind_with(shard, local, Listen::default())
    }

    /// Listens with `settings`: queues, and what accepted connections start with.
    ///
    /// # Errors
    /// As for [`bind`](Self::bind).
    pub fn bind_with(shard: &Shard, local: SocketAddr, settings: Listen) -> io::Result<Self> {
        Self::bind_keyed(shard, local, (settings, Keyring::new()), false)
    }

    /// Listens on this port of every address of both families, IPv6 and IPv4 (what `[::]` is elsewhere without
    /// `IPV6_V6ONLY`); a peer's IPv4 address is told as such.
    ///
    /// # Errors
    /// As for [`bind`](Self::bind), for either family.
    pub fn bind_dual(shard: &Shard, port: u16) -> io::Result<Self> {
        let all = SocketAddr::new(IpAddr::from([0_u16; 8]), port);
        Self::bind_keyed(shard, all, (Listen::default(), Keyring::new()), true)
    }

    /// The same under keys from the first SYN on; `dual`: on the same port of every IPv4 address too.
    pub(crate) fn bind_keyed(
        shard: &Shard,
        local: SocketAddr,
        (settings, keys): (Listen, Keyring),
        dual: bool,
    ) -> io::Result<Self> {
        let (id, twin) = shard.call(|core| {
            let bound = bind(core, local, &settings, dual).map_err(error::listen)?;
            core.tcp_set_keys(bound.0, keys.clone())
                .map_err(error::key)?;
            if let Some(twin) = bound.1 {
                core.tcp_set_keys(twin, keys).map_err(error::key)?;
            }
            Ok::<_, io::Error>(bound)
        })?;
        Ok(Self {
            shard: shard.clone(),
            id,
            twin,
            twin_first: AtomicBool::new(false),
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
        let twin_first = self.twin_first.fetch_not(Ordering::Relaxed);
        let (one, other) = match self.twin {
            Some(twin) if twin_first => (twin, Some(self.id)),
            twin => (self.id, twin),
        };
        let first = self.poll_one(one, cx);
        match other {
            Some(other) if first.is_pending() => self.poll_one(other, cx),
            Some(_) | None => first,
        }
    }

    fn poll_one(&self, id: ListenerId, cx: &mut Context<'_>) -> Poll<io::Result<TcpStream>> {
        let accept = |core: &mut Core| match core.tcp_accept(id) {
            Some(id) => Poll::Ready(id),
            None => Poll::Pending,
        };
        self.shard
            .poll(Interest::Accept(id), cx, accept)
            .map(|id| Ok(TcpStream::new(self.shard.clone(), id)))
    }

    /// Puts it under these keys instead of those it had: for the connections it will take from now on
    /// ([`TcpSocket`](crate::TcpSocket) gives it keys before the first).
    ///
    /// # Errors
    /// `NotConnected` if the host has forgotten it.
    pub fn set_keys(&self, keys: Keyring) -> io::Result<()> {
        self.shard
            .call(|core| {
                if let Some(twin) = self.twin {
                    core.tcp_set_keys(twin, keys.clone())?;
                }
                core.tcp_set_keys(self.id, keys)
            })
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

/// Puts a listener there, and its twin if one is wanted: both or none.
fn bind(
    core: &mut Core,
    local: SocketAddr,
    settings: &Listen,
    dual: bool,
) -> Result<(ListenerId, Option<ListenerId>), ListenError> {
    if local.port() == 0 {
        let mut taken = Err(ListenError::AddressInUse);
        for port in DYNAMIC {
            taken = bind(core, SocketAddr::new(local.ip(), port), settings, dual);
            if !matches!(taken, Err(ListenError::AddressInUse)) {
                break;
            }
        }
        return taken;
    }
    let id = core.tcp_listen(local, settings.clone())?;
    if !dual {
        return Ok((id, None));
    }
    let also = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), local.port());
    match core.tcp_listen(also, settings.clone()) {
        Ok(twin) => Ok((id, Some(twin))),
        Err(error) => {
            // It was made a line above.
            let _known = core.tcp_unlisten(id);
            Err(error)
        }
    }
}

impl Drop for TcpListener {
    fn drop(&mut self) {
        // Stale only if the host forgot it first.
        self.shard.call(|core| {
            let _known = core.tcp_unlisten(self.id);
            let _known = self.twin.map(|twin| core.tcp_unlisten(twin));
        });
    }
}
