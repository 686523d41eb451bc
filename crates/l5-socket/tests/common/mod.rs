//! Two hosts, each with its driver and its tasks, joined by memory, on one thread.
#![allow(dead_code, unreachable_pub, reason = "each test program uses its part")]

use core::cell::RefCell;
use core::future::Future;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::rc::Rc;

use outcrop_base::{Instant, InterfaceId, Seed, WallClock};
use outcrop_device::{Caps, Clock, Device, PairEnd, pair};
use outcrop_stack::ip::{Cidr, InterfaceConfig};
use outcrop_stack::{Config, Core, Driver, Runner, Shard};

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
    let mut core = Core::new(Config::default(), &Seed::from_number(u64::from(last)));
    let addresses = vec![
        Cidr::new(v4(last), 24).unwrap(),
        Cidr::new(v6(last), 64).unwrap(),
    ];
    core.add_interface(InterfaceConfig::tun(IFACE, 1500, addresses))
        .unwrap();
    let shard = Shard::new(core, clock.clone(), WallClock::new(Duration::ZERO)).unwrap();
    Driver::new(shard, IFACE, device, ())
}

/// Hosts 1 and 2 of one memory pair.
pub fn drivers(clock: &Clock) -> [Driver<PairEnd>; 2] {
    let (a, b) = pair(Caps::plain(1500), clock);
    [driver(1, a, clock), driver(2, b, clock)]
}

struct Host {
    driver: Driver<PairEnd>,
    runner: Runner,
}

/// Hosts 1 and 2 in virtual time.
pub struct World {
    clock: Clock,
    hosts: [Host; 2],
}

impl World {
    pub fn new() -> Self {
        let clock = Clock::manual();
        let hosts = drivers(&clock).map(|driver| Host {
            runner: Runner::new(driver.shard()),
            driver,
        });
        Self { clock, hosts }
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
            let deadlines = self.hosts.iter().filter_map(|host| host.driver.deadline());
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
        let shard = self.shard(1);
        let until = self.now() + span;
        self.run(1, async move { shard.sleep_until(until).await });
    }

    /// Turns every host until a round moves nothing; returns whether anything moved.
    fn turn(&mut self) -> bool {
        let before = self.moved();
        for _ in 0..2 {
            for host in &mut self.hosts {
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
