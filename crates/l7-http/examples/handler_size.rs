//! What a request costs by the size of whoever answers it.
//!
//! `cargo run --release -p outcrop-http --example handler_size`: one connection, made of memory, asks for the same small
//! answer again and again; the future that answers keeps more and more across an await. Nanoseconds a request of this
//! thread, least of several rounds, beside those of an inline handler, which has no future at all.
#![expect(clippy::print_stdout, reason = "this is what it is for")]

use core::convert::Infallible;
use core::hint::black_box;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use std::io;
use std::sync::Arc;
use std::time::Instant as Wall;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use outcrop_base::{ByteStream, ChunkQueue, Instant};
use outcrop_http::h1::Prepared;
use outcrop_http::serve::{self, Config, ConnectionInfo};
use outcrop_http::{Body, Sleep};

const REQUESTS: u32 = 20_000;
const ROUNDS: u32 = 7;
const REQUEST: &[u8] =
    b"GET /small HTTP/1.1\r\nHost: outcrop.test\r\nUser-Agent: example\r\nAccept: */*\r\n\r\n";

/// A client that asks as soon as it is answered, and then goes.
struct Client {
    left: u32,
    answered: bool,
}

impl ByteStream for Client {
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        if !core::mem::take(&mut self.answered) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let Some(left) = self.left.checked_sub(1) else {
            return Poll::Ready(Ok(None));
        };
        self.left = left;
        Poll::Ready(Ok(Some(Bytes::from_static(REQUEST))))
    }

    fn poll_write(&mut self, _: &mut Context<'_>, out: &mut ChunkQueue) -> Poll<io::Result<()>> {
        out.advance(out.len());
        self.answered = true;
        Poll::Ready(Ok(()))
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Time that stands still: nothing here waits for it.
struct Still;

impl Sleep for Still {
    fn now(&self) -> Instant {
        Instant::ZERO
    }

    fn poll_until(&mut self, _: &mut Context<'_>, _: Instant) -> Poll<()> {
        Poll::Pending
    }
}

/// Nanoseconds a request, the least of some rounds.
fn measure<F: Future>(connection: impl Fn(Client) -> F) -> u128 {
    let round = || {
        let client = Client {
            left: REQUESTS,
            answered: true,
        };
        let mut serving = pin!(connection(client));
        let mut cx = Context::from_waker(Waker::noop());
        let began = Wall::now();
        while serving.as_mut().poll(&mut cx).is_pending() {}
        began.elapsed().as_nanos() / u128::from(REQUESTS)
    };
    (0..ROUNDS).map(|_| round()).min().unwrap_or_default()
}

/// A service whose future keeps so many bytes while it waits.
fn service<const KEPT: usize>(client: Client) -> impl Future {
    let service = tower::service_fn(|_: Request<Body>| async {
        let kept = black_box([1_u8; KEPT]);
        core::future::ready(()).await;
        let kept = black_box(&kept);
        let text = if kept.is_empty() { "none" } else { "some" };
        Ok::<_, Infallible>(Response::new(Body::from(text)))
    });
    serve::service(
        client,
        Still,
        service,
        Config::default(),
        ConnectionInfo::default(),
    )
}

fn main() {
    let page = Arc::new(Prepared::new(
        StatusCode::OK,
        &http::HeaderMap::new(),
        Bytes::from_static(b"some"),
    ));
    let inline = measure(|client| {
        let page = Arc::clone(&page);
        let handler = move |_: &_, _: &_| Arc::clone(&page);
        serve::inline(
            client,
            Still,
            handler,
            Config::default(),
            ConnectionInfo::default(),
        )
    });
    println!("bytes kept by the future   ns a request");
    println!("{:>24}   {inline:>12}", "inline, none");
    let rows = [
        (16, measure(service::<16>)),
        (256, measure(service::<256>)),
        (1_024, measure(service::<1_024>)),
        (4_096, measure(service::<4_096>)),
        (16_384, measure(service::<16_384>)),
        (65_536, measure(service::<65_536>)),
    ];
    for (kept, nanos) in rows {
        println!("{kept:>24}   {nanos:>12}");
    }
}
