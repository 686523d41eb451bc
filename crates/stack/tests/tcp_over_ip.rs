//! Where TCP's requirements reach into IP: RFC 9293 3.9.1.1 (addresses of an OPEN), 3.9.2 (what IP carries and reports).
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that meets the unexpected shall fail"
)]

mod common;

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use bytes::Bytes;
use common::{World, icmp_error, sock, too_big, v4, v6};
use outcrop_base::{Checksum, Why};
use outcrop_stack::tcp::{self, CloseReason, Doubt, Listen, Settings, State};
use outcrop_stack::{ConnectError, Event, StreamId};

const SOON: Duration = Duration::from_millis(100);

fn events(world: &mut World, host: usize) -> Vec<Event> {
    core::iter::from_fn(|| world.hosts[host].poll_event()).collect()
}

/// A client on host 0 and its connection on host 1.
fn connected(world: &mut World) -> [StreamId; 2] {
    let listener = world.hosts[1].tcp_listen(sock(2, 80), Listen::default());
    let client = world.hosts[0].tcp_connect(None, sock(2, 80), None).unwrap();
    world.run(SOON);
    let served = world.hosts[1].tcp_accept(listener.unwrap()).unwrap();
    while world.hosts[0].poll_event().is_some() {}
    world.sent.clear();
    [client, served]
}

/// A SYN from `src` port 4000 to `dst` port 80, behind an IPv4 header with these options.
fn syn(src: [u8; 4], dst: [u8; 4], options: &[u8]) -> Bytes {
    let words = 5 + u8::try_from(options.len() / 4).unwrap();
    let len = u8::try_from(20 + options.len() + 20).unwrap();
    let mut ip = vec![0x40 | words, 0, 0, len, 0, 0, 0x40, 0, 64, 6, 0, 0];
    ip.extend(src);
    ip.extend(dst);
    ip.extend(options);
    let mut sum = Checksum::new();
    sum.add(&ip);
    ip[10..12].copy_from_slice(&sum.finish().to_be_bytes());
    let mut tcp = vec![
        0x0f, 0xa0, 0, 80, 0, 0, 1, 0, 0, 0, 0, 0, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0,
    ];
    let mut sum = Checksum::pseudo_header(src.into(), dst.into(), 6, 20);
    sum.add(&tcp);
    tcp[16..18].copy_from_slice(&sum.finish().to_be_bytes());
    ip.extend(tcp);
    ip.into()
}

// MUST-44: the address is known before anything has left. MUST-45: and is the one in every packet.
#[test]
fn connect_without_a_local_address_ip_chooses_it_before_the_syn_leaves() {
    for (remote, local) in [(v4(2), v4(1)), (v6(2), v6(1))] {
        let mut world = World::plain();
        let server = (remote, 80).into();
        world.hosts[1]
            .tcp_listen(server, Listen::default())
            .unwrap();
        let client = world.hosts[0].tcp_connect(None, server, None).unwrap();
        let before = world.hosts[0].tcp_info(client).unwrap().flow.local;
        assert_eq!((before.ip(), world.sent.len()), (local, 0));
        world.write(0, client, b"hello");
        world.run(SOON);
        assert_eq!(world.hosts[0].tcp_info(client).unwrap().flow.local, before);
        let ours = world.sent.iter().filter(|sent| sent.from == 0);
        for sent in ours {
            let source: IpAddr = match local {
                IpAddr::V4(_) => <[u8; 4]>::try_from(&sent.bytes[12..16]).unwrap().into(),
                IpAddr::V6(_) => <[u8; 16]>::try_from(&sent.bytes[8..24]).unwrap().into(),
            };
            assert_eq!(source, local, "{}", sent.why);
        }
    }
}

// MUST-43: a program may name the address; it must be one of ours.
#[test]
fn connect_from_a_named_address_it_is_used_and_a_foreign_one_is_refused() {
    let mut world = World::plain();
    let local = sock(1, 4711);
    let client = world.hosts[0].tcp_connect(Some(local), sock(2, 80), None);
    let flow = world.hosts[0].tcp_info(client.unwrap()).unwrap().flow;
    assert_eq!(flow.local, local);
    let foreign: SocketAddr = "10.77.0.99:0".parse().unwrap();
    let error = world.hosts[0].tcp_connect(Some(foreign), sock(2, 80), None);
    assert_eq!(error, Err(ConnectError::NotOurs));
}

// MUST-46: everybody on a link is known to IP alone.
#[test]
fn connect_to_everybody_or_a_group_is_refused_and_nothing_leaves() {
    let mut world = World::plain();
    for remote in [
        "10.77.0.255:80",
        "255.255.255.255:80",
        "224.0.0.1:80",
        "[ff02::1]:80",
    ] {
        let error = world.hosts[0].tcp_connect(None, remote.parse().unwrap(), None);
        assert!(error.is_err(), "{remote}");
    }
    let error = world.hosts[0].tcp_connect(None, sock(255, 80), None);
    assert_eq!(error, Err(tcp::ConnectError::BadRemote.into()));
    world.run(SOON);
    assert!(world.sent.is_empty());
}

// MUST-57, MUST-63: to everybody, from everybody, from a group, from ourselves: not a word.
#[test]
fn syn_to_or_from_an_address_that_is_nobodys_there_is_no_answer() {
    let us = [10, 77, 0, 2];
    let table = [
        ([10, 77, 0, 1], [10, 77, 0, 255]),
        ([10, 77, 0, 1], [255, 255, 255, 255]),
        ([10, 77, 0, 1], [224, 0, 0, 1]),
        ([10, 77, 0, 255], us),
        ([255, 255, 255, 255], us),
        ([224, 0, 0, 1], us),
        ([0, 0, 0, 0], us),
        ([127, 0, 0, 1], us),
        (us, us),
    ];
    for (src, dst) in table {
        let mut world = World::plain();
        let any = "0.0.0.0:80".parse().unwrap();
        world.hosts[1].tcp_listen(any, Listen::default()).unwrap();
        world.inject(1, syn(src, dst, &[]));
        world.run(Duration::from_secs(5));
        assert!(world.sent.is_empty(), "{src:?} to {dst:?}");
        assert!(world.verdicts[0].1.drop_reason().is_some());
    }
    let mut world = World::plain();
    world.hosts[1]
        .tcp_listen(sock(2, 80), Listen::default())
        .unwrap();
    world.inject(1, syn([10, 77, 0, 1], us, &[]));
    world.run(SOON);
    assert_eq!(world.sent[0].why, Why::SynAck, "an honest one is answered");
}

// MUST-50: no-operation, record route, timestamp, router alert and what nobody knows, in front of a SYN.
#[test]
fn ip_options_in_front_of_a_segment_are_ignored() {
    let table: [&[u8]; 4] = [
        &[1, 7, 7, 4, 0, 0, 0, 0],
        &[68, 8, 5, 0, 0, 0, 0, 0],
        &[148, 4, 0, 0],
        &[222, 6, 1, 2, 3, 4, 0, 0],
    ];
    for options in table {
        let mut world = World::plain();
        world.hosts[1]
            .tcp_listen(sock(2, 80), Listen::default())
            .unwrap();
        world.inject(1, syn([10, 77, 0, 1], [10, 77, 0, 2], options));
        world.run(SOON);
        let answer = &world.sent[0];
        assert_eq!(answer.why, Why::SynAck, "{options:?}");
        assert_eq!(answer.bytes[0], 0x45, "and none are sent back");
    }
}

// SHLD-22, MUST-48, MUST-49: as it was given, into the header.
#[test]
fn service_class_and_hop_limit_given_ip_carries_them_unchanged() {
    let mut world = World::plain();
    world.lose = vec![1];
    let settings = Settings {
        dscp: 46,
        ttl: 33,
        ..Settings::default()
    };
    let client = world.hosts[0].tcp_connect(None, sock(2, 80), Some(settings));
    world.run(Duration::from_millis(1));
    let syn = world.sent[0].bytes.clone();
    assert_eq!((syn[1] >> 2, syn[8]), (46, 33));
    let client = client.unwrap();
    world.hosts[0]
        .tcp_configure(client, |s| s.dscp = 10)
        .unwrap();
    world.run(Duration::from_millis(1_500));
    let again = world
        .sent
        .iter()
        .rfind(|sent| sent.why == Why::Syn)
        .unwrap();
    assert_eq!((again.bytes[1] >> 2, again.bytes[8]), (10, 33));
}

// MUST-54, MUST-56, SHLD-25, MUST-47: types 3 (codes 0, 1, 5), 11 and 12, from a router to the program.
#[test]
fn soft_icmp_errors_reach_the_program_and_end_nothing() {
    for kind in [[3, 0], [3, 1], [3, 5], [11, 0], [11, 1], [12, 0]] {
        let mut world = World::plain();
        let [client, served] = connected(&mut world);
        world.write(0, client, &[1; 100]);
        // The packet itself is lost on its way.
        world.lose = vec![1];
        world.run(Duration::from_millis(1));
        let quoted = icmp_error(&world.sent[0].bytes, kind, 0);
        world.inject(0, quoted);
        world.run(Duration::from_millis(1));
        assert_eq!(events(&mut world, 0), [Event::Doubtful(client)], "{kind:?}");
        let doubt = world.hosts[0].tcp_doubt(client);
        assert_eq!(doubt, Some(Doubt::Unreachable));
        world.run(Duration::from_secs(5));
        assert_eq!(world.read(1, served).0.len(), 100, "the repeat arrives");
        assert_eq!(world.hosts[0].tcp_doubt(client), None);
    }
}

// SHLD-26 where it is kept: codes 2 to 4 end an attempt.
#[test]
fn hard_icmp_error_while_connecting_ends_the_attempt() {
    for kind in [[3, 2], [3, 3]] {
        let mut world = World::plain();
        let client = world.hosts[0].tcp_connect(None, sock(2, 80), None).unwrap();
        world.run(Duration::from_millis(1));
        let quoted = icmp_error(&world.sent[0].bytes, kind, 0);
        world.inject(0, quoted);
        world.run(Duration::from_millis(1));
        let end = Event::Closed(client, CloseReason::Unreachable);
        assert_eq!(events(&mut world, 0), [end], "{kind:?}");
    }
}

// MUST-55: a message nobody sends any more (RFC 6633) has no effect, not even on the window.
#[test]
fn source_quench_is_discarded_in_silence() {
    let mut world = World::plain();
    let [client, _] = connected(&mut world);
    let before = world.hosts[0].tcp_info(client).unwrap();
    world.write(0, client, &[1; 100]);
    world.run(Duration::from_millis(1));
    let quench = icmp_error(&world.sent[0].bytes, [4, 0], 0);
    world.inject(0, quench);
    world.run(Duration::from_millis(1));
    let after = world.hosts[0].tcp_info(client).unwrap();
    assert_eq!((after.cwnd, after.ssthresh), (before.cwnd, before.ssthresh));
    assert_eq!(after.state, State::Established);
    assert_eq!(
        (events(&mut world, 0), world.hosts[0].tcp_doubt(client)),
        (vec![], None)
    );
    assert_eq!(world.sent.len(), 1, "no answer, no repeat");
}

// SHLD-6, MUST-67: what the narrowest known part of the path takes is what is announced.
#[test]
fn path_learned_to_be_narrow_later_syns_announce_what_fits_it() {
    let mut world = World::plain();
    let announced = |world: &mut World| {
        world.sent.clear();
        let id = world.hosts[0].tcp_connect(None, sock(2, 80), None).unwrap();
        world.run(SOON);
        let syn = &world.sent[0].bytes;
        assert_eq!(syn[40..42], [2, 4], "the option comes first");
        (id, u16::from_be_bytes([syn[42], syn[43]]))
    };
    world.hosts[1]
        .tcp_listen(sock(2, 80), Listen::default())
        .unwrap();
    let (first, mss) = announced(&mut world);
    assert_eq!(mss, 1500 - 40);
    world.sent.clear();
    world.write(0, first, &[7; 1400]);
    world.run(Duration::from_millis(1));
    let narrow = too_big(&world.sent[0].bytes, 1000);
    world.inject(0, narrow);
    world.run(SOON);
    assert_eq!(announced(&mut world).1, 1000 - 40);
}
