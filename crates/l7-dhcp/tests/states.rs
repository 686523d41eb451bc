//! Every state by every kind of message: what RFC 2131's figure 5 draws, and nothing else.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod common;

use common::*;
use outcrop_base::{DropReason, Instant};
use outcrop_dhcp::v4::{Client, ClientConfig, State};

/// A client in this state, what it last said, and when.
fn client_in(state: State) -> (Client, Msg, Instant) {
    let previous = matches!(state, State::InitReboot | State::Rebooting).then_some(ADDRESS);
    let mut client = client_with(ClientConfig {
        previous,
        ..config()
    });
    let nothing = Msg::request(DISCOVER, US);
    if matches!(state, State::Init | State::InitReboot) {
        return (client, nothing, START);
    }
    if matches!(state, State::Selecting | State::Rebooting) {
        let (at, _, msg) = next(&mut client);
        return (client, msg, at);
    }
    if state == State::Requesting {
        let (at, _, discover) = next(&mut client);
        let offer = Msg::lease(&discover, OFFER, SERVER, 600);
        assert_eq!(
            client.handle_datagram(at, &offer.bytes()).drop_reason(),
            None
        );
        let (_, request) = said(&mut client, at).unwrap();
        return (client, request, at);
    }
    let _ = bound_for(&mut client, 600, &[]);
    let mut last = (START, nothing);
    if state == State::Released {
        client.release();
        last = (START, said(&mut client, START).unwrap().1);
    }
    while client.state() != state {
        let (at, said) = step(&mut client);
        last = (at, said.unwrap().1);
    }
    (client, last.1, last.0)
}

/// Figure 5: (state, message) to the state behind the arrow.
const ARROWS: &[(State, u8, State)] = &[
    (State::Selecting, OFFER, State::Requesting),
    (State::Requesting, ACK, State::Bound),
    (State::Requesting, NAK, State::Init),
    (State::Rebooting, ACK, State::Bound),
    (State::Rebooting, NAK, State::Init),
    (State::Renewing, ACK, State::Bound),
    (State::Renewing, NAK, State::Init),
    (State::Rebinding, ACK, State::Bound),
    (State::Rebinding, NAK, State::Init),
];

#[test]
fn every_state_takes_what_the_figure_draws_and_drops_the_rest() {
    for state in State::ALL {
        for kind in 0..=18 {
            let (mut client, msg, at) = client_in(*state);
            assert_eq!(client.state(), *state);
            let answer = Msg::lease(&msg, kind, SERVER, 600);
            let reason = client.handle_datagram(at, &answer.bytes()).drop_reason();
            let arrow = ARROWS
                .iter()
                .find(|(from, by, _)| from == state && *by == kind);
            match arrow {
                Some((_, _, to)) => {
                    assert_eq!((reason, client.state()), (None, *to), "{state} by {kind}");
                }
                None => {
                    let dropped = matches!(
                        reason,
                        Some(DropReason::DhcpUnexpected | DropReason::DhcpUnrelated)
                    );
                    assert!(dropped, "{state} by {kind}: {reason:?}");
                    assert_eq!(client.state(), *state, "{state} by {kind}");
                }
            }
        }
    }
}

/// Figure 5's arrows that are drawn by time.
#[test]
fn every_state_without_an_answer_goes_where_the_figure_draws() {
    let expected = [
        (State::Init, State::Selecting),
        (State::InitReboot, State::Rebooting),
        (State::Selecting, State::Selecting),
        (State::Rebooting, State::Selecting),
        (State::Requesting, State::Selecting),
        (State::Bound, State::Renewing),
        (State::Renewing, State::Rebinding),
        (State::Rebinding, State::Selecting),
    ];
    for (from, to) in expected {
        let (mut client, _, _) = client_in(from);
        for _ in 0..10 {
            step(&mut client);
            if client.state() != from {
                break;
            }
        }
        assert_eq!(client.state(), to, "from {from}");
    }
    assert_eq!(client_in(State::Released).0.poll_timeout(), None);
}
