//! Echo both ways, in one piece and in many.

use crate::host::*;
use core::time::Duration;
use etherparse::{IcmpEchoHeader, Icmpv4Type, Icmpv6Type, TransportHeader};
use outcrop_base::{DropReason, PacketId, Why};
use outcrop_ip::{Event, Rule};

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

/// Type, code and pointer of the ICMPv6 error that leaves.
fn problem(host: &mut outcrop_ip::Endpoint) -> (u8, u8, u8) {
    let error = host.poll_transmit(NOW).unwrap();
    (error.bytes[40], error.bytes[41], error.bytes[47])
}

#[test]
fn later_fragment_of_impossible_shape_is_told_whatever_it_holds() {
    // RFC 8200 4.5: ragged, then beyond the end. The first octet would be an ICMPv6 error's type, were it a header.
    for (offset, len, pointer) in [([0, 9], 13, 4), ([0xff, 0xf8], 64, 42)] {
        let mut host = host();
        let mut content = vec![58, 0, offset[0], offset[1], 0, 0, 0, 1];
        content.extend(vec![1; len]);
        let bytes = raw_v6(PEER_V6, OURS_V6, 44, &content);
        assert_eq!(
            reason(&host.handle_packet(packet(1, bytes))),
            Some(DropReason::FragmentMalformed)
        );
        assert_eq!(problem(&mut host), (4, 0, pointer));
    }
}

#[test]
fn first_fragment_with_all_headers_is_kept_and_what_they_say_is_judged_when_it_is_whole() {
    // RFC 7112 5 asks for the headers; RFC 8200 4.4 wants an answer to a routing header with segments left.
    let mut host = host();
    let routing = [58, 0, 0, 1, 0, 0, 0, 0];
    let echo = [128, 0, 0, 0, 0, 1, 0, 1];
    let first = [&[43, 0, 0, 1, 0, 0, 0, 1][..], &routing, &echo].concat();
    let last = [&[43, 0, 0, 16, 0, 0, 0, 1][..], &[7; 8]].concat();
    let verdict = host.handle_packet(packet(1, raw_v6(PEER_V6, OURS_V6, 44, &first)));
    assert_eq!(reason(&verdict), None);
    assert!(host.poll_transmit(NOW).is_none());
    let verdict = host.handle_packet(packet(2, raw_v6(PEER_V6, OURS_V6, 44, &last)));
    assert_eq!(reason(&verdict), Some(DropReason::Ipv6BadExtension));
    assert_eq!(problem(&mut host), (4, 0, 42));
}

#[test]
fn fragment_that_names_hop_by_hop_options_is_refused() {
    let mut host = host();
    let content = [
        [0, 0, 0, 1, 0, 0, 0, 1],
        [58, 0, 1, 4, 0, 0, 0, 0],
        [128, 0, 0, 0, 0, 1, 0, 1],
    ];
    let bytes = raw_v6(PEER_V6, OURS_V6, 44, &content.concat());
    let verdict = host.handle_packet(packet(1, bytes));
    assert_eq!(reason(&verdict), Some(DropReason::FragmentMalformed));
    // RFC 8200 4: as a next header nobody knows, at the octet that names it.
    assert_eq!(problem(&mut host), (4, 1, 40));
}
