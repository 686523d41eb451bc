//! What a client hears.
//!
//! Job: judge each datagram, and act on it. Owns: nothing. Does not know: what is sent.
//! Sources: RFC 8415 16 (validity), 18.2.9 (Advertise), 18.2.10 (Reply).

use core::time::Duration;

use dhcproto::v6::{Message, MessageType, Status};
use outcrop_base::{DropReason, Instant, Verdict};

use super::{Advertised, Client, Event, Held, State, Until};
use crate::Rule;
use crate::v6::lease::{self, INFINITE};
use crate::v6::{Information, wire};

/// RFC 8415 18.2.1: who prefers itself so much is asked at once.
const MUST_ASK: u8 = 255;
/// RFC 8415 7.6, 21.23: when to ask again for parameters.
const REFRESH_DEFAULT: Duration = Duration::from_hours(24);
const REFRESH_LEAST: Duration = Duration::from_mins(10);
/// RFC 8415 21.24, 21.25: what else is not believed.
const SLOWEST: core::ops::RangeInclusive<u32> = 60..=86_400;

pub(super) fn datagram(client: &mut Client, now: Instant, bytes: &[u8]) -> Verdict {
    let Ok(message) = wire::parse(bytes) else {
        return Rule::Message6.drop(DropReason::DhcpMalformed);
    };
    if message.msg_type() == MessageType::Reconfigure {
        return Rule::Reconfigure.drop(DropReason::DhcpUnexpected);
    }
    let advertises = message.msg_type() == MessageType::Advertise;
    if !advertises && message.msg_type() != MessageType::Reply {
        return Rule::State6.drop(DropReason::DhcpUnexpected);
    }
    let named = wire::client_id(&message) == Some(client.config.duid.as_slice());
    let Some(server) = wire::server_id(&message).map(<[u8]>::to_vec) else {
        return Rule::Transaction6.drop(DropReason::DhcpInvalid);
    };
    if message.xid() != client.xid || !named {
        return Rule::Transaction6.drop(DropReason::DhcpUnrelated);
    }
    // An exchange that has not begun is not answered.
    if client.retry.sent == 0 {
        return Rule::State6.drop(DropReason::DhcpUnexpected);
    }
    slow_down(client, &message);
    match (client.state, advertises) {
        (State::Soliciting, true) => advertise(client, now, &message, server),
        (State::Soliciting, false)
            if client.config.rapid_commit && wire::rapid_commit(&message) =>
        {
            grant(client, now, &message, server)
        }
        (State::Requesting | State::Renewing | State::Rebinding, false) => {
            grant(client, now, &message, server)
        }
        (State::Confirming, false) => confirmed(client, now, &message),
        (State::Declining, false) => {
            client.begin(now);
            Rule::Reply.taken()
        }
        (State::Releasing, false) => {
            client.end();
            Rule::Reply.taken()
        }
        (State::Asking, false) => informed(client, now, &message),
        (
            State::Soliciting
            | State::Requesting
            | State::Bound
            | State::Confirming
            | State::Renewing
            | State::Rebinding
            | State::Declining
            | State::Releasing
            | State::Asking
            | State::Informed
            | State::Ended,
            _,
        ) => Rule::State6.drop(DropReason::DhcpUnexpected),
    }
}

/// How slowly to ask at last; heard even where nothing is granted (RFC 8415 18.2.9, 18.2.10).
fn slow_down(client: &mut Client, message: &Message) {
    let said = [wire::sol_max_rt(message), wire::inf_max_rt(message)];
    for (slowest, said) in client.slowest.iter_mut().zip(said) {
        if let Some(seconds) = said.filter(|seconds| SLOWEST.contains(seconds)) {
            *slowest = Some(Duration::from_secs(seconds.into()));
        }
    }
    if client.state == State::Soliciting && client.slowest[0].is_some() {
        client.retry.pace.longest = client.slowest[0];
    }
}

fn advertise(client: &mut Client, now: Instant, message: &Message, server: Vec<u8>) -> Verdict {
    let association = wire::association(message, client.config.iaid);
    let refused = wire::status(message) != Status::Success
        || association.is_none_or(|ia| wire::status_in(&ia.opts) != Status::Success);
    let addresses = association.map(lease::addresses).unwrap_or_default();
    if refused || addresses.is_empty() {
        return Rule::Status.drop(DropReason::DhcpNoAddress);
    }
    let preference = wire::preference(message);
    if client
        .best
        .as_ref()
        .is_none_or(|best| best.preference < preference)
    {
        client.best = Some(Advertised {
            preference,
            server,
            addresses,
        });
    }
    // RFC 8415 18.2.1: the first wait is for the best, later the first is taken.
    if preference == MUST_ASK || client.retry.sent > 1 {
        client.request(now);
    }
    Rule::Advertise.taken()
}

/// A reply to Solicit, Request, Renew or Rebind.
fn grant(client: &mut Client, now: Instant, message: &Message, server: Vec<u8>) -> Verdict {
    let association = wire::association(message, client.config.iaid);
    let own = association.map_or(Status::Success, |ia| wire::status_in(&ia.opts));
    let whole = wire::status(message);
    let status = if whole == Status::Success { own } else { whole };
    if status != Status::Success {
        return refused(client, now, status);
    }
    let Some(association) = association else {
        return Rule::Reply.drop(DropReason::DhcpInvalid);
    };
    let offered = lease::addresses(association);
    let Some((renew, rebind)) = lease::times(association, &offered) else {
        return Rule::Reply.drop(DropReason::DhcpInvalid);
    };
    let before = client.held.take();
    let mut held = before.clone().unwrap_or_default();
    for one in &offered {
        let until = Until {
            preferred: one.preferred.map(|time| now + time),
            valid: one.valid.map(|time| now + time),
        };
        held.addresses.insert(one.address, until);
    }
    // RFC 8415 18.2.10.1: a valid time of zero ends an address.
    held.addresses
        .retain(|_, until| until.valid.is_none_or(|valid| valid > now));
    if held.addresses.is_empty() {
        client.held = before;
        client.again(now);
        return Rule::Status.drop(DropReason::DhcpNoAddress);
    }
    held.renew = renew.map(|time| now + time);
    held.rebind = rebind.map(|time| now + time);
    held.server = server;
    held.information = Information::read(message);
    bind(client, now, held, before.is_some());
    Rule::Reply.taken()
}

fn bind(client: &mut Client, now: Instant, held: Held, extends: bool) {
    let lease = held.lease(now);
    client.held = Some(held);
    client.refused = 0;
    client.settle(now);
    let unread = matches!(client.events.granted, Some(Event::Bound(_)));
    client.events.granted = Some(if extends && !unread {
        Event::Renewed(lease)
    } else {
        Event::Bound(lease)
    });
}

/// RFC 8415 18.2.10.1: what a refusal means depends on what was asked.
fn refused(client: &mut Client, now: Instant, status: Status) -> Verdict {
    let drop = Rule::Status.drop(DropReason::DhcpNoAddress);
    // The server has a passing trouble: asked again, at the pace of the exchange.
    if status == Status::UnspecFail {
        return drop;
    }
    if matches!(client.state, State::Renewing | State::Rebinding) {
        if status == Status::NoBinding {
            // It does not know them, and may learn them.
            rebuild(client, now);
            return drop;
        }
        if status == Status::NoAddrsAvail {
            return drop;
        }
    }
    client.again(now);
    drop
}

/// RFC 8415 18.2.10.1: NoBinding is answered by a Request to that server for the same addresses.
fn rebuild(client: &mut Client, now: Instant) {
    if let Some(held) = &client.held {
        client.best = Some(Advertised {
            preference: 0,
            server: held.server.clone(),
            addresses: held.lease(now).addresses,
        });
    }
    client.request(now);
}

fn confirmed(client: &mut Client, now: Instant, message: &Message) -> Verdict {
    if wire::status(message) == Status::NotOnLink {
        client.again(now);
    } else {
        client.extend(now);
    }
    Rule::Reply.taken()
}

fn informed(client: &mut Client, now: Instant, message: &Message) -> Verdict {
    let refresh = match wire::refresh_time(message) {
        None => Some(REFRESH_DEFAULT),
        Some(INFINITE) => None,
        Some(seconds) => Some(Duration::from_secs(seconds.into()).max(REFRESH_LEAST)),
    };
    client.enter(State::Informed);
    client.outgoing = None;
    client.due = refresh.map(|time| now + time);
    client.events.granted = Some(Event::Informed(Information::read(message)));
    Rule::Reply.taken()
}
