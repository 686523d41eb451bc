//! A head that can be understood at a glance.
//!
//! Job: understand, in one pass, a request's head that has arrived whole and is as most are. Owns: nothing.
//! Does not know: refusals. It says either what [`scan`](super::scan) and [`parse`](super::parse) would say, or nothing,
//! and then they decide: a verdict has one source. A test compares the two.
//! Sources: RFC 9112 sections 2.1, 3 and 5; RFC 9110 section 5.5 (field values).

use http::{Method, Version};

use super::config::Limits;
use super::grammar::{in_path, in_query, is_token_byte, printable};
use super::parse::{Meaning, RequestLine};

/// What a head says.
#[derive(Debug)]
pub(super) struct Glance {
    pub(super) line: RequestLine,
    pub(super) meaning: Meaning,
    /// Bytes of it, with the empty line.
    pub(super) len: usize,
}

/// The head at the beginning of `view`.
pub(super) fn request(view: &[u8], limits: &Limits) -> Option<Glance> {
    let (line, fields) = start_line(view)?;
    if line.len() > limits.start_line {
        return None;
    }
    let (meaning, rest) = section(fields, limits.fields)?;
    let len = view.len() - rest.len();
    (len <= limits.head).then_some(Glance { line, meaning, len })
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
    let mut rest = after_all(target, in_path);
    if let Some(query) = rest.strip_prefix(b"?") {
        rest = after_all(query, in_query);
    }
    let start = view.len() - target.len();
    let end = view.len() - rest.len();
    let (version, rest) = match rest.split_first_chunk()? {
        (b" HTTP/1.1\r\n", rest) => (Version::HTTP_11, rest),
        (b" HTTP/1.0\r\n", rest) => (Version::HTTP_10, rest),
        _ => return None,
    };
    let line = RequestLine {
        method,
        target: start..end,
        version,
    };
    Some((line, rest))
}

/// Fields up to the empty line, and what follows it.
fn section(mut rest: &[u8], most: usize) -> Option<(Meaning, &[u8])> {
    let mut meaning = Meaning::default();
    for _ in 0..=most {
        if let Some(body) = rest.strip_prefix(b"\r\n") {
            return Some((meaning, body));
        }
        let after = after_all(rest, is_token_byte);
        let name = rest.get(..rest.len() - after.len())?;
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

/// What follows the first bytes that are of one class.
fn after_all(bytes: &[u8], class: impl Fn(u8) -> bool) -> &[u8] {
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first()
        && class(*first)
    {
        rest = after;
    }
    rest
}

#[cfg(test)]
#[path = "glance_tests.rs"]
mod tests;
