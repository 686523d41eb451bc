//! DHCP for the Outcrop stack.
#![forbid(unsafe_code)]

mod loss;
mod rule;
pub mod v4;
pub mod v6;

pub use loss::Loss;
pub use rule::Rule;

/// A name for a host made of a hardware address: DUID-LL (RFC 8415 11.4).
#[must_use]
pub fn duid_ll(hardware: [u8; 6]) -> Vec<u8> {
    [[0, 3, 0, 1].as_slice(), &hardware].concat()
}
