//! The seam of observation.
//!
//! Job: what a recorder is given about packets, facts and secrets. Owns: nothing. Does not know: any file format.
//! Only the crate that joins the layers calls a recorder.

use core::fmt;
use core::net::IpAddr;
use core::time::Duration;
use std::io::IoSlice;

use crate::{Direction, Fact, Instant, InterfaceId, Level, Note, PacketId, Verdict};

/// A value of some engine's state, as a visitor sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// A count or a number of bytes.
    Number(u64),
    /// Yes or no.
    Flag(bool),
    /// A word without spaces.
    Word(&'a str),
    /// A span of time, shown in milliseconds.
    Span(Duration),
    /// An address.
    Address(IpAddr),
}

impl fmt::Display for Value<'_> {
    /// As in `key=value` of a capture comment: spans in milliseconds with up to three decimals.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(n) => n.fmt(f),
            Self::Flag(yes) => u8::from(*yes).fmt(f),
            Self::Word(word) => f.write_str(word),
            Self::Span(span) => {
                let micros = span.as_micros();
                write!(f, "{}.{:03}", micros / 1_000, micros % 1_000)
            }
            Self::Address(addr) => addr.fmt(f),
        }
    }
}

/// State that can be told as keys and values. Called only when somebody records.
pub trait Describe {
    /// Tells every pair; keys are lower-case words joined by `_`, units in the key (`srtt_ms`).
    fn describe(&self, visit: &mut dyn FnMut(&'static str, Value<'_>));
}

/// Nothing to tell.
impl Describe for () {
    fn describe(&self, _visit: &mut dyn FnMut(&'static str, Value<'_>)) {}
}

/// One packet as it crossed the device.
#[derive(Clone, Copy)]
pub struct PacketRecord<'a> {
    /// When.
    pub at: Instant,
    /// Its number in the run.
    pub id: PacketId,
    /// Where.
    pub iface: InterfaceId,
    /// Which way.
    pub direction: Direction,
    /// The bytes, from the outermost header on, in pieces. A checksum left to the device is not complete here.
    pub bytes: &'a [IoSlice<'a>],
    /// Where the device was asked to complete a checksum: (start of the sum, offset of the field from there).
    pub partial_checksum: Option<(u16, u16)>,
    /// Segment size, if this is a super-segment.
    pub gso_size: Option<u16>,
    /// Why it left (outgoing).
    pub note: Option<Note>,
    /// What became of it (incoming).
    pub verdict: Option<Verdict>,
    /// The state it left (outgoing) or met (incoming).
    pub state: &'a dyn Describe,
}

/// Receives what a run records.
pub trait Recorder: Send {
    /// How much it wants.
    fn level(&self) -> Level;
    /// A packet crossed the device.
    fn packet(&mut self, record: &PacketRecord<'_>);
    /// Something happened without a packet.
    fn fact(&mut self, at: Instant, fact: &Fact);
    /// A line of a TLS key log (`CLIENT_RANDOM ..`).
    fn secret(&mut self, line: &str);
}

/// Records nothing.
impl Recorder for () {
    fn level(&self) -> Level {
        Level::Off
    }

    fn packet(&mut self, _record: &PacketRecord<'_>) {}

    fn fact(&mut self, _at: Instant, _fact: &Fact) {}

    fn secret(&mut self, _line: &str) {}
}

impl<R: Recorder + ?Sized> Recorder for Box<R> {
    fn level(&self) -> Level {
        (**self).level()
    }

    fn packet(&mut self, record: &PacketRecord<'_>) {
        (**self).packet(record);
    }

    fn fact(&mut self, at: Instant, fact: &Fact) {
        (**self).fact(at, fact);
    }

    fn secret(&mut self, line: &str) {
        (**self).secret(line);
    }
}
