//! Router discovery of IPv4.
//!
//! Job: write an advertisement, recognise a solicitation. Owns: their layout. Does not know: when either is due.
//! Source: RFC 1256 3.

use core::net::Ipv4Addr;

use outcrop_base::Checksum;

/// ICMP types.
pub const ADVERTISEMENT: u8 = 9;
/// Which routers are there?
pub const SOLICITATION: u8 = 10;
/// Addresses one advertisement can hold.
const MAX_ADDRESSES: usize = 255;
/// Words of each: the address and how much it is to be preferred.
const ENTRY_WORDS: u8 = 2;
/// How much: RFC 1256 4.1's default, below nothing that people prefer.
const PREFERENCE: i32 = 0;

/// The routers of a link, for so many seconds; zero: no more.
#[must_use]
pub fn advertisement(lifetime: u16, addresses: &[Ipv4Addr]) -> Vec<u8> {
    let addresses = addresses.get(..MAX_ADDRESSES).unwrap_or(addresses);
    let count = u8::try_from(addresses.len()).unwrap_or(u8::MAX);
    let mut out = vec![ADVERTISEMENT, 0, 0, 0, count, ENTRY_WORDS];
    out.extend(lifetime.to_be_bytes());
    for address in addresses {
        out.extend(address.octets());
        out.extend(PREFERENCE.to_be_bytes());
    }
    let mut sum = Checksum::new();
    sum.add(&out);
    let sum = sum.finish();
    if let Some(field) = out.get_mut(2..4) {
        field.copy_from_slice(&sum.to_be_bytes());
    }
    out
}

/// Whether a message whose checksum is right is a solicitation (RFC 1256 4.2).
#[must_use]
pub fn is_solicitation(bytes: &[u8]) -> bool {
    bytes.len() >= 8 && bytes.starts_with(&[SOLICITATION, 0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_advertisement_has_the_layout_of_the_rfc() {
        let bytes = advertisement(1800, &[Ipv4Addr::new(10, 0, 0, 1)]);
        // RFC 1256 3, octet by octet; the sum of the 16-bit words is all ones.
        assert_eq!(bytes[..2], [9, 0]);
        assert_eq!(bytes[4..], [1, 2, 7, 8, 10, 0, 0, 1, 0, 0, 0, 0]);
        let words = bytes
            .chunks(2)
            .map(|w| u32::from(u16::from_be_bytes([w[0], w[1]])));
        let sum: u32 = words.sum();
        assert_eq!((sum >> 16) + (sum & 0xffff), 0xffff);
    }

    #[test]
    fn a_solicitation_is_whole_and_of_code_zero() {
        assert!(is_solicitation(&[10, 0, 0xf5, 0xff, 0, 0, 0, 0]));
        for bad in [
            &[10, 0, 0, 0, 0, 0, 0][..],
            &[10, 1, 0, 0, 0, 0, 0, 0],
            &[9, 0, 0, 0, 0, 0, 0, 0],
        ] {
            assert!(!is_solicitation(bad));
        }
    }
}
