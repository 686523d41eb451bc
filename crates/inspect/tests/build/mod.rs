//! Packets, byte by byte, right and wrong.
#![allow(dead_code, reason = "each test file uses its share")]

use outcrop_base::Checksum;

const SRC4: [u8; 4] = [10, 77, 0, 1];
const DST4: [u8; 4] = [10, 77, 0, 2];
const SRC6: [u8; 16] = [0xfd, 0x77, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const DST6: [u8; 16] = [0xfd, 0x77, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];

fn put_sum(mut bytes: Vec<u8>, at: usize, mut sum: Checksum) -> Vec<u8> {
    sum.add(&bytes);
    bytes[at..at + 2].copy_from_slice(&sum.finish().to_be_bytes());
    bytes
}

fn pseudo4(protocol: u8, len: usize) -> Checksum {
    Checksum::pseudo_header(SRC4.into(), DST4.into(), protocol, len as u32)
}

fn pseudo6(protocol: u8, len: usize) -> Checksum {
    Checksum::pseudo_header(SRC6.into(), DST6.into(), protocol, len as u32)
}

pub(crate) fn ip4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    ip4_with(protocol, &[], payload)
}

pub(crate) fn ip4_with(protocol: u8, options: &[u8], payload: &[u8]) -> Vec<u8> {
    let header_len = 20 + options.len();
    let total = (header_len + payload.len()) as u16;
    let mut bytes = vec![0x40 | (header_len / 4) as u8, 0];
    bytes.extend(total.to_be_bytes());
    bytes.extend([0, 1, 0x40, 0, 64, protocol, 0, 0]);
    bytes.extend(SRC4);
    bytes.extend(DST4);
    bytes.extend(options);
    let mut bytes = put_sum(bytes, 10, Checksum::new());
    bytes.extend(payload);
    bytes
}

/// Makes the header checksum right again.
pub(crate) fn checksum4(mut bytes: Vec<u8>) -> Vec<u8> {
    let rest = bytes.split_off(20);
    bytes[10..12].fill(0);
    let mut bytes = put_sum(bytes, 10, Checksum::new());
    bytes.extend(rest);
    bytes
}

pub(crate) fn ip6(next: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x60, 0, 0, 0];
    bytes.extend((payload.len() as u16).to_be_bytes());
    bytes.extend([next, 64]);
    bytes.extend(SRC6);
    bytes.extend(DST6);
    bytes.extend(payload);
    bytes
}

fn tcp_bytes(ends: (u16, u16), seq: u32, ack: u32, flags: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(ends.0.to_be_bytes());
    bytes.extend(ends.1.to_be_bytes());
    bytes.extend(seq.to_be_bytes());
    bytes.extend(ack.to_be_bytes());
    bytes.extend([0x50, flags, 1, 0xf4, 0, 0, 0, 7]);
    bytes
}

pub(crate) fn tcp(
    ends: (u16, u16),
    (seq, ack): (u32, u32),
    flags: u8,
    options: &[u8],
    payload: &[u8],
) -> Vec<u8> {
    let mut bytes = tcp_bytes(ends, seq, ack, flags);
    bytes[12] = (((20 + options.len()) / 4) << 4) as u8;
    bytes.extend(options);
    bytes.extend(payload);
    let sum = pseudo4(6, bytes.len());
    put_sum(bytes, 16, sum)
}

pub(crate) fn tcp6(ends: (u16, u16), seq: u32, ack: u32, flags: u8) -> Vec<u8> {
    let bytes = tcp_bytes(ends, seq, ack, flags);
    let sum = pseudo6(6, bytes.len());
    put_sum(bytes, 16, sum)
}

fn udp_bytes(ends: (u16, u16), payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(ends.0.to_be_bytes());
    bytes.extend(ends.1.to_be_bytes());
    bytes.extend((8 + payload.len() as u16).to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend(payload);
    bytes
}

pub(crate) fn udp(ends: (u16, u16), payload: &[u8]) -> Vec<u8> {
    let bytes = udp_bytes(ends, payload);
    let sum = pseudo4(17, bytes.len());
    put_sum(bytes, 6, sum)
}

pub(crate) fn udp6(ends: (u16, u16), payload: &[u8]) -> Vec<u8> {
    let bytes = udp_bytes(ends, payload);
    let sum = pseudo6(17, bytes.len());
    put_sum(bytes, 6, sum)
}

pub(crate) fn icmp4(kind: u8, code: u8, rest: [u8; 4], data: &[u8]) -> Vec<u8> {
    let bytes = [&[kind, code, 0, 0], &rest[..], data].concat();
    put_sum(bytes, 2, Checksum::new())
}

pub(crate) fn icmp6(kind: u8, code: u8, rest: [u8; 4], data: &[u8]) -> Vec<u8> {
    let bytes = [&[kind, code, 0, 0], &rest[..], data].concat();
    let sum = pseudo6(58, bytes.len());
    put_sum(bytes, 2, sum)
}

/// A classic pcap of raw IP packets, ten microseconds apart.
pub(crate) fn pcap(packets: &[Vec<u8>]) -> Vec<u8> {
    let mut file = 0xa1b2_c3d4u32.to_le_bytes().to_vec();
    file.extend([2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 101, 0, 0, 0]);
    for (number, packet) in packets.iter().enumerate() {
        let len = packet.len() as u32;
        for word in [1_000_000, number as u32 * 10, len, len] {
            file.extend(word.to_le_bytes());
        }
        file.extend(packet);
    }
    file
}
