//! Measures our stack against its peers, in one run on one machine.
//!
//! Job: run every scenario for every contender in turn, round after round, and print ratios. Owns: the command line.
//! Does not know: how a contender is built. Absolute figures of a shared machine mean little; what was measured
//! in the same minute, in turns, can be compared. Everything happens in private namespaces made for it, every
//! load ends by itself.
//!
//! `plan` is the order, `scenario` what is asked, `contender` who answers (`peer`: the stacks among them), `serving` runs
//! them as children that end (`process`), `load` asks, `network` is where; `held` and `engine` count idle connections, `paths`
//! are emulated links, `profile` looks inside; `figures` keeps it, `bars` judges, `plot` draws, `report` writes.
#![forbid(unsafe_code)]

mod bars;
mod contender;
mod engine;
mod figures;
mod held;
mod load;
mod network;
mod paths;
mod peer;
mod plan;
mod plot;
mod process;
mod profile;
mod report;
mod scenario;
mod serving;
mod statistics;
mod words;

use core::error::Error;
use std::process::{Command, ExitCode};

use clap::{Parser, Subcommand};

use plan::Plan;

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
    /// Write the tables and the plots of a run into the documentation.
    Report(report::Options),
    /// Say where the server's time goes in a scenario: a table for the documentation.
    Profile(profile::Profile),
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
        None => cli.plan.enter(),
        Some(Inside::Measure(plan)) => network::only_inside().and_then(|()| plan.measure()),
        Some(Inside::Profile(profile)) => profile.run(),
        Some(Inside::Hold) => network::hold(),
        Some(Inside::Kernel) => network::only_inside().and_then(|()| serving::kernel_server()),
        Some(Inside::Load(load)) => network::only_inside().and_then(|()| load.run()),
        Some(Inside::Peer(peer)) => network::only_inside().and_then(|()| peer.run()),
        Some(Inside::Report(options)) => options.run(),
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

/// This program, to be started again.
fn ourselves() -> Outcome<Command> {
    Ok(Command::new(std::env::current_exe()?))
}
