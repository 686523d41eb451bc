//! What a program that fetches needs beyond one request on one connection.
//!
//! Job: [`Agent`] asks, and gives [`Answer`]s; what it decides on the way (cookies kept, redirects followed, failures tried
//! again, answers kept, connections shared) is decided by modules without I/O that can be used alone.
//! Owns: what is remembered. Does not know: sockets; [`World`] is the outside. Sources: each file's own.

mod agent;
mod answer;
mod ask;
pub mod cache;
mod challenge;
mod depot;
mod digest;
mod error;
pub mod jar;
mod keep;
mod news;
mod payload;
pub mod pool;
pub mod redirect;
pub mod resume;
pub mod retry;
pub mod route;
mod socks;
mod world;

pub use agent::{Agent, Config};
pub use answer::Answer;
pub use digest::Login;
pub use error::Error;
pub use news::{News, Watch};
pub use payload::Payload;
pub(crate) use world::within;
pub use world::{Later, Line, Pipe, Timer, World};
