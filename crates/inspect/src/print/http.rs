//! HTTP on its usual ports, as text lines.

use super::put;

/// The methods recognised, in any case.
const METHODS: [&str; 33] = [
    "GET",
    "PUT",
    "COPY",
    "HEAD",
    "LOCK",
    "MOVE",
    "POLL",
    "POST",
    "BCOPY",
    "BMOVE",
    "MKCOL",
    "TRACE",
    "LABEL",
    "MERGE",
    "DELETE",
    "SEARCH",
    "UNLOCK",
    "REPORT",
    "UPDATE",
    "NOTIFY",
    "BDELETE",
    "CONNECT",
    "OPTIONS",
    "CHECKIN",
    "PROPFIND",
    "CHECKOUT",
    "CCM_POST",
    "SUBSCRIBE",
    "PROPPATCH",
    "BPROPFIND",
    "BPROPPATCH",
    "UNCHECKOUT",
    "MKACTIVITY",
];

pub(super) const fn is_http_port(port: u16) -> bool {
    matches!(port, 80 | 8080)
}

/// `: HTTP`, and the lines of a message that begins here.
pub(super) fn put_http(out: &mut String, payload: &[u8], len: usize) {
    out.push_str(": HTTP");
    if !begins_message(payload) {
        return;
    }
    put!(out, ", length: {len}");
    let mut rest = payload;
    while let Some(after) = put_line(out, rest) {
        rest = after;
    }
}

/// Whether the first word is a method, or the second a status.
fn begins_message(payload: &[u8]) -> bool {
    let (first, rest) = word(payload);
    let (second, _) = word(rest);
    let method = METHODS
        .iter()
        .any(|m| m.as_bytes().eq_ignore_ascii_case(first));
    method || (!first.is_empty() && second.len() == 3 && second.iter().all(u8::is_ascii_digit))
}

/// A word, and what follows it and the spaces after it.
fn word(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text
        .iter()
        .position(|b| !b.is_ascii_graphic())
        .unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    let next = rest
        .iter()
        .position(|b| !matches!(b, b' ' | b'\t'))
        .unwrap_or(rest.len());
    (word, rest.get(next..).unwrap_or_default())
}

/// A line of text and what follows; `None` at the end of the text, or of what is text.
fn put_line<'a>(out: &mut String, text: &'a [u8]) -> Option<&'a [u8]> {
    if text.is_empty() {
        return None;
    }
    let printable = |b: &u8| b.is_ascii_graphic() || matches!(b, b' ' | b'\t');
    let end = text
        .iter()
        .position(|b| !printable(b))
        .unwrap_or(text.len());
    let (line, rest) = text.split_at(end);
    let rest = match rest {
        [b'\n', rest @ ..] | [b'\r', b'\n', rest @ ..] => Some(rest),
        [] => None,
        _ => return None,
    };
    put!(out, "\n\t{}", String::from_utf8_lossy(line));
    if rest.is_none() {
        out.push_str(" [|http]");
    }
    rest
}
