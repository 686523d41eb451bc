//! Beside Linux on the same path.
//!
//! Job: one bulk transfer over a handful of emulated links, sent by our stack and by the kernel's CUBIC in turn, each
//! into a kernel's socket, and by the kernel into our stack. Both ends ours are the throughput matrix of `testkit`, in
//! virtual time. Owns: the paths. Does not know: how a link is emulated; `outcrop run --link` and
//! `outcrop wire --link` are the same one. Rates are low enough that the processor does not matter.

use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use rustix::net::{self, AddressFamily, SocketType};

use crate::load::CHUNK;
use crate::{Outcome, ourselves};

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
struct Row {
    name: &'static str,
    link: &'static str,
    ours: Vec<f64>,
    linux: Vec<f64>,
    /// Sent by the kernel, received by us.
    received: Vec<f64>,
}

/// Least, median and most.
fn spread(values: &[f64]) -> [f64; 3] {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let at = |index: usize| sorted.get(index).copied().unwrap_or(0.0);
    [
        at(0),
        at(sorted.len() / 2),
        at(sorted.len().saturating_sub(1)),
    ]
}

impl Row {
    fn ratio(&self) -> f64 {
        Self::beside(&self.ours, &self.linux)
    }

    fn beside(ours: &[f64], linux: &[f64]) -> f64 {
        let ([_, ours, _], [_, linux, _]) = (spread(ours), spread(linux));
        ours / linux.max(0.001)
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |values: &[f64]| {
            let [least, median, most] = spread(values);
            format!("{median:.1} ({least:.1}-{most:.1})")
        };
        let (name, link) = (self.name, self.link);
        let (ours, linux) = (show(&self.ours), show(&self.linux));
        let (received, into_us) = (
            show(&self.received),
            Self::beside(&self.received, &self.linux),
        );
        write!(
            f,
            "| {name} | `{link}` | {ours} | {linux} | {:.2} | {received} | {into_us:.2} |",
            self.ratio()
        )
    }
}

impl Paths {
    /// Every path, every round, each sender in turn; then the table.
    pub(crate) fn run(&self) -> Outcome<()> {
        let program = match &self.outcrop {
            Some(path) => path.clone(),
            None => std::env::current_exe()?.with_file_name("outcrop"),
        };
        let mut rows = Vec::new();
        for (name, link) in PATHS.iter().filter(|(name, _)| name.contains(&self.only)) {
            let mut row = Row {
                name,
                link,
                ours: Vec::new(),
                linux: Vec::new(),
                received: Vec::new(),
            };
            for round in 1..=self.rounds {
                row.ours.push(self.sent_by_us(&program, link, round)?);
                row.linux.push(self.sent_by_linux(&program, link, round)?);
                row.received.push(self.sent_to_us(&program, link, round)?);
                eprintln!(
                    "{name}, round {round}: {:?} {:?} {:?}",
                    row.ours, row.linux, row.received
                );
            }
            rows.push(row);
        }
        println!(
            "| path | link, each way | ours to Linux, Mbit/s | Linux to Linux | ratio | Linux to ours | ratio |\n|---|---|---|---|---|---|---|"
        );
        rows.iter().for_each(|row| println!("{row}"));
        let ratios: Vec<_> = rows.iter().map(Row::ratio).collect();
        let [least, median, most] = spread(&ratios);
        println!("\nratios: median {median:.2}, from {least:.2} to {most:.2}");
        Ok(())
    }

    fn sent_by_us(&self, outcrop: &Path, link: &str, round: u32) -> Outcome<f64> {
        self.measure(Self::beside_us(outcrop, link, round), "sink", OURS)
    }

    fn sent_to_us(&self, outcrop: &Path, link: &str, round: u32) -> Outcome<f64> {
        self.measure(Self::beside_us(outcrop, link, round), "push", DISCARD)
    }

    fn beside_us(outcrop: &Path, link: &str, round: u32) -> Command {
        let mut command = Command::new(outcrop);
        command.args(["run", "--tcp-echo", "--capture-level", "off"]);
        command.args(["--link", link, "--seed", &round.to_string(), "--"]);
        command
    }

    fn sent_by_linux(&self, outcrop: &Path, link: &str, round: u32) -> Outcome<f64> {
        let us = ourselves()?;
        let us = us.get_program().to_string_lossy();
        let far = format!("exec '{us}' source {KERNELS}");
        let mut command = Command::new(outcrop);
        command.args(["wire", "--far", &far]);
        command.args(["--link", link, "--seed", &round.to_string(), "--"]);
        self.measure(command, "sink", KERNELS)
    }

    /// Lets `command` run the end that measures, a receiver or a sender; its Mbit/s.
    fn measure(&self, mut command: Command, end: &str, server: &str) -> Outcome<f64> {
        let us = ourselves()?;
        command.arg(us.get_program());
        command.args([end, server, "--seconds", &self.seconds.to_string()]);
        let output = command.stderr(Stdio::inherit()).output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let rate = text.trim().parse();
        rate.map_err(|error| format!("{command:?}: {}: {error}", output.status).into())
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
        std::thread::sleep(PAUSE);
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
