//! The last state, kept small.
//!
//! Job: let old duplicates die, repeat the last acknowledgment, and make room for a fresh SYN.
//! Owns: what a segment means to a resting tuple; `ring` keeps them. Does not know: buffers, programs.
//! Sources: RFC 9293 3.6.1 and 3.10.7.4, RFC 1337 3 (resets are ignored), RFC 6191 2 (reuse by timestamps),
//! RFC 1122 4.2.2.13 (reuse by sequence number), RFC 5961 (challenge ACKs).

mod ring;

use core::hash::{Hash, Hasher};
use core::time::Duration;

use outcrop_base::{DropReason, Flow, Instant, Seed, Verdict, Why};

use crate::connection::Rest;
use crate::handshake::isn::{Isn, timestamp};
use crate::params;
use crate::rule::Rule;
use crate::segment::{Flags, Options, Segment, SegmentHeader, Timestamps};
use crate::seq::SeqNum;
use ring::{Remains, Ring};

pub(crate) use ring::TimeWait;

/// The longest span: what its clock of milliseconds tells apart.
const LONGEST: Duration = Duration::from_secs(24 * 24 * 3600);

/// What a segment found in TIME-WAIT.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Nothing more to do.
    Done(Verdict),
    /// This acknowledgment is to be sent.
    Answer(Verdict, SegmentHeader, Why),
    /// A fresh SYN: the entry is gone, and the next incarnation begins above this number.
    Reuse(SeqNum),
}

impl TimeWait {
    /// The acknowledgment that ended the connection, once more; `offset` is that of our timestamps.
    fn last_ack(&self, now: Instant, offset: u32) -> SegmentHeader {
        let timestamps = self.timestamps().then(|| Timestamps {
            val: timestamp(now, offset),
            ecr: self.recent,
        });
        SegmentHeader {
            seq: self.snd_nxt,
            ack: Some(self.rcv_nxt),
            flags: Flags::ACK,
            wnd: self.window,
            options: Options {
                timestamps,
                ..Options::default()
            },
            ..SegmentHeader::default()
        }
    }

    /// How much later than our latest the segment's timestamp is, where both have one.
    fn age(&self, header: &SegmentHeader) -> Option<i32> {
        let theirs = header.options.timestamps.filter(|_| self.timestamps())?;
        Some(Timestamps::distance(theirs.val, self.recent))
    }

    /// Whether this SYN can only belong to a new incarnation (RFC 6191 2): by its timestamp where both
    /// have one, else by its sequence number.
    fn is_fresh(&self, header: &SegmentHeader) -> bool {
        let later = header.seq.after(self.rcv_nxt);
        match self.age(header) {
            Some(1..) => true,
            Some(0) | None => later,
            Some(_) => false,
        }
    }

    fn is_old(&self, header: &SegmentHeader) -> bool {
        self.age(header).is_some_and(|age| age < 0)
    }

    fn answer(&mut self, at: Moment, rule: Rule, reason: DropReason) -> Outcome {
        let verdict = rule.dropped(reason);
        if self.may_answer(at.now, params::CHALLENGES) {
            Outcome::Answer(verdict, self.last_ack(at.now, at.offset), Why::TimeWaitAck)
        } else {
            Outcome::Done(verdict)
        }
    }

    /// Judges a segment; the second value says whether 2 MSL start anew. `welcome` says whether a listener
    /// would take a SYN: only then may one end the rest early, or a blind SYN would (RFC 1337).
    fn judge(&mut self, at: Moment, segment: &Segment, welcome: bool) -> (Outcome, bool) {
        let header = &segment.header;
        if header.flags.rst() {
            let ignored = Rule::TimeWaitIgnoresReset.dropped(DropReason::TcpTimeWait);
            return (Outcome::Done(ignored), false);
        }
        if header.flags.syn() {
            let alone = !header.flags.intersects(Flags::ACK | Flags::FIN);
            let outcome = if welcome && alone && self.is_fresh(header) {
                Outcome::Reuse(self.snd_nxt)
            } else {
                self.answer(at, Rule::TimeWaitSyn, DropReason::TcpTimeWait)
            };
            return (outcome, false);
        }
        if self.is_old(header) {
            return (
                self.answer(at, Rule::Paws, DropReason::TcpOldTimestamp),
                false,
            );
        }
        if header.flags.fin() && segment.seq_end() == self.rcv_nxt {
            let ack = self.last_ack(at.now, at.offset);
            let taken = Rule::TimeWaitFin.taken();
            return (Outcome::Answer(taken, ack, Why::TimeWaitAck), true);
        }
        let acceptable = header.seq.in_window(self.rcv_nxt, self.rcv_wnd().max(1));
        // Without ACK it is dropped (RFC 9293 3.10.7.4 fifth); a bare ACK asks for nothing.
        if acceptable && (segment.seq_len() == 0 || !header.flags.ack()) {
            let dropped = Rule::TimeWaitDrops.dropped(DropReason::TcpTimeWait);
            return (Outcome::Done(dropped), false);
        }
        (
            self.answer(at, Rule::TimeWaitUnacceptable, DropReason::TcpOutOfWindow),
            false,
        )
    }
}

/// When a segment came, and what our timestamps in its flow begin with.
#[derive(Clone, Copy)]
struct Moment {
    now: Instant,
    offset: u32,
}

/// Every tuple in TIME-WAIT.
#[derive(Clone, Debug)]
pub(crate) struct TimeWaitTable {
    ring: Ring,
    span: Duration,
    max: usize,
    /// Tells the offset of our timestamps, which is the same for a flow whenever it is asked.
    isn: Isn,
}

impl TimeWaitTable {
    /// An empty table in which entries rest for `span`, at most `max` of them.
    pub(crate) fn new((span, max): (Duration, usize), isn: Isn, seed: &Seed) -> Self {
        Self {
            ring: Ring::new(seed),
            span: span.min(LONGEST),
            max,
            isn,
        }
    }

    /// Puts a tuple to rest at `now`. Beyond the maximum the oldest is released early: a bound on
    /// memory costs protection, and the oldest needs it least.
    pub(crate) fn insert(&mut self, now: Instant, flow: &Flow, rest: &Rest) {
        self.ring.tick(now);
        while self.ring.places() >= self.max.max(1) {
            let _released = self.ring.pop();
        }
        self.ring.push(
            flow,
            &Remains {
                snd_nxt: rest.snd_nxt,
                rcv_nxt: rest.rcv_nxt,
                window: rest.window,
                shift: rest.shift,
                recent: rest.recent,
            },
        );
    }

    /// Whether `flow` is resting.
    pub(crate) fn rests(&self, flow: &Flow) -> bool {
        self.ring.find(flow).is_some()
    }

    /// What a segment of `flow` means here; `None` if the tuple is not resting. `welcome`: a listener would
    /// take a SYN.
    pub(crate) fn handle(
        &mut self,
        now: Instant,
        flow: &Flow,
        seg: &Segment,
        welcome: bool,
    ) -> Option<Outcome> {
        let id = self.ring.find(flow)?;
        self.ring.tick(now);
        let offset = self.isn.timestamp_offset(flow);
        let entry = self.ring.get_mut(id)?;
        let (outcome, restart) = entry.judge(Moment { now, offset }, seg, welcome);
        if restart {
            self.ring.renew(id);
        }
        if let Outcome::Reuse(_) = outcome {
            self.ring.remove(id);
        }
        Some(outcome)
    }

    /// The earliest instant at which an entry may leave.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.ring.oldest().map(|at| at + self.span)
    }

    /// Releases what is due; returns the tuple and its rest, so that the fact can be told.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<Flow> {
        while self.next().is_some_and(|at| at <= now) {
            self.ring.tick(now);
            if let Some(flow) = self.ring.pop() {
                return Some(flow);
            }
        }
        None
    }

    /// Hashes every entry, times relative to `now`.
    pub(crate) fn fingerprint(&self, now: Instant, mut into: &mut dyn Hasher) {
        for (flow, entry, began) in self.ring.iter() {
            (flow, entry.snd_nxt, entry.rcv_nxt, entry.window).hash(&mut into);
            (entry.timestamps(), entry.recent, now - began).hash(&mut into);
        }
    }

    /// How many tuples rest.
    pub(crate) const fn len(&self) -> usize {
        self.ring.resting()
    }
}

#[cfg(test)]
mod tests;
