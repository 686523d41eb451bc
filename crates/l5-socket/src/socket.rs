//! A TCP socket before it is a connection or a listener.
//!
//! Job: gather what must be known before the first SYN: options, keys, an address. Owns: what was gathered.
//! Does not know: what an option does. It costs the host nothing until it connects or listens.
//! Sources: RFC 2385, RFC 5925; the names are those of Linux's socket options.

use core::future::poll_fn;
use core::net::SocketAddr;
use std::io;

use outcrop_base::ChunkQueue;
use outcrop_stack::Shard;
use outcrop_stack::tcp::auth::{Keyring, MasterKey, Prefix, Secret};
use outcrop_stack::tcp::{Listen, Settings};

use crate::{TcpListener, TcpOption, TcpStream, error};

/// A TCP socket to be.
///
/// ```
/// # use outcrop_socket::{Shard, TcpOption, TcpSocket, TcpStream};
/// # use core::time::Duration;
/// # async fn patient(shard: &Shard, server: core::net::SocketAddr) -> std::io::Result<TcpStream> {
/// let mut socket = TcpSocket::new(shard);
/// socket.set(TcpOption::NoDelay(true))?;
/// socket.set(TcpOption::UserTimeout(Some(Duration::from_secs(5))))?;
/// socket.connect(server).await
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TcpSocket {
    shard: Shard,
    local: Option<SocketAddr>,
    settings: Settings,
    listen: Listen,
    keys: Keyring,
    dual: bool,
}

impl TcpSocket {
    /// A socket with the host's defaults.
    #[must_use]
    pub fn new(shard: &Shard) -> Self {
        Self {
            shard: shard.clone(),
            local: None,
            settings: shard.call(|core| core.tcp_default_settings()),
            listen: Listen::default(),
            keys: Keyring::new(),
            dual: false,
        }
    }

    /// Sets an option.
    ///
    /// # Errors
    /// `InvalidInput` for a value the option does not take; an [`OptionError`](crate::OptionError) is inside.
    pub fn set(&mut self, option: TcpOption) -> io::Result<&mut Self> {
        option.check().map_err(error::option)?;
        option.write_to(&mut self.settings, &mut self.listen);
        Ok(self)
    }

    /// Speaks from `local`, or listens there; port zero is a free port, the unspecified address the one the route
    /// prefers, or every address of the family.
    pub const fn bind(&mut self, local: SocketAddr) -> &mut Self {
        self.local = Some(local);
        self
    }

    /// Whether a listener on `[::]` has IPv6 to itself (Linux: `IPV6_V6ONLY`). By default it has; without, it takes
    /// connections over IPv4 too, on the same port.
    pub const fn only_v6(&mut self, only: bool) -> &mut Self {
        self.dual = !only;
        self
    }

    /// Everything that can be set, also what has no [`TcpOption`].
    pub const fn settings(&mut self) -> &mut Settings {
        &mut self.settings
    }

    /// Sets the MD5 key for some peers, or takes it away (Linux: `TCP_MD5SIG_EXT`; RFC 2385).
    ///
    /// # Errors
    /// `InvalidInput` for an impossible prefix, or one that is under TCP-AO.
    pub fn set_md5sig(&mut self, peer: Prefix, secret: Option<Secret>) -> io::Result<()> {
        self.keys.set_md5sig(peer, secret).map_err(error::key)
    }

    /// Adds a master key tuple (Linux: `TCP_AO_ADD_KEY`; RFC 5925). A connection begins with the first for its peer.
    ///
    /// # Errors
    /// `InvalidInput` for an impossible prefix, ids in use towards some of these peers, or peers under MD5.
    pub fn add_ao_key(&mut self, key: MasterKey) -> io::Result<()> {
        self.keys.add_ao_key(key).map_err(error::key)
    }

    /// Whether ICMP's hard errors about connections under TCP-AO are believed (RFC 5925 7.8): by default not.
    pub const fn set_ao_accept_icmp(&mut self, accept: bool) {
        self.keys.accept_icmp = accept;
    }

    /// Opens a connection. A key for this peer signs it from the first SYN on.
    ///
    /// # Errors
    /// As for [`TcpStream::connect_with`].
    pub async fn connect(&self, remote: SocketAddr) -> io::Result<TcpStream> {
        self.connect_and_write(remote, &mut ChunkQueue::new()).await
    }

    /// Opens a connection with something to say at once (Linux: `MSG_FASTOPEN`): with [`TcpOption::FastOpen`] and a
    /// cookie of that server it goes with the SYN as far as it fits; otherwise it follows the handshake. What the send
    /// buffer does not take stays in `data`.
    ///
    /// # Errors
    /// As for [`TcpStream::connect_with`].
    pub async fn connect_and_write(
        &self,
        remote: SocketAddr,
        data: &mut ChunkQueue,
    ) -> io::Result<TcpStream> {
        let id = self.shard.call(|core| {
            let id = core
                .tcp_connect(self.local, remote, Some(self.settings))
                .map_err(error::connect)?;
            // In the same turn: the SYN leaves at its end.
            core.tcp_set_keys(id, self.keys.clone())
                .map_err(error::key)?;
            if !data.is_empty() {
                // It was opened under this lock: nothing has happened that could refuse a write.
                let _taken = core.tcp_write(id, data);
            }
            Ok::<_, io::Error>(id)
        })?;
        let stream = TcpStream::new(self.shard.clone(), id);
        poll_fn(|cx| stream.poll_connected(cx)).await?;
        Ok(stream)
    }

    /// Listens where it was bound.
    ///
    /// # Errors
    /// `InvalidInput` if it was not bound; `AddrInUse`.
    pub fn listen(&self) -> io::Result<TcpListener> {
        let unbound = || io::Error::new(io::ErrorKind::InvalidInput, "bind it to a port first");
        let settings = Listen {
            settings: Some(self.settings),
            ..self.listen.clone()
        };
        let local = self.local.ok_or_else(unbound)?;
        let dual = self.dual && local.is_ipv6() && local.ip().is_unspecified();
        TcpListener::bind_keyed(&self.shard, local, (settings, self.keys.clone()), dual)
    }
}
