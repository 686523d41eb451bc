//! What a program may choose.
//!
//! Job: plain settings with defaults: per endpoint, per listener, per connection.
//! Owns: the values. Does not know: what follows from them.
//! Sources: RFC 9293 3.9.1 and 3.8 (what must be configurable); each field names its own.

use core::ops::RangeInclusive;
use core::time::Duration;

use outcrop_base::{DEFAULT_HOP_LIMIT, Share};

use crate::congestion::{Algorithm, Habits, Rate};
use crate::ecn::EcnPolicy;
use crate::params;
pub use crate::plpmtud::PathProbing;
use crate::segment::UserTimeout;

/// Settings of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// How long a tuple rests in TIME-WAIT: 2 MSL.
    pub time_wait: Duration,
    /// The most tuples in TIME-WAIT; the oldest leaves early.
    pub time_wait_max: usize,
    /// Local ports for active opens (RFC 6056).
    pub ephemeral_ports: RangeInclusive<u16>,
    /// Which of them are ours, if several engines are one host: an active open from another's port is refused.
    pub share: Share,
    /// How many final accounts of ended connections are kept until [`take_final_accounts`] is called; the oldest leaves
    /// first. Zero, the default, keeps none: what a program still holds can be explained all the same.
    ///
    /// [`take_final_accounts`]: crate::Endpoint::take_final_accounts
    pub final_accounts: usize,
    /// Bytes all connections together may queue, to be sent, out of order or not read yet. From half of it on no
    /// buffer grows, from three quarters on windows shrink; at the limit, first what is out of order is dropped.
    pub memory_max: u64,
    /// How long nothing must have happened before a connection is kept in its small form, at least a second;
    /// [`Duration::MAX`] keeps every connection whole. Nothing but memory depends on it.
    pub quiet: Duration,
    /// Take a segment with TCP-AO for a flow without keys as if it had none, instead of dropping it (RFC 5925 7.3).
    pub accept_unmatched_ao: bool,
    /// What connections start with, unless a listener or a call says otherwise.
    pub settings: Settings,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            time_wait: params::TIME_WAIT,
            time_wait_max: 65_536,
            ephemeral_ports: params::EPHEMERAL_FIRST..=u16::MAX,
            share: Share::ALL,
            final_accounts: 0,
            memory_max: params::MEMORY_MAX,
            quiet: params::QUIET,
            accept_unmatched_ao: false,
            settings: Settings::default(),
        }
    }
}

/// Settings of a listener.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listen {
    /// Handshakes under way, at most; zero means the default, [`params::BACKLOG`].
    pub syn_backlog: usize,
    /// Connections waiting to be accepted, at most: exactly so many (Linux's `listen(n)` lets one more wait, which
    /// whoever stands in for it adds). While so many wait, further SYNs and the last ACKs of handshakes under way are
    /// dropped, and will be repeated. Zero means the default, [`params::BACKLOG`].
    pub accept_backlog: usize,
    /// Wait with the last ACK of a handshake for the client's first bytes, at most this long: a program that
    /// reads first is not woken for a connection that has nothing to say.
    pub defer_accept: Option<Duration>,
    /// Clients that may speak in their SYN and have not completed the handshake, at most (RFC 7413 5.1);
    /// zero switches fast open off. What such a client says may arrive twice (6.1): only for programs to
    /// which that does no harm.
    pub fast_open: usize,
    /// When a SYN is answered without keeping it (RFC 4987 3.6).
    pub syn_cookies: SynCookies,
    /// Take the SYN of a segment that has a FIN as well, which no program sends, and leave the FIN unacknowledged,
    /// instead of dropping it (D-08).
    pub syn_with_fin: bool,
    /// What accepted connections start with; `None` means the endpoint's.
    pub settings: Option<Settings>,
}

/// When a listener answers a SYN by a cookie, so that the peer does the remembering.
///
/// What a cookie cannot keep is given up: without timestamps the window scale, SACK and ECN; always
/// Accurate ECN; and the segment size is rounded down to one of eight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SynCookies {
    /// When `syn_backlog` handshakes are under way.
    #[default]
    WhenFull,
    /// Never: further SYNs are dropped.
    Never,
    /// Always: no embryo is ever made.
    Always,
}

/// Which segments in order are acknowledged at once, and which wait. All keep SHLD-19: never less than one
/// acknowledgment for two full segments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AckStyle {
    /// Full segments at once at the start, short ones wait for the answer they ask for; the wait adapts.
    #[default]
    Adaptive,
    /// Everything at once at the start and after a disorder, until the program answers within the wait; then each
    /// time more than one segment came that is as long as the longest seen. As Linux does.
    Eager,
    /// Every second segment, however short, from the first one on; the wait never changes. As 4.4BSD's
    /// descendants do.
    EverySecond,
}

/// What ends a connection although it may be a stranger's guess; by default nothing does (RFC 5961).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Guessable {
    /// A reset anywhere in the window, as RFC 793 3.4 had it, not only one at RCV.NXT.
    pub resets: bool,
    /// A SYN in the window, as RFC 793 3.9 had it: it is answered by a reset instead of a challenge.
    pub syns: bool,
}

/// Settings of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Settings {
    /// Send small segments at once: switches Nagle's algorithm off (RFC 9293 3.7.4 MUST-17).
    pub nodelay: bool,
    /// Hold back everything below a full segment until this is switched off.
    pub cork: bool,
    /// Longest wait of an acknowledgment; zero acknowledges at every flush. More than
    /// [`params::DELAYED_ACK_MAX`] counts as that (MUST-40).
    pub delayed_ack: Duration,
    /// Which segments are acknowledged at once and which wait.
    pub ack_style: AckStyle,
    /// Keep-alive, off by default (MUST-25).
    pub keep_alive: Option<KeepAlive>,
    /// Acknowledge everything at once, whatever `delayed_ack` says.
    pub quickack: bool,
    /// How long sent data, or our SYN, may stay unacknowledged: R2 (RFC 9293 3.8.3 MUST-21, 3.10.8). `None` is
    /// [`params::R2`] for data and the count of retries for a SYN; [`Duration::MAX`] waits for ever.
    pub user_timeout: Option<Duration>,
    /// Tell the peer the user timeout, and unless `user_timeout` is set go by the peer's as well, within
    /// [`params::USER_TIMEOUT_MIN`] and [`params::USER_TIMEOUT_MAX`] (RFC 5482).
    pub user_timeout_option: bool,
    /// R1: after so many unanswered retransmissions of one segment the program is told (SHLD-9, SHLD-10), as it is of
    /// ICMP errors that end nothing (MUST-47). Zero never tells of soft errors (SHLD-20); they are remembered all the
    /// same, as the reason should it time out.
    pub r1: u8,
    /// Repeats of our SYN before `connect` fails (MUST-23: three minutes of them by default).
    pub syn_retries: u8,
    /// Repeats of our SYN-ACK before the embryo is given up (MUST-23 as well).
    pub syn_ack_retries: u8,
    /// What `close` means for bytes that are not acknowledged yet. `None`: the engine goes on until they are or
    /// R2 is reached. Zero: they are given up, by a reset. Otherwise it goes on for so long, then resets.
    pub linger: Option<Duration>,
    /// The program will read no more: text that comes once our FIN is on its way is answered by a reset, as if the
    /// program had let go of the connection (RFC 1122 4.2.2.13), so that the peer learns that it is lost.
    pub deaf: bool,
    /// What of RFC 5961 is switched off, for tests against older rules.
    pub guessable: Guessable,
    /// Ask whether the end of what was sent is lost before the retransmission timer does (RFC 8985 7).
    pub tail_probes: bool,
    /// After a timeout, send something new before all is sent again, and so tell a late path from a lossy one (RFC 5682).
    pub frto: bool,
    /// An acknowledgment of anything sent twice measures no round trip, not even of what it acknowledges beside that and
    /// SACK tells apart (RFC 6298 3 asks for the first alone).
    pub careful_rtt: bool,
    /// Whoever says that the window is still closed is asked again a pause after the answer, not after the question
    /// (RFC 9293 3.8.6.1 leaves it open).
    pub probe_after_answer: bool,
    /// Report what arrived twice in the first SACK block (RFC 2883).
    pub dsack: bool,
    /// A connection given up because the peer does not answer ends without a reset (RFC 9293 3.10.8 has none). By
    /// default one leaves, should the peer be there after all.
    pub quiet_timeout: bool,
    /// How long an orphan waits in FIN-WAIT-2.
    pub fin_wait_2: Duration,
    /// Bytes the receiver may hold at first. A program that wants just so many sets `receive_buffer_max` to `None`.
    pub receive_buffer: u32,
    /// Bytes the receive buffer grows to while the program reads as fast as they come, to twice what comes in a
    /// round trip; `None` keeps it at `receive_buffer`. Decides the window scale our SYN offers.
    pub receive_buffer_max: Option<u32>,
    /// The window opens by twice what arrives, from what the SYN promised on, instead of at once: memory is given
    /// to peers that use it.
    pub window_opens_slowly: bool,
    /// The largest window we ever offer, whatever the buffer could hold.
    pub window_clamp: Option<u32>,
    /// Bytes the sender may hold at first, unsent and unacknowledged.
    pub send_buffer: u32,
    /// Bytes the send buffer grows to, as twice the congestion window; `None` keeps it at `send_buffer`.
    pub send_buffer_max: Option<u32>,
    /// Of those, unsent: a write is taken up to here, and `Event::Writable` waits until half of it is left. Keeps
    /// old words from queueing before new ones, and the pipe full all the same.
    pub notsent_lowat: Option<u32>,
    /// Offer and accept window scaling (RFC 7323 2).
    pub window_scale: bool,
    /// Offer and accept timestamps (RFC 7323 3).
    pub timestamps: bool,
    /// Offer and accept selective acknowledgments (RFC 2018).
    pub sack: bool,
    /// The largest segment we announce and send; `None` leaves it to the path's MTU (MUST-14).
    pub mss: Option<u16>,
    /// Searching for the path's MTU where no router tells it (RFC 4821).
    pub path_probing: PathProbing,
    /// Explicit congestion notification (RFC 3168).
    pub ecn: EcnPolicy,
    /// With accurate ECN, tell marked bytes in an option too, not only marked packets in the header (RFC 9768 3.2.3).
    pub ecn_option: bool,
    /// As a client, ask servers for fast-open cookies, and with one put what is written before the SYN leaves
    /// into the SYN (RFC 7413). It may arrive twice.
    pub fast_open: bool,
    /// With `fast_open` and a cookie at hand: keep the SYN back until the program writes, reads or shuts down, so that
    /// the first write is in it. Without a cookie the SYN leaves at once and asks for one.
    pub hold_syn: bool,
    /// Spread what leaves over the round trip, also where the controller does not ask for it; never where the round
    /// trip is shorter than [`pacing::SHORTEST`](crate::pacing::SHORTEST).
    pub pacing: bool,
    /// The fastest that data may leave; `None` is no limit.
    pub max_pacing_rate: Option<Rate>,
    /// Keep a congestion window that is not used for five minutes, for programs that pause (RFC 7661), instead of
    /// halving it each timeout (RFC 2861, RFC 5681 4.1).
    pub keep_unused_window: bool,
    /// What the controller's standard leaves open.
    pub habits: Habits,
    /// The congestion controller.
    pub congestion: Algorithm,
    /// Time to live or hop limit (MUST-49).
    pub ttl: u8,
    /// Differentiated services code point (RFC 9293 3.9.1.9).
    pub dscp: u8,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            nodelay: false,
            cork: false,
            delayed_ack: params::DELAYED_ACK,
            ack_style: AckStyle::default(),
            quickack: false,
            keep_alive: None,
            user_timeout: None,
            user_timeout_option: false,
            r1: params::R1,
            syn_retries: params::SYN_RETRIES,
            syn_ack_retries: params::SYN_ACK_RETRIES,
            linger: None,
            deaf: false,
            guessable: Guessable::default(),
            tail_probes: true,
            frto: true,
            careful_rtt: false,
            probe_after_answer: false,
            dsack: true,
            quiet_timeout: false,
            fin_wait_2: params::FIN_WAIT_2,
            receive_buffer: params::RECEIVE_BUFFER,
            receive_buffer_max: Some(params::RECEIVE_BUFFER_MAX),
            window_opens_slowly: false,
            window_clamp: None,
            send_buffer: params::SEND_BUFFER,
            send_buffer_max: Some(params::SEND_BUFFER_MAX),
            notsent_lowat: None,
            window_scale: true,
            timestamps: true,
            sack: true,
            mss: None,
            fast_open: false,
            hold_syn: false,
            path_probing: PathProbing::default(),
            ecn: EcnPolicy::default(),
            ecn_option: true,
            keep_unused_window: false,
            pacing: true,
            max_pacing_rate: None,
            habits: Habits::default(),
            congestion: Algorithm::default(),
            ttl: DEFAULT_HOP_LIMIT,
            dscp: 0,
        }
    }
}

impl Settings {
    /// What we tell the peer of our user timeout (`ADV_UTO`); `None` unless the option is wanted.
    pub(crate) fn told_user_timeout(&self) -> Option<UserTimeout> {
        let own = self.user_timeout.unwrap_or(params::R2);
        UserTimeout::of(own).filter(|_| self.user_timeout_option)
    }

    /// The largest window we may ever offer, bytes.
    pub(crate) fn window_limit(&self) -> u32 {
        let clamp = self.window_clamp.unwrap_or(u32::MAX);
        self.receive_buffer.min(clamp)
    }

    /// The largest window we may offer once the buffer has grown: what the window scale must express.
    pub(crate) fn widest_window(&self) -> u32 {
        let clamp = self.window_clamp.unwrap_or(u32::MAX);
        let max = self.receive_buffer_max.unwrap_or(0);
        self.receive_buffer.max(max).min(clamp)
    }

    /// The longest an acknowledgment waits, whatever the program wishes.
    pub(crate) fn ack_delay(&self) -> Duration {
        if self.quickack {
            Duration::ZERO
        } else {
            self.delayed_ack.min(params::DELAYED_ACK_MAX)
        }
    }
}

/// Keep-alive's settings (RFC 9293 3.8.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeepAlive {
    /// Silence before the first probe.
    pub idle: Duration,
    /// Silence between probes.
    pub interval: Duration,
    /// Unanswered probes before the connection is given up.
    pub probes: u8,
}

impl Default for KeepAlive {
    fn default() -> Self {
        Self {
            idle: params::KEEP_ALIVE_IDLE,
            interval: params::KEEP_ALIVE_INTERVAL,
            probes: params::KEEP_ALIVE_PROBES,
        }
    }
}
