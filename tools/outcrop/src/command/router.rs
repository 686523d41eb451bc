//! `outcrop router`.
//!
//! Job: join TUNs and TAPs, each in this network or in a private one of its own, by a stack that passes packets on. Owns:
//! the driver and the networks. Does not know: how a packet is passed on.

use core::net::IpAddr;
use core::time::Duration;
use std::ffi::OsString;
use std::process::{Child, ExitStatus};
use std::thread;
use std::time::SystemTime;

use outcrop_base::{Instant, InterfaceId, Level, Seed, WallClock};
use outcrop_capture::Section;
use outcrop_device::kernel::Interface;
use outcrop_device::namespace::Namespace;
use outcrop_device::{Clock, Device};
use outcrop_stack::ethernet::{self, MacAddr};
use outcrop_stack::ip::{self, AutoConfig, ConfigError, InterfaceConfig, Lease};
use outcrop_stack::{Config, Core, Driver, Shard};
use outcrop_testkit::emulated::Emulated;
use rustix::process::Pid;

use crate::cli;
use crate::command::run::{Known, code_of, start};
use crate::control::Control;
use crate::failure::Failure;
use crate::host::seed;
use crate::joined::{self, Joined};
use crate::port::{AtSpec, GroupSpec, PortSpec, RouteSpec, Way};
use crate::recording::{Taps, hex};
use crate::report::Passed;
use crate::signals;
use crate::stop::word;
use crate::values::DeviceName;

/// How long what waits in emulated links may take to leave after the end.
const LINGER: Duration = Duration::from_millis(100);

/// Passes packets on until the command has ended, or until Ctrl-C without one.
pub(crate) fn run(options: &cli::Router) -> Result<u8, Failure> {
    let clock = Clock::start();
    let seed = seed(options.seed)?;
    let taps = options.tap.iter().map(PortSpec::as_tap);
    let here = options.tun.iter().cloned().chain(taps);
    let far_end = |spec: &PortSpec, private| far_end(options, spec, private);
    let links = joined::open(here, &options.net, &far_end, &clock)?;
    let core = core(options, &links, &seed)?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let wall = WallClock::new(now.unwrap_or_default());
    let shard = Shard::new(core, clock.clone(), wall)
        .map_err(|error| Failure::new(format!("the stack: {error}")))?;
    let names = links.iter();
    let names = names.map(|link| (link.spec.name.0.as_str(), link.tun.caps().medium));
    let asked = (
        options.capture.as_deref(),
        Level::from(options.capture_level),
    );
    let section = Section::new().with("seed", &hex(&seed));
    let taps = Taps::begin(asked, names, &section.with("command", "router"), wall)?;
    let names = (0..).map(InterfaceId).zip(&links);
    let names = names.map(|(id, link)| (id, link.spec.name.0.clone()));
    let control = Control::start(
        options.control.as_deref(),
        vec![shard.clone()],
        names.collect(),
    )?;
    let (places, devices) = split(links, options, (&clock, &seed))?;
    let mut devices = devices.into_iter();
    let first = devices.next();
    let first = first.ok_or_else(|| Failure::asked("no link: give --net, --tun or --tap"))?;
    let mut driver = Driver::new(shard, InterfaceId(0), first, taps);
    for (number, device) in (1..).zip(devices) {
        driver = driver.with_port(InterfaceId(number), device);
    }
    let status = drive(&mut driver, options, &places, control.as_ref());
    drop(control);
    // Hosts shall not wait for a router that has gone.
    driver.shard().call(Core::cease_advertising);
    let _drained = driver.settle(LINGER);
    let (_, taps, counters) = driver.into_parts();
    taps.finish()?;
    if options.stats {
        eprint!("{}", Passed(&counters));
    }
    status
}

/// The kernel's end of a link: the first other address of each network; everything else lies behind us. Where we
/// advertise, it has no IPv6 address but what it makes of that.
fn far_end(options: &cli::Router, spec: &PortSpec, default: bool) -> Interface {
    let mut interface = joined::plain_end(spec);
    let advertised = options.advertise.iter().any(|one| one.name == spec.name);
    for ours in &spec.addresses {
        if advertised && ours.address.is_ipv6() {
            continue;
        }
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
            strict_source: options.strict_source,
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
        if link.spec.tap {
            let all_groups = !options.multicast.is_empty();
            ethernet(&mut core, link, interface, (seed, all_groups)).map_err(bad)?;
        } else {
            core.add_interface(interface).map_err(bad)?;
        }
    }
    advertise(&mut core, options, links)?;
    for route in &options.route {
        add_route(&mut core, route, links)?;
    }
    for spec in &options.multicast {
        route_groups(&mut core, spec, links)?;
    }
    Ok(core)
}

fn add_route(core: &mut Core, route: &RouteSpec, links: &[Joined]) -> Result<(), Failure> {
    let dest = route.dest;
    let bad = |why: &dyn core::fmt::Display| Failure::asked(format!("{dest}: {why}"));
    let (via, scope) = match &route.way {
        Way::Refused(how) => {
            core.refuse_route(dest, *how);
            return Ok(());
        }
        Way::Via(via, scope) => (*via, scope),
    };
    let near =
        |link: &Joined| match scope {
            Some(name) => link.spec.name == *name,
            None => link.spec.addresses.iter().any(|net| {
                ip::Cidr::new(net.address, net.prefix).is_ok_and(|net| net.contains(via))
            }),
        };
    let far = || bad(&format!("no link has the gateway {via}"));
    let number = (0..).zip(links).find(|(_, link)| near(link));
    let (number, _) = number.ok_or_else(far)?;
    core.add_route(dest, Some(via), InterfaceId(number))
        .map_err(|error| bad(&error))
}

fn route_groups(core: &mut Core, spec: &GroupSpec, links: &[Joined]) -> Result<(), Failure> {
    let bad = |why: &dyn core::fmt::Display| {
        Failure::asked(format!("--multicast: {}: {why}", spec.groups))
    };
    let number = |name: &DeviceName| {
        let mut all = (0..).zip(links);
        let found = all.find(|(_, link)| link.spec.name == *name);
        let (number, _) = found.ok_or_else(|| bad(&format!("no link is called {}", name.0)))?;
        Ok(InterfaceId(number))
    };
    let to: Result<Vec<_>, Failure> = spec.to.iter().map(number).collect();
    core.route_groups(spec.groups, number(&spec.from)?, to?)
        .map_err(|error| bad(&error))
}

/// A link with neighbours. In a private network nobody else can have an address of ours; elsewhere the link is asked.
fn ethernet(
    core: &mut Core,
    link: &Joined,
    mut interface: InterfaceConfig,
    (seed, all_groups): (&Seed, bool),
) -> Result<(), ConfigError> {
    let (iface, now) = (interface.id, Instant::ZERO);
    let addresses = core::mem::take(&mut interface.addresses);
    let mac = MacAddr::generate(seed, &link.spec.name.0);
    let mut config = ethernet::Config::new(mac);
    if all_groups {
        config.filter = ethernet::Filter::AllGroups;
    }
    core.add_ethernet(interface, config)?;
    let lease = Lease {
        check: link.namespace.is_none(),
        ..Lease::FOREVER
    };
    for address in addresses {
        core.assign(now, iface, address, lease)?;
    }
    let config = AutoConfig {
        routers: false,
        temporary: false,
    };
    core.autoconfigure(now, iface, config)
}

/// Begins to speak where that was asked for.
fn advertise(core: &mut Core, options: &cli::Router, links: &[Joined]) -> Result<(), Failure> {
    for spec in &options.advertise {
        let name = &spec.name.0;
        let bad =
            |why: &dyn core::fmt::Display| Failure::asked(format!("--advertise: {name}: {why}"));
        let mut all = (0..).zip(links);
        let found = all.find(|(_, link)| link.spec.name == spec.name);
        let (number, link) = found.ok_or_else(|| bad(&"no link has that name"))?;
        let mut config = spec.config.clone();
        let speaks_v6 = link
            .spec
            .addresses
            .iter()
            .any(|cidr| cidr.address.is_ipv6());
        config.mtu = speaks_v6.then_some(link.spec.mtu);
        core.advertise_on(Instant::ZERO, InterfaceId(number), config)
            .map_err(|error| bad(&error))?;
    }
    Ok(())
}

/// A private network by its name.
pub(super) type Place = (String, Namespace);
/// One a link, in the order of their numbers.
type Devices = Vec<Box<dyn Device>>;

/// The devices, with emulated links before them if asked for, and the private networks.
fn split(
    links: Vec<Joined>,
    options: &cli::Router,
    (clock, seed): (&Clock, &Seed),
) -> Result<(Vec<Place>, Devices), Failure> {
    let (mut places, mut devices) = (Vec::new(), Devices::new());
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
    control: Option<&Control>,
) -> Result<u8, Failure> {
    let known = Known {
        https: None,
        control: control.map(Control::path),
    };
    let others = beside(&options.at, places, known)?;
    let lost = |error| Failure::new(format!("the device is gone: {error}"));
    let done = if options.command.is_empty() {
        let stop = signals::stop()?;
        driver.run(|_| stop).map(|()| 0).map_err(lost)
    } else {
        let (_, place) = places
            .first()
            .ok_or_else(|| Failure::asked("a command needs a --net to run in"))?;
        let child = start(Some(place), &options.command, known)?;
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

/// Starts the scripts of private networks.
pub(super) fn beside(
    scripts: &[AtSpec],
    places: &[Place],
    known: Known<'_>,
) -> Result<Vec<Child>, Failure> {
    let mut others = Vec::new();
    for at in scripts {
        let place = places.iter().find(|(name, _)| *name == at.name);
        let (_, place) =
            place.ok_or_else(|| Failure::asked(format!("--at: no --net is called {}", at.name)))?;
        let shell: [OsString; 3] = ["sh".into(), "-c".into(), (&at.script).into()];
        others.push(start(Some(place), &shell, known)?);
    }
    Ok(others)
}

/// The end of a child, as something a task can wait for.
pub(super) fn ended(mut child: Child) -> impl Future<Output = std::io::Result<ExitStatus>> {
    let (tell, ended) = word();
    thread::spawn(move || tell.tell(child.wait()));
    ended
}
