//! The virtio header against the kernel's own TCP. Needs what `tests/namespace.rs` needs.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

use core::net::{IpAddr, Ipv4Addr};
use std::io::IoSlice;
use std::process::Command;

use outcrop_base::{Checksum, ChecksumState};
use outcrop_device::kernel::Interface;
use outcrop_device::namespace::{Namespace, holder_main};
use outcrop_device::{
    Clock, Device, Dry, Format, Gso, GsoKind, Offload, PartialChecksum, Pool, Received, Tun,
    WakeSource,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

const KERNEL: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
const US: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
const SYN: u8 = 2;
const ACK: u8 = 16;
const PARTIAL: PartialChecksum = PartialChecksum {
    start: 20,
    offset: 16,
};

#[test]
fn namespace_holder() {
    holder_main();
}

fn next(tun: &mut Tun) -> Received {
    let mut out = Vec::new();
    while out.is_empty() {
        let limit = Timespec {
            tv_sec: 10,
            tv_nsec: 0,
        };
        let WakeSource::Fd(fd) = tun.wake_source() else {
            panic!("a TUN has a descriptor");
        };
        let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
        assert_eq!(poll(&mut fds, Some(&limit)), Ok(1), "nothing came");
        let dry = tun.receive(&mut Pool::new(), &mut out, 1).unwrap();
        assert!(dry == Dry::Yes || out.len() == 1);
    }
    out.remove(0)
}

/// Sequence and acknowledgment number.
fn numbers(packet: &[u8]) -> (u32, u32) {
    let word = |at: usize| u32::from_be_bytes(packet[at..at + 4].try_into().unwrap());
    (word(24), word(28))
}

/// IPv4 and TCP headers that answer `packet`; the TCP checksum is left to the device.
fn answer(packet: &[u8], flags: u8, seq: u32, ack: u32, payload: usize) -> Vec<u8> {
    let mut bytes = vec![0; 40];
    let total = 40 + payload;
    bytes[0] = 0x45;
    bytes[2..4].copy_from_slice(&(total as u16).to_be_bytes());
    bytes[8] = 64;
    bytes[9] = 6;
    bytes[12..16].copy_from_slice(&US.octets());
    bytes[16..20].copy_from_slice(&KERNEL.octets());
    let mut sum = Checksum::new();
    sum.add(&bytes[..20]);
    bytes[10..12].copy_from_slice(&sum.finish().to_be_bytes());
    bytes[20..22].copy_from_slice(&packet[22..24]);
    bytes[22..24].copy_from_slice(&packet[20..22]);
    bytes[24..28].copy_from_slice(&seq.to_be_bytes());
    bytes[28..32].copy_from_slice(&ack.to_be_bytes());
    bytes[32] = 5 << 4;
    bytes[33] = flags;
    bytes[34..36].copy_from_slice(&60_000u16.to_be_bytes());
    let pseudo = pseudo_header(20 + payload);
    bytes[36..38].copy_from_slice(&pseudo.to_be_bytes());
    bytes
}

fn pseudo_header(len: usize) -> u16 {
    let (us, kernel) = (IpAddr::V4(US), IpAddr::V4(KERNEL));
    Checksum::pseudo_header(us, kernel, 6, len as u32).partial()
}

#[test]
fn kernel_tcp_leaves_its_checksums_to_us_and_takes_ours_and_a_super_segment() {
    let mut link = Interface::new("tun0").address(IpAddr::V4(KERNEL), 24);
    link.format = Format::Offload;
    let (namespace, mut tuns) = Namespace::create(&[link], &Clock::start()).unwrap();
    let tun = &mut tuns[0];
    assert!(tun.caps().checksum_tx && tun.caps().checksum_rx && tun.caps().gso_max == 65_535);
    let mut command = Command::new("bash");
    command.args(["-c", "exec 3<>/dev/tcp/10.77.0.2/80; cat <&3"]);
    let mut client = namespace.spawn(command).unwrap();

    let syn = next(tun);
    assert_eq!(syn.offload.checksum, ChecksumState::Verified);
    assert_eq!((syn.bytes[33], syn.offload.gso_size), (SYN, None));
    // The field holds the sum of the pseudo-header only.
    let field = u16::from_be_bytes([syn.bytes[36], syn.bytes[37]]);
    assert_eq!(field, pseudo_header(syn.bytes.len() - 20));

    let theirs = numbers(&syn.bytes).0 + 1;
    let checksum = Offload {
        checksum: Some(PARTIAL),
        gso: None,
    };
    let syn_ack = answer(&syn.bytes, SYN | ACK, 1_000, theirs, 0);
    tun.transmit(&[IoSlice::new(&syn_ack)], checksum).unwrap();
    let ack = next(tun);
    assert_eq!((ack.bytes[33], numbers(&ack.bytes)), (ACK, (theirs, 1_001)));

    let gso = Offload {
        gso: Some(Gso {
            kind: GsoKind::Tcp4,
            size: 1_460,
            header_len: 40,
        }),
        ..checksum
    };
    let payload = vec![0; 30_000];
    let header = answer(&syn.bytes, ACK, 1_001, theirs, payload.len());
    let pieces = [
        IoSlice::new(&header),
        IoSlice::new(&payload[..10_000]),
        IoSlice::new(&payload[10_000..]),
    ];
    tun.transmit(&pieces, gso).unwrap();
    while numbers(&next(tun).bytes).1 != 31_001 {}

    client.kill().unwrap();
    client.wait().unwrap();
}

#[test]
fn write_in_too_many_pieces_is_refused_not_cut() {
    let mut link = Interface::new("tun0");
    link.format = Format::Offload;
    let (_namespace, mut tuns) = Namespace::create(&[link], &Clock::start()).unwrap();
    let pieces = [IoSlice::new(b"x"); 200];
    let error = tuns[0].transmit(&pieces, Offload::default()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
}
