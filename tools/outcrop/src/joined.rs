//! Links of something with several: a router, a switch.
//!
//! Job: open TUNs and TAPs, here or in private networks, and give the kernel its ends. Owns: the devices. Does not know:
//! the stack, nor which addresses the kernel gets; whoever asks says that.

use outcrop_device::kernel::{self, Interface};
use outcrop_device::namespace::Namespace;
use outcrop_device::{Clock, Format, Tun};

use crate::failure::Failure;
use crate::port::PortSpec;

/// A link: its device, and the network at the other end if it is a private one.
pub(crate) struct Joined {
    pub(crate) spec: PortSpec,
    pub(crate) tun: Tun,
    pub(crate) namespace: Option<Namespace>,
}

/// What the kernel's end of a link shall be; whether it is in a private network.
pub(crate) type FarEnd<'a> = &'a dyn Fn(&PortSpec, bool) -> Interface;

/// Opens the links asked for: those in this network, then those to private ones.
pub(crate) fn open(
    here: impl Iterator<Item = PortSpec>,
    private: &[PortSpec],
    far_end: FarEnd<'_>,
    clock: &Clock,
) -> Result<Vec<Joined>, Failure> {
    let mut links = Vec::new();
    for spec in here {
        links.push(open_here(spec, far_end, clock)?);
    }
    for spec in private {
        let made = Namespace::create(&[far_end(spec, true)], clock);
        let (namespace, tuns) = made.map_err(|error| Failure::new(error.to_string()))?;
        let tun = tuns.into_iter().next();
        let tun = tun.ok_or_else(|| Failure::new("the private network came without its TUN"))?;
        links.push(Joined {
            spec: spec.clone(),
            tun,
            namespace: Some(namespace),
        });
    }
    Ok(links)
}

fn open_here(spec: PortSpec, far_end: FarEnd<'_>, clock: &Clock) -> Result<Joined, Failure> {
    let name = spec.name.0.as_str();
    let failed = |error: &dyn core::fmt::Display| Failure::new(error.to_string());
    let mut theirs = far_end(&spec, false);
    if spec.tap && kernel::link(name).is_ok() {
        // Somebody has plans for it: it is in a bridge, perhaps.
        theirs.addresses.clear();
    }
    let tun = Tun::open(Some(name), theirs.format, clock).map_err(|error| failed(&error))?;
    kernel::configure(&theirs).map_err(|error| failed(&error))?;
    Ok(Joined {
        spec,
        tun,
        namespace: None,
    })
}

/// The kernel's end as far as the link itself says: name, MTU, kind.
pub(crate) fn plain_end(spec: &PortSpec) -> Interface {
    let mut interface = Interface::new(&spec.name.0);
    interface.mtu = spec.mtu;
    interface.format = if spec.tap { Format::Tap } else { Format::Plain };
    interface.link_local = spec.tap;
    interface
}
