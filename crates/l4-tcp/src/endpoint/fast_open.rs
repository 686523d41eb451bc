//! Speaking in the SYN.
//!
//! Job: decide what a SYN with a fast-open option gets, and open a connection early for one that may speak; as
//! a client, learn from the answer. Owns: nothing. Does not know: what a cookie looks like.
//! Sources: RFC 7413 4.1, 4.2.1, 4.2.2 (steps of both sides), 5.1 (the limit on what is pending).

use bytes::Bytes;
use outcrop_base::{Arrival, Cause, Flow, Instant};

use super::Endpoint;
use super::arrive::opening_of;
use super::place::Phase;
use crate::connection::{Connection, Cx};
use crate::handshake::fast_open::Known;
use crate::handshake::{Embryo, Grant, Origin};
use crate::params;
use crate::segment::{Segment, SegmentHeader};
use crate::table::ListenerId;
use crate::transmit::ConnId;

/// What a SYN gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// An ordinary handshake; its text, if any, is not taken.
    Plain,
    /// The same, and a cookie for the next time.
    Cookie(Grant),
    /// Its text is taken at once.
    Speak,
}

impl Wish {
    pub(super) const fn grant(self) -> Option<Grant> {
        match self {
            Self::Cookie(grant) => Some(grant),
            Self::Plain | Self::Speak => None,
        }
    }
}

impl Endpoint {
    /// What `segment`, a SYN, gets from this listener (RFC 7413 4.2.2).
    pub(super) fn wish(&mut self, a: &Arrival, id: ListenerId, segment: &Segment) -> Wish {
        let Some(shown) = segment.header.options.fast_open else {
            return Wish::Plain;
        };
        let places = &self.places;
        let Some(listener) = self.listeners.get_mut(id) else {
            return Wish::Plain;
        };
        if listener.settings.fast_open == 0 {
            return Wish::Plain;
        }
        let flow = segment.flow(a);
        if self.auth.guard(&flow).is_some() {
            return Wish::Plain;
        }
        if shown.is_request() || !self.tokens.is_good(a.at, &flow, &shown) {
            return Wish::Cookie(if shown.experimental {
                Grant::Experimental
            } else {
                Grant::Standard
            });
        }
        let pending = listener.pending_fast_opens(|id| {
            let phase = places.get(id).map(|place| &place.phase);
            matches!(phase, Some(Phase::Open(connection)) if connection.is_opening())
        });
        if segment.payload_len == 0 || pending >= listener.settings.fast_open {
            return Wish::Plain;
        }
        Wish::Speak
    }

    /// The embryo becomes a connection in SYN-RECEIVED that has the SYN's text already, and the program may
    /// answer it before the handshake is over.
    pub(super) fn open_early(
        &mut self,
        a: &Arrival,
        id: ConnId,
        (segment, payload): (&Segment, Bytes),
    ) -> Option<()> {
        let (flow, place) = self.places.get_mut(id)?;
        let Phase::Embryo(embryo) = &place.phase else {
            return None;
        };
        let listener = embryo.listener()?;
        let settings = self.listeners.get(listener)?.settings.settings;
        let settings = settings.unwrap_or(self.config.settings);
        let opening = opening_of(embryo, &settings, flow, a.at)?;
        let mut connection = Box::new(Connection::new(flow, opening));
        let mut cx = Cx {
            flow,
            facts: &mut self.facts,
            cause: Cause::Packet(a.id),
        };
        let _verdict = connection.rest_of_syn_arrives(a, segment, payload, &mut cx);
        connection.begin_in_syn_received(embryo.clone());
        place.phase = Phase::Open(connection);
        self.counters.fast_opens += 1;
        self.listeners.get_mut(listener)?.on_fast_open(id);
        self.queue_accept(listener, id);
        Some(())
    }
}

/// What the answer to our SYN tells about its server.
pub(super) fn learn(
    known: &mut Known,
    now: Instant,
    embryo: &Embryo,
    flow: &Flow,
    answer: &SegmentHeader,
) {
    let Origin::Active(early) = &embryo.origin else {
        return;
    };
    if early.fast_open.is_none() {
        return;
    }
    let server = flow.remote.ip();
    if let Some(cookie) = answer.options.fast_open {
        let default = if server.is_ipv6() {
            params::DEFAULT_MSS_V6
        } else {
            params::DEFAULT_MSS_V4
        };
        known.on_cookie(server, cookie, answer.options.mss.unwrap_or(default));
    }
    if embryo.was_repeated() && embryo.sent > 0 && embryo.text_acknowledged(answer.ack) == 0 {
        known.on_failure(now, server);
    }
}
