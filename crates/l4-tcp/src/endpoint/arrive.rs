//! To whom a segment belongs.
//!
//! Job: RFC 9293 3.10.7 from the outside: connection, embryo, TIME-WAIT, listener, or nobody.
//! Owns: nothing. Does not know: what a connection does with its segment.
//! Sources: RFC 9293 3.10.7.1 (CLOSED), 3.10.7.2 (LISTEN), 3.9.2.3 (addresses); RFC 6191 (reuse).

use bytes::Bytes;
use outcrop_base::{
    Arrival, CallKind, Cast, Cause, DropReason, Flow, Instant, IpFields, Limit, Note, Verdict, Why,
};

use super::fast_open::{Wish, learn};
use super::place::{Holder, Phase, Place};
use super::{Endpoint, Teller, embryo_settings};
use crate::config::Settings;
use crate::connection::{Connection, Cx, Opening};
use crate::event::{CloseReason, Edges};
use crate::handshake::negotiate::agree;
use crate::handshake::passive::{Listening, listen_arrives};
use crate::handshake::{Embryo, Origin, Step};
use crate::info::Negotiated;
use crate::listener::{Admission, Listener};
use crate::rule::Rule;
use crate::segment::{Segment, SegmentHeader, StreamRange};
use crate::seq::SeqNum;
use crate::state::State;
use crate::table::ListenerId;
use crate::time_wait::Outcome;
use crate::transmit::{ConnId, Transmit};

impl Endpoint {
    /// A segment that came with `a`, as `wire::parse` read it. Never answers by itself: what is to be
    /// said leaves by `poll_transmit`, after everything that arrived with it has been handled.
    pub fn handle_segment(&mut self, a: &Arrival, mut segment: Segment, payload: Bytes) -> Verdict {
        self.latest = self.latest.max(a.at);
        let flow = segment.flow(a);
        if !is_addressable(a, &flow) {
            return Rule::BadAddress.dropped(DropReason::TcpBadAddress);
        }
        let mut found = self.places.find(&flow);
        if found.is_some_and(|id| self.hasten_end(a.at, id)) {
            found = self.places.find(&flow);
        }
        if let Some(refused) = self.refuse_unproven(&flow, &mut segment, &payload) {
            return refused;
        }
        let Some(id) = found else {
            return self.arrives_without_connection(a, &flow, (&segment, payload));
        };
        self.wake(id);
        let Some((flow, place)) = self.places.get_mut(id) else {
            return Rule::ClosedResets.dropped(DropReason::TcpClosed);
        };
        let verdict = match &mut place.phase {
            Phase::Open(connection) => {
                let mut cx = Cx {
                    flow,
                    facts: &mut self.facts,
                    cause: Cause::Packet(a.id),
                };
                match connection.opening_arrives(a, &segment, &mut cx) {
                    None => connection.segment_arrives(a, &segment, payload, &mut cx),
                    Some(Step::Establish(_)) => {
                        self.counters.established += 1;
                        connection.segment_arrives(a, &segment, payload, &mut cx)
                    }
                    Some(Step::Stay(verdict) | Step::Gone(verdict, _)) => verdict,
                    Some(Step::Answer(verdict, header, why)) => {
                        let flow = *flow;
                        self.answer(a, &flow, header, why);
                        verdict
                    }
                    Some(Step::Refuse(verdict, header)) => {
                        let flow = *flow;
                        self.answer(a, &flow, header, Why::ResetContradiction);
                        verdict
                    }
                }
            }
            Phase::Embryo(_) => self.arrives_at_embryo(a, id, &segment, payload),
            // Nobody is there any more, as far as the peer is concerned.
            Phase::Dormant(_) | Phase::Ended(_) => {
                let flow = *flow;
                return self.arrives_without_connection(a, &flow, (&segment, payload));
            }
        };
        self.settle(id);
        verdict
    }

    /// A connection that was over before this segment came, and waits only for the next flush, ends
    /// now: the segment belongs to what follows it. Returns whether it did.
    #[inline]
    fn hasten_end(&mut self, now: Instant, id: ConnId) -> bool {
        let place = self.places.get(id).map(|place| &place.phase);
        let over = matches!(place, Some(Phase::Open(connection)) if connection.over().is_some());
        over && self.end_now(now, id)
    }

    #[cold]
    fn end_now(&mut self, now: Instant, id: ConnId) -> bool {
        let mut last = None;
        loop {
            self.poll_place(now, id, &mut last);
            let Some(last) = last.take() else { break };
            self.reply(Transmit { conn: None, ..last });
        }
        self.retire_if_over(now, id);
        true
    }

    fn arrives_without_connection(
        &mut self,
        a: &Arrival,
        flow: &Flow,
        (segment, payload): (&Segment, Bytes),
    ) -> Verdict {
        let listener = self.listeners.find(flow.local);
        let listener = listener.and_then(|id| self.listeners.get(id));
        let welcome = listener.is_some_and(|listener| listener.admits() == Admission::Embryo);
        match self.time_wait.handle(a.at, flow, segment, welcome) {
            Some(Outcome::Done(verdict)) => verdict,
            Some(Outcome::Answer(verdict, header, why)) => {
                self.answer(a, flow, header, why);
                verdict
            }
            Some(Outcome::Reuse(floor)) => {
                let cause = Cause::Packet(a.id);
                self.emit_state(flow, State::TimeWait, State::Closed, cause);
                self.renew_guard(flow, segment);
                let _taken = self.arrives_at_listener(a, flow, (segment, payload), Some(floor));
                Rule::TimeWaitReuse.taken()
            }
            None => self.arrives_at_listener(a, flow, (segment, payload), None),
        }
    }

    fn arrives_at_listener(
        &mut self,
        a: &Arrival,
        flow: &Flow,
        (segment, payload): (&Segment, Bytes),
        floor: Option<SeqNum>,
    ) -> Verdict {
        let Some(id) = self.listeners.find(flow.local) else {
            if segment.header.flags.rst() {
                return Rule::ClosedIgnoresReset.dropped(DropReason::TcpNoSocket);
            }
            self.refuse(a, flow, segment);
            return Rule::ClosedResets.dropped(DropReason::TcpNoSocket);
        };
        if let Some(verdict) = self.cookie_arrives(a, id, flow, (segment, payload.clone())) {
            return verdict;
        }
        let listener = self.listeners.get(id);
        let syn_with_fin = listener.is_some_and(|listener| listener.settings.syn_with_fin);
        match listen_arrives(segment, syn_with_fin) {
            Listening::Drop(verdict) => verdict,
            Listening::Reset(verdict) => {
                self.refuse(a, flow, segment);
                verdict
            }
            Listening::Syn => self.take_syn(a, id, (segment, payload), floor),
        }
    }

    fn take_syn(
        &mut self,
        a: &Arrival,
        listener_id: ListenerId,
        (segment, payload): (&Segment, Bytes),
        floor: Option<SeqNum>,
    ) -> Verdict {
        let overflow = Rule::ListenOverflow.dropped(DropReason::TcpListenOverflow);
        let Some(listener) = self.listeners.get_mut(listener_id) else {
            return overflow;
        };
        match listener.admits() {
            Admission::Refused => return overflow,
            Admission::Cookie => return self.answer_by_cookie(a, listener_id, segment),
            Admission::Embryo => listener.on_embryo(),
        }
        self.counters.passive_opens += 1;
        let flow = segment.flow(a);
        let iss = self.isn.sequence_above(&flow, a.at, floor);
        let numbers = (iss, self.isn.timestamp_offset(&flow));
        let mut embryo = Embryo::passive(listener_id, a, &segment.header, numbers);
        let wish = self.wish(a, listener_id, segment);
        embryo.grant = wish.grant();
        let place = Place::new(
            Phase::Embryo(Box::new(embryo)),
            Holder::Listener(listener_id),
        );
        let id = self.places.insert(flow, place);
        let cause = Cause::Packet(a.id);
        self.emit_state(&flow, State::Listen, State::SynReceived, cause);
        if wish == Wish::Speak {
            self.open_early(a, id, (segment, payload));
            self.settle(id);
            return Rule::FastOpenTaken.taken();
        }
        self.settle(id);
        Rule::ListenTakesSyn.taken()
    }

    fn arrives_at_embryo(
        &mut self,
        a: &Arrival,
        id: ConnId,
        segment: &Segment,
        payload: Bytes,
    ) -> Verdict {
        self.adopt_cookie(a, id, segment);
        let Some((flow, place)) = self.places.get_mut(id) else {
            return Rule::ClosedResets.dropped(DropReason::TcpClosed);
        };
        let flow = *flow;
        let Phase::Embryo(embryo) = &mut place.phase else {
            return Rule::ClosedResets.dropped(DropReason::TcpClosed);
        };
        let settings = *embryo_settings(&embryo.origin, &self.listeners, &self.config);
        let settings = self.auth.shape(&flow, &settings);
        let before = embryo.state();
        let step = if before == State::SynSent {
            embryo.syn_sent_arrives(a, segment)
        } else {
            embryo.syn_received_arrives(a, segment, &settings)
        };
        let cause = Cause::Packet(a.id);
        match step {
            Step::Stay(verdict) => {
                let after = embryo.state();
                if after != before {
                    self.emit_state(&flow, before, after, cause);
                }
                verdict
            }
            Step::Answer(verdict, header, why) => {
                self.answer(a, &flow, header, why);
                verdict
            }
            Step::Gone(verdict, reason) => {
                self.end_embryo(id, Some(reason), cause);
                verdict
            }
            Step::Refuse(verdict, header) => {
                self.answer(a, &flow, header, Why::ResetContradiction);
                self.end_embryo(id, Some(CloseReason::Refused), cause);
                verdict
            }
            Step::Establish(verdict) => self
                .establish(a, id, (segment, payload), before)
                .unwrap_or(verdict),
        }
    }

    /// The embryo becomes a connection, which then takes what else the segment brings. `None` leaves
    /// the handshake's verdict.
    pub(super) fn establish(
        &mut self,
        a: &Arrival,
        id: ConnId,
        (segment, payload): (&Segment, Bytes),
        before: State,
    ) -> Option<Verdict> {
        let (flow, place) = self.places.get_mut(id)?;
        let Phase::Embryo(embryo) = &mut place.phase else {
            return None;
        };
        if let Some(listener) = embryo.listener() {
            let listener = self.listeners.get(listener);
            if !listener.is_some_and(Listener::takes_connection) {
                return Some(Rule::AcceptOverflow.dropped(DropReason::TcpListenOverflow));
            }
            let patience = listener.and_then(|listener| listener.settings.defer_accept);
            let end = embryo
                .sent_at()
                .zip(patience)
                .map(|(sent, span)| sent + span);
            if let Some(end) = end.filter(|end| a.at < *end && segment.seq_len() == 0) {
                embryo.defer(end);
                return Some(Rule::AcceptDeferred.taken());
            }
        }
        let settings = *embryo_settings(&embryo.origin, &self.listeners, &self.config);
        let settings = self.auth.shape(flow, &settings);
        let mut opening = opening_of(embryo, &settings, flow, a.at)?;
        opening.answer = (before == State::SynSent).then_some(segment.header.options.accurate);
        opening.terms.signature = self.auth.len_of(flow);
        let text = embryo.text_acknowledged(segment.header.ack);
        if text > 0 {
            opening.round_trip = None;
        }
        let sent_at = embryo.sent_at().unwrap_or(a.at);
        if before == State::SynSent {
            learn(&mut self.known, a.at, embryo, flow, &segment.header);
        }
        let listener = embryo.listener();
        if let Origin::Active(early) = &mut embryo.origin {
            opening.urgent = early.urgent;
            opening.early = Some((core::mem::take(&mut early.written), early.blocked));
        }
        let shut = matches!(&embryo.origin, Origin::Active(early) if early.shutdown);
        let mut connection = Box::new(Connection::new(flow, opening));
        let mut cx = Cx {
            flow,
            facts: &mut self.facts,
            cause: Cause::Packet(a.id),
        };
        cx.emit_state(before, State::Established);
        connection.syn_text_acknowledged(sent_at, a.at, text);
        if shut {
            cx.cause = Cause::Call(CallKind::Shutdown);
            connection.shutdown(&mut cx);
            cx.cause = Cause::Packet(a.id);
        }
        if place.holder == Holder::Nobody {
            connection.let_go(&mut cx);
        }
        let verdict = if segment.header.flags.syn() {
            connection.rest_of_syn_arrives(a, segment, payload, &mut cx)
        } else {
            connection.segment_arrives(a, segment, payload, &mut cx)
        };
        place.phase = Phase::Open(connection);
        self.counters.established += 1;
        match listener {
            Some(listener) => self.queue_accept(listener, id),
            None => place.edges.insert(Edges::CONNECTED),
        }
        // A bare ACK did nothing beyond establishing: the handshake's own verdict says more.
        Some(verdict).filter(|_| segment.payload_len > 0 || segment.header.flags.fin())
    }

    pub(super) fn queue_accept(&mut self, id: ListenerId, connection: ConnId) {
        if let Some(listener) = self.listeners.get_mut(id) {
            listener.on_completed(connection);
            if !listener.told {
                listener.told = true;
                self.tellers.push_back(Teller::Listener(id));
            }
        }
    }

    /// Answers a segment by the reset of RFC 9293 3.10.7.1.
    fn refuse(&mut self, a: &Arrival, flow: &Flow, segment: &Segment) {
        if let Some(header) = segment.reset_for() {
            self.answer(a, flow, header, Why::ResetNoConnection);
        }
    }

    /// Queues an answer that needs no connection.
    fn answer(&mut self, a: &Arrival, flow: &Flow, header: SegmentHeader, why: Why) {
        let transmit = Transmit {
            conn: None,
            flow: *flow,
            header,
            fields: IpFields {
                ttl: self.config.settings.ttl,
                ..IpFields::default()
            },
            range: StreamRange::default(),
            gso: None,
            mac: None,
            note: Note::new(why, Limit::None, Cause::Packet(a.id)),
        };
        self.reply(transmit);
    }
}

/// What an embryo hands on, apart from what the program wrote.
pub(super) fn opening_of(
    embryo: &Embryo,
    settings: &Settings,
    flow: &Flow,
    at: Instant,
) -> Option<Opening> {
    let theirs = embryo.theirs?;
    Some(Opening {
        iss: embryo.iss?,
        theirs,
        terms: Negotiated {
            ecn: embryo.ecn(settings),
            ..agree(settings, &theirs, flow.remote.ip())
        },
        ts_offset: embryo.ts_offset,
        path: embryo.path,
        settings: *settings,
        at,
        round_trip: embryo.round_trip(at),
        syn_repeats: embryo.repeats(),
        early: None,
        urgent: 0,
        answer: None,
    })
}

/// Whether a connection may exist between these sockets (RFC 9293 3.9.2.3 MUST-57, MUST-63).
fn is_addressable(a: &Arrival, flow: &Flow) -> bool {
    let remote = flow.remote.ip();
    a.cast == Cast::Unicast
        && flow.local.port() != 0
        && flow.remote.port() != 0
        && !remote.is_unspecified()
        && !remote.is_multicast()
        && flow.local != flow.remote
}
