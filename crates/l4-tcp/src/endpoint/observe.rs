//! What can be asked of an endpoint.
//!
//! Job: figures, descriptions, fingerprints, and the check that nothing can stall.
//! Owns: nothing. Does not know: who asks. Nothing here changes anything.
//! Sources: RFC 9293 3.10.6 (STATUS).

use core::hash::{Hash, Hasher};

use outcrop_base::{Facts, Flow, Instant, Value};

use super::place::{Holder, Phase, Place};
use super::{Counters, Endpoint};
use crate::account::Explanation;
use crate::config::Config;
use crate::event::{CloseReason, Doubt};
use crate::info::Info;
use crate::state::State;
use crate::transmit::ConnId;

impl Endpoint {
    /// Both ends of a connection; `None` for a stale id.
    #[must_use]
    pub fn flow(&self, id: ConnId) -> Option<Flow> {
        self.places.flow(id).copied()
    }

    /// How a connection is doing; `None` for a stale id.
    #[must_use]
    pub fn info(&self, id: ConnId) -> Option<Info> {
        let place = self.places.get(id)?;
        let flow = self.places.flow(id)?;
        Some(match &place.phase {
            Phase::Embryo(embryo) => embryo.info(flow),
            Phase::Open(_) | Phase::Dormant(_) => place
                .with_connection(&self.shared, |connection| {
                    connection.info(self.latest, flow)
                })?,
            Phase::Ended(ended) => Info {
                state: self.rest_of(flow, ended.info.state),
                ..ended.info
            },
        })
    }

    /// Why a connection is not sending more at `now`, and how its life divided; of one that has ended, the final account.
    /// `None` for a stale id.
    #[must_use]
    pub fn explain(&self, now: Instant, id: ConnId) -> Option<Explanation> {
        let (place, flow) = (self.places.get(id)?, self.places.flow(id)?);
        match &place.phase {
            Phase::Open(_) | Phase::Dormant(_) => {
                place.with_connection(&self.shared, |connection| connection.explain(now, flow))
            }
            Phase::Ended(ended) => ended.explanation.as_deref().copied(),
            Phase::Embryo(embryo) => Some(embryo.explain(now, flow)),
        }
    }

    /// Takes the final accounts of connections that have ended, oldest first: the latest
    /// [`Config::final_accounts`] of them.
    pub fn take_final_accounts(&mut self) -> Vec<Explanation> {
        self.final_accounts.drain(..).collect()
    }

    /// An account of every connection that is open at `now`.
    pub fn open_accounts(&self, now: Instant) -> impl Iterator<Item = Explanation> {
        self.places.iter().filter_map(move |(_, flow, place)| {
            place.with_connection(&self.shared, |connection| connection.explain(now, flow))
        })
    }

    /// An ended connection is in TIME-WAIT for as long as its tuple rests.
    fn rest_of(&self, flow: &Flow, state: State) -> State {
        if state == State::TimeWait && self.time_wait.rests(flow) {
            State::TimeWait
        } else {
            State::Closed
        }
    }

    /// Whether the SYN of a connection waits for the program (`Settings::hold_syn`).
    #[must_use]
    pub fn holds_syn(&self, id: ConnId) -> bool {
        match self.places.get(id).map(|place| &place.phase) {
            Some(Phase::Embryo(embryo)) => embryo.is_held(),
            Some(Phase::Open(_) | Phase::Dormant(_) | Phase::Ended(_)) | None => false,
        }
    }

    /// How a connection ended; `None` while it has not.
    #[must_use]
    pub fn close_reason(&self, id: ConnId) -> Option<CloseReason> {
        match &self.places.get(id)?.phase {
            Phase::Ended(ended) => Some(ended.reason),
            Phase::Open(connection) => connection.over(),
            Phase::Embryo(_) | Phase::Dormant(_) => None,
        }
    }

    /// The soft error a connection that lives on suffers from, since its last progress (RFC 9293 3.9.1.8 MUST-47).
    #[must_use]
    pub fn doubt(&self, id: ConnId) -> Option<Doubt> {
        match &self.places.get(id)?.phase {
            Phase::Open(connection) => connection.doubt(),
            Phase::Embryo(embryo) => embryo.doubt,
            Phase::Dormant(_) | Phase::Ended(_) => None,
        }
    }

    /// The state of a flow: of its connection, of its tuple in TIME-WAIT, of the listener it would
    /// reach, or CLOSED.
    #[must_use]
    pub fn state_of(&self, flow: &Flow) -> State {
        if let Some(place) = self.find(flow).and_then(|id| self.places.get(id)) {
            place.state()
        } else if self.time_wait.rests(flow) {
            State::TimeWait
        } else if self.listeners.find(flow.local).is_some() {
            State::Listen
        } else {
            State::Closed
        }
    }

    /// The connection of a flow, while it has one.
    #[must_use]
    pub fn find(&self, flow: &Flow) -> Option<ConnId> {
        self.places.find(flow)
    }

    /// Whether a segment of `flow` is for this endpoint: somebody has the flow, or rests in TIME-WAIT, or it `opens`
    /// one and somebody listens.
    #[must_use]
    pub fn expects(&self, flow: &Flow, opens: bool) -> bool {
        self.places.find(flow).is_some()
            || (opens && self.listeners.find(flow.local).is_some())
            || self.time_wait.rests(flow)
    }

    /// Tells a connection's state as keys and values: what a capture writes beside each packet.
    pub fn describe(&self, id: ConnId, visit: &mut dyn FnMut(&'static str, Value<'_>)) {
        if let Some(info) = self.info(id) {
            info.describe(visit);
        }
    }

    /// The same by flow, for packets that belong to no connection as well.
    pub fn describe_flow(&self, flow: &Flow, visit: &mut dyn FnMut(&'static str, Value<'_>)) {
        match self.find(flow) {
            Some(id) => self.describe(id, visit),
            None => visit("state", Value::Word(self.state_of(flow).name())),
        }
    }

    /// What happened without a packet since it was last drained; `set_level` switches it on.
    pub const fn facts(&mut self) -> &mut Facts {
        &mut self.facts
    }

    /// Connections and embryos, and ended connections a program still holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.len() == 0
    }

    /// Bytes queued by all connections together; `Config::memory_max` bounds them.
    #[must_use]
    pub const fn queued(&self) -> u64 {
        self.budget.held()
    }

    /// Tuples in TIME-WAIT.
    #[must_use]
    pub fn time_wait_len(&self) -> usize {
        self.time_wait.len()
    }

    /// What it was set up with.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// What was counted so far.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Hashes everything that decides the future, times relative to `now`: two endpoints with equal
    /// fingerprints behave alike.
    pub fn fingerprint(&self, now: Instant, into: &mut dyn Hasher) {
        let mut into = into;
        for (id, flow, place) in self.places.iter() {
            (id, flow, place.in_ready, place.edges).hash(&mut into);
            match &place.phase {
                Phase::Embryo(embryo) => embryo.fingerprint(now, into),
                Phase::Open(_) | Phase::Dormant(_) => {
                    place.with_connection(&self.shared, |c| c.fingerprint(now, into));
                }
                Phase::Ended(ended) => (ended.reason, ended.readable.len()).hash(&mut into),
            }
        }
        self.time_wait.fingerprint(now, into);
        self.auth.fingerprint(
            |flow| self.places.find(flow).is_some() || self.time_wait.rests(flow),
            into,
        );
        self.paths.fingerprint(now, into);
        for reply in &self.replies {
            (reply.flow, reply.header).hash(&mut into);
        }
    }

    /// Asserts what must hold between any two calls, above all that nobody can wait for ever: whoever
    /// has something outstanding or to send has a timer armed or a place in the output queue.
    ///
    /// # Panics
    /// If it does not hold: a bug of this crate.
    #[doc(hidden)]
    pub fn check(&self) {
        for (id, flow, place) in self.places.iter() {
            self.check_place(id, flow, place);
        }
        let queued = self.places.iter().map(|(_, _, place)| place.queued());
        assert_eq!(queued.sum::<u64>(), self.budget.held(), "the budget");
        for id in &self.ready {
            let queued = self.places.get(*id).is_none_or(|place| place.in_ready);
            assert!(queued, "{id:?} is in the output queue without knowing it");
        }
    }

    fn check_place(&self, id: ConnId, flow: &Flow, place: &Place) {
        if place.in_ready {
            assert!(
                self.ready.contains(&id),
                "{flow}: lost from the output queue"
            );
        }
        if let Some(next) = place
            .next_timeout(self.config.quiet)
            .filter(|_| !place.in_ready)
        {
            let filed = place.filed.is_some_and(|filed| filed <= next);
            assert!(filed, "{flow}: its timer is not in the wheel");
        }
        if place.holder == Holder::Program && !place.edges.is_empty() {
            assert!(place.in_events, "{flow}: an edge would never be told");
        }
        match &place.phase {
            Phase::Embryo(embryo) => assert!(
                place.in_ready || embryo.next_timeout().is_some() || embryo.is_held(),
                "{flow}: an embryo without timer or output"
            ),
            Phase::Open(_) | Phase::Dormant(_) => {
                place.with_connection(&self.shared, |c| c.check(flow, place.in_ready));
            }
            Phase::Ended(_) => assert!(
                place.holder != Holder::Nobody,
                "{flow}: nobody holds what is left"
            ),
        }
    }
}
