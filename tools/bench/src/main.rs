//! Measures our stack against its peers, in one run on one machine.
//!
//! Job: run every scenario for every contender in turn, round after round, and print ratios. Owns: the order.
//! Does not know: how a contender is built. Absolute figures of a shared machine mean little; what was measured
//! in the same minute, in turns, can be compared. Everything happens in private namespaces made for it, every
//! load ends by itself.
//!
//! `scenario` is what is asked, `contender` who answers (`peer`: the stacks among them), `load` who asks, `network` where, `figures` the table.
#![forbid(unsafe_code)]

mod contender;
mod figures;
mod load;
mod network;
mod paths;
mod peer;
mod scenario;

use core::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use clap::{Parser, Subcommand};

use contender::Contender;
use figures::Table;
use scenario::Scenario;

/// What anything in here may fail with: it ends the run and is printed.
type Outcome<T> = Result<T, Box<dyn Error>>;

/// Measure the stack against nginx and the kernel over veth, interleaved, in private namespaces.
#[derive(Debug, Parser)]
#[command(name = "outcrop-bench", version)]
struct Cli {
    #[command(subcommand)]
    inside: Option<Inside>,
    #[command(flatten)]
    plan: Plan,
}

/// What is to be measured.
#[derive(clap::Args, Clone, Debug)]
struct Plan {
    /// How often each contender has its turn in each scenario.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=50))]
    rounds: u32,
    /// How long one measurement lasts, in seconds.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=60))]
    seconds: u32,
    /// Only scenarios whose name has this in it.
    #[arg(long)]
    only: Option<String>,
    /// The program `outcrop` to be measured; the one beside this program if none is given.
    #[arg(long)]
    outcrop: Option<PathBuf>,
    /// A second `outcrop` to compare with: a build without the change.
    #[arg(long)]
    against: Option<PathBuf>,
    /// Where results and scratch files go.
    #[arg(long, default_value = "target/bench")]
    out: PathBuf,
}

/// What this program does when it has started itself in a namespace.
#[derive(Debug, Subcommand)]
enum Inside {
    /// Measures.
    #[command(hide = true)]
    Measure(Plan),
    /// Keeps a namespace until its standard input ends.
    #[command(hide = true)]
    Hold,
    /// A server of kernel sockets: discards on one port, sends on the other.
    #[command(hide = true)]
    Kernel,
    /// A load.
    #[command(hide = true)]
    Load(load::Load),
    /// A stack to compare with.
    #[command(hide = true)]
    Peer(peer::Peer),
    /// Compare with Linux's CUBIC over emulated links, in real time.
    Paths(paths::Paths),
    /// The kernel's end of a path.
    #[command(hide = true)]
    Source { at: core::net::SocketAddr },
    /// The receiver of a path.
    #[command(hide = true)]
    Sink {
        from: core::net::SocketAddr,
        #[arg(long, default_value_t = 5)]
        seconds: u32,
    },
    /// The sender of a path into our receiver.
    #[command(hide = true)]
    Push {
        to: core::net::SocketAddr,
        #[arg(long, default_value_t = 5)]
        seconds: u32,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match &cli.inside {
        None => network::enter(&cli.plan),
        Some(Inside::Measure(plan)) => network::only_inside().and_then(|()| measure(plan)),
        Some(Inside::Hold) => network::hold(),
        Some(Inside::Kernel) => network::only_inside().and_then(|()| contender::kernel_server()),
        Some(Inside::Load(load)) => network::only_inside().and_then(|()| load.run()),
        Some(Inside::Peer(peer)) => network::only_inside().and_then(|()| peer.run()),
        Some(Inside::Paths(paths)) => paths.run(),
        Some(Inside::Source { at }) => paths::source(*at),
        Some(Inside::Sink { from, seconds }) => paths::sink(*from, *seconds),
        Some(Inside::Push { to, seconds }) => paths::push(*to, *seconds),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("outcrop-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Every scenario, every round, every contender in turn.
fn measure(plan: &Plan) -> Outcome<()> {
    let root = scenario::files(&plan.out)?;
    let mut network = network::Veth::new()?;
    let mut contenders = Contender::all(plan, &root, &mut network)?;
    let mut table = Table::new(plan);
    let wanted = |scenario: &&Scenario| {
        let only = plan.only.as_deref().unwrap_or_default();
        scenario.name.contains(only)
    };
    for scenario in Scenario::ALL.iter().filter(wanted) {
        for round in 1..=plan.rounds {
            for contender in &mut contenders {
                if let Some(sample) = contender.run(scenario, plan.seconds, &network)? {
                    eprintln!(
                        "{:<22} {:<14} round {round}: {:.0}",
                        scenario.name, contender.name, sample.rate
                    );
                    table.add(scenario, contender.name, sample);
                }
            }
        }
    }
    fs::create_dir_all(&plan.out)?;
    let path = plan.out.join("results.json");
    fs::write(&path, serde_json::to_string_pretty(&table)?)?;
    print!("{table}");
    println!("\nkept in {}", path.display());
    Ok(())
}

/// This program, to be started again.
fn ourselves() -> Outcome<Command> {
    Ok(Command::new(std::env::current_exe()?))
}
