//! TRACE and OPTIONS: what a server says of requests and of itself.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use common::story::{feed, request, server};
use http::StatusCode;
use outcrop_http::trace;

fn traced(head: &str) -> (StatusCode, String) {
    let mut server = server();
    feed(&mut server, 0, head);
    let page = trace::answer(&request(&mut server));
    let head = page.to_http(true);
    let kind = head.headers()["content-type"].to_str().unwrap();
    let body = String::from_utf8(page.body().to_vec()).unwrap();
    (page.status(), format!("{kind}: {body}"))
}

#[test]
fn request_comes_back_as_it_came_but_for_its_secrets() {
    let (status, said) = traced(
        "TRACE /a?b HTTP/1.1\r\nhOst:  h\r\nCookie: session=1\r\nMax-Forwards: 0\r\nAUTHORIZATION: Basic x\r\n\
         Proxy-Authorization: Basic y\r\nX-CSRF-Token: z\r\nVia: 1.0 a, 1.1 b\r\n\r\n",
    );
    assert_eq!(status, StatusCode::OK);
    let want = "TRACE /a?b HTTP/1.1\r\nhOst: h\r\nMax-Forwards: 0\r\nVia: 1.0 a, 1.1 b\r\n\r\n";
    assert_eq!(said, format!("message/http: {want}"));
}

#[test]
fn trace_with_a_body_and_what_is_no_trace_are_refused() {
    let body = "TRACE / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n";
    assert_eq!(traced(body).0, StatusCode::BAD_REQUEST);
    let chunks = "TRACE / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(traced(chunks).0, StatusCode::BAD_REQUEST);
    let get = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    assert_eq!(traced(get).0, StatusCode::METHOD_NOT_ALLOWED);
}
