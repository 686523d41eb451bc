//! What two SYNs agree on about congestion marks.
//!
//! Job: read and write the three bits AE, CWR and ECE of SYNs and their answers, for both kinds of ECN and none.
//! Owns: nothing. Does not know: who repeats what, and when.
//! ```text
//!            SYN  AE CWR ECE      answer  AE CWR ECE
//!  none            0  0   0                0  0   0     (or a mirror: 1 1 1)
//!  classic         0  1   1                0  0   1
//!  accurate        1  1   1                how the SYN was marked: 010, 011, 100, 110
//! ```
//! Sources: RFC 3168 6.1.1; RFC 9768 3.1.2 (table 2), 3.1.3 (what nobody sends yet counts as accurate), 3.2.2.1.

use core::fmt;

use outcrop_base::Ecn as Mark;

use super::{EcnPolicy, EcnTerms, ace};
use crate::segment::{Flags, SegmentHeader};

/// What a SYN, or the answer to one, says about marks, in one octet: an embryo keeps it.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Setup(u8);

impl Setup {
    /// The three bits AE, CWR, ECE.
    const ACE: u8 = 0b0000_0111;
    /// It is the answer.
    const ANSWER: u8 = 0b0000_1000;
    /// A SYN that asked for nothing came as well: we mark nothing (RFC 9768 3.1.5).
    const BARE: u8 = 0b0001_0000;
    /// How the packet itself was marked.
    const MARK: u32 = 6;

    /// What this header says, whose packet was marked like this.
    pub(crate) const fn of(header: &SegmentHeader, mark: Mark) -> Self {
        let answer = if header.flags.ack() { Self::ANSWER } else { 0 };
        Self(ace(header.flags) | answer | mark.bits() << Self::MARK)
    }

    const fn ace(self) -> u8 {
        self.0 & Self::ACE
    }

    const fn is_answer(self) -> bool {
        self.0 & Self::ANSWER != 0
    }

    const fn is_bare(self) -> bool {
        self.0 & Self::BARE != 0
    }

    /// How the packet itself was marked.
    pub(crate) const fn mark(self) -> Mark {
        Mark::from_traffic_class(self.0 >> Self::MARK)
    }

    /// By the rules of RFC 3168: it asks, or agrees. A SYN asks by ECE and CWR together; the answer has ECE alone, so
    /// that a peer that mirrors the bits is not mistaken for one that understands them. A SYN with AE as well asks for
    /// accurate ECN and takes the classic kind (RFC 9768 3.1.2), so that bit changes nothing here.
    const fn is_classic(self) -> bool {
        let (cwr, ece) = (self.0 & 0b010 != 0, self.0 & 0b001 != 0);
        ece && (cwr != self.is_answer())
    }

    /// By the rules of RFC 9768: it asks, or agrees.
    const fn is_accurate(self) -> bool {
        if self.is_answer() {
            !matches!(self.ace(), 0b000 | 0b001 | 0b111)
        } else {
            !matches!(self.ace(), 0b000 | 0b011)
        }
    }

    /// The same SYN again; returns whether the two contradict each other (RFC 9768 3.1.5: a reset).
    pub(crate) const fn again(&mut self, policy: EcnPolicy, second: Self) -> bool {
        if policy.takes_accurate() && (self.is_accurate() || second.is_accurate()) {
            if self.ace() == 0b011 || second.ace() == 0b011 {
                return true;
            }
            let bare = if second.ace() == 0 { Self::BARE } else { 0 };
            self.0 = self.0 & 0b0011_1111 | second.mark().bits() << Self::MARK | bare;
            return false;
        }
        // A repeat that no longer asks takes it back (RFC 3168 6.1.1).
        if !second.is_classic() {
            self.0 &= !Self::ACE;
        }
        false
    }

    /// What we, who answer this SYN, agree to. `given_up` if one of our answers said that we do not.
    pub(crate) const fn terms_of_server(self, policy: EcnPolicy, given_up: bool) -> EcnTerms {
        if self.is_accurate() && policy.takes_accurate() {
            return if self.is_bare() || given_up {
                EcnTerms::AccurateEcho
            } else {
                EcnTerms::Accurate
            };
        }
        if self.is_classic() && policy.takes_classic() {
            EcnTerms::Both
        } else {
            EcnTerms::Off
        }
    }

    /// What this answer makes of what we asked for. `bare` if one of our SYNs did not ask.
    pub(crate) const fn terms_of_client(self, policy: EcnPolicy, bare: bool) -> EcnTerms {
        if policy.asks_accurate() && self.is_accurate() {
            // 010: our SYN, which had no mark, arrived so; 101 is kept for later and read alike. Anything else
            // has been tampered with, and so would our marks be (RFC 9768 3.2.2.3).
            return if matches!(self.ace(), 0b010 | 0b101) {
                EcnTerms::Accurate
            } else {
                EcnTerms::AccurateEcho
            };
        }
        match (self.is_classic() && policy.asks(), bare) {
            (true, false) => EcnTerms::Both,
            (true, true) => EcnTerms::EchoOnly,
            (false, _) => EcnTerms::Off,
        }
    }
}

/// What our SYN, or our answer to one, and theirs agree on. `repeats` of ours have left.
pub(crate) fn agreement(policy: EcnPolicy, opened: bool, theirs: Setup, repeats: u8) -> EcnTerms {
    // From the second repeat on, neither SYN nor answer says anything (RFC 9768 3.1.4.1, 3.2.3.2.2).
    let accurate_given_up = repeats >= 2;
    if !opened {
        return theirs.terms_of_server(policy, accurate_given_up);
    }
    if !policy.asks() {
        return EcnTerms::Off;
    }
    let bare = if policy.asks_accurate() {
        accurate_given_up
    } else {
        repeats > 0
    };
    if theirs.is_answer() {
        return theirs.terms_of_client(policy, bare);
    }
    // Crossed SYNs: both ends answer (3.1.2).
    match theirs.terms_of_server(policy, accurate_given_up) {
        EcnTerms::Both if bare => EcnTerms::EchoOnly,
        terms => terms,
    }
}

/// The bits of our answer to a SYN, under these terms.
pub(crate) const fn answering(terms: EcnTerms, theirs: Setup, repeats: u8) -> Flags {
    match terms {
        EcnTerms::Both => Flags::ECE,
        EcnTerms::AccurateEcho | EcnTerms::Accurate if repeats < 2 => reflection(theirs.mark()),
        EcnTerms::Off | EcnTerms::EchoOnly | EcnTerms::AccurateEcho | EcnTerms::Accurate => {
            Flags::NONE
        }
    }
}

/// The bits of our SYN after `repeats`: classic ECN is asked for once (RFC 3168 6.1.1.1), accurate ECN twice (RFC 9768
/// 3.1.4.1), should it be the bits that somebody does not like.
pub(crate) const fn asking(policy: EcnPolicy, repeats: u8) -> Flags {
    let classic = Flags::NONE
        .with_if(Flags::ECE, policy.asks())
        .with_if(Flags::CWR, policy.asks());
    match (policy.asks_accurate(), repeats) {
        (true, 0 | 1) => classic.with_if(Flags::AE, true),
        (false, 0) => classic,
        (true, _) | (false, _) => Flags::NONE,
    }
}

/// How a packet's own mark is told in three bits, on the answer to a SYN and on the acknowledgment of that answer
/// (RFC 9768 tables 2 and 3).
pub(crate) const fn reflection(mark: Mark) -> Flags {
    let bits = match mark {
        Mark::NotEct => 0b010,
        Mark::Ect1 => 0b011,
        Mark::Ect0 => 0b100,
        Mark::Ce => 0b110,
    };
    super::flags(bits)
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_answer() { "answer" } else { "syn" };
        write!(f, "{kind} {:03b} {:?}", self.ace(), self.mark())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(flags: Flags) -> Setup {
        let header = SegmentHeader {
            flags,
            ..SegmentHeader::default()
        };
        Setup::of(&header, Mark::NotEct)
    }

    // RFC 3168 6.1.1, every combination of the two bits on SYN and SYN-ACK, with and without AE.
    #[test]
    fn every_flag_combination_of_a_syn_only_the_set_up_ones_agree() {
        for ae in [Flags::NONE, Flags::AE] {
            let syn = Flags::SYN | ae;
            assert!(!of(syn).is_classic());
            assert!(!of(syn | Flags::ECE).is_classic());
            assert!(!of(syn | Flags::CWR).is_classic());
            assert!(of(syn | Flags::ECE | Flags::CWR).is_classic());
            let answer = syn | Flags::ACK;
            assert!(!of(answer).is_classic());
            assert!(of(answer | Flags::ECE).is_classic());
            assert!(!of(answer | Flags::CWR).is_classic());
            assert!(
                !of(answer | Flags::ECE | Flags::CWR).is_classic(),
                "a mirror"
            );
        }
    }

    // RFC 9768 table 2 and 3.1.3, for every SYN a server can see and every policy.
    #[test]
    fn server_agrees_to_the_best_that_both_know() {
        use EcnPolicy as P;
        use EcnTerms as T;
        for bits in 0..8 {
            let setup = of(Flags::SYN | super::super::flags(bits));
            for policy in [P::Accurate, P::AcceptAccurate] {
                let expected = match bits {
                    0b000 => T::Off,
                    0b011 => T::Both,
                    _ => T::Accurate,
                };
                assert_eq!(setup.terms_of_server(policy, false), expected, "{bits:03b}");
            }
            for policy in [P::Accept, P::Request] {
                let expected = if bits & 0b011 == 0b011 {
                    T::Both
                } else {
                    T::Off
                };
                assert_eq!(setup.terms_of_server(policy, false), expected, "{bits:03b}");
            }
            assert_eq!(setup.terms_of_server(P::Off, false), T::Off);
        }
    }

    // RFC 9768 table 2, for every answer a client can see.
    #[test]
    fn client_believes_the_answer_unless_it_mirrors() {
        use EcnTerms as T;
        let expected = [
            T::Off,
            T::Both,
            T::Accurate,
            T::AccurateEcho,
            T::AccurateEcho,
            T::Accurate,
            T::AccurateEcho,
            T::Off,
        ];
        for (bits, expected) in (0..8).zip(expected) {
            let answer = of(Flags::SYN | Flags::ACK | super::super::flags(bits));
            let terms = answer.terms_of_client(EcnPolicy::Accurate, false);
            assert_eq!(terms, expected, "{bits:03b}");
            let unasked = answer.terms_of_client(EcnPolicy::AcceptAccurate, false);
            assert_eq!(unasked, T::Off, "{bits:03b}");
        }
    }

    #[test]
    fn accurate_is_asked_for_twice_classic_once() {
        let all = Flags::AE | Flags::CWR | Flags::ECE;
        let classic = Flags::CWR | Flags::ECE;
        let asked = |policy| [0, 1, 2].map(|repeats| asking(policy, repeats));
        assert_eq!(asked(EcnPolicy::Accurate), [all, all, Flags::NONE]);
        assert_eq!(
            asked(EcnPolicy::Request),
            [classic, Flags::NONE, Flags::NONE]
        );
        assert_eq!(asked(EcnPolicy::AcceptAccurate), [Flags::NONE; 3]);
    }

    // RFC 9768 3.1.5.
    #[test]
    fn second_syn_of_the_other_kind_contradicts_a_bare_one_forbids_marks() {
        let (accurate, classic, bare) = (
            of(Flags::SYN | super::super::flags(0b111)),
            of(Flags::SYN | super::super::flags(0b011)),
            of(Flags::SYN),
        );
        let policy = EcnPolicy::Accurate;
        assert!({ accurate }.again(policy, classic));
        assert!({ classic }.again(policy, accurate));
        let mut first = accurate;
        assert!(!first.again(policy, bare));
        assert_eq!(first.terms_of_server(policy, false), EcnTerms::AccurateEcho);
        let mut first = bare;
        assert!(!first.again(EcnPolicy::Request, classic));
        assert_eq!(
            first.terms_of_server(EcnPolicy::Request, false),
            EcnTerms::Off
        );
    }
}
