//! What the user of a client connection calls.
//!
//! Job: requests into bytes; those that may overtake an answer. Owns: nothing of its own. Does not know: answers.
//! Sources: RFC 9112 sections 3.2 (targets), 9.3.2 (pipelining); RFC 9110 sections 7.2, 9.2.2 (idempotent methods), 10.1.1.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, header};
use outcrop_base::{ChunkQueue, Instant};

use super::super::body::BodyWriter;
use super::super::scan::Scan;
use super::super::server::OWNED_FIELDS;
use super::super::state::{OutOfTurn, Role, State, Step};
use super::super::{BodyLength, SendError, emit};
use super::{Client, ClientError, ClientEvent, Reading};

/// Whether doing it twice comes to the same as doing it once (RFC 9110 section 9.2.2).
#[must_use]
pub fn is_idempotent(method: &Method) -> bool {
    method.is_safe() || matches!(*method, Method::PUT | Method::DELETE)
}

impl Client {
    /// Begins a request. The target is the URI's path and query, or all of it if `ClientConfig::to_proxy` says so; `Host`
    /// is its authority unless given. `Connection: close` is obeyed; `Expect: 100-continue` holds the body back (see
    /// [`Client::may_write`]).
    ///
    /// # Errors
    /// `OutOfTurn` while another exchange is under way; `NoHost`.
    pub fn request<B>(
        &mut self,
        now: Instant,
        request: &Request<B>,
        body: BodyLength,
    ) -> Result<(), SendError> {
        let host = host(request)?;
        self.step(Step::Request)?;
        self.now = now;
        self.method = request.method().clone();
        let fields = request.headers();
        let close = fields.get(header::CONNECTION);
        if close.is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"close")) {
            self.exchange.last();
        }
        self.write_head(request, host.as_deref());
        self.writer = write_framing(&self.method, body, &mut self.output);
        if !self.exchange.reusable() {
            self.output.push_slice(b"connection: close\r\n");
        }
        self.output.push_slice(b"\r\n");
        let expects = fields.get(header::EXPECT);
        self.held = body != BodyLength::Exact(0)
            && expects.is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"100-continue"));
        self.reading = Reading::Head(Scan::default(), None);
        self.timer = None;
        self.rearm();
        Ok(())
    }

    /// A whole request without a body, sent behind those under way: its answer follows theirs. What is not answered when
    /// the connection ends ([`Client::unanswered`]) may be asked again elsewhere, since only idempotent requests get here.
    /// `Connection: close` is not obeyed here.
    ///
    /// # Errors
    /// `OutOfTurn` while a body is under way, behind or for a method that is not idempotent, or on a connection that ends;
    /// `Full` beyond `ClientConfig::pipeline`; `NoHost`.
    pub fn pipeline<B>(&mut self, now: Instant, request: &Request<B>) -> Result<(), SendError> {
        if self.exchange.state(Role::Client) == State::Idle {
            self.request(now, request, BodyLength::Exact(0))?;
            return self.finish(None);
        }
        let before = self.ahead.back().unwrap_or(&self.method);
        let may = self.exchange.state(Role::Client) == State::Done
            && self.reusable()
            && is_idempotent(before)
            && is_idempotent(request.method());
        if !may {
            return Err(self.out_of_turn());
        }
        if self.ahead.len() >= self.config.pipeline {
            return Err(SendError::Full);
        }
        let host = host(request)?;
        self.now = now;
        self.write_head(request, host.as_deref());
        let _nothing = write_framing(request.method(), BodyLength::Exact(0), &mut self.output);
        self.output.push_slice(b"\r\n");
        self.ahead.push_back(request.method().clone());
        Ok(())
    }

    /// Requests sent whose answers are not complete.
    #[must_use]
    pub fn unanswered(&self) -> usize {
        let current = !matches!(self.reading, Reading::Idle);
        self.ahead.len() + self.lost + usize::from(current)
    }

    /// The answer before is complete: the next request sent is the one to be answered now.
    pub(super) fn go_on(&mut self) {
        if self.exchange.state(Role::Client) != State::Idle {
            return;
        }
        if let Some(method) = self.ahead.pop_front() {
            let _in_turn = self.exchange.step(Role::Client, Step::Request);
            let _in_turn = self.exchange.step(Role::Client, Step::End);
            self.method = method;
            self.reading = Reading::Head(Scan::default(), None);
            self.rearm();
        }
    }

    /// The connection ended before the turn of those that were sent behind: told once.
    pub(super) fn lose_ahead(&mut self) -> Option<ClientEvent> {
        if self.ahead.is_empty() || self.exchange.reusable() {
            return None;
        }
        self.lost += self.ahead.len();
        self.ahead.clear();
        Some(ClientEvent::Failed(ClientError::NoAnswer))
    }

    fn out_of_turn(&self) -> SendError {
        let (role, step) = (Role::Client, Step::Request);
        let state = self.exchange.state(role);
        OutOfTurn { role, state, step }.into()
    }

    /// Start line and fields, but for framing and the connection.
    fn write_head<B>(&mut self, request: &Request<B>, host: Option<&str>) {
        let out = &mut self.output;
        out.push_slice(request.method().as_str().as_bytes());
        out.push_slice(b" ");
        let target = request.uri().path_and_query().map_or("/", |p| p.as_str());
        if self.config.to_proxy
            && let Some((scheme, authority)) = request.uri().scheme_str().zip(authority(request))
        {
            out.push_slice(scheme.as_bytes());
            out.push_slice(b"://");
            out.push_slice(authority.as_bytes());
        }
        out.push_slice(target.as_bytes());
        out.push_slice(b" HTTP/1.1\r\n");
        if let Some(host) = host {
            emit::field("host", host.as_bytes(), out);
        }
        for (name, value) in request.headers() {
            if !OWNED_FIELDS.contains(&name.as_str()) && name != header::CONTENT_LENGTH {
                emit::field(name.as_str(), value.as_bytes(), out);
            }
        }
    }

    /// Whether body bytes may be written now: there is room, and no 100 is awaited.
    #[must_use]
    pub fn may_write(&self) -> bool {
        !self.held && self.output.len() < self.config.limits.output
    }

    /// The next bytes of the request's body.
    ///
    /// # Errors
    /// `Full`: transmit first, or wait for the 100. `TooLong`, `OutOfTurn`.
    pub fn write(&mut self, data: Bytes) -> Result<(), SendError> {
        self.step(Step::Data)?;
        if !self.may_write() {
            return Err(SendError::Full);
        }
        self.writer.write(data, &mut self.output)?;
        // A server has nothing to answer while we are still asking.
        self.timer = None;
        self.rearm();
        Ok(())
    }

    /// The request is complete.
    ///
    /// # Errors
    /// `TooShort` for less body than announced, `OutOfTurn`.
    pub fn finish(&mut self, trailers: Option<&HeaderMap>) -> Result<(), SendError> {
        if self.exchange.state(Role::Client) == State::Body {
            self.writer.finish(trailers, &mut self.output)?;
        }
        self.step(Step::End)?;
        self.held = false;
        self.exchange.begin_next();
        self.rearm();
        Ok(())
    }
}

/// The authority without user and password, which are no part of `Host` (RFC 9110 section 4.2.4).
fn authority<B>(request: &Request<B>) -> Option<&str> {
    let authority = request.uri().authority()?.as_str();
    Some(
        authority
            .rsplit_once('@')
            .map_or(authority, |(_, host)| host),
    )
}

/// The `Host` to write; none if the fields have one.
fn host<B>(request: &Request<B>) -> Result<Option<String>, SendError> {
    if request.headers().contains_key(header::HOST) {
        return Ok(None);
    }
    let authority = authority(request).ok_or(SendError::NoHost)?;
    Ok(Some(authority.to_owned()))
}

/// Writes how the request's body ends; methods that usually have none say nothing about an empty one.
fn write_framing(method: &Method, body: BodyLength, out: &mut ChunkQueue) -> BodyWriter {
    match body {
        BodyLength::Exact(0) if !matches!(*method, Method::POST | Method::PUT | Method::PATCH) => {
            BodyWriter::Length(0)
        }
        BodyLength::Exact(length) => {
            emit::content_length(length, out);
            BodyWriter::Length(length)
        }
        BodyLength::Unknown => {
            out.push_slice(b"transfer-encoding: chunked\r\n");
            BodyWriter::Chunked
        }
    }
}
