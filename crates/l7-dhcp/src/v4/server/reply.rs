//! What a server says, and where to.
//!
//! Job: offers, acknowledgments, refusals. Owns: nothing. Does not know: the table.
//! Sources: RFC 2131 4.1 (destinations), 4.3.1 table 3 (fields); RFC 6842 3.

use core::net::{Ipv4Addr, SocketAddrV4};
use core::time::Duration;

use dhcproto::v4::{DhcpOption, Message, MessageType, Opcode};

use super::config::ServerConfig;
use crate::v4::{CLIENT_PORT, Purpose, SERVER_PORT, Transmit, wire};

/// What is granted: an address, and for how long (`None`: for ever).
pub(super) struct Grant {
    address: Ipv4Addr,
    pub(super) time: Option<Duration>,
}

impl Grant {
    /// As long as is asked for, and no longer than configured.
    pub(super) fn new(config: &ServerConfig, address: Ipv4Addr, message: &Message) -> Self {
        let asked = wire::lease_time(message).map_or(config.lease_time, |seconds| {
            Duration::from_secs(seconds.max(1).into())
        });
        let time = asked.min(config.lease_time);
        Self {
            address,
            time: (time.as_secs() < u32::MAX.into()).then_some(time),
        }
    }
}

/// OFFER, or ACK of a request.
pub(super) fn grant(
    config: &ServerConfig,
    message: &Message,
    grant: &Grant,
    purpose: Purpose,
) -> Transmit {
    let kind = if purpose == Purpose::Offer {
        MessageType::Offer
    } else {
        MessageType::Ack
    };
    let mut reply = answer(config, message, kind);
    reply.set_yiaddr(grant.address);
    // An offer that turns out to be a grant would say so twice: only an answer to DISCOVER may (RFC 4039 3.1).
    let rapid = wire::kind(message) == Some(wire::Kind::Discover) && purpose == Purpose::Ack;
    let seconds = |time: Duration| u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
    let time = grant.time.map_or(u32::MAX, seconds);
    let mut times = vec![DhcpOption::AddressLeaseTime(time)];
    if let Some(time) = grant.time {
        times.push(DhcpOption::Renewal(seconds(time / 2)));
        times.push(DhcpOption::Rebinding(seconds(time * 7 / 8)));
    }
    times.extend(rapid.then_some(DhcpOption::RapidCommit));
    for option in times {
        reply.opts_mut().insert(option);
    }
    parameters(config, &mut reply);
    if purpose == Purpose::Ack {
        reply.set_ciaddr(message.ciaddr());
    }
    send(config, message, &reply, purpose)
}

/// ACK of an INFORM: no address, no times (RFC 2131 4.3.5).
pub(super) fn inform(config: &ServerConfig, message: &Message) -> Transmit {
    let mut reply = answer(config, message, MessageType::Ack);
    reply.set_ciaddr(message.ciaddr());
    parameters(config, &mut reply);
    send(config, message, &reply, Purpose::Ack)
}

/// NAK: nothing but who and whom, to everybody (RFC 2131 4.1, 4.3.2).
pub(super) fn nak(config: &ServerConfig, message: &Message) -> Transmit {
    let reply = answer(config, message, MessageType::Nak);
    plan(config, (Ipv4Addr::BROADCAST, None), &reply, Purpose::Nak)
}

fn answer(config: &ServerConfig, message: &Message, kind: MessageType) -> Message {
    let mut reply = wire::blank(Opcode::BootReply, message.xid(), message.chaddr());
    reply.set_htype(message.htype()).set_flags(message.flags());
    let options = reply.opts_mut();
    options.insert(DhcpOption::MessageType(kind));
    options.insert(DhcpOption::ServerIdentifier(config.address));
    if let Some(name) = wire::client_id(message) {
        options.insert(DhcpOption::ClientIdentifier(name));
    }
    reply
}

fn parameters(config: &ServerConfig, reply: &mut Message) {
    let options = reply.opts_mut();
    options.insert(DhcpOption::SubnetMask(config.mask()));
    if !config.routers.is_empty() {
        options.insert(DhcpOption::Router(config.routers.clone()));
    }
    if !config.dns.is_empty() {
        options.insert(DhcpOption::DomainNameServer(config.dns.clone()));
    }
    if let Some(domain) = &config.domain {
        options.insert(DhcpOption::DomainName(domain.clone()));
    }
    if let Some(mtu) = config.mtu {
        options.insert(DhcpOption::InterfaceMtu(mtu));
    }
}

/// RFC 2131 4.1: to the address the client has; else as it asks; else to the one it was just given.
fn send(config: &ServerConfig, message: &Message, reply: &Message, purpose: Purpose) -> Transmit {
    let station = <[u8; 6]>::try_from(message.chaddr()).ok();
    let to = if !message.ciaddr().is_unspecified() {
        (message.ciaddr(), None)
    } else if message.flags().broadcast() || station.is_none() {
        (Ipv4Addr::BROADCAST, None)
    } else {
        (reply.yiaddr(), station)
    };
    plan(config, to, reply, purpose)
}

fn plan(
    config: &ServerConfig,
    (to, station): (Ipv4Addr, Option<[u8; 6]>),
    reply: &Message,
    purpose: Purpose,
) -> Transmit {
    let from = SocketAddrV4::new(config.address, SERVER_PORT);
    let to = SocketAddrV4::new(to, CLIENT_PORT);
    Transmit {
        station,
        ..Transmit::new(from, to, wire::emit(reply), purpose)
    }
}
