//! What the peer holds beyond the gap.
//!
//! Job: merge SACK blocks into a set, tell what is new in them and which of them reports a duplicate.
//! Owns: the ranges reported, bounded in number. Does not know: what follows from them.
//! Sources: RFC 2018 5 and 8, RFC 2883 4 (a first block below SND.UNA or inside the second is a D-SACK),
//! RFC 6675 3 (the scoreboard).

use core::hash::Hash;

use crate::params::{MAX_SACKED_RANGES, SACKED_RANGE_AVERAGE};
use crate::range_set::RangeSet;
use crate::segment::StreamRange;

/// The ranges the peer has reported.
// Invariant: every range lies at or after SND.UNA.
#[derive(Clone, Debug, Default, Hash)]
pub struct Scoreboard {
    held: RangeSet,
}

impl Scoreboard {
    /// Nothing reported.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            held: RangeSet::new(),
        }
    }

    /// The ranges reported.
    #[must_use]
    pub const fn held(&self) -> &RangeSet {
        &self.held
    }

    /// The offset after the highest byte reported.
    #[must_use]
    pub fn high(&self) -> Option<u64> {
        self.held.end()
    }

    /// The duplicate a first block reports, given the blocks of one ACK (RFC 2883 4).
    #[must_use]
    pub fn duplicate(blocks: &[StreamRange], una: u64) -> Option<StreamRange> {
        let (first, rest) = blocks.split_first()?;
        let below = first.end <= una && !first.is_empty();
        let inside = rest
            .first()
            .is_some_and(|second| second.start <= first.start && first.end <= second.end);
        (below || inside).then_some(*first)
    }

    /// Whether a block can be true: something, within what is outstanding.
    #[must_use]
    pub const fn plausible(block: StreamRange, una: u64, nxt: u64) -> bool {
        una < block.end && block.end <= nxt && block.start < block.end
    }

    /// Adds a block, calling `each` for every part that was not reported before.
    /// One that is implausible, or more than fits, changes nothing.
    pub fn insert(
        &mut self,
        block: StreamRange,
        outstanding: StreamRange,
        mut each: impl FnMut(StreamRange),
    ) {
        if !Self::plausible(block, outstanding.start, outstanding.end) {
            return;
        }
        let block = block.intersection(outstanding);
        if self.held.count() >= most_ranges(outstanding) && self.held.would_grow(block) {
            return;
        }
        self.held.missing(block).for_each(&mut each);
        self.held.insert(block);
    }

    /// Everything before `una` is acknowledged in order.
    pub fn on_ack(&mut self, una: u64) {
        self.held.remove_before(una);
    }

    /// Forgets everything: the peer has let go of what it reported (RFC 2018 8).
    pub fn clear(&mut self) {
        self.held.clear();
    }
}

/// A large window of which every other packet is lost is reported in as many ranges as it has pairs of packets.
fn most_ranges(outstanding: StreamRange) -> usize {
    let more = outstanding.len() / SACKED_RANGE_AVERAGE;
    MAX_SACKED_RANGES.saturating_add(usize::try_from(more).unwrap_or(usize::MAX))
}
