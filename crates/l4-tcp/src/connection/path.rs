//! What the path says.
//!
//! Job: believe an ICMP message only if it quotes something in flight, and then only as far as it can be true.
//! Owns: nothing. Does not know: ICMP; a `PathSignal` is all it sees.
//! Sources: RFC 5927 4 (validation), RFC 1191 6.4 and RFC 8201 5 (packet too big), RFC 1122 4.2.3.9 with
//! RFC 5461 2 (in a synchronised state even a hard error only makes one doubt the path).

use outcrop_base::{DropReason, FactKind, PathSignal, PathSignalKind, Verdict};

use super::{Connection, Cx, effective_mss};
use crate::event::{Doubt, Edges};
use crate::params;
use crate::rule::Rule;
use crate::segment::StreamRange;
use crate::seq::SeqNum;

impl Connection {
    /// News about a packet of this connection.
    pub(crate) fn handle_path(&mut self, signal: &PathSignal, cx: &mut Cx<'_>) -> Verdict {
        let unrelated = Rule::PathUnrelated.dropped(DropReason::IcmpUnrelated);
        if !signal.seq.is_some_and(|seq| self.is_in_flight(seq)) {
            return unrelated;
        }
        match signal.kind {
            PathSignalKind::TooBig(mtu) => self.take_mtu(mtu, cx).unwrap_or(unrelated),
            PathSignalKind::Soft => self.hear_doubt(Doubt::Unreachable),
            PathSignalKind::Hard => self.hear_doubt(Doubt::Refused),
            PathSignalKind::Redirected => Rule::PathSoft.taken(),
        }
    }

    /// A soft error: the program is told, unless it does not want to be (SHLD-20), and it is the reason should
    /// nothing come of the repeats.
    fn hear_doubt(&mut self, doubt: Doubt) -> Verdict {
        self.life.doubt = Some(doubt);
        if self.settings.soft_errors {
            self.life.edges.insert(Edges::DOUBTFUL);
        }
        Rule::PathSoft.taken()
    }

    /// R1 is reached: nobody answers. What ICMP said before says more.
    pub(super) fn doubt_the_path(&mut self) {
        self.life.doubt.get_or_insert(Doubt::Unanswered);
        self.life.edges.insert(Edges::DOUBTFUL);
    }

    /// What is wrong on the way.
    pub(crate) const fn doubt(&self) -> Option<Doubt> {
        self.life.doubt
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
        cx.emit(FactKind::Mtu { from, to });
        self.way.path.mtu = to;
        let mss = effective_mss(&self.terms, &self.way.path, &self.settings, cx.flow);
        self.way.mss = mss;
        let mss = u32::from(mss);
        self.recovery.set_mss(mss);
        self.way.congestion.on_mss_change(mss);
        let outstanding = StreamRange::new(self.send.una(), self.send.nxt());
        self.recovery.mark_lost(outstanding);
        self.life.cause = cx.cause;
        Some(Rule::PathTooBig.taken())
    }
}
