//! A response made before it is asked for.
//!
//! Job: keep everything about a response that no request changes as bytes. Owns: those bytes, shared.
//! Does not know: dates, connections. Answering then is two copies of a few hundred bytes and no allocation.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use outcrop_base::ChunkQueue;

use super::emit;
use super::server::OWNED_FIELDS;

/// A complete response: head without `Date` and `Connection`, and body. Cloning shares the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    head: Bytes,
    body: Bytes,
    status: StatusCode,
}

impl Prepared {
    /// A response with this status, these fields and this body. `Content-Length` is added;
    /// `Date`, `Connection` and `Transfer-Encoding` among the fields are left out.
    #[must_use]
    pub fn new(status: StatusCode, fields: &HeaderMap, body: Bytes) -> Self {
        let mut head = ChunkQueue::new();
        emit::status_line(status, &mut head);
        for (name, value) in fields {
            let name = name.as_str();
            if name != "date" && name != "content-length" && !OWNED_FIELDS.contains(&name) {
                emit::field(name, value.as_bytes(), &mut head);
            }
        }
        // These two have no body, whatever is given (RFC 9110 section 6.4.1).
        let has_body = !matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let body = if has_body { body } else { Bytes::new() };
        if has_body {
            emit::content_length(body.len() as u64, &mut head);
        }
        Self {
            head: Bytes::from(head.range_to_vec(0..head.end())),
            body,
            status,
        }
    }

    /// The status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// As a response of the `http` crate; with `head_only` the body is left out and its length kept.
    #[must_use]
    pub fn to_http(&self, head_only: bool) -> http::Response<crate::Body> {
        let mut response = http::Response::new(crate::Body::empty());
        *response.status_mut() = self.status;
        let after_status = memchr::memchr(b'\n', &self.head).map_or(0, |lf| lf + 1);
        let section = self.head.get(after_status..).unwrap_or_default();
        *response.headers_mut() = super::Fields::new(section).to_map(&self.head);
        if !head_only {
            *response.body_mut() = crate::Body::from(self.body.clone());
        }
        response
    }

    /// The body.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    /// Status line and fields, without the empty line.
    pub(super) const fn head(&self) -> &Bytes {
        &self.head
    }
}
