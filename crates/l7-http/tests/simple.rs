//! HTTP/0.9, for the lesson (1991; RFC 1945 sections 4.1 and 5): a path in, a page out, and the end.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use common::story::{GET, answer, at, feed, ok, quiet, request, sent, until_end};
use http::{HeaderMap, StatusCode, Version};
use outcrop_http::h1::{BodyLength, Closing, Reject, Server, ServerConfig, ServerEvent};
use outcrop_http::pages;

fn old() -> Server {
    let config = ServerConfig {
        http09: true,
        ..quiet()
    };
    Server::new(config, at(0))
}

#[test]
fn path_alone_is_answered_with_the_page_alone_and_the_end() {
    for cut in 0.."GET /a?b\r\n".len() {
        let mut server = old();
        let (first, second) = "GET /a?b\r\n".split_at(cut);
        feed(&mut server, 0, first);
        feed(&mut server, 1, second);
        let head = request(&mut server);
        assert_eq!((head.target(), head.version()), ("/a?b", Version::HTTP_09));
        assert_eq!(head.host(), None);
        until_end(&mut server);
        answer(&mut server, 1, "hello");
        assert_eq!(sent(&mut server, 1), "hello");
        assert_eq!(server.closing(), Closing::Finish);
    }
}

#[test]
fn errors_and_pages_made_before_and_of_unknown_length_come_without_a_head_too() {
    let mut server = old();
    feed(&mut server, 0, "GET /a\r\n");
    request(&mut server);
    let page = pages::error(StatusCode::NOT_FOUND);
    server.respond_prepared(at(0), &page).unwrap();
    assert_eq!(sent(&mut server, 0).as_bytes(), &page.body()[..]);
    let mut server = old();
    feed(&mut server, 0, "GET /a\r\n");
    request(&mut server);
    // A 1xx would be taken for the page.
    server
        .inform(StatusCode::EARLY_HINTS, &HeaderMap::new())
        .unwrap();
    server
        .respond(
            at(0),
            StatusCode::OK,
            &HeaderMap::new(),
            BodyLength::Unknown,
        )
        .unwrap();
    server.write("in ".into()).unwrap();
    server.write("pieces".into()).unwrap();
    server.finish(None).unwrap();
    assert_eq!(sent(&mut server, 0), "in pieces", "not in chunks");
    assert_eq!(server.closing(), Closing::Finish);
}

#[test]
fn what_follows_the_line_is_no_request() {
    let mut server = old();
    feed(&mut server, 0, &format!("GET /a\r\n{GET}"));
    request(&mut server);
    until_end(&mut server);
    answer(&mut server, 0, "hello");
    assert_eq!(sent(&mut server, 0), "hello");
    assert!(server.poll_event().is_none());
}

#[test]
fn line_without_a_version_is_refused_where_nobody_asked_for_it_or_later_or_if_it_is_another() {
    let refused = |mut server: Server, bytes: &str| {
        feed(&mut server, 0, bytes);
        let event = server.poll_event();
        assert!(
            sent(&mut server, 0).starts_with("HTTP/1.1 400 "),
            "{bytes:?}: with a head"
        );
        match event {
            Some(ServerEvent::Rejected(reject)) => reject,
            other => panic!("no refusal but {other:?}"),
        }
    };
    assert_eq!(
        refused(Server::new(quiet(), at(0)), "GET /a\r\n"),
        Reject::BadStartLine
    );
    for other in [
        "HEAD /a\r\n",
        "GET a\r\n",
        "GET\r\n",
        "GET http://a/\r\n",
        "GET /a \r\n",
        "get /a\r\n",
    ] {
        let _any = refused(old(), other);
    }
    let mut server = old();
    feed(&mut server, 0, GET);
    request(&mut server);
    until_end(&mut server);
    answer(&mut server, 0, "one");
    assert_eq!(sent(&mut server, 0), ok("one"));
    assert_eq!(refused(server, "GET /a\r\n"), Reject::BadStartLine);
}
