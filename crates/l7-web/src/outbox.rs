//! A body that others write while it is sent.
//!
//! Job: pieces from anywhere into one response. Owns: at most so many bytes. Does not know: what they say.

use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http_body::Frame;
use outcrop_http::Body;

#[derive(Debug, Default)]
struct Shared {
    pieces: VecDeque<Bytes>,
    bytes: usize,
    closed: bool,
    gone: bool,
    reader: Option<Waker>,
}

/// The writing end. Clones write into the same body.
#[derive(Clone, Debug)]
pub struct Outbox {
    shared: Arc<Mutex<Shared>>,
    most: usize,
}

/// Why nothing more can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the reader is gone, or does not keep up")]
pub struct Gone;

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Outbox {
    /// An empty outbox that holds at most `most` bytes, and the body that empties it.
    #[must_use]
    pub fn new(most: usize) -> (Self, Body) {
        let shared = Arc::new(Mutex::new(Shared::default()));
        let body = Body::new(Outgoing(Arc::clone(&shared)));
        (Self { shared, most }, body)
    }

    /// Adds a piece. One who does not keep up is let go of: waiting for him would hold everybody.
    ///
    /// # Errors
    /// [`Gone`].
    pub fn push(&self, piece: Bytes) -> Result<(), Gone> {
        let mut shared = lock(&self.shared);
        if shared.closed || shared.gone {
            return Err(Gone);
        }
        if shared.bytes + piece.len() > self.most {
            shared.closed = true;
        } else if !piece.is_empty() {
            shared.bytes += piece.len();
            shared.pieces.push_back(piece);
        }
        let closed = shared.closed;
        wake(shared);
        if closed { Err(Gone) } else { Ok(()) }
    }

    /// Ends the body after what is in it.
    pub fn close(&self) {
        let mut shared = lock(&self.shared);
        shared.closed = true;
        wake(shared);
    }

    /// Whether somebody still reads.
    #[must_use]
    pub fn is_open(&self) -> bool {
        let shared = lock(&self.shared);
        !shared.closed && !shared.gone
    }
}

fn wake(mut shared: MutexGuard<'_, Shared>) {
    let reader = shared.reader.take();
    drop(shared);
    if let Some(reader) = reader {
        reader.wake();
    }
}

struct Outgoing(Arc<Mutex<Shared>>);

impl Drop for Outgoing {
    fn drop(&mut self) {
        lock(&self.0).gone = true;
    }
}

impl http_body::Body for Outgoing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let mut shared = lock(&self.0);
        if let Some(piece) = shared.pieces.pop_front() {
            shared.bytes -= piece.len();
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        if shared.closed {
            return Poll::Ready(None);
        }
        shared.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}
