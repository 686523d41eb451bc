//! `outcrop ping`.

use core::future::Future;
use core::net::IpAddr;
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;
use std::io;

use bytes::Bytes;
use outcrop_socket::Ping;
use outcrop_stack::Shard;

use crate::cli;
use crate::failure::Failure;
use crate::host::{Host, Place};
use crate::resolve::resolve;
use crate::signals;
use crate::statistics::Statistics;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// Pings a host; status 0 if it ever answered.
pub(crate) fn run(options: &cli::Ping) -> Result<u8, Failure> {
    let targets = resolve(&options.host, 0)?;
    let target = targets.first().map(core::net::SocketAddr::ip);
    let target = target.ok_or_else(|| Failure::new(format!("{}: no such host", options.host)))?;
    let mut host = Host::start(
        &options.net,
        outcrop_stack::tcp::Config::default(),
        Place::Here,
        "ping",
    )?;
    let stop = signals::stop()?;
    let series = Series {
        shard: host.shard().clone(),
        target,
        count: options.count,
        interval: Duration::from_secs_f64(options.interval),
        data: payload(options.size),
    };
    println!("PING {target}: {} bytes of data", options.size);
    let statistics = host.run(|_| series.until(stop))?;
    let remains = host.finish()?;
    println!("--- {target}\n{statistics}");
    remains.say_capture();
    Ok(u8::from(!statistics.any_reply()))
}

struct Series {
    shard: Shard,
    target: IpAddr,
    count: u16,
    interval: Duration,
    data: Bytes,
}

impl Series {
    /// Pings until all are sent or somebody says stop.
    async fn until(self, stop: impl Future<Output = ()>) -> Statistics {
        let mut statistics = Statistics::default();
        let stopped = {
            let mut pings = pin!(self.all(&mut statistics));
            let mut stop = pin!(stop);
            core::future::poll_fn(|cx| match pings.as_mut().poll(cx) {
                Poll::Ready(result) => Poll::Ready(Some(result)),
                Poll::Pending => stop.as_mut().poll(cx).map(|()| None),
            })
            .await
        };
        if let Some(Err(error)) = stopped {
            eprintln!("outcrop: {}: {error}", self.target);
        }
        statistics
    }

    async fn all(&self, statistics: &mut Statistics) -> io::Result<()> {
        let mut ping = Ping::new(&self.shard)?;
        for seq in 1..=self.count {
            let began = self.shard.now();
            statistics.on_sent();
            match ping
                .ping(self.target, seq, self.data.clone(), PATIENCE)
                .await
            {
                Ok((reply, trip)) => {
                    statistics.on_reply(trip);
                    println!(
                        "{} bytes from {}: seq={seq} hops={} time={:.3} ms",
                        reply.len,
                        reply.from,
                        reply.hop_limit,
                        trip.as_secs_f64() * 1000.0
                    );
                }
                Err(error) => println!("seq={seq} {error}"),
            }
            if seq < self.count {
                self.shard.sleep_until(began + self.interval).await;
            }
        }
        Ok(())
    }
}

/// Counting bytes: a shifted or damaged answer shows.
fn payload(size: u16) -> Bytes {
    (0..size)
        .map(|index| index.to_be_bytes()[1])
        .collect::<Vec<_>>()
        .into()
}
