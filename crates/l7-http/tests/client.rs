//! Stories of a client's connection, in virtual time.
#![expect(clippy::unwrap_used, reason = "tests")]

use bytes::Bytes;
use http::{Method, Request};
use outcrop_base::Instant;
use outcrop_http::h1::{
    BodyLength, Client, ClientConfig, ClientError, ClientEvent, Reject, SendError, same_origin,
};

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn asked(method: Method) -> Client {
    let mut client = Client::new(ClientConfig::default(), at(0));
    let request = Request::builder()
        .method(method)
        .uri("http://h/")
        .body(())
        .unwrap();
    client
        .request(at(0), &request, BodyLength::Exact(0))
        .unwrap();
    client.finish(None).unwrap();
    client
}

fn sent(client: &mut Client) -> String {
    let mut all = Vec::new();
    while let Some(bytes) = client.poll_transmit(at(0)) {
        all.extend_from_slice(&bytes);
    }
    String::from_utf8(all).unwrap()
}

/// Everything the client makes of an answer in these pieces and then the end of the stream.
fn heard(method: Method, pieces: &[&[u8]]) -> (String, bool) {
    let mut client = asked(method);
    let mut out = String::new();
    for piece in pieces {
        let _verdict = client.handle_bytes(at(0), Bytes::copy_from_slice(piece));
        drain(&mut client, &mut out);
    }
    let reusable = client.reusable();
    client.handle_eof(at(0));
    drain(&mut client, &mut out);
    (out, reusable)
}

fn drain(client: &mut Client, out: &mut String) {
    while let Some(event) = client.poll_event() {
        match event {
            ClientEvent::Informational(head) => *out += &format!("({})", head.status().as_u16()),
            ClientEvent::Response(head) => *out += &format!("{} ", head.status().as_u16()),
            ClientEvent::Body(data) => *out += core::str::from_utf8(&data).unwrap(),
            ClientEvent::Trailers(trailers) => {
                for (name, value) in trailers.fields() {
                    *out += &format!("{{{name}={}}}", String::from_utf8_lossy(value));
                }
            }
            ClientEvent::End => *out += ".",
            ClientEvent::Failed(error) => *out += &format!("!{error:?}"),
        }
    }
}

/// Answers to GET, what is heard, and whether the connection may be used again (before the stream ends).
const ANSWERS: &[(&str, &str, bool)] = &[
    (
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        "200 hi.",
        true,
    ),
    (
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX: y\r\n\r\n",
        "200 hi{X=y}.",
        true,
    ),
    (
        "HTTP/1.1 200 OK\r\n\r\nto the end",
        "200 to the end.",
        false,
    ),
    (
        "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        "200 hi.",
        false,
    ),
    (
        "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi",
        "200 hi.",
        true,
    ),
    (
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi",
        "200 hi.",
        false,
    ),
    ("HTTP/1.1 204 No Content\r\n\r\n", "204 .", true),
    (
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
        "304 .",
        true,
    ),
    ("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "200 .", true),
    ("HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", "200 .", true),
    (
        "HTTP/1.1 404 N\u{f6}t here\r\nContent-Length: 0\r\n\r\n",
        "404 .",
        true,
    ),
    (
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "200 .",
        true,
    ),
    (
        "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "(103)200 .",
        true,
    ),
    // What follows an answer that nobody asked for taints the connection.
    (
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        "200 .",
        false,
    ),
    (
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi",
        "200 hi!Incomplete",
        true,
    ),
    (
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n",
        "200 hi!Incomplete",
        true,
    ),
    ("HTTP/1.1 200 OK\r\nContent-Le", "!Incomplete", true),
    ("", "!NoAnswer", true),
    (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        "!Rejected(BadStatus)",
        false,
    ),
    ("HTTP/1.1 99 Low\r\n\r\n", "!Rejected(BadStatus)", false),
    ("HTTP/1.1 600 High\r\n\r\n", "!Rejected(BadStatus)", false),
    ("HTTP/1.1 20x OK\r\n\r\n", "!Rejected(BadStatus)", false),
    ("HTTP/1.1 2000 OK\r\n\r\n", "!Rejected(BadStatus)", false),
    ("HTTP/1.1  200 OK\r\n\r\n", "!Rejected(BadStatus)", false),
    (
        "HTTP/2.0 200 OK\r\n\r\n",
        "!Rejected(VersionUnknown)",
        false,
    ),
    ("ICY 200 OK\r\n\r\n", "!Rejected(BadVersion)", false),
    (
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
        "!Rejected(BadVersion)",
        false,
    ),
    (
        "\r\nHTTP/1.1 200 OK\r\n\r\n",
        "!Rejected(BadVersion)",
        false,
    ),
    (
        "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        "!Rejected(BareLf)",
        false,
    ),
    (
        "HTTP/1.1 200 OK\r\nX : y\r\n\r\n",
        "!Rejected(BadFieldName)",
        false,
    ),
    (
        "HTTP/1.1 200 OK\r\nX: y\r\n z\r\n\r\n",
        "!Rejected(ObsFold)",
        false,
    ),
    (
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        "!Rejected(LengthRepeated)",
        false,
    ),
    (
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "!Rejected(LengthAndCoding)",
        false,
    ),
    (
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "!Rejected(CodingUnknown)",
        false,
    ),
    (
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
        "200 !Rejected(ChunkSize)",
        false,
    ),
];

#[test]
fn answers_are_heard_as_the_rfc_frames_them_however_they_are_cut() {
    for (answer, want, reusable) in ANSWERS {
        let bytes = answer.as_bytes();
        let got = heard(Method::GET, &[bytes]);
        assert_eq!(got, ((*want).to_owned(), *reusable), "{answer:?}");
        for cut in 0..bytes.len() {
            let (a, b) = bytes.split_at(cut);
            assert_eq!(
                heard(Method::GET, &[a, b]).0,
                got.0,
                "{answer:?} cut at {cut}"
            );
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(
            heard(Method::GET, &single).0,
            got.0,
            "{answer:?} byte by byte"
        );
    }
}

#[test]
fn answer_to_head_has_no_body_whatever_it_announces() {
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n";
    assert_eq!(heard(Method::HEAD, &[answer]), ("200 .".to_owned(), true));
    let answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(heard(Method::HEAD, &[answer]), ("200 .".to_owned(), true));
}

#[test]
fn request_is_written_with_host_first_and_framing_by_its_body() {
    let mut client = Client::new(ClientConfig::default(), at(0));
    let request = Request::post("http://u:p@h:81/a?b")
        .header("accept", "*/*")
        .header("content-length", "77")
        .header("transfer-encoding", "gzip")
        .body(())
        .unwrap();
    client
        .request(at(0), &request, BodyLength::Unknown)
        .unwrap();
    client.write(Bytes::from_static(b"hello")).unwrap();
    client.finish(None).unwrap();
    assert_eq!(
        sent(&mut client),
        "POST /a?b HTTP/1.1\r\nhost: h:81\r\naccept: */*\r\ntransfer-encoding: chunked\r\n\r\n\
         5\r\nhello\r\n0\r\n\r\n"
    );
}

#[test]
fn empty_post_says_so_and_empty_get_does_not() {
    let mut client = asked(Method::POST);
    assert!(sent(&mut client).contains("content-length: 0\r\n"));
    let mut client = asked(Method::GET);
    assert_eq!(sent(&mut client), "GET / HTTP/1.1\r\nhost: h\r\n\r\n");
}

#[test]
fn request_without_a_host_is_refused_before_it_is_sent() {
    let mut client = Client::new(ClientConfig::default(), at(0));
    let request = Request::get("/a").body(()).unwrap();
    let none = BodyLength::Exact(0);
    assert_eq!(
        client.request(at(0), &request, none),
        Err(SendError::NoHost)
    );
    assert_eq!(sent(&mut client), "");
}

#[test]
fn second_request_waits_for_the_end_of_the_first_answer() {
    let mut client = asked(Method::GET);
    let request = Request::get("http://h/2").body(()).unwrap();
    let none = BodyLength::Exact(0);
    assert!(matches!(
        client.request(at(0), &request, none),
        Err(SendError::OutOfTurn(_))
    ));
    let answer = Bytes::from_static(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let _verdict = client.handle_bytes(at(1), answer);
    while client.poll_event().is_some() {}
    client.request(at(1), &request, none).unwrap();
}

#[test]
fn body_is_held_back_until_100_or_for_a_second() {
    let put = || {
        let mut client = Client::new(ClientConfig::default(), at(0));
        let request = Request::put("http://h/")
            .header("expect", "100-continue")
            .body(())
            .unwrap();
        client
            .request(at(0), &request, BodyLength::Exact(2))
            .unwrap();
        assert!(!client.may_write());
        assert_eq!(
            client.write(Bytes::from_static(b"hi")),
            Err(SendError::Full)
        );
        client
    };
    let mut told = put();
    let _verdict = told.handle_bytes(at(5), Bytes::from_static(b"HTTP/1.1 100 Continue\r\n\r\n"));
    assert!(told.may_write());

    let mut untold = put();
    assert_eq!(untold.poll_timeout(), Some(at(1000)));
    untold.handle_timeout(at(1000));
    assert!(untold.may_write());
    assert_eq!(untold.poll_timeout(), Some(at(61_000)));
}

#[test]
fn silent_server_is_given_up_after_the_response_time() {
    let mut client = asked(Method::GET);
    sent(&mut client);
    assert_eq!(client.poll_timeout(), Some(at(60_000)));
    client.handle_timeout(at(60_000));
    assert!(matches!(
        client.poll_event(),
        Some(ClientEvent::Failed(ClientError::Timeout))
    ));
}

#[test]
fn each_piece_of_an_answer_buys_time() {
    let mut client = asked(Method::GET);
    sent(&mut client);
    let _verdict = client.handle_bytes(at(50_000), Bytes::from_static(b"HTTP/1.1 200 OK\r\n"));
    assert_eq!(client.poll_timeout(), Some(at(110_000)));
}

#[test]
fn answer_before_the_request_is_complete_ends_the_connections_use() {
    let mut client = Client::new(ClientConfig::default(), at(0));
    let request = Request::put("http://h/").body(()).unwrap();
    client
        .request(at(0), &request, BodyLength::Exact(1000))
        .unwrap();
    let answer = Bytes::from_static(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n");
    let _verdict = client.handle_bytes(at(1), answer);
    assert!(matches!(
        client.poll_event(),
        Some(ClientEvent::Response(_))
    ));
    assert!(matches!(client.poll_event(), Some(ClientEvent::End)));
    assert!(!client.reusable());
}

#[test]
fn bytes_nobody_asked_for_are_dropped_with_a_reason() {
    let mut client = Client::new(ClientConfig::default(), at(0));
    let verdict = client.handle_bytes(at(0), Bytes::from_static(b"HTTP/1.1 408 Timeout\r\n\r\n"));
    assert_eq!(verdict.rule.name, "http:unasked");
    assert!(!client.reusable());
}

#[test]
fn refused_answer_is_refused_in_the_verdict_too() {
    let mut client = asked(Method::GET);
    let verdict = client.handle_bytes(at(0), Bytes::from_static(b"220 smtp ready\r\n"));
    assert_eq!(verdict.drop_reason(), Some(Reject::BadVersion.reason()));
}

#[test]
fn origins_are_compared_with_default_ports_and_without_case() {
    let same = |a: &str, b: &str| same_origin(&a.parse().unwrap(), &b.parse().unwrap());
    assert!(same("http://H/a", "http://h:80/b"));
    assert!(!same("http://h/", "https://h/"));
    assert!(!same("http://h:81/", "http://h/"));
}
