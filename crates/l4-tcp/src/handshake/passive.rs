//! What arrives in LISTEN and in SYN-RECEIVED.
//!
//! Job: RFC 9293 3.10.7.2, and steps one to five of 3.10.7.4 for an embryo.
//! Owns: nothing. Does not know: whether there is room in the listener's queues.
//! Sources: RFC 9293 3.10.7.2, 3.10.7.4; RFC 5961 3.2 (exact resets); RFC 7323 5.3 (PAWS).

use core::ops::ControlFlow::{self, Break, Continue};

use outcrop_base::{Arrival, Cause, DropReason, Verdict, Why};

use crate::challenge::Challenges;
use crate::config::Settings;
use crate::ecn::Setup;
use crate::event::CloseReason;
use crate::handshake::cookie::Recalled;
use crate::handshake::negotiate::PeerSyn;
use crate::handshake::{Embryo, Origin, Step, syn_window};
use crate::rule::Rule;
use crate::segment::{Flags, Segment, SegmentHeader, Timestamps};
use crate::seq::SeqNum;
use crate::table::ListenerId;

/// What a listener makes of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listening {
    /// A SYN: an embryo is to be made of it.
    Syn,
    /// Nothing, or a reset if the verdict says so.
    Drop(Verdict),
    /// A reset is to be sent.
    Reset(Verdict),
}

/// A segment arrives in LISTEN.
pub(crate) fn listen_arrives(segment: &Segment, syn_with_fin: bool) -> Listening {
    let flags = segment.header.flags;
    if flags.rst() {
        return Listening::Drop(Rule::ListenIgnoresReset.dropped(DropReason::TcpNoSocket));
    }
    if flags.ack() {
        return Listening::Reset(Rule::ListenResetsAck.dropped(DropReason::TcpNoSocket));
    }
    // A SYN with FIN is nobody's handshake: some hosts would take it, every scanner sends it.
    if flags.syn() && (syn_with_fin || !flags.fin()) {
        return Listening::Syn;
    }
    Listening::Drop(Rule::ListenDropsOther.dropped(DropReason::TcpBadFlags))
}

impl Embryo {
    /// SYN-RECEIVED: the peer connects to a listener by `syn`; `numbers` are our first number and what
    /// we add to the clock in timestamps.
    pub(crate) fn passive(
        listener: ListenerId,
        a: &Arrival,
        syn: &SegmentHeader,
        (iss, ts_offset): (SeqNum, u32),
    ) -> Self {
        let syn = PeerSyn::marked(syn, a.ecn);
        Self {
            origin: Origin::Passive(listener),
            iss: Some(iss),
            theirs: Some(syn),
            ts_recent: syn.timestamp.unwrap_or(0),
            ts_offset,
            path: a.path,
            want: Some((Why::SynAck, Cause::Packet(a.id))),
            sent_at: None,
            due: None,
            repeats: 0,
            sent: 0,
            taken: 0,
            grant: None,
            doubt: None,
            challenges: Challenges::new(),
        }
    }

    /// The same for a SYN that was answered by a cookie and comes back with its acknowledgment: nothing
    /// is to be sent, unless this acknowledgment has to wait.
    pub(crate) fn recalled(
        listener: ListenerId,
        a: &Arrival,
        recalled: &Recalled,
        ts_offset: u32,
    ) -> Self {
        let embryo = Self::passive(listener, a, &recalled.syn, (recalled.iss, ts_offset));
        Self {
            want: None,
            due: Some(a.at + embryo.rto()),
            ..embryo
        }
    }

    /// A segment arrives in SYN-RECEIVED.
    pub(crate) fn syn_received_arrives(
        &mut self,
        a: &Arrival,
        segment: &Segment,
        settings: &Settings,
    ) -> Step {
        let (Break(step) | Continue(step)) = self.syn_received_steps(a, segment, settings);
        step
    }

    fn syn_received_steps(
        &mut self,
        a: &Arrival,
        segment: &Segment,
        settings: &Settings,
    ) -> ControlFlow<Step, Step> {
        if !self.is_crossed_syn_ack(segment) {
            self.syn_received_sequence(a, segment, settings)?;
            self.syn_received_reset(a, segment, settings)?;
            self.syn_received_syn(a, segment, settings)?;
        }
        self.syn_received_ack(segment)?;
        Continue(Step::Establish(Rule::SynReceivedEstablishes.taken()))
    }

    /// The last step of a simultaneous open (RFC 9293 figure 7): the SYN we know, now with the
    /// acknowledgment of ours. By its number alone it would be an old duplicate.
    fn is_crossed_syn_ack(&self, segment: &Segment) -> bool {
        let header = &segment.header;
        matches!(self.origin, Origin::Active(_))
            && header.flags.syn()
            && !header.flags.rst()
            && header.ack.is_some_and(|ack| self.acknowledges_our_syn(ack))
            && self.theirs.is_some_and(|syn| syn.seq == header.seq)
    }

    /// RFC 9768 3.1.5: a SYN that asks for the other kind of ECN than the one before ends it: the ends could not know
    /// what they agreed on.
    fn refuse_contradiction(&self) -> Step {
        let verdict = Rule::SynContradicts.dropped(DropReason::TcpBadFlags);
        let reset = SegmentHeader {
            seq: self.iss.map_or(SeqNum::new(0), |iss| iss + 1),
            ack: self.rcv_nxt(),
            flags: Flags::RST | Flags::ACK,
            ..SegmentHeader::default()
        };
        Step::Refuse(verdict, reset)
    }

    /// An answer, if the allowance permits one.
    fn challenge(&mut self, a: &Arrival, settings: &Settings, verdict: Verdict) -> Step {
        match self.acknowledgment(a.at, settings) {
            Some(ack) if self.challenges.take(a.at) => {
                Step::Answer(verdict, ack, Why::ChallengeAck)
            }
            Some(_) | None => Step::Stay(verdict),
        }
    }

    /// First, check the sequence number (and, before it, the timestamp).
    fn syn_received_sequence(
        &mut self,
        a: &Arrival,
        segment: &Segment,
        settings: &Settings,
    ) -> ControlFlow<Step> {
        let header = &segment.header;
        let Some(theirs) = self.theirs else {
            return Continue(());
        };
        if header.flags.syn() && !header.flags.ack() && header.seq == theirs.seq {
            let second = Setup::of(header, a.ecn);
            let theirs = self.theirs.as_mut();
            if theirs.is_some_and(|syn| syn.ecn.again(settings.ecn, second)) {
                return Break(self.refuse_contradiction());
            }
            // Our SYN-ACK was lost: once more, at once, but not more often than challenges.
            if self.challenges.take(a.at) {
                self.want = Some((Why::SynAck, Cause::Packet(a.id)));
            }
            return Break(Step::Stay(Rule::SynReceivedSynAgain.taken()));
        }
        let their_clock = header.options.timestamps.map(|ts| ts.val);
        if let (Some(val), Some(_), false) = (their_clock, theirs.timestamp, header.flags.rst())
            && Timestamps::distance(val, self.ts_recent) < 0
        {
            let verdict = Rule::Paws.dropped(DropReason::TcpOldTimestamp);
            return Break(self.challenge(a, settings, verdict));
        }
        let rcv_nxt = theirs.seq + (1 + self.taken);
        let window = u32::from(syn_window(settings));
        let acceptable = header.seq.in_window(rcv_nxt, window.max(1))
            || segment.seq_len() > 0
                && (header.seq + (segment.seq_len() - 1)).in_window(rcv_nxt, window);
        if acceptable {
            return Continue(());
        }
        if header.flags.rst() {
            let rule = Rule::ResetOutOfWindow;
            return Break(Step::Stay(rule.dropped(DropReason::TcpOutOfWindow)));
        }
        let verdict = Rule::OutOfWindow.dropped(DropReason::TcpOutOfWindow);
        Break(self.challenge(a, settings, verdict))
    }

    /// Second, check the RST bit.
    fn syn_received_reset(
        &mut self,
        a: &Arrival,
        segment: &Segment,
        settings: &Settings,
    ) -> ControlFlow<Step> {
        if !segment.header.flags.rst() {
            return Continue(());
        }
        if Some(segment.header.seq) != self.rcv_nxt() && !settings.guessable.resets {
            let verdict = Rule::ResetInexact.dropped(DropReason::TcpChallenged);
            return Break(self.challenge(a, settings, verdict));
        }
        let rule = match self.origin {
            Origin::Passive(_) => Rule::SynReceivedResetToListen,
            Origin::Active(_) => Rule::SynReceivedRefused,
        };
        Break(Step::Gone(rule.taken(), CloseReason::Refused))
    }

    /// Third, security: not in use. Fourth, check the SYN bit.
    fn syn_received_syn(
        &mut self,
        a: &Arrival,
        segment: &Segment,
        settings: &Settings,
    ) -> ControlFlow<Step> {
        if !segment.header.flags.syn() {
            return Continue(());
        }
        match self.origin {
            Origin::Passive(_) => {
                let rule = Rule::SynReceivedSynToListen;
                Break(Step::Gone(rule.taken(), CloseReason::Refused))
            }
            Origin::Active(_) => {
                let verdict = Rule::SynChallenged.dropped(DropReason::TcpChallenged);
                Break(self.challenge(a, settings, verdict))
            }
        }
    }

    /// Fifth, check the ACK field.
    fn syn_received_ack(&self, segment: &Segment) -> ControlFlow<Step> {
        let Some(ack) = segment.header.ack else {
            return Break(Step::Stay(
                Rule::AckMissing.dropped(DropReason::TcpBadFlags),
            ));
        };
        if self.acknowledges_our_syn(ack) {
            return Continue(());
        }
        let verdict = Rule::SynReceivedBadAck.dropped(DropReason::TcpUnacceptableAck);
        Break(match segment.reset_for() {
            Some(reset) => Step::Answer(verdict, reset, Why::ResetUnacceptableAck),
            None => Step::Stay(verdict),
        })
    }
}
