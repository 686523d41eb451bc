//! An answer, and its body as it comes.
//!
//! Job: the body in pieces, decoded if that was wanted; hand the connection back at its end, and the whole to the cache.
//! Owns: the connection until then. Does not know: how it was asked.

use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, Uri, Version};
use http_body::{Frame, SizeHint};
use outcrop_base::Instant;
use outcrop_http::client::Timing;

use super::depot::Lent;
use super::error::Error;
use super::keep::Keeper;
use super::world::Timer;
use crate::compress::Decoder;

/// Bytes of an unwanted body that are read to keep its connection.
const DISCARD: usize = 64 * 1024;

/// An answer whose body is still to be read, by [`Answer::chunk`] or as a [`http_body::Body`].
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// The version it was told in.
    pub version: Version,
    /// Its fields, as they came; `Age` is ours if it was kept.
    pub fields: HeaderMap,
    /// Where it came from, after all redirects.
    pub uri: Uri,
    /// Whether it was kept from before, in whole (fresh) or after a 304.
    pub kept: bool,
    /// Whether its connection had been used before.
    pub reused: bool,
    /// How long each part of getting the connection took.
    pub took: Vec<(&'static str, Duration)>,
    pub(super) source: Source,
    /// Bytes still to come over the wire, if that was said.
    pub(super) left: Option<u64>,
    pub(super) decoder: Option<Decoder>,
    pub(super) keeper: Option<Keeper>,
    pub(super) timing: Timing,
    pub(super) deadline: Option<(Instant, Timer)>,
}

/// Where the body comes from.
pub(super) enum Source {
    Wire(Box<Lent>),
    Kept(Bytes),
    Over,
}

impl core::fmt::Debug for Answer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("uri", &self.uri)
            .field("kept", &self.kept)
            .finish_non_exhaustive()
    }
}

impl Answer {
    /// The next piece of the body; `None` when it is complete.
    ///
    /// # Errors
    /// It broke off, or does not decode.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        poll_fn(|cx| self.poll_chunk(cx)).await
    }

    /// All of the body.
    ///
    /// # Errors
    /// As for [`Answer::chunk`]; `TooLong` beyond `most` bytes.
    pub async fn bytes(&mut self, most: usize) -> Result<Bytes, Error> {
        let mut all = BytesMut::new();
        while let Some(piece) = self.chunk().await? {
            if all.len() + piece.len() > most {
                self.source = Source::Over;
                return Err(Error::TooLong);
            }
            all.extend_from_slice(&piece);
        }
        Ok(all.freeze())
    }

    /// When things happened to the last exchange.
    #[must_use]
    pub const fn timing(&self) -> Timing {
        self.timing
    }

    /// Nobody wants the body: if little of it is left, its connection is worth reading it.
    pub(super) async fn discard(mut self) {
        self.decoder = None;
        let mut left = DISCARD;
        while let Ok(Some(piece)) = self.chunk().await {
            match left.checked_sub(piece.len()) {
                Some(less) => left = less,
                None => return,
            }
        }
    }

    /// The same, as a body is polled.
    ///
    /// # Errors
    /// As for [`Answer::chunk`].
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Error>> {
        loop {
            let raw = match self.poll_raw(cx) {
                Poll::Pending => return self.poll_late(cx),
                Poll::Ready(raw) => raw?,
            };
            let Some(raw) = raw else {
                let rest = self.decoder.take().map(Decoder::finish).transpose();
                let rest = rest.map_err(Error::Coding)?.filter(|rest| !rest.is_empty());
                return Poll::Ready(Ok(rest));
            };
            let piece = match &mut self.decoder {
                Some(decoder) => decoder.write(&raw).map_err(|error| {
                    self.source = Source::Over;
                    Error::Coding(error)
                })?,
                None => raw,
            };
            if !piece.is_empty() {
                return Poll::Ready(Ok(Some(piece)));
            }
        }
    }

    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Error>> {
        let Some((at, timer)) = &mut self.deadline else {
            return Poll::Pending;
        };
        if timer.poll_until(cx, *at).is_pending() {
            return Poll::Pending;
        }
        self.source = Source::Over;
        Poll::Ready(Err(Error::Late))
    }

    /// The next bytes as they were sent.
    fn poll_raw(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Error>> {
        let lent = match &mut self.source {
            Source::Over => return Poll::Ready(Ok(None)),
            Source::Kept(body) => {
                let body = core::mem::take(body);
                self.source = Source::Over;
                return Poll::Ready(Ok((!body.is_empty()).then_some(body)));
            }
            Source::Wire(lent) => lent,
        };
        let connection = lent.connection()?;
        let piece = connection.poll_chunk(cx);
        self.timing = connection.timing();
        match piece {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(Some(piece))) => {
                let length = piece.len() as u64;
                self.left = self.left.map(|left| left.saturating_sub(length));
                self.keeper = self.keeper.take().and_then(|keeper| keeper.push(&piece));
                Poll::Ready(Ok(Some(piece)))
            }
            Poll::Ready(Ok(None)) => {
                // The connection goes back.
                self.source = Source::Over;
                if let Some(keeper) = self.keeper.take() {
                    keeper.keep();
                }
                Poll::Ready(Ok(None))
            }
            Poll::Ready(Err(error)) => {
                self.source = Source::Over;
                Poll::Ready(Err(error.into()))
            }
        }
    }
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let piece = self.poll_chunk(cx).map(Result::transpose);
        piece.map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }

    fn size_hint(&self) -> SizeHint {
        let left = match &self.source {
            _ if self.decoder.is_some() => None,
            Source::Wire(_) => self.left,
            Source::Kept(body) => Some(body.len() as u64),
            Source::Over => Some(0),
        };
        left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
