//! A TCP connection as programs hold it.
//!
//! Job: connect, read, write, finish, let go. Owns: the handle; dropping it lets go of the connection,
//! which the host then finishes alone. Does not know: executors, threads, TLS, HTTP.
//! Nothing waits in here but in `poll_*`, and nothing is kept here: what is read comes out of the engine,
//! what is written goes into it, so a future dropped half-way loses nothing.
//! Source: RFC 9293 3.9.1 (the user's calls).

use core::future::poll_fn;
use core::net::SocketAddr;
use core::task::{Context, Poll};
use std::io;

use bytes::Bytes;
use outcrop_base::{ByteStream, ChunkQueue, Flow, Instant};
use outcrop_stack::tcp::auth::{AoInfo, AoSelect, MasterKey, Prefix, Secret};
use outcrop_stack::tcp::{
    CloseReason, Doubt, Explanation, Info, Listen, ReadError, Settings, State,
};
use outcrop_stack::{Interest, Shard, StreamId};

use crate::{OwnedReadHalf, OwnedWriteHalf, TcpOption, error};

/// A connection of one host. Its methods are `&self`, so any number of tasks can share it.
#[derive(Debug)]
pub(crate) struct Conn {
    shard: Shard,
    id: StreamId,
}

impl Drop for Conn {
    fn drop(&mut self) {
        // Stale only if the host forgot it first: then there is nothing to let go of.
        let _known = self.shard.call(|core| core.tcp_close(self.id));
    }
}

impl Conn {
    pub(crate) const fn shard(&self) -> &Shard {
        &self.shard
    }

    pub(crate) fn poll_read(&self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        self.shard
            .poll(Interest::Read(self.id), cx, |core| {
                match core.tcp_read(self.id) {
                    Err(ReadError::WouldBlock) => Poll::Pending,
                    done => Poll::Ready(done),
                }
            })
            .map_err(error::read)
    }

    /// Hands over what there is room for; ready once `out` is empty.
    pub(crate) fn poll_write(
        &self,
        cx: &mut Context<'_>,
        out: &mut ChunkQueue,
    ) -> Poll<io::Result<()>> {
        self.shard
            .poll(Interest::Write(self.id), cx, |core| {
                match core.tcp_write(self.id, out) {
                    Ok(_) if !out.is_empty() => Poll::Pending,
                    done => Poll::Ready(done.map(|_| ())),
                }
            })
            .map_err(error::write)
    }

    /// Hands over what there is room for; ready once that is something.
    pub(crate) fn poll_write_some(
        &self,
        cx: &mut Context<'_>,
        out: &mut ChunkQueue,
    ) -> Poll<io::Result<usize>> {
        self.shard
            .poll(Interest::Write(self.id), cx, |core| {
                match core.tcp_write(self.id, out) {
                    Ok(0) if !out.is_empty() => Poll::Pending,
                    done => Poll::Ready(done),
                }
            })
            .map_err(error::write)
    }

    pub(crate) fn finish(&self) -> io::Result<()> {
        self.shard.call(|core| {
            core.tcp_shutdown(self.id).map_err(error::stale)?;
            match core.tcp_close_reason(self.id) {
                None | Some(CloseReason::Finished) => Ok(()),
                Some(reason) => Err(error::ended(reason)),
            }
        })
    }

    pub(crate) fn info(&self) -> io::Result<Info> {
        self.shard
            .call(|core| core.tcp_info(self.id))
            .ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Ready once both SYNs have been exchanged.
    fn poll_connected(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shard.poll(Interest::Write(self.id), cx, |core| {
            if let Some(reason) = core.tcp_close_reason(self.id) {
                return Poll::Ready(Err(error::ended(reason)));
            }
            // A SYN that waits for the first write: the program may go on to it.
            if core.tcp_holds_syn(self.id) {
                return Poll::Ready(Ok(()));
            }
            match core.tcp_info(self.id).map(|info| info.state) {
                Some(State::SynSent | State::SynReceived) => Poll::Pending,
                Some(_) => Poll::Ready(Ok(())),
                None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
            }
        })
    }
}

/// A TCP connection.
///
/// Both directions end by themselves: [`finish`](Self::finish) finishes ours, `None` from
/// [`read_chunk`](Self::read_chunk) is the peer's. Dropping the stream sends what was written, and resets the
/// connection if the peer sent something that nobody has read.
#[derive(Debug)]
pub struct TcpStream {
    conn: Conn,
    /// Bytes taken from the engine and not yet by a reader with a smaller buffer.
    rest: Bytes,
}

impl TcpStream {
    /// Opens a connection to `remote`, from the address the route prefers and a free port.
    ///
    /// # Errors
    /// `NetworkUnreachable` without a route, `ConnectionRefused`, `TimedOut`, `HostUnreachable`, or
    /// `InvalidInput` for an address nobody can be connected to.
    pub async fn connect(shard: &Shard, remote: SocketAddr) -> io::Result<Self> {
        Self::connect_with(shard, None, remote, None).await
    }

    /// Opens a connection from `local` (port zero: a free port) and with `settings`; `None` is what
    /// the host would choose. Dropping the future gives the attempt up.
    ///
    /// # Errors
    /// As for [`connect`](Self::connect), and `AddrInUse` or `AddrNotAvailable` for `local`.
    pub async fn connect_with(
        shard: &Shard,
        local: Option<SocketAddr>,
        remote: SocketAddr,
        settings: Option<Settings>,
    ) -> io::Result<Self> {
        let id = shard
            .call(|core| core.tcp_connect(local, remote, settings))
            .map_err(error::connect)?;
        let stream = Self::new(shard.clone(), id);
        poll_fn(|cx| stream.conn.poll_connected(cx)).await?;
        Ok(stream)
    }

    pub(crate) const fn new(shard: Shard, id: StreamId) -> Self {
        Self {
            conn: Conn { shard, id },
            rest: Bytes::new(),
        }
    }

    pub(crate) fn poll_connected(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.conn.poll_connected(cx)
    }

    /// The next bytes, as many as have arrived in one piece; `None` once the peer has finished.
    ///
    /// # Errors
    /// How the connection ended, if not by a finish.
    pub async fn read_chunk(&mut self) -> io::Result<Option<Bytes>> {
        poll_fn(|cx| self.poll_read(cx)).await
    }

    /// Writes everything in `data`. If the future is dropped, what was not taken is still in it.
    ///
    /// # Errors
    /// `BrokenPipe` after `finish`, or how the connection ended.
    pub async fn write_queue(&mut self, data: &mut ChunkQueue) -> io::Result<()> {
        poll_fn(|cx| self.conn.poll_write(cx, data)).await
    }

    /// Writes a copy of all of `data`. Use [`write_queue`](Self::write_queue) where the future may be dropped
    /// and the rest is still wanted.
    ///
    /// # Errors
    /// As for [`write_queue`](Self::write_queue).
    pub async fn write_all(&mut self, data: &[u8]) -> io::Result<()> {
        let mut queue = ChunkQueue::new();
        queue.push_slice(data);
        self.write_queue(&mut queue).await
    }

    /// Finishes our direction after everything written. Reading goes on.
    ///
    /// # Errors
    /// How the connection ended, if not by a finish.
    pub fn finish(&mut self) -> io::Result<()> {
        self.conn.finish()
    }

    /// Ends the connection at once by a reset.
    pub fn abort(self) {
        let Conn { shard, id } = &self.conn;
        // Stale only if the host forgot it first.
        let _known = shard.call(|core| core.tcp_abort(*id));
    }

    /// Two halves for two tasks. The connection is let go of when both are dropped.
    #[must_use]
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        crate::split::split(self.conn, self.rest)
    }

    /// Changes the settings of this connection.
    ///
    /// # Errors
    /// `NotConnected` once it has ended.
    pub fn configure(&self, change: impl FnOnce(&mut Settings)) -> io::Result<()> {
        let Conn { shard, id } = &self.conn;
        shard
            .call(|core| core.tcp_configure(*id, change))
            .map_err(error::stale)
    }

    /// Sets an option.
    ///
    /// # Errors
    /// `InvalidInput`, with an [`OptionError`](crate::OptionError) inside, for a value the option does not take, or an
    /// option that belongs before the SYN or to listeners; `NotConnected` once the connection has ended.
    pub fn set(&self, option: TcpOption) -> io::Result<()> {
        option.check_living().map_err(error::option)?;
        self.configure(|settings| option.write_to(settings, &mut Listen::default()))
    }

    /// What is set.
    ///
    /// # Errors
    /// `NotConnected` once the connection has ended.
    pub fn settings(&self) -> io::Result<Settings> {
        let Conn { shard, id } = &self.conn;
        shard
            .call(|core| core.tcp_settings(*id))
            .ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Why it is not sending more now, and how its life divided; its `Display` says it in words.
    ///
    /// # Errors
    /// `NotConnected` if it is gone.
    pub fn explain(&self) -> io::Result<Explanation> {
        let Conn { shard, id } = &self.conn;
        let now = shard.now();
        shard
            .call(|core| core.tcp_explain(now, *id))
            .ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Sends small segments at once, or gathers them (Nagle's algorithm, the default).
    ///
    /// # Errors
    /// `NotConnected` once the connection has ended.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.configure(|settings| settings.nodelay = nodelay)
    }

    /// Changes the MD5 key of a connection that has one (Linux: `TCP_MD5SIG_EXT`).
    ///
    /// # Errors
    /// `InvalidInput` for another peer, or a connection that began without; `NotConnected` once it has ended.
    pub fn set_md5sig(&self, peer: Prefix, secret: Secret) -> io::Result<()> {
        let Conn { shard, id } = &self.conn;
        shard
            .call(|core| core.tcp_set_md5sig(*id, peer, Some(secret)))
            .map_err(error::key)
    }

    /// Adds a key to a connection under TCP-AO (Linux: `TCP_AO_ADD_KEY`).
    ///
    /// # Errors
    /// `InvalidInput` for another peer, ids in use, or a connection that began without; `NotConnected`.
    pub fn add_ao_key(&self, key: MasterKey) -> io::Result<()> {
        let Conn { shard, id } = &self.conn;
        shard
            .call(|core| core.tcp_add_ao_key(*id, key))
            .map_err(error::key)
    }

    /// Takes a key from a connection under TCP-AO (Linux: `TCP_AO_DEL_KEY`).
    ///
    /// # Errors
    /// `NotFound`, `ResourceBusy` for the current or the next one, `NotConnected`.
    pub fn remove_ao_key(&self, send_id: u8, recv_id: u8) -> io::Result<()> {
        let Conn { shard, id } = &self.conn;
        shard
            .call(|core| core.tcp_remove_ao_key(*id, send_id, recv_id))
            .map_err(error::key)
    }

    /// Changes the keys a connection sends under and asks for (Linux: `TCP_AO_INFO`).
    ///
    /// # Errors
    /// `NotFound`, `NotConnected`.
    pub fn select_ao_keys(&self, select: AoSelect) -> io::Result<()> {
        let Conn { shard, id } = &self.conn;
        shard
            .call(|core| core.tcp_select_ao_keys(*id, select))
            .map_err(error::key)
    }

    /// Which keys a connection uses; `None` unless it is under TCP-AO.
    #[must_use]
    pub fn ao_info(&self) -> Option<AoInfo> {
        let Conn { shard, id } = &self.conn;
        shard.call(|core| core.tcp_ao_info(*id))
    }

    /// The soft error this connection suffers from since it last made progress: what was sent goes unanswered, or
    /// ICMP says that it does not get through (RFC 9293 3.9.1.8). It lives on; `None` is the rule.
    #[must_use]
    pub fn doubt(&self) -> Option<Doubt> {
        let Conn { shard, id } = &self.conn;
        shard.call(|core| core.tcp_doubt(*id))
    }

    /// Takes back what was written and has not left yet; returns how many bytes. What left is delivered.
    ///
    /// # Errors
    /// `NotConnected` once the connection has ended.
    pub fn discard_unsent(&self) -> io::Result<u64> {
        let Conn { shard, id } = &self.conn;
        shard
            .call(|core| core.tcp_discard_unsent(*id))
            .map_err(error::stale)
    }

    /// Addresses, state and figures.
    ///
    /// # Errors
    /// `NotConnected` once the connection has ended.
    pub fn info(&self) -> io::Result<Info> {
        self.conn.info()
    }

    /// Our end.
    ///
    /// # Errors
    /// `NotConnected` once the connection has ended.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.flow()?.local)
    }

    /// The peer's end.
    ///
    /// # Errors
    /// `NotConnected` once the connection has ended.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.flow()?.remote)
    }

    fn flow(&self) -> io::Result<Flow> {
        let Conn { shard, id } = &self.conn;
        shard
            .call(|core| core.tcp_flow(*id))
            .ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// The host it belongs to.
    #[must_use]
    pub const fn shard(&self) -> &Shard {
        self.conn.shard()
    }

    /// The time of the run.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.shard().now()
    }

    pub(crate) const fn conn(&self) -> &Conn {
        &self.conn
    }

    #[cfg(feature = "tokio")]
    pub(crate) const fn parts(&mut self) -> (&Conn, &mut Bytes) {
        (&self.conn, &mut self.rest)
    }
}

impl ByteStream for TcpStream {
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        if self.rest.is_empty() {
            self.conn.poll_read(cx)
        } else {
            Poll::Ready(Ok(Some(core::mem::take(&mut self.rest))))
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, out: &mut ChunkQueue) -> Poll<io::Result<()>> {
        self.conn.poll_write(cx, out)
    }

    fn poll_close(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.conn.finish())
    }
}
