//! What counted marks say.
//!
//! Job: from the packets that the path marked in each round, an average, and by how much the bound on what is under way
//! falls. Owns: the average and the count of this round. Does not know: windows.
//! On short paths queues mark early and often, and only their share says how long they are. On long ones a mark is as rare as a
//! loss and counts as one, counted or not. The draft leaves marks open; shares, gains and bounds are those of its
//! authors' implementation.
//! Sources: RFC 9768 (counts), RFC 8257 3.3 (the average), RFC 3168 5 (a mark is as good as a loss).

use core::time::Duration;

use crate::congestion::AckEvent;

/// Beyond this round trip marks are rare, and each counts as a loss.
const SHORT_PATH: Duration = Duration::from_millis(5);
/// How much of a round's share enters the average, as a divisor.
const GAIN: i32 = 16;
/// What a path that marks everything takes from the bound, in thousandths.
const FACTOR: u64 = 333;
/// The share of a round that says "too much".
const TOO_MANY: u16 = 500;
/// Rounds of that which fill the pipe in STARTUP.
const FULL_ROUNDS: u8 = 2;

/// Marks of one connection, shares in thousandths.
#[derive(Clone, Copy, Debug, Hash)]
pub(super) struct Marks {
    average: u16,
    /// Bytes marked and delivered in this round.
    marked: u64,
    delivered: u64,
    /// Rounds in a row with too many.
    high: u8,
    /// The round that has just ended had too many.
    too_many: bool,
}

impl Default for Marks {
    fn default() -> Self {
        Self::averaging(1000)
    }
}

impl Marks {
    /// Marks on a path where so many were usual.
    pub(super) const fn averaging(average: u16) -> Self {
        Self {
            average,
            marked: 0,
            delivered: 0,
            high: 0,
            too_many: false,
        }
    }

    pub(super) const fn average(&self) -> u16 {
        self.average
    }

    /// Whether shares count here.
    pub(super) fn apply(e: &AckEvent) -> bool {
        e.counted && e.min_rtt.is_some_and(|rtt| rtt <= SHORT_PATH)
    }

    /// An acknowledgment of packets of `mss` bytes.
    pub(super) fn on_ack(&mut self, e: &AckEvent, mss: u64) {
        self.too_many = false;
        if Self::apply(e) {
            self.marked += e.marked.saturating_mul(mss);
            self.delivered += e.delivered;
        }
    }

    /// A round has ended: by how many thousandths the bound falls, if anything was marked.
    pub(super) fn end_round(&mut self) -> Option<u64> {
        let (marked, delivered) = (self.marked, self.delivered);
        (self.marked, self.delivered) = (0, 0);
        if delivered == 0 {
            return None;
        }
        let share = u128::from(marked) * 1000 / u128::from(delivered);
        let share = u16::try_from(share.min(1000)).unwrap_or(1000);
        let step = (i32::from(share) - i32::from(self.average)) / GAIN;
        let average = i32::from(self.average) + step;
        self.average = u16::try_from(average).unwrap_or_default();
        self.too_many = share >= TOO_MANY;
        self.high = if self.too_many {
            self.high.saturating_add(1)
        } else {
            0
        };
        (marked > 0).then(|| u64::from(self.average) * FACTOR / 1000)
    }

    /// Whether the round that ended with this acknowledgment had too many.
    pub(super) const fn too_many(&self) -> bool {
        self.too_many
    }

    /// Whether that has lasted for so long that the pipe is full.
    pub(super) const fn pipe_full(&self) -> bool {
        self.high >= FULL_ROUNDS
    }
}
