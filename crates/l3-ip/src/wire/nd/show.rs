//! Neighbour discovery, field by field.
//!
//! Job: name every part of a message with its place. Owns: the names. Does not know: what they mean for us.
//! Source: RFC 4861 4; the keys are those of the common dissectors.

use core::net::{IpAddr, Ipv6Addr};

use outcrop_base::{Field, FieldValue};

use super::options::{
    self, DOMAINS, MTU, NONCE, PREFIX, REDIRECTED, RESOLVERS, Raw, SOURCE_LINK, TARGET_LINK,
};
use crate::wire::{Fields, be16, be32, bits};

/// Shows a message behind its type, code and checksum.
pub fn fields<'a>(bytes: &'a [u8], visit: &mut dyn FnMut(Field<'a>)) {
    let mut out = Fields {
        visit,
        source: "RFC 4861 4",
    };
    let (Some(kind), true) = (bytes.first(), bytes.len() >= 8) else {
        return;
    };
    let at = match *kind {
        super::ROUTER_SOLICITATION => 8,
        super::ROUTER_ADVERTISEMENT if bytes.len() >= 16 => {
            router(bytes, &mut out);
            16
        }
        super::NEIGHBOR_SOLICITATION => {
            address(
                bytes,
                8,
                ("icmpv6.nd.ns.target_address", "Target Address"),
                &mut out,
            );
            24
        }
        super::NEIGHBOR_ADVERTISEMENT => {
            let flags = bytes.get(4).copied().unwrap_or_default();
            let mut flag = |key, name, bit: u32| {
                let value = u64::from(flags >> (7 - bit) & 1);
                out.number(key, name, (32 + bit, 1), value);
            };
            flag("icmpv6.nd.na.flag.r", "Router", 0);
            flag("icmpv6.nd.na.flag.s", "Solicited", 1);
            flag("icmpv6.nd.na.flag.o", "Override", 2);
            address(
                bytes,
                8,
                ("icmpv6.nd.na.target_address", "Target Address"),
                &mut out,
            );
            24
        }
        super::REDIRECT => {
            address(
                bytes,
                8,
                ("icmpv6.nd.rd.target_address", "Target Address"),
                &mut out,
            );
            let key = ("icmpv6.rd.na.destination_address", "Destination Address");
            address(bytes, 24, key, &mut out);
            40
        }
        _ => return,
    };
    each_option(bytes, at, &mut out);
}

fn router(bytes: &[u8], out: &mut Fields<'_, '_>) {
    let flags = u64::from(bytes.get(5).copied().unwrap_or_default());
    let hops = u64::from(bytes.get(4).copied().unwrap_or_default());
    out.number("icmpv6.nd.ra.cur_hop_limit", "Cur Hop Limit", (32, 8), hops);
    out.number("icmpv6.nd.ra.flag.m", "Managed", (40, 1), flags >> 7 & 1);
    out.number("icmpv6.nd.ra.flag.o", "Other", (41, 1), flags >> 6 & 1);
    out.number(
        "icmpv6.nd.ra.flag.prf",
        "Preference",
        (43, 2),
        flags >> 3 & 3,
    );
    let (life, reachable) = (u64::from(be16(bytes, 6)), u64::from(be32(bytes, 8)));
    out.number(
        "icmpv6.nd.ra.router_lifetime",
        "Router Lifetime",
        (48, 16),
        life,
    );
    out.number(
        "icmpv6.nd.ra.reachable_time",
        "Reachable Time",
        (64, 32),
        reachable,
    );
    let retransmit = u64::from(be32(bytes, 12));
    out.number(
        "icmpv6.nd.ra.retrans_timer",
        "Retrans Timer",
        (96, 32),
        retransmit,
    );
}

fn address(
    bytes: &[u8],
    at: usize,
    (key, name): (&'static str, &'static str),
    out: &mut Fields<'_, '_>,
) {
    if let Some(octets) = bytes.get(at..).and_then(<[u8]>::first_chunk::<16>) {
        let value = FieldValue::Address(IpAddr::V6(Ipv6Addr::from(*octets)));
        out.value(key, name, (bits(at), 128), value);
    }
}

fn each_option<'a>(bytes: &'a [u8], mut at: usize, out: &mut Fields<'_, 'a>) {
    let mut left = bytes.get(at..).unwrap_or_default();
    for _ in 0..options::MAX_OPTIONS {
        let Some((Raw { kind, body }, rest)) = options::first(left) else {
            return;
        };
        let number = |byte: u8| u64::from(byte);
        let len = left.len() - rest.len();
        out.number("icmpv6.opt.type", "Option", (bits(at), 8), number(kind));
        let units = (len / 8) as u64;
        out.number(
            "icmpv6.opt.length",
            "Option Length",
            (bits(at + 1), 8),
            units,
        );
        option(bytes, (kind, body, at), out);
        (at, left) = (at + len, rest);
    }
}

fn option<'a>(bytes: &'a [u8], (kind, body, at): (u8, &'a [u8], usize), out: &mut Fields<'_, 'a>) {
    let len = bits(body.len());
    match kind {
        SOURCE_LINK | TARGET_LINK => {
            out.value(
                "icmpv6.opt.linkaddr",
                "Link-Layer Address",
                (bits(at + 2), len),
                FieldValue::Bytes(body),
            );
        }
        NONCE => out.value(
            "icmpv6.opt.nonce",
            "Nonce",
            (bits(at + 2), len),
            FieldValue::Bytes(body),
        ),
        MTU => out.number(
            "icmpv6.opt.mtu",
            "MTU",
            (bits(at + 4), 32),
            u64::from(be32(bytes, at + 4)),
        ),
        PREFIX if body.len() == 30 => {
            let (len, flags) = (body.first(), body.get(1).copied().unwrap_or_default());
            let len = u64::from(len.copied().unwrap_or_default());
            out.number(
                "icmpv6.opt.prefix.length",
                "Prefix Length",
                (bits(at + 2), 8),
                len,
            );
            let flag = |bit: u8| u64::from(flags >> bit & 1);
            out.number(
                "icmpv6.opt.prefix.flag.l",
                "On-Link",
                (bits(at + 3), 1),
                flag(7),
            );
            out.number(
                "icmpv6.opt.prefix.flag.a",
                "Autonomous",
                (bits(at + 3) + 1, 1),
                flag(6),
            );
            let word = |at| u64::from(be32(bytes, at));
            out.number(
                "icmpv6.opt.prefix.valid_lifetime",
                "Valid Lifetime",
                (bits(at + 4), 32),
                word(at + 4),
            );
            let preferred = word(at + 8);
            out.number(
                "icmpv6.opt.prefix.preferred_lifetime",
                "Preferred Lifetime",
                (bits(at + 8), 32),
                preferred,
            );
            address(bytes, at + 16, ("icmpv6.opt.prefix", "Prefix"), out);
        }
        RESOLVERS if body.len() >= 22 => {
            let seconds = u64::from(be32(bytes, at + 4));
            out.number(
                "icmpv6.opt.rdnss.lifetime",
                "Lifetime",
                (bits(at + 4), 32),
                seconds,
            );
            for n in 0..(body.len() - 6) / 16 {
                address(
                    bytes,
                    at + 8 + n * 16,
                    ("icmpv6.opt.rdnss", "Recursive DNS Server"),
                    out,
                );
            }
        }
        REDIRECTED if body.len() > 6 => {
            let quoted = body.get(6..).unwrap_or_default();
            out.value(
                "icmpv6.opt.redirected_packet",
                "Redirected Packet",
                (bits(at + 8), bits(quoted.len())),
                FieldValue::Bytes(quoted),
            );
        }
        DOMAINS if body.len() >= 6 => {
            let seconds = u64::from(be32(bytes, at + 4));
            out.number(
                "icmpv6.opt.dnssl.lifetime",
                "Lifetime",
                (bits(at + 4), 32),
                seconds,
            );
        }
        _ => {}
    }
}
