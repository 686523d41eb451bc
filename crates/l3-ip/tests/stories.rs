//! Stories of one host: what it answers, what it says, what it keeps quiet about.
//! Packets are built with `etherparse`, so that ours is never the only reading.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::panic,
    reason = "tests"
)]

mod host;

use core::net::IpAddr;
use core::time::Duration;

use bytes::Bytes;
use etherparse::{
    IcmpEchoHeader, Icmpv4Type, Icmpv6Type, NetHeaders, PacketBuilder, PacketHeaders,
    TransportHeader,
};
use host::*;
use outcrop_base::{
    Cast, ChecksumState, DropReason, Ecn, Fate, HeaderRoom, Instant, IpFields, Note, PacketId,
    PathSignalKind, Why,
};
use outcrop_ip::{
    Config, Delivery, Endpoint, Event, Plan, Quoted, Rule, Transmit, Unreachable, Unresolved, Wrap,
};

/// The fixed part of what a packet says, by the library.
fn read(packet: &Transmit) -> (IpAddr, IpAddr, Option<TransportHeader>, Vec<u8>) {
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

#[test]
fn host_hearing_an_echo_request_answers_with_the_same_data() {
    let mut host = host();
    assert_eq!(
        reason(&host.handle_packet(packet(1, echo_request_v4(b"are you there?")))),
        None
    );
    let reply = host.poll_transmit(NOW).unwrap();
    assert_eq!(reply.note.why(), Why::EchoReply);
    assert_eq!(reply.note.cause(), outcrop_base::Cause::Packet(PacketId(1)));
    let (src, dst, transport, data) = read(&reply);
    assert_eq!((src, dst), (OURS_V4, PEER_V4));
    let echo = IcmpEchoHeader { id: 7, seq: 9 };
    assert!(
        matches!(transport, Some(TransportHeader::Icmpv4(h)) if h.icmp_type == Icmpv4Type::EchoReply(echo))
    );
    assert_eq!(data, b"are you there?");

    assert_eq!(
        reason(&host.handle_packet(packet(2, echo_request_v6(b"and here?")))),
        None
    );
    let reply = host.poll_transmit(NOW).unwrap();
    let (src, dst, transport, data) = read(&reply);
    assert_eq!((src, dst), (OURS_V6, PEER_V6));
    assert!(
        matches!(transport, Some(TransportHeader::Icmpv6(h)) if h.icmp_type == Icmpv6Type::EchoReply(echo))
    );
    assert_eq!(data, b"and here?");
    assert!(host.poll_transmit(NOW).is_none());
}

#[test]
fn echo_of_every_size_up_to_the_mtu_leaves_in_one_packet() {
    let mut host = host();
    for size in [0, 1, 55, 56, 1471, 1472] {
        assert_eq!(
            reason(&host.handle_packet(packet(1, echo_request_v4(&vec![7; size])))),
            None
        );
        assert_eq!(host.poll_transmit(NOW).unwrap().bytes.len(), 28 + size);
        assert!(host.poll_transmit(NOW).is_none(), "{size}");
    }
}

#[test]
fn request_larger_than_the_mtu_arrives_in_fragments_and_is_answered_in_fragments() {
    for (request, ours) in [
        (echo_request_v4(&[9; 4000]), OURS_V4),
        (echo_request_v6(&[9; 4000]), OURS_V6),
    ] {
        // The peer's side is another of our engines with the addresses exchanged.
        let (mut host, mut peer) = (host(), peer());
        let fragments = cut(&request, 1500);
        assert_eq!(fragments.len(), 3);
        let mut verdicts = Vec::new();
        for (n, fragment) in fragments.into_iter().rev().enumerate() {
            verdicts.push(verdict(&host.handle_packet(packet(n as u64, fragment))));
        }
        assert_eq!(verdicts[0].rule, Rule::Fragment.as_ref());
        assert_eq!(verdicts[2].rule, Rule::EchoRequest.as_ref());
        peer.ping(ours, 7, 9, &[9; 4000]).unwrap();
        while peer.poll_transmit(NOW).is_some() {}
        let mut count = 0;
        while let Some(reply) = host.poll_transmit(NOW) {
            count += 1;
            assert!(reply.bytes.len() <= 1500);
            assert_eq!(reply.note.why(), Why::Fragment);
            assert_eq!(
                reason(&peer.handle_packet(packet(count, reply.bytes))),
                None
            );
        }
        assert_eq!(count, 3);
        assert!(matches!(peer.poll_event(), Some(Event::EchoReply(reply)) if reply.len == 4000));
    }
}

#[test]
fn closed_port_is_refused_with_the_packet_quoted() {
    let mut host = host();
    let datagram = PacketBuilder::ipv4([10, 77, 0, 1], [10, 77, 0, 2], 64).udp(4000, 9);
    let bytes = build(|out| datagram.write(out, b"anyone?").unwrap());
    let Delivery::Up(up) = host.handle_packet(packet(5, bytes.clone())) else {
        panic!("not up")
    };
    assert_eq!(
        (up.protocol, up.arrival.cast, &up.payload[8..]),
        (17, Cast::Unicast, &b"anyone?"[..])
    );
    let verdict = host.unreachable(NOW, &up, Unreachable::Port);
    assert_eq!(verdict.rule, Rule::ErrorSent.as_ref());
    let error = host.poll_transmit(NOW).unwrap();
    assert_eq!(error.note.why(), Why::PortUnreachable);
    let (src, dst, transport, quote) = read(&error);
    assert_eq!((src, dst), (OURS_V4, PEER_V4));
    assert!(
        matches!(transport, Some(TransportHeader::Icmpv4(h)) if h.icmp_type.clone() == Icmpv4Type::DestinationUnreachable(etherparse::icmpv4::DestUnreachableHeader::Port))
    );
    assert_eq!(quote, bytes);
}

#[test]
fn unknown_next_header_is_answered_with_a_pointer_to_its_name() {
    let mut host = host();
    // Destination options (PadN), then protocol 250.
    let bytes = raw_v6(
        PEER_V6,
        OURS_V6,
        60,
        &[250, 0, 1, 4, 0, 0, 0, 0, 1, 2, 3, 4],
    );
    let Delivery::Up(up) = host.handle_packet(packet(5, bytes)) else {
        panic!("not up")
    };
    assert_eq!((up.protocol, &up.payload[..]), (250, &[1, 2, 3, 4][..]));
    let _ = host.unreachable(NOW, &up, Unreachable::Protocol);
    let (_, _, transport, _) = read(&host.poll_transmit(NOW).unwrap());
    let Some(TransportHeader::Icmpv6(h)) = transport else {
        panic!("not ICMPv6")
    };
    let Icmpv6Type::ParameterProblem(problem) = h.icmp_type else {
        panic!("{h:?}")
    };
    assert_eq!((problem.code.code_u8(), problem.pointer), (1, 40));
}

#[test]
fn long_packet_is_quoted_only_as_far_as_every_host_can_take() {
    let mut host = host();
    let v4 = PacketBuilder::ipv4([10, 77, 0, 1], [10, 77, 0, 2], 64).udp(4000, 9);
    let v6 = PacketBuilder::ipv6(v6(PEER_V6), v6(OURS_V6), 64).udp(4000, 9);
    let data = [1; 1400];
    let cases = [
        (build(|out| v4.write(out, &data).unwrap()), 576),
        (build(|out| v6.write(out, &data).unwrap()), 1280),
    ];
    for (bytes, expected) in cases {
        let Delivery::Up(up) = host.handle_packet(packet(5, bytes)) else {
            panic!("not up")
        };
        let _ = host.unreachable(NOW, &up, Unreachable::Port);
        assert_eq!(host.poll_transmit(NOW).unwrap().bytes.len(), expected);
    }
}

#[test]
fn errors_are_never_sent_about_errors_or_groups() {
    let mut host = host();
    let datagram = PacketBuilder::ipv4([10, 77, 0, 1], [10, 77, 0, 255], 64).udp(4000, 9);
    let bytes = build(|out| datagram.write(out, b"all").unwrap());
    let Delivery::Up(up) = host.handle_packet(packet(5, bytes)) else {
        panic!("not up")
    };
    assert_eq!(up.arrival.cast, Cast::Broadcast);
    assert_eq!(
        host.unreachable(NOW, &up, Unreachable::Port).rule,
        Rule::ErrorForbidden.as_ref()
    );
    // An unknown option whose type (11) demands an error, but not to a group.
    let option = [58, 0, 0xde, 4, 0, 0, 0, 0, 1, 4, 0, 0];
    let bytes = raw_v6(PEER_V6, "ff02::1".parse().unwrap(), 60, &option);
    assert_eq!(
        reason(&host.handle_packet(packet(6, bytes))),
        Some(DropReason::Ipv6BadExtension)
    );
    assert!(host.poll_transmit(NOW).is_none());
    // Type 10: to a group too (RFC 8200 4.2).
    let option = [58, 0, 0x9e, 4, 0, 0, 0, 0, 1, 4, 0, 0];
    let bytes = raw_v6(PEER_V6, "ff02::1".parse().unwrap(), 60, &option);
    let _ = host.handle_packet(packet(7, bytes));
    assert_eq!(read(&host.poll_transmit(NOW).unwrap()).0, OURS_V6);
}

#[test]
fn error_message_with_a_forbidden_option_is_dropped_in_silence() {
    let mut host = host();
    // Twenty-four bytes of header, a strict source route in it, and an ICMP time exceeded behind it.
    let mut bytes = vec![
        0x46, 0, 0, 36, 0, 0, 0, 0, 64, 1, 0, 0, 10, 77, 0, 1, 10, 77, 0, 2, 137, 3, 4, 0,
    ];
    bytes.extend([11, 0, 0xf4, 0xff, 0, 0, 0, 0, 0, 0, 0, 0]);
    let mut sum = outcrop_base::Checksum::new();
    sum.add(&bytes[..24]);
    bytes[10..12].copy_from_slice(&sum.finish().to_be_bytes());
    assert_eq!(
        reason(&host.handle_packet(packet(1, bytes.clone().into()))),
        Some(DropReason::Ipv4BadOption)
    );
    assert!(host.poll_transmit(NOW).is_none());
    // The same header before an echo request is answered, with a pointer to the option.
    bytes[24] = 8;
    let _ = host.handle_packet(packet(1, bytes.into()));
    let (_, _, transport, _) = read(&host.poll_transmit(NOW).unwrap());
    let Some(TransportHeader::Icmpv4(h)) = transport else {
        panic!("not ICMP")
    };
    let pointer = etherparse::icmpv4::ParameterProblemHeader::PointerIndicatesError(20);
    assert_eq!(h.icmp_type, Icmpv4Type::ParameterProblem(pointer));
}

#[test]
fn errors_beyond_the_burst_wait_for_the_rate() {
    let config = Config {
        error_burst: 2,
        errors_per_second: 1,
        ..Config::default()
    };
    let mut host = host_with(config);
    let datagram = PacketBuilder::ipv4([10, 77, 0, 1], [10, 77, 0, 2], 64).udp(4000, 9);
    let bytes = build(|out| datagram.write(out, b"?").unwrap());
    let Delivery::Up(up) = host.handle_packet(packet(5, bytes)) else {
        panic!("not up")
    };
    let mut refuse = |millis| {
        host.unreachable(Instant::from_millis(millis), &up, Unreachable::Port)
            .fate
    };
    assert_eq!(refuse(0), Fate::Taken);
    assert_eq!(refuse(0), Fate::Taken);
    assert_eq!(refuse(999), Fate::Dropped(DropReason::IpRateLimited));
    assert_eq!(refuse(1000), Fate::Taken);
}

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
    // A query to all nodes reaches us and is nothing for us yet.
    let mut query = raw_v6(
        link_local,
        "ff02::1".parse().unwrap(),
        58,
        &[130, 0, 0, 0, 0, 0, 0, 0],
    );
    fix_icmpv6_checksum(&mut query);
    assert_eq!(
        reason(&host.handle_packet(packet(1, query))),
        Some(DropReason::IcmpUnknownType)
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
    assert_eq!(up.payload.len(), 8 + 4);
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

#[test]
fn ping_answered_is_an_event_and_an_answer_nobody_asked_for_is_dropped() {
    let mut host = host();
    host.ping(PEER_V4, 7, 9, b"12345678").unwrap();
    let request = host.poll_transmit(NOW).unwrap();
    let mut peer = peer();
    assert_eq!(reason(&peer.handle_packet(packet(1, request.bytes))), None);
    let reply = peer.poll_transmit(NOW).unwrap();
    assert_eq!(
        reason(&host.handle_packet(packet(2, reply.bytes.clone()))),
        None
    );
    let Some(Event::EchoReply(event)) = host.poll_event() else {
        panic!("no reply")
    };
    assert_eq!(
        (
            event.from,
            event.ident,
            event.seq,
            event.len,
            event.hop_limit
        ),
        (PEER_V4, 7, 9, 8, 64)
    );
    assert_eq!(
        reason(&host.handle_packet(packet(3, reply.bytes))),
        Some(DropReason::IcmpNoRequest)
    );
}

#[test]
fn error_about_a_segment_of_ours_names_its_ports_and_sequence_number() {
    let mut host = host();
    let segment =
        PacketBuilder::ipv4([10, 77, 0, 2], [10, 77, 0, 1], 64).tcp(80, 40_000, 0xdead_beef, 100);
    let sent = build(|out| segment.write(out, &[0; 100]).unwrap());
    let error = Icmpv4Type::DestinationUnreachable(
        etherparse::icmpv4::DestUnreachableHeader::FragmentationNeeded { next_hop_mtu: 1400 },
    );
    let bytes = build(|out| {
        PacketBuilder::ipv4([10, 9, 9, 9], [10, 77, 0, 2], 64)
            .icmpv4(error.clone())
            .write(out, &sent[..28])
            .unwrap()
    });
    assert_eq!(reason(&host.handle_packet(packet(4, bytes))), None);
    let Some(Event::IcmpError { quote, id }) = host.poll_event() else {
        panic!("no event")
    };
    assert_eq!(quote.from, IpAddr::from([10, 9, 9, 9]));
    assert_eq!(
        quote.inner,
        Quoted::Tcp {
            local: 80,
            remote: 40_000,
            seq: 0xdead_beef
        }
    );
    let signal = quote.signal(id).unwrap();
    assert_eq!(
        (signal.kind, signal.seq, signal.id),
        (PathSignalKind::TooBig(1400), Some(0xdead_beef), PacketId(4))
    );
    assert_eq!(
        (signal.flow.local.port(), signal.flow.remote.ip()),
        (80, PEER_V4)
    );
    // Nothing has changed on the error's word alone.
    assert_eq!(host.path(PEER_V4).unwrap().mtu, 1500);
    host.learn_mtu(NOW, PEER_V4, 1400);
    assert_eq!(
        host.poll_event(),
        Some(Event::PathChanged {
            dst: PEER_V4,
            mtu: 1400
        })
    );
    assert_eq!(host.path(PEER_V4).unwrap().mtu, 1400);

    // The same about a packet that another host sent.
    let foreign = build(|out| {
        PacketBuilder::ipv4([10, 77, 0, 9], [10, 77, 0, 1], 64)
            .tcp(80, 40_000, 1, 1)
            .write(out, b"")
            .unwrap()
    });
    let bytes = build(|out| {
        PacketBuilder::ipv4([10, 9, 9, 9], [10, 77, 0, 2], 64)
            .icmpv4(error)
            .write(out, &foreign)
            .unwrap()
    });
    assert_eq!(
        reason(&host.handle_packet(packet(5, bytes))),
        Some(DropReason::IcmpUnrelated)
    );
}

#[test]
fn path_mtu_is_forgotten_after_its_age_and_everybody_is_told() {
    let mut host = host();
    host.learn_mtu(Instant::ZERO, PEER_V6, 1300);
    assert_eq!(
        host.poll_event(),
        Some(Event::PathChanged {
            dst: PEER_V6,
            mtu: 1300
        })
    );
    let due = Instant::ZERO + Duration::from_secs(600);
    assert_eq!(host.poll_timeout(), Some(due));
    host.handle_timeout(due);
    assert_eq!(
        host.poll_event(),
        Some(Event::PathChanged {
            dst: PEER_V6,
            mtu: 1500
        })
    );
    assert_eq!(host.poll_timeout(), None);
}

#[test]
fn packet_not_whole_in_time_is_reported_to_its_sender() {
    let mut host = host();
    let fragments = cut(&echo_request_v4(&[1; 3000]), 1500);
    let _ = host.handle_packet(packet(1, fragments[0].clone()));
    let due = host.poll_timeout().unwrap();
    assert_eq!(due, NOW + Duration::from_secs(60));
    host.handle_timeout(due);
    let error = host.poll_transmit(due).unwrap();
    assert_eq!(error.note.why(), Why::TimeExceeded);
    let (_, _, transport, _) = read(&error);
    assert!(
        matches!(transport, Some(TransportHeader::Icmpv4(h)) if h.icmp_type == Icmpv4Type::TimeExceeded(etherparse::icmpv4::TimeExceededCode::FragmentReassemblyTimeExceeded))
    );
    assert_eq!(host.poll_timeout(), None);
}

#[test]
fn first_fragment_without_its_transport_header_is_refused() {
    let mut host = host();
    // Fragment header: UDP follows, offset 0, more; then only... eight bytes of destination options.
    let chain = [60, 0, 0, 1, 0, 0, 0, 1, 17, 0, 1, 4, 0, 0, 0, 0];
    let bytes = raw_v6(PEER_V6, OURS_V6, 44, &chain);
    assert_eq!(
        reason(&host.handle_packet(packet(1, bytes))),
        Some(DropReason::FragmentMalformed)
    );
    let (_, _, transport, _) = read(&host.poll_transmit(NOW).unwrap());
    let Some(TransportHeader::Icmpv6(h)) = transport else {
        panic!("not ICMPv6")
    };
    assert_eq!((h.icmp_type.type_u8(), h.icmp_type.code_u8()), (4, 3));
}

fn plan(payload_len: usize, df: bool) -> Plan {
    Plan {
        src: OURS_V4,
        dst: PEER_V4,
        protocol: 17,
        fields: IpFields {
            df,
            ..IpFields::default()
        },
        payload_len,
        gso: None,
    }
}

#[test]
fn wrapping_puts_a_header_in_front_that_the_library_reads_back() {
    let host = host();
    let mut room = HeaderRoom::new();
    room.prepend(8).copy_from_slice(&[1, 2, 3, 4, 0, 8, 0, 0]);
    let fields = IpFields {
        ecn: Ecn::Ect0,
        dscp: 46,
        ttl: 12,
        ..IpFields::default()
    };
    let Wrap::Wrapped(hop) = host.wrap(
        &Plan {
            fields,
            ..plan(8, true)
        },
        &mut room,
    ) else {
        panic!("not wrapped")
    };
    assert_eq!((hop.iface, hop.next), (IFACE, PEER_V4));
    let (header, payload) = etherparse::Ipv4Header::from_slice(room.as_slice()).unwrap();
    assert_eq!(
        (header.ecn.value(), header.dscp.value(), header.time_to_live),
        (2, 46, 12)
    );
    assert_eq!((header.dont_fragment, header.identification), (true, 0));
    assert_eq!(header.header_checksum, header.calc_header_checksum());
    assert_eq!(payload, &[1, 2, 3, 4, 0, 8, 0, 0]);
}

#[test]
fn packet_too_long_for_its_path_is_cut_or_refused_as_its_plan_says() {
    let mut host = host();
    let mut room = HeaderRoom::new();
    assert!(matches!(
        host.wrap(&plan(1480, true), &mut room),
        Wrap::Wrapped(_)
    ));
    room.clear();
    assert_eq!(
        host.wrap(&plan(1481, true), &mut room),
        Wrap::Unresolved(Unresolved::TooBig { mtu: 1500 })
    );
    assert_eq!(host.wrap(&plan(1481, false), &mut room), Wrap::Fragment);
    assert_eq!(
        host.wrap(&plan(65_516, false), &mut room),
        Wrap::Unresolved(Unresolved::TooLong)
    );
    let nowhere = Plan {
        dst: IpAddr::from([192, 0, 2, 1]),
        ..plan(8, true)
    };
    assert_eq!(
        host.wrap(&nowhere, &mut room),
        Wrap::Unresolved(Unresolved::NoRoute)
    );
    assert!(room.is_empty());

    let payload: Vec<u8> = (0..3000u16).map(|n| n as u8).collect();
    let note = Note::new(
        Why::Datagram,
        outcrop_base::Limit::None,
        outcrop_base::Cause::None,
    );
    let pieces = [
        std::io::IoSlice::new(&payload[..8]),
        std::io::IoSlice::new(&payload[8..]),
    ];
    host.fragment(&plan(3000, false), &pieces, &note).unwrap();
    let mut peer = peer();
    let mut up = None;
    while let Some(fragment) = host.poll_transmit(NOW) {
        if let Delivery::Up(whole) = peer.handle_packet(packet(1, fragment.bytes)) {
            up = Some(whole);
        }
    }
    assert_eq!(up.unwrap().payload, payload);
}

#[test]
fn super_segment_is_measured_by_its_segments() {
    let host = host();
    let mut room = HeaderRoom::new();
    room.prepend(20).fill(0);
    let big = |segment| Plan {
        protocol: 6,
        gso: Some(segment),
        ..plan(20 + 40_000, true)
    };
    assert!(matches!(host.wrap(&big(1460), &mut room), Wrap::Wrapped(_)));
    room.clear();
    room.prepend(20).fill(0);
    assert!(matches!(
        host.wrap(&big(1461), &mut room),
        Wrap::Unresolved(Unresolved::TooBig { .. })
    ));
}

#[test]
fn two_hosts_of_one_seed_say_the_same_bytes() {
    let run = || {
        let mut host = host();
        let mut said = Vec::new();
        for n in 0..20 {
            let _ =
                host.handle_packet(packet(n, echo_request_v4(&vec![n as u8; n as usize * 300])));
            while let Some(packet) = host.poll_transmit(NOW) {
                said.push(packet.bytes);
            }
        }
        let mut hasher = std::hash::DefaultHasher::new();
        host.fingerprint(NOW, &mut hasher);
        (said, core::hash::Hasher::finish(&hasher))
    };
    assert_eq!(run(), run());
}

#[test]
fn forked_host_goes_its_own_way() {
    let mut host = host();
    let mut fork: Endpoint = host.clone();
    let _ = fork.handle_packet(packet(1, echo_request_v4(b"x")));
    assert!(fork.poll_transmit(NOW).is_some());
    assert!(host.poll_transmit(NOW).is_none());
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
