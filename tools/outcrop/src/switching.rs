//! A switch at work.
//!
//! Job: read frames from every port, ask where each goes, write it there. Owns: the devices, the loop. Does not know: who
//! is where; the engine does.

use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::io::{self, IoSlice, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::task::Wake;

use outcrop_base::{
    Cause, Direction, Instant, InterfaceId, Level, Limit, Note, PacketId, PacketRecord, Recorder,
    Why,
};
use outcrop_device::{Clock, Device, Dry, Offload, Pool, Received, WakeSource};
use outcrop_stack::Counters;
use outcrop_stack::ethernet::{Port, Switch};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// Frames read from one port before the next has its turn.
const BATCH: usize = 64;

/// The engine, its ports, and what is written down.
pub(crate) struct Switching<R> {
    switch: Switch,
    ports: Vec<Box<dyn Device>>,
    clock: Clock,
    recorder: R,
    pub(crate) counters: Counters,
    pool: Pool,
    last_id: u64,
}

impl<R: Recorder> Switching<R> {
    pub(crate) fn new(
        switch: Switch,
        ports: Vec<Box<dyn Device>>,
        clock: Clock,
        recorder: R,
    ) -> Self {
        Self {
            switch,
            ports,
            clock,
            recorder,
            counters: Counters::default(),
            pool: Pool::new(),
            last_id: 0,
        }
    }

    /// Switches until `over`.
    pub(crate) fn run<T>(&mut self, over: impl Future<Output = T>) -> io::Result<T> {
        let (bell, ring) = UnixStream::pair()?;
        bell.set_nonblocking(true)?;
        ring.set_nonblocking(true)?;
        let waker = Waker::from(Arc::new(Ring(ring)));
        let mut over = pin!(over);
        loop {
            // Heard before it is asked: a ring in between is another wake.
            let _heard = { &bell }.read(&mut [0; 64]);
            if let Poll::Ready(done) = over.as_mut().poll(&mut Context::from_waker(&waker)) {
                return Ok(done);
            }
            if !self.turn()? {
                self.wait(&bell)?;
            }
        }
    }

    /// The engine, and what was written down.
    pub(crate) fn into_parts(self) -> (Switch, R, Counters) {
        (self.switch, self.recorder, self.counters)
    }

    /// A batch of each port; whether there may be more.
    pub(crate) fn turn(&mut self) -> io::Result<bool> {
        self.switch.handle_timeout(self.clock.now());
        let mut more = false;
        for number in 0..self.ports.len() {
            let mut frames = Vec::new();
            if let Some(port) = self.ports.get_mut(number) {
                more |= port.receive(&mut self.pool, &mut frames, BATCH)? == Dry::No;
            }
            for frame in frames {
                self.forward(number, &frame);
            }
        }
        self.counters.turns += 1;
        Ok(more)
    }

    fn forward(&mut self, from: usize, frame: &Received) {
        let Received { at, ref bytes, .. } = *frame;
        let port = Port(u8::try_from(from).unwrap_or(u8::MAX));
        let forward = self.switch.handle_frame(at, port, bytes);
        self.counters.received(bytes.len(), &forward.verdict);
        let id = self.next_id();
        let pieces = [IoSlice::new(bytes)];
        let full = self.recorder.level() == Level::Full;
        let record = PacketRecord {
            at,
            id,
            iface: interface(from),
            direction: Direction::In,
            bytes: &pieces,
            partial_checksum: None,
            gso_size: None,
            note: None,
            verdict: Some(forward.verdict),
            state: &(),
        };
        if full {
            self.recorder.packet(&record);
        }
        for to in forward.to.iter().map(|port| usize::from(port.0)) {
            let Some(device) = self.ports.get_mut(to) else {
                continue;
            };
            let sent = device.room() && device.transmit(&pieces, Offload::default()).is_ok();
            self.counters.sent(bytes.len(), sent);
            if full && sent {
                let note = Note::new(Why::Forwarded, Limit::None, Cause::Packet(id));
                let id = self.next_id();
                self.recorder.packet(&PacketRecord {
                    id,
                    iface: interface(to),
                    direction: Direction::Out,
                    note: Some(note),
                    verdict: None,
                    ..record
                });
            }
        }
    }

    const fn next_id(&mut self) -> PacketId {
        self.last_id += 1;
        PacketId(self.last_id)
    }

    /// Sleeps until a port has something, the bell rings, or a station is to be forgotten.
    fn wait(&self, bell: &UnixStream) -> io::Result<()> {
        let ports = self
            .ports
            .iter()
            .filter_map(|port| match port.wake_source() {
                WakeSource::Fd(fd) => Some(fd),
                WakeSource::Memory(_) => None,
            });
        let fds = core::iter::once(bell.as_fd()).chain(ports);
        let mut fds: Vec<_> = fds
            .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
            .collect();
        let now = self.clock.now();
        let limit = self.switch.poll_timeout().map(|at| timespec(now, at));
        match poll(&mut fds, limit.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn timespec(now: Instant, at: Instant) -> Timespec {
    let left: Duration = at.saturating_since(now);
    Timespec {
        tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(left.subsec_nanos()),
    }
}

fn interface(port: usize) -> InterfaceId {
    InterfaceId(u16::try_from(port).unwrap_or(u16::MAX))
}

/// Ends the sleep.
#[derive(Debug)]
struct Ring(UnixStream);

impl Wake for Ring {
    fn wake(self: Arc<Self>) {
        // A full bell has rung already.
        let _rung = { &self.0 }.write(&[1]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use core::future::ready;
    use outcrop_device::{Caps, Medium, PairEnd, pair};
    use outcrop_stack::ethernet::SwitchConfig;

    /// A frame of ours that says a number.
    fn frame(dst: u8, src: u8, number: u8) -> Vec<u8> {
        let station = |last| [2, 0, 0, 0, 0, last];
        let mut bytes = station(dst).to_vec();
        bytes.extend(station(src));
        bytes.extend([0x88, 0xb5, number]);
        bytes
    }

    fn lan(hub: bool) -> (Switching<()>, Vec<PairEnd>, Clock) {
        let clock = Clock::start();
        let caps = Caps {
            medium: Medium::Ethernet,
            ..Caps::plain(1500)
        };
        let (mut ports, mut stations) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            let (port, station) = pair(caps, &clock);
            ports.push(Box::new(port) as Box<dyn Device>);
            stations.push(station);
        }
        let config = SwitchConfig {
            ports: 3,
            hub,
            ..SwitchConfig::default()
        };
        let switching = Switching::new(Switch::new(config), ports, clock.clone(), ());
        (switching, stations, clock)
    }

    /// What a station has received: the numbers.
    fn heard(station: &mut PairEnd) -> Vec<u8> {
        let (mut pool, mut out) = (Pool::new(), Vec::new());
        let _dry = station.receive(&mut pool, &mut out, 64).unwrap();
        out.iter().map(|frame| frame.bytes[14]).collect()
    }

    fn say(lan: &mut (Switching<()>, Vec<PairEnd>, Clock), from: usize, bytes: &[u8]) {
        let pieces = [IoSlice::new(bytes)];
        lan.1[from].transmit(&pieces, Offload::default()).unwrap();
        assert!(!lan.0.turn().unwrap());
    }

    #[test]
    fn a_frame_to_a_known_station_goes_to_its_port_alone_and_a_hub_sends_it_everywhere() {
        for (hub, third) in [(false, vec![1]), (true, vec![1, 2, 3])] {
            let mut lan = lan(hub);
            // Nobody is known; then both are.
            say(&mut lan, 0, &frame(2, 1, 1));
            say(&mut lan, 1, &frame(1, 2, 2));
            say(&mut lan, 0, &frame(2, 1, 3));
            assert_eq!(heard(&mut lan.1[1]), [1, 3]);
            assert_eq!(heard(&mut lan.1[0]), [2]);
            assert_eq!(heard(&mut lan.1[2]), third, "hub: {hub}");
            assert_eq!(lan.0.counters.packets_in, 3);
        }
    }

    #[test]
    fn what_is_over_ends_the_loop() {
        let (mut switching, _stations, _clock) = lan(false);
        assert_eq!(switching.run(ready(7)).unwrap(), 7);
    }
}
