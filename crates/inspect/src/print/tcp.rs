//! TCP segments.

use core::net::IpAddr;

use super::{Carrier, Printer, http, put, put_ascii, should_be};
use crate::dissect::{Body, Flags, Tcp, TcpFault, TcpOption, Upper, protocol};

/// Both ends of a connection, the one with the lower port (then address) first.
pub(super) type Key = (IpAddr, u16, IpAddr, u16);

/// The numbers that relative ones are relative to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Base {
    /// Sequence number of the first end of the key.
    seq: u32,
    /// Sequence number of the second.
    ack: u32,
}

/// Sequence and acknowledgment number as shown, and what SACK edges are relative to.
struct Shown {
    seq: u32,
    ack: u32,
    edges: u32,
}

impl Printer {
    pub(super) fn tcp(&mut self, body: &Body, carrier: Carrier, out: &mut String) {
        let tcp = match Upper::of(protocol::TCP, body) {
            Upper::Tcp(tcp) => tcp,
            Upper::BadTcp(fault) => return put_fault(out, carrier, fault),
            Upper::Udp(_)
            | Upper::BadUdp(_)
            | Upper::Icmp { .. }
            | Upper::Fragment { .. }
            | Upper::Other { .. }
            | Upper::None => return,
        };
        carrier.put_ends(out, Some((tcp.src_port, tcp.dst_port)));
        put!(out, ": ");
        put_flags(out, tcp.flags);
        if let Some(residue) = carrier.residue(protocol::TCP, body) {
            put!(out, ", cksum 0x{:04x}", tcp.checksum);
            match residue {
                0 => out.push_str(" (correct)"),
                _ => put!(
                    out,
                    " (incorrect -> 0x{:04x})",
                    should_be(tcp.checksum, residue)
                ),
            }
        }
        let shown = self.relative(&tcp, carrier);
        put!(out, ", seq {}", shown.seq);
        let len = tcp.payload.wire_len;
        if len > 0 {
            let end = u32::try_from(len).unwrap_or(0);
            put!(out, ":{}", shown.seq.wrapping_add(end));
        }
        if tcp.flags.has(Flags::ACK) {
            put!(out, ", ack {}", shown.ack);
        }
        put!(out, ", win {}", tcp.window);
        if tcp.flags.has(Flags::URG) {
            put!(out, ", urg {}", tcp.urgent);
        }
        if !tcp.options.is_empty() && !put_options(out, &tcp, shown.edges) {
            return;
        }
        put!(out, ", length {len}");
        if len == 0 {
            return;
        }
        if tcp.flags.has(Flags::RST) {
            put_reset_text(out, &tcp.payload);
        } else if http::is_http_port(tcp.src_port) || http::is_http_port(tcp.dst_port) {
            http::put_http(out, &tcp.payload.bytes, len);
        }
    }

    /// Numbers relative to the first segment with an ACK, which itself is shown as it is.
    fn relative(&mut self, tcp: &Tcp, carrier: Carrier) -> Shown {
        let (seq, ack) = (tcp.seq, tcp.ack);
        if !tcp.flags.has(Flags::ACK) {
            return Shown { seq, ack, edges: 0 };
        }
        let (src, dst) = ((carrier.src, tcp.src_port), (carrier.dst, tcp.dst_port));
        let reverse = (src.1, src.0) > (dst.1, dst.0);
        let key = match reverse {
            true => (dst.0, dst.1, src.0, src.1),
            false => (src.0, src.1, dst.0, dst.1),
        };
        let known = self.flows.get(&key).filter(|_| !tcp.flags.has(Flags::SYN));
        let Some(base) = known.copied() else {
            let before = ack.wrapping_sub(1);
            let (seq0, ack0) = if reverse {
                (before, seq)
            } else {
                (seq, before)
            };
            self.flows.insert(
                key,
                Base {
                    seq: seq0,
                    ack: ack0,
                },
            );
            let edges = if reverse { seq0 } else { ack0 };
            return Shown { seq, ack, edges };
        };
        let (own, other) = match reverse {
            true => (base.ack, base.seq),
            false => (base.seq, base.ack),
        };
        Shown {
            seq: seq.wrapping_sub(own),
            ack: ack.wrapping_sub(other),
            edges: other,
        }
    }
}

fn put_fault(out: &mut String, carrier: Carrier, fault: TcpFault) {
    carrier.put_ends(out, fault.ports);
    match (fault.ports, fault.header_len) {
        (None, _) => out.push_str(": [|tcp]"),
        (Some(_), None) => out.push_str(":  [|tcp]"),
        (Some(_), Some(len)) if len < 20 => {
            let rest = fault.len.saturating_sub(len);
            put!(
                out,
                ":  tcp {rest} [bad hdr length {len} - too short, < 20]"
            );
        }
        (Some(_), Some(len)) => {
            put!(out, ": ");
            put_flags(out, fault.flags);
            put!(out, " [bad hdr length {len} - too long, > {}]", fault.len);
        }
    }
}

/// `Flags [S.]`.
fn put_flags(out: &mut String, flags: Flags) {
    out.push_str("Flags [");
    for (bit, letter) in [
        (Flags::FIN, 'F'),
        (Flags::SYN, 'S'),
        (Flags::RST, 'R'),
        (Flags::PSH, 'P'),
        (Flags::ACK, '.'),
        (Flags::URG, 'U'),
        (Flags::ECE, 'E'),
        (Flags::CWR, 'W'),
    ] {
        if flags.has(bit) {
            out.push(letter);
        }
    }
    if flags.0 == 0 {
        out.push_str("none");
    }
    out.push(']');
}

/// `, options [mss 1460,nop,wscale 7]`; false if the list is broken, which ends the line.
fn put_options(out: &mut String, tcp: &Tcp, edges: u32) -> bool {
    out.push_str(", options [");
    let mut separator = "";
    for option in tcp.options() {
        out.push_str(separator);
        separator = ",";
        match option {
            Ok(option) => put_option(out, option, edges),
            Err(_bad) => {
                out.push_str("[bad opt]");
                return false;
            }
        }
    }
    out.push(']');
    true
}

fn put_option_name(out: &mut String, kind: u8) {
    let name = match kind {
        TcpOption::END => "eol",
        TcpOption::NOP => "nop",
        TcpOption::MSS => "mss",
        TcpOption::WINDOW_SCALE => "wscale",
        TcpOption::SACK_PERMITTED => "sackOK",
        TcpOption::SACK => "sack",
        6 => "echo",
        7 => "echoreply",
        TcpOption::TIMESTAMPS => "TS",
        19 => "md5",
        28 => "uto",
        29 => "tcp-ao",
        30 => "mptcp",
        34 => "tfo",
        _ => return put!(out, "unknown-{kind}"),
    };
    out.push_str(name);
}

fn put_option(out: &mut String, option: TcpOption<'_>, edges: u32) {
    put_option_name(out, option.kind);
    let data = option.data;
    let (word, long) = (crate::dissect::word(data, 0), crate::dissect::long(data, 0));
    match (option.kind, data.len()) {
        (TcpOption::END | TcpOption::NOP | TcpOption::SACK_PERMITTED, 0) => {}
        (TcpOption::MSS, 2) => put!(out, " {}", word.unwrap_or(0)),
        (TcpOption::WINDOW_SCALE, 1) => put!(out, " {}", data.first().unwrap_or(&0)),
        (TcpOption::TIMESTAMPS, 8) => {
            let echo = crate::dissect::long(data, 4).unwrap_or(0);
            put!(out, " val {} ecr {echo}", long.unwrap_or(0));
        }
        (TcpOption::SACK, len) if len % 8 != 0 => out.push_str(" invalid sack"),
        (TcpOption::SACK, len) => {
            put!(out, " {} ", len / 8);
            for block in option.sack_blocks() {
                let left = block.left.wrapping_sub(edges);
                let right = block.right.wrapping_sub(edges);
                put!(out, "{{{left}:{right}}}");
            }
        }
        (28, 2) => {
            // Shown as tcpdump does, which takes the lowest bit for the granularity.
            let word = word.unwrap_or(0);
            let unit = if word & 1 == 0 { 1 } else { 60 };
            put!(out, " 0x{word:x} {}", u32::from(word >> 1) * unit);
        }
        (34, 0) => out.push_str("  cookiereq"),
        (34, _) => {
            out.push_str("  cookie ");
            put_hex(out, data);
        }
        (_, 0) => {}
        (_, _) => {
            out.push_str(" 0x");
            put_hex(out, data);
        }
    }
}

fn put_hex(out: &mut String, bytes: &[u8]) {
    for byte in bytes {
        put!(out, "{byte:02x}");
    }
}

/// What a host wrote into a reset, as RFC 9293 3.10.7 allows.
fn put_reset_text(out: &mut String, payload: &Body) {
    const LONGEST: usize = 30;
    out.push_str(if payload.is_whole() {
        " [RST"
    } else {
        " [!RST"
    });
    if payload.wire_len > LONGEST {
        out.push('+');
    }
    out.push(' ');
    let shown = payload.bytes.len().min(LONGEST);
    put_ascii(out, payload.bytes.get(..shown).unwrap_or_default());
    out.push(']');
}
