//! Layer 4 of the Outcrop stack: TCP as a sans-IO engine.
#![forbid(unsafe_code)]
#![expect(warnings, reason = "skeleton")]
mod challenge;
mod config;
mod endpoint;
mod error;
mod event;
mod handshake;
mod info;
mod listener;
pub mod params;
mod rule;
mod segment;
mod seq;
mod state;
mod table;
mod time_wait;
mod timers;
mod transmit;

pub mod congestion { #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)] pub enum Algorithm { #[default] NewReno } }

pub use config::{Config, KeepAlive, Listen, Settings};
pub use congestion::Algorithm;
pub use endpoint::{Counters, Endpoint};
pub use error::{ConnectError, ListenError, ReadError, StaleId, WriteError};
pub use event::{CloseReason, Event};
pub use handshake::negotiate::Negotiated;
pub use info::Info;
pub use rule::Rule;
pub use segment::{Flags, Options, Segment, SegmentHeader, StreamRange, SackBlock, SackBlocks, Timestamps};
pub use seq::SeqNum;
pub use state::{FIGURE_5, OurFin, PeerFin, Sends, State, Transition, Trigger, derive};
pub use table::ListenerId;
pub use transmit::{ConnId, Transmit};
