//! Layer 4 of the Outcrop stack: UDP as a sans-IO engine. The smallest complete one.
//!
//! ```text
//!      bind connect send_to recv close        poll_event: readable, writable, error
//!                     │                                   ▲
//!              ┌──────▼───────────────────────────────────┴──────┐
//!              │  sockets by (local, remote)                     │◄ handle_path: what the path says
//!              │  a bounded queue in, a bounded queue out        │
//!              └──────▲───────────────────────────────────┬──────┘
//!                     │                                   ▼
//!      handle_segment(Arrival, bytes)         poll_transmit: flow, fields, payload
//! ```
//!
//! | verb | here |
//! |---|---|
//! | [`Endpoint::handle_segment`] | a datagram from IP: parsed, checked, queued or dropped by name |
//! | [`Endpoint::handle_path`] | an ICMP error about a datagram of ours |
//! | [`Endpoint::bind`], [`Endpoint::connect`], [`Endpoint::send_to`], [`Endpoint::recv`], [`Endpoint::close`] | the program's calls |
//! | [`Endpoint::poll_transmit`] | the next datagram to leave; [`wire::emit`] writes its header |
//! | [`Endpoint::poll_event`] | edges: readable, writable, error |
//! | [`Endpoint::handle_timeout`], [`Endpoint::poll_timeout`] | nothing: UDP has no timers |
//!
//! Two hosts, joined by nothing but a loop:
//!
//! ```
//! use bytes::Bytes;
//! use outcrop_base::{Arrival, Cast, ChecksumState, Ecn, HeaderRoom, Instant, InterfaceId, PacketId, Path, Seed};
//! use outcrop_udp::{Config, Endpoint, Event, SendOptions, Transmit, wire};
//!
//! /// What IP would do: a header in front, and the addresses beside it.
//! fn carry(t: &Transmit, to: &mut Endpoint) -> outcrop_base::Verdict {
//!     let mut room = HeaderRoom::new();
//!     wire::emit(&t.flow, &[std::io::IoSlice::new(&t.payload)], false, &mut room);
//!     let bytes = Bytes::from([room.as_slice(), &t.payload].concat());
//!     let arrival = Arrival {
//!         at: Instant::ZERO, id: PacketId(1), iface: InterfaceId(0),
//!         src: t.flow.local.ip(), dst: t.flow.remote.ip(), cast: Cast::Unicast, ecn: Ecn::NotEct,
//!         hop_limit: 64, checksum: ChecksumState::Unverified, gso_size: None, path: Path::plain(1500),
//!     };
//!     to.handle_segment(&arrival, bytes)
//! }
//!
//! let seed = Seed::from_number(1);
//! let (mut alice, mut bob) = (Endpoint::new(Config::default(), &seed), Endpoint::new(Config::default(), &seed));
//! let server = bob.bind("0.0.0.0:7".parse().unwrap()).unwrap();
//! let client = alice.bind("10.0.0.1:0".parse().unwrap()).unwrap();
//!
//! let options = SendOptions::default();
//! alice.send_to(client, "10.0.0.2:7".parse().unwrap(), Bytes::from_static(b"hello"), &options).unwrap();
//! let verdict = carry(&alice.poll_transmit(Instant::ZERO).unwrap(), &mut bob);
//! assert_eq!(verdict.drop_reason(), None);
//!
//! assert_eq!(bob.poll_event(), Some(Event::Readable(server)));
//! let datagram = bob.recv(server).unwrap().unwrap();
//! assert_eq!((&datagram.data[..], datagram.from.ip()), (&b"hello"[..], "10.0.0.1".parse().unwrap()));
//! ```
//!
//! # Files, in reading order
//! `seam` (what goes in and out), [`wire`] (eight bytes), `rule` (every decision by name), `table` (whose datagram it
//! is), `endpoint` (the rest).
//!
//! # Not here
//! Fragmentation, routes and source addresses are IP's; waiting and waking are the sockets'; echo and discard are
//! programs. Multicast membership comes with IP's.
#![forbid(unsafe_code)]

mod endpoint;
mod rule;
mod seam;
mod table;
pub mod wire;

pub use endpoint::Endpoint;
pub use rule::Rule;
pub use seam::{
    BindError, Config, ConnectError, Datagram, Event, PathError, SendError, SendOptions, SocketId,
    Transmit, UnknownSocket,
};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
