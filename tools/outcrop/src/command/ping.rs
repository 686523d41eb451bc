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
use outcrop_stack::ip::EchoReply;

use crate::cli;
use crate::failure::Failure;
use crate::host::{Host, Place};
use crate::news;
use crate::resolve::resolve;
use crate::signals;
use crate::statistics::Statistics;

/// The least time between requests of a flood that are not answered.
const FLOOD: Duration = Duration::from_millis(10);

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
        wait: Duration::from_secs_f64(options.wait),
        voice: match (options.flood, options.quiet) {
            (_, true) => Voice::Silent,
            (true, false) => Voice::Dots,
            (false, false) => Voice::Lines,
        },
        flood: options.flood,
        data: payload(options.size),
    };
    println!("PING {target}: {} bytes of data", options.size);
    let statistics = host.run(|_| series.until(stop))?;
    let remains = host.finish()?;
    if options.flood {
        // Behind the dots.
        println!();
    }
    println!("--- {target} ping statistics ---\n{statistics}");
    remains.say_capture();
    Ok(u8::from(!statistics.any_reply()))
}

struct Series {
    shard: Shard,
    target: IpAddr,
    count: u16,
    interval: Duration,
    wait: Duration,
    flood: bool,
    voice: Voice,
    data: Bytes,
}

/// How much is said of each answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Voice {
    Silent,
    Dots,
    Lines,
}

impl Series {
    /// Pings until all are sent or somebody says stop.
    async fn until(self, stop: impl Future<Output = ()>) -> Statistics {
        let mut statistics = Statistics::default();
        let begun = self.shard.now();
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
        statistics.on_end(self.shard.now() - begun);
        statistics
    }

    async fn all(&self, statistics: &mut Statistics) -> io::Result<()> {
        news::settled(&self.shard, self.target).await;
        let mut ping = Ping::new(&self.shard)?;
        for seq in 1..=self.count {
            let began = self.shard.now();
            statistics.on_sent();
            let wait = if self.flood { FLOOD } else { self.wait };
            let answer = ping.ping(self.target, seq, self.data.clone(), wait).await;
            let answered = answer.is_ok();
            if let Ok((_, trip)) = &answer {
                statistics.on_reply(*trip);
            }
            self.tell(seq, answer);
            if seq < self.count && !self.flood {
                self.shard.sleep_until(began + self.interval).await;
            } else if self.flood && !answered {
                // An error may have come sooner.
                self.shard.sleep_until(began + FLOOD).await;
            }
        }
        Ok(())
    }
}

impl Series {
    fn tell(&self, seq: u16, answer: io::Result<(EchoReply, Duration)>) {
        match (self.voice, answer) {
            (Voice::Silent, _) | (Voice::Dots, Ok(_)) => {}
            (Voice::Dots, Err(_)) => print!("."),
            (Voice::Lines, Ok((reply, trip))) => println!(
                "{} bytes from {}: seq={seq} hops={} time={:.3} ms",
                reply.len,
                reply.from,
                reply.hop_limit,
                trip.as_secs_f64() * 1000.0
            ),
            (Voice::Lines, Err(error)) => println!("seq={seq} {error}"),
        }
    }
}

/// Counting bytes: a shifted or damaged answer shows.
fn payload(size: u16) -> Bytes {
    (0..size)
        .map(|index| index.to_be_bytes()[1])
        .collect::<Vec<_>>()
        .into()
}
