//! The laboratory: whole stacks in virtual time.
//!
//! ```text
//!   program ─ sockets ─ stack ─ device ══ link (netem) ══ device ─ stack ─ sockets ─ program
//!        └──────────── one clock, moved by hand to the next deadline ────────────┘
//!                                  └── recorder: a capture of every run
//! ```
//!
//! A [`World`] is two hosts and a link. Nothing in it reads a clock, starts a thread or opens a socket, so a
//! minute of TIME-WAIT takes microseconds and a run repeats to the byte. On it stand:
//!
//! | module | what it answers |
//! |---|---|
//! | [`scenario`] | what happens in this situation of TCP or HTTP, and the capture of it |
//! | [`replay`] | does a recording still come out the same, packet by packet |
//! | [`foreign`] | does our server keep every promise that the server in this capture kept |
//! | [`drill`] | does the engine do what a script in the packetdrill language says |
//! | [`draft`] | which script would say what this capture shows |
//! | [`emulated`] | the same links in real time, in front of a real device or between two |
//!
//! ```
//! use core::time::Duration;
//! use outcrop_base::{Seed, WallClock};
//! use outcrop_netem::Config;
//! use outcrop_socket::{TcpListener, TcpStream};
//! use outcrop_testkit::{HostSetup, Side, World};
//!
//! # fn main() -> Result<(), Box<dyn core::error::Error>> {
//! let wire = Config::delay(Duration::from_millis(10));
//! let mut world = World::new(
//!     HostSetup::new(vec!["10.77.0.1/24".parse()?]),
//!     HostSetup::new(vec!["10.77.0.2/24".parse()?]),
//!     (wire.clone(), wire.dropping([1])), // the SYN-ACK is lost once
//!     &Seed::from_number(1),
//!     WallClock::new(Duration::ZERO),
//! )?;
//! let server = world.spawn(Side::Right, |shard, _| async move {
//!     let listener = TcpListener::bind(&shard, "10.77.0.2:80".parse().unwrap())?;
//!     listener.accept().await?.write_all(b"hello").await
//! });
//! let client = world.spawn(Side::Left, |shard, _| async move {
//!     let mut stream = TcpStream::connect(&shard, "10.77.0.2:80".parse().unwrap()).await?;
//!     stream.read_chunk().await
//! });
//! // Two minutes pass at once: a second until the SYN is sent again, a minute of TIME-WAIT.
//! let quiet = world.run(Duration::from_secs(120))?;
//! assert!(quiet);
//! assert!(server.is_finished() && client.is_finished());
//! # Ok(())
//! # }
//! ```
//!
//! # Not here
//! Real devices and real programs: `tests/` brings those. Printing what was found: `inspect` and the program do.
//!
//! # Files
//! `world`; then `scenario` with the little `site` it visits; `replay`; `foreign`; `drill`.
#![forbid(unsafe_code)]

pub mod draft;
pub mod drill;
pub mod emulated;
pub mod explore;
pub mod foreign;
pub mod replay;
pub mod rewrite;
pub mod scenario;
pub mod simulate;
mod site;
pub mod table;
pub mod throughput;
mod wire;
mod world;

pub use world::{HostSetup, Loss, Side, World};
