//! A stream in memory.
//!
//! Job: join two ends of a program as a connection would. Owns: what is under way, at most [`ROOM`] bytes each way.
//! Does not know: networks. For tests, examples and doctests; threads may hold the ends.

use core::task::{Context, Poll, Waker};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use outcrop_base::{ByteStream, ChunkQueue};

/// Bytes under way in one direction at most.
const ROOM: usize = 64 << 10;

/// One direction.
#[derive(Debug, Default)]
struct Lane {
    queue: ChunkQueue,
    finished: bool,
    /// Nobody will read on.
    abandoned: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// One end.
#[derive(Debug)]
pub struct Pipe {
    incoming: Arc<Mutex<Lane>>,
    outgoing: Arc<Mutex<Lane>>,
}

/// Two ends: what is written to one is read from the other.
#[must_use]
pub fn pipe() -> (Pipe, Pipe) {
    let (a, b) = (Arc::<Mutex<Lane>>::default(), Arc::default());
    let here = Pipe {
        incoming: Arc::clone(&a),
        outgoing: Arc::clone(&b),
    };
    let there = Pipe {
        incoming: b,
        outgoing: a,
    };
    (here, there)
}

/// A lane is consistent between any two statements: a panic elsewhere spoils nothing.
fn lock(lane: &Mutex<Lane>) -> MutexGuard<'_, Lane> {
    lane.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

impl ByteStream for Pipe {
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        let mut lane = lock(&self.incoming);
        if let Some(bytes) = lane.queue.pop(usize::MAX) {
            wake(&mut lane.writer);
            return Poll::Ready(Ok(Some(bytes)));
        }
        if lane.finished {
            return Poll::Ready(Ok(None));
        }
        lane.reader = Some(cx.waker().clone());
        Poll::Pending
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, out: &mut ChunkQueue) -> Poll<io::Result<()>> {
        let mut lane = lock(&self.outgoing);
        if lane.finished || lane.abandoned {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = ROOM.saturating_sub(lane.queue.len());
        lane.queue.append_up_to(out, room);
        wake(&mut lane.reader);
        if out.is_empty() {
            return Poll::Ready(Ok(()));
        }
        lane.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    fn poll_close(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut lane = lock(&self.outgoing);
        lane.finished = true;
        wake(&mut lane.reader);
        Poll::Ready(Ok(()))
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        let mut lane = lock(&self.outgoing);
        lane.finished = true;
        wake(&mut lane.reader);
        drop(lane);
        let mut lane = lock(&self.incoming);
        lane.abandoned = true;
        wake(&mut lane.writer);
    }
}
