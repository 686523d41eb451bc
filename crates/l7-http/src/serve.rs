//! An engine, a stream and somebody who answers: a served connection.
//!
//! Job: move bytes between the two and requests to the third. Owns: the order in which that happens.
//! Does not know: TCP, which runtime polls it, what the answers say.
//! Sources: RFC 9112 section 9 (when to read on, when to close).
//!
//! ```text
//!   ByteStream ──bytes──► h1::Server ──request──► Handler (inline) or tower Service
//!       ▲                     │                        │
//!       └──────output─────────┴◄──── answer, body ─────┘
//! ```

mod app;
mod connection;
mod early;
mod pace;
mod spare;
mod upgrade;

use core::net::SocketAddr;
use core::time::Duration;
use std::sync::Arc;

use outcrop_base::{ByteStream, Instant};

use crate::h1::{Prepared, Reject, RequestHead, ServerConfig};
use crate::{Body, Sleep};

pub use app::{App, Inline, Tower};
pub use connection::Connection;
pub use pace::Slowest;
pub use upgrade::Upgrade;

/// Which connection this is; whoever accepted it knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectionInfo {
    /// The client's address.
    pub remote: Option<SocketAddr>,
    /// Ours.
    pub local: Option<SocketAddr>,
    /// A number of the caller's choice, to tell connections apart.
    pub serial: u64,
}

/// What a handler may want to know beyond the request. A `tower` service finds it in the request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct About {
    /// The connection.
    pub connection: ConnectionInfo,
    /// Which request on it, from one.
    pub request: u32,
    /// When the request was read.
    pub at: Instant,
}

/// How to serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The engine's settings.
    pub http: ServerConfig,
    /// The slowest that a client may take an answer that waits for it.
    pub reading: Slowest,
    /// The slowest that a client may send a body that is waited for.
    pub sending: Slowest,
    /// How long an exchange may take from the head of the request to the last byte of the answer, whoever is slow.
    /// `None`: as long as it likes, as streams of events do.
    pub whole: Option<Duration>,
    /// Pipelined requests that may begin before their turn, where the connection is [`Connection::concurrent`]. What
    /// waits beyond them waits as bytes.
    pub ahead: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            http: ServerConfig::default(),
            reading: Slowest::default(),
            sending: Slowest::default(),
            whole: None,
            ahead: 8,
        }
    }
}

/// How a connection went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Requests begun.
    pub requests: u32,
    /// Why the last message was refused, if it was.
    pub rejected: Option<Reject>,
    /// Bytes read from the stream.
    pub bytes_in: u64,
    /// Bytes written to it.
    pub bytes_out: u64,
}

/// An answer.
#[derive(Debug)]
pub enum Answer<B = Body> {
    /// Made before: the cheapest. Behind one pointer, since it goes through several hands before its bytes are copied.
    Prepared(Arc<Prepared>),
    /// Made for this request.
    Response(http::Response<B>),
}

impl<B> From<Arc<Prepared>> for Answer<B> {
    fn from(prepared: Arc<Prepared>) -> Self {
        Self::Prepared(prepared)
    }
}

/// For a single use; who gives it again shares it.
impl<B> From<Prepared> for Answer<B> {
    fn from(prepared: Prepared) -> Self {
        Self::Prepared(Arc::new(prepared))
    }
}

impl<B> From<http::Response<B>> for Answer<B> {
    fn from(response: http::Response<B>) -> Self {
        Self::Response(response)
    }
}

/// Answers at once, on the connection's own task: no future, no allocation. Request bodies are not read.
pub trait Handler {
    /// The answer to `request`.
    fn answer(&mut self, request: &RequestHead, about: &About) -> Answer;
}

impl<F, R> Handler for F
where
    F: FnMut(&RequestHead, &About) -> R,
    R: Into<Answer>,
{
    fn answer(&mut self, request: &RequestHead, about: &About) -> Answer {
        self(request, about).into()
    }
}

/// Serves a connection with an inline handler. The future is ready when the connection is over.
pub fn inline<S, T, H>(
    stream: S,
    sleep: T,
    handler: H,
    config: Config,
    info: ConnectionInfo,
) -> Connection<S, T, Inline<H>>
where
    S: ByteStream,
    T: Sleep,
    H: Handler,
{
    Connection::new(stream, sleep, Inline::new(handler), config, info)
}

/// Serves a connection with a `tower` service (an axum `Router`, say); its errors become a 500.
pub fn service<S, T, V, B>(
    stream: S,
    sleep: T,
    service: V,
    config: Config,
    info: ConnectionInfo,
) -> Connection<S, T, Tower<V, http::Request<Body>>>
where
    S: ByteStream,
    T: Sleep,
    V: tower_service::Service<http::Request<Body>, Response = http::Response<B>>,
    B: http_body::Body<Data = bytes::Bytes>,
{
    Connection::new(stream, sleep, Tower::new(service), config, info)
}
