//! Level 0 of a replay: every packet of a capture taken apart and written anew.
//!
//! Job: give each header to the crate that owns its layer, let it write what it read, and compare bytes. Owns: which
//! differences are a matter of taste. Does not know: connections, time.
//!
//! Taste is the order and padding of TCP options: ours has one order, and a foreign list is compared by what it says.
//! Headers that the stack reads and never writes (IPv4 options, other extension headers) are counted as left out.

use core::net::IpAddr;
use std::collections::BTreeMap;
use std::io::{IoSlice, Read};

use bytes::Bytes;
use outcrop_base::{
    Arrival, Cast, Cause, ChecksumState, Ecn, Flow, HeaderRoom, Instant, InterfaceId, IpFields,
    Limit, Note, PacketId, Path, Transport, Why,
};
use outcrop_capture::{Link, Packet, ReadError, Reader, Record};
use outcrop_ethernet::wire as frame;
use outcrop_ip::wire::{icmp, ipv4, ipv6, nd};
use outcrop_tcp::{Options, StreamRange, Transmit, wire as tcp};
use outcrop_udp::wire as udp;

/// Differences kept; a capture that differs everywhere is told by its first packets.
const TOLD_MAX: usize = 20;
/// The ether type of IPv4, and so on.
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const ARP: u16 = 0x0806;

/// What rewriting found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rewritten {
    /// Packets read.
    pub packets: usize,
    /// Headers that came out as they were, by layer.
    pub same: BTreeMap<&'static str, usize>,
    /// Headers that the stack does not write, by layer.
    pub left_out: BTreeMap<&'static str, usize>,
    /// The first differences; empty is a pass.
    pub differences: Vec<String>,
}

impl Rewritten {
    /// Holds what was written against what was there.
    fn hold(&mut self, layer: &'static str, written: &[u8], was: &[u8]) {
        if written == was {
            *self.same.entry(layer).or_default() += 1;
        } else if self.differences.len() < TOLD_MAX {
            let number = self.packets;
            self.differences.push(format!(
                "packet {number}: {layer}: {was:02x?} became {written:02x?}"
            ));
        }
    }

    fn leave_out(&mut self, layer: &'static str) {
        *self.left_out.entry(layer).or_default() += 1;
    }
}

/// Rewrites every packet of a capture.
///
/// # Errors
/// The capture is damaged. A difference is no error: see [`Rewritten`].
pub fn rewrite(capture: impl Read) -> Result<Rewritten, ReadError> {
    let mut found = Rewritten::default();
    for record in Reader::new(capture)? {
        if let Record::Packet(packet) = record? {
            found.packets += 1;
            link(&packet, &mut found);
        }
    }
    Ok(found)
}

fn link(packet: &Packet, found: &mut Rewritten) {
    let Some((kind, bytes)) = packet.network() else {
        return found.leave_out("cut short");
    };
    if packet.link == Link::Ethernet {
        match frame::read(&packet.bytes) {
            Ok((header, len)) => {
                let mut room = HeaderRoom::new();
                frame::emit(&header, &mut room);
                let was = packet.bytes.get(..len).unwrap_or_default();
                found.hold("ethernet", room.as_slice(), was);
            }
            Err(_) => found.leave_out("ethernet"),
        }
    }
    // What was cut by the recorder, or is wrong by itself, nobody writes again.
    if usize::try_from(packet.original_len) != Ok(packet.bytes.len()) {
        return found.leave_out("cut short");
    }
    match kind {
        ARP => match frame::arp::parse(&bytes) {
            Ok(said) => {
                let written = frame::arp::emit(&said);
                found.hold(
                    "arp",
                    &written,
                    bytes.get(..written.len()).unwrap_or_default(),
                );
            }
            Err(_) => found.leave_out("arp"),
        },
        IPV4 | IPV6 => match bytes.first().map(|first| first >> 4) {
            Some(4) => v4(&bytes, found),
            Some(6) => v6(&bytes, found),
            Some(_) | None => found.leave_out("ip"),
        },
        _ => found.leave_out("other"),
    }
}

fn v4(bytes: &Bytes, found: &mut Rewritten) {
    let Ok(header) = ipv4::parse(bytes) else {
        return found.leave_out("ipv4");
    };
    if header.header_len == ipv4::HEADER_LEN {
        let mut written = [0; ipv4::HEADER_LEN];
        ipv4::emit(&header, &mut written);
        let was = bytes.get(..ipv4::HEADER_LEN).unwrap_or_default();
        found.hold("ipv4", &written, was);
    } else {
        found.leave_out("ipv4");
    }
    if header.is_fragment() {
        return found.leave_out("behind a fragment header");
    }
    let ends = (header.src.into(), header.dst.into());
    let end = header.total_len.min(bytes.len());
    let body = bytes.slice(header.header_len.min(end)..end);
    upper(header.protocol, ends, &body, found);
}

fn v6(bytes: &Bytes, found: &mut Rewritten) {
    let Ok(header) = ipv6::parse(bytes) else {
        return found.leave_out("ipv6");
    };
    let mut written = [0; ipv6::HEADER_LEN];
    ipv6::emit(&header, &mut written);
    let was = bytes.get(..ipv6::HEADER_LEN).unwrap_or_default();
    found.hold("ipv6", &written, was);
    let end = (ipv6::HEADER_LEN + header.payload_len).min(bytes.len());
    let Ok(chain) = ipv6::walk(bytes, header.next_header) else {
        return found.leave_out("ipv6 extensions");
    };
    if let Some(fragment) = chain.fragment {
        let written = fragment.to_bytes();
        let at = chain.fragment_at;
        let was = bytes.get(at..at + written.len()).unwrap_or_default();
        found.hold("ipv6 fragment", &written, was);
        if !fragment.is_atomic() {
            return found.leave_out("behind a fragment header");
        }
    }
    let ends = (header.src.into(), header.dst.into());
    let body = bytes.slice(chain.payload_at.min(end)..end);
    upper(chain.protocol, ends, &body, found);
}

fn upper(protocol: u8, ends: (IpAddr, IpAddr), bytes: &Bytes, found: &mut Rewritten) {
    match protocol {
        6 => segment(ends, bytes, found),
        17 => datagram(ends, bytes, found),
        1 | 58 => message(ends, bytes, found),
        _ => found.leave_out("other"),
    }
}

fn arrival((src, dst): (IpAddr, IpAddr)) -> Arrival {
    Arrival {
        at: Instant::ZERO,
        id: PacketId(0),
        iface: InterfaceId(0),
        src,
        dst,
        cast: Cast::Unicast,
        ecn: Ecn::NotEct,
        hop_limit: 64,
        checksum: ChecksumState::Unverified,
        gso_size: None,
        path: Path::plain(1500),
    }
}

fn flow(transport: Transport, (src, dst): (IpAddr, IpAddr), ports: (u16, u16)) -> Flow {
    Flow {
        transport,
        local: (src, ports.0).into(),
        remote: (dst, ports.1).into(),
    }
}

fn segment(ends: (IpAddr, IpAddr), bytes: &Bytes, found: &mut Rewritten) {
    let Ok((segment, payload)) = tcp::parse(&arrival(ends), bytes.clone()) else {
        return found.leave_out("tcp");
    };
    let plan = Transmit {
        conn: None,
        flow: flow(Transport::Tcp, ends, (segment.src_port, segment.dst_port)),
        header: segment.header,
        fields: IpFields::default(),
        range: StreamRange::default(),
        gso: None,
        mac: None,
        note: Note::new(Why::Data, Limit::None, Cause::None),
    };
    let mut room = HeaderRoom::new();
    tcp::emit(&plan, &[IoSlice::new(&payload)], false, &mut room);
    let was = bytes.get(..bytes.len() - payload.len()).unwrap_or_default();
    if room.as_slice() == was {
        return found.hold("tcp", was, was);
    }
    // Another order of options: then what is written must be read as the same.
    let again = [room.as_slice(), &payload].concat();
    let again = tcp::parse(&arrival(ends), again.into());
    let same = again.is_ok_and(|(again, _)| again.header == segment.header);
    if same && segment.header.options != Options::default() {
        *found.same.entry("tcp, in our order").or_default() += 1;
    } else {
        found.hold("tcp", room.as_slice(), was);
    }
}

fn datagram(ends: (IpAddr, IpAddr), bytes: &Bytes, found: &mut Rewritten) {
    let Ok((header, payload)) = udp::parse(&arrival(ends), bytes.clone()) else {
        return found.leave_out("udp");
    };
    let flow = flow(Transport::Udp, ends, (header.src_port, header.dst_port));
    let mut room = HeaderRoom::new();
    udp::emit(&flow, &[IoSlice::new(&payload)], false, &mut room);
    let was = bytes.get(..udp::HEADER_LEN).unwrap_or_default();
    found.hold("udp", room.as_slice(), was);
}

fn message((src, dst): (IpAddr, IpAddr), bytes: &Bytes, found: &mut Rewritten) {
    let body = bytes.get(icmp::HEADER_LEN..).unwrap_or_default();
    let written = match icmp::parse(&src, bytes) {
        Ok(icmp::Message::EchoRequest { ident, seq }) => {
            icmp::emit(icmp::Outgoing::EchoRequest { ident, seq }, src, dst, body)
        }
        Ok(icmp::Message::EchoReply { ident, seq }) => {
            icmp::emit(icmp::Outgoing::EchoReply { ident, seq }, src, dst, body)
        }
        Ok(icmp::Message::Error(_) | icmp::Message::Redirect(_) | icmp::Message::Other)
        | Err(_) => return discovery(bytes, found),
    };
    let was = bytes.get(..icmp::HEADER_LEN).unwrap_or_default();
    found.hold("icmp", &written, was);
}

/// Neighbour discovery; its checksum is filled in by whoever has the addresses.
fn discovery(bytes: &Bytes, found: &mut Rewritten) {
    let is_discovery = matches!(bytes.first(), Some(133..=137));
    let Some(message) = nd::parse(bytes).filter(|_| is_discovery) else {
        return found.leave_out("icmp");
    };
    let mut written = nd::emit(&message);
    if let (Some(sum), Some(was)) = (written.get_mut(2..4), bytes.get(2..4)) {
        sum.copy_from_slice(was);
    }
    found.hold("neighbour discovery", &written, bytes);
}
