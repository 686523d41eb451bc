//! What a client says.
//!
//! Job: one message for each purpose, as RFC 2131's tables 4 and 5 fill the fields. Owns: nothing.
//! Does not know: when. Sources: RFC 2131 4.4.1 table 5, 4.3.6 table 4.

use core::net::{Ipv4Addr, SocketAddrV4};

use dhcproto::v4::{DhcpOption, Flags, Message, MessageType, Opcode, OptionCode};
use outcrop_base::Instant;

use super::{Client, Offer};
use crate::v4::{CLIENT_PORT, Purpose, SERVER_PORT, Transmit, wire};

/// What we can take in one piece: an Ethernet frame's worth (RFC 2132 9.10).
const LARGEST: u16 = 1472;
/// RFC 1035 2.3.4: a label.
const LONGEST_HOSTNAME: usize = 63;
/// What is asked for. RFC 3442: classless routes stand before routers.
const WANTED: &[OptionCode] = &[
    OptionCode::SubnetMask,
    OptionCode::ClasslessStaticRoute,
    OptionCode::Router,
    OptionCode::DomainNameServer,
    OptionCode::DomainName,
    OptionCode::InterfaceMtu,
    OptionCode::AddressLeaseTime,
    OptionCode::ServerIdentifier,
    OptionCode::Renewal,
    OptionCode::Rebinding,
];

/// The next datagram: a farewell first.
pub(super) fn next(client: &mut Client, now: Instant) -> Option<Transmit> {
    if let Some((purpose, offer)) = client.parting.take() {
        let xid = client.random.next_u32();
        return Some(farewell(client, purpose, offer, xid));
    }
    let purpose = client.outgoing.take()?;
    if purpose != Purpose::Select {
        let seconds = now.saturating_since(client.began).as_secs();
        client.secs = u16::try_from(seconds).unwrap_or(u16::MAX);
    }
    let message = message(client, purpose);
    let address = message.ciaddr();
    let server = client.held.as_ref().map(|held| held.lease.server);
    let to = match (purpose, server) {
        // RFC 2131 4.4.5: only a renewal goes to one server.
        (Purpose::Renew, Some(server)) => server,
        _ => Ipv4Addr::BROADCAST,
    };
    Some(transmit(address, to, &message, purpose))
}

#[track_caller]
fn transmit(from: Ipv4Addr, to: Ipv4Addr, message: &Message, purpose: Purpose) -> Transmit {
    let from = SocketAddrV4::new(from, CLIENT_PORT);
    let to = SocketAddrV4::new(to, SERVER_PORT);
    Transmit::new(from, to, wire::emit(message), purpose)
}

/// DECLINE and RELEASE: the address, the server, and who we are; nothing else (table 5).
fn farewell(client: &Client, purpose: Purpose, offer: Offer, xid: u32) -> Transmit {
    let mut message = base(client, xid);
    let releases = purpose == Purpose::Release;
    if releases {
        message.set_ciaddr(offer.address);
        say(&mut message, DhcpOption::MessageType(MessageType::Release));
    } else {
        say(&mut message, DhcpOption::MessageType(MessageType::Decline));
        say(&mut message, DhcpOption::RequestedIpAddress(offer.address));
    }
    say(&mut message, DhcpOption::ServerIdentifier(offer.server));
    // RFC 2131 4.4.4: a decline is broadcast from no address, a release goes to the server from ours.
    let (from, to) = if releases {
        (offer.address, offer.server)
    } else {
        (Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST)
    };
    transmit(from, to, &message, purpose)
}

fn say(message: &mut Message, option: DhcpOption) {
    message.opts_mut().insert(option);
}

fn base(client: &Client, xid: u32) -> Message {
    let mut message = wire::blank(Opcode::BootRequest, xid, &client.config.hardware);
    if let Some(id) = client.config.id.octets(client.config.hardware) {
        say(&mut message, DhcpOption::ClientIdentifier(id));
    }
    message
}

/// DISCOVER, and REQUEST in its four forms (table 4).
fn message(client: &Client, purpose: Purpose) -> Message {
    let config = &client.config;
    let mut message = base(client, client.xid);
    message.set_secs(client.secs);
    say(
        &mut message,
        DhcpOption::ParameterRequestList(WANTED.to_vec()),
    );
    say(&mut message, DhcpOption::MaxMessageSize(LARGEST));
    if let Some(name) = config.hostname.as_deref().and_then(hostname) {
        say(&mut message, DhcpOption::Hostname(name));
    }
    if let Some(time) = config.lease_time {
        let seconds = u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
        say(&mut message, DhcpOption::AddressLeaseTime(seconds));
    }
    let kind = if purpose == Purpose::Discover {
        MessageType::Discover
    } else {
        MessageType::Request
    };
    say(&mut message, DhcpOption::MessageType(kind));
    match (purpose, client.offer, &client.held) {
        (Purpose::Select, Some(offer), _) => {
            say(&mut message, DhcpOption::ServerIdentifier(offer.server));
            say(&mut message, DhcpOption::RequestedIpAddress(offer.address));
        }
        (Purpose::Renew | Purpose::Rebind, _, Some(held)) => {
            message.set_ciaddr(held.lease.address);
        }
        (purpose, _, _) => {
            if let Some(address) = config.previous {
                say(&mut message, DhcpOption::RequestedIpAddress(address));
            }
            if config.rapid_commit && purpose == Purpose::Discover {
                say(&mut message, DhcpOption::RapidCommit);
            }
        }
    }
    // With an address there is no need: what is sent to it arrives.
    if config.broadcast && message.ciaddr().is_unspecified() {
        message.set_flags(Flags::default().set_broadcast());
    }
    message
}

/// What of a name can be sent.
fn hostname(name: &str) -> Option<String> {
    let plain = name
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-');
    Some(plain.take(LONGEST_HOSTNAME).collect::<String>()).filter(|name| !name.is_empty())
}
