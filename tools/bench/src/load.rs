//! Who asks.
//!
//! Job: put one load on one address and say what came of it, as one line of JSON on standard output.
//! Owns: the client's side. Does not know: who answers.
//!
//! `wrk` asks as fast as it is answered, `spin` does over one connection without sleeping, `paced` asks at a fixed rate, `bulk`
//! moves bytes, `hold` only stays; `order` looks what came out of order meanwhile.

mod bulk;
mod hold;
mod order;
mod paced;
mod spin;
mod wrk;

use core::net::{IpAddr, SocketAddr};
use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::Outcome;
use crate::network::NoTimeWait;
use bulk::Transfer;
use order::Order;

/// What sockets of either side are given and asked for at once.
pub(crate) const CHUNK: usize = 256 << 10;

/// One load.
#[derive(clap::Args, Debug)]
pub(crate) struct Load {
    kind: Kind,
    /// Whom to ask.
    server: SocketAddr,
    #[arg(long, default_value_t = 3)]
    seconds: u32,
    #[arg(long, default_value = "/")]
    path: String,
    /// Connections, or streams.
    #[arg(long, default_value_t = 1)]
    connections: u32,
    #[arg(long, default_value_t = 1)]
    pipeline: u32,
    /// Clients that ask at once, each with its share of the connections.
    #[arg(long, default_value_t = 1)]
    clients: u32,
    #[arg(long)]
    close: bool,
    /// Requests a second.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    /// Have the kernel drop what is received.
    #[arg(long)]
    drops: bool,
    /// The address to ask from.
    #[arg(long)]
    source: Option<IpAddr>,
    /// Where the script for `wrk` may be written.
    #[arg(long, default_value = "/tmp")]
    scratch: PathBuf,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Requests,
    Spin,
    Paced,
    Push,
    Pull,
    File,
    Hold,
}

/// What came of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Requests or bytes.
    pub(crate) count: f64,
    /// Requests or megabits a second.
    pub(crate) rate: f64,
    /// Latencies, microseconds; zero where none was measured.
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
    /// What went wrong: answers that are not 2xx or did not come, socket errors.
    pub(crate) errors: f64,
    /// Processor time of the client, seconds.
    pub(crate) cpu: f64,
    /// Segments that came out of order, in either direction, and that the client sent again.
    pub(crate) disordered: f64,
    pub(crate) repeated: f64,
}

impl Load {
    pub(crate) fn run(&self) -> Outcome<()> {
        let bulk =
            |transfer: Transfer| bulk::run(self.server, self.connections, self.seconds, &transfer);
        let before = Order::now()?;
        let _ports_last = NoTimeWait::begin()?;
        let mut report = match self.kind {
            Kind::Requests => wrk::run(self)?,
            Kind::Spin => spin::run(self)?,
            Kind::Paced => paced::run(self)?,
            Kind::Push => bulk(Transfer::Push)?,
            Kind::Pull => bulk(Transfer::Pull)?,
            Kind::File => bulk(Transfer::Get {
                path: self.path.clone(),
                drops: self.drops,
            })?,
            Kind::Hold => hold::run(self)?,
        };
        let order = Order::now()?.since(before);
        (report.disordered, report.repeated) = (order.disordered, order.repeated);
        println!("{}", serde_json::to_string(&report)?);
        Ok(())
    }
}

/// Whose processor time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    Itself,
    /// Of children that were waited for.
    Children,
}

/// Processor time, user and system, out of a process's `stat` (proc(5): fields 14 to 17, in hundredths).
pub(crate) fn cpu_seconds(path: &str, of: Of) -> Outcome<f64> {
    let text = fs::read_to_string(path)?;
    let after_name = text.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let skip = match of {
        Of::Itself => 11,
        Of::Children => 13,
    };
    let ticks: f64 = after_name
        .split(' ')
        .skip(skip)
        .take(2)
        .filter_map(|field| field.parse::<f64>().ok())
        .sum();
    Ok(ticks / 100.0)
}
