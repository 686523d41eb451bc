//! Layer 6 of the Outcrop stack: TLS 1.2 and 1.3 over any stream.
//!
//! The protocol itself is rustls'; what is ours is the fit: pieces of bytes in and out of a
//! [`ByteStream`](outcrop_base::ByteStream), certificates by name, keys that an inspector may have.
//!
//! ```text
//!        HTTP            read: Bytes ▲        │ write: ChunkQueue
//!                                    │        ▼
//!      ┌─────────────────────────────┴─────────────────────┐
//!      │ TlsStream<S>     rustls: records, handshake, keys ├──► KeySink: lines of a key log
//!      └─────────────────────────────▲────────┬────────────┘
//!        TCP             read: Bytes │        ▼ write: ChunkQueue
//! ```
//!
//! | verb | here |
//! |---|---|
//! | from above | [`accept`], [`connect`]; then [`TlsStream`] is a `ByteStream` itself |
//! | configuration | [`Server`], [`Client`], [`Identity`], [`Authority`] |
//! | facts | [`TlsStream::facts`]: version, suite, name, protocol |
//!
//! Two ends joined by memory:
//!
//! ```
//! use outcrop_base::ByteStream;
//! use outcrop_tls::{Authority, Client, Server, accept, connect, pipe};
//! use core::future::poll_fn;
//!
//! let authority = Authority::new("a test").unwrap();
//! let server = Server::new(vec![authority.issue(&["outcrop.test"]).unwrap()]).alpn(&["http/1.1"]).build().unwrap();
//! let client = Client::trusting(authority.certificate()).unwrap().alpn(&["http/1.1"]).build().unwrap();
//!
//! let (here, there) = pipe();
//! let (mine, yours) = futures_executor::block_on(async {
//!     let there = accept(there, &server);
//!     let here = connect(here, &client, "outcrop.test");
//!     futures_executor::block_on_stream_pair(here, there).await
//! });
//! # mod futures_executor {
//! #     pub use ::futures_executor::block_on;
//! #     use core::future::{Future, poll_fn};
//! #     use core::pin::pin;
//! #     use core::task::Poll;
//! #     /// Both futures in turns, as an executor with two tasks would.
//! #     pub async fn block_on_stream_pair<A: Future, B: Future>(a: A, b: B) -> (A::Output, B::Output) {
//! #         let (mut a, mut b) = (pin!(a), pin!(b));
//! #         let (mut one, mut two) = (None, None);
//! #         poll_fn(|cx| {
//! #             if one.is_none() && let Poll::Ready(done) = a.as_mut().poll(cx) { one = Some(done); }
//! #             if two.is_none() && let Poll::Ready(done) = b.as_mut().poll(cx) { two = Some(done); }
//! #             match (one.take(), two.take()) {
//! #                 (Some(a), Some(b)) => Poll::Ready((a, b)),
//! #                 (a, b) => { (one, two) = (a, b); cx.waker().wake_by_ref(); Poll::Pending }
//! #             }
//! #         }).await
//! #     }
//! # }
//! let (mut mine, mut yours) = (mine.unwrap(), yours.unwrap());
//! assert_eq!(yours.facts().protocol.as_deref(), Some("http/1.1"));
//! let heard = futures_executor::block_on(async {
//!     let mut hello = bytes::Bytes::from_static(b"hello").into();
//!     poll_fn(|cx| mine.poll_write(cx, &mut hello)).await.unwrap();
//!     poll_fn(|cx| yours.poll_read(cx)).await.unwrap()
//! });
//! assert_eq!(heard.as_deref(), Some(&b"hello"[..]));
//! ```
//!
//! # Files, in reading order
//! `stream` the heart; `handshake` until it may be used; `identity` certificates and who signs them; `names` which
//! certificate for which name; `config` both ends' settings, `groups` in which keys are exchanged; `keys` the key log;
//! `pipe` a stream in memory.
//!
//! # Not here
//! Cryptography and the record layer (rustls and ring), sockets, what is said inside.
#![forbid(unsafe_code)]

mod config;
mod groups;
mod handshake;
mod identity;
mod keys;
mod names;
mod pipe;
mod stream;

pub use config::{Client, ClientTls, ConfigError, Server, ServerTls};
pub use groups::Group;
pub use handshake::{HandshakeError, accept, connect};
pub use identity::{Authority, Identity, IdentityError};
pub use keys::KeySink;
pub use pipe::{Pipe, pipe};
pub use stream::{Facts, TlsStream};
