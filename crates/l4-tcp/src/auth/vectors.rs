//! The test vectors of RFC 9235, packet by packet: traffic key and MAC.

use std::io::IoSlice;

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::Bytes;
use outcrop_base::{
    Arrival, Cast, Cause, ChecksumState, Ecn, Flow, Instant, InterfaceId, IpFields, Limit, Note,
    PacketId, Path, Why,
};

use super::ao::{Context, derive, mac};
use super::covered::Covered;
use super::guard::Guard;
use super::keys::{AoAlgorithm, Keyring, MasterKey, Prefix, Secret};
use super::{md5, same};
use crate::rule::Rule;
use crate::segment::{Segment, StreamRange};
use crate::seq::SeqNum;
use crate::transmit::Transmit;
use crate::wire;

/// RFC 9235 3.1.1: the key of every vector, and the two ids.
const MASTER: &[u8] = b"testvector";
const CLIENT_ID: u8 = 61;
const SERVER_ID: u8 = 84;

struct Vector {
    /// Of RFC 9235.
    section: &'static str,
    algorithm: AoAlgorithm,
    covers_options: bool,
    src_isn: u32,
    dst_isn: u32,
    traffic_key: &'static str,
    /// IP header and all.
    packet: &'static str,
}

use AoAlgorithm::{AesCmac, HmacSha1};

#[rustfmt::skip]
const VECTORS: &[Vector] = &[
    Vector {
        section: "4.1.1", algorithm: HmacSha1, covers_options: true, src_isn: 0xfbfbab5a, dst_isn: 0x00000000,
        traffic_key: "6d 63 ef 1b 02 fe 15 09 d4 b1 40 27 07 fd 7b 04 16 ab b7 4f",
        packet: "45 e0 00 4c dd 0f 40 00 ff 06 bf 6b 0a 0b 0c 0d ac 1b 1c 1d e9 d7 00 b3 fb fb ab 5a 00 00 00 00 \
            e0 02 ff ff ca c4 00 00 02 04 05 b4 01 03 03 08 04 02 08 0a 00 15 5a b7 00 00 00 00 1d 10 3d 54 \
            2e e4 37 c6 f8 ed e6 d7 c4 d6 02 e7",
    },
    Vector {
        section: "4.1.2", algorithm: HmacSha1, covers_options: true, src_isn: 0x11c14261, dst_isn: 0xfbfbab5a,
        traffic_key: "d9 e2 17 e4 83 4a 80 ca 2f 3f d8 de 2e 41 b8 e6 79 7f ea 96",
        packet: "45 e0 00 4c 65 06 40 00 ff 06 37 75 ac 1b 1c 1d 0a 0b 0c 0d 00 b3 e9 d7 11 c1 42 61 fb fb ab 5b \
            e0 12 ff ff 37 76 00 00 02 04 05 b4 01 03 03 08 04 02 08 0a 84 a5 0b eb 00 15 5a b7 1d 10 54 3d \
            ee ab 0f e2 4c 30 10 81 51 16 b3 be",
    },
    Vector {
        section: "4.1.3", algorithm: HmacSha1, covers_options: true, src_isn: 0xfbfbab5a, dst_isn: 0x11c14261,
        traffic_key: "d2 e5 9c 65 ff c7 b1 a3 93 47 65 64 63 b7 0e dc 24 a1 3d 71",
        packet: "45 e0 00 87 36 a1 40 00 ff 06 65 9f 0a 0b 0c 0d ac 1b 1c 1d e9 d7 00 b3 fb fb ab 5b 11 c1 42 62 \
            c0 18 01 04 a1 62 00 00 01 01 08 0a 00 15 5a c1 84 a5 0b eb 1d 10 3d 54 70 64 cf 99 8c c6 c3 15 \
            c2 c2 e2 bf ff ff ff ff ff ff ff ff ff ff ff ff ff ff ff ff 00 43 01 04 da bf 00 b4 0a 0b 0c 0d \
            26 02 06 01 04 00 01 00 01 02 02 80 00 02 02 02 00 02 02 42 00 02 06 41 04 00 00 da bf 02 08 40 \
            06 00 64 00 01 01 00",
    },
    Vector {
        section: "4.1.4", algorithm: HmacSha1, covers_options: true, src_isn: 0x11c14261, dst_isn: 0xfbfbab5a,
        traffic_key: "d9 e2 17 e4 83 4a 80 ca 2f 3f d8 de 2e 41 b8 e6 79 7f ea 96",
        packet: "45 e0 00 87 1f a9 40 00 ff 06 7c 97 ac 1b 1c 1d 0a 0b 0c 0d 00 b3 e9 d7 11 c1 42 62 fb fb ab 9e \
            c0 18 01 00 40 0c 00 00 01 01 08 0a 84 a5 0b f5 00 15 5a c1 1d 10 54 3d a6 3f 0e cb bb 2e 63 5c \
            95 4d ea c7 ff ff ff ff ff ff ff ff ff ff ff ff ff ff ff ff 00 43 01 04 da c0 00 b4 ac 1b 1c 1d \
            26 02 06 01 04 00 01 00 01 02 02 80 00 02 02 02 00 02 02 42 00 02 06 41 04 00 00 da c0 02 08 40 \
            06 00 64 00 01 01 00",
    },
    Vector {
        section: "4.2.1", algorithm: HmacSha1, covers_options: false, src_isn: 0xcb0efbee, dst_isn: 0x00000000,
        traffic_key: "30 ea a1 56 0c f0 be 57 da b5 c0 45 22 9f b1 0a 42 3c d7 ea",
        packet: "45 e0 00 4c 53 99 40 00 ff 06 48 e2 0a 0b 0c 0d ac 1b 1c 1d ff 12 00 b3 cb 0e fb ee 00 00 00 00 \
            e0 02 ff ff 54 1f 00 00 02 04 05 b4 01 03 03 08 04 02 08 0a 00 02 4c ce 00 00 00 00 1d 10 3d 54 \
            80 af 3c fe b8 53 68 93 7b 8f 9e c2",
    },
    Vector {
        section: "4.2.2", algorithm: HmacSha1, covers_options: false, src_isn: 0xacd5b5e1, dst_isn: 0xcb0efbee,
        traffic_key: "b5 b2 89 6b b3 66 4e 81 76 b0 ed c6 e7 99 52 41 01 a8 30 7f",
        packet: "45 e0 00 4c 32 84 40 00 ff 06 69 f7 ac 1b 1c 1d 0a 0b 0c 0d 00 b3 ff 12 ac d5 b5 e1 cb 0e fb ef \
            e0 12 ff ff 38 8e 00 00 02 04 05 b4 01 03 03 08 04 02 08 0a 57 67 72 f3 00 02 4c ce 1d 10 54 3d \
            09 30 6f 9a ce a6 3a 8c 68 cb 9a 70",
    },
    Vector {
        section: "4.2.3", algorithm: HmacSha1, covers_options: false, src_isn: 0xcb0efbee, dst_isn: 0xacd5b5e1,
        traffic_key: "f3 db 17 93 d7 91 0e cd 80 6c 34 f1 55 ea 1f 00 34 59 53 e3",
        packet: "45 e0 00 87 a8 f5 40 00 ff 06 f3 4a 0a 0b 0c 0d ac 1b 1c 1d ff 12 00 b3 cb 0e fb ef ac d5 b5 e2 \
            c0 18 01 04 6c 45 00 00 01 01 08 0a 00 02 4c ce 57 67 72 f3 1d 10 3d 54 71 06 08 cc 69 6c 03 a2 \
            71 c9 3a a5 ff ff ff ff ff ff ff ff ff ff ff ff ff ff ff ff 00 43 01 04 da bf 00 b4 0a 0b 0c 0d \
            26 02 06 01 04 00 01 00 01 02 02 80 00 02 02 02 00 02 02 42 00 02 06 41 04 00 00 da bf 02 08 40 \
            06 00 64 00 01 01 00",
    },
    Vector {
        section: "4.2.4", algorithm: HmacSha1, covers_options: false, src_isn: 0xacd5b5e1, dst_isn: 0xcb0efbee,
        traffic_key: "b5 b2 89 6b b3 66 4e 81 76 b0 ed c6 e7 99 52 41 01 a8 30 7f",
        packet: "45 e0 00 87 54 37 40 00 ff 06 48 09 ac 1b 1c 1d 0a 0b 0c 0d 00 b3 ff 12 ac d5 b5 e2 cb 0e fc 32 \
            c0 18 01 00 46 b6 00 00 01 01 08 0a 57 67 72 f3 00 02 4c ce 1d 10 54 3d 97 76 6e 48 ac 26 2d e9 \
            ae 61 b4 f9 ff ff ff ff ff ff ff ff ff ff ff ff ff ff ff ff 00 43 01 04 da c0 00 b4 ac 1b 1c 1d \
            26 02 06 01 04 00 01 00 01 02 02 80 00 02 02 02 00 02 02 42 00 02 06 41 04 00 00 da c0 02 08 40 \
            06 00 64 00 01 01 00",
    },
    Vector {
        section: "5.1.1", algorithm: AesCmac, covers_options: true, src_isn: 0x787a1ddf, dst_isn: 0x00000000,
        traffic_key: "f5 b8 b3 d5 f3 4f db b6 eb 8d 4a b9 66 0e 60 e3",
        packet: "45 e0 00 4c 7b 9f 40 00 ff 06 20 dc 0a 0b 0c 0d ac 1b 1c 1d c4 fa 00 b3 78 7a 1d df 00 00 00 00 \
            e0 02 ff ff 5a 0f 00 00 02 04 05 b4 01 03 03 08 04 02 08 0a 00 01 7e d0 00 00 00 00 1d 10 3d 54 \
            e4 77 e9 9c 80 40 76 54 98 e5 50 91",
    },
    Vector {
        section: "6.1.1", algorithm: HmacSha1, covers_options: true, src_isn: 0x176a833f, dst_isn: 0x00000000,
        traffic_key: "62 5e c0 9d 57 58 36 ed c9 b6 42 84 18 bb f0 69 89 a3 61 bb",
        packet: "6e 08 91 dc 00 38 06 40 fd 00 00 00 00 00 00 00 00 00 00 00 00 00 00 01 fd 00 00 00 00 00 00 00 \
            00 00 00 00 00 00 00 02 f7 e4 00 b3 17 6a 83 3f 00 00 00 00 e0 02 ff ff 47 21 00 00 02 04 05 a0 \
            01 03 03 08 04 02 08 0a 00 41 d0 87 00 00 00 00 1d 10 3d 54 90 33 ec 3d 73 34 b6 4c 5e dd 03 9f",
    },
    Vector {
        section: "6.1.2", algorithm: HmacSha1, covers_options: true, src_isn: 0x3f51994b, dst_isn: 0x176a833f,
        traffic_key: "e4 a3 7a da 2a 0a fc a8 71 14 34 91 3f e1 38 c7 71 eb cb 4a",
        packet: "6e 01 00 9e 00 38 06 40 fd 00 00 00 00 00 00 00 00 00 00 00 00 00 00 02 fd 00 00 00 00 00 00 00 \
            00 00 00 00 00 00 00 01 00 b3 f7 e4 3f 51 99 4b 17 6a 83 40 e0 12 ff ff bf ec 00 00 02 04 05 a0 \
            01 03 03 08 04 02 08 0a bd 33 12 9b 00 41 d0 87 1d 10 54 3d f1 cb a3 46 c3 52 61 63 f7 1f 1f 55",
    },
    Vector {
        section: "6.2.2", algorithm: HmacSha1, covers_options: false, src_isn: 0xeba3734d, dst_isn: 0x020c1e69,
        traffic_key: "40 51 08 94 7f 99 65 75 e7 bd bc 26 d4 02 16 a2 c7 fa 91 bd",
        packet: "6e 0a 7e 1f 00 38 06 40 fd 00 00 00 00 00 00 00 00 00 00 00 00 00 00 02 fd 00 00 00 00 00 00 00 \
            00 00 00 00 00 00 00 01 00 b3 c6 cd eb a3 73 4d 02 0c 1e 6a e0 12 ff ff 77 4d 00 00 02 04 05 a0 \
            01 03 03 08 04 02 08 0a 5e c9 9b 70 00 9d b9 5b 1d 10 54 3d 3c 54 6b ad 97 43 f1 2d f8 b8 01 0d",
    },
    Vector {
        section: "6.2.4", algorithm: HmacSha1, covers_options: false, src_isn: 0xeba3734d, dst_isn: 0x020c1e69,
        traffic_key: "40 51 08 94 7f 99 65 75 e7 bd bc 26 d4 02 16 a2 c7 fa 91 bd",
        packet: "6e 0a 7e 1f 00 73 06 40 fd 00 00 00 00 00 00 00 00 00 00 00 00 00 00 02 fd 00 00 00 00 00 00 00 \
            00 00 00 00 00 00 00 01 00 b3 c6 cd eb a3 73 4e 02 0c 1e ad c0 18 01 00 71 6a 00 00 01 01 08 0a \
            5e c9 9b 7a 00 9d b9 65 1d 10 54 3d 55 9a 81 94 45 b4 fd e9 8d 9e 13 17 ff ff ff ff ff ff ff ff \
            ff ff ff ff ff ff ff ff 00 43 01 04 fd e8 00 b4 01 01 01 7a 26 02 06 01 04 00 01 00 01 02 02 80 \
            00 02 02 02 00 02 02 42 00 02 06 41 04 00 00 fd e8 02 08 40 06 00 64 00 01 01 00",
    },
    Vector {
        section: "7.1.2", algorithm: AesCmac, covers_options: true, src_isn: 0xa6744ecb, dst_isn: 0x193cccec,
        traffic_key: "cf 1b 1e 22 5e 06 a6 36 16 76 4a 06 7b 46 f4 b1",
        packet: "6e 06 15 20 00 38 06 40 fd 00 00 00 00 00 00 00 00 00 00 00 00 00 00 02 fd 00 00 00 00 00 00 00 \
            00 00 00 00 00 00 00 01 00 b3 f8 5a a6 74 4e cb 19 3c cc ed e0 12 ff ff ea bb 00 00 02 04 05 a0 \
            01 03 03 08 04 02 08 0a 71 da ab c8 13 e4 ab 99 1d 10 54 3d dc 28 43 a8 4e 78 a6 bc fd c5 ed 80",
    },
    Vector {
        section: "7.1.4", algorithm: AesCmac, covers_options: true, src_isn: 0xa6744ecb, dst_isn: 0x193cccec,
        traffic_key: "cf 1b 1e 22 5e 06 a6 36 16 76 4a 06 7b 46 f4 b1",
        packet: "6e 06 15 20 00 73 06 40 fd 00 00 00 00 00 00 00 00 00 00 00 00 00 00 02 fd 00 00 00 00 00 00 00 \
            00 00 00 00 00 00 00 01 00 b3 f8 5a a6 74 4e cc 19 3c cd 30 c0 18 01 00 52 f4 00 00 01 01 08 0a \
            71 da ab d3 13 e4 ab a3 1d 10 54 3d c1 06 9b 7d fd 3d 69 3a 6d f3 f2 89 ff ff ff ff ff ff ff ff \
            ff ff ff ff ff ff ff ff 00 43 01 04 fd e8 00 b4 01 01 01 7a 26 02 06 01 04 00 01 00 01 02 02 80 \
            00 02 02 02 00 02 02 42 00 02 06 41 04 00 00 fd e8 02 08 40 06 00 64 00 01 01 00",
    },
];

fn octets(hex: &str) -> Vec<u8> {
    hex.split_whitespace()
        .map(|octet| u8::from_str_radix(octet, 16).unwrap())
        .collect()
}

/// The addresses, and the TCP segment.
fn taken_apart(packet: &[u8]) -> ([IpAddr; 2], &[u8]) {
    if packet[0] >> 4 == 4 {
        let at = |i: usize| {
            IpAddr::V4(Ipv4Addr::from(
                <[u8; 4]>::try_from(&packet[i..i + 4]).unwrap(),
            ))
        };
        ([at(12), at(16)], &packet[20..])
    } else {
        let at = |i: usize| {
            IpAddr::V6(Ipv6Addr::from(
                <[u8; 16]>::try_from(&packet[i..i + 16]).unwrap(),
            ))
        };
        ([at(8), at(24)], &packet[40..])
    }
}

fn port(segment: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([segment[at], segment[at + 1]])
}

fn key(vector: &Vector, peer: IpAddr) -> MasterKey {
    MasterKey {
        peer: Prefix::from(peer),
        send_id: SERVER_ID,
        recv_id: CLIENT_ID,
        algorithm: vector.algorithm,
        secret: Secret::new(MASTER).unwrap(),
        covers_options: vector.covers_options,
    }
}

#[test]
fn rfc_9235_packets_have_the_traffic_keys_and_macs_it_names() {
    for vector in VECTORS {
        let packet = octets(vector.packet);
        let ([src, dst], segment) = taken_apart(&packet);
        let context = Context {
            src: SocketAddr::new(src, port(segment, 0)),
            dst: SocketAddr::new(dst, port(segment, 2)),
            src_isn: SeqNum::new(vector.src_isn),
            dst_isn: SeqNum::new(vector.dst_isn),
        };
        let key = key(vector, dst);
        let traffic = derive(&key, &context);
        assert_eq!(
            traffic.octets(),
            octets(vector.traffic_key),
            "{}",
            vector.section
        );
        let (header, payload) = segment.split_at(usize::from(segment[12] >> 4) * 4);
        let payload = [IoSlice::new(payload)];
        let covered = Covered {
            src,
            dst,
            header,
            payload: &payload,
        };
        let at = wire::find_option(header, wire::AO).unwrap();
        let ours = mac(&traffic, 0, vector.covers_options, &covered);
        assert!(
            same(&ours, &header[at.start + 4..at.end]),
            "{}",
            vector.section
        );
        let later = mac(&traffic, 1, vector.covers_options, &covered);
        assert!(
            !same(&later, &header[at.start + 4..at.end]),
            "{}: the extension counts",
            vector.section
        );
    }
}

/// A SYN and a segment with text, signed with Python's hashlib from the words of RFC 2385 2.0.
#[test]
fn md5_digests_are_those_of_a_second_implementation() {
    let secret = Secret::new(b"outcrop").unwrap();
    for (packet, digest) in MD5_VECTORS {
        let packet = octets(packet);
        let ([src, dst], segment) = taken_apart(&packet);
        let (header, payload) = segment.split_at(usize::from(segment[12] >> 4) * 4);
        let payload = [IoSlice::new(payload)];
        let covered = Covered {
            src,
            dst,
            header,
            payload: &payload,
        };
        assert_eq!(md5::digest(&secret, &covered).to_vec(), octets(digest));
    }
}

/// The packets are those of RFC 9235 4.1.1 and 6.2.4, whose options RFC 2385 does not look at.
#[rustfmt::skip]
const MD5_VECTORS: [(&str, &str); 2] = [
    (
        "45 e0 00 4c dd 0f 40 00 ff 06 bf 6b 0a 0b 0c 0d ac 1b 1c 1d e9 d7 00 b3 fb fb ab 5a 00 00 00 00 \
        e0 02 ff ff ca c4 00 00 02 04 05 b4 01 03 03 08 04 02 08 0a 00 15 5a b7 00 00 00 00 1d 10 3d 54 \
        2e e4 37 c6 f8 ed e6 d7 c4 d6 02 e7",
        "77 d4 f4 73 26 74 ba be 52 5f 1f 2d d8 f7 43 87",
    ),
    (
        "6e 0a 7e 1f 00 73 06 40 fd 00 00 00 00 00 00 00 00 00 00 00 00 00 00 02 fd 00 00 00 00 00 00 00 \
        00 00 00 00 00 00 00 01 00 b3 c6 cd eb a3 73 4e 02 0c 1e ad c0 18 01 00 71 6a 00 00 01 01 08 0a \
        5e c9 9b 7a 00 9d b9 65 1d 10 54 3d 55 9a 81 94 45 b4 fd e9 8d 9e 13 17 ff ff ff ff ff ff ff ff \
        ff ff ff ff ff ff ff ff 00 43 01 04 fd e8 00 b4 01 01 01 7a 26 02 06 01 04 00 01 00 01 02 02 80 \
        00 02 02 02 00 02 02 42 00 02 06 41 04 00 00 fd e8 02 08 40 06 00 64 00 01 01 00",
        "7e cf 5d f5 70 a9 c9 1f 18 b6 32 91 84 7e 49 76",
    ),
];

/// A received packet, as the wire module reads it.
fn received(packet: &[u8]) -> (Flow, Segment, Bytes) {
    let ([src, dst], bytes) = taken_apart(packet);
    let a = Arrival {
        at: Instant::ZERO,
        id: PacketId(1),
        iface: InterfaceId(0),
        src,
        dst,
        cast: Cast::Unicast,
        ecn: Ecn::NotEct,
        hop_limit: 255,
        // Some of the RFC's packets do not have theirs; no MAC covers it.
        checksum: ChecksumState::Verified,
        gso_size: None,
        path: Path::plain(1500),
    };
    let (segment, payload) = wire::parse(&a, Bytes::copy_from_slice(bytes)).unwrap();
    (segment.flow(&a), segment, payload)
}

/// The plan whose segment a packet is.
fn planned(packet: &[u8]) -> (Transmit, Vec<u8>, Bytes) {
    let (mirrored, segment, payload) = received(packet);
    let plan = Transmit {
        conn: None,
        flow: Flow {
            transport: mirrored.transport,
            local: mirrored.remote,
            remote: mirrored.local,
        },
        header: segment.header,
        fields: IpFields::default(),
        range: StreamRange::default(),
        gso: None,
        mac: None,
        note: Note::new(Why::Data, Limit::None, Cause::None),
    };
    (plan, segment.bytes.to_vec(), payload)
}

fn vector(section: &str) -> Vec<u8> {
    let vector = VECTORS.iter().find(|vector| vector.section == section);
    octets(vector.unwrap().packet)
}

/// The server's side of RFC 9235 4.1: what the RFC's client says is believed, what we say is what its server says.
#[test]
fn rfc_9235_conversation_is_held_by_a_guard_and_not_again_four_gibibytes_later() {
    let (flow, syn, payload) = received(&vector("4.1.1"));
    let mut ring = Keyring::new();
    ring.add_ao_key(key(&VECTORS[0], flow.remote.ip())).unwrap();
    let mut guard = Guard::passive(&ring, &flow, &syn).unwrap();
    let check = |guard: &mut Guard, segment: &Segment, payload: &Bytes| {
        guard.check(
            segment.header.options.signature.unwrap(),
            &flow,
            segment,
            payload,
        )
    };
    assert_eq!(check(&mut guard, &syn, &payload), Ok(()));
    for (section, theirs) in [("4.1.2", false), ("4.1.3", true), ("4.1.4", false)] {
        let packet = vector(section);
        if theirs {
            let (_, segment, payload) = received(&packet);
            assert_eq!(check(&mut guard, &segment, &payload), Ok(()), "{section}");
        } else {
            let (plan, header, payload) = planned(&packet);
            let (signature, sne) = guard.plan(&plan.flow, &plan.header).unwrap();
            assert_eq!(Some(signature), plan.header.options.signature, "{section}");
            let payload = [IoSlice::new(&payload)];
            let covered = Covered {
                src: plan.flow.local.ip(),
                dst: plan.flow.remote.ip(),
                header: &header,
                payload: &payload,
            };
            let at = wire::find_option(&header, wire::AO).unwrap();
            let ours = guard.sign(&plan, sne, &covered);
            assert_eq!(ours[..12], header[at.start + 4..at.end], "{section}");
        }
    }
    let (_, recorded, payload) = received(&vector("4.1.3"));
    assert_eq!(
        check(&mut guard, &recorded, &payload),
        Ok(()),
        "as good as new"
    );
    guard.ao_mut().unwrap().turn();
    let replayed = check(&mut guard, &recorded, &payload);
    assert_eq!(replayed, Err(Rule::SignatureWrong));
}
