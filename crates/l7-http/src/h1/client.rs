//! The client's end of a connection.
//!
//! Job: requests into bytes, responses out of bytes, one exchange after the other.
//! Owns: the exchange's state, unread and untransmitted bytes, one timer. Does not know: names, redirects, sockets.
//! Sources: RFC 9112 sections 3, 4, 6, 9; RFC 9110 sections 7.2, 10.1.1, 15.2.

mod ask;

use core::hash::{Hash, Hasher};
use std::collections::VecDeque;

use bytes::Bytes;
use http::{Method, StatusCode, Version};
use outcrop_base::{ChunkQueue, DropReason, Instant, RuleRef, Verdict};

use super::SendError;
use super::body::{BodyReader, BodyWriter};
use super::chunked::Piece;
use super::config::ClientConfig;
use super::fields::Trailers;
use super::framing::Framing;
use super::head::ResponseHead;
use super::input::Input;
use super::parse::{self, StatusLine};
use super::reject::Reject;
use super::scan::{Found, Scan, Section};
use super::state::{Exchange, Role, State, Step};

pub use ask::is_idempotent;

const TAKEN: RuleRef = RuleRef {
    name: "http:bytes",
    source: "RFC 9112 2.2",
};
const UNASKED: RuleRef = RuleRef {
    name: "http:unasked",
    source: "RFC 9112 9.2",
};

/// What became known.
#[derive(Clone, Debug)]
pub enum ClientEvent {
    /// An interim response (1xx, but for 100, which only lets the body go).
    Informational(ResponseHead),
    /// The response began. It ends with `End`, or with `Failed`.
    Response(ResponseHead),
    /// The next bytes of its body, never empty.
    Body(Bytes),
    /// Its trailers.
    Trailers(Trailers),
    /// The response is complete.
    End,
    /// The exchange failed; the connection is of no further use.
    Failed(ClientError),
}

/// How an exchange failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// What arrived is no response.
    #[error("the server's answer is not HTTP: {0}")]
    Rejected(Reject),
    /// The server closed the connection before it answered.
    #[error("the server closed the connection without an answer")]
    NoAnswer,
    /// The server closed the connection inside its answer.
    #[error("the answer ended early")]
    Incomplete,
    /// The server was silent for too long.
    #[error("the server did not answer in time")]
    Timeout,
}

#[derive(Clone, Debug)]
enum Reading {
    /// Nothing is expected.
    Idle,
    Head(Scan, Option<StatusLine>),
    Body(BodyReader),
}

/// Why the one timer runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Timer {
    Response,
    /// A body is held back for a 100.
    Continue,
}

/// An HTTP/1.1 client connection, sans I/O. See the crate's front page for one talking to a server.
#[derive(Clone, Debug)]
pub struct Client {
    config: ClientConfig,
    exchange: Exchange,
    input: Input,
    peer_finished: bool,
    reading: Reading,
    event: Option<ClientEvent>,
    method: Method,
    /// Methods of the requests that were sent behind this one.
    ahead: VecDeque<Method>,
    /// How many of them will never be answered.
    lost: usize,
    writer: BodyWriter,
    /// The body waits for a 100.
    held: bool,
    output: ChunkQueue,
    now: Instant,
    timer: Option<(Timer, Instant)>,
}

impl Client {
    /// A connection just opened.
    #[must_use]
    pub fn new(config: ClientConfig, now: Instant) -> Self {
        Self {
            config,
            exchange: Exchange::default(),
            input: Input::default(),
            peer_finished: false,
            reading: Reading::Idle,
            event: None,
            method: Method::GET,
            ahead: VecDeque::new(),
            lost: 0,
            writer: BodyWriter::Nothing,
            held: false,
            output: ChunkQueue::new(),
            now,
            timer: None,
        }
    }

    /// Whether another request may be sent once this exchange is complete.
    #[must_use]
    pub const fn reusable(&self) -> bool {
        self.exchange.reusable() && !self.peer_finished
    }

    // ---- from below ----

    /// Bytes arrived.
    pub fn handle_bytes(&mut self, now: Instant, bytes: Bytes) -> Verdict {
        self.now = now;
        if matches!(self.reading, Reading::Idle) {
            // Nothing was asked: this connection's framing cannot be trusted any more.
            self.exchange.last();
            return Verdict::dropped(DropReason::HttpClosed, UNASKED);
        }
        self.input.push(bytes);
        self.timer = None;
        if self.event.is_none() && matches!(self.reading, Reading::Head(..)) {
            self.event = self.read();
        }
        self.rearm();
        match &self.event {
            Some(ClientEvent::Failed(ClientError::Rejected(reject))) => reject.verdict(),
            Some(
                ClientEvent::Failed(
                    ClientError::NoAnswer | ClientError::Incomplete | ClientError::Timeout,
                )
                | ClientEvent::Informational(_)
                | ClientEvent::Response(_)
                | ClientEvent::Body(_)
                | ClientEvent::Trailers(_)
                | ClientEvent::End,
            )
            | None => Verdict::taken(TAKEN),
        }
    }

    /// The server finished its side.
    pub fn handle_eof(&mut self, now: Instant) {
        self.now = now;
        self.peer_finished = true;
        self.exchange.last();
        self.rearm();
    }

    /// Whether the driver should read more: the back-pressure towards the server.
    #[must_use]
    pub fn wants_bytes(&self) -> bool {
        !self.peer_finished
            && match self.reading {
                Reading::Idle => true,
                Reading::Head(..) => self.event.is_none(),
                Reading::Body(_) => self.input.needs_more() && self.event.is_none(),
            }
    }

    // ---- to above and below, and the clock ----

    /// The next fact.
    pub fn poll_event(&mut self) -> Option<ClientEvent> {
        let event = self.event.take().or_else(|| self.read());
        self.rearm();
        event
    }

    /// The next bytes to send.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Bytes> {
        self.now = now;
        self.output.pop(usize::MAX)
    }

    /// Everything to send, to take from the front of.
    pub const fn output(&mut self) -> &mut ChunkQueue {
        &mut self.output
    }

    /// When [`Client::handle_timeout`] wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timer.map(|(_, at)| at)
    }

    /// The time has come, if it has.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        let Some((timer, _)) = self.timer.filter(|(_, at)| *at <= now) else {
            return;
        };
        self.timer = None;
        match timer {
            Timer::Continue => self.held = false,
            // Our own request is still leaving: the server has nothing to answer yet.
            Timer::Response if !self.output.is_empty() => {}
            Timer::Response => self.event = Some(self.fail(ClientError::Timeout)),
        }
        self.rearm();
    }

    /// A digest of everything that decides what happens next; times are relative to `now`.
    pub fn fingerprint(&self, now: Instant, mut state: &mut dyn Hasher) {
        self.exchange.hash(&mut state);
        self.input.view().hash(&mut state);
        (self.peer_finished, self.held, self.event.is_some()).hash(&mut state);
        match &self.reading {
            Reading::Idle => 0.hash(&mut state),
            Reading::Head(scan, _) => (1, scan).hash(&mut state),
            Reading::Body(reader) => (2, reader).hash(&mut state),
        }
        (&self.method, &self.ahead, self.lost).hash(&mut state);
        self.writer.hash(&mut state);
        let output = self.output.start()..self.output.end();
        self.output.range_to_vec(output).hash(&mut state);
        let timer = self.timer.map(|(kind, at)| (kind, at - now));
        timer.hash(&mut state);
    }

    // ---- inside ----

    fn step(&mut self, step: Step) -> Result<(), SendError> {
        self.exchange.step(Role::Client, step).map_err(Into::into)
    }

    fn rearm(&mut self) {
        let wanted = match self.reading {
            Reading::Idle => None,
            Reading::Head(..) | Reading::Body(_) if self.event.is_some() => None,
            Reading::Head(..) if self.held => Some((Timer::Continue, self.config.expect_continue)),
            Reading::Head(..) => Some((Timer::Response, self.config.response)),
            Reading::Body(_) if self.input.needs_more() => {
                Some((Timer::Response, self.config.response))
            }
            Reading::Body(_) => None,
        };
        self.timer = match (wanted, self.timer) {
            (None, _) => None,
            (Some((kind, _)), Some((running, at))) if kind == running => Some((running, at)),
            (Some((kind, after)), _) => Some((kind, self.now + after)),
        };
    }

    fn read(&mut self) -> Option<ClientEvent> {
        let outcome = match &self.reading {
            Reading::Idle => return self.lose_ahead(),
            Reading::Head(..) => self.read_head(),
            Reading::Body(_) => self.read_body(),
        };
        match outcome {
            Ok(event) => event,
            Err(Reject::Incomplete) => Some(self.fail(ClientError::Incomplete)),
            Err(reject) => Some(self.fail(ClientError::Rejected(reject))),
        }
    }

    fn read_head(&mut self) -> Result<Option<ClientEvent>, Reject> {
        let limits = &self.config.limits;
        let Reading::Head(scan, line) = &mut self.reading else {
            return Ok(None);
        };
        loop {
            let view = self.input.view();
            match scan.advance(view, Section::Head, limits)? {
                Found::More if !self.peer_finished => return Ok(None),
                Found::More if self.input.is_empty() => {
                    return Ok(Some(self.fail(ClientError::NoAnswer)));
                }
                Found::More => return Err(Reject::Incomplete),
                Found::StartLine(len) => {
                    *line = Some(parse::status_line(view.get(..len).unwrap_or_default())?);
                }
                Found::End(len) => {
                    let line = line.take().ok_or(Reject::BadStartLine)?;
                    let raw = self.input.take(len);
                    let fields_at = memchr::memchr(b'\n', &raw).map_or(len, |lf| lf + 1);
                    let head = parse::response(raw, line, fields_at, &self.method, limits)?;
                    if let Some(event) = self.begin(head)? {
                        return Ok(Some(event));
                    }
                    return self.read_head();
                }
            }
        }
    }

    fn begin(&mut self, head: ResponseHead) -> Result<Option<ClientEvent>, Reject> {
        let status = head.status();
        if status == StatusCode::SWITCHING_PROTOCOLS {
            // Nobody asked for another protocol.
            return Err(Reject::BadStatus);
        }
        if status.is_informational() {
            let _in_turn = self.exchange.step(Role::Server, Step::Informational);
            self.reading = Reading::Head(Scan::default(), None);
            if status == StatusCode::CONTINUE {
                self.held = false;
                return Ok(None);
            }
            return Ok(Some(ClientEvent::Informational(head)));
        }
        let _in_turn = self.exchange.step(Role::Server, Step::Response);
        if !head.keep_alive() || head.version() == Version::HTTP_10 && self.held {
            self.exchange.last();
        }
        if head.framing() == Framing::UntilClose {
            self.exchange.last();
        }
        self.reading = Reading::Body(BodyReader::new(head.framing()));
        Ok(Some(ClientEvent::Response(head)))
    }

    fn read_body(&mut self) -> Result<Option<ClientEvent>, Reject> {
        let Reading::Body(reader) = &mut self.reading else {
            return Ok(None);
        };
        Ok(
            match reader.next(&mut self.input, self.peer_finished, &self.config.limits)? {
                Piece::More => None,
                Piece::Data(data) => {
                    self.timer = None;
                    let _in_turn = self.exchange.step(Role::Server, Step::Data);
                    Some(ClientEvent::Body(data))
                }
                Piece::End(trailers) => {
                    self.end_response();
                    match trailers {
                        Some(trailers) => {
                            self.event = Some(ClientEvent::End);
                            Some(ClientEvent::Trailers(trailers))
                        }
                        None => Some(ClientEvent::End),
                    }
                }
            },
        )
    }

    fn end_response(&mut self) {
        let _in_turn = self.exchange.step(Role::Server, Step::End);
        self.reading = Reading::Idle;
        self.timer = None;
        if self.exchange.state(Role::Client) == State::Body {
            // Answered before we were done: the rest of our body would be read as a request.
            self.exchange.last();
        }
        if !self.input.is_empty() && self.ahead.is_empty() {
            // More than was asked for.
            self.exchange.last();
            self.input.clear();
        }
        self.exchange.begin_next();
        self.go_on();
    }

    fn fail(&mut self, error: ClientError) -> ClientEvent {
        let _always = self.exchange.step(Role::Server, Step::Fail);
        self.reading = Reading::Idle;
        self.timer = None;
        self.input.clear();
        ClientEvent::Failed(error)
    }
}
