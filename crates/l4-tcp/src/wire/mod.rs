//! TCP on the wire.
//!
//! Job: turn bytes into a [`Segment`] and a plan into bytes; say what is wrong with bytes by a reason.
//! Owns: the header's layout (the fixed part through etherparse; the options, because unknown ones must be
//! skipped) and the checksum. Does not know: any state.
//! Sources: RFC 9293 3.1 (header, checksum), 3.2 (options).

mod fields;
mod options;

use core::net::IpAddr;
use core::ops::Range;
use std::io::IoSlice;

use bytes::{Buf, Bytes};
use etherparse::{TcpHeader, TcpHeaderSlice};
use outcrop_base::{Arrival, Cast, Checksum, ChecksumState, DropReason, HeaderRoom};

use crate::segment::{Flags, Segment, SegmentHeader, Signature};
use crate::seq::SeqNum;
use crate::transmit::Transmit;

pub use fields::fields;
pub(crate) use options::{AO, AO_LEN, MD5, MD5_PADDED};

/// The protocol's number in the IP header.
pub const PROTOCOL: u8 = 6;
/// Bytes of a header without options.
pub const MIN_HEADER_LEN: usize = TcpHeader::MIN_LEN;
/// Bytes of a header with as many options as there can be: a data offset of 15 words.
pub const MAX_HEADER_LEN: usize = 60;
/// Where the checksum stands in the header.
pub const CHECKSUM_OFFSET: usize = 16;

/// Takes a received segment apart: the header as values, the payload as a slice of `bytes`.
///
/// # Errors
/// The reason why these bytes are no acceptable segment for anybody.
pub fn parse(a: &Arrival, bytes: Bytes) -> Result<(Segment, Bytes), DropReason> {
    if bytes.len() < MIN_HEADER_LEN {
        return Err(DropReason::TcpTruncated);
    }
    let view = TcpHeaderSlice::from_slice(&bytes).map_err(|_| DropReason::TcpBadDataOffset)?;
    check_addresses(a, &view)?;
    if a.checksum == ChecksumState::Unverified && !checksum_holds(a, &bytes) {
        return Err(DropReason::TcpBadChecksum);
    }
    let (src_port, dst_port) = (view.source_port(), view.destination_port());
    let header_len = view.slice().len();
    let payload_len = bytes.len() - header_len;
    let payload_len = u32::try_from(payload_len).map_err(|_| DropReason::TcpTruncated)?;
    let header = header_of(&view)?;
    let mut rest = bytes;
    let bytes = if header.options.signature.is_some() {
        rest.split_to(header_len)
    } else {
        rest.advance(header_len);
        Bytes::new()
    };
    // Made where it goes: it is large.
    Ok((
        Segment {
            src_port,
            dst_port,
            header,
            payload_len,
            bytes,
        },
        rest,
    ))
}

fn header_of(view: &TcpHeaderSlice<'_>) -> Result<SegmentHeader, DropReason> {
    let bits = match view.slice().get(12..14) {
        Some(&[high, low]) => u16::from_be_bytes([high, low]),
        _ => 0,
    };
    let flags = Flags::from_bits(bits);
    Ok(SegmentHeader {
        seq: SeqNum::new(view.sequence_number()),
        ack: flags
            .ack()
            .then(|| SeqNum::new(view.acknowledgment_number())),
        flags,
        wnd: view.window_size(),
        urg: view.urgent_pointer(),
        options: options::parse(view.options())?,
    })
}

/// RFC 9293 3.9.2.3 MUST-57, MUST-63: neither end may be a group, everybody or nobody.
fn check_addresses(a: &Arrival, view: &TcpHeaderSlice<'_>) -> Result<(), DropReason> {
    let bad_source = match a.src {
        IpAddr::V4(src) => src.is_multicast() || src.is_broadcast() || src.is_unspecified(),
        IpAddr::V6(src) => src.is_multicast() || src.is_unspecified(),
    };
    let bad_port = view.source_port() == 0 || view.destination_port() == 0;
    if bad_source || bad_port || a.cast != Cast::Unicast {
        return Err(DropReason::TcpBadAddress);
    }
    Ok(())
}

fn checksum_holds(a: &Arrival, bytes: &[u8]) -> bool {
    let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let mut sum = Checksum::pseudo_header(a.src, a.dst, PROTOCOL, len);
    sum.add(bytes);
    sum.finish() == 0
}

/// Bytes the header will take, options padded.
#[must_use]
pub fn header_len(header: &SegmentHeader) -> usize {
    MIN_HEADER_LEN + options::padded_len(&header.options)
}

/// Builds the header of `t` before what is in `room`; `payload` is what follows it.
///
/// With `partial_checksum` the field gets the folded pseudo-header sum for the device to complete,
/// and `payload` is only measured.
///
/// A plan with a signature gets its option with a MAC of zero: `Endpoint::emit` signs.
pub fn emit(t: &Transmit, payload: &[IoSlice<'_>], partial_checksum: bool, room: &mut HeaderRoom) {
    emit_signed(t, payload, partial_checksum, room, |_| [0; 16]);
}

/// The same with a MAC: `sign` is given the header with checksum and MAC zero. TCP-AO's MAC is the first twelve
/// octets of what it returns.
pub(crate) fn emit_signed(
    t: &Transmit,
    payload: &[IoSlice<'_>],
    partial_checksum: bool,
    room: &mut HeaderRoom,
    sign: impl FnOnce(&[u8]) -> [u8; 16],
) {
    let (src, dst) = (t.flow.local, t.flow.remote);
    let (options, options_len) = options::write(&t.header.options);
    let space = room.prepend(MIN_HEADER_LEN + options_len);
    if let Some((fixed, rest)) = space.split_first_chunk_mut() {
        *fixed = fixed_part((src.port(), dst.port()), &t.header, options_len);
        rest.copy_from_slice(options.get(..options_len).unwrap_or_default());
    }
    if let Some(len) = mac_len(&t.header) {
        let mac = sign(space);
        let at = MIN_HEADER_LEN + MAC_OFFSET;
        if let Some(space) = space.get_mut(at..at + len) {
            space.iter_mut().zip(mac).for_each(|(to, from)| *to = from);
        }
    }
    let payload_len: usize = payload.iter().map(|piece| piece.len()).sum();
    let len = u32::try_from(space.len() + payload_len).unwrap_or(u32::MAX);
    let mut sum = Checksum::pseudo_header(src.ip(), dst.ip(), PROTOCOL, len);
    let checksum = if partial_checksum {
        sum.partial()
    } else {
        sum.add(space);
        for piece in payload {
            sum.add(piece);
        }
        sum.finish()
    };
    if let Some(field) = space.get_mut(CHECKSUM_OFFSET..CHECKSUM_OFFSET + 2) {
        field.copy_from_slice(&checksum.to_be_bytes());
    }
}

/// The header's first twenty octets, the checksum zero. By hand, because etherparse's values cost as much as all the
/// rest of the way out; the tests let it read what this writes.
fn fixed_part(
    (src, dst): (u16, u16),
    from: &SegmentHeader,
    options_len: usize,
) -> [u8; MIN_HEADER_LEN] {
    let ack = from.ack.map_or(0, SeqNum::value);
    let flags = from.flags.without(Flags::ACK);
    let flags = flags.with_if(Flags::ACK, from.ack.is_some()).bits();
    // At most fifteen words.
    let words = u16::try_from((MIN_HEADER_LEN + options_len) / 4).unwrap_or(15);
    let [s0, s1] = src.to_be_bytes();
    let [d0, d1] = dst.to_be_bytes();
    let [n0, n1, n2, n3] = from.seq.value().to_be_bytes();
    let [a0, a1, a2, a3] = ack.to_be_bytes();
    let [o0, o1] = (words << 12 | flags).to_be_bytes();
    let [w0, w1] = from.wnd.to_be_bytes();
    let [u0, u1] = from.urg.to_be_bytes();
    [
        s0, s1, d0, d1, n0, n1, n2, n3, a0, a1, a2, a3, o0, o1, w0, w1, 0, 0, u0, u1,
    ]
}

/// Where the MAC stands in the options, which begin with its own.
const MAC_OFFSET: usize = 4;

const fn mac_len(header: &SegmentHeader) -> Option<usize> {
    match header.options.signature {
        Some(Signature::Md5) => Some(16),
        Some(Signature::Ao { .. }) => Some(12),
        Some(Signature::Conflict) | None => None,
    }
}

/// Where the first option of this kind stands in a header, head included.
pub(crate) fn find_option(header: &[u8], kind: u8) -> Option<Range<usize>> {
    let all = header.get(MIN_HEADER_LEN..)?;
    let found = options::iterate(all)
        .map_while(Result::ok)
        .find(|option| option.kind == kind)?;
    let at = MIN_HEADER_LEN + found.at;
    Some(at..at + found.len)
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "small test data")]
mod tests;
