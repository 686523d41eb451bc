//! Packets on their way down.

use crate::host::*;
use core::net::IpAddr;
use outcrop_base::{Ecn, HeaderRoom, IpFields, Note, Why};
use outcrop_ip::{Delivery, Endpoint, Plan, Unresolved, Wrap};

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
        iface: None,
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
    assert_eq!(up.unwrap().payload(), payload);
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
