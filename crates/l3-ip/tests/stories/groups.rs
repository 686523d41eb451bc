//! Joining and leaving multicast groups, and queriers of every age.

use core::net::IpAddr;
use core::time::Duration;

use bytes::Bytes;
use etherparse::{IpHeaders, Ipv4Header};
use outcrop_base::{Checksum, DropReason, Instant, InterfaceId, Seed, Why};
use outcrop_ip::{
    Cidr, Config, Delivery, Endpoint, GroupError, InterfaceConfig, PacketIn, Rule, Transmit,
};

use crate::host::{IFACE, build, packet, raw_v6, reason, verdict};

pub(crate) const QUERIER: &str = "10.77.0.1";

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn host() -> Endpoint {
    host_of(1)
}

pub(crate) fn host_of(seed: u64) -> Endpoint {
    let mut host = Endpoint::new(Config::default(), &Seed::from_number(seed));
    let addresses: [Cidr; 3] =
        ["10.77.0.2/24", "fd77::2/64", "fe80::2/64"].map(|a| a.parse().unwrap());
    let link = InterfaceConfig::tun(IFACE, 1500, addresses.to_vec());
    host.add_interface(link).unwrap();
    host
}

pub(crate) fn seconds(seconds: u64) -> Instant {
    Instant::from_secs(seconds)
}

pub(crate) fn sent(host: &mut Endpoint, now: Instant) -> Vec<Transmit> {
    core::iter::from_fn(|| host.poll_transmit(now)).collect()
}

/// Lets every timer up to `end` run; what was sent, each with its time.
pub(crate) fn until(host: &mut Endpoint, end: Instant) -> Vec<(Instant, Transmit)> {
    let mut all = Vec::new();
    while let Some(at) = host.poll_timeout().filter(|at| *at <= end) {
        host.handle_timeout(at);
        all.extend(sent(host, at).into_iter().map(|transmit| (at, transmit)));
    }
    all
}

/// What follows the IP headers, by the library's reading, and where to.
pub(crate) fn read(transmit: &Transmit) -> (IpAddr, Vec<u8>) {
    let (headers, payload) = IpHeaders::from_slice(&transmit.bytes).unwrap();
    let dst = match headers {
        IpHeaders::Ipv4(header, _) => {
            assert_eq!((header.time_to_live, header.dscp.value()), (1, 48));
            assert_eq!(header.header_checksum, header.calc_header_checksum());
            assert_eq!(header.options.to_vec(), [148, 4, 0, 0]);
            IpAddr::from(header.destination)
        }
        IpHeaders::Ipv6(header, extensions) => {
            assert_eq!(header.hop_limit, 1);
            let alert = extensions.hop_by_hop_options.unwrap();
            assert_eq!(alert.payload(), [5, 2, 0, 0, 1, 0]);
            IpAddr::from(header.destination)
        }
    };
    (dst, payload.payload.to_vec())
}

pub(crate) fn igmp(ttl: u8, src: &str, dst: &str, mut message: Vec<u8>) -> PacketIn {
    let mut sum = Checksum::new();
    sum.add(&message);
    message[2..4].copy_from_slice(&sum.finish().to_be_bytes());
    let octets = |addr: &str| match ip(addr) {
        IpAddr::V4(addr) => addr.octets(),
        IpAddr::V6(_) => panic!("not IPv4"),
    };
    let len = u16::try_from(message.len()).unwrap();
    let mut header = Ipv4Header::new(len, ttl, 2.into(), octets(src), octets(dst)).unwrap();
    header.options = [148, 4, 0, 0].into();
    header.set_payload_len(message.len()).unwrap();
    header.header_checksum = header.calc_header_checksum();
    let bytes = build(|out| {
        header.write(out).unwrap();
        out.extend_from_slice(&message);
    });
    packet(9, bytes)
}

/// An MLD message behind a router alert, from `src` to everybody.
fn mld(src: &str, hops: u8, message: &[u8]) -> PacketIn {
    mld_to(src, "ff02::1", hops, message)
}

pub(crate) fn mld_to(src: &str, dst: &str, hops: u8, message: &[u8]) -> PacketIn {
    let (src, dst) = (ip(src), ip(dst));
    let len = u32::try_from(message.len()).unwrap();
    let mut sum = Checksum::pseudo_header(src, dst, 58, len);
    sum.add(message);
    let mut content = vec![58, 0, 5, 2, 0, 0, 1, 0];
    content.extend_from_slice(message);
    content[10..12].copy_from_slice(&sum.finish().to_be_bytes());
    let mut bytes = raw_v6(src, dst, 0, &content).to_vec();
    bytes[7] = hops;
    packet(9, Bytes::from(bytes))
}

#[test]
fn joining_is_told_at_once_and_once_more_in_both_families() {
    let mut host = host();
    let now = seconds(1);
    // (group, reports go to, type and record: RFC 3376 4.2, RFC 3810 5.2; change to exclude nothing).
    let v4 = (
        ip("239.1.2.3"),
        ip("224.0.0.22"),
        vec![0x22, 0, 1, 4, 0, 0, 0, 239, 1, 2, 3],
    );
    let mut group6 = vec![143, 0, 1, 4, 0, 0, 0];
    group6.extend([0xff, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]);
    let v6 = (ip("ff05::9"), ip("ff02::16"), group6);
    for (group, to, expected) in [v4, v6] {
        host.join_group(IFACE, group).unwrap();
        let mut tellings = sent(&mut host, now);
        let again = until(&mut host, seconds(100));
        let (at, _) = again[0];
        assert!(at > now && at <= now + Duration::from_secs(1), "{at:?}");
        assert_eq!(again.len(), 1);
        tellings.extend(again.into_iter().map(|(_, transmit)| transmit));
        assert_eq!(tellings.len(), 2);
        for telling in &tellings {
            assert_eq!(telling.note.why(), Why::GroupReport);
            assert_eq!((telling.hop.iface, telling.hop.next), (IFACE, to));
            let (dst, mut message) = read(telling);
            assert_eq!(dst, to);
            // Without checksum and reserved bytes.
            message.drain(1..6);
            assert_eq!(message, expected);
        }
    }
    assert_eq!(host.poll_timeout(), None);
}

#[test]
fn group_is_heard_between_joining_and_leaving_and_only_there() {
    let mut host = host();
    let datagram = |host: &mut Endpoint| {
        let to = etherparse::PacketBuilder::ipv4([10, 77, 0, 1], [239, 1, 2, 3], 1).udp(9, 9);
        let bytes = build(|out| to.write(out, b"all").unwrap());
        host.handle_packet(packet(3, bytes))
    };
    let group = ip("239.1.2.3");
    assert_eq!(reason(&datagram(&mut host)), Some(DropReason::IpNotForUs));
    host.join_group(IFACE, group).unwrap();
    host.join_group(IFACE, group).unwrap();
    assert!(matches!(datagram(&mut host), Delivery::Up(_)));
    host.leave_group(IFACE, group).unwrap();
    assert!(matches!(datagram(&mut host), Delivery::Up(_)));
    host.leave_group(IFACE, group).unwrap();
    assert_eq!(reason(&datagram(&mut host)), Some(DropReason::IpNotForUs));
    assert_eq!(host.leave_group(IFACE, group), Err(GroupError::NotJoined));
}

#[test]
fn leaving_is_told_twice_and_then_forgotten() {
    let mut host = host();
    host.join_group(IFACE, ip("239.1.2.3")).unwrap();
    let _ = sent(&mut host, seconds(1));
    let _ = until(&mut host, seconds(10));
    host.leave_group(IFACE, ip("239.1.2.3")).unwrap();
    let mut all = sent(&mut host, seconds(20));
    all.extend(until(&mut host, seconds(90)).into_iter().map(|(_, t)| t));
    // Change to include nothing (RFC 3376 4.2.12).
    let records: Vec<_> = all.iter().map(|t| read(t).1[8]).collect();
    assert_eq!(records, [3, 3]);
    assert_eq!(host.poll_timeout(), None);
}

#[test]
fn general_query_is_answered_once_for_all_groups_within_its_time() {
    let mut delays = Vec::new();
    for seed in 0..20 {
        let mut host = host_of(seed);
        for group in ["239.1.2.3", "239.4.5.6", "224.0.0.1"] {
            host.join_group(IFACE, ip(group)).unwrap();
        }
        let _ = sent(&mut host, seconds(1));
        let _ = until(&mut host, seconds(10));
        // Ten seconds, in tenths; robustness 2, interval 125 s.
        let query = vec![0x11, 100, 0, 0, 0, 0, 0, 0, 2, 125, 0, 0];
        let now = seconds(20);
        let asked = PacketIn {
            at: now,
            ..igmp(1, QUERIER, "224.0.0.1", query)
        };
        assert_eq!(
            verdict(&host.handle_packet(asked)).rule,
            Rule::GroupQuery.as_ref()
        );
        let all = until(&mut host, seconds(60));
        let [(at, answer)] = &all[..] else {
            panic!("{all:?}")
        };
        assert!(*at > now && *at <= now + Duration::from_secs(10));
        delays.push(*at);
        let (_, message) = read(answer);
        // Two records, mode is exclude; all-systems is never reported.
        assert_eq!(message[6..8], [0, 2]);
        assert_eq!((message[8], message[16]), (2, 2));
    }
    // Chance spreads them.
    assert!(
        delays
            .iter()
            .max()
            .unwrap()
            .saturating_since(*delays.iter().min().unwrap())
            > Duration::from_secs(5)
    );
}

#[test]
fn old_querier_is_answered_in_its_own_words_until_it_is_gone() {
    // (query, reports of two groups): RFC 2236 2, RFC 1112 appendix I.
    for (query, kind) in [
        (vec![0x11, 100, 0, 0, 0, 0, 0, 0], 0x16),
        (vec![0x11, 0, 0, 0, 0, 0, 0, 0], 0x12),
    ] {
        let mut host = host();
        for group in ["239.1.2.3", "239.4.5.6"] {
            host.join_group(IFACE, ip(group)).unwrap();
        }
        let _ = sent(&mut host, seconds(1));
        let _ = until(&mut host, seconds(10));
        let asked = PacketIn {
            at: seconds(20),
            ..igmp(1, QUERIER, "224.0.0.1", query)
        };
        let _ = host.handle_packet(asked);
        let all = until(&mut host, seconds(40));
        assert_eq!(all.len(), 2);
        for (at, answer) in &all {
            assert!(*at <= seconds(30));
            let (dst, message) = read(answer);
            // To the group itself, so that others hear it and keep quiet.
            let group: [u8; 4] = message[4..8].try_into().unwrap();
            assert_eq!((dst, message[0], message.len()), (group.into(), kind, 8));
        }
        host.leave_group(IFACE, ip("239.1.2.3")).unwrap();
        let left = sent(&mut host, seconds(50));
        match kind {
            0x16 => {
                let (dst, message) = read(&left[0]);
                assert_eq!((dst, message[0]), (ip("224.0.0.2"), 0x17));
            }
            _ => assert_eq!(left.len(), 0, "version 1 has no word for it"),
        }
        // Twice 125 seconds and ten later the newest words are spoken again.
        host.join_group(IFACE, ip("239.7.7.7")).unwrap();
        let (dst, _) = read(&sent(&mut host, seconds(20 + 261))[0]);
        assert_eq!(dst, ip("224.0.0.22"));
    }
}

#[test]
fn report_of_another_host_spares_ours_where_the_querier_is_old() {
    let mut host = host();
    let group = "239.1.2.3";
    host.join_group(IFACE, ip(group)).unwrap();
    let _ = sent(&mut host, seconds(1));
    let _ = until(&mut host, seconds(10));
    let at = seconds(20);
    let query = igmp(1, QUERIER, "224.0.0.1", vec![0x11, 100, 0, 0, 0, 0, 0, 0]);
    let _ = host.handle_packet(PacketIn { at, ..query });
    let theirs = igmp(1, "10.77.0.9", group, vec![0x16, 0, 0, 0, 239, 1, 2, 3]);
    let heard = host.handle_packet(PacketIn { at, ..theirs });
    assert_eq!(reason(&heard), None);
    assert_eq!(until(&mut host, seconds(60)).len(), 0);
    // Nor do we say that we leave: they are still there.
    host.leave_group(IFACE, ip(group)).unwrap();
    assert_eq!(sent(&mut host, seconds(61)).len(), 0);
}

#[test]
fn query_about_one_group_is_answered_for_it_alone() {
    let mut host = host();
    for group in ["239.1.2.3", "239.4.5.6"] {
        host.join_group(IFACE, ip(group)).unwrap();
    }
    let _ = sent(&mut host, seconds(1));
    let _ = until(&mut host, seconds(10));
    let query = vec![0x11, 10, 0, 0, 239, 4, 5, 6, 2, 125, 0, 0];
    let asked = igmp(1, QUERIER, "239.4.5.6", query);
    let _ = host.handle_packet(PacketIn {
        at: seconds(20),
        ..asked
    });
    let all = until(&mut host, seconds(60));
    let [(at, answer)] = &all[..] else {
        panic!("{all:?}")
    };
    assert!(*at <= seconds(21));
    assert_eq!(read(answer).1[8..], [2, 0, 0, 0, 239, 4, 5, 6]);
}

#[test]
fn mld_of_both_versions_is_answered_from_the_links_own_address() {
    // (query, type of the answer): RFC 2710 3, RFC 3810 5.1.
    let old = [
        vec![130, 0, 0, 0],
        1000u16.to_be_bytes().to_vec(),
        vec![0; 18],
    ]
    .concat();
    let new = [old.clone(), vec![2, 125, 0, 0]].concat();
    for (query, kind, to) in [(old, 131, "ff05::9"), (new, 143, "ff02::16")] {
        let mut host = host();
        host.join_group(IFACE, ip("ff05::9")).unwrap();
        let _ = sent(&mut host, seconds(1));
        let _ = until(&mut host, seconds(10));
        let at = seconds(20);
        let asked = mld("fe80::1", 1, &query);
        assert_eq!(reason(&host.handle_packet(PacketIn { at, ..asked })), None);
        let all = until(&mut host, seconds(60));
        let [(at, answer)] = &all[..] else {
            panic!("{all:?}")
        };
        assert!(*at <= seconds(21));
        let (dst, message) = read(answer);
        assert_eq!((dst, message[0]), (ip(to), kind));
        let mut sum = Checksum::pseudo_header(
            ip("fe80::2"),
            dst,
            58,
            u32::try_from(message.len()).unwrap(),
        );
        sum.add(&message);
        assert_eq!(sum.finish(), 0);
    }
}

#[test]
fn messages_from_beyond_the_link_are_not_believed() {
    let mut host = host();
    host.join_group(IFACE, ip("ff05::9")).unwrap();
    host.join_group(IFACE, ip("239.1.2.3")).unwrap();
    let _ = sent(&mut host, seconds(1));
    let _ = until(&mut host, seconds(10));
    let query = [vec![130, 0, 0, 0, 3, 232], vec![0; 22]].concat();
    // RFC 3810 5.1.14: link-local source, one hop, router alert.
    let mut bare = raw_v6(ip("fe80::1"), ip("ff02::1"), 58, &query).to_vec();
    bare[7] = 1;
    let mut sum = Checksum::pseudo_header(ip("fe80::1"), ip("ff02::1"), 58, 28);
    sum.add(&query);
    bare[42..44].copy_from_slice(&sum.finish().to_be_bytes());
    for asked in [
        mld("fd77::1", 1, &query),
        mld("fe80::1", 2, &query),
        packet(9, bare.into()),
        igmp(2, QUERIER, "224.0.0.1", vec![0x11, 100, 0, 0, 0, 0, 0, 0]),
    ] {
        let delivery = host.handle_packet(asked);
        assert_eq!(reason(&delivery), Some(DropReason::IcmpInvalid));
    }
    assert_eq!(host.poll_timeout(), None);
}

#[test]
fn groups_of_one_interface_are_bounded_and_must_be_groups() {
    let mut host = host();
    assert_eq!(
        host.join_group(IFACE, ip("10.77.0.9")),
        Err(GroupError::NotAGroup)
    );
    let nowhere = host.join_group(InterfaceId(7), ip("239.1.1.1"));
    assert_eq!(nowhere, Err(GroupError::UnknownInterface));
    for n in 0..64 {
        host.join_group(IFACE, IpAddr::from([239, 0, 0, n]))
            .unwrap();
    }
    let one_more = host.join_group(IFACE, ip("239.0.1.0"));
    assert_eq!(one_more, Err(GroupError::TooMany));
    // As many as there may be are told in packets that fit the smallest MTU.
    let reports = sent(&mut host, seconds(1));
    assert_eq!(reports.len(), 1);
    assert!(reports.iter().all(|report| report.bytes.len() <= 576));
}
