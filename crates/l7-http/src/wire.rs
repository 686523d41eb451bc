//! A message taken apart, for those who look on.
//!
//! Job: say where start line, fields and body of a message lie. Owns: nothing. Does not know: connections.
//! Lenient where the engine is strict: an inspector must show what is wrong, not refuse to look.
//! Sources: RFC 9112 sections 2.1, 3, 4, 5.

use core::ops::Range;

use outcrop_base::{Field, FieldValue};

/// Where the parts of one message lie, in bytes from its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The start line without its line end.
    pub start_line: Range<usize>,
    /// Method, target, version; or version, status, reason.
    pub parts: [Range<usize>; 3],
    /// Request or response.
    pub kind: Kind,
    /// Every field line: name, value without the white space around it.
    pub fields: Vec<(Range<usize>, Range<usize>)>,
    /// Where the head ends and the body begins; the end of the bytes if the empty line is missing.
    pub body: usize,
    /// Whether the empty line was there.
    pub complete: bool,
}

/// Which of the two messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// From a client.
    Request,
    /// From a server.
    Response,
}

/// Takes a message apart. `None` if it does not begin like one.
///
/// ```
/// let bytes = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\nrest";
/// let message = outcrop_http::wire::message(bytes).unwrap();
/// assert_eq!(&bytes[message.parts[1].clone()], b"/a");
/// assert_eq!(&bytes[message.fields[0].1.clone()], b"h");
/// assert_eq!(message.body, bytes.len() - 4);
/// ```
#[must_use]
pub fn message(bytes: &[u8]) -> Option<Message> {
    let mut lines = Lines { bytes, at: 0 };
    let start_line = lines.next()?;
    let text = bytes.get(start_line.clone())?;
    let first = memchr::memchr(b' ', text)?;
    let kind = if text.starts_with(b"HTTP/") {
        Kind::Response
    } else if text.get(..first)?.iter().all(u8::is_ascii_alphabetic) && text.contains(&b'/') {
        Kind::Request
    } else {
        return None;
    };
    let second = match kind {
        Kind::Request => memchr::memrchr(b' ', text)?.max(first),
        Kind::Response => text
            .get(first + 1..)
            .and_then(|rest| memchr::memchr(b' ', rest))
            .map_or(text.len(), |at| first + 1 + at),
    };
    let start = start_line.start;
    let after = |at: usize| (at + 1).min(text.len());
    let parts = [
        start..start + first,
        start + after(first)..start + second.max(after(first)),
        start + after(second)..start_line.end,
    ];
    let mut fields = Vec::new();
    let mut complete = false;
    for line in lines.by_ref() {
        if line.is_empty() {
            complete = true;
            break;
        }
        fields.push(field(bytes, line));
    }
    Some(Message {
        start_line,
        parts,
        kind,
        fields,
        body: lines.at,
        complete,
    })
}

fn field(bytes: &[u8], line: Range<usize>) -> (Range<usize>, Range<usize>) {
    let text = bytes.get(line.clone()).unwrap_or_default();
    let colon = memchr::memchr(b':', text).unwrap_or(text.len());
    let name = line.start..line.start + colon;
    let value = text.get(colon + 1..).unwrap_or_default();
    let lead = value.len() - value.trim_ascii_start().len();
    let from = (name.end + 1 + lead).min(line.end);
    (name, from..from + value.trim_ascii().len())
}

struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Iterator for Lines<'_> {
    type Item = Range<usize>;

    /// The next line, without its end; a last line without an end counts.
    fn next(&mut self) -> Option<Range<usize>> {
        let rest = self.bytes.get(self.at..).filter(|rest| !rest.is_empty())?;
        let start = self.at;
        let lf = memchr::memchr(b'\n', rest);
        let line = rest.get(..lf.unwrap_or(rest.len())).unwrap_or(rest);
        self.at += lf.map_or(rest.len(), |lf| lf + 1);
        // A carriage return at the very end may be half of a line end: it is not yet one.
        let whole = line.strip_suffix(b"\r").filter(|_| lf.is_some());
        let line = whole.unwrap_or(line);
        Some(start..start + line.len())
    }
}

/// Names that Wireshark gives to fields it knows.
const KNOWN: [(&str, &str); 14] = [
    ("host", "http.host"),
    ("user-agent", "http.user_agent"),
    ("accept", "http.accept"),
    ("accept-encoding", "http.accept_encoding"),
    ("accept-language", "http.accept_language"),
    ("connection", "http.connection"),
    ("content-length", "http.content_length_header"),
    ("content-type", "http.content_type"),
    ("transfer-encoding", "http.transfer_encoding"),
    ("date", "http.date"),
    ("server", "http.server"),
    ("last-modified", "http.last_modified"),
    ("location", "http.location"),
    ("cookie", "http.cookie"),
];

/// Shows a message field by field, with Wireshark's names.
pub fn fields(bytes: &[u8], visit: &mut dyn FnMut(Field<'_>)) {
    let Some(message) = message(bytes) else {
        return;
    };
    let (parts, line_key, source) = match message.kind {
        Kind::Request => (
            [
                ("http.request.method", "Method"),
                ("http.request.uri", "Request target"),
                ("http.request.version", "Version"),
            ],
            "http.request.line",
            "RFC 9112 3",
        ),
        Kind::Response => (
            [
                ("http.response.version", "Version"),
                ("http.response.code", "Status code"),
                ("http.response.phrase", "Reason phrase"),
            ],
            "http.response.line",
            "RFC 9112 4",
        ),
    };
    for ((key, name), range) in parts.into_iter().zip(message.parts) {
        visit(Field {
            key,
            name,
            bits: bits(&range),
            value: value(bytes, range),
            source,
        });
    }
    for (name, content) in message.fields {
        let text = bytes.get(name.clone()).unwrap_or_default();
        let key = KNOWN
            .iter()
            .find(|(known, _)| text.eq_ignore_ascii_case(known.as_bytes()))
            .map_or(line_key, |(_, key)| *key);
        visit(Field {
            key,
            name: "Field line",
            bits: bits(&(name.start..content.end)),
            value: value(bytes, content),
            source: "RFC 9112 5",
        });
    }
}

fn bits(place: &Range<usize>) -> Range<u32> {
    let bit = |at: usize| u32::try_from(at.saturating_mul(8)).unwrap_or(u32::MAX);
    bit(place.start)..bit(place.end)
}

fn value(bytes: &[u8], place: Range<usize>) -> FieldValue<'_> {
    let value = bytes.get(place).unwrap_or_default();
    core::str::from_utf8(value).map_or(FieldValue::Bytes(value), FieldValue::Text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(bytes: &[u8]) -> Vec<(String, String)> {
        let mut out = Vec::new();
        fields(bytes, &mut |field| {
            let FieldValue::Text(value) = field.value else {
                panic!("no text: {field:?}");
            };
            out.push((field.key.to_owned(), value.to_owned()));
        });
        out
    }

    #[test]
    fn a_response_shows_its_status_and_fields() {
        let bytes = b"HTTP/1.1 404 Not Found\r\nServer:  x \r\nOdd: 1\r\n\r\n";
        let got = shown(bytes);
        let want = [
            ("http.response.version", "HTTP/1.1"),
            ("http.response.code", "404"),
            ("http.response.phrase", "Not Found"),
            ("http.server", "x"),
            ("http.response.line", "1"),
        ];
        assert_eq!(got, want.map(|(k, v)| (k.to_owned(), v.to_owned())));
    }

    #[test]
    fn a_message_cut_anywhere_is_shown_as_far_as_it_goes() {
        let bytes = b"POST /x?y HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc";
        for cut in 0..bytes.len() {
            if let Some(message) = message(&bytes[..cut]) {
                assert!(message.body <= cut);
                assert!(
                    message
                        .fields
                        .iter()
                        .all(|(n, v)| n.end <= v.start && v.end <= cut)
                );
                assert_eq!(message.complete, cut >= bytes.len() - 3, "{cut}");
            }
        }
    }

    #[test]
    fn bytes_that_are_no_message_show_nothing() {
        assert!(shown(b"\x16\x03\x01\x02\x00").is_empty());
        assert!(shown(b"").is_empty());
    }
}
