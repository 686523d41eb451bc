//! Why a call could not be served.
//!
//! Job: one closed list per user call. Owns: the lists. Does not know: any operating system's codes.
//! Sources: RFC 9293 3.10.1 to 3.10.5 (the error texts of the user calls).

use thiserror::Error;

use crate::event::CloseReason;

/// Why `listen` was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ListenError {
    /// Another listener has this address and port.
    #[error("the address is in use by another listener")]
    AddressInUse,
    /// Port zero names nobody.
    #[error("a listener needs a port other than zero")]
    NoPort,
}

/// Why `connect` was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// A connection between these two sockets exists.
    #[error("a connection between these two sockets already exists")]
    AlreadyExists,
    /// Every ephemeral port towards this remote socket is taken.
    #[error("no local port is free towards this remote socket")]
    NoPortFree,
    /// The local port named is another engine's of this host: see [`Config::share`](crate::Config::share).
    #[error("the local port belongs to another shard of this host")]
    OtherShare,
    /// The remote address is unspecified, multicast, broadcast or of the other family, or its port is zero.
    #[error("the remote address cannot be connected to")]
    BadRemote,
}

/// Why `read` returned nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Nothing has arrived yet; `Event::Readable` will tell.
    #[error("nothing to read yet")]
    WouldBlock,
    /// The connection ended otherwise than by the peer's finish.
    #[error("the connection ended: {0}")]
    Closed(CloseReason),
    /// The id names no connection (any more).
    #[error("no such connection")]
    Stale,
}

/// Why `write` took nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WriteError {
    /// Our side was closed before.
    #[error("the sending side is closed")]
    Shutdown,
    /// The connection has ended.
    #[error("the connection ended: {0}")]
    Closed(CloseReason),
    /// The id names no connection (any more).
    #[error("no such connection")]
    Stale,
}

/// The id names no connection or listener (any more).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("no such connection")]
pub struct StaleId;
