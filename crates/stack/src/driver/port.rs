//! A further interface of a host.
//!
//! Job: one more device beside the driver's own. Owns: the device. Does not know: the host.

use core::fmt;
use std::os::fd::BorrowedFd;

use outcrop_base::InterfaceId;
use outcrop_device::{Device, WakeSource};

/// A device and the interface it is.
pub(super) struct Port {
    pub(super) iface: InterfaceId,
    pub(super) device: Box<dyn Device>,
}

impl Port {
    /// Its descriptor, if it has one.
    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        match self.device.wake_source() {
            WakeSource::Fd(fd) => Some(fd),
            WakeSource::Memory(_) => None,
        }
    }
}

impl fmt::Debug for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Port")
            .field("iface", &self.iface)
            .finish_non_exhaustive()
    }
}
