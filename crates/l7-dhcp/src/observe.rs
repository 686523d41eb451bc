//! What a client tells.
//!
//! Job: the caller what was granted and lost, a recorder its changes of state and the messages it does not take; one
//! way for both families. Owns: what was not fetched yet. Does not know: packets. Whoever called knows the cause of a
//! fact, and puts it in.

use outcrop_base::{Cause, Fact, FactKind, Facts, Verdict};

use crate::Loss;

/// Edges, one place each; what came later replaces what was not fetched.
#[derive(Clone, Debug)]
pub(crate) struct Edges<E> {
    pub(crate) lost: Option<Loss>,
    pub(crate) granted: Option<E>,
}

impl<E> Edges<E> {
    pub(crate) const fn new() -> Self {
        Self {
            lost: None,
            granted: None,
        }
    }

    /// What was granted is of no use any longer.
    pub(crate) fn lose(&mut self, loss: Loss) {
        self.granted = None;
        self.lost = Some(loss);
    }

    /// The next to tell: a loss before what was granted after it.
    pub(crate) fn next(&mut self, lost: fn(Loss) -> E) -> Option<E> {
        self.lost.take().map(lost).or_else(|| self.granted.take())
    }
}

/// States a change of state, if it is one.
#[track_caller]
pub(crate) fn changed(facts: &mut Facts, from: &'static str, to: &'static str) {
    if from != to {
        let fact = Fact::new(None, FactKind::State { from, to }, Cause::None);
        facts.emit(|| fact);
    }
}

/// States that a message was dropped, if it was; gives the verdict on.
#[track_caller]
pub(crate) fn judged(facts: &mut Facts, verdict: Verdict) -> Verdict {
    if let Some(reason) = verdict.drop_reason() {
        let fact = Fact::new(None, FactKind::Remark(reason.name()), Cause::None);
        facts.emit(|| fact);
    }
    verdict
}
