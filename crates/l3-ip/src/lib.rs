//! Layer 3 of the Outcrop stack: IPv4, IPv6 and ICMP as a sans-IO engine.
//!
//! ```text
//!    Up { arrival, protocol, packet }      Plan { src, dst, protocol, fields }     Event
//!                   ▲                                    │                           ▲
//!            ┌──────┴────────────────────────────────────▼───────────────────────────┴─────┐
//!            │ check · for us? · options · reassembly      wrap: route, MTU, header        │◄ handle_timeout
//!            │ echo answered, errors sent and heard        fragment: cut what is too long  ├► poll_timeout
//!            └──────▲────────────────────────────────────┬───────────────────────────┬─────┘
//!                   │                                    ▼                           ▼
//!         handle_packet(PacketIn)              header in HeaderRoom      poll_transmit: what is our own
//! ```
//!
//! | verb | here |
//! |---|---|
//! | [`Endpoint::handle_packet`] | a packet from the link; goes [`Up`] or ends here with a verdict |
//! | [`Endpoint::ping`], [`Endpoint::unreachable`], [`Endpoint::learn_mtu`] | asked for by the layers above |
//! | [`Endpoint::wrap`], [`Endpoint::fragment`] | a transport's packet on its way down: pure, without a queue |
//! | [`Endpoint::poll_transmit`] | echoes, errors and fragments: what IP itself sends |
//! | [`Endpoint::poll_event`] | answers to pings, ICMP errors, changed path MTUs |
//! | [`Endpoint::handle_timeout`], [`Endpoint::poll_timeout`] | reassembly and path MTU age |
//!
//! Two hosts, joined by nothing but a loop:
//!
//! ```
//! use outcrop_base::{ChecksumState, Instant, InterfaceId, PacketId, Seed};
//! use outcrop_ip::{Config, Delivery, Endpoint, Event, InterfaceConfig, PacketIn};
//!
//! let host = |address: &str| {
//!     let mut host = Endpoint::new(Config::default(), &Seed::from_number(1));
//!     let addresses = vec![address.parse().unwrap()];
//!     host.add_interface(InterfaceConfig::tun(InterfaceId(0), 1500, addresses)).unwrap();
//!     host
//! };
//! let packet = |bytes| PacketIn {
//!     at: Instant::from_millis(1),
//!     id: PacketId(1),
//!     iface: InterfaceId(0),
//!     bytes,
//!     checksum: ChecksumState::Unverified,
//!     gso_size: None,
//! };
//! let (mut alice, mut bob) = (host("10.0.0.1/24"), host("10.0.0.2/24"));
//!
//! alice.ping("10.0.0.2".parse().unwrap(), 1, 1, b"hello").unwrap();
//! let request = alice.poll_transmit(Instant::ZERO).unwrap();
//! let Delivery::Done(verdict) = bob.handle_packet(packet(request.bytes)) else { panic!() };
//! assert_eq!(verdict.rule.name, "icmp:echo-request");
//!
//! let reply = bob.poll_transmit(Instant::ZERO).unwrap();
//! let _ = alice.handle_packet(packet(reply.bytes));
//! assert!(matches!(alice.poll_event(), Some(Event::EchoReply(reply)) if reply.len == 5));
//! ```
//!
//! # Files, in reading order
//! `config` (addresses, limits), `rule` (every decision by name), `seam` (what goes in and out), then the parts:
//! `address`, `source` (which of ours to speak from), `route`, `path_mtu`, `limiter`, `ident`, `label`, `reassembly`, `group` (multicast membership), `filter`,
//! `cut` and `stamp` (what a router does to a packet), `autoconf` (addresses that come and go, what routers say), `advertise` (when a router speaks), and
//! [`wire`] for the bytes; last `endpoint`, which composes them: `receive`, `forward`, `icmp`, `send`, `addresses`,
//! `discovery`, `configure`, `advertise`.
//!
//! # Not here
//! The cache of neighbours is the link's (`l2-ethernet`): this crate speaks and hears neighbour discovery for it.
//! Multicast routing is the next storey. Devices and link headers are below, transports above; only `stack` knows both.
#![forbid(unsafe_code)]

mod address;
mod advertise;
mod autoconf;
mod config;
mod cut;
mod endpoint;
mod filter;
mod group;
mod ident;
mod label;
mod limiter;
mod path_mtu;
mod reassembly;
mod route;
mod rule;
mod seam;
mod source;
mod stamp;
pub mod wire;

pub use address::is_all_hosts;
pub use advertise::Advertising;
pub use autoconf::{Address, AddressNews, AddressState, AutoConfig, Lease, MAX_ADDRESSES, Origin};
pub use config::{Cidr, CidrError, Config, InterfaceConfig};
pub use endpoint::{Endpoint, RawPacket};
pub use filter::{Filter, Passing, Ruling};
pub use group::{GroupError, Listening, MAX_MERGED, MAX_SOURCES, SourceFilter};
pub use route::{Refusal, Route, Target};
pub use rule::Rule;
pub use seam::{
    ConfigError, Delivery, EchoReply, Event, Heard, Hop, LOOPBACK, LOOPBACK_MTU, PacketIn,
    PingError, Plan, Quote, Quoted, Redirect, Transmit, Unreachable, Unresolved, Up, Wrap,
};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
