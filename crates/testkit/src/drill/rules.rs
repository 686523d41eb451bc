//! What a script says about its own run.
//!
//! Job: gather `--name=value` lines, shell lines and the dialect into one set of rules. Owns: the rules.
//! Does not know: events. A script that asks for what is not there is skipped before it starts.

use core::time::Duration;

use outcrop_stack::Config;

use super::ast::{Action, Event, Script};
use super::report::{Dialect, Family, Options, Stop};
use super::run::usual_tolerance;
use super::shell;

/// Both buffers of a script that does not speak of them, bytes.
const BUFFER: u32 = 1 << 20;

/// The rules of one run.
pub(super) struct Rules {
    pub(super) config: Config,
    /// As IPv4 has it; see [`Family::V6`].
    pub(super) mtu: u32,
    pub(super) tolerance: Duration,
    /// Of the time since the event before, in a thousand.
    tolerance_share: u32,
    /// Timestamps must follow the clock.
    pub(super) exact_stamps: bool,
    /// A segment may not come in pieces.
    pub(super) strict_segments: bool,
    /// Written for IPv6 alone: its MTU is meant as it stands.
    for_v6: bool,
}

impl Rules {
    pub(super) fn of(script: &Script, dialect: Dialect, options: &Options) -> Result<Self, Stop> {
        let mut rules = Self {
            config: Config::default(),
            mtu: 1500,
            tolerance: usual_tolerance(dialect),
            tolerance_share: if dialect == Dialect::Ours { 0 } else { 125 },
            exact_stamps: false,
            strict_segments: false,
            for_v6: false,
        };
        rules.adopt(dialect);
        for (name, value) in &script.options {
            rules.option(name, value, options)?;
        }
        if rules.for_v6 {
            rules.mtu = rules.mtu.saturating_sub(20);
        }
        let mut settings = shell::Settings {
            config: rules.config.clone(),
            mtu: rules.mtu,
        };
        let is_packet =
            |event: &Event| matches!(event.action, Action::Inject(_) | Action::Expect(_));
        let first = script
            .events
            .iter()
            .position(is_packet)
            .unwrap_or(script.events.len());
        let last = script.events.iter().rposition(is_packet).unwrap_or(0);
        for (at, event) in script.events.iter().enumerate() {
            let Action::Shell(line) = &event.action else {
                continue;
            };
            let before = settings.clone();
            shell::apply(line, &mut settings).map_err(Stop::skip)?;
            // Later than the last packet nobody sees it; in between it would come too early.
            if at >= first && at < last && changed(&before, &settings) {
                return Err(Stop::skip(format!(
                    "`{line}` in the middle of a script is not there"
                )));
            }
            if at >= first {
                settings = before;
            }
        }
        (rules.config, rules.mtu) = (settings.config, settings.mtu);
        Ok(rules)
    }

    /// What the scripts of a dialect take for granted.
    fn adopt(&mut self, dialect: Dialect) {
        let start = &mut self.config.tcp.settings;
        // Windows are the script's business, unless it says otherwise: room for any of them, that stays.
        (start.receive_buffer, start.receive_buffer_max) = (BUFFER, None);
        (start.send_buffer, start.send_buffer_max) = (BUFFER, None);
        match dialect {
            Dialect::Ours => {}
            Dialect::Linux => start.congestion = outcrop_tcp::Algorithm::Cubic,
            Dialect::FreeBsd => start.delayed_ack = Duration::from_millis(40),
        }
    }

    /// How far from its time something may be that comes `gap` after the event before.
    pub(super) fn tolerance_for(&self, gap: Duration) -> Duration {
        self.tolerance.max(gap * self.tolerance_share / 1000)
    }

    fn option(&mut self, name: &str, value: &str, options: &Options) -> Result<(), Stop> {
        let number = || {
            let number = value.parse::<u32>();
            number.map_err(|_| Stop::skip(format!("--{name}={value} is no number")))
        };
        match name {
            "tolerance_usecs" => self.tolerance = Duration::from_micros(u64::from(number()?)),
            "tolerance_percent" => self.tolerance_share = number()?.saturating_mul(10),
            "mtu" => self.mtu = number()?,
            "ip_version" => {
                let family = match value {
                    "ipv4" => Family::V4,
                    "ipv6" => Family::V6,
                    other => return Err(Stop::skip(format!("--ip_version={other} is not there"))),
                };
                if family != options.family {
                    return Err(Stop::skip(format!("for {value} alone")));
                }
                self.for_v6 = family == Family::V6;
            }
            "tcp_ts_tick_usecs" => self.exact_stamps = number()? == 1000,
            "strict_segments" => self.strict_segments = true,
            "mss" | "local_ip" | "remote_ip" | "gateway_ip" | "netmask_ip" | "speed"
            | "verbose" | "non_fatal" | "init_scripts" | "send_omit_free" | "bind_port"
            | "connect_port" | "dump" | "fuzz" | "define" => {}
            other => return Err(Stop::skip(format!("the option --{other} is not there"))),
        }
        Ok(())
    }
}

fn changed(before: &shell::Settings, after: &shell::Settings) -> bool {
    before.config.tcp != after.config.tcp || before.mtu != after.mtu
}
