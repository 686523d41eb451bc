//! Where memory and descriptors are touched raw.
//!
//! Job: the few operations of a TUN that no safe library offers: reading into memory not yet
//! initialised and taking over a descriptor. Owns: nothing. Does not know: what is in a packet.
//! Each `unsafe` carries the reason why it is sound.
#![expect(
    unsafe_code,
    reason = "one of the two modules of the workspace that may: see the SAFETY lines"
)]

use std::os::fd::{BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};

use bytes::{BufMut, BytesMut};
use rustix::io::Errno;

/// Reads one unit into the spare capacity of `buffer`, which grows by it.
pub(crate) fn read_spare(fd: BorrowedFd<'_>, buffer: &mut BytesMut) -> Result<(), Errno> {
    let (read, _rest) = rustix::io::read(fd, buffer.spare_capacity_mut())?;
    let len = read.len();
    // SAFETY: `read` is the initialised front of the spare capacity, `len` bytes long.
    unsafe { buffer.advance_mut(len) };
    Ok(())
}

/// Takes the descriptor out of an interface.
pub(crate) fn own(iface: tun_tap::Iface) -> OwnedFd {
    // SAFETY: `into_raw_fd` gives up the ownership of an open descriptor, and nobody else has it.
    unsafe { OwnedFd::from_raw_fd(iface.into_raw_fd()) }
}
