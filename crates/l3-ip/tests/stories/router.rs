//! What a router passes on, what it refuses, and what it says about it.

use core::hash::Hasher;
use core::net::IpAddr;

use bytes::Bytes;
use etherparse::{Icmpv4Type, Icmpv6Type};
use etherparse::{
    IpNumber, Ipv4Header, NetHeaders, PacketBuilder, PacketHeaders, TransportHeader, icmpv4, icmpv6,
};
use outcrop_base::{DropReason, Instant, InterfaceId, PacketId, Seed, Verdict, Why};
use outcrop_ip::{
    Cidr, Config, Delivery, Endpoint, Filter, InterfaceConfig, PacketIn, Passing, Refusal, Rule,
    Ruling, Transmit,
};

use crate::host::{NOW, build, packet, raw_v6, reason, verdict};

const WEST: InterfaceId = InterfaceId(0);
/// Narrower than the others.
const EAST: InterfaceId = InterfaceId(1);
/// Not point to point: several stations on one wire.
const WIRE: InterfaceId = InterfaceId(2);

fn cidr(text: &str) -> Cidr {
    text.parse().unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn router() -> Endpoint {
    router_with(Config::default())
}

fn router_with(config: Config) -> Endpoint {
    let config = Config {
        forward: true,
        ..config
    };
    let mut router = Endpoint::new(config, &Seed::from_number(1));
    let link = |id, mtu, v4, v6| InterfaceConfig::tun(id, mtu, vec![cidr(v4), cidr(v6)]);
    let west = link(WEST, 1500, "10.1.0.1/24", "fd01::1/64");
    let east = link(EAST, 1280, "10.2.0.1/24", "fd02::1/64");
    let mut wire = link(WIRE, 1500, "10.3.0.1/24", "fd03::1/64");
    wire.point_to_point = false;
    for interface in [west, east, wire] {
        router.add_interface(interface).unwrap();
    }
    let via = Some(ip("10.2.0.2"));
    router.add_route(cidr("10.9.0.0/16"), via, EAST).unwrap();
    router
}

fn octets(addr: IpAddr) -> [u8; 4] {
    match addr {
        IpAddr::V4(addr) => addr.octets(),
        IpAddr::V6(_) => panic!("not IPv4"),
    }
}

/// A UDP datagram.
fn datagram(src: &str, dst: &str, ttl: u8, len: usize) -> Bytes {
    let data = vec![7; len];
    match (ip(src), ip(dst)) {
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            let builder = PacketBuilder::ipv6(src.octets(), dst.octets(), ttl).udp(4000, 9);
            build(|out| builder.write(out, &data).unwrap())
        }
        (src, dst) => {
            let builder = PacketBuilder::ipv4(octets(src), octets(dst), ttl).udp(4000, 9);
            build(|out| builder.write(out, &data).unwrap())
        }
    }
}

/// The same packet that may be cut.
fn divisible(bytes: &Bytes) -> Bytes {
    let mut bytes = bytes.to_vec();
    bytes[6] = 0;
    crate::host::fix_ipv4_checksum(&mut bytes);
    bytes.into()
}

fn arrives(router: &mut Endpoint, iface: InterfaceId, bytes: &Bytes) -> Verdict {
    let packet = PacketIn {
        iface,
        ..packet(5, bytes.clone())
    };
    verdict(&router.handle_packet(packet))
}

fn sent(router: &mut Endpoint) -> Vec<Transmit> {
    core::iter::from_fn(|| router.poll_transmit(NOW)).collect()
}

fn only(router: &mut Endpoint) -> Transmit {
    let mut sent = sent(router);
    assert_eq!(sent.len(), 1, "{sent:?}");
    sent.remove(0)
}

/// Source, type, code and the four bytes after the checksum of an ICMP message, by the library's reading.
fn icmp(transmit: &Transmit) -> (IpAddr, u8, u8, [u8; 4]) {
    let headers = PacketHeaders::from_ip_slice(&transmit.bytes).unwrap();
    let src = match headers.net.unwrap() {
        NetHeaders::Ipv4(header, _) => IpAddr::from(header.source),
        NetHeaders::Ipv6(header, _) => IpAddr::from(header.source),
        NetHeaders::Arp(_) => panic!("ARP"),
    };
    let bytes = match headers.transport.unwrap() {
        TransportHeader::Icmpv4(header) => header.to_bytes().to_vec(),
        TransportHeader::Icmpv6(header) => header.to_bytes().to_vec(),
        other @ (TransportHeader::Udp(_) | TransportHeader::Tcp(_) | TransportHeader::Igmp(_)) => {
            panic!("{other:?}")
        }
    };
    (src, bytes[0], bytes[1], bytes[4..8].try_into().unwrap())
}

#[test]
fn packet_for_another_network_leaves_there_with_one_hop_less() {
    let mut router = router();
    for (src, dst, next) in [
        ("10.1.0.2", "10.2.0.7", "10.2.0.7"),
        ("10.1.0.2", "10.9.1.1", "10.2.0.2"),
        ("fd01::2", "fd02::7", "fd02::7"),
    ] {
        let bytes = datagram(src, dst, 64, 100);
        let verdict = arrives(&mut router, WEST, &bytes);
        assert_eq!(verdict.rule, Rule::Forward.as_ref(), "{dst}");
        assert_eq!(verdict.drop_reason(), None);
        let out = only(&mut router);
        assert_eq!((out.hop.iface, out.hop.next), (EAST, ip(next)));
        assert_eq!(out.note.why(), Why::Forwarded);
        assert_eq!(out.note.cause(), outcrop_base::Cause::Packet(PacketId(5)));
        let headers = PacketHeaders::from_ip_slice(&out.bytes).unwrap();
        match headers.net.unwrap() {
            NetHeaders::Ipv4(header, _) => {
                assert_eq!(header.time_to_live, 63);
                assert_eq!(header.header_checksum, header.calc_header_checksum());
            }
            NetHeaders::Ipv6(header, _) => assert_eq!(header.hop_limit, 63),
            NetHeaders::Arp(_) => panic!("ARP"),
        }
        // Nothing else of it has changed.
        let header = if ip(src).is_ipv4() { 20 } else { 40 };
        assert_eq!(out.bytes[header..], bytes[header..]);
        assert_eq!(out.bytes[..4], bytes[..4]);
    }
}

#[test]
fn host_that_is_no_router_gets_a_strangers_packet_and_keeps_quiet() {
    let mut host = crate::host::host();
    let stranger = datagram("10.77.0.1", "10.2.0.7", 64, 100);
    let delivery = host.handle_packet(packet(5, stranger));
    assert_eq!(reason(&delivery), Some(DropReason::IpNotForUs));
    assert!(host.poll_transmit(NOW).is_none());
}

#[test]
fn packet_for_any_address_of_the_router_is_for_the_router() {
    let mut router = router();
    let packet = PacketIn {
        iface: WEST,
        ..packet(5, datagram("10.1.0.2", "10.2.0.1", 1, 10))
    };
    assert!(matches!(router.handle_packet(packet), Delivery::Up(_)));
}

#[test]
fn packet_whose_hops_are_used_up_is_answered_by_the_link_it_came_by() {
    for ttl in [0, 1] {
        let mut router = router();
        let bytes = datagram("10.1.0.2", "10.2.0.7", ttl, 10);
        let verdict = arrives(&mut router, WEST, &bytes);
        assert_eq!(verdict.drop_reason(), Some(DropReason::Ipv4TtlExpired));
        let error = only(&mut router);
        assert_eq!(error.note.why(), Why::TimeExceeded);
        assert_eq!(icmp(&error), (ip("10.1.0.1"), 11, 0, [0; 4]));
        // The packet is quoted as it came (RFC 1812 4.3.2.3).
        assert_eq!(error.bytes[28..], bytes[..]);
        // Precedence 6, internetwork control (RFC 1812 4.3.2.5).
        assert_eq!(error.bytes[1] >> 5, 6);

        let verdict = arrives(&mut router, WEST, &datagram("fd01::2", "fd02::7", ttl, 10));
        assert_eq!(verdict.drop_reason(), Some(DropReason::Ipv6HopLimitExpired));
        assert_eq!(icmp(&only(&mut router)), (ip("fd01::1"), 3, 0, [0; 4]));
    }
}

#[test]
fn destination_without_a_route_is_unreachable() {
    let mut router = router();
    let verdict = arrives(
        &mut router,
        WEST,
        &datagram("10.1.0.2", "203.0.113.1", 64, 10),
    );
    assert_eq!(verdict.drop_reason(), Some(DropReason::IpNoRoute));
    assert_eq!(icmp(&only(&mut router)), (ip("10.1.0.1"), 3, 0, [0; 4]));
    let verdict = arrives(
        &mut router,
        WEST,
        &datagram("fd01::2", "2001:db8::1", 64, 10),
    );
    assert_eq!(verdict.drop_reason(), Some(DropReason::IpNoRoute));
    assert_eq!(icmp(&only(&mut router)), (ip("fd01::1"), 1, 0, [0; 4]));
}

#[test]
fn routes_that_refuse_do_it_each_in_their_way() {
    // (how, IPv4 type and code, IPv6 type and code): RFC 1812 5.2.7.1, RFC 4443 3.1.
    let table = [
        (Refusal::Blackhole, None, None),
        (Refusal::Unreachable, Some((3, 1)), Some((1, 3))),
        (Refusal::Prohibited, Some((3, 13)), Some((1, 1))),
    ];
    for (how, v4, v6) in table {
        let mut router = router();
        router.refuse_route(cidr("10.2.0.128/25"), how);
        router.refuse_route(cidr("fd02::8000/113"), how);
        for (src, dst, expected) in [
            ("10.1.0.2", "10.2.0.200", v4),
            ("fd01::2", "fd02::8001", v6),
        ] {
            let verdict = arrives(&mut router, WEST, &datagram(src, dst, 64, 10));
            assert_eq!(verdict.rule, Rule::ForwardRefusal.as_ref());
            assert!(verdict.drop_reason().is_some());
            let said = sent(&mut router).first().map(icmp);
            assert_eq!(said.map(|(_, kind, code, _)| (kind, code)), expected);
        }
        // The longer prefix refuses; the rest of the network is reached.
        let verdict = arrives(&mut router, WEST, &datagram("10.1.0.2", "10.2.0.7", 64, 10));
        assert_eq!(verdict.drop_reason(), None);
        assert!(router.remove_route(cidr("10.2.0.128/25")));
        let verdict = arrives(
            &mut router,
            WEST,
            &datagram("10.1.0.2", "10.2.0.200", 64, 10),
        );
        assert_eq!(verdict.drop_reason(), None);
    }
}

#[test]
fn packet_that_comes_back_to_a_point_to_point_link_is_not_returned() {
    let mut router = router();
    for (src, dst, expected) in [
        ("10.1.0.2", "10.1.0.77", (3, 1)),
        ("fd01::2", "fd01::77", (1, 3)),
    ] {
        let verdict = arrives(&mut router, WEST, &datagram(src, dst, 64, 10));
        assert_eq!(verdict.rule, Rule::ForwardReturn.as_ref());
        let (_, kind, code, _) = icmp(&only(&mut router));
        assert_eq!((kind, code), expected);
    }
}

#[test]
fn long_packet_that_may_be_cut_leaves_in_pieces_that_join_to_the_same() {
    let mut router = router();
    let bytes = divisible(&datagram("10.1.0.2", "10.2.0.7", 64, 1400));
    assert_eq!(arrives(&mut router, WEST, &bytes).drop_reason(), None);
    let pieces = sent(&mut router);
    assert_eq!(pieces.len(), 2);
    let mut joined = vec![0; bytes.len() - 20];
    for (n, piece) in pieces.iter().enumerate() {
        assert_eq!(piece.note.why(), Why::Fragment);
        assert!(piece.bytes.len() <= 1280);
        let (header, payload) = Ipv4Header::from_slice(&piece.bytes).unwrap();
        assert_eq!(header.header_checksum, header.calc_header_checksum());
        assert_eq!(header.time_to_live, 63);
        assert_eq!(header.more_fragments, n == 0);
        let at = usize::from(header.fragment_offset.value()) * 8;
        joined[at..at + payload.len()].copy_from_slice(payload);
    }
    assert_eq!(joined, bytes[20..]);
}

#[test]
fn long_packet_not_to_be_cut_is_answered_with_the_next_links_mtu() {
    let mut router = router();
    let bytes = datagram("10.1.0.2", "10.2.0.7", 64, 1400);
    assert_eq!(bytes[6] & 0x40, 0x40);
    let verdict = arrives(&mut router, WEST, &bytes);
    assert_eq!(verdict.drop_reason(), Some(DropReason::IpTooBig));
    let error = only(&mut router);
    assert_eq!(error.note.why(), Why::PacketTooBig);
    let [high, low] = 1280u16.to_be_bytes();
    assert_eq!(icmp(&error), (ip("10.1.0.1"), 3, 4, [0, 0, high, low]));

    let verdict = arrives(&mut router, WEST, &datagram("fd01::2", "fd02::7", 64, 1400));
    assert_eq!(verdict.drop_reason(), Some(DropReason::IpTooBig));
    let error = only(&mut router);
    assert_eq!(icmp(&error), (ip("fd01::1"), 2, 0, 1280u32.to_be_bytes()));
    // RFC 4443 3.2: as much of the packet as fits into the smallest MTU.
    assert_eq!(error.bytes.len(), 1280);
}

#[test]
fn addresses_that_mean_nothing_beyond_their_link_never_cross() {
    // (source, destination): RFC 1812 4.2.2.11 and 5.3.7, RFC 3927 7, RFC 2644 3, RFC 4291 2.5.6.
    let table = [
        ("169.254.1.1", "10.2.0.7"),
        ("10.1.0.2", "169.254.1.1"),
        ("10.1.0.2", "10.2.0.255"),
        ("10.1.0.2", "0.1.2.3"),
        ("10.1.0.2", "240.0.0.1"),
        ("10.1.0.255", "10.2.0.7"),
        ("10.2.0.1", "10.2.0.7"),
        ("fd01::2", "fe80::1"),
    ];
    let mut router = router();
    for (src, dst) in table {
        let verdict = arrives(&mut router, WEST, &datagram(src, dst, 64, 10));
        assert_eq!(verdict.rule, Rule::ForwardScope.as_ref(), "{src} > {dst}");
        assert_eq!(verdict.drop_reason(), Some(DropReason::IpNotForwardable));
    }
    for (src, dst) in [
        ("10.1.0.2", "224.0.0.9"),
        ("10.1.0.2", "239.1.1.1"),
        ("fd01::2", "ff0e::1"),
        ("127.0.0.1", "10.2.0.7"),
        ("10.1.0.2", "127.0.0.1"),
        ("fd01::2", "::1"),
        ("::", "fd02::7"),
    ] {
        let verdict = arrives(&mut router, WEST, &datagram(src, dst, 64, 10));
        assert!(verdict.drop_reason().is_some(), "{src} > {dst}");
    }
    assert_eq!(sent(&mut router).len(), 0);
}

#[test]
fn source_of_a_link_is_told_that_it_reaches_no_further() {
    let mut router = router();
    let link_local = vec![cidr("fe80::1/64")];
    let more = InterfaceConfig::tun(InterfaceId(3), 1500, link_local);
    router.add_interface(more).unwrap();
    let bytes = datagram("fe80::2", "fd02::7", 64, 10);
    let verdict = arrives(&mut router, InterfaceId(3), &bytes);
    assert_eq!(verdict.rule, Rule::ForwardScope.as_ref());
    // RFC 4443 3.1: destination unreachable, beyond scope of source address.
    let (from, kind, code, _) = icmp(&only(&mut router));
    assert_eq!((from, kind, code), (ip("fe80::1"), 1, 2));
}

#[test]
fn errors_in_transit_cause_no_errors() {
    let mut router = router();
    let mut inner = vec![0; 28];
    inner[0] = 0x45;
    let error = Icmpv4Type::TimeExceeded(icmpv4::TimeExceededCode::TtlExceededInTransit);
    let builder = PacketBuilder::ipv4([10, 1, 0, 2], [10, 2, 0, 7], 1).icmpv4(error);
    let v4 = build(|out| builder.write(out, &inner).unwrap());
    // ICMPv6 behind an option that nobody knows: 2.4(e.1) holds behind extension headers too.
    let error = Icmpv6Type::TimeExceeded(icmpv6::TimeExceededCode::HopLimitExceeded);
    let (src, dst) = (
        crate::host::v6(ip("fd01::2")),
        crate::host::v6(ip("fd02::7")),
    );
    let header = error.to_header(src, dst, &inner).unwrap();
    let mut content = vec![58, 0, 0xde, 4, 0, 0, 0, 0];
    content.extend_from_slice(&header.to_bytes());
    content.extend_from_slice(&inner);
    let mut v6 = raw_v6(ip("fd01::2"), ip("fd02::7"), 60, &content).to_vec();
    v6[7] = 1;
    for bytes in [v4, v6.into()] {
        let verdict = arrives(&mut router, WEST, &bytes);
        assert_eq!(verdict.rule, Rule::ForwardHops.as_ref());
        assert_eq!(sent(&mut router).len(), 0);
    }
    // A redirect is none either (RFC 4443 2.4(e.2)).
    let mut redirect = raw_v6(ip("fd01::2"), ip("fd02::7"), 58, &[137; 40]).to_vec();
    redirect[7] = 1;
    let _ = arrives(&mut router, WEST, &redirect.into());
    assert_eq!(sent(&mut router).len(), 0);
    // An echo request may be answered: it is a question.
    let ask = PacketBuilder::ipv4([10, 1, 0, 2], [10, 2, 0, 7], 1).icmpv4_echo_request(1, 1);
    let ask = build(|out| ask.write(out, b"?").unwrap());
    let _ = arrives(&mut router, WEST, &ask);
    assert_eq!(only(&mut router).note.why(), Why::TimeExceeded);
}

#[test]
fn later_fragment_in_transit_causes_no_error() {
    let mut router = router();
    let mut header = Ipv4Header::new(8, 1, IpNumber::UDP, [10, 1, 0, 2], [10, 2, 0, 7]).unwrap();
    header.fragment_offset = 100.try_into().unwrap();
    header.header_checksum = header.calc_header_checksum();
    let bytes = build(|out| {
        header.write(out).unwrap();
        out.extend_from_slice(&[0; 8]);
    });
    let verdict = arrives(&mut router, WEST, &bytes);
    assert_eq!(verdict.drop_reason(), Some(DropReason::Ipv4TtlExpired));
    assert_eq!(sent(&mut router).len(), 0);
}

#[test]
fn flood_of_expiring_packets_gets_only_as_many_errors_as_the_bucket_holds() {
    let mut router = router();
    let bytes = datagram("10.1.0.2", "10.2.0.7", 1, 10);
    for _ in 0..1000 {
        let _ = arrives(&mut router, WEST, &bytes);
    }
    assert_eq!(
        sent(&mut router).len(),
        usize::try_from(Config::default().error_burst).unwrap()
    );
}

#[test]
fn queue_of_packets_in_transit_is_bounded_and_takes_a_packet_whole_or_not() {
    let mut router = router_with(Config {
        forward_queue: 3,
        ..Config::default()
    });
    let long = divisible(&datagram("10.1.0.2", "10.2.0.7", 64, 1400));
    assert_eq!(arrives(&mut router, WEST, &long).drop_reason(), None);
    let verdict = arrives(&mut router, WEST, &long);
    assert_eq!(verdict.drop_reason(), Some(DropReason::IpQueueFull));
    let short = datagram("10.1.0.2", "10.2.0.7", 64, 10);
    assert_eq!(arrives(&mut router, WEST, &short).drop_reason(), None);
    assert_eq!(sent(&mut router).len(), 3);
}

#[test]
fn sender_with_a_better_first_hop_is_redirected_and_its_packet_goes_on() {
    let mut router = router();
    let via = Some(ip("10.3.0.9"));
    router.add_route(cidr("10.8.0.0/16"), via, WIRE).unwrap();
    let bytes = datagram("10.3.0.2", "10.8.0.1", 64, 10);
    assert_eq!(arrives(&mut router, WIRE, &bytes).drop_reason(), None);
    let out = sent(&mut router);
    let [redirect, onward] = &out[..] else {
        panic!("{out:?}")
    };
    assert_eq!(onward.hop.next, ip("10.3.0.9"));
    assert_eq!(redirect.note.why(), Why::Redirect);
    // RFC 792 redirect for the host; the gateway's address follows the checksum.
    assert_eq!(icmp(redirect), (ip("10.3.0.1"), 5, 1, [10, 3, 0, 9]));
    // A sender behind another router gains nothing by it.
    let behind = Some(ip("10.3.0.8"));
    router
        .add_route(cidr("10.44.0.0/16"), behind, WIRE)
        .unwrap();
    let bytes = datagram("10.44.0.2", "10.8.0.1", 64, 10);
    let _ = arrives(&mut router, WIRE, &bytes);
    assert_eq!(only(&mut router).note.why(), Why::Forwarded);
}

#[test]
fn options_ask_and_the_router_writes_its_address_but_follows_no_source_route() {
    let mut router = router();
    let with = |options: [u8; 8]| {
        let mut header =
            Ipv4Header::new(8, 64, IpNumber::UDP, [10, 1, 0, 2], [10, 2, 0, 7]).unwrap();
        header.options = options.into();
        header.set_payload_len(8).unwrap();
        header.header_checksum = header.calc_header_checksum();
        build(|out| {
            header.write(out).unwrap();
            out.extend_from_slice(&[0; 8]);
        })
    };
    let bytes = with([7, 7, 4, 0, 0, 0, 0, 0]);
    assert_eq!(arrives(&mut router, WEST, &bytes).drop_reason(), None);
    let (header, _) = Ipv4Header::from_slice(&only(&mut router).bytes)
        .map(|(header, _)| (header, ()))
        .unwrap();
    assert_eq!(header.options.to_vec(), [7, 7, 8, 10, 2, 0, 1, 0]);
    assert_eq!(header.header_checksum, header.calc_header_checksum());

    // One nobody here knows (stream identifier) goes on as it came.
    let bytes = with([136, 4, 1, 2, 0, 0, 0, 0]);
    assert_eq!(arrives(&mut router, WEST, &bytes).drop_reason(), None);
    assert_eq!(only(&mut router).bytes[20..28], [136, 4, 1, 2, 0, 0, 0, 0]);

    // A loose source route by way of us: RFC 7126 4.3.
    let verdict = arrives(&mut router, WEST, &with([131, 7, 4, 10, 2, 0, 9, 0]));
    assert_eq!(verdict.drop_reason(), Some(DropReason::Ipv4BadOption));
    let (_, kind, _, pointer) = icmp(&only(&mut router));
    assert_eq!((kind, pointer[0]), (12, 20));
}

#[derive(Clone, Debug)]
struct NoPing(Ruling);

impl Filter for NoPing {
    fn judge(&mut self, _now: Instant, packet: &Passing<'_>) -> Ruling {
        assert_eq!((packet.from, packet.to), (WEST, EAST));
        assert_eq!(packet.header.len(), 20);
        if packet.protocol == 1 {
            self.0
        } else {
            Ruling::Pass
        }
    }

    fn clone_box(&self) -> Box<dyn Filter> {
        Box::new(self.clone())
    }

    fn fingerprint(&self, _now: Instant, _into: &mut dyn Hasher) {}
}

#[test]
fn filter_is_asked_last_and_what_it_says_is_done() {
    for (ruling, answered) in [(Ruling::Drop, false), (Ruling::Refuse, true)] {
        let mut router = router();
        router.set_filter(Some(Box::new(NoPing(ruling))));
        let mut router = router.clone();
        let ask = PacketBuilder::ipv4([10, 1, 0, 2], [10, 2, 0, 7], 9).icmpv4_echo_request(1, 1);
        let ask = build(|out| ask.write(out, b"?").unwrap());
        let verdict = arrives(&mut router, WEST, &ask);
        assert_eq!(verdict.drop_reason(), Some(DropReason::IpFiltered));
        let said = sent(&mut router);
        assert_eq!(said.len(), usize::from(answered));
        if let [refusal] = &said[..] {
            assert_eq!(icmp(refusal), (ip("10.1.0.1"), 3, 13, [0; 4]));
        }
        let bytes = datagram("10.1.0.2", "10.2.0.7", 64, 10);
        assert_eq!(arrives(&mut router, WEST, &bytes).drop_reason(), None);
    }
}

#[test]
fn limited_broadcast_is_the_routers_and_goes_no_further() {
    let mut router = router();
    let everybody = PacketIn {
        iface: WEST,
        ..packet(5, datagram("10.1.0.2", "255.255.255.255", 64, 10))
    };
    let Delivery::Up(up) = router.handle_packet(everybody) else {
        panic!("not taken")
    };
    assert_eq!(up.arrival.cast, outcrop_base::Cast::Broadcast);
    assert_eq!(sent(&mut router).len(), 0);
}

#[test]
fn fragment_in_transit_goes_on_as_it_is() {
    let mut router = router();
    let whole = divisible(&datagram("10.1.0.2", "10.2.0.7", 64, 1000));
    for piece in crate::host::cut(&whole, 500) {
        let verdict = arrives(&mut router, WEST, &piece);
        assert_eq!(verdict.rule, Rule::Forward.as_ref());
        let out = only(&mut router);
        assert_eq!(out.bytes[12..], piece[12..]);
        assert_eq!(out.bytes[..8], piece[..8]);
    }
}

#[test]
fn echo_request_to_any_address_is_answered_from_it() {
    let mut router = router();
    let ask = PacketBuilder::ipv4([10, 1, 0, 2], [10, 2, 0, 1], 64).icmpv4_echo_request(1, 1);
    let ask = build(|out| ask.write(out, b"?").unwrap());
    let _ = arrives(&mut router, WEST, &ask);
    assert_eq!(icmp(&only(&mut router)).0, ip("10.2.0.1"));
    let (src, dst) = (
        crate::host::v6(ip("fd01::2")),
        crate::host::v6(ip("fd02::1")),
    );
    let ask = PacketBuilder::ipv6(src, dst, 64).icmpv6_echo_request(1, 1);
    let ask = build(|out| ask.write(out, b"?").unwrap());
    let _ = arrives(&mut router, WEST, &ask);
    assert_eq!(icmp(&only(&mut router)).0, ip("fd02::1"));
}

#[test]
fn icmp_message_of_unknown_type_is_dropped_in_silence() {
    let mut router = router();
    let unknown = |kind| Icmpv4Type::Unknown {
        type_u8: kind,
        code_u8: 0,
        bytes5to8: [0; 4],
    };
    let builder = PacketBuilder::ipv4([10, 1, 0, 2], [10, 1, 0, 1], 64).icmpv4(unknown(41));
    let v4 = build(|out| builder.write(out, b"").unwrap());
    let unknown = Icmpv6Type::Unknown {
        type_u8: 200,
        code_u8: 0,
        bytes5to8: [0; 4],
    };
    let (src, dst) = (
        crate::host::v6(ip("fd01::2")),
        crate::host::v6(ip("fd01::1")),
    );
    let builder = PacketBuilder::ipv6(src, dst, 64).icmpv6(unknown);
    let v6 = build(|out| builder.write(out, b"").unwrap());
    for bytes in [v4, v6] {
        let verdict = arrives(&mut router, WEST, &bytes);
        assert_eq!(verdict.drop_reason(), Some(DropReason::IcmpUnknownType));
    }
    assert_eq!(sent(&mut router).len(), 0);
}

#[test]
fn label_of_a_packet_in_transit_is_not_touched() {
    // RFC 6437 3, RFC 8200 6: neither one that is there nor one that is not.
    for label in [0x0_0000_u32, 0xa_bcde] {
        let mut bytes = datagram("fd01::2", "fd03::2", 64, 100).to_vec();
        bytes[..4].copy_from_slice(&(0x6000_0000 | label).to_be_bytes());
        let mut router = router();
        assert_eq!(
            arrives(&mut router, WEST, &bytes.into()).drop_reason(),
            None
        );
        let out = only(&mut router).bytes;
        assert_eq!(out[..4], (0x6000_0000 | label).to_be_bytes());
    }
}
