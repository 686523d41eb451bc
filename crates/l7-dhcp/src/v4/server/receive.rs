//! What a server hears.
//!
//! Job: judge each message, and decide what becomes of an address. Owns: nothing. Does not know: where replies go.
//! Sources: RFC 2131 4.3.1 to 4.3.6; RFC 4039 3.1.

use core::net::Ipv4Addr;

use dhcproto::v4::{Message, Opcode};
use outcrop_base::{DropReason, Instant, Verdict};

use super::reply::{self, Grant};
use super::table::{Key, Status};
use super::{Change, MAX_REPLIES, Server};
use crate::Rule;
use crate::v4::Purpose;
use crate::v4::wire::{self, Kind};

pub(super) fn datagram(server: &mut Server, now: Instant, bytes: &[u8]) -> Verdict {
    let Ok(message) = wire::parse(bytes) else {
        return Rule::Message.drop(DropReason::DhcpMalformed);
    };
    let (Opcode::BootRequest, Some(kind)) = (message.opcode(), wire::kind(&message)) else {
        return Rule::Message.drop(DropReason::DhcpMalformed);
    };
    if !message.giaddr().is_unspecified() {
        return Rule::ServerHears.drop(DropReason::DhcpUnrelated);
    }
    if message.chaddr().is_empty() && wire::client_id(&message).is_none() {
        return Rule::ServerHears.drop(DropReason::DhcpInvalid);
    }
    if server.replies.len() >= MAX_REPLIES {
        return Rule::ServerHears.drop(DropReason::DhcpNoAddress);
    }
    let key = key(&message);
    match kind {
        Kind::Discover => discover(server, now, &message, key),
        Kind::Request => request(server, now, &message, key),
        Kind::Decline => decline(server, now, &message, &key),
        Kind::Release => release(server, &message, &key),
        Kind::Inform => inform(server, &message),
        Kind::Offer | Kind::Ack | Kind::Nak | Kind::Other(_) => {
            Rule::ServerHears.drop(DropReason::DhcpUnexpected)
        }
    }
}

/// RFC 2131 4.2: option 61 as it stands, else type and address of the hardware.
fn key(message: &Message) -> Key {
    let hardware = message.chaddr().to_vec();
    let name = wire::client_id(message).unwrap_or_else(|| {
        let kind = u8::from(message.htype());
        [[kind].as_slice(), &hardware].concat()
    });
    Key { name, hardware }
}

fn discover(server: &mut Server, now: Instant, message: &Message, key: Key) -> Verdict {
    let Some(address) = server.table.choose(&key, wire::requested(message)) else {
        return Rule::Discover.drop(DropReason::DhcpNoAddress);
    };
    if server.config.rapid_commit && wire::rapid_commit(message) {
        grant(server, now, message, (address, key));
        return Rule::RapidCommit.taken();
    }
    server.table.offer(now, address, key);
    let offer = Grant::new(&server.config, address, message);
    server.replies.push_back(reply::grant(
        &server.config,
        message,
        &offer,
        Purpose::Offer,
    ));
    Rule::Discover.taken()
}

/// RFC 2131 4.3.2: which of the four requests it is.
fn request(server: &mut Server, now: Instant, message: &Message, key: Key) -> Verdict {
    let named = wire::server_id(message);
    let asked = wire::requested(message);
    let from = Some(message.ciaddr()).filter(|address| !address.is_unspecified());
    match (named, asked, from) {
        (Some(named), Some(asked), None) => select(server, now, message, (named, asked, key)),
        (None, Some(asked), None) => reboot(server, now, message, (asked, key)),
        (None, None, Some(from)) => extend(server, now, message, (from, key)),
        _ => Rule::ServerHears.drop(DropReason::DhcpInvalid),
    }
}

fn select(
    server: &mut Server,
    now: Instant,
    message: &Message,
    (named, asked, key): (Ipv4Addr, Ipv4Addr, Key),
) -> Verdict {
    let theirs = server.table.of(&key);
    if named != server.config.address {
        // Somebody else's offer was taken: ours is free again.
        if let Some((address, Status::Offered)) = theirs {
            server.table.free(address);
        }
        return Rule::Select.drop(DropReason::DhcpUnrelated);
    }
    match theirs {
        Some((address, Status::Offered | Status::Leased)) if address == asked => {
            grant(server, now, message, (asked, key));
        }
        Some(_) | None => refuse(server, message),
    }
    Rule::Select.taken()
}

/// Silence where nothing is known, refusal where the client is wrong.
fn reboot(
    server: &mut Server,
    now: Instant,
    message: &Message,
    (asked, key): (Ipv4Addr, Key),
) -> Verdict {
    if !server.config.is_on_link(asked) {
        refuse(server, message);
        return Rule::Reboot.taken();
    }
    match server.table.of(&key) {
        Some((address, _)) if address == asked && server.table.is_free_for(asked, &key) => {
            grant(server, now, message, (asked, key));
            Rule::Reboot.taken()
        }
        // What was only offered once says nothing: another server may have granted the address since.
        theirs
            if matches!(theirs, Some((_, Status::Leased)))
                || (theirs.is_some() && server.config.in_pool(asked)) =>
        {
            refuse(server, message);
            Rule::Reboot.taken()
        }
        Some(_) | None => Rule::Reboot.drop(DropReason::DhcpUnrelated),
    }
}

/// RENEWING or REBINDING. An address of our pool that is free is granted although nothing is known of it: it was
/// lent before this server was started.
fn extend(
    server: &mut Server,
    now: Instant,
    message: &Message,
    (from, key): (Ipv4Addr, Key),
) -> Verdict {
    let theirs = server.table.of(&key).map(|(address, _)| address);
    let known = theirs == Some(from) || (theirs.is_none() && server.config.in_pool(from));
    if known && server.table.is_free_for(from, &key) {
        grant(server, now, message, (from, key));
        return Rule::Extend.taken();
    }
    // An address of this network that is not of our pool is another server's to extend or refuse.
    if server.config.in_pool(from) || !server.config.is_on_link(from) {
        refuse(server, message);
        return Rule::Extend.taken();
    }
    Rule::Extend.drop(DropReason::DhcpUnrelated)
}

fn grant(server: &mut Server, now: Instant, message: &Message, (address, key): (Ipv4Addr, Key)) {
    let grant = Grant::new(&server.config, address, message);
    server
        .table
        .lease(address, key, grant.time.map(|time| now + time));
    server.tell(Change::Leased(address));
    server
        .replies
        .push_back(reply::grant(&server.config, message, &grant, Purpose::Ack));
}

fn refuse(server: &mut Server, message: &Message) {
    server
        .replies
        .push_back(reply::nak(&server.config, message));
}

fn decline(server: &mut Server, now: Instant, message: &Message, key: &Key) -> Verdict {
    let theirs = server.table.of(key).map(|(address, _)| address);
    match (wire::server_id(message), wire::requested(message)) {
        (Some(named), Some(address))
            if named == server.config.address && theirs == Some(address) =>
        {
            server.table.decline(now, address);
            server.tell(Change::Declined(address));
            Rule::Decline.taken()
        }
        _ => Rule::Decline.drop(DropReason::DhcpUnrelated),
    }
}

fn release(server: &mut Server, message: &Message, key: &Key) -> Verdict {
    let theirs = server.table.of(key);
    let for_us = wire::server_id(message) == Some(server.config.address);
    match theirs {
        Some((address, Status::Leased)) if for_us && address == message.ciaddr() => {
            server.table.free(address);
            server.tell(Change::Released(address));
            Rule::Release.taken()
        }
        Some(_) | None => Rule::Release.drop(DropReason::DhcpUnrelated),
    }
}

fn inform(server: &mut Server, message: &Message) -> Verdict {
    if !server.config.is_on_link(message.ciaddr()) {
        return Rule::Inform.drop(DropReason::DhcpInvalid);
    }
    server
        .replies
        .push_back(reply::inform(&server.config, message));
    Rule::Inform.taken()
}
