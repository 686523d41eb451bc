//! The eleven states, and the figure that joins them.
//!
//! Job: RFC 9293 figure 5 as a table, and the same states as a product of two small facts.
//! Owns: the names, the transitions, `derive`. Does not know: segments, timers, who asks.
//! Sources: RFC 9293 3.3.2 (figure 5 and its notes), 3.10.4 (CLOSE), 3.10.7 (SEGMENT ARRIVES).
//!
//! LISTEN and CLOSED are facts of a table (a listener is there; nothing is there), SYN-SENT and
//! SYN-RECEIVED are an `Embryo`, TIME-WAIT is a compact entry, and the rest is a `Connection`.

outcrop_base::vocabulary! {
    /// A state of RFC 9293 3.3.2.
    pub enum State {
        /// No connection at all.
        Closed = "CLOSED",
        /// Waits for a SYN from anybody.
        Listen = "LISTEN",
        /// Has sent a SYN, waits for the peer's.
        SynSent = "SYN-SENT",
        /// Has sent and received a SYN, waits for the acknowledgment of its own.
        SynReceived = "SYN-RECEIVED",
        /// Both ways open.
        Established = "ESTABLISHED",
        /// We closed first; our FIN is not acknowledged.
        FinWait1 = "FIN-WAIT-1",
        /// We closed first; our FIN is acknowledged, the peer's has not come.
        FinWait2 = "FIN-WAIT-2",
        /// The peer closed first; our program has not.
        CloseWait = "CLOSE-WAIT",
        /// Both closed at once; our FIN is not acknowledged.
        Closing = "CLOSING",
        /// The peer closed first, then we did; our FIN is not acknowledged.
        LastAck = "LAST-ACK",
        /// Both FINs are acknowledged; old duplicates are given time to die.
        TimeWait = "TIME-WAIT",
    }
}

outcrop_base::vocabulary! {
    /// What moves a connection along an edge of figure 5.
    pub enum Trigger {
        /// The program listens.
        PassiveOpen = "passive-open",
        /// The program connects.
        ActiveOpen = "active-open",
        /// The program sends from a listening socket.
        Send = "send",
        /// The program has no more to send.
        Close = "close",
        /// A SYN without acknowledgment arrived.
        RcvSyn = "rcv-syn",
        /// A SYN that acknowledges ours arrived.
        RcvSynAck = "rcv-syn-ack",
        /// Our SYN was acknowledged.
        RcvAckOfSyn = "rcv-ack-of-syn",
        /// An acceptable RST arrived.
        RcvRst = "rcv-rst",
        /// The peer's FIN is in order.
        RcvFin = "rcv-fin",
        /// Our FIN was acknowledged.
        RcvAckOfFin = "rcv-ack-of-fin",
        /// Both in one segment (figure 5, note 2).
        RcvFinAndAckOfFin = "rcv-fin-and-ack-of-fin",
        /// Twice the maximum segment lifetime has passed.
        TwoMsl = "2msl",
    }
}

outcrop_base::vocabulary! {
    /// What figure 5 writes under an edge.
    pub enum Sends {
        /// Nothing.
        Nothing = "x",
        /// A SYN.
        Syn = "snd SYN",
        /// A SYN that acknowledges.
        SynAck = "snd SYN,ACK",
        /// An acknowledgment.
        Ack = "snd ACK",
        /// A FIN, after everything written before.
        Fin = "snd FIN",
    }
}

/// An edge of figure 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// Where it starts.
    pub from: State,
    /// What happens.
    pub on: Trigger,
    /// Where it leads.
    pub to: State,
    /// What leaves because of it.
    pub sends: Sends,
}

const fn edge(from: State, on: Trigger, to: State, sends: Sends) -> Transition {
    Transition {
        from,
        on,
        to,
        sends,
    }
}

/// Every edge of figure 5, with note 1 (RST after a passive open) and note 2 (FIN with the
/// acknowledgment of ours). Note 3, a RST in any other state, leads to CLOSED and has no edges.
pub const FIGURE_5: &[Transition] = {
    use {Sends as X, State as S, Trigger as T};
    &[
        edge(S::Closed, T::PassiveOpen, S::Listen, X::Nothing),
        edge(S::Closed, T::ActiveOpen, S::SynSent, X::Syn),
        edge(S::Listen, T::Close, S::Closed, X::Nothing),
        edge(S::Listen, T::RcvSyn, S::SynReceived, X::SynAck),
        edge(S::Listen, T::Send, S::SynSent, X::Syn),
        edge(S::SynSent, T::Close, S::Closed, X::Nothing),
        edge(S::SynSent, T::RcvSyn, S::SynReceived, X::SynAck),
        edge(S::SynSent, T::RcvSynAck, S::Established, X::Ack),
        edge(S::SynReceived, T::RcvRst, S::Listen, X::Nothing),
        edge(S::SynReceived, T::RcvAckOfSyn, S::Established, X::Nothing),
        edge(S::SynReceived, T::Close, S::FinWait1, X::Fin),
        edge(S::Established, T::Close, S::FinWait1, X::Fin),
        edge(S::Established, T::RcvFin, S::CloseWait, X::Ack),
        edge(S::FinWait1, T::RcvFin, S::Closing, X::Ack),
        edge(S::FinWait1, T::RcvAckOfFin, S::FinWait2, X::Nothing),
        edge(S::FinWait1, T::RcvFinAndAckOfFin, S::TimeWait, X::Ack),
        edge(S::FinWait2, T::RcvFin, S::TimeWait, X::Ack),
        edge(S::CloseWait, T::Close, S::LastAck, X::Fin),
        edge(S::Closing, T::RcvAckOfFin, S::TimeWait, X::Nothing),
        edge(S::LastAck, T::RcvAckOfFin, S::Closed, X::Nothing),
        edge(S::TimeWait, T::TwoMsl, S::Closed, X::Nothing),
    ]
};

impl State {
    /// Where `on` leads from here by figure 5; `None` where the figure has no such edge.
    #[must_use]
    pub fn after(self, on: Trigger) -> Option<Self> {
        FIGURE_5
            .iter()
            .find(|edge| edge.from == self && edge.on == on)
            .map(|edge| edge.to)
    }

    /// Whether both SYNs are acknowledged as far as we know.
    #[must_use]
    pub const fn is_synchronized(self) -> bool {
        match self {
            Self::Closed | Self::Listen | Self::SynSent | Self::SynReceived => false,
            Self::Established
            | Self::FinWait1
            | Self::FinWait2
            | Self::CloseWait
            | Self::Closing
            | Self::LastAck
            | Self::TimeWait => true,
        }
    }

    /// Whether the peer may still send text.
    #[must_use]
    pub const fn expects_text(self) -> bool {
        match self {
            Self::Established | Self::FinWait1 | Self::FinWait2 => true,
            Self::Closed
            | Self::Listen
            | Self::SynSent
            | Self::SynReceived
            | Self::CloseWait
            | Self::Closing
            | Self::LastAck
            | Self::TimeWait => false,
        }
    }
}

/// How far our side of the close has got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OurFin {
    /// The program may still write.
    #[default]
    Unsent,
    /// The program has closed: the FIN is queued or on its way.
    Sent,
    /// The peer has acknowledged it.
    Acked,
}

/// Whether the peer's FIN is in, and if so whether before or after our program closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PeerFin {
    /// It has not come.
    #[default]
    Awaited,
    /// It came while we were open: the peer closes actively.
    First,
    /// It came after we closed.
    Second,
}

/// The synchronised states are a product: our FIN times the peer's.
///
/// `Connection` keeps the state by name and moves it along [`FIGURE_5`]; `check` compares the two.
#[must_use]
pub const fn derive(ours: OurFin, peers: PeerFin) -> State {
    match (ours, peers) {
        (OurFin::Unsent, PeerFin::Awaited) => State::Established,
        (OurFin::Unsent, PeerFin::First | PeerFin::Second) => State::CloseWait,
        (OurFin::Sent, PeerFin::Awaited) => State::FinWait1,
        (OurFin::Sent, PeerFin::First) => State::LastAck,
        (OurFin::Sent, PeerFin::Second) => State::Closing,
        (OurFin::Acked, PeerFin::Awaited) => State::FinWait2,
        (OurFin::Acked, PeerFin::First) => State::Closed,
        (OurFin::Acked, PeerFin::Second) => State::TimeWait,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn figure_has_each_edge_once_and_leaves_no_state_out() {
        for (index, edge) in FIGURE_5.iter().enumerate() {
            let twins = FIGURE_5
                .iter()
                .filter(|other| other.from == edge.from && other.on == edge.on);
            assert_eq!(twins.count(), 1, "edge {index}: {edge:?}");
        }
        for state in State::ALL {
            assert!(FIGURE_5.iter().any(|edge| edge.from == *state), "{state}");
            assert!(FIGURE_5.iter().any(|edge| edge.to == *state), "{state}");
        }
    }

    /// The facts behind a synchronised state, moved as the figure's words say.
    fn apply(ours: &mut OurFin, peers: &mut PeerFin, on: Trigger) -> bool {
        let peer_fin = if *ours == OurFin::Unsent {
            PeerFin::First
        } else {
            PeerFin::Second
        };
        let (fin, ack) = match on {
            Trigger::Close if *ours == OurFin::Unsent => {
                *ours = OurFin::Sent;
                return true;
            }
            Trigger::RcvFin => (true, false),
            Trigger::RcvAckOfFin => (false, true),
            Trigger::RcvFinAndAckOfFin => (true, true),
            Trigger::Close
            | Trigger::PassiveOpen
            | Trigger::ActiveOpen
            | Trigger::Send
            | Trigger::RcvSyn
            | Trigger::RcvSynAck
            | Trigger::RcvAckOfSyn
            | Trigger::RcvRst
            | Trigger::TwoMsl => return false,
        };
        if (fin && *peers != PeerFin::Awaited) || (ack && *ours != OurFin::Sent) {
            return false;
        }
        if fin {
            *peers = peer_fin;
        }
        if ack {
            *ours = OurFin::Acked;
        }
        true
    }

    proptest! {
        /// Table and product agree on every path through the synchronised states.
        #[test]
        fn table_agrees_with_the_product_of_the_two_fins(
            steps in prop::collection::vec(0..Trigger::ALL.len(), 0..12),
        ) {
            let (mut ours, mut peers) = (OurFin::Unsent, PeerFin::Awaited);
            let mut state = State::Established;
            for step in steps {
                if matches!(state, State::TimeWait | State::Closed) {
                    break;
                }
                let on = Trigger::ALL[step];
                let moved = apply(&mut ours, &mut peers, on);
                prop_assert_eq!(moved, state.after(on).is_some(), "{} on {}", state, on);
                state = state.after(on).unwrap_or(state);
                prop_assert_eq!(state, derive(ours, peers));
            }
        }
    }
}
