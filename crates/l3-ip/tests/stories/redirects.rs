//! A host that is told of better first hops.

use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;

use etherparse::{Icmpv4Type, PacketBuilder, icmpv4};
use outcrop_base::{DropReason, Instant, Verdict};
use outcrop_ip::{Endpoint, PacketIn, Rule};

use crate::host::{IFACE, build, host, packet, verdict};

const GATEWAY: [u8; 4] = [10, 77, 0, 1];
const BETTER: [u8; 4] = [10, 77, 0, 9];
const FAR: [u8; 4] = [203, 0, 113, 5];

/// A host with a default gateway.
fn routed() -> Endpoint {
    let mut host = host();
    let via = Some(GATEWAY.into());
    host.add_route("0.0.0.0/0".parse().unwrap(), via, IFACE)
        .unwrap();
    host
}

/// `from` says that `gateway` is nearer to `dst`, at which a datagram of `ours` was sent.
fn redirect(
    host: &mut Endpoint,
    at: Instant,
    (from, gateway): ([u8; 4], [u8; 4]),
    (ours, dst): ([u8; 4], [u8; 4]),
) -> Verdict {
    let quoted = PacketBuilder::ipv4(ours, dst, 64).udp(4000, 9);
    let quoted = build(|out| quoted.write(out, b"").unwrap());
    let message = Icmpv4Type::Redirect(icmpv4::RedirectHeader {
        code: icmpv4::RedirectCode::RedirectForHost,
        gateway_internet_address: gateway,
    });
    let builder = PacketBuilder::ipv4(from, [10, 77, 0, 2], 64).icmpv4(message);
    let bytes = build(|out| builder.write(out, &quoted).unwrap());
    let packet = PacketIn {
        at,
        ..packet(7, bytes)
    };
    verdict(&host.handle_packet(packet))
}

/// The next hop of a ping.
fn next_hop(host: &mut Endpoint, dst: [u8; 4]) -> IpAddr {
    host.ping(dst.into(), 1, 1, b"").unwrap();
    host.poll_transmit(Instant::ZERO).unwrap().hop.next
}

const OURS: [u8; 4] = [10, 77, 0, 2];

#[test]
fn redirect_of_the_gateway_in_use_is_followed_and_no_other() {
    let mut host = routed();
    let at = Instant::from_secs(1);
    // (who says it, what gateway, about what): RFC 1122 3.2.2.2.
    let table = [
        (([10, 77, 0, 8], BETTER), (OURS, FAR), "not the first hop"),
        ((GATEWAY, [10, 99, 0, 1]), (OURS, FAR), "beyond the link"),
        ((GATEWAY, OURS), (OURS, FAR), "ourselves"),
        ((GATEWAY, [10, 77, 0, 255]), (OURS, FAR), "everybody"),
        ((GATEWAY, BETTER), ([10, 77, 0, 3], FAR), "another's packet"),
        ((GATEWAY, BETTER), (OURS, [10, 77, 0, 5]), "on the link"),
    ];
    for (said, about, why) in table {
        let verdict = redirect(&mut host, at, said, about);
        assert_eq!(
            verdict.drop_reason(),
            Some(DropReason::IcmpUnrelated),
            "{why}"
        );
        assert_eq!(next_hop(&mut host, FAR), IpAddr::from(GATEWAY), "{why}");
    }
    let verdict = redirect(&mut host, at, (GATEWAY, BETTER), (OURS, FAR));
    assert_eq!(verdict.rule, Rule::Redirect.as_ref());
    assert_eq!(verdict.drop_reason(), None);
    assert_eq!(next_hop(&mut host, FAR), IpAddr::from(BETTER));
    // For that host alone.
    assert_eq!(next_hop(&mut host, [203, 0, 113, 6]), IpAddr::from(GATEWAY));
    // The better hop may know a better one still; the old gateway is heard no more.
    let verdict = redirect(&mut host, at, (GATEWAY, [10, 77, 0, 4]), (OURS, FAR));
    assert_eq!(verdict.drop_reason(), Some(DropReason::IcmpUnrelated));
}

#[test]
fn redirects_are_bounded_in_number_and_age() {
    let mut host = routed();
    let at = Instant::from_secs(1);
    let far = |n: u8| Ipv4Addr::new(203, 0, 113, n).octets();
    for n in 0..65 {
        let verdict = redirect(&mut host, at, (GATEWAY, BETTER), (OURS, far(n)));
        assert_eq!(verdict.drop_reason(), None);
    }
    assert_eq!(next_hop(&mut host, far(0)), IpAddr::from(GATEWAY));
    assert_eq!(next_hop(&mut host, far(1)), IpAddr::from(BETTER));
    let forgotten = at + Duration::from_secs(600);
    assert_eq!(host.poll_timeout(), Some(forgotten));
    host.handle_timeout(forgotten);
    assert_eq!(next_hop(&mut host, far(64)), IpAddr::from(GATEWAY));
    assert_eq!(host.poll_timeout(), None);
}
