//! Layer 4 of the Outcrop stack: TCP as a sans-IO engine.
//!
//! An [`Endpoint`] is every connection of one shard: told what arrived, what the program wants and what
//! time it is, asked what to send. It owns no clock, no thread and no socket.
//!
//! ```text
//!  connect write read shutdown          poll_event
//!           │                               ▲
//!  ┌────────▼───────────────────────────────┴─────────┐
//!  │ Endpoint   Listener ─► Embryo ─► Connection ─► TimeWait
//!  │                                   │
//!  │   segment ─► recv ─► (bytes) ─► send ─► recovery ─► plan
//!  └────────▲───────────────────────────────┬─────────┘
//!           │                               ▼
//!  handle_segment  handle_timeout     poll_transmit(now), payload
//! ```
//! | verb | here |
//! |---|---|
//! | from below | [`Endpoint::handle_segment`], [`Endpoint::handle_path`]: a [`Verdict`](outcrop_base::Verdict) naming a [`Rule`] |
//! | from above | [`listen`](Endpoint::listen), [`accept`](Endpoint::accept), [`connect`](Endpoint::connect), [`read`](Endpoint::read), [`write`](Endpoint::write), [`shutdown`](Endpoint::shutdown), [`close`](Endpoint::close), [`abort`](Endpoint::abort) |
//! | from the clock | [`Endpoint::handle_timeout`], asked for by [`Endpoint::poll_timeout`] |
//! | to below | [`Endpoint::poll_transmit`] until `None`; [`Endpoint::payload`] lends the bytes |
//! | to above | [`Endpoint::poll_event`] until `None` |
//!
//! Two engines and no network:
//! ```
//! use {bytes::Bytes, std::io::IoSlice};
//! use outcrop_base::{
//!     Arrival, Cast, ChecksumState, ChunkQueue, Ecn, HeaderRoom, Instant, InterfaceId, MAX_SLICES, PacketId, Path, Seed,
//! };
//! use outcrop_tcp::{Config, Endpoint, Event, Listen, wire};
//! /// Carries everything `from` has to say over to `to`: wire format out, wire format in.
//! fn carry(now: Instant, from: &mut Endpoint, to: &mut Endpoint) {
//!     while let Some(plan) = from.poll_transmit(now) {
//!         let (mut slices, mut room) = ([IoSlice::new(&[]); MAX_SLICES], HeaderRoom::new());
//!         let used = from.payload(&plan, &mut slices);
//!         from.emit(&plan, &slices[..used], false, &mut room);
//!         let bytes: Vec<u8> = room.as_slice().iter().chain(slices[..used].iter().flat_map(|slice| slice.iter())).copied().collect();
//!         let arrival = Arrival {
//!             at: now, id: PacketId(1), iface: InterfaceId(0), src: plan.flow.local.ip(), dst: plan.flow.remote.ip(), hop_limit: 64,
//!             cast: Cast::Unicast, ecn: Ecn::NotEct, checksum: ChecksumState::Unverified, gso_size: None, path: Path::plain(1500),
//!         };
//!         let (segment, payload) = wire::parse(&arrival, Bytes::from(bytes)).unwrap();
//!         assert!(to.handle_segment(&arrival, segment, payload).drop_reason().is_none());
//!     }
//! }
//! let [mut server, mut client] = [1, 2].map(|n| Endpoint::new(Config::default(), &Seed::from_number(n)));
//! let listener = server.listen("10.0.0.1:80".parse()?, Listen::default())?;
//! let id = client.connect("10.0.0.2:0".parse()?, "10.0.0.1:80".parse()?, Path::plain(1500), None)?;
//! client.write(id, &mut ChunkQueue::from(Bytes::from_static(b"hello")))?;
//! for _ in 0..2 {
//!     carry(Instant::ZERO, &mut client, &mut server);
//!     carry(Instant::ZERO, &mut server, &mut client);
//! }
//! let events = (client.poll_event(), server.poll_event());
//! assert_eq!(events, (Some(Event::Connected(id)), Some(Event::Acceptable(listener))));
//! assert_eq!(server.accept(listener).map(|id| server.read(id)), Some(Ok(Some(Bytes::from_static(b"hello")))));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//! # Files, in reading order
//! A module uses only those before it. Words: [`seq`] `span` [`segment`] `transmit` [`wire`] `rule` `table` `event` [`params`]
//! `ecn` [`plpmtud`] `state` `timers`. Measures: `budget` [`rtt`] [`tx_record`] [`rate`] [`congestion`] [`pacing`] `config` [`auth`] `account` `info`. Halves: [`recv`]
//! [`send`] [`recovery`]. Lives: `handshake` `connection` `time_wait` `listener`. All of them: `endpoint`.
//! # Not here
//! Addresses, routes, ICMP (`l3-ip`); the loop and the clock (`stack`); wakers (`l5-socket`).
#![forbid(unsafe_code)]
mod account;
pub mod auth;
mod budget;
mod challenge;
mod config;
pub mod congestion;
mod connection;
mod ecn;
mod endpoint;
mod error;
mod event;
mod handshake;
mod info;
mod listener;
pub mod pacing;
pub mod params;
pub mod plpmtud;
pub mod range_set;
pub mod rate;
pub mod recovery;
pub mod recv;
pub mod rtt;
mod rule;
pub mod segment;
pub mod send;
pub mod seq;
mod span;
mod state;
mod table;
mod time_wait;
mod timers;
mod transmit;
pub mod tx_record;
pub mod wire;

pub use account::{Explanation, Held, Shares, Totals};
pub use config::{
    AckStyle, Config, Guessable, KeepAlive, Listen, PathProbing, Settings, SynCookies,
};
pub use congestion::{Algorithm, Controller, Habits, Rate};
pub use ecn::{EcnPolicy, EcnTerms};
pub use endpoint::{Counters, Endpoint, KeyOwner};
pub use error::{ConnectError, ListenError, ReadError, StaleId, WriteError};
pub use event::{CloseReason, Doubt, Event};
pub use info::{Detail, Info, MarkedBytes, Negotiated};
pub use rule::Rule;
pub use segment::{FastOpenCookie, Flags, Options, SackBlock, SackBlocks, Signature, Timestamps};
pub use segment::{Segment, SegmentHeader, StreamRange};
pub use seq::SeqNum;
pub use state::{FIGURE_5, OurFin, PeerFin, Sends, State, Transition, Trigger, derive};
pub use table::ListenerId;
pub use transmit::{ConnId, MacPlan, Transmit};
