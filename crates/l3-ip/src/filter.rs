//! The seam for policies.
//!
//! Job: let somebody else decide which packets a router passes on. Owns: the trait and what it is shown.
//! Does not know: any policy. Source: RFC 1812 5.3.9 (packet filtering).
//!
//! One question, asked last: the packet has a route, hops left and an address that may cross. What it says is
//! counted and recorded like every other verdict.

use core::fmt::Debug;
use core::hash::Hasher;
use core::net::IpAddr;

use outcrop_base::{Instant, InterfaceId};

/// A packet about to be passed on.
#[derive(Clone, Copy, Debug)]
pub struct Passing<'a> {
    /// The link it came by.
    pub from: InterfaceId,
    /// The link it leaves by.
    pub to: InterfaceId,
    /// Its source.
    pub src: IpAddr,
    /// Its destination.
    pub dst: IpAddr,
    /// The protocol of `payload`.
    pub protocol: u8,
    /// Whether it is a fragment that does not begin its packet: then `payload` begins with no header.
    pub later_fragment: bool,
    /// IP header with options or extension headers.
    pub header: &'a [u8],
    /// What follows.
    pub payload: &'a [u8],
}

/// What a filter says.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ruling {
    /// Let it pass.
    Pass,
    /// Drop it without a word.
    Drop,
    /// Drop it and tell the sender that it is prohibited.
    Refuse,
}

/// Decides about packets in transit. An engine's part: no clock, no chance, no map order.
pub trait Filter: Send + Sync + Debug {
    /// What is to become of a packet; a filter may remember what it has seen.
    fn judge(&mut self, now: Instant, packet: &Passing<'_>) -> Ruling;

    /// The same filter with the same memory.
    fn clone_box(&self) -> Box<dyn Filter>;

    /// Hashes what decides its next rulings, times relative to `now`.
    fn fingerprint(&self, now: Instant, into: &mut dyn Hasher);
}

impl Clone for Box<dyn Filter> {
    fn clone(&self) -> Self {
        (**self).clone_box()
    }
}
