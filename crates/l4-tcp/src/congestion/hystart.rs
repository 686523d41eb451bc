//! Leaving slow start before the queue overflows.
//!
//! Job: watch the smallest round trip of each round; when it rises, grow slower, and if it stays up, stop.
//! Owns: the two rounds' minima and the phase. Does not know: the window; it says by what to divide its growth.
//! Sources: RFC 9406 4.2 and 4.3.

use core::time::Duration;

use crate::params::{
    HYSTART_CSS_DIVISOR, HYSTART_CSS_ROUNDS, HYSTART_MAX_RTT_THRESH, HYSTART_MIN_RTT_DIVISOR,
    HYSTART_MIN_RTT_THRESH, HYSTART_SAMPLES,
};
use crate::span::Span;

/// HyStart++ of one slow start.
#[derive(Clone, Debug, Default, Hash)]
pub struct HyStart {
    /// lastRoundMinRTT and currentRoundMinRTT; `None` is infinity.
    last: Option<Span>,
    current: Option<Span>,
    /// cssBaselineMinRtt, while in conservative slow start, and the rounds begun in it.
    css: Option<Span>,
    css_rounds: u16,
    samples: u16,
}

/// What slow start should do with an acknowledgment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    /// Grow by what was acknowledged divided by this.
    GrowBy(u64),
    /// End slow start: the threshold is the window.
    Leave,
}

impl HyStart {
    /// A slow start begins.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            last: None,
            current: None,
            css: None,
            css_rounds: 0,
            samples: 0,
        }
    }

    /// Whether growth is conservative.
    #[must_use]
    pub const fn conservative(&self) -> bool {
        self.css.is_some()
    }

    /// An acknowledgment arrived during slow start.
    pub fn on_ack(&mut self, rtt: Option<Duration>, round_start: bool) -> Advice {
        if round_start {
            self.last = self.current.take();
            self.samples = 0;
            if self.css.is_some() {
                self.css_rounds += 1;
                if self.css_rounds > HYSTART_CSS_ROUNDS {
                    return Advice::Leave;
                }
            }
        }
        if let Some(rtt) = rtt {
            let rtt = Span::new(rtt);
            self.current = Some(self.current.map_or(rtt, |min| min.min(rtt)));
            self.samples = self.samples.saturating_add(1);
        }
        self.judge();
        Advice::GrowBy(if self.conservative() {
            HYSTART_CSS_DIVISOR
        } else {
            1
        })
    }

    fn judge(&mut self) {
        let Some(current) = self.current.filter(|_| self.samples >= HYSTART_SAMPLES) else {
            return;
        };
        if let Some(baseline) = self.css {
            if current < baseline {
                // The rise was a hiccup.
                self.css = None;
            }
        } else if let Some(last) = self.last {
            let rise = (last.get() / HYSTART_MIN_RTT_DIVISOR)
                .clamp(HYSTART_MIN_RTT_THRESH, HYSTART_MAX_RTT_THRESH);
            if current.get() >= last.get() + rise {
                (self.css, self.css_rounds) = (Some(current), 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One round of `count` samples; returns the last advice.
    fn round(h: &mut HyStart, ms: u64, count: u32) -> Advice {
        let mut advice = Advice::GrowBy(1);
        for n in 0..count {
            advice = h.on_ack(Some(Duration::from_millis(ms)), n == 0);
            if advice == Advice::Leave {
                break;
            }
        }
        advice
    }

    #[test]
    fn steady_round_trip_grows_on() {
        let mut h = HyStart::new();
        for _ in 0..20 {
            assert_eq!(round(&mut h, 100, 10), Advice::GrowBy(1));
        }
    }

    // RFC 9406 4.3: the threshold is an eighth of the last round's minimum, here 14 ms.
    #[test]
    fn rise_by_an_eighth_slows_growth_and_five_rounds_end_it() {
        let mut h = HyStart::new();
        round(&mut h, 100, 10);
        assert_eq!(round(&mut h, 112, 10), Advice::GrowBy(1));
        assert_eq!(round(&mut h, 126, 10), Advice::GrowBy(4));
        for _ in 0..4 {
            assert_eq!(round(&mut h, 130, 10), Advice::GrowBy(4));
        }
        assert_eq!(round(&mut h, 130, 10), Advice::Leave);
    }

    #[test]
    fn rise_that_goes_away_resumes_slow_start() {
        let mut h = HyStart::new();
        round(&mut h, 100, 10);
        assert_eq!(round(&mut h, 120, 10), Advice::GrowBy(4));
        assert_eq!(round(&mut h, 110, 10), Advice::GrowBy(1));
    }

    #[test]
    fn fewer_than_eight_samples_say_nothing() {
        let mut h = HyStart::new();
        round(&mut h, 100, 10);
        assert_eq!(round(&mut h, 300, 7), Advice::GrowBy(1));
    }
}
