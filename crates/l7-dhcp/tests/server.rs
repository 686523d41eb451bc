//! Stories of a DHCPv4 server, in virtual time; the clients are the test.
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
use outcrop_base::{DropReason, Instant};
use outcrop_dhcp::v4::server::Status;
use outcrop_dhcp::v4::{Change, Purpose, Server, ServerConfig, ServerConfigError, Transmit};

const FIRST: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 100);
const LAST: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 102);
const NOWHERE: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 5);

fn config() -> ServerConfig {
    ServerConfig {
        lease_time: Duration::from_secs(600),
        routers: vec![SERVER],
        dns: vec![Ipv4Addr::new(9, 9, 9, 9)],
        domain: Some("lan.example".to_owned()),
        mtu: Some(1400),
        ..ServerConfig::new(SERVER, 24, FIRST, LAST)
    }
}

fn server() -> Server {
    Server::new(config()).unwrap()
}

fn station(n: u8) -> [u8; 6] {
    [2, 0, 0, 0, 1, n]
}

/// What the server answers, and by what plan.
fn ask(
    server: &mut Server,
    now: Instant,
    msg: &Msg,
) -> Result<(Transmit, Msg), Option<DropReason>> {
    let reason = server.handle_datagram(now, &msg.bytes()).drop_reason();
    let transmit = server.poll_transmit(now).ok_or(reason)?;
    assert_eq!((reason, server.poll_transmit(now)), (None, None));
    let msg = Msg::read(&transmit.payload);
    Ok((transmit, msg))
}

fn answer(server: &mut Server, now: Instant, msg: &Msg) -> Msg {
    ask(server, now, msg)
        .unwrap_or_else(|reason| panic!("{reason:?} for {msg:?}"))
        .1
}

fn request_for(offer: &Msg) -> Msg {
    Msg::request(REQUEST, offer.chaddr)
        .with(50, &offer.yiaddr.octets())
        .with(54, offer.option(54).unwrap())
}

/// Through all four messages.
fn lend(server: &mut Server, now: Instant, chaddr: [u8; 6]) -> Ipv4Addr {
    let offer = answer(server, now, &Msg::request(DISCOVER, chaddr));
    assert_eq!(offer.kind(), OFFER);
    let ack = answer(server, now, &request_for(&offer));
    assert_eq!((ack.kind(), ack.yiaddr), (ACK, offer.yiaddr));
    ack.yiaddr
}

#[test]
fn discover_is_offered_an_address_with_all_that_belongs_to_it() {
    let mut server = server();
    let name = [1, 2, 0, 0, 0, 0, 1];
    let msg = Msg::request(DISCOVER, US).with(61, &name);
    let (transmit, offer) = ask(&mut server, START, &msg).unwrap();
    assert_eq!(transmit.purpose, Purpose::Offer);
    assert_eq!((offer.op, offer.kind(), offer.xid), (2, OFFER, msg.xid));
    assert_eq!(
        (offer.yiaddr, offer.ciaddr, offer.chaddr),
        (FIRST, Ipv4Addr::UNSPECIFIED, US)
    );
    assert_eq!(offer.address(54), Some(SERVER));
    assert_eq!(
        (offer.number(51), offer.number(58), offer.number(59)),
        (Some(600), Some(300), Some(525))
    );
    assert_eq!(offer.address(1), Some(Ipv4Addr::new(255, 255, 255, 0)));
    assert_eq!(
        (offer.address(3), offer.address(6)),
        (Some(SERVER), Some(Ipv4Addr::new(9, 9, 9, 9)))
    );
    assert_eq!(
        (offer.option(15), offer.option(26)),
        (Some(&b"lan.example"[..]), Some(&[5, 0x78][..]))
    );
    assert_eq!(
        offer.option(61),
        Some(&name[..]),
        "RFC 6842: the name comes back"
    );
    assert_eq!(
        (offer.option(50), offer.option(55)),
        (None, None),
        "table 3"
    );
}

#[test]
fn replies_go_where_the_client_can_hear_them() {
    let mut server = server();
    let mut msg = Msg::request(DISCOVER, US);
    let (transmit, _) = ask(&mut server, START, &msg).unwrap();
    assert_eq!(transmit.from, "10.0.0.1:67".parse().unwrap());
    assert_eq!(
        (transmit.to, transmit.station),
        ("10.0.0.100:68".parse().unwrap(), Some(US))
    );
    msg.flags = 0x8000;
    let (transmit, offer) = ask(&mut server, START, &msg).unwrap();
    assert_eq!(
        (transmit.is_broadcast(), transmit.station, offer.flags),
        (true, None, 0x8000)
    );

    let address = lend(&mut server, START, US);
    let renewal = Msg::request(REQUEST, US).from(address);
    let (transmit, ack) = ask(&mut server, START, &renewal).unwrap();
    assert_eq!((*transmit.to.ip(), transmit.station), (address, None));
    assert_eq!((ack.kind(), ack.ciaddr), (ACK, address));
}

#[test]
fn offers_are_kept_for_whom_they_were_made_for_a_minute() {
    let mut server = server();
    let offered = |n, server: &mut Server, at| {
        ask(server, at, &Msg::request(DISCOVER, station(n))).map(|(_, msg)| msg.yiaddr)
    };
    let three: Vec<_> = (1..=3)
        .map(|n| offered(n, &mut server, START).unwrap())
        .collect();
    assert_eq!(three, [FIRST, Ipv4Addr::new(10, 0, 0, 101), LAST]);
    assert_eq!(
        offered(2, &mut server, START),
        Ok(three[1]),
        "asked again: the same"
    );
    assert_eq!(
        offered(4, &mut server, secs(59)),
        Err(Some(DropReason::DhcpNoAddress))
    );
    assert_eq!(offered(4, &mut server, secs(61)), Ok(FIRST));
    assert_eq!(server.poll_event(), None, "an offer is no lease");
}

#[test]
fn request_that_takes_anothers_offer_frees_ours() {
    let mut server = server();
    let offer = answer(&mut server, START, &Msg::request(DISCOVER, US));
    let other = request_for(&offer).with(54, &SECOND.octets());
    assert_eq!(
        ask(&mut server, START, &other),
        Err(Some(DropReason::DhcpUnrelated))
    );
    assert_eq!(server.bindings().next().unwrap().1.status(), Status::Past);
    let refused = answer(&mut server, START, &request_for(&offer));
    assert_eq!(refused.kind(), NAK, "it was given up");
}

#[test]
fn request_for_what_was_not_offered_is_refused_to_all_hearing() {
    let mut server = server();
    let offer = answer(&mut server, START, &Msg::request(DISCOVER, US));
    let wrong = request_for(&offer).with(50, &LAST.octets());
    let (transmit, nak) = ask(&mut server, START, &wrong).unwrap();
    assert_eq!(
        (nak.kind(), nak.yiaddr, transmit.is_broadcast()),
        (NAK, Ipv4Addr::UNSPECIFIED, true)
    );
    assert_eq!(nak.address(54), Some(SERVER));
    assert_eq!((nak.option(51), nak.option(1)), (None, None), "table 3");
}

#[test]
fn clients_get_what_they_had_or_what_they_ask_for() {
    let mut server = server();
    let wish = Msg::request(DISCOVER, US).with(50, &LAST.octets());
    assert_eq!(answer(&mut server, START, &wish).yiaddr, LAST);
    let elsewhere = Msg::request(DISCOVER, OTHER).with(50, &NOWHERE.octets());
    assert_eq!(answer(&mut server, START, &elsewhere).yiaddr, FIRST);
    // A lease that ended: theirs first, while nobody else needs it.
    let mut server = self::server();
    assert_eq!(lend(&mut server, START, OTHER), FIRST);
    assert_eq!(lend(&mut server, START, US), Ipv4Addr::new(10, 0, 0, 101));
    assert_eq!(
        lend(&mut server, secs(5000), US),
        Ipv4Addr::new(10, 0, 0, 101)
    );
}

#[test]
fn shorter_leases_are_given_longer_ones_are_not() {
    let mut server = server();
    for (asked, given) in [(60_u32, 60), (600, 600), (86_400, 600), (u32::MAX, 600)] {
        let msg = Msg::request(DISCOVER, US).with(51, &asked.to_be_bytes());
        assert_eq!(answer(&mut server, START, &msg).number(51), Some(given));
    }
}

#[test]
fn lease_lives_until_its_time_and_renewals_extend_it() {
    let mut server = server();
    let address = lend(&mut server, START, US);
    assert_eq!(server.poll_event(), Some(Change::Leased(address)));
    assert_eq!(server.poll_timeout(), Some(secs(600)));
    let renewal = Msg::request(REQUEST, US).from(address);
    assert_eq!(
        answer(&mut server, secs(300), &renewal).number(51),
        Some(600)
    );
    assert_eq!(server.poll_timeout(), Some(secs(900)));
    server.handle_timeout(secs(899));
    assert_eq!(server.poll_event(), Some(Change::Leased(address)));
    server.handle_timeout(secs(900));
    assert_eq!(server.poll_event(), Some(Change::Expired(address)));
    assert_eq!((server.poll_timeout(), server.poll_event()), (None, None));
}

#[test]
fn renewal_of_anothers_address_is_refused() {
    let mut server = server();
    let address = lend(&mut server, START, US);
    let thief = Msg::request(REQUEST, OTHER).from(address);
    assert_eq!(answer(&mut server, START, &thief).kind(), NAK);
    let lost = Msg::request(REQUEST, OTHER).from(NOWHERE);
    assert_eq!(
        answer(&mut server, START, &lost).kind(),
        NAK,
        "another network"
    );
    let beside = Msg::request(REQUEST, OTHER).from(Ipv4Addr::new(10, 0, 0, 50));
    assert_eq!(
        ask(&mut server, START, &beside),
        Err(Some(DropReason::DhcpUnrelated)),
        "another server's"
    );
}

#[test]
fn client_of_another_server_is_let_alone() {
    let mut server = server();
    let offer = answer(&mut server, START, &Msg::request(DISCOVER, US));
    let other = request_for(&offer).with(54, &SECOND.octets());
    assert!(
        ask(&mut server, START, &other).is_err(),
        "the other one was taken"
    );
    let theirs = Ipv4Addr::new(10, 0, 0, 50);
    let rebinds = Msg::request(REQUEST, US).from(theirs);
    assert_eq!(
        ask(&mut server, START, &rebinds),
        Err(Some(DropReason::DhcpUnrelated))
    );
    let reboots = Msg::request(REQUEST, US).with(50, &theirs.octets());
    assert_eq!(
        ask(&mut server, START, &reboots),
        Err(Some(DropReason::DhcpUnrelated))
    );
}

#[test]
fn server_that_forgot_extends_what_is_free() {
    let mut server = server();
    let renewal = Msg::request(REQUEST, US).from(LAST);
    assert_eq!(answer(&mut server, START, &renewal).yiaddr, LAST);
}

#[test]
fn restarted_clients_are_confirmed_refused_or_not_answered() {
    let mut server = server();
    let address = lend(&mut server, START, US);
    let reboot =
        |chaddr, address: Ipv4Addr| Msg::request(REQUEST, chaddr).with(50, &address.octets());
    assert_eq!(answer(&mut server, START, &reboot(US, address)).kind(), ACK);
    assert_eq!(
        answer(&mut server, START, &reboot(US, LAST)).kind(),
        NAK,
        "not what it had"
    );
    assert_eq!(
        answer(&mut server, START, &reboot(US, NOWHERE)).kind(),
        NAK,
        "another network"
    );
    let unknown = ask(&mut server, START, &reboot(OTHER, LAST));
    assert_eq!(
        unknown,
        Err(Some(DropReason::DhcpUnrelated)),
        "silence: another server may know it"
    );
}

#[test]
fn declined_address_is_not_lent_for_ten_minutes() {
    let mut server = server();
    let address = lend(&mut server, START, US);
    let _ = server.poll_event();
    let decline = Msg::request(DECLINE, US)
        .with(50, &address.octets())
        .with(54, &SERVER.octets());
    assert_eq!(
        ask(&mut server, START, &decline),
        Err(None),
        "taken, not answered"
    );
    assert_eq!(server.poll_event(), Some(Change::Declined(address)));
    for n in 1..=2 {
        assert_ne!(lend(&mut server, secs(1), station(n)), address);
    }
    let full = ask(
        &mut server,
        secs(590),
        &Msg::request(DISCOVER, OTHER).with(50, &address.octets()),
    );
    assert_eq!(full, Err(Some(DropReason::DhcpNoAddress)));
    let offer = answer(&mut server, secs(600), &Msg::request(DISCOVER, OTHER));
    assert_eq!(offer.yiaddr, address);
}

#[test]
fn declines_and_releases_of_others_change_nothing() {
    let mut server = server();
    let address = lend(&mut server, START, US);
    for kind in [DECLINE, RELEASE] {
        let mine = |chaddr| {
            Msg::request(kind, chaddr)
                .from(address)
                .with(50, &address.octets())
        };
        let theirs = mine(OTHER).with(54, &SERVER.octets());
        let elsewhere = mine(US).with(54, &SECOND.octets());
        for msg in [theirs, elsewhere, mine(US)] {
            assert_eq!(
                ask(&mut server, START, &msg),
                Err(Some(DropReason::DhcpUnrelated))
            );
        }
    }
    assert_eq!(server.bindings().next().unwrap().1.status(), Status::Leased);
}

#[test]
fn released_address_is_free() {
    let mut server = server();
    let address = lend(&mut server, START, US);
    let _ = server.poll_event();
    let release = Msg::request(RELEASE, US)
        .from(address)
        .with(54, &SERVER.octets());
    assert_eq!(ask(&mut server, START, &release), Err(None));
    assert_eq!(server.poll_event(), Some(Change::Released(address)));
    for n in 1..=3 {
        lend(&mut server, START, station(n));
    }
}

#[test]
fn inform_is_told_all_but_an_address() {
    let mut server = server();
    let mine = Ipv4Addr::new(10, 0, 0, 7);
    let (transmit, ack) = ask(&mut server, START, &Msg::request(INFORM, US).from(mine)).unwrap();
    assert_eq!(
        (ack.kind(), ack.yiaddr, *transmit.to.ip()),
        (ACK, Ipv4Addr::UNSPECIFIED, mine)
    );
    assert_eq!((ack.option(51), ack.address(3)), (None, Some(SERVER)));
    assert_eq!(server.bindings().count(), 0);
    let stranger = ask(&mut server, START, &Msg::request(INFORM, US).from(NOWHERE));
    assert_eq!(stranger, Err(Some(DropReason::DhcpInvalid)));
}

#[test]
fn reserved_address_is_one_stations_alone() {
    let fixed = Ipv4Addr::new(10, 0, 0, 7);
    let reservations = vec![(US, fixed), (OTHER, FIRST)];
    let mut server = Server::new(ServerConfig {
        reservations,
        ..config()
    })
    .unwrap();
    assert_eq!(lend(&mut server, START, US), fixed, "outside the pool");
    assert_eq!(
        lend(&mut server, START, station(1)),
        Ipv4Addr::new(10, 0, 0, 101),
        "not the reserved one"
    );
    let wish = Msg::request(DISCOVER, station(2)).with(50, &FIRST.octets());
    assert_eq!(answer(&mut server, START, &wish).yiaddr, LAST);
    assert_eq!(lend(&mut server, START, OTHER), FIRST);
}

#[test]
fn grant_at_once_where_both_want_it() {
    let rapid = Msg::request(DISCOVER, US).with(80, &[]);
    let mut quick = Server::new(ServerConfig {
        rapid_commit: true,
        ..config()
    })
    .unwrap();
    let ack = answer(&mut quick, START, &rapid);
    assert_eq!((ack.kind(), ack.option(80)), (ACK, Some(&[][..])));
    assert_eq!(
        answer(&mut quick, START, &Msg::request(DISCOVER, OTHER)).kind(),
        OFFER
    );
    assert_eq!(answer(&mut server(), START, &rapid).kind(), OFFER);
}

#[test]
fn flood_of_clients_fills_the_pool_and_no_more() {
    let mut server = server();
    for n in 0..=255 {
        let _verdict = server.handle_datagram(START, &Msg::request(DISCOVER, station(n)).bytes());
    }
    assert_eq!(server.bindings().count(), 3);
    let mut replies = 0;
    while server.poll_transmit(START).is_some() {
        replies += 1;
    }
    assert_eq!(replies, 3);
    // Replies that nobody fetches are bounded too.
    for _ in 0..1000 {
        let _verdict = server.handle_datagram(START, &Msg::request(DISCOVER, station(1)).bytes());
    }
    assert!(core::iter::from_fn(|| server.poll_transmit(START)).count() <= 64);
}

#[test]
fn what_no_client_sends_is_dropped_by_name() {
    let mut server = server();
    let mut reply = Msg::request(DISCOVER, US);
    reply.op = 2;
    assert_eq!(
        ask(&mut server, START, &reply),
        Err(Some(DropReason::DhcpMalformed))
    );
    let mut relayed = Msg::request(DISCOVER, US);
    relayed.giaddr = NOWHERE;
    assert_eq!(
        ask(&mut server, START, &relayed),
        Err(Some(DropReason::DhcpUnrelated))
    );
    for kind in [OFFER, ACK, NAK, 0, 9, 255] {
        let msg = Msg::request(kind, US);
        assert_eq!(
            ask(&mut server, START, &msg),
            Err(Some(DropReason::DhcpUnexpected)),
            "{kind}"
        );
    }
    assert_eq!(
        ask(&mut server, START, &Msg::request(REQUEST, US)),
        Err(Some(DropReason::DhcpInvalid))
    );
}

#[test]
fn contradictory_settings_are_refused() {
    let wrong = |change: fn(&mut ServerConfig)| {
        let mut config = config();
        change(&mut config);
        Server::new(config).unwrap_err()
    };
    assert_eq!(
        wrong(|c| c.address = NOWHERE),
        ServerConfigError::PoolElsewhere
    );
    assert_eq!(
        wrong(|c| c.address = Ipv4Addr::new(10, 0, 0, 255)),
        ServerConfigError::Address
    );
    assert_eq!(wrong(|c| c.prefix = 33), ServerConfigError::Address);
    assert_eq!(
        wrong(|c| c.pool = (LAST, FIRST)),
        ServerConfigError::PoolSize
    );
    assert_eq!(
        wrong(|c| c.pool.0 = NOWHERE),
        ServerConfigError::PoolElsewhere
    );
    assert_eq!(
        wrong(|c| c.reservations = vec![(US, NOWHERE)]),
        ServerConfigError::Reservation
    );
    assert_eq!(
        wrong(|c| c.lease_time = Duration::ZERO),
        ServerConfigError::LeaseTime
    );
    assert_eq!(
        wrong(|c| c.dns = vec![SERVER; 9]),
        ServerConfigError::TooMuch
    );
}
