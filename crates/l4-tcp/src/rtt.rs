//! The round trip, estimated.
//!
//! Job: turn samples into SRTT, RTTVAR, the smallest recent round trip and the retransmission timeout.
//! Owns: the estimates and the backoff. Does not know: which segment was timed, or what the timer guards.
//! Sources: RFC 6298 (the estimator), RFC 7323 4 and appendix G (many samples a round trip).

use core::hash::{Hash, Hasher};
use core::time::Duration;

use outcrop_base::Instant;

use crate::params::{MIN_RTT_WINDOW, RTO_INITIAL, RTO_MAX, RTO_MIN};
use crate::span::Span;

/// 2^6: beyond, every timeout is at the ceiling.
const MAX_BACKOFF: u8 = 16;

/// SRTT, RTTVAR and RTO of one connection.
#[derive(Clone, Debug)]
pub struct RttEstimator {
    /// SRTT and RTTVAR, once there was a sample.
    smoothed: Option<(Span, Span)>,
    latest: Option<Span>,
    min: WindowedMin,
    initial: Span,
    /// How often the timeout was doubled since the last new acknowledgment.
    backoff: u8,
}

impl Default for RttEstimator {
    fn default() -> Self {
        Self::new(RTO_INITIAL)
    }
}

impl RttEstimator {
    /// An estimator without samples, whose timeout is `initial`.
    #[must_use]
    pub const fn new(initial: Duration) -> Self {
        Self {
            smoothed: None,
            latest: None,
            min: WindowedMin {
                current: None,
                older: None,
            },
            initial: Span::new(initial),
            backoff: 0,
        }
    }

    /// Sets the timeout that holds until the first sample (RFC 6298 5.7, after a lost SYN).
    pub const fn set_initial(&mut self, initial: Duration) {
        self.initial = Span::new(initial);
    }

    /// Takes a measurement of a segment that was sent once, or whose timestamp came back (RFC 6298 3).
    ///
    /// `expected` is how many samples this round trip yields; each then weighs that much less, so
    /// that the memory spans the same time (RFC 7323 appendix G). It ends a backoff (RFC 6298 5.7).
    pub fn on_sample(&mut self, now: Instant, sample: Duration, expected: u32) {
        let span = Span::new(sample);
        self.latest = Some(span);
        self.min.update(now, span);
        self.backoff = 0;
        // In nanoseconds: once a packet, and a `Duration` is dear to divide.
        let sample = span.nanos();
        let Some((srtt, rttvar)) = self.smoothed else {
            // RFC 6298 2.2.
            self.smoothed = Some((span, Span::of_nanos(sample / 2)));
            return;
        };
        // RFC 6298 2.3, with alpha = 1/8 and beta = 1/4 divided by the samples expected.
        let many = expected.clamp(1, 1 << 16);
        let many = u64::from(many);
        let (srtt, rttvar) = (srtt.nanos(), rttvar.nanos());
        let rttvar = blend(rttvar, srtt.abs_diff(sample), 4 * many);
        let srtt = blend(srtt, sample, 8 * many);
        self.smoothed = Some((Span::of_nanos(srtt), Span::of_nanos(rttvar)));
    }

    /// SRTT, once there was a sample.
    #[must_use]
    pub fn srtt(&self) -> Option<Duration> {
        self.smoothed.map(|(srtt, _)| srtt.get())
    }

    /// RTTVAR, once there was a sample.
    #[must_use]
    pub fn rttvar(&self) -> Option<Duration> {
        self.smoothed.map(|(_, rttvar)| rttvar.get())
    }

    /// The latest sample.
    #[must_use]
    pub fn latest(&self) -> Option<Duration> {
        self.latest.map(Span::get)
    }

    /// The smallest sample of the last minutes.
    #[must_use]
    pub fn min(&self) -> Option<Duration> {
        self.min.value()
    }

    /// The retransmission timeout without backoff.
    #[must_use]
    pub fn base_rto(&self) -> Duration {
        Duration::from_nanos(self.base_rto_nanos())
    }

    /// In nanoseconds: asked for with every packet, and a [`Duration`] is dear to multiply.
    fn base_rto_nanos(&self) -> u64 {
        const MIN: u64 = nanos(RTO_MIN);
        const MAX: u64 = nanos(RTO_MAX);
        let rto = match self.smoothed {
            None => self.initial.nanos(),
            Some((srtt, rttvar)) => {
                let spread = rttvar.nanos().saturating_mul(4).max(MIN);
                srtt.nanos().saturating_add(spread)
            }
        };
        rto.clamp(MIN, MAX)
    }

    /// The retransmission timeout (RFC 6298 2.3 to 2.5, 5.5).
    #[must_use]
    pub fn rto(&self) -> Duration {
        let factor = 1u64 << self.backoff.min(MAX_BACKOFF);
        let rto = self.base_rto_nanos().saturating_mul(factor);
        Duration::from_nanos(rto.min(nanos(RTO_MAX)))
    }

    /// Doubles the timeout (RFC 6298 5.5).
    pub fn back_off(&mut self) {
        self.backoff = (self.backoff + 1).min(MAX_BACKOFF);
    }

    /// Ends a backoff: something new was acknowledged.
    pub const fn reset_backoff(&mut self) {
        self.backoff = 0;
    }

    /// Takes back one doubling: the path was unreachable, not congested (RFC 6069).
    pub const fn undo_back_off(&mut self) {
        self.backoff = self.backoff.saturating_sub(1);
    }

    /// How often the timeout is doubled at present.
    #[must_use]
    pub const fn backoff(&self) -> u8 {
        self.backoff
    }

    /// Hashes what decides the future, times relative to `now`.
    pub fn fingerprint(&self, now: Instant, mut into: &mut dyn Hasher) {
        (self.smoothed, self.initial, self.backoff).hash(&mut into);
        self.min.fingerprint(now, into);
    }
}

/// A bound of a few minutes in nanoseconds.
const fn nanos(bound: Duration) -> u64 {
    bound.as_secs() * 1_000_000_000 + bound.subsec_nanos() as u64
}

/// `old` moved towards `new` by one part in `parts`.
const fn blend(old: u64, new: u64, parts: u64) -> u64 {
    let apart = old.abs_diff(new);
    // Nearly always a power of two: a shift is a fraction of a division.
    let part = if parts.is_power_of_two() {
        apart >> parts.trailing_zeros()
    } else {
        apart / parts
    };
    if new >= old { old + part } else { old - part }
}

/// The smallest value of the last [`MIN_RTT_WINDOW`] to twice that: two windows, one filling.
#[derive(Clone, Debug)]
struct WindowedMin {
    /// When the window that is filling began, and its smallest value.
    current: Option<(Instant, Span)>,
    older: Option<Span>,
}

impl WindowedMin {
    fn update(&mut self, now: Instant, sample: Span) {
        self.current = match self.current {
            Some((began, min)) if now - began < MIN_RTT_WINDOW => Some((began, min.min(sample))),
            Some((_, min)) => {
                self.older = Some(min);
                Some((now, sample))
            }
            None => Some((now, sample)),
        };
    }

    fn value(&self) -> Option<Duration> {
        match (self.current, self.older) {
            (Some((_, current)), Some(older)) => Some(current.min(older).get()),
            (Some((_, current)), None) => Some(current.get()),
            (None, older) => older.map(Span::get),
        }
    }

    fn fingerprint(&self, now: Instant, mut into: &mut dyn Hasher) {
        let current = self.current.map(|(began, min)| (now - began, min));
        (current, self.older).hash(&mut into);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn sampled(samples: &[u32]) -> RttEstimator {
        let mut rtt = RttEstimator::default();
        for (n, sample) in samples.iter().enumerate() {
            rtt.on_sample(Instant::from_secs(n as u64), *sample * MS, 1);
        }
        rtt
    }

    #[test]
    fn no_sample_yet_the_timeout_is_one_second() {
        assert_eq!(RttEstimator::default().rto(), Duration::from_secs(1));
    }

    // RFC 6298 2.2: SRTT = R, RTTVAR = R/2, RTO = SRTT + max(G, 4 RTTVAR).
    #[test]
    fn first_sample_gives_three_times_itself() {
        let rtt = sampled(&[400]);
        assert_eq!(rtt.srtt(), Some(400 * MS));
        assert_eq!(rtt.rttvar(), Some(200 * MS));
        assert_eq!(rtt.rto(), 1200 * MS);
    }

    // RFC 6298 2.3 by hand: RTTVAR = 3/4 200 + 1/4 |400 - 480| = 170, SRTT = 7/8 400 + 1/8 480 = 410.
    #[test]
    fn second_sample_is_blended_in_variance_first() {
        let rtt = sampled(&[400, 480]);
        assert_eq!(rtt.rttvar(), Some(170 * MS));
        assert_eq!(rtt.srtt(), Some(410 * MS));
        assert_eq!(rtt.rto(), (410 + 680) * MS);
    }

    // RFC 7323 appendix G: with four samples expected, alpha is 1/32 and beta 1/16.
    #[test]
    fn many_samples_a_round_trip_weigh_less_each() {
        let mut rtt = sampled(&[320]);
        rtt.on_sample(Instant::from_secs(1), 640 * MS, 4);
        assert_eq!(rtt.srtt(), Some(330 * MS));
        assert_eq!(rtt.rttvar(), Some(170 * MS));
    }

    #[test]
    fn steady_short_path_keeps_the_floor_above_the_round_trip() {
        let rtt = sampled(&[20; 100]);
        assert_eq!(rtt.rto(), 220 * MS);
    }

    #[test]
    fn backoff_doubles_to_the_ceiling_and_ends_with_a_sample() {
        let mut rtt = sampled(&[400]);
        rtt.back_off();
        assert_eq!(rtt.rto(), 2400 * MS);
        for _ in 0..100 {
            rtt.back_off();
        }
        assert_eq!(rtt.rto(), Duration::from_secs(120));
        rtt.on_sample(Instant::from_secs(9), 400 * MS, 1);
        assert!(rtt.rto() < Duration::from_secs(2));
    }

    #[test]
    fn smallest_sample_is_forgotten_after_two_windows() {
        let mut rtt = sampled(&[10]);
        rtt.on_sample(Instant::from_secs(200), 50 * MS, 1);
        assert_eq!(rtt.min(), Some(10 * MS));
        rtt.on_sample(Instant::from_secs(301), 50 * MS, 1);
        assert_eq!(rtt.min(), Some(10 * MS));
        rtt.on_sample(Instant::from_secs(602), 60 * MS, 1);
        assert_eq!(rtt.min(), Some(50 * MS));
    }
}
