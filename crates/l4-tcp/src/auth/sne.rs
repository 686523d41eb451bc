//! Sequence numbers beyond 32 bits.
//!
//! Job: tell which turn of the 32-bit circle a number belongs to, so that a segment recorded 4 GiB ago proves nothing.
//! Owns: how far the circle was followed. Does not know: windows, directions.
//! Sources: RFC 5925 6.2. Its sample code keeps a flag and a previous number; keeping the furthest number in full, and
//! taking the one nearest to it, gives the same answers for every segment within 2^31 of it.

use crate::seq::SeqNum;

/// One direction of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Extension {
    /// The furthest number so far, with its turns above the 32 bits.
    furthest: i64,
}

impl Extension {
    /// Begins at `isn`, in turn zero.
    pub(super) fn new(isn: SeqNum) -> Self {
        Self {
            furthest: i64::from(isn.value()),
        }
    }

    /// The number in full.
    pub(super) fn extend(self, seq: SeqNum) -> i64 {
        let [_, low] = halves(self.furthest);
        self.furthest + i64::from(seq.distance(SeqNum::new(low)))
    }

    /// As if all numbers had passed once more.
    #[cfg(test)]
    pub(super) const fn turn(&mut self) {
        self.furthest += 1 << 32;
    }

    /// It was sent, or proved to be its sender's.
    pub(super) fn advance(&mut self, to: i64) {
        self.furthest = self.furthest.max(to);
    }
}

/// The extension of a number in full.
pub(super) fn sne(full: i64) -> u32 {
    let [high, _] = halves(full);
    high
}

/// The 32 bits above and below.
const fn halves(full: i64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = full.to_be_bytes();
    [
        u32::from_be_bytes([a, b, c, d]),
        u32::from_be_bytes([e, f, g, h]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 5925 6.2: the extension steps when the number wraps, and old segments keep the one they were sent under.
    #[test]
    fn number_that_wraps_steps_and_one_from_before_does_not() {
        let mut ext = Extension::new(SeqNum::new(u32::MAX - 10));
        let mut at = |seq: u32, taken: bool| {
            let full = ext.extend(SeqNum::new(seq));
            if taken {
                ext.advance(full);
            }
            sne(full)
        };
        assert_eq!(at(u32::MAX - 9, true), 0);
        assert_eq!(at(5, true), 1, "past the end of the circle");
        assert_eq!(at(u32::MAX - 9, true), 0, "a late one from before");
        assert_eq!(at(6, true), 1);
        assert_eq!(at(0x7000_0000, true), 1);
        assert_eq!(at(0xe000_0000, true), 1);
        assert_eq!(at(0x2000_0000, false), 2);
        assert_eq!(at(0x2000_0000, true), 2);
        assert_eq!(at(0xffff_ff00, true), 1);
    }

    #[test]
    fn every_step_below_half_the_circle_is_followed() {
        let mut ext = Extension::new(SeqNum::new(0));
        for turn in 0..1000i64 {
            let full = turn * 0x7fff_fff0;
            let [_, low] = halves(full);
            assert_eq!(ext.extend(SeqNum::new(low)), full);
            ext.advance(full);
        }
    }
}
