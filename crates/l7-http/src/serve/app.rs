//! Who answers: two kinds behind one face.
//!
//! Job: let a connection ask an inline handler and a `tower` service in the same way.
//! Owns: a service's future while it runs. Does not know: streams, engines.

use core::pin::Pin;
use core::task::{Context, Poll};

use bytes::Bytes;
use tower_service::Service;

use super::{About, Answer, Handler, Upgrade};
use crate::h1::RequestHead;
use crate::{Body, pages};

/// Somebody who answers one request at a time.
pub trait App {
    /// The body of its answers.
    type Body: http_body::Body<Data = Bytes> + Unpin;
    /// Whether it reads request bodies. If not, `begin` gets an empty one.
    const READS_BODIES: bool;

    /// The request that comes next may be answered with 101; what the client says after it comes out of `upgrade`.
    /// Not called for apps that do not read bodies.
    fn offer(&mut self, upgrade: Upgrade) {
        drop(upgrade);
    }

    /// Here is a request.
    fn begin(&mut self, head: &RequestHead, about: &About, body: Body);

    /// The answer to it. Not called again until the next `begin`.
    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Answer<Self::Body>>;
}

/// An [`App`] out of a [`Handler`].
#[derive(Debug)]
pub struct Inline<H> {
    handler: H,
    answer: Option<Answer>,
}

impl<H> Inline<H> {
    pub(super) const fn new(handler: H) -> Self {
        Self {
            handler,
            answer: None,
        }
    }
}

impl<H: Handler> App for Inline<H> {
    type Body = Body;
    const READS_BODIES: bool = false;

    fn begin(&mut self, head: &RequestHead, about: &About, _: Body) {
        self.answer = Some(self.handler.answer(head, about));
    }

    fn poll_answer(&mut self, _: &mut Context<'_>) -> Poll<Answer> {
        self.answer.take().map_or(Poll::Pending, Poll::Ready)
    }
}

/// An [`App`] out of a `tower` service.
pub struct Tower<V, R>
where
    V: Service<R>,
{
    service: V,
    state: State<V, R>,
    offered: Option<Upgrade>,
}

enum State<V, R>
where
    V: Service<R>,
{
    Idle,
    /// The request waits for the service to be ready.
    Waiting(Box<R>),
    /// The head was no request for the `http` crate.
    Refused(Answer<Body>),
    Running(Pin<Box<V::Future>>),
}

impl<V, R> Tower<V, R>
where
    V: Service<R>,
{
    pub(super) const fn new(service: V) -> Self {
        Self {
            service,
            state: State::Idle,
            offered: None,
        }
    }
}

/// A clone has no request under way.
impl<V: Service<R> + Clone, R> Clone for Tower<V, R> {
    fn clone(&self) -> Self {
        Self::new(self.service.clone())
    }
}

impl<V: Service<R>, R> core::fmt::Debug for Tower<V, R> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let state = match &self.state {
            State::Idle => "idle",
            State::Waiting(_) => "waiting",
            State::Refused(_) => "refused",
            State::Running(_) => "running",
        };
        f.debug_struct("Tower").field("state", &state).finish()
    }
}

/// A service that fails has said nothing we may repeat to a client.
fn failure<B>() -> Answer<B> {
    pages::error(http::StatusCode::INTERNAL_SERVER_ERROR).into()
}

impl<V, B> App for Tower<V, http::Request<Body>>
where
    V: Service<http::Request<Body>, Response = http::Response<B>>,
    B: http_body::Body<Data = Bytes>,
{
    type Body = Pin<Box<B>>;
    const READS_BODIES: bool = true;

    fn offer(&mut self, upgrade: Upgrade) {
        self.offered = Some(upgrade);
    }

    fn begin(&mut self, head: &RequestHead, about: &About, body: Body) {
        let offered = self.offered.take();
        self.state = match head.to_http() {
            Ok(request) => {
                let mut request = request.map(|()| body);
                request.extensions_mut().insert(*about);
                if let Some(upgrade) = offered {
                    request.extensions_mut().insert(upgrade);
                }
                State::Waiting(Box::new(request))
            }
            Err(_) => State::Refused(pages::error(http::StatusCode::BAD_REQUEST).into()),
        };
    }

    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Answer<Self::Body>> {
        loop {
            match core::mem::replace(&mut self.state, State::Idle) {
                State::Idle => return Poll::Pending,
                State::Refused(Answer::Prepared(page)) => return Poll::Ready(page.into()),
                State::Refused(Answer::Response(_)) => return Poll::Ready(failure()),
                State::Waiting(request) => match self.service.poll_ready(cx) {
                    Poll::Pending => {
                        self.state = State::Waiting(request);
                        return Poll::Pending;
                    }
                    Poll::Ready(Ok(())) => {
                        self.state = State::Running(Box::pin(self.service.call(*request)));
                    }
                    Poll::Ready(Err(_)) => return Poll::Ready(failure()),
                },
                State::Running(mut future) => match future.as_mut().poll(cx) {
                    Poll::Pending => {
                        self.state = State::Running(future);
                        return Poll::Pending;
                    }
                    Poll::Ready(Ok(response)) => {
                        return Poll::Ready(Answer::Response(response.map(Box::pin)));
                    }
                    Poll::Ready(Err(_)) => return Poll::Ready(failure()),
                },
            }
        }
    }
}
