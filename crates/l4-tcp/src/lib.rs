//! Layer 4 of the Outcrop stack: TCP.
#![forbid(unsafe_code)]

pub mod congestion;
pub mod pacing;
pub mod params;
pub mod range_set;
pub mod rate;
pub mod recovery;
pub mod recv;
pub mod rtt;
pub mod segment;
pub mod send;
pub mod seq;
pub mod transmit;
pub mod tx_record;
pub mod wire;
