//! A running host, as programs hold it.
//!
//! Job: let any thread call a [`Core`] that a driver drives: lock once, hand over, unlock, wake.
//! Owns: the lock, the wakers, the timers of applications, the way to wake the driver.
//! Does not know: devices. The lock is never held while a waker runs or a future waits.

use core::sync::atomic::{AtomicU64, Ordering};
use core::task::{Context, Poll, Waker};
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use outcrop_base::{Instant, WallClock};
use outcrop_device::Clock;

use crate::alarm::{Alarm, Ask};
use crate::sleep::{Sleep, Timers};
use crate::wakers::Wakers;
use crate::{Core, Interest, STRAYS, Stray};

/// A host that a [`Driver`](crate::Driver) drives. Clones are the same host.
#[derive(Clone, Debug)]
pub struct Shard {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    inside: Mutex<Inside>,
    alarm: Arc<Alarm>,
    clock: Clock,
    wall: WallClock,
    /// When the driver's latest turn began, nanoseconds.
    turn: AtomicU64,
    /// What came to another shard of the same host and may be for this one.
    strays: Mutex<VecDeque<Stray>>,
}

/// What the lock guards.
#[derive(Debug)]
pub(crate) struct Inside {
    pub(crate) core: Core,
    pub(crate) timers: Timers,
    wakers: Wakers,
    /// Lines of a TLS key log, until the driver records them.
    pub(crate) secrets: Vec<String>,
}

impl Inside {
    /// Collects the wakers of everybody whom the core has news for.
    pub(crate) fn collect_wakes(&mut self, out: &mut Vec<Waker>) {
        while let Some(event) = self.core.poll_event() {
            self.wakers.take(event, out);
        }
    }

    /// When the core or an application wants to be called.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let deadlines = [self.core.poll_timeout(), self.timers.next()];
        deadlines.into_iter().flatten().min()
    }
}

impl Shard {
    /// A host whose time is `clock`'s and whose dates are `wall`'s.
    ///
    /// # Errors
    /// No descriptor to be had for waking the driver.
    pub fn new(core: Core, clock: Clock, wall: WallClock) -> io::Result<Self> {
        let inside = Inside {
            core,
            timers: Timers::default(),
            wakers: Wakers::default(),
            secrets: Vec::new(),
        };
        Ok(Self {
            shared: Arc::new(Shared {
                inside: Mutex::new(inside),
                alarm: Arc::new(Alarm::new()?),
                clock,
                wall,
                turn: AtomicU64::new(0),
                strays: Mutex::new(VecDeque::new()),
            }),
        })
    }

    /// The time of the run.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.shared.clock.now()
    }

    /// When the driver's latest turn began: for tasks that run within the turn the time of everything that made them
    /// run, without asking the clock. Anybody else asks [`now`](Self::now).
    #[must_use]
    pub fn turn(&self) -> Instant {
        Instant::from_nanos(self.shared.turn.load(Ordering::Relaxed))
    }

    pub(crate) fn begin_turn(&self, now: Instant) {
        self.shared.turn.store(now.as_nanos(), Ordering::Relaxed);
    }

    /// The clock behind [`now`](Self::now).
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// Civil time.
    #[must_use]
    pub fn wall(&self) -> WallClock {
        self.shared.wall
    }

    /// Makes one call. What it caused leaves at the driver's next flush.
    pub fn call<T>(&self, call: impl FnOnce(&mut Core) -> T) -> T {
        let mut inside = self.lock();
        let result = call(&mut inside.core);
        self.unlock(inside);
        result
    }

    /// Tries a call; if it is pending, the task of `cx` is woken when `interest` comes true.
    pub fn poll<T>(
        &self,
        interest: Interest,
        cx: &mut Context<'_>,
        call: impl FnOnce(&mut Core) -> Poll<T>,
    ) -> Poll<T> {
        let mut inside = self.lock();
        let result = call(&mut inside.core);
        if result.is_pending() {
            inside.wakers.add(interest, cx.waker());
        }
        self.unlock(inside);
        result
    }

    /// Waits until `at`.
    pub fn sleep_until(&self, at: Instant) -> Sleep {
        Sleep::new(self.clone(), at)
    }

    /// Hands a line of a TLS key log to whoever records.
    pub fn record_secret(&self, line: String) {
        self.lock().secrets.push(line);
        self.shared.alarm.ring(Ask::Flush);
    }

    /// Locks. Whoever changes something rings the alarm after unlocking.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Inside> {
        // A panic while the lock was held is our bug and was reported; the state is still whole
        // enough to close connections with.
        self.shared
            .inside
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Unlocks after calls, and wakes the driver if they have caused anything.
    fn unlock(&self, mut inside: MutexGuard<'_, Inside>) {
        let touched = inside.core.take_touched();
        drop(inside);
        if touched {
            self.shared.alarm.ring(Ask::Flush);
        }
    }

    /// Takes a packet that came to another shard of the same host, unless [`STRAYS`] wait already: then it is given back.
    pub(crate) fn hand(&self, stray: Stray) -> Option<Stray> {
        {
            let mut waiting = self.strays();
            if waiting.len() >= STRAYS {
                return Some(stray);
            }
            waiting.push_back(stray);
        }
        self.shared.alarm.ring(Ask::Stray);
        None
    }

    /// What other shards have handed over, the oldest first.
    pub(crate) fn strays(&self) -> MutexGuard<'_, VecDeque<Stray>> {
        let strays = &self.shared.strays;
        strays.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn alarm(&self) -> &Arc<Alarm> {
        &self.shared.alarm
    }
}
