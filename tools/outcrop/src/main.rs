//! The program `outcrop`: every layer of the stack, from the command line.
//!
//! Job: parse what was asked, do it, and end with one clear line and a status if it cannot be done.
//! Owns: the process. Does not know: protocols.
#![forbid(unsafe_code)]

mod cli;
mod failure;
mod link;
mod signals;
mod statistics;
mod timing;
mod values;

use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;

use crate::cli::{Cli, Command};
use crate::failure::Failure;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
            ) =>
        {
            error.exit()
        }
        Err(error) => return end(&Failure::usage(&error)),
    };
    set_up_log(cli.verbose);
    match run(cli.command) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => end(&failure),
    }
}

fn end(failure: &Failure) -> ExitCode {
    eprintln!("{failure}");
    ExitCode::from(failure.code())
}

fn run(command: Command) -> Result<u8, Failure> {
    Err(Failure::new(format!("{command:?}")))
}

fn set_up_log(verbose: u8) {
    let level = match verbose {
        0 => "warn",
        1 => "info",
        _ => "debug",
    };
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or(level))
        .format_timestamp_millis()
        .init();
}
