//! A request as its own answer.
//!
//! Job: show a client what became of its request on the way here. Owns: the list of what is better not shown.
//! Does not know: who asks for it; nobody need offer it, and by default nobody does.
//! Sources: RFC 9110 section 9.3.8 (TRACE), RFC 9112 section 10.1 (message/http).

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use crate::h1::{Framing, Prepared, RequestHead};
use crate::pages;

/// Fields that carry secrets: a script that could read an answer to TRACE would read what its browser hides from it.
const SECRET: [&str; 5] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "cookie2",
    "x-csrf-token",
];

/// The answer to a TRACE: the request line and fields as they came, without those that carry secrets.
/// 400 for one with a body, which it must not have; 405 for any other method.
///
/// `Max-Forwards` counts for those between (RFC 9110 section 7.6.2): whoever is asked here is the last.
#[must_use]
pub fn answer(request: &RequestHead) -> Prepared {
    if request.method() != Method::TRACE {
        return pages::error(StatusCode::METHOD_NOT_ALLOWED);
    }
    if request.framing() != Framing::Length(0) {
        return pages::error(StatusCode::BAD_REQUEST);
    }
    let fields = HeaderMap::from_iter([
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("message/http"),
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ]);
    Prepared::new(StatusCode::OK, &fields, message(request))
}

fn message(request: &RequestHead) -> Bytes {
    let raw = request.raw();
    let line = memchr::memchr(b'\n', raw).map_or(raw.len(), |lf| lf + 1);
    let mut message = BytesMut::from(raw.get(..line).unwrap_or_default());
    for (name, value) in request.fields().iter() {
        if SECRET
            .iter()
            .any(|secret| name.eq_ignore_ascii_case(secret))
        {
            continue;
        }
        message.put_slice(name.as_bytes());
        message.put_slice(b": ");
        message.put_slice(value);
        message.put_slice(b"\r\n");
    }
    message.put_slice(b"\r\n");
    message.freeze()
}
