//! The glance against the road that every other head takes.

use bytes::Bytes;
use http::Method;
use proptest::prelude::*;

use super::super::head::RequestHead;
use super::super::parse;
use super::super::scan::{Found, Scan, Section};
use super::*;

/// What scan and parse say of the head at the beginning of `view`, and its bytes.
fn slowly(view: &[u8], limits: &Limits) -> Option<(RequestHead, usize)> {
    let mut scan = Scan::default();
    let Ok(Found::StartLine(end)) = scan.advance(view, Section::Head, limits) else {
        return None;
    };
    let line = parse::request_line(&view[..end], false).ok()?;
    let Ok(Found::End(len)) = scan.advance(view, Section::Head, limits) else {
        return None;
    };
    let raw = Bytes::copy_from_slice(&view[..len]);
    Some((parse::request(raw, line, limits).ok()?, len))
}

fn quickly(view: &[u8], limits: &Limits) -> Option<(Result<RequestHead, ()>, usize)> {
    let seen = request(view, limits, None)?;
    let raw = Bytes::copy_from_slice(&view[..seen.len]);
    let head = parse::judge(raw, seen.line, &seen.meaning, limits).map_err(|_| ());
    Some((head, seen.len))
}

/// Everything a head says, as one value.
fn said(head: &RequestHead) -> impl PartialEq + core::fmt::Debug + use<> {
    (
        (
            head.method().clone(),
            head.target().to_owned(),
            head.version(),
        ),
        (head.raw().clone(), head.line.clone(), head.framing()),
        (head.keep_alive(), head.expects_continue()),
        (head.may_be_conditional(), head.offers_upgrade()),
    )
}

/// Whoever understands at a glance understands what the others do; returns whether it did.
fn compare(view: &[u8], limits: &Limits) -> bool {
    let Some((quick, len)) = quickly(view, limits) else {
        return false;
    };
    match (quick, slowly(view, limits)) {
        (Ok(quick), Some((slow, same))) => assert_eq!((said(&quick), len), (said(&slow), same)),
        (Err(()), None) => {}
        (quick, slow) => panic!("{quick:?} at a glance, {slow:?} else"),
    }
    true
}

#[test]
fn what_common_clients_send_is_understood_at_a_glance() {
    let heads: [&[u8]; 4] = [
        b"GET /small HTTP/1.0\r\nConnection: Keep-Alive\r\nHost: 10.77.0.2\r\nUser-Agent: ApacheBench/2.3\r\nAccept: */*\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: example.test:8080\r\nUser-Agent: curl/8.14.1\r\nAccept: */*\r\n\r\n",
        b"GET /a/b.html?c=d&e HTTP/1.1\r\nHost: [fd00::1]\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101\r\n\
          Accept: text/html,application/xhtml+xml;q=0.9\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nConnection: keep-alive, Upgrade\r\n\
          Upgrade: websocket\r\nIf-None-Match: \"1-2-3\"\r\nCookie: a=b; c=d\r\n\r\nGET /next",
        b"POST /form HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\nX-Empty:\r\n\r\nhello",
    ];
    for head in heads {
        assert!(compare(head, &Limits::default()), "{}", head.escape_ascii());
    }
}

#[test]
fn head_beyond_a_limit_is_left_to_whoever_refuses() {
    let head = b"GET /four HTTP/1.1\r\nHost: h\r\nA: b\r\n\r\n";
    let limits = |start_line, head, fields| Limits {
        start_line,
        head,
        fields,
        ..Limits::default()
    };
    assert!(compare(head, &limits(20, head.len(), 2)));
    for limits in [
        limits(19, 99, 2),
        limits(20, head.len() - 1, 2),
        limits(20, 99, 1),
    ] {
        assert!(request(head, &limits, None).is_none() && slowly(head, &limits).is_none());
    }
}

#[test]
fn head_without_an_end_is_not_understood() {
    let head = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    for cut in 0..head.len() {
        assert!(request(&head[..cut], &Limits::default(), None).is_none());
    }
    let seen = request(head, &Limits::default(), None).unwrap();
    assert_eq!((seen.line.method, seen.len), (Method::GET, head.len()));
}

/// The fields of `head`, as the server remembers them.
fn before(head: &[u8]) -> Before {
    let seen = request(head, &Limits::default(), None).unwrap();
    Before::of(&seen, &Bytes::copy_from_slice(&head[..seen.len]))
}

#[test]
fn head_with_the_fields_of_the_one_before_says_what_it_says_alone() {
    let limits = Limits::default();
    let first = before(b"GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\nGET");
    let same = b"HEAD /b?c HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\nGET /d";
    let (with, alone) = (
        request(same, &limits, Some(&first)),
        request(same, &limits, None),
    );
    let (with, alone) = (with.unwrap(), alone.unwrap());
    assert!(with.repeats && !alone.repeats);
    assert_eq!(
        format!("{:?}", (with.line, with.meaning, with.len)),
        format!("{:?}", (alone.line, alone.meaning, alone.len))
    );
    // Too long as a whole, though its fields were not.
    let tight = Limits {
        head: with.len - 1,
        ..limits
    };
    assert!(request(same, &tight, Some(&first)).is_none());
}

#[test]
fn head_whose_fields_differ_from_those_before_is_read_for_itself() {
    let limits = Limits::default();
    let first = before(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    let others: [&[u8]; 4] = [
        b"GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: H\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx",
        b"GET / HTTP/1.1\r\nHost: h\r\n",
    ];
    for other in others {
        let (with, alone) = (
            request(other, &limits, Some(&first)),
            request(other, &limits, None),
        );
        assert!(with.as_ref().is_none_or(|seen| !seen.repeats));
        assert_eq!(format!("{with:?}"), format!("{alone:?}"));
    }
}

/// A line of a head, well made or almost.
fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("Host: h".to_owned()),
        Just("host: [::1]:80".to_owned()),
        "(Connection|CONNECTION|Expect|Upgrade|Transfer-Encoding|Content-Length): ?(close|keep-alive|upgrade, x|100-continue|chunked|7|7, 7|,)",
        "[A-Za-z-]{1,20}:[ \t]{0,2}[ -~]{0,40}[ \t]?",
        "[ -~\t\u{0}\u{7f}\u{e9}]{0,30}",
    ]
}

proptest! {
    /// Lines as they may come, with an end now and then that is none.
    #[test]
    fn every_head_reads_alike_at_a_glance_and_step_by_step(
        method in "(GET|HEAD|POST|PUT|get|)",
        target in "/[a-z%?#\"/ \u{7f}é]{0,12}|\\*|http://h/",
        version in "HTTP/(1\\.1|1\\.0|1\\.2|2\\.0)",
        lines in prop::collection::vec((line(), prop::bool::weighted(0.97)), 0..8),
    ) {
        let mut head = format!("{method} {target} {version}\r\n");
        for (line, ends) in lines {
            head.push_str(&line);
            head.push_str(if ends { "\r\n" } else { "\n" });
        }
        head.push_str("\r\n");
        compare(head.as_bytes(), &Limits::default());
    }
}
