//! The driver as a task.
//!
//! Job: turn a driver whenever its device, a program or a deadline wants it. Owns: the device's place in
//! tokio's reactor. Does not know: any protocol.
//! It yields between receiving and flushing, so the tasks it woke act in the same turn and their answers
//! leave together with the acknowledgments.

use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::task::{Context, Poll, ready};
use core::time::Duration;
use std::io;
use std::os::fd::OwnedFd;

use outcrop_base::Recorder;
use outcrop_stack::Driver;
use outcrop_stack::device::{Device, WakeSource};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, Sleep, sleep_until};

/// Drives for ever. Must be polled on the runtime whose tasks use the sockets, best a
/// `current_thread` one.
///
/// # Errors
/// The device is gone or broken.
pub async fn drive<D: Device, R: Recorder>(driver: &mut Driver<D, R>) -> io::Result<()> {
    let device = watch(driver)?;
    let mut sleep = pin!(sleep_until(Instant::now()));
    loop {
        driver.receive()?;
        tokio::task::yield_now().await;
        driver.flush();
        let Some(limit) = time_left(driver) else {
            continue;
        };
        sleep.as_mut().reset(Instant::now() + limit);
        poll_fn(|cx| poll_wanted(driver, device.as_ref(), sleep.as_mut(), cx)).await?;
    }
}

/// Drives until `program` ends, and returns what it returned.
///
/// # Errors
/// The device is gone or broken.
pub async fn drive_until<D: Device, R: Recorder, F: Future>(
    driver: &mut Driver<D, R>,
    program: F,
) -> io::Result<F::Output> {
    let mut program = pin!(program);
    let mut drive = pin!(drive(driver));
    poll_fn(|cx| {
        if let Poll::Ready(output) = program.as_mut().poll(cx) {
            return Poll::Ready(Ok(output));
        }
        match ready!(drive.as_mut().poll(cx)) {
            Ok(()) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    })
    .await
}

/// Registers the device with the reactor, if it has a descriptor.
#[expect(
    deprecated,
    reason = "its successor is unsafe for types that lie about their descriptor; OwnedFd does not"
)]
fn watch<D: Device, R: Recorder>(driver: &Driver<D, R>) -> io::Result<Option<AsyncFd<OwnedFd>>> {
    match driver.wake_source() {
        WakeSource::Fd(fd) => {
            AsyncFd::with_interest(fd.try_clone_to_owned()?, Interest::READABLE).map(Some)
        }
        WakeSource::Memory(_) => Ok(None),
    }
}

/// How long the driver may sleep: a year without a deadline, `None` if it is wanted at once.
fn time_left<D: Device, R: Recorder>(driver: &Driver<D, R>) -> Option<Duration> {
    const LONG: Duration = Duration::from_secs(365 * 24 * 3600);
    match driver.deadline() {
        None => Some(LONG),
        Some(at) => {
            let left = at - driver.shard().now();
            (!left.is_zero()).then(|| left.min(LONG))
        }
    }
}

#[expect(
    clippy::needless_pass_by_ref_mut,
    reason = "exclusive, so that the future is Send for devices that are not Sync"
)]
fn poll_wanted<D: Device, R: Recorder>(
    driver: &mut Driver<D, R>,
    device: Option<&AsyncFd<OwnedFd>>,
    sleep: Pin<&mut Sleep>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    if let Some(device) = device
        && let Poll::Ready(ready) = device.poll_read_ready(cx)
    {
        // Cleared before the next read: what comes later makes it ready again.
        ready?.clear_ready();
        return Poll::Ready(Ok(()));
    }
    if sleep.poll(cx).is_ready() {
        return Poll::Ready(Ok(()));
    }
    driver.poll_asked(cx).map(Ok)
}
