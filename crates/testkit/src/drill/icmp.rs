//! ICMP errors of a script.
//!
//! Job: the numbers of both families for the kinds and codes that scripts name. Owns: the tables.
//! Does not know: which flow is meant.
//! Sources: RFC 792, RFC 1191 4, RFC 4443 3.

use super::ast::Icmp;
use super::report::Family;

/// Type, code and second word of the message; `None` for words nobody knows.
pub(super) fn numbers(icmp: &Icmp, family: Family) -> Option<((u8, u8), u32)> {
    match family {
        Family::V4 => {
            let kind = v4(icmp)?;
            Some((kind, icmp.mtu.filter(|_| kind == (3, 4)).unwrap_or(0)))
        }
        Family::V6 => {
            let kind = v6(icmp)?;
            // Written for IPv4, it means the same segment size, whose packets are 20 bytes longer here.
            let more = if icmp.kind == "packet_too_big" { 0 } else { 20 };
            let mtu = icmp.mtu.filter(|_| kind.0 == 2);
            Some((kind, mtu.map_or(0, |mtu| mtu + more)))
        }
    }
}

fn v4(icmp: &Icmp) -> Option<(u8, u8)> {
    Some(match (icmp.kind.as_str(), icmp.code.as_str()) {
        ("unreachable", code) => {
            let codes = [
                "net_unreachable",
                "host_unreachable",
                "protocol_unreachable",
                "port_unreachable",
                "frag_needed",
                "source_route_failed",
                "net_unknown",
                "host_unknown",
                "source_host_isolated",
                "net_prohibited",
                "host_prohibited",
                "net_unreachable_for_tos",
                "host_unreachable_for_tos",
                "packet_filtered",
            ];
            let at = codes.iter().position(|name| *name == code);
            (3, u8::try_from(at?).ok()?)
        }
        ("packet_too_big", _) => (3, 4),
        ("source_quench", _) => (4, 0),
        ("redirect", _) => (5, 1),
        ("time_exceeded", "frag_reassembly_exceeded" | "reassembly") => (11, 1),
        ("time_exceeded", _) => (11, 0),
        ("parameter_problem", _) => (12, 0),
        _ => return None,
    })
}

fn v6(icmp: &Icmp) -> Option<(u8, u8)> {
    Some(match (icmp.kind.as_str(), icmp.code.as_str()) {
        ("unreachable", "frag_needed") | ("packet_too_big", _) => (2, 0),
        ("unreachable", "protocol_unreachable") => (4, 1),
        (
            "unreachable",
            "admin_prohibited" | "net_prohibited" | "host_prohibited" | "packet_filtered",
        ) => (1, 1),
        ("unreachable", "port_unreachable") => (1, 4),
        ("unreachable", "host_unreachable" | "host_unknown" | "address_unreachable") => (1, 3),
        ("unreachable", _) => (1, 0),
        ("time_exceeded", "frag_reassembly_exceeded" | "reassembly") => (3, 1),
        ("time_exceeded", _) => (3, 0),
        ("parameter_problem", _) => (4, 0),
        _ => return None,
    })
}

/// What the message means to a call, if it ends a connection.
pub(super) fn errno(icmp: &Icmp) -> &'static str {
    match (icmp.kind.as_str(), icmp.code.as_str()) {
        ("unreachable", "net_unreachable" | "net_unknown" | "net_unreachable_for_tos") => {
            "ENETUNREACH"
        }
        ("unreachable", "protocol_unreachable") => "ENOPROTOOPT",
        ("unreachable", "port_unreachable") => "ECONNREFUSED",
        ("unreachable", "frag_needed") | ("packet_too_big", _) => "EMSGSIZE",
        ("parameter_problem", _) => "EPROTO",
        _ => "EHOSTUNREACH",
    }
}
