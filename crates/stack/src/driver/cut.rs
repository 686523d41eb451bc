//! Super-segments for a device that cuts none.
//!
//! Job: make of one plan of many segments the packets it stands for, so that TCP plans and IP wraps once for all of
//! them. Owns: one header at a time. Does not know: connections; what a piece says follows from the whole.
//! Sources: RFC 9293 3.1, RFC 791 3.1 (lengths, checksums), RFC 3168 6.1.2 (CWR on the first piece alone); FIN and PSH
//! belong to the last.

use core::net::IpAddr;
use std::io::IoSlice;

use outcrop_base::{Checksum, MAX_SLICES, Transport};
use outcrop_device::{Gso, GsoKind};

use super::headers::{self, FLAGS, IPV4_HEADER, IPV6_HEADER, LONGEST, put_u16};

const FIN: u8 = 0x01;
const PSH: u8 = 0x08;
const CWR: u8 = 0x80;
const SEQUENCE: usize = 4;
const CHECKSUM: usize = 16;

/// Gives every piece of `whole` (headers first, then payload) to `send`, its checksums complete.
pub(super) fn cut(whole: &[IoSlice<'_>], gso: Gso, send: &mut dyn FnMut(&[IoSlice<'_>])) {
    let Some((head, payload)) = whole.split_first() else {
        return;
    };
    let ip_len = match gso.kind {
        GsoKind::Tcp4 => IPV4_HEADER,
        GsoKind::Tcp6 => IPV6_HEADER,
        // Nobody plans such a one.
        GsoKind::Udp => return,
    };
    let size = usize::from(gso.size).max(1);
    let total: usize = payload.iter().map(|piece| piece.len()).sum();
    let mut rest = Rest { payload, skip: 0 };
    let mut header = [0; LONGEST];
    let Some(room) = header.get_mut(..head.len()) else {
        return;
    };
    let mut at = 0;
    while at < total {
        let len = size.min(total - at);
        let mut text = [IoSlice::new(&[]); MAX_SLICES];
        let used = rest.take(len, &mut text);
        let text = text.get(..used).unwrap_or_default();
        room.copy_from_slice(head);
        write(room, ip_len, (at, len, at + len == total), text);
        let mut slices = [IoSlice::new(&[]); MAX_SLICES + 1];
        let pieces = core::iter::once(IoSlice::new(room)).chain(text.iter().copied());
        slices
            .iter_mut()
            .zip(pieces)
            .for_each(|(to, from)| *to = from);
        send(slices.get(..=used).unwrap_or_default());
        at += len;
    }
}

/// The payload not yet sent.
struct Rest<'a> {
    payload: &'a [IoSlice<'a>],
    /// Bytes of its first piece that are.
    skip: usize,
}

impl<'a> Rest<'a> {
    /// The next `len` bytes as slices; returns how many.
    fn take(&mut self, mut len: usize, out: &mut [IoSlice<'a>]) -> usize {
        let mut used = 0;
        while let Some((first, others)) = self.payload.split_first().filter(|_| len > 0) {
            let bytes = first.get(self.skip..).unwrap_or_default();
            let now = bytes.len().min(len);
            if let Some(slot) = out.get_mut(used).filter(|_| now > 0) {
                *slot = IoSlice::new(bytes.get(..now).unwrap_or_default());
                used += 1;
            }
            len -= now;
            self.skip += now;
            if now == bytes.len() {
                (self.payload, self.skip) = (others, 0);
            }
        }
        used
    }
}

/// Makes the header of the whole that of the piece of `len` bytes at `at`.
fn write(
    header: &mut [u8],
    ip_len: usize,
    (at, len, last): (usize, usize, bool),
    text: &[IoSlice<'_>],
) {
    headers::set_len(header, ip_len, header.len() + len);
    let Some((ip, tcp)) = header.split_at_mut_checked(ip_len) else {
        return;
    };
    if let Some(field) = tcp
        .get_mut(SEQUENCE..)
        .and_then(|b| b.first_chunk_mut::<4>())
    {
        let seq = u32::from_be_bytes(*field).wrapping_add(u32::try_from(at).unwrap_or(0));
        *field = seq.to_be_bytes();
    }
    if let Some(flags) = tcp.get_mut(FLAGS) {
        *flags &= if last { u8::MAX } else { !(FIN | PSH) };
        *flags &= if at == 0 { u8::MAX } else { !CWR };
    }
    put_u16(tcp, CHECKSUM, 0);
    let Some((src, dst)) = headers::addresses(ip) else {
        return;
    };
    let sum = checksum(src, dst, tcp, (len, text));
    put_u16(tcp, CHECKSUM, sum);
}

fn checksum(src: IpAddr, dst: IpAddr, tcp: &[u8], (len, text): (usize, &[IoSlice<'_>])) -> u16 {
    let len = u32::try_from(tcp.len() + len).unwrap_or(u32::MAX);
    let mut sum = Checksum::pseudo_header(src, dst, Transport::Tcp.number(), len);
    sum.add(tcp);
    text.iter().for_each(|piece| sum.add(piece));
    sum.finish()
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "small test data")]
mod tests;
