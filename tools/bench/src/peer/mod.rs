//! Stacks that answer on a TUN of their own, in the namespace of the measurement.
//!
//! Job: open the TUN, give the kernel its end, and run one of them until its standard input ends or it is killed.
//! Owns: the addresses. Does not know: how any of them speaks TCP. `ceiling` is the bar, `smoltcp` a peer, `external`
//! those that are programs of their own.

mod ceiling;
pub(crate) mod external;
mod smoltcp;

use core::fmt;
use core::net::{IpAddr, Ipv4Addr};
use std::io::Write as _;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;

use outcrop_device::kernel::{self, Interface};
use outcrop_device::{Clock, Format, Tun};
use rustix::event::{PollFd, PollFlags};

use crate::Outcome;
use crate::scenario::{Pair, Work};

/// The peer's address.
pub(crate) const PEER: Ipv4Addr = Ipv4Addr::new(10, 79, 0, 2);
/// The kernel's end.
const KERNEL: Ipv4Addr = Ipv4Addr::new(10, 79, 0, 1);
/// Answers with a small file, and keeps the connection.
pub(crate) const SMALL: u16 = 80;
/// Answers with a small file, and closes.
pub(crate) const CLOSE: u16 = 81;
/// Answers with a file of 1 MiB.
pub(crate) const LARGE: u16 = 82;
/// Answers with a file of 1 GiB, and closes.
pub(crate) const HUGE: u16 = 83;
/// Sends for ever.
pub(crate) const SEND: u16 = 8_080;
/// Discards.
pub(crate) const DISCARD: u16 = 9;
/// The largest packet of a TUN, and the virtio header before it.
const MOST: usize = 65_535 + HEADER;
/// Bytes of the virtio header.
const HEADER: usize = 10;

/// Which one, and how.
#[derive(clap::Args, Debug)]
pub(crate) struct Peer {
    who: Who,
    /// How many connections there will be.
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// The only port that will be asked; the ceiling answers on all, but has a file of 1 GiB only if told to.
    #[arg(long, default_value_t = SMALL)]
    port: u16,
    /// Spin instead of sleeping.
    #[arg(long)]
    spin: bool,
    /// The program, of one that is not part of this one.
    #[arg(long)]
    program: Option<PathBuf>,
}

/// Who answers.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// As little TCP as a TUN can be filled with.
    Ceiling,
    /// smoltcp at MTU 65,535, checksums left to the virtio header: its best.
    Smoltcp,
    /// smoltcp on a plain TUN of MTU 1,500.
    SmoltcpPlain,
    /// lwIP on a plain TUN: Debian's library checks every checksum itself.
    Lwip,
    /// gVisor's netstack, with the virtio header and super-segments.
    Gvisor,
    /// ipstack on a plain TUN.
    Ipstack,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ceiling => "ceiling",
            Self::Smoltcp => "smoltcp",
            Self::SmoltcpPlain => "smoltcp-plain",
            Self::Lwip => "lwip",
            Self::Gvisor => "gvisor",
            Self::Ipstack => "ipstack",
        })
    }
}

/// Where a peer does `work`.
pub(crate) const fn port(work: Work) -> u16 {
    match work {
        Work::Push { .. } | Work::Pair(Pair::Push) => DISCARD,
        Work::Pull { .. } | Work::Pair(Pair::Pull) => SEND,
        Work::File { .. } => HUGE,
        Work::Requests { close: true, .. } => CLOSE,
        // The only file of some size that peers are asked for.
        Work::Requests { file, .. } if matches!(file.as_bytes(), b"large") => LARGE,
        Work::Requests { .. } | Work::Alone | Work::Paced { .. } | Work::Pair(Pair::Requests) => {
            SMALL
        }
    }
}

impl Peer {
    /// Serves until it is killed. Says `ready` on standard output when it can be asked.
    pub(crate) fn run(&self) -> Outcome<()> {
        let (format, mtu) = match self.who {
            Who::Ceiling | Who::Gvisor => (Format::Offload, 1_500),
            Who::Smoltcp => (Format::Offload, 65_535),
            Who::SmoltcpPlain | Who::Lwip | Who::Ipstack => (Format::Plain, 1_500),
        };
        let tun = Tun::open(Some("peer%d"), format, &Clock::start())?;
        let mut interface = Interface::new(tun.name()).address(IpAddr::V4(KERNEL), 24);
        interface.mtu = mtu;
        interface.format = format;
        kernel::configure(&interface)?;
        match self.who {
            Who::Ceiling => {
                let ceiling = ceiling::Ceiling::new(tun.as_fd(), self.port == HUGE);
                ready()?;
                ceiling::run(ceiling, self.spin)
            }
            Who::Smoltcp | Who::SmoltcpPlain => {
                ready()?;
                smoltcp::run(&tun, format, mtu as usize, (self.port, self.connections))
            }
            Who::Lwip | Who::Gvisor | Who::Ipstack => {
                ready()?;
                let program = self.program.as_deref().ok_or("which program? --program")?;
                external::become_it(program, tun.as_fd().try_clone_to_owned()?, self.port)
            }
        }
    }
}

/// Tells who started this that it can be asked.
fn ready() -> Outcome<()> {
    println!("ready");
    Ok(std::io::stdout().flush()?)
}

/// Sleeps until there is something to read, or `limit` is over.
fn wait(tun: BorrowedFd<'_>, limit: Option<core::time::Duration>) -> Outcome<()> {
    let limit = limit.map(rustix::event::Timespec::try_from).transpose()?;
    let mut fds = [PollFd::new(&tun, PollFlags::IN)];
    match rustix::event::poll(&mut fds, limit.as_ref()) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// An answer to a request, whole.
fn answer(body: usize, close: bool) -> Vec<u8> {
    let connection = if close { "Connection: close\r\n" } else { "" };
    let mut text = format!(
        "HTTP/1.1 200 OK\r\nServer: peer\r\nDate: Sat, 21 Nov 2026 12:00:00 GMT\r\nContent-Type: text/plain\r\n\
         ETag: \"0123456789abcdef-64\"\r\nLast-Modified: Sat, 21 Nov 2026 11:00:00 GMT\r\nAccept-Ranges: bytes\r\n\
         Content-Length: {body}\r\n{connection}\r\n"
    )
    .into_bytes();
    text.resize(text.len() + body, b'x');
    text
}

/// How many requests end in `bytes`, which begin with one.
fn requests(bytes: &[u8]) -> u32 {
    let ends = bytes.windows(4).filter(|four| four == b"\r\n\r\n");
    u32::try_from(ends.count()).unwrap_or(u32::MAX)
}
