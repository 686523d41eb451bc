//! Simulated links in virtual time.
//!
//! ```text
//!   sender ── handle_packet(now, packet) ──►  queue ──► wire ──► poll_transmit(now) ──► receiver
//!                    │                       (rate,    (delay,
//!                 Verdict:                    limit)    jitter, reorder, duplicate, corrupt)
//!              carried or lost                             └──► poll_event, poll_timeout
//! ```
//!
//! A [`Link`] is one direction and an engine like the layers': `handle_packet`, `handle_timeout`,
//! `poll_transmit`, `poll_event`, `poll_timeout`, and [`Link::set_config`] as the user's call. Time and seed are
//! arguments; the same arguments lose the same packets. A [`Duplex`] is two of them.
//!
//! ```
//! use core::time::Duration;
//! use outcrop_base::{DropReason, Instant, Seed};
//! use outcrop_netem::{Config, Link, Packet};
//!
//! let wire = Config::delay(Duration::from_millis(20)).dropping([2]);
//! let mut link = Link::new(wire, &Seed::from_number(1));
//! let packet = |tag| Packet { bytes: vec![0; 100].into(), tag };
//!
//! let now = Instant::ZERO;
//! assert_eq!(link.handle_packet(now, packet(1)).drop_reason(), None);
//! assert_eq!(link.handle_packet(now, packet(2)).drop_reason(), Some(DropReason::LinkLoss));
//!
//! assert_eq!(link.poll_transmit(now), None);
//! let due = link.poll_timeout().expect("a packet is on the wire");
//! assert_eq!(due, Instant::from_millis(20));
//! assert_eq!(link.poll_transmit(due).map(|packet| packet.tag), Some(1));
//! ```
//!
//! # Not here
//! No clock and no device: a world of `testkit` drives a link, and its `emulated` puts one before real devices. No qdisc
//! but drop-tail, no bursts of loss.
//!
//! # Files
//! `config` says what a link does, `text` reads it from a line, `link` does it.
#![forbid(unsafe_code)]

mod config;
mod link;
#[cfg(test)]
mod tests;
mod text;

pub use config::{Config, Fault};
pub use link::{EVENT_QUEUE, Event, Link, Packet, Rule};
pub use text::{DEFAULT_QUEUE, ParseError};

use outcrop_base::{Instant, Seed};

/// Both directions of a link.
#[derive(Clone, Debug)]
pub struct Duplex {
    /// From the first end to the second.
    pub forward: Link,
    /// From the second end to the first.
    pub backward: Link,
}

impl Duplex {
    /// A link with settings for each direction; their chances are independent.
    #[must_use]
    pub fn new(forward: Config, backward: Config, seed: &Seed) -> Self {
        Self {
            forward: Link::new(forward, &seed.split("forward")),
            backward: Link::new(backward, &seed.split("backward")),
        }
    }

    /// When the next packet arrives at either end.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let ends = [self.forward.poll_timeout(), self.backward.poll_timeout()];
        ends.into_iter().flatten().min()
    }
}
