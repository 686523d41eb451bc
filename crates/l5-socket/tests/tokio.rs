//! The same sockets under tokio: two hosts, two drivers, one runtime.
#![cfg(feature = "tokio")]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use core::future::{Future, poll_fn};
use core::time::Duration;
use std::io::IoSlice;

use common::sock;
use outcrop_base::{ByteStream, ChunkQueue};
use outcrop_device::{Clock, Device, Format, Tun};
use outcrop_socket::tokio::{Compat, drive, drive_until};
use outcrop_socket::{TcpListener, TcpStream};
use outcrop_stack::{Driver, Shard};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Runs a program with hosts 1 and 2, both driven by tasks of one runtime.
fn with_hosts<T, F: Future<Output = T>>(program: impl FnOnce(Shard, Shard) -> F) -> T {
    run(common::drivers(&Clock::start()), program)
}

fn run<D: Device + 'static, T, F: Future<Output = T>>(
    [mut first, mut second]: [Driver<D>; 2],
    program: impl FnOnce(Shard, Shard) -> F,
) -> T {
    let program = program(first.shard().clone(), second.shard().clone());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let limited = async { tokio::time::timeout(Duration::from_secs(60), program).await };
    runtime
        .block_on(async move {
            tokio::spawn(async move { drive(&mut first).await });
            drive_until(&mut second, limited).await
        })
        .unwrap()
        .expect("the program ends within a minute")
}

async fn connected(one: &Shard, two: &Shard) -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(one, sock(1, 80)).unwrap();
    let (server, client) = tokio::join!(listener.accept(), TcpStream::connect(two, sock(1, 80)));
    (server.unwrap(), client.unwrap())
}

#[test]
fn tokio_copies_between_halves_of_our_streams() {
    with_hosts(|one, two| async move {
        let (server, client) = connected(&one, &two).await;
        tokio::spawn(async move {
            let (mut read, mut write) = server.into_split();
            tokio::io::copy(&mut read, &mut write).await.unwrap();
            write.finish().unwrap();
        });
        let (mut read, mut write) = client.into_split();
        let sent: Vec<u8> = (0..2_000_000u32).map(|n| (n >> 6) as u8).collect();
        let copy = sent.clone();
        let writer = tokio::spawn(async move {
            AsyncWriteExt::write_all(&mut write, &copy).await.unwrap();
            AsyncWriteExt::shutdown(&mut write).await.unwrap();
        });
        let mut echoed = Vec::new();
        read.read_to_end(&mut echoed).await.unwrap();
        writer.await.unwrap();
        assert!(echoed == sent);
    });
}

#[test]
fn read_with_a_tiny_buffer_keeps_the_rest_for_either_face() {
    with_hosts(|one, two| async move {
        let (mut server, mut client) = connected(&one, &two).await;
        let pieces = [IoSlice::new(b"abc"), IoSlice::new(b"defgh")];
        assert_eq!(server.write_vectored(&pieces).await.unwrap(), 8);
        let mut tiny = [0; 2];
        client.read_exact(&mut tiny).await.unwrap();
        assert_eq!(&tiny, b"ab");
        // The rest of that piece through the other face.
        let rest = poll_fn(|cx| ByteStream::poll_read(&mut client, cx)).await;
        assert_eq!(&rest.unwrap().unwrap()[..], b"cdefgh");
    });
}

#[test]
fn many_connections_at_once_are_each_answered() {
    with_hosts(|one, two| async move {
        let listener = TcpListener::bind(&one, sock(1, 80)).unwrap();
        tokio::spawn(async move {
            loop {
                let mut stream = listener.accept().await.unwrap();
                tokio::spawn(async move {
                    let mut byte = [0];
                    stream.read_exact(&mut byte).await.unwrap();
                    AsyncWriteExt::write_all(&mut stream, &[byte[0] + 1])
                        .await
                        .unwrap();
                });
            }
        });
        let clients = (0..100u8).map(|n| {
            let two = two.clone();
            tokio::spawn(async move {
                let mut stream = TcpStream::connect(&two, sock(1, 80)).await.unwrap();
                AsyncWriteExt::write_all(&mut stream, &[n]).await.unwrap();
                let mut byte = [0];
                stream.read_exact(&mut byte).await.unwrap();
                assert_eq!(byte[0], n + 1);
            })
        });
        for client in clients.collect::<Vec<_>>() {
            client.await.unwrap();
        }
    });
}

#[test]
fn compat_over_our_own_stream_is_a_byte_stream_again() {
    with_hosts(|one, two| async move {
        let (server, client) = connected(&one, &two).await;
        let (mut server, mut client) = (Compat::new(server), Compat::new(client));
        let mut out = ChunkQueue::new();
        out.push(vec![1; 50_000].into());
        out.push_slice(b"tail");
        let total = out.len();
        let write = async {
            poll_fn(|cx| server.poll_write(cx, &mut out)).await.unwrap();
            poll_fn(|cx| server.poll_close(cx)).await.unwrap();
        };
        let read = async {
            let mut len = 0;
            while let Some(bytes) = poll_fn(|cx| client.poll_read(cx)).await.unwrap() {
                len += bytes.len();
            }
            len
        };
        let ((), len) = tokio::join!(write, read);
        assert_eq!(len, total);
    });
}

/// A TUN is to its driver a descriptor that gives and takes whole packets: so is a pair of sockets.
#[test]
fn device_with_a_descriptor_is_driven_by_the_reactor() {
    let clock = Clock::start();
    let (a, b) = std::os::unix::net::UnixDatagram::pair().unwrap();
    let tun = |fd: std::os::unix::net::UnixDatagram| {
        Tun::from_fd(fd.into(), "pair", 1_500, Format::Plain, &clock).unwrap()
    };
    let drivers = [
        common::driver(1, tun(a), &clock),
        common::driver(2, tun(b), &clock),
    ];
    run(drivers, |one, two| async move {
        let (mut server, mut client) = connected(&one, &two).await;
        for _ in 0..50 {
            AsyncWriteExt::write_all(&mut client, b"again")
                .await
                .unwrap();
            let mut word = [0; 5];
            server.read_exact(&mut word).await.unwrap();
            AsyncWriteExt::write_all(&mut server, &word).await.unwrap();
            client.read_exact(&mut word).await.unwrap();
            assert_eq!(&word, b"again");
        }
        // The driver falls asleep in the reactor; the next packet wakes it.
        tokio::time::sleep(Duration::from_millis(60)).await;
        let bulk = vec![5; 1_000_000];
        let (written, read) = tokio::join!(
            async {
                AsyncWriteExt::write_all(&mut client, &bulk).await?;
                client.finish()
            },
            async {
                let mut all = Vec::new();
                server.read_to_end(&mut all).await.map(|_| all)
            }
        );
        written.unwrap();
        assert_eq!(read.unwrap().len(), bulk.len());
    });
}
