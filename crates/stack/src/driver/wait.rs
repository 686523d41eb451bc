//! Sleeping in the kernel.
//!
//! Job: wait for a device, the alarm or a deadline. Owns: the system call. Does not know: what follows.

use core::time::Duration;
use std::io;
use std::os::fd::BorrowedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// Sleeps until `device` or `alarm` is readable, or `limit` has passed; returns whether the alarm is.
pub(crate) fn until_readable(
    device: Option<BorrowedFd<'_>>,
    alarm: BorrowedFd<'_>,
    limit: Option<Duration>,
) -> io::Result<bool> {
    let limit = timespec(limit);
    // Without a device, the alarm stands in its place: polled twice, heard once.
    let mut fds = [
        PollFd::from_borrowed_fd(alarm, PollFlags::IN),
        PollFd::from_borrowed_fd(device.unwrap_or(alarm), PollFlags::IN),
    ];
    match poll(&mut fds, limit.as_ref()) {
        // An interrupted sleep is a short one.
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let [alarm, _] = fds;
    Ok(alarm.revents().contains(PollFlags::IN))
}

/// The same for several devices.
pub(crate) fn until_any_readable<'a>(
    devices: impl Iterator<Item = BorrowedFd<'a>>,
    alarm: BorrowedFd<'a>,
    limit: Option<Duration>,
) -> io::Result<bool> {
    let limit = timespec(limit);
    let fds = core::iter::once(alarm).chain(devices);
    let mut fds: Vec<_> = fds
        .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
        .collect();
    match poll(&mut fds, limit.as_ref()) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let alarm = fds.first();
    Ok(alarm.is_some_and(|alarm| alarm.revents().contains(PollFlags::IN)))
}

fn timespec(limit: Option<Duration>) -> Option<Timespec> {
    limit.map(|limit| Timespec {
        tv_sec: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(limit.subsec_nanos()),
    })
}
