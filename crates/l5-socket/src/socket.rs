//! A TCP socket before it listens or connects.
//!
//! Job: gather what must be known before the first SYN: settings and keys. Owns: both, as values.
//! Does not know: hosts, until it becomes a listener or a stream.
//! Sources: RFC 2385, RFC 5925; the names are those of Linux's socket options.

use core::future::poll_fn;
use core::net::SocketAddr;
use std::io;

use outcrop_stack::Shard;
use outcrop_stack::tcp::auth::{Keyring, MasterKey, Prefix, Secret};
use outcrop_stack::tcp::{Listen, Settings};

use crate::{TcpListener, TcpStream, error};

/// A TCP socket that is neither listening nor connected.
///
/// ```
/// # fn run(shard: &outcrop_socket::Shard) -> std::io::Result<()> {
/// use outcrop_socket::TcpSocket;
/// use outcrop_stack::tcp::Listen;
/// use outcrop_stack::tcp::auth::{Prefix, Secret};
///
/// let router = Prefix { addr: "10.77.0.1".parse().unwrap(), len: 32 };
/// let secret = Secret::new(b"as the router has it").map_err(std::io::Error::other)?;
/// let mut socket = TcpSocket::new();
/// socket.set_md5sig(router, Some(secret))?;
/// let listener = socket.listen(shard, "10.77.0.2:179".parse().unwrap(), Listen::default())?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default)]
pub struct TcpSocket {
    settings: Option<Settings>,
    keys: Keyring,
}

impl TcpSocket {
    /// With the host's settings and no keys.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            settings: None,
            keys: Keyring::new(),
        }
    }

    /// Chooses settings instead of the host's, for a connection. A listener's are in its [`Listen`].
    pub const fn set_settings(&mut self, settings: Settings) {
        self.settings = Some(settings);
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

    /// Listens on `local`.
    ///
    /// # Errors
    /// As for [`TcpListener::bind`].
    pub fn listen(
        self,
        shard: &Shard,
        local: SocketAddr,
        settings: Listen,
    ) -> io::Result<TcpListener> {
        TcpListener::bind_keyed(shard, local, settings, self.keys)
    }

    /// Opens a connection to `remote`, from `local` (port zero: a free port) or from where the route prefers.
    /// A key for this peer signs it from the first SYN on.
    ///
    /// # Errors
    /// As for [`TcpStream::connect_with`].
    pub async fn connect(
        self,
        shard: &Shard,
        local: Option<SocketAddr>,
        remote: SocketAddr,
    ) -> io::Result<TcpStream> {
        let id = shard.call(|core| {
            let id = core
                .tcp_connect(local, remote, self.settings)
                .map_err(error::connect)?;
            // In the same turn: the SYN leaves at its end.
            core.tcp_set_keys(id, self.keys).map_err(error::key)?;
            Ok::<_, io::Error>(id)
        })?;
        let stream = TcpStream::new(shard.clone(), id);
        poll_fn(|cx| stream.poll_connected(cx)).await?;
        Ok(stream)
    }
}
