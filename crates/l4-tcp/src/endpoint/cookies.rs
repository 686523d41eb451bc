//! A listener in a flood.
//!
//! Job: answer SYNs for which there is no room by cookies, and make connections of those that come back.
//! Owns: nothing. Does not know: what a cookie looks like; `handshake::cookie` does.
//! Sources: RFC 4987 3.6; RFC 9293 3.10.7.2 (what else an acknowledgment means to a listener).

use bytes::Bytes;
use outcrop_base::{Arrival, Cause, DropReason, Flow, Limit, Note, Verdict, Why};

use super::Endpoint;
use super::place::{Holder, Phase, Place};
use crate::config::Settings;
use crate::handshake::Embryo;
use crate::handshake::cookie::{Recalled, keeps, stamp};
use crate::rule::Rule;
use crate::segment::Segment;
use crate::state::State;
use crate::table::ListenerId;
use crate::transmit::ConnId;

impl Endpoint {
    /// Answers a SYN as an embryo would, and forgets it.
    pub(super) fn answer_by_cookie(
        &mut self,
        a: &Arrival,
        id: ListenerId,
        segment: &Segment,
    ) -> Verdict {
        let flow = segment.flow(a);
        let settings = self.auth.shape(&flow, self.listener_settings(id));
        let kept = keeps(&segment.header, flow.remote.is_ipv6(), settings.timestamps);
        let iss = self.cookies.make(&flow, a.at, &kept);
        let numbers = (iss, self.isn.timestamp_offset(&flow));
        let mut embryo = Embryo::passive(id, a, &kept, numbers);
        if let Some(mut answer) = embryo.poll_transmit(a.at, &flow, None, &settings) {
            if let Some(timestamps) = &mut answer.header.options.timestamps {
                timestamps.val = stamp(timestamps.val, &kept);
            }
            answer.note = Note::new(Why::SynCookie, Limit::None, Cause::Packet(a.id));
            self.reply(answer);
        }
        if let Some(listener) = self.listeners.get_mut(id) {
            listener.on_cookie(a.at);
        }
        self.counters.cookies_sent += 1;
        Rule::ListenSendsCookie.taken()
    }

    /// A segment for a listener that may bring a cookie back; `None` if it has nothing to do with one.
    pub(super) fn cookie_arrives(
        &mut self,
        a: &Arrival,
        listener_id: ListenerId,
        flow: &Flow,
        (segment, payload): (&Segment, Bytes),
    ) -> Option<Verdict> {
        let Some(recalled) = self.recall(a, listener_id, flow, segment)? else {
            // Behind it may come what was sent before it, and that brings the cookie. A reset would end
            // a good connection; an acknowledgment alone is never in front of another.
            let missing = Rule::CookieMissing.dropped(DropReason::TcpBadCookie);
            return Some(missing).filter(|_| segment.seq_len() > 0);
        };
        let listener = self.listeners.get_mut(listener_id)?;
        let has_room = listener.has_room();
        listener.on_embryo();
        self.counters.cookies_taken += 1;
        self.counters.passive_opens += 1;
        let offset = self.isn.timestamp_offset(flow);
        let embryo = Embryo::recalled(listener_id, a, &recalled, offset);
        let place = Place::new(
            Phase::Embryo(Box::new(embryo)),
            Holder::Listener(listener_id),
        );
        let id = self.places.insert(*flow, place);
        let cause = Cause::Packet(a.id);
        self.emit_state(flow, State::Listen, State::SynReceived, cause);
        let verdict = self.establish(a, id, (segment, payload), State::SynReceived);
        let waits = self.embryo(id).is_some();
        if waits && !has_room {
            // Neither queue has a place. The peer thinks it is connected, and will ask again when it sends.
            self.end_embryo(id, None, cause);
        }
        self.settle(id);
        Some(verdict.unwrap_or_else(|| Rule::CookieEstablishes.taken()))
    }

    /// Between a cookie and its return there was room for an embryo again, and the peer's repeated SYN
    /// took it. The peer knows only the cookie: the embryo goes by that from now on.
    pub(super) fn adopt_cookie(&mut self, a: &Arrival, id: ConnId, segment: &Segment) {
        let Some(embryo) = self.embryo(id) else {
            return;
        };
        let Some(listener) = embryo.listener() else {
            return;
        };
        if segment.header.ack == embryo.iss.map(|iss| iss + 1) {
            return;
        }
        let flow = segment.flow(a);
        let Some(Some(recalled)) = self.recall(a, listener, &flow, segment) else {
            return;
        };
        let offset = self.isn.timestamp_offset(&flow);
        if let Some((_, place)) = self.places.get_mut(id) {
            self.counters.cookies_taken += 1;
            let embryo = Embryo::recalled(listener, a, &recalled, offset);
            place.phase = Phase::Embryo(Box::new(embryo));
        }
    }

    /// The outer `None`: no cookie is expected, or this is no segment to bring one. The inner: it brings
    /// none of ours.
    fn recall(
        &self,
        a: &Arrival,
        id: ListenerId,
        flow: &Flow,
        segment: &Segment,
    ) -> Option<Option<Recalled>> {
        let flags = segment.header.flags;
        let listener = self.listeners.get(id)?;
        if !flags.ack() || flags.syn() || flags.rst() || !listener.expects_cookies(a.at) {
            return None;
        }
        let settings = self.auth.shape(flow, self.listener_settings(id));
        let timestamps = settings.timestamps;
        Some(self.cookies.recall(flow, a.at, &segment.header, timestamps))
    }

    pub(super) fn listener_settings(&self, id: ListenerId) -> &Settings {
        let listener = self.listeners.get(id);
        let own = listener.and_then(|listener| listener.settings.settings.as_ref());
        own.unwrap_or(&self.config.settings)
    }

    fn embryo(&self, id: ConnId) -> Option<&Embryo> {
        match &self.places.get(id)?.phase {
            Phase::Embryo(embryo) => Some(embryo),
            Phase::Open(_) | Phase::Dormant(_) | Phase::Ended(_) => None,
        }
    }
}
