//! A pipe in memory and a clock that only moves when nothing else does.

use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_executor::LocalPool;
use outcrop_base::{ByteStream, ChunkQueue, Instant};
use outcrop_http::Sleep;

#[derive(Default)]
struct Direction {
    pieces: VecDeque<Bytes>,
    queued: usize,
    closed: bool,
    broken: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// One end of a pipe with room for so many bytes in each direction.
pub(crate) struct End {
    inward: Arc<Mutex<Direction>>,
    outward: Arc<Mutex<Direction>>,
    room: usize,
    /// Reads give at most so many bytes.
    cut: usize,
}

pub(crate) fn pipe(room: usize) -> (End, End) {
    let a = Arc::new(Mutex::new(Direction::default()));
    let b = Arc::new(Mutex::new(Direction::default()));
    let end = |inward: &Arc<_>, outward: &Arc<_>| End {
        inward: Arc::clone(inward),
        outward: Arc::clone(outward),
        room,
        cut: usize::MAX,
    };
    (end(&a, &b), end(&b, &a))
}

impl End {
    pub(crate) fn cut_at(mut self, cut: usize) -> Self {
        self.cut = cut;
        self
    }

    pub(crate) fn write_now(&self, bytes: &[u8]) {
        let mut outward = self.outward.lock().unwrap();
        outward.pieces.push_back(Bytes::copy_from_slice(bytes));
        outward.queued += bytes.len();
        wake(&mut outward.reader);
    }

    pub(crate) fn read_now(&self) -> Vec<u8> {
        let mut inward = self.inward.lock().unwrap();
        inward.queued = 0;
        wake(&mut inward.writer);
        inward.pieces.drain(..).flatten().collect()
    }

    pub(crate) fn close_now(&self) {
        let mut outward = self.outward.lock().unwrap();
        outward.closed = true;
        wake(&mut outward.reader);
    }

    pub(crate) fn peer_closed(&self) -> bool {
        self.inward.lock().unwrap().closed
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

impl ByteStream for End {
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        let mut inward = self.inward.lock().unwrap();
        if inward.broken {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let Some(mut piece) = inward.pieces.pop_front() else {
            if inward.closed {
                return Poll::Ready(Ok(None));
            }
            inward.reader = Some(cx.waker().clone());
            return Poll::Pending;
        };
        if piece.len() > self.cut {
            let rest = piece.split_off(self.cut);
            inward.pieces.push_front(rest);
        }
        inward.queued -= piece.len();
        wake(&mut inward.writer);
        Poll::Ready(Ok(Some(piece)))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, out: &mut ChunkQueue) -> Poll<io::Result<()>> {
        let mut outward = self.outward.lock().unwrap();
        if outward.broken {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        while let Some(piece) = out.pop(self.room.saturating_sub(outward.queued)) {
            outward.queued += piece.len();
            outward.pieces.push_back(piece);
        }
        wake(&mut outward.reader);
        if out.is_empty() {
            return Poll::Ready(Ok(()));
        }
        outward.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.close_now();
        Poll::Ready(Ok(()))
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.close_now();
        let mut inward = self.inward.lock().unwrap();
        inward.broken = true;
        wake(&mut inward.writer);
    }
}

/// A clock shared by all tasks of a test.
#[derive(Clone, Default)]
pub(crate) struct Clock(Arc<Mutex<ClockState>>);

#[derive(Default)]
struct ClockState {
    nanos: u64,
    sleepers: Vec<(Instant, Waker)>,
}

impl Clock {
    pub(crate) fn now(&self) -> Instant {
        Instant::from_nanos(self.0.lock().unwrap().nanos)
    }

    fn set(&self, now: Instant) {
        self.0.lock().unwrap().nanos = now.as_nanos();
    }

    /// Moves to the next deadline within the time left; false if there is none.
    fn leap(&self, until: Instant) -> bool {
        let mut state = self.0.lock().unwrap();
        let next = state.sleepers.iter().map(|(at, _)| *at).min();
        let Some(next) = next.filter(|at| *at <= until) else {
            return false;
        };
        state.nanos = state.nanos.max(next.as_nanos());
        state.sleepers.retain(|(at, waker)| {
            if *at <= next {
                waker.wake_by_ref();
            }
            *at > next
        });
        true
    }
}

impl Sleep for Clock {
    fn now(&self) -> Instant {
        Self::now(self)
    }

    fn poll_until(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()> {
        if at <= self.now() {
            return Poll::Ready(());
        }
        let waker = cx.waker().clone();
        self.0.lock().unwrap().sleepers.push((at, waker));
        Poll::Pending
    }
}

/// Tasks and their clock.
pub(crate) struct World {
    pub(crate) pool: LocalPool,
    pub(crate) clock: Clock,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            pool: LocalPool::new(),
            clock: Clock::default(),
        }
    }

    /// Runs everything until nothing moves, without letting time pass.
    pub(crate) fn settle(&mut self) {
        self.pool.run_until_stalled();
    }

    /// Lets this much time pass, waking whoever sleeps on the way.
    pub(crate) fn pass(&mut self, time: Duration) {
        let until = self.clock.now() + time;
        self.settle();
        while self.clock.leap(until) {
            self.settle();
        }
        self.clock.set(until);
    }
}
