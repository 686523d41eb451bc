//! Where the time of a fetch went.
//!
//! Job: draw the phases of a fetch as a table. Owns: its layout. Does not know: what happens in a phase.

use core::fmt;
use core::time::Duration;

/// Phases of a fetch, each with how long it took, and what came of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timing {
    phases: Vec<(&'static str, Duration)>,
    bytes: u64,
}

impl Timing {
    /// `phase` took this long.
    pub(crate) fn took(&mut self, phase: &'static str, time: Duration) {
        self.phases.push((phase, time));
    }

    /// So many bytes of body came.
    pub(crate) const fn received(&mut self, bytes: u64) {
        self.bytes = bytes;
    }
}

impl fmt::Display for Timing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total: Duration = self.phases.iter().map(|(_, time)| *time).sum();
        let millis = |time: Duration| time.as_secs_f64() * 1000.0;
        for (phase, time) in &self.phases {
            // At most forty marks: one for each fortieth of the whole.
            let share = (40.0 * time.as_secs_f64() / total.as_secs_f64().max(1e-9)).round();
            let marks = (0..40).take_while(|mark| f64::from(*mark) < share).count();
            let marks = "#".repeat(marks);
            writeln!(f, "{:>12} {:>10.3} ms  {marks}", phase, millis(*time))?;
        }
        write!(
            f,
            "{:>12} {:>10.3} ms  {} bytes",
            "total",
            millis(total),
            self.bytes
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_are_drawn_by_their_share() {
        let mut timing = Timing::default();
        timing.took("connect", Duration::from_millis(10));
        timing.took("body", Duration::from_millis(30));
        timing.received(5000);
        let said = timing.to_string();
        let lines: Vec<_> = said.lines().collect();
        assert_eq!(
            lines[0],
            format!("{:>12} {:>10.3} ms  {}", "connect", 10.0, "#".repeat(10))
        );
        assert_eq!(
            lines[1],
            format!("{:>12} {:>10.3} ms  {}", "body", 30.0, "#".repeat(30))
        );
        assert_eq!(
            lines[2],
            format!("{:>12} {:>10.3} ms  5000 bytes", "total", 40.0)
        );
    }
}
