//! Shell lines.
//!
//! Job: what scripts ask of a system by its shell, mapped to settings; what cannot be is a reason to skip
//! the script. Owns: the mapping. Does not know: any shell; nothing is ever run.
//! Source: the commands that the public suites use.

use core::time::Duration;

use outcrop_stack::Config;

use super::program::algorithm;
use super::report::Dialect;

/// What a shell line changes before a host starts.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) config: Config,
    pub(super) mtu: u32,
}

/// Applies a line; the error says what is not there.
pub(super) fn apply(line: &str, settings: &mut Settings) -> Result<(), String> {
    let commands = line.split(['\n', ';']).flat_map(|part| part.split("&&"));
    for command in commands.map(|command| command.trim().trim_end_matches('\\').trim()) {
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
        _ if program.starts_with("sysctl_restore") => Ok(()),
        "sysctl" | "set_sysctls.py" => sysctls(&words, settings),
        "tc" if words.contains(&"pfifo") => Ok(()),
        "ip" if words.contains(&"mtu") && words.contains(&"route") => route(&words, settings),
        "echo" | ":" => Ok(()),
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

fn route(words: &[&str], settings: &mut Settings) -> Result<(), String> {
    let unknown = [
        "advmss", "initcwnd", "initrwnd", "congctl", "quickack", "features",
    ];
    if let Some(word) = unknown.iter().find(|word| words.contains(*word)) {
        return Err(format!("a route with {word} is not there"));
    }
    let at = words.iter().position(|word| *word == "mtu").unwrap_or(0);
    let mtu = words.iter().skip(at + 1).find_map(|word| word.parse().ok());
    settings.mtu = mtu.ok_or("a route's mtu without a number")?;
    Ok(())
}

/// Keys that say what is so anyway, or what no script can see.
const HARMLESS: [&str; 40] = [
    "net.ipv4.tcp_min_tso_segs",
    "net.ipv4.tcp_tso_win_divisor",
    "net.ipv4.tcp_tso_rtt_log",
    "net.ipv4.tcp_no_metrics_save",
    "net.ipv4.tcp_syn_retries",
    "net.ipv4.tcp_synack_retries",
    "net.ipv4.tcp_syn_linear_timeouts",
    "net.ipv4.tcp_adv_win_scale",
    "net.ipv4.tcp_app_win",
    "net.ipv4.tcp_reordering",
    "net.ipv4.tcp_moderate_rcvbuf",
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
    "net.ipv4.tcp_thin_linear_timeouts",
    "net.ipv4.ip_forward",
    "net.core.somaxconn",
    "net.core.rmem_max",
    "net.core.wmem_max",
    "net.core.default_qdisc",
    "net.core.netdev_max_backlog",
    "kern.timecounter.alloweddeviation",
    "net.inet.tcp.hostcache.purgenow",
    "net.inet.tcp.syncookies",
    "net.inet.tcp.syncookies_only",
    "net.inet.tcp.rfc3390",
    "net.inet.tcp.rfc3042",
    "net.inet.tcp.log_in_vain",
    "net.inet.tcp.tso",
    "net.inet.tcp.path_mtu_discovery",
    "net.inet.tcp.initcwnd_segments",
    "net.inet.tcp.functions_default",
    "net.inet.icmp.icmplim",
];

fn sysctl(key: &str, value: &str, settings: &mut Settings) -> Result<(), String> {
    let unknown = || format!("the setting {key}={value} is not there");
    let tcp = &mut settings.config.tcp;
    let start = &mut tcp.settings;
    let number: Option<u32> = value.parse().ok();
    let middle = || {
        value
            .split_whitespace()
            .nth(1)
            .and_then(|word| word.parse().ok())
    };
    let millis = || number.map(|number| Duration::from_millis(u64::from(number)));
    let seconds = || number.map(|number| Duration::from_secs(u64::from(number)));
    match key {
        "net.ipv4.tcp_timestamps" => start.timestamps = number != Some(0),
        "net.ipv4.tcp_sack" | "net.inet.tcp.sack.enable" => start.sack = number != Some(0),
        "net.ipv4.tcp_window_scaling" => start.window_scale = number != Some(0),
        "net.inet.tcp.rfc1323" => {
            start.timestamps = matches!(number, Some(1 | 3));
            start.window_scale = matches!(number, Some(1 | 2));
        }
        "net.ipv4.tcp_congestion_control" | "net.inet.tcp.cc.algorithm" => {
            start.congestion = algorithm(value).ok_or_else(unknown)?;
        }
        "net.ipv4.tcp_rmem" => start.receive_buffer = middle().ok_or_else(unknown)?,
        "net.ipv4.tcp_wmem" => start.send_buffer = middle().ok_or_else(unknown)?,
        "net.inet.tcp.recvspace" => start.receive_buffer = number.ok_or_else(unknown)?,
        "net.inet.tcp.sendspace" => start.send_buffer = number.ok_or_else(unknown)?,
        "net.ipv4.tcp_fin_timeout" => start.fin_wait_2 = seconds().ok_or_else(unknown)?,
        "net.inet.tcp.delacktime" => start.delayed_ack = millis().ok_or_else(unknown)?,
        "net.inet.tcp.delayed_ack" if number == Some(0) => start.delayed_ack = Duration::ZERO,
        "net.inet.tcp.delayed_ack" => {}
        "net.inet.tcp.msl" => tcp.time_wait = 2 * millis().ok_or_else(unknown)?,
        // Only what the engine does anyway.
        "net.ipv4.tcp_ecn" if matches!(number, Some(0 | 2)) => {}
        "net.inet.tcp.ecn.enable" if matches!(number, Some(0 | 2)) => {}
        "net.ipv4.tcp_fastopen"
        | "net.ipv4.tcp_mtu_probing"
        | "net.ipv4.tcp_slow_start_after_idle"
            if number == Some(0) => {}
        "net.ipv4.tcp_early_retrans"
        | "net.ipv4.tcp_recovery"
        | "net.ipv4.tcp_frto"
        | "net.ipv4.tcp_dsack"
        | "net.ipv4.tcp_syncookies"
        | "net.ipv4.tcp_retries1"
            if number != Some(0) => {}
        "net.inet.tcp.insecure_rst"
        | "net.inet.tcp.insecure_syn"
        | "net.inet.tcp.insecure_ack"
        | "net.inet.tcp.drop_synfin"
        | "net.inet.tcp.blackhole"
        | "net.inet.tcp.fastopen.client_enable"
            if number == Some(0) => {}
        _ if HARMLESS.contains(&key) => {}
        _ => return Err(unknown()),
    }
    Ok(())
}

/// The dialect that a script's text gives away.
pub(super) fn dialect_of(text: &str) -> Dialect {
    let marks = |marks: &[&str]| marks.iter().any(|mark| text.contains(mark));
    if marks(&["net.inet.tcp", "net.inet6.", "kldload", "kern.", "sockstat"]) {
        Dialect::FreeBsd
    } else if marks(&["defaults.sh", "set_sysctls", "net.ipv4."]) {
        Dialect::Linux
    } else {
        Dialect::Ours
    }
}
