//! What a program may set on a TCP socket.
//!
//! Job: one list of options under the names Linux users know, each with its unit, default, source and error; check a
//! value, and write it into the engine's settings. Owns: the list and the ranges. Does not know: what follows from a value.
//! Sources: tcp(7), ip(7) and socket(7) for names and ranges; the RFC of each option beside it.

use core::time::Duration;

use outcrop_stack::tcp::{Algorithm, EcnPolicy, KeepAlive, Listen, PathProbing, Rate, Settings};
use thiserror::Error;

/// One option of a TCP socket, with its value.
///
/// Three kinds of socket take them: a [`TcpSocket`](crate::TcpSocket) before it connects or listens, a
/// [`TcpStream`](crate::TcpStream) while it lives, and a [`TcpListener`](crate::TcpListener) through the socket it was
/// made of; what a listener was given, its connections start with. Where a variant says *before the SYN*, a
/// connection refuses it as [`OptionError::TooLate`]; where it says *of a listener*, only a socket takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TcpOption {
    /// `TCP_NODELAY`: send small segments at once. Off: Nagle's algorithm gathers them (RFC 9293 3.7.4 MUST-17).
    NoDelay(bool),
    /// `TCP_CORK`: hold back everything below a full segment until switched off. Off. Unlike Linux's, ours has no
    /// 200 ms limit: a corked byte waits for the program.
    Cork(bool),
    /// `SO_KEEPALIVE` with `TCP_KEEPIDLE`, `TCP_KEEPINTVL`, `TCP_KEEPCNT`: `None`, the default, never probes (MUST-25);
    /// the times of `KeepAlive::default()` are 2 hours and 75 s, nine probes (MUST-28). Spans from 1 ms to 32,767 s,
    /// probes from 1 to 127 (RFC 9293 3.8.4; MUST-29 is why zero is refused).
    KeepAlive(Option<KeepAlive>),
    /// `TCP_USER_TIMEOUT`: how long sent data, or our SYN, may stay unacknowledged before the connection is given up.
    /// `None`, the default, is 924 s for data and [`SynCount`](Self::SynCount) for a SYN (RFC 9293 3.8.3, RFC 5482).
    /// More than zero; `Duration::MAX` waits for ever.
    UserTimeout(Option<Duration>),
    /// `SO_LINGER`: what letting go of a connection does with bytes not acknowledged yet. `None`, the default: the host
    /// goes on in the background. Zero: a reset. Otherwise it goes on for so long, then resets. Letting go never waits.
    Linger(Option<Duration>),
    /// `TCP_MAXSEG`: the largest segment announced and sent, bytes of payload and options; `None`, the default, follows
    /// the path's MTU (RFC 9293 3.7.1 MUST-14). 88 to 32,767, as in Linux. Before the SYN.
    MaxSegment(Option<u16>),
    /// `TCP_CONGESTION`: the congestion controller; CUBIC (RFC 9438). On a living connection the new one goes on with
    /// the old one's window.
    Congestion(Algorithm),
    /// `TCP_QUICKACK`: acknowledge everything at once. Off. Unlike Linux's, ours stays until switched off.
    QuickAck(bool),
    /// `TCP_NOTSENT_LOWAT`: bytes unsent at which a write takes no more; it is woken at half of it. `None`, the default,
    /// fills the send buffer. More than zero.
    NotSentLowat(Option<u32>),
    /// `SO_MAX_PACING_RATE`: the fastest that payload may leave, bytes a second; `None`, the default, is no limit. More
    /// than zero.
    MaxPacingRate(Option<Rate>),
    /// Spread what leaves over the round trip, also where the controller does not ask for it (Linux: the `fq` discipline).
    /// On; paths of less than 2 ms are not paced.
    Pacing(bool),
    /// `TCP_SYNCNT`: repeats of our SYN before a connect fails; 7, three minutes and more (RFC 9293 3.8.3 MUST-23). 1 to
    /// 127. Before the SYN.
    SynCount(u8),
    /// `TCP_WINDOW_CLAMP`: the largest window ever offered, bytes, whatever the buffer could hold. `None`, the default:
    /// the buffer alone decides. At least 1,152, half of Linux's smallest buffer.
    WindowClamp(Option<u32>),
    /// `SO_RCVBUF`: bytes the receiver may hold. Unset, it grows from 128 KiB to 6 MiB with what the program reads; set,
    /// it is fixed from now on, as in Linux. 2,304 to 1 GiB. Before the SYN it also decides the window scale (RFC 7323 2); later, a buffer beyond what that scale can say is not used.
    ReceiveBuffer(u32),
    /// `SO_SNDBUF`: bytes the sender may hold, unsent and unacknowledged. Unset, it grows from 64 KiB to 4 MiB with the
    /// congestion window; set, it is fixed from now on. 4,608 to 1 GiB. Unlike Linux's, neither buffer is doubled for bookkeeping.
    SendBuffer(u32),
    /// `TCP_FASTOPEN` of a client: ask servers for cookies, and with one put what is written at once into the SYN
    /// (RFC 7413). It may arrive twice. Off. Before the SYN.
    FastOpen(bool),
    /// `TCP_FASTOPEN_CONNECT`: with a cookie at hand, connect returns at once, and the SYN waits for the first write, read
    /// or finish. Switches [`FastOpen`](Self::FastOpen) on. Off. Before the SYN.
    FastOpenConnect(bool),
    /// `IP_TOS` and `IPV6_TCLASS`: the traffic class octet; 0. Its two low bits are ECN's and are not the program's: they
    /// are ignored, as in Linux (RFC 2474 3, RFC 3168 5, RFC 9293 3.9.1.9 MUST-48).
    TrafficClass(u8),
    /// `IP_TTL` and `IPV6_UNICAST_HOPS`: time to live; 64 (RFC 9293 3.9.2 MUST-49). 1 to 255.
    TimeToLive(u8),
    /// `net.ipv4.tcp_ecn`, here of one socket: whether to ask for, or agree to, congestion marks; agree (RFC 3168).
    /// Before the SYN.
    Ecn(EcnPolicy),
    /// `net.ipv4.tcp_mtu_probing`, here of one socket: whether to look for the path's MTU by larger segments instead of
    /// waiting to be told by ICMP (RFC 4821); once large segments have vanished.
    PathProbing(PathProbing),
    /// `TCP_DEFER_ACCEPT`, of a listener: give out a connection only with its first bytes, which may take so long; then
    /// our SYN-ACK asks once more. `None`, the default, gives it out at once. More than zero.
    DeferAccept(Option<Duration>),
    /// `TCP_FASTOPEN`, of a listener: how many clients that spoke in their SYN may be pending; zero, the default, switches
    /// it off (RFC 7413 5.1).
    FastOpenQueue(usize),
    /// The argument of `listen(2)`: connections waiting to be accepted, one more than the number, as on Linux and
    /// everywhere since 4.2BSD; 1,024. More than zero.
    Backlog(usize),
}

/// Why an option was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OptionError {
    /// The value is none of those the option takes.
    #[error("{option}: the value must be {allowed}")]
    OutOfRange {
        /// The option, by its name in Linux.
        option: &'static str,
        /// What it takes.
        allowed: &'static str,
    },
    /// What it says would have been said in the SYN.
    #[error("{option}: can be set only before the connection is opened")]
    TooLate {
        /// The option, by its name in Linux.
        option: &'static str,
    },
    /// It is an option of listeners.
    #[error("{option}: is an option of listeners")]
    NotAListener {
        /// The option, by its name in Linux.
        option: &'static str,
    },
}

/// Spans of keep-alive (tcp(7): seconds in 16 bits).
const SPAN: core::ops::RangeInclusive<Duration> =
    Duration::from_millis(1)..=Duration::from_secs(32_767);
const BUFFER_MAX: u32 = 1 << 30;

impl TcpOption {
    /// Its name in Linux.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::NoDelay(_) => "TCP_NODELAY",
            Self::Cork(_) => "TCP_CORK",
            Self::KeepAlive(_) => "SO_KEEPALIVE",
            Self::UserTimeout(_) => "TCP_USER_TIMEOUT",
            Self::Linger(_) => "SO_LINGER",
            Self::MaxSegment(_) => "TCP_MAXSEG",
            Self::Congestion(_) => "TCP_CONGESTION",
            Self::QuickAck(_) => "TCP_QUICKACK",
            Self::NotSentLowat(_) => "TCP_NOTSENT_LOWAT",
            Self::MaxPacingRate(_) => "SO_MAX_PACING_RATE",
            Self::Pacing(_) => "pacing",
            Self::SynCount(_) => "TCP_SYNCNT",
            Self::WindowClamp(_) => "TCP_WINDOW_CLAMP",
            Self::ReceiveBuffer(_) => "SO_RCVBUF",
            Self::SendBuffer(_) => "SO_SNDBUF",
            Self::FastOpen(_) | Self::FastOpenQueue(_) => "TCP_FASTOPEN",
            Self::FastOpenConnect(_) => "TCP_FASTOPEN_CONNECT",
            Self::TrafficClass(_) => "IP_TOS",
            Self::TimeToLive(_) => "IP_TTL",
            Self::Ecn(_) => "tcp_ecn",
            Self::PathProbing(_) => "tcp_mtu_probing",
            Self::DeferAccept(_) => "TCP_DEFER_ACCEPT",
            Self::Backlog(_) => "backlog",
        }
    }

    /// What its value must be, if this one is not.
    fn refusal(&self) -> Option<&'static str> {
        let (fits, allowed) = match self {
            Self::KeepAlive(Some(keep)) => (
                SPAN.contains(&keep.idle)
                    && SPAN.contains(&keep.interval)
                    && (1..=127).contains(&keep.probes),
                "spans of 1 ms to 32767 s and 1 to 127 probes",
            ),
            Self::UserTimeout(Some(span)) | Self::DeferAccept(Some(span)) => {
                (!span.is_zero(), "longer than nothing")
            }
            Self::MaxSegment(Some(size)) => ((88..=32_767).contains(size), "88 to 32767 bytes"),
            Self::NotSentLowat(Some(bytes)) => (*bytes > 0, "more than zero"),
            Self::MaxPacingRate(Some(rate)) => (rate.0 > 0, "more than zero"),
            Self::SynCount(count) => ((1..=127).contains(count), "1 to 127"),
            Self::WindowClamp(Some(bytes)) => (*bytes >= 1_152, "1152 bytes or more"),
            Self::ReceiveBuffer(bytes) => {
                ((2_304..=BUFFER_MAX).contains(bytes), "2304 bytes to 1 GiB")
            }
            Self::SendBuffer(bytes) => {
                ((4_608..=BUFFER_MAX).contains(bytes), "4608 bytes to 1 GiB")
            }
            Self::TimeToLive(hops) => (*hops > 0, "1 to 255"),
            Self::Backlog(count) => (*count > 0, "more than zero"),
            Self::NoDelay(_)
            | Self::Cork(_)
            | Self::KeepAlive(None)
            | Self::UserTimeout(None)
            | Self::Linger(_)
            | Self::MaxSegment(None)
            | Self::Congestion(_)
            | Self::QuickAck(_)
            | Self::NotSentLowat(None)
            | Self::MaxPacingRate(None)
            | Self::Pacing(_)
            | Self::WindowClamp(None)
            | Self::FastOpen(_)
            | Self::FastOpenConnect(_)
            | Self::TrafficClass(_)
            | Self::Ecn(_)
            | Self::PathProbing(_)
            | Self::DeferAccept(None)
            | Self::FastOpenQueue(_) => (true, ""),
        };
        (!fits).then_some(allowed)
    }

    /// Whether it can still be set once the SYN has left.
    const fn goes_with_the_syn(&self) -> bool {
        matches!(
            self,
            Self::MaxSegment(_)
                | Self::SynCount(_)
                | Self::FastOpen(_)
                | Self::FastOpenConnect(_)
                | Self::Ecn(_)
        )
    }

    const fn is_a_listeners(&self) -> bool {
        matches!(
            self,
            Self::DeferAccept(_) | Self::FastOpenQueue(_) | Self::Backlog(_)
        )
    }

    /// Whether a socket that is not open yet takes it.
    pub(crate) fn check(&self) -> Result<(), OptionError> {
        let option = self.name();
        match self.refusal() {
            Some(allowed) => Err(OptionError::OutOfRange { option, allowed }),
            None => Ok(()),
        }
    }

    /// Whether a living connection takes it.
    pub(crate) fn check_living(&self) -> Result<(), OptionError> {
        let option = self.name();
        if self.is_a_listeners() {
            return Err(OptionError::NotAListener { option });
        }
        if self.goes_with_the_syn() {
            return Err(OptionError::TooLate { option });
        }
        self.check()
    }

    /// Writes it into settings that no connection has yet.
    ///
    /// # Errors
    /// A value the option does not take; nothing is written then.
    pub fn apply(self, settings: &mut Settings, listen: &mut Listen) -> Result<(), OptionError> {
        self.check()?;
        self.write_to(settings, listen);
        Ok(())
    }

    /// Writes a value that was checked where it belongs.
    pub(crate) fn write_to(self, settings: &mut Settings, listen: &mut Listen) {
        match self {
            Self::NoDelay(on) => settings.nodelay = on,
            Self::Cork(on) => settings.cork = on,
            Self::KeepAlive(keep) => settings.keep_alive = keep,
            Self::UserTimeout(span) => settings.user_timeout = span,
            Self::Linger(span) => settings.linger = span,
            Self::MaxSegment(size) => settings.mss = size,
            Self::Congestion(algorithm) => settings.congestion = algorithm,
            Self::QuickAck(on) => settings.quickack = on,
            Self::NotSentLowat(bytes) => settings.notsent_lowat = bytes,
            Self::MaxPacingRate(rate) => settings.max_pacing_rate = rate,
            Self::Pacing(on) => settings.pacing = on,
            Self::SynCount(count) => settings.syn_retries = count,
            Self::WindowClamp(bytes) => settings.window_clamp = bytes,
            Self::ReceiveBuffer(bytes) => {
                settings.receive_buffer = bytes;
                settings.receive_buffer_max = None;
            }
            Self::SendBuffer(bytes) => {
                settings.send_buffer = bytes;
                settings.send_buffer_max = None;
            }
            Self::FastOpen(on) => settings.fast_open = on,
            Self::FastOpenConnect(on) => {
                settings.hold_syn = on;
                settings.fast_open |= on;
            }
            Self::TrafficClass(octet) => settings.dscp = octet >> 2,
            Self::TimeToLive(hops) => settings.ttl = hops,
            Self::Ecn(policy) => settings.ecn = policy,
            Self::PathProbing(policy) => settings.path_probing = policy,
            Self::DeferAccept(span) => listen.defer_accept = span,
            Self::FastOpenQueue(count) => listen.fast_open = count,
            Self::Backlog(count) => listen.accept_backlog = count.saturating_add(1),
        }
    }
}
