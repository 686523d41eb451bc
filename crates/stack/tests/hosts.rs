//! Core against core: what crosses two layers, and comes back.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that meets the unexpected shall fail"
)]

mod common;

use core::time::Duration;

use bytes::Bytes;
use common::{DELAY, World, host, sock, v4, v6};
use outcrop_base::{DropReason, Fate, Instant, Level, PathSignalKind, Why};
use outcrop_stack::tcp::{CloseReason, Listen, State};
use outcrop_stack::udp::SendOptions;
use outcrop_stack::{Echo, Event};

const SOON: Duration = Duration::from_millis(100);

fn events(world: &mut World, host: usize) -> Vec<Event> {
    core::iter::from_fn(|| world.hosts[host].poll_event()).collect()
}

#[test]
fn two_hosts_ping_of_each_family_is_answered_after_a_round_trip() {
    for dst in [v4(2), v6(2)] {
        let mut world = World::plain();
        let ping = world.hosts[0].ping_open().unwrap();
        let data = Bytes::from_static(b"are you there");
        world.hosts[0].ping_send(ping, dst, 7, &data).unwrap();
        world.run(SOON);
        assert_eq!(events(&mut world, 0), [Event::Echo(ping)]);
        let Some(Echo::Reply(reply)) = world.hosts[0].ping_recv(ping) else {
            panic!("no reply from {dst}");
        };
        assert_eq!((reply.from, reply.seq, reply.len), (dst, 7, data.len()));
        assert_eq!(reply.at, Instant::ZERO + 2 * DELAY);
        assert_eq!(world.story(), [(0, Why::EchoRequest), (1, Why::EchoReply)]);
    }
}

#[test]
fn udp_echo_datagram_comes_back_from_the_address_asked() {
    let mut world = World::plain();
    let server = world.hosts[1].udp_bind(sock(2, 7)).unwrap();
    let client = world.hosts[0]
        .udp_bind("0.0.0.0:0".parse().unwrap())
        .unwrap();
    let hello = Bytes::from_static(b"hello");
    let options = SendOptions::default();
    world.hosts[0]
        .udp_send(client, Some(sock(2, 7)), hello.clone(), &options)
        .unwrap();
    world.run(SOON);
    assert_eq!(events(&mut world, 1), [Event::Datagram(server)]);
    let asked = world.hosts[1].udp_recv(server).unwrap().unwrap();
    assert_eq!(
        (asked.data.clone(), asked.from.ip()),
        (hello.clone(), v4(1))
    );
    world.hosts[1]
        .udp_send(server, Some(asked.from), asked.data, &options)
        .unwrap();
    world.run(SOON);
    assert_eq!(events(&mut world, 0), [Event::Datagram(client)]);
    let answer = world.hosts[0].udp_recv(client).unwrap().unwrap();
    assert_eq!((answer.data, answer.from), (hello, sock(2, 7)));
}

#[test]
fn udp_datagram_larger_than_the_path_arrives_whole_in_fragments() {
    let mut world = World::plain();
    let server = world.hosts[1].udp_bind(sock(2, 7)).unwrap();
    let client = world.hosts[0].udp_bind(sock(1, 0)).unwrap();
    let large = Bytes::from(vec![0x5a; 4000]);
    world.hosts[0]
        .udp_send(
            client,
            Some(sock(2, 7)),
            large.clone(),
            &SendOptions::default(),
        )
        .unwrap();
    world.run(SOON);
    assert_eq!(world.story(), [(0, Why::Fragment); 3]);
    assert_eq!(
        world.hosts[1].udp_recv(server).unwrap().unwrap().data,
        large
    );
}

#[test]
fn udp_datagram_to_closed_port_is_refused_and_the_sender_hears_of_it() {
    let mut world = World::plain();
    let client = world.hosts[0].udp_bind(sock(1, 0)).unwrap();
    let data = Bytes::from_static(b"anybody?");
    world.hosts[0]
        .udp_send(client, Some(sock(2, 9)), data, &SendOptions::default())
        .unwrap();
    world.run(SOON);
    assert_eq!(
        world.story(),
        [(0, Why::Datagram), (1, Why::PortUnreachable)]
    );
    let fates: Vec<_> = world.verdicts.iter().map(|(_, v)| v.fate).collect();
    assert_eq!(fates, [Fate::Dropped(DropReason::UdpNoSocket), Fate::Taken]);
    let error = world.hosts[0].udp_take_error(client).unwrap();
    assert_eq!(
        (error.remote, error.kind),
        (sock(2, 9), PathSignalKind::Hard)
    );
}

#[test]
fn unknown_protocol_arrives_is_refused_with_protocol_unreachable() {
    let mut world = World::plain();
    // An IPv4 header with protocol 253 (RFC 3692: for experiments) and four bytes of it.
    let mut packet = vec![
        0x45, 0, 0, 24, 0, 0, 0x40, 0, 64, 253, 0, 0, 10, 77, 0, 1, 10, 77, 0, 2, 1, 2, 3, 4,
    ];
    let mut sum = outcrop_base::Checksum::new();
    sum.add(&packet[..20]);
    packet[10..12].copy_from_slice(&sum.finish().to_be_bytes());
    world.inject(1, packet.into());
    world.run(SOON);
    let refused = Fate::Dropped(DropReason::IpUnknownProtocol);
    assert_eq!(world.verdicts[0].1.fate, refused);
    assert_eq!(world.story(), [(1, Why::ProtocolUnreachable)]);
}

#[test]
fn udp_socket_closed_while_others_wait_tells_them_to_look_again() {
    let mut world = World::plain();
    let socket = world.hosts[0].udp_bind(sock(1, 5000)).unwrap();
    world.hosts[0].udp_close(socket);
    assert!(events(&mut world, 0).contains(&Event::Datagram(socket)));
    assert!(world.hosts[0].udp_recv(socket).is_err());
}

#[test]
fn tcp_connect_to_closed_port_is_reset_and_refused() {
    let mut world = World::plain();
    let stream = world.hosts[0].tcp_connect(None, sock(2, 81), None).unwrap();
    world.run(SOON);
    assert_eq!(world.story(), [(0, Why::Syn), (1, Why::ResetNoConnection)]);
    let closed = Event::Closed(stream, CloseReason::Refused);
    assert!(events(&mut world, 0).contains(&closed));
}

#[test]
fn tcp_connect_without_route_is_refused_at_once() {
    let mut world = World::plain();
    let nowhere = "203.0.113.1:80".parse().unwrap();
    let error = world.hosts[0].tcp_connect(None, nowhere, None).unwrap_err();
    assert_eq!(error, outcrop_stack::ConnectError::NoRoute);
}

#[test]
fn tcp_echo_of_each_family_client_closes_first_and_rests_in_time_wait() {
    for addr in [v4(2), v6(2)] {
        let mut world = World::plain();
        let server = (addr, 7).into();
        let listener = world.hosts[1]
            .tcp_listen(server, Listen::default())
            .unwrap();
        let client = world.hosts[0].tcp_connect(None, server, None).unwrap();
        world.run(SOON);
        assert!(events(&mut world, 0).contains(&Event::Connected(client)));
        assert_eq!(events(&mut world, 1), [Event::Acceptable(listener)]);
        let served = world.hosts[1].tcp_accept(listener).unwrap();
        world.write(0, client, b"echo me");
        world.run(SOON);
        let (heard, finished) = world.read(1, served);
        assert_eq!((&heard[..], finished), (&b"echo me"[..], false));
        world.write(1, served, &heard);
        world.run(SOON);
        assert_eq!(world.read(0, client), (b"echo me".to_vec(), false));
        world.hosts[0].tcp_shutdown(client).unwrap();
        world.run(SOON);
        assert_eq!(world.read(1, served), (vec![], true));
        world.hosts[1].tcp_shutdown(served).unwrap();
        world.run(SOON);
        assert_eq!(world.read(0, client), (vec![], true));
        let finished = Event::Closed(served, CloseReason::Finished);
        assert!(events(&mut world, 1).contains(&finished));
        let state = world.hosts[0].tcp_info(client).unwrap().state;
        assert_eq!(state, State::TimeWait);
        world.hosts[0].tcp_close(client).unwrap();
        world.hosts[1].tcp_close(served).unwrap();
        world.run(Duration::from_secs(300));
        assert_eq!(world.hosts[0].tcp().time_wait_len(), 0);
        assert!(world.hosts.iter().all(|host| host.tcp().is_empty()));
    }
}

#[test]
fn a_megabyte_each_way_with_losses_arrives_as_it_was_sent() {
    let mut world = World::plain();
    world.lose = vec![1, 5, 40, 41, 42, 300, 301, 700, 701, 1100];
    let listener = world.hosts[1]
        .tcp_listen(sock(2, 80), Listen::default())
        .unwrap();
    let client = world.hosts[0].tcp_connect(None, sock(2, 80), None).unwrap();
    let mut served = None;
    let data: Vec<u8> = (0..1_000_000u32).map(|n| (n % 251) as u8).collect();
    let mut out = [0, 1].map(|_| outcrop_base::ChunkQueue::from(Bytes::from(data.clone())));
    let mut heard = [vec![], vec![]];
    let end = world.now + Duration::from_secs(120);
    while heard.iter().any(|heard| heard.len() < data.len()) {
        assert!(
            world.step(end),
            "stalled at {:?}",
            heard.each_ref().map(Vec::len)
        );
        served = served.or_else(|| world.hosts[1].tcp_accept(listener));
        for (host, stream) in [(0, Some(client)), (1, served)] {
            if let Some(stream) = stream {
                world.hosts[host].tcp_write(stream, &mut out[host]).unwrap();
                heard[host].extend(world.read(host, stream).0);
            }
        }
    }
    assert!(heard.iter().all(|heard| *heard == data));
    let whys = world.story();
    assert!(
        whys.iter()
            .any(|(_, why)| *why == Why::FastRetransmit || *why == Why::Rto)
    );
}

#[test]
fn same_seed_and_inputs_same_bytes_at_the_same_times() {
    let run = |seed| {
        let mut world = World::new(host(1, seed), host(2, seed + 1));
        world.lose = vec![3, 9, 20];
        let listener = world.hosts[1]
            .tcp_listen(sock(2, 80), Listen::default())
            .unwrap();
        let client = world.hosts[0].tcp_connect(None, sock(2, 80), None).unwrap();
        world.write(0, client, &[7; 60_000]);
        world.run(SOON);
        let served = world.hosts[1].tcp_accept(listener).unwrap();
        world.write(1, served, &[8; 60_000]);
        world.run(Duration::from_secs(10));
        let ping = world.hosts[0].ping_open().unwrap();
        let data = Bytes::from_static(b"x");
        world.hosts[0].ping_send(ping, v4(2), 1, &data).unwrap();
        world.run(SOON);
        let prints = world.hosts.each_ref().map(|host| {
            use core::hash::Hasher;
            let mut hasher = std::hash::DefaultHasher::new();
            host.fingerprint(world.now, &mut hasher);
            hasher.finish()
        });
        (world.sent, prints)
    };
    let first = run(1);
    assert!(first.0.len() > 80);
    assert_eq!(first, run(1));
    assert_ne!(first.0, run(3).0);
}

#[test]
fn clone_of_a_host_continues_alike() {
    let mut world = World::plain();
    world.hosts[1]
        .tcp_listen(sock(2, 80), Listen::default())
        .unwrap();
    let client = world.hosts[0].tcp_connect(None, sock(2, 80), None).unwrap();
    world.run(SOON);
    world.write(0, client, &[1; 5_000]);
    let [a, b] = world.hosts.clone();
    let mut other = World::new(a, b);
    other.now = world.now;
    let before = world.sent.len();
    world.run(SOON);
    other.run(SOON);
    assert_eq!(world.sent[before..], other.sent[..]);
}

#[test]
fn level_off_states_nothing() {
    let mut world = World::plain();
    world.hosts[0].set_level(Level::Off);
    world.hosts[0].tcp_connect(None, sock(2, 80), None).unwrap();
    world.run(SOON);
    let mut facts = Vec::new();
    world.hosts[0].drain_facts(&mut facts);
    assert!(facts.is_empty());
    world.hosts[1].drain_facts(&mut facts);
}
