//! Chance as an argument.
//!
//! Job: turn one seed of a shard into independent streams of random numbers and keyed hashes, by label.
//! Owns: the derivation. Does not know: the operating system's entropy; whoever starts a run reads that once.
//! Sources: RFC 4086 (randomness for security), RFC 6528 section 3 (a keyed function for initial sequence numbers).

use core::hash::Hasher;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use siphasher::sip::{SipHasher13, SipHasher24};

/// 256 bits from which everything random in one shard follows.
///
/// Keys for different purposes come from different labels, so that a value seen on the wire never
/// tells anything about a key that guards a secret, and a new consumer shifts nobody's numbers.
#[derive(Clone, PartialEq, Eq)]
pub struct Seed([u8; 32]);

impl Seed {
    /// A seed of these 32 bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A seed for tests and examples: the number in little-endian order, then zeros.
    #[must_use]
    pub fn from_number(number: u64) -> Self {
        let mut bytes = [0; 32];
        for (to, from) in bytes.iter_mut().zip(number.to_le_bytes()) {
            *to = from;
        }
        Self(bytes)
    }

    /// The bytes, for whoever writes them into a capture's header.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// An independent seed for one purpose. The same label always gives the same seed.
    #[must_use]
    pub fn split(&self, label: &str) -> Self {
        let mut rng = ChaCha20Rng::from_seed(self.0);
        // The label selects one of 2^64 streams of the cipher under this key.
        rng.set_stream(label_hash(label));
        let mut bytes = [0; 32];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// A stream of random numbers for one purpose.
    #[must_use]
    pub fn random(&self, label: &str) -> Random {
        Random(ChaCha20Rng::from_seed(self.split(label).0))
    }

    /// A key for hashing what strangers choose.
    #[must_use]
    pub fn hash_key(&self, label: &str) -> HashKey {
        let mut random = self.random(label);
        HashKey(random.next_u64(), random.next_u64())
    }
}

impl core::fmt::Debug for Seed {
    /// Never prints the secret.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Seed(..)")
    }
}

/// FNV-1a over the label: only separates the handful of labels in this workspace, guards nothing.
fn label_hash(label: &str) -> u64 {
    label.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// A deterministic stream of random numbers (ChaCha20).
#[derive(Clone, Debug)]
pub struct Random(ChaCha20Rng);

impl Random {
    /// The next 32 bits.
    pub fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number below `bound`; zero if `bound` is zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        // The high half of a 128-bit product: bias below 2^-32 for every bound we use.
        let wide = u128::from(self.next_u64()) * u128::from(bound);
        u64::try_from(wide >> 64).unwrap_or(u64::MAX)
    }

    /// A number in `0.0 .. 1.0`.
    pub fn unit(&mut self) -> f64 {
        let bits = u32::try_from(self.next_u64() >> 32).unwrap_or(u32::MAX);
        f64::from(bits) / 4_294_967_296.0
    }
}

/// A 128-bit key for SipHash.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HashKey(u64, u64);

impl HashKey {
    /// A fresh keyed hasher.
    #[must_use]
    pub fn hasher(&self) -> impl Hasher + use<> {
        SipHasher24::new_with_keys(self.0, self.1)
    }

    /// One with fewer rounds, for the index of a table: its values show nowhere, and a stranger who cannot see them
    /// finds no two flows with the same.
    #[must_use]
    #[inline]
    pub fn table_hasher(&self) -> impl Hasher + use<> {
        SipHasher13::new_with_keys(self.0, self.1)
    }
}

impl core::fmt::Debug for HashKey {
    /// Never prints the secret.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("HashKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_label_same_stream_other_label_other_stream() {
        let seed = Seed::from_number(7);
        assert_eq!(seed.random("isn").next_u64(), seed.random("isn").next_u64());
        assert_ne!(
            seed.random("isn").next_u64(),
            seed.random("ports").next_u64()
        );
        assert_ne!(seed.split("isn"), seed);
    }

    #[test]
    fn below_stays_below() {
        let mut random = Seed::from_number(1).random("test");
        assert_eq!(random.below(0), 0);
        assert!((0..1000).all(|_| random.below(3) < 3));
        assert!((0..1000).all(|_| (0.0..1.0).contains(&random.unit())));
    }

    #[test]
    fn secrets_are_not_printed() {
        let seed = Seed::from_number(42);
        assert_eq!(
            format!("{seed:?} {:?}", seed.hash_key("x")),
            "Seed(..) HashKey(..)"
        );
    }
}
