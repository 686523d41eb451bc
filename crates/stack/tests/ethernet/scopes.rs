//! Link-local addresses on two links: each leaves by the link it was given for, or came from.

use core::net::{IpAddr, SocketAddr, SocketAddrV6};

use bytes::Bytes;
use outcrop_base::{DropReason, Instant, InterfaceId, Seed};
use outcrop_stack::ethernet::{self, MacAddr};
use outcrop_stack::ip::{ConfigError, InterfaceConfig};
use outcrop_stack::udp::SendOptions;
use outcrop_stack::{Config, Core, PacketIn};

use crate::common::{cidr, ip};

const A: InterfaceId = InterfaceId(0);
const B: InterfaceId = InterfaceId(1);
const NOW: Instant = Instant::from_millis(1);

/// A host on two links, with a link-local address of ours on each.
fn host() -> Core {
    let mut core = Core::new(Config::default(), &Seed::from_number(3));
    for (iface, own) in [(A, "fe80::a/64"), (B, "fe80::b/64")] {
        let mac = MacAddr([2, 0, 0, 0, 0, own.as_bytes()[6]]);
        let link = InterfaceConfig {
            addresses: vec![cidr(own)],
            ..InterfaceConfig::ethernet(iface, 1500, mac.0)
        };
        core.add_ethernet(link, ethernet::Config::new(mac)).unwrap();
    }
    let _reports = sent(&mut core);
    core
}

/// What leaves: the link, the source, the kind of packet.
fn sent(core: &mut Core) -> Vec<(InterfaceId, Bytes)> {
    let mut all = Vec::new();
    while core.poll_transmit(NOW, &mut |packet| {
        let bytes: Vec<u8> = packet.bytes.iter().flat_map(|p| p.to_vec()).collect();
        all.push((packet.iface, Bytes::from(bytes)));
    }) {}
    all
}

/// The neighbour solicitations that left: link and source.
fn asked(core: &mut Core) -> Vec<(InterfaceId, IpAddr)> {
    let all = sent(core).into_iter();
    let solicitations =
        all.filter(|(_, f)| f[12..14] == [0x86, 0xdd] && f[20] == 58 && f[54] == 135);
    let read = solicitations.map(|(iface, f)| {
        let src: [u8; 16] = f[22..38].try_into().unwrap();
        (iface, IpAddr::from(src))
    });
    read.collect()
}

fn scoped(addr: &str, scope: u32) -> SocketAddr {
    let IpAddr::V6(addr) = ip(addr) else {
        panic!("not IPv6");
    };
    SocketAddrV6::new(addr, 80, 0, scope).into()
}

#[test]
fn a_connection_to_a_scoped_address_leaves_by_that_link_from_its_address() {
    for (iface, own) in [(A, "fe80::a"), (B, "fe80::b")] {
        let mut core = host();
        let peer = scoped("fe80::7", Core::scope_id(iface));
        let stream = core.tcp_connect(None, peer, None).unwrap();
        assert_eq!(asked(&mut core), [(iface, ip(own))]);
        assert_eq!(core.tcp_flow(stream).unwrap().local.ip(), ip(own));
        assert_eq!(core.tcp_flow(stream).unwrap().remote, scoped("fe80::7", 0));
    }
}

#[test]
fn a_datagram_to_a_scoped_address_leaves_by_that_link() {
    for (iface, own) in [(A, "fe80::a"), (B, "fe80::b")] {
        let mut core = host();
        let socket = core.udp_bind(scoped("::", 0)).unwrap();
        let to = Some(scoped("fe80::7", Core::scope_id(iface)));
        core.udp_send(
            socket,
            to,
            Bytes::from_static(b"x"),
            &SendOptions::default(),
        )
        .unwrap();
        assert_eq!(asked(&mut core), [(iface, ip(own))]);
    }
}

#[test]
fn a_link_that_is_not_there_is_no_way_and_a_scope_of_a_global_address_says_nothing() {
    let mut core = host();
    assert!(core.tcp_connect(None, scoped("fe80::7", 9), None).is_err());
    assert!(
        core.tcp_connect(None, scoped("fe80::7", 70_000), None)
            .is_err()
    );
    assert_eq!(
        core.scope_to(ip("2001:db8::1"), A),
        Err(ConfigError::Address)
    );
    assert_eq!(
        core.scope_to(ip("fe80::7"), InterfaceId(7)),
        Err(ConfigError::UnknownInterface)
    );
    // No route leads to it, whatever scope is given.
    assert!(
        core.tcp_connect(None, scoped("2001:db8::1", 1), None)
            .is_err()
    );
}

/// An echo request in a frame to `mac`.
fn echo(mac: u8, src: &str, dst: &str) -> Bytes {
    let (IpAddr::V6(src), IpAddr::V6(dst)) = (ip(src), ip(dst)) else {
        panic!("not IPv6");
    };
    let builder = etherparse::PacketBuilder::ethernet2([2, 0, 0, 0, 0, 9], [2, 0, 0, 0, 0, mac])
        .ipv6(src.octets(), dst.octets(), 64)
        .icmpv6_echo_request(1, 1);
    let mut out = Vec::new();
    builder.write(&mut out, b"there?").unwrap();
    out.into()
}

fn give(core: &mut Core, iface: InterfaceId, bytes: Bytes) -> Option<DropReason> {
    let id = core.next_packet_id();
    let offload = outcrop_stack::device::RxOffload::default();
    let packet = PacketIn {
        at: NOW,
        id,
        iface,
        bytes,
        offload,
    };
    core.handle_packet(packet).drop_reason()
}

#[test]
fn an_answer_leaves_by_the_link_its_question_came_from() {
    // RFC 4007 9; the same neighbour's address may be on the other link next.
    let mut core = host();
    for (iface, mac, own) in [
        (A, b'a', "fe80::a"),
        (B, b'b', "fe80::b"),
        (A, b'a', "fe80::a"),
    ] {
        assert_eq!(give(&mut core, iface, echo(mac, "fe80::7", own)), None);
        let asked = asked(&mut core);
        assert!(asked.is_empty() || asked == [(iface, ip(own))], "{asked:?}");
        assert_eq!(core.ip().next_hop(ip("fe80::7")).unwrap().iface, iface);
    }
    // What a program has named stays.
    core.scope_to(ip("fe80::7"), B).unwrap();
    assert_eq!(give(&mut core, A, echo(b'a', "fe80::7", "fe80::a")), None);
    assert_eq!(core.ip().next_hop(ip("fe80::7")).unwrap().iface, B);
}

#[test]
fn our_link_local_address_of_another_link_is_not_ours_here() {
    let mut core = host();
    let dropped = give(&mut core, A, echo(b'a', "fe80::7", "fe80::b"));
    assert_eq!(dropped, Some(DropReason::IpNotForUs));
}
