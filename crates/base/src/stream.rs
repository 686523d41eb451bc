//! The one pipe between sockets, TLS and applications.
//!
//! Job: a bidirectional stream of bytes in which pieces are handed over, not copied.
//! Owns: the contract. Does not know: whether TCP, TLS, a memory pipe or another runtime's stream is below.

use core::task::{Context, Poll};
use std::io;

use bytes::Bytes;

use crate::ChunkQueue;

/// A connected, ordered, reliable stream of bytes.
pub trait ByteStream {
    /// The next bytes, or `None` once the peer has finished.
    ///
    /// # Errors
    /// How the connection ended, if not by a finish (`ConnectionReset`, `TimedOut`, ..).
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>>;

    /// Takes bytes from the front of `out` as room allows; ready once `out` is empty.
    /// On `Pending` a part may have been taken: what remains in `out` is exactly what was not.
    ///
    /// # Errors
    /// `BrokenPipe` after our side was closed, otherwise how the connection ended.
    fn poll_write(&mut self, cx: &mut Context<'_>, out: &mut ChunkQueue) -> Poll<io::Result<()>>;

    /// Finishes our sending side after everything written; ready once that is under way.
    ///
    /// # Errors
    /// How the connection ended.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

impl<S: ByteStream + ?Sized> ByteStream for Box<S> {
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        (**self).poll_read(cx)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, out: &mut ChunkQueue) -> Poll<io::Result<()>> {
        (**self).poll_write(cx, out)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        (**self).poll_close(cx)
    }
}

impl<S: ByteStream + ?Sized> ByteStream for &mut S {
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        (**self).poll_read(cx)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, out: &mut ChunkQueue) -> Poll<io::Result<()>> {
        (**self).poll_write(cx, out)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        (**self).poll_close(cx)
    }
}
