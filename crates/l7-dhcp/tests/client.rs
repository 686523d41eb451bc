//! Stories of a DHCPv4 client, in virtual time; the server is the test.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod common;

use core::net::Ipv4Addr;
use core::time::Duration;

use common::*;
use outcrop_base::{DropReason, Instant, Seed};
use outcrop_dhcp::v4::{Client, ClientConfig, ClientId, Event, Purpose, Route, State};

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
fn fresh_client_begins_within_one_to_ten_seconds() {
    for seed in 0..50 {
        let client = Client::new(START, ClientConfig::new(US), &Seed::from_number(seed));
        let wait = since(client.poll_timeout().unwrap(), START);
        assert!((1.0..=10.0).contains(&wait), "{wait}");
    }
}

#[test]
fn discover_says_who_asks_and_what_for() {
    let mut client = client_with(ClientConfig {
        hostname: Some("our host".to_owned()),
        lease_time: Some(Duration::from_mins(10)),
        ..config()
    });
    let (_, transmit, msg) = next(&mut client);
    assert_eq!(transmit.from, "0.0.0.0:68".parse().unwrap());
    assert_eq!(transmit.to, "255.255.255.255:67".parse().unwrap());
    assert_eq!(transmit.purpose, Purpose::Discover);
    assert!(transmit.payload.len() >= 300, "RFC 1542 2.1");
    assert_eq!((msg.op, msg.kind(), msg.flags), (1, DISCOVER, 0x8000));
    assert_eq!((msg.ciaddr, msg.chaddr), (Ipv4Addr::UNSPECIFIED, US));
    assert_eq!(msg.option(61), Some(&[1, 2, 0, 0, 0, 0, 1][..]));
    assert_eq!(msg.option(12), Some(&b"ourhost"[..]));
    assert_eq!(msg.number(51), Some(600));
    let wanted = msg.option(55).unwrap();
    assert!(
        [1, 3, 6, 15, 26, 51, 54, 58, 59, 121]
            .iter()
            .all(|code| wanted.contains(code))
    );
    let largest = msg.option(57).unwrap();
    assert!(u16::from_be_bytes([largest[0], largest[1]]) >= 576);
    assert_eq!(
        (msg.option(54), msg.option(50), msg.option(80)),
        (None, None, None)
    );
}

#[test]
fn silence_doubles_the_wait_to_a_minute_give_or_take_a_second() {
    let mut client = client();
    let mut last = next(&mut client).0;
    let mut xids = Vec::new();
    let mut apart = Vec::new();
    for _ in 0..7 {
        let (at, _, msg) = next(&mut client);
        apart.push(since(at, last));
        xids.push((msg.xid, msg.secs));
        last = at;
    }
    for (wait, expected) in apart.iter().zip([4.0, 8.0, 16.0, 32.0, 64.0, 64.0, 64.0]) {
        assert!((wait - expected).abs() <= 1.0, "{wait} for {expected}");
    }
    assert!(apart.iter().any(|wait| wait.fract() > 0.01), "drawn apart");
    assert!(
        xids.windows(2).all(|two| two[0].0 == two[1].0),
        "one transaction"
    );
    assert!(xids.windows(2).all(|two| two[0].1 < two[1].1), "secs grows");
}

#[test]
fn two_seeds_wait_differently_and_number_differently() {
    let run = |seed| {
        let mut client = Client::new(START, config(), &Seed::from_number(seed));
        let (_, _, msg) = next(&mut client);
        (msg.xid, client.poll_timeout())
    };
    let ((one, first), (other, second)) = (run(1), run(2));
    assert_ne!(one, other, "numbers");
    assert_ne!(first, second, "waits");
    assert_eq!(run(1), run(1));
}

#[test]
fn offer_is_accepted_by_a_request_that_names_its_server() {
    let mut client = client();
    let _ = next(&mut client);
    let (at, _, discover) = next(&mut client);
    assert!(discover.secs >= 3);
    let at = at + Duration::from_millis(1500);
    taken(&mut client, at, &Msg::lease(&discover, OFFER, SERVER, 3600));
    assert_eq!(client.state(), State::Requesting);
    let (transmit, request) = said(&mut client, at).unwrap();
    assert!(transmit.is_broadcast(), "the other servers hear it too");
    assert_eq!(transmit.purpose, Purpose::Select);
    assert_eq!((request.kind(), request.xid), (REQUEST, discover.xid));
    assert_eq!(
        (request.address(50), request.address(54)),
        (Some(ADDRESS), Some(SERVER))
    );
    assert_eq!(
        (request.ciaddr, request.secs),
        (Ipv4Addr::UNSPECIFIED, discover.secs)
    );
    assert_eq!(
        request.option(55),
        discover.option(55),
        "the same parameters"
    );
}

#[test]
fn two_servers_offer_the_first_is_taken_and_the_other_not_heard() {
    let mut client = client();
    let (at, _, discover) = next(&mut client);
    taken(&mut client, at, &Msg::lease(&discover, OFFER, SECOND, 3600));
    let late = Msg::lease(&discover, OFFER, SERVER, 3600);
    assert_eq!(
        dropped(&mut client, at, &late),
        Some(DropReason::DhcpUnexpected)
    );
    let (_, request) = said(&mut client, at).unwrap();
    assert_eq!(request.address(54), Some(SECOND));
    for kind in [ACK, NAK] {
        let other = Msg::lease(&request, kind, SERVER, 3600);
        assert_eq!(
            dropped(&mut client, at, &other),
            Some(DropReason::DhcpUnrelated)
        );
    }
    taken(&mut client, at, &Msg::lease(&request, ACK, SECOND, 3600));
    assert_eq!(client.lease().unwrap().server, SECOND);
}

#[test]
fn acknowledgment_binds_with_all_that_it_says() {
    let mut client = client();
    let lease = bound_for(
        &mut client,
        7200,
        &[
            (3, &[10, 0, 0, 1, 10, 0, 0, 2]),
            (6, &[9, 9, 9, 9]),
            (15, b"example.org"),
            (26, &1400_u16.to_be_bytes()),
            (58, &600_u32.to_be_bytes()),
            (59, &900_u32.to_be_bytes()),
        ],
    );
    assert_eq!(
        (lease.address, lease.prefix, lease.server),
        (ADDRESS, 24, SERVER)
    );
    let ways: Vec<_> = lease
        .routes
        .iter()
        .map(|route| (route.prefix, route.router))
        .collect();
    assert_eq!(ways, [(0, SERVER), (0, SECOND)]);
    assert_eq!(lease.dns, [Ipv4Addr::new(9, 9, 9, 9)]);
    assert_eq!(
        (lease.domain.as_deref(), lease.mtu),
        (Some("example.org"), Some(1400))
    );
    let seconds = |n| Duration::from_secs(n);
    assert_eq!(lease.time, Some(seconds(7200)));
    assert_eq!((lease.renew, lease.rebind), (seconds(600), seconds(900)));
    assert_eq!(client.state(), State::Bound);
    assert_eq!(client.poll_timeout(), Some(secs(600)));
}

#[test]
fn classless_routes_stand_in_place_of_routers() {
    let mut client = client();
    let routes = [24, 192, 168, 7, 10, 0, 0, 9, 0, 10, 0, 0, 8];
    let lease = bound_for(&mut client, 7200, &[(3, &SERVER.octets()), (121, &routes)]);
    let expected = [
        Route {
            network: Ipv4Addr::new(192, 168, 7, 0),
            prefix: 24,
            router: Ipv4Addr::new(10, 0, 0, 9),
        },
        Route {
            network: Ipv4Addr::UNSPECIFIED,
            prefix: 0,
            router: Ipv4Addr::new(10, 0, 0, 8),
        },
    ];
    assert_eq!(lease.routes, expected);
}

#[test]
fn unsaid_times_are_a_half_and_seven_eighths_drawn_forward_a_little() {
    for seed in 0..20 {
        let mut client = Client::new(START, config(), &Seed::from_number(seed));
        let lease = bound_for(&mut client, 1000, &[]);
        let (t1, t2) = (lease.renew.as_secs_f64(), lease.rebind.as_secs_f64());
        assert!(
            (470.0..=500.0).contains(&t1) && (845.0..=875.0).contains(&t2),
            "{t1} {t2}"
        );
    }
}

#[test]
fn times_in_the_wrong_order_are_replaced() {
    let zero = 0_u32.to_be_bytes();
    let late = 2000_u32.to_be_bytes();
    for (t1, t2) in [(late, late), (zero, zero), (late, zero)] {
        let mut client = client();
        let lease = bound_for(&mut client, 1000, &[(58, &t1), (59, &t2)]);
        assert!(Duration::ZERO < lease.renew && lease.renew < lease.rebind);
        assert!(lease.rebind < Duration::from_secs(1000));
    }
}

#[test]
fn acknowledgment_that_lacks_time_server_or_mask() {
    let mut client = client();
    let (at, _, discover) = next(&mut client);
    taken(&mut client, at, &Msg::lease(&discover, OFFER, SERVER, 60));
    let ack = Msg::lease(&discover, ACK, SERVER, 60);
    for code in [51, 54] {
        let lacking = ack.clone().without(code);
        assert_eq!(
            dropped(&mut client, at, &lacking),
            Some(DropReason::DhcpInvalid)
        );
    }
    let holes = ack.clone().with(1, &[255, 0, 255, 0]);
    assert_eq!(
        dropped(&mut client, at, &holes),
        Some(DropReason::DhcpInvalid)
    );
    taken(&mut client, at, &ack.without(1));
    assert_eq!(client.lease().unwrap().prefix, 8, "10.0.0.0 is of class A");
}

#[test]
fn lease_counts_from_the_request_not_from_its_answer() {
    let mut client = client();
    let (at, _, discover) = next(&mut client);
    taken(&mut client, at, &Msg::lease(&discover, OFFER, SERVER, 1000));
    let ack = Msg::lease(&discover, ACK, SERVER, 1000).with(58, &400_u32.to_be_bytes());
    taken(&mut client, at + Duration::from_secs(3), &ack);
    assert_eq!(client.poll_timeout(), Some(at + Duration::from_secs(400)));
}

#[test]
fn infinite_lease_sets_no_timer() {
    let mut client = client();
    let lease = bound_for(&mut client, u32::MAX, &[]);
    assert_eq!((lease.time, client.poll_timeout()), (None, None));
}

#[test]
fn request_without_an_answer_is_repeated_three_times_then_all_begins_again() {
    let mut client = client();
    let (at, _, discover) = next(&mut client);
    taken(&mut client, at, &Msg::lease(&discover, OFFER, SERVER, 60));
    let first = said(&mut client, at).unwrap().1;
    for _ in 0..3 {
        let (_, _, again) = next(&mut client);
        assert_eq!((again.kind(), again.xid), (REQUEST, first.xid));
    }
    let (end, _, anew) = next(&mut client);
    assert_eq!((anew.kind(), client.state()), (DISCOVER, State::Selecting));
    assert_ne!(anew.xid, first.xid);
    assert!((56.0..=64.0).contains(&since(end, at)), "a minute in all");
    assert_eq!(
        client.poll_event(),
        None,
        "nothing was had, nothing is lost"
    );
}

fn rebooting() -> Client {
    client_with(ClientConfig {
        previous: Some(ADDRESS),
        ..config()
    })
}

#[test]
fn restarted_client_asks_for_the_address_it_had() {
    let mut client = rebooting();
    assert_eq!(client.state(), State::InitReboot);
    let (at, transmit, msg) = next(&mut client);
    assert_eq!(
        (client.state(), transmit.purpose),
        (State::Rebooting, Purpose::Reboot)
    );
    assert!(transmit.is_broadcast());
    assert_eq!((msg.kind(), msg.ciaddr), (REQUEST, Ipv4Addr::UNSPECIFIED));
    assert_eq!((msg.address(50), msg.option(54)), (Some(ADDRESS), None));
    taken(&mut client, at, &Msg::lease(&msg, ACK, SERVER, 600));
    assert!(matches!(client.poll_event(), Some(Event::Bound(lease)) if lease.address == ADDRESS));
}

#[test]
fn restarted_client_elsewhere_is_refused_and_begins_from_the_start() {
    let mut client = rebooting();
    let (at, _, msg) = next(&mut client);
    taken(&mut client, at, &Msg::answer(&msg, NAK, SERVER));
    assert_eq!(client.poll_event(), None);
    let (_, _, discover) = next(&mut client);
    assert_eq!((discover.kind(), discover.option(50)), (DISCOVER, None));
}

#[test]
fn restarted_client_that_nobody_answers_looks_for_servers() {
    let mut client = rebooting();
    let kinds: Vec<_> = (0..5).map(|_| next(&mut client).2.kind()).collect();
    assert_eq!(kinds, [REQUEST, REQUEST, REQUEST, REQUEST, DISCOVER]);
}

#[test]
fn grant_at_once_is_taken_where_it_was_asked_for() {
    let mut quick = client_with(ClientConfig {
        rapid_commit: true,
        ..config()
    });
    let (at, _, discover) = next(&mut quick);
    assert_eq!(discover.option(80), Some(&[][..]));
    let plain = Msg::lease(&discover, ACK, SERVER, 600);
    assert_eq!(
        dropped(&mut quick, at, &plain),
        Some(DropReason::DhcpUnexpected)
    );
    taken(&mut quick, at, &plain.with(80, &[]));
    assert!(matches!(quick.poll_event(), Some(Event::Bound(_))));

    let mut patient = client();
    let (at, _, discover) = next(&mut patient);
    let ack = Msg::lease(&discover, ACK, SERVER, 600).with(80, &[]);
    assert_eq!(
        dropped(&mut patient, at, &ack),
        Some(DropReason::DhcpUnexpected)
    );
}

#[test]
fn answers_of_others_are_not_ours() {
    let mut client = client();
    let (at, _, discover) = next(&mut client);
    let offer = Msg::lease(&discover, OFFER, SERVER, 600);
    let mut number = offer.clone();
    number.xid ^= 1;
    let mut station = offer.clone();
    station.chaddr = OTHER;
    let name = offer.clone().with(61, &[1, 2, 0, 0, 0, 0, 2]);
    for msg in [number, station, name] {
        assert_eq!(
            dropped(&mut client, at, &msg),
            Some(DropReason::DhcpUnrelated),
            "{msg:?}"
        );
    }
    let mut request = offer.clone();
    request.op = 1;
    assert_eq!(
        dropped(&mut client, at, &request),
        Some(DropReason::DhcpMalformed)
    );
    let unkind = offer.clone().without(53);
    assert_eq!(
        dropped(&mut client, at, &unkind),
        Some(DropReason::DhcpMalformed)
    );
    taken(&mut client, at, &offer.with(61, &[1, 2, 0, 0, 0, 0, 1]));
}

#[test]
fn offers_that_offer_nothing_are_not_taken() {
    let mut client = client();
    let (at, _, discover) = next(&mut client);
    let offer = Msg::lease(&discover, OFFER, SERVER, 600);
    for yiaddr in ["0.0.0.0", "255.255.255.255", "224.0.0.1", "127.0.0.1"] {
        let mut msg = offer.clone();
        msg.yiaddr = yiaddr.parse().unwrap();
        assert_eq!(
            dropped(&mut client, at, &msg),
            Some(DropReason::DhcpInvalid),
            "{yiaddr}"
        );
    }
    for msg in [
        offer.clone().without(54),
        offer.clone().with(54, &[0, 0, 0, 0]),
        offer.clone().without(51),
        offer.clone().with(51, &[0, 0, 0, 0]),
        offer.with(51, &[0, 0, 9]),
    ] {
        assert_eq!(
            dropped(&mut client, at, &msg),
            Some(DropReason::DhcpInvalid),
            "{msg:?}"
        );
    }
    assert_eq!(client.state(), State::Selecting);
}

#[test]
fn names_that_are_no_names_are_left_out() {
    for bad in [&b"exa mple"[..], b"$(reboot)", b"\xff\xfe", b"a\nb"] {
        let mut client = client();
        let lease = bound_for(
            &mut client,
            600,
            &[(15, bad), (26, &[0, 1]), (6, &[0, 0, 0, 0])],
        );
        assert_eq!((lease.domain, lease.mtu, lease.dns), (None, None, vec![]));
    }
}

#[test]
fn client_may_call_itself_by_interface_and_duid() {
    let id = ClientId::Duid { iaid: 7 };
    let mut client = client_with(ClientConfig { id, ..config() });
    let (_, _, msg) = next(&mut client);
    let expected = [255, 0, 0, 0, 7, 0, 3, 0, 1, 2, 0, 0, 0, 0, 1];
    assert_eq!(msg.option(61), Some(&expected[..]));
    let mut nameless = client_with(ClientConfig {
        id: ClientId::Omitted,
        ..config()
    });
    assert_eq!(next(&mut nameless).2.option(61), None);
}

#[test]
fn client_that_hears_unicast_does_not_ask_for_broadcasts() {
    let mut client = client_with(ClientConfig {
        broadcast: false,
        ..config()
    });
    assert_eq!(next(&mut client).2.flags, 0);
}

#[test]
fn spurious_timeouts_change_nothing() {
    use core::hash::Hasher as _;
    use std::hash::DefaultHasher;
    let print = |client: &Client| {
        let mut hasher = DefaultHasher::new();
        client.fingerprint(START, &mut hasher);
        hasher.finish()
    };
    let mut client = client();
    let _ = bound_for(&mut client, 600, &[]);
    let before = print(&client);
    client.handle_timeout(secs(1));
    assert_eq!(print(&client), before);
    assert_eq!(client.poll_transmit(secs(1)), None);
}
