//! The loop that owns the outside.
//!
//! Job: turn a device, a clock and the programs of one shard into one turn after another: receive a
//! batch, let programs act, flush. Owns: the device, the read buffers; the recorder in its log.
//! Does not know: any protocol. The lock is held twice a turn, and never while anything waits.

mod cut;
mod headers;
mod log;
mod merge;
mod port;
mod wait;

use core::future::Future;
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::io;
use std::sync::Arc;

use outcrop_base::{Instant, InterfaceId, Level, Recorder};
use outcrop_device::{Device, Dry, Medium, Pool, Received, WakeSource};

use crate::alarm::{Ask, Bell};
use crate::{Counters, Runner, Shard, Stray, Tasks};
use log::Log;
use merge::Merger;
use port::Port;

/// Packets handed up in one turn, at most: more would let replies wait, fewer would cost locks.
pub const BATCH: usize = 64;

/// The largest packet that may be planned for a device that cuts none: the driver cuts it, and TCP plans and IP wraps
/// once for many segments. To be given as an interface's `gso_max`.
pub const CUT_MAX: u32 = 65_535;

/// Drives one [`Shard`] over one device, or several, and records what crosses them.
#[derive(Debug)]
pub struct Driver<D, R = ()> {
    shard: Shard,
    iface: InterfaceId,
    device: D,
    /// Further interfaces: a router's.
    ports: Vec<Port>,
    /// The next shard of the same host, if there are several.
    next: Option<Shard>,
    /// What is for it.
    strays: Vec<Stray>,
    log: Log<R>,
    pool: Pool,
    inbox: Vec<Received>,
    /// Makes one of segments that arrived together.
    merger: Option<Merger>,
    wakes: Vec<Waker>,
    /// Whether the device had nothing more when it was read last.
    dry: bool,
    /// How long to look at the device again and again before sleeping.
    busy_poll: Duration,
    /// Rings the shard's alarm for a device without a descriptor.
    device_bell: Waker,
}

impl<D: Device, R: Recorder> Driver<D, R> {
    /// A driver of `shard` whose interface `iface` is `device`.
    pub fn new(shard: Shard, iface: InterfaceId, device: D, recorder: R) -> Self {
        shard.lock().core.set_level(recorder.level());
        let bell = Bell {
            alarm: Arc::clone(shard.alarm()),
            ask: Ask::Device,
        };
        Self {
            shard,
            iface,
            device,
            ports: Vec::new(),
            next: None,
            strays: Vec::new(),
            log: Log::new(recorder),
            pool: Pool::new(),
            inbox: Vec::with_capacity(BATCH),
            merger: None,
            wakes: Vec::new(),
            dry: false,
            busy_poll: Duration::ZERO,
            device_bell: Arc::new(bell).into(),
        }
    }

    /// Before every sleep, looks at the device again and again for so long: an answer that comes soon
    /// is then not kept waiting by the scheduler. Takes the processor while it looks.
    #[must_use]
    pub const fn with_busy_poll(mut self, busy_poll: Duration) -> Self {
        self.busy_poll = busy_poll;
        self
    }

    /// The same with a further interface. Its packets are read after those of the first; busy polling looks at the
    /// first alone, and so does [`wake_source`](Self::wake_source): a driver with several waits by itself.
    #[must_use]
    pub fn with_port(mut self, iface: InterfaceId, device: Box<dyn Device>) -> Self {
        self.ports.push(Port { iface, device });
        self
    }

    /// Hands packets that nobody of this shard expects to `next`. The drivers of a host with several shards form a ring
    /// of this; each shard's core has a `Config::share` of its own.
    #[must_use]
    pub fn with_next(mut self, next: Shard) -> Self {
        self.next = Some(next);
        self
    }

    /// Makes one super-segment of segments that are read together, as a device with offload would: for one without it,
    /// under a host. Not while somebody records, who wants to see what crossed the device; not for a router, which
    /// would pass on what nobody sent.
    #[must_use]
    pub fn with_merging(mut self) -> Self {
        // Inside frames there is nothing to merge: those are a wire's.
        let merger = Some(Merger::default());
        self.merger = merger.filter(|_| self.device.caps().medium == Medium::Ip);
        self
    }

    /// The host it drives.
    #[must_use]
    pub const fn shard(&self) -> &Shard {
        &self.shard
    }

    /// What was counted so far.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.log.counters
    }

    /// The recorder, to be read or finished.
    pub const fn recorder(&mut self) -> &mut R {
        &mut self.log.recorder
    }

    /// Takes the driver apart: the device, the recorder, what was counted.
    pub fn into_parts(self) -> (D, R, Counters) {
        (self.device, self.log.recorder, self.log.counters)
    }

    /// One turn: receive, `act`, flush.
    ///
    /// # Errors
    /// The device is gone or broken.
    pub fn turn(&mut self, act: impl FnOnce()) -> io::Result<()> {
        self.receive()?;
        act();
        self.flush();
        Ok(())
    }

    /// The first half of a turn: reads a batch, feeds it, lets due timers act, wakes who waits.
    ///
    /// # Errors
    /// The device is gone or broken.
    pub fn receive(&mut self) -> io::Result<()> {
        self.log.counters.turns += 1;
        let alarm = self.shard.alarm();
        alarm.awake();
        alarm.take(Ask::Device);
        // What was found while looking out comes first: to ask for more would keep it waiting.
        if self.inbox.is_empty() {
            self.read()?;
        }
        let now = self.shard.now();
        self.shard.begin_turn(now);
        let mut inside = self.shard.lock();
        if self.next.is_some() && self.shard.alarm().take(Ask::Stray) {
            // Before what came to us since: of a flow that went astray it is the older part.
            let waiting = self.shard.strays().len();
            for _ in 0..waiting {
                let Some(stray) = self.shard.strays().pop_front() else {
                    break;
                };
                self.log.adopt(&mut inside.core, now, stray);
            }
        }
        for received in self.inbox.drain(..) {
            self.log.feed(&mut inside.core, self.iface, received);
        }
        for port in &mut self.ports {
            let dry = port
                .device
                .receive(&mut self.pool, &mut self.inbox, BATCH)?;
            self.dry &= dry == Dry::Yes;
            for received in self.inbox.drain(..) {
                self.log.feed(&mut inside.core, port.iface, received);
            }
        }
        inside.core.handle_timeout(now);
        self.log.counters.gave_up(inside.core.take_given_up());
        self.log.facts(&mut inside.core, now);
        inside.timers.collect_due(now, &mut self.wakes);
        inside.collect_wakes(&mut self.wakes);
        if self.next.is_some() {
            self.strays.extend(inside.core.strays());
        }
        drop(inside);
        self.wake();
        self.hand_on(now);
        Ok(())
    }

    /// Reads a batch into the inbox, merged where that is done.
    fn read(&mut self) -> io::Result<()> {
        let merger = self.merger.as_mut();
        let dry = match merger.filter(|_| self.log.recorder.level() == Level::Off) {
            Some(merger) => merger.receive(&mut self.device, &mut self.pool, &mut self.inbox)?,
            None => self
                .device
                .receive(&mut self.pool, &mut self.inbox, BATCH)?,
        };
        self.dry = dry == Dry::Yes;
        Ok(())
    }

    /// Hands the next shard what nobody here expects. What finds no room there ends here.
    fn hand_on(&mut self, now: Instant) {
        let Some(next) = &self.next else { return };
        for stray in self.strays.drain(..) {
            match next.hand(stray) {
                None => self.log.counters.strays_out += 1,
                Some(back) => {
                    let mut inside = self.shard.lock();
                    let _ended = inside.core.settle_stray(now, back);
                    self.log.facts(&mut inside.core, now);
                }
            }
        }
    }

    /// The second half of a turn: sends what there is while the device has room.
    pub fn flush(&mut self) {
        // What is asked from here on is not covered by this flush.
        self.shard.alarm().take(Ask::Flush);
        let now = self.shard.now();
        let mut inside = self.shard.lock();
        // What programs did since `receive` comes before the packets it causes.
        self.log.facts(&mut inside.core, now);
        for line in inside.secrets.drain(..) {
            self.log.recorder.secret(&line);
        }
        let (log, device, ports) = (&mut self.log, &mut self.device, &mut self.ports);
        while device.room() && ports.iter().all(|port| port.device.room()) {
            let sent = inside.core.poll_transmit(now, &mut |packet| match ports
                .iter_mut()
                .find(|port| port.iface == packet.iface)
            {
                Some(port) => log.send(&mut port.device, now, packet),
                None => log.send(device, now, packet),
            });
            log.facts(&mut inside.core, now);
            if !sent {
                break;
            }
        }
        inside.collect_wakes(&mut self.wakes);
        if self.next.is_some() {
            // Of what came back from ourselves.
            self.strays.extend(inside.core.strays());
        }
        drop(inside);
        self.wake();
        self.hand_on(now);
    }

    fn wake(&mut self) {
        for waker in self.wakes.drain(..) {
            waker.wake();
        }
    }

    /// When the next turn is due even if nothing arrives; long past if there is more to read at once.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        if self.dry {
            let deadlines = [self.shard.lock().deadline(), self.device.deadline()];
            let ports = self.ports.iter().map(|port| port.device.deadline());
            deadlines.into_iter().chain(ports).flatten().min()
        } else {
            Some(Instant::ZERO)
        }
    }

    /// What tells that something has arrived: to be polled by an executor that drives this driver.
    #[must_use]
    pub fn wake_source(&self) -> WakeSource<'_> {
        self.device.wake_source()
    }

    /// Whether a turn is asked for; if not, the task of `cx` is woken when one is. A driver that is a
    /// task of some runtime waits for this, for the [`wake_source`](Self::wake_source) if that is a
    /// descriptor, and for the [`deadline`](Self::deadline), whichever comes first.
    pub fn poll_asked(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.lie_down(Some(cx.waker())) {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    }

    /// Prepares for sleep, to be woken by `waker` or else by the alarm's descriptor; returns whether
    /// nothing is against it.
    fn lie_down(&self, waker: Option<&Waker>) -> bool {
        if let WakeSource::Memory(doorbell) = self.device.wake_source() {
            // Asks at once if the device has rung since it was read dry.
            doorbell.register(&self.device_bell);
        }
        for port in &self.ports {
            if let WakeSource::Memory(doorbell) = port.device.wake_source() {
                doorbell.register(&self.device_bell);
            }
        }
        self.shard.alarm().sleep(waker)
    }

    /// Sleeps until something arrives, a program asks, or the deadline.
    ///
    /// # Errors
    /// The system does not let us wait.
    pub fn wait(&mut self) -> io::Result<()> {
        let (deadline, now) = (self.deadline(), self.shard.now());
        if deadline.is_some_and(|at| at <= now) || self.look_out(now, deadline)? {
            return Ok(());
        }
        if !self.lie_down(None) {
            return Ok(());
        }
        let device = match self.device.wake_source() {
            WakeSource::Fd(fd) => Some(fd),
            WakeSource::Memory(_) => None,
        };
        let alarm = self.shard.alarm();
        let limit = deadline.map(|at| at - now);
        let rung = if self.ports.is_empty() {
            wait::until_readable(device, alarm.fd(), limit)
        } else {
            let ports = self.ports.iter().filter_map(Port::fd);
            wait::until_any_readable(device.into_iter().chain(ports), alarm.fd(), limit)
        };
        alarm.awake();
        if rung? {
            alarm.silence();
        }
        Ok(())
    }

    /// Looks at the device for as long as busy polling lasts; returns whether there is something to do.
    /// What it finds, one packet, waits in the inbox for the next turn; what came with it, for the turn after that.
    fn look_out(&mut self, now: Instant, deadline: Option<Instant>) -> io::Result<bool> {
        if self.busy_poll.is_zero() {
            return Ok(false);
        }
        let end = deadline
            .unwrap_or(Instant::FAR_FUTURE)
            .min(now + self.busy_poll);
        while self.shard.now() < end {
            let dry = self.device.receive(&mut self.pool, &mut self.inbox, 1)?;
            self.dry = dry == Dry::Yes;
            if !self.inbox.is_empty() || self.shard.alarm().is_asked() {
                return Ok(true);
            }
            core::hint::spin_loop();
        }
        Ok(false)
    }

    /// Runs `main`, and every task it starts, on this thread until `main` ends; tasks left are dropped.
    ///
    /// # Errors
    /// The device is gone or broken.
    pub fn run<T, F>(&mut self, main: impl FnOnce(Tasks) -> F) -> io::Result<T>
    where
        T: 'static,
        F: Future<Output = T> + 'static,
    {
        let mut runner = Runner::new(&self.shard);
        let tasks = runner.tasks();
        let mut main = runner.tasks().spawn(main(tasks));
        let mut cx = Context::from_waker(Waker::noop());
        loop {
            let mut ended = Poll::Pending;
            self.turn(|| {
                runner.run_some();
                ended = Pin::new(&mut main).poll(&mut cx);
            })?;
            if let Poll::Ready(value) = ended {
                drop(runner);
                self.flush();
                return Ok(value);
            }
            self.wait()?;
        }
    }

    /// Goes on without programs until no connection is left, but not beyond `limit`; returns whether
    /// none is. Tuples in TIME-WAIT do not count.
    ///
    /// # Errors
    /// The device is gone or broken.
    pub fn settle(&mut self, limit: Duration) -> io::Result<bool> {
        let end = self.shard.now() + limit;
        // A sleeper that nobody waits for keeps the loop from sleeping longer.
        let mut limit = pin!(self.shard.sleep_until(end));
        let _pending = limit.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        loop {
            self.turn(|| {})?;
            if self.shard.lock().core.tcp().is_empty() {
                return Ok(true);
            }
            if self.shard.now() >= end {
                return Ok(false);
            }
            // The end of the programs has rung for tasks, and nobody runs them any more: it would keep the loop awake.
            self.shard.alarm().take(Ask::Tasks);
            self.wait()?;
        }
    }
}
