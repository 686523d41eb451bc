//! The receiving half of a server connection.
//!
//! Job: turn waiting bytes into the next event. Owns: nothing of its own. Does not know: how responses are made.
//! Sources: RFC 9112 sections 2.2 (empty lines), 6.3, 9.3.2; RFC 9110 section 10.1.1.

use bytes::Bytes;
use http::Method;

use super::super::body::BodyReader;
use super::super::chunked::Piece;
use super::super::framing::Framing;
use super::super::glance;
use super::super::grammar::is_token_byte;
use super::super::parse;
use super::super::reject::Reject;
use super::super::scan::{Found, Section};
use super::super::state::{Role, State, Step};
use super::{Asked, Closing, Reading, Server, ServerEvent};

/// Empty lines before a request that are taken for an old client's slip: RFC 9112 section 2.2 asks for at least one.
const MAX_EMPTY_LINES: u8 = 1;

/// A head in the making.
enum Progress {
    More,
    Head(super::RequestHead),
}

impl Server {
    /// Judges a head as soon as it is there, so that `handle_bytes` can say what became of it.
    pub(super) fn look_ahead(&mut self) {
        if self.event.is_none() && matches!(self.reading, Reading::Head { .. }) {
            self.event = self.read();
        }
    }

    /// The next event out of the waiting bytes.
    pub(super) fn read(&mut self) -> Option<ServerEvent> {
        loop {
            if self.closing != Closing::Open {
                return None;
            }
            return match &self.reading {
                Reading::Pause => None,
                Reading::Switched => self.read_switched(),
                Reading::Head { .. } => self.read_head(),
                Reading::Body(_) => self.read_body(),
                Reading::Drain(..) => {
                    if self.drain() {
                        continue;
                    }
                    None
                }
            };
        }
    }

    fn read_head(&mut self) -> Option<ServerEvent> {
        if self.input.is_empty() && !self.peer_finished {
            return None;
        }
        match self.scan_head() {
            Ok(Progress::Head(head)) => Some(self.begin(head)),
            Ok(Progress::More) if !self.peer_finished => None,
            Ok(Progress::More) if self.input.is_empty() => {
                self.finish_connection();
                None
            }
            Ok(Progress::More) => Some(self.refuse(Reject::Incomplete)),
            Err(reject) => Some(self.refuse(reject)),
        }
    }

    fn scan_head(&mut self) -> Result<Progress, Reject> {
        let limits = &self.config.limits;
        let Reading::Head {
            scan,
            line,
            empty_lines,
        } = &mut self.reading
        else {
            return Ok(Progress::More);
        };
        if scan.is_new()
            && let Some(seen) = glance::request(self.input.view(), limits, self.before.as_ref())
        {
            self.asked.head_only = seen.line.method == Method::HEAD;
            let raw = self.input.take(seen.len);
            if !seen.repeats && !self.input.is_empty() {
                self.before = Some(glance::Before::of(&seen, &raw));
            }
            return parse::judge(raw, seen.line, &seen.meaning, limits).map(Progress::Head);
        }
        loop {
            let view = self.input.view();
            check_first_bytes(view)?;
            match scan.advance(view, Section::Head, limits)? {
                Found::More => return Ok(Progress::More),
                Found::StartLine(0) => {
                    *empty_lines += 1;
                    if *empty_lines > MAX_EMPTY_LINES {
                        return Err(Reject::EmptyLines);
                    }
                    self.input.take(2);
                    *scan = super::Scan::default();
                }
                Found::StartLine(len) => {
                    let text = view.get(..len).unwrap_or_default();
                    match parse::request_line(text, self.config.connect) {
                        Ok(understood) => *line = Some(understood),
                        Err(reject) => return self.read_simple(len).ok_or(reject),
                    }
                    self.asked.head_only = line.as_ref().is_some_and(|l| l.method == Method::HEAD);
                }
                Found::End(len) => {
                    let Some(line) = line.take() else {
                        return Err(Reject::BadStartLine);
                    };
                    let raw = self.input.take(len);
                    return parse::request(raw, line, limits).map(Progress::Head);
                }
            }
        }
    }

    /// A line of `len` bytes that is no request line of today, as one of 1991, where those are wanted: first on its
    /// connection, since the answer will be its end.
    #[cold]
    fn read_simple(&mut self, len: usize) -> Option<Progress> {
        let wanted = self.config.http09 && self.requests == 0;
        let text = self.input.view().get(..len).filter(|_| wanted)?;
        let line = parse::simple_request(text)?;
        let raw = self.input.take(len + "\r\n".len());
        Some(Progress::Head(parse::simple_head(raw, line)))
    }

    fn begin(&mut self, head: super::RequestHead) -> ServerEvent {
        // In turn by construction: a head is read only while the client is idle.
        let _in_turn = self.exchange.step(Role::Client, Step::Request);
        self.timer = None;
        self.requests = self.requests.saturating_add(1);
        if !head.keep_alive() || self.requests == self.config.requests {
            self.exchange.last();
        }
        self.asked = Asked {
            head_only: head.method() == Method::HEAD,
            version: head.version(),
            // A body that came along waits for nobody.
            awaits_continue: head.expects_continue() && self.input.is_empty(),
            leaves: head.leaves,
        };
        let framing: Framing = head.framing();
        if framing != Framing::Length(0) {
            self.before = None;
        }
        self.reading = Reading::Body(BodyReader::new(framing));
        ServerEvent::Request(head)
    }

    /// The request that waits behind the one under way and `skip` bytes of others, and its bytes, if it may begin before
    /// its turn: it is complete, safe and without a body, offers no other protocol and does not end the connection
    /// (RFC 9112 section 9.3.2). It will come as an event all the same, when its turn has come.
    #[must_use]
    pub fn ahead(&self, skip: usize) -> Option<(super::RequestHead, usize)> {
        let under_way = matches!(self.reading, Reading::Pause) && self.exchange.reusable();
        if !under_way || self.closing != Closing::Open {
            return None;
        }
        let (limits, view) = (&self.config.limits, self.input.view().get(skip..)?);
        let mut scan = super::Scan::default();
        let Ok(Found::StartLine(len @ 1..)) = scan.advance(view, Section::Head, limits) else {
            return None;
        };
        let line = parse::request_line(view.get(..len)?, false).ok()?;
        let Ok(Found::End(len)) = scan.advance(view, Section::Head, limits) else {
            return None;
        };
        let raw = Bytes::copy_from_slice(view.get(..len)?);
        let head = parse::request(raw, line, limits).ok()?;
        let may = head.method().is_safe()
            && head.framing() == Framing::Length(0)
            && head.keep_alive()
            && !head.may_leave();
        may.then_some((head, len))
    }

    fn read_body(&mut self) -> Option<ServerEvent> {
        let Reading::Body(reader) = &mut self.reading else {
            return None;
        };
        match reader.next(&mut self.input, self.peer_finished, &self.config.limits) {
            Ok(Piece::More) => None,
            Ok(Piece::Data(data)) => {
                self.timer = None;
                self.asked.awaits_continue = false;
                let _in_turn = self.exchange.step(Role::Client, Step::Data);
                Some(ServerEvent::Body(data))
            }
            Ok(Piece::End(trailers)) => {
                self.end_request();
                match trailers {
                    Some(trailers) => {
                        self.event = Some(ServerEvent::End);
                        Some(ServerEvent::Trailers(trailers))
                    }
                    None => Some(ServerEvent::End),
                }
            }
            Err(reject) => Some(self.refuse(reject)),
        }
    }

    fn read_switched(&mut self) -> Option<ServerEvent> {
        if !self.input.is_empty() {
            return Some(ServerEvent::Body(self.input.take(usize::MAX)));
        }
        if self.peer_finished {
            self.reading = Reading::Pause;
            return Some(ServerEvent::End);
        }
        None
    }

    pub(super) fn end_request(&mut self) {
        let _in_turn = self.exchange.step(Role::Client, Step::End);
        self.asked.awaits_continue = false;
        self.reading = Reading::Pause;
        self.next_exchange();
    }

    /// Swallows what nobody wants. True if the body ended and something else can be read.
    fn drain(&mut self) -> bool {
        let Reading::Drain(reader, left) = &mut self.reading else {
            return false;
        };
        loop {
            match reader.next(&mut self.input, self.peer_finished, &self.config.limits) {
                Ok(Piece::More) => return false,
                Ok(Piece::Data(data)) => {
                    self.timer = None;
                    *left = left.saturating_sub(data.len() as u64);
                    if *left == 0 {
                        self.finish_connection();
                        return false;
                    }
                }
                Ok(Piece::End(_)) => {
                    self.end_request();
                    return true;
                }
                // The response is out; there is nobody to tell.
                Err(_) => {
                    let _fails = self.exchange.step(Role::Client, Step::Fail);
                    self.finish_connection();
                    return false;
                }
            }
        }
    }

    /// Where an exchange is complete on both sides, begins the next or the end.
    pub(super) fn next_exchange(&mut self) {
        if self.exchange.both_done() {
            self.exchange.begin_next();
            self.asked = Asked::default();
            self.reading = Reading::next_head();
        } else if self.exchange.state(Role::Server) == State::MustClose
            && self.exchange.state(Role::Client) == State::MustClose
        {
            self.finish_connection();
        }
    }
}

/// What a first byte gives away already: a TLS hello or binary noise need not wait for a line end.
fn check_first_bytes(view: &[u8]) -> Result<(), Reject> {
    match view {
        [] | [b'\n', ..] | [b'\r'] | [b'\r', b'\n', ..] => Ok(()),
        [b'\r', ..] => Err(Reject::BareCr),
        [first, ..] if is_token_byte(*first) => Ok(()),
        [_, ..] => Err(Reject::BadMethod),
    }
}
