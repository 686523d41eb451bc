//! Every state of a DHCPv6 client by every kind of message, and by any bytes.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod six;

use outcrop_dhcp::v6::{Client, State};
use proptest::prelude::*;
use six::*;

#[test]
fn every_state_takes_what_it_waits_for_and_drops_the_rest() {
    let expected = |state: State, kind: u8| match state {
        State::Soliciting => kind == ADVERTISE,
        State::Requesting
        | State::Confirming
        | State::Renewing
        | State::Rebinding
        | State::Declining
        | State::Releasing
        | State::Asking => kind == REPLY,
        State::Bound | State::Informed | State::Ended => false,
    };
    for state in State::ALL {
        for kind in 0..=13 {
            let (mut client, msg, at) = client_in(*state);
            let answer = msg.grant(kind, SERVER, (50, 80), (100, 200));
            let taken = hear(&mut client, at, &answer).is_none();
            assert_eq!(taken, expected(*state, kind), "{state} by {kind}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut client = client();
        let (at, _, _) = next(&mut client);
        let _verdict = client.handle_datagram(at, &bytes);
    }

    /// An answer to the client's own question with any options in it, at any depth.
    #[test]
    fn any_options_in_an_answer(
        options in prop::collection::vec((0_u16..90, prop::collection::vec(any::<u8>(), 0..40)), 0..8),
        inside in prop::collection::vec((0_u16..30, prop::collection::vec(any::<u8>(), 0..40)), 0..4),
        kind in prop::sample::select(vec![ADVERTISE, REPLY]),
        times in any::<(u32, u32)>(),
    ) {
        let wrap = |options: &[(u16, Vec<u8>)]| -> Vec<u8> {
            options.iter().flat_map(|(code, value)| option(*code, value)).collect()
        };
        for state in [State::Soliciting, State::Requesting, State::Renewing, State::Asking] {
            let (mut client, msg, at) = client_in(state);
            let body = [association(times.0, times.1, &wrap(&inside)), wrap(&options)];
            let _verdict = client.handle_datagram(at, &msg.answer(kind, SERVER, &body));
            if let Some(lease) = client.lease(at) {
                prop_assert!(!lease.addresses.is_empty());
            }
            // Whatever was believed, the client does not spin.
            let mut now = at;
            for _ in 0..50 {
                let Some(due) = client.poll_timeout() else { break };
                now = now.max(due);
                client.handle_timeout(now);
                let _ = client.poll_transmit(now);
            }
            prop_assert!(client.poll_timeout().is_none() || now > at);
        }
    }
}

#[test]
fn same_seed_same_bytes_and_spurious_timeouts_change_nothing() {
    use core::hash::Hasher as _;
    use std::hash::DefaultHasher;
    let print = |client: &Client, now| {
        let mut hasher = DefaultHasher::new();
        client.fingerprint(now, &mut hasher);
        hasher.finish()
    };
    let mut one = client();
    let mut two = client();
    let (at, _, first) = next(&mut one);
    assert_eq!(next(&mut two).2.xid, first.xid);
    let before = print(&one, at);
    assert_eq!(print(&two, at), before);
    one.handle_timeout(at);
    assert_eq!(print(&one, at), before);
    assert_eq!(secs(0), START);
}
