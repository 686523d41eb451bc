//! What the command line says about TCP, as TCP's settings.
//!
//! Job: turn flags into the options a program would set. Owns: how many accounts of connections are kept.
//! Does not know: ranges; those are the options' own.

use core::time::Duration;

use outcrop_socket::TcpOption;
use outcrop_stack::tcp::{Algorithm, Config, EcnPolicy, KeepAlive, Listen, Rate};

use crate::cli::{Congestion, Ecn, Tcp};
use crate::failure::Failure;

/// Final accounts kept for the report: half a kilobyte each, so that a long run stays small.
const ACCOUNTS: usize = 10_000;

impl Tcp {
    /// The host's TCP.
    pub(crate) fn config(&self) -> Result<Config, Failure> {
        let mut config = Config {
            final_accounts: if self.explain { ACCOUNTS } else { 0 },
            ..Config::default()
        };
        for (flag, option) in self.options() {
            option
                .apply(&mut config.settings, &mut Listen::default())
                .map_err(|error| Failure::asked(format!("{flag}: {error}")))?;
        }
        Ok(config)
    }

    /// Each flag that says something, as an option.
    fn options(&self) -> Vec<(&'static str, TcpOption)> {
        let congestion = match self.congestion {
            Congestion::Newreno => Algorithm::NewReno,
            Congestion::Cubic => Algorithm::Cubic,
            Congestion::Bbr => Algorithm::Bbr,
        };
        let ecn = match self.ecn {
            Ecn::Off => EcnPolicy::Off,
            Ecn::Accept => EcnPolicy::Accept,
            Ecn::Request => EcnPolicy::Request,
            Ecn::Accurate => EcnPolicy::Accurate,
        };
        let rate = self.max_rate.map(|bytes| Some(Rate(bytes)));
        let idle = self.keepalive.map(|idle| KeepAlive {
            idle: Duration::from_secs(idle),
            ..KeepAlive::default()
        });
        let patience = self.user_timeout.map(Duration::from_secs);
        [
            Some(("--congestion", TcpOption::Congestion(congestion))),
            Some(("--ecn", TcpOption::Ecn(ecn))),
            Some(("--pacing", TcpOption::Pacing(self.pacing))),
            rate.map(|rate| ("--max-rate", TcpOption::MaxPacingRate(rate))),
            self.rcvbuf
                .map(|bytes| ("--rcvbuf", TcpOption::ReceiveBuffer(bytes))),
            self.sndbuf
                .map(|bytes| ("--sndbuf", TcpOption::SendBuffer(bytes))),
            self.mss
                .map(|bytes| ("--mss", TcpOption::MaxSegment(Some(bytes)))),
            idle.map(|keep| ("--keepalive", TcpOption::KeepAlive(Some(keep)))),
            patience.map(|span| ("--user-timeout", TcpOption::UserTimeout(Some(span)))),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser as _;

    fn config(flags: &str) -> Result<Config, String> {
        let line = format!("outcrop run {flags} -- true");
        let cli = Cli::try_parse_from(line.split_whitespace()).unwrap();
        let Command::Run(run) = cli.command else {
            panic!("{line}")
        };
        run.tcp.config().map_err(|failure| failure.to_string())
    }

    #[test]
    fn flags_are_settings_and_without_any_the_defaults_stand() {
        assert_eq!(config("").unwrap(), Config::default());
        let flags = "--congestion bbr --ecn request --pacing --rcvbuf 9000 --mss 600 --keepalive 30 --explain";
        assert!(!config("--pacing=off").unwrap().settings.pacing);
        let config = config(flags).unwrap();
        let settings = config.settings;
        assert_eq!(settings.congestion, Algorithm::Bbr);
        assert_eq!(settings.ecn, EcnPolicy::Request);
        assert!(settings.pacing);
        assert_eq!((settings.receive_buffer, settings.mss), (9_000, Some(600)));
        let idle = settings.keep_alive.map(|keep| keep.idle);
        assert_eq!(idle, Some(Duration::from_secs(30)));
        assert_eq!(config.final_accounts, ACCOUNTS);
    }

    #[test]
    fn value_out_of_range_is_one_line_that_names_the_flag() {
        for (flags, said) in [
            (
                "--rcvbuf 1",
                "--rcvbuf: SO_RCVBUF: the value must be 2304 bytes to 1 GiB",
            ),
            (
                "--mss 9",
                "--mss: TCP_MAXSEG: the value must be 88 to 32767 bytes",
            ),
            ("--keepalive 0", "--keepalive: SO_KEEPALIVE: "),
            ("--user-timeout 0", "--user-timeout: TCP_USER_TIMEOUT: "),
            ("--max-rate 0", "--max-rate: SO_MAX_PACING_RATE: "),
        ] {
            let text = config(flags).unwrap_err();
            assert!(text.contains(said), "{flags}: {text}");
            assert_eq!(text.lines().count(), 1);
        }
    }
}
