//! Every packet in a few figures.
//!
//! Job: keep what plots and sums need of each packet, so that a long capture can be seen whole.
//! Owns: the limit. Does not know: what is drawn of it.

use core::time::Duration;

use crate::conversation::Seen;
use crate::dissect::Upper;
use crate::ladder::is_again;

/// Packets kept as points; about a hundred bytes each.
pub(crate) const POINTS_MAX: usize = 400_000;

/// What the stack said a packet of ours waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// A call of the program.
    Call,
    /// A timer.
    Timer,
    /// Another packet, or nothing.
    Nothing,
}

/// A packet in figures.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    pub(crate) id: u64,
    /// Since the first record.
    pub(crate) at: Duration,
    pub(crate) thread: usize,
    pub(crate) inbound: bool,
    pub(crate) again: bool,
    pub(crate) dropped: bool,
    pub(crate) waited: Waited,
    /// First and last relative sequence number, acknowledgment and payload, of TCP.
    pub(crate) tcp: Option<Figures>,
    /// Whether an echo reply of ours: nothing comes back for it.
    pub(crate) answers: bool,
    pub(crate) cwnd: u64,
    pub(crate) inflight: u64,
}

/// What TCP says in a segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    pub(crate) seq: i64,
    pub(crate) end: i64,
    pub(crate) ack: Option<i64>,
    pub(crate) payload: u64,
}

/// A packet of a conversation as a point.
pub(crate) fn of(packet: &outcrop_capture::Packet, seen: &Seen, at: Duration) -> Option<Point> {
    let number = |key| packet.notes.get(key).and_then(|text| text.parse().ok());
    let tcp = match (&seen.upper, &seen.tcp) {
        (Upper::Tcp(tcp), Some(relative)) => Some(Figures {
            seq: relative.seq,
            end: relative.end,
            ack: relative.ack,
            payload: u64::try_from(tcp.payload.wire_len).unwrap_or(u64::MAX),
        }),
        _ => None,
    };
    let cause = packet.notes.get("cause").unwrap_or_default();
    Some(Point {
        id: packet.shown_id(),
        at,
        thread: seen.conversation?,
        inbound: seen.inbound,
        again: is_again(packet, seen),
        dropped: packet.notes.get("drop").is_some(),
        waited: match cause.split(':').next() {
            Some("app") => Waited::Call,
            Some("timer") => Waited::Timer,
            _ => Waited::Nothing,
        },
        tcp,
        answers: packet.notes.get("why") == Some("echo-reply"),
        cwnd: number("cwnd").unwrap_or(0),
        inflight: number("inflight").unwrap_or(0),
    })
}
