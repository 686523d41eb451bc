//! How the rest of the program wakes the driver.
//!
//! Job: make sure that a driver that goes to sleep has seen everything that was asked before, and that
//! whoever asks later wakes it, once. Owns: four bits and a descriptor. Does not know: what was asked.
//! The order that makes it sound: who asks sets its bit first and looks for the sleeper second; the
//! sleeper says that it sleeps first and looks for bits second. One atomic word orders both.

use core::sync::atomic::{AtomicU8, Ordering};
use core::task::Waker;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Wake;

use rustix::event::{EventfdFlags, eventfd};

/// What somebody asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ask {
    /// A call has left something to flush, or a deadline has moved forward.
    Flush = 1,
    /// A task of the local executor can go on.
    Tasks = 2,
    /// A device without a descriptor has something.
    Device = 4,
    /// Another shard of the host has a packet for this one.
    Stray = 16,
}

const ASLEEP: u8 = 8;

/// Bits, and the bell that goes with them.
#[derive(Debug)]
pub(crate) struct Alarm {
    bits: AtomicU8,
    /// Rung for a driver that sleeps in the kernel.
    fd: OwnedFd,
    /// Woken instead, for a driver that is a task of some runtime.
    waker: Mutex<Option<Waker>>,
}

impl Alarm {
    /// A silent alarm.
    ///
    /// # Errors
    /// No descriptor to be had.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            bits: AtomicU8::new(0),
            fd: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            waker: Mutex::new(None),
        })
    }

    /// Asks, and wakes the driver if it sleeps.
    pub(crate) fn ring(&self, ask: Ask) {
        let before = self.bits.fetch_or(ask as u8, Ordering::AcqRel);
        if before & ASLEEP != 0 && self.bits.fetch_and(!ASLEEP, Ordering::AcqRel) & ASLEEP != 0 {
            self.wake();
        }
    }

    fn wake(&self) {
        let waker = self.lock().take();
        match waker {
            Some(waker) => waker.wake(),
            // Fails only when it has been rung 2^64 times, and then it is readable anyway.
            None => {
                let _rung = rustix::io::write(&self.fd, &1u64.to_ne_bytes());
            }
        }
    }

    /// Takes what was asked of this kind.
    pub(crate) fn take(&self, ask: Ask) -> bool {
        self.bits.fetch_and(!(ask as u8), Ordering::AcqRel) & ask as u8 != 0
    }

    /// Whether something of this kind is asked.
    pub(crate) fn has(&self, ask: Ask) -> bool {
        self.bits.load(Ordering::Acquire) & ask as u8 != 0
    }

    /// Whether anything is asked.
    pub(crate) fn is_asked(&self) -> bool {
        self.bits.load(Ordering::Acquire) & !ASLEEP != 0
    }

    /// Says that the driver sleeps from now on, to be woken by `waker` or else by the descriptor.
    /// Returns false, and takes it back, if something has been asked already.
    pub(crate) fn sleep(&self, waker: Option<&Waker>) -> bool {
        *self.lock() = waker.cloned();
        let before = self.bits.fetch_or(ASLEEP, Ordering::AcqRel);
        if before & !ASLEEP != 0 {
            self.awake();
            return false;
        }
        true
    }

    /// Says that the driver is awake.
    pub(crate) fn awake(&self) {
        self.bits.fetch_and(!ASLEEP, Ordering::AcqRel);
    }

    /// Silences the bell after the descriptor was seen readable. A late ring then costs one turn.
    pub(crate) fn silence(&self) {
        let mut count = [0; 8];
        let _silenced = rustix::io::read(&self.fd, &mut count);
    }

    /// Readable once somebody has rung a sleeping driver that left no waker.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Waker>> {
        self.waker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An alarm that rings for one kind of thing, as a waker.
pub(crate) struct Bell {
    /// The alarm to ring.
    pub(crate) alarm: Arc<Alarm>,
    /// What to ask.
    pub(crate) ask: Ask,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.alarm.ring(self.ask);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.alarm.ring(self.ask);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asked_before_sleeping_keeps_awake() {
        let alarm = Alarm::new().unwrap();
        alarm.ring(Ask::Flush);
        assert!(!alarm.sleep(None));
        assert!(alarm.take(Ask::Flush));
        assert!(alarm.sleep(None));
    }

    #[test]
    fn asked_many_times_while_asleep_rings_once() {
        let alarm = Alarm::new().unwrap();
        assert!(alarm.sleep(None));
        for _ in 0..5 {
            alarm.ring(Ask::Tasks);
        }
        let mut count = [0; 8];
        rustix::io::read(alarm.fd(), &mut count).unwrap();
        assert_eq!(u64::from_ne_bytes(count), 1);
        alarm.awake();
        assert!(alarm.take(Ask::Tasks) && !alarm.take(Ask::Flush));
    }

    #[test]
    fn other_threads_wake_a_sleeper_every_time() {
        let alarm = Arc::new(Alarm::new().unwrap());
        let bell: Waker = Arc::new(Bell {
            alarm: Arc::clone(&alarm),
            ask: Ask::Flush,
        })
        .into();
        let rounds = 2_000;
        let (to_ringer, at_ringer) = std::sync::mpsc::channel();
        let ringer = std::thread::spawn(move || {
            while at_ringer.recv().is_ok() {
                bell.wake_by_ref();
            }
        });
        for _ in 0..rounds {
            to_ringer.send(()).unwrap();
            while !alarm.take(Ask::Flush) {
                if alarm.sleep(None) {
                    let mut fds = [rustix::event::PollFd::new(
                        &alarm.fd,
                        rustix::event::PollFlags::IN,
                    )];
                    let limit = rustix::event::Timespec {
                        tv_sec: 10,
                        tv_nsec: 0,
                    };
                    assert_eq!(rustix::event::poll(&mut fds, Some(&limit)).unwrap(), 1);
                    alarm.awake();
                    alarm.silence();
                }
            }
        }
        drop(to_ringer);
        ringer.join().unwrap();
    }
}
