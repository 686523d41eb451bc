//! `outcrop wire`: the kernel at both ends of an emulated link.
//!
//! Job: two private networks, a TUN in each, and a link between them in real time; a command at each end. Owns:
//! the loop. Does not know: what the commands say to each other; our stack has no part in it.

use core::time::Duration;
use std::io;
use std::os::fd::AsFd as _;
use std::process::Child;

use outcrop_base::{Instant, Seed};
use outcrop_device::kernel::Interface;
use outcrop_device::namespace::Namespace;
use outcrop_device::{Clock, Tun, WakeSource};
use outcrop_netem::Config;
use outcrop_testkit::emulated::Joint;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::Pid;

use crate::cli;
use crate::command::run::{Known, code_of, start};
use crate::failure::Failure;
use crate::host::seed;
use crate::signals;

/// The addresses of the ends: the command's, and the other one's.
const ENDS: [[&str; 2]; 2] = [["10.77.0.1", "fd77::1"], ["10.77.0.2", "fd77::2"]];
/// How often we look whether the command has ended.
const LOOK: Duration = Duration::from_millis(20);

/// Runs a command at one end of a link while another runs at the far end.
pub(crate) fn run(options: &cli::Wire) -> Result<u8, Failure> {
    let clock = Clock::start();
    let seed = seed(options.seed)?;
    let (near, near_tun) = end(0, options.mtu, &clock)?;
    let (far, far_tun) = end(1, options.mtu, &clock)?;
    let mut joint = join((near_tun, far_tun), &options.link, &clock, &seed)?;
    let mut other = match &options.far {
        None => None,
        Some(script) => {
            let shell = ["sh".into(), "-c".into(), script.clone()];
            Some(start(Some(&far), &shell, Known::default())?)
        }
    };
    let mut command = start(Some(&near), &options.command, Known::default())?;
    signals::pass_on_to(Pid::from_child(&command))?;
    let status = carry(&mut joint, &mut command, &clock);
    if let Some(other) = &mut other {
        // It was there for the command, which has ended.
        let _gone = other.kill();
        let _status = other.wait();
    }
    let status = status.map_err(|error| Failure::new(format!("the link is gone: {error}")))?;
    Ok(code_of(status))
}

/// A private network with one interface.
fn end(which: usize, mtu: u32, clock: &Clock) -> Result<(Namespace, Tun), Failure> {
    let mut interface = Interface::new("outcrop0");
    let addresses = ENDS.get(which).into_iter().flatten();
    for (address, prefix) in addresses.zip([24, 64]) {
        let address = address.parse();
        let address = address.map_err(|error| Failure::new(format!("{error}")))?;
        interface = interface.address(address, prefix);
    }
    interface.mtu = mtu;
    let made = Namespace::create(&[interface], clock);
    let (namespace, tuns) = made.map_err(|error| Failure::new(error.to_string()))?;
    let tun = tuns.into_iter().next();
    let tun = tun.ok_or_else(|| Failure::new("the private network came without its TUN"))?;
    Ok((namespace, tun))
}

fn join(
    tuns: (Tun, Tun),
    link: &Config,
    clock: &Clock,
    seed: &Seed,
) -> Result<Joint<Tun, Tun>, Failure> {
    Joint::new(tuns, link.clone(), link.clone(), clock, seed)
        .map_err(|error| Failure::new(error.to_string()))
}

/// Carries packets until the command has ended.
fn carry(
    joint: &mut Joint<Tun, Tun>,
    command: &mut Child,
    clock: &Clock,
) -> io::Result<std::process::ExitStatus> {
    let mut look_at = Instant::ZERO;
    loop {
        joint.turn()?;
        let now = clock.now();
        if now >= look_at {
            if let Some(status) = command.try_wait()? {
                return Ok(status);
            }
            look_at = now + LOOK;
        }
        let until = joint.deadline().map_or(look_at, |at| at.min(look_at));
        wait(joint, until.saturating_since(clock.now()))?;
    }
}

/// Sleeps until a packet comes, but not longer than `limit`.
fn wait(joint: &Joint<Tun, Tun>, limit: Duration) -> io::Result<()> {
    let limit = Timespec {
        tv_sec: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(limit.subsec_nanos()),
    };
    let sources = joint.wake_sources();
    let fds = sources.iter().filter_map(|source| match source {
        WakeSource::Fd(fd) => Some(PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN)),
        WakeSource::Memory(_) => None,
    });
    let mut fds: Vec<_> = fds.collect();
    match poll(&mut fds, Some(&limit)) {
        // An interrupted sleep is a short one.
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
