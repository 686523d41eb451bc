//! One host of ours, running.
//!
//! Job: put clock, chance, stack, link and recording together, and take them apart in order. Owns: the driver.
//! Does not know: what runs on the host.

use core::future::Future;
use core::net::IpAddr;
use core::time::Duration;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use outcrop_base::{Instant, InterfaceId, Recorder, Seed, WallClock};
use outcrop_device::namespace::Namespace;
use outcrop_device::{Caps, Clock, Device, Medium, Tun};
use outcrop_stack::ethernet::{self, MacAddr};
use outcrop_stack::ip::{AutoConfig, Cidr, ConfigError, InterfaceConfig, Lease};
use outcrop_stack::{CUT_MAX, Config, Core, Counters, Driver, Shard, Tasks, tcp};
use outcrop_testkit::emulated::Emulated;

use crate::accounts::Accounts;
use crate::cli::Net;
use crate::control::Control;
use crate::failure::Failure;
use crate::link::Link;
use crate::recording::Recording;
use crate::watch::Watch;

/// The only interface.
pub(crate) const TUN: InterfaceId = InterfaceId(0);
/// How long connections may take to finish after the program has let go of them.
const SETTLE: Duration = Duration::from_secs(2);

/// In which network the kernel's end of the link is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the network of whoever called us.
    Here,
    /// In a private one.
    Private,
}

/// A stack over a link, ready to be driven.
pub(crate) struct Host {
    driver: Driver<Box<dyn Device>, Recording>,
    namespace: Option<Namespace>,
    /// What the device is called.
    name: String,
}

/// What a run leaves.
#[derive(Debug)]
pub(crate) struct Remains {
    /// What was counted.
    pub(crate) counters: Counters,
    /// What TCP counted.
    pub(crate) tcp: tcp::Counters,
    /// The finished capture.
    pub(crate) capture: Option<PathBuf>,
    /// An account of each connection, if they were asked for.
    pub(crate) accounts: Accounts,
}

impl Remains {
    /// Says where the capture is, and how to look at it.
    pub(crate) fn say_capture(&self) {
        if let Some(path) = &self.capture {
            let path = path.display();
            eprintln!("capture: {path} (outcrop ladder {path})");
        }
    }
}

impl Host {
    /// Opens the link and puts a stack on it; `command` is what the capture says of the run.
    pub(crate) fn start(
        net: &Net,
        tcp: tcp::Config,
        place: Place,
        command: &str,
    ) -> Result<Self, Failure> {
        let seed = seed(net.seed)?;
        let clock = Clock::start();
        let wall = WallClock::new(unix_now());
        let link = match place {
            Place::Here => Link::here(net, &clock),
            Place::Private => Link::private(net, &clock),
        }?;
        let config = Config {
            tcp,
            ..Config::default()
        };
        let core = core(net, &seed, config, (place, link.tun.caps()))?;
        let shard = Shard::new(core, clock, wall)
            .map_err(|error| Failure::new(format!("the stack: {error}")))?;
        let recording = Recording::begin(net, &link.tun, &seed, wall, command)?;
        log::info!("the stack is {} and {}", net.addr, net.addr6);
        let name = link.tun.name().to_owned();
        let device: Box<dyn Device> = match &net.link {
            None => Box::new(link.tun),
            Some(between) => Box::new(emulated(link.tun, between, shard.clock(), &seed)?),
        };
        Ok(Self {
            driver: driver(Driver::new(shard, TUN, device, recording), net),
            namespace: link.namespace,
            name,
        })
    }

    /// The running stack, for sockets.
    pub(crate) fn shard(&self) -> &Shard {
        self.driver.shard()
    }

    /// Answers what can be asked of a running stack, at the socket `asked` for or at one that clients find.
    pub(crate) fn control(&self, asked: Option<&Path>) -> Result<Option<Control>, Failure> {
        Control::start(asked, self.shard(), vec![(TUN, self.name.clone())])
    }

    /// The pages about the stack itself, if they were asked for.
    pub(crate) fn watch(&self, net: &Net) -> Option<Watch> {
        let kept = net.kept.clone()?;
        Some(Watch::new(kept, self.shard().clone()))
    }

    /// The private network, if it is in one.
    pub(crate) const fn namespace(&self) -> Option<&Namespace> {
        self.namespace.as_ref()
    }

    /// Runs `main` and what it starts until `main` ends.
    pub(crate) fn run<T, F>(&mut self, main: impl FnOnce(Tasks) -> F) -> Result<T, Failure>
    where
        T: 'static,
        F: Future<Output = T> + 'static,
    {
        self.driver.run(main).map_err(|error| lost(&error))
    }

    /// Lets connections finish, then completes the capture.
    pub(crate) fn finish(mut self) -> Result<Remains, Failure> {
        let settled = self.driver.settle(SETTLE).map_err(|error| lost(&error));
        let shard = self.driver.shard();
        let (now, mut accounts) = (shard.now(), Accounts::default());
        let tcp = shard.call(|core| {
            accounts.add(core.tcp_take_final_accounts());
            accounts.add(core.tcp().open_accounts(now));
            *core.tcp().counters()
        });
        // The capture is worth having even if the device has gone.
        let (_, recording, counters) = self.driver.into_parts();
        let capture = recording.finish()?;
        if !settled? {
            log::info!(
                "some connections had not finished after {} s",
                SETTLE.as_secs()
            );
        }
        Ok(Remains {
            counters,
            tcp,
            capture,
            accounts,
        })
    }
}

/// The driver as it was asked for.
fn driver<D: Device, R: Recorder>(driver: Driver<D, R>, net: &Net) -> Driver<D, R> {
    let driver = driver.with_busy_poll(Duration::from_micros(net.busy_poll));
    if one_by_one(net) {
        driver
    } else {
        driver.with_merging()
    }
}

/// Whether each packet is to be seen, or held up, by itself: then we neither merge nor cut any.
const fn one_by_one(net: &Net) -> bool {
    net.link.is_some() || net.capture.is_some() || net.kept.is_some()
}

/// The TUN behind an emulated link, the same in both directions.
fn emulated(
    tun: Tun,
    link: &outcrop_netem::Config,
    clock: &Clock,
    seed: &Seed,
) -> Result<Emulated<Tun>, Failure> {
    log::info!("the link: {link:?}");
    Emulated::new(tun, link.clone(), link.clone(), clock, seed)
        .map_err(|error| Failure::asked(format!("--link: {error}")))
}

fn lost(error: &std::io::Error) -> Failure {
    Failure::new(format!("the device is gone: {error}"))
}

/// Puts `core` on the link.
fn core(
    net: &Net,
    seed: &Seed,
    config: Config,
    (place, caps): (Place, Caps),
) -> Result<Core, Failure> {
    let mut core = Core::new(config, seed);
    let mut addresses = Vec::new();
    let given = [
        (!net.dhcp).then_some(net.addr),
        (!net.slaac).then_some(net.addr6),
    ];
    for cidr in given.into_iter().flatten() {
        let address = Cidr::new(cidr.address, cidr.prefix);
        addresses.push(address.map_err(|error| Failure::asked(format!("{cidr}: {error}")))?);
    }
    let bad = |error: &dyn core::fmt::Display| {
        Failure::asked(format!("{} {}: {error}", net.addr, net.addr6))
    };
    let gso_max = match (caps.gso_max, caps.medium) {
        // What the device does not cut, the driver does; not inside frames.
        (0, Medium::Ip) if !one_by_one(net) => CUT_MAX,
        (most, Medium::Ip | Medium::Ethernet) => most,
    };
    let link = InterfaceConfig {
        gso_max,
        checksum_offload: caps.checksum_tx,
        ..InterfaceConfig::tun(TUN, net.mtu, Vec::new())
    };
    let attached = match caps.medium {
        Medium::Ip => core.add_interface(InterfaceConfig { addresses, ..link }),
        Medium::Ethernet => ethernet(net, &mut core, (place, link), (seed, &addresses)),
    };
    attached.map_err(|error| bad(&error))?;
    // Whatever is not on the link goes to the kernel at its other end.
    for cidr in given.into_iter().flatten() {
        let everywhere = Cidr::new(unspecified(cidr.address), 0).map_err(|error| bad(&error))?;
        let via = Some(cidr.neighbour().address);
        core.add_route(everywhere, via, TUN)
            .map_err(|error| bad(&error))?;
    }
    Ok(core)
}

/// Puts `core` on a link with neighbours. In a private network nobody else can have an address of ours; elsewhere the
/// link is asked.
fn ethernet(
    net: &Net,
    core: &mut Core,
    (place, interface): (Place, InterfaceConfig),
    (seed, addresses): (&Seed, &[Cidr]),
) -> Result<(), ConfigError> {
    let mac = net.mac.unwrap_or_else(|| MacAddr::generate(seed, "tap"));
    core.add_ethernet(interface, ethernet::Config::new(mac))?;
    log::info!("our hardware address is {mac}");
    let lease = Lease {
        check: place == Place::Here,
        ..Lease::FOREVER
    };
    for address in addresses {
        core.assign(Instant::ZERO, TUN, *address, lease)?;
    }
    let config = AutoConfig {
        routers: net.slaac,
        temporary: false,
    };
    core.autoconfigure(Instant::ZERO, TUN, config)
}

const fn unspecified(like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => IpAddr::V4(core::net::Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(core::net::Ipv6Addr::UNSPECIFIED),
    }
}

/// The seed asked for, or one from the system.
pub(crate) fn seed(asked: Option<u64>) -> Result<Seed, Failure> {
    if let Some(number) = asked {
        return Ok(Seed::from_number(number));
    }
    let mut bytes = [0; 32];
    let path = Path::new("/dev/urandom");
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut bytes));
    read.map_err(|error| Failure::file("chance", path, &error))?;
    Ok(Seed::new(bytes))
}

fn unix_now() -> Duration {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}
