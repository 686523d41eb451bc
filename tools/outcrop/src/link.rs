//! The link between the stack and the kernel.
//!
//! Job: open the TUN, here or in a private network, and give the kernel its end. Owns: the names and addresses
//! on both ends. Does not know: the stack. When it fails, everything it made goes away with it.

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
    /// Our end.
    pub(crate) tun: Tun,
    /// The private network it is in, if it is.
    pub(crate) namespace: Option<Namespace>,
}

impl Link {
    /// A link in the network of whoever called us.
    pub(crate) fn here(net: &Net, clock: &Clock) -> Result<Self, Failure> {
        let name = net.dev.as_ref().map(|name| name.0.as_str());
        let tun = Tun::open(name, Format::Plain, clock)
            .map_err(|error| Failure::new(error.to_string()))?;
        log::info!("opened {}", tun.name());
        let ours = interface(tun.name(), net);
        kernel::configure(&ours).map_err(|error| Failure::new(error.to_string()))?;
        log::info!(
            "the kernel's end is {} and {}",
            net.addr.neighbour(),
            net.addr6.neighbour()
        );
        // The MTU the TUN was opened with is the kernel's default; ours is set only now.
        reopened(tun, net, clock)
    }

    /// A link in a private network of its own.
    pub(crate) fn private(net: &Net, clock: &Clock) -> Result<Self, Failure> {
        let name = net
            .dev
            .as_ref()
            .map_or(PRIVATE_NAME, |name| name.0.as_str());
        let made = Namespace::create(&[interface(name, net)], clock);
        let (namespace, tuns) = made.map_err(|error| Failure::new(error.to_string()))?;
        let tun = tuns
            .into_iter()
            .next()
            .ok_or_else(|| Failure::new("the private network came without its TUN"))?;
        log::info!("made a private network with {}", tun.name());
        Ok(Self {
            tun,
            namespace: Some(namespace),
        })
    }
}

/// The same TUN, knowing the MTU that was set since it was opened.
fn reopened(tun: Tun, net: &Net, clock: &Clock) -> Result<Link, Failure> {
    use std::os::fd::AsFd as _;
    let fd = tun.as_fd().try_clone_to_owned();
    let again = fd.and_then(|fd| Tun::from_fd(fd, tun.name(), net.mtu, Format::Plain, clock));
    let tun = again.map_err(|error| Failure::new(format!("{}: {error}", tun.name())))?;
    Ok(Link {
        tun,
        namespace: None,
    })
}

fn interface(name: &str, net: &Net) -> Interface {
    let (four, six) = (net.addr.neighbour(), net.addr6.neighbour());
    let mut interface = Interface::new(name)
        .address(four.address, four.prefix)
        .address(six.address, six.prefix);
    interface.mtu = net.mtu;
    interface
}
