//! `outcrop switch`.
//!
//! Job: join TAPs, each in this network or in a private one of its own, by a learning switch. Owns: the networks. Does
//! not know: who is where.

use core::time::Duration;
use std::time::SystemTime;

use outcrop_base::{Level, WallClock};
use outcrop_capture::Section;
use outcrop_device::kernel::Interface;
use outcrop_device::{Clock, Device};
use outcrop_stack::ethernet;

use crate::cli;
use crate::command::router::{Place, beside, ended};
use crate::command::run::{Known, code_of, start};
use crate::failure::Failure;
use crate::joined;
use crate::port::PortSpec;
use crate::recording::Taps;
use crate::report::Passed;
use crate::signals;
use crate::switching::Switching;

/// Ports of the engine.
const MAX_PORTS: usize = 64;

/// Switches until the command has ended, or until Ctrl-C without one.
pub(crate) fn run(options: &cli::Switch) -> Result<u8, Failure> {
    let count = options.net.len() + options.tap.len();
    let ports = u8::try_from(count).ok().filter(|_| count <= MAX_PORTS);
    let ports = ports.ok_or_else(|| Failure::asked("a switch has 64 ports at most"))?;
    if ports == 0 {
        return Err(Failure::asked("no port: give --tap or --net"));
    }
    let clock = Clock::start();
    let links = joined::open(options.tap.iter().cloned(), &options.net, &far_end, &clock)?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let wall = WallClock::new(now.unwrap_or_default());
    let section = Section::new().with("command", "switch");
    let names = links.iter();
    let names = names.map(|link| (link.spec.name.0.as_str(), link.tun.caps().medium));
    let asked = (options.capture.as_deref(), Level::Full);
    let taps = Taps::begin(asked, names, &section, wall)?;
    let config = ethernet::SwitchConfig {
        ports,
        hub: options.hub,
        ageing: Duration::from_secs(options.ageing),
        ..ethernet::SwitchConfig::default()
    };
    let (mut places, mut devices, mut names) =
        (Vec::new(), Vec::<Box<dyn Device>>::new(), Vec::new());
    for link in links {
        names.push(link.spec.name.0.clone());
        devices.push(Box::new(link.tun));
        if let Some(namespace) = link.namespace {
            places.push((link.spec.name.0, namespace));
        }
    }
    let switch = ethernet::Switch::new(config);
    let mut switching = Switching::new(switch, devices, clock.clone(), taps);
    let status = drive(&mut switching, options, &places);
    let (switch, taps, counters) = switching.into_parts();
    taps.finish()?;
    if options.stats {
        eprint!("{}", Passed(&counters));
        for (mac, vlan, port) in switch.stations(clock.now()) {
            let name = names.get(usize::from(port.0)).map_or("", String::as_str);
            let vlan = if vlan == 0 {
                String::new()
            } else {
                format!(" vlan {vlan}")
            };
            eprintln!("{mac} dev {name}{vlan}");
        }
    }
    status
}

/// The kernel's end of a port: the addresses given.
fn far_end(spec: &PortSpec, _private: bool) -> Interface {
    let plain = joined::plain_end(spec);
    let addresses = spec.addresses.iter();
    addresses.fold(plain, |interface, cidr| {
        interface.address(cidr.address, cidr.prefix)
    })
}

fn drive(
    switching: &mut Switching<Taps>,
    options: &cli::Switch,
    places: &[Place],
) -> Result<u8, Failure> {
    let known = Known::default();
    let mut others = beside(&options.at, places, known)?;
    let lost = |error| Failure::new(format!("the device is gone: {error}"));
    let done = if options.command.is_empty() {
        let stop = signals::stop()?;
        switching.run(stop).map(|()| 0).map_err(lost)
    } else {
        let (_, place) = places
            .first()
            .ok_or_else(|| Failure::asked("a command needs a --net to run in"))?;
        let child = start(Some(place), &options.command, known)?;
        signals::pass_on_to(rustix::process::Pid::from_child(&child))?;
        let status = switching.run(ended(child)).map_err(lost)?;
        status
            .map(code_of)
            .map_err(|error| Failure::new(format!("waiting for the command: {error}")))
    };
    for other in &mut others {
        // They were there for the command, which has ended.
        let _gone = other.kill();
        let _status = other.wait();
    }
    done
}
