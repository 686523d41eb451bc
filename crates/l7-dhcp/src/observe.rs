//! What a client tells a recorder.
//!
//! Job: its changes of state, and the messages it does not take, as facts; one way for both families.
//! Owns: nothing. Does not know: packets. Whoever called knows the cause, and puts it in.

use outcrop_base::{Cause, Fact, FactKind, Facts, Verdict};

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
