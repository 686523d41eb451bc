//! Sockets that hear groups, each from the sources it named.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that meets the unexpected shall fail"
)]

mod common;

use core::net::IpAddr;
use core::time::Duration;

use bytes::Bytes;
use common::{IFACE, World, v4, v6};
use etherparse::PacketBuilder;
use outcrop_base::{DropReason, Why};
use outcrop_stack::ip::{GroupError, Listening, SourceFilter};
use outcrop_stack::{Core, UdpId};

const SOON: Duration = Duration::from_secs(5);

/// A datagram of host `last` to a group's `port`, in the group's family.
fn datagram(last: u8, group: IpAddr, port: u16) -> Bytes {
    let octets = |addr: IpAddr| match addr {
        IpAddr::V4(addr) => addr.to_ipv6_mapped().octets(),
        IpAddr::V6(addr) => addr.octets(),
    };
    let low = |addr: IpAddr| <[u8; 4]>::try_from(&octets(addr)[12..]).unwrap();
    let builder = match group {
        IpAddr::V4(_) => PacketBuilder::ipv4(low(v4(last)), low(group), 9),
        IpAddr::V6(_) => PacketBuilder::ipv6(octets(v6(last)), octets(group), 9),
    };
    let mut out = Vec::new();
    let packet = builder.udp(9, port);
    packet.write(&mut out, b"all").unwrap();
    out.into()
}

fn listening(world: &mut World, group: IpAddr, port: u16, call: &Listening) -> UdpId {
    let any = if group.is_ipv4() { "0.0.0.0" } else { "::" };
    let local = (any.parse::<IpAddr>().unwrap(), port).into();
    let id = world.hosts[0].udp_bind(local).unwrap();
    world.hosts[0].udp_listen(id, (IFACE, group), call).unwrap();
    id
}

/// What becomes of it at host 0.
fn said(world: &mut World, last: u8, group: IpAddr, port: u16) -> Option<DropReason> {
    world.inject(0, datagram(last, group, port));
    world.run(SOON);
    let mut ours = world.verdicts.iter().filter(|(to, _)| *to == 0);
    ours.next_back().unwrap().1.drop_reason()
}

/// A host by its last number.
type Host = fn(u8) -> IpAddr;

fn groups() -> [(IpAddr, Host); 2] {
    [
        ("232.1.2.3".parse().unwrap(), v4),
        ("ff35::9".parse().unwrap(), v6),
    ]
}

#[test]
fn each_socket_hears_a_group_from_the_sources_it_named_and_routers_hear_of_all() {
    for (group, host) in groups() {
        let mut world = World::plain();
        let one = listening(&mut world, group, 1001, &Listening::JoinSource(host(8)));
        let all = listening(&mut world, group, 1002, &Listening::Join);
        let block = Listening::Block(host(9));
        world.hosts[0]
            .udp_listen(all, (IFACE, group), &block)
            .unwrap();
        // One wants 8 alone, the other all but 9: nothing else is lost to either.
        let filtered = Some(DropReason::IpSourceFiltered);
        for (last, port, reason) in [
            (8, 1001, None),
            (7, 1001, filtered),
            (7, 1002, None),
            (9, 1001, filtered),
            (9, 1002, filtered),
        ] {
            assert_eq!(
                said(&mut world, last, group, port),
                reason,
                "{last} to {port}"
            );
        }
        let heard = |core: &mut Core, id| core.udp_recv(id).unwrap().unwrap().from.ip();
        assert_eq!(heard(&mut world.hosts[0], one), host(8));
        assert_eq!(heard(&mut world.hosts[0], all), host(7));
        // The one that hears 8 alone goes: for the interface nothing changes, and nobody is told.
        world.sent.clear();
        world.hosts[0].udp_close(one);
        world.run(SOON);
        assert_eq!(world.story(), []);
        world.hosts[0].udp_close(all);
        world.run(SOON);
        assert_eq!(world.story(), [(0, Why::GroupReport); 2]);
        assert_eq!(
            said(&mut world, 8, group, 1001),
            Some(DropReason::IpNotForUs)
        );
    }
}

#[test]
fn a_socket_that_joined_nothing_hears_no_group_but_that_of_all_hosts() {
    for ((group, _), everybody) in groups().into_iter().zip(["224.0.0.1", "ff02::1"]) {
        let mut world = World::plain();
        let _joined = listening(&mut world, group, 1001, &Listening::Join);
        let other = listening(
            &mut world,
            group,
            1002,
            &Listening::Set(SourceFilter::NOBODY),
        );
        let deaf = said(&mut world, 8, group, 1002);
        assert_eq!(deaf, Some(DropReason::UdpNoSocket));
        assert_eq!(said(&mut world, 8, everybody.parse().unwrap(), 1002), None);
        assert!(world.hosts[0].udp_recv(other).unwrap().is_some());
    }
}

#[test]
fn a_call_that_fails_changes_nothing() {
    let [(group, host), _] = groups();
    let mut world = World::plain();
    let id = listening(&mut world, group, 1001, &Listening::JoinSource(host(8)));
    world.run(SOON);
    world.sent.clear();
    let core = &mut world.hosts[0];
    let wrong = core.udp_join(id, IFACE, group);
    assert_eq!(wrong, Err(GroupError::OtherMode));
    let unknown = core.udp_listen(id, (IFACE, group), &Listening::LeaveSource(host(9)));
    assert_eq!(unknown, Err(GroupError::NotNamed));
    let family = core.udp_listen(id, (IFACE, group), &Listening::JoinSource(v6(8)));
    assert_eq!(family, Err(GroupError::NotASource));
    let before = SourceFilter::Include([host(8)].into());
    assert_eq!(core.udp_filter(id, IFACE, group), before);
    world.run(SOON);
    assert_eq!(world.story(), []);
}
