//! The link between the stack and the kernel.
//!
//! Job: open the TUN, here or in a private network, and give the kernel its end. Owns: the names and addresses
//! on both ends. Does not know: the stack. When it fails, everything it made goes away with it.

use core::num::NonZeroU16;

use outcrop_device::kernel::{self, Interface};
use outcrop_device::namespace::Namespace;
use outcrop_device::{Clock, Format, Tun};

use crate::cli::Net;
use crate::failure::Failure;

/// What the TUN is called in a private network, where nobody else can have taken the name.
const PRIVATE_NAME: &str = "outcrop0";

/// An open TUN whose other end the kernel has, addressed and up.
#[derive(Debug)]
pub(crate) struct Link {
    /// Our end: a queue, or several.
    pub(crate) tuns: Vec<Tun>,
    /// The private network it is in, if it is.
    pub(crate) namespace: Option<Namespace>,
}

impl Link {
    /// A link in the network of whoever called us.
    pub(crate) fn here(net: &Net, clock: &Clock, queues: NonZeroU16) -> Result<Self, Failure> {
        let name = name(net);
        let there = name.is_some_and(|name| kernel::link(name).is_ok());
        let (tuns, format) = with_fallback(net, |format| {
            Tun::open_queues(name, format, clock, queues).map(|tuns| (tuns, format))
        })?;
        let name = tuns.first().map_or("", Tun::name);
        log::info!("opened {name}, queues: {queues}");
        let mut theirs = interface(name, net, format);
        if there && net.tap.is_some() {
            // Somebody has plans for it.
            theirs.addresses.clear();
        }
        kernel::configure(&theirs).map_err(|error| Failure::new(error.to_string()))?;
        log::info!(
            "the kernel's end is {} and {}",
            net.addr.neighbour(),
            net.addr6.neighbour()
        );
        // The MTU the TUN was opened with is the kernel's default; ours is set only now.
        let again = tuns.iter().map(|tun| reopened(tun, net, format, clock));
        Ok(Self {
            tuns: again.collect::<Result<_, _>>()?,
            namespace: None,
        })
    }

    /// A link in a private network of its own.
    pub(crate) fn private(net: &Net, clock: &Clock, queues: NonZeroU16) -> Result<Self, Failure> {
        let name = name(net).unwrap_or(PRIVATE_NAME);
        let (namespace, tuns) = with_fallback(net, |format| {
            let mut interface = interface(name, net, format);
            interface.queues = queues;
            Namespace::create(&[interface], clock)
        })?;
        log::info!("made a private network with {name}, queues: {queues}");
        Ok(Self {
            tuns,
            namespace: Some(namespace),
        })
    }
}

/// Opens with offload unless that is not wanted, and without where the kernel does not offer it.
fn with_fallback<T, E: core::fmt::Display>(
    net: &Net,
    open: impl Fn(Format) -> Result<T, E>,
) -> Result<T, Failure> {
    let (plain, full) = match net.tap {
        None => (Format::Plain, Format::Offload),
        Some(_) => (Format::Tap, Format::TapOffload),
    };
    let plain = || open(plain).map_err(|error| Failure::new(error.to_string()));
    if net.no_offload || net.link.is_some() {
        log::info!("offload: off, as asked");
        return plain();
    }
    match open(full) {
        Ok(opened) => {
            log::info!("offload: on (super-segments, partial checksums)");
            Ok(opened)
        }
        Err(error) => {
            // What is wrong with either kind is best said of the plain one.
            let opened = plain()?;
            log::warn!("offload: not available, so bulk will be slow: {error}");
            Ok(opened)
        }
    }
}

/// The same TUN, knowing the MTU that was set since it was opened.
fn reopened(tun: &Tun, net: &Net, format: Format, clock: &Clock) -> Result<Tun, Failure> {
    use std::os::fd::AsFd as _;
    let fd = tun.as_fd().try_clone_to_owned();
    let again = fd.and_then(|fd| Tun::from_fd(fd, tun.name(), net.mtu, format, clock));
    again.map_err(|error| Failure::new(format!("{}: {error}", tun.name())))
}

/// The name asked for.
fn name(net: &Net) -> Option<&str> {
    let tap = net.tap.as_ref().and_then(Option::as_ref);
    tap.or(net.dev.as_ref()).map(|name| name.0.as_str())
}

fn interface(name: &str, net: &Net, format: Format) -> Interface {
    let (four, six) = (net.addr.neighbour(), net.addr6.neighbour());
    let mut interface = Interface::new(name)
        .address(four.address, four.prefix)
        .address(six.address, six.prefix);
    interface.mtu = net.mtu;
    interface.format = format;
    // Who configures itself asks the kernel's end by its link-local address.
    interface.link_local = net.tap.is_some();
    interface
}
