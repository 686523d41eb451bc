//! HTTP/1 messages, field by field.
//!
//! Job: give the lines of a head, the framing of chunks and the body their names and places.
//! Owns: names and sections. Does not know: where a message ends (`message`).
//! Sources: RFC 9112 3 (request line), 4 (status line), 5 (fields), 7.1 (chunks), 6 (bodies). Blanks and line ends
//! belong to the field before them, so that every byte has an owner.

use core::ops::Range;
use std::borrow::Cow;

use crate::placed::{Meaning, Placed, Spans};

/// Longest value shown of a field.
const VALUE_MAX: usize = 512;
/// First words shown of a body.
const WORDS_MAX: usize = 48;

/// What has been read whole.
#[derive(Debug)]
pub(super) enum Token {
    /// Nothing yet.
    Unfinished,
    /// An empty line.
    Blank,
    /// A head, with its empty line.
    Head(Vec<u8>),
    /// A chunk's size and extensions.
    ChunkSize(Vec<u8>),
    /// Some of a chunk.
    ChunkData,
    /// The line end behind a chunk.
    ChunkEnd,
    /// A field behind the last chunk.
    Trailer(Vec<u8>),
    /// Some of a body that is not chunked.
    Body,
}

/// Gives a token's fields their places; `taken` is what it took of the last piece.
pub(super) fn place(token: &Token, taken: &[u8], spans: &Spans, out: &mut Vec<Placed>) {
    let mut put = |range: Range<usize>, source, name: Cow<'static, str>, value| {
        let what = Meaning {
            layer: "http",
            source,
            name,
            value,
        };
        spans.place(range, &what, out);
    };
    let whole = 0..usize::MAX;
    match token {
        Token::Unfinished => {}
        Token::Blank => put(whole, "RFC 9112 2.1", "empty line".into(), String::new()),
        Token::Head(head) => fields_of(head, &mut put),
        Token::ChunkSize(line) => {
            put(whole, "RFC 9112 7.1", "chunk size".into(), chunk_size(line));
        }
        Token::ChunkData => put(whole, "RFC 9112 7.1", "chunk data".into(), preview(taken)),
        Token::ChunkEnd => put(whole, "RFC 9112 7.1", "chunk end".into(), String::new()),
        Token::Trailer(line) => {
            let (name, value) = field(line);
            put(whole, "RFC 9112 7.1.2", name, value);
        }
        Token::Body => put(whole, "RFC 9112 6", "body".into(), preview(taken)),
    }
}

/// The start line, each header field and the empty line of a head.
fn fields_of(
    head: &[u8],
    put: &mut impl FnMut(Range<usize>, &'static str, Cow<'static, str>, String),
) {
    let mut at = 0;
    for (index, line) in head.split_inclusive(|b| *b == b'\n').enumerate() {
        let range = at..at + line.len();
        at = range.end;
        if index == 0 {
            start_line(line, put);
        } else if matches!(line, b"\r\n" | b"\n") {
            put(range, "RFC 9112 2.1", "empty line".into(), String::new());
        } else {
            let (name, value) = field(line);
            put(range, "RFC 9112 5", name, value);
        }
    }
}

/// The three words of a start line; the last of a status line may have blanks.
fn start_line(
    line: &[u8],
    put: &mut impl FnMut(Range<usize>, &'static str, Cow<'static, str>, String),
) {
    let (source, names) = if line.starts_with(b"HTTP/") {
        ("RFC 9112 4", ["version", "status code", "reason phrase"])
    } else {
        ("RFC 9112 3", ["method", "target", "version"])
    };
    let mut at = 0;
    for (word, name) in line.splitn(3, |b| *b == b' ').zip(names) {
        let last = at + word.len() >= line.len();
        let end = at + word.len() + usize::from(!last);
        put(at..end, source, name.into(), shown(word));
        at = end;
    }
}

/// Name and value of a field line.
fn field(line: &[u8]) -> (Cow<'static, str>, String) {
    let colon = line.iter().position(|b| *b == b':');
    let (name, value) = colon.map_or((line, &[][..]), |at| {
        (
            line.get(..at).unwrap_or_default(),
            line.get(at + 1..).unwrap_or_default(),
        )
    });
    (Cow::Owned(shown(name)), shown(value))
}

fn chunk_size(line: &[u8]) -> String {
    match httparse::parse_chunk_size(line) {
        Ok(httparse::Status::Complete((_, 0))) => "0: the last chunk".to_owned(),
        Ok(httparse::Status::Complete((_, size))) => format!("{size} bytes"),
        Ok(httparse::Status::Partial) | Err(_) => "no number".to_owned(),
    }
}

/// Bytes of a line as text.
fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes.trim_ascii());
    match text.char_indices().nth(VALUE_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.into_owned(),
    }
}

/// The first words of a payload, if they are words.
pub(crate) fn preview(bytes: &[u8]) -> String {
    let text: String = bytes
        .iter()
        .take(WORDS_MAX)
        .take_while(|b| b.is_ascii_graphic() || **b == b' ')
        .map(|b| char::from(*b))
        .collect();
    match text.len() {
        0..4 => format!("{} bytes", bytes.len()),
        _ => format!("{} bytes: {text}", bytes.len()),
    }
}
