//! Several shards of one host.
//!
//! Job: join their drivers to a ring, and run each on a thread of its own. Owns: nothing. Does not know: devices; each
//! driver has one, a queue of the same TUN.
//! The shards have the same addresses and listeners, and nothing else in common: a connection lives where its first packet
//! came in, or where it was opened. See `core/strays.rs` for what comes in elsewhere.

use core::future::Future;
use core::time::Duration;
use std::io;
use std::panic::resume_unwind;
use std::thread;

use outcrop_base::Recorder;
use outcrop_device::Device;

use crate::{Driver, Tasks};

/// The drivers of one host's shards, each handing what it does not expect to the next. One alone has nobody to hand to.
#[must_use]
pub fn ring<D: Device, R: Recorder>(drivers: Vec<Driver<D, R>>) -> Vec<Driver<D, R>> {
    let mut shards: Vec<_> = drivers
        .iter()
        .map(|driver| driver.shard().clone())
        .collect();
    if shards.len() < 2 {
        return drivers;
    }
    shards.rotate_left(1);
    let joined = drivers.into_iter().zip(shards);
    joined
        .map(|(driver, next)| driver.with_next(next))
        .collect()
}

/// Runs in each shard one of `mains` and what it starts, the first on this thread, each other on one of its own, until all
/// have ended. A shard that has ended answers nobody any more: let them end together.
///
/// # Errors
/// The device is gone or broken, for any of them: the first of these errors.
///
/// # Panics
/// As any of them.
pub fn run_all<D, R, T, F, M>(
    drivers: &mut [Driver<D, R>],
    mains: impl IntoIterator<Item = M>,
) -> io::Result<Vec<T>>
where
    D: Device,
    R: Recorder + Send,
    T: Send + 'static,
    F: Future<Output = T> + 'static,
    M: FnOnce(Tasks) -> F + Send,
{
    let each = drivers.iter_mut().zip(mains);
    in_parallel(each.map(|(driver, main)| move || driver.run(main)))
}

/// Lets every shard go on without programs, as [`Driver::settle`] does; returns whether no connection is left in any.
///
/// # Errors
/// As [`run_all`].
pub fn settle_all<D: Device, R: Recorder + Send>(
    drivers: &mut [Driver<D, R>],
    limit: Duration,
) -> io::Result<bool> {
    let each = drivers.iter_mut();
    let settled = in_parallel(each.map(|driver| move || driver.settle(limit)))?;
    Ok(settled.into_iter().all(|settled| settled))
}

/// Does each thing on a thread of its own, the first on this one.
fn in_parallel<T: Send>(
    things: impl Iterator<Item = impl FnOnce() -> io::Result<T> + Send>,
) -> io::Result<Vec<T>> {
    let mut things = things.collect::<Vec<_>>().into_iter();
    let first = things.next();
    thread::scope(|scope| {
        let others: Vec<_> = things.map(|thing| scope.spawn(thing)).collect();
        let first = first.map(|first| first());
        let ended = others
            .into_iter()
            .map(|other| other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        first.into_iter().chain(ended).collect()
    })
}
