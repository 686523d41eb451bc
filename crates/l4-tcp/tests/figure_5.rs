//! Every edge of RFC 9293 figure 5, walked by a real endpoint.
//!
//! The table is the source: a new edge without a way to walk it fails here.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod common;

use common::{Sent, Story, plain, seg};
use outcrop_tcp::{ConnId, FIGURE_5, Sends, State, Transition, Trigger};

/// A story in this state, and the id the program holds, if it holds one.
fn story_in(state: State) -> (Story, Option<ConnId>) {
    let mut story = Story::new(plain());
    let mut id = None;
    match state {
        State::Closed => {}
        State::Listen => {
            story.listen();
        }
        State::SynSent => {
            id = Some(story.connect());
            story.out();
        }
        State::SynReceived => {
            story.listen();
            story.recv(seg("S"));
            story.out();
        }
        State::Established => {
            let (established, conn) = Story::established(plain());
            (story, id) = (established, Some(conn));
        }
        State::FinWait1 | State::FinWait2 | State::Closing => {
            let (established, conn) = Story::established(plain());
            (story, id) = (established, Some(conn));
            story.tcp.shutdown(conn).unwrap();
            story.out();
            if state == State::FinWait2 {
                story.recv(seg(".").seq(1).ack(2));
            }
            if state == State::Closing {
                story.recv(seg("F.").seq(1).ack(1));
                story.out();
            }
        }
        State::CloseWait | State::LastAck => {
            let (established, conn) = Story::established(plain());
            (story, id) = (established, Some(conn));
            story.recv(seg("F.").seq(1).ack(1));
            story.out();
            if state == State::LastAck {
                story.tcp.shutdown(conn).unwrap();
                story.out();
            }
        }
        State::TimeWait => {
            let (fin_wait_2, conn) = story_in(State::FinWait2);
            (story, id) = (fin_wait_2, conn);
            story.recv(seg("F.").seq(1).ack(2));
            story.out();
        }
    }
    if state.is_synchronized()
        && let Some(listener) = story.listener.take()
    {
        // The connection stays; where it ends, nothing is left but CLOSED.
        story.tcp.unlisten(listener).unwrap();
    }
    assert_eq!(story.state(), state, "the way there");
    (story, id)
}

/// SYN-RECEIVED after an active open: the program holds an id there.
fn simultaneous() -> (Story, ConnId) {
    let (mut story, id) = story_in(State::SynSent);
    story.recv(seg("S"));
    story.out();
    assert_eq!(story.state(), State::SynReceived);
    (story, id.unwrap())
}

fn walk(edge: &Transition) -> (Story, Vec<Sent>) {
    let (mut story, id) = story_in(edge.from);
    match edge.on {
        Trigger::PassiveOpen => {
            story.listen();
        }
        // SEND on a listening socket is an active open from its address.
        Trigger::ActiveOpen | Trigger::Send => {
            story.connect();
        }
        Trigger::Close => match edge.from {
            State::Listen => {
                let listener = story.listener.unwrap();
                story.tcp.unlisten(listener).unwrap();
            }
            State::SynSent => story.tcp.close(id.unwrap()).unwrap(),
            State::SynReceived => {
                // Deviation: our FIN waits until our SYN is acknowledged.
                let (opening, id) = simultaneous();
                story = opening;
                story.tcp.shutdown(id).unwrap();
                assert_eq!(story.out().len(), 0);
                story.recv(seg(".").seq(1).ack(1));
            }
            _ => story.tcp.shutdown(id.unwrap()).unwrap(),
        },
        Trigger::RcvSyn => {
            story.recv(seg("S"));
        }
        Trigger::RcvSynAck => {
            story.recv(seg("S.").ack(1));
        }
        Trigger::RcvAckOfSyn => {
            story.recv(seg(".").seq(1).ack(1));
        }
        Trigger::RcvRst => {
            story.recv(seg("R").seq(1));
        }
        Trigger::RcvFin => {
            let acked = u32::from(edge.from == State::FinWait2);
            story.recv(seg("F.").seq(1).ack(1 + acked));
        }
        Trigger::RcvAckOfFin => {
            let fin = u32::from(edge.from != State::FinWait1);
            story.recv(seg(".").seq(1 + fin).ack(2));
        }
        Trigger::RcvFinAndAckOfFin => {
            story.recv(seg("F.").seq(1).ack(2));
        }
        Trigger::TwoMsl => {
            story.at(60_000);
        }
    }
    let out = story.out();
    (story, out)
}

#[test]
fn every_edge_of_the_figure_leads_where_it_points_and_sends_what_it_says() {
    for edge in FIGURE_5 {
        let (story, out) = walk(edge);
        assert_eq!(story.state(), edge.to, "{edge:?}");
        let flags: Vec<_> = out.iter().map(|sent| sent.flags.to_string()).collect();
        let expected: &[&str] = match edge.sends {
            Sends::Nothing => &[],
            Sends::Syn => &["S"],
            Sends::SynAck => &["S."],
            Sends::Ack => &["."],
            Sends::Fin => &["F."],
        };
        assert_eq!(flags, expected, "{edge:?}");
    }
}

/// Note 3: a reset from outside ends any state. In LISTEN and TIME-WAIT it is ignored (3.10.7.2, RFC 1337).
#[test]
fn exact_reset_in_any_state_ends_it_except_where_it_must_not() {
    for state in State::ALL {
        let (mut story, _) = story_in(*state);
        let (seq, expected) = match state {
            State::Closed => (1, State::Closed),
            State::Listen => (1, State::Listen),
            State::SynReceived => (1, State::Listen),
            State::SynSent => (1, State::Closed),
            State::TimeWait => (2, State::TimeWait),
            State::CloseWait | State::Closing | State::LastAck => (2, State::Closed),
            State::Established | State::FinWait1 | State::FinWait2 => (1, State::Closed),
        };
        let reset = if *state == State::SynSent {
            seg("R.").seq(0).ack(1)
        } else {
            seg("R").seq(seq)
        };
        story.recv(reset);
        assert!(story.out().is_empty(), "{state}: a reset is never answered");
        assert_eq!(story.state(), expected, "reset in {state}");
    }
}

/// RFC 5961 in every synchronised state: what is suspicious is asked about, and changes nothing.
#[test]
fn suspicious_segment_in_any_synchronised_state_is_challenged_and_changes_nothing() {
    for state in State::ALL.iter().filter(|state| state.is_synchronized()) {
        for segment in [
            seg("S").seq(100),
            seg("S").seq(0),
            seg("S.").seq(0).ack(1),
            seg(".").seq(2).ack(1_000_000),
        ] {
            let (mut story, _) = story_in(*state);
            if *state == State::TimeWait && segment.header.flags.to_string() != "S." {
                continue;
            }
            let label = format!("{state}: {segment:?}");
            story.recv(segment);
            let out = story.out();
            if *state != State::TimeWait {
                assert_eq!(out.len(), 1, "{label}");
            }
            for sent in &out {
                assert_eq!(sent.flags.to_string(), ".", "{label}");
            }
            assert_eq!(story.state(), *state, "{label}");
        }
    }
}
