//! A capture, taken apart record by record.
//!
//! Job: of each packet, say who talks to whom, which field every byte belongs to and what it completes.
//! Owns: the conversations, and what their connections carry. Does not know: any view.
//! Memory is bounded: by the conversations kept and by what waits in them, whatever the file holds.

use outcrop_capture::{Packet, Record};

use crate::conversation::{Conversations, Seen};
use crate::exchange::Exchanges;
use crate::placed::{Field, Placed};
use crate::story::fields;

/// A packet taken apart.
#[derive(Debug)]
pub struct Taken {
    /// Who talks, and what the headers say.
    pub seen: Seen,
    /// Its fields in the order of their bytes. A payload whose meaning depends on what has not arrived yet has none.
    pub fields: Vec<Field>,
    /// Fields of earlier packets that this one completed.
    pub belated: Vec<Placed>,
    /// TLS messages and HTTP start lines inside TLS.
    pub lines: Vec<String>,
    /// Where in the packet the payload begins.
    pub payload: usize,
}

/// Takes a capture apart.
///
/// ```
/// # use outcrop_capture::{Config, Reader, Writer};
/// # let file = Writer::new(Vec::new(), Config::default())?.into_inner()?;
/// let mut model = outcrop_inspect::Model::new();
/// for record in Reader::new(&file[..])? {
///     for field in model.record(&record?).iter().flat_map(|taken| &taken.fields) {
///         println!("{:?} {} {} = {}", field.range, field.layer, field.name, field.value);
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct Model {
    conversations: Conversations,
    exchanges: Exchanges,
}

impl Model {
    /// Of nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a record in; `None` of one that is no packet.
    pub fn record(&mut self, record: &Record) -> Option<Taken> {
        match record {
            Record::Packet(packet) => Some(self.packet(packet)),
            Record::Event(event) => {
                self.conversations.event(event);
                None
            }
            Record::Secrets(lines) => {
                self.secrets(lines);
                None
            }
        }
    }

    /// Takes TLS secrets: lines of a key log. They open handshakes that come after.
    pub fn secrets(&mut self, lines: &str) {
        self.exchanges.secrets(lines);
    }

    /// Takes a packet in.
    pub fn packet(&mut self, packet: &Packet) -> Taken {
        let seen = self.conversations.packet(packet);
        let carried = self.exchanges.packet(packet, &seen);
        let (mut fields, payload) = fields::headers(packet, &seen);
        let (own, belated): (Vec<_>, Vec<_>) = carried
            .fields
            .into_iter()
            .partition(|placed| placed.number == packet.number);
        fields.extend(own.into_iter().map(|placed| placed.field));
        fields.sort_by_key(|field| field.range.start);
        Taken {
            seen,
            fields,
            belated,
            lines: carried.lines,
            payload,
        }
    }

    /// Who talks to whom.
    #[must_use]
    pub const fn conversations(&self) -> &Conversations {
        &self.conversations
    }

    /// The conversations, for an event of one of them.
    pub(crate) const fn conversations_mut(&mut self) -> &mut Conversations {
        &mut self.conversations
    }

    /// HTTP so far; after the last record, [`finish`](Self::finish) first.
    #[must_use]
    pub const fn exchanges(&self) -> &Exchanges {
        &self.exchanges
    }

    /// The capture has ended: what was under way is told as far as it came.
    pub fn finish(&mut self) {
        self.exchanges.finish();
    }
}
