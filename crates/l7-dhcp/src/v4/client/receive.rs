//! What a client hears.
//!
//! Job: judge each datagram, and follow the arrows of figure 5. Owns: nothing. Does not know: what is sent.
//! Sources: RFC 2131 figure 5, 4.4.1, 4.4.5; RFC 4039 3.1; RFC 6842 3.

use core::net::Ipv4Addr;
use core::time::Duration;

use dhcproto::v4::{Message, Opcode};
use outcrop_base::{DropReason, Instant, Verdict};

use super::{Client, Event, FIRST_WAIT, Held, LONGEST_WAIT, Offer, State};
use crate::v4::lease::is_host;
use crate::v4::wire::{self, Kind};
use crate::v4::{Lease, Purpose};
use crate::{Loss, Rule};

pub(super) fn datagram(client: &mut Client, now: Instant, bytes: &[u8]) -> Verdict {
    let Ok(message) = wire::parse(bytes) else {
        return Rule::Message.drop(DropReason::DhcpMalformed);
    };
    let (Opcode::BootReply, Some(kind)) = (message.opcode(), wire::kind(&message)) else {
        return Rule::Message.drop(DropReason::DhcpMalformed);
    };
    if !is_ours(client, &message) {
        return Rule::Transaction.drop(DropReason::DhcpUnrelated);
    }
    match (client.state, kind) {
        (State::Selecting, Kind::Offer) => offer(client, now, &message),
        (State::Selecting, Kind::Ack) => rapid(client, now, &message),
        (State::Requesting | State::Rebooting | State::Renewing | State::Rebinding, Kind::Ack) => {
            ack(client, now, &message)
        }
        (State::Requesting | State::Rebooting | State::Renewing | State::Rebinding, Kind::Nak) => {
            nak(client, now, &message)
        }
        (
            State::Init
            | State::InitReboot
            | State::Selecting
            | State::Rebooting
            | State::Requesting
            | State::Bound
            | State::Renewing
            | State::Rebinding
            | State::Released,
            _,
        ) => Rule::State.drop(DropReason::DhcpUnexpected),
    }
}

/// The transaction, the station, and the name, if the answer repeats it.
fn is_ours(client: &Client, message: &Message) -> bool {
    let config = &client.config;
    let named = wire::client_id(message);
    let same_name = named.is_none() || named == config.id.octets(config.hardware);
    message.xid() == client.xid && message.chaddr() == config.hardware && same_name
}

fn offer(client: &mut Client, now: Instant, message: &Message) -> Verdict {
    let server = wire::server_id(message).filter(|server| is_host(*server));
    let (Some(server), address) = (server, message.yiaddr()) else {
        return Rule::Offer.drop(DropReason::DhcpInvalid);
    };
    if !is_host(address) || wire::lease_time(message).is_none_or(|seconds| seconds == 0) {
        return Rule::Offer.drop(DropReason::DhcpInvalid);
    }
    client.offer = Some(Offer { address, server });
    client.asked = now;
    client.enter(State::Requesting, None);
    client.repeat(now, Purpose::Select);
    Rule::Offer.taken()
}

/// RFC 4039 3.1: only what was asked for, and says that it is that.
fn rapid(client: &mut Client, now: Instant, message: &Message) -> Verdict {
    if !(client.config.rapid_commit && wire::rapid_commit(message)) {
        return Rule::State.drop(DropReason::DhcpUnexpected);
    }
    client.asked = client.began;
    let Some(lease) = Lease::read(message, &mut client.random) else {
        return Rule::RapidCommit.drop(DropReason::DhcpInvalid);
    };
    bind(client, now, lease);
    Rule::RapidCommit.taken()
}

fn ack(client: &mut Client, now: Instant, message: &Message) -> Verdict {
    let Some(lease) = Lease::read(message, &mut client.random) else {
        return Rule::Ack.drop(DropReason::DhcpInvalid);
    };
    if expected(client) != Some(lease.address) {
        return Rule::Ack.drop(DropReason::DhcpInvalid);
    }
    if !from_the_asked(client, lease.server) {
        return Rule::Ack.drop(DropReason::DhcpUnrelated);
    }
    bind(client, now, lease);
    Rule::Ack.taken()
}

/// The address that was asked for.
fn expected(client: &Client) -> Option<Ipv4Addr> {
    match client.state {
        State::Requesting => client.offer.map(|offer| offer.address),
        State::Rebooting => client.config.previous,
        State::Bound | State::Renewing | State::Rebinding => {
            client.held.as_ref().map(|held| held.lease.address)
        }
        State::Init | State::InitReboot | State::Selecting | State::Released => None,
    }
}

/// Who accepted one server's offer hears that server alone.
fn from_the_asked(client: &Client, server: Ipv4Addr) -> bool {
    client.state != State::Requesting || client.offer.is_some_and(|offer| offer.server == server)
}

fn nak(client: &mut Client, now: Instant, message: &Message) -> Verdict {
    let Some(server) = wire::server_id(message).filter(|server| is_host(*server)) else {
        return Rule::Nak.drop(DropReason::DhcpInvalid);
    };
    if !from_the_asked(client, server) {
        return Rule::Nak.drop(DropReason::DhcpUnrelated);
    }
    client.lose(Loss::Refused);
    client.config.previous = None;
    client.offer = None;
    // The first time at once; a server that offers and then refuses is not asked as fast as it answers.
    let doubled = FIRST_WAIT.saturating_mul(1 << client.refused.saturating_sub(1).min(4));
    let wait = match client.refused {
        0 => Duration::ZERO,
        1.. => doubled.min(LONGEST_WAIT),
    };
    client.refused = client.refused.saturating_add(1);
    client.enter(State::Init, Some(now + wait));
    Rule::Nak.taken()
}

/// BOUND: the lease counts from the request that it answers (RFC 2131 4.4.1).
fn bind(client: &mut Client, now: Instant, lease: Lease) {
    let asked = client.asked;
    let extends = client.held.is_some();
    let bounded = lease.time.is_some();
    let after = |wait: Duration| bounded.then(|| asked + wait);
    let held = Held {
        renew: after(lease.renew),
        rebind: after(lease.rebind),
        expire: lease.time.map(|time| asked + time),
        lease,
    };
    // An answer may come so late that its times have passed already.
    let due = held.renew.map(|at| at.max(now));
    client.enter(State::Bound, due);
    client.refused = 0;
    client.config.previous = Some(held.lease.address);
    let lease = held.lease.clone();
    client.held = Some(held);
    let unread = matches!(client.events.granted, Some(Event::Bound(_)));
    client.events.granted = Some(if extends && !unread {
        Event::Renewed(lease)
    } else {
        Event::Bound(lease)
    });
}
