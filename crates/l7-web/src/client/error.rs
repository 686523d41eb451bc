//! Why there is no answer.

use std::io;

use outcrop_http::client::FetchError;

use super::redirect::RedirectError;
use super::retry::Failure;

/// Why there is no answer, or no more of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request's URI is not absolute, or neither http nor https.
    #[error("{0}: neither http nor https")]
    Uri(String),
    /// No connection.
    #[error("{0}")]
    Connect(io::Error),
    /// The proxy does not let us through.
    #[error("the proxy {0}")]
    Proxy(String),
    /// No agreement on keys.
    #[error("TLS: {0}")]
    Secure(io::Error),
    /// The connection, or what came over it.
    #[error(transparent)]
    Exchange(#[from] FetchError),
    /// The request's body cannot be had, or not again.
    #[error("the body of the request: {0}")]
    Payload(io::Error),
    /// A redirect leads nowhere.
    #[error("{0}")]
    Redirect(#[from] RedirectError),
    /// What came is not coded as it says, or is too much.
    #[error("content-encoding: {0}")]
    Coding(io::Error),
    /// The body is longer than was asked for.
    #[error("the answer is too long")]
    TooLong,
    /// There was no time left.
    #[error("not done in time")]
    Late,
    /// There is no chance to be had, and so no proof of who we are.
    #[error("the system has no random numbers: {0}")]
    Chance(String),
    /// Too many requests wait for a connection.
    #[error("too many requests wait for a connection")]
    Busy,
}

impl Error {
    /// What a failed attempt is to whoever decides on another; `None`: another would fare no better. `stale`: the
    /// connection had been used before, and not a byte came.
    pub(super) const fn failure(&self, stale: bool) -> Option<Failure> {
        match self {
            Self::Connect(_) | Self::Proxy(_) | Self::Secure(_) => Some(Failure::Connect),
            Self::Exchange(FetchError::Request(_)) => None,
            Self::Exchange(_) if stale => Some(Failure::Stale),
            Self::Exchange(_) => Some(Failure::Broken),
            Self::Uri(_)
            | Self::Payload(_)
            | Self::Redirect(_)
            | Self::Coding(_)
            | Self::TooLong
            | Self::Chance(_)
            | Self::Late
            | Self::Busy => None,
        }
    }
}
