//! HTTP/1.1 as an engine: bytes in, messages out, and back.
//!
//! Job: both roles of RFC 9112 without a socket, a clock or a thread. Owns: one connection's protocol state.
//! Does not know: where bytes come from, who answers requests, what a file is.
//!
//! Reading order: [`state`] (the life of an exchange), `reject` (what is refused), `grammar`, `scan`, `parse`,
//! `framing` (where a message ends), `glance` (the common case of all of these), `chunked`, `body`; then [`Server`] and [`Client`].

mod body;
mod chunked;
mod client;
mod config;
mod date;
mod emit;
mod fields;
mod framing;
mod glance;
mod grammar;
mod head;
mod input;
mod parse;
mod prepared;
mod reject;
mod scan;
mod server;
pub mod state;

pub use client::{Client, ClientError, ClientEvent, is_idempotent};
pub use config::{ClientConfig, Limits, ServerConfig};
pub use fields::{FieldIter, Fields, Trailers};
pub use framing::Framing;
pub use head::{RequestHead, ResponseHead, same_origin};
pub use prepared::Prepared;
pub use reject::Reject;
pub use server::{Closing, Server, ServerEvent};

use state::OutOfTurn;

/// How long an outgoing body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BodyLength {
    /// Exactly so many bytes; zero for none.
    Exact(u64),
    /// Known when it ends.
    Unknown,
}

/// Why something could not be sent. The caller is to blame; the connection is as before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// Not now: nobody asked, or it was answered, or the connection is closing.
    #[error(transparent)]
    OutOfTurn(#[from] OutOfTurn),
    /// More body than announced.
    #[error("more body bytes than the announced length")]
    TooLong,
    /// The body ended before the announced length.
    #[error("the body ended before its announced length")]
    TooShort,
    /// The output is full: transmit first.
    #[error("the output is full")]
    Full,
    /// A 1xx status where a final one is needed, or the other way round.
    #[error("a status of the wrong class")]
    WrongClass,
    /// A request without an authority in its URI or a `Host` field.
    #[error("the request names no host")]
    NoHost,
}
