//! What the path says.
//!
//! Job: believe an ICMP message only if it quotes something in flight, and then only as far as it can be true.
//! Owns: nothing. Does not know: ICMP; a `PathSignal` is all it sees.
//! Sources: RFC 5927 4 (validation), RFC 1191 6.4 and RFC 8201 5 (packet too big), RFC 1122 4.2.3.9 with
//! RFC 5461 2 (in a synchronised state even a hard error only makes one doubt the path), RFC 6069 (what an
//! interruption means for the retransmission timer).

use outcrop_base::{DropReason, FactKind, PathSignal, PathSignalKind, Verdict};

use super::{Connection, Cx};
use crate::event::{Doubt, Edges};
use crate::params;
use crate::rule::Rule;
use crate::segment::StreamRange;
use crate::seq::SeqNum;

/// What is stated when a router explains a timeout.
const DISRUPTED: &str =
    "the way is interrupted, not congested: one doubling of the timeout is taken back (RFC 6069)";

impl Connection {
    /// News about a packet of this connection.
    pub(crate) fn handle_path(&mut self, signal: &PathSignal, cx: &mut Cx<'_>) -> Verdict {
        let unrelated = Rule::PathUnrelated.dropped(DropReason::IcmpUnrelated);
        if !signal.seq.is_some_and(|seq| self.is_in_flight(seq)) {
            return unrelated;
        }
        match signal.kind {
            PathSignalKind::TooBig(mtu) => self.take_mtu(mtu, cx).unwrap_or(unrelated),
            PathSignalKind::Disrupted if signal.seq == Some(self.first_outstanding()) => {
                if self.recovery.on_disruption() {
                    cx.emit(FactKind::Remark(DISRUPTED));
                }
                self.hear_doubt(Doubt::Unreachable);
                Rule::PathDisrupted.taken()
            }
            PathSignalKind::Disrupted | PathSignalKind::Soft => {
                self.hear_doubt(Doubt::Unreachable);
                Rule::PathSoft.taken()
            }
            PathSignalKind::Hard => {
                self.hear_doubt(Doubt::Refused);
                Rule::PathSoft.taken()
            }
            PathSignalKind::Redirected => Rule::PathSoft.taken(),
        }
    }

    fn first_outstanding(&self) -> u32 {
        self.snd_space.seq(self.send.una()).value()
    }

    /// A soft error: the program is told, unless it does not want to be (SHLD-20), and it is the reason should
    /// nothing come of the repeats.
    const fn hear_doubt(&mut self, doubt: Doubt) {
        self.way.doubt = Some(doubt);
        if self.settings.r1 > 0 {
            self.life.edges.insert(Edges::DOUBTFUL);
        }
    }

    /// R1 is reached: nobody answers. What ICMP said before says more. IP is told as well.
    pub(super) fn doubt_the_path(&mut self) {
        self.way.doubt.get_or_insert(Doubt::Unanswered);
        self.life.edges.insert(Edges::DOUBTFUL);
        self.life.edges.insert(Edges::UNANSWERED);
    }

    /// What is wrong on the way.
    pub(crate) const fn doubt(&self) -> Option<Doubt> {
        self.way.doubt
    }

    fn is_in_flight(&self, seq: u32) -> bool {
        let una = self.send.una();
        self.snd_space
            .offset(SeqNum::new(seq), una)
            .is_some_and(|offset| StreamRange::new(una, self.send.nxt()).contains(offset))
    }

    /// A smaller MTU: segments are made anew to fit it. `None` if it is not smaller.
    fn take_mtu(&mut self, mtu: u32, cx: &mut Cx<'_>) -> Option<Verdict> {
        let least = if cx.flow.remote.is_ipv6() {
            params::MIN_MTU_V6
        } else {
            params::MIN_MTU
        };
        let (from, to) = (self.way.path.mtu, mtu.max(least));
        if to >= from {
            return None;
        }
        self.way.path.mtu = to;
        let probe = self.forget_probe_above(to);
        let before = self.way.mss;
        self.fit_segments(cx);
        // A probe that was too large says nothing about what was made to fit.
        let refused = match probe {
            Some(probe) if self.way.mss == before => probe,
            Some(_) | None => StreamRange::new(self.send.una(), self.send.nxt()),
        };
        self.recovery.mark_lost(refused);
        self.life.cause = cx.cause;
        Some(Rule::PathTooBig.taken())
    }

    /// IP knows a new MTU for the way to the peer, by news about another flow or because old news has expired:
    /// RFC 1191 6.2 and RFC 8201 5.2 have every flow of the path hear of it. What is under way is not ours to judge.
    pub(crate) fn path_changed(&mut self, mtu: u32, cx: &mut Cx<'_>) {
        if self.life.over.is_some() || mtu == self.way.path.mtu {
            return;
        }
        self.way.path.mtu = mtu;
        let _probe = self.forget_probe_above(mtu);
        self.fit_segments(cx);
        self.life.cause = cx.cause;
    }
}
