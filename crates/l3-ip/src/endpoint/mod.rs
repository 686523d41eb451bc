//! placeholder: API only
#![expect(clippy::todo, reason = "API commit")]
#![allow(missing_docs, unused_variables, clippy::needless_pass_by_ref_mut, clippy::unused_self, reason = "API commit")]

use core::hash::Hasher;
use core::net::IpAddr;
use std::io::IoSlice;

use bytes::Bytes;
use outcrop_base::{Facts, HeaderRoom, Instant, InterfaceId, Note, Path, Seed, Verdict};

use crate::*;

#[derive(Clone, Debug)]
pub struct Endpoint {}

impl Endpoint {
    pub fn new(config: Config, seed: &Seed) -> Self { todo!() }
    pub fn add_interface(&mut self, interface: InterfaceConfig) -> Result<(), ConfigError> { todo!() }
    pub fn add_route(&mut self, dest: Cidr, via: Option<IpAddr>, iface: InterfaceId) -> Result<(), ConfigError> { todo!() }
    pub fn handle_packet(&mut self, packet: PacketIn) -> Delivery { todo!() }
    pub fn handle_timeout(&mut self, now: Instant) { todo!() }
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Transmit> { todo!() }
    pub fn poll_event(&mut self) -> Option<Event> { todo!() }
    pub fn poll_timeout(&self) -> Option<Instant> { todo!() }
    pub fn unreachable(&mut self, now: Instant, up: &Up, why: Unreachable) -> Verdict { todo!() }
    pub fn path(&self, dst: IpAddr) -> Option<Path> { todo!() }
    pub fn source_for(&self, dst: IpAddr) -> Option<IpAddr> { todo!() }
    pub fn is_local(&self, addr: IpAddr) -> bool { todo!() }
    pub fn learn_mtu(&mut self, now: Instant, dst: IpAddr, mtu: u32) { todo!() }
    pub fn wrap(&self, plan: &Plan, room: &mut HeaderRoom) -> Wrap { todo!() }
    pub fn fragment(&mut self, plan: &Plan, pieces: &[IoSlice<'_>], note: &Note) -> Result<(), Unresolved> { todo!() }
    pub fn ping(&mut self, dst: IpAddr, ident: u16, seq: u16, payload: &Bytes) -> Result<(), PingError> { todo!() }
    pub fn facts(&mut self) -> &mut Facts { todo!() }
    pub fn fingerprint(&self, now: Instant, into: &mut dyn Hasher) { todo!() }
}
