//! Captures made readable.
//!
//! A capture of this stack holds every packet with the state it met, the reason it left and the packet that
//! caused it. This crate shows that on a terminal: as text in the grammar everybody knows from tcpdump, and
//! as a ladder that tells the story. Captures by other programs are shown as well, with less to say.
//!
//! ```text
//!   outcrop_capture::Reader          model                          views
//!  ┌─────────────────────┐   ┌───────────────────────┐   ┌──────────────────────────────┐
//!  │ Record::Packet      ├──►│ dissect: headers      ├──►│ Printer   tcpdump -nvv | why │
//!  │ Record::Event       │   │ Conversations: who,   │   │ Ladder    two lifelines      │
//!  └─────────────────────┘   │ relative numbers      │   │ page      all views, browser │
//!                            └───────────────────────┘   └──────────────────────────────┘
//! ```
//!
//! # Verbs
//! [`print()`] and [`ladder()`] show a whole file; [`Printer::record`] and [`Ladder::record`] take one record at a
//! time, so a running capture can be followed. Memory grows with the number of conversations only; [`page()`] keeps
//! the first 5,000 packets.
//!
//! ```
//! use std::io::IoSlice;
//! use outcrop_base::{Cause, Direction, Instant, InterfaceId, Limit, Note, PacketId, PacketRecord, Recorder, Why};
//! use outcrop_capture::{Config, Reader, Writer};
//! use outcrop_inspect::{LadderOptions, PrintOptions, ladder, print};
//!
//! // One end records a ping, the other shows it.
//! let mut ping = vec![0x45, 0, 0, 28, 0, 0, 0, 0, 64, 1, 0x66, 0x40, 10, 77, 0, 2, 10, 77, 0, 1];
//! ping.extend([8, 0, 0xf7, 0xf5, 0, 7, 0, 3]);
//! let mut writer = Writer::new(Vec::new(), Config::default())?;
//! writer.packet(&PacketRecord {
//!     at: Instant::from_millis(20),
//!     id: PacketId(1),
//!     iface: InterfaceId(0),
//!     direction: Direction::Out,
//!     bytes: &[IoSlice::new(&ping)],
//!     partial_checksum: None,
//!     gso_size: None,
//!     note: Some(Note::new(Why::EchoRequest, Limit::None, Cause::None)),
//!     verdict: None,
//!     state: &(),
//! });
//! let file = writer.into_inner()?;
//!
//! let mut text = Vec::new();
//! print(&mut Reader::new(&file[..])?, PrintOptions::default(), &mut text)?;
//! let text = String::from_utf8(text)?;
//! assert!(text.contains("10.77.0.2 > 10.77.0.1: ICMP echo request, id 7, seq 3, length 8 | #1 out echo-request"));
//!
//! let mut text = Vec::new();
//! ladder(&mut Reader::new(&file[..])?, LadderOptions::default(), &mut text)?;
//! assert!(String::from_utf8(text)?.contains("─ echo request, id 7, seq 3 │ echo-request"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Not here
//! No file is opened, no terminal asked, no colour decided: the program does that ([`ColorChoice::resolve`]).
//! Nothing is judged: a retransmission is one because the stack said so; where nobody said so, the ladder
//! says only "seen before".
//!
//! # Files, in reading order
//! [`dissect`] (headers, whole or broken), `conversation` (who talks to whom), `http` (start lines),
//! `exchange` (requests and their answers),
//! `print` (and one file a protocol), `ladder` (`draw` the columns, `label` the arrows, `notes` the right side),
//! `export` (for the tools of others), `page` (a browser's views, a file a view), `tui` (a terminal's), both of a `story`, `paint` (colours), `run` (whole files).
#![forbid(unsafe_code)]

mod conversation;
mod difference;
pub mod dissect;
mod exchange;
mod export;
mod http;
mod ladder;
mod model;
mod page;
mod paint;
mod placed;
mod print;
mod run;
mod story;
mod stream;
mod tls;
mod tui;

pub use conversation::{Conversation, Conversations, End, Relative, Seen, Talk};
pub use difference::difference;
pub use exchange::{Carried, EXCHANGES_MAX, Exchange, Exchanges, Message};
pub use export::{Chosen, ExportError, choose, har, qlog, xplot};
pub use http::start_lines;
pub use ladder::{Ladder, LadderOptions, conversation_index};
pub use model::{Model, Taken};
pub use page::{Follow, PageOptions, page, page_with};
pub use paint::{ColorChoice, Paint};
pub use placed::{Field, Placed};
pub use print::{PrintOptions, Printer};
pub use run::{InspectError, ladder, print};
pub use tui::{Tui, TuiKey};

/// `#193` for `pkt:193`; timers and calls as they are.
fn shown_cause(cause: &str) -> String {
    cause
        .strip_prefix("pkt:")
        .map_or_else(|| cause.to_owned(), |id| format!("#{id}"))
}

/// The README's examples compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
