//! The words on an arrow.

use outcrop_capture::Packet;

use super::draw::{MIDDLE, shorten};
use crate::conversation::{Relative, Seen};
use crate::dissect::{ETHER_ARP, Flags, Network, Tcp, Upper};
use crate::print::{icmp4_text, icmp6_text};

/// What fits on an arrow that is still an arrow.
const WIDEST: usize = MIDDLE - 7;

/// Says what a packet is, in at most [`WIDEST`] columns.
pub(crate) fn of(packet: &Packet, seen: &Seen) -> String {
    let text = match (&seen.upper, &seen.tcp) {
        (Upper::Tcp(tcp), Some(relative)) => return segment(packet, tcp, relative),
        (Upper::Tcp(tcp), None) => tcp.flags.to_string(),
        (Upper::BadTcp(_), _) => "broken TCP".to_owned(),
        (Upper::BadUdp(_), _) => "broken UDP".to_owned(),
        (Upper::Udp(udp), _) => format!("{} bytes", udp.payload.wire_len),
        (Upper::Icmp { v6: false, body }, _) => {
            icmp4_text(&body.bytes).unwrap_or_else(|| "broken ICMP".to_owned())
        }
        (Upper::Icmp { v6: true, body }, _) => {
            icmp6_text(body).unwrap_or_else(|| "broken ICMPv6".to_owned())
        }
        (Upper::Fragment { protocol }, _) => format!("fragment of protocol {protocol}"),
        (Upper::Other { protocol, len }, _) => format!("protocol {protocol}, {len} bytes"),
        (Upper::None, _) => network(&seen.network),
    };
    shorten(&text, WIDEST)
}

fn network(network: &Network) -> String {
    match network {
        Network::V4(_) | Network::V6(_) => "nothing".to_owned(),
        Network::Arp(arp) => format!("ARP {arp}"),
        Network::Other {
            ether_type: ETHER_ARP,
            ..
        } => "ARP".to_owned(),
        Network::Other { ether_type, len } => format!("ether type 0x{ether_type:04x}, {len} bytes"),
        Network::Broken(_) => "broken IP".to_owned(),
    }
}

/// Flags first; then what fits of the rest, the more telling first.
fn segment(packet: &Packet, tcp: &Tcp, relative: &Relative) -> String {
    let mut label = tcp.flags.to_string();
    let mut add = |piece: String| {
        if label.chars().count() + 1 + piece.chars().count() <= WIDEST {
            label.push(' ');
            label.push_str(&piece);
        }
    };
    let len = tcp.payload.wire_len;
    if len > 0 {
        let end = relative.end - i64::from(tcp.flags.has(Flags::FIN));
        add(format!("{}:{end}", relative.seq));
    } else if !tcp.flags.has(Flags::SYN) && (tcp.flags.has(Flags::FIN) || relative.ack.is_none()) {
        add(format!("seq {}", relative.seq));
    }
    if let Some(ack) = relative.ack {
        add(format!("ack {ack}"));
    }
    for (left, right) in &relative.sack {
        add(format!("sack {left}:{right}"));
    }
    if let Some(size) = packet
        .notes
        .number("gso")
        .and_then(|size| usize::try_from(size).ok())
        && size > 0
    {
        add(format!("×{}", len.div_ceil(size)));
    }
    if !tcp.flags.has(Flags::RST) {
        add(format!("win {}", relative.window));
    }
    if let Some(mss) = tcp.mss() {
        add(format!("mss {mss}"));
    }
    if let Some(scale) = tcp.window_scale() {
        add(format!("ws {scale}"));
    }
    label
}

/// Whether the packet ends a connection by force.
pub(super) fn is_reset(seen: &Seen) -> bool {
    match &seen.upper {
        Upper::Tcp(tcp) => tcp.flags.has(Flags::RST),
        Upper::BadTcp(_)
        | Upper::Udp(_)
        | Upper::BadUdp(_)
        | Upper::Icmp { .. }
        | Upper::Fragment { .. }
        | Upper::Other { .. }
        | Upper::None => false,
    }
}

/// The bytes for the application.
pub(crate) fn payload(seen: &Seen) -> &[u8] {
    match &seen.upper {
        Upper::Tcp(tcp) => &tcp.payload.bytes,
        Upper::BadTcp(_)
        | Upper::Udp(_)
        | Upper::BadUdp(_)
        | Upper::Icmp { .. }
        | Upper::Fragment { .. }
        | Upper::Other { .. }
        | Upper::None => &[],
    }
}
