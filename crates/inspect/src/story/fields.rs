//! A packet, field by field, with the bytes each takes.
//!
//! Job: for every byte of a packet, say which layer owns it and what it means.
//! Owns: names, meanings and the section that defines them. Does not know: markup.
//! Sources: RFC 791 3.1, RFC 8200 3, RFC 9293 3.1, RFC 792, RFC 4443, RFC 768.

mod dhcp;
mod icmp;
mod transport;

use core::ops::Range;

use bytes::Bytes;
use outcrop_capture::Packet;

use crate::conversation::Seen;
use crate::dissect::{ARP_LEN, Arp, Mac, Network, Upper, V4, V6, long, protocol as numbers, word};
use crate::placed::Field;

/// Payload bytes shown of a packet whatever they are.
const PAYLOAD_SHOWN: usize = 160;
/// Payload bytes shown if they are fields.
const DISSECTED_SHOWN: usize = 1_024;
/// A field longer than this is a body: it need not be seen to its end.
const HEAD_FIELD_MAX: usize = 256;

/// A packet taken apart.
#[derive(Debug)]
pub(crate) struct XRay {
    /// Fields in the order of their bytes.
    pub(crate) fields: Vec<Field>,
    /// The bytes, or the first of them.
    pub(crate) bytes: Bytes,
    /// How many bytes are not kept.
    pub(crate) hidden: usize,
    /// Where the payload begins, and how long the packet is.
    payload: usize,
    len: usize,
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
            name: name.into(),
            value,
            source: self.source,
        });
    }
}

impl XRay {
    /// Takes the headers of a packet apart; what its payload is, others say.
    pub(crate) fn of(packet: &Packet, fields: Vec<Field>, payload: usize) -> Self {
        let shown = packet.bytes.len().min(payload + DISSECTED_SHOWN);
        Self {
            fields,
            bytes: packet.bytes.slice(..shown),
            hidden: usize::try_from(packet.original_len).unwrap_or(usize::MAX),
            payload,
            len: packet.bytes.len(),
        }
    }

    /// Whether a later packet may still say what the bytes of this one are.
    pub(crate) fn add(&mut self, field: Field) {
        self.fields.push(field);
    }

    /// Nothing more is coming: what nobody owns is payload, and what nobody needs to see is hidden.
    pub(crate) fn settle(&mut self) {
        self.fields.sort_by_key(|field| field.range.start);
        let mut at = self.payload;
        let mut gaps = Vec::new();
        let owned = self.fields.iter().filter(|f| f.range.start >= self.payload);
        let ends = owned.map(|field| field.range.clone());
        for range in ends.chain([self.len..self.len]) {
            if range.start > at {
                gaps.push(at..range.start);
            }
            at = at.max(range.end);
        }
        for range in gaps {
            let bytes = self.bytes.get(range.start..).unwrap_or_default();
            let bytes = bytes
                .get(..range.len().min(bytes.len()))
                .unwrap_or_default();
            self.fields.push(Field {
                layer: "data",
                value: preview(bytes, range.len()),
                range,
                name: "payload".into(),
                source: "",
            });
        }
        self.fields.sort_by_key(|field| field.range.start);
        let told = self
            .fields
            .iter()
            .filter(|field| field.range.len() <= HEAD_FIELD_MAX);
        let told = told.map(|field| field.range.end).max().unwrap_or(0);
        let shown = told.max(self.payload + PAYLOAD_SHOWN).min(self.bytes.len());
        self.bytes = Bytes::copy_from_slice(self.bytes.get(..shown).unwrap_or_default());
        self.hidden = self.hidden.saturating_sub(shown);
    }
}

/// The fields of a packet's headers, and where its payload begins.
pub(crate) fn headers(packet: &Packet, seen: &Seen) -> (Vec<Field>, usize) {
    let mut layer = Layer::default();
    let upper = network(&mut layer, packet, seen);
    let rest = packet.bytes.len().saturating_sub(upper);
    let header = match &seen.upper {
        Upper::Tcp(segment) => transport::tcp(layer.enter("tcp", "RFC 9293 3.1", upper), segment),
        Upper::Udp(datagram) => {
            let header = transport::udp(layer.enter("udp", "RFC 768", upper), datagram);
            header + dhcp::message(&mut layer, datagram, upper + header)
        }
        Upper::Icmp { v6, body } => icmp::message(&mut layer, *v6, body, upper),
        Upper::BadTcp(_) | Upper::BadUdp(_) => {
            let what = format!("{rest} bytes");
            layer
                .enter("tcp", "", upper)
                .add(0..rest, "broken header", what);
            rest
        }
        Upper::Fragment { .. } | Upper::Other { .. } | Upper::None => 0,
    };
    (layer.fields, upper + header)
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
    network_layer(layer, &seen.network, start, all - start)
}

/// Fields of a network header that begins at `start`, of `len` bytes with what follows; where the transport begins.
fn network_layer(layer: &mut Layer, network: &Network, start: usize, len: usize) -> usize {
    let rest = 0..len;
    let all = start + len;
    match network {
        Network::V4(ip) => {
            let len = usize::from(ip.total_len).saturating_sub(ip.body.wire_len);
            v4(layer.enter("ip", "RFC 791 3.1", start), ip, len);
            start + len
        }
        Network::V6(ip) => {
            v6(layer.enter("ip", "RFC 8200 3", start), ip);
            let behind = ip.extensions().body.wire_len;
            let extensions = ip.body.wire_len.saturating_sub(behind);
            v6_extensions(layer.enter("ip", "RFC 8200 4", start + 40), ip, extensions);
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

/// The first words of a payload of `len` bytes, if they are words.
fn preview(bytes: &[u8], len: usize) -> String {
    let words = crate::exchange::field::preview(bytes);
    let words = words.split_once(": ").map_or("", |(_, words)| words);
    match words.len() {
        0 => format!("{len} bytes"),
        _ => format!("{len} bytes: {words}"),
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

fn v4(layer: &mut Layer, ip: &V4, len: usize) {
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

fn v6(layer: &mut Layer, ip: &V6) {
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
}

/// The headers between an IPv6 header and its transport: `len` bytes.
fn v6_extensions(layer: &mut Layer, ip: &V6, len: usize) {
    let bytes = &ip.body.bytes;
    let (mut kind, mut at) = (ip.next_header, 0);
    while at < len {
        let Some(next) = bytes.get(at) else {
            break;
        };
        layer.add(at..at + 1, "next header", protocol(*next));
        if kind == numbers::FRAGMENT {
            let (Some(word), Some(id)) = (word(bytes, at + 2), long(bytes, at + 4)) else {
                break;
            };
            let more = if word & 1 == 1 { ", more follow" } else { "" };
            layer.add(at + 1..at + 2, "reserved", String::new());
            layer.add(
                at + 2..at + 4,
                "fragment offset",
                format!("{}{more}", word & !7),
            );
            layer.add(at + 4..at + 8, "identification", format!("0x{id:08x}"));
            at += 8;
        } else {
            let units = bytes.get(at + 1).map_or(0, |units| usize::from(*units));
            let end = (at + 8 * (units + 1)).min(len);
            layer.add(
                at + 1..at + 2,
                "header length",
                format!("{} bytes", 8 * (units + 1)),
            );
            layer.add(
                at + 2..end,
                "options",
                format!("{} bytes", end.saturating_sub(at + 2)),
            );
            at = end;
        }
        kind = *next;
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
