//! Who may listen where, and what a stack leaves behind when it is shut down: two hosts in virtual time.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod common;

use core::future::Future;
use core::net::{IpAddr, Ipv6Addr, SocketAddr};
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::io::{ErrorKind, Write as _};

use common::{World, sock, v4, v6};
use outcrop_device::Clock;
use outcrop_socket::{Shard, TcpListener, TcpSocket, TcpStream, blocking};

fn all_v4(port: u16) -> SocketAddr {
    SocketAddr::from(([0, 0, 0, 0], port))
}

fn all_v6(port: u16) -> SocketAddr {
    SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port)
}

fn at(ip: IpAddr, port: u16) -> SocketAddr {
    SocketAddr::new(ip, port)
}

fn taken(shard: &Shard, local: SocketAddr) -> bool {
    match TcpListener::bind(shard, local) {
        Ok(_) => false,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::AddrInUse);
            true
        }
    }
}

/// A connection from host 2 to host 1; both ends.
fn connected(
    world: &mut World,
    listener: TcpListener,
    to: SocketAddr,
) -> (TcpListener, TcpStream, TcpStream) {
    let shard = world.shard(2);
    let (there, here) = (std::rc::Rc::new(core::cell::RefCell::new(None)), listener);
    let into = std::rc::Rc::clone(&there);
    world.spawn(2, async move {
        let stream = TcpStream::connect(&shard, to).await.unwrap();
        *into.borrow_mut() = Some(stream);
    });
    let (here, accepted) = world.run(1, async move {
        let accepted = here.accept().await.unwrap();
        (here, accepted)
    });
    world.run_until(|| there.borrow().is_some());
    (here, accepted, there.take().unwrap())
}

#[test]
fn listener_dropped_its_port_is_free_with_connections_open_and_in_time_wait() {
    let mut world = World::new();
    let shard = world.shard(1);
    let listener = TcpListener::bind(&shard, sock(1, 80)).unwrap();
    let (listener, mut server, mut client) = connected(&mut world, listener, sock(1, 80));
    assert!(taken(&shard, sock(1, 80)));
    drop(listener);
    assert!(
        !taken(&shard, sock(1, 80)),
        "its connections do not hold it"
    );
    // The server closes first: its end is the one that waits (RFC 9293 3.6).
    server.finish().unwrap();
    world.run(2, async move {
        assert!(client.read_chunk().await.unwrap().is_none());
        client.finish().unwrap();
    });
    world.run(1, async move {
        assert!(server.read_chunk().await.unwrap().is_none())
    });
    world.pass(Duration::from_secs(1));
    assert_eq!(shard.call(|core| core.tcp().time_wait_len()), 1);
    let listener = TcpListener::bind(&shard, sock(1, 80)).unwrap();
    let (_listener, _server, client) = connected(&mut world, listener, sock(1, 80));
    assert_eq!(client.peer_addr().unwrap(), sock(1, 80));
}

#[test]
fn address_and_every_address_are_two_binds_and_the_closer_one_is_asked() {
    let mut world = World::new();
    let shard = world.shard(1);
    let every = TcpListener::bind(&shard, all_v4(80)).unwrap();
    assert!(taken(&shard, all_v4(80)));
    let closer = TcpListener::bind(&shard, sock(1, 80)).unwrap();
    let (closer, ..) = connected(&mut world, closer, sock(1, 80));
    drop(closer);
    let (_every, server, _) = connected(&mut world, every, sock(1, 80));
    assert_eq!(server.local_addr().unwrap(), sock(1, 80));
}

#[test]
fn bind_of_both_families_takes_both_and_tells_peers_as_they_are() {
    let mut world = World::new();
    let shard = world.shard(1);
    let mut listener = TcpListener::bind_dual(&shard, 80).unwrap();
    assert!(taken(&shard, all_v6(80)) && taken(&shard, all_v4(80)));
    for (ip, peer) in [(v4(1), v4(2)), (v6(1), v6(2)), (v4(1), v4(2))] {
        let (same, server, _client) = connected(&mut world, listener, at(ip, 80));
        assert_eq!(server.peer_addr().unwrap().ip(), peer);
        assert_eq!(server.local_addr().unwrap(), at(ip, 80));
        listener = same;
    }
    assert_eq!(listener.local_addr().unwrap(), all_v6(80));
    drop(listener);
    assert!(!taken(&shard, all_v6(80)) && !taken(&shard, all_v4(80)));
    // One family is taken: neither is bound.
    let _other = TcpListener::bind(&shard, all_v4(80)).unwrap();
    assert_eq!(
        TcpListener::bind_dual(&shard, 80).unwrap_err().kind(),
        ErrorKind::AddrInUse
    );
    assert!(!taken(&shard, all_v6(80)));
}

#[test]
fn bind_of_ipv6_alone_refuses_ipv4_unless_the_socket_says_otherwise() {
    let mut world = World::new();
    let shard = world.shard(1);
    let client = world.shard(2);
    let listener = TcpListener::bind(&shard, all_v6(80)).unwrap();
    let refused = world.run(2, async move {
        TcpStream::connect(&client, sock(1, 80)).await.map(drop)
    });
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    drop(listener);
    let listener = TcpSocket::new(&shard)
        .bind(all_v6(80))
        .only_v6(false)
        .listen()
        .unwrap();
    let (_listener, server, _client) = connected(&mut world, listener, sock(1, 80));
    assert_eq!(server.peer_addr().unwrap().ip(), v4(2));
}

#[test]
fn listener_on_port_zero_is_given_a_free_one() {
    let world = World::new();
    let shard = world.shard(1);
    let one = TcpListener::bind(&shard, sock(1, 0)).unwrap();
    let two = TcpListener::bind(&shard, sock(1, 0)).unwrap();
    let both = TcpListener::bind_dual(&shard, 0).unwrap();
    let ports = [&one, &two, &both].map(|l| l.local_addr().unwrap().port());
    assert!(ports.iter().all(|port| *port >= 49_152), "{ports:?}");
    assert_ne!(ports[0], ports[1]);
    assert!(taken(&shard, sock(1, ports[0])));
}

#[test]
fn both_families_at_once_neither_keeps_the_other_out() {
    let mut world = World::new();
    let (shard, client) = (world.shard(1), world.shard(2));
    let listener = TcpListener::bind_dual(&shard, 80).unwrap();
    let held = world.run(2, async move {
        let mut held = Vec::new();
        for _ in 0..4 {
            for ip in [v4(1), v6(1)] {
                held.push(TcpStream::connect(&client, at(ip, 80)).await.unwrap());
            }
        }
        held
    });
    let families = world.run(1, async move {
        let mut families = Vec::new();
        for _ in 0..8 {
            families.push(
                listener
                    .accept()
                    .await
                    .unwrap()
                    .peer_addr()
                    .unwrap()
                    .is_ipv4(),
            );
        }
        families
    });
    assert_eq!(families.iter().filter(|v4| **v4).count(), 4);
    assert!(
        families.windows(2).all(|pair| pair[0] != pair[1]),
        "{families:?}"
    );
    drop(held);
}

/// A call given up, and made again: what came in between is there, and what was said went out once.
#[test]
fn calls_given_up_lose_nothing() {
    let mut world = World::new();
    let listener = TcpListener::bind(&world.shard(1), sock(1, 80)).unwrap();
    let (_listener, mut server, mut client) = connected(&mut world, listener, sock(1, 80));
    world.run(2, async move {
        for piece in ["one ", "two ", "three"] {
            client.write_all(piece.as_bytes()).await.unwrap();
            // Polled once, then dropped: nothing can have come yet.
            let mut read = Box::pin(client.read_chunk());
            let waiting =
                core::future::poll_fn(|cx| Poll::Ready(read.as_mut().poll(cx).is_pending())).await;
            assert!(waiting);
        }
        client.finish().unwrap();
    });
    let said = world.run(1, async move {
        let mut said = Vec::new();
        loop {
            // Every other call is dropped before it is polled at all.
            drop(server.read_chunk());
            let Some(piece) = server.read_chunk().await.unwrap() else {
                break;
            };
            said.extend_from_slice(&piece);
        }
        said
    });
    assert_eq!(said, b"one two three");
}

#[test]
fn thread_that_writes_to_one_who_does_not_read_gives_up_in_time_and_can_go_on() {
    let drivers = common::drivers(&Clock::start());
    let shards = [0, 1].map(|n: usize| drivers[n].shard().clone());
    let running = drivers.map(|mut driver| {
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let thread =
            std::thread::spawn(move || driver.run(|_| async { drop(stopped.await) }).unwrap());
        (stop, thread)
    });
    let listener = blocking::TcpListener::bind(&shards[0], sock(1, 80)).unwrap();
    let limit = Some(Duration::from_secs(60));
    let mut client = blocking::TcpStream::connect(&shards[1], sock(1, 80), limit).unwrap();
    let mut server = listener.accept().unwrap();
    client.set_write_timeout(Some(Duration::from_millis(50)));
    let piece: Vec<u8> = (0..=255).cycle().take(1 << 16).collect();
    let mut sent = 0;
    let error = loop {
        match client.write(&piece[sent % piece.len()..]) {
            Ok(count) => sent += count,
            Err(error) => break error,
        }
        assert!(sent < 64 << 20, "somebody keeps everything");
    };
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    // What was taken arrives, whole and once.
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        std::io::Read::read_to_end(&mut server, &mut all).unwrap();
        all
    });
    client.set_write_timeout(limit);
    client.write_all(b"end").unwrap();
    client.finish().unwrap();
    let all = reader.join().unwrap();
    assert_eq!(all.len(), sent + 3);
    assert!(
        all[..sent]
            .iter()
            .enumerate()
            .all(|(at, byte)| usize::from(*byte) == at % 256)
    );
    for (stop, thread) in running {
        drop(stop);
        thread.join().unwrap();
    }
}

/// A program ends and its stack with it: those it talked to are told, not left waiting.
#[test]
fn stack_shut_down_with_connections_open_its_peers_hear_of_it() {
    let mut world = World::new();
    let listener = TcpListener::bind(&world.shard(1), sock(1, 80)).unwrap();
    let (listener, first, mut told) = connected(&mut world, listener, sock(1, 80));
    let (listener, mut second, mut cut) = connected(&mut world, listener, sock(1, 80));
    world.run(1, async move {
        second.write_all(b"unread").await.unwrap();
        // All handles go, as they do when a program's tasks are dropped.
        drop((first, second, listener));
    });
    let (told, said) = world.run(2, async move {
        let end = told.read_chunk().await.unwrap();
        (end, cut.read_chunk().await.unwrap())
    });
    assert_eq!((told, said.as_deref()), (None, Some(&b"unread"[..])));
    let client = world.shard(2);
    let refused = world.run(2, async move {
        TcpStream::connect(&client, sock(1, 80)).await.map(drop)
    });
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn connect_given_up_leaves_no_connection_behind() {
    let mut world = World::new();
    let (shard, client) = (world.shard(1), world.shard(2));
    let listener = TcpListener::bind(&shard, sock(1, 80)).unwrap();
    {
        let mut connect = pin!(TcpStream::connect(&client, sock(1, 80)));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(connect.as_mut().poll(&mut cx).is_pending());
    }
    world.pass(Duration::from_secs(5));
    assert_eq!(client.call(|core| core.tcp().len()), 0);
    drop(listener);
}
