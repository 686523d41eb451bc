//! Packets that are taken, dropped by name, or handed up.

use crate::host::*;
use bytes::Bytes;
use core::net::IpAddr;
use core::time::Duration;
use etherparse::{PacketBuilder, PacketHeaders};
use outcrop_base::{ChecksumState, DropReason, Ecn, PacketId};
use outcrop_ip::Delivery;

#[test]
fn what_linux_sends_into_a_fresh_tun_is_dropped_by_name() {
    let mut host = host();
    let link_local: IpAddr = "fe80::1".parse().unwrap();
    let all_routers: IpAddr = "ff02::2".parse().unwrap();
    let solicitation = raw_v6(link_local, all_routers, 58, &[133, 0, 0, 0, 0, 0, 0, 0]);
    let report = raw_v6(
        "::".parse().unwrap(),
        "ff02::16".parse().unwrap(),
        0,
        &[58, 0, 5, 2, 0, 0, 1, 0, 143, 0, 0, 0, 0, 0, 0, 0],
    );
    for bytes in [solicitation, report] {
        assert_eq!(
            reason(&host.handle_packet(packet(1, bytes))),
            Some(DropReason::IpNotForUs)
        );
    }
    // A query to all nodes reaches us, but this one could come from beyond the link (RFC 3810 5.1.14).
    let mut query = raw_v6(
        link_local,
        "ff02::1".parse().unwrap(),
        58,
        &[130, 0, 0, 0, 0, 0, 0, 0],
    );
    fix_icmpv6_checksum(&mut query);
    assert_eq!(
        reason(&host.handle_packet(packet(1, query))),
        Some(DropReason::IcmpInvalid)
    );
    assert!(host.poll_transmit(NOW).is_none());
    assert!(host.poll_event().is_none());
}

#[test]
fn each_unfit_packet_is_dropped_for_its_own_reason() {
    let good = echo_request_v4(b"x");
    let patched = |at: usize, value: u8| {
        let mut bytes = good.to_vec();
        bytes[at] = value;
        fix_ipv4_checksum(&mut bytes);
        Bytes::from(bytes)
    };
    let table: [(&str, Bytes, DropReason); 9] = [
        ("empty", Bytes::new(), DropReason::IpUnknownVersion),
        ("version 5", patched(0, 0x55), DropReason::IpUnknownVersion),
        (
            "source is a group",
            patched(12, 224),
            DropReason::IpBadSource,
        ),
        (
            "source is loopback",
            patched(12, 127),
            DropReason::IpBadSource,
        ),
        (
            "source is ourselves",
            patched(15, 2),
            DropReason::IpBadSource,
        ),
        (
            "source is the broadcast address",
            patched(15, 255),
            DropReason::IpBadSource,
        ),
        (
            "destination is another host",
            patched(19, 3),
            DropReason::IpNotForUs,
        ),
        (
            "damaged ICMP",
            patched(28, 0xff),
            DropReason::IcmpBadChecksum,
        ),
        ("cut short", good.slice(..27), DropReason::Ipv4Truncated),
    ];
    for (what, bytes, expected) in table {
        let mut host = host();
        assert_eq!(
            reason(&host.handle_packet(packet(1, bytes))),
            Some(expected),
            "{what}"
        );
        assert!(host.poll_transmit(NOW).is_none(), "{what}");
    }
}

#[test]
fn padding_behind_a_packet_is_not_part_of_it() {
    let mut host = host();
    let datagram = PacketBuilder::ipv4([10, 77, 0, 1], [10, 77, 0, 2], 64).udp(1, 2);
    let mut bytes = Vec::new();
    datagram.write(&mut bytes, b"data").unwrap();
    bytes.resize(60, 0);
    let Delivery::Up(up) = host.handle_packet(packet(1, bytes.into())) else {
        panic!("not up")
    };
    assert_eq!(up.payload().len(), 8 + 4);
}

#[test]
fn congestion_mark_hop_limit_and_path_come_up_with_the_segment() {
    let mut host = host();
    let mut bytes = Vec::new();
    PacketBuilder::ipv4([10, 77, 0, 1], [10, 77, 0, 2], 33)
        .tcp(1, 2, 3, 4)
        .write(&mut bytes, b"")
        .unwrap();
    bytes[1] = 3;
    fix_ipv4_checksum(&mut bytes);
    let Delivery::Up(up) = host.handle_packet(packet(8, bytes.into())) else {
        panic!("not up")
    };
    let a = up.arrival;
    assert_eq!(
        (a.ecn, a.hop_limit, a.path.mtu, a.id, a.at),
        (Ecn::Ce, 33, 1500, PacketId(8), NOW)
    );
    assert_eq!(a.checksum, ChecksumState::Unverified);
}

proptest::proptest! {
    /// Whatever arrives: a verdict, answers within the MTU, bounded memory, no panic.
    #[test]
    fn arbitrary_packets_are_judged(packets in proptest::collection::vec((
        proptest::bool::ANY,
        proptest::sample::select(vec![0u8, 1, 6, 17, 43, 44, 58, 60]),
        proptest::array::uniform4(proptest::num::u8::ANY),
        proptest::collection::vec(proptest::num::u8::ANY, 0..120),
    ), 1..30)) {
        let mut host = host();
        for (n, (is_v4, next, odd, content)) in packets.into_iter().enumerate() {
            let bytes = if is_v4 {
                let mut bytes = vec![0x45, odd[0], 0, 20 + content.len() as u8, 0, 1, odd[1] & 0x3f, odd[2] & 3, 64, next, 0, 0, 10, 77, 0, 1, 10, 77, 0, 2];
                fix_ipv4_checksum(&mut bytes);
                bytes.extend(&content);
                Bytes::from(bytes)
            } else {
                raw_v6(PEER_V6, OURS_V6, next, &content)
            };
            let mut input = packet(n as u64, bytes);
            if odd[3] & 1 == 1 {
                input.checksum = ChecksumState::Verified;
            }
            let _ = host.handle_packet(input);
            while let Some(answer) = host.poll_transmit(NOW) {
                assert!(answer.bytes.len() <= 1500);
                assert!(PacketHeaders::from_ip_slice(&answer.bytes).is_ok());
            }
            while host.poll_event().is_some() {}
        }
        host.handle_timeout(NOW + Duration::from_secs(3600));
        assert_eq!(host.poll_timeout(), None);
    }
}
