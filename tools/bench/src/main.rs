//! Measures our stack against its peers, in one run on one machine.
//!
//! Job: run every scenario for every contender in turn, round after round, and print ratios. Owns: the order.
//! Does not know: how a contender is built. Absolute figures of a shared machine mean little; what was measured
//! in the same minute, in turns, can be compared. Everything happens in private namespaces made for it, every
//! load ends by itself.
//!
//! `scenario` is what is asked, `contender` who answers (`peer`: the stacks among them), `serving` runs them, `load` asks,
//! `network` is where, `held` counts idle connections; `figures` keeps it, `bars` judges, `plot` draws, `report` writes.
#![forbid(unsafe_code)]

mod bars;
mod contender;
mod figures;
mod held;
mod load;
mod network;
mod paths;
mod peer;
mod plot;
mod report;
mod scenario;
mod serving;
mod statistics;
mod words;

use core::error::Error;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use clap::{Parser, Subcommand};

use contender::Contender;
use figures::{OURS, Table};
use scenario::{Field, Scenario};

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
    /// Only the core of it: fewer scenarios, no stack that has to be built first.
    #[arg(long)]
    quick: bool,
    /// Only scenarios whose name has this in it; "idle" is the name of the connections that are only held.
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
    /// Write the tables and the plots of a run into the documentation.
    Report(report::Options),
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

/// Every scenario, every round, every contender in turn.
fn measure(plan: &Plan) -> Outcome<()> {
    let root = scenario::files(&plan.out)?;
    let network = network::Veth::new()?;
    let (contenders, absent) = Contender::all(plan, &root)?;
    let mut table = Table::new(plan, absent);
    // They listen by now, or will by the time the first answers have been given.
    std::thread::sleep(core::time::Duration::from_millis(300));
    for scenario in Scenario::ALL.iter().filter(|scenario| plan.wants(scenario)) {
        for round in 1..=plan.rounds {
            for contender in &contenders {
                turn(
                    &mut table,
                    contender,
                    scenario,
                    (round, plan.seconds, &network),
                );
            }
        }
    }
    drop(contenders);
    if plan.wants_called("idle") {
        match held::measure(plan, &root) {
            Ok(held) => table.held = held,
            Err(error) => table.fails("idle connections", error.to_string()),
        }
    }
    table.ends();
    let path = plan.out.join("results.json");
    table.write(&path)?;
    print!("{table}");
    println!("\n{}", report::held(&table));
    for absent in &table.absent {
        println!("{}: absent: {}", absent.who, absent.why);
    }
    println!("\nkept in {}", path.display());
    if table
        .absent
        .iter()
        .any(|absent| absent.who.starts_with(OURS))
    {
        return Err("ours did not do everything".into());
    }
    Ok(())
}

/// One measurement. A failure is part of the result, and no reason to lose the rest.
fn turn(
    table: &mut Table,
    contender: &Contender,
    scenario: &Scenario,
    (round, seconds, network): (u32, u32, &network::Veth),
) {
    let (name, who) = (scenario.name, contender.name);
    match contender.run(scenario, seconds, network) {
        Ok(None) => {}
        Ok(Some(sample)) => {
            eprintln!("{name:<22} {who:<18} round {round}: {:.0}", sample.rate);
            table.add(name, who, scenario.work, sample);
        }
        Err(error) => {
            eprintln!("{name:<22} {who:<18} round {round}: {error}");
            table.fails(&format!("{who}, {name}"), error.to_string());
        }
    }
}

impl Plan {
    fn wants(&self, scenario: &Scenario) -> bool {
        let core = !self.quick || scenario.field == Field::Core;
        core && self.wants_called(scenario.name)
    }

    fn wants_called(&self, name: &str) -> bool {
        name.contains(self.only.as_deref().unwrap_or_default())
    }
}

/// This program, to be started again.
fn ourselves() -> Outcome<Command> {
    Ok(Command::new(std::env::current_exe()?))
}
