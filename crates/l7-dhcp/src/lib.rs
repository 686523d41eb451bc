//! DHCP for the Outcrop stack: for IPv4 a client and a small server, for IPv6 a client. Sans-IO engines.
//!
//! ```text
//!   release decline confirm          poll_event: Bound(Lease) Renewed(Lease) Lost(Loss)
//!           │                                ▲
//!     ┌─────▼────────────────────────────────┴─────┐
//!     │  client: INIT SELECTING REQUESTING BOUND   │
//!     │          RENEWING REBINDING ..             │◄ handle_timeout(now)
//!     │  server: who has which address until when  ├► poll_timeout()
//!     └─────▲────────────────────────────────┬─────┘
//!           │                                ▼
//!   handle_datagram(now, bytes)     poll_transmit: from, to, bytes, what for
//! ```
//!
//! | verb | here |
//! |---|---|
//! | `handle_datagram(now, bytes)` | what arrived on the port; taken, or dropped by name |
//! | [`v4::Client::decline`], [`v4::Client::release`], [`v6::Client::confirm`] .. | the caller's calls |
//! | `poll_transmit(now)` | the next datagram: a plan with addresses and ports; the caller has the socket |
//! | `poll_event()` | edges: bound, renewed, lost; what a server lent |
//! | `handle_timeout(now)`, `poll_timeout()` | repetitions, T1, T2, the end of a lease |
//!
//! A client and a server, joined by nothing but a loop:
//!
//! ```
//! use outcrop_base::{Instant, Seed};
//! use outcrop_dhcp::v4::{Change, Client, ClientConfig, Event, Server, ServerConfig, State};
//!
//! let pool = ["10.0.0.100", "10.0.0.199"].map(|text| text.parse().unwrap());
//! let config = ServerConfig::new("10.0.0.1".parse().unwrap(), 24, pool[0], pool[1]);
//! let mut server = Server::new(config).unwrap();
//! let config = ClientConfig::new([2, 0, 0, 0, 0, 1]);
//! let mut client = Client::new(Instant::ZERO, config, &Seed::from_number(1));
//!
//! // Time passes to whatever the client waits for; what it says, the server hears, and back.
//! while client.state() != State::Bound {
//!     let now = client.poll_timeout().unwrap();
//!     client.handle_timeout(now);
//!     while let Some(transmit) = client.poll_transmit(now) {
//!         assert!(transmit.is_broadcast());
//!         assert_eq!(server.handle_datagram(now, &transmit.payload).drop_reason(), None);
//!         while let Some(reply) = server.poll_transmit(now) {
//!             assert_eq!(client.handle_datagram(now, &reply.payload).drop_reason(), None);
//!         }
//!     }
//! }
//! let Some(Event::Bound(lease)) = client.poll_event() else { panic!("not bound") };
//! assert_eq!((lease.address, lease.prefix), (pool[0], 24));
//! assert_eq!(server.poll_event(), Some(Change::Leased(lease.address)));
//! ```
//!
//! # Files, in reading order
//! `rule` (every decision by name), [`v4::wire`] (bytes), `v4/lease` (what was granted), `v4/client` and in it
//! `config`, `receive`, `output`; `v4/server` and in it `config`, `table`, `receive`, `reply`; [`v6::wire`],
//! `v6/retry` (RFC 8415 15), `v6/client` and in it `exchange`, `receive`, `output`.
//!
//! # Not here
//! Sockets, interfaces, ARP and duplicate address detection are the caller's: it checks an address before it uses it.
//! No relays, no server for IPv6, no prefix delegation, no authentication.
#![forbid(unsafe_code)]

mod loss;
mod observe;
mod rule;
mod show;
pub mod v4;
pub mod v6;

pub use loss::Loss;
pub use rule::Rule;

/// A name for a host made of a hardware address: DUID-LL (RFC 8415 11.4).
#[must_use]
pub fn duid_ll(hardware: [u8; 6]) -> Vec<u8> {
    [[0, 3, 0, 1].as_slice(), &hardware].concat()
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
