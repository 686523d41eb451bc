//! What becomes of a DHCPv4 lease, in virtual time; the server is the test.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod common;

use core::net::Ipv4Addr;

use common::*;
use outcrop_base::{DropReason, Instant};
use outcrop_dhcp::Loss;
use outcrop_dhcp::v4::{Client, Event, Purpose, State};

fn since(at: Instant, from: Instant) -> f64 {
    at.saturating_since(from).as_secs_f64()
}

fn dropped(client: &mut Client, now: Instant, msg: &Msg) -> Option<DropReason> {
    client.handle_datagram(now, &msg.bytes()).drop_reason()
}

fn taken(client: &mut Client, now: Instant, msg: &Msg) {
    assert_eq!(dropped(client, now, msg), None, "{msg:?}");
}

#[test]
fn bound_client_at_t1_asks_its_server_alone() {
    let mut client = client();
    let _ = bound_for(&mut client, 1000, &[]);
    let (at, transmit, msg) = next(&mut client);
    assert!((470.0..=500.0).contains(&since(at, START)));
    assert_eq!(
        (client.state(), transmit.purpose),
        (State::Renewing, Purpose::Renew)
    );
    assert_eq!((*transmit.from.ip(), *transmit.to.ip()), (ADDRESS, SERVER));
    assert_eq!((msg.kind(), msg.ciaddr, msg.flags), (REQUEST, ADDRESS, 0));
    assert_eq!((msg.option(50), msg.option(54)), (None, None));
    taken(&mut client, at, &Msg::lease(&msg, ACK, SERVER, 1000));
    assert_eq!(client.state(), State::Bound);
    assert!(matches!(client.poll_event(), Some(Event::Renewed(lease)) if lease.address == ADDRESS));
    let again = next(&mut client).0;
    assert!((470.0..=500.0).contains(&since(again, at)), "counted anew");
}

#[test]
fn renewal_without_an_answer_is_repeated_after_half_of_what_remains() {
    let mut client = client();
    let times: [(u8, &[u8]); 2] = [(58, &1000_u32.to_be_bytes()), (59, &1700_u32.to_be_bytes())];
    let _ = bound_for(&mut client, 2000, &times);
    let asks: Vec<_> = (0..8)
        .map(|_| {
            let (at, transmit, msg) = next(&mut client);
            (since(at, START), transmit.purpose, msg.xid)
        })
        .collect();
    // T1; half to T2 each time, a minute at least; T2; half to the end, a minute at least; then anew.
    let expected = [
        (1000.0, Purpose::Renew),
        (1350.0, Purpose::Renew),
        (1525.0, Purpose::Renew),
        (1612.5, Purpose::Renew),
        (1672.5, Purpose::Renew),
        (1700.0, Purpose::Rebind),
        (1850.0, Purpose::Rebind),
        (1925.0, Purpose::Rebind),
    ];
    let seen: Vec<_> = asks
        .iter()
        .map(|(at, purpose, _)| (*at, *purpose))
        .collect();
    assert_eq!(seen, expected);
    assert!(
        asks.windows(2).all(|two| two[0].2 != two[1].2),
        "each its own number"
    );
}

#[test]
fn client_that_nobody_answers_asks_all_and_then_stops_using_the_address() {
    let mut client = client();
    let _ = bound_for(&mut client, 600, &[]);
    let mut last = START;
    while client.lease().is_some() {
        let (at, said) = step(&mut client);
        if client.state() == State::Rebinding {
            let (transmit, msg) = said.unwrap();
            assert!(transmit.is_broadcast());
            assert_eq!(
                (*transmit.from.ip(), msg.ciaddr, msg.option(54)),
                (ADDRESS, ADDRESS, None)
            );
        }
        last = at;
    }
    assert_eq!(since(last, START), 600.0, "to the second");
    assert_eq!(client.poll_event(), Some(Event::Lost(Loss::Expired)));
    assert_eq!(client.state(), State::Selecting);
}

#[test]
fn any_server_may_answer_a_rebinding() {
    let mut client = client();
    let _ = bound_for(&mut client, 600, &[]);
    while client.state() != State::Rebinding {
        step(&mut client);
    }
    let at = client.poll_timeout().unwrap();
    client.handle_timeout(at);
    let (_, msg) = said(&mut client, at).unwrap();
    taken(&mut client, at, &Msg::lease(&msg, ACK, SECOND, 600));
    assert!(matches!(client.poll_event(), Some(Event::Renewed(lease)) if lease.server == SECOND));
    let (_, transmit, _) = next(&mut client);
    assert_eq!(*transmit.to.ip(), SECOND, "its server now");
}

#[test]
fn renewal_that_names_another_address_is_not_taken() {
    let mut client = client();
    let _ = bound_for(&mut client, 600, &[]);
    let (at, _, msg) = next(&mut client);
    let mut ack = Msg::lease(&msg, ACK, SERVER, 600);
    ack.yiaddr = Ipv4Addr::new(10, 0, 0, 101);
    assert_eq!(
        dropped(&mut client, at, &ack),
        Some(DropReason::DhcpInvalid)
    );
    assert_eq!(client.lease().unwrap().address, ADDRESS);
}

#[test]
fn refused_renewal_ends_the_use_and_begins_anew_at_once() {
    for state in [State::Renewing, State::Rebinding] {
        let mut client = client();
        let _ = bound_for(&mut client, 600, &[]);
        let mut last = None;
        while client.state() != state {
            last = step(&mut client).1;
        }
        let at = secs(599);
        let msg = last.unwrap().1;
        taken(&mut client, at, &Msg::answer(&msg, NAK, SERVER));
        assert_eq!(client.poll_event(), Some(Event::Lost(Loss::Refused)));
        assert_eq!(client.lease(), None);
        let (anew, _, discover) = next(&mut client);
        assert_eq!(
            (anew, discover.kind(), discover.option(50)),
            (at, DISCOVER, None)
        );
    }
}

#[test]
fn server_that_offers_and_refuses_is_asked_ever_more_slowly() {
    let mut client = client();
    let mut waits = Vec::new();
    for _ in 0..7 {
        let (at, _, discover) = next(&mut client);
        taken(&mut client, at, &Msg::lease(&discover, OFFER, SERVER, 60));
        let (_, request) = said(&mut client, at).unwrap();
        taken(&mut client, at, &Msg::answer(&request, NAK, SERVER));
        waits.push(since(client.poll_timeout().unwrap(), at));
    }
    assert_eq!(waits, [0.0, 4.0, 8.0, 16.0, 32.0, 64.0, 64.0]);
}

#[test]
fn address_in_use_is_declined_and_another_asked_for_after_ten_seconds() {
    let mut client = client();
    let _ = bound_for(&mut client, 600, &[]);
    client.decline(secs(2));
    assert_eq!(client.poll_event(), Some(Event::Lost(Loss::Declined)));
    let (transmit, msg) = said(&mut client, secs(2)).unwrap();
    assert!(transmit.is_broadcast());
    assert_eq!((msg.kind(), msg.ciaddr), (DECLINE, Ipv4Addr::UNSPECIFIED));
    assert_eq!(
        (msg.address(50), msg.address(54)),
        (Some(ADDRESS), Some(SERVER))
    );
    assert_eq!((msg.option(55), msg.option(51)), (None, None), "table 5");
    let (at, _, discover) = next(&mut client);
    assert_eq!((at, discover.kind()), (secs(12), DISCOVER));
    assert_eq!(discover.option(50), None, "not that one again");
}

#[test]
fn release_goes_to_the_server_from_the_address_and_ends_it() {
    let mut client = client();
    let _ = bound_for(&mut client, 600, &[]);
    client.release();
    let (transmit, msg) = said(&mut client, secs(5)).unwrap();
    assert_eq!((*transmit.from.ip(), *transmit.to.ip()), (ADDRESS, SERVER));
    assert_eq!(
        (msg.kind(), msg.ciaddr, msg.address(54)),
        (RELEASE, ADDRESS, Some(SERVER))
    );
    assert_eq!((msg.option(50), msg.option(55)), (None, None), "table 5");
    assert_eq!(
        msg.option(61),
        Some(&[1, 2, 0, 0, 0, 0, 1][..]),
        "the same name as before"
    );
    assert_eq!(client.poll_event(), Some(Event::Lost(Loss::Released)));
    assert_eq!(
        (client.state(), client.poll_timeout()),
        (State::Released, None)
    );
}

#[test]
fn client_without_a_lease_declines_and_releases_nothing() {
    let mut client = client();
    let _ = next(&mut client);
    client.decline(START);
    assert_eq!(said(&mut client, START), None);
    assert_eq!(client.state(), State::Selecting);
    client.release();
    assert_eq!(
        (said(&mut client, START), client.poll_event()),
        (None, None)
    );
}
