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
//! `core/calls.rs`, `core/events.rs`, `core/ping.rs`; then `shard.rs`, `wakers.rs`, `alarm.rs`,
//! `sleep.rs`; then `driver.rs`, `tasks.rs`, `wait.rs`, `counters.rs`, `snapshot.rs`.
//!
//! # Not here
//! No protocol: each is an engine of its own. No sockets: `l5-socket` makes them of a [`Shard`] and an id.
#![forbid(unsafe_code)]

mod alarm;
mod core;
mod counters;
mod driver;
mod shard;
mod sleep;
mod snapshot;
mod tasks;

mod wakers;

pub use self::core::{
    Config, ConnectError, Core, Echo, Event, ListenerId, PING_QUEUE, PacketIn, PacketOut, PingId,
    SendError, StreamId, UdpId,
};
pub use counters::Counters;
pub use driver::{BATCH, Driver};
pub use shard::Shard;
pub use sleep::Sleep;
pub use snapshot::Snapshot;
pub use tasks::{Runner, Task, Tasks};
pub use wakers::Interest;

/// The engines' own words, for whoever stands above the stack.
pub mod ip {
    pub use outcrop_ip::{
        Cidr, CidrError, Config, ConfigError, EchoReply, InterfaceConfig, PingError, Quote, Quoted,
    };
}
/// TCP's words.
pub mod tcp {
    pub use outcrop_tcp::{
        CloseReason, Config, ConnectError, Counters, Info, KeepAlive, Listen, ListenError,
        ReadError, Settings, StaleId, State, WriteError,
    };
}
/// UDP's words.
pub mod udp {
    pub use outcrop_udp::{
        BindError, Config, ConnectError, Datagram, PathError, SendError, SendOptions, UnknownSocket,
    };
}
