//! A client's connection over a stream.
//!
//! Job: one request after the other, bodies streamed both ways, with the time of each part.
//! Owns: stream, engine and the request's unsent body. Does not know: names, redirects, other connections.
//! Sources: RFC 9112 section 9.3; RFC 9110 section 10.1.1.

use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::io;

use bytes::Bytes;
use http::HeaderMap;
use http_body::Body as _;
use outcrop_base::{ByteStream, Instant};

use crate::h1::{BodyLength, ClientConfig, ClientError, ClientEvent, ResponseHead, SendError};
use crate::{Body, Sleep, h1};

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The stream broke.
    #[error(transparent)]
    Stream(#[from] io::Error),
    /// The answer failed.
    #[error(transparent)]
    Answer(#[from] ClientError),
    /// The request cannot be sent like this, or not now.
    #[error(transparent)]
    Request(#[from] SendError),
}

/// When things happened to the current exchange.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    /// The request was begun.
    pub begun: Option<Instant>,
    /// Its last byte was handed to the stream.
    pub sent: Option<Instant>,
    /// The first byte of the answer arrived.
    pub first_byte: Option<Instant>,
    /// The head of the answer was complete.
    pub head: Option<Instant>,
    /// The answer was complete.
    pub end: Option<Instant>,
}

/// One connection to one server.
#[derive(Debug)]
pub struct Client<S, T> {
    stream: S,
    sleep: T,
    engine: h1::Client,
    outgoing: Option<Body>,
    trailers: Option<HeaderMap>,
    timing: Timing,
}

impl<S: ByteStream, T: Sleep> Client<S, T> {
    /// Over an open stream.
    pub fn new(stream: S, sleep: T, config: ClientConfig) -> Self {
        let engine = h1::Client::new(config, sleep.now());
        Self {
            stream,
            sleep,
            engine,
            outgoing: None,
            trailers: None,
            timing: Timing::default(),
        }
    }

    /// Sends a request and waits for the head of its answer; the body follows by [`Client::chunk`].
    /// An unread body of the answer before must be read to its end first.
    ///
    /// # Errors
    /// The stream broke, the answer is none, or the request is not possible now.
    pub async fn send(&mut self, request: http::Request<Body>) -> Result<ResponseHead, FetchError> {
        let length = request.body().size_hint().exact();
        let length = length.map_or(BodyLength::Unknown, BodyLength::Exact);
        let now = self.sleep.now();
        self.engine.request(now, &request, length)?;
        self.outgoing = Some(request.into_body());
        self.begun(now);
        self.answer().await
    }

    /// Puts a request without a body behind those under way, to be answered after them: [`Client::answer`] gives the
    /// heads in order, each after the body of the one before.
    ///
    /// # Errors
    /// As [`h1::Client::pipeline`].
    pub fn pipeline<B>(&mut self, request: &http::Request<B>) -> Result<(), FetchError> {
        let now = self.sleep.now();
        let alone = self.engine.unanswered() == 0;
        self.engine.pipeline(now, request)?;
        if alone {
            self.begun(now);
        }
        Ok(())
    }

    /// Requests sent whose answers are not complete.
    #[must_use]
    pub fn unanswered(&self) -> usize {
        self.engine.unanswered()
    }

    fn begun(&mut self, now: Instant) {
        self.trailers = None;
        self.timing = Timing {
            begun: Some(now),
            ..Timing::default()
        };
    }

    /// The head of the answer to the request that was sent longest ago. Interim responses are passed over.
    ///
    /// # Errors
    /// The stream broke, or the answer is none.
    pub async fn answer(&mut self) -> Result<ResponseHead, FetchError> {
        if self.timing.end.is_some() {
            self.begun(self.sleep.now());
        }
        loop {
            match self.event().await? {
                ClientEvent::Response(head) => {
                    self.timing.head = Some(self.sleep.now());
                    return Ok(head);
                }
                ClientEvent::Failed(error) => return Err(error.into()),
                ClientEvent::Informational(_)
                | ClientEvent::Body(_)
                | ClientEvent::Trailers(_)
                | ClientEvent::End => {}
            }
        }
    }

    /// The next piece of the answer's body; `None` when it is complete.
    ///
    /// # Errors
    /// The stream broke, or the answer ended early.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, FetchError> {
        poll_fn(|cx| self.poll_chunk(cx)).await
    }

    /// The same, as a body is polled.
    ///
    /// # Errors
    /// As for [`Client::chunk`].
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, FetchError>> {
        if self.timing.end.is_some() {
            return Poll::Ready(Ok(None));
        }
        loop {
            let Poll::Ready(event) = self.poll_event(cx)? else {
                return Poll::Pending;
            };
            match event {
                ClientEvent::Body(data) => return Poll::Ready(Ok(Some(data))),
                ClientEvent::Trailers(trailers) => self.trailers = Some(trailers.to_map()),
                ClientEvent::End => {
                    self.timing.end = Some(self.sleep.now());
                    return Poll::Ready(Ok(None));
                }
                ClientEvent::Failed(error) => return Poll::Ready(Err(error.into())),
                ClientEvent::Informational(_) | ClientEvent::Response(_) => {}
            }
        }
    }

    /// Whether an idle connection is still good for a request, as far as can be seen from here: the server may have
    /// ended it, or said something nobody asked for. If it is, the task of `cx` is woken when that changes.
    pub fn poll_usable(&mut self, cx: &mut Context<'_>) -> bool {
        while self.engine.reusable() && self.engine.unanswered() == 0 {
            match self.stream.poll_read(cx) {
                Poll::Pending => return true,
                Poll::Ready(Ok(Some(bytes))) => {
                    // Dropped, and the end of this connection's use.
                    let _verdict = self.engine.handle_bytes(self.sleep.now(), bytes);
                }
                Poll::Ready(Ok(None)) => self.engine.handle_eof(self.sleep.now()),
                Poll::Ready(Err(_)) => return false,
            }
        }
        false
    }

    /// The trailers of the answer, once it is complete.
    #[must_use]
    pub const fn trailers(&self) -> Option<&HeaderMap> {
        self.trailers.as_ref()
    }

    /// When things happened.
    #[must_use]
    pub const fn timing(&self) -> Timing {
        self.timing
    }

    /// Whether another request may follow on this connection.
    #[must_use]
    pub const fn reusable(&self) -> bool {
        self.engine.reusable()
    }

    /// Finishes our side of the stream and gives it back.
    ///
    /// # Errors
    /// The stream broke.
    pub async fn close(mut self) -> io::Result<S> {
        poll_fn(|cx| self.stream.poll_close(cx)).await?;
        Ok(self.stream)
    }

    async fn event(&mut self) -> Result<ClientEvent, FetchError> {
        poll_fn(|cx| self.poll_event(cx)).await
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Result<ClientEvent, FetchError>> {
        loop {
            let mut moved = self.send_body(cx)?;
            moved |= self.write(cx)?;
            if let Some(event) = self.engine.poll_event() {
                return Poll::Ready(Ok(event));
            }
            moved |= self.read(cx)?;
            if moved {
                continue;
            }
            let Some(at) = self.engine.poll_timeout() else {
                return Poll::Pending;
            };
            if self.sleep.poll_until(cx, at).is_pending() {
                return Poll::Pending;
            }
            self.engine.handle_timeout(self.sleep.now().max(at));
        }
    }

    fn send_body(&mut self, cx: &mut Context<'_>) -> Result<bool, FetchError> {
        let mut moved = false;
        while let Some(body) = &mut self.outgoing {
            // An empty body has nothing to hold back.
            if !self.engine.may_write() && !body.is_end_stream() {
                break;
            }
            match Pin::new(body).poll_frame(cx) {
                Poll::Pending => break,
                Poll::Ready(None) => {
                    self.outgoing = None;
                    self.engine.finish(None)?;
                }
                Poll::Ready(Some(frame)) => match frame?.into_data() {
                    Ok(data) => self.engine.write(data)?,
                    Err(frame) => {
                        self.outgoing = None;
                        self.engine.finish(frame.trailers_ref())?;
                    }
                },
            }
            moved = true;
        }
        Ok(moved)
    }

    fn write(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let before = self.engine.output().len();
        if before == 0 {
            return Ok(false);
        }
        let written = self.stream.poll_write(cx, self.engine.output());
        let after = self.engine.output().len();
        match written {
            // The server may have answered before it stopped listening: that answer is still to be read.
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.engine.output().advance(after);
                self.outgoing = None;
            }
            Poll::Ready(result) => result?,
            Poll::Pending => {}
        }
        if after == 0 && self.outgoing.is_none() && self.timing.sent.is_none() {
            self.timing.sent = Some(self.sleep.now());
        }
        Ok(after < before)
    }

    fn read(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        if !self.engine.wants_bytes() {
            return Ok(false);
        }
        let Poll::Ready(bytes) = self.stream.poll_read(cx)? else {
            return Ok(false);
        };
        let now = self.sleep.now();
        match bytes {
            Some(bytes) => {
                self.timing.first_byte = self.timing.first_byte.or(Some(now));
                // A refusal comes again as the event `Failed`.
                let _verdict = self.engine.handle_bytes(now, bytes);
            }
            None => self.engine.handle_eof(now),
        }
        Ok(true)
    }
}
