//! Time as an argument.
//!
//! Job: name a point of a run, and turn it into wall-clock time where a file or a header wants that.
//! Owns: the representation (nanoseconds since the run began) and saturating arithmetic on it.
//! Does not know: any clock. Whoever drives the stack stamps `now`; an engine only compares.

use core::fmt;
use core::num::NonZeroU64;
use core::ops::{Add, AddAssign, Sub};
use core::time::Duration;

/// A point of the run, in nanoseconds since it began.
///
/// Arithmetic saturates: a time far in the future is "never", and a negative difference is zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(
    // Stored off by one, so that `Option<Instant>` stays eight bytes.
    NonZeroU64,
);

impl Instant {
    /// The start of the run.
    pub const ZERO: Self = Self(NonZeroU64::MIN);
    /// The end of time: later than every deadline.
    pub const FAR_FUTURE: Self = Self(NonZeroU64::MAX);

    /// The instant `nanos` nanoseconds after the start of the run.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(NonZeroU64::MIN.saturating_add(nanos))
    }

    /// The instant `micros` microseconds after the start of the run.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self::from_nanos(micros.saturating_mul(1_000))
    }

    /// The instant `millis` milliseconds after the start of the run.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self::from_nanos(millis.saturating_mul(1_000_000))
    }

    /// The instant `secs` seconds after the start of the run.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self::from_nanos(secs.saturating_mul(1_000_000_000))
    }

    /// Nanoseconds since the start of the run.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0.get() - 1
    }

    /// Whole microseconds since the start of the run.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.as_nanos() / 1_000
    }

    /// Whole milliseconds since the start of the run.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.as_nanos() / 1_000_000
    }

    /// The first of these, if there is any.
    ///
    /// Every layer asks this of its timers after every packet: nothing branches here.
    #[must_use]
    #[inline]
    pub fn first_of<const N: usize>(times: [Option<Self>; N]) -> Option<Self> {
        // None, as a number, is zero: one less makes it the largest.
        let number = |at: Option<Self>| at.map_or(0, |at| at.0.get()).wrapping_sub(1);
        let first = times
            .into_iter()
            .fold(u64::MAX, |first, at| first.min(number(at)));
        NonZeroU64::new(first.wrapping_add(1)).map(Self)
    }

    /// How long after `earlier` this is; zero if it is not after it.
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.get().saturating_sub(earlier.0.get()))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, d: Duration) -> Self {
        let secs = d.as_secs().saturating_mul(1_000_000_000);
        let nanos = secs.saturating_add(u64::from(d.subsec_nanos()));
        Self(self.0.saturating_add(nanos))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, d: Duration) {
        *self = *self + d;
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.saturating_since(earlier)
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Instant {
    /// Seconds with microseconds, as a capture shows them: `1.020000`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.as_micros();
        write!(f, "{}.{:06}", micros / 1_000_000, micros % 1_000_000)
    }
}

/// The wall clock, reduced to one number taken when the run began.
///
/// Captures and the HTTP `Date` header need civil time; they get it from the run's time plus this,
/// so that a replay shows the dates of the recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WallClock {
    unix_at_zero: Duration,
}

impl WallClock {
    /// A wall clock that read `unix_at_zero` (time since 1970-01-01 UTC) when the run began.
    #[must_use]
    pub const fn new(unix_at_zero: Duration) -> Self {
        Self { unix_at_zero }
    }

    /// Time since 1970-01-01 UTC at `at`.
    #[must_use]
    pub fn unix(&self, at: Instant) -> Duration {
        self.unix_at_zero
            .saturating_add(Duration::from_nanos(at.as_nanos()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn option_of_instant_is_eight_bytes() {
        assert_eq!(size_of::<Option<Instant>>(), 8);
    }

    #[test]
    fn differences_saturate_at_zero_and_at_the_end_of_time() {
        let early = Instant::from_millis(1);
        let late = Instant::from_millis(3);
        assert_eq!(late - early, Duration::from_millis(2));
        assert_eq!(early - late, Duration::ZERO);
        assert_eq!(late + Duration::MAX, Instant::FAR_FUTURE);
    }

    #[test]
    fn first_of_several_is_the_earliest_and_of_none_is_none() {
        let at = |ms| Some(Instant::from_millis(ms));
        assert_eq!(Instant::first_of([at(3), None, at(1), at(2)]), at(1));
        assert_eq!(
            Instant::first_of([None, Some(Instant::FAR_FUTURE)]),
            Some(Instant::FAR_FUTURE)
        );
        assert_eq!(
            Instant::first_of([None, Some(Instant::ZERO)]),
            Some(Instant::ZERO)
        );
        assert_eq!(Instant::first_of([None, None]), None);
    }

    #[test]
    fn wall_clock_adds_run_time_to_the_epoch() {
        let clock = WallClock::new(Duration::from_secs(1_000));
        assert_eq!(
            clock.unix(Instant::from_millis(1_500)),
            Duration::from_millis(1_001_500)
        );
    }
}
