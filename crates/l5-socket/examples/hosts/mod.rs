//! Two hosts of ours and a wire in memory between them, on one tokio runtime.

use core::future::Future;
use core::time::Duration;

use outcrop_base::{InterfaceId, Seed, WallClock};
use outcrop_device::{Caps, Clock, PairEnd, pair};
use outcrop_socket::Shard;
use outcrop_socket::tokio::{drive, drive_until};
use outcrop_stack::ip::{Cidr, InterfaceConfig};
use outcrop_stack::{Config, Core, Driver};

pub(crate) type AnyError = Box<dyn core::error::Error + Send + Sync>;

/// Where the first host listens.
pub(crate) const SERVER: ([u8; 4], u16) = ([10, 0, 0, 1], 80);

fn host(last: u8, device: PairEnd, clock: &Clock) -> Result<Driver<PairEnd>, AnyError> {
    let mut core = Core::new(Config::default(), &Seed::from_number(u64::from(last)));
    let addresses = vec![Cidr::new([10, 0, 0, last].into(), 24)?];
    core.add_interface(InterfaceConfig::tun(InterfaceId(0), 1500, addresses))?;
    let shard = Shard::new(core, clock.clone(), WallClock::new(Duration::ZERO))?;
    Ok(Driver::new(shard, InterfaceId(0), device, ()))
}

/// Runs `program` with the shards of the server's and the client's host until it ends.
pub(crate) fn with_hosts<F>(program: impl FnOnce(Shard, Shard) -> F) -> Result<(), AnyError>
where
    F: Future<Output = Result<(), AnyError>>,
{
    let clock = Clock::start();
    let (a, b) = pair(Caps::plain(1500), &clock);
    let (mut one, mut two) = (host(1, a, &clock)?, host(2, b, &clock)?);
    let program = program(one.shard().clone(), two.shard().clone());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async move {
        tokio::spawn(async move { drive(&mut one).await });
        drive_until(&mut two, program).await?
    })
}
