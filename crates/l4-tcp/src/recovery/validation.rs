//! Keeping a congestion window through the pauses of a program.
//!
//! Job: measure how much of the window is really used, and say whether that validates it. Owns: the measurements and
//! since when the window is not validated. Does not know: the window.
//! A validated window may grow. One that is not neither grows nor shrinks for five minutes, so that a program that
//! pauses resumes at its rate; a loss then costs what was used, not what was allowed.
//! Sources: RFC 7661 4.2 (pipeACK), 4.4 (non-validated phase). Obsoletes RFC 2861, which halves instead.

use core::hash::{Hash, Hasher};
use core::time::Duration;

use outcrop_base::Instant;

/// 4.4.3: how long a window that is not validated is kept.
const NON_VALIDATED_PERIOD: Duration = Duration::from_secs(300);
/// 4.2: measurements of so many round trips, or of a second if that is longer.
const ROUNDS: u32 = 3;
const AT_LEAST: Duration = Duration::from_secs(1);

/// The measurements of one connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Validation {
    /// Bytes acknowledged in each of the latest complete round trips, and when it ended.
    samples: [Option<(Instant, u64)>; 3],
    /// The count of delivered bytes when this round trip began, and at the latest acknowledgment.
    begun: u64,
    latest: Option<(Instant, u64)>,
    since: Option<Instant>,
}

impl Validation {
    /// An acknowledgment arrived at `now`, after which `delivered` bytes had arrived since the connection began.
    pub fn on_ack(&mut self, now: Instant, delivered: u64, round_start: bool) {
        let before = self.latest.map_or(0, |(_, delivered)| delivered);
        if round_start && before > self.begun {
            let [a, b, _] = self.samples;
            self.samples = [Some((now, before - self.begun)), a, b];
            self.begun = before;
        }
        self.latest = Some((now, delivered));
    }

    /// pipeACK (4.2): the most acknowledged in one of the latest round trips, this one included; `None` before
    /// anything was.
    #[must_use]
    pub fn pipe_ack(&self, now: Instant, srtt: Option<Duration>) -> Option<u64> {
        let period = (srtt.unwrap_or_default() * ROUNDS).max(AT_LEAST);
        let (at, delivered) = self.latest?;
        let current = (at, delivered - self.begun);
        let rounds = self.samples.iter().flatten().copied();
        let recent = rounds
            .chain([current])
            .filter(|(at, _)| now - *at <= period);
        Some(recent.map(|(_, bytes)| bytes).max().unwrap_or(0))
    }

    /// 4.3: whether at least half of `cwnd` is used; remembers since when not.
    pub fn validated(&mut self, now: Instant, srtt: Option<Duration>, cwnd: u64) -> bool {
        let valid = self
            .pipe_ack(now, srtt)
            .is_none_or(|used| used.saturating_mul(2) >= cwnd);
        if valid {
            self.since = None;
        } else {
            self.since.get_or_insert(now);
        }
        valid
    }

    /// 4.4.3: whole periods of five minutes for which the window was not validated, ended by this call.
    pub fn expired(&mut self, now: Instant) -> u32 {
        let Some(since) = self.since else {
            return 0;
        };
        let periods = (now - since).as_secs() / NON_VALIDATED_PERIOD.as_secs();
        if periods > 0 {
            self.since = Some(now);
        }
        u32::try_from(periods).unwrap_or(u32::MAX)
    }

    /// Hashes what decides the future, times relative to `now`.
    pub fn fingerprint(&self, now: Instant, mut into: &mut dyn Hasher) {
        for sample in self.samples.into_iter().chain([self.latest]) {
            sample.map(|(at, bytes)| (now - at, bytes)).hash(&mut into);
        }
        (self.begun, self.since.map(|at| now - at)).hash(&mut into);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: Option<Duration> = Some(Duration::from_millis(100));

    #[test]
    fn half_of_the_window_used_validates_it() {
        let mut v = Validation::default();
        let at = Instant::from_millis;
        assert!(v.validated(at(0), RTT, 100_000), "nothing measured: 4.2");
        v.on_ack(at(100), 50_000, true);
        assert!(v.validated(at(100), RTT, 100_000));
        assert!(!v.validated(at(100), RTT, 100_002));
        // 4.2: the maximum over three round trips or a second.
        v.on_ack(at(200), 51_000, true);
        assert_eq!(v.pipe_ack(at(200), RTT), Some(50_000));
    }

    #[test]
    fn window_not_validated_is_kept_five_minutes() {
        let mut v = Validation::default();
        let at = Instant::from_secs;
        v.on_ack(at(1), 1000, true);
        assert!(!v.validated(at(1), RTT, 100_000));
        assert_eq!(v.expired(at(300)), 0);
        assert_eq!(v.expired(at(301)), 1);
        assert_eq!(v.expired(at(302)), 0);
        assert_eq!(v.expired(at(901)), 2);
    }
}
