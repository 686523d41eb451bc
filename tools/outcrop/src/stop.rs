//! A word from another thread to a task.
//!
//! Job: let a thread that waits (for a signal, for a child) tell a task on the stack's thread. Owns: one value on
//! its way. Does not know: what it means.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::sync::{Arc, Mutex, PoisonError};

/// The end that tells. Telling twice keeps the first word.
#[derive(Debug)]
pub(crate) struct Tell<T>(Arc<Mutex<Slot<T>>>);

/// The end that hears: a future of what was told.
#[derive(Debug)]
pub(crate) struct Hear<T>(Arc<Mutex<Slot<T>>>);

#[derive(Debug)]
struct Slot<T> {
    told: Option<T>,
    waker: Option<Waker>,
}

/// Both ends.
pub(crate) fn word<T>() -> (Tell<T>, Hear<T>) {
    let slot = Arc::new(Mutex::new(Slot {
        told: None,
        waker: None,
    }));
    (Tell(Arc::clone(&slot)), Hear(slot))
}

impl<T> Clone for Tell<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Tell<T> {
    /// Says it.
    pub(crate) fn tell(&self, what: T) {
        let waker = {
            let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            slot.told.get_or_insert(what);
            slot.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Future for Hear<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(told) = slot.told.take() {
            return Poll::Ready(told);
        }
        slot.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// Words for those who end when one other does: told when this is dropped, however that comes about.
#[derive(Debug)]
pub(crate) struct TellAll(Vec<Tell<()>>);

/// So many ends that hear, and the one that tells them.
pub(crate) fn words(count: u16) -> (TellAll, Vec<Hear<()>>) {
    let (tells, hears) = (0..count).map(|_| word()).unzip();
    (TellAll(tells), hears)
}

impl Drop for TellAll {
    fn drop(&mut self) {
        for tell in &self.0 {
            tell.tell(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Wake;
    use std::thread;

    struct Unpark(thread::Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    #[test]
    fn a_word_told_by_another_thread_wakes_the_task() {
        let (tell, hear) = word();
        let teller = thread::spawn(move || tell.tell(7));
        let waker = Arc::new(Unpark(thread::current())).into();
        let mut cx = Context::from_waker(&waker);
        let mut hear = core::pin::pin!(hear);
        let heard = loop {
            match hear.as_mut().poll(&mut cx) {
                Poll::Ready(word) => break word,
                Poll::Pending => thread::park(),
            }
        };
        assert_eq!(heard, 7);
        teller.join().unwrap();
    }
}
