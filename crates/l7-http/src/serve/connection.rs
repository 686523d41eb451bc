//! The loop of one connection.
//!
//! Job: as a future, everything that can be done now, in the order that costs least. Owns: the pieces.
//! Does not know: who polls it. All answers that are ready are written in one go, before reading on:
//! responses to pipelined requests leave together, and an acknowledgment finds a response to ride on.

use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::io;

use http::StatusCode;
use http_body::{Body as _, Frame};
use outcrop_base::{ByteStream, Instant};

use super::early::Ahead;
use super::pace::Pace;
use super::{About, Answer, App, Config, ConnectionInfo, Slowest, Summary, Upgrade, spare};
use crate::body::{Feeder, incoming};
use crate::h1::{BodyLength, Closing, Framing, RequestHead, Server, ServerEvent};
use crate::{Body, Sleep};

/// Rounds of reading before another task gets its turn.
const ROUNDS: u32 = 32;

/// A served connection: a future that is ready when it is over.
///
/// # Errors
/// Its output is an error if the stream broke, or the client took none of our bytes for too long.
#[derive(Debug)]
pub struct Connection<S, T, A: App> {
    stream: S,
    sleep: T,
    app: A,
    server: Server,
    /// The connection and the request under way. It is the time at which this poll began: nothing in one takes long enough
    /// to ask the clock again.
    about: About,
    patience: Patience,
    /// What began before its turn.
    ahead: Ahead<A>,
    /// The app owes an answer.
    asked: bool,
    /// It was ready before its turn.
    ready: Option<Box<Answer<A::Body>>>,
    /// The answer's body, being sent.
    answer: Option<A::Body>,
    /// Where the request's body goes.
    feeder: Option<Feeder>,
    /// Where the bytes of another protocol would go, should the app switch to one, and whether that is a tunnel.
    upgrade: Option<(Feeder, bool)>,
    /// How the client keeps up with the answer, and with the body that is waited for.
    reading: Pace,
    sending: Pace,
    /// When the exchange under way has taken too long.
    due: Option<Instant>,
    /// The stream had nothing more to read in this poll; it wakes us when it has.
    dry: bool,
    /// Until when the timer certainly sleeps, and whom it wakes then.
    alarm: Option<(Instant, Waker)>,
    /// The output has memory of the thread's.
    borrowed: bool,
    summary: Summary,
}

/// What of the settings is asked for again and again; the engine has the rest.
#[derive(Debug)]
struct Patience {
    reading: Slowest,
    sending: Slowest,
    whole: Option<Duration>,
    ahead: usize,
}

// Nothing inside is pinned in place: futures and bodies that need it are boxed.
impl<S, T, A: App> Unpin for Connection<S, T, A> {}

impl<S: ByteStream, T: Sleep, A: App> Connection<S, T, A> {
    /// Serves `stream` with `app`.
    pub fn new(stream: S, sleep: T, app: A, config: Config, info: ConnectionInfo) -> Self {
        let now = sleep.now();
        let server = Server::new(config.http, now);
        Self {
            stream,
            sleep,
            app,
            server,
            about: About {
                connection: info,
                request: 0,
                at: now,
            },
            patience: Patience {
                reading: config.reading,
                sending: config.sending,
                whole: config.whole,
                ahead: config.ahead,
            },
            ahead: Ahead::never(),
            asked: false,
            ready: None,
            answer: None,
            feeder: None,
            upgrade: None,
            reading: Pace::default(),
            sending: Pace::default(),
            due: None,
            dry: false,
            alarm: None,
            borrowed: false,
            summary: Summary::default(),
        }
    }

    /// Lets pipelined requests that are safe begin while others are under way: `Config::ahead` of them at most, each with
    /// a clone of the app. Answers leave in order all the same; until its turn no byte of a body is asked for.
    #[must_use]
    pub fn concurrent(mut self) -> Self
    where
        A: Clone,
    {
        self.ahead = Ahead::of(self.patience.ahead, A::clone);
        self
    }

    /// No further request: ends at once if idle, else after the answer under way.
    pub fn shutdown(&mut self) {
        self.server.shutdown();
    }

    /// How it went so far.
    #[must_use]
    pub const fn summary(&self) -> Summary {
        Summary {
            requests: self.server.requests(),
            ..self.summary
        }
    }

    /// Requests to the app, answers to the engine; true if anything moved.
    fn exchange(&mut self, cx: &mut Context<'_>) -> bool {
        let mut moved = false;
        while self.take_request(cx) | self.take_answer(cx) | self.send_body(cx) | self.look_ahead()
        {
            moved = true;
        }
        self.ahead.poll(cx);
        moved
    }

    /// Begins what may begin before its turn; true if anything did.
    fn look_ahead(&mut self) -> bool {
        let busy = (self.asked || self.answer.is_some()) && self.feeder.is_none();
        busy && self.ahead.begin(&self.app, &self.server, &self.about)
    }

    fn take_request(&mut self, cx: &Context<'_>) -> bool {
        if let Some(feeder) = &self.feeder {
            if !feeder.poll_wanted(cx) {
                self.sending.pause(self.about.at);
                return false;
            }
            self.server.accept_body();
            if self.sending.deadline().is_none() {
                self.sending.wait(self.about.at, 0, self.patience.sending);
            }
        }
        match self.server.poll_event() {
            None => return false,
            Some(ServerEvent::Request(ref head)) => self.ask(head),
            Some(ServerEvent::Body(data)) => self.feed(Frame::data(data)),
            Some(ServerEvent::Trailers(trailers)) => self.feed(Frame::trailers(trailers.to_map())),
            Some(ServerEvent::End) => {
                self.sending.rest();
                if let Some(feeder) = self.feeder.take() {
                    feeder.end(Ok(()));
                }
            }
            Some(ServerEvent::Rejected(reject)) => {
                self.summary.rejected = Some(reject);
                self.sending.rest();
                if let Some(feeder) = self.feeder.take() {
                    feeder.end(Err(io::ErrorKind::InvalidData));
                }
                self.asked = false;
                self.ready = None;
                self.answer = None;
            }
        }
        true
    }

    fn ask(&mut self, head: &RequestHead) {
        self.due = self.patience.whole.map(|whole| self.about.at + whole);
        self.about.request = self.server.requests();
        if let Some((app, answer)) = self.ahead.turn(head) {
            (self.app, self.ready, self.asked) = (app, answer.map(Box::new), true);
            return;
        }
        let length = match head.framing() {
            Framing::Length(length) => Some(length),
            Framing::Chunked | Framing::UntilClose => None,
        };
        let body = if A::READS_BODIES && length != Some(0) {
            let (feeder, body) = incoming(length);
            self.feeder = Some(feeder);
            body
        } else {
            Body::empty()
        };
        if A::READS_BODIES && head.may_leave() {
            let (feeder, body) = incoming(None);
            self.upgrade = Some((feeder, head.asks_for_tunnel()));
            self.app.offer(Upgrade::new(body));
        }
        self.app.begin(head, &self.about, body);
        self.asked = true;
    }

    fn feed(&mut self, piece: Frame<bytes::Bytes>) {
        let moved = piece.data_ref().map_or(0, |data| data.len() as u64);
        self.sending
            .wait(self.about.at, moved, self.patience.sending);
        if let Some(feeder) = &self.feeder {
            feeder.push(piece);
        }
    }

    fn take_answer(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.asked {
            return false;
        }
        let answer = match self.ready.take() {
            Some(answer) => *answer,
            None => match self.app.poll_answer(cx) {
                Poll::Ready(answer) => answer,
                Poll::Pending => return false,
            },
        };
        self.asked = false;
        self.borrow();
        let now = self.about.at;
        let sent = match answer {
            Answer::Prepared(page) => {
                self.feeder = None;
                self.server.respond_prepared(now, &page)
            }
            Answer::Response(response) if self.leaves_with(response.status()) => {
                let (head, body) = response.into_parts();
                self.feeder = self.upgrade.take().map(|(feeder, _)| feeder);
                self.answer = Some(body);
                match head.status {
                    StatusCode::SWITCHING_PROTOCOLS => self.server.switch(now, &head.headers),
                    status => self.server.tunnel(now, status, &head.headers),
                }
            }
            Answer::Response(response) => {
                let (head, body) = response.into_parts();
                let length = body
                    .size_hint()
                    .exact()
                    .map_or(BodyLength::Unknown, BodyLength::Exact);
                let sent = self.server.respond(now, head.status, &head.headers, length);
                self.answer = Some(body);
                sent
            }
        };
        self.upgrade = None;
        if sent.is_err() {
            // A 1xx for an answer, say: ours, not the client's fault, and there is no way to go on.
            self.break_off();
        }
        true
    }

    /// Lets the output write into memory that other connections have used before it, if it holds nothing.
    fn borrow(&mut self) {
        if !self.borrowed && self.server.output().is_empty() {
            *self.server.output() = spare::take();
        }
        self.borrowed = true;
    }

    /// Who waits keeps no memory for its next answer: it goes to whoever answers next.
    fn give_back(&mut self) {
        if self.borrowed && self.server.output().is_empty() {
            self.borrowed = false;
            spare::give(core::mem::take(self.server.output()));
        }
    }

    /// Whether an answer of this status is the last of HTTP on this connection.
    fn leaves_with(&self, status: StatusCode) -> bool {
        let tunnel = self.upgrade.as_ref().is_some_and(|(_, tunnel)| *tunnel);
        status == StatusCode::SWITCHING_PROTOCOLS || (tunnel && status.is_success())
    }

    fn send_body(&mut self, cx: &mut Context<'_>) -> bool {
        let mut moved = false;
        while let Some(body) = &mut self.answer {
            if self.server.room() == 0 {
                break;
            }
            let sent = match Pin::new(body).poll_frame(cx) {
                Poll::Pending => break,
                Poll::Ready(None) => {
                    self.answered();
                    self.server.finish(None)
                }
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => self.server.write(data),
                    Err(frame) => {
                        self.answered();
                        self.server.finish(frame.trailers_ref())
                    }
                },
                Poll::Ready(Some(Err(_))) => {
                    self.break_off();
                    Ok(())
                }
            };
            if sent.is_err() {
                self.break_off();
            }
            moved = true;
        }
        moved
    }

    /// The answer is complete: whoever still reads the request's body reads for nobody.
    fn answered(&mut self) {
        self.answer = None;
        self.feeder = None;
    }

    fn break_off(&mut self) {
        self.answered();
        self.server.abort();
    }

    /// Output to the stream, and its end when that is due; true if anything moved.
    fn write(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let before = self.server.output().len();
        if before > 0 {
            self.borrowed = true;
            let written = self.stream.poll_write(cx, self.server.output());
            let after = self.server.output().len();
            self.summary.bytes_out += (before - after) as u64;
            if let Poll::Ready(result) = written {
                self.reading.rest();
                result?;
                return Ok(true);
            }
            let took = (before - after) as u64;
            self.reading
                .wait(self.about.at, took, self.patience.reading);
            return Ok(after < before);
        }
        if self.server.closing() == Closing::Finish
            && let Poll::Ready(result) = self.stream.poll_close(cx)
        {
            result?;
            self.server.handle_finished(self.about.at);
            return Ok(true);
        }
        Ok(false)
    }

    fn read(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        if self.dry || !self.server.wants_bytes() {
            return Ok(false);
        }
        let Poll::Ready(bytes) = self.stream.poll_read(cx)? else {
            self.dry = true;
            return Ok(false);
        };
        let now = self.about.at;
        match bytes {
            Some(bytes) => {
                self.summary.bytes_in += bytes.len() as u64;
                // What it says comes again as an event, with the request it ended.
                let _verdict = self.server.handle_bytes(now, bytes);
            }
            None => self.server.handle_eof(now),
        }
        Ok(true)
    }

    /// Whether the timer was asked before to wake this task, no later than `at`, and has not: a deadline that each
    /// request moves on costs a comparison. If not, it is about to be asked.
    fn sleeps_until(&mut self, at: Instant, cx: &Context<'_>) -> bool {
        let asked = self
            .alarm
            .as_ref()
            .filter(|(until, _)| self.about.at < *until);
        let known = asked.filter(|(_, waker)| waker.will_wake(cx.waker()));
        if known.is_some_and(|(until, _)| *until <= at) {
            return true;
        }
        let until = asked.map_or(at, |(until, _)| at.min(*until));
        self.alarm = Some((until, cx.waker().clone()));
        false
    }

    /// When the client, or the exchange, has taken too long.
    fn patience_ends(&self) -> Option<Instant> {
        if self.server.is_switched() {
            // Another protocol has its own ideas of patience, and may be silent for hours.
            return self.reading.deadline();
        }
        let fed = self.feeder.as_ref();
        let sending = fed.and_then(|_| self.sending.deadline());
        let busy = self.asked || self.answer.is_some() || self.reading.deadline().is_some();
        let due = self.due.filter(|_| busy || self.feeder.is_some());
        [self.reading.deadline(), sending, due]
            .into_iter()
            .flatten()
            .min()
    }

    /// True if a deadline passed.
    fn wait(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let patience = self.patience_ends();
        let deadlines = [self.server.poll_timeout(), patience];
        let Some(at) = deadlines.into_iter().flatten().min() else {
            return Ok(false);
        };
        if self.sleeps_until(at, cx) || self.sleep.poll_until(cx, at).is_pending() {
            return Ok(false);
        }
        self.alarm = None;
        let now = self.sleep.now().max(at);
        if patience.is_some_and(|end| end <= now) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.server.handle_timeout(now);
        Ok(true)
    }
}

impl<S: ByteStream, T: Sleep, A: App> Future for Connection<S, T, A> {
    type Output = io::Result<Summary>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<Summary>> {
        let this = &mut *self;
        this.about.at = this.sleep.now();
        this.dry = false;
        for _ in 0..ROUNDS {
            let mut moved = this.exchange(cx);
            moved |= this.write(cx)?;
            if this.server.closing() == Closing::Gone {
                return Poll::Ready(Ok(this.summary()));
            }
            moved |= this.read(cx)?;
            if !moved && !this.wait(cx)? {
                this.give_back();
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
