//! A packet in transit on its way to the next link.
//!
//! Job: one hop less, checksum mended; IPv4 packets that are too long cut into fragments.
//! Owns: the bytes' new form. Does not know: routes, or whether any of it is allowed.
//! Sources: RFC 791 3.2 (fragmentation, options that are copied), RFC 1624 3 (mending a checksum),
//! RFC 1812 4.2.2.7 and 5.3.1, RFC 8200 3.

use bytes::{BufMut, Bytes, BytesMut};
use outcrop_base::Checksum;

use crate::wire::ipv4::{self, HEADER_LEN};

/// The bit in an option's kind that says: into every fragment.
const COPIED: u8 = 0x80;

/// Takes one hop off an IPv4 packet and mends its checksum by the difference: a header damaged inside this
/// machine stays recognisable as damaged.
pub(crate) fn take_hop_v4(packet: &mut [u8]) {
    let Some(fixed) = packet.first_chunk_mut::<HEADER_LEN>() else {
        return;
    };
    let old = u16::from_be_bytes([fixed[8], fixed[9]]);
    fixed[8] = fixed[8].saturating_sub(1);
    let new = u16::from_be_bytes([fixed[8], fixed[9]]);
    let sum = u16::from_be_bytes([fixed[10], fixed[11]]);
    [fixed[10], fixed[11]] = mended(sum, old, new).to_be_bytes();
}

/// RFC 1624's equation 3: the checksum after one word has changed.
const fn mended(sum: u16, old: u16, new: u16) -> u16 {
    let total = !sum as u32 + !old as u32 + new as u32;
    let total = (total & 0xffff) + (total >> 16);
    let total = (total & 0xffff) + (total >> 16);
    #[expect(clippy::cast_possible_truncation, reason = "folded twice")]
    let folded = total as u16;
    !folded
}

/// Takes one hop off an IPv6 packet.
pub(crate) fn take_hop_v6(packet: &mut [u8]) {
    if let Some(hops) = packet.get_mut(7) {
        *hops = hops.saturating_sub(1);
    }
}

/// Cuts an IPv4 packet, which may be a fragment itself, into pieces of at most `mtu` bytes; `None` if not even
/// eight bytes fit behind the header.
pub(crate) fn cut_v4(packet: &Bytes, header: &ipv4::Header, mtu: usize) -> Option<Vec<Bytes>> {
    let first_header = packet.get(..header.header_len)?;
    let later_header = copied_options(first_header);
    let payload = packet.get(header.header_len..)?;
    let mut pieces = Vec::new();
    let mut at = 0;
    while at < payload.len() {
        let head = if at == 0 { first_header } else { &later_header };
        let room = mtu.checked_sub(head.len()).filter(|room| *room >= 8)?;
        let rest = payload.len() - at;
        // Only the last piece may be ragged.
        let len = if rest <= room { rest } else { room / 8 * 8 };
        let more = header.mf || at + len < payload.len();
        let body = payload.get(at..at + len)?;
        pieces.push(piece(head, header.offset + at, more, body));
        at += len;
    }
    Some(pieces)
}

fn piece(header: &[u8], offset: usize, more: bool, body: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(header.len() + body.len());
    out.put_slice(header);
    out.put_slice(body);
    let total = u16::try_from(out.len()).unwrap_or(u16::MAX);
    let place = u16::try_from(offset / 8).unwrap_or(u16::MAX) & 0x1fff | u16::from(more) << 13;
    let words = u8::try_from(header.len() / 4).unwrap_or(u8::MAX) & 0x0f;
    if let Some(head) = out.get_mut(..header.len()) {
        if let Some(fixed) = head.first_chunk_mut::<HEADER_LEN>() {
            fixed[0] = fixed[0] & 0xf0 | words;
            [fixed[2], fixed[3]] = total.to_be_bytes();
            // The reserved bit and "don't fragment" stay as they came.
            let [high, low] = place.to_be_bytes();
            [fixed[6], fixed[7]] = [fixed[6] & 0xc0 | high, low];
        }
        write_checksum(head);
    }
    out.freeze()
}

/// Makes the checksum of a whole header right.
pub(crate) fn write_checksum(header: &mut [u8]) {
    if let Some(field) = header.get_mut(10..12) {
        field.fill(0);
    }
    let mut sum = Checksum::new();
    sum.add(header);
    if let Some(field) = header.get_mut(10..12) {
        field.copy_from_slice(&sum.finish().to_be_bytes());
    }
}

/// The header of a fragment that is not the first: only options that say so go along.
fn copied_options(header: &[u8]) -> Vec<u8> {
    let (fixed, mut options) = header.split_at(header.len().min(HEADER_LEN));
    let mut out = fixed.to_vec();
    while let [kind, rest @ ..] = options {
        let len = match kind {
            0 => break,
            1 => 1,
            _ => usize::from(rest.first().copied().unwrap_or(0)).max(2),
        };
        if kind & COPIED != 0 {
            out.extend_from_slice(options.get(..len).unwrap_or_default());
        }
        options = options.get(len..).unwrap_or_default();
    }
    // End of options up to the next word.
    out.resize(out.len().next_multiple_of(4), 0);
    out
}

#[cfg(test)]
#[path = "cut_tests.rs"]
mod tests;
