//! Layer 3 of the Outcrop stack: IPv4, IPv6 and ICMP as a sans-IO engine.
#![forbid(unsafe_code)]

mod address;
mod config;
mod endpoint;
mod ident;
mod limiter;
mod path_mtu;
mod reassembly;
mod route;
mod rule;
mod seam;
pub mod wire;

pub use config::{Cidr, CidrError, Config, InterfaceConfig};
pub use endpoint::Endpoint;
pub use rule::Rule;
pub use seam::{
    ConfigError, Delivery, EchoReply, Event, Hop, PacketIn, PingError, Plan, Quote, Quoted,
    Transmit, Unreachable, Unresolved, Up, Wrap,
};
