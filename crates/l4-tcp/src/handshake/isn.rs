//! Where sequence numbers and timestamps begin.
//!
//! Job: an initial sequence number that grows with time and that only who knows the key can guess.
//! Owns: the two keys. Does not know: handshakes.
//! Sources: RFC 6528 3 and RFC 9293 3.4.1 MUST-8/SHLD-1 (ISN = M + F(flow, secret)); RFC 7323 5.4
//! (a timestamp offset per connection, which must not go back between incarnations: RFC 6191).

use core::hash::{Hash, Hasher};

use outcrop_base::{Flow, HashKey, Instant, Seed};

use crate::seq::SeqNum;

/// Makes initial sequence numbers and timestamp offsets.
#[derive(Clone, Debug)]
pub(crate) struct Isn {
    sequence: HashKey,
    /// A key of its own: timestamps are seen by everybody on the path.
    timestamp: HashKey,
}

impl Isn {
    /// Numbers that follow from `seed`.
    pub(crate) fn new(seed: &Seed) -> Self {
        Self {
            sequence: seed.hash_key("initial sequence number"),
            timestamp: seed.hash_key("timestamp offset"),
        }
    }

    /// The initial sequence number of `flow` at `now`: a clock that ticks every 4 us, plus the hash.
    pub(crate) fn sequence(&self, flow: &Flow, now: Instant) -> SeqNum {
        let clock = low_half(now.as_micros() / 4);
        SeqNum::new(clock.wrapping_add(hash(self.sequence, flow)))
    }

    /// The same for the next incarnation of a tuple in TIME-WAIT whose last number was `floor`: above it
    /// (RFC 1122 4.2.2.13).
    pub(crate) fn sequence_above(
        &self,
        flow: &Flow,
        now: Instant,
        floor: Option<SeqNum>,
    ) -> SeqNum {
        let fresh = self.sequence(flow, now);
        match floor {
            Some(floor) if !fresh.after(floor) => floor + 0x1_0000,
            Some(_) | None => fresh,
        }
    }

    /// What `flow` adds to the millisecond clock in its timestamps.
    pub(crate) fn timestamp_offset(&self, flow: &Flow) -> u32 {
        hash(self.timestamp, flow)
    }
}

/// The timestamp clock: one tick a millisecond (RFC 7323 5.4 allows 1 ms to 1 s).
pub(crate) const fn timestamp(now: Instant, offset: u32) -> u32 {
    low_half(now.as_millis()).wrapping_add(offset)
}

fn hash(key: HashKey, flow: &Flow) -> u32 {
    let mut hasher = key.hasher();
    flow.local.hash(&mut hasher);
    flow.remote.hash(&mut hasher);
    low_half(hasher.finish())
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a clock and a hash wrap here"
)]
const fn low_half(wide: u64) -> u32 {
    wide as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;
    use outcrop_base::Transport;

    fn flow(remote: &str) -> Flow {
        Flow {
            transport: Transport::Tcp,
            local: "10.0.0.1:80".parse().unwrap(),
            remote: remote.parse().unwrap(),
        }
    }

    #[test]
    fn same_flow_later_its_isn_has_moved_by_the_clock() {
        let isn = Isn::new(&Seed::from_number(3));
        let at = Instant::from_secs(5);
        let first = isn.sequence(&flow("10.0.0.2:4000"), at);
        let later = isn.sequence(&flow("10.0.0.2:4000"), at + Duration::from_millis(1));
        assert_eq!(later.distance(first), 250);
    }

    #[test]
    fn other_flow_or_other_seed_another_isn() {
        let isn = Isn::new(&Seed::from_number(3));
        let other = Isn::new(&Seed::from_number(4));
        let at = Instant::from_secs(5);
        let one = isn.sequence(&flow("10.0.0.2:4000"), at);
        assert_ne!(one, isn.sequence(&flow("10.0.0.2:4001"), at));
        assert_ne!(one, other.sequence(&flow("10.0.0.2:4000"), at));
    }
}
