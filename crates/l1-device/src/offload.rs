//! The virtio header: what a TUN and we tell each other about checksums and segments.
//!
//! Job: open a TUN, one that speaks it above all; write and read its ten bytes. Owns: the header's layout; in `raw`, what
//! needs `unsafe`. Does not know: protocols, beyond the names of those that can be cut.
//! With it the kernel hands over and takes super-segments of 64 KiB and leaves checksums to whoever
//! needs them: ten times the bulk rate.
//! Sources: Virtual I/O Device (VIRTIO) 1.1 5.1.6, the kernel's TUN/TAP driver.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use outcrop_base::ChecksumState;

use crate::device::{Gso, GsoKind, Medium, Offload, PartialChecksum, RxOffload};
use crate::tun::Format;

pub(crate) mod raw;

/// Bytes of the header before every packet, either way.
pub(crate) const HEADER: usize = 10;
/// The largest packet the device cuts: an IPv4 packet's own limit.
pub(crate) const GSO_MAX: u32 = 65_535;

const IFF_TUN: u16 = 0x0001;
const IFF_TAP: u16 = 0x0002;
const IFF_MULTI_QUEUE: u16 = 0x0100;
const IFF_NO_PI: u16 = 0x1000;
const IFF_VNET_HDR: u16 = 0x4000;
/// We take partial checksums, and TCP super-segments of both families.
const FEATURES: u32 = 0x1 | 0x2 | 0x4;

const NEEDS_CSUM: u8 = 1;
const DATA_VALID: u8 = 2;
const GSO_NONE: u8 = 0;
const GSO_TCPV4: u8 = 1;
const GSO_TCPV6: u8 = 4;
const GSO_UDP_L4: u8 = 5;

/// Opens a TUN or a TAP, or one more queue of one that has `several`; says its name.
pub(crate) fn open(name: &str, format: Format, several: bool) -> io::Result<(OwnedFd, String)> {
    let kind = match format.medium() {
        Medium::Ip => IFF_TUN,
        Medium::Ethernet => IFF_TAP,
    };
    let header = if format.offloads() { IFF_VNET_HDR } else { 0 };
    let queues = if several { IFF_MULTI_QUEUE } else { 0 };
    let node = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/net/tun")?;
    let name = raw::set_interface(node.as_fd(), name, kind | IFF_NO_PI | header | queues)?;
    if format.offloads() {
        raw::set_offload(node.as_fd(), FEATURES)?;
    }
    Ok((node.into(), name))
}

/// The header of a packet sent. Its numbers are in the machine's byte order.
pub(crate) fn encode(offload: Offload) -> [u8; HEADER] {
    let (gso_type, header_len, size) = match offload.gso {
        None => (GSO_NONE, 0, 0),
        Some(Gso {
            kind,
            size,
            header_len,
        }) => {
            let kind = match kind {
                GsoKind::Tcp4 => GSO_TCPV4,
                GsoKind::Tcp6 => GSO_TCPV6,
                GsoKind::Udp => GSO_UDP_L4,
            };
            (kind, header_len, size)
        }
    };
    let (flags, start, offset) = match offload.checksum {
        None => (0, 0, 0),
        Some(partial) => (NEEDS_CSUM, partial.start, partial.offset),
    };
    let [[h0, h1], [z0, z1], [s0, s1], [o0, o1]] =
        [header_len, size, start, offset].map(u16::to_ne_bytes);
    [flags, gso_type, h0, h1, z0, z1, s0, s1, o0, o1]
}

/// What the header of a packet received says.
pub(crate) fn decode(header: [u8; HEADER]) -> RxOffload {
    let [flags, gso_type, _, _, z0, z1, s0, s1, o0, o1] = header;
    RxOffload {
        // A checksum still to be completed belongs to a packet that never left this machine.
        checksum: if flags & (NEEDS_CSUM | DATA_VALID) == 0 {
            ChecksumState::Unverified
        } else {
            ChecksumState::Verified
        },
        partial: (flags & NEEDS_CSUM != 0).then(|| PartialChecksum {
            start: u16::from_ne_bytes([s0, s1]),
            offset: u16::from_ne_bytes([o0, o1]),
        }),
        gso_size: (gso_type != GSO_NONE).then(|| u16::from_ne_bytes([z0, z1])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kernel's `struct virtio_net_hdr` of a 1460-byte segmented TCP packet over IPv4.
    #[test]
    fn header_has_the_kernels_layout() {
        let offload = Offload {
            checksum: Some(PartialChecksum {
                start: 20,
                offset: 16,
            }),
            gso: Some(Gso {
                kind: GsoKind::Tcp4,
                size: 1_460,
                header_len: 40,
            }),
        };
        let words = [40u16, 1_460, 20, 16].map(u16::to_ne_bytes).concat();
        assert_eq!(encode(offload)[..2], [1, 1]);
        assert_eq!(encode(offload)[2..], words);
        assert_eq!(encode(Offload::default()), [0; HEADER]);
    }

    #[test]
    fn partial_or_valid_checksums_are_vouched_for_and_size_is_of_super_segments_only() {
        let mut header = [0; HEADER];
        assert_eq!(decode(header), RxOffload::default());
        for flags in [NEEDS_CSUM, DATA_VALID] {
            header[0] = flags;
            assert_eq!(decode(header).checksum, ChecksumState::Verified);
            assert_eq!(decode(header).gso_size, None);
        }
        header[0] = NEEDS_CSUM;
        header[6..10].copy_from_slice(&[20u16, 16].map(u16::to_ne_bytes).concat());
        let (start, offset) = (20, 16);
        assert_eq!(
            decode(header).partial,
            Some(PartialChecksum { start, offset })
        );
        header[0] = DATA_VALID;
        assert_eq!(decode(header).partial, None);
        // 0x80 marks ECN beside the type.
        header[1] = GSO_TCPV6 | 0x80;
        header[4..6].copy_from_slice(&1_440u16.to_ne_bytes());
        assert_eq!(decode(header).gso_size, Some(1_440));
    }
}
