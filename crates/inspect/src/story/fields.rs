//! A packet, field by field, with the bytes each takes.
//!
//! Job: for every byte of a packet, say which layer owns it and what it means.
//! Owns: names, meanings and the section that defines them. Does not know: markup.
//! Sources: RFC 791 3.1, RFC 8200 3, RFC 9293 3.1, RFC 792, RFC 4443, RFC 768; DHCP says its own.

use core::ops::Range;

use bytes::Bytes;
use outcrop_base::FieldValue;
use outcrop_capture::Packet;
use outcrop_dhcp::{v4, v6};

use crate::conversation::Seen;
use crate::dissect::{ARP_LEN, Arp, Mac, Network, Tcp, TcpOption, Udp, Upper, V4, V6};

/// Payload bytes kept of a packet.
const PAYLOAD_SHOWN: usize = 160;

/// A packet taken apart.
#[derive(Debug)]
pub(crate) struct XRay {
    /// Fields in the order of their bytes.
    pub(crate) fields: Vec<Field>,
    /// The bytes, or the first of them.
    pub(crate) bytes: Bytes,
    /// How many bytes are not kept.
    pub(crate) hidden: usize,
}

/// A field.
#[derive(Debug)]
pub(crate) struct Field {
    /// `link`, `ip`, `tcp`..
    pub(crate) layer: &'static str,
    /// Its bytes, from the start of the packet.
    pub(crate) range: Range<usize>,
    /// Its name.
    pub(crate) name: &'static str,
    /// Its value and what that means.
    pub(crate) value: String,
    /// Where it is defined.
    pub(crate) source: &'static str,
}

/// Collects the fields, layer by layer.
#[derive(Default)]
struct Layer {
    fields: Vec<Field>,
    layer: &'static str,
    source: &'static str,
    /// Where the layer begins.
    start: usize,
}

impl Layer {
    /// Begins a layer.
    fn enter(&mut self, layer: &'static str, source: &'static str, start: usize) -> &mut Self {
        (self.layer, self.source, self.start) = (layer, source, start);
        self
    }

    fn add(&mut self, range: Range<usize>, name: &'static str, value: String) {
        self.fields.push(Field {
            layer: self.layer,
            range: self.start + range.start..self.start + range.end,
            name,
            value,
            source: self.source,
        });
    }
}

/// Takes a packet apart.
pub(crate) fn of(packet: &Packet, seen: &Seen) -> XRay {
    let mut layer = Layer::default();
    let upper = network(&mut layer, packet, seen);
    let rest = packet.bytes.len().saturating_sub(upper);
    let header = match &seen.upper {
        Upper::Tcp(segment) => tcp(layer.enter("tcp", "RFC 9293 3.1", upper), segment),
        Upper::Udp(datagram) => {
            let header = udp(layer.enter("udp", "RFC 768", upper), datagram);
            header + dhcp(layer.enter("dhcp", "", upper + header), datagram)
        }
        Upper::Icmp { v6, body } => {
            let source = if *v6 { "RFC 4443 2.1" } else { "RFC 792" };
            icmp(layer.enter("icmp", source, upper), &body.bytes)
        }
        Upper::BadTcp(_) | Upper::BadUdp(_) => {
            let what = format!("{rest} bytes");
            layer
                .enter("tcp", "", upper)
                .add(0..rest, "broken header", what);
            rest
        }
        Upper::Fragment { .. } | Upper::Other { .. } | Upper::None => 0,
    };
    let from = upper + header;
    if rest > header {
        let value = preview(packet.bytes.get(from..).unwrap_or_default());
        layer
            .enter("data", "", from)
            .add(0..rest - header, "payload", value);
    }
    let shown = packet.bytes.len().min(from + PAYLOAD_SHOWN);
    let all = usize::try_from(packet.original_len).unwrap_or(usize::MAX);
    XRay {
        fields: layer.fields,
        bytes: Bytes::copy_from_slice(packet.bytes.get(..shown).unwrap_or_default()),
        hidden: all.saturating_sub(shown),
    }
}

/// Fields up to the transport; where that begins.
fn network(layer: &mut Layer, packet: &Packet, seen: &Seen) -> usize {
    let all = packet.bytes.len();
    let start = packet.network().map_or(all, |(_, bytes)| all - bytes.len());
    if packet.link == outcrop_capture::Link::Ethernet && start >= 14 {
        ethernet(
            layer.enter("eth", "IEEE 802.3 3.2", 0),
            &packet.bytes,
            start,
        );
    } else if start > 0 {
        let what = format!("{start} bytes");
        layer
            .enter("link", "", 0)
            .add(0..start, "link header", what);
    }
    let rest = 0..all - start;
    match &seen.network {
        Network::V4(ip) => {
            let len = usize::from(ip.total_len).saturating_sub(ip.body.wire_len);
            ipv4(layer.enter("ip", "RFC 791 3.1", start), ip, len);
            start + len
        }
        Network::V6(ip) => {
            let behind = ip.extensions().body.wire_len;
            let extensions = ip.body.wire_len.saturating_sub(behind);
            ipv6(layer.enter("ip", "RFC 8200 3", start), ip, extensions);
            start + 40 + extensions
        }
        Network::Arp(said) => {
            arp(layer.enter("arp", "RFC 826", start), said);
            start + ARP_LEN
        }
        Network::Other { ether_type, .. } => {
            let what = format!("ether type 0x{ether_type:04x}");
            layer.enter("ip", "", start).add(rest, "not IP", what);
            all
        }
        Network::Broken(fault) => {
            let what = format!("{fault:?}");
            layer.enter("ip", "", start).add(rest, "broken", what);
            all
        }
    }
}

/// The first words of a payload, if they are words.
fn preview(bytes: &[u8]) -> String {
    let text: String = bytes
        .iter()
        .take(48)
        .take_while(|b| b.is_ascii_graphic() || **b == b' ')
        .map(|b| char::from(*b))
        .collect();
    match text.len() {
        0..4 => format!("{} bytes", bytes.len()),
        _ => format!("{} bytes: {text}", bytes.len()),
    }
}

fn ethernet(layer: &mut Layer, bytes: &[u8], start: usize) {
    let mac = |at: usize| {
        let octets = bytes.get(at..).and_then(<[u8]>::first_chunk::<6>);
        octets.map_or_else(String::new, |octets| Mac(*octets).to_string())
    };
    layer.add(0..6, "destination", mac(0));
    layer.add(6..12, "source", mac(6));
    if start > 14 {
        layer.add(12..start - 2, "tag", format!("{} bytes", start - 14));
    }
    let kind = bytes.get(start - 2..).and_then(<[u8]>::first_chunk::<2>);
    let kind = kind.map_or(0, |kind| u16::from_be_bytes(*kind));
    layer.add(start - 2..start, "type", format!("0x{kind:04x}"));
}

fn arp(layer: &mut Layer, said: &Arp) {
    layer.add(0..2, "hardware", "Ethernet".to_owned());
    layer.add(2..4, "protocol", "IPv4".to_owned());
    layer.add(4..5, "hardware length", "6 bytes".to_owned());
    layer.add(5..6, "protocol length", "4 bytes".to_owned());
    layer.add(6..8, "operation", said.to_string());
    layer.add(
        8..14,
        "sender's hardware address",
        said.sender_mac.to_string(),
    );
    layer.add(14..18, "sender's address", said.sender.to_string());
    layer.add(
        18..24,
        "target's hardware address",
        said.target_mac.to_string(),
    );
    layer.add(24..28, "target's address", said.target.to_string());
}

fn ipv4(layer: &mut Layer, ip: &V4, len: usize) {
    layer.add(0..1, "version, header length", format!("4, {len} bytes"));
    layer.add(1..2, "DSCP and ECN", traffic_class(ip.tos));
    layer.add(2..4, "total length", format!("{} bytes", ip.total_len));
    layer.add(4..6, "identification", format!("0x{:04x}", ip.id));
    let mut fragment = format!("offset {}", ip.offset);
    if ip.flags & 2 != 0 {
        fragment.push_str(", don't fragment");
    }
    if ip.flags & 1 != 0 {
        fragment.push_str(", more follow");
    }
    layer.add(6..8, "flags, fragment offset", fragment);
    layer.add(8..9, "time to live", format!("{} hops", ip.ttl));
    layer.add(9..10, "protocol", protocol(ip.protocol));
    let right = if ip.residue == 0 { "right" } else { "WRONG" };
    layer.add(
        10..12,
        "header checksum",
        format!("0x{:04x}, {right}", ip.checksum),
    );
    layer.add(12..16, "source", ip.src.to_string());
    layer.add(16..20, "destination", ip.dst.to_string());
    if len > 20 {
        layer.add(20..len, "options", format!("{} bytes", len - 20));
    }
}

fn ipv6(layer: &mut Layer, ip: &V6, extensions: usize) {
    let class = traffic_class(ip.class);
    layer.add(
        0..4,
        "version, class, flow label",
        format!("6, {class}, 0x{:05x}", ip.flow_label),
    );
    layer.add(4..6, "payload length", format!("{} bytes", ip.payload_len));
    layer.add(6..7, "next header", protocol(ip.next_header));
    layer.add(7..8, "hop limit", format!("{} hops", ip.hop_limit));
    layer.add(8..24, "source", ip.src.to_string());
    layer.add(24..40, "destination", ip.dst.to_string());
    if extensions > 0 {
        layer.add(
            40..40 + extensions,
            "extension headers",
            format!("{extensions} bytes"),
        );
    }
}

fn traffic_class(octet: u8) -> String {
    let ecn = match octet & 3 {
        0 => "not ECN-capable",
        1 => "ECT(1)",
        2 => "ECT(0)",
        _ => "congestion experienced",
    };
    format!("DSCP {}, {ecn}", octet >> 2)
}

fn protocol(number: u8) -> String {
    let name = match number {
        1 => "ICMP",
        6 => "TCP",
        17 => "UDP",
        44 => "fragment",
        58 => "ICMPv6",
        _ => return number.to_string(),
    };
    format!("{number}: {name}")
}

/// Length of the header.
fn tcp(layer: &mut Layer, tcp: &Tcp) -> usize {
    let len = 20 + tcp.options.len();
    layer.add(0..2, "source port", tcp.src_port.to_string());
    layer.add(2..4, "destination port", tcp.dst_port.to_string());
    layer.add(4..8, "sequence number", tcp.seq.to_string());
    layer.add(8..12, "acknowledgment number", tcp.ack.to_string());
    layer.add(12..13, "data offset", format!("{len} bytes"));
    layer.add(13..14, "control bits", tcp.flags.to_string());
    layer.add(14..16, "window", format!("{}, unscaled", tcp.window));
    layer.add(16..18, "checksum", format!("0x{:04x}", tcp.checksum));
    layer.add(18..20, "urgent pointer", tcp.urgent.to_string());
    let mut at = 20;
    for option in tcp.options() {
        let Ok(option) = option else {
            layer.add(
                at..len,
                "broken option",
                "its length is impossible".to_owned(),
            );
            break;
        };
        let single = matches!(option.kind, TcpOption::END | TcpOption::NOP);
        let end = at + if single { 1 } else { 2 + option.data.len() };
        let (name, value) = tcp_option(tcp, option);
        layer.add(at..end, name, value);
        at = end;
    }
    len
}

fn tcp_option(tcp: &Tcp, option: TcpOption<'_>) -> (&'static str, String) {
    let bytes = || format!("{} bytes", option.data.len());
    match option.kind {
        TcpOption::END => ("end of options", String::new()),
        TcpOption::NOP => ("no operation", String::new()),
        TcpOption::MSS => (
            "maximum segment size",
            tcp.mss().map_or_else(bytes, |mss| mss.to_string()),
        ),
        TcpOption::WINDOW_SCALE => (
            "window scale",
            tcp.window_scale()
                .map_or_else(bytes, |scale| format!("times 2^{scale}")),
        ),
        TcpOption::SACK_PERMITTED => ("SACK permitted", String::new()),
        TcpOption::SACK => (
            "selective acknowledgment",
            option
                .sack_blocks()
                .map(|block| format!("{}–{} ", block.left, block.right))
                .collect(),
        ),
        TcpOption::TIMESTAMPS => (
            "timestamps",
            tcp.timestamps()
                .map_or_else(bytes, |(value, echo)| format!("{value}, echoing {echo}")),
        ),
        kind => ("option", format!("kind {kind}, {}", bytes())),
    }
}

/// Length of the header.
fn udp(layer: &mut Layer, udp: &Udp) -> usize {
    layer.add(0..2, "source port", udp.src_port.to_string());
    layer.add(2..4, "destination port", udp.dst_port.to_string());
    layer.add(4..6, "length", format!("{} bytes", udp.len));
    layer.add(6..8, "checksum", format!("0x{:04x}", udp.checksum));
    8
}

/// Length of the message, if it is one of DHCP.
fn dhcp(layer: &mut Layer, udp: &Udp) -> usize {
    let message = &udp.payload.bytes;
    let on = |ports: [u16; 2]| ports.contains(&udp.src_port) || ports.contains(&udp.dst_port);
    let mut visit = |field: outcrop_base::Field<'_>| {
        let octet = |bit: u32| usize::try_from(bit / 8).unwrap_or(usize::MAX);
        layer.source = field.source;
        layer.add(
            octet(field.bits.start)..octet(field.bits.end),
            field.name,
            shown(&field.value),
        );
    };
    if on([v4::CLIENT_PORT, v4::SERVER_PORT]) {
        v4::wire::fields(message, &mut visit);
    } else if on([v6::CLIENT_PORT, v6::SERVER_PORT]) {
        v6::wire::fields(message, &mut visit);
    } else {
        return 0;
    }
    message.len()
}

fn shown(value: &FieldValue<'_>) -> String {
    match value {
        FieldValue::Number(number) => number.to_string(),
        FieldValue::Address(addr) => addr.to_string(),
        FieldValue::Mac(mac) => Mac(*mac).to_string(),
        FieldValue::Text(text) => (*text).to_owned(),
        FieldValue::Bytes(bytes) => preview(bytes),
    }
}

/// Length of the header.
fn icmp(layer: &mut Layer, bytes: &[u8]) -> usize {
    let (Some(kind), Some(code)) = (bytes.first(), bytes.get(1)) else {
        return 0;
    };
    layer.add(0..1, "type", kind.to_string());
    layer.add(1..2, "code", code.to_string());
    let Some(sum) = crate::dissect::word(bytes, 2) else {
        return 2;
    };
    layer.add(2..4, "checksum", format!("0x{sum:04x}"));
    let (Some(high), Some(low)) = (
        crate::dissect::word(bytes, 4),
        crate::dissect::word(bytes, 6),
    ) else {
        return 4;
    };
    if matches!(kind, 0 | 8 | 128 | 129) {
        layer.add(4..6, "identifier", high.to_string());
        layer.add(6..8, "sequence number", low.to_string());
    } else {
        layer.add(4..8, "rest of header", format!("0x{high:04x}{low:04x}"));
    }
    8
}
