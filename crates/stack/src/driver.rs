//! The loop that owns the outside.
//!
//! Job: turn a device, a clock and the programs of one shard into one turn after another: receive a
//! batch, let programs act, flush. Owns: the device, the recorder, the read buffers, the counters.
//! Does not know: any protocol. The lock is held twice a turn, and never while anything waits.

use core::future::Future;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::io;
use std::sync::Arc;

use outcrop_base::{
    Cause, Direction, Fact, FactKind, Instant, InterfaceId, Level, PacketRecord, Recorder,
};
use outcrop_device::{Device, Dry, Pool, Received, WakeSource};

use crate::alarm::{Ask, Bell};
use crate::shard::Inside;
use crate::{Counters, PacketIn, PacketOut, Runner, Shard, Tasks, wait};

/// Packets read in one turn, at most: more would let replies wait, fewer would cost locks.
pub const BATCH: usize = 64;

/// Drives one [`Shard`] over one device, and records what crosses it.
#[derive(Debug)]
pub struct Driver<D, R = ()> {
    shard: Shard,
    iface: InterfaceId,
    device: D,
    recorder: R,
    pool: Pool,
    inbox: Vec<Received>,
    facts: Vec<Fact>,
    wakes: Vec<Waker>,
    counters: Counters,
    /// Whether the device had nothing more when it was read last.
    dry: bool,
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
            recorder,
            pool: Pool::default(),
            inbox: Vec::with_capacity(BATCH),
            facts: Vec::new(),
            wakes: Vec::new(),
            counters: Counters::default(),
            dry: false,
            device_bell: Arc::new(bell).into(),
        }
    }

    /// The host it drives.
    #[must_use]
    pub const fn shard(&self) -> &Shard {
        &self.shard
    }

    /// What was counted so far.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The recorder, to be read or finished.
    pub const fn recorder(&mut self) -> &mut R {
        &mut self.recorder
    }

    /// Takes the driver apart: the device, the recorder, what was counted.
    pub fn into_parts(self) -> (D, R, Counters) {
        (self.device, self.recorder, self.counters)
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
        self.counters.turns += 1;
        self.shard.alarm().take(Ask::Device);
        let dry = self
            .device
            .receive(&mut self.pool, &mut self.inbox, BATCH)?;
        self.dry = dry == Dry::Yes;
        let now = self.shard.now();
        let shard = self.shard.clone();
        let mut inside = shard.lock();
        for received in core::mem::take(&mut self.inbox) {
            self.feed(&mut inside, received);
        }
        inside.core.handle_timeout(now);
        self.record_facts(&mut inside, now);
        inside.timers.collect_due(now, &mut self.wakes);
        inside.collect_wakes(&mut self.wakes);
        drop(inside);
        self.wake();
        Ok(())
    }

    fn feed(&mut self, inside: &mut Inside, received: Received) {
        let Received { at, bytes, offload } = received;
        let id = inside.core.next_packet_id();
        let whole = bytes.clone();
        let verdict = inside.core.handle_packet(PacketIn {
            at,
            id,
            iface: self.iface,
            bytes,
            offload,
        });
        self.counters.received(whole.len(), &verdict);
        if self.recorder.level() == Level::Full {
            self.recorder.packet(&PacketRecord {
                at,
                id,
                iface: self.iface,
                direction: Direction::In,
                bytes: &[io::IoSlice::new(&whole)],
                partial_checksum: None,
                gso_size: offload.gso_size,
                note: None,
                verdict: Some(verdict),
                state: inside.core.met(),
            });
        }
        self.record_facts(inside, at);
    }

    /// The second half of a turn: sends what there is while the device has room.
    pub fn flush(&mut self) {
        // What is asked from here on is not covered by this flush.
        self.shard.alarm().take(Ask::Flush);
        let now = self.shard.now();
        let shard = self.shard.clone();
        let mut inside = shard.lock();
        self.record_facts(&mut inside, now);
        for line in inside.secrets.drain(..) {
            self.recorder.secret(&line);
        }
        while self.device.room() {
            let (device, recorder, counters) =
                (&mut self.device, &mut self.recorder, &mut self.counters);
            let sent = inside.core.poll_transmit(now, &mut |packet| {
                send(device, recorder, counters, now, packet);
            });
            self.record_facts(&mut inside, now);
            if !sent {
                break;
            }
        }
        inside.collect_wakes(&mut self.wakes);
        drop(inside);
        self.wake();
    }

    fn record_facts(&mut self, inside: &mut Inside, at: Instant) {
        inside.core.drain_facts(&mut self.facts);
        for fact in self.facts.drain(..) {
            self.recorder.fact(at, &fact);
        }
    }

    fn wake(&mut self) {
        for waker in self.wakes.drain(..) {
            waker.wake();
        }
    }

    /// When the next turn is due even if nothing arrives; the past if there is more to do at once.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        if self.dry {
            self.shard.lock().deadline()
        } else {
            Some(Instant::ZERO)
        }
    }

    /// What tells that something has arrived: to be polled by an executor that drives this driver.
    #[must_use]
    pub fn wake_source(&self) -> WakeSource<'_> {
        self.device.wake_source()
    }

    /// Whether a program has asked for a turn; if not, the task of `cx` is woken when one does. A
    /// driver that is a task of some runtime waits for this, the [`wake_source`](Self::wake_source)
    /// if that is a descriptor, and the [`deadline`](Self::deadline), whichever comes first.
    pub fn poll_asked(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.listen_to_memory();
        if self.shard.alarm().sleep(Some(cx.waker())) {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    }

    fn listen_to_memory(&self) {
        if let WakeSource::Memory(doorbell) = self.device.wake_source() {
            doorbell.register(&self.device_bell);
        }
    }

    /// Sleeps until something arrives, a program asks, or the deadline.
    ///
    /// # Errors
    /// What the system says about waiting.
    pub fn wait(&mut self) -> io::Result<()> {
        let deadline = self.deadline();
        let now = self.shard.now();
        if deadline.is_some_and(|at| at <= now) {
            return Ok(());
        }
        self.listen_to_memory();
        let alarm = self.shard.alarm();
        // A device in memory may have been filled before we listened: look once more.
        if let WakeSource::Memory(_) = self.device.wake_source() {
            let dry = self
                .device
                .receive(&mut self.pool, &mut self.inbox, BATCH)?;
            self.dry = dry == Dry::Yes;
            if !self.inbox.is_empty() {
                return Ok(());
            }
        }
        if !alarm.sleep(None) {
            return Ok(());
        }
        let device = match self.device.wake_source() {
            WakeSource::Fd(fd) => Some(fd),
            WakeSource::Memory(_) => None,
        };
        let rung = wait::until_readable(device, alarm.fd(), deadline.map(|at| at - now));
        alarm.awake();
        if rung? {
            alarm.silence();
        }
        Ok(())
    }

    /// Runs `main`, and every task it starts, on this thread until `main` ends.
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
        loop {
            let mut done = None;
            self.turn(|| {
                runner.run_some();
                if main.is_finished()
                    && let Poll::Ready(value) =
                        core::pin::Pin::new(&mut main).poll(&mut Context::from_waker(Waker::noop()))
                {
                    done = Some(value);
                }
            })?;
            if let Some(value) = done {
                return Ok(value);
            }
            self.wait()?;
        }
    }

    /// Goes on without programs until every connection is finished, but not beyond `limit`; returns
    /// whether all were.
    ///
    /// # Errors
    /// The device is gone or broken.
    pub fn settle(&mut self, limit: Duration) -> io::Result<bool> {
        let end = self.shard.now() + limit;
        // The loop sleeps until then at most: an entry that nobody waits for is enough.
        let mut alarm = core::pin::pin!(self.shard.sleep_until(end));
        let _pending = alarm.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        loop {
            self.turn(|| {})?;
            if self.shard.lock().core.tcp().is_empty() {
                return Ok(true);
            }
            if self.shard.now() >= end {
                return Ok(false);
            }
            self.wait()?;
        }
    }
}

/// Records a packet and gives it to the device.
fn send<D: Device, R: Recorder>(
    device: &mut D,
    recorder: &mut R,
    counters: &mut Counters,
    now: Instant,
    packet: &PacketOut<'_>,
) {
    if recorder.level() == Level::Full {
        recorder.packet(&PacketRecord {
            at: now,
            id: packet.id,
            iface: packet.iface,
            direction: Direction::Out,
            bytes: packet.bytes,
            partial_checksum: packet.offload.checksum.map(|c| (c.start, c.offset)),
            gso_size: packet.offload.gso.map(|gso| gso.size),
            note: Some(packet.note),
            verdict: None,
            state: packet.state,
        });
    }
    let len = packet.bytes.iter().map(|piece| piece.len()).sum();
    let taken = device.transmit(packet.bytes, packet.offload).is_ok();
    counters.sent(len, taken);
    if !taken && recorder.level() != Level::Off {
        let lost = FactKind::Remark("the device refused a packet: it is lost");
        recorder.fact(now, &Fact::new(None, lost, Cause::None));
    }
}
