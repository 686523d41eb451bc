//! Two hosts and a link, in virtual time.
//!
//! Job: run whole stacks, their programs included, as fast as they compute and always the same way.
//! Owns: the clock, the link, the order in which things happen at one instant. Does not know: protocols.
//! Time moves only when nothing can happen any more at the present instant, and then to the next deadline.

use core::future::Future;
use core::net::{Ipv4Addr, Ipv6Addr};
use core::task::{Context, Waker};
use core::time::Duration;
use std::io::{self, IoSlice};

use outcrop_base::{DropReason, Instant, InterfaceId, Recorder, Seed, WallClock};
use outcrop_device::{Caps, Clock, Device, Offload, PairEnd, Pool, pair};
use outcrop_netem::{Config as LinkConfig, Duplex, Link, Packet};
use outcrop_stack::ip::{Cidr, ConfigError, InterfaceConfig};
use outcrop_stack::{Config, Core, Counters, Driver, Runner, Shard, Task, Tasks};

/// One of the two hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The first, by habit the client.
    Left,
    /// The second, by habit the server.
    Right,
}

/// A host to be.
pub struct HostSetup {
    /// Its addresses; everything else is reached over the link.
    pub addresses: Vec<Cidr>,
    /// Settings of its layers.
    pub config: Config,
    /// Who records what crosses its device.
    pub recorder: Box<dyn Recorder>,
}

impl HostSetup {
    /// A host with these addresses, default settings, and nobody recording.
    #[must_use]
    pub fn new(addresses: Vec<Cidr>) -> Self {
        Self {
            addresses,
            config: Config::default(),
            recorder: Box::new(()),
        }
    }
}

impl core::fmt::Debug for HostSetup {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("HostSetup")
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}

/// A packet that the link lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// When it was sent.
    pub at: Instant,
    /// By whom.
    pub from: Side,
    /// Its number in that direction, from 1.
    pub number: u64,
    /// Why.
    pub reason: DropReason,
}

/// Two hosts joined by a link.
pub struct World {
    clock: Clock,
    left: Host,
    right: Host,
    link: Duplex,
    losses: Vec<Loss>,
    /// What arrived, if somebody asked: to the left, to the right.
    arrivals: Option<[Vec<u64>; 2]>,
}

struct Host {
    driver: Driver<PairEnd, Box<dyn Recorder>>,
    runner: Runner,
    /// The link's end of the cable.
    cable: PairEnd,
}

const IFACE: InterfaceId = InterfaceId(0);
/// The MTU of both devices.
const MTU: u32 = 1500;

impl World {
    /// Two hosts, and a link that treats packets from the left by `wires.0`, from the right by `wires.1`.
    ///
    /// # Errors
    /// An address no host can have, or no descriptor to be had.
    pub fn new(
        left: HostSetup,
        right: HostSetup,
        wires: (LinkConfig, LinkConfig),
        seed: &Seed,
        wall: WallClock,
    ) -> io::Result<Self> {
        let clock = Clock::manual();
        Ok(Self {
            left: Host::new(left, &clock, &seed.split("left"), wall)?,
            right: Host::new(right, &clock, &seed.split("right"), wall)?,
            link: Duplex::new(wires.0, wires.1, seed),
            losses: Vec::new(),
            arrivals: None,
            clock,
        })
    }

    /// The present.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// The stack of one host, for calls and sockets.
    #[must_use]
    pub const fn shard(&self, side: Side) -> &Shard {
        self.host(side).driver.shard()
    }

    /// Starts a program on a host. It runs while the world does.
    pub fn spawn<T, F>(&self, side: Side, program: impl FnOnce(Shard, Tasks) -> F) -> Task<T>
    where
        T: 'static,
        F: Future<Output = T> + 'static,
    {
        let host = self.host(side);
        let tasks = host.runner.tasks();
        let program = program(host.driver.shard().clone(), tasks.clone());
        tasks.spawn(program)
    }

    /// The link from this side to the other.
    pub const fn link(&mut self, from: Side) -> &mut Link {
        match from {
            Side::Left => &mut self.link.forward,
            Side::Right => &mut self.link.backward,
        }
    }

    /// What the link lost so far.
    #[must_use]
    pub fn losses(&self) -> &[Loss] {
        &self.losses
    }

    /// From now on remembers which packet arrived when, eight bytes each.
    pub fn trace_arrivals(&mut self) {
        self.arrivals.get_or_insert_default();
    }

    /// The numbers of the packets that arrived at a host, in order of arrival, since [`World::trace_arrivals`]. One that
    /// arrived twice is there twice.
    #[must_use]
    pub fn arrivals(&self, at: Side) -> &[u64] {
        match (&self.arrivals, at) {
            (None, _) => &[],
            (Some([left, _]), Side::Left) => left,
            (Some([_, right]), Side::Right) => right,
        }
    }

    /// What crossed a host's device.
    #[must_use]
    pub const fn counters(&self, side: Side) -> &Counters {
        self.host(side).driver.counters()
    }

    /// Takes a host's recorder, to be finished. Nothing is recorded there afterwards.
    pub fn take_recorder(&mut self, side: Side) -> Box<dyn Recorder> {
        let host = match side {
            Side::Left => &mut self.left,
            Side::Right => &mut self.right,
        };
        core::mem::replace(host.driver.recorder(), Box::new(()))
    }

    /// Runs until nothing is left to happen, or `span` has passed; returns whether nothing is left.
    ///
    /// # Errors
    /// Devices in memory do not fail; whatever a driver says.
    pub fn run(&mut self, span: Duration) -> io::Result<bool> {
        self.run_while(span, |_| true)
    }

    /// Runs while `go_on` says so, but no longer than `span`; returns whether nothing is left to happen.
    ///
    /// # Errors
    /// Devices in memory do not fail; whatever a driver says.
    pub fn run_while(
        &mut self,
        span: Duration,
        mut go_on: impl FnMut(&Self) -> bool,
    ) -> io::Result<bool> {
        let end = self.now() + span;
        loop {
            self.run_instant()?;
            if !go_on(self) {
                return Ok(false);
            }
            match self.next() {
                None => return Ok(true),
                Some(next) if next > end => {
                    self.clock.set(end);
                    return Ok(false);
                }
                // A deadline in the past is a spurious one: time must move all the same.
                Some(next) => self
                    .clock
                    .set(next.max(self.now() + Duration::from_nanos(1))),
            }
        }
    }

    /// Everything that can happen without time passing.
    fn run_instant(&mut self) -> io::Result<()> {
        loop {
            self.left.turn_until_quiet()?;
            self.right.turn_until_quiet()?;
            if !self.carry()? {
                return Ok(());
            }
        }
    }

    /// Moves packets from devices to the link and from the link to devices; returns whether any moved.
    fn carry(&mut self) -> io::Result<bool> {
        let now = self.now();
        let mut moved = false;
        let directions = [
            (Side::Left, &mut self.left, &mut self.link.forward),
            (Side::Right, &mut self.right, &mut self.link.backward),
        ];
        for (from, host, link) in directions {
            for bytes in host.sent()? {
                moved = true;
                let tag = link.count() + 1;
                let verdict = link.handle_packet(now, Packet { bytes, tag });
                if let Some(reason) = verdict.drop_reason() {
                    let number = link.count();
                    self.losses.push(Loss {
                        at: now,
                        from,
                        number,
                        reason,
                    });
                }
            }
        }
        let mut told = self.arrivals.as_mut();
        let arrivals = [
            (Side::Right, &mut self.link.forward, &mut self.right),
            (Side::Left, &mut self.link.backward, &mut self.left),
        ];
        for (to, link, host) in arrivals {
            while host.cable.room()
                && let Some(packet) = link.poll_transmit(now)
            {
                moved = true;
                if let Some([left, right]) = told.as_deref_mut() {
                    match to {
                        Side::Left => left.push(packet.tag),
                        Side::Right => right.push(packet.tag),
                    }
                }
                let bytes = IoSlice::new(&packet.bytes);
                host.cable.transmit(&[bytes], Offload::default())?;
            }
        }
        Ok(moved)
    }

    fn next(&self) -> Option<Instant> {
        let deadlines = [
            self.left.driver.deadline(),
            self.right.driver.deadline(),
            self.link.poll_timeout(),
        ];
        deadlines.into_iter().flatten().min()
    }

    const fn host(&self, side: Side) -> &Host {
        match side {
            Side::Left => &self.left,
            Side::Right => &self.right,
        }
    }
}

impl core::fmt::Debug for World {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("World")
            .field("now", &self.now())
            .field("losses", &self.losses)
            .finish_non_exhaustive()
    }
}

impl Host {
    fn new(setup: HostSetup, clock: &Clock, seed: &Seed, wall: WallClock) -> io::Result<Self> {
        let mut core = Core::new(setup.config, seed);
        attach(&mut core, setup.addresses).map_err(io::Error::other)?;
        let (end, cable) = pair(Caps::plain(MTU), clock);
        let shard = Shard::new(core, clock.clone(), wall)?;
        let runner = Runner::new(&shard);
        Ok(Self {
            driver: Driver::new(shard, IFACE, end, setup.recorder),
            runner,
            cable,
        })
    }

    /// Turns until nobody has anything to do before the next deadline.
    fn turn_until_quiet(&mut self) -> io::Result<()> {
        loop {
            let runner = &mut self.runner;
            self.driver.turn(|| runner.run_until_stalled())?;
            let mut context = Context::from_waker(Waker::noop());
            if self.driver.poll_asked(&mut context).is_pending() {
                return Ok(());
            }
        }
    }

    /// What the host has sent since last asked.
    fn sent(&mut self) -> io::Result<Vec<bytes::Bytes>> {
        let mut received = Vec::new();
        let mut pool = Pool::new();
        let _dry = self.cable.receive(&mut pool, &mut received, usize::MAX)?;
        Ok(received.into_iter().map(|packet| packet.bytes).collect())
    }
}

/// Gives a host its interface, and routes everything of its families over it.
fn attach(core: &mut Core, addresses: Vec<Cidr>) -> Result<(), ConfigError> {
    let everything = [
        Cidr::new(Ipv4Addr::UNSPECIFIED.into(), 0),
        Cidr::new(Ipv6Addr::UNSPECIFIED.into(), 0),
    ];
    core.add_interface(InterfaceConfig::tun(IFACE, MTU, addresses))?;
    for all in everything.into_iter().flatten() {
        core.add_route(all, None, IFACE)?;
    }
    Ok(())
}
