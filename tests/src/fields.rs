//! What the layers say of their own headers, held against tshark.
//!
//! Job: take every packet of a capture apart by each layer's `wire::fields`, and demand that tshark finds the same field
//! at the same place. Owns: which layer follows which. Does not know: what a field means.

use std::collections::BTreeSet;
use std::path::Path;

use outcrop_base::Field;
use outcrop_capture::{Reader, Record};

use crate::tool;

/// Where tshark lets the name of an option stand for all of it, and we for its number alone.
const WHOLE_OPTION: &str = "dhcp.option.type";

/// What tshark has no one name for: the value of each option of IP has its own.
const WITHOUT_NAME: [&str; 2] = ["ip.opt.data", "ipv6.opt"];

/// Asserts that tshark finds every field of Ethernet, ARP, IP, UDP, ICMP, neighbour discovery and DHCP that we show
/// where we show it; says which were compared. Parts of an octet are left out: tshark's positions are octets.
///
/// # Panics
/// With the first that lies elsewhere.
#[must_use]
pub fn assert_fields_agree(capture: &Path) -> BTreeSet<&'static str> {
    let path = capture.to_string_lossy();
    let pdml = tool("tshark", &["-n", "-r", &path, "-T", "pdml"]);
    let frames: Vec<_> = pdml
        .split("<packet>")
        .filter(|frame| frame.contains("proto name=\"eth\""))
        .collect();
    let mut packets = Vec::new();
    let mut reader = Reader::new(std::fs::File::open(capture).unwrap()).unwrap();
    while let Some(record) = reader.next().transpose().unwrap() {
        if let Record::Packet(packet) = record {
            packets.push(packet.bytes);
        }
    }
    assert_eq!(frames.len(), packets.len());
    let mut compared = BTreeSet::new();
    for (frame, bytes) in frames.iter().zip(&packets) {
        let mut check = |base: usize, field: Field<'_>| {
            let (start, end) = (field.bits.start as usize, field.bits.end as usize);
            let octets = start.is_multiple_of(8) && end.is_multiple_of(8);
            if octets && !WITHOUT_NAME.contains(&field.key) {
                let place = (base + start / 8, (end - start) / 8);
                assert_there(frame, field.key, place);
                compared.insert(field.key);
            }
        };
        layers(bytes, &mut check);
    }
    compared
}

fn assert_there(frame: &str, key: &str, (pos, size): (usize, usize)) {
    let name = format!("<field name=\"{key}\"");
    let place = [format!(" pos=\"{pos}\""), format!(" size=\"{size}\"")];
    let parts = if key == WHOLE_OPTION { 1 } else { 2 };
    let mut lines = frame.lines().filter(|line| line.contains(&name));
    let found = lines.any(|line| place.iter().take(parts).all(|part| line.contains(part)));
    assert!(found, "{name} at {pos}, {size} bytes, in {frame}");
}

/// Every layer that is there, each with where it begins.
fn layers(bytes: &[u8], check: &mut dyn FnMut(usize, Field<'_>)) {
    const LINK: usize = outcrop_ethernet::wire::HEADER_LEN;
    outcrop_ethernet::wire::fields(bytes, &mut |field| check(0, field));
    let packet = bytes.get(LINK..).unwrap_or_default();
    match bytes.get(12..14) {
        Some([8, 6]) => {
            outcrop_ethernet::wire::arp::fields(packet, &mut |field| check(LINK, field));
        }
        Some([8, 0]) => {
            outcrop_ip::wire::ipv4::fields(packet, &mut |field| check(LINK, field));
            let header = packet
                .first()
                .map_or(0, |first| usize::from(first & 15) * 4);
            if packet.get(9) == Some(&17) {
                datagram(bytes, LINK + header, check);
            }
        }
        Some([0x86, 0xdd]) => {
            outcrop_ip::wire::ipv6::fields(packet, &mut |field| check(LINK, field));
            match (packet.get(6), packet.get(40)) {
                (Some(17), _) => datagram(bytes, LINK + 40, check),
                (Some(58), Some(133..=137)) => {
                    let message = packet.get(40..).unwrap_or_default();
                    outcrop_ip::wire::icmp::fields_v6(message, &mut |f| check(LINK + 40, f));
                }
                _ => {}
            }
        }
        _ => {}
    }
}

/// UDP, and DHCP in it. The data of DHCP is not called data by tshark.
fn datagram(bytes: &[u8], at: usize, check: &mut dyn FnMut(usize, Field<'_>)) {
    let datagram = bytes.get(at..).unwrap_or_default();
    outcrop_udp::wire::fields(datagram, &mut |field| {
        if field.key != "udp.payload" {
            check(at, field);
        }
    });
    let ports: Vec<_> = datagram.chunks(2).take(2).map(number).collect();
    let message = datagram.get(8..).unwrap_or_default();
    let mut inside = |field: Field<'_>| check(at + 8, field);
    if ports.iter().any(|port| (67..=68).contains(port)) {
        outcrop_dhcp::v4::wire::fields(message, &mut inside);
    } else if ports.iter().any(|port| (546..=547).contains(port)) {
        outcrop_dhcp::v6::wire::fields(message, &mut inside);
    }
}

fn number(pair: &[u8]) -> u16 {
    pair.iter()
        .fold(0, |sum, octet| sum << 8 | u16::from(*octet))
}
