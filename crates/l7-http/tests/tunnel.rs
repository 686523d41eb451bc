//! CONNECT: a connection that becomes a tunnel (RFC 9110 section 9.3.6), or does not.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use core::convert::Infallible;
use core::time::Duration;

use bytes::Bytes;
use common::story::{GET, at, feed, quiet, request, sent, until_end};
use common::world::{World, pipe};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use outcrop_http::Body;
use outcrop_http::h1::{
    BodyLength, Closing, Prepared, Reject, SendError, Server, ServerConfig, ServerEvent,
};
use outcrop_http::serve::{self, Config, ConnectionInfo, Upgrade};

const CONNECT: &str = "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n";

fn proxy() -> Server {
    let config = ServerConfig {
        connect: true,
        ..quiet()
    };
    Server::new(config, at(0))
}

fn rejected(server: &mut Server, bytes: &str) -> Option<Reject> {
    feed(server, 0, bytes);
    match server.poll_event() {
        Some(ServerEvent::Rejected(reject)) => Some(reject),
        Some(ServerEvent::Request(_)) => None,
        other => panic!("neither but {other:?}"),
    }
}

#[test]
fn request_for_a_tunnel_granted_the_connection_is_bytes_and_the_answer_says_nothing_of_length() {
    let mut server = proxy();
    // What was eager is not lost.
    feed(&mut server, 0, &format!("{CONNECT}\x16hello"));
    let head = request(&mut server);
    assert!(head.asks_for_tunnel() && !head.offers_upgrade());
    assert_eq!(
        (head.target(), head.host()),
        ("a.test:443", Some("a.test:443"))
    );
    let uri = head.to_http().unwrap().uri().clone();
    assert_eq!((uri.host(), uri.port_u16()), (Some("a.test"), Some(443)));
    let fields = HeaderMap::from_iter([
        (header::CONTENT_LENGTH, HeaderValue::from(5)),
        (
            header::TRANSFER_ENCODING,
            HeaderValue::from_static("chunked"),
        ),
        (header::VIA, HeaderValue::from_static("1.1 us")),
    ]);
    server.tunnel(at(0), StatusCode::OK, &fields).unwrap();
    assert_eq!(
        sent(&mut server, 0),
        "HTTP/1.1 200 OK\r\nvia: 1.1 us\r\n\r\n"
    );
    let Some(ServerEvent::Body(data)) = server.poll_event() else {
        panic!("no bytes")
    };
    assert_eq!(data, "\x16hello");
    // What would be a request is none any more, and silence is nobody's business.
    feed(&mut server, 5, GET);
    assert!(matches!(server.poll_event(), Some(ServerEvent::Body(data)) if data == GET));
    assert_eq!(server.poll_timeout(), None);
    server.write(Bytes::from_static(b"\0raw")).unwrap();
    assert_eq!(sent(&mut server, 9), "\0raw");
    server.finish(None).unwrap();
    assert_eq!(server.closing(), Closing::Finish);
}

#[test]
fn request_for_a_tunnel_refused_the_connection_goes_on_as_http() {
    let mut server = proxy();
    feed(&mut server, 0, CONNECT);
    request(&mut server);
    until_end(&mut server);
    let none = BodyLength::Exact(0);
    server
        .respond(at(0), StatusCode::FORBIDDEN, &HeaderMap::new(), none)
        .unwrap();
    server.finish(None).unwrap();
    assert_eq!(
        sent(&mut server, 0),
        "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n"
    );
    feed(&mut server, 1, GET);
    assert!(!request(&mut server).asks_for_tunnel());
}

#[test]
fn success_that_opens_no_tunnel_and_tunnel_that_is_no_success_are_refused() {
    let none = BodyLength::Exact(0);
    let mut server = proxy();
    feed(&mut server, 0, CONNECT);
    request(&mut server);
    let fields = HeaderMap::new();
    let wrong = Err(SendError::WrongClass);
    assert_eq!(server.respond(at(0), StatusCode::OK, &fields, none), wrong);
    let page = Prepared::new(StatusCode::OK, &fields, Bytes::from_static(b"page"));
    assert_eq!(server.respond_prepared(at(0), &page), wrong);
    assert_eq!(server.tunnel(at(0), StatusCode::FOUND, &fields), wrong);
    assert_eq!(server.switch(at(0), &fields), wrong);
    assert_eq!(sent(&mut server, 0), "", "nothing of it left");
    let mut server = proxy();
    feed(&mut server, 0, GET);
    request(&mut server);
    assert_eq!(server.tunnel(at(0), StatusCode::OK, &fields), wrong);
}

#[test]
fn target_that_is_not_host_and_port_or_a_server_that_is_no_proxy_is_refused() {
    let with = |target: &str| format!("CONNECT {target} HTTP/1.1\r\nHost: h\r\n\r\n");
    for target in ["a.test:1", "[fd77::1]:443", "10.0.0.1:65535"] {
        assert_eq!(rejected(&mut proxy(), &with(target)), None, "{target}");
    }
    for target in [
        "a.test",
        "a.test:",
        "a.test:0",
        "a.test:65536",
        "a.test:x",
        ":443",
        "/",
        "*",
        "http://a.test:443/",
        "u@a.test:443",
        "a.test:443/x",
        "fd77::1:443",
    ] {
        let reject = rejected(&mut proxy(), &with(target));
        assert_eq!(reject, Some(Reject::BadTarget), "{target}");
    }
    let mut origin = Server::new(quiet(), at(0));
    assert_eq!(rejected(&mut origin, CONNECT), Some(Reject::MethodUnknown));
}

#[test]
fn request_for_a_tunnel_with_a_body_is_none() {
    for field in ["Content-Length: 1", "Transfer-Encoding: chunked"] {
        let mut server = proxy();
        feed(
            &mut server,
            0,
            &CONNECT.replace("\r\n\r\n", &format!("\r\n{field}\r\n\r\n")),
        );
        assert!(!request(&mut server).asks_for_tunnel(), "{field}");
        let tunnel = server.tunnel(at(0), StatusCode::OK, &HeaderMap::new());
        assert_eq!(tunnel, Err(SendError::WrongClass));
    }
}

/// Sends back what comes out of the tunnel, unless the place is forbidden.
async fn grant(request: Request<Body>) -> Result<Response<Body>, Infallible> {
    let offered = request.extensions().get::<Upgrade>();
    let offered = offered.and_then(Upgrade::take).unwrap_or_default();
    let mut response = Response::new(offered);
    if request.uri().host() != Some("a.test") {
        *response.status_mut() = StatusCode::FORBIDDEN;
        *response.body_mut() = Body::from("no");
    }
    Ok(response)
}

#[test]
fn service_that_grants_a_tunnel_is_silent_for_hours_and_ends_with_the_client() {
    use futures_task::{LocalFutureObj, LocalSpawn as _};

    let mut world = World::new();
    let (end, client) = pipe(1 << 16);
    let mut config = Config::default();
    (config.http.server_name, config.http.connect) = ("", true);
    let connection = serve::service(
        end.cut_at(3),
        world.clock.clone(),
        tower::service_fn(grant),
        config,
        ConnectionInfo::default(),
    );
    let task = async move { assert_eq!(connection.await.unwrap().requests, 2) };
    let task = LocalFutureObj::new(Box::new(task));
    world.pool.spawner().spawn_local_obj(task).unwrap();
    client.write_now(b"CONNECT b.test:443 HTTP/1.1\r\nHost: b.test:443\r\n\r\n");
    world.settle();
    let refused = String::from_utf8(client.read_now()).unwrap();
    assert!(
        refused.starts_with("HTTP/1.1 403 ") && refused.ends_with("\r\n\r\nno"),
        "{refused}"
    );
    client.write_now(CONNECT.as_bytes());
    world.settle();
    assert_eq!(client.read_now(), b"HTTP/1.1 200 OK\r\n\r\n");
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
