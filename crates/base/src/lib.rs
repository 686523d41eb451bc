//! The values that cross the layers.
//!
//! Every layer of Outcrop is an *engine*: a value that is told what happened and asked what to do.
//! It has six verbs, the same in every crate, and no trait ties them together:
//!
//! ```text
//!        user calls   poll_event
//!             │           ▲
//!        ┌────▼───────────┴────┐
//!        │       engine        │◄── handle_timeout(now)
//!        │ now and seed are    ├──► poll_timeout()
//!        │ arguments           │
//!        └────▲───────────┬────┘
//!             │           ▼
//!        handle_*     poll_transmit(now)
//! ```
//!
//! | verb | direction | rule |
//! |---|---|---|
//! | `handle_frame` / `handle_packet` / `handle_segment` / `handle_path` | from below | never fails, never replies; says in a [`Verdict`] what became of the input |
//! | `connect`, `write`, `read`, `shutdown` .. | from above | one error enum a call; takes effect at the next `poll_transmit` |
//! | `handle_timeout(now)` | from the clock | a spurious call is a no-op |
//! | `poll_transmit(now)` | to below | drain until `None`; what was returned counts as sent |
//! | `poll_event()` | to above | drain until `None`; each fact once |
//! | `poll_timeout()` | to the clock | re-read after any call above |
//!
//! This crate holds what such engines hand to each other, and only that: a type enters when three
//! crates need it.
//!
//! ```
//! use outcrop_base::{Checksum, ChunkQueue, Instant, Seed, TimerWheel};
//! use core::time::Duration;
//!
//! // Time and chance come in by the door: the same arguments give the same run.
//! let now = Instant::from_millis(20);
//! let key = Seed::from_number(1).split("isn");
//! let mut timers = TimerWheel::new();
//! timers.arm(now + Duration::from_millis(200), "retransmit");
//! assert_eq!(timers.next(), Some(Instant::from_millis(220)));
//!
//! // Bytes are handed over in pieces, and found again by stream offset.
//! let mut stream = ChunkQueue::new();
//! stream.push_slice(b"hello, world");
//! let mut sum = Checksum::new();
//! sum.add(&stream.range_to_vec(0..5));
//! # let _ = (key, sum);
//! ```
//!
//! # Files, in reading order
//! [`Instant`] and [`WallClock`] in `instant`, [`Seed`] in `seed`, [`Share`] in `share`, [`TimerWheel`] in `wheel`, [`Checksum`] in
//! `checksum`, [`ChunkQueue`] in `chunk`, [`HeaderRoom`] in `room`; then the words: [`Arrival`], [`Path`] and
//! [`IpFields`] in `net`, [`Verdict`] in `verdict`, [`DropReason`] in `drop_reason`, [`Note`] in `note`, [`Fact`]
//! in `fact`, [`Recorder`] in `record`, [`Field`] in `field`; last [`ByteStream`] in `stream`.
//!
//! # Not here
//! No clock, no thread, no socket, no file: `l1-device` and the driver in `stack` own the outside.
#![forbid(unsafe_code)]

mod checksum;
mod chunk;
mod drop_reason;
mod fact;
mod field;
mod instant;
mod net;
mod note;
mod record;
mod room;
mod seed;
mod share;
mod stream;
mod verdict;
mod vocabulary;
mod wheel;

pub use checksum::Checksum;
pub use chunk::{COALESCE_BELOW, ChunkQueue, MAX_SLICES};
pub use drop_reason::DropReason;
pub use fact::{Fact, FactKind, Facts, Level};
pub use field::{Field, FieldValue};
pub use instant::{Instant, WallClock};
pub use net::{
    Arrival, Cast, ChecksumState, DEFAULT_HOP_LIMIT, Direction, Ecn, Flow, InterfaceId, IpFields,
    PacketId, Path, PathSignal, PathSignalKind, Transport,
};
pub use note::{CallKind, Cause, Limit, Note, TimerKind, Why};
pub use record::{Describe, PacketRecord, Recorder, Value};
pub use room::{HEADER_ROOM, HeaderRoom};
pub use seed::{HashKey, Random, Seed};
pub use share::Share;
pub use stream::ByteStream;
pub use verdict::{Fate, RuleRef, Verdict};
pub use wheel::TimerWheel;
