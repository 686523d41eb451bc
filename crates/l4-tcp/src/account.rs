//! Where a connection's time went.
//!
//! Job: after every flush, note what keeps the sender from sending more, and add up how long each thing did; count
//! what left and what arrived. Owns: the sums. Does not know: why a window is as large as it is.
//! Sources: RFC 4898 (per-connection statistics: its SndLimTime family), the meaning of Linux's `TCP_INFO` fields.

use core::fmt;
use core::time::Duration;

use outcrop_base::{Flow, Instant, Limit};

use crate::congestion::{ControllerInfo, Rate};
use crate::event::CloseReason;

outcrop_base::vocabulary! {
    /// What keeps a connection from sending more.
    pub enum Held {
        /// The program has written no more.
        Application = "application",
        /// The program would write more, but the send buffer is full.
        SendBuffer = "send buffer",
        /// The peer's receive window.
        ReceiveWindow = "receive window",
        /// The congestion window.
        CongestionWindow = "congestion window",
        /// The pacing rate.
        Pacing = "pacing",
        /// Nagle's algorithm, or a cork.
        Nagle = "Nagle's algorithm",
        /// A loss is being repaired.
        Recovery = "recovery",
        /// The handshake is not over.
        Handshake = "handshake",
    }
}

impl Held {
    /// By the limit that a plan met.
    pub(crate) const fn by(limit: Limit, repairing: bool, writer_blocked: bool) -> Self {
        match limit {
            Limit::App if writer_blocked => Self::SendBuffer,
            Limit::App | Limit::None => Self::Application,
            Limit::Rwnd | Limit::Sws => Self::ReceiveWindow,
            Limit::Cwnd if repairing => Self::Recovery,
            Limit::Cwnd => Self::CongestionWindow,
            Limit::Pacing | Limit::Segment => Self::Pacing,
            Limit::Nagle => Self::Nagle,
            Limit::Recovery => Self::Recovery,
        }
    }

    /// What it means, and what would help, as the end of a sentence.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Application => "the program has written nothing more",
            Self::SendBuffer => {
                "the send buffer is full of bytes the peer has not acknowledged; a larger one would let the program write on"
            }
            Self::ReceiveWindow => {
                "the peer's receive window takes no more; its program reads too slowly or its buffer is small for this path"
            }
            Self::CongestionWindow => "the congestion window is full; acknowledgments will open it",
            Self::Pacing => "the pacing rate spaces the data out",
            Self::Nagle => {
                "a short segment waits for the acknowledgment of the one before (Nagle), or the program has corked the connection"
            }
            Self::Recovery => "a loss is being repaired first",
            Self::Handshake => {
                "the SYN waits for its answer; only what fits a fast open leaves before"
            }
        }
    }
}

/// Time by what held the sender. Sums to the connection's life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shares {
    times: [Duration; Held::ALL.len()],
    /// How long bytes were written and not acknowledged (`tcpi_busy_time`).
    pub busy: Duration,
}

impl Shares {
    /// A life of which all was one thing.
    pub(crate) fn all(held: Held, time: Duration) -> Self {
        let mut shares = Self::default();
        if let Some(share) = shares.times.get_mut(held as usize) {
            *share = time;
        }
        shares
    }

    /// How long `held` held the sender. The receive window is `tcpi_rwnd_limited`, the send buffer
    /// `tcpi_sndbuf_limited`.
    #[must_use]
    pub fn of(&self, held: Held) -> Duration {
        self.times.get(held as usize).copied().unwrap_or_default()
    }

    /// The whole.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.times.iter().sum()
    }

    /// What held it at all, the longest first, in whole per cent of the life. They add up to 100: what rounding down
    /// leaves goes to those that lost most by it.
    #[must_use]
    pub fn per_cent(&self) -> Vec<(Held, u8)> {
        let total = self.total().as_nanos().max(1);
        let parts = |held: Held| self.of(held).as_nanos() * 100;
        let whole = |held: Held| u8::try_from(parts(held) / total).unwrap_or(100);
        let mut rows: Vec<(Held, u8)> = Held::ALL
            .iter()
            .filter(|held| !self.of(**held).is_zero())
            .map(|held| (*held, whole(*held)))
            .collect();
        let given: usize = rows.iter().map(|(_, share)| usize::from(*share)).sum();
        rows.sort_by_key(|(held, _)| core::cmp::Reverse(parts(*held) % total));
        for (_, share) in rows.iter_mut().take(100_usize.saturating_sub(given)) {
            *share += 1;
        }
        rows.sort_by_key(|(held, _)| core::cmp::Reverse(self.of(*held)));
        rows
    }
}

/// What was counted over the life of a connection, beyond the figures of the moment. The names of Linux's `TCP_INFO`
/// are in brackets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Segments that left, as they are on the wire (`segs_out`).
    pub segments_out: u64,
    /// Of them with payload (`data_segs_out`).
    pub data_segments_out: u64,
    /// Of them sent again (`total_retrans`).
    pub retransmissions: u64,
    /// Payload bytes that left, those sent again included (`bytes_sent`).
    pub bytes_out: u64,
    /// Segments that arrived, merged ones by their pieces (`segs_in`).
    pub segments_in: u64,
    /// Of them with payload (`data_segs_in`).
    pub data_segments_in: u64,
    /// Retransmission timeouts (`total_rto`).
    pub timeouts: u32,
    /// Times fast recovery began.
    pub recoveries: u32,
    /// Reductions that proved mistakes.
    pub spurious: u32,
    /// Segments that arrived with a congestion mark.
    pub marks_in: u32,
    /// Acknowledgments that echoed one; with accurate ECN the marks they counted (`delivered_ce`).
    pub echoes_in: u32,
    /// When payload last left (`last_data_sent`).
    pub data_sent_at: Option<Instant>,
    /// When payload last arrived (`last_data_recv`).
    pub data_received_at: Option<Instant>,
    /// The latest delivery rate (`delivery_rate`).
    pub delivery_rate: Option<Rate>,
    /// Whether the program limited that (`delivery_rate_app_limited`).
    pub delivery_app_limited: bool,
    /// D-SACKs that arrived: we sent something twice that had arrived (`dsack_dups`, RFC 2883).
    pub duplicates_reported: u32,
    /// Times something arrived before what was sent earlier (`reord_seen`, RFC 8985 6.2 step 2).
    pub reorderings: u32,
    /// Segments that arrived ahead of a gap (`rcv_ooopack`).
    pub out_of_order_in: u32,
    /// Payload of the largest segment that arrived, merged ones by their pieces (`rcv_mss`).
    pub largest_in: u16,
    /// Repairs after a timeout that were completed (`total_rto_recoveries`).
    pub timeout_recoveries: u32,
    pub(crate) timeout_millis: u32,
}

impl Totals {
    /// How long the repairs after a timeout took in all, each from its first timeout, to the millisecond
    /// (`total_rto_time`).
    #[must_use]
    pub const fn timeout_time(&self) -> Duration {
        Duration::from_millis(self.timeout_millis as u64)
    }
}

/// How many things can hold a connection once its handshake is over: those before that one.
const IN_LIFE: usize = Held::Handshake as usize;

/// What keeps the account.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account {
    pub(crate) totals: Totals,
    /// Nanoseconds by what held the sender.
    times: [u64; IN_LIFE],
    /// Nanoseconds in which it was busy.
    busy_time: u64,
    held: Held,
    busy: bool,
    since: Instant,
    /// Since when a timeout is being repaired.
    timeout_at: Option<Instant>,
}

impl Account {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            totals: Totals::default(),
            times: [0; IN_LIFE],
            busy_time: 0,
            held: Held::Application,
            busy: false,
            since: now,
            timeout_at: None,
        }
    }

    /// When the connection was established: the shares are its whole life.
    pub(crate) fn began(&self) -> Instant {
        let life = self.times.iter().sum();
        Instant::ZERO + ((self.since - Instant::ZERO).saturating_sub(Duration::from_nanos(life)))
    }

    /// The retransmission timer ran out.
    pub(crate) fn on_timeout(&mut self, now: Instant) {
        self.totals.timeouts += 1;
        self.timeout_at.get_or_insert(now);
    }

    /// A repair is complete, or proved needless.
    pub(crate) fn on_repaired(&mut self, now: Instant) {
        if let Some(began) = self.timeout_at.take() {
            self.totals.timeout_recoveries += 1;
            let took = u32::try_from((now - began).as_millis()).unwrap_or(u32::MAX);
            let sum = self.totals.timeout_millis.saturating_add(took);
            self.totals.timeout_millis = sum;
        }
    }

    /// From now on `held` is what holds the sender; `busy` if bytes wait to be acknowledged or sent.
    pub(crate) fn on_flush(&mut self, now: Instant, held: Held, busy: bool) {
        let passed = self.passed(now);
        if let Some(time) = self.times.get_mut(self.held as usize) {
            *time = time.saturating_add(passed);
        }
        if self.busy {
            self.busy_time = self.busy_time.saturating_add(passed);
        }
        self.held = held;
        self.busy = busy;
        self.since = now;
    }

    /// What holds the sender.
    pub(crate) const fn held(&self) -> Held {
        self.held
    }

    /// The shares up to `now`.
    pub(crate) fn shares_at(&self, now: Instant) -> Shares {
        let (times, busy) = self.times_at(now);
        let mut shares = Shares {
            busy: Duration::from_nanos(busy),
            ..Shares::default()
        };
        for (share, nanos) in shares.times.iter_mut().zip(times) {
            *share = Duration::from_nanos(nanos);
        }
        shares
    }

    /// Nanoseconds since the last flush.
    const fn passed(&self, now: Instant) -> u64 {
        now.as_nanos().saturating_sub(self.since.as_nanos())
    }

    fn times_at(&self, now: Instant) -> ([u64; IN_LIFE], u64) {
        let passed = self.passed(now);
        let mut times = self.times;
        if let Some(time) = times.get_mut(self.held as usize) {
            *time = time.saturating_add(passed);
        }
        let busy = if self.busy { passed } else { 0 };
        (times, self.busy_time.saturating_add(busy))
    }
}

/// Why a connection is not sending now, and where its time went: [`fmt::Display`] says it in words.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Explanation {
    /// Who it is about.
    pub flow: Flow,
    /// When it was established; before that, when its SYN left.
    pub began: Instant,
    /// How it ended, and when; `None` while it lives.
    pub ended: Option<(CloseReason, Instant)>,
    /// What holds the sender now; at the end, what held it last.
    pub held: Held,
    /// Its life so far.
    pub shares: Shares,
    /// What was counted.
    pub totals: Totals,
    /// The controller.
    pub controller: ControllerInfo,
    /// `open`, `recovery` or `loss`.
    pub recovery: &'static str,
    /// Bytes under way.
    pub in_flight: u64,
    /// Bytes the peer's window takes from SND.UNA on.
    pub snd_wnd: u64,
    /// Bytes written and not sent.
    pub unsent: u64,
    /// How fast data may leave, if it is paced.
    pub pacing_rate: Option<Rate>,
    /// Smoothed, smallest and varying round trip.
    pub srtt: Option<Duration>,
    /// The smallest recent round trip.
    pub min_rtt: Option<Duration>,
    /// Bytes acknowledged in order.
    pub acked: u64,
    /// Bytes received in order.
    pub received: u64,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ended {
            None => writeln!(f, "held by {}: {}.", self.held, self.held.meaning())?,
            Some((reason, _)) => writeln!(f, "ended: {reason}.")?,
        }
        let c = &self.controller;
        writeln!(
            f,
            "{} bytes under way, {} unsent; congestion window {} ({}, {}), peer's window {}.",
            self.in_flight,
            self.unsent,
            c.cwnd,
            c.name,
            c.phase.name(),
            self.snd_wnd
        )?;
        if let (Some(srtt), Some(min)) = (self.srtt, self.min_rtt) {
            writeln!(f, "round trip {srtt:.1?}, at best {min:.1?}.")?;
        }
        if let Some(rate) = self.pacing_rate {
            writeln!(f, "paced at {} bytes a second.", rate.0)?;
        }
        let t = &self.totals;
        writeln!(
            f,
            "{} bytes acknowledged; {} segments out, {} of them again; {} timeouts, {} recoveries, {} mistaken.",
            self.acked, t.segments_out, t.retransmissions, t.timeouts, t.recoveries, t.spurious
        )?;
        let total = self.shares.total();
        write!(f, "of {total:.1?}:")?;
        for (held, share) in self.shares.per_cent() {
            let time = self.shares.of(held);
            write!(f, " {held} {share} % ({time:.1?});")?;
        }
        write!(f, " busy {} %.", per_cent(self.shares.busy, total))
    }
}

/// Rounded to the nearest whole.
fn per_cent(part: Duration, whole: Duration) -> u128 {
    let whole = whole.as_nanos().max(1);
    (part.as_nanos() * 100 + whole / 2) / whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up_to_the_life_and_the_running_one_counts() {
        let at = Instant::from_millis;
        let mut account = Account::new(at(0));
        account.on_flush(at(10), Held::CongestionWindow, true);
        account.on_flush(at(40), Held::ReceiveWindow, true);
        account.on_flush(at(90), Held::Application, false);
        let shares = account.shares_at(at(100));
        let ms = Duration::from_millis;
        assert_eq!(shares.of(Held::Application), ms(20));
        assert_eq!(shares.of(Held::CongestionWindow), ms(30));
        assert_eq!(shares.of(Held::ReceiveWindow), ms(50));
        assert_eq!((shares.busy, shares.total()), (ms(80), ms(100)));
    }

    // Thirds and sevenths round to 99 or 101 one by one; together they must be the whole.
    #[test]
    fn per_cent_of_awkward_parts_add_up_to_a_hundred() {
        let spans: [&[u64]; 4] = [&[1, 1, 1], &[1; 7], &[997, 1, 1, 1], &[5]];
        for parts in spans {
            let (mut account, mut now) = (Account::new(Instant::from_millis(0)), 0);
            for (part, held) in parts.iter().zip(Held::ALL) {
                account.on_flush(Instant::from_millis(now), *held, true);
                now += part;
            }
            let rows = account.shares_at(Instant::from_millis(now)).per_cent();
            assert_eq!(rows.len(), parts.len());
            let sum: u32 = rows.iter().map(|(_, share)| u32::from(*share)).sum();
            assert_eq!(sum, 100, "{rows:?}");
        }
        let never = Account::new(Instant::ZERO).shares_at(Instant::ZERO);
        assert!(never.per_cent().is_empty());
    }
}
