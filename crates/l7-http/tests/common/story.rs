//! The words in which stories of a server's connection are told.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "test words; not every test file uses them all"
)]

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use outcrop_base::Instant;
use outcrop_http::h1::{BodyLength, RequestHead, Server, ServerConfig, ServerEvent};

pub(crate) const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

pub(crate) fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

pub(crate) fn quiet() -> ServerConfig {
    ServerConfig {
        server_name: "",
        ..ServerConfig::default()
    }
}

pub(crate) fn server() -> Server {
    Server::new(quiet(), at(0))
}

pub(crate) fn feed(server: &mut Server, millis: u64, bytes: &str) {
    let _verdict = server.handle_bytes(at(millis), Bytes::copy_from_slice(bytes.as_bytes()));
}

pub(crate) fn request(server: &mut Server) -> RequestHead {
    match server.poll_event() {
        Some(ServerEvent::Request(head)) => head,
        other => panic!("no request but {other:?}"),
    }
}

/// Skips body pieces; the number of bytes in them.
pub(crate) fn until_end(server: &mut Server) -> usize {
    let mut bytes = 0;
    loop {
        match server.poll_event() {
            Some(ServerEvent::Body(data)) => bytes += data.len(),
            Some(ServerEvent::End) => return bytes,
            other => panic!("no end but {other:?}"),
        }
    }
}

pub(crate) fn answer(server: &mut Server, millis: u64, body: &'static str) {
    let length = BodyLength::Exact(body.len() as u64);
    server
        .respond(at(millis), StatusCode::OK, &HeaderMap::new(), length)
        .unwrap();
    server.write(Bytes::from_static(body.as_bytes())).unwrap();
    server.finish(None).unwrap();
}

pub(crate) fn sent(server: &mut Server, millis: u64) -> String {
    let mut all = Vec::new();
    while let Some(bytes) = server.poll_transmit(at(millis)) {
        all.extend_from_slice(&bytes);
    }
    String::from_utf8(all).unwrap()
}

pub(crate) fn ok(body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}")
}
