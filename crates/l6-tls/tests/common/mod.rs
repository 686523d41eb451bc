//! Two futures in one thread, until both are done.

use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;

/// Polls `a` and `b` in turns.
pub(crate) fn both<A: Future, B: Future>(a: A, b: B) -> (A::Output, B::Output) {
    futures_executor::block_on(async {
        let (mut a, mut b) = (pin!(a), pin!(b));
        let (mut one, mut two) = (None, None);
        poll_fn(|cx| {
            if one.is_none()
                && let Poll::Ready(done) = a.as_mut().poll(cx)
            {
                one = Some(done);
            }
            if two.is_none()
                && let Poll::Ready(done) = b.as_mut().poll(cx)
            {
                two = Some(done);
            }
            match (one.take(), two.take()) {
                (Some(a), Some(b)) => Poll::Ready((a, b)),
                (a, b) => {
                    (one, two) = (a, b);
                    Poll::Pending
                }
            }
        })
        .await
    })
}
