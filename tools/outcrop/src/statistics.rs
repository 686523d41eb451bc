//! What a series of pings showed.
//!
//! Job: collect round trips and say them the way ping(8) does. Owns: the numbers. Does not know: packets.

use core::fmt;
use core::time::Duration;

/// Round trips of a series of echo requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct Statistics {
    sent: u32,
    took: Duration,
    trips: Vec<Duration>,
}

impl Statistics {
    /// A request left.
    pub(crate) const fn on_sent(&mut self) {
        self.sent += 1;
    }

    /// So long did all of it take.
    pub(crate) const fn on_end(&mut self, took: Duration) {
        self.took = took;
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
            "{} packets transmitted, {received} received, {percent:.0}% packet loss, time {}ms",
            self.sent,
            self.took.as_millis()
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
            "\nrtt min/avg/max/mdev = {min:.3}/{mean:.3}/{max:.3}/{spread:.3} ms"
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
        statistics.on_end(Duration::from_millis(3004));
        let said = "4 packets transmitted, 2 received, 50% packet loss, time 3004ms\n\
                    rtt min/avg/max/mdev = 1.000/2.000/3.000/1.000 ms";
        assert_eq!(statistics.to_string(), said);
    }

    #[test]
    fn without_a_reply_there_is_no_round_trip() {
        let mut statistics = Statistics::default();
        statistics.on_sent();
        let said = "1 packets transmitted, 0 received, 100% packet loss, time 0ms";
        assert_eq!(statistics.to_string(), said);
        assert!(!statistics.any_reply());
    }
}
