//! `outcrop router`.
//!
//! Job: join TUNs, each in this network or in a private one of its own, by a stack that passes packets on. Owns:
//! the driver and the networks. Does not know: how a packet is passed on.

use core::net::IpAddr;
use core::time::Duration;
use std::ffi::OsString;
use std::process::{Child, ExitStatus};
use std::thread;
use std::time::SystemTime;

use outcrop_base::{InterfaceId, Seed, WallClock};
use outcrop_device::kernel::{self, Interface};
use outcrop_device::namespace::Namespace;
use outcrop_device::{Clock, Device, Format, Tun};
use outcrop_stack::ip::{self, InterfaceConfig};
use outcrop_stack::{Config, Core, Driver, Shard};
use outcrop_testkit::emulated::Emulated;
use rustix::process::Pid;

use crate::cli;
use crate::command::run::{code_of, start};
use crate::failure::Failure;
use crate::host::seed;
use crate::port::{PortSpec, Way};
use crate::recording::Taps;
use crate::signals;
use crate::stop::word;

/// How long what waits in emulated links may take to leave after the end.
const LINGER: Duration = Duration::from_millis(100);

/// Passes packets on until the command has ended, or until Ctrl-C without one.
pub(crate) fn run(options: &cli::Router) -> Result<u8, Failure> {
    let clock = Clock::start();
    let seed = seed(options.seed)?;
    let links = links(options, &clock)?;
    let core = core(options, &links, &seed)?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let wall = WallClock::new(now.unwrap_or_default());
    let shard = Shard::new(core, clock.clone(), wall)
        .map_err(|error| Failure::new(format!("the stack: {error}")))?;
    let names = links.iter().map(|link| link.spec.name.0.as_str());
    let taps = Taps::begin(options, names, &seed, wall)?;
    let (places, devices) = split(links, options, (&clock, &seed))?;
    let mut devices = devices.into_iter();
    let first = devices.next();
    let first = first.ok_or_else(|| Failure::asked("no link: give --tun or --net"))?;
    let mut driver = Driver::new(shard, InterfaceId(0), first, taps);
    for (number, device) in (1..).zip(devices) {
        driver = driver.with_port(InterfaceId(number), device);
    }
    let status = drive(&mut driver, options, &places);
    let _drained = driver.settle(LINGER);
    let (_, taps, counters) = driver.into_parts();
    taps.finish()?;
    if options.stats {
        eprint!("{}", Passed(&counters));
    }
    status
}

/// A link of the router: its TUN, and the network at the other end if it is a private one.
struct Joined {
    spec: PortSpec,
    tun: Tun,
    namespace: Option<Namespace>,
}

fn links(options: &cli::Router, clock: &Clock) -> Result<Vec<Joined>, Failure> {
    let mut links = Vec::new();
    for spec in &options.tun {
        let name = Some(spec.name.0.as_str());
        let failed = |error: &dyn core::fmt::Display| Failure::new(error.to_string());
        let tun = Tun::open(name, Format::Plain, clock).map_err(|error| failed(&error))?;
        kernel::configure(&far_end(spec, false)).map_err(|error| failed(&error))?;
        let (spec, namespace) = (spec.clone(), None);
        links.push(Joined {
            spec,
            tun,
            namespace,
        });
    }
    for spec in &options.net {
        let made = Namespace::create(&[far_end(spec, true)], clock);
        let (namespace, tuns) = made.map_err(|error| Failure::new(error.to_string()))?;
        let tun = tuns.into_iter().next();
        let tun = tun.ok_or_else(|| Failure::new("the private network came without its TUN"))?;
        let (spec, namespace) = (spec.clone(), Some(namespace));
        links.push(Joined {
            spec,
            tun,
            namespace,
        });
    }
    Ok(links)
}

/// The kernel's end of a link: the first other address of each network; everything else lies behind us.
fn far_end(spec: &PortSpec, default: bool) -> Interface {
    let mut interface = Interface::new(&spec.name.0);
    interface.mtu = spec.mtu;
    for ours in &spec.addresses {
        let theirs = ours.neighbour();
        interface = interface.address(theirs.address, theirs.prefix);
        if default {
            let everywhere: IpAddr = match ours.address {
                IpAddr::V4(_) => [0, 0, 0, 0].into(),
                IpAddr::V6(_) => [0u16; 8].into(),
            };
            interface = interface.route(everywhere, 0, Some(ours.address));
        }
    }
    interface
}

fn core(options: &cli::Router, links: &[Joined], seed: &Seed) -> Result<Core, Failure> {
    let config = Config {
        ip: outcrop_ip::Config {
            forward: true,
            ..outcrop_ip::Config::default()
        },
        ..Config::default()
    };
    let mut core = Core::new(config, seed);
    for (number, link) in (0..).zip(links) {
        let mut addresses = Vec::new();
        for cidr in &link.spec.addresses {
            let address = ip::Cidr::new(cidr.address, cidr.prefix);
            addresses.push(address.map_err(|error| Failure::asked(format!("{cidr}: {error}")))?);
        }
        let interface = InterfaceConfig::tun(InterfaceId(number), link.spec.mtu, addresses);
        let bad = |error| Failure::asked(format!("{}: {error}", link.spec.name.0));
        core.add_interface(interface).map_err(bad)?;
    }
    for route in &options.route {
        let bad = |why: &dyn core::fmt::Display| Failure::asked(format!("{}: {why}", route.dest));
        match route.way {
            Way::Refused(how) => core.refuse_route(route.dest, how),
            Way::Via(via) => {
                let near = |link: &Joined| {
                    let mut nets = link.spec.addresses.iter();
                    nets.any(|net| {
                        ip::Cidr::new(net.address, net.prefix).is_ok_and(|net| net.contains(via))
                    })
                };
                let far = || bad(&format!("no link has the gateway {via}"));
                let number = (0..).zip(links).find(|(_, link)| near(link));
                let (number, _) = number.ok_or_else(far)?;
                core.add_route(route.dest, Some(via), InterfaceId(number))
                    .map_err(|error| bad(&error))?;
            }
        }
    }
    Ok(core)
}

/// A private network by its name.
type Place = (String, Namespace);

/// The devices, with emulated links before them if asked for, and the private networks.
fn split(
    links: Vec<Joined>,
    options: &cli::Router,
    (clock, seed): (&Clock, &Seed),
) -> Result<(Vec<Place>, Vec<Box<dyn Device>>), Failure> {
    let (mut places, mut devices) = (Vec::new(), Vec::<Box<dyn Device>>::new());
    for link in links {
        devices.push(match &options.link {
            None => Box::new(link.tun),
            Some(between) => {
                let seed = seed.split(&link.spec.name.0);
                let (out, back) = (between.clone(), between.clone());
                let link = Emulated::new(link.tun, out, back, clock, &seed);
                Box::new(link.map_err(|error| Failure::asked(format!("--link: {error}")))?)
            }
        });
        if let Some(namespace) = link.namespace {
            places.push((link.spec.name.0, namespace));
        }
    }
    Ok((places, devices))
}

/// Runs the scripts and the command, or waits to be stopped.
fn drive(
    driver: &mut Driver<Box<dyn Device>, Taps>,
    options: &cli::Router,
    places: &[Place],
) -> Result<u8, Failure> {
    let mut others = Vec::new();
    for at in &options.at {
        let place = places.iter().find(|(name, _)| *name == at.name);
        let (_, place) =
            place.ok_or_else(|| Failure::asked(format!("--at: no --net is called {}", at.name)))?;
        let shell: [OsString; 3] = ["sh".into(), "-c".into(), (&at.script).into()];
        others.push(start(Some(place), &shell, None)?);
    }
    let lost = |error| Failure::new(format!("the device is gone: {error}"));
    let done = if options.command.is_empty() {
        let stop = signals::stop()?;
        driver.run(|_| stop).map(|()| 0).map_err(lost)
    } else {
        let (_, place) = places
            .first()
            .ok_or_else(|| Failure::asked("a command needs a --net to run in"))?;
        let child = start(Some(place), &options.command, None)?;
        signals::pass_on_to(Pid::from_child(&child))?;
        let status = driver.run(|_| ended(child)).map_err(lost)?;
        status
            .map(code_of)
            .map_err(|error| Failure::new(format!("waiting for the command: {error}")))
    };
    for mut other in others {
        // They were there for the command, which has ended.
        let _gone = other.kill();
        let _status = other.wait();
    }
    done
}

/// The end of a child, as something a task can wait for.
fn ended(mut child: Child) -> impl Future<Output = std::io::Result<ExitStatus>> {
    let (tell, ended) = word();
    thread::spawn(move || tell.tell(child.wait()));
    ended
}

/// What a router has counted, as people read it.
struct Passed<'a>(&'a outcrop_stack::Counters);

impl core::fmt::Display for Passed<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let c = self.0;
        writeln!(
            f,
            "{:>10} packets in   {:>14} bytes",
            c.packets_in, c.bytes_in
        )?;
        writeln!(
            f,
            "{:>10} packets out  {:>14} bytes",
            c.packets_out, c.bytes_out
        )?;
        if c.lost_out > 0 {
            writeln!(f, "{:>10} packets a device refused", c.lost_out)?;
        }
        for (rule, count) in c.rules() {
            writeln!(f, "{count:>10} {rule}")?;
        }
        for (reason, count) in c.drops() {
            writeln!(f, "{count:>10} dropped: {reason}")?;
        }
        Ok(())
    }
}
