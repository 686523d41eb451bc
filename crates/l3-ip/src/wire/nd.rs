//! Neighbour discovery's messages.
//!
//! Job: read the five messages and their options within bounds, write them, show them field by field.
//! Owns: their layout. Does not know: whether a message may be believed.
//! Sources: RFC 4861 4 (messages, options 4.6), RFC 3971 5.3.2 and RFC 7527 4.1 (nonce), RFC 8106 5 (resolvers),
//! RFC 4191 2.2 (a router's preference).

mod options;
mod show;

use core::net::Ipv6Addr;
use core::time::Duration;

pub use options::{MAX_OPTIONS, NONCE_LEN, Options, Prefix};
pub use show::fields;

/// ICMPv6 types.
pub const ROUTER_SOLICITATION: u8 = 133;
/// A router speaks.
pub const ROUTER_ADVERTISEMENT: u8 = 134;
/// Who has an address?
pub const NEIGHBOR_SOLICITATION: u8 = 135;
/// I have.
pub const NEIGHBOR_ADVERTISEMENT: u8 = 136;
/// There is a better first hop.
pub const REDIRECT: u8 = 137;
/// What every message has: no router passes such a packet on, so its sender is on the link (RFC 4861 3.1).
pub const HOP_LIMIT: u8 = 255;

/// A hardware address, as Ethernet's option has it.
pub type LinkAddress = [u8; 6];

/// What a router says of itself (RFC 4861 4.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Router {
    /// Hop limit for what hosts send; zero: not said.
    pub hop_limit: u8,
    /// Addresses are to be had by DHCPv6.
    pub managed: bool,
    /// Other settings are.
    pub other: bool,
    /// -1, 0 or 1 (RFC 4191 2.1).
    pub preference: i8,
    /// Seconds it is a default router; zero: not at all.
    pub lifetime: u16,
    /// Milliseconds a neighbour counts as reachable; zero: not said.
    pub reachable: u32,
    /// Milliseconds between questions; zero: not said.
    pub retransmit: u32,
}

/// A message without its options.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Body {
    /// Which routers are there?
    RouterSolicitation,
    /// I am one.
    RouterAdvertisement(Router),
    /// Who has the target?
    NeighborSolicitation {
        /// The address asked for.
        target: Ipv6Addr,
    },
    /// I have it.
    NeighborAdvertisement {
        /// The address.
        target: Ipv6Addr,
        /// Its owner is a router.
        router: bool,
        /// It answers a question.
        solicited: bool,
        /// It replaces what was known.
        replaces: bool,
    },
    /// There is a better first hop.
    Redirect {
        /// The better one.
        target: Ipv6Addr,
        /// For what.
        destination: Ipv6Addr,
    },
}

/// A message with its options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What it says.
    pub body: Body,
    /// What it adds.
    pub options: Options,
}

/// Reads a message from its type on; `None` for what RFC 4861 wants discarded for its shape: too short, a code, an
/// option of no length or beyond the end. The checksum is the caller's.
#[must_use]
pub fn parse(bytes: &[u8]) -> Option<Message> {
    let [kind, code, _, _, rest @ ..] = bytes else {
        return None;
    };
    if *code != 0 {
        return None;
    }
    let (fixed, _) = rest.split_first_chunk::<4>()?;
    let address = |at: usize| {
        let octets = bytes.get(at..)?.first_chunk::<16>()?;
        Some(Ipv6Addr::from(*octets))
    };
    let (body, options_at) = match *kind {
        ROUTER_SOLICITATION => (Body::RouterSolicitation, 8),
        ROUTER_ADVERTISEMENT => (Body::RouterAdvertisement(router(bytes, *fixed)?), 16),
        NEIGHBOR_SOLICITATION => {
            let target = address(8)?;
            (Body::NeighborSolicitation { target }, 24)
        }
        NEIGHBOR_ADVERTISEMENT => {
            let [flags, ..] = *fixed;
            let body = Body::NeighborAdvertisement {
                target: address(8)?,
                router: flags & 0x80 != 0,
                solicited: flags & 0x40 != 0,
                replaces: flags & 0x20 != 0,
            };
            (body, 24)
        }
        REDIRECT => {
            let (target, destination) = (address(8)?, address(24)?);
            (
                Body::Redirect {
                    target,
                    destination,
                },
                40,
            )
        }
        _ => return None,
    };
    let options = options::parse(bytes.get(options_at..)?)?;
    Some(Message { body, options })
}

fn router(bytes: &[u8], [hop_limit, flags, high, low]: [u8; 4]) -> Option<Router> {
    let word = |at: usize| {
        let word = bytes.get(at..)?.first_chunk::<4>()?;
        Some(u32::from_be_bytes(*word))
    };
    Some(Router {
        hop_limit,
        managed: flags & 0x80 != 0,
        other: flags & 0x40 != 0,
        // RFC 4191 2.1: 10 is reserved and means medium.
        preference: match flags >> 3 & 3 {
            1 => 1,
            3 => -1,
            _ => 0,
        },
        lifetime: u16::from_be_bytes([high, low]),
        reachable: word(8)?,
        retransmit: word(12)?,
    })
}

/// Writes a message, with a checksum of zero.
#[must_use]
pub fn emit(message: &Message) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    match message.body {
        Body::RouterSolicitation => out.extend([ROUTER_SOLICITATION, 0, 0, 0, 0, 0, 0, 0]),
        Body::RouterAdvertisement(router) => emit_router(&router, &mut out),
        Body::NeighborSolicitation { target } => {
            out.extend([NEIGHBOR_SOLICITATION, 0, 0, 0, 0, 0, 0, 0]);
            out.extend(target.octets());
        }
        Body::NeighborAdvertisement {
            target,
            router,
            solicited,
            replaces,
        } => {
            let flags = u8::from(router) << 7 | u8::from(solicited) << 6 | u8::from(replaces) << 5;
            out.extend([NEIGHBOR_ADVERTISEMENT, 0, 0, 0, flags, 0, 0, 0]);
            out.extend(target.octets());
        }
        Body::Redirect {
            target,
            destination,
        } => {
            out.extend([REDIRECT, 0, 0, 0, 0, 0, 0, 0]);
            out.extend(target.octets());
            out.extend(destination.octets());
        }
    }
    options::emit(&message.options, &mut out);
    out
}

fn emit_router(router: &Router, out: &mut Vec<u8>) {
    let preference = match router.preference {
        1.. => 1,
        0 => 0,
        ..0 => 3,
    };
    let flags = u8::from(router.managed) << 7 | u8::from(router.other) << 6 | preference << 3;
    out.extend([ROUTER_ADVERTISEMENT, 0, 0, 0, router.hop_limit, flags]);
    out.extend(router.lifetime.to_be_bytes());
    out.extend(router.reachable.to_be_bytes());
    out.extend(router.retransmit.to_be_bytes());
}

/// Seconds as a message has them: all ones is for ever.
#[must_use]
pub const fn lifetime(seconds: u32) -> Option<Duration> {
    match seconds {
        u32::MAX => None,
        seconds => Some(Duration::from_secs(seconds as u64)),
    }
}

#[cfg(test)]
mod tests;
