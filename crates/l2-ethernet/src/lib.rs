//! Layer 2 of the Outcrop stack: Ethernet, ARP, the neighbours of both families, and a learning switch.
//!
//! ```text
//!   wrap(&Plan) ─► header        own claim confirm learn       poll_event: solicit, unreachable,
//!        │                                │                    claimed, conflict
//!   ┌────┴────────────────────────────────▼─────────────────────────────┴───┐
//!   │  neighbours: INCOMPLETE REACHABLE STALE DELAY PROBE, a bounded queue each │
//!   │  our addresses: probed, announced, defended     groups joined             │◄ handle_timeout(now)
//!   └────▲──────────────────────────────────────────────────────────────┬───┘
//!        │                                                              ▼
//!   handle_frame(now, id, bytes) ─► Received      poll_transmit: ARP, and packets that waited
//! ```
//!
//! | verb | here |
//! |---|---|
//! | [`Endpoint::handle_frame`] | a frame from the device: ARP is dealt with, IP handed back, the rest dropped by name |
//! | [`Endpoint::wrap`] | the header for a packet of IP: pure, in the common case all there is to do |
//! | [`Endpoint::hold`], [`Endpoint::used`] | what the caller does after `Unresolved` and `Stale` |
//! | [`Endpoint::learn`], [`Endpoint::confirm`] | what neighbour discovery heard; that packets get through |
//! | [`Endpoint::own`], [`Endpoint::claim`], [`Endpoint::release`], [`Endpoint::join`], [`Endpoint::leave`] | our addresses and groups |
//! | [`Endpoint::poll_transmit`], [`Endpoint::poll_event`], [`Endpoint::poll_timeout`], [`Endpoint::handle_timeout`] | as everywhere |
//!
//! Two stations, joined by nothing but a loop:
//!
//! ```
//! use bytes::Bytes;
//! use outcrop_base::{Cast, Cause, HeaderRoom, Instant, Limit, Note, PacketId, Seed, Why};
//! use outcrop_ethernet::{Config, Endpoint, MacAddr, Plan, Wrap, wire};
//!
//! /// The cable: what one sends, the other hears.
//! fn carry(from: &mut Endpoint, to: &mut Endpoint) -> Option<Bytes> {
//!     let mut last = None;
//!     while let Some(frame) = from.poll_transmit(Instant::ZERO) {
//!         let mut room = HeaderRoom::new();
//!         wire::emit(&frame.header, &mut room);
//!         let bytes = Bytes::from([room.as_slice(), &frame.payload].concat());
//!         last = to.handle_frame(Instant::ZERO, PacketId(1), bytes).packet;
//!     }
//!     last
//! }
//!
//! let seed = Seed::from_number(1);
//! let station = |name| Endpoint::new(Config::new(MacAddr::generate(&seed, name)), &seed.split(name));
//! let (mut alice, mut bob) = (station("alice"), station("bob"));
//! alice.own("10.0.0.1".parse().unwrap());
//! bob.own("10.0.0.2".parse().unwrap());
//!
//! let plan = Plan { next_hop: "10.0.0.2".parse().unwrap(), cast: Cast::Unicast };
//! assert_eq!(alice.wrap(&plan, &mut HeaderRoom::new()), Wrap::Unresolved);
//! let note = Note::new(Why::Raw, Limit::None, Cause::None);
//! alice.hold(Instant::ZERO, plan.next_hop, Bytes::from_static(b"a packet"), note);
//!
//! carry(&mut alice, &mut bob); // who has 10.0.0.2?
//! carry(&mut bob, &mut alice); // bob has
//! assert_eq!(carry(&mut alice, &mut bob).as_deref(), Some(&b"a packet"[..]));
//! assert_eq!(alice.wrap(&plan, &mut HeaderRoom::new()), Wrap::Wrapped);
//! ```
//!
//! # Files, in reading order
//! [`MacAddr`] in `mac`, [`wire`] (14 bytes, 4 of a tag, 28 of ARP), `seam` (what goes in and out), `rule` (every
//! decision by name), `deadline`, `neighbor` (the cache), `claim` (RFC 5227), `filter`, `endpoint` and
//! `endpoint/arp` (the verbs); apart from all that, `switch`.
//!
//! # Not here
//! Neighbour discovery's messages are IP's, and so are addresses beyond ARP's; devices are `l1-device`'s. No spanning
//! tree, no link aggregation, no 802.3 length frames.
#![forbid(unsafe_code)]

mod claim;
mod deadline;
mod endpoint;
mod filter;
mod mac;
mod neighbor;
mod rule;
mod seam;
mod switch;
pub mod wire;

pub use endpoint::Endpoint;
pub use filter::Filter;
pub use mac::MacAddr;
pub use neighbor::{Neighbor, State};
pub use rule::Rule;
pub use seam::{Config, Defence, Event, Heard, Held, Limits, Plan, Received, Transmit, Wrap};
pub use switch::{Forward, Port, Ports, Switch, SwitchConfig};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
