//! A TUN or TAP device of the Linux kernel.
//!
//! Job: open one, read and write whole IP packets or frames, with or without the virtio header before them.
//! Owns: the descriptor. Does not know: addresses and routes of the kernel's end (`kernel` sets them), the
//! header's layout (`offload` has it).
//! Source: the kernel's documentation of the universal TUN/TAP driver.

use core::num::NonZeroU16;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use bytes::BytesMut;
use outcrop_base::MAX_SLICES;
use rustix::io::Errno;
use thiserror::Error;

use crate::device::{Caps, Device, Dry, Medium, Offload, Received, RxOffload, WakeSource};
use crate::offload::{self, raw};
use crate::pool::MAX_UNIT;
use crate::{Clock, Pool, kernel};

/// The longest name of a network interface: `IFNAMSIZ` less its terminator.
pub const NAME_MAX: usize = 15;
/// Packets the kernel queues for us before it drops. Its own default, 500, loses packets of one
/// sender with an ordinary window; this holds 7 MB of small segments.
pub const TX_QUEUE_LEN: u32 = 5_000;
/// Bytes after which one call of `receive` stops, so that a batch of super-segments fits the pool.
const BATCH_BYTES: usize = 1 << 20;
/// Pieces a write holds without allocating: the header, ours, and a packet's payload.
const PIECES: usize = MAX_SLICES + 4;

/// Why a TUN could not be opened; the text says how to mend it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The name does not fit the kernel's field.
    #[error("device name `{0}` is too long: the kernel takes at most {NAME_MAX} bytes")]
    NameTooLong(String),
    /// The name is empty or has characters the kernel refuses.
    #[error("device name `{0}` is not usable: no spaces, `/` or `:`, and neither `.` nor `..`")]
    BadName(String),
    /// The driver's node is missing.
    #[error(
        "/dev/net/tun does not exist: load the driver (`modprobe tun`), or in a container pass the device in"
    )]
    NoDriver,
    /// The driver's node may not be opened.
    #[error(
        "no permission to open /dev/net/tun: run as root, or allow everybody to (`chmod 666 /dev/net/tun`, as root)"
    )]
    NodeNotPermitted,
    /// The kernel refuses to make or to attach this interface.
    #[error(
        "not allowed to make or attach network device `{0}`: run as root, or in a private namespace, or have root \
         make it for you (`ip tuntap add dev {0} mode tun user $USER`)"
    )]
    NotPermitted(String),
    /// Another program holds this TUN.
    #[error("network device `{0}` is busy: another program has it open; choose another name")]
    Busy(String),
    /// There is a TUN of this name that was made for one queue.
    #[error("network device `{0}` has one queue, not several: choose another name")]
    OneQueue(String),
    /// There is an interface of this name that is not a TUN.
    #[error("network device `{0}` exists and is not a TUN: choose another name")]
    NotATun(String),
    /// Anything else.
    #[error("cannot open TUN device `{name}`: {source}")]
    Io {
        /// The name asked for.
        name: String,
        /// What the system said.
        source: io::Error,
    },
}

/// Checks a name as the kernel will; `%d` in it stands for the first free number.
///
/// # Errors
/// `NameTooLong`, `BadName`.
pub(crate) fn check_name(name: &str) -> Result<(), OpenError> {
    if name.len() > NAME_MAX {
        return Err(OpenError::NameTooLong(name.to_owned()));
    }
    let forbidden = |c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control();
    if name.is_empty() || name == "." || name == ".." || name.contains(forbidden) {
        return Err(OpenError::BadName(name.to_owned()));
    }
    Ok(())
}

/// What stands before each packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// Nothing: whole checksums, packets no longer than the MTU.
    #[default]
    Plain,
    /// The virtio header: the kernel completes and spares checksums, cuts and merges TCP segments.
    Offload,
    /// Ethernet's header, and nothing before it: a TAP.
    Tap,
    /// Ethernet's header behind the virtio header.
    TapOffload,
}

impl Format {
    /// What one unit is.
    #[must_use]
    pub const fn medium(self) -> Medium {
        match self {
            Self::Plain | Self::Offload => Medium::Ip,
            Self::Tap | Self::TapOffload => Medium::Ethernet,
        }
    }

    /// Whether the virtio header stands before each unit.
    #[must_use]
    pub const fn offloads(self) -> bool {
        match self {
            Self::Plain | Self::Tap => false,
            Self::Offload | Self::TapOffload => true,
        }
    }

    /// Bytes a unit may have beyond an IP packet: Ethernet's header, with a tag.
    const fn link_header(self) -> usize {
        match self.medium() {
            Medium::Ip => 0,
            Medium::Ethernet => 18,
        }
    }
}

/// A TUN or a TAP: whole IP packets or frames, never blocking.
///
/// The interface disappears with it, unless it was made persistent by somebody else.
#[derive(Debug)]
pub struct Tun {
    fd: OwnedFd,
    name: String,
    mtu: u32,
    format: Format,
    /// Spare capacity a read needs; more than the MTU once the interface was found to be changed.
    room: usize,
    clock: Clock,
}

impl Tun {
    /// Makes a TUN interface, or attaches to a persistent one, in the current network namespace.
    /// Without a name the kernel chooses (`tun0` ..). The interface is neither addressed nor up:
    /// see [`kernel::configure`].
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(name: Option<&str>, format: Format, clock: &Clock) -> Result<Self, OpenError> {
        let (fd, name) = open_fd(name, format, false)?;
        Self::opened(fd, name, format, clock)
    }

    /// The same with several queues, a `Tun` for each. The kernel keeps all packets of a flow in one queue: the one
    /// the flow's last answer was written to, or else one by a hash that both directions share.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_queues(
        name: Option<&str>,
        format: Format,
        clock: &Clock,
        queues: NonZeroU16,
    ) -> Result<Vec<Self>, OpenError> {
        let opened = open_fds(name, format, queues)?.into_iter();
        let tuns = opened.map(|(fd, name)| Self::opened(fd, name, format, clock));
        tuns.collect()
    }

    fn opened(fd: OwnedFd, name: String, format: Format, clock: &Clock) -> Result<Self, OpenError> {
        let mtu = kernel::link(&name).map_or(1_500, |link| link.mtu);
        if let Err(error) = kernel::set_queue(&name, TX_QUEUE_LEN) {
            log::warn!("{name}: the kernel's queue stays short, expect loss in bulk: {error}");
        }
        Self::from_fd(fd, &name, mtu, format, clock)
            .map_err(|source| OpenError::Io { name, source })
    }

    /// Takes over an open TUN descriptor without packet information: one from a program that set it up.
    ///
    /// # Errors
    /// If the descriptor cannot be made non-blocking.
    pub fn from_fd(
        fd: OwnedFd,
        name: &str,
        mtu: u32,
        format: Format,
        clock: &Clock,
    ) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&fd, true)?;
        let room = if format.offloads() {
            MAX_UNIT
        } else {
            (mtu as usize + format.link_header()).min(MAX_UNIT)
        };
        Ok(Self {
            fd,
            name: name.to_owned(),
            mtu,
            format,
            room,
            clock: clock.clone(),
        })
    }

    /// The interface's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Cuts what was read off the buffer, and the header off that.
    fn cut(&mut self, buffer: &mut BytesMut) -> Received {
        let at = self.clock.now();
        let offload = if self.format.offloads() {
            buffer
                .split_to(offload::HEADER.min(buffer.len()))
                .first_chunk()
                .map_or_else(RxOffload::default, |header| offload::decode(*header))
        } else {
            RxOffload::default()
        };
        let bytes = buffer.split().freeze();
        let usual = self.mtu as usize + self.format.link_header();
        if !self.format.offloads() && bytes.len() > usual {
            // Somebody raised the interface's MTU: no later packet shall be cut.
            self.room = MAX_UNIT;
        }
        Received { at, bytes, offload }
    }

    fn write(&self, pieces: &[IoSlice<'_>]) -> io::Result<()> {
        loop {
            match rustix::io::writev(&self.fd, pieces) {
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl AsFd for Tun {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Opens every queue of a TUN, and says its name with each.
pub(crate) fn open_fds(
    name: Option<&str>,
    format: Format,
    queues: NonZeroU16,
) -> Result<Vec<(OwnedFd, String)>, OpenError> {
    let several = queues > NonZeroU16::MIN;
    let first = open_fd(name, format, several)?;
    let name = first.1.clone();
    // The kernel may have chosen the name: the others attach to what it chose.
    let others = (1..queues.get()).map(|_| open_fd(Some(&name), format, several));
    core::iter::once(Ok(first)).chain(others).collect()
}

/// Opens a TUN, or one more queue of one that has `several`, and says its name.
fn open_fd(
    name: Option<&str>,
    format: Format,
    several: bool,
) -> Result<(OwnedFd, String), OpenError> {
    if let Some(name) = name {
        check_name(name)?;
    }
    let name = name.unwrap_or_default();
    let plain = |mode| {
        tun_tap::Iface::without_packet_info(name, mode)
            .map(|iface| (iface.name().to_owned(), raw::own(iface)))
            .map(|(name, fd)| (fd, name))
    };
    let opened = match format {
        Format::Plain if !several => plain(tun_tap::Mode::Tun),
        Format::Tap if !several => plain(tun_tap::Mode::Tap),
        Format::Plain | Format::Tap | Format::Offload | Format::TapOffload => {
            offload::open(name, format, several)
        }
    };
    opened.map_err(|source| {
        let why = explain(name, source);
        if several && matches!(why, OpenError::NotATun(_)) && is_tun(name) {
            OpenError::OneQueue(name.to_owned())
        } else {
            why
        }
    })
}

/// Whether there is an interface of this name that is a TUN or a TAP: only those have flags of that kind.
fn is_tun(name: &str) -> bool {
    std::fs::exists(format!("/sys/class/net/{name}/tun_flags")).unwrap_or(false)
}

/// Opening the node and attaching the interface fail with different numbers.
fn explain(name: &str, source: io::Error) -> OpenError {
    let name = if name.is_empty() { "tun%d" } else { name }.to_owned();
    match Errno::from_io_error(&source) {
        Some(Errno::ACCESS) => OpenError::NodeNotPermitted,
        Some(Errno::NOENT | Errno::NODEV | Errno::NXIO) => OpenError::NoDriver,
        Some(Errno::PERM) => OpenError::NotPermitted(name),
        Some(Errno::BUSY) => OpenError::Busy(name),
        Some(Errno::INVAL) => OpenError::NotATun(name),
        _ => OpenError::Io { name, source },
    }
}

impl Device for Tun {
    fn caps(&self) -> Caps {
        let plain = Caps {
            medium: self.format.medium(),
            ..Caps::plain(self.mtu)
        };
        if !self.format.offloads() {
            return plain;
        }
        let header = u32::try_from(self.format.link_header()).unwrap_or_default();
        Caps {
            gso_max: offload::GSO_MAX - header,
            checksum_tx: true,
            checksum_rx: true,
            ..plain
        }
    }

    fn receive(&mut self, pool: &mut Pool, out: &mut Vec<Received>, max: usize) -> io::Result<Dry> {
        let (mut units, mut bytes) = (0, 0);
        while units < max && bytes < BATCH_BYTES {
            let mut buffer = pool.take(self.room);
            let read = raw::read_spare(self.fd.as_fd(), &mut buffer);
            let received = read.map(|()| self.cut(&mut buffer));
            pool.give_back(buffer);
            match received {
                Ok(received) => {
                    units += 1;
                    bytes += received.bytes.len();
                    out.push(received);
                }
                Err(Errno::AGAIN) => return Ok(Dry::Yes),
                Err(Errno::INTR) => {}
                Err(error) if units == 0 => return Err(error.into()),
                // What was read is delivered first; the error comes again.
                Err(_) => return Ok(Dry::No),
            }
        }
        Ok(Dry::No)
    }

    fn room(&self) -> bool {
        // A write goes straight into the kernel's receive path: there is no queue to fill.
        true
    }

    fn transmit(&mut self, packet: &[IoSlice<'_>], offload: Offload) -> io::Result<()> {
        match self.format {
            Format::Plain | Format::Tap if offload == Offload::default() => self.write(packet),
            Format::Plain | Format::Tap => Err(io::ErrorKind::InvalidInput.into()),
            Format::Offload | Format::TapOffload => {
                let header = offload::encode(offload);
                let mut pieces = [IoSlice::new(&[]); PIECES];
                let used = pieces
                    .get_mut(..=packet.len())
                    .and_then(|p| p.split_first_mut());
                let Some((first, rest)) = used else {
                    // More pieces than any plan has.
                    return Err(io::ErrorKind::InvalidInput.into());
                };
                *first = IoSlice::new(&header);
                rest.copy_from_slice(packet);
                self.write(pieces.get(..=packet.len()).unwrap_or_default())
            }
        }
    }

    fn wake_source(&self) -> WakeSource<'_> {
        WakeSource::Fd(self.fd.as_fd())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_kernel_would_refuse_are_refused_with_a_reason() {
        let say = |name| check_name(name).unwrap_err().to_string();
        assert!(say("a-name-of-sixteen").contains("at most 15 bytes"));
        for name in ["", ".", "..", "a b", "a/b", "a:b", "a\n"] {
            assert!(say(name).contains("not usable"), "{name:?}");
        }
        for name in ["tun0", "outcrop%d", "exactly-15-byte"] {
            assert!(check_name(name).is_ok(), "{name:?}");
        }
    }

    #[test]
    fn errors_say_what_to_do() {
        let say = |errno: Errno| explain("tun7", errno.into()).to_string();
        assert!(say(Errno::ACCESS).contains("chmod 666 /dev/net/tun"));
        assert!(say(Errno::NOENT).contains("modprobe tun"));
        assert!(say(Errno::PERM).contains("run as root"));
        assert!(say(Errno::BUSY).contains("`tun7` is busy"));
        assert!(say(Errno::INVAL).contains("not a TUN"));
    }
}
