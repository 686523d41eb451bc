//! Timers for applications.
//!
//! Job: wake a task at an instant of the run, so that programs on the stack run in virtual time too.
//! Owns: a wheel and a slot for each sleeper. Does not know: whether time runs or is set.
//! A timeout that is set for every request and almost never runs out costs one comparison: a slot
//! keeps its place in the wheel, and only looks again when that comes up.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use outcrop_base::{Instant, TimerWheel};

use crate::Shard;
use crate::alarm::Ask;

/// The sleepers of one shard.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    wheel: TimerWheel<(u32, Instant)>,
    slots: Vec<Slot>,
    /// Slots nobody uses; the last one freed is used next.
    free: Vec<u32>,
}

#[derive(Debug, Default)]
struct Slot {
    /// When its entry in the wheel comes up, if it has one.
    filed: Option<Instant>,
    /// When its sleeper wants to be woken.
    until: Option<Instant>,
    waker: Option<Waker>,
}

impl Timers {
    /// When somebody may have to be woken next: never too late.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.wheel.next()
    }

    /// Collects the wakers of everybody whose time has come.
    pub(crate) fn collect_due(&mut self, now: Instant, out: &mut Vec<Waker>) {
        while let Some((index, filed)) = self.wheel.pop_due(now) {
            let Some(slot) = self.slots.get_mut(index as usize) else {
                continue;
            };
            if slot.filed != Some(filed) {
                continue;
            }
            slot.filed = None;
            match slot.until {
                Some(until) if until > now => {
                    slot.filed = Some(until);
                    self.wheel.arm(until, (index, until));
                }
                Some(_) => out.extend(slot.waker.take()),
                None => {}
            }
        }
    }

    fn open(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        })
    }

    /// Lets `index` sleep until `until`; returns whether the wheel's next instant moved forward.
    fn set(&mut self, index: u32, until: Instant, waker: &Waker) -> bool {
        let before = self.wheel.next();
        if let Some(slot) = self.slots.get_mut(index as usize) {
            slot.until = Some(until);
            match &mut slot.waker {
                Some(known) => known.clone_from(waker),
                None => slot.waker = Some(waker.clone()),
            }
            if slot.filed.is_none_or(|filed| until < filed) {
                slot.filed = Some(until);
                self.wheel.arm(until, (index, until));
            }
        }
        before.is_none_or(|before| until < before)
    }

    fn close(&mut self, index: u32) {
        if let Some(slot) = self.slots.get_mut(index as usize) {
            slot.until = None;
            slot.waker = None;
            self.free.push(index);
        }
    }
}

/// Waits until an instant of the run. Made by [`Shard::sleep_until`].
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Sleep {
    shard: Shard,
    until: Instant,
    /// Our slot, once we had to wait.
    slot: Option<u32>,
}

impl Sleep {
    pub(crate) const fn new(shard: Shard, until: Instant) -> Self {
        Self {
            shard,
            until,
            slot: None,
        }
    }

    /// When it ends.
    #[must_use]
    pub const fn until(&self) -> Instant {
        self.until
    }

    /// Waits until `until` instead; costs nothing until polled again.
    pub const fn reset(&mut self, until: Instant) {
        self.until = until;
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.shard.now() >= self.until {
            return Poll::Ready(());
        }
        let mut inside = self.shard.lock();
        let slot = match self.slot {
            Some(slot) => slot,
            None => inside.timers.open(),
        };
        let sooner = inside.timers.set(slot, self.until, cx.waker());
        drop(inside);
        self.slot = Some(slot);
        if sooner {
            self.shard.alarm().ring(Ask::Flush);
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            self.shard.lock().timers.close(slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    fn due(timers: &mut Timers, now: Instant) -> usize {
        let mut out = Vec::new();
        timers.collect_due(now, &mut out);
        out.len()
    }

    #[test]
    fn timeout_moved_later_a_million_times_keeps_one_entry() {
        let mut timers = Timers::default();
        let slot = timers.open();
        let mut now = Instant::ZERO;
        for _ in 0..1_000_000 {
            now += Duration::from_micros(1);
            timers.set(slot, now + Duration::from_secs(5), Waker::noop());
        }
        assert_eq!(timers.wheel.len(), 1);
        assert_eq!(due(&mut timers, Instant::from_secs(5)), 0);
        assert_eq!(due(&mut timers, Instant::from_secs(6)), 1);
    }

    #[test]
    fn slot_of_a_dropped_sleeper_serves_the_next_without_a_new_entry() {
        let mut timers = Timers::default();
        for n in 0..100 {
            let slot = timers.open();
            timers.set(slot, Instant::from_millis(100 + n), Waker::noop());
            timers.close(slot);
        }
        assert_eq!(timers.wheel.len(), 1);
        assert_eq!(due(&mut timers, Instant::from_secs(1)), 0);
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn deadline_moved_forward_wakes_at_the_new_one_only() {
        let mut timers = Timers::default();
        let slot = timers.open();
        assert!(timers.set(slot, Instant::from_secs(9), Waker::noop()));
        assert!(timers.set(slot, Instant::from_secs(1), Waker::noop()));
        assert_eq!(due(&mut timers, Instant::from_secs(1)), 1);
        assert_eq!(due(&mut timers, Instant::from_secs(9)), 0);
    }
}
