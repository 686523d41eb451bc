//! Layer 2.
#![forbid(unsafe_code)]
mod mac;
pub mod wire;
pub use mac::MacAddr;
