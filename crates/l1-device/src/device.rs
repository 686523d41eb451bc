//! The seam below the stack.
//!
//! Job: what a device can do, what it gives, what it takes. Owns: the trait and its values.
//! Does not know: who drives it, and what the packets mean.
//! A batch is a property of time, not of the seam: only receiving returns many, because only the
//! kernel queues before us; sending is one gathered write a packet.

use core::task::Waker;
use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use outcrop_base::{ChecksumState, Instant};

use crate::Pool;

/// What one unit of the device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Medium {
    /// An IP packet (TUN).
    Ip,
    /// An Ethernet frame (TAP).
    Ethernet,
}

/// What a device can do. Nobody plans what it cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// What one unit is.
    pub medium: Medium,
    /// The largest IP packet that crosses as it is, in bytes.
    pub mtu: u32,
    /// The largest IP packet the device cuts for us, in bytes; zero if it cuts none.
    pub gso_max: u32,
    /// Whether the device completes transport checksums of what we send.
    pub checksum_tx: bool,
    /// Whether the device vouches for transport checksums of what we receive.
    pub checksum_rx: bool,
}

impl Caps {
    /// IP packets of at most `mtu` bytes, no offload at all.
    #[must_use]
    pub const fn plain(mtu: u32) -> Self {
        Self {
            medium: Medium::Ip,
            mtu,
            gso_max: 0,
            checksum_tx: false,
            checksum_rx: false,
        }
    }
}

/// One unit received.
#[derive(Clone, Debug)]
pub struct Received {
    /// When it was read.
    pub at: Instant,
    /// The packet or frame, from its first header on.
    pub bytes: Bytes,
    /// What the device says about it.
    pub offload: RxOffload,
}

/// What a device says about a unit received. The default is: nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RxOffload {
    /// Whether the transport checksum still needs verifying.
    pub checksum: ChecksumState,
    /// Where a checksum the kernel left open is. Nobody needs it but who hands the packet on.
    pub partial: Option<PartialChecksum>,
    /// Payload bytes of each segment merged into this one, if it is a super-segment.
    pub gso_size: Option<u16>,
}

/// What the device is asked to do with a unit sent. The default is: nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offload {
    /// Complete this checksum.
    pub checksum: Option<PartialChecksum>,
    /// Cut this super-segment.
    pub gso: Option<Gso>,
}

/// A checksum whose field holds the pseudo-header's sum, to be completed by who hands the unit on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartialChecksum {
    /// Where the sum begins: bytes from the start of the unit to the transport header.
    pub start: u16,
    /// Where the field is: bytes from `start`.
    pub offset: u16,
}

/// How a super-segment is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gso {
    /// By which protocol's rules.
    pub kind: GsoKind,
    /// Payload bytes of each piece but the last.
    pub size: u16,
    /// Bytes of headers before the payload.
    pub header_len: u16,
}

/// The protocols a device can cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GsoKind {
    /// TCP over IPv4.
    Tcp4,
    /// TCP over IPv6.
    Tcp6,
    /// UDP over either.
    Udp,
}

/// Whether the device had nothing more when it stopped reading.
#[must_use = "a device that is not dry has to be asked again before waiting for it"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dry {
    /// Nothing more: wait on [`Device::wake_source`].
    Yes,
    /// There may be more: ask again.
    No,
}

/// A place where packets come in and go out.
///
/// One driver runs them all: a TUN, a memory pair, a simulation.
pub trait Device: Send {
    /// What it can do. Constant for the life of the device.
    fn caps(&self) -> Caps;

    /// Appends what has arrived to `out`, at most `max` units, read into buffers of `pool`.
    ///
    /// # Errors
    /// The device is gone or broken. Units read before that were delivered by an earlier call.
    fn receive(&mut self, pool: &mut Pool, out: &mut Vec<Received>, max: usize) -> io::Result<Dry>;

    /// Whether the next [`transmit`](Self::transmit) has a place to go.
    fn room(&self) -> bool;

    /// Sends one unit, given in pieces. An error means that it is lost: count it, do not repeat it.
    ///
    /// # Errors
    /// `InvalidInput` for an offload that [`caps`](Self::caps) does not offer; `WouldBlock` without
    /// room; otherwise what the system said.
    fn transmit(&mut self, packet: &[IoSlice<'_>], offload: Offload) -> io::Result<()>;

    /// What tells that something has arrived, or that there is room again.
    fn wake_source(&self) -> WakeSource<'_>;

    /// When it wants to be asked again although nothing tells: an emulated link in front of a device holds
    /// packets back until then. No real device has such a time.
    fn deadline(&self) -> Option<Instant> {
        None
    }
}

impl<D: Device + ?Sized> Device for Box<D> {
    fn caps(&self) -> Caps {
        (**self).caps()
    }

    fn receive(&mut self, pool: &mut Pool, out: &mut Vec<Received>, max: usize) -> io::Result<Dry> {
        (**self).receive(pool, out, max)
    }

    fn room(&self) -> bool {
        (**self).room()
    }

    fn transmit(&mut self, packet: &[IoSlice<'_>], offload: Offload) -> io::Result<()> {
        (**self).transmit(packet, offload)
    }

    fn wake_source(&self) -> WakeSource<'_> {
        (**self).wake_source()
    }

    fn deadline(&self) -> Option<Instant> {
        (**self).deadline()
    }
}

/// How to wait for a device.
#[derive(Clone, Copy, Debug)]
pub enum WakeSource<'a> {
    /// Poll this descriptor for reading.
    Fd(BorrowedFd<'a>),
    /// Leave a waker here. What has arrived since the device was last read dry wakes it at once.
    Memory(&'a Doorbell),
}

/// Where a device without a descriptor is told whom to wake.
///
/// A ring that finds nobody is remembered, so nothing is missed between reading and registering.
#[derive(Debug, Default)]
pub struct Doorbell {
    inside: Mutex<Ring>,
}

#[derive(Debug, Default)]
struct Ring {
    waker: Option<Waker>,
    missed: bool,
}

impl Doorbell {
    /// Wakes `waker` at the next ring, or now if one was missed; the waker left before is forgotten.
    pub fn register(&self, waker: &Waker) {
        let mut ring = self.lock();
        if core::mem::take(&mut ring.missed) {
            drop(ring);
            waker.wake_by_ref();
            return;
        }
        match ring.waker.as_mut() {
            Some(old) => old.clone_from(waker),
            None => ring.waker = Some(waker.clone()),
        }
    }

    /// Wakes who registered last.
    pub fn ring(&self) {
        let mut ring = self.lock();
        let waker = ring.waker.take();
        ring.missed |= waker.is_none();
        drop(ring);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Forgets a missed ring: the device has just been read dry.
    pub fn hush(&self) {
        self.lock().missed = false;
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
