//! An agent's connections, its patience, and what it tells, in virtual time.

mod lab;

use core::cell::RefCell;
use core::time::Duration;
use std::rc::Rc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use lab::{Lab, answer, echo, get, never, post, spawn};
use outcrop_web::client::pool::Bounds;
use outcrop_web::client::{Config, Error, News};

#[test]
fn requests_one_after_the_other_use_one_connection_and_at_once_use_two() {
    let mut lab = Lab::new();
    lab.serve(echo);
    let agent = lab.agent(Config::default());
    assert_eq!(lab.fetch(&agent, get("http://a/1")), "200 GET /1 []");
    assert_eq!(lab.fetch(&agent, get("http://A:80/2")), "200 GET /2 []");
    assert_eq!(lab.heard(), ["+a", "GET /1#1", "GET /2#2"]);
    let both = [
        lab.begin(&agent, get("http://a/3")),
        lab.begin(&agent, get("http://a/4")),
    ];
    lab.tasks.settle();
    assert_eq!(
        both.map(|one| one.take()),
        ["200 GET /3 []", "200 GET /4 []"]
    );
    assert_eq!(agent.connections(), (2, 2));
    // Encrypted, it is another place.
    lab.fetch(&agent, get("https://a:80/5"));
    assert_eq!(agent.connections(), (3, 3));
}

#[test]
fn place_is_full_the_third_request_waits_for_the_first_answer() {
    let mut lab = Lab::new();
    let bounds = Bounds {
        per_place: 2,
        ..Bounds::default()
    };
    let agent = lab.agent(Config { bounds, ..never() });
    let said = ["1", "2", "3"].map(|path| lab.begin(&agent, get(&format!("http://a/{path}"))));
    let (one, two) = (lab.end(), lab.end());
    assert!(
        lab.memory.arrivals.lock().unwrap().ends.is_empty(),
        "no third connection"
    );
    assert!(one.read_now().starts_with(b"GET /1 ") && two.read_now().starts_with(b"GET /2 "));
    one.write_now(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx");
    lab.tasks.settle();
    assert!(one.read_now().starts_with(b"GET /3 "));
    one.write_now(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nz");
    two.write_now(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\ny");
    lab.tasks.settle();
    assert_eq!(said.map(|one| one.take()), ["200 x", "200 y", "200 z"]);
}

#[test]
fn waiting_given_up_the_place_in_the_queue_is_the_next_ones() {
    let mut lab = Lab::new();
    let bounds = Bounds {
        per_place: 1,
        ..Bounds::default()
    };
    let patient = lab.agent(Config { bounds, ..never() });
    let hasty = patient.clone();
    let first = lab.begin(&patient, get("http://a/1"));
    let end = lab.end();
    let giving_up = async move {
        let fetch = hasty.fetch(get("http://a/2"));
        poll_once(fetch).await;
    };
    spawn(&lab.tasks, giving_up);
    let third = lab.begin(&patient, get("http://a/3"));
    lab.tasks.settle();
    for _ in 0..2 {
        end.write_now(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx");
        lab.tasks.settle();
    }
    assert_eq!(
        (first.take(), third.take()),
        ("200 x".into(), "200 x".into())
    );
}

/// Polls once and drops.
async fn poll_once(future: impl Future) {
    let mut future = core::pin::pin!(future);
    core::future::poll_fn(|cx| {
        let _pending = future.as_mut().poll(cx);
        core::task::Poll::Ready(())
    })
    .await;
}

#[test]
fn idle_connection_that_the_server_closed_is_not_used_even_for_a_post() {
    let mut lab = Lab::new();
    lab.serve(echo);
    let agent = lab.agent(never());
    lab.fetch(&agent, get("http://a/1"));
    // The server's idle time is twenty seconds, ours is forty-five.
    lab.tasks.pass(Duration::from_secs(25));
    assert_eq!(
        lab.fetch(&agent, post("http://a/2", "x")),
        "200 POST /2 [x]"
    );
    assert_eq!(lab.heard(), ["+a", "GET /1#1", "+a", "POST /2#1"]);
    assert_eq!(agent.connections(), (1, 1));
}

#[test]
fn idle_too_long_for_us_it_is_closed_by_the_sweep() {
    let mut lab = Lab::new();
    let agent = lab.agent(never());
    let said = lab.begin(&agent, get("http://a/1"));
    let end = lab.end();
    end.write_now(b"HTTP/1.1 204 No Content\r\n\r\n");
    lab.tasks.settle();
    assert_eq!(said.take(), "204 ");
    let again = agent.sweep().unwrap();
    assert_eq!(again - outcrop_base::Instant::ZERO, Duration::from_secs(45));
    lab.tasks.pass(Duration::from_secs(45));
    assert_eq!(agent.sweep(), None);
    assert!(end.peer_closed());
}

/// A server that reads the second request and closes: it may have done it.
#[test]
fn stale_connection_repeats_what_may_be_done_twice_and_nothing_else() {
    for (request, repeats) in [(get("http://a/2"), true), (post("http://a/2", "x"), false)] {
        let mut lab = Lab::new();
        let agent = lab.agent(never());
        let said = lab.begin(&agent, get("http://a/1"));
        let end = lab.end();
        end.write_now(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n1");
        lab.tasks.settle();
        assert_eq!(said.take(), "200 1");
        let said = lab.begin(&agent, request);
        lab.tasks.settle();
        drop(end);
        lab.tasks.settle();
        if repeats {
            let end = lab.end();
            assert!(end.read_now().starts_with(b"GET /2 "));
            end.write_now(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n2");
            lab.tasks.settle();
            assert_eq!(said.take(), "200 2");
        } else {
            assert!(said.take().starts_with('!'));
            assert!(lab.memory.arrivals.lock().unwrap().ends.is_empty());
        }
    }
}

#[test]
fn new_connection_without_an_answer_is_an_error_unless_patience_was_asked_for() {
    let mut lab = Lab::new();
    let agent = lab.agent(never());
    let said = lab.begin(&agent, get("http://a/1"));
    drop(lab.end());
    lab.tasks.settle();
    assert!(said.take().starts_with('!'));
    let agent = lab.agent(Config::default());
    let said = lab.begin(&agent, get("http://a/1"));
    drop(lab.end());
    lab.tasks.pass(Duration::from_millis(499));
    assert!(
        lab.memory.arrivals.lock().unwrap().ends.is_empty(),
        "half a second first"
    );
    lab.tasks.pass(Duration::from_millis(1));
    lab.end().write_now(b"HTTP/1.1 204 No Content\r\n\r\n");
    lab.tasks.settle();
    assert_eq!(said.take(), "204 ");
}

#[test]
fn body_given_up_closes_its_connection_and_one_read_returns_it() {
    let mut lab = Lab::new();
    lab.serve(|_, _| answer(200, &[], vec![b'x'; 200_000]));
    let agent = lab.agent(Config::default());
    let said = lab.fetch(&agent, get("http://a/"));
    assert_eq!(said, "200 ! the answer is too long");
    assert_eq!(agent.connections(), (0, 0));
}

#[test]
fn busy_server_is_asked_again_when_it_says_and_a_post_is_not() {
    let mut lab = Lab::new();
    let count = Rc::new(RefCell::new(0));
    lab.serve(move |_, _| {
        *count.borrow_mut() += 1;
        let busy = *count.borrow() % 2 == 1;
        if busy {
            answer(503, &[("retry-after", "3")], "busy")
        } else {
            answer(200, &[], "done")
        }
    });
    let agent = lab.agent(Config::default());
    let said = lab.begin(&agent, get("http://a/"));
    lab.tasks.pass(Duration::from_millis(2999));
    assert_eq!(said.take(), "");
    lab.tasks.pass(Duration::from_millis(1));
    assert_eq!(said.take(), "200 done");
    assert_eq!(lab.fetch(&agent, post("http://a/", "x")), "503 busy");
    assert_eq!(
        lab.heard()
            .iter()
            .filter(|line| line.starts_with('+'))
            .count(),
        1
    );
}

#[test]
fn time_for_a_connection_an_answer_and_the_whole_is_bounded() {
    let mut lab = Lab::new();
    lab.memory.deaf = true;
    let agent = lab.agent(never());
    let said = lab.begin(&agent, get("http://a/"));
    lab.tasks.pass(Duration::from_millis(29_999));
    assert_eq!(said.take(), "");
    lab.tasks.pass(Duration::from_millis(1));
    assert_eq!(said.take(), "! timed out");
    lab.memory.deaf = false;
    let whole = Some(Duration::from_secs(10));
    let agent = lab.agent(Config { whole, ..never() });
    let (slow, silent) = (
        lab.begin(&agent, get("http://a/")),
        lab.begin(&agent, get("http://b/")),
    );
    let (end, _silent) = (lab.end(), lab.end());
    for _ in 0..9 {
        end.write_now(
            b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\nx"
                .get(..)
                .unwrap(),
        );
        lab.tasks.pass(Duration::from_secs(1));
    }
    lab.tasks.pass(Duration::from_secs(1));
    assert_eq!(slow.take(), "200 ! not done in time");
    assert_eq!(silent.take(), "! not done in time");
    assert_eq!(agent.connections(), (0, 0));
    assert_eq!(
        lab.fetch(&agent, get("http://a:9/")),
        "! connection refused"
    );
}

#[test]
fn pipelined_requests_leave_together_and_who_is_not_answered_is_asked_again() {
    let mut lab = Lab::new();
    let agent = lab.agent(never());
    let requests: Vec<_> = (1..=3)
        .map(|n| Request::get(format!("http://a/{n}")).body(()).unwrap())
        .collect();
    let said = Rc::new(RefCell::new(Vec::new()));
    let (into, asking) = (Rc::clone(&said), agent.clone());
    spawn(&lab.tasks, async move {
        for one in asking.pipeline(&requests, 100).await {
            let one: Response<Bytes> = one.unwrap();
            into.borrow_mut()
                .push(String::from_utf8(one.into_body().to_vec()).unwrap());
        }
    });
    let end = lab.end();
    let asked = String::from_utf8(end.read_now()).unwrap();
    assert_eq!(asked.matches("HTTP/1.1").count(), 3, "in one write");
    end.write_now(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: close\r\n\r\none");
    drop(end);
    let end = lab.end();
    let asked = String::from_utf8(end.read_now()).unwrap();
    assert!(asked.starts_with("GET /2 ") && asked.contains("GET /3 "));
    end.write_now(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\ntwoHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nthree");
    lab.tasks.settle();
    assert_eq!(*said.borrow(), ["one", "two", "three"]);
    assert_eq!(agent.connections(), (1, 1));
}

#[test]
fn what_must_not_be_pipelined_goes_alone_and_in_order() {
    let mut lab = Lab::new();
    lab.serve(echo);
    let agent = lab.agent(never());
    let of = |method: &str, uri: &str| Request::builder().method(method).uri(uri).body(()).unwrap();
    let requests = [
        of("GET", "http://a/1"),
        of("POST", "http://a/2"),
        of("GET", "http://b/3"),
        of("GET", "http://b/4"),
    ];
    let said = Rc::new(RefCell::new(Vec::new()));
    let into = Rc::clone(&said);
    spawn(&lab.tasks, async move {
        for one in agent.pipeline(&requests, 100).await {
            into.borrow_mut()
                .push(String::from_utf8(one.unwrap().into_body().to_vec()).unwrap());
        }
    });
    lab.tasks.pass(Duration::from_secs(1));
    assert_eq!(
        *said.borrow(),
        ["GET /1 []", "POST /2 []", "GET /3 []", "GET /4 []"]
    );
    assert_eq!(
        lab.heard(),
        ["+a", "GET /1#1", "POST /2#2", "+b", "GET /3#1", "GET /4#2"]
    );
}

#[test]
fn whoever_watches_hears_each_step_in_its_order() {
    let mut lab = Lab::new();
    lab.serve(|request, body| match request.uri().path() {
        "/old" => answer(301, &[("location", "/new")], ""),
        _ => echo(request, body),
    });
    let agent = lab.agent(never());
    let said = Rc::new(RefCell::new(Vec::new()));
    let into = Rc::clone(&said);
    spawn(&lab.tasks, async move {
        let mut lines = Vec::new();
        let mut watch = |news: News<'_>| {
            lines.push(match news {
                News::Connecting(place) => format!("connecting {}", place.authority()),
                News::Connected(to) => format!("connected {to}"),
                News::Secured(what) => format!("secured {what}"),
                News::Asked(method, uri, _) => format!("{method} {uri}"),
                News::Answered(head) => head.status().as_str().to_owned(),
                News::Redirected(uri) => format!("to {uri}"),
                News::Reused(place) => format!("reused {}", place.host),
                News::Tunnelled(_)
                | News::Challenged(_)
                | News::Fresh(_)
                | News::Confirmed
                | News::Again(..)
                | News::Busy(..) => "?".to_owned(),
            });
        };
        let answer = agent.watch(get("https://a/old"), &mut watch).await.unwrap();
        assert!(answer.reused && answer.status == StatusCode::OK);
        into.replace(lines);
    });
    lab.tasks.settle();
    let want = [
        "connecting a:443",
        "connected a:443",
        "secured keys of a",
        "GET https://a/old",
        "301",
        "to https://a/new",
        "reused a",
        "GET https://a/new",
        "200",
    ];
    assert_eq!(*said.borrow(), want);
}

#[test]
fn what_is_no_web_address_is_refused_before_anything_is_done() {
    let mut lab = Lab::new();
    let agent = lab.agent(never());
    for uri in ["ftp://a/", "/x"] {
        let said = lab.fetch(&agent, get(uri));
        assert!(said.ends_with("neither http nor https"), "{said}");
    }
    let error = futures_executor::block_on(agent.fetch(get("ftp://a/"))).unwrap_err();
    assert!(matches!(error, Error::Uri(_)));
    fn sends<T: Send>(_: T) {}
    sends(agent.fetch(get("http://a/")));
}
