//! Tunnels and forwarded requests, both ends in memory, in virtual time.
#![expect(clippy::unwrap_used, reason = "tests")]

mod lab;

use core::convert::Infallible;
use core::time::Duration;

use http::Request;
use lab::{Lab, Wire, answer, spawn, wire};
use outcrop_http::Body;
use outcrop_http::serve::{self, Config as Serving, ConnectionInfo};
use outcrop_web::forward::Forward;
use outcrop_web::tunnel::{Allowed, Limits, Tunnels};

/// A client's end of a connection to a server that does `how` with its requests.
fn client<F, R>(lab: &Lab, how: F) -> Wire
where
    F: Fn(Request<Body>) -> R + Clone + 'static,
    R: Future<Output = http::Response<Body>> + 'static,
{
    let (end, client) = wire();
    let service = tower::service_fn(move |request| {
        let answer = how(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let mut config = Serving::default();
    (config.http.server_name, config.http.connect) = ("", true);
    let remote = Some("192.0.2.7:40000".parse().unwrap());
    let info = ConnectionInfo {
        remote,
        ..ConnectionInfo::default()
    };
    let served = serve::service(end, lab.tasks.clock.clone(), service, config, info);
    spawn(&lab.tasks, async move { drop(served.await) });
    client
}

fn tunnelling(lab: &Lab, tunnels: &Tunnels) -> Wire {
    let (tunnels, memory) = (tunnels.clone(), lab.memory.clone());
    client(lab, move |request| {
        let (tunnels, memory) = (tunnels.clone(), memory.clone());
        async move { tunnels.answer(request, &memory).await }
    })
}

fn text(end: &Wire) -> String {
    String::from_utf8(end.read_now()).unwrap()
}

fn list(places: &[&str]) -> Vec<Allowed> {
    places.iter().map(|place| place.parse().unwrap()).collect()
}

const CONNECT: &[u8] = b"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n";
const OPENED: &str = "HTTP/1.1 200 OK\r\n\r\n";

#[test]
fn tunnel_opened_what_each_side_says_the_other_hears_and_an_end_is_passed_on() {
    let mut lab = Lab::new();
    let tunnels = Tunnels::new(list(&["a.test:443"]), Limits::default());
    let client = tunnelling(&lab, &tunnels);
    client.write_now(&[CONNECT, b"eager"].concat());
    let there = lab.end();
    lab.tasks.settle();
    assert_eq!(
        (text(&client).as_str(), text(&there).as_str()),
        (OPENED, "eager")
    );
    there.write_now(b"\0answer");
    lab.tasks.settle();
    assert_eq!(text(&client), "\0answer");
    assert_eq!(tunnels.open(), 1);
    // The client has said all; the answer still comes.
    client.write_now(b"last");
    client.close_now();
    lab.tasks.settle();
    assert!(there.peer_closed());
    assert_eq!(text(&there), "last");
    there.write_now(b"the rest");
    lab.tasks.settle();
    assert_eq!(text(&client), "the rest");
    there.close_now();
    lab.tasks.settle();
    assert!(client.peer_closed());
    assert_eq!(tunnels.open(), 0);
}

#[test]
fn far_side_that_ends_first_all_it_said_arrives_before_the_end() {
    let mut lab = Lab::new();
    let tunnels = Tunnels::new(list(&["*:443"]), Limits::default());
    let client = tunnelling(&lab, &tunnels);
    client.write_now(CONNECT);
    let there = lab.end();
    there.write_now(&[b'x'; 100_000]);
    there.close_now();
    let mut got = 0;
    while !client.peer_closed() {
        lab.tasks.settle();
        got += client.read_now().len();
    }
    assert_eq!(got + client.read_now().len(), OPENED.len() + 100_000);
    assert_eq!(tunnels.open(), 0);
}

#[test]
fn place_not_on_the_list_is_forbidden_one_that_is_not_there_a_bad_gateway_and_both_go_on() {
    let mut lab = Lab::new();
    let tunnels = Tunnels::new(list(&["a.test:443", "a.test:9"]), Limits::default());
    let client = tunnelling(&lab, &tunnels);
    for (place, status) in [
        ("b.test:443", "403 Forbidden"),
        ("a.test:25", "403 Forbidden"),
        ("a.test:9", "502 Bad Gateway"),
    ] {
        client.write_now(format!("CONNECT {place} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes());
        lab.tasks.settle();
        let said = text(&client);
        assert!(
            said.starts_with(&format!("HTTP/1.1 {status}\r\n")),
            "{place}: {said}"
        );
    }
    client.write_now(b"CONNECT a.test:443 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    lab.end();
    assert!(text(&client).starts_with("HTTP/1.1 200 "));
}

#[test]
fn tunnels_are_so_many_and_last_so_long() {
    let mut lab = Lab::new();
    let limits = Limits {
        at_once: 1,
        connect: Duration::from_secs(3),
        idle: Duration::from_secs(60),
        whole: Duration::from_secs(150),
    };
    let tunnels = Tunnels::new(list(&["a.test:443"]), limits);
    let first = tunnelling(&lab, &tunnels);
    first.write_now(CONNECT);
    let there = lab.end();
    let second = tunnelling(&lab, &tunnels);
    second.write_now(CONNECT);
    lab.tasks.settle();
    assert!(text(&second).starts_with("HTTP/1.1 503 "));
    // Something is said every fifty seconds: not idle, but too long at last.
    for _ in 0..2 {
        lab.tasks.pass(Duration::from_secs(50));
        there.write_now(b"still here");
        lab.tasks.settle();
        assert!(!first.peer_closed());
    }
    lab.tasks.pass(Duration::from_secs(49));
    assert!(!first.peer_closed());
    lab.tasks.pass(Duration::from_secs(2));
    assert!(first.peer_closed() && there.peer_closed());
    // Silence.
    let second = tunnelling(&lab, &tunnels);
    second.write_now(CONNECT);
    let _there = lab.end();
    assert_eq!(text(&second), OPENED);
    lab.tasks.pass(Duration::from_secs(59));
    assert!(!second.peer_closed());
    lab.tasks.pass(Duration::from_secs(2));
    assert!(second.peer_closed());
    assert_eq!(tunnels.open(), 0);
    // Nobody answers.
    lab.memory.deaf = true;
    let third = tunnelling(&lab, &tunnels);
    third.write_now(CONNECT);
    lab.tasks.pass(Duration::from_secs(4));
    assert!(text(&third).starts_with("HTTP/1.1 504 "));
}

fn forwarding(lab: &Lab, from: &str, to: &str) -> Wire {
    let to = to.parse().unwrap();
    let forward = Forward::new(from, &to, "us", lab.memory.clone()).unwrap();
    client(lab, move |request| {
        let forward = forward.clone();
        async move { forward.answer(request).await }
    })
}

/// Everything a request came with.
fn shown(request: &Request<()>, body: &str) -> http::Response<Body> {
    let mut said = format!("{} {} [{body}]", request.method(), request.uri());
    let mut fields: Vec<_> = request.headers().iter().collect();
    fields.sort_by_key(|(name, _)| name.as_str());
    for (name, value) in fields {
        said += &format!("\n{name}: {}", value.to_str().unwrap());
    }
    answer(201, &[], said)
}

#[test]
fn request_forwarded_the_other_server_hears_who_asks_and_nothing_that_was_for_us() {
    let mut lab = Lab::new();
    lab.serve(shown);
    let client = forwarding(&lab, "/api", "http://up.test:8000/v1/");
    client.write_now(
        b"POST /api/things?x=%20 HTTP/1.1\r\nHost: front.test\r\nConnection: x-mine, keep-alive\r\nX-Mine: 1\r\nKeep-Alive: 5\r\n\
          TE: trailers\r\nForwarded: for=evil\r\nX-Forwarded-For: evil\r\nVia: 1.0 before\r\nX-Kept: yes\r\nContent-Length: 4\r\n\r\nbody",
    );
    lab.tasks.settle();
    let said = text(&client);
    let (head, body) = said.split_once("\r\n\r\n").unwrap();
    assert_eq!(
        body,
        "POST /v1/things?x=%20 [body]\ncontent-length: 4\nforwarded: for=192.0.2.7;host=\"front.test\"\nhost: up.test:8000\n\
         via: 1.0 before\nvia: 1.1 us\nx-forwarded-for: 192.0.2.7\nx-forwarded-host: front.test\nx-kept: yes"
    );
    assert!(head.starts_with("HTTP/1.1 201 Created\r\n"), "{head}");
    assert!(
        head.contains(&format!("content-length: {}", body.len())),
        "{head}"
    );
}

#[test]
fn answer_forwarded_what_was_for_us_stays_behind() {
    let mut lab = Lab::new();
    let client = forwarding(&lab, "/", "http://up.test/");
    client.write_now(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    let there = lab.end();
    there.write_now(
        b"HTTP/1.1 200 Fine\r\nConnection: x-hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked\r\nX-Own: 2\r\n\r\n\
          4\r\nbody\r\n0\r\n\r\n",
    );
    lab.tasks.settle();
    let want = "HTTP/1.1 200 OK\r\nx-own: 2\r\nvia: 1.1 us\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n";
    assert_eq!(text(&client), want);
}

#[test]
fn max_forwards_counts_down_and_the_last_in_the_row_answers() {
    let mut lab = Lab::new();
    lab.serve(shown);
    let client = forwarding(&lab, "/", "http://up.test/");
    let mut asked = |method: &str, field: &str| {
        client.write_now(format!("{method} /x HTTP/1.1\r\nHost: h\r\n{field}\r\n\r\n").as_bytes());
        lab.tasks.settle();
        text(&client)
    };
    for method in ["OPTIONS", "TRACE"] {
        assert!(
            asked(method, "Max-Forwards: 7").contains("max-forwards: 6"),
            "{method}"
        );
        assert!(asked(method, "Max-Forwards: x").starts_with("HTTP/1.1 400 "));
    }
    assert!(asked("OPTIONS", "Max-Forwards: 0").starts_with("HTTP/1.1 204 "));
    assert!(asked("TRACE", "Max-Forwards: 0").starts_with("HTTP/1.1 405 "));
    // It is nobody's business otherwise.
    assert!(asked("GET", "Max-Forwards: 0").contains("max-forwards: 0"));
}

#[test]
fn answers_that_do_not_come_are_told_apart_and_circles_are_broken() {
    let mut lab = Lab::new();
    let ask = |path: &str, more: &str| format!("GET {path} HTTP/1.1\r\nHost: h\r\n{more}\r\n");
    // Nobody there.
    let client = forwarding(&lab, "/", "http://up.test:9/");
    client.write_now(ask("/", "").as_bytes());
    lab.tasks.settle();
    assert!(text(&client).starts_with("HTTP/1.1 502 "));
    // Been here.
    client.write_now(ask("/", "Via: 1.0 a, 1.1 us\r\n").as_bytes());
    lab.tasks.settle();
    assert!(text(&client).starts_with("HTTP/1.1 508 "));
    // Not ours, and not what forwards.
    let client = forwarding(&lab, "/api", "http://up.test/");
    client.write_now(ask("/apix", "").as_bytes());
    lab.tasks.settle();
    assert!(text(&client).starts_with("HTTP/1.1 404 "));
    // Somebody there, who says nothing; then one who breaks off.
    let client = forwarding(&lab, "/", "http://up.test/");
    client.write_now(ask("/", "").as_bytes());
    let _silent = lab.end();
    lab.tasks.pass(Duration::from_secs(61));
    assert!(text(&client).starts_with("HTTP/1.1 504 "));
    client.write_now(ask("/", "").as_bytes());
    let broken = lab.end();
    broken.write_now(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf");
    lab.tasks.settle();
    broken.close_now();
    lab.tasks.settle();
    let said = text(&client);
    assert!(
        said.ends_with("half") && client.peer_closed(),
        "cut short, and seen to be: {said}"
    );
}

#[test]
fn head_and_not_modified_keep_the_length_of_what_they_do_not_carry() {
    let mut lab = Lab::new();
    lab.serve(|request, _| {
        let status = if request.headers().contains_key("if-none-match") {
            304
        } else {
            200
        };
        answer(status, &[("etag", "\"e\"")], "twelve bytes")
    });
    let client = forwarding(&lab, "/", "http://up.test/");
    client.write_now(b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
    lab.tasks.settle();
    let said = text(&client);
    assert!(
        said.contains("content-length: 12\r\n") && said.ends_with("\r\n\r\n"),
        "{said}"
    );
    client.write_now(b"GET / HTTP/1.1\r\nHost: h\r\nIf-None-Match: \"e\"\r\n\r\n");
    lab.tasks.settle();
    let said = text(&client);
    assert!(
        said.starts_with("HTTP/1.1 304 ") && said.contains("etag: \"e\"\r\n"),
        "{said}"
    );
    assert!(said.ends_with("\r\n\r\n"));
    client.write_now(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    lab.tasks.settle();
    assert!(text(&client).ends_with("\r\n\r\ntwelve bytes"));
}
