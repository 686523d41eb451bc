//! What arrives in SYN-SENT.
//!
//! Job: RFC 9293 3.10.7.3, step by step. Owns: nothing. Does not know: the data path.
//! Sources: RFC 9293 3.10.7.3, 3.5 (simultaneous open).

use outcrop_base::{Arrival, Cause, DropReason, Why};

use crate::event::CloseReason;
use crate::handshake::negotiate::PeerSyn;
use crate::handshake::{Embryo, Step};
use crate::rule::Rule;
use crate::segment::Segment;

impl Embryo {
    /// A segment arrives in SYN-SENT.
    pub(crate) fn syn_sent_arrives(&mut self, a: &Arrival, segment: &Segment) -> Step {
        let header = &segment.header;
        // First, the ACK bit: it must acknowledge our SYN, and what text it carried at most.
        let acceptable_ack = match header.ack {
            Some(ack) if self.acknowledges_our_syn(ack) => true,
            Some(_) if header.flags.rst() => {
                let rule = Rule::SynSentBlindReset;
                return Step::Stay(rule.dropped(DropReason::TcpUnacceptableAck));
            }
            Some(_) => {
                let verdict = Rule::SynSentBadAck.dropped(DropReason::TcpUnacceptableAck);
                return match segment.reset_for() {
                    Some(reset) => Step::Answer(verdict, reset, Why::ResetUnacceptableAck),
                    None => Step::Stay(verdict),
                };
            }
            None => false,
        };
        // Second, the RST bit.
        if header.flags.rst() {
            return if acceptable_ack {
                Step::Gone(Rule::SynSentRefused.taken(), CloseReason::Refused)
            } else {
                Step::Stay(Rule::SynSentBlindReset.dropped(DropReason::TcpUnacceptableAck))
            };
        }
        // Third, security: RFC 9293 A.1, no longer in use.
        // Fourth, the SYN bit; fifth, anything else.
        if !header.flags.syn() {
            return Step::Stay(Rule::SynSentDropsOther.dropped(DropReason::TcpBadFlags));
        }
        if self.iss.is_none() {
            // Our SYN has not left yet (no room below): it leaves as the SYN-ACK.
            self.due = None;
        }
        let syn = PeerSyn::marked(header, a.ecn);
        self.theirs = Some(syn);
        self.ts_recent = syn.timestamp.unwrap_or(0);
        if acceptable_ack {
            return Step::Establish(Rule::SynSentEstablishes.taken());
        }
        self.want = Some((Why::SynAck, Cause::Packet(a.id)));
        Step::Stay(Rule::SynSentSimultaneous.taken())
    }
}
