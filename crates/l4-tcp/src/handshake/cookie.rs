//! A SYN remembered by the peer.
//!
//! Job: when the queue of embryos is full, put what a SYN said into the numbers of our answer, and read it
//! back from the acknowledgment: a handshake that costs no memory.
//! Owns: two keys. Does not know: queues; whether a cookie is called for is the endpoint's business.
//! Sources: RFC 4987 3.6 and appendix A (the idea and its limits), RFC 9293 3.4.1 (what an ISN must be),
//! RFC 7323 3.2 (TSecr repeats our TSval).
//!
//! The 32 bits of the initial sequence number hold, under one keyed hash, the minute (8 bits) and, under a
//! second one over minute and SYN, the segment size as a place in a table (24 bits). The low six bits
//! of our timestamp hold the shift (15: none), SACK and ECN, and are part of the second hash. Where
//! timestamps are not agreed upon, these three cannot be kept and are not offered.
//! Why not the ISN of RFC 6528: a cookie must be checked without knowing when it was made. It still grows
//! by 2^24 with every minute.

use core::hash::{Hash, Hasher};

use outcrop_base::{Flow, HashKey, Instant, Seed};

use crate::params::{COOKIE_MINUTES, COOKIE_MSS_V4, COOKIE_MSS_V6, MAX_WINDOW_SHIFT};
use crate::segment::{Flags, Options, SegmentHeader, Timestamps};
use crate::seq::SeqNum;

/// The low bits of the timestamp that are ours to fill.
const STAMP_BITS: u32 = 0x3f;
/// The shift among them; this value means that none was offered.
const NO_SHIFT: u32 = 0xf;
const SACK: u32 = 0x10;
const ECN: u32 = 0x20;
/// What the table's place and its hash share.
const LOW: u32 = 0x00ff_ffff;

/// Makes and reads cookies.
#[derive(Clone, Debug)]
pub(crate) struct Cookies {
    /// Hides the minute.
    cover: HashKey,
    /// Proves that we made it.
    proof: HashKey,
}

/// What a cookie brought back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Recalled {
    /// The peer's SYN, as far as it was kept.
    pub(crate) syn: SegmentHeader,
    /// Our number in the answer: the cookie.
    pub(crate) iss: SeqNum,
}

/// What of `syn` a cookie will bring back: the segment size rounded down to the table's, and the rest only
/// if both ends have `timestamps`.
pub(crate) fn keeps(syn: &SegmentHeader, is_ipv6: bool, timestamps: bool) -> SegmentHeader {
    let offered = &syn.options;
    let stamp = offered.timestamps.filter(|_| timestamps);
    let table = mss_table(is_ipv6);
    let mss = table.get(mss_place(offered.mss, table)).copied();
    let ecn = Flags::ECE | Flags::CWR;
    let flags = Flags::SYN.with_if(ecn, stamp.is_some() && syn.flags.contains(ecn));
    SegmentHeader {
        seq: syn.seq,
        flags,
        wnd: syn.wnd,
        options: Options {
            mss,
            wscale: offered.wscale.filter(|_| stamp.is_some()),
            sack_permitted: offered.sack_permitted && stamp.is_some(),
            timestamps: stamp,
            ..Options::default()
        },
        ..SegmentHeader::default()
    }
}

/// Our timestamp in the answer to `kept`: the clock, set back by at most 64 ticks, so that its low
/// bits say what the cookie cannot.
pub(crate) const fn stamp(clock: u32, kept: &SegmentHeader) -> u32 {
    let marked = (clock & !STAMP_BITS) | marks(kept);
    if Timestamps::distance(marked, clock) > 0 {
        marked.wrapping_sub(STAMP_BITS + 1)
    } else {
        marked
    }
}

impl Cookies {
    /// Cookies that only we can make, from `seed`.
    pub(crate) fn new(seed: &Seed) -> Self {
        Self {
            cover: seed.hash_key("syn cookie cover"),
            proof: seed.hash_key("syn cookie proof"),
        }
    }

    /// The number under which to answer `kept`, which is what [`keeps`] leaves of a SYN.
    pub(crate) fn make(&self, flow: &Flow, now: Instant, kept: &SegmentHeader) -> SeqNum {
        let table = mss_table(flow.remote.is_ipv6());
        let place = mss_place(kept.options.mss, table);
        let minute = minute(now);
        let marks = kept.options.timestamps.map(|_| marks(kept));
        let proof = self.proof(flow, kept.seq, minute, marks);
        let low = proof.wrapping_add(u32::try_from(place).unwrap_or(0)) & LOW;
        let cookie = low_half(minute) << 24 | low;
        SeqNum::new(cookie.wrapping_add(self.cover(flow, kept.seq)))
    }

    /// What the acknowledgment `ack` brings back, if it is one of a cookie made at most
    /// [`COOKIE_MINUTES`] ago. `timestamps` says whether we offer any.
    pub(crate) fn recall(
        &self,
        flow: &Flow,
        now: Instant,
        ack: &SegmentHeader,
        timestamps: bool,
    ) -> Option<Recalled> {
        let iss = ack.ack? - 1;
        let peer = ack.seq - 1;
        let stamp = ack.options.timestamps.filter(|_| timestamps);
        let marks = stamp.map(|stamp| stamp.ecr & STAMP_BITS);
        let cookie = iss.value().wrapping_sub(self.cover(flow, peer));
        let made = made_at(now, cookie)?;
        let proof = self.proof(flow, peer, made, marks);
        let place = cookie.wrapping_sub(proof) & LOW;
        let table = mss_table(flow.remote.is_ipv6());
        let mss = *table.get(usize::try_from(place).ok()?)?;
        let marks = marks.unwrap_or(NO_SHIFT);
        let shift = u8::try_from(marks & NO_SHIFT).ok()?;
        let ecn = Flags::ECE | Flags::CWR;
        Some(Recalled {
            iss,
            syn: SegmentHeader {
                seq: peer,
                flags: Flags::SYN.with_if(ecn, marks & ECN != 0),
                wnd: ack.wnd,
                options: Options {
                    mss: Some(mss),
                    wscale: (shift <= MAX_WINDOW_SHIFT).then_some(shift),
                    sack_permitted: marks & SACK != 0,
                    timestamps: stamp,
                    ..Options::default()
                },
                ..SegmentHeader::default()
            },
        })
    }

    fn cover(&self, flow: &Flow, peer: SeqNum) -> u32 {
        let mut hasher = self.cover.hasher();
        (flow.local, flow.remote, peer).hash(&mut hasher);
        low_half(hasher.finish())
    }

    fn proof(&self, flow: &Flow, peer: SeqNum, minute: u64, marks: Option<u32>) -> u32 {
        let mut hasher = self.proof.hasher();
        (flow.local, flow.remote, peer, minute, marks).hash(&mut hasher);
        low_half(hasher.finish())
    }
}

/// The minute a cookie says it was made in, if that is not too long ago.
fn made_at(now: Instant, cookie: u32) -> Option<u64> {
    let minute = minute(now);
    let age = low_half(minute).wrapping_sub(cookie >> 24) & 0xff;
    let made = minute.checked_sub(u64::from(age));
    made.filter(|_| age < COOKIE_MINUTES)
}

const fn marks(kept: &SegmentHeader) -> u32 {
    let shift = match kept.options.wscale {
        Some(shift) if shift < MAX_WINDOW_SHIFT => shift as u32,
        Some(_) => MAX_WINDOW_SHIFT as u32,
        None => NO_SHIFT,
    };
    let sack = if kept.options.sack_permitted { SACK } else { 0 };
    let ecn = if kept.flags.contains(Flags::ECE) {
        ECN
    } else {
        0
    };
    shift | sack | ecn
}

const fn mss_table(is_ipv6: bool) -> &'static [u16; 8] {
    if is_ipv6 {
        &COOKIE_MSS_V6
    } else {
        &COOKIE_MSS_V4
    }
}

/// The place of the largest size that is not above `mss`; without the option it is the default, second.
fn mss_place(mss: Option<u16>, table: &[u16; 8]) -> usize {
    match mss {
        Some(mss) => table.iter().rposition(|size| *size <= mss).unwrap_or(0),
        None => 1,
    }
}

const fn minute(now: Instant) -> u64 {
    now.as_millis() / 60_000
}

#[expect(clippy::cast_possible_truncation, reason = "a hash and a minute wrap")]
const fn low_half(wide: u64) -> u32 {
    wide as u32
}

#[cfg(test)]
mod tests;
