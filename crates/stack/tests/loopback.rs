//! A host that speaks to itself: no packet reaches a device.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod common;

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use bytes::Bytes;
use common::{IFACE, World, host, v4, v6};
use outcrop_base::{ChunkQueue, DropReason};
use outcrop_device::RxOffload;
use outcrop_stack::tcp::{CloseReason, Listen};
use outcrop_stack::{Core, Echo, PacketIn, StreamId};

const PORT: u16 = 80;

/// A connection from host 0 of `world` to `addr`, its own: the client's end and the server's.
fn connected(world: &mut World, addr: IpAddr) -> (StreamId, StreamId) {
    let server = SocketAddr::new(addr, PORT);
    let core = &mut world.hosts[0];
    let listener = core.tcp_listen(server, Listen::default()).unwrap();
    let client = core.tcp_connect(None, server, None).unwrap();
    world.run(Duration::from_millis(1));
    let core = &mut world.hosts[0];
    let served = core.tcp_accept(listener).unwrap();
    (client, served)
}

fn own_addresses() -> [IpAddr; 4] {
    [
        v4(1),
        v6(1),
        [127, 0, 0, 1].into(),
        core::net::Ipv6Addr::LOCALHOST.into(),
    ]
}

#[test]
fn connecting_to_an_own_address_bytes_pass_both_ways_and_no_device_sees_them() {
    for addr in own_addresses() {
        let mut world = World::plain();
        let (client, served) = connected(&mut world, addr);
        let info = world.hosts[0].tcp_info(client).unwrap();
        assert_eq!(info.flow.local.ip(), addr, "from the same address");
        world.write(0, client, b"to myself");
        world.run(Duration::from_secs(1));
        assert_eq!(world.read(0, served), (b"to myself".to_vec(), false));
        world.write(0, served, b"and back");
        world.run(Duration::from_secs(1));
        assert_eq!(world.read(0, client), (b"and back".to_vec(), false));
        for id in [client, served] {
            world.hosts[0].tcp_shutdown(id).unwrap();
        }
        world.run(Duration::from_secs(1));
        for id in [client, served] {
            let end = world.hosts[0].tcp_close_reason(id);
            assert_eq!(end, Some(CloseReason::Finished), "{addr}");
        }
        assert!(world.sent.is_empty(), "{:?}", world.story());
        assert!(world.hosts[0].looped() >= 7, "three, two, four");
    }
}

// Segments are as long as IPv4's length field allows, and a megabyte comes through whole.
#[test]
fn megabyte_to_an_own_address_in_large_segments() {
    let mut world = World::plain();
    let (client, served) = connected(&mut world, v4(1));
    let sent: Vec<u8> = (0..1_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
    let mut queue = ChunkQueue::from(Bytes::from(sent.clone()));
    let mut got = Vec::new();
    while got.len() < sent.len() {
        world.hosts[0].tcp_write(client, &mut queue).unwrap();
        world.run(Duration::from_millis(50));
        got.extend(world.read(0, served).0);
    }
    assert_eq!(got, sent);
    let info = world.hosts[0].tcp_info(client).unwrap();
    assert!(info.mss > 60_000, "{}", info.mss);
    assert_eq!(info.totals.retransmissions, 0);
    assert!(world.sent.is_empty());
}

#[test]
fn nobody_listens_at_the_own_address_connect_is_refused() {
    let mut world = World::plain();
    let closed = SocketAddr::new(v4(1), 9);
    let id = world.hosts[0].tcp_connect(None, closed, None).unwrap();
    world.run(Duration::from_secs(1));
    assert_eq!(
        world.hosts[0].tcp_close_reason(id),
        Some(CloseReason::Refused)
    );
    assert!(world.sent.is_empty());
}

#[test]
fn datagram_and_ping_to_an_own_address_arrive() {
    let mut world = World::plain();
    let core = &mut world.hosts[0];
    let here = core.udp_bind(SocketAddr::new(v4(1), 7)).unwrap();
    let there = core.udp_bind(SocketAddr::new(v4(1), 8)).unwrap();
    let data = Bytes::from_static(b"note");
    core.udp_send(
        there,
        Some(SocketAddr::new(v4(1), 7)),
        data.clone(),
        &Default::default(),
    )
    .unwrap();
    let ping = core.ping_open().unwrap();
    core.ping_send(ping, v6(1), 3, &data).unwrap();
    world.run(Duration::from_millis(1));
    let core = &mut world.hosts[0];
    assert_eq!(core.udp_recv(here).unwrap().unwrap().data, data);
    let Some(Echo::Reply(reply)) = core.ping_recv(ping) else {
        panic!("no answer from myself")
    };
    assert_eq!(reply.seq, 3);
    assert!(world.sent.is_empty());
}

// RFC 1122 3.2.1.3 (a source of ours) and (g) (127/8 outside of a host): from a link, both are forged.
#[test]
fn packet_from_the_link_with_an_own_or_loopback_address_is_dropped() {
    let forged = |src: [u8; 4], dst: [u8; 4]| {
        let mut packet = vec![0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0];
        packet.extend(src);
        packet.extend(dst);
        let mut sum = outcrop_base::Checksum::new();
        sum.add(&packet);
        let sum = sum.finish().to_be_bytes();
        packet[10..12].copy_from_slice(&sum);
        packet.extend([0; 20]);
        Bytes::from(packet)
    };
    let mut core: Core = host(1, 1);
    for (src, dst, reason) in [
        ([10, 77, 0, 1], [10, 77, 0, 1], DropReason::IpBadSource),
        ([127, 0, 0, 1], [10, 77, 0, 1], DropReason::IpBadSource),
        ([10, 77, 0, 2], [127, 0, 0, 1], DropReason::IpNotForUs),
    ] {
        let packet = PacketIn {
            at: outcrop_base::Instant::ZERO,
            id: core.next_packet_id(),
            iface: IFACE,
            bytes: forged(src, dst),
            offload: RxOffload::default(),
        };
        let verdict = core.handle_packet(packet);
        assert_eq!(verdict.drop_reason(), Some(reason), "{src:?} to {dst:?}");
    }
}
