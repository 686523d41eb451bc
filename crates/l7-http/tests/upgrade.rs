//! Leaving HTTP: offers, acceptances, and what follows (RFC 9110 section 7.8).
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use core::convert::Infallible;
use core::time::Duration;

use bytes::Bytes;
use common::story::{GET, answer, at, feed, ok, request, sent, server, until_end};
use common::world::{World, pipe};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use outcrop_http::Body;
use outcrop_http::h1::{Closing, SendError, Server, ServerEvent};
use outcrop_http::serve::{self, Config, ConnectionInfo, Upgrade};

const OFFER: &str =
    "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: echo/1\r\n\r\n";

fn to(protocol: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(header::UPGRADE, HeaderValue::from_static(protocol))])
}

fn body(server: &mut Server) -> Bytes {
    match server.poll_event() {
        Some(ServerEvent::Body(data)) => data,
        other => panic!("no bytes but {other:?}"),
    }
}

#[test]
fn offer_accepted_turns_the_connection_into_bytes_both_ways() {
    let mut server = server();
    feed(&mut server, 0, OFFER);
    assert!(request(&mut server).offers_upgrade());
    until_end(&mut server);
    server.switch(at(0), &to("echo/1")).unwrap();
    let head = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo/1\r\n\r\n";
    assert_eq!(sent(&mut server, 0), head);
    // What would be a request is none any more, and silence is nobody's business.
    feed(&mut server, 5, GET);
    assert_eq!(body(&mut server), GET);
    assert_eq!(server.poll_timeout(), None);
    server.write(Bytes::from_static(b"\0raw")).unwrap();
    assert_eq!(sent(&mut server, 3_600_000), "\0raw");
    server.handle_eof(at(3_600_000));
    assert!(matches!(server.poll_event(), Some(ServerEvent::End)));
    assert_eq!(
        server.closing(),
        Closing::Open,
        "our side is not finished yet"
    );
    server.finish(None).unwrap();
    assert_eq!(server.closing(), Closing::Finish);
    server.handle_finished(at(3_600_001));
    assert_eq!(server.closing(), Closing::Gone);
}

#[test]
fn bytes_behind_the_offer_belong_to_the_other_protocol() {
    let mut server = server();
    feed(&mut server, 0, &format!("{OFFER}eager"));
    request(&mut server);
    server.switch(at(0), &to("echo/1")).unwrap();
    assert_eq!(body(&mut server), "eager");
}

#[test]
fn offer_answered_otherwise_is_declined_and_the_connection_goes_on() {
    let mut server = server();
    feed(&mut server, 0, OFFER);
    request(&mut server);
    until_end(&mut server);
    answer(&mut server, 0, "no");
    assert_eq!(sent(&mut server, 0), ok("no"));
    feed(&mut server, 1, GET);
    assert!(!request(&mut server).offers_upgrade());
}

#[test]
fn switch_without_an_offer_or_without_a_protocol_is_refused() {
    for head in [
        GET,
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n\r\n",
        "GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nx",
    ] {
        let mut server = server();
        feed(&mut server, 0, head);
        assert!(!request(&mut server).offers_upgrade(), "{head}");
        assert_eq!(server.switch(at(0), &to("x")), Err(SendError::WrongClass));
    }
    let mut server = server();
    feed(&mut server, 0, OFFER);
    request(&mut server);
    let nothing = server.switch(at(0), &HeaderMap::new());
    assert_eq!(nothing, Err(SendError::WrongClass));
}

/// Sends back what came after the 101.
async fn echo(request: Request<Body>) -> Result<Response<Body>, Infallible> {
    let offered = request
        .extensions()
        .get::<Upgrade>()
        .and_then(Upgrade::take);
    let mut response = Response::new(offered.unwrap_or_default());
    if request.uri().path() == "/chat" {
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        *response.headers_mut() = to("echo/1");
    }
    Ok(response)
}

#[test]
fn service_that_accepts_an_offer_speaks_for_hours_until_the_client_ends() {
    use futures_task::{LocalFutureObj, LocalSpawn as _};

    let mut world = World::new();
    let (end, client) = pipe(1 << 16);
    let service = tower::service_fn(echo);
    let mut config = Config::default();
    config.http.server_name = "";
    let connection = serve::service(
        end.cut_at(3),
        world.clock.clone(),
        service,
        config,
        ConnectionInfo::default(),
    );
    let task = async move { assert_eq!(connection.await.unwrap().requests, 1) };
    let task = LocalFutureObj::new(Box::new(task));
    world.pool.spawner().spawn_local_obj(task).unwrap();
    client.write_now(OFFER.as_bytes());
    world.settle();
    let head = String::from_utf8(client.read_now()).unwrap();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    for word in ["one", "and another"] {
        world.pass(Duration::from_secs(3600));
        client.write_now(word.as_bytes());
        world.settle();
        assert_eq!(client.read_now(), word.as_bytes());
    }
    client.close_now();
    world.settle();
    assert!(client.peer_closed());
}
