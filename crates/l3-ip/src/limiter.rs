//! How often.
//!
//! Job: let a burst through, then a steady rate. Owns: one token bucket. Does not know: what a token buys.
//! Source: RFC 4443 2.4(f) (token bucket recommended).

use outcrop_base::Instant;

/// Parts of a token, so that a nanosecond at one token a second is one part.
const PARTS: u64 = 1_000_000_000;

#[derive(Clone, Debug, Hash)]
pub(crate) struct TokenBucket {
    /// Parts there at `at`.
    parts: u64,
    most: u64,
    per_second: u64,
    at: Instant,
}

impl TokenBucket {
    pub(crate) fn new(burst: u32, per_second: u32) -> Self {
        let most = u64::from(burst) * PARTS;
        Self {
            parts: most,
            most,
            per_second: u64::from(per_second),
            at: Instant::ZERO,
        }
    }

    /// Takes a token if there is one.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        self.parts = self.parts_at(now);
        self.at = self.at.max(now);
        let Some(left) = self.parts.checked_sub(PARTS) else {
            return false;
        };
        self.parts = left;
        true
    }

    /// What is there at `now`: the bucket's whole state, for fingerprints.
    pub(crate) fn parts_at(&self, now: Instant) -> u64 {
        let elapsed = now.as_nanos().saturating_sub(self.at.as_nanos());
        let gained = elapsed.saturating_mul(self.per_second);
        self.parts.saturating_add(gained).min(self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn burst_then_rate_then_burst_again_after_a_pause() {
        let mut bucket = TokenBucket::new(3, 10);
        let taken = |bucket: &mut TokenBucket, millis| {
            let now = Instant::from_millis(millis);
            (0..10).filter(|_| bucket.take(now)).count()
        };
        assert_eq!(taken(&mut bucket, 0), 3);
        assert_eq!(taken(&mut bucket, 99), 0);
        assert_eq!(taken(&mut bucket, 100), 1);
        assert_eq!(taken(&mut bucket, 300), 2);
        assert_eq!(taken(&mut bucket, 100_000), 3);
    }
}
