//! Layer 4 of the Outcrop stack: TCP as a sans-IO engine.
#![forbid(unsafe_code)]

mod challenge;
mod config;
pub mod congestion;
mod connection;
mod endpoint;
mod error;
mod event;
mod handshake;
mod info;
mod listener;
pub mod pacing;
pub mod params;
pub mod range_set;
pub mod rate;
pub mod recovery;
pub mod recv;
pub mod rtt;
mod rule;
pub mod segment;
pub mod send;
pub mod seq;
mod state;
mod table;
mod time_wait;
mod timers;
mod transmit;
pub mod tx_record;
pub mod wire;

pub use config::{Config, KeepAlive, Listen, Settings};
pub use congestion::{Algorithm, Controller};
pub use endpoint::{Counters, Endpoint};
pub use error::{ConnectError, ListenError, ReadError, StaleId, WriteError};
pub use event::{CloseReason, Event};
pub use handshake::negotiate::Negotiated;
pub use info::Info;
pub use rule::Rule;
pub use segment::{
    Flags, Options, SackBlock, SackBlocks, Segment, SegmentHeader, StreamRange, Timestamps,
};
pub use seq::SeqNum;
pub use state::{FIGURE_5, OurFin, PeerFin, Sends, State, Transition, Trigger, derive};
pub use table::ListenerId;
pub use transmit::{ConnId, Transmit};
