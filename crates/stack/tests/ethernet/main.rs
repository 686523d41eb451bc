//! Hosts on one Ethernet, in virtual time.

mod arp;
mod common;
mod discovery;
mod routers;
mod streams;
