//! Layer 5 of the Outcrop stack: the sockets that programs hold.
#![forbid(unsafe_code)]

pub mod blocking;
mod datagram;
mod deadline;
mod echo;
mod error;
mod listener;
mod split;
mod stream;
#[cfg(feature = "tokio")]
pub mod tokio;

pub use datagram::UdpSocket;
pub use deadline::{Elapsed, deadline, timeout};
pub use echo::Ping;
pub use listener::TcpListener;
pub use split::{OwnedReadHalf, OwnedWriteHalf};
pub use stream::TcpStream;
