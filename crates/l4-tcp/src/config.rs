//! What a program may choose.
//!
//! Job: plain settings with defaults: per endpoint, per listener, per connection.
//! Owns: the values. Does not know: what follows from them.
//! Sources: RFC 9293 3.9.1 and 3.8 (what must be configurable); each field names its own.

use core::ops::RangeInclusive;
use core::time::Duration;

use outcrop_base::DEFAULT_HOP_LIMIT;

use crate::congestion::{Algorithm, Rate};
use crate::ecn::EcnPolicy;
use crate::params;

/// Settings of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// How long a tuple rests in TIME-WAIT: 2 MSL.
    pub time_wait: Duration,
    /// The most tuples in TIME-WAIT; the oldest leaves early.
    pub time_wait_max: usize,
    /// Local ports for active opens (RFC 6056).
    pub ephemeral_ports: RangeInclusive<u16>,
    /// What connections start with, unless a listener or a call says otherwise.
    pub settings: Settings,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            time_wait: params::TIME_WAIT,
            time_wait_max: 65_536,
            ephemeral_ports: params::EPHEMERAL_FIRST..=u16::MAX,
            settings: Settings::default(),
        }
    }
}

/// Settings of a listener.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listen {
    /// Handshakes under way, at most; zero means the default, [`params::BACKLOG`].
    pub syn_backlog: usize,
    /// Connections waiting to be accepted, at most; zero means the default, [`params::BACKLOG`].
    pub accept_backlog: usize,
    /// What accepted connections start with; `None` means the endpoint's.
    pub settings: Option<Settings>,
}

/// Settings of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Send small segments at once: switches Nagle's algorithm off (RFC 9293 3.7.4 MUST-17).
    pub nodelay: bool,
    /// Hold back everything below a full segment until this is switched off.
    pub cork: bool,
    /// Longest wait of an acknowledgment; zero acknowledges at every flush (MUST-40: below 500 ms).
    pub delayed_ack: Duration,
    /// Keep-alive, off by default (MUST-25).
    pub keep_alive: Option<KeepAlive>,
    /// How long sent data may stay unacknowledged; `None` leaves it to R2 (RFC 9293 3.10.8).
    pub user_timeout: Option<Duration>,
    /// How long an orphan waits in FIN-WAIT-2.
    pub fin_wait_2: Duration,
    /// Bytes the receiver may hold; half of the largest window the peer can use well.
    pub receive_buffer: u32,
    /// Bytes the sender may hold, unsent and unacknowledged.
    pub send_buffer: u32,
    /// Offer and accept window scaling (RFC 7323 2).
    pub window_scale: bool,
    /// Offer and accept timestamps (RFC 7323 3).
    pub timestamps: bool,
    /// Offer and accept selective acknowledgments (RFC 2018).
    pub sack: bool,
    /// The largest segment we announce and send; `None` leaves it to the path's MTU (MUST-14).
    pub mss: Option<u16>,
    /// Explicit congestion notification (RFC 3168).
    pub ecn: EcnPolicy,
    /// Spread what leaves over the round trip, also where the controller does not ask for it.
    pub pacing: bool,
    /// The fastest that data may leave; `None` is no limit.
    pub max_pacing_rate: Option<Rate>,
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
            keep_alive: None,
            user_timeout: None,
            fin_wait_2: params::FIN_WAIT_2,
            receive_buffer: 1 << 20,
            send_buffer: 1 << 20,
            window_scale: true,
            timestamps: true,
            sack: true,
            mss: None,
            ecn: EcnPolicy::default(),
            pacing: false,
            max_pacing_rate: None,
            congestion: Algorithm::default(),
            ttl: DEFAULT_HOP_LIMIT,
            dscp: 0,
        }
    }
}

/// Keep-alive's settings (RFC 9293 3.8.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
