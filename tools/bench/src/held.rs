//! What idle connections of real clients cost.
//!
//! Job: have kernel clients open a thousand, ten thousand and a hundred thousand connections to `outcrop serve` through
//! its TUN, each served one file and then left alone, and say what the server has in memory for each, and what sixteen
//! busy ones beside them cost. Owns: the clients and their addresses. Does not know: what of the memory is whose.
//! The same connections without a kernel, up to a million: `examples/idle.rs`.

use core::time::Duration;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{ChildStdin, Stdio};
use std::time::Instant;

use crate::figures::{Held, Sample};
use crate::load::Report;
use crate::network::ip;
use crate::process::Server;
use crate::scenario::Work;
use crate::serving::{Asked, Run, SECOND, SERVE_DEVICE, pinned};
use crate::{Outcome, Plan, ourselves};

/// How many are open at once, one level after the other; `--quick` stops after the first.
const LEVELS: [u32; 3] = [1_000, 10_000, 100_000];
/// Connections of one client: an address of its own, and far fewer than a process may have files.
const OF_ONE_CLIENT: u32 = 10_000;
/// How long everything rests before it is counted: connections fall asleep after a second of silence.
const REST: Duration = Duration::from_secs(2);
/// How many are opened in a second, for the estimate.
const OPENED_A_SECOND: f64 = 10_000.0;
const NETWORK: &str = "10.76.0";
/// What is asked of the server while they are held.
const BUSY: Work = Work::Requests {
    file: "small",
    connections: 16,
    pipeline: 1,
    close: false,
};

/// The levels of a run.
fn levels(plan: &Plan) -> &'static [u32] {
    let [first, ..] = &LEVELS;
    if plan.quick {
        core::slice::from_ref(first)
    } else {
        &LEVELS
    }
}

/// How long it will take, in seconds.
pub(crate) fn estimate(plan: &Plan) -> f64 {
    let levels = levels(plan);
    let rests = REST.as_secs_f64() + f64::from(plan.seconds);
    let most = levels.last().copied().unwrap_or_default();
    rests * (1.0 + f64::from(u32::try_from(levels.len()).unwrap_or(0)))
        + f64::from(most) / OPENED_A_SECOND
}

/// One level after the other, on one server.
pub(crate) fn measure(plan: &Plan, root: &Path) -> Outcome<Vec<Held>> {
    let (server, address) = Run::new(&plan.outcrop()?, root, &["--backlog", "4096"])?.serve()?;
    let load = Asked::new(BUSY, plan.seconds, address, 80)?;
    // The first load brings what every run has: buffers, the cache of files.
    load.of(&server)?;
    std::thread::sleep(REST);
    let before = resident(&server)?;
    let mut clients: Vec<Client> = Vec::new();
    let mut held = Vec::new();
    for &connections in levels(plan) {
        let there = clients.iter().map(|client| client.connections).sum::<u32>();
        let began = Instant::now();
        let fresh = open(there, connections, (clients.len(), address))?;
        let took = began.elapsed().as_secs_f64();
        clients.extend(fresh);
        std::thread::sleep(REST);
        let with = resident(&server)?;
        let (report, cpu) = load.of(&server)?;
        eprintln!("idle: {connections} held, {with} bytes in memory");
        held.push(Held {
            connections,
            before,
            with,
            opened: f64::from(connections - there) / took,
            lost: 0,
            busy: Sample::new(BUSY, &report, cpu),
        });
    }
    let mut lost = 0;
    for client in clients {
        lost += client.end()?;
    }
    if let Some(last) = held.last_mut() {
        last.lost = lost;
    }
    Ok(held)
}

/// A process that holds some.
struct Client {
    process: Server,
    /// Closed, it ends.
    open: Option<ChildStdin>,
    lines: BufReader<std::process::ChildStdout>,
    connections: u32,
}

/// Opens from `there` up to `connections`, all clients at once; `clients` have addresses already.
fn open(there: u32, connections: u32, (clients, server): (usize, &str)) -> Outcome<Vec<Client>> {
    let mut fresh = Vec::new();
    let mut left = connections - there;
    while left > 0 {
        let count = left.min(OF_ONE_CLIENT);
        left -= count;
        let source = format!("{NETWORK}.{}", 10 + clients + fresh.len());
        ip(&["addr", "add", &format!("{source}/24"), "dev", SERVE_DEVICE])?;
        fresh.push(Client::start(&source, count, server)?);
    }
    for client in &mut fresh {
        client.wait()?;
    }
    Ok(fresh)
}

impl Client {
    fn start(source: &str, connections: u32, server: &str) -> Outcome<Self> {
        let mut command = pinned(SECOND, &ourselves()?);
        command.args(["load", "hold", &format!("{server}:80"), "--path", "/small"]);
        command.args([
            "--source",
            source,
            "--connections",
            &connections.to_string(),
        ]);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (open, stdout) = (child.stdin.take(), child.stdout.take());
        Ok(Self {
            process: Server(child),
            open,
            lines: BufReader::new(stdout.ok_or("a client without an output")?),
            connections,
        })
    }

    /// Until all of its connections are open.
    fn wait(&mut self) -> Outcome<()> {
        let mut line = String::new();
        self.lines.read_line(&mut line)?;
        if line.starts_with("held ") {
            return Ok(());
        }
        Err("a client could not open all of its connections".into())
    }

    /// How many of its connections the server had closed.
    fn end(mut self) -> Outcome<u32> {
        drop(self.open.take());
        let mut line = String::new();
        self.lines.read_line(&mut line)?;
        let report: Report = serde_json::from_str(&line)?;
        self.process.0.wait()?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a count it was made from"
        )]
        Ok(report.errors as u32)
    }
}

/// Bytes of a process in memory (proc(5): `VmRSS`, in kB).
fn resident(server: &Server) -> Outcome<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.0.id()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number
        .ok_or("no VmRSS: the server has ended")?
        .parse::<u64>()?
        * 1024)
}
