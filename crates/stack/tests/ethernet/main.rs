//! Hosts on one Ethernet, in virtual time.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

mod arp;
mod common;
mod discovery;
mod passing;
mod routers;
mod scopes;
mod streams;
