//! What makes two packets of two runs the same.
//!
//! Job: the canonical form of a packet that replay compares: direction, virtual time, bytes, why, cause.
//! Owns: that choice. The line of source is not part of it: an edit elsewhere would move it.

use core::fmt;
use core::time::Duration;

use bytes::Bytes;
use outcrop_base::{Cause, Direction, Why};
use outcrop_capture::{Packet, Section};

use crate::{PrintOptions, Printer};

/// A packet's identity in its run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Time since the run began.
    pub at: Duration,
    /// Which way it went.
    pub direction: Option<Direction>,
    /// Its bytes.
    pub bytes: Bytes,
    /// Why it left.
    pub why: Option<Why>,
    /// What caused it.
    pub cause: Cause,
    /// The packet in tcpdump's words with absolute numbers, for people.
    text: String,
}

impl Identity {
    /// Of a packet; its time counts from the section's clock, in a foreign file from 1970.
    #[must_use]
    pub fn of(packet: &Packet, section: &Section) -> Self {
        let since = section.instant(packet.at);
        let at = since.map_or(packet.at, |at| Duration::from_nanos(at.as_nanos()));
        let mut text = String::new();
        Printer::new(PrintOptions::default()).describe(packet, &mut text);
        Self {
            at,
            direction: packet.direction,
            bytes: packet.bytes.clone(),
            why: packet.why(),
            cause: packet.cause(),
            text,
        }
    }
}

impl fmt::Display for Identity {
    /// One line: differs whenever two identities do, up to a 64-bit hash of the bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let direction = match self.direction {
            Some(Direction::In) => "in ",
            Some(Direction::Out) => "out",
            None => "?  ",
        };
        let (seconds, nanos) = (self.at.as_secs(), self.at.subsec_nanos());
        write!(f, "{seconds}.{nanos:09} {direction} ")?;
        for (number, line) in self.text.lines().enumerate() {
            let separator = if number == 0 { "" } else { " " };
            write!(f, "{separator}{}", line.trim())?;
        }
        if let Some(why) = self.why {
            write!(f, " | {why}")?;
        }
        if self.cause != Cause::None {
            write!(f, " <- {}", self.cause)?;
        }
        write!(f, " | {:016x}", fnv(&self.bytes))
    }
}

/// FNV-1a: short, and the same everywhere.
fn fnv(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}
