//! A request's body on its way to a service.
//!
//! Job: hand pieces from the connection's task to whoever reads them, one at a time.
//! Owns: at most one piece, and who is waiting. Does not know: HTTP. The two ends may live in different
//! tasks and threads: this is the one place of the crate with a lock.

use core::task::{Context, Poll, Waker};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

#[derive(Debug, Default)]
struct Shared {
    piece: Option<Frame<Bytes>>,
    /// `Ok` after a proper end.
    ended: Option<Result<(), io::ErrorKind>>,
    /// The reader asked for a piece it did not get yet.
    wanted: bool,
    reader: Option<Waker>,
    feeder: Option<Waker>,
    /// Bytes still to come, where that is known.
    left: Option<u64>,
}

/// The reading end.
pub(super) struct Incoming(Arc<Mutex<Shared>>);

/// The feeding end. Dropped before the end, it leaves the reader with an error.
#[derive(Debug)]
pub(crate) struct Feeder(Arc<Mutex<Shared>>);

/// A body of `length` bytes (`None`: unknown), and the end to feed it.
pub(crate) fn incoming(length: Option<u64>) -> (Feeder, super::Body) {
    let shared = Arc::new(Mutex::new(Shared {
        left: length,
        ..Shared::default()
    }));
    (
        Feeder(Arc::clone(&shared)),
        super::Body::from(Incoming(shared)),
    )
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    // A reader that panicked between two assignments leaves nothing half done.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Feeder {
    /// Whether the reader waits for a piece; if not, `cx` is woken when it does.
    pub(crate) fn poll_wanted(&self, cx: &Context<'_>) -> bool {
        let mut shared = lock(&self.0);
        let wanted = shared.wanted && shared.piece.is_none();
        if !wanted {
            shared.feeder = Some(cx.waker().clone());
        }
        wanted
    }

    /// Hands over a piece.
    pub(crate) fn push(&self, piece: Frame<Bytes>) {
        let mut shared = lock(&self.0);
        if let (Some(left), Some(data)) = (shared.left, piece.data_ref()) {
            shared.left = Some(left.saturating_sub(data.len() as u64));
        }
        shared.piece = Some(piece);
        shared.wanted = false;
        wake(shared);
    }

    /// The body is complete, or will never be.
    pub(crate) fn end(&self, how: Result<(), io::ErrorKind>) {
        let mut shared = lock(&self.0);
        if shared.ended.is_none() {
            shared.ended = Some(how);
        }
        wake(shared);
    }
}

fn wake(mut shared: MutexGuard<'_, Shared>) {
    let reader = shared.reader.take();
    drop(shared);
    if let Some(reader) = reader {
        reader.wake();
    }
}

impl Drop for Feeder {
    fn drop(&mut self) {
        self.end(Err(io::ErrorKind::ConnectionAborted));
    }
}

impl Incoming {
    pub(super) fn poll_frame(&self, cx: &Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let mut shared = lock(&self.0);
        if let Some(piece) = shared.piece.take() {
            return Poll::Ready(Some(Ok(piece)));
        }
        match shared.ended {
            Some(Ok(())) => return Poll::Ready(None),
            Some(Err(kind)) => return Poll::Ready(Some(Err(kind.into()))),
            None => {}
        }
        shared.wanted = true;
        shared.reader = Some(cx.waker().clone());
        let feeder = shared.feeder.take();
        drop(shared);
        if let Some(feeder) = feeder {
            feeder.wake();
        }
        Poll::Pending
    }

    pub(super) fn is_end_stream(&self) -> bool {
        let shared = lock(&self.0);
        shared.piece.is_none() && shared.ended == Some(Ok(()))
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        let shared = lock(&self.0);
        let waiting = shared
            .piece
            .as_ref()
            .and_then(Frame::data_ref)
            .map_or(0, |data| data.len() as u64);
        shared.left.map_or_else(SizeHint::default, |left| {
            SizeHint::with_exact(left + waiting)
        })
    }
}
