//! The IPv6 header and its extension headers.
//!
//! Job: check and read the fixed header, walk what may stand between it and the payload, write, show.
//! Owns: their layout and the reasons they can be refused for. Does not know: whether the packet is for us.
//! Sources: RFC 8200 3 and 4, RFC 5095 (type 0 routing), RFC 7045, RFC 7112, RFC 8504 5.3 (limits).

use core::net::Ipv6Addr;

use outcrop_base::{DropReason, Ecn, Field, FieldValue};

use super::{Fields, be16, be32, bits};

/// Bytes of the fixed header.
pub const HEADER_LEN: usize = 40;
/// The smallest MTU a link may have (RFC 8200 5).
pub const MIN_MTU: u32 = 1280;
/// Bytes of a fragment header.
pub const FRAGMENT_LEN: usize = 8;

/// Next header: hop-by-hop options.
pub const HOP_BY_HOP: u8 = 0;
/// Next header: routing.
pub const ROUTING: u8 = 43;
/// Next header: fragment.
pub const FRAGMENT: u8 = 44;
/// Next header: nothing follows.
pub const NO_NEXT: u8 = 59;
/// Next header: destination options.
pub const DESTINATION: u8 = 60;

/// How many extension headers one packet may have: RFC 8504 5.3 lets a host set a limit; seven is one
/// more than the recommended order of RFC 8200 4.1 has.
pub const MAX_EXTENSIONS: usize = 7;
/// How many options, padding included, all of them together may have (RFC 8504 5.3: eight, then double).
pub const MAX_OPTIONS: usize = 16;

/// The values of the fixed header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Differentiated services code point.
    pub dscp: u8,
    /// Congestion marking.
    pub ecn: Ecn,
    /// Flow label, twenty bits.
    pub flow_label: u32,
    /// Bytes after the fixed header.
    pub payload_len: usize,
    /// What follows the fixed header.
    pub next_header: u8,
    /// Hop limit.
    pub hop_limit: u8,
    /// Source.
    pub src: Ipv6Addr,
    /// Destination.
    pub dst: Ipv6Addr,
}

/// Reads the fixed header; bytes beyond the stated length are padding.
///
/// # Errors
/// `Ipv6Truncated` if the header or its payload is not all there.
pub fn parse(packet: &[u8]) -> Result<Header, DropReason> {
    let header = parse_quoted(packet).ok_or(DropReason::Ipv6Truncated)?;
    if HEADER_LEN + header.payload_len > packet.len() {
        return Err(DropReason::Ipv6Truncated);
    }
    Ok(header)
}

/// Reads the fixed header without a check, as a quoted one must be.
#[must_use]
pub fn parse_quoted(packet: &[u8]) -> Option<Header> {
    let fixed = packet.first_chunk::<HEADER_LEN>()?;
    let first = be32(fixed, 0);
    let class = (first >> 20).to_be_bytes()[3];
    Some(Header {
        dscp: class >> 2,
        ecn: Ecn::from_traffic_class(class),
        flow_label: first & 0xf_ffff,
        payload_len: usize::from(be16(fixed, 4)),
        next_header: fixed[6],
        hop_limit: fixed[7],
        src: address(fixed, 8),
        dst: address(fixed, 24),
    })
}

fn address(bytes: &[u8], at: usize) -> Ipv6Addr {
    let octets = bytes.get(at..).and_then(<[u8]>::first_chunk::<16>);
    Ipv6Addr::from(*octets.unwrap_or(&[0; 16]))
}

/// Writes the fixed header; the length is cut to what its field holds.
#[expect(
    clippy::cast_possible_truncation,
    reason = "fields are as wide as the RFC makes them"
)]
pub fn emit(header: &Header, out: &mut [u8; HEADER_LEN]) {
    let class = u32::from(header.dscp << 2 | header.ecn.bits());
    let first = 6 << 28 | class << 20 | (header.flow_label & 0xf_ffff);
    let (words, addresses) = out.split_at_mut(8);
    if let Some(words) = words.first_chunk_mut::<8>() {
        let [a, b, c, d] = first.to_be_bytes();
        let [e, f] = (header.payload_len as u16).to_be_bytes();
        *words = [a, b, c, d, e, f, header.next_header, header.hop_limit];
    }
    let (src, dst) = addresses.split_at_mut(16);
    src.copy_from_slice(&header.src.octets());
    dst.copy_from_slice(&header.dst.octets());
}

/// A fragment header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// What the whole packet continues with.
    pub next_header: u8,
    /// Where the bytes belong: a multiple of eight.
    pub offset: usize,
    /// More fragments follow.
    pub more: bool,
    /// The same in all fragments of a packet.
    pub ident: u32,
}

impl Fragment {
    /// Whether it is the whole packet in one piece (RFC 6946).
    #[must_use]
    pub const fn is_atomic(&self) -> bool {
        self.offset == 0 && !self.more
    }

    /// The eight bytes.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "thirteen bits by construction"
    )]
    pub fn to_bytes(&self) -> [u8; FRAGMENT_LEN] {
        let [o0, o1] = ((self.offset & 0xfff8) as u16 | u16::from(self.more)).to_be_bytes();
        let [i0, i1, i2, i3] = self.ident.to_be_bytes();
        [self.next_header, 0, o0, o1, i0, i1, i2, i3]
    }

    fn read(bytes: &[u8]) -> Self {
        let place = be16(bytes, 2);
        Self {
            next_header: bytes.first().copied().unwrap_or(NO_NEXT),
            offset: usize::from(place & 0xfff8),
            more: place & 1 == 1,
            ident: be32(bytes, 4),
        }
    }
}

/// What stands between the fixed header and the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Protocol of the payload; [`NO_NEXT`] if there is none.
    pub protocol: u8,
    /// Where the byte that names it stands, from the start of the fixed header.
    pub named_at: usize,
    /// Where the payload begins, from the start of the fixed header.
    pub payload_at: usize,
    /// The fragment header, if there was one: the walk ends behind it unless it is atomic.
    pub fragment: Option<Fragment>,
    /// Where the fragment header begins.
    pub fragment_at: usize,
    /// Where the byte that names the fragment header stands.
    pub fragment_named_at: usize,
}

/// What is wrong with an extension header, and what RFC 8200 wants said about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadExtension {
    /// The code of the parameter problem to be sent, if one is.
    pub code: Option<u8>,
    /// The offending byte, from the start of the fixed header.
    pub pointer: usize,
    /// The error is due even to a group address (RFC 8200 4.2, option type 10).
    pub even_multicast: bool,
}

/// Parameter problem code: a field makes no sense.
pub const CODE_FIELD: u8 = 0;
/// Parameter problem code: nobody knows this next header.
pub const CODE_NEXT_HEADER: u8 = 1;
/// Parameter problem code: nobody knows this option.
pub const CODE_OPTION: u8 = 2;
/// Parameter problem code: the first fragment lacks headers (RFC 7112).
pub const CODE_INCOMPLETE: u8 = 3;

/// Walks the extension headers of a packet whose fixed header has been checked.
///
/// # Errors
/// What is wrong and where; silence (`code: None`) where the RFC wants silence.
pub fn walk(packet: &[u8], first: u8) -> Result<Chain, BadExtension> {
    let mut chain = Chain {
        protocol: first,
        named_at: 6,
        payload_at: HEADER_LEN,
        fragment: None,
        fragment_at: 0,
        fragment_named_at: 0,
    };
    let mut options_left = MAX_OPTIONS;
    for _ in 0..=MAX_EXTENSIONS {
        let at = chain.payload_at;
        let bad = |code, pointer| BadExtension {
            code,
            pointer,
            even_multicast: false,
        };
        match chain.protocol {
            // Only directly after the fixed header (RFC 8200 4.1).
            HOP_BY_HOP if at != HEADER_LEN => {
                return Err(bad(Some(CODE_NEXT_HEADER), chain.named_at));
            }
            HOP_BY_HOP | DESTINATION => {
                check_options(extension(packet, at)?, at, &mut options_left)?
            }
            // Segments left to visit: we are not a router on somebody's list.
            ROUTING if extension(packet, at)?.get(3).is_some_and(|left| *left > 0) => {
                return Err(bad(Some(CODE_FIELD), at + 2));
            }
            ROUTING => {}
            FRAGMENT => {
                let bytes = packet
                    .get(at..at + FRAGMENT_LEN)
                    .ok_or_else(|| bad(None, at))?;
                let fragment = Fragment::read(bytes);
                // A second fragment header has no meaning: D-63.
                if chain.fragment.replace(fragment).is_some() {
                    return Err(bad(None, at));
                }
                chain.fragment_at = at;
                chain.fragment_named_at = chain.named_at;
                chain.protocol = fragment.next_header;
                chain.named_at = at;
                chain.payload_at = at + FRAGMENT_LEN;
                if !fragment.is_atomic() {
                    return Ok(chain);
                }
                continue;
            }
            _ => return Ok(chain),
        }
        let header = extension(packet, at)?;
        chain.protocol = header.first().copied().unwrap_or(NO_NEXT);
        chain.named_at = at;
        chain.payload_at = at + header.len();
    }
    Err(BadExtension {
        code: None,
        pointer: chain.named_at,
        even_multicast: false,
    })
}

/// What stands behind the extension headers of a packet in transit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inner {
    /// Protocol of the payload, as far as the headers are there.
    pub protocol: u8,
    /// Where the payload begins.
    pub payload_at: usize,
    /// A fragment that is not the first: its payload begins with no header.
    pub later_fragment: bool,
}

/// Steps over extension headers without judging them, as a router must (RFC 7045 2.1): what they say is for the
/// destination.
#[must_use]
pub fn skip_extensions(packet: &[u8], first: u8) -> Inner {
    let mut inner = Inner {
        protocol: first,
        payload_at: HEADER_LEN,
        later_fragment: false,
    };
    for _ in 0..=MAX_EXTENSIONS {
        let at = inner.payload_at;
        let len = match inner.protocol {
            HOP_BY_HOP | ROUTING | DESTINATION => match extension(packet, at) {
                Ok(header) => header.len(),
                Err(_) => break,
            },
            FRAGMENT => match packet.get(at..at + FRAGMENT_LEN) {
                Some(bytes) => {
                    inner.later_fragment |= Fragment::read(bytes).offset > 0;
                    FRAGMENT_LEN
                }
                None => break,
            },
            _ => break,
        };
        inner.protocol = packet.get(at).copied().unwrap_or(NO_NEXT);
        inner.payload_at = at + len;
        if inner.later_fragment {
            break;
        }
    }
    inner
}

/// One extension header with the common shape: next header, length in units of eight beyond the first.
fn extension(packet: &[u8], at: usize) -> Result<&[u8], BadExtension> {
    let rest = packet.get(at..).unwrap_or_default();
    let len = rest.get(1).map_or(8, |len| (usize::from(*len) + 1) * 8);
    rest.get(..len).ok_or(BadExtension {
        code: None,
        pointer: at,
        even_multicast: false,
    })
}

/// Walks the options of a hop-by-hop or destination options header that begins at `at`.
fn check_options(header: &[u8], at: usize, left: &mut usize) -> Result<(), BadExtension> {
    let mut place = 2;
    while let Some(kind) = header.get(place) {
        let silent = BadExtension {
            code: None,
            pointer: at + place,
            even_multicast: false,
        };
        *left = left.checked_sub(1).ok_or(silent)?;
        if *kind == 0 {
            place += 1;
            continue;
        }
        let len = usize::from(*header.get(place + 1).ok_or(silent)?);
        if place + 2 + len > header.len() {
            return Err(silent);
        }
        // PadN, and the router alert that multicast reports carry (RFC 2711): nothing for a host to do.
        if !matches!(kind, 1 | 5) {
            let even_multicast = kind >> 6 == 2;
            match kind >> 6 {
                0 => {}
                1 => return Err(silent),
                _ => {
                    return Err(BadExtension {
                        code: Some(CODE_OPTION),
                        even_multicast,
                        ..silent
                    });
                }
            }
        }
        place += 2 + len;
    }
    Ok(())
}

/// Makes the fixed header at the front of a joined packet the whole packet's.
pub(crate) fn patch_whole(packet: &mut [u8], payload_len: usize, ecn: Ecn) {
    let Some([_, class, _, _, high, low]) = packet.first_chunk_mut() else {
        return;
    };
    let payload_len = u16::try_from(payload_len).unwrap_or(u16::MAX);
    [*high, *low] = payload_len.to_be_bytes();
    *class = *class & !0x30 | ecn.bits() << 4;
}

/// Shows the fixed header that `packet` begins with and the extension headers behind it.
pub fn fields<'a>(packet: &'a [u8], visit: &mut dyn FnMut(Field<'a>)) {
    let Some(h) = parse_quoted(packet) else {
        return;
    };
    let mut out = Fields {
        visit,
        source: "RFC 8200 3",
    };
    out.number(
        "ipv6.version",
        "Version",
        (0, 4),
        u64::from(be32(packet, 0) >> 28),
    );
    out.source = "RFC 2474 3";
    out.number("ipv6.tclass.dscp", "DSCP", (4, 6), u64::from(h.dscp));
    out.source = "RFC 3168 5";
    out.number("ipv6.tclass.ecn", "ECN", (10, 2), u64::from(h.ecn.bits()));
    out.source = "RFC 6437 2";
    out.number("ipv6.flow", "Flow Label", (12, 20), u64::from(h.flow_label));
    out.source = "RFC 8200 3";
    out.number(
        "ipv6.plen",
        "Payload Length",
        (32, 16),
        h.payload_len as u64,
    );
    out.number("ipv6.nxt", "Next Header", (48, 8), u64::from(h.next_header));
    out.number("ipv6.hlim", "Hop Limit", (56, 8), u64::from(h.hop_limit));
    out.value(
        "ipv6.src",
        "Source Address",
        (64, 128),
        FieldValue::Address(h.src.into()),
    );
    out.value(
        "ipv6.dst",
        "Destination Address",
        (192, 128),
        FieldValue::Address(h.dst.into()),
    );
    extension_fields(packet, h.next_header, &mut out);
}

fn extension_fields<'a>(packet: &'a [u8], first: u8, out: &mut Fields<'_, 'a>) {
    let (mut next, mut at) = (first, HEADER_LEN);
    for _ in 0..MAX_EXTENSIONS {
        let keys = match next {
            HOP_BY_HOP => ["ipv6.hopopts.nxt", "ipv6.hopopts.len"],
            DESTINATION => ["ipv6.dstopts.nxt", "ipv6.dstopts.len"],
            ROUTING => ["ipv6.routing.nxt", "ipv6.routing.len"],
            FRAGMENT => return fragment_fields(packet, at, out),
            _ => return,
        };
        let Ok(header @ [following, len, rest @ ..]) = extension(packet, at) else {
            return;
        };
        out.source = "RFC 8200 4";
        out.number(keys[0], "Next Header", (bits(at), 8), u64::from(*following));
        out.number(keys[1], "Hdr Ext Len", (bits(at + 1), 8), u64::from(*len));
        let (at_rest, value) = ((bits(at + 2), bits(rest.len())), FieldValue::Bytes(rest));
        match rest {
            [kind, left, data @ ..] if next == ROUTING => {
                out.number(
                    "ipv6.routing.type",
                    "Routing Type",
                    (bits(at + 2), 8),
                    u64::from(*kind),
                );
                out.number(
                    "ipv6.routing.segleft",
                    "Segments Left",
                    (bits(at + 3), 8),
                    u64::from(*left),
                );
                let place = (bits(at + 4), bits(data.len()));
                out.value("ipv6.routing.data", "Data", place, FieldValue::Bytes(data));
            }
            _ => out.value("ipv6.opt", "Options", at_rest, value),
        }
        next = *following;
        at += header.len();
    }
}

fn fragment_fields(packet: &[u8], at: usize, out: &mut Fields<'_, '_>) {
    let Some(bytes) = packet.get(at..at + FRAGMENT_LEN) else {
        return;
    };
    let fragment = Fragment::read(bytes);
    let place = bits(at);
    out.source = "RFC 8200 4.5";
    let next = u64::from(fragment.next_header);
    out.number("ipv6.fraghdr.nxt", "Next Header", (place, 8), next);
    // In the unit of the field, eight bytes, as Wireshark shows it.
    let offset = fragment.offset as u64 / 8;
    out.number(
        "ipv6.fraghdr.offset",
        "Fragment Offset",
        (place + 16, 13),
        offset,
    );
    let more = u64::from(fragment.more);
    out.number("ipv6.fraghdr.more", "M flag", (place + 31, 1), more);
    let ident = u64::from(fragment.ident);
    out.number(
        "ipv6.fraghdr.ident",
        "Identification",
        (place + 32, 32),
        ident,
    );
}

#[cfg(test)]
#[path = "ipv6_tests.rs"]
mod tests;
