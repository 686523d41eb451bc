//! Bytes both ways, until one side ends.
//!
//! Job: a response's body that is what the far side says, and that passes on what the client says. Owns: both ends of the
//! tunnel and its clock. Does not know: who opened it. What the far side said is all delivered before the end; when the
//! client has finished, that is passed on, and the answer to it still comes (RFC 9110 section 9.3.6; D-61).

use core::pin::Pin;
use core::task::{Context, Poll};
use std::io;

use bytes::Bytes;
use http_body::{Body as _, Frame};
use outcrop_base::{ByteStream as _, ChunkQueue, Instant};
use outcrop_http::{Body, Sleep as _};

use super::{Limits, Seat};
use crate::client::{Pipe, Timer};

/// What the client says, on its way.
enum Outward {
    Open(Body),
    /// It has finished; the far side is to be told.
    Ending,
    Ended,
}

pub(super) struct Pump {
    outward: Outward,
    waiting: ChunkQueue,
    pipe: Pipe,
    timer: Timer,
    limits: Limits,
    /// When it has been silent for too long, and when it has been open for too long.
    silent: Instant,
    over: Instant,
    _seat: Seat,
}

impl Pump {
    pub(super) fn new(
        incoming: Body,
        pipe: Pipe,
        timer: Timer,
        (limits, seat): (Limits, Seat),
    ) -> Self {
        let now = timer.now();
        Self {
            outward: Outward::Open(incoming),
            waiting: ChunkQueue::new(),
            pipe,
            silent: now + limits.idle,
            over: now + limits.whole,
            timer,
            limits,
            _seat: seat,
        }
    }

    /// What the client said, to the far side, as far as that goes now; true if anything moved.
    fn pass_on(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let mut moved = false;
        loop {
            if !self.waiting.is_empty() {
                let before = self.waiting.len();
                let written = self.pipe.poll_write(cx, &mut self.waiting);
                moved |= self.waiting.len() < before;
                if written?.is_pending() {
                    return Ok(moved);
                }
            }
            match &mut self.outward {
                Outward::Open(incoming) => match Pin::new(incoming).poll_frame(cx) {
                    Poll::Pending => return Ok(moved),
                    Poll::Ready(Some(frame)) => {
                        if let Ok(data) = frame?.into_data() {
                            self.waiting.push(data);
                        }
                    }
                    Poll::Ready(None) => self.outward = Outward::Ending,
                },
                Outward::Ending => {
                    if self.pipe.poll_close(cx)?.is_pending() {
                        return Ok(moved);
                    }
                    self.outward = Outward::Ended;
                    moved = true;
                }
                Outward::Ended => return Ok(moved),
            }
        }
    }

    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        let at = self.silent.min(self.over);
        self.timer.poll_until(cx, at).is_ready()
    }
}

impl http_body::Body for Pump {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = &mut *self;
        let moved = this.pass_on(cx)?;
        let read = this.pipe.poll_read(cx)?;
        if moved || read.is_ready() {
            this.silent = this.timer.now() + this.limits.idle;
        }
        match read {
            Poll::Ready(said) => Poll::Ready(said.map(|bytes| Ok(Frame::data(bytes)))),
            Poll::Pending if this.is_late(cx) => {
                Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}
