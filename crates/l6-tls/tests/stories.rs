//! Both ends in one thread, joined by memory: what is agreed, what is refused, and how it ends.
#![expect(
    clippy::unwrap_used,
    reason = "a test that meets the unexpected shall fail"
)]

mod common;

use core::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use common::both;
use outcrop_base::{ByteStream, ChunkQueue};
use outcrop_tls::{
    Authority, Client, ClientTls, Facts, HandshakeError, KeySink, Pipe, Server, ServerTls,
    TlsStream, accept, connect, pipe,
};

type Ends = (
    Result<TlsStream<Pipe>, HandshakeError>,
    Result<TlsStream<Pipe>, HandshakeError>,
);

fn meet(client: &ClientTls, server: &ServerTls, name: &str) -> Ends {
    let (here, there) = pipe();
    both(connect(here, client, name), accept(there, server))
}

fn authority() -> Authority {
    Authority::new("tests").unwrap()
}

fn server(authority: &Authority, names: &[&str]) -> Server {
    Server::new(vec![authority.issue(names).unwrap()])
}

fn client(authority: &Authority) -> Client {
    Client::trusting(authority.certificate()).unwrap()
}

async fn say(stream: &mut TlsStream<Pipe>, text: &[u8]) -> io::Result<()> {
    let mut queue = ChunkQueue::from(Bytes::copy_from_slice(text));
    poll_fn(|cx| stream.poll_write(cx, &mut queue)).await
}

async fn close(stream: &mut TlsStream<Pipe>) -> io::Result<()> {
    poll_fn(|cx| stream.poll_close(cx)).await
}

async fn hear_all(stream: &mut TlsStream<Pipe>) -> io::Result<Vec<u8>> {
    let mut heard = Vec::new();
    while let Some(bytes) = poll_fn(|cx| stream.poll_read(cx)).await? {
        heard.extend_from_slice(&bytes);
    }
    Ok(heard)
}

fn facts(ends: Ends) -> (Facts, Facts) {
    let (a, b) = (ends.0.unwrap(), ends.1.unwrap());
    (a.facts(), b.facts())
}

#[test]
fn two_megabytes_each_way_arrive_and_both_ends_finish_properly() {
    let authority = authority();
    let (server, client) = (
        server(&authority, &["outcrop.test"]).build().unwrap(),
        client(&authority).build().unwrap(),
    );
    let (mine, yours) = meet(&client, &server, "outcrop.test");
    let (mut mine, mut yours) = (mine.unwrap(), yours.unwrap());
    let up: Vec<u8> = (0..2_000_000u32).map(|n| (n % 251) as u8).collect();
    let down: Vec<u8> = up.iter().rev().copied().collect();
    let (heard_here, heard_there) = both(
        async {
            say(&mut mine, &up).await.unwrap();
            close(&mut mine).await.unwrap();
            hear_all(&mut mine).await.unwrap()
        },
        async {
            let heard = hear_all(&mut yours).await.unwrap();
            say(&mut yours, &down).await.unwrap();
            close(&mut yours).await.unwrap();
            heard
        },
    );
    assert!(heard_there == up && heard_here == down);
}

#[test]
fn version_protocol_and_name_are_agreed() {
    let authority = authority();
    for (least, most, version) in [(2, 3, "TLSv1.3"), (2, 2, "TLSv1.2"), (3, 3, "TLSv1.3")] {
        let server = server(&authority, &["outcrop.test"])
            .alpn(&["h2", "http/1.1"])
            .build();
        let client = client(&authority)
            .alpn(&["http/1.1"])
            .versions(least, most)
            .build();
        let (mine, yours) = facts(meet(&client.unwrap(), &server.unwrap(), "outcrop.test"));
        assert_eq!((mine.version, yours.version), (version, version));
        assert_eq!(mine.protocol.as_deref(), Some("http/1.1"));
        assert_eq!(yours.name.as_deref(), Some("outcrop.test"));
        assert!(yours.suite.starts_with("TLS_") && mine.suite == yours.suite);
        assert!(!mine.resumed);
    }
}

#[test]
fn versions_that_do_not_meet_are_refused_on_both_sides() {
    let authority = authority();
    let server = server(&authority, &["a.test"])
        .versions(3, 3)
        .build()
        .unwrap();
    let client = client(&authority).versions(2, 2).build().unwrap();
    let (mine, yours) = meet(&client, &server, "a.test");
    let refused = yours.unwrap_err().to_string();
    assert!(refused.contains("Tls12NotOfferedOrEnabled"), "{refused}");
    // The client learns it from the alert `protocol_version` (RFC 8446 6.2).
    assert!(mine.unwrap_err().to_string().contains("ProtocolVersion"));
}

#[test]
fn protocols_that_do_not_meet_are_refused() {
    let authority = authority();
    let server = server(&authority, &["a.test"])
        .alpn(&["h2"])
        .build()
        .unwrap();
    let client = client(&authority).alpn(&["http/1.1"]).build().unwrap();
    let (mine, _) = meet(&client, &server, "a.test");
    // RFC 7301 3.2: the alert `no_application_protocol`.
    assert!(
        mine.unwrap_err()
            .to_string()
            .contains("NoApplicationProtocol")
    );
}

#[test]
fn a_stranger_s_certificate_and_a_wrong_name_are_refused_and_the_server_is_told() {
    let (ours, strangers) = (authority(), Authority::new("strangers").unwrap());
    let server = server(&ours, &["a.test", "10.0.0.1"]).build().unwrap();
    let (mine, yours) = meet(&client(&strangers).build().unwrap(), &server, "a.test");
    assert!(mine.unwrap_err().to_string().contains("UnknownIssuer"));
    assert!(yours.unwrap_err().to_string().contains("UnknownCA"));
    let trusting = client(&ours).build().unwrap();
    let (mine, _) = meet(&trusting, &server, "b.test");
    assert!(mine.unwrap_err().to_string().contains("b.test"));
    assert!(meet(&trusting, &server, "10.0.0.1").0.is_ok());
    assert!(meet(&trusting, &server, "10.0.0.2").0.is_err());
    let anybody = Client::trusting_anybody().build().unwrap();
    assert!(meet(&anybody, &server, "b.test").0.is_ok());
}

#[test]
fn each_name_gets_its_certificate_a_star_one_label_and_a_stranger_the_first() {
    let authority = authority();
    let issue = |names: &[&str]| authority.issue(names).unwrap();
    let server = Server::new(vec![
        issue(&["first.test"]),
        issue(&["second.test"]),
        issue(&["*.star.test"]),
    ])
    .build()
    .unwrap();
    let client = client(&authority).build().unwrap();
    for name in ["first.test", "second.test", "a.star.test"] {
        assert!(meet(&client, &server, name).0.is_ok(), "{name}");
    }
    for name in ["third.test", "a.b.star.test", "star.test"] {
        assert!(meet(&client, &server, name).0.is_err(), "{name}");
    }
    // A renewed list holds from the next handshake on; an empty one is no list.
    server.replace(vec![issue(&["third.test"])]);
    assert!(meet(&client, &server, "third.test").0.is_ok());
    assert!(meet(&client, &server, "first.test").0.is_err());
    server.replace(Vec::new());
    assert!(meet(&client, &server, "third.test").0.is_ok());
}

#[test]
fn a_second_connection_resumes_the_session_of_the_first() {
    let authority = authority();
    for versions in [(2, 2), (3, 3)] {
        let server = server(&authority, &["a.test"]).build().unwrap();
        let client = client(&authority)
            .versions(versions.0, versions.1)
            .build()
            .unwrap();
        for resumed in [false, true, true] {
            let (mine, yours) = meet(&client, &server, "a.test");
            let (mut mine, mut yours) = (mine.unwrap(), yours.unwrap());
            assert_eq!(
                (mine.facts().resumed, yours.facts().resumed),
                (resumed, resumed)
            );
            // In TLS 1.3 the tickets come after the handshake, with the first bytes.
            both(
                async {
                    say(&mut mine, b"?").await.unwrap();
                    hear_all(&mut mine).await.unwrap()
                },
                async {
                    poll_fn(|cx| yours.poll_read(cx)).await.unwrap();
                    close(&mut yours).await.unwrap();
                },
            );
        }
    }
}

#[test]
fn clients_without_the_certificate_asked_for_are_refused() {
    let authority = authority();
    let server = server(&authority, &["a.test"])
        .require_clients_of(vec![authority.certificate().to_vec()])
        .build()
        .unwrap();
    let known = client(&authority)
        .identity(authority.issue(&["visitor.test"]).unwrap())
        .build()
        .unwrap();
    let (mine, yours) = meet(&known, &server, "a.test");
    assert!(mine.is_ok());
    assert_eq!(yours.unwrap().facts().peer.len(), 1);
    let (_, yours) = meet(&client(&authority).build().unwrap(), &server, "a.test");
    assert!(yours.unwrap_err().to_string().contains("peer sent no cert"));
}

#[test]
fn an_end_without_close_notify_is_an_error_and_with_it_an_end() {
    let authority = authority();
    let server = server(&authority, &["a.test"]).build().unwrap();
    let client = client(&authority).build().unwrap();
    let (mine, yours) = meet(&client, &server, "a.test");
    let (mine, mut yours) = (mine.unwrap(), yours.unwrap());
    drop(mine);
    let error = futures_executor::block_on(hear_all(&mut yours)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn what_a_client_said_before_it_went_is_read() {
    let authority = authority();
    let server = server(&authority, &["a.test"]).build().unwrap();
    let client = client(&authority).build().unwrap();
    let (here, there) = pipe();
    // The client is gone before the server could send its tickets.
    let (_, heard) = both(
        async {
            let mut mine = connect(here, &client, "a.test").await.unwrap();
            say(&mut mine, b"last words").await.unwrap();
            close(&mut mine).await.unwrap();
        },
        async {
            let mut yours = accept(there, &server).await.unwrap();
            hear_all(&mut yours).await.unwrap()
        },
    );
    assert_eq!(heard, b"last words");
}

#[test]
fn a_connection_that_ends_in_the_handshake_says_so() {
    let authority = authority();
    let server = server(&authority, &["a.test"]).build().unwrap();
    let (here, there) = pipe();
    drop(here);
    let ended = futures_executor::block_on(accept(there, &server));
    assert!(matches!(
        ended,
        Err(HandshakeError::Ended | HandshakeError::Stream(_))
    ));
}

#[test]
fn plain_http_on_a_tls_port_is_refused_with_a_reason() {
    let authority = authority();
    let server = server(&authority, &["a.test"]).build().unwrap();
    let (mut here, there) = pipe();
    let mut request = ChunkQueue::from(Bytes::from_static(b"GET / HTTP/1.1\r\n\r\n"));
    let (_, refused) = both(
        poll_fn(|cx| here.poll_write(cx, &mut request)),
        accept(there, &server),
    );
    assert!(matches!(refused, Err(HandshakeError::Refused(_))));
}

#[test]
fn new_keys_are_agreed_while_talking() {
    let authority = authority();
    let server = server(&authority, &["a.test"]).build().unwrap();
    let client = client(&authority).build().unwrap();
    let (mine, yours) = meet(&client, &server, "a.test");
    let (mut mine, mut yours) = (mine.unwrap(), yours.unwrap());
    let (_, heard) = both(
        async {
            say(&mut mine, b"before ").await.unwrap();
            mine.update_keys().unwrap();
            say(&mut mine, b"after").await.unwrap();
            close(&mut mine).await.unwrap();
        },
        hear_all(&mut yours),
    );
    assert_eq!(heard.unwrap(), b"before after");
}

#[test]
fn the_key_log_has_every_secret_of_the_format() {
    let authority = authority();
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = {
        let lines = Arc::clone(&lines);
        KeySink::new(move |line| lines.lock().unwrap().push(line))
    };
    let server = server(&authority, &["a.test"]).keys(sink).build().unwrap();
    let client = client(&authority).build().unwrap();
    let (mine, _) = meet(&client, &server, "a.test");
    assert!(mine.is_ok());
    let lines = lines.lock().unwrap();
    for label in [
        "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
        "SERVER_HANDSHAKE_TRAFFIC_SECRET",
        "CLIENT_TRAFFIC_SECRET_0",
        "SERVER_TRAFFIC_SECRET_0",
    ] {
        let line = lines.iter().find(|line| line.starts_with(label)).unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!(words.len(), 3);
        assert_eq!(words[1].len(), 64, "32 bytes of client random");
    }
}

#[test]
fn bad_names_and_empty_lists_are_errors_that_say_so() {
    assert!(
        Server::new(Vec::new())
            .build()
            .unwrap_err()
            .to_string()
            .contains("needs a certificate")
    );
    let authority = authority();
    let client = client(&authority).build().unwrap();
    let (here, _there) = pipe();
    let error = futures_executor::block_on(connect(here, &client, "not a name")).unwrap_err();
    assert!(error.to_string().contains("not a name"));
    let error = Client::trusting_pem(b"nothing").unwrap_err();
    assert!(error.to_string().contains("PEM"));
}

/// What is read ahead of the program waits below, not in memory: a sender without a reader is stopped.
#[test]
fn a_peer_who_sends_without_being_read_is_stopped() {
    let authority = authority();
    let server = server(&authority, &["a.test"]).build().unwrap();
    let client = client(&authority).build().unwrap();
    let (mine, yours) = meet(&client, &server, "a.test");
    let (mut mine, mut yours) = (mine.unwrap(), yours.unwrap());
    let mut flood = ChunkQueue::from(Bytes::from(vec![7; 8 << 20]));
    let mut cx = core::task::Context::from_waker(core::task::Waker::noop());
    for _ in 0..1_000 {
        assert!(mine.poll_write(&mut cx, &mut flood).is_pending());
        let core::task::Poll::Ready(first) = yours.poll_read(&mut cx) else {
            panic!("bytes are there")
        };
        assert!(!first.unwrap().unwrap().is_empty());
        if flood.len() < 4 << 20 {
            break;
        }
    }
    let left = flood.len();
    for _ in 0..1_000 {
        assert!(mine.poll_write(&mut cx, &mut flood).is_pending());
    }
    assert!(left - flood.len() <= 256 << 10, "taken without being read");
}
