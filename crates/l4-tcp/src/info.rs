//! How a connection is doing.
//!
//! Job: one plain struct of numbers for programs, tests and pages. Owns: the struct.
//! Does not know: how a number came about. Units are in the names.
//! Sources: RFC 9293 3.10.6 (STATUS), RFC 4898 (the idea of per-connection statistics).

use core::time::Duration;

use outcrop_base::{Flow, Instant, Value};

use crate::account::{Shares, Totals};
use crate::congestion::Rate;
use crate::ecn::EcnTerms;
use crate::plpmtud::SearchTotals;
use crate::state::State;

/// The terms of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Negotiated {
    /// The largest segment the peer takes: its payload and its options, but not the fixed header.
    pub peer_mss: u16,
    /// By how much the peer shifts the windows it sends.
    pub snd_shift: u8,
    /// By how much we shift the windows we send.
    pub rcv_shift: u8,
    /// Whether every segment carries timestamps.
    pub timestamps: bool,
    /// Whether out-of-order data is reported in blocks.
    pub sack: bool,
    /// Whether congestion marks are used.
    pub ecn: EcnTerms,
    /// Octets of every header that a signature takes; zero without one (MD5: 20, TCP-AO: 16).
    pub signature: u8,
}

/// Figures of the moment beside the two streams. In brackets the field of Linux's `TCP_INFO`; the whole list is in the
/// book, beside `l4-tcp`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Detail {
    /// `open`, `recovery` or `loss` (`tcpi_ca_state`).
    pub recovery: &'static str,
    /// Probes of a closed window, or of a silent peer, that were not answered (`tcpi_probes`).
    pub probes: u8,
    /// How long an acknowledgment waits for a ride (`tcpi_ato`).
    pub ack_delay: Duration,
    /// The largest segment our SYN announced (`tcpi_advmss`).
    pub advertised_mss: u16,
    /// The largest packet the path takes (`tcpi_pmtu`).
    pub path_mtu: u32,
    /// Bytes written that have not left (`tcpi_notsent_bytes`).
    pub unsent: u64,
    /// How much later than its successors something may come before it counts as lost (`tcpi_reordering`, which counts
    /// packets where RACK measures time).
    pub reorder_window: Option<Duration>,
    /// The receiver's own idea of the round trip (`tcpi_rcv_rtt`).
    pub receive_rtt: Option<Duration>,
    /// Bytes the receive buffer holds at most, for now (`tcpi_rcv_ssthresh`, `tcpi_rcv_space`).
    pub receive_capacity: u64,
    /// When anything last arrived (`tcpi_last_ack_recv`: every segment has an acknowledgment).
    pub heard_at: Option<Instant>,
    /// The limit the program has set (`tcpi_max_pacing_rate`).
    pub max_pacing_rate: Option<Rate>,
    /// Where its time went, up to the latest instant the endpoint was told (`tcpi_busy_time`, `tcpi_rwnd_limited`,
    /// `tcpi_sndbuf_limited`).
    pub shares: Shares,
}

/// Payload bytes by their mark, as accurate ECN counts them (RFC 9768 3.2.1); modulo 2^24 where a peer tells them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct MarkedBytes {
    /// In packets marked ECT(0).
    pub ect0: u32,
    /// In packets marked ECT(1).
    pub ect1: u32,
    /// In packets marked CE.
    pub ce: u32,
}

/// A snapshot of one connection. Offsets count from the first byte of each stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info {
    /// Both ends.
    pub flow: Flow,
    /// The state of RFC 9293 3.3.2.
    pub state: State,
    /// What the SYNs agreed on; `None` before they have.
    pub negotiated: Option<Negotiated>,
    /// Payload bytes of a full segment.
    pub mss: u16,
    /// Smoothed round-trip time; `None` before the first sample.
    pub srtt: Option<Duration>,
    /// Retransmission timeout.
    pub rto: Duration,
    /// Congestion window, bytes.
    pub cwnd: u64,
    /// Slow-start threshold, bytes.
    pub ssthresh: u64,
    /// Bytes on their way, by the sender's estimate.
    pub in_flight: u64,
    /// The peer's receive window, bytes.
    pub snd_wnd: u64,
    /// Our receive window as last advertised, bytes.
    pub rcv_wnd: u64,
    /// First unacknowledged byte we sent.
    pub snd_una: u64,
    /// The next byte we send for the first time.
    pub snd_nxt: u64,
    /// The next byte we expect.
    pub rcv_nxt: u64,
    /// Bytes written and not yet acknowledged.
    pub send_queued: u64,
    /// Bytes received in order and not yet read.
    pub receive_queued: u64,
    /// Bytes sent again.
    pub retransmitted: u64,
    /// The smallest recent round trip (`tcpi_min_rtt`).
    pub min_rtt: Option<Duration>,
    /// How much it varies (`tcpi_rttvar`).
    pub rttvar: Option<Duration>,
    /// Bytes declared lost and not sent again (`tcpi_lost`, in bytes).
    pub lost: u64,
    /// Bytes the peer holds beyond a gap (`tcpi_sacked`, in bytes).
    pub sacked: u64,
    /// Bytes known to have arrived, in order or not (`tcpi_delivered`, in bytes).
    pub delivered: u64,
    /// Retransmission timeouts in a row (`tcpi_backoff`).
    pub timeouts: u8,
    /// How fast data may leave, if it is paced (`tcpi_pacing_rate`).
    pub pacing_rate: Option<Rate>,
    /// The congestion controller's name; `None` before the handshake is complete.
    pub controller: Option<&'static str>,
    /// What the search for the path's MTU came to.
    pub search: SearchTotals,
    /// Payload bytes of ours that arrived marked, as far as accurate ECN's options tell (`tcpi_delivered_ce_bytes`,
    /// `tcpi_delivered_e0_bytes`, `tcpi_delivered_e1_bytes`).
    pub delivered_marked: MarkedBytes,
    /// The same of the peer's (`tcpi_received_ce_bytes` and so on).
    pub received_marked: MarkedBytes,
    /// Figures of the moment beside the two streams.
    pub detail: Detail,
    /// What was counted over its life.
    pub totals: Totals,
}

impl Info {
    /// Tells the figures as keys and values; units are in the keys.
    pub fn describe(&self, visit: &mut dyn FnMut(&'static str, Value<'_>)) {
        visit("state", Value::Word(self.state.name()));
        visit("cwnd", Value::Number(self.cwnd));
        if self.ssthresh != u64::MAX {
            visit("ssthresh", Value::Number(self.ssthresh));
        }
        if let Some(srtt) = self.srtt {
            visit("srtt_ms", Value::Span(srtt));
        }
        visit("rto_ms", Value::Span(self.rto));
        visit("inflight", Value::Number(self.in_flight));
        visit("rwnd", Value::Number(self.snd_wnd));
        visit("snd_una", Value::Number(self.snd_una));
        visit("snd_nxt", Value::Number(self.snd_nxt));
        visit("rcv_nxt", Value::Number(self.rcv_nxt));
        visit("rcv_wnd", Value::Number(self.rcv_wnd));
        visit("mss", Value::Number(u64::from(self.mss)));
    }
}
