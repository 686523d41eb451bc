//! Parts that stand alone.
//!
//! Job: a checksum, the timer wheel, HTTP's engine. Owns: their inputs. Does not know: packets.

use core::hint::black_box;
use core::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use iai_callgrind::library_benchmark;
use outcrop_base::{Checksum, Instant, TimerWheel, WallClock};
use outcrop_http::h1::{Prepared, Server, ServerConfig};

/// What a browser sends, more or less.
const REQUEST: &[u8] = b"GET /small HTTP/1.1\r\nHost: 10.77.0.2\r\nUser-Agent: bench/1.0\r\n\
    Accept: text/html,application/xhtml+xml\r\nAccept-Encoding: gzip, br\r\nConnection: keep-alive\r\n\r\n";

pub(crate) fn request() -> Bytes {
    Bytes::from_static(REQUEST)
}

pub(crate) fn answer() -> Prepared {
    let mut fields = HeaderMap::new();
    fields.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    Prepared::new(StatusCode::OK, &fields, Bytes::from_static(&[b'x'; 100]))
}

pub(crate) fn http() -> ServerConfig {
    ServerConfig {
        wall_clock: Some(WallClock::new(Duration::from_secs(1_000_000_000))),
        ..ServerConfig::default()
    }
}

fn segment() -> Vec<u8> {
    (0..1460u32).map(|n| (n % 251) as u8).collect()
}

#[library_benchmark]
#[bench::of(setup = segment)]
fn checksum_of_1460_bytes(bytes: Vec<u8>) -> u16 {
    let mut sum = Checksum::new();
    sum.add(black_box(&bytes));
    sum.finish()
}

fn wheel() -> TimerWheel<u32> {
    let mut wheel = TimerWheel::new();
    for n in 0..1000 {
        wheel.arm(Instant::from_millis(u64::from(n) * 7), n);
    }
    wheel
}

// A hundred deadlines filed and as many met.
#[library_benchmark]
#[bench::of(setup = wheel)]
fn wheel_arms_and_fires(mut wheel: TimerWheel<u32>) -> TimerWheel<u32> {
    for n in 0..100 {
        let now = Instant::from_millis(u64::from(n) * 7);
        wheel.arm(now + Duration::from_millis(200), n);
        black_box(wheel.pop_due(now));
    }
    wheel
}

/// A server on which one request was answered, so that everything has its memory.
fn warm_server() -> Server {
    let mut server = Server::new(http(), Instant::ZERO);
    let now = Instant::from_secs(1);
    let _verdict = server.handle_bytes(now, request());
    while server.poll_event().is_some() {}
    let _sent = server.respond_prepared(now, &answer());
    while server.poll_transmit(now).is_some() {}
    server
}

#[library_benchmark]
#[bench::of(setup = warm_server)]
fn h1_reads_a_request(mut server: Server) -> Server {
    let _verdict = server.handle_bytes(Instant::from_secs(1), black_box(request()));
    while let Some(event) = server.poll_event() {
        black_box(event);
    }
    server
}

/// A server that owes an answer.
fn asked_server() -> (Server, Prepared) {
    let mut server = warm_server();
    let _verdict = server.handle_bytes(Instant::from_secs(1), request());
    while server.poll_event().is_some() {}
    (server, answer())
}

#[library_benchmark]
#[bench::of(setup = asked_server)]
fn h1_answers((mut server, answer): (Server, Prepared)) -> Server {
    let now = Instant::from_secs(1);
    let _sent = server.respond_prepared(now, black_box(&answer));
    black_box(server.poll_transmit(now));
    server
}
