//! SEGMENT ARRIVES as a table: eleven states by every kind of segment.
//!
//! Job: say what RFC 9293 3.10.7 wants of each cell, put each cell to a real engine, print the page of the book.
//! Owns: the kinds of segments. `clauses` is the specification, written from the RFC; `lab` the trial.
//!
//! ```
//! use outcrop_testkit::table::{cells, expected, observed};
//! let cell = cells().next().unwrap();
//! assert_eq!(expected(&cell).outcome, observed(&cell).outcome);
//! ```

mod clauses;
mod lab;
mod page;

use core::fmt;

use outcrop_tcp::{Flags, Rule, State};

pub use clauses::{CLAUSES, Clause, Expected, Next, expected};
pub use lab::{Observed, observed};
pub use page::page;

/// Where a segment begins, by the receive window. With data it is ten bytes long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Seq {
    /// All of it lies before RCV.NXT.
    Left,
    /// At RCV.NXT.
    At,
    /// Inside the window, after a gap.
    Inside,
    /// At the last number of the window.
    Edge,
    /// At RCV.NXT + RCV.WND.
    Beyond,
}

/// What the acknowledgment field says; [`Ack::Absent`] without the ACK bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ack {
    /// The ACK bit is off.
    Absent,
    /// SND.UNA - 1: in SYN-SENT and SYN-RECEIVED it acknowledges nothing we sent, later it is a duplicate.
    Old,
    /// SND.NXT: everything we sent, our FIN included.
    Acceptable,
    /// Something we never sent.
    Future,
}

/// What leaves because of the segment, in the RFC's notation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reply {
    /// Nothing.
    Nothing,
    /// `<SEQ=SEG.ACK><CTL=RST>`
    Reset,
    /// `<SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK>`
    ResetAck,
    /// `<SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>`
    Ack,
    /// `<SEQ=ISS><ACK=RCV.NXT><CTL=SYN,ACK>`
    SynAck,
    /// Anything else: never expected.
    Other,
}

impl Reply {
    /// The reply, as the page prints it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "-",
            Self::Reset => "RST",
            Self::ResetAck => "RST,ACK",
            Self::Ack => "ACK",
            Self::SynAck => "SYN,ACK",
            Self::Other => "?",
        }
    }
}

/// One cell of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cell {
    /// The state it arrives in.
    pub state: State,
    /// Its control bits.
    pub flags: Flags,
    /// Where it begins.
    pub seq: Seq,
    /// What it acknowledges.
    pub ack: Ack,
    /// Whether it carries data.
    pub data: bool,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let data = if self.data { " with data" } else { "" };
        let (seq, ack) = (self.seq, self.ack);
        write!(f, "{}: {} {seq:?} {ack:?}{data}", self.state, self.flags)
    }
}

/// What became of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Outcome {
    /// What left.
    pub reply: Reply,
    /// The state afterwards.
    pub next: State,
    /// Which rule decided.
    pub rule: Rule,
}

const fn bits(of: &[Flags]) -> Flags {
    let mut all = 0;
    let mut at = 0;
    while at < of.len() {
        #[expect(clippy::indexing_slicing, reason = "at compile time, inside the bound")]
        let flag = of[at];
        all |= flag.bits();
        at += 1;
    }
    Flags::from_bits(all)
}

/// The combinations of control bits: what hosts send, and what only scanners send.
pub const FLAGS: &[Flags] = {
    use Flags as F;
    &[
        F::NONE,
        F::FIN,
        bits(&[F::FIN, F::PSH, F::URG]),
        F::SYN,
        bits(&[F::SYN, F::ECE, F::CWR]),
        bits(&[F::SYN, F::ECE, F::CWR, F::AE]),
        bits(&[F::SYN, F::FIN]),
        F::RST,
        bits(&[F::SYN, F::RST]),
        bits(&[F::FIN, F::RST]),
        F::ACK,
        bits(&[F::PSH, F::ACK]),
        bits(&[F::URG, F::ACK]),
        bits(&[F::FIN, F::ACK]),
        bits(&[F::SYN, F::ACK]),
        bits(&[F::SYN, F::FIN, F::ACK]),
        bits(&[F::RST, F::ACK]),
        bits(&[F::SYN, F::RST, F::ACK]),
        bits(&[F::FIN, F::SYN, F::RST, F::PSH, F::ACK, F::URG]),
    ]
};

/// The places a segment may begin at.
pub const SEQS: [Seq; 5] = [Seq::Left, Seq::At, Seq::Inside, Seq::Edge, Seq::Beyond];

/// What may be acknowledged, for these control bits.
#[must_use]
pub const fn acks(flags: Flags) -> &'static [Ack] {
    if flags.ack() {
        &[Ack::Old, Ack::Acceptable, Ack::Future]
    } else {
        &[Ack::Absent]
    }
}

/// Every cell.
pub fn cells() -> impl Iterator<Item = Cell> {
    State::ALL.iter().flat_map(|state| {
        FLAGS.iter().flat_map(move |flags| {
            acks(*flags).iter().flat_map(move |ack| {
                [false, true].into_iter().flat_map(move |data| {
                    SEQS.into_iter().map(move |seq| Cell {
                        state: *state,
                        flags: *flags,
                        seq,
                        ack: *ack,
                        data,
                    })
                })
            })
        })
    })
}
