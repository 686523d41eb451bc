//! The laboratory of the Outcrop stack.
#![forbid(unsafe_code)]

pub mod drill;
pub mod explore;
pub mod foreign;
pub mod replay;
pub mod scenario;
pub mod simulate;
mod site;
pub mod table;
mod wire;
mod world;

pub use world::{HostSetup, Loss, Side, World};
