//! The sending half of a server connection.
//!
//! Job: responses into bytes, framed as the request and the state demand. Owns: nothing of its own.
//! Does not know: how requests are read. Sources: RFC 9112 sections 4, 6, 7, 9; RFC 9110 sections 6.6.1, 8.6, 15.2.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, StatusCode, Version};
use outcrop_base::{ChunkQueue, Instant};

use super::super::body::{BodyReader, BodyWriter};
use super::super::head::Leaves;
use super::super::reject::Reject;
use super::super::state::{Role, State, Step};
use super::super::{BodyLength, Prepared, SendError, emit, framing, grammar};
use super::{OWNED_FIELDS, Reading, Server, ServerEvent};

impl Server {
    /// The application is going to use the body: a client that holds it back is told to go on.
    pub fn accept_body(&mut self) {
        if self.asked.awaits_continue && self.step(Role::Server, Step::Informational).is_ok() {
            self.asked.awaits_continue = false;
            self.output.push_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
            self.rearm();
        }
    }

    /// Sends a 1xx response (103, say). A 1.0 client is spared it.
    ///
    /// # Errors
    /// `WrongClass` for any other status, and for 101, which is [`Server::switch`]. `OutOfTurn`.
    pub fn inform(&mut self, status: StatusCode, fields: &HeaderMap) -> Result<(), SendError> {
        if !status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(SendError::WrongClass);
        }
        self.step(Role::Server, Step::Informational)?;
        if self.asked.http10() {
            return Ok(());
        }
        emit::status_line(status, &mut self.output);
        self.write_fields(fields, |_| false);
        self.output.push_slice(b"\r\n");
        Ok(())
    }

    /// Begins the response: its head, with the date of `now`. What follows is `write` and `finish`.
    ///
    /// The framing is ours: a `Content-Length` among `fields` counts only where a body of that length
    /// is not sent (an answer to HEAD, a 304), `Connection: close` is obeyed, and other fields about
    /// the connection are left out.
    ///
    /// # Errors
    /// `WrongClass` for a 1xx status; `OutOfTurn` if no request awaits a response.
    pub fn respond(
        &mut self,
        now: Instant,
        status: StatusCode,
        fields: &HeaderMap,
        body: BodyLength,
    ) -> Result<(), SendError> {
        if status.is_informational() || self.opens_tunnel(status) {
            return Err(SendError::WrongClass);
        }
        self.begin_response(now)?;
        let close = fields.get_all(http::header::CONNECTION).iter();
        if close
            .flat_map(|value| grammar::list(value.as_bytes()))
            .any(|option| option.eq_ignore_ascii_case(b"close"))
        {
            self.exchange.last();
        }
        let asked = if self.asked.head_only {
            Method::HEAD
        } else {
            Method::GET
        };
        let has_body = framing::has_body(status, &asked);
        self.writer = match body {
            _ if !has_body => BodyWriter::Nothing,
            BodyLength::Exact(length) => BodyWriter::Length(length),
            BodyLength::Unknown if self.asked.http10() => {
                self.exchange.last();
                BodyWriter::UntilClose
            }
            BodyLength::Unknown => BodyWriter::Chunked,
        };
        emit::status_line(status, &mut self.output);
        self.write_date(!fields.contains_key(http::header::DATE));
        if !self.config.server_name.is_empty() && !fields.contains_key(http::header::SERVER) {
            emit::field(
                "server",
                self.config.server_name.as_bytes(),
                &mut self.output,
            );
        }
        // A length is no news for a 204, and must be that of the 200 for HEAD and 304 (RFC 9110 section 8.6).
        let theirs = !has_body && status != StatusCode::NO_CONTENT;
        let theirs = theirs && fields.contains_key(http::header::CONTENT_LENGTH);
        self.write_fields(fields, |name| {
            name == http::header::CONTENT_LENGTH && !theirs
        });
        match (&self.writer, body) {
            (BodyWriter::Chunked, _) => self.output.push_slice(b"transfer-encoding: chunked\r\n"),
            (BodyWriter::Length(length), _) => emit::content_length(*length, &mut self.output),
            (BodyWriter::Nothing, BodyLength::Exact(length))
                if !theirs
                    && self.asked.head_only
                    && status != StatusCode::NO_CONTENT
                    && status != StatusCode::NOT_MODIFIED =>
            {
                emit::content_length(length, &mut self.output);
            }
            (BodyWriter::Nothing | BodyWriter::UntilClose, _) => {}
        }
        self.end_head();
        Ok(())
    }

    /// Whether the connection speaks another protocol now.
    #[must_use]
    pub const fn is_switched(&self) -> bool {
        matches!(self.reading, Reading::Switched)
    }

    /// Accepts the upgrade that the request offers: 101, then another protocol's bytes. They come as
    /// [`ServerEvent::Body`] and leave by `write`, both without an end until the stream's; `finish` ends our side.
    /// `fields` must say to what in `Upgrade` (RFC 9110 sections 7.8 and 15.2.2).
    ///
    /// # Errors
    /// `WrongClass` if the request offers none or `fields` has no `Upgrade`; `OutOfTurn`.
    pub fn switch(&mut self, now: Instant, fields: &HeaderMap) -> Result<(), SendError> {
        let to = fields.get(http::header::UPGRADE);
        let Some(to) = to.filter(|_| self.asked.leaves == Leaves::Upgrade) else {
            return Err(SendError::WrongClass);
        };
        self.leave(now, StatusCode::SWITCHING_PROTOCOLS)?;
        emit::field("connection", b"upgrade", &mut self.output);
        emit::field("upgrade", to.as_bytes(), &mut self.output);
        self.write_fields(fields, |name| name == http::header::CONTENT_LENGTH);
        self.output.push_slice(b"\r\n");
        self.rearm();
        Ok(())
    }

    /// Opens the tunnel that the request asks for: a 2xx without framing (RFC 9110 section 9.3.6), then bytes both ways
    /// as after [`Server::switch`]. Nothing is said of a length or a coding, whatever `fields` has.
    ///
    /// # Errors
    /// `WrongClass` for another status, or if the request asks for none; `OutOfTurn`.
    pub fn tunnel(
        &mut self,
        now: Instant,
        status: StatusCode,
        fields: &HeaderMap,
    ) -> Result<(), SendError> {
        if !self.opens_tunnel(status) {
            return Err(SendError::WrongClass);
        }
        self.leave(now, status)?;
        self.write_fields(fields, |name| name == http::header::CONTENT_LENGTH);
        self.output.push_slice(b"\r\n");
        self.rearm();
        Ok(())
    }

    /// Whether this status would be the beginning of a tunnel.
    fn opens_tunnel(&self, status: StatusCode) -> bool {
        self.asked.leaves == Leaves::Tunnel && status.is_success()
    }

    /// From this status on the connection is bytes.
    fn leave(&mut self, now: Instant, status: StatusCode) -> Result<(), SendError> {
        self.begin_response(now)?;
        // The request has no body: if its end was not asked for yet, it is known all the same.
        let _done_already = self.exchange.step(Role::Client, Step::End);
        self.exchange.last();
        self.reading = Reading::Switched;
        self.before = None;
        self.writer = BodyWriter::UntilClose;
        self.event = None;
        emit::status_line(status, &mut self.output);
        self.write_date(true);
        Ok(())
    }

    /// Sends a whole response that was made before.
    ///
    /// # Errors
    /// `OutOfTurn` if no request awaits a response; `WrongClass` if it would open a tunnel.
    pub fn respond_prepared(&mut self, now: Instant, response: &Prepared) -> Result<(), SendError> {
        if self.opens_tunnel(response.status()) {
            return Err(SendError::WrongClass);
        }
        self.begin_response(now)?;
        self.output.push_slice(response.head());
        match self.config.wall_clock {
            // Date and empty line together: nothing else follows.
            Some(clock) if self.exchange.reusable() && !self.asked.http10() => {
                let line = self.date.last_line(&clock, self.now);
                self.output.push_slice(line);
            }
            Some(_) | None => {
                self.write_date(true);
                self.end_head();
            }
        }
        if !self.asked.head_only {
            self.output.push_shared(response.body());
        }
        self.writer = BodyWriter::Nothing;
        self.end_response()
    }

    /// Room in the output; `write` takes a piece of any size while this is not zero.
    #[must_use]
    pub fn room(&self) -> usize {
        self.config.limits.output.saturating_sub(self.output.len())
    }

    /// The next bytes of the response's body; large pieces are not copied.
    ///
    /// # Errors
    /// `Full`: transmit first. `TooLong` for more than was announced. `OutOfTurn`.
    pub fn write(&mut self, data: Bytes) -> Result<(), SendError> {
        self.step(Role::Server, Step::Data)?;
        if self.room() == 0 {
            return Err(SendError::Full);
        }
        self.writer.write(data, &mut self.output)
    }

    /// The response is complete. Trailers travel only in a chunked body.
    ///
    /// # Errors
    /// `TooShort` for less than was announced, `OutOfTurn`. After `TooShort` only `abort` is left.
    pub fn finish(&mut self, trailers: Option<&HeaderMap>) -> Result<(), SendError> {
        if self.exchange.state(Role::Server) == State::Body {
            self.writer.finish(trailers, &mut self.output)?;
        }
        self.end_response()
    }

    /// Breaks the response off. The client can tell, since its body has no end.
    pub fn abort(&mut self) {
        let _always = self.exchange.step(Role::Server, Step::Fail);
        self.finish_connection();
        self.rearm();
    }

    fn begin_response(&mut self, now: Instant) -> Result<(), SendError> {
        self.step(Role::Server, Step::Response)?;
        self.now = now;
        if self.asked.awaits_continue {
            // Whether its body comes after all, only the client knows (RFC 9110 section 10.1.1).
            self.exchange.last();
        }
        Ok(())
    }

    fn write_date(&mut self, wanted: bool) {
        if let Some(clock) = self.config.wall_clock.filter(|_| wanted) {
            let line = self.date.line(&clock, self.now);
            self.output.push_slice(line);
        }
    }

    fn write_fields(&mut self, fields: &HeaderMap, skip: impl Fn(&HeaderName) -> bool) {
        for (name, value) in fields {
            if !OWNED_FIELDS.contains(&name.as_str()) && !skip(name) {
                emit::field(name.as_str(), value.as_bytes(), &mut self.output);
            }
        }
    }

    fn end_head(&mut self) {
        if !self.exchange.reusable() {
            if self.asked.version == Version::HTTP_09 {
                // First on its connection: the output is this head and nothing else.
                self.output = ChunkQueue::new();
            } else {
                self.output.push_slice(b"connection: close\r\n\r\n");
            }
        } else if self.asked.http10() {
            self.output.push_slice(b"connection: keep-alive\r\n\r\n");
        } else {
            self.output.push_slice(b"\r\n");
        }
    }

    fn end_response(&mut self) -> Result<(), SendError> {
        self.step(Role::Server, Step::End)?;
        match &self.reading {
            // There is none: only nobody has asked for its end yet.
            Reading::Body(BodyReader::Length(0)) if self.exchange.reusable() => {
                self.end_request();
            }
            Reading::Body(reader) => self.leave_body(&reader.clone()),
            Reading::Head { .. } | Reading::Drain(..) | Reading::Switched | Reading::Pause => {
                self.next_exchange();
            }
        }
        self.rearm();
        Ok(())
    }

    /// The response is complete before the request is: read the rest if that is cheap, else close.
    fn leave_body(&mut self, reader: &BodyReader) {
        let most = self.config.limits.drain;
        let cheap = reader.left().is_none_or(|left| left <= most);
        if self.exchange.reusable() && cheap {
            self.reading = Reading::Drain(reader.clone(), most.saturating_add(1));
            self.event = self.event.take().or_else(|| self.read());
        } else {
            self.finish_connection();
        }
    }

    /// Refuses: answers if no answer has begun, and ends the connection in any case.
    pub(super) fn refuse(&mut self, reject: Reject) -> ServerEvent {
        let _always = self.exchange.step(Role::Client, Step::Fail);
        self.exchange.owe_refusal();
        if self.exchange.state(Role::Server) == State::Owing {
            let page = crate::pages::error(reject.status());
            self.asked.awaits_continue = false;
            let _owing = self.respond_prepared(self.now, &page);
        } else {
            let _always = self.exchange.step(Role::Server, Step::Fail);
        }
        self.finish_connection();
        ServerEvent::Rejected(reject)
    }
}
