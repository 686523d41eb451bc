//! Two hosts, each with its driver and its tasks, joined by memory, on one thread.
#![allow(dead_code, unreachable_pub, reason = "each test program uses its part")]

pub mod tape;

use core::cell::RefCell;
use core::future::Future;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::rc::Rc;

use outcrop_base::{Instant, InterfaceId, Recorder, Seed, WallClock};
use outcrop_device::{Caps, Clock, Device, PairEnd, pair};
use outcrop_stack::ip::{Cidr, InterfaceConfig};
use outcrop_stack::{Config, Core, Driver, Runner, Shard};
use tape::Tape;

pub const IFACE: InterfaceId = InterfaceId(0);

pub fn v4(last: u8) -> IpAddr {
    IpAddr::from([10, 77, 0, last])
}

pub fn v6(last: u8) -> IpAddr {
    IpAddr::from([0xfd77, 0, 0, 0, 0, 0, 0, u16::from(last)])
}

pub fn sock(last: u8, port: u16) -> SocketAddr {
    SocketAddr::new(v4(last), port)
}

/// The driver of a host at 10.77.0.`last` and fd77::`last`.
pub fn driver<D: Device>(last: u8, device: D, clock: &Clock) -> Driver<D> {
    recorded(last, device, clock, ())
}

/// The same, with somebody who records what crosses its device.
pub fn recorded<D: Device, R: Recorder>(
    last: u8,
    device: D,
    clock: &Clock,
    recorder: R,
) -> Driver<D, R> {
    let mut core = Core::new(Config::default(), &Seed::from_number(u64::from(last)));
    let addresses = vec![
        Cidr::new(v4(last), 24).unwrap(),
        Cidr::new(v6(last), 64).unwrap(),
    ];
    core.add_interface(InterfaceConfig::tun(IFACE, 1500, addresses))
        .unwrap();
    let shard = Shard::new(core, clock.clone(), WallClock::new(Duration::ZERO)).unwrap();
    Driver::new(shard, IFACE, device, recorder)
}

/// Hosts 1 and 2 of one memory pair.
pub fn drivers(clock: &Clock) -> [Driver<PairEnd>; 2] {
    let (a, b) = pair(Caps::plain(1500), clock);
    [driver(1, a, clock), driver(2, b, clock)]
}

struct Host {
    driver: Driver<PairEnd, Tape>,
    runner: Runner,
    /// Whether it stands still: what is sent to it is lost to the world.
    frozen: bool,
}

/// Hosts 1 and 2 in virtual time.
pub struct World {
    clock: Clock,
    hosts: [Host; 2],
    /// What left the two devices.
    pub tape: Tape,
}

impl World {
    pub fn new() -> Self {
        let (clock, tape) = (Clock::manual(), Tape::default());
        let (a, b) = pair(Caps::plain(1500), &clock);
        let hosts = [(1, a), (2, b)].map(|(last, device)| {
            let driver = recorded(last, device, &clock, tape.clone());
            Host {
                runner: Runner::new(driver.shard()),
                driver,
                frozen: false,
            }
        });
        Self { clock, hosts, tape }
    }

    /// Host `last` does nothing any more, as if its cable were cut.
    pub fn freeze(&mut self, last: usize) {
        self.hosts[last - 1].frozen = true;
    }

    /// Host 1 or 2.
    pub fn shard(&self, last: usize) -> Shard {
        self.hosts[last - 1].driver.shard().clone()
    }

    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Runs a task on host `last` to its end, and everything else meanwhile.
    pub fn run<T: 'static>(&mut self, last: usize, future: impl Future<Output = T> + 'static) -> T {
        let done = Rc::new(RefCell::new(None));
        let result = Rc::clone(&done);
        self.spawn(last, async move {
            let value = future.await;
            *result.borrow_mut() = Some(value);
        });
        self.run_until(|| done.borrow().is_some());
        done.take().unwrap()
    }

    /// Starts a task on host `last`.
    pub fn spawn(&self, last: usize, future: impl Future<Output = ()> + 'static) {
        self.hosts[last - 1].runner.tasks().spawn(future).detach();
    }

    /// Lets time pass until `done`. Time moves only when nobody has anything to do.
    pub fn run_until(&mut self, done: impl Fn() -> bool) {
        while !done() {
            if self.turn() || done() {
                continue;
            }
            let awake = self.hosts.iter().filter(|host| !host.frozen);
            let deadlines = awake.filter_map(|host| host.driver.deadline());
            let next = deadlines.min().expect("everybody waits for ever");
            assert!(
                next < Instant::from_secs(24 * 3600),
                "a day has passed and it is not done"
            );
            self.clock.set(next);
        }
    }

    /// Lets `span` pass.
    pub fn pass(&mut self, span: Duration) {
        let awake = if self.hosts[0].frozen { 2 } else { 1 };
        let shard = self.shard(awake);
        let until = self.now() + span;
        self.run(awake, async move { shard.sleep_until(until).await });
    }

    /// Turns every host until a round moves nothing; returns whether anything moved.
    fn turn(&mut self) -> bool {
        let before = self.moved();
        for _ in 0..2 {
            for host in self.hosts.iter_mut().filter(|host| !host.frozen) {
                host.driver
                    .turn(|| host.runner.run_until_stalled())
                    .unwrap();
            }
        }
        before != self.moved()
    }

    fn moved(&self) -> u64 {
        let counters = self.hosts.iter().map(|host| host.driver.counters());
        counters.map(|c| c.packets_in + c.packets_out).sum()
    }
}
