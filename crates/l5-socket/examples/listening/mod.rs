//! What axum wants of a listener: a type that accepts for ever, and says where.

use core::net::SocketAddr;
use std::io;

use outcrop_socket::{TcpListener, TcpStream};

/// A listener of ours, for `axum::serve`.
pub(crate) struct Listening(pub(crate) TcpListener);

impl axum::serve::Listener for Listening {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            if let Ok(stream) = self.0.accept().await
                && let Ok(peer) = stream.peer_addr()
            {
                return (stream, peer);
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}
