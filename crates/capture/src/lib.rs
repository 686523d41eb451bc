//! Annotated captures: bytes, state, reason and line of code in one file.
//!
//! A packet tool sees bytes and guesses the sender's state; a log has the state and lost the bytes.
//! This crate writes both into one pcapng file that Wireshark, tshark, editcap and tcpdump open, and
//! reads it back, along with anybody else's pcapng or pcap.
//!
//! ```text
//!   the running stack                       one file                            anybody
//!  ┌──────────────────┐  Recorder   ┌───────────────────────┐   Reader   ┌──────────────────┐
//!  │ PacketRecord     ├────────────►│ section  seed, config │───────────►│ Record::Packet   │
//!  │ Fact             │  (Writer)   │ interface, room       │            │ Record::Event    │
//!  │ key-log line     │             │ packet | event ...    │            ├──────────────────┤
//!  └──────────────────┘             │ statistics            │            │ Wireshark, tshark│
//!                                   └───────────────────────┘            └──────────────────┘
//! ```
//!
//! A packet block carries its direction, its number in the run and up to two comments: the state as
//! `key=value` words ([`Annotations`]), and a plain sentence when something notable happened.
//! Facts without a packet are journal entries ([`Event`]) at their own time; TLS secrets stand in a
//! decryption-secrets block before the handshake.
//!
//! # Verbs
//! The writer has those of `outcrop_base::Recorder` (`packet`, `fact`, `secret`) and [`Writer::finish`]; the
//! reader is an iterator. An error of the sink never disturbs the stack: it is kept for `finish`.
//!
//! ```
//! use std::io::IoSlice;
//! use outcrop_base::{Cause, Direction, Instant, InterfaceId, Limit, Note, PacketId, PacketRecord, Recorder, Why};
//! use outcrop_capture::{Config, Reader, Record, Section, Writer};
//!
//! let config = Config { section: Section::new().with("seed", "42"), ..Config::default() };
//! let mut writer = Writer::new(Vec::new(), config)?;
//! writer.packet(&PacketRecord {
//!     at: Instant::from_millis(20),
//!     id: PacketId(1),
//!     iface: InterfaceId(0),
//!     direction: Direction::Out,
//!     bytes: &[IoSlice::new(&[0x45, 0, 0, 20]), IoSlice::new(&[0; 16])],
//!     partial_checksum: None,
//!     gso_size: None,
//!     note: Some(Note::new(Why::Rto, Limit::Cwnd, Cause::None)),
//!     verdict: None,
//!     state: &(),
//! });
//! let file = writer.into_inner()?;
//!
//! let mut reader = Reader::new(&file[..])?;
//! let Some(Ok(Record::Packet(packet))) = reader.next() else { panic!("one packet went in") };
//! assert_eq!(packet.why(), Some(Why::Rto));
//! assert_eq!(packet.bytes.len(), 20);
//! assert!(packet.sentence.unwrap().starts_with("The retransmission timer ran out"));
//! assert_eq!(reader.section().get("seed"), Some("42"));
//! assert_eq!(reader.section().instant(packet.at), Some(Instant::from_millis(20)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Not here
//! No header is understood (that is `outcrop-inspect`), no file is chosen, no clock is read.
//!
//! # Files, in reading order
//! `comment` (the state line), `sentence`, `journal` (facts), `section` (the run), `link` (link types),
//! `secrets`, then [`Writer`], [`Reader`], [`export_pcap`], [`annotate()`], and `error`.
#![forbid(unsafe_code)]

mod annotate;
mod comment;
mod error;
mod export;
mod journal;
mod link;
mod reader;
mod secrets;
mod section;
mod sentence;
mod writer;

pub use annotate::annotate;
pub use comment::{Annotations, parse_cause};
pub use error::{ExportError, ReadError, WriteError};
pub use export::export_pcap;
pub use journal::Event;
pub use link::Link;
pub use reader::{Packet, Reader, Record};
pub use section::Section;
pub use writer::{Config, Writer};

/// The README's examples compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
