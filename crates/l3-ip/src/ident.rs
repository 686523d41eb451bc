//! Identification of packets that are, or may be, cut into fragments.
//!
//! Job: numbers that do not repeat soon for one pair of hosts and tell strangers nothing.
//! Owns: a few counters. Does not know: what is sent under a number.
//! Sources: RFC 6864 4 (IPv4: only what is not atomic needs one), RFC 7739 5.3 (counters chosen by a keyed hash).

use core::hash::{Hash, Hasher};
use core::net::IpAddr;

use outcrop_base::{HashKey, Seed};

/// Counters: pairs of hosts share one only by chance of a keyed hash.
const COUNTERS: u64 = 64;

#[derive(Clone, Debug)]
pub(crate) struct Idents {
    key: HashKey,
    counters: Vec<u32>,
}

impl Idents {
    pub(crate) fn new(seed: &Seed) -> Self {
        let mut random = seed.random("ip-ident");
        Self {
            key: seed.hash_key("ip-ident-hash"),
            counters: (0..COUNTERS).map(|_| random.next_u32()).collect(),
        }
    }

    /// The next number for packets from `src` to `dst`.
    pub(crate) fn next(&mut self, src: IpAddr, dst: IpAddr) -> u32 {
        let mut hasher = self.key.hasher();
        (src, dst).hash(&mut hasher);
        let slot = usize::try_from(hasher.finish() % COUNTERS).unwrap_or(0);
        let Some(counter) = self.counters.get_mut(slot) else {
            return 0;
        };
        *counter = counter.wrapping_add(1);
        *counter
    }

    pub(crate) fn fingerprint(&self, into: &mut dyn Hasher) {
        let mut into = into;
        self.counters.hash(&mut into);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_pair_counts_up_and_the_seed_decides_where_it_starts() {
        let pair = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let mut idents = Idents::new(&Seed::from_number(1));
        let first = idents.next(pair.0, pair.1);
        assert_eq!(idents.next(pair.0, pair.1), first.wrapping_add(1));
        let mut again = Idents::new(&Seed::from_number(1));
        assert_eq!(again.next(pair.0, pair.1), first);
        let mut other = Idents::new(&Seed::from_number(2));
        assert_ne!(other.next(pair.0, pair.1), first);
    }

    #[test]
    fn numbers_of_one_pair_come_again_only_when_all_have_been_used() {
        let pair = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let mut idents = Idents::new(&Seed::from_number(1));
        let mut seen = std::collections::HashSet::new();
        for _ in 0..=u16::MAX {
            assert!(seen.insert(idents.next(pair.0, pair.1) & 0xffff));
        }
    }
}
