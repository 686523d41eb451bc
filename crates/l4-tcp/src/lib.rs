//! Layer 4 of the Outcrop stack: TCP.
#![forbid(unsafe_code)]

pub mod params;
pub mod seq;
pub mod segment;
pub mod transmit;
pub mod wire;
