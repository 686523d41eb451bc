//! Sequence numbers, and the stream offsets the rest of the engine counts in.
//!
//! Job: compare and move 32-bit numbers that wrap, and turn them into 64-bit offsets that do not.
//! Owns: [`SeqNum`], [`SeqSpace`]. Does not know: segments, windows.
//! A sequence number has no order (`a < b < c < a` is possible), so [`SeqNum`] has no `Ord`: one asks whether
//! a number comes `before` another, which holds within half the circle.
//! Sources: RFC 9293 3.4.

use core::fmt;
use core::ops::{Add, Sub};

/// A number on the circle of 2^32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SeqNum(u32);

impl SeqNum {
    /// The number as it stands in a header.
    #[must_use]
    pub const fn new(value: u32) -> Self {
        Self(value)
    }

    /// The 32 bits for a header.
    #[must_use]
    pub const fn value(self) -> u32 {
        self.0
    }

    /// How far `self` lies after `from`, going the shorter way round: negative if before.
    #[must_use]
    pub const fn distance(self, from: Self) -> i32 {
        self.0.wrapping_sub(from.0).cast_signed()
    }

    /// Whether `self` comes before `other`.
    #[must_use]
    pub const fn before(self, other: Self) -> bool {
        self.distance(other) < 0
    }

    /// Whether `self` comes after `other`.
    #[must_use]
    pub const fn after(self, other: Self) -> bool {
        other.before(self)
    }

    /// Whether `self` is one of the `len` numbers that begin at `start`.
    #[must_use]
    pub const fn in_window(self, start: Self, len: u32) -> bool {
        self.0.wrapping_sub(start.0) < len
    }
}

impl Add<u32> for SeqNum {
    type Output = Self;

    fn add(self, count: u32) -> Self {
        Self(self.0.wrapping_add(count))
    }
}

impl Sub<u32> for SeqNum {
    type Output = Self;

    fn sub(self, count: u32) -> Self {
        Self(self.0.wrapping_sub(count))
    }
}

impl fmt::Display for SeqNum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One direction of a connection: which number stands for which offset.
///
/// ```text
/// number   ISN   ISN+1  ISN+2 ..   ISN+1+n
///          SYN   byte 0 byte 1 ..  FIN (after n bytes)
/// offset    -      0      1    ..   n
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SeqSpace {
    isn: SeqNum,
}

impl SeqSpace {
    /// The space that begins with a SYN of this number.
    #[must_use]
    pub const fn new(isn: SeqNum) -> Self {
        Self { isn }
    }

    /// The SYN's number.
    #[must_use]
    pub const fn isn(self) -> SeqNum {
        self.isn
    }

    /// The number of the byte (or FIN) at `offset`.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the circle is the low 32 bits"
    )]
    pub const fn seq(self, offset: u64) -> SeqNum {
        SeqNum(self.isn.0.wrapping_add(1).wrapping_add(offset as u32))
    }

    /// The offset nearest to `near` that `seq` can stand for, as a signed number: -1 is the SYN.
    #[must_use]
    pub fn signed_offset(self, seq: SeqNum, near: u64) -> i64 {
        let near_signed = i64::try_from(near).unwrap_or(i64::MAX);
        near_signed.saturating_add(i64::from(seq.distance(self.seq(near))))
    }

    /// The offset nearest to `near` that `seq` can stand for; `None` if that lies before the first byte.
    #[must_use]
    pub fn offset(self, seq: SeqNum, near: u64) -> Option<u64> {
        u64::try_from(self.signed_offset(seq, near)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_around_zero_compare_across_the_wrap() {
        let last = SeqNum::new(u32::MAX);
        let first = SeqNum::new(0);
        assert!(last.before(first) && first.after(last));
        assert_eq!(first.distance(last), 1);
        assert_eq!(last.distance(first), -1);
        assert_eq!(last + 1, first);
        assert_eq!(first - 1, last);
    }

    #[test]
    fn window_over_the_wrap_holds_both_ends_and_not_its_edge() {
        let start = SeqNum::new(u32::MAX - 1);
        assert!(start.in_window(start, 4));
        assert!(SeqNum::new(1).in_window(start, 4));
        assert!(!SeqNum::new(2).in_window(start, 4));
        assert!(!(start - 1).in_window(start, 4));
        assert!(!start.in_window(start, 0));
    }

    #[test]
    fn first_byte_follows_the_syn_and_the_syn_has_no_offset() {
        let space = SeqSpace::new(SeqNum::new(u32::MAX));
        assert_eq!(space.seq(0), SeqNum::new(0));
        assert_eq!(space.offset(SeqNum::new(u32::MAX), 0), None);
        assert_eq!(space.signed_offset(SeqNum::new(u32::MAX), 0), -1);
    }

    proptest! {
        #[test]
        fn offset_comes_back_within_half_the_circle(
            isn: u32,
            near in 0u64..1 << 62,
            away in -(1i64 << 31) + 1..1i64 << 31,
        ) {
            let space = SeqSpace::new(SeqNum::new(isn));
            let offset = near.saturating_add_signed(away);
            prop_assert_eq!(space.offset(space.seq(offset), near), Some(offset));
        }
    }
}
