//! The identification field of IPv4 packets (RFC 6864).

use std::collections::HashSet;
use std::io::IoSlice;

use bytes::Bytes;
use etherparse::Ipv4Header;
use outcrop_base::{Cause, InterfaceId, IpFields, Limit, Note, Why};
use outcrop_ip::{Config, Delivery, Endpoint, InterfaceConfig, PacketIn, Plan};

use crate::host::{IFACE, NOW, OURS_V4, PEER_V4, build, host, host_with, packet, reason};

fn headers(host: &mut Endpoint) -> Vec<Ipv4Header> {
    let sent = core::iter::from_fn(|| host.poll_transmit(NOW));
    sent.map(|transmit| Ipv4Header::from_slice(&transmit.bytes).unwrap().0)
        .collect()
}

fn datagram(host: &mut Endpoint, len: usize) {
    let plan = Plan {
        src: OURS_V4,
        dst: PEER_V4,
        protocol: 17,
        fields: IpFields {
            df: false,
            ..IpFields::default()
        },
        payload_len: len,
        gso: None,
        iface: None,
    };
    let note = Note::new(Why::Datagram, Limit::None, Cause::None);
    let payload = vec![7; len];
    host.fragment(&plan, &[IoSlice::new(&payload)], &note)
        .unwrap();
}

#[test]
fn fragments_of_a_datagram_share_a_number_and_no_two_datagrams_do() {
    let mut host = host();
    let mut seen = HashSet::new();
    for n in 0..200 {
        // Some that are cut here, and some that may be cut on the way: neither is atomic.
        datagram(&mut host, if n % 2 == 0 { 4000 } else { 100 });
        let sent = headers(&mut host);
        assert_eq!(sent.len(), if n % 2 == 0 { 3 } else { 1 });
        let number = sent[0].identification;
        assert!(sent.iter().all(|header| header.identification == number));
        assert!(sent.iter().all(|header| !header.dont_fragment));
        assert!(seen.insert(number), "{number} came again");
    }
}

/// An echo request that says `number`, atomic: "don't fragment", and no fragment.
fn request(number: u16) -> Bytes {
    let message = etherparse::PacketBuilder::ipv4([10, 77, 0, 1], [10, 77, 0, 2], 64)
        .icmpv4_echo_request(1, 1);
    let mut bytes = build(|out| message.write(out, b"again").unwrap()).to_vec();
    let (mut header, _) = Ipv4Header::from_slice(&bytes).unwrap();
    header.identification = number;
    header.dont_fragment = true;
    header.header_checksum = header.calc_header_checksum();
    bytes[..20].copy_from_slice(&header.to_bytes());
    bytes.into()
}

#[test]
fn number_of_an_atomic_packet_is_not_looked_at() {
    let mut host = host();
    for number in [0, 77, 77, 77, 0xffff] {
        let taken = host.handle_packet(packet(1, request(number)));
        assert_eq!(reason(&taken), None, "{number}");
        assert_eq!(headers(&mut host).len(), 1, "each is answered");
    }
}

#[test]
fn packet_in_transit_keeps_its_number_and_its_word_that_it_is_not_to_be_cut() {
    let mut router = host_with(Config {
        forward: true,
        ..Config::default()
    });
    let addresses = vec!["10.88.0.1/24".parse().unwrap()];
    router
        .add_interface(InterfaceConfig::tun(InterfaceId(1), 1500, addresses))
        .unwrap();
    let to = etherparse::PacketBuilder::ipv4([10, 77, 0, 1], [10, 88, 0, 9], 64).udp(9, 9);
    let mut bytes = build(|out| to.write(out, b"on").unwrap()).to_vec();
    let (mut header, _) = Ipv4Header::from_slice(&bytes).unwrap();
    (header.identification, header.dont_fragment) = (4711, true);
    header.header_checksum = header.calc_header_checksum();
    bytes[..20].copy_from_slice(&header.to_bytes());
    let passed = router.handle_packet(PacketIn {
        iface: IFACE,
        ..packet(1, bytes.into())
    });
    assert!(matches!(passed, Delivery::Done(_)));
    let [on] = &headers(&mut router)[..] else {
        panic!()
    };
    assert_eq!((on.identification, on.dont_fragment), (4711, true));
    assert_eq!(on.time_to_live, 63);
}
