//! Answers the kernel's pings, without any stack: `cargo run -p outcrop-device --example mirror`.
//!
//! In a private network it starts `ping 10.77.0.2`, turns each echo request that comes out of the TUN
//! into its reply, and shows what it did.

use core::error::Error;
use std::io::IoSlice;
use std::process::Command;

use outcrop_base::Checksum;
use outcrop_device::kernel::Interface;
use outcrop_device::namespace::{self, Namespace};
use outcrop_device::{Clock, Device, Dry, Offload, Pool, WakeSource};
use rustix::event::{PollFd, PollFlags, poll};

fn main() -> Result<(), Box<dyn Error>> {
    namespace::holder_main();
    let clock = Clock::start();
    let link = Interface::new("tun0").address("10.77.0.1".parse()?, 24);
    let (namespace, tuns) = Namespace::create(&[link], &clock)?;
    let mut tun = tuns.into_iter().next().ok_or("no TUN was made")?;

    let mut ping = Command::new("ping");
    ping.args(["-c3", "-i0.2", "10.77.0.2"]);
    let mut ping = namespace.spawn(ping)?;

    let (mut pool, mut batch) = (Pool::new(), Vec::new());
    while ping.try_wait()?.is_none() {
        let dry = tun.receive(&mut pool, &mut batch, 64)?;
        for request in batch.drain(..) {
            println!("{} in: {} bytes", request.at, request.bytes.len());
            if let Some((header, message)) = echo_reply(&request.bytes) {
                let pieces = [IoSlice::new(&header), IoSlice::new(&message)];
                tun.transmit(&pieces, Offload::default())?;
                println!("{} out: the reply", clock.now());
            }
        }
        if dry == Dry::Yes
            && let WakeSource::Fd(fd) = tun.wake_source()
        {
            let tick = rustix::event::Timespec {
                tv_sec: 0,
                tv_nsec: 100_000_000,
            };
            poll(
                &mut [PollFd::from_borrowed_fd(fd, PollFlags::IN)],
                Some(&tick),
            )?;
        }
    }
    Ok(())
}

/// The reply to an ICMP echo request over IPv4 without options (RFC 792): addresses exchanged, type
/// zero, the sum made anew. The IPv4 header's own sum does not change when its addresses do so.
fn echo_reply(packet: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (header, message) = packet.split_at_checked(20)?;
    if header.first() != Some(&0x45) || header.get(9) != Some(&1) || message.first() != Some(&8) {
        return None;
    }
    let (front, addresses) = header.split_at_checked(12)?;
    let (src, dst) = addresses.split_at_checked(4)?;
    let rest = message.get(4..)?;
    let mut sum = Checksum::new();
    sum.add(rest);
    let sum = sum.finish().to_be_bytes();
    Some((
        [front, dst, src].concat(),
        [&[0, 0], &sum[..], rest].concat(),
    ))
}
