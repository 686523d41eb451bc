//! Socket options.
//!
//! Job: map the options that scripts set and ask for to the engine's settings. Owns: the mapping.
//! Does not know: what a setting does. An option nobody maps skips the script: it is never ignored.
//! Sources: POSIX.1-2024 (SOL_SOCKET), the options' names as Linux and FreeBSD have them.

use core::time::Duration;

use outcrop_stack::tcp::{KeepAlive, Settings};
use outcrop_tcp::Algorithm;
use outcrop_tcp::congestion::Rate;

use super::super::ast::{Call, Value};
use super::super::code::constant;
use super::super::host::Host;
use super::super::report::{Dialect, Stop};
use super::names::{member, text};
use super::{Called, Gave, Kind, Program, failed, number};

/// Options that change nothing a script could see here.
const REMEMBERED: &[&str] = &[
    "SO_REUSEADDR",
    "SO_REUSEPORT",
    "SO_TIMESTAMP",
    "SO_PRIORITY",
    "SO_MARK",
    "SO_BUSY_POLL",
    "SO_DEBUG",
    "SO_NO_DDP",
    "SO_ZEROCOPY",
    "TCP_LOG",
    "IPV6_V6ONLY",
    "SO_BINDTODEVICE",
    "SO_OOBINLINE",
    "SO_NOSIGPIPE",
    "SO_RCVLOWAT",
    "SO_INCOMING_CPU",
    "SO_DONTROUTE",
    "SO_REUSEPORT_LB",
    "SO_USER_COOKIE",
    "TCP_INQ",
    "TCP_DEFER_ACCEPT",
    "TCP_FUNCTION_BLK",
    "TCP_LOGID",
    "TCP_SAVE_SYN",
    "IP_RECVERR",
    "IPV6_RECVERR",
    "IP_FREEBIND",
    "IP_TRANSPARENT",
    "IPV6_FLOWINFO_SEND",
];

/// Changes a setting; false if the option is none.
fn apply(settings: &mut Settings, name: &str, value: i64, text: &str) -> Option<()> {
    let unsigned = u32::try_from(value).unwrap_or(0);
    let seconds = Duration::from_secs(u64::from(unsigned));
    let on = value != 0;
    let mut keep = settings.keep_alive.unwrap_or_default();
    match name {
        "TCP_NODELAY" => settings.nodelay = on,
        "TCP_CORK" | "TCP_NOPUSH" => settings.cork = on,
        "TCP_MAXSEG" => settings.mss = u16::try_from(value).ok(),
        "TCP_USER_TIMEOUT" => {
            let span = Duration::from_millis(u64::from(unsigned));
            settings.user_timeout = on.then_some(span);
        }
        // Ours alone: no system lets a program send the option of RFC 5482.
        "TCP_USER_TIMEOUT_OPTION" => settings.user_timeout_option = on,
        "TCP_LINGER2" => settings.fin_wait_2 = seconds,
        "TCP_CONGESTION" => settings.congestion = algorithm(text)?,
        "SO_KEEPALIVE" => settings.keep_alive = on.then_some(keep),
        "TCP_KEEPIDLE" | "TCP_KEEPINTVL" | "TCP_KEEPCNT" => {
            match name {
                "TCP_KEEPIDLE" => keep.idle = seconds,
                "TCP_KEEPINTVL" => keep.interval = seconds,
                _ => keep.probes = u8::try_from(value).ok()?,
            }
            settings.keep_alive = settings.keep_alive.map(|_: KeepAlive| keep);
        }
        "SO_RCVBUF" | "SO_RCVBUFFORCE" => {
            (settings.receive_buffer, settings.receive_buffer_max) = (unsigned, None);
        }
        "SO_SNDBUF" | "SO_SNDBUFFORCE" => {
            (settings.send_buffer, settings.send_buffer_max) = (unsigned, None);
        }
        "TCP_QUICKACK" => settings.quickack = on,
        "TCP_NOTSENT_LOWAT" => settings.notsent_lowat = on.then_some(unsigned),
        "TCP_SYNCNT" => settings.syn_retries = u8::try_from(value).ok()?,
        "TCP_WINDOW_CLAMP" => settings.window_clamp = on.then_some(unsigned),
        "TCP_FASTOPEN_CONNECT" => (settings.fast_open, settings.hold_syn) = (on, on),
        "SO_MAX_PACING_RATE" => {
            settings.max_pacing_rate = (unsigned != u32::MAX).then_some(Rate(u64::from(unsigned)));
        }
        // Path MTU discovery is always on, and its results are believed.
        "IP_MTU_DISCOVER" | "IPV6_MTU_DISCOVER"
            if matches!(
                text,
                "IP_PMTUDISC_DO" | "IP_PMTUDISC_WANT" | "IPV6_PMTUDISC_DO" | "IPV6_PMTUDISC_WANT"
            ) => {}
        "TCP_THIN_LINEAR_TIMEOUTS" | "TCP_THIN_DUPACK" if !on => {}
        "IP_TTL" | "IPV6_UNICAST_HOPS" => settings.ttl = u8::try_from(value).ok()?,
        "IP_TOS" | "IPV6_TCLASS" => settings.dscp = u8::try_from(value >> 2).ok()?,
        _ => return None,
    }
    Some(())
}

pub(in super::super) fn algorithm(name: &str) -> Option<Algorithm> {
    match name {
        "reno" | "newreno" => Some(Algorithm::NewReno),
        "cubic" => Some(Algorithm::Cubic),
        "bbr" => Some(Algorithm::Bbr),
        _ => None,
    }
}

impl Program {
    pub(super) fn setsockopt(&mut self, host: &mut Host, call: &Call) -> Called {
        let name = call.args.get(2).map(text).unwrap_or_default();
        let value = call.args.get(3).cloned().unwrap_or(Value::Any);
        let number_of = number(&value).unwrap_or(0);
        let (dialect, keep) = (self.dialect, self.system.keep_alive());
        let socket = match self.entry(call) {
            Ok(socket) => socket,
            Err(errno) => return Ok(Gave::Error(errno)),
        };
        if let ("TCP_QUICKACK", 0, Some(id)) = (name.as_str(), number_of, socket.stream()) {
            let _ended = host.core.tcp_leave_quick_acks(id);
        }
        if let Some(errno) = out_of_range(&name, number_of) {
            return Ok(Gave::Error(errno));
        }
        match name.as_str() {
            "SO_LINGER" => {
                let part = |part| member(&value, part).and_then(number).unwrap_or(0);
                let on = part("onoff") != 0 || part("l_onoff") != 0;
                let seconds = part("linger").max(part("l_linger"));
                socket.linger = on.then(|| u64::try_from(seconds).unwrap_or(0));
                return Ok(Gave::Value(0));
            }
            // Keep-alive's figures may come before it is switched on.
            "TCP_KEEPIDLE" | "TCP_KEEPINTVL" | "TCP_KEEPCNT"
                if socket.settings.keep_alive.is_none() =>
            {
                socket.noted.insert(name, number_of);
                return Ok(Gave::Value(0));
            }
            // `{key="secret"}`; a script has one key, for everybody.
            "TCP_MD5SIG" => {
                let key = member(&value, "key").unwrap_or(&value);
                let octets = text(key).into_bytes();
                if let Kind::Listener(_) | Kind::Stream(_) = socket.kind {
                    return Err(Stop::skip(
                        "a key for a socket in use is not there (TCP_MD5SIG)",
                    ));
                }
                self.key = Some(octets);
                return Ok(Gave::Value(0));
            }
            "SO_RCVTIMEO" | "SO_SNDTIMEO" => {
                let span = time_value(&value);
                let of = if name == "SO_RCVTIMEO" {
                    &mut socket.wait_read
                } else {
                    &mut socket.wait_write
                };
                *of = span.filter(|span| !span.is_zero());
                return Ok(Gave::Value(0));
            }
            "TCP_FASTOPEN" => {
                let enabled = member(&value, "enable")
                    .and_then(number)
                    .unwrap_or(number_of);
                socket.noted.insert(name, enabled);
                // FreeBSD's clients ask by the same option.
                socket.settings.fast_open = dialect == Dialect::FreeBsd && enabled != 0;
                return Ok(Gave::Value(0));
            }
            name if REMEMBERED.contains(&name) => {
                socket.mark.unknown &= name != "SO_OOBINLINE";
                socket.noted.insert(name.to_owned(), number_of);
                return Ok(Gave::Value(0));
            }
            _ => {}
        }
        let words = text(&value);
        let mut settings = socket.settings;
        if name == "SO_KEEPALIVE" && number_of != 0 {
            settings.keep_alive.get_or_insert(keep);
        }
        let known = apply(&mut settings, &name, number_of, &words);
        known.ok_or_else(|| Stop::skip(format!("the socket option {name} is not there")))?;
        if name == "SO_KEEPALIVE" {
            for (earlier, value) in &socket.noted {
                let _other = apply(&mut settings, earlier, *value, "");
            }
        }
        socket.settings = settings;
        socket.noted.insert(name.clone(), number_of);
        if let Some(id) = socket.stream() {
            let _ended = host.core.tcp_configure(id, |live| {
                let _known = apply(live, &name, number_of, &words);
                live.keep_alive = settings.keep_alive;
            });
        }
        Ok(Gave::Value(0))
    }

    pub(super) fn getsockopt(&mut self, host: &Host, call: &Call) -> Called {
        let name = call.args.get(2).map(text).unwrap_or_default();
        let expected = call.args.get(3).cloned().unwrap_or(Value::Any);
        let (dialect, mtu) = (self.dialect, self.system.mtu());
        if name == "TCP_INFO" {
            return self.same_info(host, call, &expected);
        }
        let socket = match self.entry(call) {
            Ok(socket) => socket,
            Err(errno) => return Ok(Gave::Error(errno)),
        };
        let info = socket.stream().and_then(|id| host.core.tcp_info(id));
        let tcp = host.core.tcp();
        let live = info.and_then(|info| tcp.settings(tcp.find(&info.flow)?));
        let settings = live.copied().unwrap_or(socket.settings);
        let keep = settings.keep_alive.unwrap_or_default();
        let noted = socket.noted.get(&name).copied();
        let seconds = |span: Duration| i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
        let value = match name.as_str() {
            "SO_ERROR" => return same_error(call, &expected, socket.take_error()),
            "SO_LINGER" => return same_linger(call, &expected, socket.linger),
            "TCP_CONGESTION" => return same_text(call, &expected, spelled(settings.congestion)),
            "TCP_QUICKACK" => i64::from(settings.quickack),
            "TCP_NOTSENT_LOWAT" => settings.notsent_lowat.map_or(0, i64::from),
            "TCP_SYNCNT" => i64::from(settings.syn_retries),
            "TCP_WINDOW_CLAMP" => settings.window_clamp.map_or(0, i64::from),
            "TCP_LINGER2" => seconds(settings.fin_wait_2),
            "TCP_FASTOPEN" => noted.unwrap_or(0),
            "TCP_FASTOPEN_CONNECT" => i64::from(settings.hold_syn),
            "IP_MTU" => i64::from(mtu),
            "SO_PROTOCOL" => 6,
            // Rounded and doubled by systems of these dialects, each in its way.
            "SO_RCVBUF" | "SO_SNDBUF" if dialect != Dialect::Ours => return Ok(Gave::Value(0)),
            "SO_RCVBUF" => i64::from(settings.receive_buffer),
            "SO_SNDBUF" => i64::from(settings.send_buffer),
            "TCP_NODELAY" => i64::from(settings.nodelay),
            "TCP_CORK" | "TCP_NOPUSH" => i64::from(settings.cork),
            "TCP_MAXSEG" => info.map_or_else(
                || settings.mss.map_or(536, i64::from),
                |info| i64::from(info.mss),
            ),
            "SO_KEEPALIVE" => i64::from(settings.keep_alive.is_some()),
            "TCP_KEEPIDLE" => noted.unwrap_or_else(|| seconds(keep.idle)),
            "TCP_KEEPINTVL" => noted.unwrap_or_else(|| seconds(keep.interval)),
            "TCP_KEEPCNT" => noted.unwrap_or_else(|| i64::from(keep.probes)),
            "TCP_USER_TIMEOUT" => noted.unwrap_or(0),
            "IP_TTL" | "IPV6_UNICAST_HOPS" => i64::from(settings.ttl),
            "IP_TOS" | "IPV6_TCLASS" => i64::from(settings.dscp) << 2,
            "SO_ACCEPTCONN" => i64::from(matches!(socket.kind, Kind::Listener(_))),
            "SO_TYPE" => i64::from(if matches!(socket.kind, Kind::Datagram(_)) {
                2u8
            } else {
                1
            }),
            name if REMEMBERED.contains(&name) => noted.unwrap_or(0),
            _ => return Err(Stop::skip(format!("the socket option {name} is not there"))),
        };
        match number(&expected) {
            Some(wanted) if wanted != value => Err(failed(
                call,
                format!("{name} is {value}, expected {wanted}"),
            )),
            Some(_) | None => Ok(Gave::Value(0)),
        }
    }
}

impl Program {
    /// `{tcpi_state=.., ..}`
    fn same_info(&self, host: &Host, call: &Call, expected: &Value) -> Called {
        let figures = self.figures(host);
        let figures = figures.ok_or_else(|| Stop::skip("a connection to ask is not there"))?;
        let Value::Struct(members) = expected else {
            return Ok(Gave::Value(0));
        };
        for (name, wanted) in members {
            let wanted = match wanted {
                Value::Symbol(word) => constant(word).or_else(|| number(wanted)),
                Value::Any => continue,
                Value::Number(_)
                | Value::Text(_)
                | Value::List(_)
                | Value::Struct(_)
                | Value::Call(..) => number(wanted),
            };
            let got = figures.named(name);
            let got = got.ok_or_else(|| Stop::skip(format!("the figure {name} is not there")))?;
            if wanted.is_some_and(|wanted| wanted != got) {
                let wanted = wanted.unwrap_or(0);
                return Err(failed(call, format!("{name} is {got}, expected {wanted}")));
            }
        }
        Ok(Gave::Value(0))
    }
}

/// `{tv_sec=1, tv_usec=0}`
fn time_value(value: &Value) -> Option<Duration> {
    let part = |name| member(value, name).and_then(number);
    let seconds = u64::try_from(part("tv_sec")?).ok()?;
    let micros = u64::try_from(part("tv_usec").unwrap_or(0)).ok()?;
    Some(Duration::from_secs(seconds) + Duration::from_micros(micros))
}

const fn spelled(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::NewReno => "reno",
        Algorithm::Cubic => "cubic",
        Algorithm::Bbr => "bbr",
    }
}

fn same_text(call: &Call, expected: &Value, actual: &str) -> Called {
    match expected {
        Value::Text(wanted) if wanted != actual => {
            Err(failed(call, format!("it is {actual}, expected {wanted}")))
        }
        Value::Text(_)
        | Value::Any
        | Value::Number(_)
        | Value::Symbol(_)
        | Value::List(_)
        | Value::Struct(_)
        | Value::Call(..) => Ok(Gave::Value(0)),
    }
}

/// What no value of these options can be.
fn out_of_range(name: &str, value: i64) -> Option<super::Errno> {
    let bad = match name {
        "TCP_KEEPIDLE" | "TCP_KEEPINTVL" => !(1..=32_767).contains(&value),
        "TCP_KEEPCNT" => !(1..=127).contains(&value),
        "TCP_MAXSEG" => value != 0 && !(48..=32_767).contains(&value),
        "IP_TTL" => !(1..=255).contains(&value),
        "TCP_USER_TIMEOUT" => value < 0,
        _ => false,
    };
    bad.then_some("EINVAL")
}

fn same_error(call: &Call, expected: &Value, error: Option<super::Errno>) -> Called {
    let wanted = match expected {
        Value::List(values) => values.first().map(text),
        Value::Any => return Ok(Gave::Value(0)),
        Value::Number(_)
        | Value::Symbol(_)
        | Value::Text(_)
        | Value::Struct(_)
        | Value::Call(..) => Some(text(expected)),
    };
    let actual = error.unwrap_or("0");
    if wanted.as_deref() == Some(actual) {
        return Ok(Gave::Value(0));
    }
    let wanted = wanted.unwrap_or_default();
    Err(failed(
        call,
        format!("SO_ERROR is {actual}, expected {wanted}"),
    ))
}

fn same_linger(call: &Call, expected: &Value, linger: Option<u64>) -> Called {
    let part = |part| member(expected, part).and_then(number);
    let on = part("onoff").is_none_or(|on| (on != 0) == linger.is_some());
    let same =
        part("linger").is_none_or(|wanted| u64::try_from(wanted).ok() == Some(linger.unwrap_or(0)));
    if on && same {
        return Ok(Gave::Value(0));
    }
    Err(failed(call, format!("SO_LINGER is {linger:?}")))
}
