//! Layer 7 of the Outcrop stack: what a web application needs above HTTP.
//!
//! ```text
//!   request ──► AccessLog ► Harden ► Rate ► Cors ► Sessions ► Compress ──► your service
//!   response ◄──────────────────── each a Pass: enter · leave ────────────────────┘
//! ```
//!
//! One module an idea, each usable alone. What stands around a service is a [`Pass`]: two plain functions, one on the
//! request and one on the response; [`Around`] makes a `tower` layer of it. What a handler calls (bodies, credentials,
//! tokens, events, conversations) are functions and values. Nothing here knows a socket or a runtime: streams of events
//! and WebSocket conversations are response bodies, driven by whoever reads them.
//!
//! ```
//! use http::{Method, Request, Response, StatusCode};
//! use outcrop_http::Body;
//! use outcrop_web::cors::{Cors, Origins};
//! use outcrop_web::{Around, Pass as _, compress::Compress};
//! use tower::{Layer as _, ServiceExt as _};
//!
//! let page = tower::service_fn(|_: Request<Body>| async {
//!     let mut response = Response::new(Body::from("layer upon layer ".repeat(100)));
//!     response.headers_mut().insert("content-type", "text/plain".parse().unwrap());
//!     Ok::<_, core::convert::Infallible>(response)
//! });
//! let cors = Cors::new(Origins::These(vec!["https://a.test".into()])).methods(&[Method::GET]);
//! let service = Around(cors).layer(Around(Compress).layer(page));
//! let request = Request::get("/").header("accept-encoding", "br;q=0.5, gzip").header("origin", "https://a.test");
//! let answer = service.oneshot(request.body(Body::empty())?);
//! # let answer = futures_executor::block_on(answer)?;
//! assert_eq!(answer.status(), StatusCode::OK);
//! assert_eq!(answer.headers()["content-encoding"], "gzip");
//! assert_eq!(answer.headers()["access-control-allow-origin"], "https://a.test");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Files, in reading order
//! `pass` the shape of it all; [`accept`] weights, [`compress`] with `compress/coder`; [`cookie`] with `cookie/date`,
//! [`session`] with `session/store`, [`csrf`]; [`auth`], [`token`]; [`cors`], [`harden`], [`rate`], [`crowd`], [`route`],
//! [`forward`], [`tunnel`] with `tunnel/pump`, [`access_log`]; [`problem`], [`content`]; `outbox`, [`sse`], [`longpoll`], [`websocket`] with `websocket/pipe`; [`chance`];
//! [`client`]: what a fetching program needs, [`client::Agent`] in front.
//!
//! # Not here
//! Framing, connections, files (`l7-http`), TLS (`l6-tls`), templates, a router beyond [`route`], a database.
#![forbid(unsafe_code)]

pub mod accept;
pub mod access_log;
pub mod auth;
pub mod chance;
pub mod client;
pub mod compress;
pub mod content;
pub mod cookie;
pub mod cors;
pub mod crowd;
pub mod csrf;
pub mod forward;
pub mod harden;
pub mod longpoll;
mod outbox;
mod pass;
pub mod problem;
pub mod rate;
pub mod route;
pub mod session;
pub mod sse;
pub mod token;
pub mod tunnel;
pub mod websocket;

pub use outbox::{Gone, Outbox};
pub use pass::{Around, Pass, Passed};
