//! SEGMENT ARRIVES.
//!
//! Job: RFC 9293 3.10.7.4 for the synchronised states: eight steps, eight functions, in its order.
//! Owns: nothing. Does not know: when what it owes the peer will leave; `output` decides that at the flush.
//! Sources: RFC 9293 3.10.7.4; RFC 5961 3, 4, 5 (challenges); RFC 7323 4.3, 5.3 (timestamps, PAWS);
//! RFC 1122 4.2.2.13 (data for a closed program).
//!
//! `?` is the RFC's "and return".

use core::ops::ControlFlow::{self, Break, Continue};

use bytes::{Buf, Bytes};
use outcrop_base::{Arrival, Cause, DropReason, Verdict, Why};

use super::{Connection, Cx};
use crate::event::{CloseReason, Edges};
use crate::params;
use crate::rule::Rule;
use crate::segment::{Flags, Segment, SegmentHeader, Timestamps};
use crate::send::buffer::FinState;
use crate::state::{PeerFin, State, Trigger};

/// A segment on its way through the steps.
pub(super) struct Incoming<'a> {
    pub(super) a: &'a Arrival,
    pub(super) header: &'a SegmentHeader,
    /// SEG.SEQ as an offset; -1 is the peer's SYN.
    pub(super) seq: i64,
    /// SEG.LEN.
    pub(super) len: u32,
    pub(super) payload: Bytes,
    /// SEG.ACK as an offset, once step five has found it acceptable.
    pub(super) ack: u64,
}

impl Connection {
    /// A segment arrives in a synchronised state.
    pub(crate) fn segment_arrives(
        &mut self,
        a: &Arrival,
        segment: &Segment,
        payload: Bytes,
        cx: &mut Cx<'_>,
    ) -> Verdict {
        self.count_arrival(a, &payload);
        let mut incoming = self.incoming(a, segment, payload);
        self.life.cause = cx.cause;
        if incoming.seq == -1 {
            self.ecn.on_answer_again(segment.header.flags, a.ecn);
        }
        let (Break(verdict) | Continue(verdict)) = self.steps(&mut incoming, cx);
        verdict
    }

    /// The rest of a SYN that completed the handshake: its acknowledgment and window were taken with
    /// it, so the steps begin with the sixth (RFC 9293 3.10.7.3, fourth). It owes an acknowledgment.
    pub(crate) fn rest_of_syn_arrives(
        &mut self,
        a: &Arrival,
        segment: &Segment,
        payload: Bytes,
        cx: &mut Cx<'_>,
    ) -> Verdict {
        let mut incoming = self.incoming(a, segment, payload);
        self.life.cause = cx.cause;
        self.life.handshake_ack = true;
        self.recv.owe_ack(a.at);
        let (Break(verdict) | Continue(verdict)) = self.last_steps(&mut incoming, cx);
        verdict
    }

    /// A merged segment counts as the pieces it was made of.
    fn count_arrival(&mut self, a: &Arrival, payload: &Bytes) {
        let len = payload.len();
        let piece = a.gso_size.map_or(len, |size| len.min(usize::from(size)));
        // Divided only where there is more than one.
        let pieces = if len > piece {
            len.div_ceil(piece.max(1)) as u64
        } else {
            1
        };
        let totals = &mut self.account.totals;
        totals.segments_in += pieces;
        self.life.active_at = a.at;
        if len > 0 {
            totals.data_segments_in += pieces;
            totals.data_received_at = Some(a.at);
            let piece = u16::try_from(piece).unwrap_or(u16::MAX);
            totals.largest_in = totals.largest_in.max(piece);
        }
    }

    fn incoming<'a>(&self, a: &'a Arrival, segment: &'a Segment, payload: Bytes) -> Incoming<'a> {
        Incoming {
            a,
            header: &segment.header,
            seq: self
                .rcv_space
                .signed_offset(segment.header.seq, self.recv.nxt()),
            len: segment.seq_len(),
            payload,
            ack: 0,
        }
    }

    fn steps(&mut self, seg: &mut Incoming<'_>, cx: &mut Cx<'_>) -> ControlFlow<Verdict, Verdict> {
        self.check_sequence(seg)?;
        self.check_reset(seg, cx)?;
        self.check_security(seg)?;
        self.check_syn(seg, cx)?;
        self.check_ack(seg, cx)?;
        self.count_mark(seg);
        self.last_steps(seg, cx)
    }

    /// RFC 9768 3.2: every acceptable packet's mark counts, and some are to be told at once.
    fn count_mark(&mut self, seg: &Incoming<'_>) {
        if !self.terms.ecn.is_accurate() {
            return;
        }
        let bytes = u32::try_from(seg.payload.len()).unwrap_or(u32::MAX);
        let size = u32::from(seg.a.gso_size.unwrap_or(u16::MAX)).max(1);
        let packets = bytes.div_ceil(size).max(1);
        let unacked = self.recv.ack_pending();
        if self.ecn.on_packet(seg.a.ecn, packets, bytes, unacked) {
            self.recv.owe_ack(seg.a.at);
        }
    }

    fn last_steps(
        &mut self,
        seg: &mut Incoming<'_>,
        cx: &mut Cx<'_>,
    ) -> ControlFlow<Verdict, Verdict> {
        self.check_urgent(seg);
        let bare = seg.payload.is_empty();
        self.take_text(seg, cx)?;
        self.check_fin(seg, bare, cx)
    }

    /// First, check the sequence number; before it, the timestamp (PAWS).
    fn check_sequence(&mut self, seg: &Incoming<'_>) -> ControlFlow<Verdict> {
        if self.is_old_duplicate(seg) {
            self.answer_unacceptable(seg);
            return Break(Rule::Paws.dropped(DropReason::TcpOldTimestamp));
        }
        let nxt = i64::try_from(self.recv.nxt()).unwrap_or(i64::MAX);
        // A segment at exactly RCV.NXT passes even a closed window: its RST and ACK count (MUST-66),
        // its text is cut to nothing later.
        if self.recv.acceptable(seg.seq, seg.len) || seg.seq == nxt {
            self.take_timestamp(seg);
            return Continue(());
        }
        if seg.header.flags.rst() {
            return Break(Rule::ResetOutOfWindow.dropped(DropReason::TcpOutOfWindow));
        }
        self.answer_unacceptable(seg);
        Break(Rule::OutOfWindow.dropped(DropReason::TcpOutOfWindow))
    }

    /// RFC 7323 5.3 R1. A segment without the option passes: it may come from before a middlebox that
    /// strips it, and dropping it would kill the connection for no gain.
    fn is_old_duplicate(&self, seg: &Incoming<'_>) -> bool {
        let Some(theirs) = seg
            .header
            .options
            .timestamps
            .filter(|_| self.terms.timestamps)
        else {
            return false;
        };
        let outdated = seg.a.at - self.clock.recent_at > params::TIMESTAMP_LIFETIME;
        !seg.header.flags.rst()
            && !outdated
            && Timestamps::distance(theirs.val, self.clock.recent) < 0
    }

    /// RFC 7323 4.3: the timestamp to echo is the one of the segment that reaches Last.ACK.sent.
    fn take_timestamp(&mut self, seg: &Incoming<'_>) {
        let reaches = i64::try_from(self.recv.last_ack_sent()).is_ok_and(|last| seg.seq <= last);
        if let Some(theirs) = seg.header.options.timestamps
            && self.terms.timestamps
            && reaches
            && !seg.header.flags.rst()
        {
            self.clock.recent = theirs.val;
            self.clock.recent_at = seg.a.at;
        }
    }

    /// An unacceptable segment is acknowledged. One with text always: it may be a retransmission whose
    /// acknowledgment was lost. One without only as often as challenges, or two ends that disagree
    /// would answer each other for ever.
    fn answer_unacceptable(&mut self, seg: &Incoming<'_>) {
        let has_text = !seg.payload.is_empty() || seg.header.flags.fin();
        match u64::try_from(seg.seq) {
            Ok(at) if has_text && at + u64::from(seg.len) <= self.recv.nxt() => {
                // All of it is old: the receiver also reports it as a duplicate (RFC 2883).
                self.recv
                    .on_segment(seg.a.at, at, seg.payload.clone(), seg.header.flags.fin());
            }
            _ if has_text => self.recv.owe_ack(seg.a.at),
            _ => self.challenge(seg),
        }
    }

    /// Owes the peer a challenge ACK, if the allowance permits.
    fn challenge(&mut self, seg: &Incoming<'_>) {
        if self.life.challenges.take(seg.a.at) {
            self.life.challenge_due = Some(Cause::Packet(seg.a.id));
        }
    }

    /// Second, check the RST bit.
    fn check_reset(&mut self, seg: &Incoming<'_>, cx: &mut Cx<'_>) -> ControlFlow<Verdict> {
        if !seg.header.flags.rst() {
            return Continue(());
        }
        let exact = u64::try_from(seg.seq) == Ok(self.recv.nxt());
        if !exact && !self.settings.guessable.resets {
            self.challenge(seg);
            return Break(Rule::ResetInexact.dropped(DropReason::TcpChallenged));
        }
        self.end(CloseReason::Reset, cx);
        let rule = if exact {
            Rule::ResetExact
        } else {
            Rule::ResetInWindow
        };
        Break(rule.taken())
    }

    /// Third, check security: RFC 9293 A.1, no longer in use.
    #[expect(clippy::unused_self, reason = "the RFC's third step")]
    const fn check_security(&self, _seg: &Incoming<'_>) -> ControlFlow<Verdict> {
        Continue(())
    }

    /// Fourth, check the SYN bit.
    fn check_syn(&mut self, seg: &Incoming<'_>, cx: &mut Cx<'_>) -> ControlFlow<Verdict> {
        if !seg.header.flags.syn() {
            return Continue(());
        }
        let nxt = i64::try_from(self.recv.nxt()).unwrap_or(i64::MAX);
        if self.settings.guessable.syns && seg.seq >= nxt {
            self.life.reset = Some((Why::ResetSyn, cx.cause));
            self.end(CloseReason::Reset, cx);
            return Break(Rule::SynInWindow.taken());
        }
        self.challenge(seg);
        Break(Rule::SynChallenged.dropped(DropReason::TcpChallenged))
    }

    /// Fifth, check the ACK field.
    fn check_ack(&mut self, seg: &mut Incoming<'_>, cx: &mut Cx<'_>) -> ControlFlow<Verdict> {
        let Some(ack) = seg.header.ack else {
            return Break(Rule::AckMissing.dropped(DropReason::TcpBadFlags));
        };
        let ack = self.snd_space.signed_offset(ack, self.send.una());
        let signed = |offset: u64| i64::try_from(offset).unwrap_or(i64::MAX);
        if ack > signed(self.send.nxt()) {
            self.challenge(seg);
            return Break(Rule::AckOfUnsent.dropped(DropReason::TcpUnacceptableAck));
        }
        if ack < signed(self.send.una()) - signed(self.send.max_window()) {
            self.challenge(seg);
            return Break(Rule::AckTooOld.dropped(DropReason::TcpUnacceptableAck));
        }
        self.life.heard_at = seg.a.at;
        self.life.keep_alive_probes = 0;
        self.life.keep_alive_due = false;
        self.hear_user_timeout(seg.a.at, seg.header.options.user_timeout);
        // An ACK of nothing but the SYN, or older, is SND.UNA for what follows.
        seg.ack = u64::try_from(ack).unwrap_or(0);
        let fin_acked = self.acknowledge(seg, cx);
        if fin_acked {
            self.on_fin_acked(seg, cx)?;
        }
        Continue(())
    }

    fn on_fin_acked(&mut self, seg: &Incoming<'_>, cx: &mut Cx<'_>) -> ControlFlow<Verdict> {
        self.transition(Trigger::RcvAckOfFin, cx);
        match self.state {
            State::Closed => {
                self.end(CloseReason::Finished, cx);
                Break(Rule::LastAckDone.taken())
            }
            State::FinWait2 => {
                self.arm_fin_wait_2(seg.a.at);
                Continue(())
            }
            State::TimeWait => {
                self.finish(cx);
                Continue(())
            }
            State::Listen
            | State::SynSent
            | State::SynReceived
            | State::Established
            | State::FinWait1
            | State::CloseWait
            | State::Closing
            | State::LastAck => Continue(()),
        }
    }

    /// Sixth, check the URG bit: the pointer moves on, and the program is told. The data itself stays in
    /// the stream.
    fn check_urgent(&mut self, seg: &Incoming<'_>) {
        let names_urgent = seg.header.flags.contains(Flags::URG) && self.state.expects_text();
        if names_urgent && self.hear_urgent(seg.seq + i64::from(seg.header.urg)) {
            self.life.edges.insert(Edges::URGENT);
        }
    }

    /// Seventh, process the segment text, and keep a FIN that comes before its turn.
    fn take_text(&mut self, seg: &mut Incoming<'_>, cx: &mut Cx<'_>) -> ControlFlow<Verdict> {
        let fin = seg.header.flags.fin();
        if seg.payload.is_empty() && !fin {
            return Continue(());
        }
        if !self.state.expects_text() {
            let rule = Rule::TextAfterFin.dropped(DropReason::TcpOutOfWindow);
            return if seg.payload.is_empty() {
                Continue(())
            } else {
                Break(rule)
            };
        }
        let text_at = seg.seq + i64::from(seg.header.flags.syn());
        let (at, skip) = match u64::try_from(text_at) {
            Ok(at) => (at, 0),
            Err(_) => (0, usize::try_from(-text_at).unwrap_or(usize::MAX)),
        };
        // Nobody asks for it again: it goes on as it is.
        let mut payload = core::mem::take(&mut seg.payload);
        payload.advance(skip.min(payload.len()));
        let is_new = at + payload.len() as u64 > self.recv.nxt();
        let deaf = self.settings.deaf && self.send.buffer().fin() != FinState::Open;
        if (!self.life.held || deaf) && !payload.is_empty() && is_new {
            self.reset(Why::ResetOrphanData, cx);
            return Break(Rule::OrphanData.dropped(DropReason::TcpClosed));
        }
        self.ecn.on_text(seg.a.ecn, seg.header.flags);
        let received = self.recv.on_segment(seg.a.at, at, payload, fin);
        self.account.totals.out_of_order_in += u32::from(received.out_of_order > 0);
        if received.readable > 0 {
            self.life.edges.insert(Edges::READABLE);
        }
        if received.refused && !received.new {
            return Break(Rule::TextNoMemory.dropped(DropReason::TcpMemory));
        }
        Continue(())
    }

    /// Eighth, check the FIN bit: the peer's FIN counts once everything before it has come. `bare` is a segment that
    /// had no text.
    fn check_fin(
        &mut self,
        seg: &Incoming<'_>,
        bare: bool,
        cx: &mut Cx<'_>,
    ) -> ControlFlow<Verdict, Verdict> {
        if self.recv.finished() && self.peer_fin == PeerFin::Awaited {
            self.peer_fin = if self.state == State::Established {
                PeerFin::First
            } else {
                // Nothing of ours is left to carry the acknowledgment.
                self.recv.owe_ack(seg.a.at);
                PeerFin::Second
            };
            self.transition(Trigger::RcvFin, cx);
            self.life.edges.insert(Edges::READABLE);
            if self.state == State::TimeWait {
                self.finish(cx);
            }
            return Continue(Rule::FinTaken.taken());
        }
        Continue(if bare {
            Rule::AckTaken.taken()
        } else {
            Rule::TextTaken.taken()
        })
    }
}
