//! Stories of a server's connection in virtual time: how responses are framed.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use core::time::Duration;

use bytes::Bytes;
use common::story::{GET, answer, at, feed, ok, quiet, request, sent, server, until_end};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use outcrop_base::WallClock;
use outcrop_http::h1::{
    BodyLength, Closing, Prepared, SendError, Server, ServerConfig, ServerEvent,
};

#[test]
fn large_body_pieces_are_handed_through_without_a_copy() {
    let mut server = server();
    feed(
        &mut server,
        0,
        "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n",
    );
    request(&mut server);
    let piece = Bytes::from(vec![7; 100_000]);
    let _verdict = server.handle_bytes(at(0), piece.clone());
    let Some(ServerEvent::Body(got)) = server.poll_event() else {
        panic!("no body");
    };
    assert_eq!(got.as_ptr(), piece.as_ptr());
    until_end(&mut server);
    let length = BodyLength::Exact(100_000);
    server
        .respond(at(0), StatusCode::OK, &HeaderMap::new(), length)
        .unwrap();
    server.write(got).unwrap();
    server.finish(None).unwrap();
    let _head = server.poll_transmit(at(0)).unwrap();
    assert_eq!(
        server.poll_transmit(at(0)).unwrap().as_ptr(),
        piece.as_ptr()
    );
}

#[test]
fn early_hints_go_before_the_answer() {
    let mut server = server();
    feed(&mut server, 0, GET);
    request(&mut server);
    until_end(&mut server);
    let mut fields = HeaderMap::new();
    fields.insert(header::LINK, HeaderValue::from_static("</a.css>"));
    server.inform(StatusCode::EARLY_HINTS, &fields).unwrap();
    answer(&mut server, 0, "x");
    let want = "HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n";
    assert_eq!(sent(&mut server, 0), format!("{want}{}", ok("x")));
    assert_eq!(
        server.inform(StatusCode::OK, &fields),
        Err(SendError::WrongClass)
    );
}

#[test]
fn body_of_unknown_length_is_chunked_with_its_trailers() {
    let mut server = server();
    feed(&mut server, 0, GET);
    request(&mut server);
    until_end(&mut server);
    server
        .respond(
            at(0),
            StatusCode::OK,
            &HeaderMap::new(),
            BodyLength::Unknown,
        )
        .unwrap();
    server.write(Bytes::from_static(b"hello, world")).unwrap();
    server.write(Bytes::new()).unwrap();
    server.write(Bytes::from_static(b"!")).unwrap();
    let mut trailers = HeaderMap::new();
    trailers.insert("digest", HeaderValue::from_static("x"));
    trailers.insert("content-length", HeaderValue::from_static("9"));
    server.finish(Some(&trailers)).unwrap();
    assert_eq!(
        sent(&mut server, 0),
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\
         c\r\nhello, world\r\n1\r\n!\r\n0\r\ndigest: x\r\n\r\n"
    );
    assert_eq!(server.closing(), Closing::Open);
}

#[test]
fn body_of_unknown_length_for_a_1_0_client_ends_with_the_connection() {
    let mut server = server();
    feed(
        &mut server,
        0,
        "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    );
    request(&mut server);
    until_end(&mut server);
    server
        .respond(
            at(0),
            StatusCode::OK,
            &HeaderMap::new(),
            BodyLength::Unknown,
        )
        .unwrap();
    server.write(Bytes::from_static(b"all")).unwrap();
    server.finish(None).unwrap();
    assert_eq!(
        sent(&mut server, 0),
        "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nall"
    );
    assert_eq!(server.closing(), Closing::Finish);
}

#[test]
fn http10_keep_alive_is_confirmed_and_kept() {
    let mut server = server();
    for _ in 0..2 {
        feed(
            &mut server,
            0,
            "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        );
        request(&mut server);
        until_end(&mut server);
        answer(&mut server, 0, "x");
        assert_eq!(
            sent(&mut server, 0),
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\nconnection: keep-alive\r\n\r\nx"
        );
    }
    assert_eq!(server.closing(), Closing::Open);
}

#[test]
fn head_request_gets_the_length_and_not_the_body() {
    let mut server = server();
    feed(&mut server, 0, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    request(&mut server);
    until_end(&mut server);
    answer(&mut server, 0, "never sent");
    assert_eq!(
        sent(&mut server, 0),
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n"
    );
    assert_eq!(server.closing(), Closing::Open);
}

#[test]
fn refused_head_request_gets_no_body_either() {
    let mut server = server();
    feed(&mut server, 0, "HEAD / HTTP/1.1\r\n\r\n");
    server.poll_event();
    let sent = sent(&mut server, 0);
    assert!(
        sent.starts_with("HTTP/1.1 400 ") && sent.ends_with("\r\n\r\n"),
        "{sent}"
    );
}

#[test]
fn statuses_without_a_body_have_none_and_announce_none() {
    for status in [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED] {
        let mut server = server();
        feed(&mut server, 0, GET);
        request(&mut server);
        until_end(&mut server);
        let length = BodyLength::Exact(5);
        server
            .respond(at(0), status, &HeaderMap::new(), length)
            .unwrap();
        server.write(Bytes::from_static(b"hello")).unwrap();
        server.finish(None).unwrap();
        let reason = status.canonical_reason().unwrap();
        let want = format!("HTTP/1.1 {} {reason}\r\n\r\n", status.as_str());
        assert_eq!(sent(&mut server, 0), want);
    }
}

#[test]
fn fields_about_framing_from_the_application_are_left_out_but_close_is_obeyed() {
    let mut server = server();
    feed(&mut server, 0, GET);
    request(&mut server);
    until_end(&mut server);
    let mut fields = HeaderMap::new();
    fields.insert("content-length", HeaderValue::from_static("999"));
    fields.insert("transfer-encoding", HeaderValue::from_static("gzip"));
    fields.insert("connection", HeaderValue::from_static("x, close"));
    fields.insert("keep-alive", HeaderValue::from_static("timeout=5"));
    fields.insert("x", HeaderValue::from_static("y"));
    server
        .respond(at(0), StatusCode::OK, &fields, BodyLength::Exact(0))
        .unwrap();
    server.finish(None).unwrap();
    assert_eq!(
        sent(&mut server, 0),
        "HTTP/1.1 200 OK\r\nx: y\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    );
}

#[test]
fn last_request_under_the_cap_is_told_so() {
    let config = ServerConfig {
        requests: 2,
        ..quiet()
    };
    let mut server = Server::new(config, at(0));
    feed(&mut server, 0, &GET.repeat(3));
    for _ in 0..2 {
        request(&mut server);
        until_end(&mut server);
        answer(&mut server, 0, "");
    }
    let last = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    assert_eq!(sent(&mut server, 0), format!("{}{last}", ok("")));
    assert!(server.poll_event().is_none(), "the third is not read");
    assert_eq!(server.closing(), Closing::Finish);
}

#[test]
fn answer_to_nothing_and_second_answers_are_out_of_turn() {
    let mut server = server();
    let none = BodyLength::Exact(0);
    let fields = HeaderMap::new();
    assert!(matches!(
        server.respond(at(0), StatusCode::OK, &fields, none),
        Err(SendError::OutOfTurn(_))
    ));
    feed(&mut server, 0, GET);
    request(&mut server);
    until_end(&mut server);
    assert_eq!(
        server.respond(at(0), StatusCode::CONTINUE, &fields, none),
        Err(SendError::WrongClass)
    );
    answer(&mut server, 0, "");
    assert!(matches!(
        server.respond(at(0), StatusCode::OK, &fields, none),
        Err(SendError::OutOfTurn(_))
    ));
    assert_eq!(sent(&mut server, 0), ok(""));
}

#[test]
fn body_unlike_its_announced_length_is_an_error_of_ours() {
    let mut server = server();
    feed(&mut server, 0, GET);
    request(&mut server);
    until_end(&mut server);
    let length = BodyLength::Exact(3);
    server
        .respond(at(0), StatusCode::OK, &HeaderMap::new(), length)
        .unwrap();
    server.write(Bytes::from_static(b"ab")).unwrap();
    assert_eq!(server.finish(None), Err(SendError::TooShort));
    assert_eq!(
        server.write(Bytes::from_static(b"cd")),
        Err(SendError::TooLong)
    );
    server.abort();
    assert_eq!(server.closing(), Closing::Finish);
}

#[test]
fn full_output_takes_no_more_until_it_is_transmitted() {
    let mut config = quiet();
    config.limits.output = 1000;
    let mut server = Server::new(config, at(0));
    feed(&mut server, 0, GET);
    request(&mut server);
    until_end(&mut server);
    server
        .respond(
            at(0),
            StatusCode::OK,
            &HeaderMap::new(),
            BodyLength::Unknown,
        )
        .unwrap();
    server.write(Bytes::from(vec![b'x'; 2000])).unwrap();
    assert_eq!(server.room(), 0);
    assert_eq!(server.write(Bytes::from_static(b"y")), Err(SendError::Full));
    sent(&mut server, 0);
    assert_eq!(server.room(), 1000);
    server.write(Bytes::from_static(b"y")).unwrap();
}

#[test]
fn date_is_that_of_the_answer_and_prepared_answers_have_it_too() {
    // RFC 9110 section 5.6.7's example: 784111777 is Sun, 06 Nov 1994 08:49:37 GMT.
    let config = ServerConfig {
        wall_clock: Some(WallClock::new(Duration::from_secs(784_111_770))),
        ..ServerConfig::default()
    };
    let mut server = Server::new(config, at(0));
    feed(&mut server, 0, &GET.repeat(2));
    request(&mut server);
    until_end(&mut server);
    answer(&mut server, 7_000, "x");
    assert_eq!(
        sent(&mut server, 7_000),
        "HTTP/1.1 200 OK\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\nserver: outcrop\r\n\
         content-length: 1\r\n\r\nx"
    );
    request(&mut server);
    until_end(&mut server);
    let mut fields = HeaderMap::new();
    fields.insert(header::ETAG, HeaderValue::from_static("\"1\""));
    fields.insert(header::DATE, HeaderValue::from_static("never"));
    let page = Prepared::new(StatusCode::OK, &fields, Bytes::from_static(b"page"));
    server.respond_prepared(at(8_000), &page).unwrap();
    assert_eq!(
        sent(&mut server, 8_000),
        "HTTP/1.1 200 OK\r\netag: \"1\"\r\ncontent-length: 4\r\n\
         date: Sun, 06 Nov 1994 08:49:38 GMT\r\n\r\npage"
    );
}
