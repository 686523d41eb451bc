//! The Internet checksum.
//!
//! Job: sum 16-bit words in one's complement over pieces of any length and alignment.
//! Owns: the arithmetic, and the pseudo-headers of both families. Does not know: any header's layout.
//! Sources: RFC 1071 (computing it), RFC 9293 3.1 and RFC 768 (IPv4 pseudo-header), RFC 8200 8.1 (IPv6).

use core::net::IpAddr;

/// A running one's complement sum.
///
/// ```
/// use outcrop_base::Checksum;
/// // RFC 1071 section 3's own example.
/// let mut sum = Checksum::new();
/// sum.add(&[0x00, 0x01, 0xf2, 0x03]);
/// sum.add(&[0xf4, 0xf5, 0xf6, 0xf7]);
/// assert_eq!(sum.finish(), !0xddf2);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Checksum {
    sum: u64,
    /// Whether an odd number of bytes went before: the next byte is a low half.
    odd: bool,
}

impl Checksum {
    /// A sum of nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { sum: 0, odd: false }
    }

    /// The sum of the pseudo-header that TCP and UDP put before themselves.
    ///
    /// Both families give the same sum for the same fields, so one function serves. Mixed families
    /// have no pseudo-header; the addresses of a packet never mix.
    #[must_use]
    pub fn pseudo_header(src: IpAddr, dst: IpAddr, protocol: u8, len: u32) -> Self {
        let mut sum = Self::new();
        sum.add_address(src);
        sum.add_address(dst);
        sum.sum += u64::from(protocol) + u64::from(len >> 16) + u64::from(len & 0xffff);
        sum
    }

    fn add_address(&mut self, addr: IpAddr) {
        match addr {
            IpAddr::V4(addr) => self.sum += u64::from(addr.to_bits()),
            IpAddr::V6(addr) => self.add(&addr.octets()),
        }
    }

    /// Adds the next bytes; pieces need not be of even length.
    pub fn add(&mut self, bytes: &[u8]) {
        let bytes = match (self.odd, bytes.split_first()) {
            (_, None) => return,
            (true, Some((first, rest))) => {
                self.sum += u64::from(*first);
                rest
            }
            (false, Some(_)) => bytes,
        };
        self.odd = bytes.len() % 2 == 1;
        self.sum = fold_once(self.sum) + sum_even_start(bytes);
    }

    /// The folded sum, not inverted: what a device with checksum offload wants in the field.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "folded to 16 bits before")]
    pub const fn partial(self) -> u16 {
        let mut sum = self.sum;
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        sum as u16
    }

    /// The checksum: the value for the field, or zero over data that includes a right one.
    #[must_use]
    pub const fn finish(self) -> u16 {
        !self.partial()
    }
}

const fn fold_once(sum: u64) -> u64 {
    (sum & 0xffff_ffff) + (sum >> 32)
}

/// Sums big-endian words of bytes that start at an even offset.
///
/// In the machine's own order, eight bytes at a time and four sums side by side, with the carry put back at once:
/// one's complement does not mind the order of bytes until the end (RFC 1071 2 B), and no instruction that only some
/// processors have is needed.
fn sum_even_start(bytes: &[u8]) -> u64 {
    let (blocks, rest) = bytes.as_chunks::<32>();
    let mut sums = [0; 4];
    for block in blocks {
        let (words, _) = block.as_chunks::<8>();
        for (sum, word) in sums.iter_mut().zip(words) {
            *sum = add_with_carry(*sum, u64::from_ne_bytes(*word));
        }
    }
    // A header has no block, and nothing to gather then.
    let mut sum = if blocks.is_empty() {
        0
    } else {
        sums.into_iter().fold(0, add_with_carry)
    };
    let (words, tail) = rest.as_chunks::<8>();
    for word in words {
        sum = add_with_carry(sum, u64::from_ne_bytes(*word));
    }
    // The rest by its parts, which a header's multiple of four bytes makes one; any multiple of sixteen bits is as good
    // a place in the sum as another.
    let (words, tail) = tail.as_chunks::<4>();
    for word in words {
        sum = add_with_carry(sum, u64::from(u32::from_ne_bytes(*word)));
    }
    let (words, tail) = tail.as_chunks::<2>();
    for word in words {
        sum = add_with_carry(sum, u64::from(u16::from_ne_bytes(*word)));
    }
    for byte in tail {
        sum = add_with_carry(sum, u64::from(u16::from_ne_bytes([*byte, 0])));
    }
    let mut folded = fold_once(sum);
    while folded > 0xffff {
        folded = (folded & 0xffff) + (folded >> 16);
    }
    // Folded to sixteen bits: nothing is lost.
    u16::try_from(folded).map_or(0, |sum| u64::from(u16::from_be(sum)))
}

const fn add_with_carry(a: u64, b: u64) -> u64 {
    let (sum, carry) = a.overflowing_add(b);
    // With a carry the sum is below the largest number.
    sum + carry as u64
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "small test data")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, word by word.
    fn by_definition(bytes: &[u8]) -> u16 {
        let mut sum = 0u32;
        for pair in bytes.chunks(2) {
            sum += u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |b| u32::from(*b));
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !(sum as u16)
    }

    proptest! {
        #[test]
        fn pieces_of_any_length_sum_as_the_whole(
            bytes in prop::collection::vec(any::<u8>(), 0..300),
            cuts in prop::collection::vec(0usize..300, 0..5),
        ) {
            let mut cuts: Vec<_> = cuts.into_iter().map(|c| c.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let mut sum = Checksum::new();
            for pair in cuts.windows(2) {
                sum.add(&bytes[pair[0]..pair[1]]);
            }
            prop_assert_eq!(sum.finish(), by_definition(&bytes));
        }
    }
}
