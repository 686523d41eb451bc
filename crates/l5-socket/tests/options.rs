//! What a program sets on a TCP socket, and what then crosses the wire, in virtual time.
//!
//! Host 1 serves, host 2 is the client whose packets are read again from their bytes.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod common;

use core::net::SocketAddr;
use core::time::Duration;
use std::io::ErrorKind;

use common::tape::Seen;
use common::{World, sock};
use outcrop_base::ChunkQueue;
use outcrop_socket::{OptionError, TcpListener, TcpOption, TcpSocket, TcpStream};
use outcrop_stack::tcp::{Algorithm, EcnPolicy, KeepAlive, Rate};

const SERVER: u16 = 80;
const MAXSEG: u8 = 2;
const WINDOW_SCALE: u8 = 3;
const FAST_OPEN: u8 = 34;

const fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn server() -> SocketAddr {
    sock(1, SERVER)
}

fn socket(world: &World, last: usize, options: &[TcpOption]) -> TcpSocket {
    let mut socket = TcpSocket::new(&world.shard(last));
    for option in options {
        socket.set(*option).unwrap();
    }
    socket
}

fn listener(world: &World, options: &[TcpOption]) -> TcpListener {
    let mut socket = socket(world, 1, options);
    socket.bind(server()).listen().unwrap()
}

/// A connection whose client, host 2, was opened with `options`: the server's end, the client's.
fn connected(world: &mut World, options: &[TcpOption]) -> (TcpStream, TcpStream) {
    let listener = listener(world, &[]);
    let socket = socket(world, 2, options);
    let client = world.run(2, async move { socket.connect(server()).await.unwrap() });
    let server = world.run(1, async move { listener.accept().await.unwrap() });
    (server, client)
}

/// Lets the client write, and returns its stream.
fn write(world: &mut World, mut client: TcpStream, data: &'static [u8]) -> TcpStream {
    world.run(2, async move {
        client.write_all(data).await.unwrap();
        client
    })
}

/// What the client sent with payload: when, and how much.
fn data(world: &World) -> Vec<(u64, usize)> {
    let sent = world.tape.from(2).into_iter().filter(|seen| seen.len > 0);
    sent.map(|seen| (seen.at_ms, seen.len)).collect()
}

fn queue(data: &[u8]) -> ChunkQueue {
    let mut queue = ChunkQueue::new();
    queue.push_slice(data);
    queue
}

/// How the client's connection ended, asked by a read that waits for it.
fn ends(world: &mut World, mut client: TcpStream) -> (ErrorKind, u64) {
    let error = world.run(2, async move { client.read_chunk().await.unwrap_err() });
    (error.kind(), world.now().as_millis())
}

#[test]
fn nodelay_unset_the_second_small_write_waits_for_an_answer_set_it_does_not() {
    for (nodelay, expected) in [(false, vec![1]), (true, vec![1, 1])] {
        let mut world = World::new();
        let (_server, client) = connected(&mut world, &[TcpOption::NoDelay(nodelay)]);
        world.tape.clear();
        // Nobody answers from here on: what leaves, leaves without an acknowledgment.
        world.freeze(1);
        let client = write(&mut world, client, b"a");
        let _client = write(&mut world, client, b"b");
        world.pass(Duration::from_millis(1));
        let sizes: Vec<_> = data(&world).iter().map(|(_, len)| *len).collect();
        assert_eq!(sizes, expected, "nodelay {nodelay}");
    }
}

#[test]
fn corked_small_writes_leave_as_one_segment_once_uncorked() {
    let mut world = World::new();
    let (_server, client) = connected(&mut world, &[TcpOption::Cork(true)]);
    let client = write(&mut world, client, &[1; 100]);
    let client = write(&mut world, client, &[2; 100]);
    world.pass(secs(10));
    assert_eq!(data(&world), []);
    client.set(TcpOption::Cork(false)).unwrap();
    world.pass(secs(1));
    assert_eq!(data(&world), [(10_000, 200)]);
}

#[test]
fn keep_alive_set_on_a_living_connection_probes_in_time_and_gives_up() {
    let mut world = World::new();
    let (_server, client) = connected(&mut world, &[]);
    let keep = KeepAlive {
        idle: secs(10),
        interval: secs(2),
        probes: 3,
    };
    client.set(TcpOption::KeepAlive(Some(keep))).unwrap();
    world.pass(secs(1));
    let next = world.tape.from(2).pop().unwrap().seq;
    world.freeze(1);
    let (kind, at) = ends(&mut world, client);
    assert_eq!((kind, at), (ErrorKind::TimedOut, 16_000));
    let probes: Vec<_> = world.tape.from(2);
    let times: Vec<_> = probes.iter().map(|p| (p.at_ms, p.flags.as_str())).collect();
    assert_eq!(
        times,
        [(10_000, "."), (12_000, "."), (14_000, "."), (16_000, "R.")]
    );
    // RFC 9293 3.8.4: SEG.SEQ = SND.NXT-1 makes an old packet that must be answered.
    assert!(probes[..3].iter().all(|p| p.seq == next.wrapping_sub(1)));
}

#[test]
fn user_timeout_set_unanswered_data_ends_the_connection_then() {
    let mut world = World::new();
    let (_server, client) = connected(&mut world, &[]);
    client.set(TcpOption::UserTimeout(Some(secs(5)))).unwrap();
    world.freeze(1);
    let client = write(&mut world, client, b"hello?");
    assert_eq!(ends(&mut world, client), (ErrorKind::TimedOut, 5_000));
    let last = world.tape.from(2).pop().unwrap();
    assert_eq!((last.at_ms, last.flags.as_str()), (5_000, "R."));
}

#[test]
fn linger_of_zero_resets_linger_of_two_seconds_waits_for_them() {
    for (linger, at) in [(Duration::ZERO, 0), (secs(2), 2_000)] {
        let mut world = World::new();
        let (_server, client) = connected(&mut world, &[TcpOption::Linger(Some(linger))]);
        world.freeze(1);
        let client = write(&mut world, client, b"unheard");
        drop(client);
        world.pass(secs(3));
        let resets: Vec<_> = world.tape.from(2);
        let resets = resets.iter().filter(|seen| seen.flags.contains('R'));
        let times: Vec<_> = resets.map(|seen| seen.at_ms).collect();
        assert_eq!(times, [at]);
    }
}

#[test]
fn maximum_segment_set_before_the_syn_is_announced_and_kept_to() {
    let mut world = World::new();
    let (_server, client) = connected(&mut world, &[TcpOption::MaxSegment(Some(600))]);
    let _client = write(&mut world, client, &[0; 5_000]);
    world.pass(secs(1));
    let sent = world.tape.from(2);
    assert_eq!(sent[0].option(MAXSEG), Some(&600u16.to_be_bytes()[..]));
    // Twelve bytes of every segment are the timestamps (RFC 6691 2).
    let largest = sent.iter().map(|seen| seen.len).max();
    assert_eq!(largest, Some(588));
}

#[test]
fn controller_replaced_on_a_living_connection_its_window_goes_on() {
    let mut world = World::new();
    let (mut server, client) = connected(&mut world, &[]);
    world.spawn(1, async move {
        while let Ok(Some(_)) = server.read_chunk().await {}
    });
    let client = write(&mut world, client, &[0; 300_000]);
    let before = client.info().unwrap();
    assert_eq!(before.controller, Some("cubic"));
    for algorithm in [Algorithm::NewReno, Algorithm::Bbr, Algorithm::Cubic] {
        client.set(TcpOption::Congestion(algorithm)).unwrap();
        let after = client.info().unwrap();
        assert_eq!(after.controller, Some(algorithm.name()));
        assert_eq!(after.cwnd, before.cwnd);
    }
    let client = write(&mut world, client, &[0; 300_000]);
    world.pass(secs(1));
    assert_eq!(client.info().unwrap().snd_una, 600_000);
}

#[test]
fn quick_ack_set_each_segment_is_acknowledged_unset_they_are_not() {
    let mut answers = Vec::new();
    for quick in [true, false] {
        let mut world = World::new();
        let (mut server, client) = connected(&mut world, &[TcpOption::QuickAck(quick)]);
        world.tape.clear();
        server.set(TcpOption::NoDelay(true)).unwrap();
        for _ in 0..60 {
            server = world.run(1, async move {
                server.write_all(b"x").await.unwrap();
                server
            });
            world.pass(Duration::from_millis(1));
        }
        answers.push(world.tape.from(2).len());
        drop(client);
    }
    assert_eq!(answers[0], 60);
    assert!(answers[1] < 40, "{answers:?}");
}

#[test]
fn unsent_mark_set_a_write_stops_there() {
    let mut world = World::new();
    let (_server, client) = connected(&mut world, &[TcpOption::NotSentLowat(Some(10_000))]);
    world.freeze(1);
    let (read, mut to_server) = client.into_split();
    world.spawn(2, async move {
        let _waits = to_server.write_all(&[0; 1_000_000]).await;
    });
    world.pass(Duration::from_millis(1));
    let info = read.info().unwrap();
    let unsent = info.send_queued - info.in_flight;
    assert!((1..=10_000).contains(&unsent), "{unsent}");
    // Within a segment of the initial window (RFC 6928): the mark does not bound what is under way.
    assert!(info.in_flight > 14_480 - 1_448, "{}", info.in_flight);
}

#[test]
fn pacing_rate_capped_no_tenth_of_a_second_carries_more() {
    let mut world = World::new();
    let rate = TcpOption::MaxPacingRate(Some(Rate(100_000)));
    let (mut server, client) = connected(&mut world, &[rate]);
    world.spawn(1, async move {
        while let Ok(Some(_)) = server.read_chunk().await {}
    });
    let _client = write(&mut world, client, &[0; 100_000]);
    world.pass(secs(2));
    let sent = data(&world);
    let total: usize = sent.iter().map(|(_, len)| len).sum();
    assert!(
        (100_000..102_000).contains(&total),
        "{total}: all of it, and a tail probe"
    );
    for tenth in 0..20 {
        let span = tenth * 100..(tenth + 1) * 100;
        let inside = sent.iter().filter(|(at, _)| span.contains(at));
        let bytes: usize = inside.map(|(_, len)| len).sum();
        // A tenth of a second's worth, and a burst at its edge.
        assert!(bytes <= 10_000 + 2 * 1_448, "{bytes} bytes in {span:?}");
    }
}

#[test]
fn accept_deferred_the_connection_comes_with_its_first_bytes() {
    let mut world = World::new();
    let listener = listener(&world, &[TcpOption::DeferAccept(Some(secs(30)))]);
    let socket = socket(&world, 2, &[]);
    let client = world.run(2, async move { socket.connect(server()).await.unwrap() });
    world.pass(secs(3));
    let shard = world.shard(1);
    let accepted = world.run(1, async move {
        let soon = outcrop_socket::timeout(&shard, secs(1), listener.accept()).await;
        assert!(soon.is_err(), "nothing was said yet");
        listener
    });
    let _client = write(&mut world, client, b"now");
    let mut served = world.run(1, async move { accepted.accept().await.unwrap() });
    let first = world.run(
        1,
        async move { served.read_chunk().await.unwrap().unwrap() },
    );
    assert_eq!((&first[..], world.now().as_millis()), (&b"now"[..], 4_000));
}

#[test]
fn syn_count_of_two_three_syns_leave_and_connect_fails() {
    let mut world = World::new();
    let socket = socket(&world, 2, &[TcpOption::SynCount(2)]);
    // Nobody has this address.
    let error = world.run(
        2,
        async move { socket.connect(sock(9, 9)).await.unwrap_err() },
    );
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    let syns: Vec<_> = world.tape.from(2).iter().map(|seen| seen.at_ms).collect();
    // RFC 6298 2.1 and 5.5: one second, then doubled.
    assert_eq!(
        (syns, world.now().as_millis()),
        (vec![0, 1_000, 3_000], 7_000)
    );
}

#[test]
fn window_clamped_no_packet_offers_more() {
    let mut world = World::new();
    let (mut server, client) = connected(&mut world, &[TcpOption::WindowClamp(Some(8_000))]);
    world.spawn(
        1,
        async move { server.write_all(&[0; 200_000]).await.unwrap() },
    );
    let (mut from_server, _to_server) = client.into_split();
    world.run(2, async move {
        let mut got = 0;
        while got < 200_000 {
            got += from_server.read_chunk().await.unwrap().unwrap().len();
        }
    });
    let sent = world.tape.from(2);
    assert_eq!(
        sent[0].option(WINDOW_SCALE),
        Some(&[0][..]),
        "8,000 need no shift"
    );
    assert_eq!(sent.iter().map(|seen| seen.wnd).max(), Some(8_000));
}

#[test]
fn receive_buffer_set_the_window_is_that_and_a_sender_stops_there() {
    let mut world = World::new();
    let (mut server, client) = connected(&mut world, &[TcpOption::ReceiveBuffer(20_000)]);
    assert_eq!(world.tape.from(2)[0].wnd, 20_000);
    world.spawn(1, async move {
        let _waits = server.write_all(&[0; 100_000]).await;
    });
    world.pass(secs(1));
    let info = client.info().unwrap();
    assert_eq!((info.receive_queued, info.rcv_wnd), (20_000, 0));
    assert_eq!(world.tape.from(2).pop().unwrap().wnd, 0);
}

#[test]
fn send_buffer_set_a_write_takes_no_more() {
    let mut world = World::new();
    let (_server, client) = connected(&mut world, &[TcpOption::SendBuffer(10_000)]);
    world.freeze(1);
    let (read, mut to_server) = client.into_split();
    world.spawn(2, async move {
        let _waits = to_server.write_all(&[0; 50_000]).await;
    });
    world.pass(Duration::from_millis(1));
    assert_eq!(read.info().unwrap().send_queued, 10_000);
    assert_eq!(
        data(&world).iter().map(|(_, len)| len).sum::<usize>(),
        10_000
    );
}

/// A world whose client, host 2, has a cookie of the server, by a connection that both ends still hold.
fn acquainted() -> (World, TcpListener, [TcpStream; 2]) {
    let mut world = World::new();
    let listener = listener(&world, &[TcpOption::FastOpenQueue(8)]);
    let first = socket(&world, 2, &[TcpOption::FastOpen(true)]);
    let client = world.run(2, async move { first.connect(server()).await.unwrap() });
    let asked = world.tape.from(2).remove(0);
    assert_eq!(
        asked.option(FAST_OPEN),
        Some(&[][..]),
        "a cookie is asked for"
    );
    let (listener, served) = world.run(1, async move {
        let stream = listener.accept().await.unwrap();
        (listener, stream)
    });
    world.pass(secs(1));
    world.tape.clear();
    (world, listener, [client, served])
}

fn only_syn(world: &World) -> Seen {
    let sent = world.tape.from(2);
    let mut syns: Vec<_> = sent.into_iter().filter(Seen::is_syn).collect();
    assert_eq!(syns.len(), 1);
    syns.remove(0)
}

#[test]
fn fast_open_with_something_to_say_it_is_in_the_syn() {
    let (mut world, listener, _first) = acquainted();
    let again = socket(&world, 2, &[TcpOption::FastOpen(true)]);
    let _stream = world.run(2, async move {
        let mut data = queue(b"GET /");
        again.connect_and_write(server(), &mut data).await.unwrap()
    });
    let syn = only_syn(&world);
    assert_eq!((syn.len, syn.option(FAST_OPEN).unwrap().len()), (5, 8));
    let first = world.run(1, async move {
        let mut served = listener.accept().await.unwrap();
        served.read_chunk().await.unwrap().unwrap()
    });
    assert_eq!(&first[..], b"GET /");
}

#[test]
fn fast_open_connect_the_syn_waits_for_the_first_write_and_carries_it() {
    let (mut world, listener, _first) = acquainted();
    let again = socket(&world, 2, &[TcpOption::FastOpenConnect(true)]);
    let client = world.run(2, async move { again.connect(server()).await.unwrap() });
    world.pass(secs(5));
    assert!(world.tape.from(2).is_empty(), "nothing was said yet");
    let _client = write(&mut world, client, b"GET /");
    world.pass(secs(1));
    let syn = only_syn(&world);
    assert_eq!((syn.at_ms, syn.len), (6_000, 5));
    let first = world.run(1, async move {
        let mut served = listener.accept().await.unwrap();
        served.read_chunk().await.unwrap().unwrap()
    });
    assert_eq!(&first[..], b"GET /");
}

#[test]
fn fast_open_connect_and_the_program_reads_or_finishes_first_the_syn_leaves_bare() {
    for reads in [true, false] {
        let (mut world, _listener, _first) = acquainted();
        let again = socket(&world, 2, &[TcpOption::FastOpenConnect(true)]);
        let mut client = world.run(2, async move { again.connect(server()).await.unwrap() });
        world.spawn(2, async move {
            if reads {
                let _waits = client.read_chunk().await;
            } else {
                client.finish().unwrap();
                let _waits = client.read_chunk().await;
            }
        });
        world.pass(secs(1));
        let syn = only_syn(&world);
        assert_eq!((syn.at_ms, syn.len), (1_000, 0), "reads {reads}");
    }
}

#[test]
fn fast_open_connect_without_a_cookie_the_syn_leaves_at_once_and_asks() {
    let mut world = World::new();
    let _listener = listener(&world, &[TcpOption::FastOpenQueue(8)]);
    let first = socket(&world, 2, &[TcpOption::FastOpenConnect(true)]);
    let _stream = world.run(2, async move { first.connect(server()).await.unwrap() });
    let syn = only_syn(&world);
    assert_eq!(syn.option(FAST_OPEN), Some(&[][..]));
}

#[test]
fn fast_open_connect_given_up_nothing_ever_leaves() {
    let (mut world, _listener, _first) = acquainted();
    let again = socket(&world, 2, &[TcpOption::FastOpenConnect(true)]);
    let client = world.run(2, async move { again.connect(server()).await.unwrap() });
    drop(client);
    world.pass(secs(10));
    assert!(world.tape.from(2).is_empty());
}

#[test]
fn traffic_class_and_hops_are_on_every_packet_ecn_bits_are_not_the_programs() {
    let mut world = World::new();
    let options = [TcpOption::TrafficClass(0xbb), TcpOption::TimeToLive(7)];
    let (_server, client) = connected(&mut world, &options);
    let client = write(&mut world, client, b"x");
    world.pass(secs(1));
    let sent = world.tape.from(2);
    assert!(sent.len() >= 3);
    assert!(sent.iter().all(|seen| (seen.tos, seen.ttl) == (0xb8, 7)));
    client.set(TcpOption::TrafficClass(0x28)).unwrap();
    client.set(TcpOption::TimeToLive(200)).unwrap();
    let _client = write(&mut world, client, b"y");
    world.pass(secs(1));
    let last = world.tape.from(2).pop().unwrap();
    assert_eq!((last.tos, last.ttl), (0x28, 200));
}

#[test]
fn ecn_asked_for_the_syn_has_both_bits_and_data_may_be_marked() {
    let mut world = World::new();
    let (_server, client) = connected(&mut world, &[TcpOption::Ecn(EcnPolicy::Request)]);
    let _client = write(&mut world, client, b"x");
    world.pass(secs(1));
    let sent = world.tape.from(2);
    assert_eq!(sent[0].flags, "SEW", "RFC 3168 6.1.1");
    let data = sent.iter().find(|seen| seen.len > 0).unwrap();
    assert_eq!(data.tos & 3, 2, "ECT(0)");
}

// RFC 9768 3.1.1: a SYN that asks for the accurate kind has AE, CWR and ECE.
#[test]
fn accurate_ecn_asked_for_the_syn_has_all_three_bits() {
    let mut world = World::new();
    let (_server, _client) = connected(&mut world, &[TcpOption::Ecn(EcnPolicy::Accurate)]);
    assert_eq!(world.tape.from(2)[0].flags, "SEWA");
}

#[test]
fn backlog_of_one_a_third_connection_waits_until_one_is_accepted() {
    let mut world = World::new();
    let listener = listener(&world, &[TcpOption::Backlog(1)]);
    for _ in 0..3 {
        let socket = socket(&world, 2, &[]);
        world.spawn(2, async move {
            let stream = socket.connect(server()).await.unwrap();
            let _held: () = core::future::pending().await;
            drop(stream);
        });
        world.pass(Duration::from_millis(100));
    }
    let answered = |world: &World| world.tape.from(1).iter().filter(|s| s.is_syn()).count();
    assert_eq!(answered(&world), 2);
    let (_listener, _one) = world.run(1, async move {
        let one = listener.accept().await.unwrap();
        (listener, one)
    });
    world.pass(secs(2));
    assert_eq!(answered(&world), 1, "its SYN was repeated and is taken now");
}

fn refused(result: std::io::Result<()>) -> OptionError {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    *error.into_inner().unwrap().downcast().unwrap()
}

#[test]
fn value_out_of_range_is_refused_and_says_what_would_do() {
    let world = World::new();
    let mut socket = TcpSocket::new(&world.shard(2));
    let never = KeepAlive {
        probes: 0,
        ..KeepAlive::default()
    };
    let long = KeepAlive {
        idle: secs(32_768),
        ..KeepAlive::default()
    };
    for option in [
        TcpOption::KeepAlive(Some(never)),
        TcpOption::KeepAlive(Some(long)),
        TcpOption::UserTimeout(Some(Duration::ZERO)),
        TcpOption::MaxSegment(Some(87)),
        TcpOption::MaxSegment(Some(40_000)),
        TcpOption::NotSentLowat(Some(0)),
        TcpOption::MaxPacingRate(Some(Rate(0))),
        TcpOption::SynCount(0),
        TcpOption::SynCount(128),
        TcpOption::WindowClamp(Some(1_151)),
        TcpOption::ReceiveBuffer(2_303),
        TcpOption::ReceiveBuffer(u32::MAX),
        TcpOption::SendBuffer(0),
        TcpOption::TimeToLive(0),
        TcpOption::DeferAccept(Some(Duration::ZERO)),
        TcpOption::Backlog(0),
    ] {
        let said = refused(socket.set(option).map(|_| ()));
        assert!(
            matches!(said, OptionError::OutOfRange { allowed, .. } if !allowed.is_empty()),
            "{option:?}"
        );
        assert!(said.to_string().starts_with(option.name()));
    }
}

#[test]
fn connection_is_open_what_its_syn_said_cannot_be_changed() {
    let mut world = World::new();
    let (_server, client) = connected(&mut world, &[]);
    for option in [
        TcpOption::MaxSegment(None),
        TcpOption::SynCount(3),
        TcpOption::FastOpen(true),
        TcpOption::FastOpenConnect(true),
        TcpOption::Ecn(EcnPolicy::Off),
    ] {
        let option_name = option.name();
        let late = OptionError::TooLate {
            option: option_name,
        };
        assert_eq!(refused(client.set(option)), late);
    }
    for option in [
        TcpOption::DeferAccept(None),
        TcpOption::FastOpenQueue(1),
        TcpOption::Backlog(1),
    ] {
        let said = refused(client.set(option));
        assert!(matches!(said, OptionError::NotAListener { .. }), "{said}");
    }
    client.set(TcpOption::QuickAck(true)).unwrap();
    assert!(client.settings().unwrap().quickack);
}

#[test]
fn connection_has_ended_options_say_so() {
    let mut world = World::new();
    let (server, mut client) = connected(&mut world, &[]);
    server.abort();
    let client = world.run(2, async move {
        client.read_chunk().await.unwrap_err();
        client
    });
    let error = client.set(TcpOption::NoDelay(true)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotConnected);
}

#[test]
fn listeners_options_are_its_connections() {
    let mut world = World::new();
    let listener = listener(
        &world,
        &[TcpOption::TimeToLive(9), TcpOption::NoDelay(true)],
    );
    let socket = socket(&world, 2, &[]);
    let _client = world.run(2, async move { socket.connect(server()).await.unwrap() });
    let served = world.run(1, async move { listener.accept().await.unwrap() });
    assert!(served.settings().unwrap().nodelay);
    drop(served);
    world.pass(secs(1));
    let sent = world.tape.from(1);
    assert!(
        sent.len() >= 2 && sent.iter().all(|seen| seen.ttl == 9),
        "{sent:?}"
    );
}

#[test]
fn connection_asked_why_it_is_not_sending_says_it() {
    let mut world = World::new();
    let (_server, client) = connected(&mut world, &[]);
    let client = write(&mut world, client, &[0; 1_000]);
    world.pass(secs(1));
    let words = client.explain().unwrap().to_string();
    assert!(words.starts_with("held by application: "), "{words}");
    assert_eq!(client.info().unwrap().totals.bytes_out, 1_000);
}
