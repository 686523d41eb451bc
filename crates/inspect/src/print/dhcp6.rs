//! DHCP for IPv6, between clients and servers.
//!
//! Sources: RFC 8415 8, 21, RFC 3646; the short names of options are tcpdump's.

use core::net::Ipv6Addr;

use super::{put, put_ascii};
use crate::dissect::{long, word};

/// Either of these is DHCPv6.
pub(super) const PORTS: [u16; 2] = [546, 547];

/// What stands where bytes are missing.
pub(super) const ENDED: &str = " [|dhcp6]";

/// Associations within associations, at most.
const DEEPEST: u8 = 8;

/// A message; `None` where it ends too early.
pub(super) fn put_message(out: &mut String, bytes: &[u8]) -> Option<()> {
    const KINDS: [&str; 15] = [
        "solicit",
        "advertise",
        "request",
        "confirm",
        "renew",
        "rebind",
        "reply",
        "release",
        "decline",
        "reconfigure",
        "inf-req",
        "relay-fwd",
        "relay-reply",
        "leasequery",
        "leasequery-reply",
    ];
    out.push_str("dhcp6");
    let [kind, a, b, c, options @ ..] = bytes else {
        return None;
    };
    let name = usize::from(*kind)
        .checked_sub(1)
        .and_then(|at| KINDS.get(at));
    match name {
        Some(name) => put!(out, " {name} ("),
        None => put!(out, " msgtype-{kind} ("),
    }
    if matches!(kind, 12 | 13) {
        // What relays say to each other is not taken apart.
        put!(out, "length {})", bytes.len());
        return Some(());
    }
    put!(out, "xid={:x}", u32::from_be_bytes([0, *a, *b, *c]));
    put_options(out, options, 0);
    out.push(')');
    Some(())
}

fn put_options(out: &mut String, mut options: &[u8], depth: u8) {
    while !options.is_empty() {
        let Some((code, value, rest)) = first(options) else {
            return out.push_str(ENDED);
        };
        put!(out, " ({}", Name(code));
        match put_value(out, code, value, depth) {
            Some(Told::All) => {}
            Some(Told::Half) => return out.push_str(ENDED),
            None => out.push_str(" ?"),
        }
        out.push(')');
        options = rest;
    }
}

/// The first option, and what follows it; `None` if it runs over the end.
fn first(options: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let (code, len) = (word(options, 0)?, word(options, 2)?);
    let (value, rest) = options.get(4..)?.split_at_checked(usize::from(len))?;
    Some((code, value, rest))
}

/// How far a value could be told.
enum Told {
    All,
    /// What it holds ends too early.
    Half,
}

/// `None` for a value that is too short.
fn put_value(out: &mut String, code: u16, value: &[u8], depth: u8) -> Option<Told> {
    match code {
        1 | 2 => put_duid(out, value)?,
        3 => {
            let (id, t1, t2) = (long(value, 0)?, long(value, 4)?, long(value, 8)?);
            put!(out, " IAID:{id} T1:{t1} T2:{t2}");
            return nested(out, value.get(12..)?, depth);
        }
        5 => {
            let addr = Ipv6Addr::from(*value.first_chunk::<16>()?);
            let (preferred, valid) = (long(value, 16)?, long(value, 20)?);
            put!(out, " {addr} pltime:{preferred} vltime:{valid}");
            return nested(out, value.get(24..)?, depth);
        }
        6 => {
            for code in value.as_chunks::<2>().0 {
                put!(out, " {}", Name(u16::from_be_bytes(*code)));
            }
        }
        7 => match value {
            [preference] => put!(out, " {preference}"),
            _ => return None,
        },
        8 => match value {
            [high, low] => put!(out, " {}", u16::from_be_bytes([*high, *low])),
            _ => return None,
        },
        13 => put_status(out, word(value, 0)?),
        23 | 31 => {
            let (all, rest) = value.as_chunks::<16>();
            if all.is_empty() || !rest.is_empty() {
                return None;
            }
            for addr in all {
                put!(out, " {}", Ipv6Addr::from(*addr));
            }
        }
        24 => return put_names(out, value),
        32 => match value.first_chunk() {
            Some(seconds) if value.len() == 4 => put!(out, " {}", u32::from_be_bytes(*seconds)),
            Some(_) | None => return None,
        },
        _ => {}
    }
    Some(Told::All)
}

fn nested(out: &mut String, options: &[u8], depth: u8) -> Option<Told> {
    if depth < DEEPEST {
        put_options(out, options, depth + 1);
    }
    Some(Told::All)
}

/// RFC 8415 11.
fn put_duid(out: &mut String, value: &[u8]) -> Option<()> {
    let hex = |out: &mut String, octets: &[u8]| {
        for octet in octets {
            put!(out, "{octet:02x}");
        }
    };
    match word(value, 0)? {
        1 => {
            let (hardware, time) = (word(value, 2)?, long(value, 4)?);
            put!(out, " hwaddr/time type {hardware} time {time} ");
            hex(out, value.get(8..)?);
        }
        2 => {
            out.push_str(" vid ");
            hex(out, value.get(2..10)?);
        }
        3 => {
            put!(out, " hwaddr type {} ", word(value, 2)?);
            hex(out, value.get(4..)?);
        }
        other => put!(out, " type {other}"),
    }
    Some(())
}

fn put_status(out: &mut String, status: u16) {
    const STATUSES: [&str; 11] = [
        "Success",
        "UnspecFail",
        "NoAddrsAvail",
        "NoBinding",
        "NotOnLink",
        "UseMulticast",
        "NoPrefixAvail",
        "UnknownQueryType",
        "MalformedQuery",
        "NotConfigured",
        "NotAllowed",
    ];
    match STATUSES.get(usize::from(status)) {
        Some(name) => put!(out, " {name}"),
        None => put!(out, " code{status}"),
    }
}

/// Names as RFC 1035 3.1 writes them, without pointers.
fn put_names(out: &mut String, mut names: &[u8]) -> Option<Told> {
    while !names.is_empty() {
        out.push(' ');
        let mut first = true;
        loop {
            let Some((len, rest)) = names.split_first() else {
                return Some(Told::Half);
            };
            if *len == 0 {
                if first {
                    out.push('.');
                }
                names = rest;
                break;
            }
            first = false;
            let Some((label, rest)) = rest.split_at_checked(usize::from(*len)) else {
                return Some(Told::Half);
            };
            put_ascii(out, label);
            out.push('.');
            names = rest;
        }
    }
    Some(Told::All)
}

/// What an option is called.
struct Name(u16);

impl core::fmt::Display for Name {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self.0 {
            1 => "client-ID",
            2 => "server-ID",
            3 => "IA_NA",
            4 => "IA_TA",
            5 => "IA_ADDR",
            6 => "option-request",
            7 => "preference",
            8 => "elapsed-time",
            9 => "relay-message",
            11 => "authentication",
            12 => "server-unicast",
            13 => "status-code",
            14 => "rapid-commit",
            15 => "user-class",
            16 => "vendor-class",
            17 => "vendor-specific-info",
            18 => "interface-ID",
            19 => "reconfigure-message",
            20 => "reconfigure-accept",
            21 => "SIP-servers-domain",
            22 => "SIP-servers-address",
            23 => "DNS-server",
            24 => "DNS-search-list",
            25 => "IA_PD",
            26 => "IA_PD-prefix",
            27 => "NIS-server",
            28 => "NIS+-server",
            29 => "NIS-domain-name",
            30 => "NIS+-domain-name",
            31 => "SNTP-servers",
            32 => "lifetime",
            33 => "BCMCS-domain-name",
            34 => "BCMCS-server",
            36 => "Geoconf-Civic",
            37 => "Remote-ID",
            38 => "Subscriber-ID",
            39 => "Client-FQDN",
            41 => "POSIX-timezone",
            42 => "POSIX-tz-database",
            56 => "NTP-server",
            64 => "AFTR-Name",
            other => return write!(f, "opt_{other}"),
        })
    }
}
