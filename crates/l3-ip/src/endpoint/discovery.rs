//! Neighbour discovery at the endpoint.
//!
//! Job: send what the link and address configuration ask for, take what arrives apart, and carry out what follows.
//! Owns: the order of the checks. Does not know: how configuration decides (`autoconf`), who keeps the neighbours.
//! Sources: RFC 4861 6, 7 and 8, RFC 4862 5, RFC 7527 4.

use core::net::IpAddr;

use bytes::Bytes;
use outcrop_base::{Cast, Instant, InterfaceId};

use super::Endpoint;

impl Endpoint {
    /// Whether `addr` is everybody on this link.
    #[must_use]
    pub fn is_broadcast_on(&self, iface: InterfaceId, addr: IpAddr) -> bool {
        addr.is_ipv4() && self.cast(addr, iface) == Some(Cast::Broadcast)
    }

    /// The link wants to know where `ip` is: everybody is asked, or `to`, who had it.
    pub fn solicit(
        &mut self,
        _now: Instant,
        _iface: InterfaceId,
        _ip: IpAddr,
        _to: Option<[u8; 6]>,
    ) {
    }

    /// Nobody answered for `ip`; these packets waited.
    pub fn neighbor_lost(
        &mut self,
        _now: Instant,
        _iface: InterfaceId,
        _ip: IpAddr,
        _packets: Vec<Bytes>,
    ) {
    }

    /// A neighbour is no router any more.
    pub fn not_a_router(&mut self, _now: Instant, _iface: InterfaceId, _ip: IpAddr) {}
}
