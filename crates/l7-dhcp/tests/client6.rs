//! How a DHCPv6 client comes by addresses or parameters, in virtual time; the server is the test.
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

use outcrop_base::{DropReason, Seed};
use outcrop_dhcp::v6::{Client, ClientConfig, Event, Mode, Purpose, State};
use six::*;

#[test]
fn solicit_leaves_within_a_second_and_says_what_is_wanted() {
    for seed in 0..30 {
        let client = Client::new(START, ClientConfig::new(US), &Seed::from_number(seed));
        assert!((0.0..=1.0).contains(&since(client.poll_timeout().unwrap(), START)));
    }
    let mut client = client();
    let (_, purpose, msg) = next(&mut client);
    assert_eq!(
        (purpose, msg.kind, msg.elapsed()),
        (Purpose::Solicit, SOLICIT, 0)
    );
    assert_eq!(
        msg.option(3),
        Some(&[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0][..])
    );
    assert_eq!(msg.option(6), Some(&[0, 23, 0, 24, 0, 82][..]));
    assert_eq!((msg.option(2), msg.option(14)), (None, None));
}

#[test]
fn unanswered_solicits_double_up_to_an_hour_the_first_wait_never_shorter_than_a_second() {
    for seed in 0..10 {
        let mut client = Client::new(START, ClientConfig::new(US), &Seed::from_number(seed));
        let (mut last, _, first) = next(&mut client);
        let mut before = 0.0;
        for n in 0..16 {
            let (at, _, msg) = next(&mut client);
            assert_eq!(msg.xid, first.xid);
            let wait = since(at, last);
            if n == 0 {
                assert!((1.0..=1.1).contains(&wait), "{wait}");
            } else if before < 1600.0 {
                assert!(
                    (1.9 * before..=2.1 * before).contains(&wait),
                    "{wait} after {before}"
                );
            } else {
                assert!((3240.0..=3960.0).contains(&wait), "{wait}");
            }
            (last, before) = (at, wait);
        }
    }
}

#[test]
fn best_preference_within_the_first_second_is_asked() {
    let mut client = client();
    let (at, _, solicit) = next(&mut client);
    let modest = solicit.grant(ADVERTISE, SERVER, (0, 0), (100, 200));
    let better = [
        solicit.grant(ADVERTISE, SECOND, (0, 0), (100, 200)),
        option(7, &[5]),
    ]
    .concat();
    for advertise in [&modest, &better, &modest] {
        assert_eq!(hear(&mut client, at, advertise), None);
    }
    assert_eq!(said(&mut client, at), None, "others may be better");
    let (asked, purpose, request) = next(&mut client);
    assert!((1.0..=1.1).contains(&since(asked, at)));
    assert_eq!((purpose, request.kind), (Purpose::Request, REQUEST));
    assert_eq!(
        (request.option(2), request.addresses()),
        (Some(SECOND), vec![ADDRESS])
    );
    assert_ne!(request.xid, solicit.xid);
    let other = request.grant(REPLY, SECOND, (0, 0), (100, 200));
    assert_eq!(hear(&mut client, asked, &other), None);
    assert_eq!(client.state(), State::Bound);
}

#[test]
fn highest_preference_is_asked_at_once_and_so_is_the_first_after_the_first_wait() {
    let mut client = client();
    let (at, _, solicit) = next(&mut client);
    let urgent = [
        solicit.grant(ADVERTISE, SERVER, (0, 0), (100, 200)),
        option(7, &[255]),
    ]
    .concat();
    assert_eq!(hear(&mut client, at, &urgent), None);
    assert_eq!(said(&mut client, at).unwrap().0, Purpose::Request);

    let mut late = self::client();
    let _ = next(&mut late);
    let (at, _, solicit) = next(&mut late);
    assert_eq!(
        hear(
            &mut late,
            at,
            &solicit.grant(ADVERTISE, SERVER, (0, 0), (100, 200))
        ),
        None
    );
    assert_eq!(said(&mut late, at).unwrap().0, Purpose::Request);
}

#[test]
fn advertisement_of_nothing_is_not_taken_but_its_pace_is() {
    let mut client = client();
    let (at, _, solicit) = next(&mut client);
    let nothing = [
        solicit.answer(ADVERTISE, SERVER, &[status(NO_ADDRS_AVAIL)]),
        solicit.answer(
            ADVERTISE,
            SERVER,
            &[association(0, 0, &status(NO_ADDRS_AVAIL))],
        ),
        solicit.answer(ADVERTISE, SERVER, &[association(0, 0, &[])]),
        solicit.answer(ADVERTISE, SERVER, &[option(82, &[0, 0, 0, 60])]),
        solicit.answer(ADVERTISE, SERVER, &[option(82, &[0, 0, 0, 59])]),
        solicit.answer(ADVERTISE, SERVER, &[option(82, &[0, 1, 0x51, 0x81])]),
    ];
    for advertise in nothing {
        assert_eq!(
            hear(&mut client, at, &advertise),
            Some(DropReason::DhcpNoAddress)
        );
    }
    let mut last = at;
    let mut waits = Vec::new();
    for _ in 0..12 {
        let (at, purpose, _) = next(&mut client);
        assert_eq!(purpose, Purpose::Solicit);
        waits.push(since(at, last));
        last = at;
    }
    assert!(
        waits.iter().all(|wait| *wait <= 66.0),
        "SOL_MAX_RT: {waits:?}"
    );
    assert!(waits[9] >= 54.0, "{waits:?}");
}

#[test]
fn reply_binds_with_its_times_and_parameters() {
    let mut client = client();
    let (at, _, solicit) = next(&mut client);
    let urgent = [
        solicit.grant(ADVERTISE, SERVER, (0, 0), (100, 200)),
        option(7, &[255]),
    ]
    .concat();
    let _verdict = client.handle_datagram(at, &urgent);
    let (_, request) = said(&mut client, at).unwrap();
    let dns: Ipv6Addr = "2001:db8::53".parse().unwrap();
    let reply = [
        request.grant(REPLY, SERVER, (50, 80), (100, 200)),
        option(23, &dns.octets()),
        option(24, b"\x07example\x03org\0\x03lan\0"),
    ];
    assert_eq!(hear(&mut client, at, &reply.concat()), None);
    let Some(Event::Bound(lease)) = client.poll_event() else {
        panic!("not bound");
    };
    let seconds = |n| Some(Duration::from_secs(n));
    assert_eq!((lease.renew, lease.rebind), (seconds(50), seconds(80)));
    assert_eq!(lease.addresses.len(), 1);
    let one = lease.addresses[0];
    assert_eq!(
        (one.address, one.preferred, one.valid),
        (ADDRESS, seconds(100), seconds(200))
    );
    assert_eq!(lease.information.dns, [dns]);
    assert_eq!(lease.information.search, ["example.org", "lan"]);
    assert_eq!(lease.server, SERVER);
    assert_eq!(client.poll_timeout(), Some(at + Duration::from_secs(50)));
}

#[test]
fn unsaid_times_are_a_half_and_four_fifths_of_the_preferred_one() {
    let mut client = client();
    let at = bound(&mut client, (0, 0), (100, 200));
    let lease = client.lease(at).unwrap();
    assert_eq!(
        (lease.renew, lease.rebind),
        (Some(Duration::from_secs(50)), Some(Duration::from_secs(80)))
    );
}

#[test]
fn infinite_times_set_no_timer() {
    let mut client = client();
    let _ = bound(&mut client, (u32::MAX, u32::MAX), (u32::MAX, u32::MAX));
    assert_eq!(client.poll_timeout(), None);
}

#[test]
fn association_that_contradicts_itself_is_not_believed() {
    let mut client = client();
    let (at, _, solicit) = next(&mut client);
    let urgent = [
        solicit.grant(ADVERTISE, SERVER, (0, 0), (100, 200)),
        option(7, &[255]),
    ]
    .concat();
    let _verdict = client.handle_datagram(at, &urgent);
    let (_, request) = said(&mut client, at).unwrap();
    let crossed = request.grant(REPLY, SERVER, (90, 80), (100, 200));
    assert_eq!(
        hear(&mut client, at, &crossed),
        Some(DropReason::DhcpInvalid)
    );
    let two = [
        address(ADDRESS, 300, 200),
        address("2001:db8::2".parse().unwrap(), 100, 200),
    ]
    .concat();
    let reply = request.answer(REPLY, SERVER, &[association(0, 0, &two)]);
    assert_eq!(hear(&mut client, at, &reply), None);
    let lease = client.lease(at).unwrap();
    assert_eq!(
        lease.addresses.len(),
        1,
        "preferred longer than valid: left out"
    );
}

#[test]
fn unanswered_requests_end_after_ten_and_servers_are_looked_for_again() {
    let mut client = client();
    let (at, _, solicit) = next(&mut client);
    let urgent = [
        solicit.grant(ADVERTISE, SERVER, (0, 0), (100, 200)),
        option(7, &[255]),
    ]
    .concat();
    let _verdict = client.handle_datagram(at, &urgent);
    let mut waits = Vec::new();
    let (_, mut last) = (said(&mut client, at).unwrap(), at);
    let mut elapsed = 0;
    for _ in 0..9 {
        let (at, purpose, msg) = next(&mut client);
        assert_eq!(purpose, Purpose::Request);
        waits.push(since(at, last));
        assert!(msg.elapsed() > elapsed);
        (last, elapsed) = (at, msg.elapsed());
    }
    assert!((0.9..=1.1).contains(&waits[0]));
    assert!(waits.iter().all(|wait| *wait <= 33.0), "REQ_MAX_RT");
    assert_eq!(next(&mut client).1, Purpose::Solicit);
}

#[test]
fn stateless_client_asks_for_parameters_and_again_when_told() {
    let mut client = client_with(|config| config.mode = Mode::Stateless);
    let (at, purpose, msg) = next(&mut client);
    assert_eq!(
        (purpose, msg.kind),
        (Purpose::InformationRequest, INFORMATION_REQUEST)
    );
    assert_eq!((msg.option(2), msg.option(3)), (None, None));
    assert_eq!(msg.option(6), Some(&[0, 23, 0, 24, 0, 32, 0, 83][..]));
    let dns: Ipv6Addr = "2001:db8::53".parse().unwrap();
    let reply = |msg: &Msg, refresh: u32| {
        let options = [
            option(23, &dns.octets()),
            option(32, &refresh.to_be_bytes()),
        ];
        msg.answer(REPLY, SERVER, &options)
    };
    assert_eq!(hear(&mut client, at, &reply(&msg, 3600)), None);
    assert!(matches!(client.poll_event(), Some(Event::Informed(told)) if told.dns == [dns]));
    let due = client.poll_timeout().unwrap();
    assert_eq!(since(due, at), 3600.0);
    let (_, _, msg) = next(&mut client);
    let asked = client.clone();
    for (said, waited) in [(1, 600.0), (u32::MAX, 0.0)] {
        let mut client = asked.clone();
        assert_eq!(hear(&mut client, due, &reply(&msg, said)), None);
        assert_eq!(
            client.poll_timeout().map_or(0.0, |at| since(at, due)),
            waited
        );
    }
    let mut client = asked;
    assert_eq!(
        hear(&mut client, due, &msg.answer(REPLY, SERVER, &[])),
        None
    );
    assert_eq!(since(client.poll_timeout().unwrap(), due), 86_400.0);
}

#[test]
fn reply_at_once_is_taken_where_it_was_asked_for() {
    let mut quick = client_with(|config| config.rapid_commit = true);
    let (at, _, solicit) = next(&mut quick);
    assert_eq!(solicit.option(14), Some(&[][..]));
    let plain = solicit.grant(REPLY, SERVER, (0, 0), (100, 200));
    assert_eq!(
        hear(&mut quick, at, &plain),
        Some(DropReason::DhcpUnexpected)
    );
    assert_eq!(
        hear(&mut quick, at, &[plain, option(14, &[])].concat()),
        None
    );
    assert_eq!(quick.state(), State::Bound);

    let mut patient = client();
    let (at, _, solicit) = next(&mut patient);
    let reply = [
        solicit.grant(REPLY, SERVER, (0, 0), (100, 200)),
        option(14, &[]),
    ]
    .concat();
    assert_eq!(
        hear(&mut patient, at, &reply),
        Some(DropReason::DhcpUnexpected)
    );
}

#[test]
fn answers_of_others_and_to_others_are_dropped_by_name() {
    let mut client = client();
    let (at, _, solicit) = next(&mut client);
    let good = solicit.grant(ADVERTISE, SERVER, (0, 0), (100, 200));
    let mut number = good.clone();
    number[3] ^= 1;
    assert_eq!(
        hear(&mut client, at, &number),
        Some(DropReason::DhcpUnrelated)
    );
    let mut duid = good.clone();
    duid[17] ^= 1;
    assert_eq!(
        hear(&mut client, at, &duid),
        Some(DropReason::DhcpUnrelated)
    );
    let [a, b, c] = solicit.xid;
    let serverless = [vec![ADVERTISE, a, b, c], option(1, &OUR_DUID)].concat();
    assert_eq!(
        hear(&mut client, at, &serverless),
        Some(DropReason::DhcpInvalid)
    );
    let clientless = [vec![ADVERTISE, a, b, c], option(2, SERVER)].concat();
    assert_eq!(
        hear(&mut client, at, &clientless),
        Some(DropReason::DhcpUnrelated)
    );
    for kind in [
        SOLICIT,
        REQUEST,
        RECONFIGURE,
        INFORMATION_REQUEST,
        12,
        13,
        0,
        255,
    ] {
        let msg = solicit.grant(kind, SERVER, (0, 0), (100, 200));
        let verdict = client.handle_datagram(at, &msg);
        assert_eq!(
            verdict.drop_reason(),
            Some(DropReason::DhcpUnexpected),
            "{kind}"
        );
        assert_eq!(
            verdict.rule.name == "dhcp6:reconfigure",
            kind == RECONFIGURE
        );
    }
    assert_eq!(
        hear(&mut client, at, &good[..good.len() - 1]),
        Some(DropReason::DhcpMalformed)
    );
}
