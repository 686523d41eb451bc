//! What an agent needs of the outside.
//!
//! Job: the seam to connections, TLS and time. Owns: nothing. Does not know: who stands behind it: our stack, another
//! runtime's sockets, or a test's memory.

use core::future::poll_fn;
use core::net::IpAddr;
use core::pin::{Pin, pin};
use core::task::Poll;
use core::time::Duration;
use std::io;

use outcrop_base::{ByteStream, Instant};
use outcrop_http::Sleep;

use super::route::Place;

/// A stream of bytes, whatever it is.
pub type Pipe = Box<dyn ByteStream + Send>;
/// A clock that wakes.
pub type Timer = Box<dyn Sleep + Send>;
/// Something that takes its time.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A stream, and what a person may want to know of it: an address, a cipher suite.
pub type Line = (Pipe, String);

/// The outside.
pub trait World: Send + Sync {
    /// A connection to `place`, not encrypted yet.
    fn connect<'a>(&'a self, place: &'a Place) -> Later<'a, io::Result<Line>>;

    /// An address of the host at `place`, for a proxy that wants to be told one (SOCKS).
    fn resolve<'a>(&'a self, place: &'a Place) -> Later<'a, io::Result<IpAddr>>;

    /// TLS over `pipe`, with whoever proves to be `host`.
    fn secure<'a>(&'a self, pipe: Pipe, host: &'a str) -> Later<'a, io::Result<Line>>;

    /// A clock.
    fn timer(&self) -> Timer;

    /// What time it is, since 1970.
    fn unix(&self) -> Duration;
}

/// What `future` comes to, if it does before `at`.
pub(crate) async fn within<T>(
    timer: &mut Timer,
    at: Option<Instant>,
    future: impl Future<Output = T>,
) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        if let Poll::Ready(done) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(done));
        }
        match at {
            Some(at) if timer.poll_until(cx, at).is_ready() => Poll::Ready(None),
            Some(_) | None => Poll::Pending,
        }
    })
    .await
}
