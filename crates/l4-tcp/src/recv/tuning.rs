//! How large the receive buffer should be.
//!
//! Job: dynamic right-sizing: a program that reads what comes as it comes is given room for twice what it read in a
//! round trip, so that the window never is what holds a doubling sender. Owns: the round under way and the receiver's
//! idea of the round trip. Does not know: what is in the buffer.
//! A program that does not read is given nothing: its buffer stays as it is, and so does memory.
//! Sources: M. Fisk and W. Feng, Dynamic Right-Sizing in TCP (LACSI 2001); RFC 9293 3.8.6 (the window).

use core::hash::{Hash, Hasher};
use core::time::Duration;

use outcrop_base::Instant;

use crate::params::INITIAL_WINDOW_SEGMENTS;
use crate::span::Span;

/// The tuning of one receive buffer.
#[derive(Clone, Copy, Debug)]
pub struct Tuning {
    /// The largest capacity, bytes.
    max: u32,
    /// The smallest time in which a window's worth has come, or the handshake's round trip if that is less.
    rtt: Option<Span>,
    /// When the round trip being measured began, and the offset whose arrival ends it.
    window: Option<(Instant, u64)>,
    /// When the round being counted began, and what the program had read by then.
    round: Option<(Instant, u64)>,
    read: u64,
    /// The most that was read in a round.
    most: u64,
}

impl Tuning {
    /// Up to `max` bytes; `round_trip` is what is known of it.
    #[must_use]
    pub fn new(max: u32, round_trip: Option<Duration>) -> Self {
        Self {
            max,
            rtt: round_trip.map(Span::new),
            window: None,
            round: None,
            read: 0,
            most: 0,
        }
    }

    /// The receiver's idea of the round trip.
    #[must_use]
    pub fn rtt(&self) -> Option<Duration> {
        self.rtt.map(Span::get)
    }

    /// What it knows of the round trip, and up to how many bytes it goes: what a pause does not end.
    pub(crate) fn habits(&self) -> (u32, Option<Duration>) {
        (self.max, self.rtt.map(Span::get))
    }

    /// The program has read.
    pub const fn on_read(&mut self, bytes: u64) {
        self.read += bytes;
    }

    /// Data came in order up to `nxt`, the peer may send up to `edge`. Returns the capacity to grow to from
    /// `capacity`, for segments of `mss` bytes.
    pub fn on_data(
        &mut self,
        now: Instant,
        nxt: u64,
        edge: u64,
        (capacity, mss): (u64, u64),
    ) -> Option<u32> {
        match self.window {
            // A byte at the old edge was allowed by a window that left a round trip ago.
            Some((began, end)) if nxt >= end => {
                let sample = Span::new(now - began);
                self.rtt = Some(self.rtt.map_or(sample, |rtt| rtt.min(sample)));
                self.window = Some((now, edge));
            }
            Some(_) => {}
            None => self.window = Some((now, edge)),
        }
        let (began, read_before) = *self.round.get_or_insert((now, self.read));
        let rtt = self.rtt?.get();
        if now - began < rtt {
            return None;
        }
        self.round = Some((now, self.read));
        let copied = self.read - read_before;
        let before = self.most.max(INITIAL_WINDOW_SEGMENTS * mss).max(1);
        if copied <= self.most {
            return None;
        }
        self.most = copied;
        // A sender in slow start brings twice as much in the next round, and it will be another before it hears
        // of more room: by as much as this round grew over the last, the next two may.
        let wanted = 2 * copied + 16 * mss;
        let growth = copied.saturating_sub(before).min(before);
        let ahead = u128::from(wanted) * u128::from(growth) / u128::from(before);
        let wanted = wanted.saturating_add(u64::try_from(ahead).unwrap_or(u64::MAX));
        let wanted = u32::try_from(wanted).unwrap_or(u32::MAX).min(self.max);
        (u64::from(wanted) > capacity).then_some(wanted)
    }

    /// Hashes what decides the future, times relative to `now`.
    pub fn fingerprint(&self, now: Instant, mut into: &mut dyn Hasher) {
        let ages = (
            self.window.map(|(at, end)| (now - at, end)),
            self.round.map(|(at, read)| (now - at, read)),
        );
        (self.max, self.rtt, ages, self.read, self.most).hash(&mut into);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: Duration = Duration::from_millis(100);

    /// A sender that fills the window each round trip; returns the capacity after `rounds`.
    fn run(reads: bool, max: u32, rounds: u32) -> u64 {
        let (mut tuning, mut capacity, mut nxt) = (Tuning::new(max, None), 64_000, 0);
        for round in 0..rounds {
            let now = Instant::from_secs(1) + RTT * round;
            nxt += if reads { capacity } else { 0 };
            if reads {
                tuning.on_read(capacity);
            }
            let grown = tuning.on_data(now, nxt, nxt + capacity, (capacity, 1000));
            capacity = grown.map_or(capacity, u64::from);
        }
        capacity
    }

    #[test]
    fn program_that_reads_gets_room_that_doubles_up_to_the_bound() {
        // Twice what a round brings at least, and by as much again as the round grew, which is twice at most.
        let (before, after) = (run(true, 1 << 30, 3), run(true, 1 << 30, 4));
        assert!(before > 128_000, "{before}");
        assert!(
            (2 * before..=4 * before + 64_000).contains(&after),
            "{before} {after}"
        );
        assert_eq!(run(true, 1 << 20, 20), 1 << 20);
    }

    #[test]
    fn program_that_does_not_read_gets_none() {
        assert_eq!(run(false, 1 << 20, 50), 64_000);
    }
}
