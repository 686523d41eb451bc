//! Whether what is there is worth a segment.
//!
//! Job: the sender's side of silly-window avoidance, and Nagle's algorithm. Owns: the rule. Does not know: bytes.
//! Nagle in Minshall's form: a short segment waits only for an earlier short one, so that the tail of a long
//! write does not wait for the peer's delayed acknowledgment of the segments before it.
//! Sources: RFC 9293 3.8.6.2.1 (sender SWS), 3.7.4 (Nagle, MUST-17), appendix A.3 (Minshall), RFC 896.

use outcrop_base::Limit;

/// What the rule looks at, all in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Bytes written and not sent.
    pub unsent: u64,
    /// U: bytes the peer's window still takes.
    pub usable: u64,
    /// Bytes the congestion window still takes.
    pub allowance: u64,
    /// Whether a segment below full size is outstanding.
    pub small_outstanding: bool,
    /// Whether our FIN follows the last byte.
    pub closing: bool,
    /// The largest window the peer has ever offered.
    pub max_window: u64,
    /// A full segment.
    pub mss: u64,
}

/// Decides how many bytes of new data may leave now, all of it or whole segments.
///
/// # Errors
/// What holds them back.
pub const fn decide(o: &Offer, nagle: bool, cork: bool) -> Result<u64, Limit> {
    if o.unsent == 0 {
        return Err(Limit::App);
    }
    if o.usable == 0 {
        return Err(Limit::Rwnd);
    }
    if o.allowance == 0 {
        return Err(Limit::Cwnd);
    }
    let window = min(o.usable, o.allowance);
    let len = min(o.unsent, window);
    if len >= o.mss {
        // (1) of 3.8.6.2.1: a full segment. A remainder goes along only if it may leave alone.
        let rest = len % o.mss;
        if rest == 0 || tail_may_leave(o, len, nagle, cork) {
            return Ok(len);
        }
        return Ok(len - rest);
    }
    if len == o.unsent {
        // (2), (3): all there is.
        if tail_may_leave(o, len, nagle, cork) {
            return Ok(len);
        }
        return Err(Limit::Nagle);
    }
    if o.usable < o.allowance {
        // (3): at least half of the largest window ever offered.
        if len >= o.max_window / 2 && (!nagle || !o.small_outstanding) {
            return Ok(len);
        }
        return Err(Limit::Sws);
    }
    Err(Limit::Cwnd)
}

/// Whether less than a full segment at the end of what is written may leave.
const fn tail_may_leave(o: &Offer, len: u64, nagle: bool, cork: bool) -> bool {
    len == o.unsent && (o.closing || (!cork && (!nagle || !o.small_outstanding)))
}

const fn min(a: u64, b: u64) -> u64 {
    if a < b { a } else { b }
}
