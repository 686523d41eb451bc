//! ICMPv6 messages, neighbour discovery included.

use core::net::Ipv6Addr;

use super::{Carrier, put, should_be};
use crate::dissect::{Body, long, protocol, word};

pub(super) fn put_icmp6(out: &mut String, body: &Body, carrier: Carrier) {
    let icmp = &body.bytes;
    if body.wire_len == 0 {
        out.push_str("ICMP6, length 0 (invalid)");
        return;
    }
    if icmp.len() < 4 {
        out.push_str(" [|icmp6]");
        return;
    }
    if let Some(residue) = carrier.residue(protocol::ICMPV6, body) {
        let found = body.word(2).unwrap_or(0);
        let right = should_be(found, residue);
        match residue {
            0 => out.push_str("[icmp6 sum ok] "),
            _ => put!(out, "[bad icmp6 cksum 0x{found:04x} -> 0x{right:04x}!] "),
        }
    }
    out.push_str("ICMP6, ");
    if put_message(out, body).is_none() {
        out.push_str(" [|icmp6]");
    }
}

/// The message in words; `None` if it is too short to say all.
pub(super) fn put_message(out: &mut String, body: &Body) -> Option<()> {
    let icmp = &body.bytes;
    let (&kind, &code) = (icmp.first()?, icmp.get(1)?);
    let len = body.wire_len;
    match kind {
        1 => {
            out.push_str("destination unreachable, ");
            put_unreachable(out, icmp, code)?;
        }
        2 => put!(out, "packet too big, mtu {}", long(icmp, 4)?),
        3 => match code {
            0 => put!(out, "time exceeded in-transit for {}", address(icmp, 32)?),
            1 => out.push_str("time exceeded in-transit (reassembly)"),
            code => put!(out, "time exceeded in-transit, unknown code ({code})"),
        },
        4 => {
            let octet = long(icmp, 4)?;
            match code {
                0 => put!(out, "parameter problem, erroneous - octet {octet}"),
                1 => put!(out, "parameter problem, next header - octet {octet}"),
                2 => put!(out, "parameter problem, option - octet {octet}"),
                3 => put!(
                    out,
                    "parameter problem, incomplete header chain - octet {octet}"
                ),
                code => put!(out, "parameter problem, code-#{code}"),
            }
        }
        128 | 129 => {
            let name = if kind == 128 { "request" } else { "reply" };
            put!(
                out,
                "echo {name}, id {}, seq {}",
                word(icmp, 4)?,
                word(icmp, 6)?
            );
        }
        130..=132 if len < 28 => put_listener(out, icmp, kind)?,
        133 => {
            put!(out, "router solicitation, length {len}");
            put_options(out, icmp.get(8..)?);
        }
        134 => put_router_advertisement(out, icmp, len)?,
        135 => {
            put!(
                out,
                "neighbor solicitation, length {len}, who has {}",
                address(icmp, 8)?
            );
            put_options(out, icmp.get(24..)?);
        }
        136 => {
            put!(
                out,
                "neighbor advertisement, length {len}, tgt is {}",
                address(icmp, 8)?
            );
            put!(
                out,
                ", Flags [{}]",
                Bits(
                    *icmp.get(4)?,
                    &[(0x80, "router"), (0x40, "solicited"), (0x20, "override")]
                )
            );
            put_options(out, icmp.get(24..)?);
        }
        143 => put_listener_report(out, icmp)?,
        kind => put!(out, "type-#{kind}, length {len}"),
    }
    Some(())
}

/// Names of the bits that are set.
struct Bits<'a>(u8, &'a [(u8, &'a str)]);

impl core::fmt::Display for Bits<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let mut separator = "";
        for (bit, name) in self.1 {
            if self.0 & bit != 0 {
                write!(f, "{separator}{name}")?;
                separator = ", ";
            }
        }
        if separator.is_empty() {
            f.write_str("none")?;
        }
        Ok(())
    }
}

fn address(icmp: &[u8], at: usize) -> Option<Ipv6Addr> {
    Some(Ipv6Addr::from(*icmp.get(at..)?.first_chunk::<16>()?))
}

fn put_unreachable(out: &mut String, icmp: &[u8], code: u8) -> Option<()> {
    let (src, dst) = (address(icmp, 16)?, address(icmp, 32)?);
    match code {
        0 => put!(out, "unreachable route {dst}"),
        1 => put!(out, " unreachable prohibited {dst}"),
        2 => put!(out, "beyond scope {dst}, source address {src}"),
        3 => put!(out, "unreachable address {dst}"),
        4 => {
            let port = word(icmp, 50)?;
            match *icmp.get(14)? {
                protocol::TCP => put!(out, "unreachable port, {dst} tcp port {port}"),
                protocol::UDP => put!(out, "unreachable port, {dst} udp port {port}"),
                other => put!(out, "unreachable port, {dst} protocol {other} port {port}"),
            }
        }
        code => put!(out, "unknown unreach code ({code})"),
    }
    Some(())
}

/// Multicast listener discovery, version 1 (RFC 2710).
fn put_listener(out: &mut String, icmp: &[u8], kind: u8) -> Option<()> {
    let name = match kind {
        130 => "query",
        131 => "report",
        _ => "done",
    };
    let (delay, group) = (word(icmp, 4)?, address(icmp, 8)?);
    put!(
        out,
        "multicast listener {name}max resp delay: {delay} addr: {group}"
    );
    Some(())
}

/// Multicast listener report, version 2 (RFC 3810).
fn put_listener_report(out: &mut String, icmp: &[u8]) -> Option<()> {
    let count = word(icmp, 6)?;
    put!(out, "multicast listener report v2, {count} group record(s)");
    let mut record = icmp.get(8..)?;
    for _ in 0..count {
        let change = match *record.first()? {
            1 => "is_in",
            2 => "is_ex",
            3 => "to_in",
            4 => "to_ex",
            5 => "allow",
            6 => "block",
            _ => "unknown",
        };
        put!(out, " [gaddr {} {change} {{", address(record, 4)?);
        let sources = usize::from(word(record, 2)?);
        for source in 0..sources {
            put!(out, " {}", address(record, 20 + source * 16)?);
        }
        out.push_str(" }]");
        record = record.get(20 + sources * 16..)?;
    }
    Some(())
}

fn put_router_advertisement(out: &mut String, icmp: &[u8], len: usize) -> Option<()> {
    put!(
        out,
        "router advertisement, length {len}\n\thop limit {}",
        icmp.get(4)?
    );
    let flags = *icmp.get(5)?;
    let names = [
        (0x80, "managed"),
        (0x40, "other stateful"),
        (0x20, "home agent"),
    ];
    let preference = match flags >> 3 & 3 {
        0 => "medium",
        1 => "high",
        2 => "reserved",
        _ => "low",
    };
    put!(out, ", Flags [{}], pref {preference}", Bits(flags, &names));
    put!(out, ", router lifetime {}s", word(icmp, 6)?);
    put!(out, ", reachable time {}ms", long(icmp, 8)?);
    put!(out, ", retrans timer {}ms", long(icmp, 12)?);
    put_options(out, icmp.get(16..)?);
    Some(())
}

/// Neighbour-discovery options, a line each, and their bytes.
fn put_options(out: &mut String, mut options: &[u8]) {
    while let (Some(&kind), Some(&units)) = (options.first(), options.get(1)) {
        let len = usize::from(units) * 8;
        let Some((option, rest)) = options.split_at_checked(len).filter(|_| len > 0) else {
            return;
        };
        let name = match kind {
            1 => "source link-address",
            2 => "destination link-address",
            3 => "prefix info",
            4 => "redirected header",
            5 => "mtu",
            25 => "rdnss",
            _ => "unknown",
        };
        put!(
            out,
            "\n\t  {name} option ({kind}), length {len} ({units}): "
        );
        put_option(out, kind, option);
        put_hex_dump(out, option.get(2..).unwrap_or_default());
        options = rest;
    }
}

fn put_option(out: &mut String, kind: u8, option: &[u8]) {
    match kind {
        1 | 2 => {
            let mut separator = "";
            for byte in option.get(2..8).unwrap_or_default() {
                put!(out, "{separator}{byte:02x}");
                separator = ":";
            }
        }
        3 => {
            let (Some(prefix), Some(&bits)) = (address(option, 16), option.get(2)) else {
                return;
            };
            let flags = Bits(
                option.get(3).copied().unwrap_or(0),
                &[(0x80, "onlink"), (0x40, "auto"), (0x20, "router")],
            );
            put!(
                out,
                "{prefix}/{bits}, Flags [{flags}], valid time {}",
                Lifetime(long(option, 4))
            );
            put!(out, ", pref. time {}", Lifetime(long(option, 8)));
        }
        5 => put!(out, " {}", long(option, 4).unwrap_or(0)),
        _ => {}
    }
}

/// Seconds; all ones is for ever.
struct Lifetime(Option<u32>);

impl core::fmt::Display for Lifetime {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.0 {
            Some(u32::MAX) => f.write_str("infinity"),
            seconds => write!(f, "{}s", seconds.unwrap_or(0)),
        }
    }
}

/// Sixteen bytes a line.
fn put_hex_dump(out: &mut String, bytes: &[u8]) {
    for (line, row) in bytes.chunks(16).enumerate() {
        put!(out, "\n\t    0x{:04x}: ", line * 16);
        for pair in row.chunks(2) {
            out.push(' ');
            for byte in pair {
                put!(out, "{byte:02x}");
            }
        }
    }
}
