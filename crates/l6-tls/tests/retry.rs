//! The client's guess of a group is not one of the server's: a second hello, and what goes over the wire.
#![expect(
    clippy::unwrap_used,
    reason = "a test that meets the unexpected shall fail"
)]

mod common;

use core::future::poll_fn;
use core::task::{Context, Poll, ready};
use std::io;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use common::both;
use outcrop_base::{ByteStream, ChunkQueue};
use outcrop_tls::{
    Authority, Client, Group, HandshakeError, Pipe, Server, TlsStream, accept, connect, pipe,
};

/// The value of `random` that makes a ServerHello a HelloRetryRequest (RFC 8446 4.1.3).
const RETRY: [u8; 32] = [
    0xCF, 0x21, 0xAD, 0x74, 0xE5, 0x9A, 0x61, 0x11, 0xBE, 0x1D, 0x8C, 0x02, 0x1E, 0x65, 0xB8, 0x91,
    0xC2, 0xA2, 0x11, 0x16, 0x7A, 0xBB, 0x8C, 0x5E, 0x07, 0x9E, 0x09, 0xE2, 0xC8, 0xA8, 0x33, 0x9C,
];
/// `type` of a record and of a message (RFC 8446 5.1, 4).
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;

type Seen = Arc<Mutex<Vec<u8>>>;

/// An end that keeps what it hears.
struct Tap(Pipe, Seen);

impl ByteStream for Tap {
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        let heard = ready!(self.0.poll_read(cx));
        if let Ok(Some(bytes)) = &heard {
            self.1.lock().unwrap().extend_from_slice(bytes);
        }
        Poll::Ready(heard)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, out: &mut ChunkQueue) -> Poll<io::Result<()>> {
        self.0.poll_write(cx, out)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_close(cx)
    }
}

type End = Result<TlsStream<Tap>, HandshakeError>;

/// Both ends, and what each of them heard.
struct Met {
    client: (End, Vec<u8>),
    server: (End, Vec<u8>),
}

fn meet(client_knows: &[Group], server_knows: &[Group]) -> Met {
    let authority = Authority::new("tests").unwrap();
    let server = Server::new(vec![authority.issue(&["a.test"]).unwrap()]).groups(server_knows);
    let client = Client::trusting(authority.certificate()).unwrap();
    let (server, client) = (
        server.build().unwrap(),
        client.groups(client_knows).build().unwrap(),
    );
    let ((here, there), mine, yours) = (pipe(), Seen::default(), Seen::default());
    let (one, two) = both(
        connect(Tap(here, Arc::clone(&mine)), &client, "a.test"),
        accept(Tap(there, Arc::clone(&yours)), &server),
    );
    let heard = |seen: &Seen| core::mem::take(&mut *seen.lock().unwrap());
    Met {
        client: (one, heard(&mine)),
        server: (two, heard(&yours)),
    }
}

fn retries(heard: &[u8]) -> usize {
    heard
        .windows(RETRY.len())
        .filter(|at| **at == RETRY)
        .count()
}

/// Records (type, version, length, content) that are a ClientHello.
fn hellos(mut heard: &[u8]) -> usize {
    let mut count = 0;
    while let [kind, _, _, high, low, rest @ ..] = heard {
        let length = usize::from(*high) << 8 | usize::from(*low);
        count += usize::from(*kind == HANDSHAKE && rest.first() == Some(&CLIENT_HELLO));
        heard = rest.get(length..).unwrap_or_default();
    }
    count
}

#[test]
fn group_guessed_wrong_the_server_asks_once_and_the_client_says_hello_again() {
    for (guess, known) in [
        (Group::X25519, Group::P256),
        (Group::X25519, Group::P384),
        (Group::P256, Group::X25519),
    ] {
        let Met { client, server } = meet(&[guess, known], &[known]);
        let (mut mine, mut yours) = (client.0.unwrap(), server.0.unwrap());
        assert!(mine.facts().retried && yours.facts().retried && !mine.facts().resumed);
        assert_eq!((retries(&client.1), hellos(&server.1)), (1, 2), "{known:?}");
        // What is agreed carries.
        let mut said = ChunkQueue::from(Bytes::from_static(b"after all"));
        let (_, heard) = both(
            poll_fn(|cx| mine.poll_write(cx, &mut said)),
            poll_fn(|cx| yours.poll_read(cx)),
        );
        assert_eq!(heard.unwrap().unwrap(), "after all");
    }
}

#[test]
fn group_guessed_right_one_hello_is_enough() {
    let Met { client, server } = meet(&[Group::P256], &[Group::X25519, Group::P256]);
    assert!(!client.0.unwrap().facts().retried && !server.0.unwrap().facts().retried);
    assert_eq!((retries(&client.1), hellos(&server.1)), (0, 1));
}

#[test]
fn no_group_in_common_is_refused_without_a_second_hello() {
    let Met { client, server } = meet(&[Group::X25519], &[Group::P384]);
    let refused = server.0.err().unwrap().to_string();
    assert!(refused.contains("NoKxGroupsInCommon"), "{refused}");
    // The client learns it from the alert `handshake_failure` (RFC 8446 4.1.1).
    let told = client.0.err().unwrap().to_string();
    assert!(told.contains("HandshakeFailure"), "{told}");
    assert_eq!((retries(&client.1), hellos(&server.1)), (0, 1));
}
