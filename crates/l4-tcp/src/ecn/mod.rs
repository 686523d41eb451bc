//! Congestion marks instead of losses.
//!
//! Job: echo the path's marks to a peer that sends ECN-capable packets, and say which of ours may be marked and when
//! to tell the peer that we slowed down. Owns: what is owed to the peer. Does not know: windows; `recovery` reduces them.
//! ```text
//!  classic:   peer ──data, CE──► ECE on every segment until the peer's CWR;  ECE ──► one reduction a window ──► CWR
//!  accurate:  every marked packet is counted, the count comes back in the same bits
//! ```
//! `setup` is what the SYNs agree on, `accurate` the counting kind.
//! Sources: RFC 3168 6.1 (all of it), RFC 8311 4.2 (what it relaxed), RFC 9768.

mod accurate;
mod setup;

use outcrop_base::Ecn as Mark;

use crate::segment::{AccurateOption, Flags};

pub(crate) use accurate::{Accurate, Heard};
pub(crate) use setup::{Setup, agreement, answering, asking};

/// The bits AE, CWR, ECE as a number (RFC 9768 3.2.2).
pub(crate) const fn ace(flags: Flags) -> u8 {
    let bits = flags.bits() >> 6;
    (bits & 0b111) as u8
}

/// The low three bits of a number as AE, CWR, ECE.
pub(crate) const fn flags(count: u32) -> Flags {
    Flags::from_bits(((count & 0b111) as u16) << 6)
}

/// Whether a connection uses ECN, and which kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum EcnPolicy {
    /// Never.
    Off,
    /// The classic kind, if the peer asks for it. As careful as Linux's default (`tcp_ecn` = 2).
    #[default]
    Accept,
    /// The classic kind, asked for by our SYN too; a SYN that has to be repeated no longer asks (RFC 3168 6.1.1.1).
    Request,
    /// The kind the peer asks for, accurate or classic (`tcp_ecn` = 5).
    AcceptAccurate,
    /// The classic kind asked for by our SYN, the kind the peer asks for in return (`tcp_ecn` = 4).
    RequestClassic,
    /// The accurate kind, asked for by our SYN and its first repeat; the classic kind or none if that is what the peer
    /// knows (`tcp_ecn` = 3).
    Accurate,
}

impl EcnPolicy {
    const fn takes_classic(self) -> bool {
        !matches!(self, Self::Off)
    }

    const fn takes_accurate(self) -> bool {
        matches!(
            self,
            Self::AcceptAccurate | Self::RequestClassic | Self::Accurate
        )
    }

    const fn asks(self) -> bool {
        matches!(self, Self::Request | Self::RequestClassic | Self::Accurate)
    }

    const fn asks_accurate(self) -> bool {
        matches!(self, Self::Accurate)
    }
}

/// What the SYNs agreed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum EcnTerms {
    /// No ECN.
    #[default]
    Off,
    /// Classic: we echo marks, but mark nothing ourselves: one of our SYNs did not ask (RFC 3168 6.1.1).
    EchoOnly,
    /// Classic, both ways.
    Both,
    /// Accurate: we count marks for the peer, but mark nothing ourselves: one of the SYNs asked for nothing, or arrived
    /// with another mark than it left with (RFC 9768 3.1.5, 3.2.2.3).
    AccurateEcho,
    /// Accurate, both ways.
    Accurate,
}

impl EcnTerms {
    /// One word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::EchoOnly => "echo-only",
            Self::Both => "both",
            Self::AccurateEcho => "accurate-echo-only",
            Self::Accurate => "accurate",
        }
    }

    /// Whether marks are counted.
    #[must_use]
    pub const fn is_accurate(self) -> bool {
        matches!(self, Self::AccurateEcho | Self::Accurate)
    }
}

/// How the connection begins, for the accurate kind.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Beginning {
    /// Whether we opened it.
    pub(crate) client: bool,
    /// How the peer's SYN, or answer, was marked.
    pub(crate) mark: Mark,
    /// The option of its answer.
    pub(crate) option: Option<AccurateOption>,
}

/// What the connection owes its peer in marks and answers to marks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Echo {
    terms: EcnTerms,
    /// A mark arrived and the peer has not said that it slowed down.
    echoing: bool,
    /// We slowed down and have not said so.
    reduced: bool,
    /// Segments that arrived marked.
    marks: u64,
    /// The counting kind, where it was agreed upon.
    accurate: Option<Box<Accurate>>,
}

impl Echo {
    pub(crate) fn new(terms: EcnTerms, b: &Beginning) -> Self {
        let accurate = || Box::new(Accurate::new(b.client, b.mark, b.option));
        Self {
            terms,
            accurate: terms.is_accurate().then(accurate),
            ..Self::default()
        }
    }

    /// The counting kind, if it is in use.
    pub(crate) fn accurate(&self) -> Option<&Accurate> {
        self.accurate.as_deref()
    }

    /// Whether ECE in what arrives means something.
    pub(crate) fn listens(&self) -> bool {
        self.terms == EcnTerms::Both
    }

    /// An acceptable packet arrived, or `packets` that the device merged, with `bytes` of payload; returns whether it
    /// is to be acknowledged at once. `unacked` if data waits to be acknowledged.
    pub(crate) fn on_packet(
        &mut self,
        mark: Mark,
        packets: u32,
        bytes: u32,
        unacked: bool,
    ) -> bool {
        let accurate = self.accurate.as_deref_mut();
        accurate.is_some_and(|accurate| accurate.on_packet(mark, packets, bytes, unacked))
    }

    /// The answer to our SYN came once more.
    pub(crate) fn on_answer_again(&mut self, header: Flags, mark: Mark) {
        if let Some(accurate) = &mut self.accurate {
            accurate.on_answer_again(header, mark);
        }
    }

    /// An acceptable segment with text arrived. RFC 3168 6.1.3: CWR ends the echo of older marks; a mark
    /// on that very segment begins the next.
    pub(crate) fn on_text(&mut self, mark: Mark, flags: Flags) {
        if !matches!(self.terms, EcnTerms::EchoOnly | EcnTerms::Both) {
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

    /// How many of our packets an acknowledgment reports as marked: a count, or one for ECE.
    pub(crate) fn on_ack(&mut self, heard: &Heard) -> u64 {
        match &mut self.accurate {
            Some(accurate) => accurate.on_ack(heard),
            None => u64::from(self.listens() && heard.flags.contains(Flags::ECE)),
        }
    }

    /// Our window was reduced, for whatever reason (RFC 3168 6.1.2).
    pub(crate) fn on_reduced(&mut self) {
        self.reduced = self.listens();
    }

    /// The flags of a segment that leaves; `fresh` if it carries data never sent before: RFC 3168 6.1.5
    /// and 6.1.6 keep CWR off retransmissions and window probes. `pure` if it is an acknowledgment without SACK.
    pub(crate) fn flags(&self, fresh: bool, pure: bool) -> Flags {
        match self.accurate() {
            Some(accurate) => accurate.flags(pure),
            None => Flags::NONE
                .with_if(Flags::ECE, self.echoing)
                .with_if(Flags::CWR, self.reduced && fresh),
        }
    }

    /// How such a segment is marked: ECT(0) on new data alone (RFC 3168 6.1.4 to 6.1.6).
    pub(crate) fn mark(&self, fresh: bool) -> Mark {
        let agreed = match self.terms {
            EcnTerms::Off | EcnTerms::EchoOnly | EcnTerms::AccurateEcho => false,
            EcnTerms::Both => true,
            EcnTerms::Accurate => self.accurate().is_some_and(Accurate::marks),
        };
        if fresh && agreed {
            Mark::Ect0
        } else {
            Mark::NotEct
        }
    }

    /// Whether the next new data must be one segment: a device that cuts keeps CWR on the first piece alone.
    pub(crate) fn wants_single(&self) -> bool {
        let bit = |accurate: &Accurate| accurate.flags(false).contains(Flags::CWR);
        self.reduced || self.accurate().is_some_and(bit)
    }

    /// The option of a segment that leaves, in at most `room` octets; `data` if it carries any.
    pub(crate) fn option(&self, room: usize, data: bool) -> Option<AccurateOption> {
        self.accurate()?.option(room, data)
    }

    /// A segment left: with new data if `fresh`, with data at all if `data`, with our option if `option`.
    pub(crate) fn on_sent(&mut self, fresh: bool, data: bool, option: bool) {
        if fresh {
            self.reduced = false;
        }
        if let Some(accurate) = &mut self.accurate {
            accurate.on_sent(option, data);
        }
    }

    /// Segments that arrived marked.
    pub(crate) fn marks(&self) -> u64 {
        self.accurate().map_or(self.marks, Accurate::arrived_marked)
    }
}
