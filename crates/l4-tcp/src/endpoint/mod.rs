//! Every connection of one shard.
//!
//! Job: the face of the engine: give each segment, timer and call to the one it concerns, and let
//! those who have something to send take turns.
//! Owns: the table of flows, the listeners, TIME-WAIT, the timer wheel, the queues. Does not know: algorithms.
//! Sources: RFC 9293 3.10; the six verbs are those of every engine of this workspace.
//!
//! `arrive` demultiplexes, `cookies` does without embryos, `fast_open`
//! without waiting, `signatures` asks for proof, `calls` serves the program, `observe` answers questions, `paths` passes
//! on news of them, `place` is one slot, `sleep` keeps the quiet ones small, `shared` what they have in common.

mod arrive;
mod calls;
mod cookies;
mod fast_open;
mod observe;
mod paths;
mod place;
mod shared;
mod signatures;
mod sleep;

pub use signatures::KeyOwner;

use std::collections::VecDeque;
use std::io::IoSlice;

use outcrop_base::{
    Cause, ChunkQueue, DropReason, Fact, FactKind, Facts, Flow, Instant, PathSignal, Seed,
    TimerKind, TimerWheel, Verdict,
};

use crate::account::Explanation;
use crate::auth::Auth;
use crate::budget::Budget;
use crate::config::{Config, Settings};
use crate::connection::Cx;
use crate::event::{CloseReason, Doubt, Edges, Event};
use crate::handshake::cookie::Cookies;
use crate::handshake::fast_open::{Known, Tokens};
use crate::handshake::isn::Isn;
use crate::handshake::{Expiry, Origin};
use crate::listener::Listeners;
use crate::params;
use crate::rule::Rule;
use crate::state::State;
use crate::table::{FlowTable, ListenerId, Ports};
use crate::time_wait::TimeWaitTable;
use crate::transmit::{ConnId, Transmit};
use paths::PathNews;
use place::{Ended, Holder, Phase, Place};
use shared::SharedSettings;

/// The TCP engine of one shard: every connection, listener and resting tuple.
#[derive(Clone, Debug)]
pub struct Endpoint {
    config: Config,
    places: FlowTable<Place>,
    time_wait: TimeWaitTable,
    listeners: Listeners,
    isn: Isn,
    cookies: Cookies,
    tokens: Tokens,
    known: Known,
    auth: Auth,
    ports: Ports,
    /// What all of them queue.
    budget: Budget,
    /// What sleeping connections go by.
    shared: SharedSettings,
    paths: PathNews,
    /// Deadlines by place. An entry whose instant is not the one the place remembers is stale.
    wheel: TimerWheel<(ConnId, Instant)>,
    /// Places with something to send, each at most once.
    ready: VecDeque<ConnId>,
    /// Plans the place at the front may still make in this turn.
    turn: u8,
    /// Who has something to tell, each at most once.
    tellers: VecDeque<Teller>,
    /// Stateless answers, before anything else.
    replies: VecDeque<Transmit>,
    /// The latest instant anybody told us: deadlines up to it are not filed, they act at the flush.
    latest: Instant,
    facts: Facts,
    counters: Counters,
    /// What is left to tell of connections that have ended.
    final_accounts: VecDeque<Explanation>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Teller {
    Connection(ConnId),
    Listener(ListenerId),
}

/// What an endpoint has counted since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Connections our programs opened.
    pub active_opens: u64,
    /// SYNs our listeners took.
    pub passive_opens: u64,
    /// SYNs answered by a cookie.
    pub cookies_sent: u64,
    /// Cookies that came back.
    pub cookies_taken: u64,
    /// Connections opened with their SYN's text.
    pub fast_opens: u64,
    /// Handshakes that completed.
    pub established: u64,
    /// Connections that ended by a reset of the peer.
    pub resets_received: u64,
    /// Resets that left.
    pub resets_sent: u64,
    /// Connections given up for want of an answer.
    pub timed_out: u64,
    /// Times a segment went unanswered R1 times, and IP was told to doubt the path.
    pub doubts: u64,
    /// Stateless answers dropped because too many were waiting.
    pub replies_dropped: u64,
    /// Segments dropped because they had no signature where one is required.
    pub signatures_missing: u64,
    /// Segments dropped because they had one where none is expected.
    pub signatures_unexpected: u64,
    /// Segments dropped because theirs was wrong.
    pub signatures_wrong: u64,
}

impl Counters {
    /// What another endpoint of the same host has counted as well.
    pub const fn add(&mut self, other: &Self) {
        self.active_opens += other.active_opens;
        self.passive_opens += other.passive_opens;
        self.cookies_sent += other.cookies_sent;
        self.cookies_taken += other.cookies_taken;
        self.fast_opens += other.fast_opens;
        self.established += other.established;
        self.resets_received += other.resets_received;
        self.resets_sent += other.resets_sent;
        self.timed_out += other.timed_out;
        self.doubts += other.doubts;
        self.replies_dropped += other.replies_dropped;
        self.signatures_missing += other.signatures_missing;
        self.signatures_unexpected += other.signatures_unexpected;
        self.signatures_wrong += other.signatures_wrong;
    }
}

impl Endpoint {
    /// An endpoint without connections; everything random in it follows from `seed`.
    #[must_use]
    pub fn new(config: Config, seed: &Seed) -> Self {
        let seed = seed.split("tcp");
        let isn = Isn::new(&seed);
        let rest = (config.time_wait, config.time_wait_max);
        Self {
            places: FlowTable::new(&seed),
            time_wait: TimeWaitTable::new(rest, isn.clone(), &seed),
            listeners: Listeners::default(),
            isn,
            cookies: Cookies::new(&seed),
            tokens: Tokens::new(&seed),
            known: Known::default(),
            budget: Budget::new(config.memory_max),
            shared: SharedSettings::new(&seed),
            auth: Auth::new(&seed),
            ports: Ports::new(config.ephemeral_ports.clone(), &seed),
            paths: PathNews::default(),
            wheel: TimerWheel::new(),
            ready: VecDeque::new(),
            turn: params::TURN,
            tellers: VecDeque::new(),
            replies: VecDeque::new(),
            latest: Instant::ZERO,
            facts: Facts::default(),
            counters: Counters::default(),
            final_accounts: VecDeque::new(),
            config,
        }
    }

    /// ICMP news about a flow. `Taken` means it concerned something in flight and had its effect;
    /// for `TooBig` the caller then remembers the MTU for other flows (RFC 5927: never unvalidated).
    pub fn handle_path(&mut self, _now: Instant, signal: &PathSignal) -> Verdict {
        let unrelated = Rule::PathUnrelated.dropped(DropReason::IcmpUnrelated);
        if let Some(refused) = self.refuse_unproven_path(signal) {
            return refused;
        }
        let Some(id) = self.places.find(&signal.flow) else {
            return unrelated;
        };
        self.wake(id);
        let Some((flow, place)) = self.places.get_mut(id) else {
            return unrelated;
        };
        let mut gone = false;
        let verdict = match &mut place.phase {
            Phase::Open(connection) => {
                let mut cx = Cx {
                    flow,
                    facts: &mut self.facts,
                    cause: Cause::Packet(signal.id),
                };
                connection.handle_path(signal, &mut cx)
            }
            Phase::Embryo(embryo) => {
                let before = embryo.doubt;
                let (verdict, is_gone) = embryo.handle_path(signal);
                gone = is_gone;
                let settings = embryo_settings(&embryo.origin, &self.listeners, &self.config);
                if embryo.doubt != before && settings.r1 > 0 {
                    place.edges.insert(Edges::DOUBTFUL);
                }
                verdict
            }
            Phase::Dormant(_) | Phase::Ended(_) => unrelated,
        };
        if gone {
            self.end_embryo(id, Some(CloseReason::Unreachable), Cause::Packet(signal.id));
        }
        self.settle(id);
        verdict
    }

    /// Lets every timer that is due at `now` act.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.latest = self.latest.max(now);
        while let Some((id, at)) = self.wheel.pop_due(now) {
            self.handle_place_timeout(now, id, at);
        }
        self.tell_paths(now);
        while let Some(flow) = self.time_wait.pop_due(now) {
            let cause = Cause::Timer(TimerKind::TimeWait);
            self.emit_state(&flow, State::TimeWait, State::Closed, cause);
        }
    }

    fn handle_place_timeout(&mut self, now: Instant, id: ConnId, at: Instant) {
        match self.places.get_mut(id) {
            Some((_, place)) if place.filed == Some(at) => place.filed = None,
            Some(_) | None => return,
        }
        if self.doze(now, id) {
            self.file_timer(id);
            return;
        }
        self.wake(id);
        let Some((flow, place)) = self.places.get_mut(id) else {
            return;
        };
        match &mut place.phase {
            Phase::Embryo(embryo) => {
                let settings = embryo_settings(&embryo.origin, &self.listeners, &self.config);
                let settings = *settings;
                let expiry = embryo.handle_timeout(now, &settings);
                let flow = *flow;
                if expiry == Expiry::Repeat && embryo.is_doubtful(&settings) {
                    embryo.doubt.get_or_insert(Doubt::Unanswered);
                    place.edges.insert(Edges::DOUBTFUL);
                    self.counters.doubts += 1;
                    self.paths.doubt(flow.remote.ip());
                }
                let reason = CloseReason::of_silence(embryo.doubt);
                let cause = Cause::Timer(TimerKind::Retransmit);
                if expiry != Expiry::NotDue {
                    let timer = TimerKind::Retransmit;
                    let kind = FactKind::TimerFired { timer };
                    self.facts.emit(|| Fact::new(Some(flow), kind, cause));
                }
                if expiry == Expiry::GiveUp {
                    self.counters.timed_out += 1;
                    self.end_embryo(id, Some(reason), cause);
                }
            }
            Phase::Open(connection) => {
                let mut cx = Cx {
                    flow,
                    facts: &mut self.facts,
                    cause: Cause::None,
                };
                connection.handle_timeout(now, &mut cx);
            }
            Phase::Dormant(_) | Phase::Ended(_) => {}
        }
        self.settle(id);
        // A caller may let more time pass before it flushes.
        self.file_timer(id);
    }

    /// The next packet to leave at `now`: answers first, then the connections in turn.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Transmit> {
        self.latest = self.latest.max(now);
        let mut planned = None;
        self.plan_next(now, &mut planned);
        planned
    }

    /// The next packet, put into `out`: a plan is large, and stays where it was made.
    fn plan_next(&mut self, now: Instant, out: &mut Option<Transmit>) {
        if self.reply_due(out) {
            return;
        }
        while let Some(id) = self.ready.front().copied() {
            self.poll_place(now, id, out);
            if let Some(transmit) = out {
                self.counters.resets_sent += u64::from(transmit.header.flags.rst());
                self.turn = self.turn.saturating_sub(1);
                if self.turn == 0 {
                    self.ready.rotate_left(1);
                    self.turn = params::TURN;
                }
                return;
            }
            self.ready.pop_front();
            self.turn = params::TURN;
            self.flushed(now, id);
            if self.reply_due(out) {
                return;
            }
        }
        self.sweep_guards();
    }

    /// Puts the oldest stateless answer into `out`; whether there was one.
    fn reply_due(&mut self, out: &mut Option<Transmit>) -> bool {
        let Some(reply) = self.replies.pop_front() else {
            return false;
        };
        self.counters.resets_sent += u64::from(reply.header.flags.rst());
        *out = Some(reply);
        true
    }

    /// A place has said all it has to say now.
    fn flushed(&mut self, now: Instant, id: ConnId) {
        let Some((_, place)) = self.places.get_mut(id) else {
            return;
        };
        place.in_ready = false;
        let mut over = false;
        if let Phase::Open(connection) = &mut place.phase {
            connection.compact();
            place.edges.insert(connection.take_edges());
            over = connection.over().is_some();
        }
        if place.owes_event() {
            self.tellers.push_back(Teller::Connection(id));
        }
        if let Some(next) = place.take_unfiled(self.config.quiet, self.latest) {
            self.wheel.arm(next, (id, next));
        }
        if over {
            self.retire_if_over(now, id);
        }
    }

    /// The next packet of one place, put into `out`, which is empty.
    fn poll_place(&mut self, now: Instant, id: ConnId, out: &mut Option<Transmit>) {
        let Some((flow, place)) = self.places.get_mut(id) else {
            return;
        };
        match &mut place.phase {
            Phase::Embryo(embryo) => {
                let settings = *embryo_settings(&embryo.origin, &self.listeners, &self.config);
                let settings = self.auth.shape(flow, &settings);
                let mut plan = embryo.poll_transmit(now, flow, Some(&self.isn), &settings);
                if let (Some(plan), Some(grant)) = (&mut plan, embryo.grant) {
                    plan.header.options.fast_open = self.tokens.grant(now, flow, grant);
                }
                *out = plan;
            }
            Phase::Open(connection) => {
                connection.set_pressure(self.budget.pressure());
                connection.poll_transmit(now, flow, out);
            }
            Phase::Dormant(_) | Phase::Ended(_) => {}
        }
        if let Some(transmit) = out {
            transmit.conn = Some(id);
            if !self.auth.is_idle() {
                *out = out.take().and_then(|transmit| self.signed(transmit));
            }
        }
    }

    /// The payload of the plan `poll_transmit` returned last: fills `out` with slices that stay
    /// borrowed while the packet is written, and returns how many.
    pub fn payload<'a>(&'a self, t: &Transmit, out: &mut [IoSlice<'a>]) -> usize {
        let place = t.conn.and_then(|id| self.places.get(id));
        match place.map(|place| &place.phase) {
            Some(Phase::Open(connection)) => connection.payload(t.range, out),
            Some(Phase::Embryo(embryo)) => embryo.payload(t.range, out),
            Some(Phase::Dormant(_) | Phase::Ended(_)) | None => 0,
        }
    }

    /// The next thing a program may be waiting for.
    pub fn poll_event(&mut self) -> Option<Event> {
        while let Some(teller) = self.tellers.front().copied() {
            let event = match teller {
                Teller::Listener(id) => {
                    self.tellers.pop_front();
                    let waiting = self.listeners.get_mut(id).is_some_and(|l| {
                        l.told = false;
                        l.has_completed()
                    });
                    waiting.then_some(Event::Acceptable(id))
                }
                Teller::Connection(id) => self.poll_edge(id),
            };
            if event.is_some() {
                return event;
            }
        }
        None
    }

    /// The next edge of the connection at the front of the tellers, which leaves the queue with its last.
    fn poll_edge(&mut self, id: ConnId) -> Option<Event> {
        let Some((_, place)) = self.places.get_mut(id) else {
            self.tellers.pop_front();
            return None;
        };
        let edge = place.edges.pop();
        if place.edges.is_empty() {
            place.in_events = false;
            self.tellers.pop_front();
        }
        match edge? {
            Edges::CONNECTED => Some(Event::Connected(id)),
            Edges::READABLE => Some(Event::Readable(id)),
            Edges::WRITABLE => Some(Event::Writable(id)),
            Edges::URGENT => Some(Event::Urgent(id)),
            Edges::DOUBTFUL => Some(Event::Doubtful(id)),
            _ => self
                .close_reason(id)
                .map(|reason| Event::Closed(id, reason)),
        }
    }

    /// When `handle_timeout` wants to be called next: never too late; early where a timer was moved
    /// and its old entry not yet met.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        Instant::first_of([self.wheel.next(), self.time_wait.next(), self.paths.next()])
    }

    // ---- after anything that touched a place ----

    /// Queues the place for output and events. Its timer is filed by the flush for which it is queued, or now.
    fn settle(&mut self, id: ConnId) {
        let Some((flow, place)) = self.places.get_mut(id) else {
            return;
        };
        self.budget.count(place);
        let active = match &mut place.phase {
            Phase::Embryo(embryo) => embryo.wants_output(),
            Phase::Open(connection) => {
                if connection.has_edges() {
                    if connection.take_unanswered() {
                        self.counters.doubts += 1;
                        self.paths.doubt(flow.remote.ip());
                    }
                    place.edges.insert(connection.take_edges());
                }
                true
            }
            Phase::Dormant(_) | Phase::Ended(_) => false,
        };
        if active && !place.in_ready {
            place.in_ready = true;
            self.ready.push_back(id);
        }
        if place.owes_event() {
            self.tellers.push_back(Teller::Connection(id));
        }
        if !place.in_ready
            && let Some(next) = place.take_unfiled(self.config.quiet, self.latest)
        {
            self.wheel.arm(next, (id, next));
        }
    }

    fn queue_events(&mut self, id: ConnId) {
        if let Some((_, place)) = self.places.get_mut(id)
            && place.owes_event()
        {
            self.tellers.push_back(Teller::Connection(id));
        }
    }

    fn file_timer(&mut self, id: ConnId) {
        if let Some((_, place)) = self.places.get_mut(id)
            && let Some(next) = place.take_unfiled(self.config.quiet, self.latest)
        {
            self.wheel.arm(next, (id, next));
        }
    }

    fn reply(&mut self, transmit: Transmit) {
        let signed = self.signed(transmit);
        match signed.filter(|_| self.replies.len() < params::REPLY_QUEUE) {
            Some(transmit) => self.replies.push_back(transmit),
            None => self.counters.replies_dropped += 1,
        }
    }

    fn emit_state(&mut self, flow: &Flow, from: State, to: State, cause: Cause) {
        let kind = FactKind::State {
            from: from.name(),
            to: to.name(),
        };
        let flow = Some(*flow);
        self.facts.emit(|| Fact::new(flow, kind, cause));
    }

    // ---- the ends ----

    /// An embryo is gone. `reason` is told to a program that connected; a listener is not told.
    fn end_embryo(&mut self, id: ConnId, reason: Option<CloseReason>, cause: Cause) {
        let Some((flow, place)) = self.places.get_mut(id) else {
            return;
        };
        let flow = *flow;
        let Phase::Embryo(embryo) = &place.phase else {
            return;
        };
        let from = embryo.state();
        let listener = embryo.listener();
        let to = if listener.is_some() {
            State::Listen
        } else {
            State::Closed
        };
        self.emit_state(&flow, from, to, cause);
        if let Some(listener) = listener
            && let Some(listener) = self.listeners.get_mut(listener)
        {
            listener.on_embryo_gone();
        }
        match (place_holder(&self.places, id), reason) {
            (Some(Holder::Program), Some(reason)) => {
                let info = self.info(id);
                self.places.unlink(id);
                if let (Some((_, place)), Some(info)) = (self.places.get_mut(id), info) {
                    place.phase = Phase::Ended(Box::new(Ended {
                        reason,
                        readable: ChunkQueue::new(),
                        peer_finished: false,
                        info: crate::Info {
                            state: State::Closed,
                            ..info
                        },
                        explanation: None,
                    }));
                    place.edges.insert(Edges::CLOSED);
                }
                self.queue_events(id);
            }
            _ => self.vacate(id),
        }
    }

    /// Puts a connection that is over to rest: in TIME-WAIT, with the program, or nowhere.
    fn retire_if_over(&mut self, now: Instant, id: ConnId) {
        let Some((flow, place)) = self.places.get_mut(id) else {
            return;
        };
        let flow = *flow;
        let Phase::Open(connection) = &mut place.phase else {
            return;
        };
        let Some(reason) = connection.over() else {
            return;
        };
        match reason {
            CloseReason::Reset | CloseReason::Refused => self.counters.resets_received += 1,
            CloseReason::TimedOut => self.counters.timed_out += 1,
            CloseReason::Finished | CloseReason::Unreachable | CloseReason::Aborted => {}
        }
        place.edges.insert(connection.take_edges());
        let rest = connection.rest();
        let held = place.holder != Holder::Nobody;
        // Only who is asked for it later gives a last account.
        let told = held || self.config.final_accounts > 0;
        let explanation = told.then(|| Box::new(connection.explain(now, &flow)));
        keep_account(
            &mut self.final_accounts,
            self.config.final_accounts,
            explanation.as_deref(),
        );
        if held {
            let ended = Ended {
                reason,
                readable: connection.take_readable(),
                peer_finished: connection.peer_finished(),
                info: connection.info(now, &flow),
                explanation,
            };
            place.phase = Phase::Ended(Box::new(ended));
            self.places.unlink(id);
            self.queue_events(id);
        } else {
            self.vacate(id);
        }
        self.count(id);
        if let Some(rest) = rest {
            self.time_wait.insert(now, &flow, &rest);
        }
    }
}

/// Keeps the latest `limit` final accounts.
fn keep_account(kept: &mut VecDeque<Explanation>, limit: usize, account: Option<&Explanation>) {
    if limit == 0 {
        return;
    }
    if kept.len() >= limit {
        kept.pop_front();
    }
    kept.extend(account);
}

fn place_holder(places: &FlowTable<Place>, id: ConnId) -> Option<Holder> {
    places.get(id).map(|place| place.holder)
}

/// The settings an embryo goes by: its program's, its listener's, or the endpoint's.
fn embryo_settings<'a>(
    origin: &'a Origin,
    listeners: &'a Listeners,
    config: &'a Config,
) -> &'a Settings {
    let own = match origin {
        Origin::Active(early) => Some(&early.settings),
        Origin::Passive(listener) => listeners
            .get(*listener)
            .and_then(|listener| listener.settings.settings.as_ref()),
    };
    own.unwrap_or(&config.settings)
}

#[cfg(test)]
mod tests;
