//! Timers of many owners at constant cost.
//!
//! Job: hold (instant, key) pairs and give them back when due, in order.
//! Owns: where an entry waits. Does not know: what a key means, or whether its owner still cares.
//! Entries are never cancelled. An owner whose deadline moved later leaves the old entry, finds on
//! being called that nothing is due, and arms again: the usual "rearmed a thousand times, fired
//! never" of a retransmission timer then costs one comparison a time.
//! Sources: Varghese & Lauck, "Hashed and hierarchical timing wheels" (1987).

use crate::Instant;

/// Slots a level; one bit each in the level's occupancy word.
const SLOTS: usize = 1 << SLOT_BITS;
const SLOT_BITS: u32 = 6;
/// The finest slot spans 2^20 ns, about a millisecond. Entries keep their exact instant.
const TICK_BITS: u32 = 20;
/// Entries for which emptied lists may always be kept; beyond, for four times what is armed.
const FEW: usize = 1024;
/// Six levels span 2^(20 + 6 * 6) ns, more than two years; what lies beyond waits in the last slot.
const LEVELS: usize = 6;
const HORIZON: u64 = (1 << (SLOT_BITS * 6)) - 1;

/// A set of deadlines with keys.
///
/// ```
/// use outcrop_base::{Instant, TimerWheel};
/// let mut wheel = TimerWheel::new();
/// wheel.arm(Instant::from_millis(200), "retransmit");
/// wheel.arm(Instant::from_millis(40), "delayed ack");
/// assert_eq!(wheel.next(), Some(Instant::from_millis(40)));
/// assert_eq!(wheel.pop_due(Instant::from_millis(50)), Some("delayed ack"));
/// assert_eq!(wheel.pop_due(Instant::from_millis(50)), None);
/// ```
#[derive(Clone, Debug)]
pub struct TimerWheel<K> {
    levels: Vec<Level<K>>,
    /// Entries found due, latest first, so that `pop` takes the earliest.
    due: Vec<Entry<K>>,
    /// Lists of emptied slots, for the next to be filled: no allocation in steady state, and little memory
    /// when a burst of deadlines is over.
    spare: Vec<Vec<Entry<K>>>,
    /// Entries the spare lists have room for.
    spare_room: usize,
    /// Entries are filed by the highest 6-bit digit in which their tick differs from this one, so
    /// every entry of a finer level is due before every entry of a coarser one.
    tick: u64,
    armed: u64,
    len: usize,
}

#[derive(Clone, Debug)]
struct Level<K> {
    occupied: u64,
    slots: Vec<Slot<K>>,
}

#[derive(Clone, Debug)]
struct Slot<K> {
    earliest: Instant,
    entries: Vec<Entry<K>>,
}

#[derive(Clone, Copy, Debug)]
struct Entry<K> {
    at: Instant,
    /// Arming order decides between equal instants, so that a run is a function of its inputs.
    order: u64,
    key: K,
}

impl<K: Copy> Default for TimerWheel<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Copy> TimerWheel<K> {
    /// An empty wheel.
    #[must_use]
    pub fn new() -> Self {
        let slot = Slot {
            earliest: Instant::FAR_FUTURE,
            entries: Vec::new(),
        };
        let level = Level {
            occupied: 0,
            slots: vec![slot; SLOTS],
        };
        Self {
            levels: vec![level; LEVELS],
            due: Vec::new(),
            spare: Vec::new(),
            spare_room: 0,
            tick: 0,
            armed: 0,
            len: 0,
        }
    }

    /// Entries held.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is armed.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Gives `key` back at `at`. Arming the same key again adds a second entry.
    pub fn arm(&mut self, at: Instant, key: K) {
        let order = self.armed;
        self.armed += 1;
        self.len += 1;
        self.file(Entry { at, order, key });
    }

    /// The earliest instant armed.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        let filed = self.earliest_slot().map(|(_, _, earliest)| earliest);
        let due = self.due.last().map(|entry| entry.at);
        due.into_iter().chain(filed).min()
    }

    /// The earliest key due at `now`, or `None` if nothing is.
    pub fn pop_due(&mut self, now: Instant) -> Option<K> {
        if self.due.is_empty() {
            self.collect_due(now);
        }
        let last = self.due.last()?;
        if last.at > now {
            return None;
        }
        self.len -= 1;
        self.due.pop().map(|entry| entry.key)
    }

    /// Empties every slot that holds something due; what is not due moves to a finer level.
    fn collect_due(&mut self, now: Instant) {
        let due = core::mem::take(&mut self.due);
        self.give_back(due);
        if self.len == 0 {
            self.tick = tick_of(now);
            return;
        }
        while let Some((level, slot, earliest)) = self.earliest_slot() {
            if earliest > now {
                break;
            }
            self.tick = self.tick.max(slot_start(self.tick, level, slot));
            let mut taken = self.take_slot(level, slot);
            for entry in taken.drain(..) {
                if entry.at <= now {
                    if self.due.capacity() == 0 {
                        self.due = self.take_spare();
                    }
                    self.due.push(entry);
                } else {
                    self.file(entry);
                }
            }
            self.give_back(taken);
        }
        self.due
            .sort_unstable_by_key(|entry| core::cmp::Reverse((entry.at, entry.order)));
    }

    fn earliest_slot(&self) -> Option<(usize, usize, Instant)> {
        let (index, level) = self
            .levels
            .iter()
            .enumerate()
            .find(|(_, level)| level.occupied != 0)?;
        let slot = level.occupied.trailing_zeros() as usize;
        Some((index, slot, level.slots.get(slot)?.earliest))
    }

    /// Empties a slot.
    fn take_slot(&mut self, level: usize, slot: usize) -> Vec<Entry<K>> {
        if let Some(level) = self.levels.get_mut(level)
            && let Some(from) = level.slots.get_mut(slot)
        {
            level.occupied &= !(1 << slot);
            from.earliest = Instant::FAR_FUTURE;
            return core::mem::take(&mut from.entries);
        }
        Vec::new()
    }

    /// A list to fill.
    fn take_spare(&mut self) -> Vec<Entry<K>> {
        let list = self.spare.pop().unwrap_or_default();
        self.spare_room -= list.capacity();
        list
    }

    /// Keeps an emptied list for the next slot, and no more of them than what is armed may need.
    fn give_back(&mut self, list: Vec<Entry<K>>) {
        if list.capacity() > 0 {
            self.spare_room += list.capacity();
            self.spare.push(list);
        }
        while self.spare_room > FEW.max(self.len.saturating_mul(4)) {
            let _freed = self.take_spare();
        }
    }

    fn file(&mut self, entry: Entry<K>) {
        let tick = tick_of(entry.at).clamp(self.tick, self.tick | HORIZON);
        let level = level_of(self.tick, tick);
        let slot = digit(tick, level);
        let empty = |level: &Level<K>| level.occupied & (1 << slot) == 0;
        let list = if self.levels.get(level).is_some_and(empty) {
            self.take_spare()
        } else {
            Vec::new()
        };
        if let Some(level) = self.levels.get_mut(level)
            && let Some(to) = level.slots.get_mut(slot)
        {
            if level.occupied & (1 << slot) == 0 {
                to.entries = list;
            }
            level.occupied |= 1 << slot;
            to.earliest = to.earliest.min(entry.at);
            to.entries.push(entry);
        }
    }
}

const fn tick_of(at: Instant) -> u64 {
    at.as_nanos() >> TICK_BITS
}

/// The level whose digit is the highest in which two ticks differ.
const fn level_of(from: u64, to: u64) -> usize {
    let differ = (from ^ to) | 1;
    ((63 - differ.leading_zeros()) / SLOT_BITS) as usize
}

#[expect(clippy::cast_possible_truncation, reason = "masked to six bits")]
const fn digit(tick: u64, level: usize) -> usize {
    (tick >> (level as u32 * SLOT_BITS)) as usize & (SLOTS - 1)
}

/// The first tick of a slot, given that the wheel stands at `tick`.
#[expect(clippy::cast_possible_truncation, reason = "a level is below six")]
const fn slot_start(tick: u64, level: usize, slot: usize) -> u64 {
    let shift = level as u32 * SLOT_BITS;
    let above = tick >> (shift + SLOT_BITS) << (shift + SLOT_BITS);
    above | ((slot as u64) << shift)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn equal_instants_come_back_in_arming_order() {
        let mut wheel = TimerWheel::new();
        let at = Instant::from_millis(5);
        for key in 0..10 {
            wheel.arm(at, key);
        }
        let popped: Vec<_> = core::iter::from_fn(|| wheel.pop_due(at)).collect();
        assert_eq!(popped, (0..10).collect::<Vec<_>>());
        assert!(wheel.is_empty());
    }

    #[test]
    fn deadline_in_the_past_is_due_at_once() {
        let mut wheel = TimerWheel::new();
        wheel.arm(Instant::from_secs(100), 1);
        assert_eq!(wheel.pop_due(Instant::from_secs(100)), Some(1));
        wheel.arm(Instant::from_millis(1), 2);
        assert_eq!(wheel.next(), Some(Instant::from_millis(1)));
        assert_eq!(wheel.pop_due(Instant::from_secs(100)), Some(2));
    }

    #[test]
    fn end_of_time_is_beyond_the_horizon_and_still_kept() {
        let mut wheel = TimerWheel::new();
        wheel.arm(Instant::FAR_FUTURE, 1);
        wheel.arm(Instant::from_secs(1), 2);
        assert_eq!(wheel.pop_due(Instant::from_secs(2)), Some(2));
        assert_eq!(wheel.pop_due(Instant::from_secs(1 << 33)), None);
        assert_eq!(wheel.pop_due(Instant::FAR_FUTURE), Some(1));
    }

    proptest! {
        /// Against the plain model: a sorted list.
        #[test]
        fn behaves_as_a_sorted_list(steps in prop::collection::vec((0u64..1 << 44, any::<bool>()), 1..200)) {
            let mut wheel = TimerWheel::new();
            let mut model: Vec<(Instant, usize)> = Vec::new();
            let mut now = Instant::ZERO;
            for (key, (nanos, arm)) in steps.into_iter().enumerate() {
                if arm {
                    let at = Instant::from_nanos(nanos);
                    wheel.arm(at, key);
                    model.push((at, key));
                } else {
                    now += core::time::Duration::from_nanos(nanos >> 6);
                }
                model.sort_unstable();
                prop_assert_eq!(wheel.next(), model.first().map(|(at, _)| *at));
                while let Some((at, key)) = model.first().copied().filter(|(at, _)| *at <= now) {
                    prop_assert_eq!(wheel.pop_due(now), Some(key), "at {}", at);
                    model.remove(0);
                }
                prop_assert_eq!(wheel.pop_due(now), None);
                prop_assert_eq!(wheel.len(), model.len());
            }
        }
    }
}
