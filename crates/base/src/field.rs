//! A header, field by field.
//!
//! Job: the common shape in which every crate with a header shows it to inspectors and lessons.
//! Owns: the shape. Does not know: any header. Positions are bits from the start of that header.

use core::net::IpAddr;
use core::ops::Range;

/// One field of a header.
#[derive(Clone, Debug, PartialEq)]
pub struct Field<'a> {
    /// Dotted name in Wireshark's spelling, where Wireshark has one: `tcp.window_size_value`.
    pub key: &'static str,
    /// The RFC's name: `Window`.
    pub name: &'static str,
    /// Bits from the start of the header.
    pub bits: Range<u32>,
    /// The value.
    pub value: FieldValue<'a>,
    /// Where it is defined: `RFC 9293 3.1`.
    pub source: &'static str,
}

/// The value of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldValue<'a> {
    /// A number.
    Number(u64),
    /// An address.
    Address(IpAddr),
    /// A link-layer address.
    Mac([u8; 6]),
    /// Bytes without a shorter form.
    Bytes(&'a [u8]),
    /// Text.
    Text(&'a str),
}
