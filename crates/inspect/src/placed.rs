//! Fields of a stream, put back into the packets that carried them.
//!
//! Job: remember which bytes of which packets a stretch of a stream came in, and give every field of the stretch its
//! place there. Owns: those places until the stretch is understood. Does not know: protocols.
//! A field cut by a segment's end has a part in both packets.

use core::ops::Range;
use std::borrow::Cow;

/// A field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// `eth`, `ip`, `tcp`, `tls`, `http`..
    pub layer: &'static str,
    /// Its bytes, from the start of the packet.
    pub range: Range<usize>,
    /// Its name.
    pub name: Cow<'static, str>,
    /// Its value and what that means.
    pub value: String,
    /// Where it is defined.
    pub source: &'static str,
}

/// A field, or a part of one, in a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The packet: its ordinal in the file, from 1.
    pub number: u64,
    /// The field; its range is what of it is in this packet.
    pub field: Field,
}

/// What a field is, wherever it is.
pub(crate) struct Meaning {
    pub(crate) layer: &'static str,
    pub(crate) source: &'static str,
    pub(crate) name: Cow<'static, str>,
    pub(crate) value: String,
}

/// Bytes of a packet that belong to a stretch.
#[derive(Clone, Copy, Debug)]
struct Part {
    number: u64,
    at: usize,
    len: usize,
}

/// Where the bytes of a stretch are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spans {
    parts: Vec<Part>,
}

impl Spans {
    /// The stretch goes on with these bytes of a packet.
    pub(crate) fn push(&mut self, number: u64, at: usize, len: usize) {
        match self.parts.last_mut() {
            Some(last) if last.number == number && last.at + last.len == at => last.len += len,
            _ => self.parts.push(Part { number, at, len }),
        }
    }

    /// Goes on with another stretch.
    pub(crate) fn extend(&mut self, other: Self) {
        for part in other.parts {
            self.push(part.number, part.at, part.len);
        }
    }

    /// The places of a part of the stretch.
    pub(crate) fn slice(&self, range: Range<usize>) -> Self {
        let mut found = Self::default();
        let mut before = 0;
        for part in &self.parts {
            let start = range.start.max(before);
            let end = range.end.min(before + part.len);
            if start < end {
                found.push(part.number, part.at + (start - before), end - start);
            }
            before += part.len;
        }
        found
    }

    /// The packets of the stretch, and the bytes in each.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = (u64, Range<usize>)> {
        let parts = self.parts.iter();
        parts.map(|part| (part.number, part.at..part.at + part.len))
    }

    /// Puts a field that takes `range` of the stretch into its packets.
    pub(crate) fn place(&self, range: Range<usize>, what: &Meaning, out: &mut Vec<Placed>) {
        for (number, range) in self.slice(range).ranges() {
            out.push(Placed {
                number,
                field: Field {
                    layer: what.layer,
                    range,
                    name: what.name.clone(),
                    value: what.value.clone(),
                    source: what.source,
                },
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_over_a_segments_end_has_a_part_in_both_packets() {
        let mut spans = Spans::default();
        spans.push(1, 54, 10);
        spans.push(1, 64, 6);
        spans.push(4, 66, 20);
        let what = Meaning {
            layer: "http",
            source: "RFC 9112 5",
            name: "Host".into(),
            value: "a".to_owned(),
        };
        let mut out = Vec::new();
        spans.place(12..20, &what, &mut out);
        let places: Vec<_> = out
            .iter()
            .map(|p| (p.number, p.field.range.clone()))
            .collect();
        assert_eq!(places, [(1, 66..70), (4, 66..70)]);
    }
}
