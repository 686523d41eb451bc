//! A connection before its handshake is over.
//!
//! Job: for a fast open, be in SYN-RECEIVED and in use at once: the embryo stays beside the connection and does
//! what embryos do, until our SYN is acknowledged. As a client, take over what the SYN carried.
//! Owns: nothing. Does not know: cookies. Sources: RFC 7413 4.2; DESIGN: every other embryo is promoted by the ACK.

use outcrop_base::{Arrival, Flow, Instant, TimerKind, Why};

use super::{Connection, Cx};
use crate::event::CloseReason;
use crate::handshake::{Embryo, Expiry, Step};
use crate::recovery::AckInput;
use crate::segment::{Segment, StreamRange};
use crate::state::State;
use crate::transmit::Transmit;

impl Connection {
    /// Goes back to SYN-RECEIVED: `embryo` answers the SYN, whose text is here already.
    pub(crate) fn begin_in_syn_received(&mut self, mut embryo: Box<Embryo>) {
        embryo.taken = u32::try_from(self.recv.nxt()).unwrap_or(0);
        self.state = State::SynReceived;
        self.syn = Some(embryo);
    }

    /// Whether our SYN is not acknowledged yet.
    pub(crate) const fn is_opening(&self) -> bool {
        self.syn.is_some()
    }

    /// Our SYN-ACK, if it is to leave: before anything else. It acknowledges all that came.
    pub(super) fn poll_syn_ack(&mut self, now: Instant, flow: &Flow) -> Option<Transmit> {
        let plan = self
            .syn
            .as_mut()?
            .poll_transmit(now, flow, None, &self.settings)?;
        self.recv.on_sent(now, true);
        self.life.handshake_ack = false;
        Some(plan)
    }

    /// A segment arrives in SYN-RECEIVED; `None` if the connection is past it. After `Establish` the
    /// segment goes through the steps of a synchronised state.
    pub(crate) fn opening_arrives(
        &mut self,
        a: &Arrival,
        segment: &Segment,
        cx: &mut Cx<'_>,
    ) -> Option<Step> {
        let syn = self.syn.as_mut()?;
        syn.sent = u32::try_from(self.send.nxt()).unwrap_or(u32::MAX - 1);
        let step = syn.syn_received_arrives(a, segment, &self.settings);
        match &step {
            Step::Establish(_) => {
                let (sample, repeated) = (syn.round_trip(a.at), syn.repeats());
                self.syn = None;
                if self.state == State::SynReceived {
                    cx.emit_state(self.state, State::Established);
                    self.state = State::Established;
                }
                self.take_handshake_round_trip(a.at, sample, repeated);
            }
            Step::Gone(_, reason) => self.end(*reason, cx),
            Step::Refuse(..) => self.end(CloseReason::Refused, cx),
            Step::Stay(_) | Step::Answer(..) => {}
        }
        Some(step)
    }

    /// The SYN-ACK's timer.
    pub(super) fn opening_timeout(&mut self, now: Instant, cx: &mut Cx<'_>) {
        let Some(syn) = &mut self.syn else {
            return;
        };
        match syn.handle_timeout(now, &self.settings) {
            Expiry::NotDue => {}
            Expiry::Repeat => self.fired(TimerKind::Retransmit, cx),
            Expiry::GiveUp => self.reset(Why::ResetTimedOut, cx),
        }
    }

    /// The answer to our SYN acknowledged the first `count` bytes, which that SYN carried. What it did not
    /// acknowledge leaves as if it never had (RFC 7413 4.2.1).
    pub(crate) fn syn_text_acknowledged(&mut self, sent_at: Instant, now: Instant, count: u64) {
        if count == 0 {
            return;
        }
        let range = StreamRange::new(0, count);
        let congestion = &mut *self.way.congestion;
        self.send.on_sent(range, u32::from(self.way.mss));
        self.recovery.on_sent(sent_at, range, congestion);
        let input = AckInput {
            now,
            una: count,
            sack: &[],
            echo: None,
            pure: true,
            marked: 0,
        };
        let _outcome = self.recovery.on_ack(&input, congestion);
        let _freed = self.send.on_ack(count);
        self.tell_writable();
    }
}
