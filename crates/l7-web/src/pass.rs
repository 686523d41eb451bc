//! The shape of everything that stands around a service.
//!
//! Job: a look at the request before, and at the response after, as plain functions; and the one `tower` layer that
//! puts them around any service. Owns: nothing. Does not know: what is looked at.
//! Because a [`Pass`] has no future, each can be tested by value.

use core::future::Future;
use core::ops::ControlFlow;
use core::pin::Pin;
use core::task::{Context, Poll};

use http::{Request, Response};
use outcrop_http::Body;
use tower_layer::Layer;
use tower_service::Service;

/// What is done before and after a request is answered.
pub trait Pass: Clone + Send + 'static {
    /// What `leave` must know of the request.
    type Memo: Send + 'static;

    /// Looks at the request, and may mend it. `Break` answers it here: the service is not asked.
    fn enter(&self, request: &mut Request<Body>) -> ControlFlow<Response<Body>, Self::Memo>;

    /// Looks at the service's response, and may mend it.
    fn leave(&self, memo: Self::Memo, response: Response<Body>) -> Response<Body>;

    /// The service has failed: there is no response to look at, and whoever serves will say 500.
    fn failed(&self, memo: Self::Memo) {
        drop(memo);
    }
}

/// A [`Pass`] as a `tower` layer.
#[derive(Clone, Copy, Debug)]
pub struct Around<P>(pub P);

impl<P: Pass, S> Layer<S> for Around<P> {
    type Service = Passed<P, S>;

    fn layer(&self, inner: S) -> Passed<P, S> {
        Passed {
            pass: self.0.clone(),
            inner,
        }
    }
}

/// A service with a [`Pass`] around it.
#[derive(Clone, Copy, Debug)]
pub struct Passed<P, S> {
    pass: P,
    inner: S,
}

impl<P, S> Service<Request<Body>> for Passed<P, S>
where
    P: Pass,
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let memo = match self.pass.enter(&mut request) {
            ControlFlow::Break(response) => return Box::pin(async move { Ok(response) }),
            ControlFlow::Continue(memo) => memo,
        };
        let (pass, answer) = (self.pass.clone(), self.inner.call(request));
        Box::pin(async move {
            match answer.await {
                Ok(response) => Ok(pass.leave(memo, response)),
                Err(error) => {
                    pass.failed(memo);
                    Err(error)
                }
            }
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Runs `pass` around a service that answers with `response`; `None` inside if it was not asked.
    pub(crate) fn through<P: Pass>(
        pass: &P,
        mut request: Request<Body>,
        response: Response<Body>,
    ) -> Response<Body> {
        match pass.enter(&mut request) {
            ControlFlow::Break(answered) => answered,
            ControlFlow::Continue(memo) => pass.leave(memo, response),
        }
    }

    #[derive(Clone)]
    struct Closed(bool);

    impl Pass for Closed {
        type Memo = u8;

        fn enter(&self, _: &mut Request<Body>) -> ControlFlow<Response<Body>, u8> {
            if self.0 {
                return ControlFlow::Break(Response::new("closed".into()));
            }
            ControlFlow::Continue(7)
        }

        fn leave(&self, memo: u8, mut response: Response<Body>) -> Response<Body> {
            response
                .headers_mut()
                .insert("memo", http::HeaderValue::from(u16::from(memo)));
            response
        }
    }

    #[test]
    fn layer_asks_the_service_only_if_the_pass_goes_on() {
        use tower::ServiceExt as _;
        for closed in [false, true] {
            let inner = tower::service_fn(|_| async {
                Ok::<_, core::convert::Infallible>(Response::new(Body::from("open")))
            });
            let service = Around(Closed(closed)).layer(inner);
            let answer =
                futures_executor::block_on(service.oneshot(Request::new(Body::empty()))).unwrap();
            assert_eq!(answer.headers().contains_key("memo"), !closed);
        }
    }
}
