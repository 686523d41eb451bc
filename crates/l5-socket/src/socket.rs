//! A TCP socket before it is a connection or a listener.
//!
//! Job: gather options and an address, then connect or listen with them. Owns: what was gathered.
//! Does not know: what an option does. It costs the host nothing until it connects or listens.

use core::net::SocketAddr;
use std::io;

use outcrop_base::ChunkQueue;
use outcrop_stack::Shard;
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

    /// Everything that can be set, also what has no [`TcpOption`].
    pub const fn settings(&mut self) -> &mut Settings {
        &mut self.settings
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// As for [`TcpStream::connect_with`].
    pub async fn connect(&self, remote: SocketAddr) -> io::Result<TcpStream> {
        TcpStream::connect_with(&self.shard, self.local, remote, Some(self.settings)).await
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
        let settings = Some(self.settings);
        let stream = TcpStream::begin(&self.shard, self.local, remote, settings, data)?;
        stream.connected().await?;
        Ok(stream)
    }

    /// Listens where it was bound.
    ///
    /// # Errors
    /// `InvalidInput` if it was not bound, or to port zero; `AddrInUse`.
    pub fn listen(&self) -> io::Result<TcpListener> {
        let unbound = || io::Error::new(io::ErrorKind::InvalidInput, "bind it to a port first");
        let settings = Listen {
            settings: Some(self.settings),
            ..self.listen.clone()
        };
        TcpListener::bind_with(&self.shard, self.local.ok_or_else(unbound)?, settings)
    }
}
