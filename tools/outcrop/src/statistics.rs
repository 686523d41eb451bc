//! What a series of pings showed.
//!
//! Job: collect round trips and say them the way ping(8) does. Owns: the numbers. Does not know: packets.

use core::fmt;
use core::time::Duration;

/// Round trips of a series of echo requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct Statistics {
    sent: u32,
    trips: Vec<Duration>,
}

impl Statistics {
    /// A request left.
    pub(crate) const fn on_sent(&mut self) {
        self.sent += 1;
    }

    /// A reply came after `trip`.
    pub(crate) fn on_reply(&mut self, trip: Duration) {
        self.trips.push(trip);
    }

    /// Whether any reply came.
    pub(crate) const fn any_reply(&self) -> bool {
        !self.trips.is_empty()
    }
}

impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let received = u32::try_from(self.trips.len()).unwrap_or(u32::MAX);
        let lost = self.sent.saturating_sub(received);
        let percent = 100.0 * f64::from(lost) / f64::from(self.sent.max(1));
        write!(
            f,
            "{} sent, {received} received, {percent:.0}% lost",
            self.sent
        )?;
        let millis: Vec<f64> = self
            .trips
            .iter()
            .map(|trip| trip.as_secs_f64() * 1000.0)
            .collect();
        let (Some(min), Some(max)) = (
            millis.iter().copied().reduce(f64::min),
            millis.iter().copied().reduce(f64::max),
        ) else {
            return Ok(());
        };
        let count = f64::from(received);
        let mean = millis.iter().sum::<f64>() / count;
        let spread = (millis.iter().map(|trip| (trip - mean).powi(2)).sum::<f64>() / count).sqrt();
        write!(
            f,
            "\nround trip min/avg/max/mdev {min:.3}/{mean:.3}/{max:.3}/{spread:.3} ms"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_and_spread_are_said() {
        let mut statistics = Statistics::default();
        for trip in [1, 3] {
            statistics.on_sent();
            statistics.on_reply(Duration::from_millis(trip));
        }
        statistics.on_sent();
        statistics.on_sent();
        let said =
            "4 sent, 2 received, 50% lost\nround trip min/avg/max/mdev 1.000/2.000/3.000/1.000 ms";
        assert_eq!(statistics.to_string(), said);
    }

    #[test]
    fn without_a_reply_there_is_no_round_trip() {
        let mut statistics = Statistics::default();
        statistics.on_sent();
        assert_eq!(statistics.to_string(), "1 sent, 0 received, 100% lost");
        assert!(!statistics.any_reply());
    }
}
