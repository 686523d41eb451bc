//! Layer 3 of the Outcrop stack: IPv4, IPv6 and ICMP as a sans-IO engine.
#![forbid(unsafe_code)]

mod config;
mod endpoint;
mod rule;
mod seam;

pub use config::{Cidr, CidrError, Config, InterfaceConfig};
pub use endpoint::Endpoint;
pub use rule::Rule;
pub use seam::{
    ConfigError, Delivery, EchoReply, Event, Hop, PacketIn, PingError, Plan, Quote, Quoted,
    Transmit, Unreachable, Unresolved, Up, Wrap,
};
