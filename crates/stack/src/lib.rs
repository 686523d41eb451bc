//! The one place that knows two neighbouring layers.
//!
//! ```text
//!      programs: call, poll, sleep_until          Tasks
//!            │                ▲ wake                │
//!      ┌─────▼────────────────┴─────────────────────▼──┐
//!      │ Shard:  Mutex<Core>, wakers, timers, alarm    │
//!      │   ┌───────────────────────────────────────┐   │
//!      │   │ Core    tcp     udp     ping          │   │
//!      │   │            ╲     │     ╱              │   │
//!      │   │              ip, icmp                 │   │
//!      │   └──▲─────────────────────────────────┬──┘   │
//!      └──────┼─────────────────────────────────┼──────┘
//!        handle_packet                    poll_transmit
//!      ┌──────┴─────────────────────────────────▼──────┐
//!      │ Driver:  device, recorder, clock: the loop    │
//!      └───────────────────────────────────────────────┘
//! ```
//!
//! [`Core`] is an engine like those it is made of, with the same six verbs: `handle_packet`, calls,
//! `handle_timeout`, `poll_transmit`, `poll_event`, `poll_timeout`. It knows no device, no clock, no
//! recorder. [`Shard`] lets threads and tasks share one; [`Driver`] turns it.
//!
//! Files, in reading order: `core/mod.rs`, `core/up.rs` (the way in), `core/down.rs` (the way out),
//! `core/links.rs` (what has neighbours), `core/calls.rs`, `core/news.rs` (addresses that come and go),
//! `core/events.rs`, `core/ping.rs`, `core/raw.rs`, `core/scope.rs`, `core/strays.rs`; then `shard.rs`, `wakers.rs`,
//! `alarm.rs`, `sleep.rs`; then `driver/` (the loop, its log, its sleep), `several.rs`, `tasks.rs`, `counters.rs`,
//! `snapshot.rs`.
//!
//! Two hosts, no network:
//!
//! ```
//! use bytes::Bytes;
//! use outcrop_base::{Instant, InterfaceId, Seed};
//! use outcrop_stack::ip::InterfaceConfig;
//! use outcrop_stack::{Config, Core, Echo, PacketIn};
//!
//! let host = |address: &str, number| {
//!     let mut core = Core::new(Config::default(), &Seed::from_number(number));
//!     let addresses = vec![address.parse().unwrap()];
//!     core.add_interface(InterfaceConfig::tun(InterfaceId(0), 1500, addresses)).unwrap();
//!     core
//! };
//! /// Carries everything `from` has to send over to `to`.
//! fn carry(now: Instant, from: &mut Core, to: &mut Core) {
//!     let mut packets: Vec<Bytes> = Vec::new();
//!     while from.poll_transmit(now, &mut |packet| {
//!         packets.push(packet.bytes.iter().flat_map(|piece| piece.to_vec()).collect());
//!     }) {}
//!     for bytes in packets {
//!         let (id, iface) = (to.next_packet_id(), InterfaceId(0));
//!         let offload = Default::default();
//!         let verdict = to.handle_packet(PacketIn { at: now, id, iface, bytes, offload });
//!         assert_eq!(verdict.drop_reason(), None);
//!     }
//! }
//! let (mut a, mut b) = (host("10.77.0.1/24", 1), host("10.77.0.2/24", 2));
//! let ping = a.ping_open().unwrap();
//! a.ping_send(ping, [10, 77, 0, 2].into(), 1, &Bytes::from_static(b"there?")).unwrap();
//! carry(Instant::from_millis(1), &mut a, &mut b);
//! carry(Instant::from_millis(2), &mut b, &mut a);
//! let Some(Echo::Reply(reply)) = a.ping_recv(ping) else { panic!("no answer") };
//! assert_eq!((reply.seq, reply.at), (1, Instant::from_millis(2)));
//! ```
//!
//! # Not here
//! No protocol: each is an engine of its own. No sockets: `l5-socket` makes them of a [`Shard`] and an id.
#![forbid(unsafe_code)]
mod alarm;
mod core;
mod counters;
mod driver;
mod several;
mod shard;
mod sleep;
mod snapshot;
mod tasks;
mod wakers;
mod words;

pub use self::core::{
    Config, ConnectError, Core, Echo, Event, KeyOwner, ListenerId, PING_QUEUE, PacketIn, PacketOut,
    PingId, RAW_QUEUE, RawId, RawOptions, STRAYS, SendError, Stray, StreamId, UdpId,
};
pub use counters::Counters;
pub use driver::{BATCH, CUT_MAX, Driver};
pub use several::{ring, run_all, settle_all};
pub use shard::Shard;
pub use sleep::Sleep;
pub use snapshot::Snapshot;
pub use tasks::{Runner, Task, Tasks};
pub use wakers::Interest;

pub use words::{device, ethernet, ip, tcp, udp};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
