//! Shell lines.
//!
//! Job: what scripts ask of a system by its shell, mapped to settings; what cannot be is a reason to skip
//! the script. Owns: the mapping. Does not know: any shell; nothing is ever run.
//! Source: the commands that the public suites use.

use core::time::Duration;

use outcrop_stack::Config;
use outcrop_tcp::{EcnPolicy, KeepAlive, PathProbing, SynCookies};

use super::program::algorithm;
use super::report::Dialect;

/// What a shell line changes before a host starts.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) config: Config,
    pub(super) mtu: u32,
    pub(super) fast_open: FastOpen,
    /// What keep-alive starts with once a program switches it on.
    pub(super) keep_alive: KeepAlive,
    pub(super) syn_cookies: SynCookies,
    /// Listeners take the SYN of a segment with SYN and FIN.
    pub(super) syn_with_fin: bool,
}

/// What the system as a whole allows of speaking in a SYN: the bits of Linux's `tcp_fastopen`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FastOpen {
    /// Programs may open so.
    pub(super) client: bool,
    /// Listeners that ask for it take such SYNs.
    pub(super) server: bool,
    /// Listeners need not even ask.
    pub(super) every_listener: bool,
}

impl Default for FastOpen {
    /// What the public suites' own preparation leaves behind: everything, cookies included.
    fn default() -> Self {
        Self {
            client: true,
            server: true,
            every_listener: false,
        }
    }
}

impl FastOpen {
    /// By Linux's number; the error names a bit that is not there.
    fn from_bits(bits: u32) -> Result<Self, &'static str> {
        if bits & 4 != 0 || bits & 0x200 != 0 {
            return Err("fast open without a cookie is not there");
        }
        Ok(Self {
            client: bits & 1 != 0,
            server: bits & 2 != 0,
            every_listener: bits & 0x400 != 0 && bits & 2 != 0,
        })
    }
}

/// The system as sockets opened from now on find it.
#[derive(Clone, Debug)]
pub(super) struct System {
    settings: Settings,
}

impl System {
    pub(super) fn of(rules: &super::rules::Rules) -> Self {
        Self {
            settings: Settings {
                config: rules.config.clone(),
                mtu: rules.mtu,
                fast_open: rules.fast_open,
                keep_alive: rules.keep_alive,
                syn_cookies: rules.syn_cookies,
                syn_with_fin: rules.syn_with_fin,
            },
        }
    }

    pub(super) const fn syn_cookies(&self) -> SynCookies {
        self.settings.syn_cookies
    }

    pub(super) const fn syn_with_fin(&self) -> bool {
        self.settings.syn_with_fin
    }

    /// A shell line ran.
    pub(super) fn hear(&mut self, line: &str) -> Result<(), String> {
        apply(line, &mut self.settings)
    }

    /// What sockets start with.
    pub(super) const fn start(&self) -> outcrop_tcp::Settings {
        self.settings.config.tcp.settings
    }

    pub(super) const fn fast_open(&self) -> FastOpen {
        self.settings.fast_open
    }

    pub(super) const fn keep_alive(&self) -> KeepAlive {
        self.settings.keep_alive
    }

    pub(super) const fn mtu(&self) -> u32 {
        self.settings.mtu
    }
}

/// Applies a line; the error says what is not there.
pub(super) fn apply(line: &str, settings: &mut Settings) -> Result<(), String> {
    let line = line.replace("\\\n", " ");
    let commands = line.split(['\n', ';']).flat_map(|part| part.split("&&"));
    for command in commands.map(str::trim) {
        one(command, settings)?;
    }
    Ok(())
}

fn one(command: &str, settings: &mut Settings) -> Result<(), String> {
    let words: Vec<&str> = command.split_whitespace().collect();
    let Some(first) = words.first() else {
        return Ok(());
    };
    let program = first.rsplit('/').next().unwrap_or(first);
    match program {
        "defaults.sh" | "true" | "kldload" | "sockstat" | "nstat" | "ethtool" | "#" => Ok(()),
        "modprobe" | "sync" | "sleep" | "exit" | "set" | "ss" | "netstat" => Ok(()),
        _ if program.starts_with("sysctl_restore") => Ok(()),
        "sysctl" | "set_sysctls.py" => sysctls(&words, settings),
        "tc" if ["pfifo", "pfifo_fast", "noqueue", "show", "del"]
            .iter()
            .any(|word| words.contains(word)) =>
        {
            Ok(())
        }
        // It leaves when is up to the sender's rate.
        "tc" if words.contains(&"fq") => {
            settings.config.tcp.settings.pacing = true;
            Ok(())
        }
        "ip" if words.contains(&"tcp_metrics") => Ok(()),
        "ip" if words.contains(&"route") => route(&words, settings),
        "ip" if words.contains(&"link") && words.contains(&"mtu") => route(&words, settings),
        ":" => Ok(()),
        // Of HyStart's two signs only the delay is there, which is bit 2.
        "echo" if command.contains("hystart_detect") => {
            match words.get(1).map(|bits| unsigned(bits)) {
                Some(Some(bits)) if bits & 2 != 0 => Ok(()),
                _ => Err("slow start without HyStart is not there".to_owned()),
            }
        }
        "echo" if !words.iter().any(|word| word.starts_with('>')) => Ok(()),
        _ => Err(format!("the command `{command}` is not there")),
    }
}

/// `sysctl -q a=1 b="1 2 3"`, the quotes taken apart by the split before.
fn sysctls(words: &[&str], settings: &mut Settings) -> Result<(), String> {
    let joined = words.get(1..).unwrap_or_default().join(" ");
    let mut rest = joined.as_str();
    while let Some((before, after)) = rest.split_once('=') {
        let key = before.split_whitespace().next_back().unwrap_or_default();
        let (value, next) = match after.strip_prefix(['"', '\'']) {
            Some(quoted) => quoted.split_once(['"', '\'']).unwrap_or((quoted, "")),
            None => after.split_once(' ').unwrap_or((after, "")),
        };
        let key = key.trim_start_matches("/proc/sys/").replace('/', ".");
        sysctl(&key, value, settings)?;
        rest = next;
    }
    Ok(())
}

/// `ip route change DEST .. mtu lock 1200 initcwnd 10 features ecn congctl cubic quickack 1`
fn route(words: &[&str], settings: &mut Settings) -> Result<(), String> {
    let start = &mut settings.config.tcp.settings;
    for (at, word) in words.iter().enumerate() {
        let next = words.iter().skip(at + 1).find(|word| **word != "lock");
        let value = next.copied().unwrap_or_default();
        let number: Option<u32> = value.parse().ok();
        match *word {
            "mtu" => settings.mtu = number.ok_or("a route's mtu without a number")?,
            "initcwnd" if number == Some(10) => {}
            "quickack" => start.quickack = number == Some(1),
            "features" if value == "ecn" => start.ecn = EcnPolicy::Request,
            "congctl" => {
                let known = algorithm(value);
                start.congestion =
                    known.ok_or_else(|| format!("the controller {value} is not there"))?;
            }
            "advmss" | "initcwnd" | "initrwnd" | "features" | "rto_min" | "cwnd" | "ssthresh"
            | "reordering" | "hoplimit" | "rtt" | "window" => {
                return Err(format!("a route with {word} {value} is not there"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Keys that say what is so anyway, or what no script can see.
const HARMLESS: &[&str] = &[
    "net.ipv4.tcp_min_tso_segs",
    "net.ipv4.tcp_tso_win_divisor",
    "net.ipv4.tcp_tso_rtt_log",
    "net.ipv4.tcp_no_metrics_save",
    "net.ipv4.tcp_adv_win_scale",
    "net.ipv4.tcp_app_win",
    "net.ipv4.tcp_reordering",
    "net.ipv4.tcp_autocorking",
    "net.ipv4.tcp_limit_output_bytes",
    "net.ipv4.tcp_max_syn_backlog",
    "net.ipv4.tcp_backlog_ack_defer",
    "net.ipv4.tcp_invalid_ratelimit",
    "net.ipv4.tcp_comp_sack_nr",
    "net.ipv4.tcp_comp_sack_delay_ns",
    "net.ipv4.tcp_challenge_ack_limit",
    "net.ipv4.tcp_pacing_ca_ratio",
    "net.ipv4.tcp_pacing_ss_ratio",
    "net.ipv4.ip_forward",
    "net.core.somaxconn",
    "net.core.rmem_max",
    "net.core.wmem_max",
    "net.core.default_qdisc",
    "net.core.netdev_max_backlog",
    "kern.timecounter.alloweddeviation",
    "net.inet.tcp.hostcache.purgenow",
    "net.inet.tcp.rfc3390",
    "net.inet.tcp.rfc3042",
    "net.inet.tcp.log_in_vain",
    "net.inet.tcp.tso",
    "net.inet.tcp.path_mtu_discovery",
    "net.inet.tcp.initcwnd_segments",
    "net.inet.tcp.functions_default",
    "net.inet.icmp.icmplim",
    "net.ipv4.tcp_early_demux",
    "net.ipv4.tcp_fastopen_blackhole_timeout_sec",
    "net.ipv4.tcp_fastopen_blackhole_detect_timeout_sec",
    "net.ipv4.tcp_fack",
    "net.ipv4.tcp_low_latency",
    "net.ipv4.tcp_max_orphans",
    "net.ipv4.tcp_max_reordering",
    "net.ipv4.tcp_max_tw_buckets",
    "net.ipv4.tcp_mem",
    "net.ipv4.tcp_mtu_probe_floor",
    "net.ipv4.tcp_base_mss",
    "net.ipv4.tcp_min_snd_mss",
    "net.ipv4.tcp_probe_interval",
    "net.ipv4.tcp_probe_threshold",
    "net.ipv4.tcp_min_rtt_wlen",
    "net.ipv4.tcp_orphan_retries",
    "net.ipv4.tcp_reflect_tos",
    "net.ipv4.tcp_rfc1337",
    "net.ipv4.tcp_stdurg",
    "net.ipv4.tcp_tw_reuse",
    "net.ipv4.tcp_tw_reuse_delay",
    "net.ipv4.tcp_workaround_signed_windows",
    "net.ipv4.tcp_comp_sack_slack_ns",
    "net.ipv4.tcp_comp_sack_rtt_percent",
    "net.ipv4.tcp_pingpong_thresh",
    "net.ipv4.tcp_plb_enabled",
    "net.ipv4.tcp_migrate_req",
    "net.ipv4.tcp_l3mdev_accept",
    "net.ipv4.tcp_available_congestion_control",
    "net.ipv4.tcp_allowed_congestion_control",
    "net.ipv4.tcp_ecn_fallback",
    "net.ipv4.tcp_ecn_option_beacon",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.icmp_ratelimit",
    "net.ipv4.icmp_ratemask",
    "net.ipv4.icmp_msgs_per_sec",
    "net.ipv6.icmp.ratelimit",
    "net.ipv6.flowlabel_reflect",
    "net.ipv6.auto_flowlabels",
    "net.ipv4.conf.all.rp_filter",
    "net.ipv4.conf.default.rp_filter",
    "net.core.rmem_default",
    "net.core.wmem_default",
    "net.core.optmem_max",
    "net.core.busy_read",
    "net.core.busy_poll",
    "net.core.tstamp_allow_data",
    "net.core.high_order_alloc_disable",
    "kern.ipc.maxsockbuf",
    "kern.ipc.somaxconn",
    "kern.ipc.soacceptqueue",
    "net.inet.tcp.bb.log_auto_mode",
    "net.inet.tcp.bb.log_auto_all",
    "net.inet.tcp.bb.log_auto_ratio",
    "net.inet.tcp.hostcache.enable",
    "net.inet.tcp.hostcache.expire",
    "net.inet.tcp.hostcache.prune",
    "net.inet.tcp.hostcache.purge",
    "net.inet.tcp.isn_reseed_interval",
    "net.inet.tcp.icmp_may_rst",
    "net.inet.tcp.always_keepalive",
    "net.inet.tcp.fast_finwait2_recycle",
    "net.inet.tcp.do_prr",
    "net.inet.tcp.do_prr_conservative",
    "net.inet.tcp.do_lrd",
    "net.inet.tcp.rfc6675_pipe",
    "net.inet.tcp.sack.revised",
    "net.inet.tcp.sack.lrd",
    "net.inet.tcp.sack.tso",
    "net.inet.tcp.sack.maxholes",
    "net.inet.tcp.newcwd",
    "net.inet.tcp.nolocaltimewait",
    "net.inet.tcp.recvbuf_auto",
    "net.inet.tcp.recvbuf_max",
    "net.inet.tcp.sendbuf_auto",
    "net.inet.tcp.sendbuf_max",
    "net.inet.tcp.tolerate_missing_ts",
    "net.inet.tcp.ts_offset_per_conn",
    "net.inet.tcp.udp_tunneling_port",
    "net.inet.tcp.finwait2_timeout",
    "net.inet.tcp.reass.maxqueuelen",
    "net.inet.tcp.soreceive_stream",
    "net.inet.tcp.fastopen.psk_enable",
    "net.inet.tcp.fastopen.ccache_bucket_limit",
    "net.inet.tcp.cc.newreno.beta",
    "net.inet.tcp.cc.abe",
    "net.inet.icmp.icmplim_output",
    "net.inet6.icmp6.errppslimit",
    "net.inet.ip.random_id",
    "net.inet6.ip6.auto_linklocal",
];

fn sysctl(key: &str, value: &str, settings: &mut Settings) -> Result<(), String> {
    let value = value.trim();
    if HARMLESS.contains(&key) || as_it_is_anyway(key, value) {
        return Ok(());
    }
    let known = offers(key, value, &mut settings.config.tcp.settings)
        .or_else(|| sizes(key, value, &mut settings.config.tcp.settings))
        .or_else(|| timers(key, value, settings));
    if known.is_some() {
        return Ok(());
    }
    let missing = match key {
        "net.ipv4.tcp_fastopen" => {
            let bits = unsigned(value).ok_or("tcp_fastopen without a number")?;
            settings.fast_open = FastOpen::from_bits(bits)?;
            return Ok(());
        }
        "net.ipv4.tcp_syncookies" => {
            settings.syn_cookies = match unsigned(value) {
                Some(0) => SynCookies::Never,
                Some(2) => SynCookies::Always,
                _ => SynCookies::WhenFull,
            };
            return Ok(());
        }
        "net.inet.tcp.syncookies_only" => {
            settings.syn_cookies = SynCookies::Always;
            return Ok(());
        }
        "net.inet.tcp.drop_synfin" => {
            settings.syn_with_fin = unsigned(value) == Some(0);
            return Ok(());
        }
        "net.ipv4.tcp_fastopen_key" => "a key for fast open cookies",
        "net.ipv4.tcp_recovery" => "loss detection by counting instead of RACK",
        "net.inet.tcp.insecure_ack" => "taking old acknowledgments without a challenge",
        _ => "",
    };
    if missing.is_empty() {
        Err(format!("the setting {key}={value} is not there"))
    } else {
        Err(format!("{missing} is not there ({key}={value})"))
    }
}

/// Decimal, or hexadecimal after `0x`.
fn unsigned(value: &str) -> Option<u32> {
    match value.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => value.parse().ok(),
    }
}

/// Switches that stand where the engine has them built in.
fn as_it_is_anyway(key: &str, value: &str) -> bool {
    let number = unsigned(value);
    match key {
        "net.ipv4.tcp_recovery" => number.is_some_and(|bits| bits & 1 != 0),
        "net.ipv4.tcp_retries1" => number != Some(0),
        // A full accept queue drops the handshake's last ACK and lets the client repeat it.
        "net.ipv4.tcp_abort_on_overflow" => number == Some(0),
        "net.ipv4.tcp_shrink_window"
        | "net.ipv4.ip_no_pmtu_disc"
        | "net.ipv4.tcp_thin_linear_timeouts" => number == Some(0),
        "net.inet.tcp.syncookies" => true,
        "net.inet.tcp.syncookies_only" => number == Some(0),
        "net.inet.tcp.insecure_ack"
        | "net.inet.tcp.pmtud_blackhole_detection"
        | "net.inet.tcp.blackhole"
        | "net.inet.tcp.fastopen.server_enable" => number == Some(0),
        _ => false,
    }
}

/// What SYNs offer, and which controller runs.
fn offers(key: &str, value: &str, start: &mut outcrop_tcp::Settings) -> Option<()> {
    let number = unsigned(value);
    match key {
        "net.ipv4.tcp_timestamps" => start.timestamps = number? != 0,
        "net.ipv4.tcp_sack" | "net.inet.tcp.sack.enable" => start.sack = number? != 0,
        "net.ipv4.tcp_window_scaling" => start.window_scale = number? != 0,
        "net.inet.tcp.rfc1323" => {
            start.timestamps = matches!(number, Some(1 | 3));
            start.window_scale = matches!(number, Some(1 | 2));
        }
        "net.ipv4.tcp_ecn" | "net.inet.tcp.ecn.enable" => {
            start.ecn = match number? {
                0 => EcnPolicy::Off,
                1 => EcnPolicy::Request,
                2 => EcnPolicy::Accept,
                3 => EcnPolicy::Accurate,
                4 => EcnPolicy::RequestClassic,
                5 => EcnPolicy::AcceptAccurate,
                _ => return None,
            };
        }
        "net.ipv4.tcp_mtu_probing" => {
            start.path_probing = match number? {
                0 => PathProbing::Off,
                1 => PathProbing::OnBlackHole,
                _ => PathProbing::Always,
            };
        }
        "net.ipv4.tcp_ecn_option" => start.ecn_option = number? != 0,
        "net.ipv4.tcp_dsack" => start.dsack = number? != 0,
        "net.ipv4.tcp_frto" => start.frto = number? != 0,
        // Early retransmit is gone from everywhere; the number says whether tails are probed.
        "net.ipv4.tcp_early_retrans" => start.tail_probes = number? != 0,
        "net.inet.tcp.insecure_rst" => start.guessable.resets = number? != 0,
        "net.inet.tcp.insecure_syn" => start.guessable.syns = number? != 0,
        "net.ipv4.tcp_congestion_control"
        | "net.ipv4.tcp_default_congestion_control"
        | "net.inet.tcp.cc.algorithm" => start.congestion = algorithm(value)?,
        // RFC 2861: Linux halves an idle window, or keeps it. To halve is what is built in.
        "net.ipv4.tcp_slow_start_after_idle" => start.keep_unused_window = number? == 0,
        "net.inet.tcp.delayed_ack" if number? == 0 => start.delayed_ack = Duration::ZERO,
        "net.inet.tcp.delayed_ack" => {}
        "net.inet.tcp.abc_l_var" => start.habits.slow_start_limit = u16::try_from(number?).ok(),
        "net.inet.tcp.fastopen.client_enable" => {}
        _ => return None,
    }
    Some(())
}

/// Buffers; Linux names the least, the usual and the most.
fn sizes(key: &str, value: &str, start: &mut outcrop_tcp::Settings) -> Option<()> {
    let mut words = value.split_whitespace().filter_map(unsigned);
    match key {
        // Half of each is for that system's bookkeeping.
        "net.ipv4.tcp_rmem" => {
            start.receive_buffer = words.nth(1)? / 2;
            let most = words.next().map(|most| most / 2);
            start.receive_buffer_max = most.filter(|_| start.receive_buffer_max.is_some());
        }
        "net.ipv4.tcp_wmem" => {
            start.send_buffer = words.nth(1)?;
            start.send_buffer_max = words.next().filter(|most| *most > start.send_buffer);
        }
        "net.inet.tcp.recvspace" => start.receive_buffer = words.next()?,
        "net.inet.tcp.sendspace" => start.send_buffer = words.next()?,
        "net.ipv4.tcp_moderate_rcvbuf" => {
            let usual = outcrop_tcp::Settings::default().receive_buffer_max;
            let max = start.receive_buffer_max.or(usual);
            start.receive_buffer_max = max.filter(|_| value != "0");
        }
        "net.ipv4.tcp_notsent_lowat" => {
            let mark = words.next()?;
            start.notsent_lowat = (mark != u32::MAX).then_some(mark);
        }
        _ => return None,
    }
    Some(())
}

/// How long, and how often.
fn timers(key: &str, value: &str, settings: &mut Settings) -> Option<()> {
    let number = u64::from(unsigned(value)?);
    let (seconds, millis) = (Duration::from_secs(number), Duration::from_millis(number));
    let tcp = &mut settings.config.tcp;
    let start = &mut tcp.settings;
    match key {
        "net.ipv4.tcp_keepalive_time" => settings.keep_alive.idle = seconds,
        "net.ipv4.tcp_keepalive_intvl" => settings.keep_alive.interval = seconds,
        "net.inet.tcp.keepidle" => settings.keep_alive.idle = millis,
        "net.inet.tcp.keepintvl" => settings.keep_alive.interval = millis,
        "net.ipv4.tcp_keepalive_probes" | "net.inet.tcp.keepcnt" => {
            settings.keep_alive.probes = u8::try_from(number).ok()?;
        }
        "net.ipv4.tcp_fin_timeout" => start.fin_wait_2 = seconds,
        "net.ipv4.tcp_syn_retries" => start.syn_retries = u8::try_from(number).ok()?,
        "net.ipv4.tcp_synack_retries" => start.syn_ack_retries = u8::try_from(number).ok()?,
        "net.ipv4.tcp_syn_linear_timeouts" if number == 0 => {}
        "net.ipv4.tcp_retries2" if number == 15 => {}
        "net.inet.tcp.keepinit" if number == 75_000 => {}
        "net.inet.tcp.delacktime" => start.delayed_ack = millis,
        "net.inet.tcp.msl" => tcp.time_wait = 2 * millis,
        _ => return None,
    }
    Some(())
}

/// The dialect that a script's text gives away.
pub(super) fn dialect_of(text: &str) -> Dialect {
    let marks = |marks: &[&str]| marks.iter().any(|mark| text.contains(mark));
    if marks(&["--dialect=ours"]) {
        Dialect::Ours
    } else if marks(&["net.inet.tcp", "net.inet6.", "kldload", "kern.", "sockstat"]) {
        Dialect::FreeBsd
    } else if marks(&["defaults.sh", "set_sysctls", "net.ipv4."]) {
        Dialect::Linux
    } else {
        Dialect::Ours
    }
}
