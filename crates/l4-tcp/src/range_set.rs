//! A bounded set of stream ranges.
//!
//! Job: remember which parts of a stream are held, by the fewest ranges. Owns: the ranges, in order, apart.
//! Does not know: whose stream it is: the receiver keeps in one what arrived out of order, the sender in
//! another what the peer reported.

use core::hash::Hash;

use crate::segment::StreamRange;

/// Ranges in ascending order, with at least one offset between neighbours.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RangeSet {
    ranges: Vec<StreamRange>,
}

impl RangeSet {
    /// The empty set; allocates nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { ranges: Vec::new() }
    }

    /// How many separate ranges there are.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.ranges.len()
    }

    /// Whether nothing is held.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The ranges, in ascending order.
    #[must_use]
    pub fn as_slice(&self) -> &[StreamRange] {
        &self.ranges
    }

    /// The offset after the highest one held.
    #[must_use]
    pub fn end(&self) -> Option<u64> {
        self.ranges.last().map(|range| range.end)
    }

    /// The range that holds `offset`.
    #[must_use]
    pub fn containing(&self, offset: u64) -> Option<StreamRange> {
        let found = self.ranges.get(self.first_ending_after(offset)).copied();
        found.filter(|range| range.contains(offset))
    }

    /// Whether all of `range` is held.
    #[must_use]
    pub fn contains(&self, range: StreamRange) -> bool {
        self.containing(range.start)
            .is_some_and(|held| held.end >= range.end)
    }

    /// Whether adding `range` would need one more separate range than there are.
    #[must_use]
    pub fn would_grow(&self, range: StreamRange) -> bool {
        let (from, to) = self.touching(range);
        from == to && !range.is_empty()
    }

    /// The parts of `range` that are not held, in ascending order.
    pub fn missing(&self, range: StreamRange) -> impl Iterator<Item = StreamRange> {
        let from = self.first_ending_after(range.start);
        let held = self.ranges.get(from..).unwrap_or_default();
        let held = held
            .iter()
            .copied()
            .take_while(move |held| held.start < range.end);
        let end = core::iter::once(StreamRange::empty(range.end));
        let mut at = range.start;
        held.chain(end).filter_map(move |held| {
            let gap = StreamRange::new(at, held.start);
            at = at.max(held.end);
            (!gap.is_empty()).then_some(gap)
        })
    }

    /// Adds `range`, joining it with what it touches.
    pub fn insert(&mut self, range: StreamRange) {
        if range.is_empty() {
            return;
        }
        let (from, to) = self.touching(range);
        let joined = self
            .ranges
            .get(from..to)
            .unwrap_or_default()
            .iter()
            .fold(range, |sum, other| {
                StreamRange::new(sum.start.min(other.start), sum.end.max(other.end))
            });
        self.ranges.splice(from..to, [joined]);
    }

    /// Forgets everything before `offset`.
    #[inline]
    pub fn remove_before(&mut self, offset: u64) {
        if !self.ranges.is_empty() {
            self.cut_before(offset);
        }
    }

    fn cut_before(&mut self, offset: u64) {
        let from = self.first_ending_after(offset);
        self.ranges.drain(..from);
        if let Some(first) = self.ranges.first_mut() {
            first.start = first.start.max(offset);
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.ranges.clear();
    }

    fn first_ending_after(&self, offset: u64) -> usize {
        self.ranges.partition_point(|range| range.end <= offset)
    }

    /// The ranges that overlap `range` or lie next to it, as indices.
    fn touching(&self, range: StreamRange) -> (usize, usize) {
        let from = self.ranges.partition_point(|held| held.end < range.start);
        let to = self.ranges.partition_point(|held| held.start <= range.end);
        (from, to.max(from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn range() -> impl Strategy<Value = StreamRange> {
        (0u64..60, 0u64..12).prop_map(|(start, len)| StreamRange::new(start, start + len))
    }

    proptest! {
        /// Against the plain model: a set of offsets.
        #[test]
        fn behaves_as_a_set_of_offsets(
            steps in prop::collection::vec((range(), any::<u8>()), 1..60),
            asked in range(),
        ) {
            let mut set = RangeSet::new();
            let mut model = BTreeSet::new();
            for (range, kind) in steps {
                if kind < 240 {
                    let grows = !range.is_empty()
                        && (range.start.saturating_sub(1)..=range.end)
                            .filter(|at| *at + 1 > range.start || range.start > 0)
                            .all(|at| !model.contains(&at));
                    prop_assert_eq!(set.would_grow(range), grows, "{} in {:?}", range, set);
                    set.insert(range);
                    model.extend(range.start..range.end);
                } else {
                    set.remove_before(range.start);
                    model = model.split_off(&range.start);
                }
                let held: BTreeSet<_> = set.as_slice().iter().flat_map(|r| r.start..r.end).collect();
                prop_assert_eq!(&held, &model);
                prop_assert!(set.as_slice().windows(2).all(|w| w[0].end < w[1].start));
            }
            let missing: BTreeSet<_> = set.missing(asked).flat_map(|r| r.start..r.end).collect();
            let expected: BTreeSet<_> = (asked.start..asked.end).filter(|at| !model.contains(at)).collect();
            prop_assert_eq!(&missing, &expected);
            prop_assert_eq!(set.contains(asked) || asked.is_empty(), expected.is_empty());
        }
    }
}
