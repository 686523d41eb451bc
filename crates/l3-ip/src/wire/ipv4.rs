//! The IPv4 header.
//!
//! Job: check and read it, write it, show it. Owns: its layout and the reasons it can be refused for.
//! Does not know: whether the packet is for us. Sources: RFC 791 3.1, RFC 1122 3.2.1, RFC 3168 5, RFC 6864.

use core::net::Ipv4Addr;

use outcrop_base::{Checksum, DropReason, Ecn, Field, FieldValue};

use super::{Fields, be16, bits};

/// Bytes of a header without options.
pub const HEADER_LEN: usize = 20;
/// The largest packet the length field can state.
pub const MAX_LEN: usize = 65_535;
/// The smallest MTU a link may have (RFC 791 3.2).
pub const MIN_MTU: u32 = 68;

/// Flag bit: fragmentation is forbidden.
const DONT_FRAGMENT: u16 = 0x4000;
/// Flag bit: this is not the last fragment.
const MORE_FRAGMENTS: u16 = 0x2000;
/// The offset, in units of eight bytes.
const OFFSET_MASK: u16 = 0x1fff;

/// Option kind: source routes, loose and strict.
const SOURCE_ROUTES: [u8; 2] = [131, 137];

/// The values of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Bytes of the header, options included: a multiple of four.
    pub header_len: usize,
    /// Bytes of the whole packet.
    pub total_len: usize,
    /// Differentiated services code point.
    pub dscp: u8,
    /// Congestion marking.
    pub ecn: Ecn,
    /// Identification: the same in all fragments of a packet.
    pub ident: u16,
    /// Fragmentation is forbidden.
    pub df: bool,
    /// More fragments follow this one.
    pub mf: bool,
    /// Where the payload belongs in the whole packet's, bytes: a multiple of eight.
    pub offset: usize,
    /// Time to live.
    pub ttl: u8,
    /// Protocol of the payload.
    pub protocol: u8,
    /// Source.
    pub src: Ipv4Addr,
    /// Destination.
    pub dst: Ipv4Addr,
}

impl Header {
    /// Whether the packet is only a piece.
    #[must_use]
    pub const fn is_fragment(&self) -> bool {
        self.mf || self.offset > 0
    }
}

/// Reads a header and checks it against itself, its checksum and the bytes that are there.
/// Bytes beyond `total_len` are padding.
///
/// # Errors
/// `Ipv4Truncated`, `Ipv4BadHeaderLength`, `Ipv4BadTotalLength` or `Ipv4BadChecksum`, whichever holds first.
pub fn parse(packet: &[u8]) -> Result<Header, DropReason> {
    let Some(fixed) = packet.first_chunk::<HEADER_LEN>() else {
        return Err(DropReason::Ipv4Truncated);
    };
    let header_len = usize::from(fixed[0] & 0x0f) * 4;
    if header_len < HEADER_LEN {
        return Err(DropReason::Ipv4BadHeaderLength);
    }
    let header = packet
        .get(..header_len)
        .ok_or(DropReason::Ipv4BadHeaderLength)?;
    let total_len = usize::from(u16::from_be_bytes([fixed[2], fixed[3]]));
    if total_len < header_len {
        return Err(DropReason::Ipv4BadTotalLength);
    }
    if total_len > packet.len() {
        return Err(DropReason::Ipv4Truncated);
    }
    let mut sum = Checksum::new();
    sum.add(header);
    if sum.finish() != 0 {
        return Err(DropReason::Ipv4BadChecksum);
    }
    let read = read_fixed(fixed);
    Ok(Header {
        header_len,
        total_len,
        ..read
    })
}

/// Reads a header without any check, as a quoted one must be: routers change and cut what they quote.
#[must_use]
pub fn parse_quoted(packet: &[u8]) -> Option<Header> {
    packet.first_chunk().map(read_fixed)
}

fn read_fixed(fixed: &[u8; HEADER_LEN]) -> Header {
    let fragment = u16::from_be_bytes([fixed[6], fixed[7]]);
    Header {
        header_len: usize::from(fixed[0] & 0x0f) * 4,
        total_len: usize::from(u16::from_be_bytes([fixed[2], fixed[3]])),
        dscp: fixed[1] >> 2,
        ecn: Ecn::from_traffic_class(fixed[1]),
        ident: u16::from_be_bytes([fixed[4], fixed[5]]),
        df: fragment & DONT_FRAGMENT != 0,
        mf: fragment & MORE_FRAGMENTS != 0,
        offset: usize::from(fragment & OFFSET_MASK) * 8,
        ttl: fixed[8],
        protocol: fixed[9],
        src: Ipv4Addr::new(fixed[12], fixed[13], fixed[14], fixed[15]),
        dst: Ipv4Addr::new(fixed[16], fixed[17], fixed[18], fixed[19]),
    }
}

/// Walks the options of a checked header.
///
/// # Errors
/// `Ipv4BadOption` and the option's place in the header, for a length that cannot be, or a source route:
/// following one lets a stranger choose our path (RFC 7126 4.3, 4.4).
pub fn check_options(header: &[u8]) -> Result<(), (DropReason, u8)> {
    let mut at = HEADER_LEN;
    while let Some(kind) = header.get(at) {
        let bad = (
            DropReason::Ipv4BadOption,
            u8::try_from(at).unwrap_or(u8::MAX),
        );
        at += match kind {
            0 => return Ok(()),
            1 => 1,
            kind if SOURCE_ROUTES.contains(kind) => return Err(bad),
            _ => {
                let len = usize::from(*header.get(at + 1).ok_or(bad)?);
                if len < 2 || at + len > header.len() {
                    return Err(bad);
                }
                len
            }
        };
    }
    Ok(())
}

/// Writes a header without options, checksum included, into its first twenty bytes.
/// `header_len` is taken as twenty; lengths and offset are cut to what their fields hold.
#[expect(
    clippy::cast_possible_truncation,
    reason = "fields are as wide as the RFC makes them"
)]
pub fn emit(header: &Header, out: &mut [u8; HEADER_LEN]) {
    let mut fragment = (header.offset / 8) as u16 & OFFSET_MASK;
    if header.df {
        fragment |= DONT_FRAGMENT;
    }
    if header.mf {
        fragment |= MORE_FRAGMENTS;
    }
    let total = (header.total_len as u16).to_be_bytes();
    let ident = header.ident.to_be_bytes();
    let fragment = fragment.to_be_bytes();
    let [s0, s1, s2, s3] = header.src.octets();
    let [d0, d1, d2, d3] = header.dst.octets();
    *out = [
        0x45,
        header.dscp << 2 | header.ecn.bits(),
        total[0],
        total[1],
        ident[0],
        ident[1],
        fragment[0],
        fragment[1],
        header.ttl,
        header.protocol,
        0,
        0,
        s0,
        s1,
        s2,
        s3,
        d0,
        d1,
        d2,
        d3,
    ];
    let mut sum = Checksum::new();
    sum.add(out);
    [out[10], out[11]] = sum.finish().to_be_bytes();
}

/// Makes the first fragment's header, at the front of a joined packet, the whole packet's.
pub(crate) fn patch_whole(packet: &mut [u8], header_len: usize, total: usize, ecn: Ecn) {
    let Some(header) = packet.get_mut(..header_len) else {
        return;
    };
    let Some(fixed) = header.first_chunk_mut::<HEADER_LEN>() else {
        return;
    };
    let total = u16::try_from(total).unwrap_or(u16::MAX);
    [fixed[2], fixed[3]] = total.to_be_bytes();
    fixed[1] = fixed[1] & !3 | ecn.bits();
    fixed[6] &= 0x40;
    fixed[7] = 0;
    [fixed[10], fixed[11]] = [0, 0];
    let mut sum = Checksum::new();
    sum.add(header);
    if let Some(field) = header.get_mut(10..12) {
        field.copy_from_slice(&sum.finish().to_be_bytes());
    }
}

/// Shows the header that `packet` begins with, as far as it is there.
pub fn fields<'a>(packet: &'a [u8], visit: &mut dyn FnMut(Field<'a>)) {
    let Some(fixed) = packet.first_chunk::<HEADER_LEN>() else {
        return;
    };
    let h = read_fixed(fixed);
    let mut out = Fields {
        visit,
        source: "RFC 791 3.1",
    };
    out.number("ip.version", "Version", (0, 4), u64::from(fixed[0] >> 4));
    out.number("ip.hdr_len", "IHL", (4, 4), h.header_len as u64);
    out.source = "RFC 2474 3";
    out.number("ip.dsfield.dscp", "DSCP", (8, 6), u64::from(h.dscp));
    out.source = "RFC 3168 5";
    out.number("ip.dsfield.ecn", "ECN", (14, 2), u64::from(h.ecn.bits()));
    out.source = "RFC 791 3.1";
    out.number("ip.len", "Total Length", (16, 16), h.total_len as u64);
    out.source = "RFC 6864 4";
    out.number("ip.id", "Identification", (32, 16), u64::from(h.ident));
    out.source = "RFC 791 3.1";
    out.number("ip.flags.rb", "Reserved", (48, 1), u64::from(fixed[6] >> 7));
    out.number("ip.flags.df", "Don't Fragment", (49, 1), u64::from(h.df));
    out.number("ip.flags.mf", "More Fragments", (50, 1), u64::from(h.mf));
    // In the unit of the field, eight bytes, as Wireshark shows it; the header length is in bytes there.
    let units = h.offset as u64 / 8;
    out.number("ip.frag_offset", "Fragment Offset", (51, 13), units);
    out.number("ip.ttl", "Time to Live", (64, 8), u64::from(h.ttl));
    out.number("ip.proto", "Protocol", (72, 8), u64::from(h.protocol));
    let checksum = u64::from(be16(packet, 10));
    out.number("ip.checksum", "Header Checksum", (80, 16), checksum);
    out.value(
        "ip.src",
        "Source Address",
        (96, 32),
        FieldValue::Address(h.src.into()),
    );
    out.value(
        "ip.dst",
        "Destination Address",
        (128, 32),
        FieldValue::Address(h.dst.into()),
    );
    option_fields(packet.get(..h.header_len).unwrap_or_default(), &mut out);
}

fn option_fields<'a>(header: &'a [u8], out: &mut Fields<'_, 'a>) {
    let mut at = HEADER_LEN;
    while let Some(kind) = header.get(at) {
        let rest = header.get(at..).unwrap_or_default();
        if *kind == 0 {
            let place = (bits(at), bits(rest.len()));
            return out.value("ip.opt.padding", "Padding", place, FieldValue::Bytes(rest));
        }
        out.number(
            "ip.opt.type",
            "Option Type",
            (bits(at), 8),
            u64::from(*kind),
        );
        if *kind == 1 {
            at += 1;
            continue;
        }
        let Some(len) = rest.get(1) else {
            return;
        };
        out.number(
            "ip.opt.len",
            "Option Length",
            (bits(at + 1), 8),
            u64::from(*len),
        );
        let len = usize::from(*len).max(2);
        if let Some(data) = rest.get(2..len).filter(|data| !data.is_empty()) {
            let place = (bits(at + 2), bits(data.len()));
            out.value("ip.opt.data", "Option Data", place, FieldValue::Bytes(data));
        }
        at += len;
    }
}

#[cfg(test)]
#[path = "ipv4_tests.rs"]
mod tests;
