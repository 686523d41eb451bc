//! Core against core: what crosses two layers, and comes back.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that meets the unexpected shall fail"
)]

mod common;

use core::time::Duration;

use bytes::Bytes;
use common::{DELAY, IFACE, World, host, sock, too_big, v4, v6};
use outcrop_base::{DropReason, Fate, Instant, Level, PathSignalKind, Seed, Why};
use outcrop_stack::ip::{Cidr, InterfaceConfig};
use outcrop_stack::tcp::{CloseReason, Listen, State};
use outcrop_stack::udp::SendOptions;
use outcrop_stack::{Config, Core, Echo, Event, StreamId};

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

/// A connection from host 0 to port 80 of host 1: both ends.
fn connected(world: &mut World) -> [StreamId; 2] {
    let listener = world.hosts[1].tcp_listen(sock(2, 80), Listen::default());
    let client = world.hosts[0].tcp_connect(None, sock(2, 80), None).unwrap();
    world.run(SOON);
    let served = world.hosts[1].tcp_accept(listener.unwrap()).unwrap();
    [client, served]
}

#[test]
fn path_narrower_than_the_link_is_learned_from_icmp_and_all_flows_go_on() {
    let mut world = World::plain();
    let listener = world.hosts[1].tcp_listen(sock(2, 80), Listen::default());
    let listener = listener.unwrap();
    let clients = [0, 1].map(|_| world.hosts[0].tcp_connect(None, sock(2, 80), None).unwrap());
    world.run(SOON);
    let served = [0, 1].map(|_| world.hosts[1].tcp_accept(listener).unwrap());
    world.mtu = 1000;
    let data = vec![9; 50_000];
    for (client, served) in clients.into_iter().zip(served) {
        // The second flow never sees an ICMP message: IP tells it.
        world.write(0, client, &data);
        world.run(Duration::from_secs(5));
        assert!(world.read(1, served).0 == data);
    }
    assert_eq!(world.hosts[0].ip().path(v4(2)).unwrap().mtu, 1000);
    let told = world.verdicts.iter().filter(|(to, _)| *to == 0);
    let told = told.filter(|(_, verdict)| verdict.rule.name == "tcp:path-too-big");
    assert!(told.count() > 0);
    assert_eq!(
        world.hosts[0].unsent(),
        0,
        "the second flow made no plan that did not fit"
    );
    // A connection opened later begins with segments that fit.
    world.sent.clear();
    let late = world.hosts[0].tcp_connect(None, sock(2, 80), None).unwrap();
    world.write(0, late, &data);
    world.run(Duration::from_secs(5));
    let largest = world.sent.iter().map(|sent| sent.bytes.len()).max();
    assert_eq!(largest, Some(1000));
}

// RFC 9293 3.8.3 MUST-20 (b): what IP knew about the way may be why nobody answers.
#[test]
fn peer_falls_silent_at_r1_ip_forgets_what_it_knew_about_the_way() {
    let mut world = World::plain();
    let [client, _served] = connected(&mut world);
    world.mtu = 1000;
    world.write(0, client, &[9; 5_000]);
    world.run(SOON);
    assert_eq!(world.hosts[0].ip().path(v4(2)).unwrap().mtu, 1000);
    let first = world.sent.len() + 1;
    world.lose = (first..first + 50).collect();
    world.write(0, client, &[9; 5_000]);
    world.run(Duration::from_millis(1300));
    assert_eq!(world.hosts[0].tcp().counters().doubts, 0);
    world.run(Duration::from_secs(2));
    assert_eq!(world.hosts[0].tcp().counters().doubts, 1);
    assert_eq!(world.hosts[0].ip().path(v4(2)).unwrap().mtu, 1500);
}

#[test]
fn icmp_error_about_nothing_in_flight_is_dropped_and_changes_nothing() {
    let mut world = World::plain();
    let [client, _] = connected(&mut world);
    world.write(0, client, &[1; 1000]);
    world.run(SOON);
    let data = world
        .sent
        .iter()
        .find(|sent| sent.why == Why::Data)
        .unwrap();
    // All of it is acknowledged: a router that still speaks of it is late, or an attacker guesses.
    let forged = too_big(&data.bytes, 576);
    world.verdicts.clear();
    world.inject(0, forged);
    world.run(SOON);
    let unrelated = Fate::Dropped(DropReason::IcmpUnrelated);
    assert_eq!(world.verdicts[0].1.fate, unrelated);
    assert_eq!(world.hosts[0].ip().path(v4(2)).unwrap().mtu, 1500);
}

#[test]
fn device_that_cuts_and_completes_is_given_super_segments_and_where_to_sum() {
    for addr in [v4, v6] {
        let [a, b] = [1, 2].map(|last| {
            // All of it is written before any of it is read.
            let mut config = Config::default();
            config.tcp.settings.send_buffer = 1 << 20;
            config.tcp.settings.receive_buffer = 1 << 20;
            let mut core = Core::new(config, &Seed::from_number(u64::from(last)));
            let addresses = vec![Cidr::new(addr(last), 24).unwrap()];
            core.add_interface(InterfaceConfig {
                gso_max: 65_535,
                checksum_offload: true,
                ..InterfaceConfig::tun(IFACE, 1500, addresses)
            })
            .unwrap();
            core
        });
        let mut world = World::new(a, b);
        let server = (addr(2), 80).into();
        let listener = world.hosts[1]
            .tcp_listen(server, Listen::default())
            .unwrap();
        let client = world.hosts[0].tcp_connect(None, server, None).unwrap();
        world.run(SOON);
        let served = world.hosts[1].tcp_accept(listener).unwrap();
        let data = vec![5; 400_000];
        world.write(0, client, &data);
        world.run(Duration::from_secs(5));
        assert!(world.read(1, served).0 == data);
        let ip_header = if addr(1).is_ipv4() { 20 } else { 40 };
        for sent in &world.sent {
            // RFC 9293 3.1: the checksum is the seventeenth and eighteenth octet of the header.
            let checksum = sent.offload.checksum.unwrap();
            assert_eq!((checksum.start, checksum.offset), (ip_header, 16));
        }
        let cut: Vec<_> = world
            .sent
            .iter()
            .filter_map(|sent| sent.offload.gso)
            .collect();
        assert!(!cut.is_empty(), "400 kB in single segments");
        // Timestamps make the TCP header 32 octets.
        let header = ip_header + 32;
        assert!(
            cut.iter()
                .all(|gso| (gso.size, gso.header_len) == (1500 - header, header))
        );
    }
}
