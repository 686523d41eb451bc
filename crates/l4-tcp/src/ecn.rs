//! Congestion marks instead of losses.
//!
//! Job: echo the path's marks to a peer that sends ECN-capable packets, and say which of ours may be marked and when
//! to tell the peer that we slowed down. Owns: what is owed to the peer. Does not know: windows; `recovery` reduces them.
//! ```text
//!  peer ──data, CE──► ECE on every segment until the peer's CWR
//!  ECE ──► one reduction a window ──► CWR on the next new data
//! ```
//! Sources: RFC 3168 6.1 (all of it), RFC 8311 4.2 (what it relaxed).

use outcrop_base::Ecn as Mark;

use crate::segment::Flags;

/// Whether a connection uses ECN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum EcnPolicy {
    /// Never.
    Off,
    /// If the peer asks for it. As careful as Linux's default.
    #[default]
    Accept,
    /// Asked for by our SYN too; a SYN that has to be repeated no longer asks (RFC 3168 6.1.1.1).
    Request,
}

/// What the SYNs agreed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum EcnTerms {
    /// No ECN.
    #[default]
    Off,
    /// We echo marks, but mark nothing ourselves: one of our SYNs did not ask (RFC 3168 6.1.1).
    EchoOnly,
    /// Both ways.
    Both,
}

impl EcnTerms {
    /// One word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::EchoOnly => "echo-only",
            Self::Both => "both",
        }
    }
}

/// Whether a SYN or SYN-ACK with these flags agrees to ECN (RFC 3168 6.1.1).
///
/// A SYN asks by ECE and CWR together; the answer has ECE alone, so that a peer that mirrors the bits
/// is not mistaken for one that understands them. AE belongs to RFC 9768: a SYN with all three asks for
/// accurate ECN and takes the classic kind (its 3.1.2), so the bit changes nothing here.
#[must_use]
pub(crate) const fn agrees(flags: Flags) -> bool {
    let (ece, cwr) = (flags.contains(Flags::ECE), flags.contains(Flags::CWR));
    ece && (cwr != flags.ack())
}

/// What the connection owes its peer in marks and answers to marks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Echo {
    terms: EcnTerms,
    /// A mark arrived and the peer has not said that it slowed down.
    echoing: bool,
    /// We slowed down and have not said so.
    reduced: bool,
    /// Segments that arrived marked.
    marks: u32,
}

impl Echo {
    pub(crate) const fn new(terms: EcnTerms) -> Self {
        Self {
            terms,
            echoing: false,
            reduced: false,
            marks: 0,
        }
    }

    /// Whether ECE in what arrives means something.
    pub(crate) fn listens(&self) -> bool {
        self.terms == EcnTerms::Both
    }

    /// An acceptable segment with text arrived. RFC 3168 6.1.3: CWR ends the echo of older marks; a mark
    /// on that very segment begins the next.
    pub(crate) fn on_text(&mut self, mark: Mark, flags: Flags) {
        if self.terms == EcnTerms::Off {
            return;
        }
        if flags.contains(Flags::CWR) {
            self.echoing = false;
        }
        if mark == Mark::Ce {
            self.echoing = true;
            self.marks += 1;
        }
    }

    /// Our window was reduced, for whatever reason (RFC 3168 6.1.2).
    pub(crate) fn on_reduced(&mut self) {
        self.reduced = self.listens();
    }

    /// The flags of a segment that leaves; `fresh` if it carries data never sent before: RFC 3168 6.1.5
    /// and 6.1.6 keep CWR off retransmissions and window probes.
    pub(crate) const fn flags(&self, fresh: bool) -> Flags {
        Flags::NONE
            .with_if(Flags::ECE, self.echoing)
            .with_if(Flags::CWR, self.reduced && fresh)
    }

    /// How such a segment is marked: ECT(0) on new data alone (RFC 3168 6.1.4 to 6.1.6).
    pub(crate) fn mark(&self, fresh: bool) -> Mark {
        if fresh && self.listens() {
            Mark::Ect0
        } else {
            Mark::NotEct
        }
    }

    /// Whether the next new data must be one segment: cut by a device, CWR could be on each.
    pub(crate) const fn owes_reduced(&self) -> bool {
        self.reduced
    }

    /// New data left, and CWR with it.
    pub(crate) const fn on_fresh_sent(&mut self) {
        self.reduced = false;
    }

    /// Segments that arrived marked.
    pub(crate) const fn marks(&self) -> u32 {
        self.marks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 3168 6.1.1, every combination of the two bits on SYN and SYN-ACK, with and without AE.
    #[test]
    fn every_flag_combination_of_a_syn_only_the_set_up_ones_agree() {
        for ae in [Flags::NONE, Flags::AE] {
            let syn = Flags::SYN | ae;
            assert!(!agrees(syn));
            assert!(!agrees(syn | Flags::ECE));
            assert!(!agrees(syn | Flags::CWR));
            assert!(agrees(syn | Flags::ECE | Flags::CWR));
            let answer = syn | Flags::ACK;
            assert!(!agrees(answer));
            assert!(agrees(answer | Flags::ECE));
            assert!(!agrees(answer | Flags::CWR));
            assert!(!agrees(answer | Flags::ECE | Flags::CWR), "a mirror");
        }
    }
}
