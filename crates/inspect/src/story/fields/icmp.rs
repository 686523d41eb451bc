//! ICMP messages of both families, field by field.
//!
//! Job: the header, what a kind of message puts behind it, and the packet an error quotes. Owns: nothing.
//! Does not know: who asked. Sources: RFC 792, RFC 4443 2.1 and 3, RFC 4861 4 (neighbour discovery).

use bytes::Bytes;

use super::{Layer, network_layer, transport};
use crate::dissect::{Body, Mac, Network, Upper, word};

/// Length of a message's fixed header.
const HEADER: usize = 8;
/// RFC 4861 4.6.1: options that are link-layer addresses.
const SOURCE_LINK: u8 = 1;
const TARGET_LINK: u8 = 2;

/// Adds a message that begins at `start`; how much of it has fields.
pub(super) fn message(layer: &mut Layer, v6: bool, body: &Body, start: usize) -> usize {
    let source = if v6 { "RFC 4443 2.1" } else { "RFC 792" };
    let bytes = &body.bytes;
    let len = header(layer.enter("icmp", source, start), bytes);
    let kind = bytes.first().copied().unwrap_or_default();
    match (v6, kind) {
        _ if len < HEADER => len,
        (true, 133..=137) => discovery(layer.enter("icmp", "RFC 4861 4", start), kind, bytes),
        (true, 1..=4) | (false, 3..=5 | 11 | 12) => {
            quoted(layer, &body.after(HEADER).bytes, start + HEADER);
            bytes.len()
        }
        _ => HEADER,
    }
}

fn header(layer: &mut Layer, bytes: &[u8]) -> usize {
    let (Some(kind), Some(code)) = (bytes.first(), bytes.get(1)) else {
        return 0;
    };
    layer.add(0..1, "type", kind.to_string());
    layer.add(1..2, "code", code.to_string());
    let Some(sum) = word(bytes, 2) else {
        return 2;
    };
    layer.add(2..4, "checksum", format!("0x{sum:04x}"));
    let (Some(high), Some(low)) = (word(bytes, 4), word(bytes, 6)) else {
        return 4;
    };
    if matches!(kind, 0 | 8 | 128 | 129) {
        layer.add(4..6, "identifier", high.to_string());
        layer.add(6..8, "sequence number", low.to_string());
    } else {
        layer.add(4..8, "rest of header", format!("0x{high:04x}{low:04x}"));
    }
    HEADER
}

/// Targets and options of neighbour discovery.
fn discovery(layer: &mut Layer, kind: u8, bytes: &Bytes) -> usize {
    let mut at = HEADER;
    let names: &[&'static str] = match kind {
        134 => {
            let timer = crate::dissect::long(bytes, 8).unwrap_or_default();
            let retry = crate::dissect::long(bytes, 12).unwrap_or_default();
            if bytes.len() >= 16 {
                layer.add(8..12, "reachable time", format!("{timer} ms"));
                layer.add(12..16, "retransmission timer", format!("{retry} ms"));
                at = 16;
            }
            &[]
        }
        135 | 136 => &["target address"],
        137 => &["target address", "destination address"],
        _ => &[],
    };
    for name in names {
        let Some(octets) = bytes.get(at..).and_then(<[u8]>::first_chunk::<16>) else {
            return at;
        };
        let address = core::net::Ipv6Addr::from(*octets);
        layer.add(at..at + 16, name, address.to_string());
        at += 16;
    }
    while let (Some(kind), Some(units)) = (bytes.get(at), bytes.get(at + 1)) {
        let end = at + usize::from(*units) * 8;
        let Some(option) = bytes.get(at..end).filter(|option| option.len() >= 8) else {
            break;
        };
        layer.add(at..at + 1, "option type", kind.to_string());
        layer.add(
            at + 1..at + 2,
            "option length",
            format!("{units} times 8 bytes"),
        );
        let mac = option.get(2..).and_then(<[u8]>::first_chunk::<6>);
        match (*kind, mac) {
            (SOURCE_LINK | TARGET_LINK, Some(mac)) if option.len() == 8 => {
                layer.add(at + 2..end, "link-layer address", Mac(*mac).to_string());
            }
            _ => layer.add(
                at + 2..end,
                "option data",
                format!("{} bytes", option.len() - 2),
            ),
        }
        at = end;
    }
    at
}

/// The packet an error quotes, as far as it is quoted.
fn quoted(layer: &mut Layer, bytes: &Bytes, start: usize) {
    let network = Network::by_version(bytes);
    let upper = network_layer(layer, &network, start, bytes.len());
    let rest = (start + bytes.len()).saturating_sub(upper);
    let header = match network.upper() {
        Upper::Tcp(tcp) => transport::tcp(layer.enter("tcp", "RFC 9293 3.1", upper), &tcp),
        Upper::Udp(udp) => transport::udp(layer.enter("udp", "RFC 768", upper), &udp),
        Upper::Icmp { v6, body } => {
            let source = if v6 { "RFC 4443 2.1" } else { "RFC 792" };
            header(layer.enter("icmp", source, upper), &body.bytes)
        }
        Upper::BadTcp(_)
        | Upper::BadUdp(_)
        | Upper::Fragment { .. }
        | Upper::Other { .. }
        | Upper::None => 0,
    };
    if rest > header {
        let what = format!("{} bytes", rest - header);
        layer
            .enter("data", "", upper + header)
            .add(0..rest - header, "quoted payload", what);
    }
}
