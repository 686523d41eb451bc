//! Time for those who wait.
//!
//! Job: what a connection's driver needs of a clock. Owns: the seam. Does not know: which runtime, or whether
//! time is real: a simulation passes its own.

use core::pin::Pin;
use core::task::{Context, Poll};

use outcrop_base::Instant;

/// A clock that can wake a task.
pub trait Sleep {
    /// The current instant.
    fn now(&self) -> Instant;

    /// Ready at `at` or later. Another `at` than the last time replaces it.
    fn poll_until(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()>;
}

impl<S: Sleep + ?Sized> Sleep for Box<S> {
    fn now(&self) -> Instant {
        (**self).now()
    }

    fn poll_until(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()> {
        (**self).poll_until(cx, at)
    }
}

/// A [`Sleep`] out of two closures: what time it is, and a future that is ready at an instant.
///
/// A later deadline than the one asked for before costs nothing: the earlier future is left to end, and
/// only then is the next one made.
pub fn sleeper<N, S, F>(now: N, sleep_until: S) -> Sleeper<N, S, F>
where
    N: Fn() -> Instant,
    S: Fn(Instant) -> F,
    F: Future<Output = ()>,
{
    Sleeper {
        now,
        sleep_until,
        current: None,
    }
}

/// What [`sleeper`] makes.
pub struct Sleeper<N, S, F> {
    now: N,
    sleep_until: S,
    current: Option<(Instant, Pin<Box<F>>)>,
}

impl<N, S, F> core::fmt::Debug for Sleeper<N, S, F> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Sleeper")
            .field("until", &self.current.as_ref().map(|(at, _)| at))
            .finish_non_exhaustive()
    }
}

impl<N, S, F> Sleep for Sleeper<N, S, F>
where
    N: Fn() -> Instant,
    S: Fn(Instant) -> F,
    F: Future<Output = ()>,
{
    fn now(&self) -> Instant {
        (self.now)()
    }

    fn poll_until(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()> {
        loop {
            let (until, future) = match &mut self.current {
                Some((until, future)) if *until <= at => (*until, future),
                current => {
                    let (until, future) = current.insert((at, Box::pin((self.sleep_until)(at))));
                    (*until, future)
                }
            };
            if future.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.current = None;
            if until == at {
                return Poll::Ready(());
            }
        }
    }
}
