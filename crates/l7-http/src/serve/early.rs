//! Requests that begin before their turn.
//!
//! Job: let pipelined requests be answered at the same time, and their answers wait for their turn. Owns: a copy of the
//! application for each of them. Does not know: the order of answers, which is the engine's.
//! Only safe requests without a body begin early, so none of them can see another's effect (RFC 9112 section 9.3.2).

use core::task::{Context, Poll};
use std::collections::VecDeque;

use super::{About, Answer, App};
use crate::Body;
use crate::h1::{RequestHead, Server};

/// One of them.
struct Early<A: App> {
    app: A,
    /// Bytes of its head, which the engine still has.
    bytes: usize,
    answer: Option<Answer<A::Body>>,
}

/// All of one connection, in the order in which they came.
pub(super) struct Ahead<A: App> {
    fork: Option<fn(&A) -> A>,
    most: usize,
    waiting: VecDeque<Early<A>>,
}

impl<A: App> core::fmt::Debug for Ahead<A> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Ahead")
            .field("waiting", &self.waiting.len())
            .field("most", &self.most)
            .finish_non_exhaustive()
    }
}

impl<A: App> Ahead<A> {
    /// Nothing begins early.
    pub(super) const fn never() -> Self {
        Self {
            fork: None,
            most: 0,
            waiting: VecDeque::new(),
        }
    }

    /// At most so many begin early, each with a copy of the application.
    pub(super) const fn of(most: usize, fork: fn(&A) -> A) -> Self {
        Self {
            fork: Some(fork),
            most,
            waiting: VecDeque::new(),
        }
    }

    /// Begins those that may; true if one did.
    pub(super) fn begin(&mut self, app: &A, server: &Server, about: &About) -> bool {
        let Some(fork) = self.fork else { return false };
        let mut begun = false;
        while self.waiting.len() < self.most {
            let skip = self.waiting.iter().map(|early| early.bytes).sum();
            let Some((head, bytes)) = server.ahead(skip) else {
                break;
            };
            let mut app = fork(app);
            app.begin(&head, &self.about(about), Body::empty());
            self.waiting.push_back(Early {
                app,
                bytes,
                answer: None,
            });
            begun = true;
        }
        begun
    }

    fn about(&self, about: &About) -> About {
        let before = u32::try_from(self.waiting.len()).unwrap_or(u32::MAX);
        About {
            request: about.request.saturating_add(before).saturating_add(1),
            ..*about
        }
    }

    /// Lets them go on.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) {
        if self.waiting.is_empty() {
            return;
        }
        for early in &mut self.waiting {
            if early.answer.is_none()
                && let Poll::Ready(answer) = early.app.poll_answer(cx)
            {
                early.answer = Some(answer);
            }
        }
    }

    /// It is the turn of this request: the application that began with it, and the answer if it is ready.
    pub(super) fn turn(&mut self, head: &RequestHead) -> Option<(A, Option<Answer<A::Body>>)> {
        let early = self.waiting.pop_front()?;
        debug_assert_eq!(early.bytes, head.len(), "the same head as before");
        Some((early.app, early.answer))
    }
}
