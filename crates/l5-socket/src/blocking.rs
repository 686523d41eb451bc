//! The same sockets for threads.
//!
//! Job: wait on a thread where a task would wait in a future. Owns: a condition variable a call.
//! Does not know: who drives the host; that must be another thread, or nothing ever moves.
//! Every call is the asynchronous one, run to its end by [`block_on`].

use core::future::{Future, poll_fn};
use core::net::SocketAddr;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::io::{self, Read, Write};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::Wake;

use bytes::{Buf, Bytes};
use outcrop_base::ChunkQueue;
use outcrop_stack::Shard;
use outcrop_stack::udp::Datagram;

use crate::timeout;

/// Most bytes one `write` takes over at a time: the copy stays in the cache.
const WRITE_MAX: usize = 64 * 1024;

/// Runs a future on this thread, asleep while it waits.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let parker = Arc::new(Parker::default());
    let waker = Waker::from(Arc::clone(&parker));
    let mut cx = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        parker.park();
    }
}

#[derive(Debug, Default)]
struct Parker {
    woken: Mutex<bool>,
    changed: Condvar,
}

impl Parker {
    fn park(&self) {
        let woken = self.woken.lock().unwrap_or_else(PoisonError::into_inner);
        let mut woken = self
            .changed
            .wait_while(woken, |woken| !*woken)
            .unwrap_or_else(PoisonError::into_inner);
        *woken = false;
    }
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        *self.woken.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_one();
    }
}

/// Runs a future on this thread, but at most `limit`, if there is one.
fn block_within<T>(
    shard: &Shard,
    limit: Option<Duration>,
    future: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    match limit {
        None => block_on(future),
        Some(limit) => block_on(timeout(shard, limit, future))?,
    }
}

/// A TCP listener for threads.
#[derive(Debug)]
pub struct TcpListener(crate::TcpListener);

impl TcpListener {
    /// Listens on `local`.
    ///
    /// # Errors
    /// As for [`TcpListener::bind`](crate::TcpListener::bind).
    pub fn bind(shard: &Shard, local: SocketAddr) -> io::Result<Self> {
        crate::TcpListener::bind(shard, local).map(Self)
    }

    /// Waits for the next connection.
    ///
    /// # Errors
    /// As for [`TcpListener::accept`](crate::TcpListener::accept).
    pub fn accept(&self) -> io::Result<TcpStream> {
        block_on(self.0.accept()).map(TcpStream::from)
    }

    /// Where it listens.
    ///
    /// # Errors
    /// `NotConnected` if the host has forgotten it.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// A TCP connection for threads: [`Read`] and [`Write`].
#[derive(Debug)]
pub struct TcpStream {
    stream: crate::TcpStream,
    /// Bytes taken from the engine and not yet read.
    rest: Bytes,
    read_limit: Option<Duration>,
    write_limit: Option<Duration>,
}

impl From<crate::TcpStream> for TcpStream {
    fn from(stream: crate::TcpStream) -> Self {
        Self {
            stream,
            rest: Bytes::new(),
            read_limit: None,
            write_limit: None,
        }
    }
}

impl TcpStream {
    /// Opens a connection, waiting at most `limit`, if there is one.
    ///
    /// # Errors
    /// As for [`TcpStream::connect`](crate::TcpStream::connect), and `TimedOut`.
    pub fn connect(shard: &Shard, remote: SocketAddr, limit: Option<Duration>) -> io::Result<Self> {
        block_within(shard, limit, crate::TcpStream::connect(shard, remote)).map(Self::from)
    }

    /// Lets every later read wait at most this long; `None` waits for ever.
    pub const fn set_read_timeout(&mut self, limit: Option<Duration>) {
        self.read_limit = limit;
    }

    /// Lets every later write wait at most this long; `None` waits for ever.
    pub const fn set_write_timeout(&mut self, limit: Option<Duration>) {
        self.write_limit = limit;
    }

    /// Finishes our direction after everything written. Reading goes on.
    ///
    /// # Errors
    /// As for [`TcpStream::finish`](crate::TcpStream::finish).
    pub fn finish(&mut self) -> io::Result<()> {
        self.stream.finish()
    }

    /// The stream below, for what else can be asked of it.
    #[must_use]
    pub const fn get_ref(&self) -> &crate::TcpStream {
        &self.stream
    }
}

impl Read for TcpStream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.rest.is_empty() && !buf.is_empty() {
            let shard = self.stream.shard().clone();
            match block_within(&shard, self.read_limit, self.stream.read_chunk())? {
                Some(bytes) => self.rest = bytes,
                None => return Ok(0),
            }
        }
        let len = self.rest.len().min(buf.len());
        self.rest
            .copy_to_slice(buf.get_mut(..len).unwrap_or_default());
        Ok(len)
    }
}

impl Write for TcpStream {
    /// Takes what there is room for, and waits only if that is nothing.
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let taken = buf.get(..buf.len().min(WRITE_MAX)).unwrap_or_default();
        let mut queue = ChunkQueue::new();
        queue.push_slice(taken);
        let shard = self.stream.shard().clone();
        let conn = self.stream.conn();
        let some = poll_fn(|cx| conn.poll_write_some(cx, &mut queue));
        block_within(&shard, self.write_limit, some)
    }

    /// Everything written is with the engine already.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A UDP socket for threads.
#[derive(Debug)]
pub struct UdpSocket {
    socket: crate::UdpSocket,
    read_limit: Option<Duration>,
}

impl UdpSocket {
    /// Opens a socket on `local`.
    ///
    /// # Errors
    /// As for [`UdpSocket::bind`](crate::UdpSocket::bind).
    pub fn bind(shard: &Shard, local: SocketAddr) -> io::Result<Self> {
        let socket = crate::UdpSocket::bind(shard, local)?;
        Ok(Self {
            socket,
            read_limit: None,
        })
    }

    /// Lets every later receive wait at most this long; `None` waits for ever.
    pub const fn set_read_timeout(&mut self, limit: Option<Duration>) {
        self.read_limit = limit;
    }

    /// Sends one datagram.
    ///
    /// # Errors
    /// As for [`UdpSocket::send_to`](crate::UdpSocket::send_to).
    pub fn send_to(&self, data: &[u8], remote: SocketAddr) -> io::Result<()> {
        block_on(self.socket.send_to(Bytes::copy_from_slice(data), remote))
    }

    /// The next datagram.
    ///
    /// # Errors
    /// As for [`UdpSocket::recv`](crate::UdpSocket::recv), and `TimedOut`.
    pub fn recv(&self) -> io::Result<Datagram> {
        let socket = &self.socket;
        block_within(socket.shard(), self.read_limit, socket.recv())
    }

    /// Where it is bound.
    ///
    /// # Errors
    /// `NotConnected` if the host has forgotten it.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}
