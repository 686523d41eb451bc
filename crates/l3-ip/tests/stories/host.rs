//! A host, its peer, and packets for them.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytes::Bytes;
use etherparse::{NetHeaders, PacketBuilder, PacketHeaders, TransportHeader};
use outcrop_base::{
    Checksum, ChecksumState, DropReason, Instant, InterfaceId, PacketId, Seed, Verdict,
};
use outcrop_ip::{Cidr, Config, Delivery, Endpoint, InterfaceConfig, PacketIn, Transmit};

pub(crate) const IFACE: InterfaceId = InterfaceId(0);
pub(crate) const NOW: Instant = Instant::from_millis(20);
pub(crate) const OURS_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 2));
pub(crate) const PEER_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 1));
pub(crate) const OURS_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 2));
pub(crate) const PEER_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 1));

fn endpoint(config: Config, v4: IpAddr, v6: IpAddr) -> Endpoint {
    let mut endpoint = Endpoint::new(config, &Seed::from_number(1));
    let addresses = vec![Cidr::new(v4, 24).unwrap(), Cidr::new(v6, 64).unwrap()];
    endpoint
        .add_interface(InterfaceConfig::tun(IFACE, 1500, addresses))
        .unwrap();
    endpoint
}

pub(crate) fn host() -> Endpoint {
    host_with(Config::default())
}

pub(crate) fn host_with(config: Config) -> Endpoint {
    endpoint(config, OURS_V4, OURS_V6)
}

pub(crate) fn peer() -> Endpoint {
    endpoint(Config::default(), PEER_V4, PEER_V6)
}

pub(crate) fn packet(id: u64, bytes: Bytes) -> PacketIn {
    PacketIn {
        at: NOW,
        id: PacketId(id),
        iface: IFACE,
        bytes,
        checksum: ChecksumState::Unverified,
        gso_size: None,
    }
}

pub(crate) fn verdict(delivery: &Delivery) -> Verdict {
    match delivery {
        Delivery::Done(verdict) => *verdict,
        Delivery::Up(up) => panic!("handed up: {up:?}"),
    }
}

/// Why it was dropped; `None` if it was taken.
pub(crate) fn reason(delivery: &Delivery) -> Option<DropReason> {
    match delivery {
        Delivery::Done(verdict) => verdict.drop_reason(),
        Delivery::Up(_) => None,
    }
}

pub(crate) fn build(write: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let mut out = Vec::new();
    write(&mut out);
    out.into()
}

pub(crate) fn v6(addr: IpAddr) -> [u8; 16] {
    match addr {
        IpAddr::V6(addr) => addr.octets(),
        IpAddr::V4(_) => panic!("not IPv6"),
    }
}

pub(crate) fn echo_request_v4(data: &[u8]) -> Bytes {
    let builder = PacketBuilder::ipv4([10, 77, 0, 1], [10, 77, 0, 2], 64).icmpv4_echo_request(7, 9);
    build(|out| builder.write(out, data).unwrap())
}

pub(crate) fn echo_request_v6(data: &[u8]) -> Bytes {
    let builder = PacketBuilder::ipv6(v6(PEER_V6), v6(OURS_V6), 64).icmpv6_echo_request(7, 9);
    build(|out| builder.write(out, data).unwrap())
}

/// An IPv6 packet with this content behind the fixed header.
pub(crate) fn raw_v6(src: IpAddr, dst: IpAddr, next: u8, content: &[u8]) -> Bytes {
    let mut bytes = vec![0x60, 0, 0, 0, 0, content.len() as u8, next, 255];
    bytes.extend(v6(src));
    bytes.extend(v6(dst));
    bytes.extend(content);
    bytes.into()
}

pub(crate) fn fix_ipv4_checksum(bytes: &mut [u8]) {
    if bytes.len() >= 20 {
        bytes[10..12].fill(0);
        let mut sum = Checksum::new();
        sum.add(&bytes[..20]);
        bytes[10..12].copy_from_slice(&sum.finish().to_be_bytes());
    }
}

/// Completes the checksum of an ICMPv6 message directly behind the fixed header.
pub(crate) fn fix_icmpv6_checksum(packet: &mut Bytes) {
    let mut bytes = packet.to_vec();
    let src: [u8; 16] = bytes[8..24].try_into().unwrap();
    let dst: [u8; 16] = bytes[24..40].try_into().unwrap();
    bytes[42..44].fill(0);
    let mut sum = Checksum::pseudo_header(src.into(), dst.into(), 58, (bytes.len() - 40) as u32);
    sum.add(&bytes[40..]);
    bytes[42..44].copy_from_slice(&sum.finish().to_be_bytes());
    *packet = bytes.into();
}

/// Cuts a packet as a sender with this MTU does, written down apart from the engine's own way.
pub(crate) fn cut(packet: &Bytes, mtu: usize) -> Vec<Bytes> {
    let is_v4 = packet[0] >> 4 == 4;
    let (header_len, overhead) = if is_v4 { (20, 20) } else { (40, 48) };
    let size = (mtu - overhead) / 8 * 8;
    let payload = &packet[header_len..];
    let mut out = Vec::new();
    for (n, chunk) in payload.chunks(size).enumerate() {
        let more = (n + 1) * size < payload.len();
        let mut bytes = packet[..header_len].to_vec();
        let place = (n * size) as u16;
        if is_v4 {
            bytes[2..4].copy_from_slice(&((20 + chunk.len()) as u16).to_be_bytes());
            bytes[4..6].copy_from_slice(&[0xab, 0xcd]);
            bytes[6..8]
                .copy_from_slice(&((place / 8) | if more { 0x2000 } else { 0 }).to_be_bytes());
            fix_ipv4_checksum(&mut bytes);
        } else {
            bytes[4..6].copy_from_slice(&((8 + chunk.len()) as u16).to_be_bytes());
            let next = core::mem::replace(&mut bytes[6], 44);
            bytes.extend([next, 0]);
            bytes.extend((place | u16::from(more)).to_be_bytes());
            bytes.extend([0, 0, 0, 99]);
        }
        bytes.extend(chunk);
        out.push(bytes.into());
    }
    out
}

/// The fixed part of what a packet says, by the library.
pub(crate) fn read(packet: &Transmit) -> (IpAddr, IpAddr, Option<TransportHeader>, Vec<u8>) {
    let headers = PacketHeaders::from_ip_slice(&packet.bytes).unwrap();
    let (src, dst) = match headers.net.unwrap() {
        NetHeaders::Ipv4(h, _) => (IpAddr::from(h.source), IpAddr::from(h.destination)),
        NetHeaders::Ipv6(h, _) => (IpAddr::from(h.source), IpAddr::from(h.destination)),
        NetHeaders::Arp(_) => panic!("not IP"),
    };
    (
        src,
        dst,
        headers.transport,
        headers.payload.slice().to_vec(),
    )
}
