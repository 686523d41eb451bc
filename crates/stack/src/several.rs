//! Several shards of one host.
//!
//! Job: join their drivers to a ring, and run each on a thread of its own. Owns: nothing. Does not know: devices; each
//! driver has one, a queue of the same TUN.
//! The shards have the same addresses and listeners, and nothing else in common: a connection lives where its first packet
//! came in, or where it was opened. See `core/strays.rs` for what comes in elsewhere.

use core::future::Future;
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

/// Runs `main` and what it starts in each shard, the first on this thread, each other on one of its own, until all have
/// ended; `main` is told which shard it is in. A shard that has ended answers nobody any more: let them end together.
///
/// # Errors
/// The device is gone or broken, for any of them: the first of these errors.
pub fn run_all<D, R, T, F>(
    drivers: &mut [Driver<D, R>],
    main: impl Fn(usize, Tasks) -> F + Sync,
) -> io::Result<Vec<T>>
where
    D: Device,
    R: Recorder + Send,
    T: Send + 'static,
    F: Future<Output = T> + 'static,
{
    let Some((first, others)) = drivers.split_first_mut() else {
        return Ok(Vec::new());
    };
    let main = &main;
    thread::scope(|scope| {
        let others: Vec<_> = (1..)
            .zip(others)
            .map(|(number, driver)| {
                let run = move || driver.run(|tasks| main(number, tasks));
                let named = thread::Builder::new().name(format!("shard {number}"));
                named.spawn_scoped(scope, run)
            })
            .collect::<io::Result<_>>()?;
        let first = first.run(|tasks| main(0, tasks));
        let ended = others
            .into_iter()
            .map(|other| other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        core::iter::once(first).chain(ended).collect()
    })
}
