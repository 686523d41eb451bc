//! Finding out that a timeout came too early, without timestamps.
//!
//! Job: after a timeout, send something new where slow start would send more again, and see which data the next
//! acknowledgments are for. Owns: which step it is. Does not know: what is done once the timeout proves a mistake.
//! ```text
//!  timeout ──► Resent ──ack of what was resent, not of all──► Asking ──new data──► Waiting ──ack of old data──► spurious
//!                 │                                              │ none to send       │ duplicate, or beyond
//!                 └──────────────── anything else ───────────────┴────────────────────┴──► Off: slow start
//! ```
//! Sources: RFC 5682 2.1 (without SACK), 3.1 (with it).

/// Where the detection is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum FRto {
    /// No timeout is in question.
    #[default]
    Off,
    /// Step 2: the first segment was sent again, up to `resent`.
    Resent {
        /// The end of what was sent again.
        resent: u64,
    },
    /// Step 2b: what was sent again is acknowledged. New data goes next; `point` is SND.NXT at this moment.
    Asking {
        /// RecoveryPoint.
        point: u64,
    },
    /// Step 3: new data is under way, nothing else is sent again until an answer comes.
    Waiting {
        /// RecoveryPoint.
        point: u64,
    },
}

/// What one acknowledgment says, for this purpose.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// SEG.ACK.
    pub una: u64,
    /// SND.NXT.
    pub nxt: u64,
    /// The end of the highest range it newly reports, in order or by SACK; zero if none.
    pub highest: u64,
    /// Whether SND.UNA moved.
    pub progress: bool,
    /// Whether it newly reports data below SND.NXT at the timeout that was sent once.
    pub original: bool,
    /// Whether it repeats SND.UNA and nothing else (RFC 5681 2).
    pub duplicate: bool,
    /// Whether SACK is in use.
    pub sack: bool,
}

impl FRto {
    /// A timeout; `again` if one is being repaired already (step 1).
    #[must_use]
    pub const fn begin(again: bool) -> Self {
        if again {
            Self::Off
        } else {
            Self::Resent { resent: 0 }
        }
    }

    /// Whether new data shall go before what is lost, if there is any that may.
    #[must_use]
    pub const fn asks_for_new(self) -> bool {
        matches!(self, Self::Asking { .. })
    }

    /// Whether nothing may be sent again until the next acknowledgment, or timeout.
    #[must_use]
    pub const fn waits(self) -> bool {
        matches!(self, Self::Waiting { .. })
    }

    /// Data up to `end` left; `again` if it was sent before.
    pub fn on_sent(&mut self, end: u64, again: bool) {
        *self = match (*self, again) {
            (Self::Resent { resent }, true) => Self::Resent {
                resent: resent.max(end),
            },
            (Self::Asking { point } | Self::Waiting { point }, false) => Self::Waiting { point },
            (Self::Asking { .. } | Self::Waiting { .. }, true) => Self::Off,
            (Self::Off | Self::Resent { .. }, _) => *self,
        };
    }

    /// An acknowledgment arrived; returns whether it shows that the timeout was a mistake.
    pub fn on_ack(&mut self, a: &Answer) -> bool {
        match *self {
            Self::Off => false,
            Self::Resent { resent } => {
                if a.progress && a.una >= resent && resent > 0 && a.una < a.nxt {
                    *self = Self::Asking { point: a.nxt };
                } else if a.progress || a.duplicate && !a.sack {
                    *self = Self::Off;
                }
                false
            }
            // Several acknowledgments may come before anything new could leave.
            Self::Asking { point } | Self::Waiting { point } => {
                let beyond = a.una > point || a.highest > point;
                let spurious = a.original && !beyond;
                if spurious || beyond || a.progress || a.duplicate {
                    *self = Self::Off;
                }
                spurious
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Answer = Answer {
        una: 0,
        nxt: 5000,
        highest: 0,
        progress: false,
        original: false,
        duplicate: false,
        sack: false,
    };

    fn asking() -> FRto {
        let mut frto = FRto::begin(false);
        frto.on_sent(1000, true);
        let first = Answer {
            una: 1000,
            progress: true,
            ..NOTHING
        };
        assert!(!frto.on_ack(&first));
        assert!(frto.asks_for_new() && !frto.waits());
        frto
    }

    #[test]
    fn second_progress_is_for_data_sent_once_timeout_was_a_mistake() {
        let mut frto = asking();
        frto.on_sent(7000, false);
        assert!(frto.waits());
        let second = Answer {
            una: 2000,
            progress: true,
            original: true,
            ..NOTHING
        };
        assert!(frto.on_ack(&second));
        assert_eq!(frto, FRto::Off);
    }

    // 2.1 step 3 a: a duplicate: the new data arrived behind a real gap.
    #[test]
    fn duplicate_answers_new_data_loss_was_real() {
        let mut frto = asking();
        frto.on_sent(7000, false);
        assert!(!frto.on_ack(&Answer {
            una: 1000,
            duplicate: true,
            ..NOTHING
        }));
        assert_eq!(frto, FRto::Off);
    }

    // 3.1 step 3 a: a block beyond RecoveryPoint.
    #[test]
    fn block_beyond_the_point_loss_was_real() {
        let mut frto = asking();
        frto.on_sent(7000, false);
        let sack = Answer {
            una: 1000,
            highest: 6000,
            original: true,
            sack: true,
            ..NOTHING
        };
        assert!(!frto.on_ack(&sack));
        assert_eq!(frto, FRto::Off);
    }

    // 2.1 step 2 a: a duplicate, everything at once, or less than was sent again.
    #[test]
    fn first_answer_of_another_kind_slow_start_goes_on() {
        for (una, progress, duplicate) in
            [(0, false, true), (5000, true, false), (500, true, false)]
        {
            let mut frto = FRto::begin(false);
            frto.on_sent(1000, true);
            assert!(!frto.on_ack(&Answer {
                una,
                progress,
                duplicate,
                ..NOTHING
            }));
            assert_eq!(frto, FRto::Off, "{una}");
        }
    }

    // 3.1 step 2: with SACK duplicates only fill the scoreboard.
    #[test]
    fn duplicate_before_the_first_answer_with_sack_detection_goes_on() {
        let mut frto = FRto::begin(false);
        frto.on_sent(1000, true);
        assert!(!frto.on_ack(&Answer {
            duplicate: true,
            sack: true,
            ..NOTHING
        }));
        assert_eq!(frto, FRto::Resent { resent: 1000 });
    }

    // Step 1: a timeout within the repair of another; and nothing new to send: slow start.
    #[test]
    fn timeout_within_a_repair_or_nothing_new_to_send_no_detection() {
        assert_eq!(FRto::begin(true), FRto::Off);
        let mut frto = asking();
        frto.on_sent(2000, true);
        assert_eq!(frto, FRto::Off);
    }
}
