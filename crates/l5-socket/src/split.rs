//! The two directions of a connection, for two tasks.
//!
//! Job: reading here, writing there. Owns: a share of the handle each. Does not know: the other half.
//! Dropping the write half finishes our direction; the connection is let go of with the last half.

use core::future::poll_fn;
use core::task::{Context, Poll};
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use outcrop_base::ChunkQueue;
use outcrop_stack::tcp::Info;

use crate::stream::Conn;

/// The reading half of a [`TcpStream`](crate::TcpStream).
#[derive(Debug)]
pub struct OwnedReadHalf {
    conn: Arc<Conn>,
    rest: Bytes,
}

/// The writing half of a [`TcpStream`](crate::TcpStream). Dropping it finishes our direction.
#[derive(Debug)]
pub struct OwnedWriteHalf {
    conn: Arc<Conn>,
}

pub(crate) fn split(conn: Conn, rest: Bytes) -> (OwnedReadHalf, OwnedWriteHalf) {
    let conn = Arc::new(conn);
    let read = OwnedReadHalf {
        conn: Arc::clone(&conn),
        rest,
    };
    (read, OwnedWriteHalf { conn })
}

impl OwnedReadHalf {
    /// Addresses, state and figures.
    ///
    /// # Errors
    /// `NotConnected` once the connection has ended.
    pub fn info(&self) -> io::Result<Info> {
        self.conn.info()
    }

    /// The next bytes; `None` once the peer has finished.
    ///
    /// # Errors
    /// How the connection ended, if not by a finish.
    pub async fn read_chunk(&mut self) -> io::Result<Option<Bytes>> {
        poll_fn(|cx| self.poll_read(cx)).await
    }

    /// As [`ByteStream::poll_read`](outcrop_base::ByteStream::poll_read).
    ///
    /// # Errors
    /// As for [`read_chunk`](Self::read_chunk).
    pub fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        if self.rest.is_empty() {
            self.conn.poll_read(cx)
        } else {
            Poll::Ready(Ok(Some(core::mem::take(&mut self.rest))))
        }
    }

    #[cfg(feature = "tokio")]
    pub(crate) fn parts(&mut self) -> (&Conn, &mut Bytes) {
        (&self.conn, &mut self.rest)
    }
}

impl OwnedWriteHalf {
    /// Addresses, state and figures.
    ///
    /// # Errors
    /// `NotConnected` once the connection has ended.
    pub fn info(&self) -> io::Result<Info> {
        self.conn.info()
    }

    /// Writes everything in `data`. If the future is dropped, what was not taken is still in it.
    ///
    /// # Errors
    /// `BrokenPipe` after `finish`, or how the connection ended.
    pub async fn write_queue(&mut self, data: &mut ChunkQueue) -> io::Result<()> {
        poll_fn(|cx| self.conn.poll_write(cx, data)).await
    }

    /// Writes a copy of all of `data`.
    ///
    /// # Errors
    /// As for [`write_queue`](Self::write_queue).
    pub async fn write_all(&mut self, data: &[u8]) -> io::Result<()> {
        let mut queue = ChunkQueue::new();
        queue.push_slice(data);
        self.write_queue(&mut queue).await
    }

    /// Finishes our direction after everything written.
    ///
    /// # Errors
    /// How the connection ended, if not by a finish.
    pub fn finish(&mut self) -> io::Result<()> {
        self.conn.finish()
    }

    #[cfg(feature = "tokio")]
    pub(crate) fn conn(&self) -> &Conn {
        &self.conn
    }
}

impl Drop for OwnedWriteHalf {
    fn drop(&mut self) {
        // An error says that there is no direction left to finish.
        let _over = self.conn.finish();
    }
}
