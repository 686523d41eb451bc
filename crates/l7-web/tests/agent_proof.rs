//! An agent that proves who it is, and one behind proxies of every kind, in virtual time.
#![expect(
    clippy::unwrap_used,
    reason = "a test that meets the unexpected shall fail"
)]

mod lab;

use core::cell::Cell;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use http::{Request, Response};
use lab::{Lab, answer, get, never, post};
use outcrop_http::Body;
use outcrop_web::client::route::Proxy;
use outcrop_web::client::{Config, Login, News, Payload};

const REALM: &str = "Digest realm=\"r\", qop=\"auth\", algorithm=SHA-256, nonce=";

fn proved(mut request: Request<Payload>) -> Request<Payload> {
    let login = Login::new("ada", "lovelace");
    request.extensions_mut().insert(login);
    request
}

/// `nonce` and `nc` of a proof; `-` without one.
fn counted(request: &Request<()>) -> String {
    let Some(value) = request.headers().get("authorization") else {
        return "-".to_owned();
    };
    let text = value.to_str().unwrap();
    assert!(
        text.starts_with("Digest username=\"ada\", realm=\"r\", "),
        "{text}"
    );
    let of = |name: &str| {
        let (_, rest) = text.split_once(&format!(" {name}=")).unwrap();
        rest.split(',').next().unwrap().trim_matches('"').to_owned()
    };
    format!("{} {}", of("nonce"), of("nc"))
}

fn asks(nonce: &str, more: &str) -> Response<Body> {
    answer(
        401,
        &[("www-authenticate", &format!("{REALM}\"{nonce}\"{more}"))],
        "who?",
    )
}

#[test]
fn server_asks_for_proof_it_gets_it_and_is_not_made_to_ask_again() {
    let mut lab = Lab::new();
    lab.serve(|request, body| match counted(request) {
        none if none == "-" => asks("n1", ""),
        some => answer(200, &[], format!("{some} [{body}]")),
    });
    let agent = lab.agent(never());
    assert_eq!(
        lab.fetch(&agent, proved(get("http://a/1"))),
        "200 n1 00000001 []"
    );
    // What is sent is sent again with the proof, and after that at once.
    assert_eq!(
        lab.fetch(&agent, proved(post("http://a/2", "x"))),
        "200 n1 00000002 [x]"
    );
    let mine = lab.fetch(&agent, proved(post("http://b/3", "y")));
    assert_eq!(mine, "200 n1 00000001 [y]");
    // Without the extension nothing is proved.
    assert_eq!(lab.fetch(&agent, get("http://a/4")), "401 who?");
    let heard = [
        "+a",
        "GET /1#1",
        "GET /1#2",
        "POST /2#3",
        "+b",
        "POST /3#1",
        "POST /3#2",
        "GET /4#4",
    ];
    assert_eq!(lab.heard(), heard);
}

#[test]
fn nonce_grown_old_is_replaced_and_a_wrong_password_is_told_once() {
    let mut lab = Lab::new();
    let asked = Rc::new(Cell::new(0));
    let count = Rc::clone(&asked);
    lab.serve(move |request, _| {
        count.set(count.get() + 1);
        match (request.uri().path(), counted(request).as_str()) {
            (_, "-") => asks("n1", ""),
            ("/old", "n1 00000002") => asks("n2", ", stale=TRUE"),
            ("/old", said) => answer(200, &[], said.to_owned()),
            ("/ever", _) => asks("n3", ", stale=true"),
            ("/wrong", _) => asks("n4", ", stale=false"),
            (_, said) => answer(
                200,
                &[("authentication-info", "nextnonce=\"n5\"")],
                said.to_owned(),
            ),
        }
    });
    let agent = lab.agent(never());
    let mut fetch = |path: &str| {
        asked.set(0);
        let said = lab.fetch(&agent, proved(get(&format!("http://a/{path}"))));
        (said, asked.get())
    };
    assert_eq!(fetch("old"), ("200 n1 00000001".into(), 2));
    assert_eq!(fetch("old"), ("200 n2 00000001".into(), 2));
    // The server knows best whether we know the password: it is asked once more, not for ever.
    assert_eq!(fetch("wrong"), ("401 who?".into(), 2));
    assert_eq!(fetch("ever"), ("401 who?".into(), 4));
    assert_eq!(fetch("next"), ("200 n3 00000002".into(), 1));
    assert_eq!(fetch("next"), ("200 n5 00000001".into(), 1));
}

#[test]
fn proof_stays_with_its_server_and_what_cannot_be_sent_twice_is_not() {
    let mut lab = Lab::new();
    lab.serve(
        |request, _| match (request.uri().path(), counted(request).as_str()) {
            ("/away", "-") => answer(302, &[("location", "http://b/")], ""),
            ("/near", "-") => answer(302, &[("location", "/")], ""),
            ("/basic", "-") => answer(401, &[("www-authenticate", "Basic realm=\"r\"")], "who?"),
            (_, "-") => asks("n1", ""),
            (_, said) => answer(200, &[], said.to_owned()),
        },
    );
    let agent = lab.agent(never());
    assert_eq!(lab.fetch(&agent, proved(get("http://a/away"))), "401 who?");
    assert_eq!(
        lab.fetch(&agent, proved(get("http://a/near"))),
        "200 n1 00000001"
    );
    let once = Request::put("http://c/")
        .body(Payload::once("x".into()))
        .unwrap();
    assert_eq!(lab.fetch(&agent, proved(once)), "401 who?");
    assert_eq!(
        lab.fetch(&agent, proved(get("http://c/basic"))),
        "401 who?",
        "another scheme"
    );
}

fn behind(proxy: &str) -> Config {
    Config {
        proxy: Proxy::new(&proxy.parse().unwrap()),
        ..never()
    }
}

#[test]
fn socks_is_told_a_name_or_an_address_and_then_carries_http() {
    let name = [&[5, 1, 0, 3, 6][..], b"a.test", &[0, 80]].concat();
    // The lab's addresses end in the length of the name.
    let address = vec![5, 1, 0, 1, 192, 0, 2, 6, 0, 80];
    for (proxy, request) in [("socks5h://p", name), ("socks5://p", address)] {
        let mut lab = Lab::new();
        let agent = lab.agent(behind(proxy));
        let said = lab.begin(&agent, get("http://a.test/x"));
        let end = lab.end();
        assert_eq!(end.read_now(), [5, 1, 0]);
        end.write_now(&[5, 0]);
        lab.tasks.settle();
        assert_eq!(end.read_now(), request);
        end.write_now(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
        lab.tasks.settle();
        assert!(
            end.read_now()
                .starts_with(b"GET /x HTTP/1.1\r\nhost: a.test\r\n")
        );
        end.write_now(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx");
        lab.tasks.settle();
        assert_eq!(said.take(), "200 x");
    }
}

#[test]
fn socks_refuses_the_reason_is_told_and_nothing_was_asked() {
    let mut lab = Lab::new();
    let agent = lab.agent(behind("socks5h://ada:l@p"));
    let said = lab.begin(&agent, get("http://a.test/x"));
    let end = lab.end();
    assert_eq!(end.read_now(), [5, 2, 0, 2]);
    end.write_now(&[5, 2]);
    lab.tasks.settle();
    assert_eq!(end.read_now(), b"\x01\x03ada\x01l");
    end.write_now(&[1, 1]);
    lab.tasks.settle();
    assert_eq!(
        said.take(),
        "! the proxy does not take this user and password"
    );
    assert!(end.peer_closed());
}

#[test]
fn proxy_of_https_is_asked_inside_its_own_keys() {
    let mut lab = Lab::new();
    let agent = lab.agent(behind("https://p"));
    let said = lab.begin(&agent, get("http://a.test/x"));
    let end = lab.end();
    // The lab's keys are none; that they were agreed on is told.
    assert!(
        end.read_now()
            .starts_with(b"GET http://a.test/x HTTP/1.1\r\n")
    );
    end.write_now(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx");
    lab.tasks.settle();
    assert_eq!(said.take(), "200 x");
    let secured = Arc::new(Mutex::new(Vec::new()));
    let (told, asking) = (Arc::clone(&secured), agent);
    lab::spawn(&lab.tasks, async move {
        let mut watch = |news: News<'_>| {
            if let News::Secured(with) = news {
                told.lock().unwrap().push(with.to_owned());
            }
        };
        let answer = asking.watch(get("https://a.test/y"), &mut watch).await;
        assert_eq!(answer.unwrap().status, 204);
    });
    let end = lab.end();
    assert!(
        end.read_now()
            .starts_with(b"CONNECT a.test:443 HTTP/1.1\r\n")
    );
    end.write_now(b"HTTP/1.1 200 OK\r\n\r\n");
    lab.tasks.settle();
    assert!(end.read_now().starts_with(b"GET /y HTTP/1.1\r\n"));
    end.write_now(b"HTTP/1.1 204 No Content\r\n\r\n");
    lab.tasks.settle();
    assert_eq!(*secured.lock().unwrap(), ["keys of p", "keys of a.test"]);
}
