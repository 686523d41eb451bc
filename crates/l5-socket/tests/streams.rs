//! Sockets of two hosts against each other, with the local executor, in virtual time.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use core::future::poll_fn;
use core::task::Poll;
use core::time::Duration;
use std::io::ErrorKind;

use common::{World, sock, v4, v6};
use outcrop_base::{ByteStream, ChunkQueue};
use outcrop_device::Clock;
use outcrop_socket::{
    OwnedReadHalf, OwnedWriteHalf, Ping, TcpListener, TcpStream, UdpSocket, blocking, timeout,
};

/// A connection accepted on host 1, and its other end on host 2.
fn connected(world: &mut World) -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(&world.shard(1), sock(1, 80)).unwrap();
    let shard = world.shard(2);
    let client = world.run(2, async move {
        TcpStream::connect(&shard, sock(1, 80)).await.unwrap()
    });
    let server = world.run(1, async move { listener.accept().await.unwrap() });
    (server, client)
}

async fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(bytes) = stream.read_chunk().await.unwrap() {
        all.extend_from_slice(&bytes);
    }
    all
}

#[test]
fn handles_go_to_any_thread() {
    fn threads<T: Send + Sync>() {}
    threads::<TcpListener>();
    threads::<TcpStream>();
    threads::<OwnedReadHalf>();
    threads::<OwnedWriteHalf>();
    threads::<UdpSocket>();
    threads::<Ping>();
    threads::<blocking::TcpStream>();
    fn sends<T: Send>(_: &T) {}
    let world = World::new();
    let shard = world.shard(1);
    sends(&TcpStream::connect(&shard, sock(2, 80)));
}

#[test]
fn request_answered_and_both_sides_finish() {
    let mut world = World::new();
    let (mut server, mut client) = connected(&mut world);
    assert_eq!(client.peer_addr().unwrap(), sock(1, 80));
    assert_eq!(server.peer_addr().unwrap(), client.local_addr().unwrap());
    world.spawn(1, async move {
        let request = server.read_chunk().await.unwrap().unwrap();
        server
            .write_all(&request.to_ascii_uppercase())
            .await
            .unwrap();
    });
    let answer = world.run(2, async move {
        client.write_all(b"hello").await.unwrap();
        client.finish().unwrap();
        read_to_end(&mut client).await
    });
    assert_eq!(answer, b"HELLO");
}

#[test]
fn half_closed_peer_still_receives() {
    let mut world = World::new();
    let (mut server, mut client) = connected(&mut world);
    world.spawn(1, async move {
        // Everything is read before the first byte is written.
        let all = read_to_end(&mut server).await;
        server.write_all(&all).await.unwrap();
    });
    let sent: Vec<u8> = (0..300_000u32).map(|n| n as u8).collect();
    let expected = sent.clone();
    let echoed = world.run(2, async move {
        client.write_all(&sent).await.unwrap();
        client.finish().unwrap();
        let error = client.write_all(b"more").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        read_to_end(&mut client).await
    });
    assert_eq!(echoed, expected);
}

#[test]
fn megabytes_both_ways_through_halves_in_two_tasks() {
    let mut world = World::new();
    let (server, client) = connected(&mut world);
    let (mut from_client, mut to_client) = server.into_split();
    world.spawn(1, async move {
        while let Some(bytes) = from_client.read_chunk().await.unwrap() {
            let mut queue = ChunkQueue::new();
            queue.push(bytes);
            to_client.write_queue(&mut queue).await.unwrap();
        }
    });
    let (mut from_server, mut to_server) = client.into_split();
    let sent: Vec<u8> = (0..5_000_000u32).map(|n| (n >> 8) as u8).collect();
    let expected = sent.clone();
    world.spawn(2, async move {
        to_server.write_all(&sent).await.unwrap();
        // Dropping the half finishes our direction.
    });
    let echoed = world.run(2, async move {
        let mut all = Vec::new();
        while let Some(bytes) = from_server.read_chunk().await.unwrap() {
            all.extend_from_slice(&bytes);
        }
        all
    });
    assert!(echoed == expected);
}

#[test]
fn write_dropped_halfway_leaves_the_rest_with_the_caller() {
    let mut world = World::new();
    let (mut server, mut client) = connected(&mut world);
    let shard = world.shard(2);
    let total = 6_000_000;
    let (mut rest, mut client) = world.run(2, async move {
        let mut queue = ChunkQueue::new();
        queue.push(vec![7; total].into());
        // Nobody reads: buffers on both sides fill, and the time runs out.
        let late = timeout(
            &shard,
            Duration::from_secs(5),
            client.write_queue(&mut queue),
        )
        .await;
        assert!(late.is_err());
        (queue, client)
    });
    assert!(!rest.is_empty() && rest.len() < total);
    world.spawn(2, async move {
        client.write_queue(&mut rest).await.unwrap();
    });
    let all = world.run(1, async move { read_to_end(&mut server).await });
    assert_eq!(all.len(), total);
}

#[test]
fn read_dropped_before_data_takes_nothing_from_the_next() {
    let mut world = World::new();
    let (mut server, mut client) = connected(&mut world);
    let shard = world.shard(1);
    let mut server = world.run(1, async move {
        let late = timeout(&shard, Duration::from_millis(50), server.read_chunk()).await;
        assert!(late.is_err());
        server
    });
    world.run(2, async move {
        client.write_all(b"late").await.unwrap();
    });
    let all = world.run(1, async move { read_to_end(&mut server).await });
    assert_eq!(all, b"late");
}

#[test]
fn port_without_listener_refuses() {
    let mut world = World::new();
    let shard = world.shard(2);
    let error = world.run(2, async move {
        TcpStream::connect(&shard, sock(1, 81)).await.unwrap_err()
    });
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn address_without_route_is_unreachable() {
    let mut world = World::new();
    let shard = world.shard(2);
    let error = world.run(2, async move {
        let elsewhere = "192.0.2.1:80".parse().unwrap();
        TcpStream::connect(&shard, elsewhere).await.unwrap_err()
    });
    assert_eq!(error.kind(), ErrorKind::NetworkUnreachable);
}

#[test]
fn silent_address_times_out_by_deadline_in_virtual_time() {
    let mut world = World::new();
    let shard = world.shard(2);
    let started = world.now();
    let error = world.run(2, async move {
        // On the link, and nobody there.
        let attempt = TcpStream::connect(&shard, sock(99, 80));
        let late = timeout(&shard, Duration::from_secs(3), attempt).await;
        std::io::Error::from(late.map(|_| ()).unwrap_err())
    });
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_eq!(world.now() - started, Duration::from_secs(3));
}

#[test]
fn unsent_bytes_taken_back_the_peer_reads_none_of_them() {
    let mut world = World::new();
    let (mut server, mut client) = connected(&mut world);
    let taken_back = world.run(2, async move {
        client.write_all(&[7; 1000]).await.unwrap();
        let taken_back = client.discard_unsent().unwrap();
        assert_eq!(client.doubt(), None);
        client.write_all(b"instead").await.unwrap();
        client.finish().unwrap();
        taken_back
    });
    assert_eq!(taken_back, 1000);
    let heard = world.run(1, async move { read_to_end(&mut server).await });
    assert_eq!(heard, b"instead");
}

#[test]
fn aborted_connection_resets_the_peer() {
    let mut world = World::new();
    let (mut server, client) = connected(&mut world);
    client.abort();
    let error = world.run(1, async move { server.read_chunk().await.unwrap_err() });
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn dropped_with_bytes_unread_resets_the_peer() {
    let mut world = World::new();
    let (server, mut client) = connected(&mut world);
    let mut client = world.run(2, async move {
        client.write_all(b"nobody reads this").await.unwrap();
        client
    });
    world.pass(Duration::from_secs(1));
    drop(server);
    let error = world.run(2, async move { client.read_chunk().await.unwrap_err() });
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn listener_dropped_frees_its_address() {
    let mut world = World::new();
    let shard = world.shard(1);
    let first = TcpListener::bind(&shard, sock(1, 80)).unwrap();
    let error = TcpListener::bind(&shard, sock(1, 80)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert_eq!(first.local_addr().unwrap(), sock(1, 80));
    drop(first);
    let _second = TcpListener::bind(&shard, sock(1, 80)).unwrap();
    world.pass(Duration::from_secs(1));
}

#[test]
fn accept_given_up_leaves_the_connection_for_the_next() {
    let mut world = World::new();
    let listener = TcpListener::bind(&world.shard(1), sock(1, 80)).unwrap();
    let shard = world.shard(1);
    let listener = world.run(1, async move {
        let late = timeout(&shard, Duration::from_secs(1), listener.accept()).await;
        assert!(late.is_err());
        listener
    });
    let shard = world.shard(2);
    let _client = world.run(2, async move {
        TcpStream::connect(&shard, sock(1, 80)).await.unwrap()
    });
    world.run(1, async move { listener.accept().await.unwrap() });
}

#[test]
fn byte_stream_closed_by_poll_close_ends_the_peers_reading() {
    let mut world = World::new();
    let (mut server, client) = connected(&mut world);
    world.spawn(1, async move {
        let all = read_to_end(&mut server).await;
        server.write_all(&all).await.unwrap();
    });
    // As TLS and HTTP see it.
    let mut client: Box<dyn ByteStream> = Box::new(client);
    let (answer, end) = world.run(2, async move {
        let mut queue = ChunkQueue::new();
        queue.push_slice(b"bye");
        poll_fn(|cx| client.poll_write(cx, &mut queue))
            .await
            .unwrap();
        poll_fn(|cx| client.poll_close(cx)).await.unwrap();
        let answer = poll_fn(|cx| client.poll_read(cx)).await.unwrap();
        (answer, poll_fn(|cx| client.poll_read(cx)).await.unwrap())
    });
    assert_eq!((&answer.unwrap()[..], end), (&b"bye"[..], None));
}

#[test]
fn datagrams_go_there_and_back_over_both_families() {
    for (here, there) in [(v4(1), v4(2)), (v6(1), v6(2))] {
        let mut world = World::new();
        let server = UdpSocket::bind(&world.shard(1), (here, 7).into()).unwrap();
        let client = UdpSocket::bind(&world.shard(2), (there, 0).into()).unwrap();
        world.spawn(1, async move {
            let datagram = server.recv().await.unwrap();
            server
                .reply(&datagram, datagram.data.clone())
                .await
                .unwrap();
        });
        let from = client.local_addr().unwrap();
        let echoed = world.run(2, async move {
            client.connect((here, 7).into()).unwrap();
            client.send("ping".into()).await.unwrap();
            client.recv().await.unwrap()
        });
        assert_eq!((&echoed.data[..], echoed.to), (&b"ping"[..], from));
        assert_eq!(echoed.from, (here, 7).into());
    }
}

#[test]
fn datagram_to_a_closed_port_is_refused_and_the_socket_works_on() {
    let mut world = World::new();
    let client = UdpSocket::bind(&world.shard(2), sock(2, 0)).unwrap();
    let client = world.run(2, async move {
        client.send_to("anybody".into(), sock(1, 9)).await.unwrap();
        let error = client.recv().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        client
    });
    let mut second = core::pin::pin!(client.recv());
    let poll = second.as_mut().poll(&mut core::task::Context::from_waker(
        core::task::Waker::noop(),
    ));
    assert!(matches!(poll, Poll::Pending));
}

#[test]
fn ping_comes_back_and_to_nobody_times_out() {
    let mut world = World::new();
    let mut ping = Ping::new(&world.shard(2)).unwrap();
    world.run(2, async move {
        let limit = Duration::from_secs(1);
        let (reply, took) = ping.ping(v4(1), 1, "data".into(), limit).await.unwrap();
        assert_eq!((reply.from, reply.seq, reply.len), (v4(1), 1, 4));
        assert!(took < limit);
        let error = ping
            .ping(v4(99), 2, "data".into(), limit)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    });
}

#[test]
fn threads_block_on_hosts_driven_by_other_threads() {
    use std::io::{Read, Write};

    let drivers = common::drivers(&Clock::start());
    let shards = [0, 1].map(|n: usize| drivers[n].shard().clone());
    let running = drivers.map(|mut driver| {
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            driver.run(|_| async { drop(stopped.await) }).unwrap();
        });
        (stop, thread)
    });

    let listener = blocking::TcpListener::bind(&shards[0], sock(1, 80)).unwrap();
    let server = std::thread::spawn(move || {
        let mut stream = listener.accept().unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        stream.write_all(&all).unwrap();
    });
    let limit = Some(Duration::from_secs(10));
    let mut client = blocking::TcpStream::connect(&shards[1], sock(1, 80), limit).unwrap();
    client.set_read_timeout(Some(Duration::from_millis(20)));
    let error = client.read(&mut [0; 10]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    client.set_read_timeout(limit);
    let sent: Vec<u8> = (0..1_000_000u32).map(|n| (n >> 4) as u8).collect();
    client.write_all(&sent).unwrap();
    client.finish().unwrap();
    let mut echoed = Vec::new();
    client.read_to_end(&mut echoed).unwrap();
    assert!(echoed == sent);
    server.join().unwrap();

    for (stop, thread) in running {
        drop(stop);
        thread.join().unwrap();
    }
}
