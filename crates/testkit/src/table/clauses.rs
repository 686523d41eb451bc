//! What RFC 9293 3.10.7 wants, clause by clause.
//!
//! Job: the specification of the table, in the RFC's order: the first clause of a state that fits decides.
//! Owns: the clauses. Written from the text; never from what an engine did.
//! Sources: RFC 9293 3.10.7; RFC 5961 3 to 5 (challenges); RFC 1337 3 (F1); RFC 1122 4.2.2.13 (TIME-WAIT).

use outcrop_tcp::{Flags, Rule, State};

use super::{Ack, Cell, Outcome, Reply, Seq};
use State::{
    CloseWait, Closed, Closing, Established, FinWait1, FinWait2, LastAck, Listen, SynReceived,
    SynSent, TimeWait,
};

/// Where a clause leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The state stays.
    Same,
    /// This state.
    To(State),
}

/// One sentence of the specification.
#[derive(Clone, Copy, Debug)]
pub struct Clause {
    /// In which states it holds.
    pub states: &'static [State],
    /// Bits that must be set.
    pub with: Flags,
    /// Bits that must not be set.
    pub without: Flags,
    /// Where the segment begins; empty means anywhere.
    pub seq: &'static [Seq],
    /// What it acknowledges; empty means anything.
    pub ack: &'static [Ack],
    /// Whether it carries data; `None` means either.
    pub data: Option<bool>,
    /// What leaves.
    pub reply: Reply,
    /// Where it leads.
    pub next: Next,
    /// The rule's name.
    pub rule: Rule,
}

/// What a cell must come to, and which clause says so.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    /// The outcome.
    pub outcome: Outcome,
    /// The clause's place in [`CLAUSES`].
    pub clause: usize,
}

/// The outcome the RFC wants of a cell.
///
/// # Panics
/// If no clause fits: the specification has a hole.
#[must_use]
pub fn expected(cell: &Cell) -> Expected {
    let (clause, found) = CLAUSES
        .iter()
        .enumerate()
        .find(|(_, clause)| clause.fits(cell))
        .unwrap_or_else(|| unreachable!("no clause for {cell}"));
    let next = match found.next {
        Next::Same => cell.state,
        Next::To(state) => state,
    };
    let (reply, rule) = (found.reply, found.rule);
    Expected {
        outcome: Outcome { reply, next, rule },
        clause,
    }
}

impl Clause {
    fn fits(&self, cell: &Cell) -> bool {
        self.states.contains(&cell.state)
            && cell.flags.contains(self.with)
            && !cell.flags.intersects(self.without)
            && (self.seq.is_empty() || self.seq.contains(&cell.seq))
            && (self.ack.is_empty() || self.ack.contains(&cell.ack))
            && self.data.is_none_or(|data| data == cell.data)
    }

    const fn with(mut self, with: Flags) -> Self {
        self.with = with;
        self
    }
    const fn without(mut self, without: Flags) -> Self {
        self.without = without;
        self
    }
    const fn seq(mut self, seq: &'static [Seq]) -> Self {
        self.seq = seq;
        self
    }
    const fn ack(mut self, ack: &'static [Ack]) -> Self {
        self.ack = ack;
        self
    }
    const fn data(mut self, data: bool) -> Self {
        self.data = Some(data);
        self
    }
    const fn to(mut self, state: State) -> Self {
        self.next = Next::To(state);
        self
    }
}

const fn on(states: &'static [State], reply: Reply, rule: Rule) -> Clause {
    Clause {
        states,
        with: Flags::NONE,
        without: Flags::NONE,
        seq: &[],
        ack: &[],
        data: None,
        reply,
        next: Next::Same,
        rule,
    }
}

const RST: Flags = Flags::RST;
const SYN: Flags = Flags::SYN;
const ACK: Flags = Flags::ACK;
const FIN: Flags = Flags::FIN;
/// Unacceptable by the four cases of RFC 9293 3.4 for a segment as short as these.
const OUTSIDE: &[Seq] = &[Seq::Left, Seq::Beyond];
const IN_ORDER: &[Seq] = &[Seq::At];
const WRONG: &[Ack] = &[Ack::Old, Ack::Future];
const GOOD: &[Ack] = &[Ack::Acceptable];
const FUTURE: &[Ack] = &[Ack::Future];
/// The synchronised states that are a `Connection`.
const OPEN: &[State] = &[Established, FinWait1, FinWait2, CloseWait, Closing, LastAck];
/// Those that check a sequence number, TIME-WAIT apart.
const NUMBERED: &[State] = &[
    SynReceived,
    Established,
    FinWait1,
    FinWait2,
    CloseWait,
    Closing,
    LastAck,
];
/// Those whose peer has finished.
const FINISHED: &[State] = &[CloseWait, Closing, LastAck];

/// The specification. The first clause that fits decides.
pub const CLAUSES: &[Clause] = &[
    // 3.10.7.1: CLOSED. An incoming segment containing a RST is discarded; any other is answered by one.
    on(&[Closed], Reply::Nothing, Rule::ClosedIgnoresReset).with(RST),
    on(&[Closed], Reply::Reset, Rule::ClosedResets).with(ACK),
    on(&[Closed], Reply::ResetAck, Rule::ClosedResets),
    // 3.10.7.2: LISTEN. First RST, second ACK, third SYN, fourth anything else.
    on(&[Listen], Reply::Nothing, Rule::ListenIgnoresReset).with(RST),
    on(&[Listen], Reply::Reset, Rule::ListenResetsAck).with(ACK),
    // Deviation: a SYN with FIN is dropped. 3.10.7.2 would queue the FIN; only scanners send one.
    on(&[Listen], Reply::Nothing, Rule::ListenDropsOther)
        .with(SYN)
        .with_fin(),
    on(&[Listen], Reply::SynAck, Rule::ListenTakesSyn)
        .with(SYN)
        .to(SynReceived),
    on(&[Listen], Reply::Nothing, Rule::ListenDropsOther),
    // 3.10.7.3: SYN-SENT. First the ACK bit ...
    on(&[SynSent], Reply::Nothing, Rule::SynSentBlindReset)
        .with(RST)
        .ack(WRONG),
    on(&[SynSent], Reply::Reset, Rule::SynSentBadAck).ack(WRONG),
    // ... second RST: with an acceptable ACK it refuses, else it is dropped ...
    on(&[SynSent], Reply::Nothing, Rule::SynSentRefused)
        .with(RST)
        .ack(GOOD)
        .to(Closed),
    on(&[SynSent], Reply::Nothing, Rule::SynSentBlindReset).with(RST),
    // ... fourth SYN: with ACK it establishes (and what else it carries goes on at the sixth step) ...
    on(&[SynSent], Reply::Ack, Rule::FinTaken)
        .with(SYN)
        .with_fin()
        .ack(GOOD)
        .to(CloseWait),
    on(&[SynSent], Reply::Ack, Rule::TextTaken)
        .with(SYN)
        .ack(GOOD)
        .data(true)
        .to(Established),
    on(&[SynSent], Reply::Ack, Rule::SynSentEstablishes)
        .with(SYN)
        .ack(GOOD)
        .to(Established),
    // ... without, both are opening at once.
    on(&[SynSent], Reply::SynAck, Rule::SynSentSimultaneous)
        .with(SYN)
        .to(SynReceived),
    on(&[SynSent], Reply::Nothing, Rule::SynSentDropsOther),
    // 3.10.7.4, first: the sequence number. RST is dropped, anything else acknowledged.
    on(NUMBERED, Reply::Nothing, Rule::ResetOutOfWindow)
        .with(RST)
        .seq(OUTSIDE),
    on(NUMBERED, Reply::Ack, Rule::OutOfWindow).seq(OUTSIDE),
    // Second: RST. Exactly at RCV.NXT it counts; elsewhere it is challenged (RFC 5961 3).
    on(
        &[SynReceived],
        Reply::Nothing,
        Rule::SynReceivedResetToListen,
    )
    .with(RST)
    .seq(IN_ORDER)
    .to(Listen),
    on(OPEN, Reply::Nothing, Rule::ResetExact)
        .with(RST)
        .seq(IN_ORDER)
        .to(Closed),
    on(NUMBERED, Reply::Ack, Rule::ResetInexact).with(RST),
    // Fourth: SYN. A passive open returns to LISTEN; a synchronised connection challenges (RFC 5961 4).
    on(&[SynReceived], Reply::Nothing, Rule::SynReceivedSynToListen)
        .with(SYN)
        .to(Listen),
    on(OPEN, Reply::Ack, Rule::SynChallenged).with(SYN),
    // Fifth: ACK.
    on(NUMBERED, Reply::Nothing, Rule::AckMissing).without(ACK),
    on(&[SynReceived], Reply::Reset, Rule::SynReceivedBadAck).ack(WRONG),
    on(OPEN, Reply::Ack, Rule::AckOfUnsent).ack(FUTURE),
    on(&[LastAck], Reply::Nothing, Rule::LastAckDone)
        .ack(GOOD)
        .to(Closed),
    // Eighth: FIN, in order. (Before the seventh here, because a FIN's rule outranks its text's.)
    on(&[SynReceived, Established], Reply::Ack, Rule::FinTaken)
        .with(FIN)
        .seq(IN_ORDER)
        .to(CloseWait),
    on(&[FinWait1], Reply::Ack, Rule::FinTaken)
        .with(FIN)
        .seq(IN_ORDER)
        .ack(GOOD)
        .to(TimeWait),
    on(&[FinWait1], Reply::Ack, Rule::FinTaken)
        .with(FIN)
        .seq(IN_ORDER)
        .to(Closing),
    on(&[FinWait2], Reply::Ack, Rule::FinTaken)
        .with(FIN)
        .seq(IN_ORDER)
        .to(TimeWait),
    // Seventh: text after the peer's FIN is ignored; our FIN's acknowledgment was taken all the same.
    on(&[Closing], Reply::Nothing, Rule::TextAfterFin)
        .ack(GOOD)
        .data(true)
        .to(TimeWait),
    on(FINISHED, Reply::Nothing, Rule::TextAfterFin).data(true),
    on(&[Closing], Reply::Nothing, Rule::AckTaken)
        .ack(GOOD)
        .to(TimeWait),
    on(FINISHED, Reply::Nothing, Rule::AckTaken),
    // Seventh: text, in order or kept; acknowledged.
    on(&[SynReceived], Reply::Ack, Rule::TextTaken)
        .data(true)
        .to(Established),
    on(&[FinWait1], Reply::Ack, Rule::TextTaken)
        .ack(GOOD)
        .data(true)
        .to(FinWait2),
    on(OPEN, Reply::Ack, Rule::TextTaken).data(true),
    // A FIN after a gap is text that is kept: acknowledged, and nothing more yet.
    on(&[SynReceived], Reply::Ack, Rule::AckTaken)
        .with(FIN)
        .to(Established),
    on(&[FinWait1], Reply::Ack, Rule::AckTaken)
        .with(FIN)
        .ack(GOOD)
        .to(FinWait2),
    on(OPEN, Reply::Ack, Rule::AckTaken).with(FIN),
    // Nothing but an acknowledgment.
    on(&[SynReceived], Reply::Nothing, Rule::SynReceivedEstablishes).to(Established),
    on(&[FinWait1], Reply::Nothing, Rule::AckTaken)
        .ack(GOOD)
        .to(FinWait2),
    on(OPEN, Reply::Nothing, Rule::AckTaken),
    // TIME-WAIT. A reset is ignored (RFC 1337 F1).
    on(&[TimeWait], Reply::Nothing, Rule::TimeWaitIgnoresReset).with(RST),
    // A SYN above everything received may reopen (MAY-2); any other is acknowledged (RFC 5961 4). One that
    // the listener would not take is no fresh SYN.
    on(&[TimeWait], Reply::Ack, Rule::TimeWaitSyn)
        .with(SYN)
        .with_fin(),
    on(&[TimeWait], Reply::SynAck, Rule::TimeWaitReuse)
        .with(SYN)
        .without(ACK)
        .seq(&[Seq::Inside, Seq::Edge, Seq::Beyond])
        .to(SynReceived),
    on(&[TimeWait], Reply::Ack, Rule::TimeWaitSyn).with(SYN),
    on(&[TimeWait], Reply::Ack, Rule::TimeWaitUnacceptable).seq(OUTSIDE),
    // Without ACK it is dropped; with text or a FIN it is acknowledged, as if it were the FIN again; else
    // there is nothing to say.
    on(&[TimeWait], Reply::Nothing, Rule::TimeWaitDrops).without(ACK),
    on(&[TimeWait], Reply::Ack, Rule::TimeWaitUnacceptable).data(true),
    on(&[TimeWait], Reply::Ack, Rule::TimeWaitUnacceptable).with(FIN),
    on(&[TimeWait], Reply::Nothing, Rule::TimeWaitDrops),
];

impl Clause {
    const fn with_fin(mut self) -> Self {
        self.with = Flags::from_bits(self.with.bits() | FIN.bits());
        self
    }
}
