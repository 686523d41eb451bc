//! Where one HTTP/1 message ends and the next begins.
//!
//! Job: follow the framing of one direction, and keep of each message its head, its length and its times.
//! Owns: the head being collected. Does not know: the other direction, but for what was asked.
//! Sources: RFC 9112 2 (heads), 6 and 7 (framing). Unlike a server this forgives: it shows what was sent.

use core::ops::Range;
use core::time::Duration;
use std::collections::VecDeque;

use bytes::{Buf as _, Bytes};

use super::field::{self, Token};
use crate::placed::{Placed, Spans};
use crate::stream::Piece;

/// A head longer than this is none.
const HEAD_MAX: usize = 64 << 10;
/// Header fields of a head.
const FIELDS_MAX: usize = 128;
/// Spells behind a hole kept of a message; later ones prolong the last.
const HELD_MAX: usize = 64;

/// A request or a response, as it crossed the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// `GET /index.html HTTP/1.1`, `HTTP/1.1 200 OK`.
    pub start_line: String,
    /// Header fields in order; bytes that are no UTF-8 are replaced.
    pub fields: Vec<(String, String)>,
    /// Bytes of the head with its empty line.
    pub head_len: u64,
    /// Bytes of the body, without chunk framing.
    pub body_len: u64,
    /// When its first byte came.
    pub first: Duration,
    /// When it could be read to its last byte.
    pub last: Duration,
    /// The packet that brought the first byte.
    pub first_packet: u64,
    /// The packet that made the last byte readable.
    pub last_packet: u64,
    /// Where it is in its direction, by relative sequence numbers.
    pub range: Range<i64>,
    /// When bytes of it had arrived, but behind a hole: here, or at the peer by its selective acknowledgments.
    pub held: Vec<(Duration, Duration)>,
    /// Whether it came to its end.
    pub complete: bool,
}

impl Message {
    /// The first field of this name, which is in lower case.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.iter();
        let (_, value) = fields.find(|(n, _)| n.eq_ignore_ascii_case(name))?;
        Some(value)
    }

    /// The status of a response.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        let rest = self.start_line.strip_prefix("HTTP/")?;
        rest.split(' ').nth(1)?.parse().ok()
    }

    /// The method of a request.
    #[must_use]
    pub fn method(&self) -> &str {
        self.start_line.split(' ').next().unwrap_or_default()
    }

    fn touch(&mut self, piece: &Piece, seq: i64) {
        if self.first_packet == 0 {
            (self.first, self.first_packet) = (piece.arrived, piece.packet);
            self.range = seq..seq;
        }
        self.first = self.first.min(piece.arrived);
        self.last = self.last.max(piece.readable);
        self.last_packet = piece.packet;
        if piece.readable > piece.arrived {
            self.hold(piece.arrived, piece.readable);
        }
    }

    /// Bytes of it waited behind a hole.
    pub(super) fn hold(&mut self, from: Duration, to: Duration) {
        let full = self.held.len() >= HELD_MAX;
        match self.held.last_mut() {
            Some((_, until)) if *until >= from || full => *until = to.max(*until),
            _ => self.held.push((from, to)),
        }
    }
}

/// What a request means for its response's framing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Head,
    Connect,
    Other,
}

/// What comes next.
#[derive(Debug)]
enum Next {
    Head(Vec<u8>),
    Length(u64),
    ChunkSize(Vec<u8>),
    ChunkData(u64),
    Trailer(Vec<u8>),
    Close,
    /// Not HTTP/1, or no longer.
    Opaque,
}

/// Follows one direction.
#[derive(Debug)]
pub(super) struct Follower {
    next: Next,
    open: Message,
    /// Whether this direction is known to carry responses.
    pub(super) responds: Option<bool>,
    /// What the other direction asked and this one has not answered.
    pub(super) asked: VecDeque<Asked>,
    /// Where the bytes are that are being collected.
    spans: Spans,
}

impl Default for Follower {
    fn default() -> Self {
        Self {
            next: Next::Head(Vec::new()),
            open: Message::default(),
            responds: None,
            asked: VecDeque::new(),
            spans: Spans::default(),
        }
    }
}

impl Follower {
    /// Takes bytes in order; complete messages go to `done`, the fields found to `fields`.
    pub(super) fn feed(
        &mut self,
        piece: &Piece,
        done: &mut Vec<Message>,
        fields: &mut Vec<Placed>,
    ) {
        let mut rest = piece.bytes.clone();
        while !rest.is_empty() && !matches!(self.next, Next::Opaque) {
            let before = piece.bytes.len() - rest.len();
            let seq = piece.seq + length(before);
            let told = done.len();
            self.open.touch(piece, seq);
            let was = rest.clone();
            let token = self.step(&mut rest, done);
            let taken = was.len() - rest.len();
            let (number, at) = piece.place;
            self.spans.push(number, at + before, taken);
            if !matches!(token, Token::Unfinished) {
                let taken = was.get(..taken).unwrap_or_default();
                field::place(&token, taken, &core::mem::take(&mut self.spans), fields);
            }
            let after = seq + length(taken);
            let message = match done.get_mut(told) {
                Some(finished) => finished,
                None => &mut self.open,
            };
            message.range.end = after;
        }
    }

    /// Bytes kept of what is being collected.
    pub(super) const fn held_bytes(&self) -> usize {
        match &self.next {
            Next::Head(text) | Next::ChunkSize(text) | Next::Trailer(text) => text.len(),
            Next::Length(_) | Next::ChunkData(_) | Next::Close | Next::Opaque => 0,
        }
    }

    /// Follows no further.
    pub(super) fn give_up(&mut self) {
        self.next = Next::Opaque;
        self.spans = Spans::default();
    }

    /// The direction has ended: a body that lasts until then is complete.
    pub(super) fn close(&mut self, done: &mut Vec<Message>) {
        let complete = matches!(self.next, Next::Close);
        if !self.open.start_line.is_empty() {
            self.finish(complete, done);
        }
        self.next = Next::Opaque;
    }

    fn step(&mut self, rest: &mut Bytes, done: &mut Vec<Message>) -> Token {
        match &mut self.next {
            Next::Head(head) => {
                // Empty lines before a request are to be ignored (RFC 9112 2.2).
                let blank = head.is_empty() && rest.first().is_some_and(|b| b"\r\n".contains(b));
                if blank {
                    rest.advance(1);
                    return Token::Blank;
                }
                // Neither begins with anything else: binary protocols are left alone at once.
                let text = !head.is_empty() || rest.first().is_some_and(u8::is_ascii_graphic);
                if text
                    && line(head, rest)
                    && (head.ends_with(b"\n\r\n") || head.ends_with(b"\n\n"))
                {
                    let head = core::mem::take(head);
                    return self.head(head, done);
                }
                if !text || head.len() > HEAD_MAX {
                    self.next = Next::Opaque;
                }
                Token::Unfinished
            }
            Next::Length(left) | Next::ChunkData(left) => {
                let count = rest.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                rest.advance(count);
                let count = u64::try_from(count).unwrap_or(0);
                *left -= count;
                self.open.body_len += count;
                if matches!(self.next, Next::Length(0)) {
                    self.finish(true, done);
                } else if matches!(self.next, Next::ChunkData(0)) {
                    self.next = Next::ChunkSize(Vec::new());
                    return Token::ChunkData;
                } else if matches!(self.next, Next::ChunkData(_)) {
                    return Token::ChunkData;
                }
                Token::Body
            }
            Next::ChunkSize(text) | Next::Trailer(text) => {
                if !line(text, rest) {
                    // No line of a framing is this long.
                    if text.len() > HEAD_MAX {
                        self.next = Next::Opaque;
                    }
                    return Token::Unfinished;
                }
                let text = core::mem::take(text);
                self.framing(text, done)
            }
            Next::Close => {
                self.open.body_len += u64::try_from(rest.len()).unwrap_or(0);
                rest.clear();
                Token::Body
            }
            Next::Opaque => {
                rest.clear();
                Token::Unfinished
            }
        }
    }

    /// A whole line between chunks, or behind the last.
    fn framing(&mut self, text: Vec<u8>, done: &mut Vec<Message>) -> Token {
        let empty = matches!(text.as_slice(), b"\r\n" | b"\n");
        if matches!(self.next, Next::Trailer(_)) {
            if empty {
                self.finish(true, done);
                return Token::Blank;
            }
            return Token::Trailer(text);
        }
        self.next = chunk(&text);
        if empty {
            Token::ChunkEnd
        } else {
            Token::ChunkSize(text)
        }
    }

    fn head(&mut self, head: Vec<u8>, done: &mut Vec<Message>) -> Token {
        let Some((start_line, fields)) = parse(&head) else {
            self.next = Next::Opaque;
            return Token::Unfinished;
        };
        self.open.head_len = u64::try_from(head.len()).unwrap_or(0);
        (self.open.start_line, self.open.fields) = (start_line, fields);
        let responds = self.open.start_line.starts_with("HTTP/");
        self.responds.get_or_insert(responds);
        self.next = if responds {
            self.of_response()
        } else {
            self.of_request()
        };
        if matches!(self.next, Next::Length(0)) {
            self.finish(true, done);
        }
        Token::Head(head)
    }

    /// RFC 9112 6.3, for requests.
    fn of_request(&self) -> Next {
        if self.is_chunked() {
            Next::ChunkSize(Vec::new())
        } else {
            Next::Length(self.content_length().unwrap_or(0))
        }
    }

    /// RFC 9112 6.3, for responses.
    fn of_response(&mut self) -> Next {
        let status = self.open.status().unwrap_or(0);
        if matches!(status, 100 | 102..=199) {
            return Next::Length(0);
        }
        let asked = self.asked.pop_front().unwrap_or(Asked::Other);
        let tunnel = asked == Asked::Connect && matches!(status, 200..=299);
        if status == 101 || tunnel {
            return Next::Length(0);
        }
        if asked == Asked::Head || matches!(status, 204 | 304) {
            Next::Length(0)
        } else if self.is_chunked() {
            Next::ChunkSize(Vec::new())
        } else {
            self.content_length().map_or(Next::Close, Next::Length)
        }
    }

    fn is_chunked(&self) -> bool {
        let codings = self.open.field("transfer-encoding").unwrap_or_default();
        let last = codings.rsplit(',').next().unwrap_or_default();
        last.trim().eq_ignore_ascii_case("chunked")
    }

    fn content_length(&self) -> Option<u64> {
        self.open.field("content-length")?.trim().parse().ok()
    }

    fn finish(&mut self, complete: bool, done: &mut Vec<Message>) {
        let mut message = core::mem::take(&mut self.open);
        message.complete = complete;
        // After a switch of protocols the rest is somebody else's.
        let switched = message.status() == Some(101);
        self.next = if switched {
            Next::Opaque
        } else {
            Next::Head(Vec::new())
        };
        done.push(message);
    }

    /// What has come of a message that has not ended, if its head has.
    pub(super) fn unfinished(&mut self, done: &mut Vec<Message>) {
        if !self.open.start_line.is_empty() {
            self.finish(false, done);
        }
    }
}

fn length(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Moves bytes up to a line's end into `into`; whether that was reached.
fn line(into: &mut Vec<u8>, rest: &mut Bytes) -> bool {
    let newline = rest.iter().position(|b| *b == b'\n');
    let count = newline.map_or(rest.len(), |at| at + 1);
    into.extend(rest.split_to(count));
    newline.is_some()
}

fn chunk(text: &[u8]) -> Next {
    // The rest of the line behind the data of the chunk before.
    if matches!(text, b"\r\n" | b"\n") {
        return Next::ChunkSize(Vec::new());
    }
    match httparse::parse_chunk_size(text) {
        Ok(httparse::Status::Complete((_, 0))) => Next::Trailer(Vec::new()),
        Ok(httparse::Status::Complete((_, size))) => Next::ChunkData(size),
        Ok(httparse::Status::Partial) | Err(_) => Next::Opaque,
    }
}

type Head = (String, Vec<(String, String)>);

fn parse(head: &[u8]) -> Option<Head> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let parsed = if head.starts_with(b"HTTP/") {
        let mut response = httparse::Response::new(&mut fields);
        response.parse(head).ok()?.is_complete()
    } else {
        let mut request = httparse::Request::new(&mut fields);
        request.parse(head).ok()?.is_complete()
    };
    let end = head.iter().position(|b| *b == b'\n')?;
    let start = String::from_utf8_lossy(head.get(..end)?)
        .trim_end_matches('\r')
        .to_owned();
    let owned = |field: &httparse::Header<'_>| {
        let value = String::from_utf8_lossy(field.value).into_owned();
        (field.name.to_owned(), value)
    };
    let fields = fields.iter().take_while(|field| !field.name.is_empty());
    parsed.then(|| (start, fields.map(owned).collect()))
}
