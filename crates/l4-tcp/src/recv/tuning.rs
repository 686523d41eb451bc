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

/// The tuning of one receive buffer.
#[derive(Clone, Copy, Debug)]
pub struct Tuning {
    /// The largest capacity, bytes.
    max: u64,
    /// The smallest time in which a window's worth has come.
    rtt: Option<Duration>,
    /// When the round trip being measured began, and the offset whose arrival ends it.
    window: Option<(Instant, u64)>,
    /// When the round being counted began, and what the program had read by then.
    round: Option<(Instant, u64)>,
    read: u64,
}

impl Tuning {
    /// Up to `max` bytes.
    #[must_use]
    pub const fn new(max: u64) -> Self {
        Self {
            max,
            rtt: None,
            window: None,
            round: None,
            read: 0,
        }
    }

    /// Bytes the program has read in the round trip under way.
    #[must_use]
    pub fn space(&self) -> u64 {
        self.round.map_or(0, |(_, before)| self.read - before)
    }

    /// The receiver's idea of the round trip.
    #[must_use]
    pub const fn rtt(&self) -> Option<Duration> {
        self.rtt
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
    ) -> Option<u64> {
        match self.window {
            // A byte at the old edge was allowed by a window that left a round trip ago.
            Some((began, end)) if nxt >= end => {
                let sample = now - began;
                self.rtt = Some(self.rtt.map_or(sample, |rtt| rtt.min(sample)));
                self.window = Some((now, edge));
            }
            Some(_) => {}
            None => self.window = Some((now, edge)),
        }
        let (began, read_before) = *self.round.get_or_insert((now, self.read));
        let rtt = self.rtt?;
        if now - began < rtt {
            return None;
        }
        self.round = Some((now, self.read));
        // A sender in slow start brings twice as much in the next round.
        let wanted = 2 * (self.read - read_before) + 16 * mss;
        (wanted > capacity && capacity < self.max).then(|| wanted.min(self.max))
    }

    /// Hashes what decides the future, times relative to `now`.
    pub fn fingerprint(&self, now: Instant, mut into: &mut dyn Hasher) {
        let ages = (
            self.window.map(|(at, end)| (now - at, end)),
            self.round.map(|(at, read)| (now - at, read)),
        );
        (self.max, self.rtt, ages, self.read).hash(&mut into);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: Duration = Duration::from_millis(100);

    /// A sender that fills the window each round trip; returns the capacity after `rounds`.
    fn run(reads: bool, max: u64, rounds: u32) -> u64 {
        let (mut tuning, mut capacity, mut nxt) = (Tuning::new(max), 64_000, 0);
        for round in 0..rounds {
            let now = Instant::from_secs(1) + RTT * round;
            nxt += if reads { capacity } else { 0 };
            if reads {
                tuning.on_read(capacity);
            }
            let grown = tuning.on_data(now, nxt, nxt + capacity, (capacity, 1000));
            capacity = grown.unwrap_or(capacity);
        }
        capacity
    }

    #[test]
    fn program_that_reads_gets_room_that_doubles_up_to_the_bound() {
        let grown = run(true, 1 << 20, 4);
        assert!((256_000..1 << 20).contains(&grown), "{grown}");
        assert_eq!(run(true, 1 << 20, 20), 1 << 20);
    }

    #[test]
    fn program_that_does_not_read_gets_none() {
        assert_eq!(run(false, 1 << 20, 50), 64_000);
    }
}
