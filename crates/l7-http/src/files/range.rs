//! Parts of a file.
//!
//! Job: understand `Range`, answer with one part or several. Owns: the limits that keep it harmless.
//! Does not know: preconditions. Sources: RFC 9110 sections 14.1.1, 14.1.2, 14.2, 14.6, 15.3.7, 17.15 (abuse).

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use super::open::Opened;
use crate::Body;
use crate::body::Part;

/// More parts than this, or overlapping ones, are answered with the whole (RFC 9110 section 17.15).
const MOST_RANGES: usize = 16;
/// Separates parts. Fixed, so that a run is a function of its inputs; a body that contains it confuses
/// only readers that ignore the length of each part.
const BOUNDARY: &str = "outcrop-part-5d1c9a7be0";

/// First and last byte.
type Span = (u64, u64);

/// What `Range` asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ranges {
    /// Nothing we understand or want to do: as if it were not there.
    Ignored,
    /// Nothing that exists: 416.
    Impossible,
    /// These, at least one.
    These(Vec<Span>),
}

impl Ranges {
    pub(super) fn parse(value: &[u8], length: u64) -> Self {
        let Some(specs) = core::str::from_utf8(value)
            .ok()
            .and_then(|text| text.split_once('='))
            .filter(|(unit, _)| unit.trim().eq_ignore_ascii_case("bytes"))
            .map(|(_, specs)| specs)
        else {
            return Self::Ignored;
        };
        let mut spans = Vec::new();
        let mut any = false;
        for spec in specs.split(',').map(str::trim).filter(|s| !s.is_empty()) {
            let Some(span) = span(spec, length) else {
                return Self::Ignored;
            };
            any = true;
            spans.extend(span);
            if spans.len() > MOST_RANGES {
                return Self::Ignored;
            }
        }
        if !any {
            return Self::Ignored;
        }
        if spans.is_empty() {
            return Self::Impossible;
        }
        if overlap(&spans) {
            return Self::Ignored;
        }
        Self::These(spans)
    }
}

/// One range: `None` if it is none, `Some(None)` if it lies outside.
fn span(spec: &str, length: u64) -> Option<Option<Span>> {
    let (first, last) = spec.split_once('-')?;
    let number = |digits: &str| {
        // Numbers beyond 64 bits are beyond every file, too.
        (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
            .then(|| digits.parse::<u64>().unwrap_or(u64::MAX))
    };
    if first.is_empty() {
        let suffix = number(last)?;
        let from = length.saturating_sub(suffix);
        return Some((suffix > 0 && length > 0).then(|| (from, length - 1)));
    }
    let first = number(first)?;
    let last = if last.is_empty() {
        u64::MAX
    } else {
        number(last)?
    };
    if last < first {
        return None;
    }
    Some((first < length).then(|| (first, last.min(length.saturating_sub(1)))))
}

fn overlap(spans: &[Span]) -> bool {
    let mut sorted = spans.to_vec();
    sorted.sort_unstable();
    sorted
        .windows(2)
        .any(|pair| matches!(pair, [a, b] if b.0 <= a.1))
}

/// 206 with one part, or with several.
pub(super) fn answer(fields: HeaderMap, file: Opened, spans: &[Span]) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    *response.headers_mut() = fields;
    let total = file.length;
    let media_type = file.media_type;
    let file = Arc::new(file.file);
    let mut parts = VecDeque::new();
    if let [(first, last)] = *spans {
        put(
            &mut response,
            header::CONTENT_RANGE,
            &content_range(first, last, total),
        );
        parts.push_back(Part::file(file, first, last - first + 1));
    } else {
        let multipart = format!("multipart/byteranges; boundary={BOUNDARY}");
        put(&mut response, header::CONTENT_TYPE, &multipart);
        for (first, last) in spans {
            let range = content_range(*first, *last, total);
            let head = format!(
                "\r\n--{BOUNDARY}\r\ncontent-type: {media_type}\r\ncontent-range: {range}\r\n\r\n"
            );
            parts.push_back(Part::Bytes(Bytes::from(head)));
            parts.push_back(Part::file(Arc::clone(&file), *first, last - first + 1));
        }
        let end = format!("\r\n--{BOUNDARY}--\r\n");
        parts.push_back(Part::Bytes(Bytes::from(end)));
    }
    *response.body_mut() = Body::parts(parts);
    response
}

fn content_range(first: u64, last: u64, total: u64) -> String {
    format!("bytes {first}-{last}/{total}")
}

fn put(response: &mut Response<Body>, name: header::HeaderName, value: &str) {
    // Numbers and our own words: always a valid value.
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
