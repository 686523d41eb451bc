//! UDP datagrams.

use super::{Carrier, dhcp4, dhcp6, put, should_be};
use crate::dissect::{Body, Udp, Upper, protocol};

pub(super) fn put_udp(out: &mut String, body: &Body, carrier: Carrier) {
    let udp = match Upper::of(protocol::UDP, body) {
        Upper::Udp(udp) => udp,
        Upper::BadUdp(fault) => {
            carrier.put_ends(out, fault.ports);
            match (fault.ports, fault.bad_len) {
                (Some(_), Some(len)) => put!(out, ": truncated-udplength {len}"),
                (Some(_), None) if fault.len < 8 => put!(out, ": truncated-udp {}", fault.len),
                (_, _) => out.push_str(":  [|udp]"),
            }
            return;
        }
        Upper::Tcp(_)
        | Upper::BadTcp(_)
        | Upper::Icmp { .. }
        | Upper::Fragment { .. }
        | Upper::Other { .. }
        | Upper::None => return,
    };
    carrier.put_ends(out, Some((udp.src_port, udp.dst_port)));
    out.push_str(": ");
    // The sum covers what the datagram says it is, if that is here.
    let stated = usize::from(udp.len).min(body.wire_len);
    let covered = Body {
        bytes: body.bytes.slice(..stated.min(body.bytes.len())),
        wire_len: stated,
    };
    if udp.checksum == 0 && carrier.src.is_ipv4() {
        if !carrier.fragmented {
            out.push_str("[no cksum] ");
        }
    } else if let Some(residue) = carrier.residue(protocol::UDP, &covered) {
        let (found, right) = (udp.checksum, should_be(udp.checksum, residue));
        match residue {
            0 => out.push_str("[udp sum ok] "),
            _ => put!(out, "[bad udp cksum 0x{found:04x} -> 0x{right:04x}!] "),
        }
    }
    if put_above(out, &udp, stated).is_some() {
        return;
    }
    let (stated, actual) = (usize::from(udp.len) - 8, udp.payload.wire_len);
    if stated > actual && !carrier.fragmented {
        put!(out, "UDP, bad length {stated} > {actual}");
    } else {
        put!(out, "UDP, length {stated}");
    }
}

/// What is known by its port; `None` for other datagrams.
fn put_above(out: &mut String, udp: &Udp, stated: usize) -> Option<()> {
    let on = |ports: [u16; 2]| ports.contains(&udp.src_port) || ports.contains(&udp.dst_port);
    let len = stated.saturating_sub(8);
    let data = udp.payload.bytes.get(..len.min(udp.payload.bytes.len()))?;
    let (done, ended) = if on(dhcp4::PORTS) {
        (dhcp4::put_message(out, data, len), " [|bootp]")
    } else if on(dhcp6::PORTS) {
        (dhcp6::put_message(out, data), dhcp6::ENDED)
    } else {
        return None;
    };
    if done.is_none() {
        out.push_str(ended);
    }
    Some(())
}
