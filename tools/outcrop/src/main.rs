//! The program `outcrop`: every layer of the stack, from the command line.
//!
//! Job: parse what was asked, do it, and end with one clear line and a status if it cannot be done.
//! Owns: the process. Does not know: protocols.
#![forbid(unsafe_code)]

mod accounts;
mod advertise;
mod cli;
mod command {
    pub(crate) mod demo;
    pub(crate) mod dhcp;
    pub(crate) mod drill;
    pub(crate) mod export;
    pub(crate) mod get;
    pub(crate) mod inspect;
    pub(crate) mod look;
    pub(crate) mod ping;
    pub(crate) mod replay;
    pub(crate) mod router;
    pub(crate) mod run;
    pub(crate) mod serve;
    pub(crate) mod show;
    pub(crate) mod switch;
    pub(crate) mod to_drill;
    pub(crate) mod traceroute;
    pub(crate) mod tui;
    pub(crate) mod wire;
}
mod control;
mod echo;
mod example;
mod failure;
mod fetch;
mod future;
mod gate;
mod host;
mod joined;
mod lease;
mod link;
mod news;
mod port;
mod probe;
mod progress;
mod recording;
mod report;
mod resolve;
mod secure;
mod server;
mod services;
mod signals;
mod sink;
mod site;
mod statistics;
mod stop;
mod switching;
mod tcp;
mod timing;
mod values;
mod watch;

use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;

use crate::cli::{Cli, Command};
use crate::control::tables::Table;
use crate::failure::Failure;

fn main() -> ExitCode {
    // A private network is made by this program, started again with nothing else to do.
    outcrop_device::namespace::holder_main();
    signals::end_with_reader();
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
    match run(cli.command, cli.verbose) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => end(&failure),
    }
}

fn end(failure: &Failure) -> ExitCode {
    eprintln!("{failure}");
    ExitCode::from(failure.code())
}

fn run(command: Command, verbose: u8) -> Result<u8, Failure> {
    match command {
        Command::Ping(options) => command::ping::run(&options),
        Command::Serve(options) => command::serve::run(&options),
        Command::Run(options) => command::run::run(&options),
        Command::Wire(options) => command::wire::run(&options),
        Command::Get(options) => command::get::run(&options, verbose > 0),
        Command::Tui(options) => command::tui::run(&options),
        Command::Export(options) => command::export::run(&options),
        Command::Inspect(options) => command::inspect::run(&options),
        Command::Demo(options) => command::demo::run(&options),
        Command::Dhcp(options) => command::dhcp::run(&options),
        Command::Print(options) => command::show::run_print(&options),
        Command::Ladder(options) => command::show::run_ladder(&options),
        Command::Pipeline(options) => command::demo::run_pipeline(&options),
        Command::Drill(options) => command::drill::run(&options),
        Command::ToDrill(options) => command::to_drill::run(&options),
        Command::Replay(options) => command::replay::run(&options),
        Command::Switch(options) => command::switch::run(&options),
        Command::Router(options) => command::router::run(&options),
        Command::Neigh(options) => command::look::run(Table::Neighbors, &options, false),
        Command::Route(options) => command::look::run(Table::Routes, &options, false),
        Command::Addr(options) => command::look::run(Table::Addresses, &options, false),
        Command::Conn(options) => {
            command::look::run(Table::Connections, &options.look, options.info)
        }
        Command::Traceroute(options) => command::traceroute::run(&options),
    }
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
