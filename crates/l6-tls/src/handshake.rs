//! Until the stream may be used.
//!
//! Job: the handshake of either end, as a future. Owns: nothing. Does not know: what will be said.
//! Dropping the future drops the stream.

use core::future::poll_fn;
use core::task::{Context, Poll};
use std::io;
use std::sync::Arc;

use outcrop_base::ByteStream;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, Connection, ServerConnection};
use thiserror::Error;

use crate::{ClientTls, ServerTls, TlsStream};

/// Why there is no TLS.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The name is neither a host name nor an address.
    #[error("`{0}` is neither a host name nor an IP address")]
    BadName(String),
    /// We and the peer cannot agree; what rustls says names the reason.
    #[error("{0}")]
    Refused(rustls::Error),
    /// The connection ended before the handshake did.
    #[error("the connection ended during the TLS handshake")]
    Ended,
    /// The stream below failed.
    #[error("{0}")]
    Stream(io::Error),
}

impl From<HandshakeError> for io::Error {
    fn from(error: HandshakeError) -> Self {
        let kind = match &error {
            HandshakeError::BadName(_) => io::ErrorKind::InvalidInput,
            HandshakeError::Refused(_) => io::ErrorKind::InvalidData,
            HandshakeError::Ended => io::ErrorKind::UnexpectedEof,
            HandshakeError::Stream(error) => error.kind(),
        };
        Self::new(kind, error)
    }
}

/// The server's side.
///
/// # Errors
/// [`HandshakeError`]; the client is told by an alert.
pub async fn accept<S: ByteStream>(
    stream: S,
    config: &ServerTls,
) -> Result<TlsStream<S>, HandshakeError> {
    let tls = ServerConnection::new(Arc::clone(&config.0)).map_err(HandshakeError::Refused)?;
    shake(TlsStream::new(stream, Connection::Server(tls))).await
}

/// The client's side; `name` is whom it must be, and what the server is asked for.
///
/// # Errors
/// [`HandshakeError`]; the server is told by an alert.
pub async fn connect<S: ByteStream>(
    stream: S,
    config: &ClientTls,
    name: &str,
) -> Result<TlsStream<S>, HandshakeError> {
    // An IPv6 address stands in brackets in a URL.
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    let server = ServerName::try_from(bare.to_owned())
        .map_err(|_| HandshakeError::BadName(name.to_owned()))?;
    let tls =
        ClientConnection::new(Arc::clone(&config.0), server).map_err(HandshakeError::Refused)?;
    shake(TlsStream::new(stream, Connection::Client(tls))).await
}

async fn shake<S: ByteStream>(mut stream: TlsStream<S>) -> Result<TlsStream<S>, HandshakeError> {
    poll_fn(|cx| poll_shake(&mut stream, cx)).await?;
    Ok(stream)
}

fn poll_shake<S: ByteStream>(
    stream: &mut TlsStream<S>,
    cx: &mut Context<'_>,
) -> Poll<Result<(), HandshakeError>> {
    loop {
        match stream.poll_flush(cx) {
            Poll::Ready(Ok(())) => {}
            // Tickets for a client that has said all and gone: what it said is still to be read.
            Poll::Ready(Err(_)) if !stream.tls.is_handshaking() => return Poll::Ready(Ok(())),
            Poll::Ready(Err(error)) => return Poll::Ready(Err(HandshakeError::Stream(error))),
            Poll::Pending => return Poll::Pending,
        }
        if !stream.tls.is_handshaking() {
            return Poll::Ready(Ok(()));
        }
        let wanted = stream.tls.wants_read();
        match stream.poll_records(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Err(error)) => return Poll::Ready(Err(refused(error))),
            // Nothing more will come, and that did not end it.
            Poll::Ready(Ok(())) if stream.ended() && wanted && stream.tls.is_handshaking() => {
                return Poll::Ready(Err(HandshakeError::Ended));
            }
            Poll::Ready(Ok(())) => {}
        }
    }
}

/// rustls' own reason out of the stream's error.
fn refused(error: io::Error) -> HandshakeError {
    match error.downcast::<rustls::Error>() {
        Ok(reason) => HandshakeError::Refused(reason),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => HandshakeError::Ended,
        Err(error) => HandshakeError::Stream(error),
    }
}
