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
    pub(super) head: Bytes,
    pub(super) body: Bytes,
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
        if status != StatusCode::NO_CONTENT && status != StatusCode::NOT_MODIFIED {
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

    /// The body.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        &self.body
    }
}
