//! Waiting, but not for ever.
//!
//! Job: end a future when the run's time says so. Owns: nothing. Does not know: whether time runs or is
//! set by a simulation; a program with deadlines runs in virtual time too.

use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;
use std::io;

use outcrop_base::Instant;
use outcrop_stack::Shard;
use thiserror::Error;

/// The time was over before the future was ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the time limit has passed")]
pub struct Elapsed;

impl From<Elapsed> for io::Error {
    fn from(elapsed: Elapsed) -> Self {
        Self::new(io::ErrorKind::TimedOut, elapsed)
    }
}

/// Waits for `future`, but at most `limit`.
///
/// # Errors
/// [`Elapsed`]; the future is then dropped, which for all of this crate loses nothing.
pub async fn timeout<F: Future>(
    shard: &Shard,
    limit: Duration,
    future: F,
) -> Result<F::Output, Elapsed> {
    deadline(shard, shard.now() + limit, future).await
}

/// Waits for `future`, but not beyond `at`.
///
/// # Errors
/// As for [`timeout`].
pub async fn deadline<F: Future>(
    shard: &Shard,
    at: Instant,
    future: F,
) -> Result<F::Output, Elapsed> {
    let mut future = pin!(future);
    let mut sleep = pin!(shard.sleep_until(at));
    poll_fn(|cx| {
        // The future first: what is ready at the last moment counts.
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Ok(output));
        }
        sleep.as_mut().poll(cx).map(|()| Err(Elapsed))
    })
    .await
}
