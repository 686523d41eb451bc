//! What becomes of a DHCPv6 lease, in virtual time; the server is the test.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod six;

use core::net::Ipv6Addr;
use core::time::Duration;

use outcrop_base::DropReason;
use outcrop_dhcp::Loss;
use outcrop_dhcp::v6::{Event, Purpose, State};
use six::*;

#[test]
fn renew_goes_to_its_server_at_t1_and_extends() {
    let mut client = client();
    let at = bound(&mut client, (50, 80), (100, 200));
    let (renewed, purpose, msg) = next(&mut client);
    assert_eq!(
        (since(renewed, at), purpose, msg.kind),
        (50.0, Purpose::Renew, RENEW)
    );
    assert_eq!(
        (msg.option(2), msg.addresses()),
        (Some(SERVER), vec![ADDRESS])
    );
    assert_eq!(
        hear(
            &mut client,
            renewed,
            &msg.grant(REPLY, SERVER, (50, 80), (100, 200))
        ),
        None
    );
    assert!(matches!(client.poll_event(), Some(Event::Renewed(_))));
    assert_eq!(
        client.poll_timeout(),
        Some(renewed + Duration::from_secs(50))
    );
}

#[test]
fn silence_leads_through_renew_and_rebind_to_the_end_of_the_address() {
    let mut client = client();
    let at = bound(&mut client, (50, 80), (100, 200));
    let mut seen = Vec::new();
    while client.lease(at).is_some() {
        let due = client.poll_timeout().unwrap();
        client.handle_timeout(due);
        if let Some((purpose, msg)) = said(&mut client, due) {
            seen.push((purpose, since(due, at)));
            assert_eq!(msg.option(2).is_some(), purpose == Purpose::Renew);
            assert_eq!(msg.kind == REBIND, purpose == Purpose::Rebind);
        }
        if client.lease(due).is_none() {
            assert_eq!(since(due, at), 200.0, "to the second");
            break;
        }
    }
    let of = |purpose| {
        seen.iter()
            .filter(|(other, _)| *other == purpose)
            .map(|(_, at)| *at)
            .collect::<Vec<_>>()
    };
    let (renews, rebinds) = (of(Purpose::Renew), of(Purpose::Rebind));
    assert_eq!((renews[0], rebinds[0]), (50.0, 80.0));
    assert!(
        (59.0..=61.0).contains(&renews[1]),
        "REN_TIMEOUT: {renews:?}"
    );
    assert!(
        (89.0..=91.0).contains(&rebinds[1]),
        "REB_TIMEOUT: {rebinds:?}"
    );
    assert_eq!(client.poll_event(), Some(Event::Lost(Loss::Expired)));
    assert_eq!(client.state(), State::Soliciting);
}

#[test]
fn any_server_may_answer_a_rebind() {
    let mut client = client();
    let _ = bound(&mut client, (50, 80), (100, 200));
    let (at, msg) = loop {
        let (at, purpose, msg) = next(&mut client);
        if purpose == Purpose::Rebind {
            break (at, msg);
        }
    };
    assert_eq!(
        hear(
            &mut client,
            at,
            &msg.grant(REPLY, SECOND, (50, 80), (100, 200))
        ),
        None
    );
    assert_eq!(next(&mut client).2.option(2), Some(SECOND));
}

#[test]
fn one_of_two_addresses_ends_and_the_other_is_kept() {
    let other: Ipv6Addr = "2001:db8::2".parse().unwrap();
    let mut client = client();
    let (at, _, solicit) = next(&mut client);
    let urgent = [
        solicit.grant(ADVERTISE, SERVER, (0, 0), (100, 200)),
        option(7, &[255]),
    ]
    .concat();
    let _verdict = client.handle_datagram(at, &urgent);
    let (_, request) = said(&mut client, at).unwrap();
    let two = [address(ADDRESS, 30, 40), address(other, 300, 400)].concat();
    let reply = request.answer(REPLY, SERVER, &[association(200, 300, &two)]);
    assert_eq!(hear(&mut client, at, &reply), None);
    let _ = client.poll_event();
    let due = client.poll_timeout().unwrap();
    assert_eq!(since(due, at), 40.0);
    client.handle_timeout(due);
    let Some(Event::Renewed(lease)) = client.poll_event() else {
        panic!("nothing told");
    };
    assert_eq!(
        lease
            .addresses
            .iter()
            .map(|one| one.address)
            .collect::<Vec<_>>(),
        [other]
    );
    assert_eq!(since(next(&mut client).0, at), 200.0);
}

#[test]
fn times_of_zero_in_a_renewal_end_the_addresses() {
    let mut client = client();
    let _ = bound(&mut client, (50, 80), (100, 200));
    let (at, _, msg) = next(&mut client);
    let _verdict = client.handle_datagram(at, &msg.grant(REPLY, SERVER, (0, 0), (0, 0)));
    assert_eq!(client.poll_event(), Some(Event::Lost(Loss::Refused)));
    assert_eq!(client.state(), State::Soliciting);
}

#[test]
fn renewal_unknown_to_the_server_is_answered_by_a_request_to_it() {
    let mut client = client();
    let _ = bound(&mut client, (50, 80), (100, 200));
    let (at, _, msg) = next(&mut client);
    let unknown = msg.answer(REPLY, SERVER, &[association(0, 0, &status(NO_BINDING))]);
    assert_eq!(
        hear(&mut client, at, &unknown),
        Some(DropReason::DhcpNoAddress)
    );
    let (purpose, request) = said(&mut client, at).unwrap();
    assert_eq!(purpose, Purpose::Request);
    assert_eq!(
        (request.option(2), request.addresses()),
        (Some(SERVER), vec![ADDRESS])
    );
    assert_eq!(client.poll_event(), None, "they are still good");
    assert_eq!(
        hear(
            &mut client,
            at,
            &request.grant(REPLY, SERVER, (50, 80), (100, 200))
        ),
        None
    );
    assert!(matches!(client.poll_event(), Some(Event::Renewed(_))));
}

#[test]
fn passing_trouble_of_a_server_is_waited_out_at_the_same_pace() {
    let mut client = client();
    let (at, _, solicit) = next(&mut client);
    let urgent = [
        solicit.grant(ADVERTISE, SERVER, (0, 0), (100, 200)),
        option(7, &[255]),
    ]
    .concat();
    let _verdict = client.handle_datagram(at, &urgent);
    let (_, request) = said(&mut client, at).unwrap();
    let trouble = request.answer(REPLY, SERVER, &[status(UNSPEC_FAIL)]);
    assert_eq!(
        hear(&mut client, at, &trouble),
        Some(DropReason::DhcpNoAddress)
    );
    let (again, purpose, _) = next(&mut client);
    assert_eq!(purpose, Purpose::Request);
    assert!((0.9..=1.1).contains(&since(again, at)));
}

#[test]
fn servers_that_advertise_and_refuse_are_asked_ever_more_slowly() {
    for code in [NO_ADDRS_AVAIL, NOT_ON_LINK] {
        let mut client = client();
        let mut begun = Vec::new();
        for _ in 0..8 {
            let (at, purpose, solicit) = next(&mut client);
            assert_eq!(purpose, Purpose::Solicit);
            begun.push(at);
            let urgent = [
                solicit.grant(ADVERTISE, SERVER, (0, 0), (100, 200)),
                option(7, &[255]),
            ]
            .concat();
            let _verdict = client.handle_datagram(at, &urgent);
            let (_, request) = said(&mut client, at).unwrap();
            let refusal = request.answer(REPLY, SERVER, &[association(0, 0, &status(code))]);
            assert_eq!(
                hear(&mut client, at, &refusal),
                Some(DropReason::DhcpNoAddress)
            );
        }
        let waits: Vec<_> = begun.windows(2).map(|two| since(two[1], two[0])).collect();
        assert!(waits[0] <= 1.0 && waits[6] >= 64.0, "{waits:?}");
    }
}

#[test]
fn changed_link_is_asked_about_and_the_answer_decides() {
    let mut client = client();
    let at = bound(&mut client, (50, 80), (100, 200));
    client.confirm(at);
    let (asked, purpose, msg) = next(&mut client);
    assert_eq!((purpose, msg.kind), (Purpose::Confirm, CONFIRM));
    assert_eq!(
        (msg.option(2), msg.option(6), msg.addresses()),
        (None, None, vec![ADDRESS])
    );
    assert_eq!(
        hear(&mut client, asked, &msg.answer(REPLY, SECOND, &[status(0)])),
        None
    );
    assert_eq!((client.state(), client.poll_event()), (State::Bound, None));
    assert_eq!(
        client.poll_timeout(),
        Some(at + Duration::from_secs(50)),
        "the times stay"
    );

    client.confirm(asked);
    let (asked, _, msg) = next(&mut client);
    assert_eq!(
        hear(
            &mut client,
            asked,
            &msg.answer(REPLY, SECOND, &[status(NOT_ON_LINK)])
        ),
        None
    );
    assert_eq!(client.poll_event(), Some(Event::Lost(Loss::Refused)));
    assert_eq!(client.state(), State::Soliciting);
}

#[test]
fn unanswered_confirms_end_after_ten_seconds_and_the_addresses_are_kept() {
    let mut client = client();
    let at = bound(&mut client, (500, 800), (1000, 2000));
    client.confirm(at);
    let first = next(&mut client).0;
    let mut times = 1;
    while client.state() == State::Confirming {
        let due = client.poll_timeout().unwrap();
        client.handle_timeout(due);
        times += u32::from(said(&mut client, due).is_some());
        assert!(since(due, first) <= 11.0);
    }
    assert!((3..=5).contains(&times), "{times}");
    assert_eq!((client.state(), client.poll_event()), (State::Bound, None));
}

#[test]
fn address_in_use_is_declined_until_the_server_knows() {
    let mut client = client();
    let at = bound(&mut client, (50, 80), (100, 200));
    client.decline(at, "2001:db8::77".parse().unwrap());
    assert_eq!(client.state(), State::Bound, "not one of ours");
    client.decline(at, ADDRESS);
    assert_eq!(client.poll_event(), Some(Event::Lost(Loss::Declined)));
    let (purpose, msg) = said(&mut client, at).unwrap();
    assert_eq!((purpose, msg.kind), (Purpose::Decline, DECLINE));
    assert_eq!(
        (msg.option(2), msg.addresses()),
        (Some(SERVER), vec![ADDRESS])
    );
    let (again, purpose, _) = next(&mut client);
    assert_eq!(purpose, Purpose::Decline);
    assert_eq!(
        hear(&mut client, again, &msg.answer(REPLY, SERVER, &[status(0)])),
        None
    );
    assert_eq!(next(&mut client).1, Purpose::Solicit);
}

#[test]
fn release_is_repeated_four_times_at_most_and_ends_it() {
    let mut client = client();
    let at = bound(&mut client, (50, 80), (100, 200));
    client.release(at);
    assert_eq!(client.poll_event(), Some(Event::Lost(Loss::Released)));
    let (purpose, msg) = said(&mut client, at).unwrap();
    assert_eq!((purpose, msg.kind), (Purpose::Release, RELEASE));
    assert_eq!(
        (msg.option(2), msg.addresses()),
        (Some(SERVER), vec![ADDRESS])
    );
    let mut known = client.clone();
    for _ in 0..3 {
        assert_eq!(next(&mut client).1, Purpose::Release);
    }
    client.handle_timeout(client.poll_timeout().unwrap());
    assert_eq!(
        (client.state(), client.poll_timeout(), said(&mut client, at)),
        (State::Ended, None, None)
    );
    assert_eq!(
        hear(&mut known, at, &msg.answer(REPLY, SERVER, &[status(0)])),
        None
    );
    assert_eq!(known.state(), State::Ended);
}
