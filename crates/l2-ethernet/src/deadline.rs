//! Deadlines of a bounded table.
//!
//! Job: say which entry is due next. Owns: the order. Does not know: what is due.
//! Unlike `TimerWheel`, an entry is taken out when its owner goes: strangers make and evict owners here faster
//! than deadlines pass, and what they leave behind must not grow.

use std::collections::BTreeSet;

use outcrop_base::Instant;

#[derive(Clone, Debug)]
pub(crate) struct Deadlines<K>(BTreeSet<(Instant, K)>);

impl<K: Ord + Copy> Deadlines<K> {
    pub(crate) const fn new() -> Self {
        Self(BTreeSet::new())
    }

    /// Moves a deadline; `old` is where it was.
    pub(crate) fn arm(&mut self, old: Option<Instant>, at: Instant, key: K) {
        if let Some(old) = old {
            self.cancel(old, key);
        }
        self.0.insert((at, key));
    }

    pub(crate) fn cancel(&mut self, at: Instant, key: K) {
        self.0.remove(&(at, key));
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.0.first().map(|(at, _)| *at)
    }

    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<K> {
        if self.next()? > now {
            return None;
        }
        self.0.pop_first().map(|(_, key)| key)
    }
}
