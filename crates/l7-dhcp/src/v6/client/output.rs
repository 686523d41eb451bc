//! What a client says.
//!
//! Job: one message for each purpose. Owns: nothing. Does not know: when.
//! Sources: RFC 8415 18.2.1 to 18.2.8, 24 (which option in which message).

use core::net::Ipv6Addr;

use dhcproto::v6::{DhcpOption, DhcpOptions, IAAddr, IANA, MessageType, ORO, OptionCode};
use outcrop_base::{Cause, Instant, Limit, Note};

use super::Client;
use crate::v6::{Purpose, Transmit, wire};

pub(super) fn message(client: &Client, purpose: Purpose, now: Instant) -> Transmit {
    let mut message = wire::blank(kind(purpose), client.xid);
    let options = message.opts_mut();
    options.insert(DhcpOption::ClientId(client.config.duid.clone()));
    options.insert(DhcpOption::ElapsedTime(elapsed(client, now)));
    if let Some(server) = server(client, purpose) {
        options.insert(DhcpOption::ServerId(server));
    }
    if purpose != Purpose::InformationRequest {
        options.insert(association(client, purpose));
    }
    if let Some(wanted) = wanted(purpose) {
        options.insert(DhcpOption::ORO(ORO { opts: wanted }));
    }
    if purpose == Purpose::Solicit && client.config.rapid_commit {
        options.insert(DhcpOption::RapidCommit);
    }
    Transmit {
        payload: wire::emit(&message),
        purpose,
        note: Note::new(purpose.why(), Limit::None, Cause::None),
    }
}

const fn kind(purpose: Purpose) -> MessageType {
    match purpose {
        Purpose::Solicit => MessageType::Solicit,
        Purpose::Request => MessageType::Request,
        Purpose::Confirm => MessageType::Confirm,
        Purpose::Renew => MessageType::Renew,
        Purpose::Rebind => MessageType::Rebind,
        Purpose::Release => MessageType::Release,
        Purpose::Decline => MessageType::Decline,
        Purpose::InformationRequest => MessageType::InformationRequest,
    }
}

/// Hundredths of a second since the first message of this exchange (RFC 8415 21.9).
fn elapsed(client: &Client, now: Instant) -> u16 {
    let time = now.saturating_since(client.retry.began);
    u16::try_from(time.as_millis() / 10).unwrap_or(u16::MAX)
}

/// Whom it is for, where it is for one server.
fn server(client: &Client, purpose: Purpose) -> Option<Vec<u8>> {
    match purpose {
        Purpose::Request => client.best.as_ref().map(|best| best.server.clone()),
        Purpose::Renew => client.held.as_ref().map(|held| held.server.clone()),
        Purpose::Release | Purpose::Decline => {
            client.parting.as_ref().map(|(server, _)| server.clone())
        }
        Purpose::Solicit | Purpose::Confirm | Purpose::Rebind | Purpose::InformationRequest => None,
    }
}

/// Our association, with the addresses that the message is about; no times: they are the server's to say.
fn association(client: &Client, purpose: Purpose) -> DhcpOption {
    let addresses = match (purpose, &client.best) {
        (Purpose::Solicit, _) => Vec::new(),
        (Purpose::Request, Some(best)) => best.addresses.iter().map(|one| one.address).collect(),
        _ => client.named(),
    };
    let option = |addr: Ipv6Addr| {
        DhcpOption::IAAddr(IAAddr {
            addr,
            preferred_life: 0,
            valid_life: 0,
            opts: DhcpOptions::new(),
        })
    };
    DhcpOption::IANA(IANA {
        id: client.config.iaid,
        t1: 0,
        t2: 0,
        opts: addresses.into_iter().map(option).collect(),
    })
}

/// What is asked for besides. RFC 8415 18.2.1, 18.2.6: the slowest paces are asked for with every Solicit and
/// Information-request.
fn wanted(purpose: Purpose) -> Option<Vec<OptionCode>> {
    let mut wanted = vec![OptionCode::DomainNameServers, OptionCode::DomainSearchList];
    match purpose {
        Purpose::Solicit | Purpose::Request | Purpose::Renew | Purpose::Rebind => {
            wanted.push(OptionCode::SolMaxRt);
        }
        Purpose::InformationRequest => {
            wanted.extend([OptionCode::InformationRefreshTime, OptionCode::InfMaxRt]);
        }
        Purpose::Confirm | Purpose::Release | Purpose::Decline => return None,
    }
    Some(wanted)
}
