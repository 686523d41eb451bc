//! What the program is told.
//!
//! Job: name the edges a program waits for, and how a connection ended.
//! Owns: the two lists. Does not know: who waits. A fact that is still true is not told twice.
//! Sources: RFC 9293 3.9.1.8 (asynchronous reports), 3.8.3 (connection failures).

use crate::table::ListenerId;
use crate::transmit::ConnId;

/// Something a program may be waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// A connection is waiting to be accepted.
    Acceptable(ListenerId),
    /// An active open has completed.
    Connected(ConnId),
    /// There are bytes to read, or the peer has finished.
    Readable(ConnId),
    /// The peer has urgent data, or more of it than it said before (RFC 9293 3.8.5 MUST-32):
    /// [`Endpoint::urgent_left`](crate::Endpoint::urgent_left) says how far it reaches.
    Urgent(ConnId),
    /// A write that found no room would find some now.
    Writable(ConnId),
    /// Something is wrong on the way, and the connection lives on (RFC 9293 3.9.1.8 MUST-47):
    /// [`Endpoint::doubt`](crate::Endpoint::doubt) says what. After `Settings::r1` unanswered retransmissions (SHLD-9)
    /// the path deserves doubt (MUST-20 b).
    Doubtful(ConnId),
    /// The connection has ended, in this way.
    Closed(ConnId, CloseReason),
}

outcrop_base::vocabulary! {
    /// How a connection ended.
    pub enum CloseReason {
        /// Both sides finished and everything was acknowledged.
        Finished = "finished",
        /// The peer reset it.
        Reset = "reset",
        /// The peer refused to open it.
        Refused = "refused",
        /// The peer did not answer in time (R2, user timeout or keep-alive).
        TimedOut = "timed-out",
        /// The path says that the peer cannot be reached.
        Unreachable = "unreachable",
        /// Our program aborted it.
        Aborted = "aborted",
    }
}

impl CloseReason {
    /// How a connection ended whose peer did not answer in time: ICMP may have said why (RFC 9293 3.9.2.2).
    pub(crate) const fn of_silence(doubt: Option<Doubt>) -> Self {
        match doubt {
            Some(Doubt::Unreachable | Doubt::Refused) => Self::Unreachable,
            Some(Doubt::Unanswered) | None => Self::TimedOut,
        }
    }
}

outcrop_base::vocabulary! {
    /// A soft error: why a connection that lives on is in doubt (RFC 9293 3.9.1.8). Progress ends it.
    pub enum Doubt {
        /// `Settings::r1` retransmissions of one segment had no answer.
        Unanswered = "unanswered",
        /// ICMP says that the network or the host cannot be reached, or that packets die or are misunderstood on
        /// their way (RFC 9293 3.9.2.2 SHLD-25).
        Unreachable = "unreachable",
        /// ICMP says that the peer does not speak TCP, not at that port, or may not be spoken to. In a synchronised
        /// state that is doubted too (D-05).
        Refused = "refused",
    }
}

/// The edges of one connection that have not been told yet, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Edges(u8);

impl Edges {
    /// None.
    pub(crate) const NONE: Self = Self(0);
    /// An active open has completed.
    pub(crate) const CONNECTED: Self = Self(1);
    /// Urgent data is on its way.
    pub(crate) const URGENT: Self = Self(2);
    /// Bytes or the end arrived.
    pub(crate) const READABLE: Self = Self(4);
    /// Room appeared.
    pub(crate) const WRITABLE: Self = Self(8);
    /// Retransmissions go unanswered.
    pub(crate) const DOUBTFUL: Self = Self(16);
    /// The connection ended; told last.
    pub(crate) const CLOSED: Self = Self(32);

    /// R1 is reached: for IP, not for the program.
    pub(crate) const UNANSWERED: Self = Self(64);

    /// Takes one edge; whether it was there.
    pub(crate) const fn remove(&mut self, one: Self) -> bool {
        let there = self.0 & one.0 != 0;
        self.0 &= !one.0;
        there
    }

    /// Adds edges.
    pub(crate) const fn insert(&mut self, more: Self) {
        self.0 |= more.0;
    }

    /// Whether nothing is to be told.
    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Takes the lowest edge.
    pub(crate) const fn pop(&mut self) -> Option<Self> {
        if self.0 == 0 {
            return None;
        }
        let lowest = self.0 & self.0.wrapping_neg();
        self.0 &= !lowest;
        Some(Self(lowest))
    }

    /// Takes all edges.
    pub(crate) const fn take(&mut self) -> Self {
        let all = *self;
        self.0 = 0;
        all
    }
}
