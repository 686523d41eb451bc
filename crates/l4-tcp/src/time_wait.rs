//! The last state, kept small.
//!
//! Job: let old duplicates die, repeat the last acknowledgment, and make room for a fresh SYN.
//! Owns: one compact entry per tuple, and the order in which they leave. Does not know: buffers, programs.
//! Sources: RFC 9293 3.6.1 and 3.10.7.4, RFC 1337 3 (resets are ignored), RFC 6191 2 (reuse by timestamps),
//! RFC 1122 4.2.2.13 (reuse by sequence number), RFC 5961 (challenge ACKs).

use std::collections::VecDeque;

use core::hash::{Hash, Hasher};
use core::time::Duration;

use outcrop_base::{DropReason, Flow, Instant, Seed, Verdict, Why};

use crate::connection::Rest;
use crate::handshake::isn::timestamp;
use crate::rule::Rule;
use crate::segment::{Flags, Options, Segment, SegmentHeader, Timestamps};
use crate::seq::SeqNum;
use crate::table::FlowTable;
use crate::transmit::ConnId;

/// What is left of a connection whose both FINs are acknowledged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimeWait {
    rest: Rest,
    /// When the tuple is free again; moved by the peer's repeated FIN.
    expires: Instant,
}

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
    /// The acknowledgment that ended the connection, once more.
    fn last_ack(&self, now: Instant) -> SegmentHeader {
        let timestamps = self.rest.timestamps.map(|(recent, offset)| Timestamps {
            val: timestamp(now, offset),
            ecr: recent,
        });
        SegmentHeader {
            seq: self.rest.snd_nxt,
            ack: Some(self.rest.rcv_nxt),
            flags: Flags::ACK,
            wnd: self.rest.window,
            options: Options {
                timestamps,
                ..Options::default()
            },
            ..SegmentHeader::default()
        }
    }

    /// Whether this SYN can only belong to a new incarnation (RFC 6191 2): by its timestamp where both
    /// have one, else by its sequence number.
    fn is_fresh(&self, header: &SegmentHeader) -> bool {
        let later = header.seq.after(self.rest.rcv_nxt);
        match (self.rest.timestamps, header.options.timestamps) {
            (Some((recent, _)), Some(theirs)) => match Timestamps::distance(theirs.val, recent) {
                1.. => true,
                0 => later,
                _ => false,
            },
            _ => later,
        }
    }

    fn is_old(&self, header: &SegmentHeader) -> bool {
        match (self.rest.timestamps, header.options.timestamps) {
            (Some((recent, _)), Some(theirs)) => Timestamps::distance(theirs.val, recent) < 0,
            _ => false,
        }
    }

    fn answer(&mut self, now: Instant, rule: Rule, reason: DropReason) -> Outcome {
        let verdict = rule.dropped(reason);
        if self.rest.challenges.take(now) {
            Outcome::Answer(verdict, self.last_ack(now), Why::TimeWaitAck)
        } else {
            Outcome::Done(verdict)
        }
    }

    /// Judges a segment; the second value says whether 2 MSL start anew. `welcome` says whether a listener
    /// would take a SYN: only then may one end the rest early, or a blind SYN would (RFC 1337).
    fn judge(&mut self, now: Instant, segment: &Segment, welcome: bool) -> (Outcome, bool) {
        let header = &segment.header;
        if header.flags.rst() {
            let ignored = Rule::TimeWaitIgnoresReset.dropped(DropReason::TcpTimeWait);
            return (Outcome::Done(ignored), false);
        }
        if header.flags.syn() {
            let alone = !header.flags.intersects(Flags::ACK | Flags::FIN);
            let outcome = if welcome && alone && self.is_fresh(header) {
                Outcome::Reuse(self.rest.snd_nxt)
            } else {
                self.answer(now, Rule::TimeWaitSyn, DropReason::TcpTimeWait)
            };
            return (outcome, false);
        }
        if self.is_old(header) {
            return (
                self.answer(now, Rule::Paws, DropReason::TcpOldTimestamp),
                false,
            );
        }
        if header.flags.fin() && segment.seq_end() == self.rest.rcv_nxt {
            let ack = self.last_ack(now);
            let taken = Rule::TimeWaitFin.taken();
            return (Outcome::Answer(taken, ack, Why::TimeWaitAck), true);
        }
        let acceptable = header
            .seq
            .in_window(self.rest.rcv_nxt, self.rest.rcv_wnd.max(1));
        // Without ACK it is dropped (RFC 9293 3.10.7.4 fifth); a bare ACK asks for nothing.
        if acceptable && (segment.seq_len() == 0 || !header.flags.ack()) {
            let dropped = Rule::TimeWaitDrops.dropped(DropReason::TcpTimeWait);
            return (Outcome::Done(dropped), false);
        }
        (
            self.answer(now, Rule::TimeWaitUnacceptable, DropReason::TcpOutOfWindow),
            false,
        )
    }
}

/// Every tuple in TIME-WAIT.
#[derive(Clone, Debug)]
pub(crate) struct TimeWaitTable {
    entries: FlowTable<TimeWait>,
    /// By age. An entry whose end has moved is found again at its new place.
    order: VecDeque<(Instant, ConnId)>,
    span: Duration,
    max: usize,
}

impl TimeWaitTable {
    /// An empty table in which entries rest for `span`, at most `max` of them.
    pub(crate) fn new(span: Duration, max: usize, seed: &Seed) -> Self {
        Self {
            entries: FlowTable::new(seed),
            order: VecDeque::new(),
            span,
            max,
        }
    }

    /// Puts a tuple to rest at `now`. Beyond the maximum the oldest is released early: a bound on
    /// memory costs protection, and the oldest needs it least.
    pub(crate) fn insert(&mut self, now: Instant, flow: Flow, rest: Rest) {
        while self.entries.len() >= self.max.max(1) {
            let Some((_, oldest)) = self.order.pop_front() else {
                break;
            };
            self.entries.remove(oldest);
        }
        let expires = now + self.span;
        let id = self.entries.insert(flow, TimeWait { rest, expires });
        self.order.push_back((expires, id));
    }

    /// The entry of `flow`.
    pub(crate) fn get(&self, flow: &Flow) -> Option<&TimeWait> {
        self.entries.get(self.entries.find(flow)?)
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
        let id = self.entries.find(flow)?;
        let (_, entry) = self.entries.get_mut(id)?;
        let (outcome, restart) = entry.judge(now, seg, welcome);
        if restart {
            // The place in `order` stays: it is moved when the old end is reached.
            entry.expires = now + self.span;
        }
        if let Outcome::Reuse(_) = outcome {
            self.entries.remove(id);
        }
        Some(outcome)
    }

    /// The earliest instant at which an entry may leave.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.order.front().map(|(at, _)| *at)
    }

    /// Releases what is due; returns the tuple and its rest, so that the fact can be told.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<Flow> {
        while self.next().is_some_and(|at| at <= now) {
            let (_, id) = self.order.pop_front()?;
            let Some((flow, entry)) = self.entries.get_mut(id) else {
                continue;
            };
            let (flow, expires) = (*flow, entry.expires);
            if expires > now {
                self.order.push_back((expires, id));
                continue;
            }
            self.entries.remove(id);
            return Some(flow);
        }
        None
    }

    /// Hashes every entry, times relative to `now`.
    pub(crate) fn fingerprint(&self, now: Instant, mut into: &mut dyn Hasher) {
        for (_, flow, entry) in self.entries.iter() {
            (
                flow,
                entry.rest.snd_nxt,
                entry.rest.rcv_nxt,
                entry.rest.window,
            )
                .hash(&mut into);
            (entry.rest.timestamps, entry.expires - now).hash(&mut into);
        }
    }

    /// How many tuples rest.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}
