//! Any tokio stream as a [`ByteStream`].
//!
//! Job: let TLS and HTTP run over tokio's own sockets, pipes and duplexes. Owns: a read buffer.
//! Does not know: what the stream is.

use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::io::{self, IoSlice};

use bytes::{Bytes, BytesMut};
use outcrop_base::{ByteStream, ChunkQueue, MAX_SLICES};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes read at a time.
const READ: usize = 16 * 1024;

/// A tokio stream seen as a [`ByteStream`].
///
/// ```
/// use outcrop_base::ByteStream;
/// use outcrop_socket::tokio::Compat;
/// use tokio::io::AsyncWriteExt;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let (mut there, here) = tokio::io::duplex(64);
/// there.write_all(b"hello").await.unwrap();
/// let mut here = Compat::new(here);
/// let bytes = std::future::poll_fn(|cx| here.poll_read(cx)).await.unwrap();
/// assert_eq!(&bytes.unwrap()[..], b"hello");
/// # });
/// ```
#[derive(Debug)]
pub struct Compat<S> {
    stream: S,
    buffer: BytesMut,
}

impl<S> Compat<S> {
    /// Wraps a stream.
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            buffer: BytesMut::new(),
        }
    }

    /// The stream.
    pub fn into_inner(self) -> S {
        self.stream
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> ByteStream for Compat<S> {
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        // Zeroed only when a buffer is new or is used again: what was handed out is cut off.
        if self.buffer.is_empty() {
            self.buffer.resize(READ, 0);
        }
        let mut buf = ReadBuf::new(&mut self.buffer);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buf))?;
        let len = buf.filled().len();
        Poll::Ready(Ok((len > 0).then(|| self.buffer.split_to(len).freeze())))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, out: &mut ChunkQueue) -> Poll<io::Result<()>> {
        while !out.is_empty() {
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            let (used, _) = out.slices(out.start()..out.end(), &mut slices);
            let slices = slices.get(..used).unwrap_or_default();
            let stream = Pin::new(&mut self.stream);
            let written = if stream.is_write_vectored() {
                ready!(stream.poll_write_vectored(cx, slices))?
            } else {
                let first = slices.first().map(|slice| &**slice).unwrap_or_default();
                ready!(stream.poll_write(cx, first))?
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            out.advance(written);
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
