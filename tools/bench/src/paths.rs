//! Beside Linux on the same path.
//!
//! Job: one bulk transfer over a handful of emulated links, sent by our stack and by the kernel's CUBIC, each
//! into a kernel's socket, and by the kernel into our stack, all three at once and each on a link of its own. Both ends ours are the throughput matrix of `testkit`, in
//! virtual time. Owns: the paths. Does not know: how a link is emulated; `outcrop run --link` and
//! `outcrop wire --link` are the same one. Rates are low enough that the processor does not matter.

use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use rustix::net::{self, AddressFamily, SocketType};

use crate::load::CHUNK;
use crate::plan::Plan;
use crate::statistics::Spread;
use crate::{Outcome, ourselves, process};

/// The paths: a name, and the link in each direction.
const PATHS: [(&str, &str); 7] = [
    ("clean, 10 ms", "delay=5ms,rate=50mbit,queue=128k"),
    ("clean, 50 ms", "delay=25ms,rate=50mbit,queue=512k"),
    ("short queue, 50 ms", "delay=25ms,rate=50mbit,queue=64k"),
    (
        "0.1 % lost, 20 ms",
        "delay=10ms,rate=50mbit,queue=128k,loss=0.1%",
    ),
    (
        "1 % lost, 10 ms",
        "delay=5ms,rate=50mbit,queue=128k,loss=1%",
    ),
    (
        "1 % lost, 50 ms",
        "delay=25ms,rate=50mbit,queue=256k,loss=1%",
    ),
    (
        "3 % lost, 20 ms",
        "delay=10ms,rate=20mbit,queue=128k,loss=3%",
    ),
];

/// The far end in either arrangement, and where each sends: our character generator, the kernel's source.
const OURS: &str = "10.77.0.2:19";
const KERNELS: &str = "10.77.0.2:1919";
/// Our end that takes everything.
const DISCARD: &str = "10.77.0.2:9";

/// Compare with Linux's CUBIC through the same emulated paths, in real time.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Paths {
    /// How often each sender has its turn on each path; each time other packets are lost.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=50))]
    rounds: u32,
    /// How long one transfer lasts, in seconds.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=60))]
    seconds: u32,
    /// Only paths whose name has this in it.
    #[arg(long, default_value = "")]
    only: String,
    /// The program `outcrop` to be measured; the one beside this program if none is given.
    #[arg(long)]
    outcrop: Option<PathBuf>,
}

/// Mbit/s of one path.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) link: String,
    /// How long one transfer lasted, in seconds.
    pub(crate) seconds: u32,
    pub(crate) ours: Vec<f64>,
    pub(crate) linux: Vec<f64>,
    /// Sent by the kernel, received by us.
    pub(crate) received: Vec<f64>,
}

/// The heading of the table of them.
pub(crate) const HEADING: &str = "| path | link, each way | ours to Linux, Mbit/s | Linux to Linux | ratio | Linux to ours | ratio |\n|---|---|---|---|---|---|---|";

/// What a ratio of medians is; nothing is no measure.
fn ratio(ours: &[f64], linux: &[f64]) -> Option<f64> {
    let [ours, linux] = [ours, linux].map(|rates| Spread::of(rates.iter().copied()));
    ours?.ratio(&linux?)
}

/// The least, the middle and the most of the ratios of all paths.
pub(crate) fn ratios(rows: &[Row]) -> Option<Spread> {
    Spread::of(rows.iter().filter_map(|row| ratio(&row.ours, &row.linux)))
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |rates: &[f64]| {
            Spread::of(rates.iter().copied()).map_or_else(String::new, |spread| {
                let Spread {
                    least,
                    median,
                    most,
                } = spread;
                format!("{median:.1} ({least:.1}-{most:.1})")
            })
        };
        let beside = |rates: &[f64]| {
            ratio(rates, &self.linux).map_or_else(String::new, |ratio| format!("{ratio:.2}"))
        };
        let Self {
            name,
            link,
            ours,
            linux,
            received,
            ..
        } = self;
        write!(
            f,
            "| {name} | `{link}` | {} | {} | {} | {} | {} |",
            show(ours),
            show(linux),
            beside(ours),
            show(received),
            beside(received),
        )
    }
}

/// How long one transfer lasts in a complete run, in seconds: at least sixty round trips of the longest path.
const IN_A_RUN: u32 = 3;
/// Seconds that starting and ending takes.
const AROUND: f64 = 0.6;
/// How much longer than its time a transfer may take: what is under way still has to arrive.
const PATIENCE: Duration = Duration::from_secs(30);

/// Every path, as part of a complete run; what there is by then is in `rows` if one fails.
pub(crate) fn beside_linux(plan: &Plan, rows: &mut Vec<Row>) -> Outcome<()> {
    let paths = Paths {
        rounds: plan.rounds,
        seconds: IN_A_RUN,
        only: String::new(),
        outcrop: Some(plan.outcrop()?),
    };
    paths.measure(rows)
}

/// How long it will take, in seconds.
pub(crate) fn estimate(plan: &Plan) -> f64 {
    let paths = f64::from(u32::try_from(PATHS.len()).unwrap_or(0));
    paths * f64::from(plan.rounds) * (f64::from(IN_A_RUN) + AROUND)
}

impl Paths {
    /// Every path, and the table.
    pub(crate) fn run(&self) -> Outcome<()> {
        let mut rows = Vec::new();
        let done = self.measure(&mut rows);
        println!("{HEADING}");
        rows.iter().for_each(|row| println!("{row}"));
        if let Some(Spread {
            least,
            median,
            most,
        }) = ratios(&rows)
        {
            println!("\nratios: median {median:.2}, from {least:.2} to {most:.2}");
        }
        done
    }

    /// Every path, every round; the three senders of a round at the same time, each in namespaces of its own: the
    /// fastest takes a few hundredths of a processor, and what disturbs one disturbs all.
    fn measure(&self, rows: &mut Vec<Row>) -> Outcome<()> {
        let program = match &self.outcrop {
            Some(path) => path.clone(),
            None => std::env::current_exe()?.with_file_name("outcrop"),
        };
        for (name, link) in PATHS.iter().filter(|(name, _)| name.contains(&self.only)) {
            let mut row = Row {
                name: (*name).to_owned(),
                link: (*link).to_owned(),
                seconds: self.seconds,
                ..Row::default()
            };
            for round in 1..=self.rounds {
                let commands = [
                    self.sent_by_us(&program, link, round)?,
                    self.sent_by_linux(&program, link, round)?,
                    self.sent_to_us(&program, link, round)?,
                ];
                let rates = self.all_at_once(commands)?;
                eprintln!("{name}, round {round}: {rates:?} Mbit/s, ours, Linux's, Linux's to us");
                let [ours, linux, received] = rates;
                row.ours.push(ours);
                row.linux.push(linux);
                row.received.push(received);
            }
            rows.push(row);
        }
        Ok(())
    }

    /// The Mbit/s of each.
    fn all_at_once<const N: usize>(&self, commands: [Command; N]) -> Outcome<[f64; N]> {
        let limit = Duration::from_secs(self.seconds.into()) + PATIENCE;
        let running = commands.map(|mut command| {
            thread::spawn(move || {
                let said =
                    process::output(&mut command, limit).map_err(|error| error.to_string())?;
                let rate = String::from_utf8_lossy(&said.stdout).trim().parse::<f64>();
                rate.map_err(|_| {
                    let text = String::from_utf8_lossy(&said.stderr).into_owned();
                    let last = text.lines().last().unwrap_or("it said nothing");
                    format!("{last} ({})", said.status)
                })
            })
        });
        let mut rates = [0.0; N];
        for (place, running) in rates.iter_mut().zip(running) {
            *place = running
                .join()
                .map_err(|_| "a path's thread ended early")??;
        }
        Ok(rates)
    }

    fn sent_by_us(&self, outcrop: &Path, link: &str, round: u32) -> Outcome<Command> {
        self.end(Self::beside_us(outcrop, link, round), "sink", OURS)
    }

    fn sent_to_us(&self, outcrop: &Path, link: &str, round: u32) -> Outcome<Command> {
        self.end(Self::beside_us(outcrop, link, round), "push", DISCARD)
    }

    fn beside_us(outcrop: &Path, link: &str, round: u32) -> Command {
        let mut command = Command::new(outcrop);
        command.args(["run", "--tcp-echo", "--capture-level", "off"]);
        command.args(["--link", link, "--seed", &round.to_string(), "--"]);
        command
    }

    fn sent_by_linux(&self, outcrop: &Path, link: &str, round: u32) -> Outcome<Command> {
        let us = ourselves()?;
        let us = us.get_program().to_string_lossy();
        let far = format!("exec '{us}' source {KERNELS}");
        let mut command = Command::new(outcrop);
        command.args(["wire", "--far", &far]);
        command.args(["--link", link, "--seed", &round.to_string(), "--"]);
        self.end(command, "sink", KERNELS)
    }

    /// Lets `command` run the end that measures, a receiver or a sender, and prints Mbit/s.
    fn end(&self, mut command: Command, end: &str, server: &str) -> Outcome<Command> {
        let us = ourselves()?;
        command.arg(us.get_program());
        command.args([end, server, "--seconds", &self.seconds.to_string()]);
        Ok(command)
    }
}

/// Sends to everybody who connects, as the kernel does it.
pub(crate) fn source(at: SocketAddr) -> Outcome<()> {
    let listener = TcpListener::bind(at)?;
    // The machine's default may be another. Connections inherit it; told themselves, they would keep what the
    // other has set up, such as BBR's pacing.
    net::sockopt::set_tcp_congestion(&listener, "cubic")?;
    for stream in listener.incoming() {
        let mut stream = stream?;
        let block = vec![b'x'; CHUNK];
        // Whoever has enough closes.
        while stream.write_all(&block).is_ok() {}
    }
    Ok(())
}

/// How often the sink looks for its source, and how long it waits between.
const TRIES: u32 = 50;
const PAUSE: Duration = Duration::from_millis(20);

/// A connection to `server` with the kernel's CUBIC, whatever the machine's default.
fn reach(server: SocketAddr) -> Outcome<TcpStream> {
    let family = if server.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    for _ in 0..TRIES {
        let socket = net::socket(family, SocketType::STREAM, None)?;
        net::sockopt::set_tcp_congestion(&socket, "cubic")?;
        if net::connect(&socket, &server).is_ok() {
            return Ok(TcpStream::from(socket));
        }
        // The far end has only just been started.
        thread::sleep(PAUSE);
    }
    Err(format!("nobody answers at {server}").into())
}

/// Mbit/s of so many bytes since then.
fn rate(bytes: f64, begun: Instant) -> f64 {
    bytes * 8.0 / 1e6 / begun.elapsed().as_secs_f64()
}

/// Reads for so long from the moment it is connected, and prints Mbit/s.
pub(crate) fn sink(from: SocketAddr, seconds: u32) -> Outcome<()> {
    let mut stream = reach(from)?;
    let begun = Instant::now();
    let span = Duration::from_secs(seconds.into());
    stream.set_read_timeout(Some(span))?;
    let mut block = vec![0; CHUNK];
    let mut received = 0.0;
    while begun.elapsed() < span {
        match stream.read(&mut block) {
            Ok(0) => break,
            #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
            Ok(count) => received += count as f64,
            // Nothing came for the whole span: that is a figure too.
            Err(_) => break,
        }
    }
    println!("{:.3}", rate(received, begun));
    Ok(())
}

/// Writes for so long from the moment it is connected, waits until all of it has been taken, and prints Mbit/s.
pub(crate) fn push(to: SocketAddr, seconds: u32) -> Outcome<()> {
    let mut stream = reach(to)?;
    let begun = Instant::now();
    let span = Duration::from_secs(seconds.into());
    let block = vec![b'x'; CHUNK];
    let mut sent = 0.0;
    while begun.elapsed() < span {
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let count = stream.write(&block)? as f64;
        sent += count;
    }
    stream.shutdown(Shutdown::Write)?;
    // The far end closes when it has read everything.
    while stream.read(&mut [0])? > 0 {}
    println!("{:.3}", rate(sent, begun));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(ours: [f64; 3], linux: [f64; 3]) -> Row {
        Row {
            name: "clean".to_owned(),
            link: "delay=5ms".to_owned(),
            seconds: 4,
            ours: ours.into(),
            linux: linux.into(),
            received: vec![20.0],
        }
    }

    #[test]
    fn a_ratio_is_of_the_middle_ones() {
        let row = row([50.0, 10.0, 30.0], [40.0, 10.0, 80.0]);
        // 30 of 40, and 20 of 40.
        assert_eq!(
            row.to_string(),
            "| clean | `delay=5ms` | 30.0 (10.0-50.0) | 40.0 (10.0-80.0) | 0.75 | 20.0 (20.0-20.0) | 0.50 |"
        );
    }

    #[test]
    fn a_path_without_figures_has_no_ratio() {
        let rows = [
            row([2.0; 3], [1.0; 3]),
            Row::default(),
            row([3.0; 3], [1.0; 3]),
        ];
        assert_eq!(ratios(&rows).unwrap().median, 2.5);
        assert_eq!(ratios(&[]), None);
    }
}
