//! A receiver to which nothing is coming.
//!
//! Job: keep what the next segment needs, and give back the queues. Owns: nothing else. Does not know: when a
//! connection has been quiet for long enough.
//! Sources: none; what is left out is exactly what an empty receiver begins with.

use core::time::Duration;

use super::ack_policy::AckPolicy;
use super::assembler::Assembler;
use super::tuning::Tuning;
use super::window::RecvWindow;
use super::{MAX_SACK_BLOCKS, Receiver};
use crate::budget::Pressure;
use crate::config::AckStyle;
use crate::span::Span;

/// RCV.* of a connection that is quiet.
#[derive(Clone, Debug)]
pub(crate) struct Dormant {
    nxt: u64,
    finished: bool,
    /// How the acknowledgments have adapted.
    quick: u8,
    delay: Span,
    mss: u32,
    window: RecvWindow,
    /// Whether the buffer is tuned, how far, and what the tuning knows of the round trip; a measurement under way does
    /// not outlast a pause.
    tuned: bool,
    tuning_max: u32,
    tuning_rtt: Option<Span>,
}

impl Receiver {
    /// Whether nothing is held, owed or reported.
    pub(crate) fn is_quiet(&self) -> bool {
        let nothing_held = self.queued() == 0 && !self.has_sack();
        nothing_held && !self.ack_pending() && self.acked == self.nxt() && self.acks.is_plain()
    }

    /// What to keep of a quiet one.
    pub(crate) fn doze(&self) -> Dormant {
        let (delay, quick) = self.acks.habits();
        let tuning = self.tuning.map(|tuning| tuning.habits());
        let (max, rtt) = tuning.unwrap_or_default();
        Dormant {
            nxt: self.nxt(),
            finished: self.finished(),
            quick,
            delay: Span::new(delay),
            mss: u32::try_from(self.mss).unwrap_or(u32::MAX),
            window: self.window.clone(),
            tuned: tuning.is_some(),
            tuning_max: max,
            tuning_rtt: rtt.map(Span::new),
        }
    }
}

impl Dormant {
    /// Whether the peer's FIN has come.
    pub(crate) const fn finished(&self) -> bool {
        self.finished
    }

    /// The receiver as it was; `max_delay` is the longest wait of an acknowledgment, `style` which ones wait.
    pub(crate) fn wake(self, max_delay: Duration, style: AckStyle) -> Receiver {
        Receiver {
            assembler: Assembler::after(self.nxt, self.finished),
            window: self.window,
            acks: AckPolicy::with_habits(max_delay, self.mss, (self.delay.get(), self.quick))
                .in_style(style),
            tuning: self
                .tuned
                .then(|| Tuning::new(self.tuning_max, self.tuning_rtt.map(Span::get))),
            mss: u64::from(self.mss),
            recent: [None; MAX_SACK_BLOCKS],
            duplicate: None,
            acked: self.nxt,
            pressure: Pressure::Easy,
        }
    }
}
