//! Multicast that a router passes on.

use bytes::Bytes;
use etherparse::PacketBuilder;
use outcrop_base::{DropReason, InterfaceId, Seed, Verdict};
use outcrop_ip::{Cidr, Config, ConfigError, Delivery, Endpoint, InterfaceConfig, PacketIn, Rule};

use crate::host::{NOW, build, packet};

const A: InterfaceId = InterfaceId(0);
const B: InterfaceId = InterfaceId(1);
const C: InterfaceId = InterfaceId(2);

fn cidr(text: &str) -> Cidr {
    text.parse().unwrap()
}

/// A router between three links, the third narrow, that passes two ranges of groups on.
fn router() -> Endpoint {
    let config = Config {
        forward: true,
        ..Config::default()
    };
    let mut router = Endpoint::new(config, &Seed::from_number(1));
    for (id, mtu, v4, v6) in [
        (A, 1500, "10.1.0.1/24", "fd01::1/64"),
        (B, 1500, "10.2.0.1/24", "fd02::1/64"),
        (C, 1280, "10.3.0.1/24", "fd03::1/64"),
    ] {
        let link = InterfaceConfig::tun(id, mtu, vec![cidr(v4), cidr(v6)]);
        router.add_interface(link).unwrap();
    }
    router
        .route_groups(cidr("239.1.0.0/16"), A, vec![B, C])
        .unwrap();
    router
        .route_groups(cidr("ff05::/16"), A, vec![B, C])
        .unwrap();
    router
}

fn datagram(dst: &str, ttl: u8, len: usize) -> Bytes {
    let data = vec![7; len];
    match dst.parse().unwrap() {
        core::net::IpAddr::V4(dst) => {
            let builder = PacketBuilder::ipv4([10, 1, 0, 9], dst.octets(), ttl).udp(4000, 9);
            build(|out| builder.write(out, &data).unwrap())
        }
        core::net::IpAddr::V6(dst) => {
            let src: core::net::Ipv6Addr = "fd01::9".parse().unwrap();
            let builder = PacketBuilder::ipv6(src.octets(), dst.octets(), ttl).udp(4000, 9);
            build(|out| builder.write(out, &data).unwrap())
        }
    }
}

fn arrives(router: &mut Endpoint, iface: InterfaceId, bytes: Bytes) -> Delivery {
    router.handle_packet(PacketIn {
        iface,
        ..packet(5, bytes)
    })
}

fn judged(delivery: &Delivery) -> Verdict {
    match delivery {
        Delivery::Done(verdict) => *verdict,
        Delivery::Up(_) => panic!("handed up"),
    }
}

/// The links by which copies leave, and the hops they have left.
fn copies(router: &mut Endpoint) -> Vec<(InterfaceId, u8)> {
    let all = core::iter::from_fn(|| router.poll_transmit(NOW));
    let hops = |bytes: &Bytes| {
        if bytes[0] >> 4 == 4 {
            bytes[8]
        } else {
            bytes[7]
        }
    };
    all.map(|transmit| (transmit.hop.iface, hops(&transmit.bytes)))
        .collect()
}

#[test]
fn a_packet_to_a_routed_group_goes_on_to_each_link_named_with_one_hop_less() {
    for group in ["239.1.2.3", "ff05::123"] {
        let mut router = router();
        let verdict = judged(&arrives(&mut router, A, datagram(group, 9, 100)));
        assert_eq!(verdict.rule, Rule::ForwardGroup.as_ref());
        assert_eq!(copies(&mut router), [(B, 8), (C, 8)]);
    }
}

#[test]
fn a_group_by_another_link_without_a_route_near_or_without_hops_goes_nowhere() {
    let mut router = router();
    for (iface, group, ttl, reason) in [
        // It may have come round: RFC 1812 5.2.1.3's reverse path.
        (B, "239.1.2.3", 9, DropReason::IpNotForUs),
        (A, "239.2.2.3", 9, DropReason::IpNotForUs),
        (A, "239.1.2.3", 1, DropReason::Ipv4TtlExpired),
        (A, "ff05::123", 1, DropReason::Ipv6HopLimitExpired),
    ] {
        let verdict = judged(&arrives(&mut router, iface, datagram(group, ttl, 100)));
        assert_eq!(verdict.drop_reason(), Some(reason), "{group}");
        // Nobody hears of it: RFC 1122 3.2.2, RFC 4443 2.4 e.
        assert_eq!(copies(&mut router), []);
    }
}

#[test]
fn a_packet_to_a_group_longer_than_a_link_is_cut_in_ipv4_and_told_in_ipv6() {
    let mut router = router();
    let mut divisible = datagram("239.1.2.3", 9, 1400).to_vec();
    divisible[6] = 0;
    let mut sum = outcrop_base::Checksum::new();
    divisible[10..12].fill(0);
    sum.add(&divisible[..20]);
    let sum = sum.finish().to_be_bytes();
    divisible[10..12].copy_from_slice(&sum);
    let verdict = judged(&arrives(&mut router, A, divisible.into()));
    assert_eq!(verdict.drop_reason(), None);
    assert_eq!(copies(&mut router), [(B, 8), (C, 8), (C, 8)]);
    // RFC 4443 2.4 e 3: the one error that a group's packet may cause; the wide link has its copy.
    let verdict = judged(&arrives(&mut router, A, datagram("ff05::123", 9, 1400)));
    assert_eq!(verdict.drop_reason(), Some(DropReason::IpTooBig));
    let sent: Vec<_> = core::iter::from_fn(|| router.poll_transmit(NOW)).collect();
    let (error, copy) = (&sent[0], &sent[1]);
    assert_eq!(
        (error.hop.iface, error.bytes[40], &error.bytes[44..48]),
        (A, 2, &[0, 0, 5, 0][..])
    );
    assert_eq!((copy.hop.iface, copy.bytes[7]), (B, 8));
    assert_eq!(sent.len(), 2);
}

#[test]
fn a_router_in_the_group_hears_it_and_passes_it_on() {
    let mut router = router();
    router.join_group(A, "239.1.2.3".parse().unwrap()).unwrap();
    let _reports = copies(&mut router);
    let delivery = arrives(&mut router, A, datagram("239.1.2.3", 9, 100));
    assert!(matches!(delivery, Delivery::Up(_)));
    assert_eq!(copies(&mut router), [(B, 8), (C, 8)]);
}

#[test]
fn routes_of_what_is_no_group_or_stays_on_its_link_are_refused() {
    let mut router = router();
    let mut refused = |groups: &str, from, to| router.route_groups(cidr(groups), from, to);
    for near in [
        "10.0.0.0/8",
        "224.0.0.0/24",
        "ff02::/16",
        "ff01::1/128",
        "fd00::/8",
    ] {
        assert_eq!(
            refused(near, A, vec![B]),
            Err(ConfigError::Address),
            "{near}"
        );
    }
    let nowhere = Err(ConfigError::UnknownInterface);
    assert_eq!(refused("239.5.0.0/16", A, vec![InterfaceId(9)]), nowhere);
    let twice = Err(ConfigError::DuplicateInterface);
    assert_eq!(refused("239.5.0.0/16", A, vec![B, A]), twice);
    assert_eq!(refused("239.5.0.0/16", A, vec![B, B]), twice);
    let all: Vec<_> = (0..70)
        .map(|_| refused("239.5.0.0/16", A, vec![B]))
        .collect();
    assert_eq!(all.last(), Some(&Err(ConfigError::TooMany)));
}
