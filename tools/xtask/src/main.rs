//! Chores of the repository, as one program: `cargo xtask --help`.
//!
//! Job: check what the compiler cannot (who may know whom, how long a file may be, whether a requirement has a
//! test) and run everything the continuous integration runs. Owns: those rules, as tables at the top of their
//! files. Does not know: any protocol.
#![forbid(unsafe_code)]

mod ci;
mod clippy_toml;
mod instructions;
mod interop;
mod layering;
mod ledger;
mod reached;
mod report;
mod shape;
mod source;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::ledger::mutate;
use crate::report::{Error, Finding};
use crate::workspace::Workspace;

/// Chores of the Outcrop repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Run every check and every test, and say how long each took.
    Ci(ci::Options),
    /// Check who depends on whom: between crates, inside l4-tcp, and on the outside world.
    Layering {
        /// Rewrite the bans in deny.toml from the table instead of comparing them.
        #[arg(long)]
        write: bool,
    },
    /// Check the shape of the house: file lengths, README headings, examples, features.
    Shape,
    /// Write every crate's clippy.toml from the one template.
    ClippyToml {
        /// Only say which differ.
        #[arg(long)]
        check: bool,
    },
    /// Count the instructions of the hot functions and compare with docs/bench/instructions.toml; BLESS=1 writes it.
    Instructions,
    /// Run suites that others wrote against our server: installs each from its registry.
    Interop(interop::Options),
    /// Write the book's page of the states, rules and reasons that scripts and captures reach.
    Reached {
        /// Only say whether it is current.
        #[arg(long)]
        check: bool,
    },
    /// Check the requirement ledgers and print their coverage into the book.
    Ledger {
        /// Only say whether the book's table is current.
        #[arg(long)]
        check: bool,
        /// Break what carries out so many rows, chosen by chance, or `all`, or those that were never caught in this
        /// target folder (`new`), one at a time in a copy: a test they name must fail. Ends with
        /// `N breaks, N killed, N survived`, and fails if any survived.
        #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "10", conflicts_with = "check")]
        mutate: Option<mutate::Count>,
        /// Which are chosen; printed by every run.
        #[arg(long, requires = "mutate")]
        seed: Option<u64>,
        /// Break only these rows: `MUST-14`, `rfc9293`, `rfc9293:MUST-14`, `RFC 9293`, `RFC 9293 MUST-14`.
        #[arg(long, value_name = "ROW", value_delimiter = ',', requires = "mutate")]
        rows: Vec<String>,
        /// Only every N-th of them, beginning with the I-th: `1/4` to `4/4` are the whole.
        #[arg(long, value_name = "I/N", requires = "mutate")]
        shard: Option<mutate::Shard>,
        /// Go on with a run that was interrupted: leave out what it has killed, if the sources are still the same.
        #[arg(long, requires = "mutate")]
        resume: bool,
    },
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(findings) if findings.is_empty() => ExitCode::SUCCESS,
        Ok(findings) => {
            for finding in &findings {
                println!("{finding}");
            }
            println!("{} to mend", findings.len());
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(cli: &Cli) -> Result<Vec<Finding>, Error> {
    let workspace = Workspace::find()?;
    match &cli.chore {
        Chore::Ci(options) => ci::run(&workspace, options),
        Chore::Layering { write } => layering::run(&workspace, *write),
        Chore::Shape => shape::run(&workspace),
        Chore::ClippyToml { check } => clippy_toml::run(&workspace, *check),
        Chore::Interop(options) => interop::run(&workspace, options),
        Chore::Instructions => instructions::run(&workspace),
        Chore::Reached { check } => reached::run(&workspace, *check),
        Chore::Ledger {
            mutate: Some(count),
            seed,
            rows,
            shard,
            resume,
            ..
        } => {
            let options = mutate::Options {
                count: *count,
                seed: *seed,
                rows: rows.clone(),
                shard: *shard,
                resume: *resume,
                limit: None,
            };
            ledger::break_rows(&workspace, &options)
        }
        Chore::Ledger { check, .. } => ledger::run(&workspace, *check),
    }
}
