//! What an engine may be told at its birth.
//!
//! Job: limits and waiting times, each with its consequence. Owns: the numbers. Does not know: how they are kept.
//! Sources: RFC 9112 sections 2.3, 3 and 9.3; RFC 9110 sections 5.4 and 15.5.14; RFC 6585 section 5.

use core::time::Duration;

use outcrop_base::WallClock;

/// Upper bounds on what a peer may send. Everything the engine remembers of a peer is under one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a start line with its line end; 414 beyond. RFC 9112 section 3 recommends at least 8000.
    pub start_line: usize,
    /// Bytes of a whole head, or of all trailers; 431 beyond.
    pub head: usize,
    /// Field lines of a head, or trailers; 431 beyond.
    pub fields: usize,
    /// Bytes of a body; 413 beyond. `None`: no bound (bodies stream; nothing is kept).
    pub body: Option<u64>,
    /// Whether a POST, PUT or PATCH of HTTP/1.1 must say how long its body is; 411 if not.
    pub require_length: bool,
    /// Bytes of a chunk-size line with its extensions.
    pub chunk_line: usize,
    /// Bytes of chunk extensions in one body: tiny chunks with long extensions cost a reader dearly.
    pub chunk_extensions: usize,
    /// Received bytes that may wait while an exchange is under way: how deep pipelining goes.
    /// [`Server::wants_bytes`](super::Server::wants_bytes) is false above it.
    pub pipelined: usize,
    /// Bytes of a response that may wait to be transmitted; `write` refuses more.
    pub output: usize,
    /// Bytes of an unread request body that are worth reading to keep the connection.
    pub drain: u64,
    /// Bytes swallowed after a refusal, so that the refusal itself is not lost to a reset.
    pub linger: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            start_line: 8 * 1024,
            head: 32 * 1024,
            fields: 100,
            body: None,
            require_length: false,
            chunk_line: 256,
            chunk_extensions: 16 * 1024,
            pipelined: 64 * 1024,
            output: 256 * 1024,
            drain: 256 * 1024,
            linger: 1024 * 1024,
        }
    }
}

/// A server engine's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// Upper bounds.
    pub limits: Limits,
    /// How long a connection may sit between requests, and before the first.
    pub idle: Duration,
    /// How long a head may take from its first byte; 408 beyond.
    pub head: Duration,
    /// How long to wait for the next piece of a body that the application wants; 408 beyond.
    pub body: Duration,
    /// How long to read on after a refusal or an early close.
    pub linger: Duration,
    /// Requests on one connection; the last is answered with `Connection: close`. Zero: no bound.
    pub requests: u32,
    /// The wall clock, for `Date`. `None`: no `Date` (RFC 9110 section 6.6.1: an origin without a clock sends none).
    pub wall_clock: Option<WallClock>,
    /// The value of `Server`; empty: none.
    pub server_name: &'static str,
    /// Whether CONNECT is understood; without, it is answered with 501 whatever stands behind. Whoever accepts one lets
    /// strangers reach what this host can reach.
    pub connect: bool,
    /// Whether a connection may begin with a request of 1991, `GET /path` without a version (HTTP/0.9): the answer is the
    /// body alone, and its end the connection's. Nothing then tells a page from an error, nor a whole one from a half.
    pub http09: bool,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            idle: Duration::from_secs(60),
            head: Duration::from_secs(20),
            body: Duration::from_secs(30),
            linger: Duration::from_secs(2),
            requests: 0,
            wall_clock: None,
            server_name: "outcrop",
            connect: false,
            http09: false,
        }
    }
}

/// A client engine's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientConfig {
    /// Upper bounds. `body` here bounds what a server may send.
    pub limits: Limits,
    /// How long to wait for the next piece of a response.
    pub response: Duration,
    /// Requests that may be sent behind one that is not answered yet (`Client::pipeline`).
    pub pipeline: usize,
    /// Whether the connection leads to a proxy: requests then name scheme and authority too (RFC 9112 section 3.2.2).
    pub to_proxy: bool,
    /// How long to hold a body back after `Expect: 100-continue` when nothing answers (RFC 9110 section 10.1.1).
    pub expect_continue: Duration,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            response: Duration::from_secs(60),
            pipeline: 16,
            to_proxy: false,
            expect_continue: Duration::from_secs(1),
        }
    }
}
