//! A request's own bytes as its answer.
//!
//! Job: answer with the body while it still arrives. Owns: the first piece, which must come before the answer
//! begins: a client that said `Expect: 100-continue` sends nothing after a final status.
//! Does not know: connections, framing. Source: RFC 9110 10.1.1.

use core::pin::Pin;
use core::task::{Context, Poll};
use std::io;

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use http_body::{Body as _, Frame, SizeHint};
use outcrop_http::h1::RequestHead;
use outcrop_http::serve::Answer;
use outcrop_http::{Body, pages};

/// An echo whose first bytes have not come yet.
#[derive(Debug)]
pub(crate) struct Echo {
    kind: HeaderValue,
    body: Body,
}

impl Echo {
    /// The echo of this request.
    pub(crate) fn new(head: &RequestHead, body: Body) -> Self {
        let mut fields = head.fields().iter();
        let kind = fields.find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        let kind = kind.and_then(|(_, value)| HeaderValue::from_bytes(value).ok());
        let kind = kind.unwrap_or(HeaderValue::from_static("application/octet-stream"));
        Self { kind, body }
    }

    /// The answer, once the first piece of the body is there or it has none.
    pub(crate) fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Answer> {
        let first = match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Some(Err(_))) => {
                return Poll::Ready(pages::error(StatusCode::BAD_REQUEST).into());
            }
            Poll::Ready(Some(Ok(frame))) => Some(frame),
            Poll::Ready(None) => None,
        };
        let rest = core::mem::replace(&mut self.body, Body::empty());
        let mut response = http::Response::new(Body::new(Resumed { first, rest }));
        let fields = response.headers_mut();
        fields.insert(header::CONTENT_TYPE, self.kind.clone());
        Poll::Ready(response.into())
    }
}

/// A body of which one piece was taken to look at.
struct Resumed {
    first: Option<Frame<Bytes>>,
    rest: Body,
}

impl http_body::Body for Resumed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.first.take() {
            Some(frame) => Poll::Ready(Some(Ok(frame))),
            None => Pin::new(&mut self.rest).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let first = self.first.as_ref().and_then(Frame::data_ref);
        let first = first.map_or(0, |data| data.len() as u64);
        let rest = self.rest.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(first));
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(first));
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::task::Waker;

    #[test]
    fn a_resumed_body_is_as_long_as_it_was() {
        let mut body = Body::from_pieces([Bytes::from("ab"), Bytes::from("cde")].into_iter());
        let mut cx = Context::from_waker(Waker::noop());
        let Poll::Ready(Some(Ok(first))) = Pin::new(&mut body).poll_frame(&mut cx) else {
            panic!("a piece")
        };
        let mut resumed = Resumed {
            first: Some(first),
            rest: body,
        };
        let mut whole = Vec::new();
        while let Poll::Ready(Some(Ok(frame))) = Pin::new(&mut resumed).poll_frame(&mut cx) {
            whole.extend_from_slice(frame.data_ref().unwrap());
        }
        assert_eq!(whole, b"abcde");
    }

    #[test]
    fn a_known_length_stays_known() {
        let rest = Body::from(Bytes::from("cde"));
        let resumed = Resumed {
            first: Some(Frame::data(Bytes::from("ab"))),
            rest,
        };
        assert_eq!(resumed.size_hint().exact(), Some(5));
    }
}
