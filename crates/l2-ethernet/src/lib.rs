//! Layer 2.
#![forbid(unsafe_code)]
mod claim;
mod deadline;
mod endpoint;
mod filter;
mod mac;
mod neighbor;
mod rule;
mod seam;
mod switch;
pub mod wire;
pub use endpoint::Endpoint;
pub use filter::Filter;
pub use mac::MacAddr;
pub use neighbor::{Neighbor, State};
pub use rule::Rule;
pub use seam::{Config, Defence, Event, Heard, Held, Limits, Plan, Received, Transmit, Wrap};
pub use switch::{Forward, Port, Ports, Switch, SwitchConfig};
