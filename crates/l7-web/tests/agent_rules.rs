//! What an agent follows, keeps, sends through proxies and undoes, in virtual time.

mod lab;

use core::cell::RefCell;
use core::time::Duration;
use std::io;
use std::rc::Rc;

use bytes::Bytes;
use lab::{Lab, answer, echo, get, never, post, told};
use outcrop_http::Body;
use outcrop_web::client::route::Proxy;
use outcrop_web::client::{Config, Payload};

#[test]
fn redirects_lead_on_with_what_may_go_along() {
    let mut lab = Lab::new();
    lab.serve(|request, body| {
        let host = request.headers()["host"].to_str().unwrap();
        match request.uri().path() {
            "/form" => answer(
                303,
                &[("location", "/seen"), ("set-cookie", "s=1")],
                "moved",
            ),
            "/keep" => answer(307, &[("location", "http://b/there")], ""),
            "/round" => answer(302, &[("location", "/round")], ""),
            "/down" => answer(302, &[("location", "http://a/")], ""),
            _ => answer(200, &[], format!("{host}: {}", told(request, body))),
        }
    });
    let agent = lab.agent(never());
    assert_eq!(
        lab.fetch(&agent, post("http://a/form", "x")),
        "200 a: GET /seen [] cookie=s=1"
    );
    let mut secret = post("http://a/keep", "x");
    secret
        .headers_mut()
        .insert("authorization", "Bearer t".parse().unwrap());
    assert_eq!(lab.fetch(&agent, secret), "200 b: POST /there [x]");
    assert_eq!(
        lab.fetch(&agent, get("http://a/round")),
        "! too many redirects"
    );
    assert_eq!(
        lab.fetch(&agent, get("https://a/down")),
        "! the redirect leaves https"
    );
    assert_eq!(
        lab.fetch(&agent, get("http://ada:x@a/me")),
        "200 a: GET /me [] authorization=Basic YWRhOng= cookie=s=1"
    );
    let mut stream = get("http://a/keep");
    *stream.method_mut() = http::Method::PUT;
    *stream.body_mut() = Payload::once(Body::from("only once"));
    assert_eq!(lab.fetch(&agent, stream), "307 ", "it cannot be sent again");
    let stays = lab.agent(Config {
        redirects: 0,
        ..never()
    });
    assert_eq!(lab.fetch(&stays, get("http://a/keep")), "307 ");
}

#[test]
fn file_is_opened_again_for_every_attempt() {
    let mut lab = Lab::new();
    let count = Rc::new(RefCell::new(0));
    let seen = Rc::clone(&count);
    lab.serve(move |request, body| {
        *count.borrow_mut() += 1;
        if *count.borrow() == 1 {
            answer(503, &[("retry-after", "0")], "")
        } else {
            echo(request, body)
        }
    });
    let agent = lab.agent(Config::default());
    let mut put = get("http://a/file");
    *put.method_mut() = http::Method::PUT;
    *put.body_mut() = Payload::made(|| {
        Ok(Body::from_pieces(
            ["pi", "eces"].into_iter().map(Bytes::from),
        ))
    });
    assert_eq!(lab.fetch(&agent, put), "200 PUT /file [pieces]");
    assert_eq!(*seen.borrow(), 2);
    let mut bad = get("http://a/file");
    *bad.body_mut() = Payload::made(|| Err(io::ErrorKind::NotFound.into()));
    assert_eq!(
        lab.fetch(&agent, bad),
        "! the body of the request: entity not found"
    );
}

#[test]
fn proxy_is_told_the_whole_target_and_its_own_credentials() {
    let mut lab = Lab::new();
    let proxy = Proxy::new(&"http://p:q@proxy:3128".parse().unwrap())
        .unwrap()
        .except(&["near"]);
    let agent = lab.agent(Config {
        proxy: Some(proxy),
        decode: false,
        ..never()
    });
    let said = lab.begin(&agent, get("http://a:81/x?y"));
    let end = lab.end();
    let asked = String::from_utf8(end.read_now()).unwrap();
    assert_eq!(
        asked,
        "GET http://a:81/x?y HTTP/1.1\r\nhost: a:81\r\nproxy-authorization: Basic cDpx\r\n\r\n"
    );
    end.write_now(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx");
    lab.tasks.settle();
    assert_eq!(said.take(), "200 x");
    // Another http place is asked for over the same connection.
    let _second = lab.begin(&agent, get("http://b/"));
    lab.tasks.settle();
    assert!(
        end.read_now()
            .starts_with(b"GET http://b/ HTTP/1.1\r\nhost: b\r\n")
    );
    let _direct = lab.begin(&agent, get("http://near/"));
    assert!(
        lab.end()
            .read_now()
            .starts_with(b"GET / HTTP/1.1\r\nhost: near\r\n")
    );
}

#[test]
fn https_goes_through_a_tunnel_in_which_the_proxy_hears_nothing() {
    let mut lab = Lab::new();
    let proxy = Proxy::new(&"http://p:q@proxy".parse().unwrap()).unwrap();
    let agent = lab.agent(Config {
        proxy: Some(proxy),
        decode: false,
        ..never()
    });
    let said = lab.begin(&agent, get("https://a/x"));
    let end = lab.end();
    let asked = String::from_utf8(end.read_now()).unwrap();
    assert_eq!(
        asked,
        "CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\nproxy-authorization: Basic cDpx\r\n\r\n"
    );
    end.write_now(b"HTTP/1.1 200 Connection established\r\n\r\n");
    lab.tasks.settle();
    assert_eq!(
        String::from_utf8(end.read_now()).unwrap(),
        "GET /x HTTP/1.1\r\nhost: a\r\n\r\n"
    );
    end.write_now(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx");
    lab.tasks.settle();
    assert_eq!(said.take(), "200 x");
    let said = lab.begin(&agent, get("https://b/"));
    lab.end().write_now(b"HTTP/1.1 407 Who\r\n\r\n");
    lab.tasks.settle();
    assert_eq!(said.take(), "! the proxy says 407");
    assert_eq!(agent.connections(), (1, 1));
}

#[test]
fn answer_is_kept_while_fresh_then_confirmed_then_replaced() {
    let mut lab = Lab::new();
    let version = Rc::new(RefCell::new("one"));
    let now = Rc::clone(&version);
    lab.serve(move |request, _| {
        let tag = format!("\"{}\"", now.borrow());
        let known = request
            .headers()
            .get("if-none-match")
            .is_some_and(|known| known == tag.as_str());
        let fields = [
            ("etag", tag.as_str()),
            ("cache-control", "max-age=60"),
            ("vary", "accept"),
        ];
        if known {
            answer(304, &fields, "")
        } else {
            answer(200, &fields, *now.borrow())
        }
    });
    let agent = lab.agent(never());
    assert_eq!(lab.fetch(&agent, get("http://a/")), "200 one");
    lab.tasks.pass(Duration::from_secs(15));
    assert_eq!(lab.fetch(&agent, get("http://a/")), "200 one age=20");
    let mut other = get("http://a/");
    other.headers_mut().insert("accept", "x/y".parse().unwrap());
    assert_eq!(lab.fetch(&agent, other), "200 one");
    assert_eq!(lab.heard(), ["+a", "GET /#1", "+a", "GET /#1"]);
    lab.tasks.pass(Duration::from_secs(60));
    assert_eq!(lab.fetch(&agent, get("http://a/")), "200 one age=0");
    *version.borrow_mut() = "two";
    lab.tasks.pass(Duration::from_secs(60));
    assert_eq!(lab.fetch(&agent, get("http://a/")), "200 two");
    // A change makes what was kept worthless.
    lab.fetch(&agent, post("http://a/", ""));
    lab.heard();
    lab.fetch(&agent, get("http://a/"));
    assert_eq!(lab.heard().len(), 1);
}

#[test]
fn only_what_is_kept_was_asked_for_and_nothing_is() {
    let mut lab = Lab::new();
    lab.serve(|_, _| answer(200, &[("cache-control", "max-age=60")], "body"));
    let agent = lab.agent(never());
    let only = || {
        let mut only = get("http://a/");
        only.headers_mut()
            .insert("cache-control", "only-if-cached".parse().unwrap());
        only
    };
    assert_eq!(lab.fetch(&agent, only()), "504 ");
    assert!(lab.heard().is_empty());
    lab.fetch(&agent, get("http://a/"));
    assert_eq!(lab.fetch(&agent, only()), "200 body age=5");
}

#[test]
fn answer_read_halfway_is_not_kept() {
    let mut lab = Lab::new();
    let agent = lab.agent(never());
    for _ in 0..2 {
        let said = lab.begin(&agent, get("http://a/"));
        let end = lab.end();
        assert!(!end.read_now().is_empty());
        end.write_now(
            b"HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ncontent-length: 9\r\n\r\nhalf",
        );
        lab.tasks.settle();
        drop(end);
        lab.tasks.settle();
        assert_eq!(said.take(), "200 ! the answer ended early");
    }
}

#[test]
fn compressed_answers_are_asked_for_and_undone_within_bounds() {
    use std::io::Write as _;
    let mut lab = Lab::new();
    let packed = |text: &[u8]| {
        let mut coder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        coder.write_all(text).unwrap();
        coder.finish().unwrap()
    };
    lab.serve(move |request, _| {
        let coded = request.headers().get("accept-encoding").is_some();
        let fields = [
            ("content-encoding", "gzip"),
            ("cache-control", "max-age=60"),
        ];
        match request.uri().path() {
            _ if !coded => answer(200, &[], "plain"),
            "/bomb" => answer(200, &fields, packed(&vec![0; 1 << 20])),
            "/broken" => answer(200, &fields, "no gzip at all"),
            "/odd" => answer(200, &[("content-encoding", "odd")], "x"),
            _ => answer(200, &fields, packed(b"layers")),
        }
    });
    let decoded_most = 1 << 16;
    let agent = lab.agent(Config {
        decoded_most,
        ..never()
    });
    assert_eq!(lab.fetch(&agent, get("http://a/")), "200 layers");
    assert_eq!(lab.fetch(&agent, get("http://a/")), "200 layers age=5");
    assert_eq!(
        lab.fetch(&agent, get("http://a/bomb")),
        "200 ! content-encoding: file too large"
    );
    assert!(
        lab.fetch(&agent, get("http://a/broken"))
            .starts_with("200 ! content-encoding")
    );
    assert!(
        lab.fetch(&agent, get("http://a/odd"))
            .starts_with("! content-encoding")
    );
    let mut part = get("http://a/part");
    part.headers_mut()
        .insert("range", "bytes=0-1".parse().unwrap());
    assert_eq!(lab.fetch(&agent, part), "200 plain");
    let mut head = get("http://a/");
    *head.method_mut() = http::Method::HEAD;
    assert_eq!(lab.fetch(&agent, head), "200 ");
}
