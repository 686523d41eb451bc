//! A DHCPv6 message, field by field.
//!
//! Job: name every part with its place. Owns: the names. Does not know: what a part means for us.
//! Sources: RFC 8415 8, 21; RFC 3646 3, 4 (resolvers, domains); the keys are the common dissectors'.

use outcrop_base::Field;

use super::{
    CLIENT_ID, DNS, DOMAINS, IA_ADDRESS, IA_NA, INF_MAX_RT, PREFERENCE, RAPID_COMMIT, REFRESH_TIME,
    SERVER_ID, SOL_MAX_RT, STATUS,
};
use crate::show::{Kind, Name, Walk, number};

/// Options within options: an address within an association, a status within that.
const DEEPEST: u8 = 3;
/// A message from client to server or back; those of relays are not taken further apart.
const RELAYS: core::ops::RangeInclusive<u8> = 12..=13;

const REQUEST: u16 = 6;
const ELAPSED: u16 = 8;

/// What an option's value is made of.
#[derive(Clone, Copy)]
enum Shape {
    /// The same value, as often as there is room.
    Each(Name, Kind),
    /// These, then options.
    Holds(&'static [(Name, Kind, usize)]),
    /// Who somebody is.
    Duid,
    /// A number, then text.
    Status,
    /// Names as RFC 1035 writes them.
    Names,
}

const T: Kind = Kind::Number(4);
const ASSOCIATION: &[(Name, Kind, usize)] = &[
    (("dhcpv6.iaid", "IAID"), T, 4),
    (("dhcpv6.iaid.t1", "T1"), T, 4),
    (("dhcpv6.iaid.t2", "T2"), T, 4),
];
const ADDRESS: &[(Name, Kind, usize)] = &[
    (("dhcpv6.iaaddr.ip", "IPv6 address"), Kind::V6, 16),
    (("dhcpv6.iaaddr.pref_lifetime", "preferred-lifetime"), T, 4),
    (("dhcpv6.iaaddr.valid_lifetime", "valid-lifetime"), T, 4),
];

const fn each(key: &'static str, name: &'static str, kind: Kind) -> Shape {
    Shape::Each((key, name), kind)
}

/// Its name, the section that defines it, and its shape.
const fn known(code: u16) -> Option<(&'static str, &'static str, Shape)> {
    Some(match code {
        CLIENT_ID => ("Client Identifier", "RFC 8415 21.2", Shape::Duid),
        SERVER_ID => ("Server Identifier", "RFC 8415 21.3", Shape::Duid),
        IA_NA => ("IA_NA", "RFC 8415 21.4", Shape::Holds(ASSOCIATION)),
        IA_ADDRESS => ("IA Address", "RFC 8415 21.6", Shape::Holds(ADDRESS)),
        REQUEST => {
            let item = each(
                "dhcpv6.requested_option_code",
                "requested-option-code",
                Kind::Number(2),
            );
            ("Option Request", "RFC 8415 21.7", item)
        }
        PREFERENCE => {
            let value = each("dhcpv6.option_preference", "pref-value", Kind::Number(1));
            ("Preference", "RFC 8415 21.8", value)
        }
        ELAPSED => {
            let value = each("dhcpv6.elapsed_time", "elapsed-time", Kind::Number(2));
            ("Elapsed Time", "RFC 8415 21.9", value)
        }
        STATUS => ("Status Code", "RFC 8415 21.13", Shape::Status),
        RAPID_COMMIT => ("Rapid Commit", "RFC 8415 21.14", Shape::Holds(&[])),
        DNS => {
            let server = each("dhcpv6.dns_server", "DNS-recursive-name-server", Kind::V6);
            ("DNS Recursive Name Server", "RFC 3646 3", server)
        }
        DOMAINS => ("Domain Search List", "RFC 3646 4", Shape::Names),
        REFRESH_TIME => {
            let value = each("dhcpv6.lifetime", "information-refresh-time", T);
            ("Information Refresh Time", "RFC 8415 21.23", value)
        }
        SOL_MAX_RT => {
            let value = each("dhcpv6.option.value", "SOL_MAX_RT value", T);
            ("SOL_MAX_RT", "RFC 8415 21.24", value)
        }
        INF_MAX_RT => {
            let value = each("dhcpv6.option.value", "INF_MAX_RT value", T);
            ("INF_MAX_RT", "RFC 8415 21.25", value)
        }
        _ => return None,
    })
}

/// The name of an option, if it has one here.
#[must_use]
pub const fn option_name(code: u16) -> Option<&'static str> {
    match known(code) {
        Some((name, ..)) => Some(name),
        None => None,
    }
}

/// Shows a message: its type and number, then each option with what it holds. Where an option runs over the end of
/// what holds it, what is there of it is shown.
pub fn fields<'a>(bytes: &'a [u8], visit: &mut dyn FnMut(Field<'a>)) {
    let mut walk = Walk::new(bytes, visit, "RFC 8415 8");
    walk.show(("dhcpv6.msgtype", "msg-type"), Kind::Number(1), 1);
    if bytes.first().is_some_and(|kind| RELAYS.contains(kind)) {
        return;
    }
    walk.show(("dhcpv6.xid", "transaction-id"), Kind::Number(3), 3);
    options(&mut walk, bytes.len(), 0);
}

fn options(walk: &mut Walk<'_, '_>, end: usize, depth: u8) {
    while !walk.left(end).is_empty() {
        option(walk, end, depth);
    }
}

fn option(walk: &mut Walk<'_, '_>, end: usize, depth: u8) {
    let Some((head, _)) = walk.left(end).split_first_chunk::<4>() else {
        walk.source = "RFC 8415 21.1";
        walk.each(("dhcpv6.option.type", "half an option"), Kind::Bytes, end);
        return;
    };
    let [c1, c2, l1, l2] = *head;
    let found = known(u16::from_be_bytes([c1, c2]));
    let (name, source, shape) = found.unwrap_or((
        "Option",
        "RFC 8415 21.1",
        each("dhcpv6.option.value", "option-data", Kind::Bytes),
    ));
    walk.source = source;
    walk.show(("dhcpv6.option.type", name), Kind::Number(2), 2);
    walk.show(("dhcpv6.option.length", "option-len"), Kind::Number(2), 2);
    let len = usize::from(u16::from_be_bytes([l1, l2]));
    let end = end.min(walk.at + len);
    match shape {
        Shape::Each(name, kind) => walk.each(name, kind, end),
        Shape::Holds(parts) if depth < DEEPEST => {
            for (name, kind, len) in parts {
                let room = walk.left(end).len();
                walk.show(*name, *kind, (*len).min(room));
            }
            options(walk, end, depth + 1);
        }
        Shape::Holds(_) => walk.each(("dhcpv6.option.value", name), Kind::Bytes, end),
        Shape::Duid => duid(walk, end),
        Shape::Status => {
            let room = walk.left(end).len();
            walk.show(
                ("dhcpv6.status_code", "status-code"),
                Kind::Number(2),
                room.min(2),
            );
            walk.each(("dhcpv6.status_msg", "status-message"), Kind::Text, end);
        }
        Shape::Names => names(walk, end),
    }
}

/// RFC 8415 11: of a link-layer address, with a time or without; anything else is octets.
fn duid(walk: &mut Walk<'_, '_>, end: usize) {
    let kind = walk.left(end).get(..2).map(number);
    let room = walk.left(end).len();
    walk.show(
        ("dhcpv6.duid.type", "DUID type"),
        Kind::Number(2),
        room.min(2),
    );
    let (head, address): (&[(Name, Kind, usize)], Name) = match kind {
        Some(1) => (
            &[
                (
                    ("dhcpv6.duidllt.hwtype", "hardware type"),
                    Kind::Number(2),
                    2,
                ),
                (("dhcpv6.duidllt.time", "time"), T, 4),
            ],
            ("dhcpv6.duidllt.link_layer_addr", "link-layer address"),
        ),
        Some(3) => (
            &[(
                ("dhcpv6.duidll.hwtype", "hardware type"),
                Kind::Number(2),
                2,
            )],
            ("dhcpv6.duidll.link_layer_addr", "link-layer address"),
        ),
        Some(_) | None => (&[], ("dhcpv6.duid.bytes", "identifier")),
    };
    for (name, kind, len) in head {
        let room = walk.left(end).len();
        walk.show(*name, *kind, (*len).min(room));
    }
    walk.each(address, Kind::Mac, end);
}

/// One field a name, from its first label to its empty one.
fn names(walk: &mut Walk<'_, '_>, end: usize) {
    while !walk.left(end).is_empty() {
        let left = walk.left(end);
        let mut len = 0;
        while let Some(label) = left.get(len) {
            len += 1 + usize::from(*label);
            if *label == 0 {
                break;
            }
        }
        let len = len.min(left.len());
        walk.show(("dhcpv6.search_list_entry", "searchlist"), Kind::Bytes, len);
    }
}
