//! Headers against etherparse, and every bit of them shown once.
#![expect(clippy::unwrap_used, reason = "tests")]

use bytes::Bytes;
use etherparse::{
    ArpEthIpv4Packet, ArpHardwareId, ArpOperation, ArpPacket, EtherType, Ethernet2Header,
    SingleVlanHeader, VlanId, VlanPcp,
};
use outcrop_base::{DropReason, Field, HeaderRoom, Seed};
use outcrop_ethernet::MacAddr;
use outcrop_ethernet::wire::arp::{self, Operation, Packet};
use outcrop_ethernet::wire::{self, Header, Tag};
use proptest::prelude::*;

fn header() -> impl Strategy<Value = Header> {
    let tag = (0u8..8, any::<bool>(), 0u16..4096).prop_map(|(priority, drop_eligible, vlan)| Tag {
        priority,
        drop_eligible,
        vlan,
    });
    let kinds =
        (0x0600u16..).prop_filter("a second tag is not ours", |kind| *kind != wire::TYPE_VLAN);
    (
        any::<[u8; 6]>(),
        any::<[u8; 6]>(),
        prop::option::of(tag),
        kinds,
    )
        .prop_map(|(dst, src, tag, ether_type)| Header {
            dst: MacAddr(dst),
            src: MacAddr(src),
            tag,
            ether_type,
        })
}

fn written(header: &Header) -> Vec<u8> {
    let mut room = HeaderRoom::new();
    wire::emit(header, &mut room);
    room.as_slice().to_vec()
}

/// The same header as etherparse writes it.
fn theirs(header: &Header) -> Vec<u8> {
    let outer = Ethernet2Header {
        source: header.src.0,
        destination: header.dst.0,
        ether_type: EtherType(header.tag.map_or(header.ether_type, |_| wire::TYPE_VLAN)),
    };
    let mut bytes = outer.to_bytes().to_vec();
    if let Some(tag) = header.tag {
        let inner = SingleVlanHeader {
            pcp: VlanPcp::try_new(tag.priority).unwrap(),
            drop_eligible_indicator: tag.drop_eligible,
            vlan_id: VlanId::try_new(tag.vlan).unwrap(),
            ether_type: EtherType(header.ether_type),
        };
        bytes.extend(inner.to_bytes());
    }
    bytes
}

/// Every bit once and in order; how many there were.
fn bits(show: impl Fn(&mut dyn FnMut(Field<'_>))) -> u32 {
    let mut next = 0;
    show(&mut |field| {
        assert_eq!(field.bits.start, next, "{}", field.key);
        next = field.bits.end;
    });
    next
}

fn packet() -> impl Strategy<Value = Packet> {
    let ends = any::<([u8; 6], [u8; 4], [u8; 6], [u8; 4])>();
    (any::<bool>(), ends).prop_map(|(asks, (a, b, c, d))| Packet {
        operation: if asks {
            Operation::Request
        } else {
            Operation::Reply
        },
        sender_mac: MacAddr(a),
        sender_ip: b.into(),
        target_mac: MacAddr(c),
        target_ip: d.into(),
    })
}

proptest! {
    #[test]
    fn header_is_etherparses_byte_for_byte_and_reads_back(header in header(), data in prop::collection::vec(any::<u8>(), 0..60)) {
        let mut ours = written(&header);
        prop_assert_eq!(&ours, &theirs(&header));
        prop_assert_eq!(bits(|visit| wire::fields(&ours, visit)), u32::try_from(ours.len()).unwrap() * 8);
        ours.extend(&data);
        prop_assert_eq!(wire::parse(ours.into()), Ok((header, Bytes::from(data))));
    }

    #[test]
    fn arp_is_etherparses_byte_for_byte_and_reads_back(packet in packet(), padding in 0usize..20) {
        let operation = match packet.operation { Operation::Request => ArpOperation::REQUEST, Operation::Reply => ArpOperation::REPLY };
        let theirs = ArpPacket::from(ArpEthIpv4Packet {
            operation,
            sender_mac: packet.sender_mac.0, sender_ipv4: packet.sender_ip.octets(),
            target_mac: packet.target_mac.0, target_ipv4: packet.target_ip.octets(),
        });
        prop_assert_eq!(theirs.hw_addr_type, ArpHardwareId::ETHERNET);
        let mut ours = arp::emit(&packet).to_vec();
        prop_assert_eq!(&ours[..], &theirs.to_bytes()[..]);
        prop_assert_eq!(bits(|visit| arp::fields(&ours, visit)), 224);
        ours.resize(ours.len() + padding, 0);
        prop_assert_eq!(arp::parse(&ours), Ok(packet));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _fate = (wire::read(&bytes), arp::parse(&bytes));
        wire::fields(&bytes, &mut |_| {});
        arp::fields(&bytes, &mut |_| {});
    }

    #[test]
    fn generated_address_is_one_stations_and_local(seed: u64) {
        let seed = Seed::from_number(seed);
        let mac = MacAddr::generate(&seed, "tap0");
        prop_assert!(mac.is_station() && mac.is_local() && !mac.is_group());
        prop_assert_eq!(mac, MacAddr::generate(&seed, "tap0"));
        prop_assert_ne!(mac, MacAddr::generate(&seed, "tap1"));
    }
}

#[test]
fn cut_or_foreign_frame_is_refused_by_name() {
    let tagged = Header {
        dst: MacAddr::BROADCAST,
        src: MacAddr([2, 0, 0, 0, 0, 1]),
        tag: Some(Tag::from_bits(0x6001)),
        ether_type: wire::TYPE_IPV4,
    };
    let frame = written(&tagged);
    for len in 0..18 {
        let cut = wire::read(&frame[..len]);
        assert_eq!(cut, Err(DropReason::EthernetTruncated), "{len}");
    }
    // 802.3 with a length: spanning tree speaks so, no IP host does.
    let mut with_length = frame[..12].to_vec();
    with_length.extend([0, 38]);
    assert_eq!(
        wire::read(&with_length),
        Err(DropReason::EthernetUnknownType)
    );
}

#[test]
fn arp_of_another_network_is_malformed() {
    let good = [
        0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2,
    ];
    assert!(arp::parse(&good).is_ok());
    for (at, value) in [(1, 6), (2, 0x86), (4, 8), (5, 16), (7, 0), (7, 3)] {
        let mut bad = good;
        bad[at] = value;
        assert_eq!(arp::parse(&bad), Err(DropReason::ArpMalformed), "{at}");
    }
    assert_eq!(arp::parse(&good[..27]), Err(DropReason::ArpMalformed));
}

#[test]
fn groups_have_the_addresses_of_the_standards() {
    // RFC 1112 6.4: two groups that differ in the 24th bit share an address. RFC 2464 7: the low 32 bits.
    let of = |text: &str| MacAddr::of_group(text.parse().unwrap()).to_string();
    assert_eq!(of("224.0.0.251"), "01:00:5e:00:00:fb");
    assert_eq!(of("239.129.2.3"), "01:00:5e:01:02:03");
    assert_eq!(of("ff02::1:ff28:9c5a"), "33:33:ff:28:9c:5a");
}
