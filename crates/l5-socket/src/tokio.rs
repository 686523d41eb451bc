//! The same sockets under tokio.
//!
//! Job: tokio's traits for our streams, our trait for tokio's streams, the driver as a task.
//! Owns: nothing. Does not know: what runs above. One runtime (`current_thread`) for each shard: the
//! driver's turn and the tasks it wakes then share a core, and nothing crosses threads. A host with several shards
//! (`stack::ring`) is so many runtimes, each on a thread; a packet for another shard wakes that one's driver task.

use core::pin::Pin;
use core::task::{Context, Poll};
use std::io;

use bytes::Bytes;
use outcrop_base::ChunkQueue;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::stream::Conn;
use crate::{OwnedReadHalf, OwnedWriteHalf, TcpStream};

mod compat;
#[cfg(feature = "hyper")]
mod connector;
mod drive;

pub use compat::Compat;
#[cfg(feature = "hyper")]
pub use connector::Connector;
pub use drive::{drive, drive_until};

/// Most bytes one `poll_write` takes over: more would only wait in the engine, and leave the cache.
const WRITE_MAX: usize = 64 * 1024;

fn poll_read(
    (conn, rest): (&Conn, &mut Bytes),
    cx: &mut Context<'_>,
    buf: &mut ReadBuf<'_>,
) -> Poll<io::Result<()>> {
    if buf.remaining() == 0 {
        return Poll::Ready(Ok(()));
    }
    if rest.is_empty() {
        match conn.poll_read(cx) {
            Poll::Ready(Ok(Some(bytes))) => *rest = bytes,
            Poll::Ready(Ok(None)) => return Poll::Ready(Ok(())),
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => return Poll::Pending,
        }
    }
    let piece = rest.split_to(rest.len().min(buf.remaining()));
    buf.put_slice(&piece);
    Poll::Ready(Ok(()))
}

fn poll_write(conn: &Conn, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
    let mut queue = ChunkQueue::new();
    queue.push_slice(data.get(..data.len().min(WRITE_MAX)).unwrap_or_default());
    conn.poll_write_some(cx, &mut queue)
}

fn poll_write_vectored(
    conn: &Conn,
    cx: &mut Context<'_>,
    pieces: &[io::IoSlice<'_>],
) -> Poll<io::Result<usize>> {
    let mut queue = ChunkQueue::new();
    for piece in pieces {
        let room = WRITE_MAX - queue.len();
        queue.push_slice(piece.get(..piece.len().min(room)).unwrap_or_default());
    }
    conn.poll_write_some(cx, &mut queue)
}

impl AsyncRead for TcpStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        poll_read(self.get_mut().parts(), cx, buf)
    }
}

impl AsyncRead for OwnedReadHalf {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        poll_read(self.get_mut().parts(), cx, buf)
    }
}

impl AsyncWrite for TcpStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        poll_write(self.conn(), cx, data)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        poll_write_vectored(self.conn(), cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.conn().finish())
    }
}

impl AsyncWrite for OwnedWriteHalf {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        poll_write(self.conn(), cx, data)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        poll_write_vectored(self.conn(), cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.conn().finish())
    }
}
