//! Stories of a server's connection in virtual time: requests, waiting, closing.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use core::hash::Hasher as _;
use std::hash::DefaultHasher;

use bytes::Bytes;
use common::story::{GET, answer, at, feed, ok, quiet, request, sent, server, until_end};
use http::{HeaderMap, StatusCode};
use outcrop_base::{DropReason, Instant};
use outcrop_http::h1::{BodyLength, Closing, Reject, SendError, Server, ServerConfig, ServerEvent};

#[test]
fn three_pipelined_requests_are_answered_in_order_and_leave_as_one_piece() {
    let mut server = server();
    let three = ["/1", "/2", "/3"].map(|t| format!("GET {t} HTTP/1.1\r\nHost: a\r\n\r\n"));
    feed(&mut server, 0, &three.concat());
    for (target, body) in [("/1", "one"), ("/2", "two"), ("/3", "three")] {
        assert_eq!(request(&mut server).target(), target);
        until_end(&mut server);
        assert!(server.poll_event().is_none(), "the next waits its turn");
        answer(&mut server, 0, body);
    }
    let first = server.poll_transmit(at(0)).unwrap();
    assert_eq!(first, [ok("one"), ok("two"), ok("three")].concat());
    assert!(server.poll_transmit(at(0)).is_none());
    assert_eq!(server.requests(), 3);
}

#[test]
fn waiting_pipelined_bytes_beyond_the_bound_stop_the_reading() {
    let mut config = quiet();
    config.limits.pipelined = 100;
    let mut server = Server::new(config, at(0));
    feed(&mut server, 0, GET);
    request(&mut server);
    until_end(&mut server);
    assert!(server.wants_bytes(), "one ahead is welcome");
    feed(&mut server, 0, &GET.repeat(4));
    assert!(!server.wants_bytes());
    for _ in 0..4 {
        answer(&mut server, 0, "");
        request(&mut server);
        until_end(&mut server);
    }
    assert!(server.wants_bytes());
}

#[test]
fn body_not_used_yet_stops_the_reading() {
    let mut server = server();
    feed(
        &mut server,
        0,
        "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello",
    );
    request(&mut server);
    assert!(!server.wants_bytes());
    assert!(matches!(server.poll_event(), Some(ServerEvent::Body(b)) if b == "hello"));
    assert!(server.wants_bytes());
}

#[test]
fn idle_connection_is_closed_after_the_idle_time_without_a_word() {
    let mut server = server();
    assert_eq!(server.poll_timeout(), Some(Instant::from_secs(60)));
    feed(&mut server, 5_000, GET);
    request(&mut server);
    until_end(&mut server);
    assert_eq!(
        server.poll_timeout(),
        None,
        "the application may take its time"
    );
    answer(&mut server, 8_000, "");
    sent(&mut server, 8_000);
    assert_eq!(server.poll_timeout(), Some(Instant::from_secs(68)));
    server.handle_timeout(Instant::from_secs(67));
    assert_eq!(server.closing(), Closing::Open, "called early: nothing");
    server.handle_timeout(Instant::from_secs(68));
    assert_eq!(server.closing(), Closing::Finish);
    assert_eq!(sent(&mut server, 68_000), "");
}

#[test]
fn head_dribbling_in_is_answered_408_counted_from_its_first_byte() {
    let mut server = server();
    feed(&mut server, 1_000, "GET / HT");
    assert_eq!(server.poll_timeout(), Some(Instant::from_secs(21)));
    feed(&mut server, 20_000, "TP/1.1\r\nHost:");
    assert_eq!(server.poll_timeout(), Some(Instant::from_secs(21)));
    server.handle_timeout(Instant::from_secs(21));
    assert!(matches!(
        server.poll_event(),
        Some(ServerEvent::Rejected(Reject::Timeout))
    ));
    let sent = sent(&mut server, 21_000);
    assert!(
        sent.starts_with("HTTP/1.1 408 Request Timeout\r\n"),
        "{sent}"
    );
    assert!(sent.contains("\r\nconnection: close\r\n"), "{sent}");
}

#[test]
fn body_that_stops_coming_is_answered_408_and_each_piece_buys_time() {
    let mut server = server();
    feed(
        &mut server,
        0,
        "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n",
    );
    request(&mut server);
    assert!(server.poll_event().is_none());
    assert_eq!(server.poll_timeout(), Some(Instant::from_secs(30)));
    feed(&mut server, 29_000, "x");
    assert!(matches!(server.poll_event(), Some(ServerEvent::Body(_))));
    assert!(server.poll_event().is_none());
    assert_eq!(server.poll_timeout(), Some(Instant::from_secs(59)));
    server.handle_timeout(Instant::from_secs(59));
    assert!(matches!(
        server.poll_event(),
        Some(ServerEvent::Rejected(Reject::Timeout))
    ));
    assert!(sent(&mut server, 59_000).starts_with("HTTP/1.1 408 "));
}

#[test]
fn refused_message_is_read_on_for_a_while_then_let_go() {
    let mut server = server();
    feed(&mut server, 0, "GET / HTTP/1.1\r\n\r\n");
    assert!(matches!(
        server.poll_event(),
        Some(ServerEvent::Rejected(Reject::HostMissing))
    ));
    assert!(sent(&mut server, 0).starts_with("HTTP/1.1 400 "));
    assert_eq!(server.closing(), Closing::Finish);
    server.handle_finished(at(10));
    assert_eq!(server.closing(), Closing::Linger);
    assert!(server.wants_bytes());
    let verdict = server.handle_bytes(at(500), Bytes::from_static(b"more"));
    assert_eq!(verdict.drop_reason(), Some(DropReason::HttpClosed));
    assert_eq!(server.poll_timeout(), Some(at(2_010)));
    server.handle_timeout(at(2_010));
    assert_eq!(server.closing(), Closing::Gone);
}

#[test]
fn refused_message_whose_sender_finishes_is_let_go_at_once() {
    let mut server = server();
    feed(&mut server, 0, "\0");
    server.poll_event();
    sent(&mut server, 0);
    server.handle_finished(at(10));
    server.handle_eof(at(20));
    assert_eq!(server.closing(), Closing::Gone);
    assert_eq!(server.poll_timeout(), None);
}

#[test]
fn verdict_names_the_rule_and_its_source() {
    let mut server = server();
    let verdict = server.handle_bytes(
        at(0),
        Bytes::from_static(b"GET / HTTP/1.1\nHost: a\r\n\r\n"),
    );
    assert_eq!(verdict.drop_reason(), Some(DropReason::HttpFraming));
    assert_eq!(verdict.rule.to_string(), "http:bare-lf (RFC 9112 2.2)");
}

#[test]
fn client_that_waits_is_told_to_continue_when_its_body_is_wanted() {
    let head = "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    let mut server = server();
    feed(&mut server, 0, head);
    request(&mut server);
    assert!(server.poll_event().is_none());
    assert_eq!(sent(&mut server, 0), "");
    assert_eq!(
        server.poll_timeout(),
        None,
        "it is our turn, not the client's"
    );
    server.accept_body();
    server.accept_body();
    assert_eq!(sent(&mut server, 0), "HTTP/1.1 100 Continue\r\n\r\n");
    feed(&mut server, 1, "hi");
    assert_eq!(until_end(&mut server), 2);
    answer(&mut server, 1, "");
    assert_eq!(sent(&mut server, 1), ok(""));
    assert_eq!(server.closing(), Closing::Open);
}

#[test]
fn client_that_does_not_wait_after_all_is_spared_the_100() {
    let mut server = server();
    feed(
        &mut server,
        0,
        "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi",
    );
    request(&mut server);
    server.accept_body();
    assert_eq!(sent(&mut server, 0), "");
    assert_eq!(until_end(&mut server), 2);
}

#[test]
fn client_that_waits_and_is_refused_finds_the_connection_closed() {
    let mut server = server();
    feed(
        &mut server,
        0,
        "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n",
    );
    request(&mut server);
    let none = BodyLength::Exact(0);
    server
        .respond(at(0), StatusCode::FORBIDDEN, &HeaderMap::new(), none)
        .unwrap();
    server.finish(None).unwrap();
    // RFC 9110 section 10.1.1: whether the body still comes is the client's choice, so nothing may follow.
    assert!(sent(&mut server, 0).contains("connection: close\r\n"));
    assert_eq!(server.closing(), Closing::Finish);
}

#[test]
fn http10_client_that_expects_is_not_sent_a_1xx() {
    let mut server = server();
    feed(
        &mut server,
        0,
        "PUT / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n",
    );
    request(&mut server);
    server.accept_body();
    server
        .inform(StatusCode::PROCESSING, &HeaderMap::new())
        .unwrap();
    assert_eq!(sent(&mut server, 0), "");
}

#[test]
fn short_unread_body_is_swallowed_and_the_connection_kept() {
    let mut server = server();
    feed(
        &mut server,
        0,
        "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe",
    );
    request(&mut server);
    answer(&mut server, 0, "");
    assert_eq!(server.closing(), Closing::Open);
    feed(&mut server, 1, "llo");
    assert!(server.poll_event().is_none());
    feed(&mut server, 2, GET);
    assert_eq!(request(&mut server).target(), "/");
}

#[test]
fn long_unread_body_costs_the_connection() {
    let mut server = server();
    feed(
        &mut server,
        0,
        "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\nhe",
    );
    request(&mut server);
    answer(&mut server, 0, "");
    assert_eq!(server.closing(), Closing::Finish);
    assert_eq!(sent(&mut server, 0), ok(""));
}

#[test]
fn endless_unread_chunks_cost_the_connection() {
    let mut config = quiet();
    config.limits.drain = 1000;
    let mut server = Server::new(config, at(0));
    feed(
        &mut server,
        0,
        "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    );
    request(&mut server);
    answer(&mut server, 0, "");
    for _ in 0..11 {
        assert_eq!(server.closing(), Closing::Open);
        feed(&mut server, 0, &format!("64\r\n{}\r\n", "x".repeat(100)));
        assert!(server.poll_event().is_none());
    }
    assert_eq!(server.closing(), Closing::Finish);
}

#[test]
fn bad_chunk_after_the_answer_began_breaks_the_answer_off() {
    let mut server = server();
    feed(
        &mut server,
        0,
        "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    );
    request(&mut server);
    server
        .respond(
            at(0),
            StatusCode::OK,
            &HeaderMap::new(),
            BodyLength::Unknown,
        )
        .unwrap();
    server.write(Bytes::from_static(b"abc")).unwrap();
    feed(&mut server, 0, "zz\r\n");
    assert!(matches!(
        server.poll_event(),
        Some(ServerEvent::Rejected(Reject::ChunkSize))
    ));
    assert!(matches!(
        server.write(Bytes::new()),
        Err(SendError::OutOfTurn(_))
    ));
    let sent = sent(&mut server, 0);
    assert!(
        sent.ends_with("\r\n\r\n3\r\nabc\r\n"),
        "no last chunk, no second answer: {sent}"
    );
    assert_eq!(server.closing(), Closing::Finish);
}

#[test]
fn peer_that_finished_is_still_answered_then_closed() {
    let mut server = server();
    feed(&mut server, 0, &GET.repeat(2));
    server.handle_eof(at(0));
    for _ in 0..2 {
        request(&mut server);
        until_end(&mut server);
        answer(&mut server, 0, "x");
    }
    assert!(server.poll_event().is_none());
    assert_eq!(server.closing(), Closing::Finish);
    assert_eq!(sent(&mut server, 0), ok("x").repeat(2));
    server.handle_finished(at(0));
    assert_eq!(server.closing(), Closing::Gone);
}

#[test]
fn shutdown_lets_the_exchange_under_way_end() {
    let mut idle = server();
    idle.shutdown();
    assert_eq!(idle.closing(), Closing::Finish);

    let mut busy = server();
    feed(&mut busy, 0, &GET.repeat(2));
    request(&mut busy);
    until_end(&mut busy);
    busy.shutdown();
    assert_eq!(busy.closing(), Closing::Open);
    answer(&mut busy, 0, "x");
    assert!(sent(&mut busy, 0).contains("connection: close\r\n"));
    assert_eq!(busy.closing(), Closing::Finish);
}

/// Plays one script; what was sent, and a digest after every step.
fn script() -> (String, Vec<u64>) {
    let mut server = Server::new(ServerConfig::default(), at(0));
    let mut all = String::new();
    let mut digests = Vec::new();
    let pieces = [
        GET,
        "PUT /x HTTP/1.1\r\nHost: a\r\nContent-Le",
        "ngth: 3\r\n\r\nabcGET",
        " bad\r\n\r\n",
    ];
    for (step, piece) in pieces.into_iter().enumerate() {
        let now = step as u64 * 100;
        feed(&mut server, now, piece);
        while let Some(event) = server.poll_event() {
            if matches!(event, ServerEvent::End) {
                answer(&mut server, now, "done");
            }
        }
        all += &sent(&mut server, now);
        let mut hasher = DefaultHasher::new();
        server.fingerprint(at(now), &mut hasher);
        digests.push(hasher.finish());
    }
    (all, digests)
}

#[test]
fn same_inputs_give_the_same_bytes_and_digests() {
    let (first, digests) = script();
    assert_eq!((first, digests.clone()), script());
    let mut distinct = digests.clone();
    distinct.dedup();
    assert_eq!(distinct, digests, "every step changed something");
}

#[test]
fn forked_connection_goes_on_like_the_original() {
    let mut server = server();
    feed(&mut server, 0, "GET /a HTTP/1.1\r\nHo");
    let mut fork = server.clone();
    for one in [&mut server, &mut fork] {
        feed(one, 1, "st: a\r\n\r\n");
        assert_eq!(request(one).target(), "/a");
    }
}
