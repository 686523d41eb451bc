//! Pipelining from both ends: several requests before the first answer, answers in their order.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use core::cell::RefCell;
use core::convert::Infallible;
use core::time::Duration;
use std::rc::Rc;

use bytes::Bytes;
use common::story::{at, feed, request, server, until_end};
use common::world::{World, pipe};
use futures_task::{LocalFutureObj, LocalSpawn as _};
use http::{Method, Request, Response};
use outcrop_base::Instant;
use outcrop_http::client;
use outcrop_http::h1::{Client, ClientConfig, ClientError, ClientEvent, SendError, ServerConfig};
use outcrop_http::serve::{self, About, Config, ConnectionInfo};
use outcrop_http::{Body, Sleep as _};

fn ask(path: &str) -> Request<()> {
    Request::get(format!("http://h/{path}")).body(()).unwrap()
}

fn sent(client: &mut Client) -> String {
    let mut all = Vec::new();
    while let Some(bytes) = client.poll_transmit(at(0)) {
        all.extend_from_slice(&bytes);
    }
    String::from_utf8(all).unwrap()
}

fn answers(client: &mut Client, bytes: &str, cut: usize) -> String {
    let mut heard = String::new();
    for piece in bytes.as_bytes().chunks(cut) {
        let _verdict = client.handle_bytes(at(1), Bytes::copy_from_slice(piece));
        while let Some(event) = client.poll_event() {
            match event {
                ClientEvent::Response(head) => heard += &format!("{} ", head.status().as_u16()),
                ClientEvent::Body(data) => heard += core::str::from_utf8(&data).unwrap(),
                ClientEvent::End => heard += ".",
                ClientEvent::Informational(_)
                | ClientEvent::Trailers(_)
                | ClientEvent::Failed(_) => heard += "?",
            }
        }
    }
    heard
}

const TWO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\none";
const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n";
const CHUNKED: &str =
    "HTTP/1.1 404 Not Found\r\ntransfer-encoding: chunked\r\n\r\n5\r\nthree\r\n0\r\n\r\n";

#[test]
fn three_requests_sent_at_once_their_answers_are_told_apart_by_their_methods() {
    for cut in [1, 7, 1000] {
        let mut client = Client::new(ClientConfig::default(), at(0));
        client.pipeline(at(0), &ask("1")).unwrap();
        let head = Request::head("http://h/2").body(()).unwrap();
        client.pipeline(at(0), &head).unwrap();
        client.pipeline(at(0), &ask("3")).unwrap();
        assert_eq!(client.unanswered(), 3);
        let want = "GET /1 HTTP/1.1\r\nhost: h\r\n\r\nHEAD /2 HTTP/1.1\r\nhost: h\r\n\r\nGET /3 HTTP/1.1\r\nhost: h\r\n\r\n";
        assert_eq!(sent(&mut client), want);
        // The answer to HEAD announces a length and has none (RFC 9110 section 9.3.2).
        let heard = answers(&mut client, &format!("{TWO}{HEAD}{CHUNKED}"), cut);
        assert_eq!(heard, "200 one.200 .404 three.", "{cut}");
        assert!(client.unanswered() == 0 && client.reusable());
    }
}

#[test]
fn depth_method_or_body_in_the_way_a_request_is_not_sent_ahead() {
    let config = ClientConfig {
        pipeline: 1,
        ..ClientConfig::default()
    };
    let mut client = Client::new(config.clone(), at(0));
    client.pipeline(at(0), &ask("1")).unwrap();
    client.pipeline(at(0), &ask("2")).unwrap();
    assert_eq!(client.pipeline(at(0), &ask("3")), Err(SendError::Full));
    // RFC 9112 section 9.3.2: not behind, and not with, a method that is not idempotent.
    for (first, second) in [(Method::POST, Method::GET), (Method::GET, Method::POST)] {
        let mut client = Client::new(config.clone(), at(0));
        let of = |method: &Method| {
            let request = Request::builder().method(method).uri("http://h/");
            request.body(()).unwrap()
        };
        client.pipeline(at(0), &of(&first)).unwrap();
        let refused = client.pipeline(at(0), &of(&second));
        assert!(matches!(refused, Err(SendError::OutOfTurn(_))), "{first}");
    }
}

#[test]
fn server_ends_after_the_first_answer_the_others_are_unanswered() {
    let mut client = Client::new(ClientConfig::default(), at(0));
    for path in ["1", "2", "3"] {
        client.pipeline(at(0), &ask(path)).unwrap();
    }
    let last = TWO.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n");
    assert_eq!(
        answers(&mut client, &last, 1000),
        "200 one.?",
        "and the failure"
    );
    assert!(client.unanswered() == 2 && !client.reusable());
    // The same by a mere end of the stream: the second one hears of it.
    let mut client = Client::new(ClientConfig::default(), at(0));
    for path in ["1", "2"] {
        client.pipeline(at(0), &ask(path)).unwrap();
    }
    assert_eq!(answers(&mut client, TWO, 1000), "200 one.");
    client.handle_eof(at(2));
    assert!(matches!(
        client.poll_event(),
        Some(ClientEvent::Failed(ClientError::NoAnswer))
    ));
}

#[test]
fn silence_after_the_first_answer_is_counted_from_it() {
    let mut client = Client::new(ClientConfig::default(), at(0));
    client.pipeline(at(0), &ask("1")).unwrap();
    client.pipeline(at(0), &ask("2")).unwrap();
    let _all = sent(&mut client);
    assert_eq!(answers(&mut client, TWO, 1000), "200 one.");
    // The answer came at one millisecond; a minute is the default.
    assert_eq!(client.poll_timeout(), Some(at(60_001)));
}

#[test]
fn what_may_begin_early_is_safe_without_a_body_and_complete() {
    let get = "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n";
    let rows = [
        (get, true),
        ("HEAD /2 HTTP/1.1\r\nHost: a\r\n\r\n", true),
        ("GET /2 HTTP/1.1\r\nHost: a\r\n", false),
        ("DELETE /2 HTTP/1.1\r\nHost: a\r\n\r\n", false),
        (
            "GET /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
            false,
        ),
        (
            "GET /2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            false,
        ),
        ("GET /2 HTTP/1.0\r\n\r\n", false),
        ("GET /2 HTTP/1.1\r\n\r\n", false),
        (
            "GET /2 HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
            false,
        ),
        ("\r\n\r\n", false),
    ];
    for (second, may) in rows {
        let mut server = server();
        feed(&mut server, 0, &format!("{get}{second}"));
        assert!(server.ahead(0).is_none(), "the first is not under way");
        let _head = request(&mut server);
        until_end(&mut server);
        let found = server.ahead(0);
        assert_eq!(found.is_some(), may, "{second:?}");
        if let Some((head, bytes)) = found {
            assert_eq!((head.path(), bytes), ("/2", second.len()));
            assert!(server.ahead(bytes).is_none());
        }
    }
}

type Begun = Rc<RefCell<Vec<String>>>;

/// A service that takes as many milliseconds as the path says.
fn slow(
    world: &World,
    begun: &Begun,
) -> impl tower_service::Service<
    Request<Body>,
    Response = Response<Body>,
    Error = Infallible,
    Future: 'static,
> + Clone
+ 'static {
    let (clock, begun) = (world.clock.clone(), Rc::clone(begun));
    tower::service_fn(move |request: Request<Body>| {
        let mut clock = clock.clone();
        let path = request.uri().path().trim_start_matches('/').to_owned();
        let number = request.extensions().get::<About>().unwrap().request;
        begun.borrow_mut().push(format!("{path}#{number}"));
        async move {
            let until = clock.now() + Duration::from_millis(path.parse().unwrap());
            core::future::poll_fn(|cx| clock.poll_until(cx, until)).await;
            Ok(Response::new(Body::from(path)))
        }
    })
}

fn config(ahead: usize) -> Config {
    Config {
        http: ServerConfig {
            server_name: "",
            ..ServerConfig::default()
        },
        ahead,
        ..Config::default()
    }
}

/// What a client of these paths, all asked at once, has after so many milliseconds, and which had begun by then.
fn seen(ahead: usize, paths: &[&str], times: &[u64]) -> Vec<(String, usize)> {
    let mut world = World::new();
    let begun = Begun::default();
    let (here, there) = pipe(1 << 16);
    let app = slow(&world, &begun);
    let served = serve::service(
        there,
        world.clock.clone(),
        app,
        config(ahead),
        ConnectionInfo::default(),
    );
    let served = async move { drop(served.concurrent().await) };
    let served = LocalFutureObj::new(Box::new(served));
    world.pool.spawner().spawn_local_obj(served).unwrap();
    for path in paths {
        here.write_now(format!("GET /{path} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes());
    }
    let mut rows = Vec::new();
    let mut text = String::new();
    for time in times {
        let so_far = world.clock.now() - Instant::ZERO;
        world.pass(Duration::from_millis(*time) - so_far);
        text += &String::from_utf8(here.read_now()).unwrap();
        let bodies = text
            .split("HTTP/1.1 200 OK")
            .filter_map(|one| one.split("\r\n\r\n").nth(1));
        rows.push((bodies.collect::<Vec<_>>().join(" "), begun.borrow().len()));
    }
    rows
}

#[test]
fn later_handlers_done_first_answers_leave_in_the_order_of_the_requests() {
    let rows = seen(8, &["300", "100", "200"], &[250, 299, 301]);
    // All have begun at once; nothing leaves before the slowest, which is the first.
    assert_eq!(rows[0].1, 3);
    assert_eq!(rows[1].0, "");
    assert_eq!(rows[2].0, "300 100 200");
}

#[test]
fn depth_of_two_the_fourth_handler_begins_with_its_room() {
    let rows = seen(2, &["100", "100", "500", "100", "100"], &[50, 150, 700]);
    let begun: Vec<usize> = rows.iter().map(|row| row.1).collect();
    // The first and two behind it; at 100 ms two are answered, so the rest begins.
    assert_eq!(begun, [3, 5, 5]);
}

#[test]
fn without_leave_to_begin_early_one_after_the_other() {
    let rows = seen(0, &["100", "100"], &[50, 150, 250]);
    let begun: Vec<usize> = rows.iter().map(|row| row.1).collect();
    assert_eq!(begun, [1, 2, 2]);
}

#[test]
fn early_handler_is_told_its_place_and_dropped_with_the_connection() {
    let mut world = World::new();
    let begun = Begun::default();
    let (here, there) = pipe(1 << 16);
    let app = slow(&world, &begun);
    let served = serve::service(
        there,
        world.clock.clone(),
        app,
        config(8),
        ConnectionInfo::default(),
    );
    let ended = Rc::new(RefCell::new(false));
    let into = Rc::clone(&ended);
    let served = async move {
        drop(served.concurrent().await);
        *into.borrow_mut() = true;
    };
    let served = LocalFutureObj::new(Box::new(served));
    world.pool.spawner().spawn_local_obj(served).unwrap();
    here.write_now(b"GET /5000 HTTP/1.1\r\nHost: h\r\n\r\nGET /7000 HTTP/1.1\r\nHost: h\r\n\r\n");
    world.pass(Duration::from_millis(100));
    assert_eq!(*begun.borrow(), ["5000#1", "7000#2"]);
    drop(here);
    world.pass(Duration::from_millis(20_000));
    assert!(*ended.borrow());
    assert_eq!(Rc::strong_count(&begun), 1, "no handler is left");
}

#[test]
fn client_over_a_stream_hears_pipelined_answers_one_after_the_other() {
    let mut world = World::new();
    let begun = Begun::default();
    let (here, there) = pipe(1 << 16);
    let app = slow(&world, &begun);
    let served = serve::service(
        there,
        world.clock.clone(),
        app,
        config(8),
        ConnectionInfo::default(),
    );
    let served = LocalFutureObj::new(Box::new(async move { drop(served.concurrent().await) }));
    world.pool.spawner().spawn_local_obj(served).unwrap();
    let heard = Rc::new(RefCell::new(Vec::new()));
    let (into, clock) = (Rc::clone(&heard), world.clock.clone());
    let asking = async move {
        let mut client = client::Client::new(here, clock, ClientConfig::default());
        for path in ["30", "10", "20"] {
            client.pipeline(&ask(path)).unwrap();
        }
        while client.unanswered() > 0 {
            let head = client.answer().await.unwrap();
            let body = client.chunk().await.unwrap().unwrap();
            assert!(client.chunk().await.unwrap().is_none());
            into.borrow_mut().push((head.status().as_u16(), body));
        }
        assert!(core::future::poll_fn(|cx| core::task::Poll::Ready(client.poll_usable(cx))).await);
    };
    let asking = LocalFutureObj::new(Box::new(asking));
    world.pool.spawner().spawn_local_obj(asking).unwrap();
    world.pass(Duration::from_millis(50));
    let want = [(200, "30".into()), (200, "10".into()), (200, "20".into())];
    assert_eq!(*heard.borrow(), want);
}
