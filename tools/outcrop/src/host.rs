//! One host of ours, running.
//!
//! Job: put clock, chance, stack, link and recording together, and take them apart in order. Owns: the driver.
//! Does not know: what runs on the host.

use core::future::Future;
use core::net::IpAddr;
use core::num::NonZeroU16;
use core::time::Duration;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use outcrop_base::{Instant, InterfaceId, Recorder, Seed, Share, WallClock};
use outcrop_device::namespace::Namespace;
use outcrop_device::{Caps, Clock, Device, Medium, Tun};
use outcrop_stack::ethernet::{self, MacAddr};
use outcrop_stack::ip::{AutoConfig, Cidr, ConfigError, InterfaceConfig, Lease};
use outcrop_stack::{
    CUT_MAX, Config, Core, Counters, Driver, Shard, Tasks, ring, run_all, settle_all, tcp,
};
use outcrop_testkit::emulated::Emulated;

use crate::accounts::Accounts;
use crate::cli::Net;
use crate::control::Control;
use crate::failure::Failure;
use crate::link::Link;
use crate::recording::{self, Recording};
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

/// A stack over a link, ready to be driven: a shard for each queue of the link.
pub(crate) struct Host {
    shard: Shard,
    drivers: Vec<Driver<Box<dyn Device>, Recording>>,
    namespace: Option<Namespace>,
    /// What the device is called.
    name: String,
}

/// What the shards of one host have in common.
struct Common<'a> {
    net: &'a Net,
    seed: Seed,
    clock: Clock,
    wall: WallClock,
    tcp: tcp::Config,
    place: Place,
    command: &'a str,
}

/// What a run leaves.
#[derive(Debug)]
pub(crate) struct Remains {
    /// What was counted.
    pub(crate) counters: Counters,
    /// What TCP counted.
    pub(crate) tcp: tcp::Counters,
    /// The finished captures, one a queue.
    pub(crate) captures: Vec<PathBuf>,
    /// An account of each connection, if they were asked for.
    pub(crate) accounts: Accounts,
}

impl Remains {
    /// Says where the capture is, and how to look at it.
    pub(crate) fn say_capture(&self) {
        for path in &self.captures {
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
        Self::start_shards(net, tcp, (place, command), NonZeroU16::MIN)
    }

    /// The same with several queues.
    pub(crate) fn start_shards(
        net: &Net,
        tcp: tcp::Config,
        (place, command): (Place, &str),
        queues: NonZeroU16,
    ) -> Result<Self, Failure> {
        fit_for_several(net, queues)?;
        let common = Common {
            net,
            seed: seed(net.seed)?,
            clock: Clock::start(),
            wall: WallClock::new(unix_now()),
            tcp,
            place,
            command,
        };
        let link = match place {
            Place::Here => Link::here(net, &common.clock, queues),
            Place::Private => Link::private(net, &common.clock, queues),
        }?;
        let name = link.tuns.first().map(|tun| tun.name().to_owned());
        let shares = (0..queues.get()).filter_map(|index| Share::new(index, queues.get()));
        let drivers = link.tuns.into_iter().zip(shares).zip(0..);
        let drivers = drivers.map(|((tun, share), number)| common.driver(tun, share, number));
        let drivers = ring(drivers.collect::<Result<_, _>>()?);
        log::info!("the stack is {} and {}", net.addr, net.addr6);
        let first = drivers.first().map(|driver| driver.shard().clone());
        Ok(Self {
            shard: first.ok_or_else(|| Failure::new("the link came without its TUN"))?,
            drivers,
            namespace: link.namespace,
            name: name.unwrap_or_default(),
        })
    }

    /// The running stack, for sockets; the first shard of several.
    pub(crate) const fn shard(&self) -> &Shard {
        &self.shard
    }

    /// Every shard.
    pub(crate) fn shards(&self) -> impl Iterator<Item = Shard> {
        self.drivers.iter().map(|driver| driver.shard().clone())
    }

    /// Answers what can be asked of a running stack, at the socket `asked` for or at one that clients find.
    pub(crate) fn control(&self, asked: Option<&Path>) -> Result<Option<Control>, Failure> {
        Control::start(
            asked,
            self.shards().collect(),
            vec![(TUN, self.name.clone())],
        )
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
        let Some(driver) = self.drivers.first_mut() else {
            return Err(Failure::new("the host has no shard"));
        };
        driver.run(main).map_err(|error| lost(&error))
    }

    /// Runs one of `mains` in each shard, until all have ended.
    pub(crate) fn run_shards<T, F, M>(&mut self, mains: Vec<M>) -> Result<Vec<T>, Failure>
    where
        T: Send + 'static,
        F: Future<Output = T> + 'static,
        M: FnOnce(Tasks) -> F + Send,
    {
        run_all(&mut self.drivers, mains).map_err(|error| lost(&error))
    }

    /// Lets connections finish, then completes the capture.
    pub(crate) fn finish(mut self) -> Result<Remains, Failure> {
        let settled = settle_all(&mut self.drivers, SETTLE).map_err(|error| lost(&error));
        let now = self.shard.now();
        let mut accounts = Accounts::default();
        let (mut counters, mut tcp) = (Counters::default(), tcp::Counters::default());
        let mut captures = Vec::new();
        for driver in self.drivers {
            driver.shard().call(|core| {
                accounts.add(core.tcp_take_final_accounts());
                accounts.add(core.tcp().open_accounts(now));
                tcp.add(core.tcp().counters());
            });
            // The capture is worth having even if the device has gone.
            let (_, recording, counted) = driver.into_parts();
            counters.add(&counted);
            captures.extend(recording.finish()?);
        }
        if !settled? {
            log::info!(
                "some connections had not finished after {} s",
                SETTLE.as_secs()
            );
        }
        Ok(Remains {
            counters,
            tcp,
            captures,
            accounts,
        })
    }
}

impl Common<'_> {
    /// The driver of one queue, and the shard it drives.
    fn driver(
        &self,
        tun: Tun,
        share: Share,
        number: u16,
    ) -> Result<Driver<Box<dyn Device>, Recording>, Failure> {
        let Self { net, wall, .. } = *self;
        let several = share.of() > 1;
        // The first, or only, shard runs as the seed says: the same run again.
        let seed = if number == 0 {
            self.seed.clone()
        } else {
            self.seed.split(&format!("shard {number}"))
        };
        let config = Config {
            tcp: self.tcp.clone(),
            share,
            ..Config::default()
        };
        let core = core(net, &seed, config, (self.place, tun.caps()))?;
        let shard = Shard::new(core, self.clock.clone(), wall)
            .map_err(|error| Failure::new(format!("the stack: {error}")))?;
        let named = several.then(|| for_queue(net, number));
        let recorded = named.as_ref().unwrap_or(net);
        let recording = Recording::begin(recorded, &tun, &seed, wall, self.command)?;
        let device: Box<dyn Device> = match &net.link {
            None => Box::new(tun),
            Some(between) => Box::new(emulated(tun, between, shard.clock(), &seed)?),
        };
        Ok(driver(Driver::new(shard, TUN, device, recording), net))
    }
}

/// What cannot be cut into queues.
fn fit_for_several(net: &Net, queues: NonZeroU16) -> Result<(), Failure> {
    let what = if net.tap.is_some() {
        "a TAP: its neighbours are asked in one place"
    } else if net.link.is_some() {
        "--link: an emulated link is one queue"
    } else if net.kept.is_some() {
        "--inspect: it shows one shard"
    } else if recording::is_live(net) {
        "--capture -: each queue has a file of its own"
    } else {
        return Ok(());
    };
    if queues == NonZeroU16::MIN {
        return Ok(());
    }
    Err(Failure::asked(format!("--queues does not go with {what}")))
}

/// The capture of one queue of several: `run.pcapng` is `run-queue1.pcapng`.
fn for_queue(net: &Net, number: u16) -> Net {
    let name = format!("queue{number}");
    let capture = net.capture.as_ref();
    Net {
        capture: capture.map(|path| recording::beside(path, &name)),
        ..net.clone()
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
