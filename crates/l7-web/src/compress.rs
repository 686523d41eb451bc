//! Content codings on the way out.
//!
//! Job: compress what is worth it in the coding the client likes best, as it streams. Owns: the choice.
//! Does not know: how a coding works (`coder`), or what is sent.
//! Sources: RFC 9110 sections 8.4, 8.8.3 (an entity tag names one coding's bytes), 12.5.3, 12.5.5 (`Vary`); RFC 9111 5.2.2.6.

mod coder;

use core::ops::ControlFlow;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::io;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::{Body as _, Frame};
use outcrop_http::Body;

use crate::Pass;
use crate::accept;
pub use coder::{Decoder, Encoder};

/// Bodies shorter than this are sent as they are: the fields would cost what is gained.
pub const WORTH_IT: u64 = 256;
/// Compressed bytes that are sent without waiting for more.
const PIECE: usize = 8 * 1024;
/// What we speak, in our order of preference at equal weight.
pub const CODINGS: [&str; 4] = ["zstd", "br", "gzip", "deflate"];

/// Compresses responses.
#[derive(Clone, Copy, Debug, Default)]
pub struct Compress;

impl Pass for Compress {
    type Memo = (Option<&'static str>, bool);

    fn enter(&self, request: &mut Request<Body>) -> ControlFlow<Response<Body>, Self::Memo> {
        let header = joined(request.headers(), &header::ACCEPT_ENCODING);
        let coding = accept::coding(header.as_deref(), &CODINGS);
        ControlFlow::Continue((coding, request.method() == Method::HEAD))
    }

    fn leave(&self, (coding, head): Self::Memo, response: Response<Body>) -> Response<Body> {
        if !eligible(&response) {
            return response;
        }
        let (mut parts, body) = response.into_parts();
        vary(&mut parts.headers, "accept-encoding");
        let Some(coding) = coding else {
            return Response::from_parts(parts, body);
        };
        weaken(&mut parts.headers);
        if parts.status == StatusCode::NOT_MODIFIED {
            return Response::from_parts(parts, body);
        }
        parts
            .headers
            .insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
        // Of the other bytes, both.
        parts.headers.remove(header::CONTENT_LENGTH);
        parts.headers.remove(header::ACCEPT_RANGES);
        if head {
            return Response::from_parts(parts, Body::from_pieces(core::iter::empty()));
        }
        match Encoder::new(coding) {
            Ok(encoder) => Response::from_parts(parts, Body::new(Compressed::new(body, encoder))),
            Err(_) => {
                parts.headers.remove(header::CONTENT_ENCODING);
                Response::from_parts(parts, body)
            }
        }
    }
}

/// All values of a list field as one.
pub(crate) fn joined(fields: &HeaderMap, name: &header::HeaderName) -> Option<String> {
    let values: Vec<&str> = fields
        .get_all(name)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .collect();
    (!values.is_empty()).then(|| values.join(","))
}

/// Adds a member to `Vary` unless it is there.
pub(crate) fn vary(fields: &mut HeaderMap, name: &'static str) {
    let known = joined(fields, &header::VARY).unwrap_or_default();
    let is_known = known.split(',').any(|member| {
        let member = member.trim();
        member == "*" || member.eq_ignore_ascii_case(name)
    });
    if !is_known {
        fields.append(header::VARY, HeaderValue::from_static(name));
    }
}

/// Whether another client might get it compressed.
fn eligible(response: &Response<Body>) -> bool {
    let (fields, status) = (response.headers(), response.status());
    let whole = !matches!(
        status,
        StatusCode::NO_CONTENT | StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE
    ) && !status.is_informational();
    let untouched = !fields.contains_key(header::CONTENT_ENCODING)
        && !fields.contains_key(header::CONTENT_RANGE);
    let may = joined(fields, &header::CACHE_CONTROL)
        .is_none_or(|list| !list.to_ascii_lowercase().contains("no-transform"));
    let kind = fields
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let worth = match status {
        StatusCode::NOT_MODIFIED => true,
        _ => {
            let size = response.body().size_hint().exact();
            let stated = fields
                .get(header::CONTENT_LENGTH)
                .and_then(|v| v.to_str().ok()?.parse().ok());
            kind.is_some_and(compressible)
                && size
                    .filter(|n| *n > 0)
                    .or(stated)
                    .is_none_or(|size: u64| size >= WORTH_IT)
        }
    };
    whole && untouched && may && worth
}

/// Whether a media type is text at heart; pictures and archives are compressed already.
#[must_use]
pub fn compressible(media_type: &str) -> bool {
    let base = media_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    base.starts_with("text/")
        || base.ends_with("+json")
        || base.ends_with("+xml")
        || matches!(
            base.as_str(),
            "application/json"
                | "application/javascript"
                | "application/xml"
                | "application/wasm"
                | "application/manifest+json"
                | "image/svg+xml"
                | "font/ttf"
                | "font/otf"
        )
}

/// A strong tag promises the same bytes; another coding has others.
fn weaken(fields: &mut HeaderMap) {
    let Some(tag) = fields.get(header::ETAG) else {
        return;
    };
    if !tag.as_bytes().starts_with(b"W/") {
        let weak = [b"W/", tag.as_bytes()].concat();
        if let Ok(weak) = HeaderValue::from_bytes(&weak) {
            fields.insert(header::ETAG, weak);
        }
    }
}

/// A body that is compressed as it is read. When the source pauses, what there is goes out.
struct Compressed {
    source: Body,
    encoder: Option<Encoder>,
    unflushed: bool,
}

impl Compressed {
    const fn new(source: Body, encoder: Encoder) -> Self {
        Self {
            source,
            encoder: Some(encoder),
            unflushed: false,
        }
    }

    fn step(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        let Some(encoder) = &mut self.encoder else {
            return Poll::Ready(Ok(None));
        };
        loop {
            match Pin::new(&mut self.source).poll_frame(cx) {
                Poll::Ready(Some(frame)) => {
                    if let Ok(data) = frame?.into_data() {
                        encoder.write(&data)?;
                        self.unflushed = true;
                    }
                    if encoder.ready() >= PIECE {
                        return Poll::Ready(Ok(Some(encoder.take())));
                    }
                }
                Poll::Ready(None) => {
                    let last = self.encoder.take().map(Encoder::finish).transpose()?;
                    return Poll::Ready(Ok(last.filter(|last| !last.is_empty())));
                }
                Poll::Pending if self.unflushed => {
                    self.unflushed = false;
                    encoder.flush()?;
                    return Poll::Ready(Ok(Some(encoder.take())));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl http_body::Body for Compressed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.step(cx)
            .map(|step| step.map(|data| data.map(Frame::data)).transpose())
    }
}

#[cfg(test)]
mod tests;
