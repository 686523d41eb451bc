//! Headers as bytes.
//!
//! Job: read and write the headers of this layer, and show them field by field.
//! Owns: their layouts. Does not know: addresses of ours, routes, time, or any state.
//! IPv4's and IPv6's fixed headers are on the path of every packet and are read here directly; the tests
//! prove that reading equal to `etherparse`. ICMP is read and written by `etherparse`.

pub mod group;
pub mod icmp;
pub mod ipv4;
pub mod ipv6;
pub mod irdp;
pub mod nd;

/// Two bytes in network order at `at`, or zero beyond the end.
fn be16(bytes: &[u8], at: usize) -> u16 {
    let pair = bytes.get(at..).and_then(<[u8]>::first_chunk::<2>);
    pair.map_or(0, |pair| u16::from_be_bytes(*pair))
}

/// Four bytes in network order at `at`, or zero beyond the end.
fn be32(bytes: &[u8], at: usize) -> u32 {
    let word = bytes.get(at..).and_then(<[u8]>::first_chunk::<4>);
    word.map_or(0, |word| u32::from_be_bytes(*word))
}

/// The visitor of `fields` functions, with what repeats filled in.
struct Fields<'v, 'b> {
    visit: &'v mut dyn FnMut(outcrop_base::Field<'b>),
    source: &'static str,
}

impl<'b> Fields<'_, 'b> {
    fn number(&mut self, key: &'static str, name: &'static str, bits: (u32, u32), value: u64) {
        self.value(key, name, bits, outcrop_base::FieldValue::Number(value));
    }

    /// `bits` is first bit and length.
    fn value(
        &mut self,
        key: &'static str,
        name: &'static str,
        (start, len): (u32, u32),
        value: outcrop_base::FieldValue<'b>,
    ) {
        (self.visit)(outcrop_base::Field {
            key,
            name,
            bits: start..start + len,
            value,
            source: self.source,
        });
    }
}

/// A byte count as bits.
fn bits(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX).saturating_mul(8)
}
