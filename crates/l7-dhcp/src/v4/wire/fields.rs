//! A DHCPv4 message, field by field.
//!
//! Job: name every part with its place. Owns: the names. Does not know: what a part means for us.
//! Sources: RFC 2131 2 (the fixed part), RFC 2132, 3442, 4039 (options); the keys are the common dissectors'.

use outcrop_base::Field;

use super::{COOKIE, END, PAD};
use crate::show::{Kind, Name, Walk};

/// The fixed part: octets, and what they are.
const HEAD: [(Name, Kind, usize); 13] = [
    (("dhcp.type", "op"), Kind::Number(1), 1),
    (("dhcp.hw.type", "htype"), Kind::Number(1), 1),
    (("dhcp.hw.len", "hlen"), Kind::Number(1), 1),
    (("dhcp.hops", "hops"), Kind::Number(1), 1),
    (("dhcp.id", "xid"), Kind::Number(4), 4),
    (("dhcp.secs", "secs"), Kind::Number(2), 2),
    (("dhcp.flags", "flags"), Kind::Number(2), 2),
    (("dhcp.ip.client", "ciaddr"), Kind::V4, 4),
    (("dhcp.ip.your", "yiaddr"), Kind::V4, 4),
    (("dhcp.ip.server", "siaddr"), Kind::V4, 4),
    (("dhcp.ip.relay", "giaddr"), Kind::V4, 4),
    (("dhcp.hw.mac_addr", "chaddr"), Kind::Mac, 6),
    (
        ("dhcp.hw.addr_padding", "chaddr, the rest"),
        Kind::Bytes,
        10,
    ),
];
/// Behind them.
const NAMES: [(Name, usize); 2] = [(("dhcp.server", "sname"), 64), (("dhcp.file", "file"), 128)];

const LENGTH: Name = ("dhcp.option.length", "Length");
const VALUE: &str = "dhcp.option.value";

/// An option: its number, its name, where that stands, and how its value is called and read.
struct Known(u8, &'static str, &'static str, (&'static str, Kind));

const SECONDS: Kind = Kind::Number(4);

/// What is known by name; others are shown as octets.
const OPTIONS: &[Known] = &[
    Known(
        1,
        "Subnet Mask",
        "RFC 2132 3.3",
        ("dhcp.option.subnet_mask", Kind::V4),
    ),
    Known(
        3,
        "Router",
        "RFC 2132 3.5",
        ("dhcp.option.router", Kind::V4),
    ),
    Known(
        6,
        "Domain Name Server",
        "RFC 2132 3.8",
        ("dhcp.option.domain_name_server", Kind::V4),
    ),
    Known(
        12,
        "Host Name",
        "RFC 2132 3.14",
        ("dhcp.option.hostname", Kind::Text),
    ),
    Known(
        15,
        "Domain Name",
        "RFC 2132 3.17",
        ("dhcp.option.domain_name", Kind::Text),
    ),
    Known(
        26,
        "Interface MTU",
        "RFC 2132 5.1",
        ("dhcp.option.interface_mtu", Kind::Number(2)),
    ),
    Known(
        28,
        "Broadcast Address",
        "RFC 2132 5.3",
        ("dhcp.option.broadcast_address", Kind::V4),
    ),
    Known(
        50,
        "Requested IP Address",
        "RFC 2132 9.1",
        ("dhcp.option.requested_ip_address", Kind::V4),
    ),
    Known(
        51,
        "IP Address Lease Time",
        "RFC 2132 9.2",
        ("dhcp.option.ip_address_lease_time", SECONDS),
    ),
    Known(
        52,
        "Option Overload",
        "RFC 2132 9.3",
        ("dhcp.option.option_overload", Kind::Number(1)),
    ),
    Known(
        53,
        "DHCP Message Type",
        "RFC 2132 9.6",
        ("dhcp.option.dhcp", Kind::Number(1)),
    ),
    Known(
        54,
        "Server Identifier",
        "RFC 2132 9.7",
        ("dhcp.option.dhcp_server_id", Kind::V4),
    ),
    Known(
        55,
        "Parameter Request List",
        "RFC 2132 9.8",
        ("dhcp.option.request_list_item", Kind::Number(1)),
    ),
    Known(
        56,
        "Message",
        "RFC 2132 9.9",
        ("dhcp.option.message", Kind::Text),
    ),
    Known(
        57,
        "Maximum DHCP Message Size",
        "RFC 2132 9.10",
        ("dhcp.option.dhcp_max_message_size", Kind::Number(2)),
    ),
    Known(
        58,
        "Renewal (T1) Time Value",
        "RFC 2132 9.11",
        ("dhcp.option.renewal_time_value", SECONDS),
    ),
    Known(
        59,
        "Rebinding (T2) Time Value",
        "RFC 2132 9.12",
        ("dhcp.option.rebinding_time_value", SECONDS),
    ),
    Known(
        60,
        "Vendor Class Identifier",
        "RFC 2132 9.13",
        ("dhcp.option.vendor_class_id", Kind::Text),
    ),
    Known(
        61,
        "Client-identifier",
        "RFC 2132 9.14",
        (VALUE, Kind::Bytes),
    ),
    Known(80, "Rapid Commit", "RFC 4039 4", (VALUE, Kind::Bytes)),
    Known(
        121,
        "Classless Static Route",
        "RFC 3442",
        (VALUE, Kind::Bytes),
    ),
];

/// The name of an option, if it has one here.
#[must_use]
pub fn option_name(code: u8) -> Option<&'static str> {
    let known = OPTIONS.iter().find(|known| known.0 == code)?;
    Some(known.1)
}

/// Shows a message: the fixed part, then each option with its number, its length and its values. Where an option runs
/// over the end, what is there of it is shown, and nothing behind.
pub fn fields<'a>(bytes: &'a [u8], visit: &mut dyn FnMut(Field<'a>)) {
    let mut walk = Walk::new(bytes, visit, "RFC 2131 2");
    for (name, kind, len) in HEAD {
        walk.show(name, kind, len);
    }
    for (name, len) in NAMES {
        walk.show(name, Kind::Bytes, len);
    }
    if walk.left(bytes.len()).starts_with(&COOKIE) {
        walk.source = "RFC 2131 3";
        walk.show(("dhcp.cookie", "magic cookie"), Kind::V4, COOKIE.len());
        while walk.at < bytes.len() {
            option(&mut walk, bytes);
        }
    }
}

fn option(walk: &mut Walk<'_, '_>, bytes: &[u8]) {
    let code = bytes.get(walk.at).copied().unwrap_or(END);
    if code == END {
        walk.source = "RFC 2132 3.2";
        walk.show(("dhcp.option.end", "End"), Kind::Number(1), 1);
    }
    if code == END || code == PAD {
        walk.source = "RFC 2132 3.1";
        let pads = walk.left(bytes.len()).iter();
        let run = pads.take_while(|octet| **octet == PAD).count();
        // Behind the end there is nothing but padding.
        let rest = if code == END {
            bytes.len() - walk.at
        } else {
            run
        };
        walk.show(("dhcp.option.padding", "Pad"), Kind::Bytes, rest);
        return;
    }
    let known = OPTIONS.iter().find(|known| known.0 == code);
    let (name, value) = known.map_or(("Option", (VALUE, Kind::Bytes)), |known| (known.1, known.3));
    walk.source = known.map_or("RFC 2132 2", |known| known.2);
    walk.show(("dhcp.option.type", name), Kind::Number(1), 1);
    let len = bytes.get(walk.at).copied().unwrap_or_default();
    walk.show(LENGTH, Kind::Number(1), 1);
    let end = bytes.len().min(walk.at + usize::from(len));
    walk.each((value.0, name), value.1, end);
}
