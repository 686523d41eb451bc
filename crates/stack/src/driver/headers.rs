//! Headers of two layers, as far as who merges and who cuts must write them.
//!
//! Job: lengths, IPv4's checksum, addresses. Owns: where they stand. Does not know: what they mean.
//! Sources: RFC 791 3.1, RFC 8200 3.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use outcrop_base::Checksum;

pub(super) const IPV4_HEADER: usize = 20;
pub(super) const IPV6_HEADER: usize = 40;
/// IP's and TCP's at their longest.
pub(super) const LONGEST: usize = IPV6_HEADER + 60;
/// Where TCP's flags stand.
pub(super) const FLAGS: usize = 13;
const IPV4_CHECKSUM: usize = 10;

/// Makes `len` the length of the whole packet; IPv4's checksum follows.
pub(super) fn set_len(header: &mut [u8], ip_len: usize, len: usize) {
    let stated = |len: usize| u16::try_from(len).unwrap_or(u16::MAX);
    if ip_len == IPV6_HEADER {
        put_u16(header, 4, stated(len.saturating_sub(IPV6_HEADER)));
        return;
    }
    put_u16(header, 2, stated(len));
    put_u16(header, IPV4_CHECKSUM, 0);
    let mut sum = Checksum::new();
    sum.add(header.get(..IPV4_HEADER).unwrap_or_default());
    put_u16(header, IPV4_CHECKSUM, sum.finish());
}

/// Source and destination of an IP header without options.
pub(super) fn addresses(ip: &[u8]) -> Option<(IpAddr, IpAddr)> {
    if ip.len() == IPV4_HEADER {
        let src: [u8; 4] = *ip.get(12..)?.first_chunk()?;
        let dst: [u8; 4] = *ip.get(16..)?.first_chunk()?;
        return Some((Ipv4Addr::from(src).into(), Ipv4Addr::from(dst).into()));
    }
    let src: [u8; 16] = *ip.get(8..)?.first_chunk()?;
    let dst: [u8; 16] = *ip.get(24..)?.first_chunk()?;
    Some((Ipv6Addr::from(src).into(), Ipv6Addr::from(dst).into()))
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let field = bytes.get(at..)?.first_chunk().copied();
    field.map(u16::from_be_bytes)
}

pub(super) fn put_u16(bytes: &mut [u8], at: usize, value: u16) {
    if let Some(field) = bytes.get_mut(at..at + 2) {
        field.copy_from_slice(&value.to_be_bytes());
    }
}
