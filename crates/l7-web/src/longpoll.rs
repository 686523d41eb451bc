//! News for those who ask again and again (long polling, the notes' Comet).
//!
//! Job: hold a request until there is something it has not seen, or for a while. Owns: the last news and who waits.
//! Does not know: what they are about, HTTP, clocks: the time comes with each wait.
//! A client asks "what since number 7?", is answered when there is an 8, and asks again. Whoever asks too rarely is told
//! that he missed something; whoever asks of a number yet to come asks of a server that is no more.

use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use outcrop_base::Instant;
use outcrop_http::Sleep;

/// How much is remembered and who may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// News kept for those who ask again.
    pub kept: usize,
    /// Requests held at once; each holds a connection.
    pub waiting: usize,
    /// How long a request is held: less than those between (and browsers) have patience for.
    pub patience: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            kept: 64,
            waiting: 10_000,
            patience: Duration::from_secs(25),
        }
    }
}

/// What a request is answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News<T> {
    /// The number to ask with the next time.
    pub last: u64,
    /// Whether there was more than is still kept: look at everything anew.
    pub missed: bool,
    /// What happened, oldest first; nothing if the time was over before anything did.
    pub news: Vec<T>,
}

/// Too many wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many requests wait already")]
pub struct Full;

#[derive(Debug)]
struct State<T> {
    last: u64,
    kept: VecDeque<T>,
    /// A place for each who waits; free ones are reused.
    waiting: Vec<Option<Option<Waker>>>,
    closed: bool,
}

/// What there is to hear. Clones are the same.
#[derive(Clone, Debug)]
pub struct Board<T> {
    state: Arc<Mutex<State<T>>>,
    limits: Limits,
}

impl<T: Clone> Default for Board<T> {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl<T: Clone> Board<T> {
    /// Nothing yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            state: Arc::new(Mutex::new(State {
                last: 0,
                kept: VecDeque::new(),
                waiting: Vec::new(),
                closed: false,
            })),
            limits,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something happened: everybody who waits is answered. Its number, from one.
    pub fn tell(&self, what: T) -> u64 {
        let mut state = self.lock();
        state.last += 1;
        if state.kept.len() >= self.limits.kept {
            state.kept.pop_front();
        }
        if self.limits.kept > 0 {
            state.kept.push_back(what);
        }
        let last = state.last;
        wake(state);
        last
    }

    /// Answers everybody who waits, and everybody who comes, at once: the server stops.
    pub fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        wake(state);
    }

    /// How many wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.lock().waiting.iter().flatten().count()
    }

    /// What happened after number `since`, as soon as that is anything; with `None` what the last number is, at once.
    ///
    /// # Errors
    /// [`Full`]: 503 would be a good answer.
    pub fn wait<S: Sleep>(&self, since: Option<u64>, sleep: S) -> Result<Wait<T, S>, Full> {
        let mut state = self.lock();
        let free = state.waiting.iter().position(Option::is_none);
        let place = match free {
            Some(place) => place,
            None if state.waiting.len() < self.limits.waiting => {
                state.waiting.push(None);
                state.waiting.len() - 1
            }
            None => return Err(Full),
        };
        if let Some(free) = state.waiting.get_mut(place) {
            *free = Some(None);
        }
        drop(state);
        let until = sleep.now() + self.limits.patience;
        Ok(Wait {
            board: self.clone(),
            since,
            place,
            sleep,
            until,
        })
    }
}

fn wake<T>(mut state: MutexGuard<'_, State<T>>) {
    let wakers: Vec<_> = state
        .waiting
        .iter_mut()
        .filter_map(|place| place.as_mut()?.take())
        .collect();
    drop(state);
    wakers.into_iter().for_each(Waker::wake);
}

impl<T: Clone> State<T> {
    /// What is new to somebody who has seen everything up to `since`; `None` if nothing is.
    fn news(&self, since: Option<u64>) -> Option<News<T>> {
        let Some(since) = since else {
            return Some(self.nothing());
        };
        let Some(unseen) = self.last.checked_sub(since) else {
            // A number of a life before this one.
            return Some(News {
                missed: true,
                ..self.nothing()
            });
        };
        if unseen == 0 {
            return None;
        }
        let unseen = usize::try_from(unseen).unwrap_or(usize::MAX);
        let skip = self.kept.len().saturating_sub(unseen);
        Some(News {
            last: self.last,
            missed: unseen > self.kept.len(),
            news: self.kept.iter().skip(skip).cloned().collect(),
        })
    }

    const fn nothing(&self) -> News<T> {
        News {
            last: self.last,
            missed: false,
            news: Vec::new(),
        }
    }
}

/// A request that is held: a future of its answer. Dropping it gives its place back.
pub struct Wait<T, S> {
    board: Board<T>,
    since: Option<u64>,
    place: usize,
    sleep: S,
    until: Instant,
}

impl<T, S> fmt::Debug for Wait<T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait")
            .field("since", &self.since)
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}

// Nothing inside is pinned in place.
impl<T, S> Unpin for Wait<T, S> {}

impl<T: Clone, S: Sleep> Future for Wait<T, S> {
    type Output = News<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<News<T>> {
        let this = &mut *self;
        let mut state = this.board.lock();
        if let Some(news) = state.news(this.since) {
            return Poll::Ready(news);
        }
        if state.closed {
            return Poll::Ready(state.nothing());
        }
        if let Some(Some(place)) = state.waiting.get_mut(this.place) {
            *place = Some(cx.waker().clone());
        }
        let nothing = state.nothing();
        drop(state);
        let over = this.sleep.poll_until(cx, this.until);
        over.map(|()| nothing)
    }
}

impl<T, S> Drop for Wait<T, S> {
    fn drop(&mut self) {
        let mut state = self
            .board
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = state.waiting.get_mut(self.place) {
            *place = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::cell::Cell;
    use std::rc::Rc;

    /// A clock that is set by hand; whoever waits is polled anyway.
    #[derive(Clone, Default)]
    struct Clock(Rc<Cell<u64>>);

    impl Sleep for Clock {
        fn now(&self) -> Instant {
            Instant::from_millis(self.0.get())
        }

        fn poll_until(&mut self, _: &mut Context<'_>, at: Instant) -> Poll<()> {
            if self.now() >= at {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        }
    }

    fn poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        let mut cx = Context::from_waker(Waker::noop());
        match Pin::new(future).poll(&mut cx) {
            Poll::Ready(done) => Some(done),
            Poll::Pending => None,
        }
    }

    fn news(last: u64, news: &[&'static str]) -> News<&'static str> {
        News {
            last,
            missed: false,
            news: news.to_vec(),
        }
    }

    fn small() -> Board<&'static str> {
        Board::new(Limits {
            kept: 2,
            waiting: 2,
            patience: Duration::from_secs(25),
        })
    }

    #[test]
    fn request_held_is_answered_when_something_happens_and_the_next_one_hears_what_is_new() {
        let (board, clock) = (small(), Clock::default());
        let mut first = board.wait(None, clock.clone()).unwrap();
        assert_eq!(
            poll(&mut first),
            Some(news(0, &[])),
            "where things stand, at once"
        );
        let mut held = board.wait(Some(0), clock.clone()).unwrap();
        assert_eq!(poll(&mut held), None);
        board.tell("a");
        assert_eq!(poll(&mut held), Some(news(1, &["a"])));
        drop((first, held));
        board.tell("b");
        // What happened between two requests is not lost.
        let mut next = board.wait(Some(1), clock).unwrap();
        assert_eq!(poll(&mut next), Some(news(2, &["b"])));
    }

    #[test]
    fn nothing_happens_the_request_is_answered_with_nothing_in_time() {
        let (board, clock) = (small(), Clock::default());
        let mut held = board.wait(Some(0), clock.clone()).unwrap();
        clock.0.set(24_999);
        assert_eq!(poll(&mut held), None);
        clock.0.set(25_000);
        assert_eq!(poll(&mut held), Some(news(0, &[])));
    }

    #[test]
    fn who_asks_too_late_or_of_another_life_is_told_that_he_missed_something() {
        let (board, clock) = (small(), Clock::default());
        for what in ["a", "b", "c"] {
            board.tell(what);
        }
        let mut late = board.wait(Some(0), clock.clone()).unwrap();
        let told = poll(&mut late).unwrap();
        assert!(told.missed);
        assert_eq!((told.last, told.news), (3, vec!["b", "c"]));
        let mut stranger = board.wait(Some(99), clock).unwrap();
        let told = poll(&mut stranger).unwrap();
        assert!(told.missed);
        assert_eq!((told.last, told.news), (3, vec![]));
    }

    #[test]
    fn places_to_wait_are_so_many_and_come_back() {
        let (board, clock) = (small(), Clock::default());
        let one = board.wait(Some(0), clock.clone()).unwrap();
        let mut two = board.wait(Some(0), clock.clone()).unwrap();
        assert_eq!(board.wait(Some(0), clock.clone()).err(), Some(Full));
        drop(one);
        let mut three = board.wait(Some(0), clock.clone()).unwrap();
        assert_eq!((poll(&mut two), poll(&mut three)), (None, None));
        assert_eq!(board.waiting(), 2);
        board.close();
        assert_eq!(poll(&mut two), Some(news(0, &[])));
        assert_eq!(poll(&mut three), Some(news(0, &[])));
        drop((two, three));
        assert_eq!(board.waiting(), 0);
        let mut after = board.wait(Some(0), clock).unwrap();
        assert_eq!(
            poll(&mut after),
            Some(news(0, &[])),
            "nobody is held any more"
        );
    }

    #[test]
    fn those_who_wait_are_woken() {
        use core::sync::atomic::{AtomicUsize, Ordering};
        struct Count(AtomicUsize);
        impl std::task::Wake for Count {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let (board, count) = (small(), Arc::new(Count(AtomicUsize::new(0))));
        let waker = Waker::from(Arc::clone(&count));
        let mut held = board.wait(Some(0), Clock::default()).unwrap();
        let polled = Pin::new(&mut held).poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
        board.tell("a");
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        drop(held);
        board.tell("b");
        assert_eq!(count.0.load(Ordering::Relaxed), 1, "nobody there");
    }
}
