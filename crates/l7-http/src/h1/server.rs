//! The server's end of a connection.
//!
//! Job: requests out of bytes, responses into bytes, one exchange after the other, in order.
//! Owns: the exchange's state, unread and untransmitted bytes, one timer. Does not know: who answers, or how.
//! Pipelined requests wait as bytes until their turn: depth is bounded by `Limits::pipelined`, order needs no care.
//! Sources: RFC 9112 sections 2.2, 6, 7, 9; RFC 9110 sections 10.1.1 (100-continue), 15.5.9 (408).

mod receive;
mod send;

use core::hash::{Hash, Hasher};

use bytes::Bytes;
use http::Version;
use outcrop_base::{ChunkQueue, DropReason, Instant, RuleRef, Verdict};

use super::body::{BodyReader, BodyWriter};
use super::config::ServerConfig;
use super::date::DateCache;
use super::fields::Trailers;
use super::glance::Before;
use super::head::{Leaves, RequestHead};
use super::input::Input;
use super::parse::RequestLine;
use super::reject::Reject;
use super::scan::Scan;
use super::state::{Exchange, Role, State, Step};

/// Fields that the engine alone writes: they say where messages end.
pub(super) const OWNED_FIELDS: [&str; 5] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "transfer-encoding",
    "upgrade",
];

const TAKEN: RuleRef = RuleRef {
    name: "http:bytes",
    source: "RFC 9112 2.2",
};
const AFTER_LAST: RuleRef = RuleRef {
    name: "http:after-last",
    source: "RFC 9112 9.6",
};

/// What became known.
#[derive(Clone, Debug)]
pub enum ServerEvent {
    /// A request began. It ends with `End`, or with `Rejected`.
    Request(RequestHead),
    /// The next bytes of its body, never empty.
    Body(Bytes),
    /// Its trailers.
    Trailers(Trailers),
    /// The request is complete.
    End,
    /// What arrived is no request, or did not become one. If no response had begun the refusal is on
    /// its way already; the connection ends after it.
    Rejected(Reject),
}

/// How far the connection's end has come: what its driver is to do with the stream below.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Closing {
    /// Not at all.
    Open,
    /// Write what is in the output, finish our side of the stream, then call [`Server::handle_finished`].
    Finish,
    /// Read on, for what is still under way must not turn our last answer into a reset (RFC 9112 section 9.6).
    Linger,
    /// Let go of the stream.
    Gone,
}

/// Why the one timer runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Timer {
    Idle,
    Head,
    Body,
    Linger,
}

#[derive(Clone, Debug)]
enum Reading {
    Head {
        scan: Scan,
        line: Option<RequestLine>,
        empty_lines: u8,
    },
    Body(BodyReader),
    /// The body is swallowed, so many bytes at most, for the connection's sake.
    Drain(BodyReader, u64),
    /// Bytes of another protocol, as they come: to HTTP they are a body without an end.
    Switched,
    /// Nothing, until the response is complete.
    Pause,
}

impl Reading {
    fn next_head() -> Self {
        Self::Head {
            scan: Scan::default(),
            line: None,
            empty_lines: 0,
        }
    }
}

/// What the response must know of the request.
#[derive(Clone, Copy, Debug, Default, Hash)]
struct Asked {
    head_only: bool,
    version: Version,
    /// The client holds its body back.
    awaits_continue: bool,
    /// The client would go on in another protocol, or without one.
    leaves: Leaves,
}

impl Asked {
    /// The client knows neither 1xx nor chunks, and closes unless it is told otherwise.
    fn http10(self) -> bool {
        self.version != Version::HTTP_11
    }
}

/// An HTTP/1.1 server connection, sans I/O.
///
/// ```
/// use bytes::Bytes;
/// use http::{HeaderMap, StatusCode};
/// use outcrop_base::Instant;
/// use outcrop_http::h1::{BodyLength, Server, ServerConfig, ServerEvent};
///
/// let now = Instant::ZERO;
/// let mut server = Server::new(ServerConfig::default(), now);
/// let verdict = server.handle_bytes(now, Bytes::from_static(b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"));
/// assert_eq!(verdict.drop_reason(), None);
/// let Some(ServerEvent::Request(head)) = server.poll_event() else { unreachable!() };
/// assert_eq!(head.target(), "/a");
/// assert!(matches!(server.poll_event(), Some(ServerEvent::End)));
///
/// server.respond(now, StatusCode::OK, &HeaderMap::new(), BodyLength::Exact(2))?;
/// server.write(Bytes::from_static(b"hi"))?;
/// server.finish(None)?;
/// let sent = server.poll_transmit(now).unwrap();
/// assert_eq!(&sent[..], b"HTTP/1.1 200 OK\r\nserver: outcrop\r\ncontent-length: 2\r\n\r\nhi");
/// # Ok::<(), outcrop_http::h1::SendError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Server {
    config: ServerConfig,
    exchange: Exchange,
    closing: Closing,
    input: Input,
    peer_finished: bool,
    reading: Reading,
    event: Option<ServerEvent>,
    asked: Asked,
    writer: BodyWriter,
    output: ChunkQueue,
    date: DateCache,
    /// The latest instant told.
    now: Instant,
    /// The fields read last, while more bytes wait that came with them. Decides nothing: it spares reading them again.
    before: Option<Before>,
    timer: Option<(Timer, Instant)>,
    requests: u32,
    lingered: u64,
}

impl Server {
    /// A connection just accepted.
    #[must_use]
    pub fn new(config: ServerConfig, now: Instant) -> Self {
        let mut server = Self {
            config,
            exchange: Exchange::default(),
            closing: Closing::Open,
            input: Input::default(),
            peer_finished: false,
            reading: Reading::next_head(),
            event: None,
            asked: Asked::default(),
            writer: BodyWriter::Nothing,
            output: ChunkQueue::new(),
            date: DateCache::default(),
            now,
            before: None,
            timer: None,
            requests: 0,
            lingered: 0,
        };
        server.rearm();
        server
    }

    // ---- from below ----

    /// Bytes arrived. A head is judged at once; a body as it is handed out, when the verdict comes as
    /// [`ServerEvent::Rejected`].
    pub fn handle_bytes(&mut self, now: Instant, bytes: Bytes) -> Verdict {
        self.now = now;
        if self.closing != Closing::Open {
            self.lingered += bytes.len() as u64;
            if self.closing == Closing::Linger && self.lingered > self.config.limits.linger {
                self.closing = Closing::Gone;
                self.timer = None;
            }
            return Verdict::dropped(DropReason::HttpClosed, AFTER_LAST);
        }
        self.before = None;
        self.input.push(bytes);
        self.look_ahead();
        self.rearm();
        match &self.event {
            Some(ServerEvent::Rejected(reject)) => reject.verdict(),
            Some(
                ServerEvent::Request(_)
                | ServerEvent::Body(_)
                | ServerEvent::Trailers(_)
                | ServerEvent::End,
            )
            | None => Verdict::taken(TAKEN),
        }
    }

    /// The peer finished its side. What it asked before is still answered.
    pub fn handle_eof(&mut self, now: Instant) {
        self.now = now;
        self.peer_finished = true;
        match self.closing {
            Closing::Open => self.look_ahead(),
            Closing::Finish | Closing::Gone => {}
            Closing::Linger => self.closing = Closing::Gone,
        }
        self.rearm();
    }

    /// Our side of the stream is finished, as [`Closing::Finish`] asked.
    pub fn handle_finished(&mut self, now: Instant) {
        self.now = now;
        if self.closing == Closing::Finish {
            self.closing = if self.peer_finished {
                Closing::Gone
            } else {
                Closing::Linger
            };
        }
        self.rearm();
    }

    /// Whether the driver should read more from the stream: the back-pressure towards the client.
    #[must_use]
    pub fn wants_bytes(&self) -> bool {
        if self.peer_finished {
            return false;
        }
        match (self.closing, &self.reading) {
            (Closing::Gone | Closing::Finish, _) => false,
            (Closing::Linger, _) => true,
            // Unless there is one that nobody has asked for yet.
            (Closing::Open, Reading::Head { scan, .. }) => {
                self.event.is_none() && (self.input.is_empty() || !scan.is_new())
            }
            (Closing::Open, Reading::Switched) => self.input.is_empty(),
            (Closing::Open, Reading::Body(_) | Reading::Drain(..)) => self.input.needs_more(),
            (Closing::Open, Reading::Pause) => self.input.len() < self.config.limits.pipelined,
        }
    }

    // ---- to above ----

    /// The next fact. Pull body pieces no faster than they are used: the rest waits in the client.
    pub fn poll_event(&mut self) -> Option<ServerEvent> {
        if self.is_quiet() {
            return None;
        }
        let event = self.event.take().or_else(|| self.read());
        self.rearm();
        event
    }

    /// What is to be done with the stream below.
    #[must_use]
    pub const fn closing(&self) -> Closing {
        self.closing
    }

    /// Requests begun on this connection.
    #[must_use]
    pub const fn requests(&self) -> u32 {
        self.requests
    }

    /// Where the exchange stands, both ends.
    #[must_use]
    pub const fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    // ---- to below ----

    /// The next bytes to send. Responses to pipelined requests come as one piece if they are small.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Bytes> {
        self.now = now;
        self.output.pop(usize::MAX)
    }

    /// Everything to send, to take from the front of: spares a driver its own queue.
    pub const fn output(&mut self) -> &mut ChunkQueue {
        &mut self.output
    }

    // ---- the clock ----

    /// When [`Server::handle_timeout`] wants to be called.
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
            // The client is still busy with our answer: it is not idle yet.
            Timer::Idle if !self.output.is_empty() => {}
            Timer::Idle => self.finish_connection(),
            Timer::Head | Timer::Body => {
                let event = self.refuse(Reject::Timeout);
                self.event = Some(event);
            }
            Timer::Linger => self.closing = Closing::Gone,
        }
        self.rearm();
    }

    /// No further exchange: close now if idle, else after the response under way.
    pub fn shutdown(&mut self) {
        self.exchange.last();
        if self.exchange.state(Role::Client) == State::Idle {
            self.finish_connection();
        }
        self.rearm();
    }

    /// A digest of everything that decides what happens next; times are relative to `now`.
    pub fn fingerprint(&self, now: Instant, mut state: &mut dyn Hasher) {
        self.exchange.hash(&mut state);
        self.closing.hash(&mut state);
        self.input.view().hash(&mut state);
        (self.peer_finished, self.input.needs_more()).hash(&mut state);
        match &self.reading {
            Reading::Head {
                scan, empty_lines, ..
            } => (0, scan, empty_lines).hash(&mut state),
            Reading::Body(reader) => (1, reader).hash(&mut state),
            Reading::Drain(reader, left) => (2, reader, left).hash(&mut state),
            Reading::Pause => 3.hash(&mut state),
            Reading::Switched => 4.hash(&mut state),
        }
        self.event.is_some().hash(&mut state);
        self.asked.hash(&mut state);
        self.writer.hash(&mut state);
        let output = self.output.start()..self.output.end();
        self.output.range_to_vec(output).hash(&mut state);
        let timer = self.timer.map(|(kind, at)| (kind, at - now));
        timer.hash(&mut state);
        (self.requests, self.lingered).hash(&mut state);
    }

    /// Whether there is no event, and nothing to make one of: the state is as the last call left it.
    fn is_quiet(&self) -> bool {
        let nothing_read = match &self.reading {
            Reading::Pause => true,
            Reading::Head { .. } => self.input.is_empty() && !self.peer_finished,
            Reading::Body(_) | Reading::Drain(..) | Reading::Switched => false,
        };
        nothing_read && self.event.is_none()
    }

    /// Begins the end: nothing more is read as a request.
    fn finish_connection(&mut self) {
        self.closing = Closing::Finish;
        self.reading = Reading::Pause;
        self.before = None;
        self.input.clear();
        self.exchange.last();
    }

    /// Chooses the timer that fits the state; one that already runs for the same reason runs on. Who has nothing to read
    /// keeps nothing of what was read.
    fn rearm(&mut self) {
        if self.input.is_empty() {
            self.before = None;
        }
        let wanted = match (self.closing, &self.reading) {
            (Closing::Gone | Closing::Finish, _) => None,
            (Closing::Linger, _) => Some((Timer::Linger, self.config.linger)),
            (Closing::Open, Reading::Head { .. }) if self.event.is_some() => None,
            (Closing::Open, Reading::Head { .. }) if self.input.is_empty() => {
                Some((Timer::Idle, self.config.idle))
            }
            (Closing::Open, Reading::Head { .. }) => Some((Timer::Head, self.config.head)),
            (Closing::Open, Reading::Body(_) | Reading::Drain(..)) => (self.input.needs_more()
                && !self.asked.awaits_continue)
                .then_some((Timer::Body, self.config.body)),
            // Another protocol has its own idea of silence.
            (Closing::Open, Reading::Pause | Reading::Switched) => None,
        };
        self.timer = match (wanted, self.timer) {
            (None, _) => None,
            (Some((kind, _)), Some((running, at))) if kind == running => Some((running, at)),
            (Some((kind, after)), _) => Some((kind, self.now + after)),
        };
    }

    /// The exchange's step, where the table allows it; refused ones leave all as it was.
    fn step(&mut self, role: Role, step: Step) -> Result<(), super::SendError> {
        self.exchange.step(role, step).map_err(Into::into)
    }
}
