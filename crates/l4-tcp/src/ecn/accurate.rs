//! Accurate ECN: every mark counts.
//!
//! Job: as receiver, count marked packets and bytes by kind and tell the peer in the bits AE, CWR, ECE and in an
//! option; as sender, read from the same how many of our packets were marked.
//! Owns: the four counters of each half, what was learned about a path that tampers. Does not know: windows, timers.
//! ```text
//!  r.cep ──3 bits──► ACE ──► s.cep        r.e0b r.ceb r.e1b ──24 bits each──► option ──► s.e0b s.ceb s.e1b
//! ```
//! Sources: RFC 9768 3.2 (all of it), appendices A.1 and A.2.

use outcrop_base::Ecn as Mark;

use super::{ace, flags, setup};
use crate::info::MarkedBytes;
use crate::segment::{AccurateOption, Flags};

/// The counters of one half of a connection, at their beginnings (3.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Counters {
    /// Marked packets.
    cep: u32,
    /// Payload bytes in packets marked ECT(0), CE, ECT(1).
    e0b: u32,
    ceb: u32,
    e1b: u32,
}

impl Counters {
    const FIRST: Self = Self {
        cep: 5,
        e0b: 1,
        ceb: 0,
        e1b: 1,
    };

    /// What was counted since the beginning.
    const fn bytes(&self) -> MarkedBytes {
        MarkedBytes {
            ect0: self.e0b.wrapping_sub(Self::FIRST.e0b),
            ect1: self.e1b.wrapping_sub(Self::FIRST.e1b),
            ce: self.ceb.wrapping_sub(Self::FIRST.ceb),
        }
    }
}

/// What the ACE field is on an acknowledgment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    /// The flags of the segment.
    pub(crate) flags: Flags,
    /// The option, if it carries one.
    pub(crate) option: Option<AccurateOption>,
    /// Whether it is a pure acknowledgment without SACK blocks.
    pub(crate) pure: bool,
    /// Segments it newly acknowledges, at least.
    pub(crate) segments: u64,
    /// Payload bytes of a full segment.
    pub(crate) mss: u64,
}

/// Whether what comes back may be believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Trust {
    /// Nothing was heard in ACE yet.
    first_pending: bool,
    /// The path or the peer zeroes ACE: marks reported mean nothing, and none are asked for (3.2.2.4).
    deaf: bool,
    /// The path tampers with marks: we send none (3.2.2.3), whatever is reported still counts.
    unmarked: bool,
    /// Options with fields do arrive, since one did.
    options: bool,
    /// The first option had been zeroed: later ones are ignored (3.2.3.2.4).
    zeroed: bool,
}

/// What is owed to the peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Owed {
    /// The next pure acknowledgment tells how the answer to our SYN was marked (3.2.2.1).
    reflection: Option<Mark>,
    /// Marked packets since anything left.
    marks: u8,
    /// A byte counter has changed since an option left, or an option is due for another reason.
    option: bool,
    /// The first data carries an option too (3.2.3.2.1).
    first_data: bool,
}

/// Accurate ECN of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Accurate {
    /// As receiver.
    r: Counters,
    /// As sender.
    s: Counters,
    trust: Trust,
    owed: Owed,
    /// Whether we opened the connection.
    client: bool,
    /// The mark of the packet before.
    previous: Mark,
}

impl Accurate {
    /// Of a connection whose peer's SYN, or answer, arrived with `mark` and, if it is an answer, `option`.
    pub(crate) fn new(client: bool, mark: Mark, option: Option<AccurateOption>) -> Self {
        let mut new = Self {
            r: Counters::FIRST,
            s: Counters::FIRST,
            trust: Trust {
                first_pending: true,
                ..Trust::default()
            },
            owed: Owed {
                reflection: client.then_some(mark),
                marks: 0,
                option: client,
                first_data: client,
            },
            client,
            previous: mark,
        };
        if client {
            // 3.2.2.2: once, however often the answer comes.
            new.r.cep += u32::from(mark == Mark::Ce);
            new.first_option(option);
        }
        new
    }

    fn first_option(&mut self, option: Option<AccurateOption>) {
        let zero = |field: Option<u32>| field == Some(0);
        if let Some(option) = option.filter(|option| !option.is_empty()) {
            self.trust.zeroed = zero(option.e0b()) || zero(option.e1b());
            self.trust.options = !self.trust.zeroed;
        }
    }

    // ---- as receiver ----

    /// An acceptable packet arrived: `packets` of them, if the device merged some, with `bytes` of payload. Returns
    /// whether it is to be acknowledged at once (3.2.2.5.1); `unacked` if data waits to be acknowledged.
    pub(crate) fn on_packet(
        &mut self,
        mark: Mark,
        packets: u32,
        bytes: u32,
        unacked: bool,
    ) -> bool {
        let before = core::mem::replace(&mut self.previous, mark);
        let counter = match mark {
            Mark::NotEct => return false,
            Mark::Ect0 => &mut self.r.e0b,
            Mark::Ect1 => &mut self.r.e1b,
            Mark::Ce => &mut self.r.ceb,
        };
        *counter = counter.wrapping_add(bytes);
        self.owed.option |= bytes > 0;
        if mark != Mark::Ce {
            return false;
        }
        self.r.cep = self.r.cep.wrapping_add(packets);
        let packets = u8::try_from(packets).unwrap_or(u8::MAX);
        self.owed.marks = self.owed.marks.saturating_add(packets);
        let change = bytes > 0 && before != Mark::Ce;
        // Without data to acknowledge, three: fewer, and two ends would answer each other for ever.
        let enough = if unacked || bytes > 0 { 2 } else { 3 };
        change || self.owed.marks >= enough
    }

    /// The answer to our SYN came once more: its acknowledgment reflects it (3.2.2.1).
    pub(crate) fn on_answer_again(&mut self, header: Flags, mark: Mark) {
        let answer = header.syn() && header.ack() && !matches!(ace(header), 0b000 | 0b001 | 0b111);
        if self.client && answer {
            self.owed.reflection = Some(mark);
        }
    }

    /// Whether a pure acknowledgment is to leave before anything else (3.2.2.1: data may wait for it).
    pub(crate) const fn owes_reflection(&self) -> bool {
        self.owed.reflection.is_some()
    }

    /// The three bits of a segment that leaves; `pure` if it is an acknowledgment without SACK blocks.
    pub(crate) const fn flags(&self, pure: bool) -> Flags {
        match self.owed.reflection {
            Some(mark) if pure => setup::reflection(mark),
            Some(_) | None => flags(self.r.cep),
        }
    }

    /// The option of a segment that leaves, in at most `room` octets, padding included; `data` if it carries any.
    pub(crate) fn option(&self, room: usize, data: bool) -> Option<AccurateOption> {
        let due = self.owed.option || data && self.owed.first_data;
        if !due {
            return None;
        }
        let changed = |now: u32, first: u32| now != first;
        let e0b = changed(self.r.e0b, Counters::FIRST.e0b);
        let ceb = changed(self.r.ceb, Counters::FIRST.ceb);
        let e1b = changed(self.r.e1b, Counters::FIRST.e1b);
        // Order 1 where only ECT(1) ever came; the fields that never changed stay behind (3.2.3.3).
        let (order_1, fields) = match (e0b, ceb, e1b) {
            (false, false, false) => (false, 3),
            (false, false, true) => (true, 1),
            (false, true, true) => (true, 2),
            (true, false, false) => (false, 1),
            (true | false, true, false) => (false, 2),
            (true, _, true) => (false, 3),
        };
        let all = self.counters(order_1, fields);
        let fits = AccurateOption::padded_len(fields) <= room;
        let first = !e0b && !ceb && !e1b;
        // At the beginning nothing has changed: fewer fields, or none, test the path as well.
        let fewer = || {
            let count = (0..3)
                .rev()
                .find(|count| AccurateOption::padded_len(*count) <= room)?;
            first.then(|| self.counters(false, count))
        };
        if fits { Some(all) } else { fewer() }
    }

    fn counters(&self, order_1: bool, fields: usize) -> AccurateOption {
        let r = &self.r;
        let all = if order_1 {
            [r.e1b, r.ceb, r.e0b]
        } else {
            [r.e0b, r.ceb, r.e1b]
        };
        AccurateOption::new(order_1, all.get(..fields).unwrap_or_default())
    }

    /// A segment left with those bits and, if `option`, an option.
    pub(crate) fn on_sent(&mut self, option: bool, data: bool) {
        self.owed.marks = 0;
        self.owed.reflection = None;
        if option {
            self.owed.option = false;
            self.owed.first_data &= !data;
        }
    }

    // ---- as sender ----

    /// How many of our packets an acknowledgment that is not older than others newly reports as marked.
    pub(crate) fn on_ack(&mut self, heard: &Heard) -> u64 {
        let first = core::mem::take(&mut self.trust.first_pending);
        if first {
            if !self.client {
                self.first_option(heard.option);
            }
            if !self.client && heard.pure {
                return self.on_handshake_ack(ace(heard.flags));
            }
            // 3.2.2.4: a counter that begins with five is not zero so soon.
            self.trust.deaf = ace(heard.flags) == 0;
        }
        let marked_bytes = self.take_option(heard.option);
        let least = u64::from((u32::from(ace(heard.flags)).wrapping_sub(self.s.cep)) & 0b111);
        let marked = self.unwrap(least, marked_bytes, heard);
        self.s.cep = self
            .s
            .cep
            .wrapping_add(u32::try_from(marked).unwrap_or(u32::MAX));
        if marked_bytes.is_some_and(|bytes| bytes > 0) && marked == 0 {
            // 3.2.3.2.5: bytes without a packet: somebody tampers.
            self.trust.unmarked = true;
        }
        if self.trust.deaf { 0 } else { marked }
    }

    /// Table 4. Our answer had no mark: it cannot have arrived with one.
    const fn on_handshake_ack(&mut self, bits: u8) -> u64 {
        match bits {
            0b000 => self.trust.deaf = true,
            0b011 | 0b100 => self.trust.unmarked = true,
            0b110 => {
                self.trust.unmarked = true;
                self.s.cep += 1;
                return 1;
            }
            _ => {}
        }
        0
    }

    /// Takes the option's counters; returns by how many bytes the marked ones grew, if it tells.
    fn take_option(&mut self, option: Option<AccurateOption>) -> Option<u64> {
        let option = option.filter(|_| !self.trust.zeroed)?;
        self.trust.options |= !option.is_empty();
        let advance = |counter: &mut u32, field: Option<u32>| {
            let delta = field?.wrapping_sub(*counter) & 0x00ff_ffff;
            *counter = counter.wrapping_add(delta);
            Some(u64::from(delta))
        };
        let _ect0 = advance(&mut self.s.e0b, option.e0b());
        let _ect1 = advance(&mut self.s.e1b, option.e1b());
        advance(&mut self.s.ceb, option.ceb())
    }

    /// Appendix A.2: three bits wrap after eight. With the option the smallest count that accounts for the bytes;
    /// without it, where so many segments are acknowledged, the largest possible.
    fn unwrap(&self, least: u64, marked_bytes: Option<u64>, heard: &Heard) -> u64 {
        if heard.segments < 8 {
            return least;
        }
        match marked_bytes {
            Some(bytes) => {
                let packets = bytes.div_ceil(heard.mss.max(1));
                let cycles = packets.saturating_sub(least).div_ceil(8);
                least + 8 * cycles
            }
            None if self.trust.options => least,
            None => heard.segments - (heard.segments.saturating_sub(least) % 8),
        }
    }

    /// Whether our data may be marked.
    pub(crate) const fn marks(&self) -> bool {
        !self.trust.deaf && !self.trust.unmarked
    }

    /// Bytes of ours that arrived marked, as far as options tell.
    pub(crate) const fn delivered(&self) -> MarkedBytes {
        self.s.bytes()
    }

    /// Bytes that arrived marked.
    pub(crate) const fn received(&self) -> MarkedBytes {
        self.r.bytes()
    }

    /// Packets that arrived marked.
    pub(crate) const fn arrived_marked(&self) -> u64 {
        self.r.cep.wrapping_sub(Counters::FIRST.cep) as u64
    }
}

#[cfg(test)]
mod tests;
