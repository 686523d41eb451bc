//! How fast the path delivers.
//!
//! Job: from the counters stamped on each transmission, measure the rate over the flight it belonged to.
//! Owns: the delivery counters of a connection. Does not know: which algorithm uses the samples.
//! A sample is the slower of the send rate and the ACK rate over the same bytes, so that a burst of
//! acknowledgments does not look like a fast path.
//! Sources: draft-ietf-ccwg-bbr 4.1 (delivery rate samples).

use core::hash::{Hash, Hasher};
use core::time::Duration;

use outcrop_base::Instant;

use crate::tx_record::{DeliveryStamp, TxRecord};

/// One measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateSample {
    /// Bytes delivered during `interval`.
    pub delivered: u64,
    /// The longer of the time they took to be sent and the time they took to be acknowledged.
    pub interval: Duration,
    /// The connection's count of delivered bytes when the sampled transmission left.
    pub prior_delivered: u64,
    /// Bytes declared lost meanwhile.
    pub lost: u64,
    /// Bytes under way when it left, itself included.
    pub tx_in_flight: u64,
    /// Whether the program limited the sending: a lower bound then.
    pub app_limited: bool,
}

impl RateSample {
    /// Bytes a second.
    #[must_use]
    pub fn bytes_per_second(&self) -> u64 {
        billionfold(self.delivered, self.interval.as_nanos())
    }
}

/// `bytes` times the nanoseconds of a second, by `divisor`, of which zero counts as one. Nearly always the product fits
/// in 64 bits, which divide in a fraction of the time.
pub(crate) fn billionfold(bytes: u64, divisor: u128) -> u64 {
    const SECOND: u64 = 1_000_000_000;
    match (bytes.checked_mul(SECOND), u64::try_from(divisor)) {
        (Some(product), Ok(divisor)) => product / divisor.max(1),
        (Some(_) | None, Ok(_) | Err(_)) => {
            let whole = u128::from(bytes) * u128::from(SECOND) / divisor.max(1);
            u64::try_from(whole).unwrap_or(u64::MAX)
        }
    }
}

/// The delivery counters of one connection.
#[derive(Clone, Debug)]
pub struct RateEstimator {
    delivered: u64,
    lost: u64,
    delivered_at: Instant,
    first_sent_at: Instant,
    /// Samples are app-limited until this count is delivered; zero means not.
    app_limited_until: u64,
    /// Of the transmissions this acknowledgment delivered, the stamp of the one sent last.
    newest: Option<(DeliveryStamp, Instant, u64)>,
    round: Round,
}

/// Round trips, counted in deliveries.
#[derive(Clone, Copy, Debug, Hash)]
struct Round {
    /// A delivery of something sent after this count starts the next round.
    next: u64,
    started: bool,
}

impl RateEstimator {
    /// Counters at zero.
    #[must_use]
    pub const fn new(now: Instant) -> Self {
        Self {
            delivered: 0,
            lost: 0,
            delivered_at: now,
            first_sent_at: now,
            app_limited_until: 0,
            newest: None,
            round: Round {
                next: 0,
                started: false,
            },
        }
    }

    /// Bytes delivered, bytes lost, where the limit by the program ends. With nothing under way the round has ended, or
    /// does with whatever arrives next.
    pub(crate) const fn counts(&self) -> [u64; 3] {
        [self.delivered, self.lost, self.app_limited_until]
    }

    /// An estimator that goes on from such counts with nothing under way.
    pub(crate) const fn counting(
        now: Instant,
        [delivered, lost, app_limited_until]: [u64; 3],
    ) -> Self {
        Self {
            delivered,
            lost,
            app_limited_until,
            round: Round {
                next: delivered,
                started: false,
            },
            ..Self::new(now)
        }
    }

    /// Bytes delivered so far.
    #[must_use]
    pub const fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Bytes declared lost so far.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.lost
    }

    /// `bytes` were declared lost.
    pub const fn on_lost(&mut self, bytes: u64) {
        self.lost += bytes;
    }

    /// Whether samples are limited by the program at present.
    #[must_use]
    pub const fn app_limited(&self) -> bool {
        self.app_limited_until > self.delivered
    }

    /// The program had nothing more to send, with `in_flight` bytes under way.
    pub fn on_app_limited(&mut self, in_flight: u64) {
        self.app_limited_until = (self.delivered + in_flight).max(1);
    }

    /// The stamp for `bytes` that leave now, with `in_flight` bytes already under way.
    pub fn on_sent(&mut self, now: Instant, in_flight: u64, bytes: u64) -> DeliveryStamp {
        if in_flight == 0 {
            self.first_sent_at = now;
            self.delivered_at = now;
        }
        DeliveryStamp {
            delivered: self.delivered,
            delivered_at: self.delivered_at,
            first_sent_at: self.first_sent_at,
            in_flight: in_flight + bytes,
            lost: self.lost,
            app_limited: self.app_limited(),
        }
    }

    /// Part of a record is now known to have arrived.
    pub fn on_delivered(&mut self, now: Instant, record: &TxRecord) {
        self.delivered += record.len();
        self.delivered_at = now;
        if self
            .newest
            .is_none_or(|(_, _, order)| record.order >= order)
        {
            self.newest = Some((record.stamp, record.sent_at, record.order));
        }
    }

    /// Ends the processing of one acknowledgment: its sample, if it delivered something and took
    /// at least `min_rtt` (anything shorter measures nothing).
    pub fn sample(&mut self, min_rtt: Option<Duration>) -> Option<RateSample> {
        self.round.started = false;
        let (stamp, sent_at, _) = self.newest.take()?;
        if self.app_limited_until <= self.delivered {
            self.app_limited_until = 0;
        }
        if stamp.delivered >= self.round.next {
            self.round.next = self.delivered;
            self.round.started = true;
        }
        self.first_sent_at = sent_at;
        let send_time = sent_at - stamp.first_sent_at;
        let ack_time = self.delivered_at - stamp.delivered_at;
        let interval = send_time.max(ack_time);
        if interval.is_zero() || min_rtt.is_some_and(|min| interval < min) {
            return None;
        }
        Some(RateSample {
            delivered: self.delivered - stamp.delivered,
            interval,
            prior_delivered: stamp.delivered,
            lost: self.lost - stamp.lost,
            tx_in_flight: stamp.in_flight,
            app_limited: stamp.app_limited,
        })
    }

    /// Whether the last acknowledgment began a new round trip.
    #[must_use]
    pub const fn round_started(&self) -> bool {
        self.round.started
    }

    /// Hashes what decides the future, times relative to `now`.
    pub fn fingerprint(&self, now: Instant, mut into: &mut dyn Hasher) {
        let counts = (
            self.delivered,
            self.lost,
            self.app_limited_until,
            self.round,
        );
        counts.hash(&mut into);
        (now - self.delivered_at, now - self.first_sent_at).hash(&mut into);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::StreamRange;
    use crate::tx_record::TxRecords;

    const RTT: Duration = Duration::from_millis(20);

    /// Sends `count` segments of 1000 bytes at `now`.
    fn send(rate: &mut RateEstimator, records: &mut TxRecords, now: Instant, count: u64) {
        for _ in 0..count {
            let stamp = rate.on_sent(now, records.in_flight(), 1000);
            let nxt = records.nxt();
            records.on_sent(StreamRange::new(nxt, nxt + 1000), now, nxt, stamp);
        }
    }

    fn ack(
        rate: &mut RateEstimator,
        records: &mut TxRecords,
        now: Instant,
        una: u64,
    ) -> Option<RateSample> {
        records.on_ack(una, |part| rate.on_delivered(now, part));
        rate.sample(Some(RTT))
    }

    #[test]
    fn window_a_round_trip_is_the_rate() {
        let (mut rate, mut records) = (RateEstimator::new(Instant::ZERO), TxRecords::new());
        let mut now = Instant::from_secs(1);
        for round in 1..5 {
            send(&mut rate, &mut records, now, 10);
            now += RTT;
            let sample = ack(&mut rate, &mut records, now, round * 10_000).unwrap();
            assert_eq!((sample.delivered, sample.interval), (10_000, RTT));
            assert_eq!(sample.bytes_per_second(), 500_000);
            assert!(rate.round_started() && !sample.app_limited);
        }
    }

    // Acknowledgments squeezed together do not make the path faster than data was sent: eleven segments
    // in 190 ms, ten of them acknowledged within 20 ms.
    #[test]
    fn compressed_acknowledgments_are_bounded_by_the_send_rate() {
        let (mut rate, mut records) = (RateEstimator::new(Instant::ZERO), TxRecords::new());
        let at = |ms: u64| Instant::from_millis(1000 + ms);
        for n in 0..10 {
            send(&mut rate, &mut records, at(20 * n), 1);
        }
        let first = ack(&mut rate, &mut records, at(185), 1000);
        assert_eq!(first.map(|s| s.delivered), Some(1000));
        send(&mut rate, &mut records, at(190), 1);
        let all = ack(&mut rate, &mut records, at(205), 11_000).unwrap();
        assert_eq!(all.delivered, 10_000);
        assert_eq!(all.interval, Duration::from_millis(190));
    }

    // The send time of a flight begins with the transmission whose delivery began it.
    #[test]
    fn continuous_sending_is_measured_flight_by_flight() {
        let (mut rate, mut records) = (RateEstimator::new(Instant::ZERO), TxRecords::new());
        let tick = Duration::from_millis(2);
        let start = Instant::from_secs(1);
        let mut samples = Vec::new();
        for n in 0..100u32 {
            let now = start + tick * n;
            if let Some(arrived) = n.checked_sub(10) {
                let una = u64::from(arrived + 1) * 1000;
                samples.extend(ack(&mut rate, &mut records, now, una));
            }
            send(&mut rate, &mut records, now, 1);
        }
        let steady = samples.iter().skip(20).map(RateSample::bytes_per_second);
        assert!(steady.into_iter().all(|r| (450_000..=500_000).contains(&r)));
    }

    #[test]
    fn sample_of_an_idle_program_says_so() {
        let (mut rate, mut records) = (RateEstimator::new(Instant::ZERO), TxRecords::new());
        let now = Instant::from_secs(1);
        rate.on_app_limited(0);
        send(&mut rate, &mut records, now, 1);
        let sample = ack(&mut rate, &mut records, now + RTT, 1000).unwrap();
        assert!(sample.app_limited && !rate.app_limited());
    }
}
