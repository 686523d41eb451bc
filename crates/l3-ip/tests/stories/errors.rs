//! What is said about packets, and what is heard about ours.

use crate::host::*;
use core::net::IpAddr;
use core::time::Duration;
use etherparse::{Icmpv4Type, Icmpv6Type, PacketBuilder, TransportHeader};
use outcrop_base::{Cast, DropReason, Fate, Instant, PacketId, PathSignalKind, Why};
use outcrop_ip::{Config, Delivery, Event, Quoted, Rule, Unreachable};

#[test]
fn closed_port_is_refused_with_the_packet_quoted() {
    let mut host = host();
    let datagram = PacketBuilder::ipv4([10, 77, 0, 1], [10, 77, 0, 2], 64).udp(4000, 9);
    let bytes = build(|out| datagram.write(out, b"anyone?").unwrap());
    let Delivery::Up(up) = host.handle_packet(packet(5, bytes.clone())) else {
        panic!("not up")
    };
    assert_eq!(
        (up.protocol, up.arrival.cast, &up.payload()[8..]),
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
    assert_eq!((up.protocol, up.payload()), (250, &[1, 2, 3, 4][..]));
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
fn error_of_unknown_type_goes_to_whom_it_concerns_and_is_believed_of_nothing() {
    // RFC 4443 2.4 a: types below 128 are errors, whatever they say.
    let mut host = host();
    let quoted = PacketBuilder::ipv6(v6(OURS_V6), v6(PEER_V6), 64).udp(4000, 9);
    let quoted = build(|out| quoted.write(out, b"anyone?").unwrap());
    let mut message = vec![100, 7, 0, 0, 0, 0, 0, 0];
    message.extend_from_slice(&quoted);
    let len = u32::try_from(message.len()).unwrap();
    let mut sum = outcrop_base::Checksum::pseudo_header(PEER_V6, OURS_V6, 58, len);
    sum.add(&message);
    message[2..4].copy_from_slice(&sum.finish().to_be_bytes());
    let taken = host.handle_packet(packet(7, raw_v6(PEER_V6, OURS_V6, 58, &message)));
    assert_eq!(reason(&taken), None);
    let Some(Event::IcmpError { quote, .. }) = host.poll_event() else {
        panic!("told nobody")
    };
    assert_eq!((quote.icmp_type, quote.icmp_code), (100, 7));
    assert_eq!(quote.kind, PathSignalKind::Soft);
    assert_eq!(
        (quote.local, quote.remote, quote.protocol),
        (OURS_V6, PEER_V6, 17)
    );
}
