use super::*;
use etherparse::{IpNumber, Ipv6FragmentHeader, Ipv6Header};
use proptest::prelude::*;

prop_compose! {
    fn any_header()(
        class in any::<u8>(),
        flow_label in 0u32..1 << 20,
        rest in any::<(u16, u8, u8, [u8; 16], [u8; 16])>(),
    ) -> Header {
        Header {
            dscp: class >> 2,
            ecn: Ecn::from_traffic_class(class),
            flow_label,
            payload_len: usize::from(rest.0),
            next_header: rest.1,
            hop_limit: rest.2,
            src: rest.3.into(),
            dst: rest.4.into(),
        }
    }
}

proptest! {
    #[test]
    fn writing_equals_the_library_and_reading_gives_it_back(header in any_header()) {
        let theirs = Ipv6Header {
            traffic_class: header.dscp << 2 | header.ecn.bits(),
            flow_label: header.flow_label.try_into().unwrap(),
            payload_length: u16::try_from(header.payload_len).unwrap(),
            next_header: IpNumber(header.next_header),
            hop_limit: header.hop_limit,
            source: header.src.octets(),
            destination: header.dst.octets(),
        };
        let mut ours = [0; HEADER_LEN];
        emit(&header, &mut ours);
        prop_assert_eq!(ours, theirs.to_bytes());
        let mut packet = vec![0; HEADER_LEN + header.payload_len];
        packet[..HEADER_LEN].copy_from_slice(&ours);
        prop_assert_eq!(parse(&packet), Ok(header));
        prop_assert_eq!(parse(&packet[..packet.len() - 1]), Err(DropReason::Ipv6Truncated));
    }

    #[test]
    fn fragment_header_equals_the_library(next in any::<u8>(), offset in 0u16..1 << 13, more in any::<bool>(), ident in any::<u32>()) {
        let theirs = Ipv6FragmentHeader::new(IpNumber(next), offset.try_into().unwrap(), more, ident);
        let ours = Fragment { next_header: next, offset: usize::from(offset) * 8, more, ident };
        prop_assert_eq!(ours.to_bytes(), theirs.to_bytes());
        prop_assert_eq!(Fragment::read(&theirs.to_bytes()), ours);
    }

    /// Whatever the bytes: an answer, places inside the packet, no panic.
    #[test]
    fn walking_arbitrary_bytes_stays_inside(first in prop::sample::select(vec![0u8, 43, 44, 60, 6]), tail in prop::collection::vec(prop_oneof![Just(0u8), Just(43), Just(44), Just(60), any::<u8>()], 0..200)) {
        let packet = [&[0; HEADER_LEN][..], &tail].concat();
        match walk(&packet, first) {
            Ok(chain) => prop_assert!(chain.payload_at <= packet.len()),
            Err(bad) => prop_assert!(bad.pointer <= packet.len()),
        }
        fields(&packet, &mut |_| {});
    }
}

fn packet(extensions: &[u8]) -> Vec<u8> {
    [&[0; HEADER_LEN][..], extensions].concat()
}

#[test]
fn router_alert_of_a_multicast_report_is_walked_over() {
    // Hop-by-hop header as Linux sends it before MLDv2 reports: router alert, PadN.
    let bytes = packet(&[58, 0, 5, 2, 0, 0, 1, 0]);
    let chain = walk(&bytes, HOP_BY_HOP).unwrap();
    assert_eq!(
        (chain.protocol, chain.payload_at, chain.named_at),
        (58, 48, 40)
    );
}

#[test]
fn unknown_option_is_judged_by_its_two_high_bits() {
    // (option type, expected code, also to groups): RFC 8200 4.2.
    let table = [
        (0x1e, Ok(())),
        (0x5e, Err((None, false))),
        (0x9e, Err((Some(CODE_OPTION), true))),
        (0xde, Err((Some(CODE_OPTION), false))),
    ];
    for (kind, expected) in table {
        let got = walk(&packet(&[59, 0, kind, 4, 0, 0, 0, 0]), DESTINATION);
        let got = got.map(|_| ()).map_err(|bad| {
            assert_eq!(bad.pointer, 42);
            (bad.code, bad.even_multicast)
        });
        assert_eq!(got, expected, "option {kind:#x}");
    }
}

#[test]
fn hop_by_hop_behind_another_header_is_an_unknown_next_header() {
    let bad = walk(
        &packet(&[0, 0, 1, 4, 0, 0, 0, 0, 59, 0, 1, 4, 0, 0, 0, 0]),
        DESTINATION,
    )
    .unwrap_err();
    assert_eq!((bad.code, bad.pointer), (Some(CODE_NEXT_HEADER), 40));
}

#[test]
fn routing_header_with_segments_left_is_refused_and_without_is_passed() {
    let route = |left| packet(&[59, 0, 0, left, 0, 0, 0, 0]);
    assert_eq!(walk(&route(0), ROUTING).unwrap().protocol, NO_NEXT);
    let bad = walk(&route(1), ROUTING).unwrap_err();
    assert_eq!((bad.code, bad.pointer), (Some(CODE_FIELD), 42));
}

#[test]
fn a_chain_without_end_is_cut_off() {
    let header = [DESTINATION, 0, 1, 4, 0, 0, 0, 0];
    assert!(walk(&packet(&header.repeat(20)), DESTINATION).is_err());
}

#[test]
fn non_atomic_fragment_ends_the_walk_and_atomic_does_not() {
    let mut bytes = packet(&[DESTINATION, 0, 0, 1, 0, 0, 0, 7, 59, 0, 1, 4, 0, 0, 0, 0]);
    let chain = walk(&bytes, FRAGMENT).unwrap();
    assert_eq!((chain.protocol, chain.payload_at), (DESTINATION, 48));
    assert!(chain.fragment.unwrap().more);
    bytes[43] = 0;
    let chain = walk(&bytes, FRAGMENT).unwrap();
    assert_eq!((chain.protocol, chain.payload_at), (NO_NEXT, 56));
}

#[test]
fn fields_cover_every_bit_of_the_headers_in_order() {
    let extensions = [
        &[ROUTING, 0, 5, 2, 0, 0, 1, 0][..],
        &[DESTINATION, 0, 0, 0, 0, 0, 0, 0],
        &[NO_NEXT, 0, 1, 4, 0, 0, 0, 0],
    ];
    let mut next = 0;
    let mut keys = Vec::new();
    fields(&packet(&extensions.concat()), &mut |field| {
        assert_eq!(field.bits.start, next, "{}", field.key);
        next = field.bits.end;
        keys.push(field.key);
    });
    assert_eq!(next, (40 + 24) * 8);
    assert!(keys.contains(&"ipv6.routing.segleft") && keys.contains(&"ipv6.dstopts.nxt"));
}
