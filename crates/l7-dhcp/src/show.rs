//! Messages field by field: what both families share.
//!
//! Job: give a visitor parts of a message with their places. Owns: a cursor that never leaves the bytes.
//! Does not know: which parts there are. Nothing here reads as the engines do: what they refuse is shown as well.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::ops::Range;

use outcrop_base::{Field, FieldValue};

/// How a part is called: the dissectors' key, and the RFC's name.
pub(crate) type Name = (&'static str, &'static str);

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An unsigned number of this many octets.
    Number(usize),
    /// Addresses of IPv4, one behind the other.
    V4,
    /// Addresses of IPv6, one behind the other.
    V6,
    /// A hardware address.
    Mac,
    /// Letters.
    Text,
    /// Whatever it is.
    Bytes,
}

/// Walks over a message.
pub(crate) struct Walk<'b, 'v> {
    bytes: &'b [u8],
    visit: &'v mut dyn FnMut(Field<'b>),
    /// Where the next part begins.
    pub(crate) at: usize,
    /// Which section defines what is shown.
    pub(crate) source: &'static str,
}

impl<'b, 'v> Walk<'b, 'v> {
    pub(crate) fn new(
        bytes: &'b [u8],
        visit: &'v mut dyn FnMut(Field<'b>),
        source: &'static str,
    ) -> Self {
        Self {
            bytes,
            visit,
            at: 0,
            source,
        }
    }

    /// What is left before `end`.
    pub(crate) fn left(&self, end: usize) -> &'b [u8] {
        self.bytes.get(self.at..end).unwrap_or_default()
    }

    /// Shows the next `len` octets as one value; fewer, if there are no more, as they are.
    pub(crate) fn show(&mut self, name: Name, kind: Kind, len: usize) {
        let end = self.bytes.len().min(self.at.saturating_add(len));
        let place = self.at..end;
        let Some(value) = self
            .bytes
            .get(place.clone())
            .filter(|value| !value.is_empty())
        else {
            return;
        };
        self.at = place.end;
        (self.visit)(Field {
            key: name.0,
            name: name.1,
            bits: bits(&place),
            value: read(value, kind),
            source: self.source,
        });
    }

    /// Shows a value as many times as it stands before `end`, and what remains of it as it is.
    pub(crate) fn each(&mut self, name: Name, kind: Kind, end: usize) {
        let one = match kind {
            Kind::Number(octets) => octets,
            Kind::V4 => 4,
            Kind::V6 => 16,
            Kind::Mac | Kind::Text | Kind::Bytes => self.left(end).len(),
        };
        while !self.left(end).is_empty() {
            let left = self.left(end).len();
            self.show(name, kind, one.min(left));
        }
    }
}

fn bits(place: &Range<usize>) -> Range<u32> {
    let bit = |at: usize| u32::try_from(at.saturating_mul(8)).unwrap_or(u32::MAX);
    bit(place.start)..bit(place.end)
}

fn read(value: &[u8], kind: Kind) -> FieldValue<'_> {
    let raw = FieldValue::Bytes(value);
    match kind {
        Kind::Number(octets) if value.len() == octets => FieldValue::Number(number(value)),
        Kind::V4 => <[u8; 4]>::try_from(value).map_or(raw, |octets| {
            FieldValue::Address(IpAddr::V4(Ipv4Addr::from(octets)))
        }),
        Kind::V6 => <[u8; 16]>::try_from(value).map_or(raw, |octets| {
            FieldValue::Address(IpAddr::V6(Ipv6Addr::from(octets)))
        }),
        Kind::Mac => value.try_into().map_or(raw, FieldValue::Mac),
        Kind::Text => core::str::from_utf8(value).map_or(raw, FieldValue::Text),
        Kind::Number(_) | Kind::Bytes => raw,
    }
}

/// Octets as a number, the first the highest.
pub(crate) fn number(octets: &[u8]) -> u64 {
    octets
        .iter()
        .fold(0, |number, octet| number << 8 | u64::from(*octet))
}
