//! Layer 7 of the Outcrop stack: HTTP/1.1.
//!
//! At its heart is [`h1`], an engine that is told which bytes arrived and says which messages they were, and
//! which bytes to send. It has no socket, no clock, no task; everything around it is adapters.
//!
//! ```text
//!                Event{Request, Body, Trailers, End, Rejected}
//!                        ▲              respond · write · finish
//!                   poll_event                  │
//!                 ┌──────┴──────────────────────▼──────┐
//!   handle_bytes  │  scan ► parse ► framing ► body     │◄── handle_timeout(now)
//!   handle_eof ──►│      one Exchange at a time        ├──► poll_timeout()
//!                 └──────────────────┬─────────────────┘
//!                                    ▼
//!                     poll_transmit / output, closing
//! ```
//!
//! | verb | here |
//! |---|---|
//! | from below | `handle_bytes(now, Bytes) -> Verdict`, `handle_eof(now)`, `handle_finished(now)`, guarded by `wants_bytes()` |
//! | user calls | server: `accept_body inform respond respond_prepared switch tunnel write finish abort shutdown`; client: `request write finish pipeline` |
//! | clock | `poll_timeout`, `handle_timeout(now)` |
//! | to below | `poll_transmit(now) -> Option<Bytes>` or `output()`; then `closing()` says what to do with the stream |
//! | to above | `poll_event()` |
//!
//! Two engines, one conversation:
//!
//! ```
//! use bytes::Bytes;
//! use http::{HeaderMap, Request, StatusCode};
//! use outcrop_base::Instant;
//! use outcrop_http::h1::{
//!     BodyLength, Client, ClientConfig, ClientEvent, Server, ServerConfig, ServerEvent,
//! };
//!
//! let now = Instant::ZERO;
//! let mut client = Client::new(ClientConfig::default(), now);
//! let mut server = Server::new(ServerConfig::default(), now);
//!
//! // The client asks ..
//! let request = Request::get("http://outcrop.test/layers").body(())?;
//! client.request(now, &request, BodyLength::Exact(0))?;
//! client.finish(None)?;
//! while let Some(bytes) = client.poll_transmit(now) {
//!     assert_eq!(server.handle_bytes(now, bytes).drop_reason(), None);
//! }
//! let Some(ServerEvent::Request(head)) = server.poll_event() else { unreachable!() };
//! assert_eq!((head.path(), head.host()), ("/layers", Some("outcrop.test")));
//!
//! // .. the server answers in chunks, since it does not know yet how much it will be ..
//! server.respond(now, StatusCode::OK, &HeaderMap::new(), BodyLength::Unknown)?;
//! server.write(Bytes::from_static(b"seven"))?;
//! server.finish(None)?;
//! while let Some(bytes) = server.poll_transmit(now) {
//!     assert_eq!(client.handle_bytes(now, bytes).drop_reason(), None);
//! }
//!
//! // .. and the client hears it.
//! assert!(matches!(client.poll_event(), Some(ClientEvent::Response(head)) if head.status() == 200));
//! assert!(matches!(client.poll_event(), Some(ClientEvent::Body(data)) if data == "seven"));
//! assert!(matches!(client.poll_event(), Some(ClientEvent::End)));
//! assert!(client.reusable());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Files, in reading order
//! [`h1::state`] (the life of an exchange), then the rest of [`h1`]; [`Sleep`] and [`Body`]; [`serve`] (an engine over a
//! stream with a [`serve::Handler`] or a `tower` service), [`client`] (an engine over a stream, asking);
//! [`files`], [`pages`] and [`trace`] (answers); [`wire`] (a message taken apart, for inspectors).
//!
//! # Not here
//! TLS (`l6-tls`), sockets (`l5-socket`: anything that is a [`ByteStream`](outcrop_base::ByteStream) will do), a
//! runtime, redirects, cookies, caches, content codings, what a tunnel leads to (`l7-web`), later versions of HTTP.
#![forbid(unsafe_code)]

mod body;
pub mod client;
pub mod files;
pub mod h1;
pub mod pages;
pub mod serve;
mod sleep;
pub mod trace;
pub mod wire;

pub use body::Body;
pub use sleep::{Sleep, Sleeper, sleeper};
