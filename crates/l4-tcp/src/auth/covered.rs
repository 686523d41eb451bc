//! What a MAC covers.
//!
//! Job: the pseudo-header, the header with its checksum and MAC zero, and the payload, in the order both options name.
//! Owns: that order. Does not know: keys, algorithms.
//! Sources: RFC 2385 2.0, RFC 5925 5.1, RFC 9293 3.1 and RFC 8200 8.1 (pseudo-headers).

use core::net::IpAddr;
use std::io::IoSlice;

use super::octets;
use crate::wire;

/// A segment as its sender sees it.
pub(crate) struct Covered<'a> {
    /// From.
    pub(crate) src: IpAddr,
    /// To.
    pub(crate) dst: IpAddr,
    /// The header as it stands, options and all. Its checksum and its MAC are taken for zero.
    pub(crate) header: &'a [u8],
    /// The payload.
    pub(crate) payload: &'a [IoSlice<'a>],
}

/// Octets of options a MAC covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Options {
    /// None (RFC 2385).
    None,
    /// The TCP-AO option alone.
    AoOnly,
    /// All.
    All,
}

impl Covered<'_> {
    /// Hands out everything, piece by piece.
    pub(super) fn feed(&self, options: Options, visit: &mut impl FnMut(&[u8])) {
        self.feed_pseudo_header(visit);
        self.feed_header(options, visit);
        self.payload.iter().for_each(|piece| visit(piece));
    }

    fn feed_pseudo_header(&self, visit: &mut impl FnMut(&[u8])) {
        let payload: usize = self.payload.iter().map(|piece| piece.len()).sum();
        let len = u32::try_from(self.header.len() + payload).unwrap_or(u32::MAX);
        octets(self.src, &mut *visit);
        octets(self.dst, &mut *visit);
        if self.src.is_ipv6() {
            visit(&len.to_be_bytes());
            visit(&[0, 0, 0, wire::PROTOCOL]);
        } else {
            visit(&[0, wire::PROTOCOL]);
            let len = u16::try_from(len).unwrap_or(u16::MAX);
            visit(&len.to_be_bytes());
        }
    }

    fn feed_header(&self, options: Options, visit: &mut impl FnMut(&[u8])) {
        let checksum = wire::CHECKSUM_OFFSET..wire::CHECKSUM_OFFSET + 2;
        visit(self.header.get(..checksum.start).unwrap_or_default());
        visit(&[0, 0]);
        visit(
            self.header
                .get(checksum.end..wire::MIN_HEADER_LEN)
                .unwrap_or_default(),
        );
        if options == Options::None {
            return;
        }
        let Some(ao) = wire::find_option(self.header, wire::AO) else {
            return;
        };
        // Kind, length and the two ids stand before the MAC.
        let mac = ao.start + 4..ao.end;
        let first = match options {
            Options::All => wire::MIN_HEADER_LEN,
            Options::AoOnly | Options::None => ao.start,
        };
        visit(self.header.get(first..mac.start).unwrap_or_default());
        mac.clone().for_each(|_| visit(&[0]));
        if options == Options::All {
            visit(self.header.get(mac.end..).unwrap_or_default());
        }
    }
}
