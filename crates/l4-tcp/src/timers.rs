//! The timers of one connection.
//!
//! Job: remember when each timer is due and which is first.
//! Owns: one optional instant per timer. Does not know: what a timer means; nor the deadlines of
//! retransmission, persist and delayed ACK, which stay with the parts they belong to.
//! Sources: RFC 9293 3.10.8; the names are those of `base::TimerKind`.

use outcrop_base::{Instant, TimerKind};

/// A timer of the connection as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum Timer {
    /// Keep-alive.
    KeepAlive,
    /// Earliest departure of paced data.
    Pacing,
    /// Limit on an orphan in FIN-WAIT-2.
    FinWait2,
    /// How long sent data may stay unacknowledged.
    UserTimeout,
    /// How long an orphan may go on sending.
    Linger,
}

impl Timer {
    /// Every timer, in the order in which equal instants fire.
    pub(crate) const ALL: [Self; 5] = [
        Self::UserTimeout,
        Self::KeepAlive,
        Self::Pacing,
        Self::FinWait2,
        Self::Linger,
    ];

    /// The name shared by all layers.
    pub(crate) const fn kind(self) -> TimerKind {
        match self {
            Self::KeepAlive => TimerKind::KeepAlive,
            Self::Pacing => TimerKind::Pacing,
            Self::FinWait2 => TimerKind::FinWait2,
            Self::UserTimeout => TimerKind::UserTimeout,
            Self::Linger => TimerKind::Linger,
        }
    }
}

/// When each timer is due.
#[derive(Clone, Debug, Default)]
pub(crate) struct TimerTable {
    due: [Option<Instant>; Timer::ALL.len()],
}

impl TimerTable {
    /// When `timer` is due.
    pub(crate) fn get(&self, timer: Timer) -> Option<Instant> {
        self.due.get(timer as usize).copied().flatten()
    }

    /// Whether `timer` runs.
    pub(crate) fn is_armed(&self, timer: Timer) -> bool {
        self.get(timer).is_some()
    }

    /// Whether no other timer runs.
    pub(crate) fn only(&self, timer: Timer) -> bool {
        Timer::ALL
            .into_iter()
            .all(|other| other == timer || !self.is_armed(other))
    }

    /// Arms, re-arms or (`None`) stops `timer`.
    pub(crate) fn set(&mut self, timer: Timer, at: Option<Instant>) {
        if let Some(due) = self.due.get_mut(timer as usize) {
            *due = at;
        }
    }

    /// Arms `timer` unless it runs already.
    pub(crate) fn arm_if_idle(&mut self, timer: Timer, at: Instant) {
        if !self.is_armed(timer) {
            self.set(timer, Some(at));
        }
    }

    /// Stops `timer`.
    pub(crate) fn stop(&mut self, timer: Timer) {
        self.set(timer, None);
    }

    /// Stops every timer.
    pub(crate) fn stop_all(&mut self) {
        *self = Self::default();
    }

    /// The first instant at which any timer is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        Instant::first_of(self.due)
    }

    /// Stops and returns the first timer that is due at `now`.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<Timer> {
        let due = Timer::ALL
            .into_iter()
            .filter(|timer| self.get(*timer).is_some_and(|at| at <= now))
            .min_by_key(|timer| self.get(*timer))?;
        self.stop(due);
        Some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_timers_due_the_earlier_fires_first_and_each_once() {
        let mut timers = TimerTable::default();
        timers.set(Timer::KeepAlive, Some(Instant::from_millis(1)));
        timers.set(Timer::UserTimeout, Some(Instant::from_millis(2)));
        timers.set(Timer::FinWait2, Some(Instant::from_millis(9)));
        assert_eq!(timers.next(), Some(Instant::from_millis(1)));
        let now = Instant::from_millis(5);
        assert_eq!(timers.pop_due(now), Some(Timer::KeepAlive));
        assert_eq!(timers.pop_due(now), Some(Timer::UserTimeout));
        assert_eq!(timers.pop_due(now), None);
        assert!(timers.is_armed(Timer::FinWait2));
    }
}
