//! IPv4 and IPv6 headers.

use bytes::Bytes;

use super::{Carrier, Printer, put, should_be};
use crate::dissect::{Body, V4, V6, protocol};

impl Printer {
    pub(super) fn v4(&mut self, ip: &V4, out: &mut String) {
        out.push_str("IP ");
        let missing = ip.body.wire_len - ip.body.bytes.len();
        if missing > 0 && !self.quoting {
            put!(out, "truncated-ip - {missing} bytes missing! ");
        }
        put_v4_header(out, ip);
        out.push_str("\n    ");
        if ip.offset > 0 {
            put!(out, "{} > {}: ip-proto-{}", ip.src, ip.dst, ip.protocol);
            return;
        }
        let carrier = Carrier {
            src: ip.src.into(),
            dst: ip.dst.into(),
            fragmented: ip.flags & 1 == 1,
            named: false,
        };
        if !matches!(ip.protocol, protocol::TCP | protocol::UDP) {
            put!(out, "{} > {}: ", ip.src, ip.dst);
        }
        self.upper(ip.protocol, &ip.body, carrier, out);
    }

    pub(super) fn v6(&mut self, ip: &V6, out: &mut String) {
        out.push_str("IP6 ");
        let missing = ip.body.wire_len - ip.body.bytes.len();
        if missing > 0 && !self.quoting {
            put!(out, "truncated-ip6 - {missing} bytes missing!");
        }
        out.push('(');
        if ip.class != 0 {
            put!(out, "class 0x{:02x}, ", ip.class);
        }
        if ip.flow_label != 0 {
            put!(out, "flowlabel 0x{:05x}, ", ip.flow_label);
        }
        put!(out, "hlim {}, next-header ", ip.hop_limit);
        put!(
            out,
            "{} ({})",
            protocol_name(ip.next_header),
            ip.next_header
        );
        put!(out, " payload length: {}) ", ip.payload_len);
        let mut carrier = Carrier {
            src: ip.src.into(),
            dst: ip.dst.into(),
            fragmented: false,
            named: false,
        };
        if !matches!(ip.next_header, protocol::TCP | protocol::UDP) {
            put!(out, "{} > {}: ", ip.src, ip.dst);
            carrier.named = true;
        }
        let chain = ip.extensions();
        for (number, options) in &chain.options {
            put_extension_options(out, *number, options);
        }
        if let Some(fragment) = &chain.fragment {
            put_fragment(out, *fragment, &chain.body);
            if fragment.offset > 0 {
                return;
            }
            out.push(' ');
            carrier.fragmented = fragment.more;
        }
        self.upper(chain.protocol, &chain.body, carrier, out);
    }
}

fn put_fragment(out: &mut String, fragment: crate::dissect::Fragment, body: &Body) {
    let crate::dissect::Fragment { id, offset, .. } = fragment;
    put!(out, "frag (0x{id:08x}:{offset}|{})", body.wire_len);
}

fn put_v4_header(out: &mut String, ip: &V4) {
    put!(out, "(tos 0x{:x}", ip.tos);
    out.push_str(match ip.tos & 3 {
        0 => "",
        1 => ",ECT(1)",
        2 => ",ECT(0)",
        _ => ",CE",
    });
    if ip.ttl > 0 {
        put!(out, ", ttl {}", ip.ttl);
    }
    put!(out, ", id {}, offset {}", ip.id, ip.offset);
    let flags = match ip.flags {
        0 => "none",
        1 => "+",
        2 => "DF",
        3 => "+, DF",
        4 => "rsvd",
        5 => "+, rsvd",
        6 => "DF, rsvd",
        _ => "+, DF, rsvd",
    };
    put!(
        out,
        ", flags [{flags}], proto {} ({})",
        protocol_name(ip.protocol),
        ip.protocol
    );
    put!(out, ", length {}", ip.total_len);
    if !ip.options.is_empty() {
        out.push_str(", options (");
        put_v4_options(out, &ip.options);
        out.push(')');
    }
    if ip.residue != 0 {
        let right = should_be(ip.checksum, ip.residue);
        put!(out, ", bad cksum {:x} (->{right:x})!", ip.checksum);
    }
    out.push(')');
}

/// The options of RFC 791 by name, addresses of routes spelled out.
fn put_v4_options(out: &mut String, mut options: &[u8]) {
    let mut separator = "";
    while let Some((&kind, rest)) = options.split_first() {
        out.push_str(separator);
        separator = ",";
        let name = match kind {
            0 => "EOL",
            1 => "NOP",
            7 => "RR",
            68 => "timestamp",
            130 => "security",
            131 => "LSRR",
            137 => "SSRR",
            148 => "RA",
            _ => "",
        };
        if name.is_empty() {
            put!(out, "unknown {kind}");
        } else {
            out.push_str(name);
        }
        if kind < 2 {
            options = if kind == 0 { &[] } else { rest };
            continue;
        }
        let len = rest.first().map_or(0, |len| usize::from(*len));
        let Some(data) = len.checked_sub(2).and_then(|len| rest.get(1..=len)) else {
            put!(out, " [bad length {len}]");
            return;
        };
        if matches!(kind, 7 | 131 | 137) {
            let hops = data.get(1..).unwrap_or_default();
            for hop in hops.as_chunks::<4>().0 {
                put!(out, " {}", core::net::Ipv4Addr::from(*hop));
            }
        }
        options = options.get(len..).unwrap_or_default();
    }
}

/// Hop-by-hop and destination options.
fn put_extension_options(out: &mut String, number: u8, header: &Bytes) {
    out.push_str(if number == protocol::HOP_BY_HOP {
        "HBH "
    } else {
        "DSTOPT "
    });
    let mut options = header.get(2..).unwrap_or_default();
    while let Some((&kind, rest)) = options.split_first() {
        if kind == 0 {
            out.push_str("(pad1) ");
            options = rest;
            continue;
        }
        let Some((len, data)) = rest.split_first() else {
            return;
        };
        match kind {
            1 => out.push_str("(padn) "),
            5 => put!(
                out,
                "(rtalert: 0x{:04x}) ",
                crate::dissect::word(data, 0).unwrap_or(0)
            ),
            kind => put!(out, "(opt_type 0x{kind:02x}: len={len}) "),
        }
        options = data.get(usize::from(*len)..).unwrap_or_default();
    }
}

/// The names of protocols.
const fn protocol_name(number: u8) -> &'static str {
    match number {
        0 => "Options",
        1 => "ICMP",
        2 => "IGMP",
        4 => "IPIP",
        6 => "TCP",
        17 => "UDP",
        33 => "DCCP",
        41 => "IPv6",
        43 => "Routing",
        44 => "Fragment",
        47 => "GRE",
        50 => "ESP",
        51 => "AH",
        58 => "ICMPv6",
        89 => "OSPF",
        112 => "VRRP",
        132 => "SCTP",
        _ => "unknown",
    }
}
