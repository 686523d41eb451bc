//! A head that can be understood at a glance.
//!
//! Job: understand, in one pass, a request's head that has arrived whole and is as most are. Owns: nothing.
//! Does not know: refusals. It says either what [`scan`](super::scan) and [`parse`](super::parse) would say, or nothing,
//! and then they decide: a verdict has one source. A test compares the two.
//! Sources: RFC 9112 sections 2.1, 3 and 5; RFC 9110 section 5.5 (field values).

use bytes::Bytes;
use http::{Method, Version};

use super::config::Limits;
use super::grammar::{path_len, printable, query_len, token_len};
use super::parse::{Meaning, RequestLine};

/// What a head says.
#[derive(Debug)]
pub(super) struct Glance {
    pub(super) line: RequestLine,
    pub(super) meaning: Meaning,
    /// Bytes of it, with the empty line.
    pub(super) len: usize,
    /// Its fields were those of the head before.
    pub(super) repeats: bool,
}

/// The fields of the head before, with their empty line, and what they said. Of itself a client says the same with every
/// request: where several came together, it is read once.
#[derive(Clone, Debug)]
pub(super) struct Before {
    section: Bytes,
    meaning: Meaning,
}

impl Before {
    /// What there is to remember of a head that was seen, and is `raw`.
    pub(super) fn of(seen: &Glance, raw: &Bytes) -> Self {
        Self {
            section: raw.slice(seen.line.len()..),
            meaning: seen.meaning,
        }
    }
}

/// The head at the beginning of `view`.
pub(super) fn request(view: &[u8], limits: &Limits, before: Option<&Before>) -> Option<Glance> {
    let (line, fields) = start_line(view)?;
    if line.len() > limits.start_line {
        return None;
    }
    // A section ends where its bytes say: what begins with the same ones is the same section.
    let same = before.filter(|before| fields.starts_with(&before.section));
    let (meaning, bytes) = match same {
        Some(before) => (before.meaning, before.section.len()),
        None => section(fields, limits.fields)?,
    };
    let len = line.len() + bytes;
    (len <= limits.head).then_some(Glance {
        line,
        meaning,
        len,
        repeats: same.is_some(),
    })
}

/// `GET /path?query HTTP/1.1`, and what follows it.
fn start_line(view: &[u8]) -> Option<(RequestLine, &[u8])> {
    let (method, target) = match view {
        [b'G', b'E', b'T', b' ', rest @ ..] => (Method::GET, rest),
        [b'H', b'E', b'A', b'D', b' ', rest @ ..] => (Method::HEAD, rest),
        [b'P', b'O', b'S', b'T', b' ', rest @ ..] => (Method::POST, rest),
        _ => return None,
    };
    if target.first() != Some(&b'/') {
        return None;
    }
    let (_, mut rest) = target.split_at_checked(path_len(target))?;
    let path_end = view.len() - rest.len();
    if let Some(query) = rest.strip_prefix(b"?") {
        (_, rest) = query.split_at_checked(query_len(query))?;
    }
    let start = view.len() - target.len();
    let end = view.len() - rest.len();
    let (version, rest) = match rest.strip_prefix(b" HTTP/1.")? {
        [b'1', b'\r', b'\n', rest @ ..] => (Version::HTTP_11, rest),
        [b'0', b'\r', b'\n', rest @ ..] => (Version::HTTP_10, rest),
        _ => return None,
    };
    let line = RequestLine {
        method,
        target: start..end,
        path_end,
        version,
    };
    Some((line, rest))
}

/// Fields up to the empty line: what they say, and how many bytes they are with it.
fn section(view: &[u8], most: usize) -> Option<(Meaning, usize)> {
    let mut rest = view;
    let mut meaning = Meaning::default();
    for _ in 0..=most {
        if let Some(body) = rest.strip_prefix(b"\r\n") {
            return Some((meaning, view.len() - body.len()));
        }
        let (name, after) = rest.split_at_checked(token_len(rest))?;
        let (b':', value) = after.split_first()? else {
            return None;
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        let (value, after) = value.split_at_checked(printable(value))?;
        // A blank around it is none of the value's; with one there, somebody else looks closer.
        let trimmed = !matches!(value, [b' ', ..] | [.., b' ']);
        if name.is_empty() || !trimmed {
            return None;
        }
        meaning.note(name, value);
        rest = after.strip_prefix(b"\r\n")?;
    }
    None
}

#[cfg(test)]
#[path = "glance_tests.rs"]
mod tests;
