//! What a script says about its own run.
//!
//! Job: gather `--name=value` lines, shell lines and the dialect into one set of rules. Owns: the rules.
//! Does not know: events. A script that asks for what is not there is skipped before it starts.

use core::net::IpAddr;
use core::time::Duration;

use outcrop_stack::Config;
use outcrop_tcp::{AckStyle, KeepAlive, PathProbing, SynCookies};

use super::ast::{Action, Event, Script};
use super::report::{Dialect, Family, Options, Stop};
use super::run::usual_tolerance;
use super::shell::{self, FastOpen};

/// What the public suites set Linux's receive buffer to, and how far it grows: half of `tcp_rmem`'s figures, as that
/// system counts its own bookkeeping too.
const LINUX_RECEIVE: (u32, u32) = (270_000, 7_864_320);
/// How far Linux lets a send buffer grow.
const LINUX_SEND: u32 = 4 << 20;

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
    pub(super) fast_open: FastOpen,
    pub(super) keep_alive: KeepAlive,
    pub(super) syn_cookies: SynCookies,
    pub(super) syn_with_fin: bool,
    /// The ends, if the script names them.
    pub(super) ends: (Option<IpAddr>, Option<IpAddr>),
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
            fast_open: FastOpen::default(),
            keep_alive: KeepAlive::default(),
            syn_cookies: SynCookies::default(),
            syn_with_fin: dialect == Dialect::FreeBsd,
            ends: (None, None),
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
            fast_open: rules.fast_open,
            keep_alive: rules.keep_alive,
            syn_cookies: rules.syn_cookies,
            syn_with_fin: rules.syn_with_fin,
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
            // Later than the last packet nobody sees it; in between, what is not for later sockets alone is too late.
            if at >= first && at < last && !only_for_later_sockets(&before, &settings) {
                return Err(Stop::skip(format!(
                    "`{line}` in the middle of a script is not there"
                )));
            }
            if at >= first {
                settings = before;
            }
        }
        (rules.config, rules.mtu) = (settings.config, settings.mtu);
        (rules.fast_open, rules.keep_alive) = (settings.fast_open, settings.keep_alive);
        rules.syn_cookies = settings.syn_cookies;
        rules.syn_with_fin = settings.syn_with_fin;
        Ok(rules)
    }

    /// What the scripts of a dialect take for granted.
    fn adopt(&mut self, dialect: Dialect) {
        let start = &mut self.config.tcp.settings;
        // Windows are the script's business, unless it says otherwise: room for any of them, that stays.
        (start.receive_buffer, start.receive_buffer_max) = (BUFFER, None);
        (start.send_buffer, start.send_buffer_max) = (BUFFER, None);
        // Scripts are written for systems that leave it to a discipline of their queues, which is not there.
        start.pacing = false;
        match dialect {
            Dialect::Ours => {}
            Dialect::Linux => {
                start.path_probing = PathProbing::Off;
                start.congestion = outcrop_tcp::Algorithm::Cubic;
                start.ack_style = AckStyle::Eager;
                start.habits.slow_start_limit = None;
                start.habits.reduce_window = true;
                start.habits.count_delivered = true;
                start.careful_rtt = true;
                start.probe_after_answer = true;
                start.quiet_timeout = true;
                start.window_opens_slowly = true;
                start.receive_buffer = LINUX_RECEIVE.0;
                start.receive_buffer_max = Some(LINUX_RECEIVE.1);
                start.send_buffer_max = Some(LINUX_SEND);
            }
            Dialect::FreeBsd => {
                start.path_probing = PathProbing::Off;
                start.delayed_ack = Duration::from_millis(40);
                start.ack_style = AckStyle::EverySecond;
                start.habits.slow_start_limit = Some(2);
            }
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
                    // IPv4 on the wire; that the socket is of the other family nobody sees.
                    "ipv4-mapped-ipv6" => Family::V4,
                    other => return Err(Stop::skip(format!("--ip_version={other} is not there"))),
                };
                if family != options.family {
                    return Err(Stop::skip(format!("for {value} alone")));
                }
                self.for_v6 = family == Family::V6;
            }
            "tcp_ts_tick_usecs" => self.exact_stamps = number()? == 1000,
            "strict_segments" => self.strict_segments = true,
            "local_ip" => rules_end(&mut self.ends.0, value, options)?,
            "remote_ip" => rules_end(&mut self.ends.1, value, options)?,
            "dialect" | "mss" | "gateway_ip" | "netmask_ip" | "speed" | "verbose"
            | "persistent_tun_dev" | "wire_client" | "code" | "non_fatal" | "init_scripts"
            | "send_omit_free" | "bind_port" | "connect_port" | "dump" | "fuzz" | "define" => {}
            other => return Err(Stop::skip(format!("the option --{other} is not there"))),
        }
        Ok(())
    }
}

/// An end of the connection, if it is of the family that is run.
fn rules_end(end: &mut Option<IpAddr>, value: &str, options: &Options) -> Result<(), Stop> {
    let address: IpAddr = value
        .parse()
        .map_err(|_| Stop::skip(format!("{value} is no address")))?;
    *end = Some(address).filter(|address| address.is_ipv4() == (options.family == Family::V4));
    Ok(())
}

/// Whether a change concerns nothing but what new sockets start with.
fn only_for_later_sockets(before: &shell::Settings, after: &shell::Settings) -> bool {
    let mut but_for_sockets = after.config.tcp.clone();
    but_for_sockets.settings = before.config.tcp.settings;
    but_for_sockets == before.config.tcp && before.mtu == after.mtu
}
