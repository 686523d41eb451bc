//! A duration in eight bytes.
//!
//! Job: hold what a connection remembers of times for as long as it lives, in half of a [`Duration`]'s memory and
//! with a free value for "none". Owns: the representation. Does not know: what is measured.
//! Calculations are done in [`Duration`]; nothing is rounded below 584 years.

use core::num::NonZeroU64;
use core::time::Duration;

/// Nanoseconds, stored off by one, so that `Option<Span>` stays eight bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Span(NonZeroU64);

impl Span {
    /// `duration`, or the longest there is.
    pub(crate) const fn new(duration: Duration) -> Self {
        let nanos = duration.as_nanos();
        #[expect(clippy::cast_possible_truncation, reason = "compared before")]
        let nanos = if nanos > u64::MAX as u128 {
            u64::MAX
        } else {
            nanos as u64
        };
        Self::of_nanos(nanos)
    }

    /// So many nanoseconds.
    pub(crate) const fn of_nanos(nanos: u64) -> Self {
        Self(NonZeroU64::MIN.saturating_add(nanos))
    }

    /// In nanoseconds.
    pub(crate) const fn nanos(self) -> u64 {
        self.0.get() - 1
    }

    /// As a duration.
    pub(crate) const fn get(self) -> Duration {
        Duration::from_nanos(self.0.get() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_comes_back_the_longest_saturate() {
        for nanos in [0, 1, 999, 1_000_000_007, u64::MAX - 1] {
            let duration = Duration::from_nanos(nanos);
            assert_eq!(Span::new(duration).get(), duration);
        }
        assert_eq!(
            Span::new(Duration::MAX).get().as_nanos(),
            u128::from(u64::MAX - 1)
        );
        assert_eq!(size_of::<Option<Span>>(), 8);
    }
}
