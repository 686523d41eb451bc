//! Where memory and descriptors are touched raw.
//!
//! Job: the few operations of a TUN that no safe library offers. Owns: nothing. Does not know: what is
//! in a packet. Each `unsafe` carries the reason why it is sound.
#![expect(
    unsafe_code,
    reason = "one of the two modules of the workspace that may: see the SAFETY lines"
)]

use std::os::fd::{BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};

use bytes::{BufMut, BytesMut};
use rustix::io::Errno;
use rustix::ioctl::{IntegerSetter, Opcode, Updater, ioctl, opcode};

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

/// The kernel's `struct ifreq` as `TUNSETIFF` uses it: the name and the flags of 40 bytes.
#[repr(C)]
struct InterfaceRequest {
    name: [u8; 16],
    flags: u16,
    unused: [u8; 22],
}

const TUNSETIFF: Opcode = opcode::write::<i32>(b'T', 202);
const TUNSETOFFLOAD: Opcode = opcode::write::<u32>(b'T', 208);

/// Attaches an open `/dev/net/tun` to the interface of this name, which must be at most 15 bytes;
/// returns the name it got.
pub(super) fn set_interface(fd: BorrowedFd<'_>, name: &str, flags: u16) -> Result<String, Errno> {
    let mut request = InterfaceRequest {
        name: [0; 16],
        flags,
        unused: [0; 22],
    };
    for (to, from) in request.name.iter_mut().take(15).zip(name.bytes()) {
        *to = from;
    }
    // SAFETY: TUNSETIFF reads and writes one `struct ifreq`, of which this is the layout and size.
    unsafe { ioctl(fd, Updater::<TUNSETIFF, _>::new(&mut request)) }?;
    let name = request.name.split(|byte| *byte == 0).next();
    Ok(String::from_utf8_lossy(name.unwrap_or_default()).into_owned())
}

/// Says which offloads we understand in what we read.
pub(super) fn set_offload(fd: BorrowedFd<'_>, features: u32) -> Result<(), Errno> {
    // SAFETY: TUNSETOFFLOAD takes its argument by value and touches no memory of ours.
    unsafe {
        ioctl(
            fd,
            IntegerSetter::<TUNSETOFFLOAD>::new_usize(features as usize),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_has_the_kernels_size() {
        assert_eq!(size_of::<InterfaceRequest>(), 40);
    }
}
