//! MD5 signatures of a script.
//!
//! Job: sign what the peer sends and judge what the stack sends, under the key that the script gave its socket. Owns:
//! nothing. Does not know: how the engine does it: this is the other end.
//! Source: RFC 2385 2.0.

use core::net::IpAddr;

use md5::{Digest as _, Md5};

use super::wire::TCP;

/// Where the digest stands in a TCP segment; `None` if it has none.
pub(super) fn place(segment: &[u8]) -> Option<core::ops::Range<usize>> {
    let head = usize::from(segment.get(12)? >> 4) * 4;
    let mut at = 20;
    while at < head {
        match segment.get(at)? {
            0 => return None,
            1 => at += 1,
            kind => {
                let len = usize::from(*segment.get(at + 1)?).max(2);
                if *kind == 19 && len == 18 {
                    return Some(at + 2..at + len);
                }
                at += len;
            }
        }
    }
    None
}

/// The digest of a segment: pseudo-header, header without options and checksum, payload, key.
pub(super) fn digest(ends: (IpAddr, IpAddr), segment: &[u8], key: &[u8]) -> [u8; 16] {
    let head = segment.get(12).map_or(0, |word| usize::from(word >> 4) * 4);
    let mut hash = Md5::new();
    for end in [ends.0, ends.1] {
        match end {
            IpAddr::V4(addr) => hash.update(addr.octets()),
            IpAddr::V6(addr) => hash.update(addr.octets()),
        }
    }
    let len = u32::try_from(segment.len())
        .unwrap_or(u32::MAX)
        .to_be_bytes();
    if ends.0.is_ipv4() {
        hash.update([0, TCP]);
        hash.update(len.get(2..).unwrap_or_default());
    } else {
        hash.update(len);
        hash.update([0, 0, 0, TCP]);
    }
    hash.update(segment.get(..16).unwrap_or_default());
    hash.update([0, 0]);
    hash.update(segment.get(18..20).unwrap_or_default());
    hash.update(segment.get(head..).unwrap_or_default());
    hash.update(key);
    hash.finalize().into()
}
