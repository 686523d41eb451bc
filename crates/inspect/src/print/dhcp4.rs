//! DHCP for IPv4, and BOOTP below it.
//!
//! Sources: RFC 951 3, RFC 2131 2, RFC 2132, RFC 3442; the short names of options are tcpdump's.

use core::net::Ipv4Addr;

use super::{put, put_ascii};
use crate::dissect::{Mac, long, word};

/// Either of these is DHCP.
pub(super) const PORTS: [u16; 2] = [67, 68];

const COOKIE: u32 = 0x6382_5363;
const PAD: u8 = 0;
const END: u8 = 255;
/// Names in a list of options asked for, a line.
const A_LINE: usize = 4;

/// How a value is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Addresses,
    Pairs,
    Longs,
    Shorts,
    Octets,
    Flags,
    Text,
    Kind,
    Codes,
    Routes,
    Client,
    Overload,
}

/// A message; `None` where it ends too early.
pub(super) fn put_message(out: &mut String, bytes: &[u8], len: usize) -> Option<()> {
    match *bytes.first()? {
        1 => out.push_str("BOOTP/DHCP, Request"),
        2 => out.push_str("BOOTP/DHCP, Reply"),
        op => put!(out, "BOOTP/DHCP, unknown (0x{op:02x})"),
    }
    let (hardware, hardware_len) = (*bytes.get(1)?, *bytes.get(2)?);
    let mac = if (hardware, hardware_len) == (1, 6) {
        bytes.get(28..).and_then(<[u8]>::first_chunk::<6>)
    } else {
        None
    };
    if (hardware, hardware_len, bytes.first()) == (1, 6, Some(&1)) {
        put!(out, " from {}", Mac(*mac?));
    }
    put!(out, ", length {len}");
    let (secs, xid) = (word(bytes, 8)?, long(bytes, 4)?);
    if hardware != 1 {
        put!(out, ", htype {hardware}");
    }
    if hardware_len != 6 {
        put!(out, ", hlen {hardware_len}");
    }
    match *bytes.get(3)? {
        0 => {}
        hops => put!(out, ", hops {hops}"),
    }
    if xid != 0 {
        put!(out, ", xid 0x{xid:x}");
    }
    if secs != 0 {
        put!(out, ", secs {secs}");
    }
    let flags = word(bytes, 10)?;
    let name = if flags & 0x8000 == 0 {
        "none"
    } else {
        "Broadcast"
    };
    put!(out, ", Flags [{name}] (0x{flags:04x})");
    for (at, name) in [
        (12, "Client"),
        (16, "Your"),
        (20, "Server"),
        (24, "Gateway"),
    ] {
        match long(bytes, at)? {
            0 => {}
            addr => put!(out, "\n\t  {name}-IP {}", Ipv4Addr::from_bits(addr)),
        }
    }
    if let Some(mac) = mac {
        put!(out, "\n\t  Client-Ethernet-Address {}", Mac(*mac));
    }
    for (place, name) in [(44..108, "sname"), (108..236, "file")] {
        let field = bytes.get(place.start..bytes.len().min(place.end))?;
        if *field.first()? != 0 {
            let end = field.iter().position(|octet| *octet == 0);
            put!(out, "\n\t  {name} ");
            put_quoted(out, field.get(..end.unwrap_or(field.len()))?);
            if end.is_none() && field.len() < place.len() {
                return None;
            }
        }
    }
    match long(bytes, 236)? {
        COOKIE => put_options(out, bytes.get(240..)?),
        0 => Some(()),
        other => {
            put!(out, "\n\t  Vendor-#0x{other:x}");
            Some(())
        }
    }
}

fn put_options(out: &mut String, mut options: &[u8]) -> Option<()> {
    put!(out, "\n\t  Vendor-rfc1048 Extensions");
    put!(out, "\n\t    Magic Cookie 0x{COOKIE:08x}");
    while let Some((code, rest)) = options.split_first() {
        options = rest;
        if *code == END {
            break;
        }
        if *code != PAD {
            let (len, rest) = options.split_first()?;
            let (name, form) = option(*code);
            let colon = if *len > 0 { ": " } else { "" };
            put!(out, "\n\t    {name} ({code}), length {len}{colon}");
            let (value, rest) = rest.split_at_checked(usize::from(*len))?;
            put_value(out, value, form.unwrap_or_else(|| by_length(value)));
            options = rest;
        }
    }
    Some(())
}

/// How to write what nobody knows.
const fn by_length(value: &[u8]) -> Form {
    match value.len() % 4 {
        0 => Form::Longs,
        2 => Form::Shorts,
        _ => Form::Octets,
    }
}

fn put_value(out: &mut String, value: &[u8], form: Form) {
    let address = |octets: &[u8; 4]| Ipv4Addr::from(*octets).to_string();
    let (list, rest): (Vec<String>, &[u8]) = match form {
        Form::Addresses => {
            let (all, rest) = value.as_chunks::<4>();
            (all.iter().map(address).collect(), rest)
        }
        Form::Pairs => {
            let (all, rest) = value.as_chunks::<8>();
            let half = |octets: &[u8]| octets.first_chunk().map_or_else(String::new, address);
            let pair = |octets: &[u8; 8]| {
                let (from, to) = octets.split_at(4);
                format!("({}:{})", half(from), half(to))
            };
            (all.iter().map(pair).collect(), rest)
        }
        Form::Longs => {
            let (all, rest) = value.as_chunks::<4>();
            let number = |octets: &[u8; 4]| u32::from_be_bytes(*octets).to_string();
            (all.iter().map(number).collect(), rest)
        }
        Form::Shorts => {
            let (all, rest) = value.as_chunks::<2>();
            let number = |octets: &[u8; 2]| u16::from_be_bytes(*octets).to_string();
            (all.iter().map(number).collect(), rest)
        }
        Form::Flags => {
            let flag = |octet: &u8| match octet {
                0 => "N".to_owned(),
                1 => "Y".to_owned(),
                other => format!("{other}?"),
            };
            (value.iter().map(flag).collect(), &[])
        }
        Form::Kind => return put_kind(out, value),
        Form::Octets => return put_octets(out, value),
        Form::Text => return put_quoted(out, value),
        Form::Codes => return put_codes(out, value),
        Form::Routes => return put_routes(out, value),
        Form::Client => return put_client(out, value),
        Form::Overload => return put_overload(out, value),
    };
    out.push_str(&list.join(","));
    if !rest.is_empty() {
        put!(out, "\n\t  trailing data length {}", rest.len());
    }
}

fn put_quoted(out: &mut String, text: &[u8]) {
    out.push('"');
    put_ascii(out, text);
    out.push('"');
}

fn put_octets(out: &mut String, value: &[u8]) {
    let octets: Vec<_> = value.iter().map(ToString::to_string).collect();
    out.push_str(&octets.join("."));
}

/// RFC 2132 9.6.
fn put_kind(out: &mut String, value: &[u8]) {
    const KINDS: [&str; 8] = [
        "Discover", "Offer", "Request", "Decline", "ACK", "NACK", "Release", "Inform",
    ];
    let [kind] = value else {
        return put_octets(out, value);
    };
    let name = usize::from(*kind)
        .checked_sub(1)
        .and_then(|at| KINDS.get(at));
    match name {
        Some(name) => out.push_str(name),
        None => put!(out, "Unknown ({kind})"),
    }
}

/// The options asked for.
fn put_codes(out: &mut String, codes: &[u8]) {
    for line in codes.chunks(A_LINE) {
        let names: Vec<_> = line
            .iter()
            .map(|code| format!("{} ({code})", option(*code).0))
            .collect();
        put!(out, "\n\t      {}", names.join(", "));
    }
}

fn put_overload(out: &mut String, value: &[u8]) {
    let Some((how, rest)) = value.split_first() else {
        return out.push_str("[ERROR: length < 1 bytes]");
    };
    match how {
        1 => out.push_str("file"),
        2 => out.push_str("sname"),
        3 => out.push_str("file+sname"),
        other => put!(out, "#{other}"),
    }
    if !rest.is_empty() {
        put!(out, "\n\t  trailing data length {}", rest.len());
    }
}

/// RFC 2132 9.14: a hardware address behind its type, or a name behind a zero.
fn put_client(out: &mut String, value: &[u8]) {
    let Some((kind, rest)) = value.split_first() else {
        return out.push_str("[ERROR: length < 1 bytes]");
    };
    match kind {
        0 => return put_quoted(out, rest),
        1 => out.push_str("ether"),
        6 => out.push_str("ieee802"),
        other => put!(out, "hardware-type {other},"),
    }
    for (n, octet) in rest.iter().enumerate() {
        put!(out, "{}{octet:02x}", if n == 0 { ' ' } else { ':' });
    }
}

/// RFC 3442: a prefix of as many octets as it needs, and its router.
fn put_routes(out: &mut String, mut value: &[u8]) {
    if value.len() < 5 {
        return out.push_str("[ERROR: length < 5 bytes]");
    }
    let mut comma = "";
    while let Some((width, rest)) = value.split_first() {
        out.push_str(comma);
        comma = ",";
        if *width > 32 {
            return put!(out, "[ERROR: Mask width ({width}) > 32]");
        }
        let count = usize::from(width.div_ceil(8));
        let parts = rest.split_at_checked(count + 4);
        let Some((parts, after)) = parts else {
            let (left, least) = (rest.len(), count + 4);
            return put!(out, "[ERROR: Remaining length ({left}) < {least} bytes]");
        };
        value = after;
        let mut network = [0; 4];
        for (to, from) in network.iter_mut().zip(parts.iter().take(count)) {
            *to = *from;
        }
        let router = Ipv4Addr::from_bits(long(parts, count).unwrap_or(0));
        match width {
            0 => put!(out, "(default:{router})"),
            width => put!(out, "({}/{width}:{router})", Ipv4Addr::from(network)),
        }
    }
}

/// What an option is called, and how its value is written.
const fn option(code: u8) -> (&'static str, Option<Form>) {
    use Form::{
        Addresses, Client, Codes, Flags, Kind, Longs, Octets, Overload, Pairs, Routes, Shorts, Text,
    };
    let (name, form) = match code {
        0 => ("PAD", Octets),
        1 => ("Subnet-Mask", Addresses),
        2 => ("Time-Zone", Longs),
        3 => ("Default-Gateway", Addresses),
        4 => ("Time-Server", Addresses),
        5 => ("IEN-Name-Server", Addresses),
        6 => ("Domain-Name-Server", Addresses),
        7 => ("LOG", Addresses),
        8 => ("CS", Addresses),
        9 => ("LPR-Server", Addresses),
        10 => ("IM", Addresses),
        11 => ("RL", Addresses),
        12 => ("Hostname", Text),
        13 => ("BS", Shorts),
        14 => ("DP", Text),
        15 => ("Domain-Name", Text),
        16 => ("SS", Addresses),
        17 => ("RP", Text),
        18 => ("EP", Text),
        19 => ("IPF", Flags),
        20 => ("SRT", Flags),
        21 => ("PF", Pairs),
        22 => ("RSZ", Shorts),
        23 => ("TTL", Octets),
        24 => ("MTU-Timeout", Longs),
        25 => ("MTU-Table", Shorts),
        26 => ("MTU", Shorts),
        27 => ("LSN", Flags),
        28 => ("BR", Addresses),
        29 => ("MD", Flags),
        30 => ("MS", Flags),
        31 => ("Router-Discovery", Flags),
        32 => ("RSA", Addresses),
        33 => ("Static-Route", Pairs),
        34 => ("UT", Flags),
        35 => ("AT", Longs),
        36 => ("IE", Flags),
        37 => ("TT", Octets),
        38 => ("KI", Longs),
        39 => ("KG", Flags),
        40 => ("YD", Text),
        41 => ("YS", Addresses),
        42 => ("NTP", Addresses),
        43 => ("Vendor-Option", Octets),
        44 => ("Netbios-Name-Server", Addresses),
        45 => ("WDD", Addresses),
        47 => ("Netbios-Scope", Text),
        48 => ("XFS", Addresses),
        49 => ("XDM", Addresses),
        50 => ("Requested-IP", Addresses),
        51 => ("Lease-Time", Longs),
        52 => ("OO", Overload),
        53 => ("DHCP-Message", Kind),
        54 => ("Server-ID", Addresses),
        55 => ("Parameter-Request", Codes),
        56 => ("MSG", Text),
        57 => ("MSZ", Shorts),
        58 => ("RN", Longs),
        59 => ("RB", Longs),
        60 => ("Vendor-Class", Text),
        61 => ("Client-ID", Client),
        66 => ("TFTP", Text),
        67 => ("BF", Text),
        80 => ("SLP-NA", Text),
        93 => ("ARCH", Shorts),
        94 => ("NDI", Octets),
        95 => ("LDAP", Text),
        97 => ("GUID", Octets),
        100 => ("POSIX-TZ", Text),
        101 => ("TZ-Name", Text),
        114 => ("URL", Text),
        116 => ("NOAUTO", Flags),
        118 => ("SUBNET", Addresses),
        121 => ("Classless-Static-Route", Routes),
        150 => ("TFTP-Server-Address", Addresses),
        249 => ("Classless-Static-Route-Microsoft", Routes),
        _ => return ("Unknown", None),
    };
    (name, Some(form))
}
