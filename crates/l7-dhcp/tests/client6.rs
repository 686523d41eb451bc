//! Stories of a DHCPv6 client, in virtual time; the server is the test, and writes its messages by hand.

use core::net::Ipv6Addr;
use core::time::Duration;

use outcrop_base::{DropReason, Instant, Seed};
use outcrop_dhcp::Loss;
use outcrop_dhcp::v6::{Client, ClientConfig, Event, Mode, Purpose, State};
use proptest::prelude::*;

const US: [u8; 6] = [2, 0, 0, 0, 0, 1];
const OUR_DUID: [u8; 10] = [0, 3, 0, 1, 2, 0, 0, 0, 0, 1];
const SERVER: &[u8] = b"server";
const SECOND: &[u8] = b"second";
const START: Instant = Instant::from_secs(1000);
const ADDRESS: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x100);

const SOLICIT: u8 = 1;
const ADVERTISE: u8 = 2;
const REQUEST: u8 = 3;
const CONFIRM: u8 = 4;
const RENEW: u8 = 5;
const REBIND: u8 = 6;
const REPLY: u8 = 7;
const RELEASE: u8 = 8;
const DECLINE: u8 = 9;
const RECONFIGURE: u8 = 10;
const INFORMATION_REQUEST: u8 = 11;

const UNSPEC_FAIL: u16 = 1;
const NO_ADDRS_AVAIL: u16 = 2;
const NO_BINDING: u16 = 3;
const NOT_ON_LINK: u16 = 4;

fn secs(n: u64) -> Instant {
    START + Duration::from_secs(n)
}

fn since(at: Instant, from: Instant) -> f64 {
    at.saturating_since(from).as_secs_f64()
}

/// RFC 8415 21.1.
fn option(code: u16, value: &[u8]) -> Vec<u8> {
    let len = u16::try_from(value.len()).unwrap();
    [&code.to_be_bytes()[..], &len.to_be_bytes(), value].concat()
}

fn status(code: u16) -> Vec<u8> {
    option(13, &[&code.to_be_bytes()[..], b"because"].concat())
}

/// RFC 8415 21.6.
fn address(address: Ipv6Addr, preferred: u32, valid: u32) -> Vec<u8> {
    let value = [&address.octets()[..], &preferred.to_be_bytes(), &valid.to_be_bytes()].concat();
    option(5, &value)
}

/// RFC 8415 21.4.
fn association(t1: u32, t2: u32, inside: &[u8]) -> Vec<u8> {
    let head = [&[0, 0, 0, 1][..], &t1.to_be_bytes(), &t2.to_be_bytes(), inside];
    option(3, &head.concat())
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Msg {
    kind: u8,
    xid: [u8; 3],
    options: Vec<(u16, Vec<u8>)>,
}

impl Msg {
    fn read(bytes: &[u8]) -> Self {
        let mut rest = &bytes[4..];
        let mut options = Vec::new();
        while let [c1, c2, l1, l2, after @ ..] = rest {
            let (value, after) = after.split_at(usize::from(u16::from_be_bytes([*l1, *l2])));
            options.push((u16::from_be_bytes([*c1, *c2]), value.to_vec()));
            rest = after;
        }
        assert!(rest.is_empty());
        Self {
            kind: bytes[0],
            xid: bytes[1..4].try_into().unwrap(),
            options,
        }
    }

    fn option(&self, code: u16) -> Option<&[u8]> {
        let found = self.options.iter().find(|(other, _)| *other == code);
        found.map(|(_, value)| value.as_slice())
    }

    fn elapsed(&self) -> u16 {
        u16::from_be_bytes(self.option(8).unwrap().try_into().unwrap())
    }

    /// The addresses in its association.
    fn addresses(&self) -> Vec<Ipv6Addr> {
        let inside = &self.option(3).unwrap()[12..];
        let each = inside.chunks(28).map(|one| {
            assert_eq!(one[..4], [0, 5, 0, 24]);
            assert_eq!(one[20..], [0; 8], "lifetimes are the server's to say");
            Ipv6Addr::from(<[u8; 16]>::try_from(&one[4..20]).unwrap())
        });
        each.collect()
    }

    /// An answer by this server with these options.
    fn answer(&self, kind: u8, server: &[u8], options: &[Vec<u8>]) -> Vec<u8> {
        let [a, b, c] = self.xid;
        let head = [vec![kind, a, b, c], option(1, &OUR_DUID), option(2, server)];
        [head.concat(), options.concat()].concat()
    }

    /// A grant of [`ADDRESS`] with these times.
    fn grant(&self, kind: u8, server: &[u8], (t1, t2): (u32, u32), (preferred, valid): (u32, u32)) -> Vec<u8> {
        self.answer(kind, server, &[association(t1, t2, &address(ADDRESS, preferred, valid))])
    }
}

fn client_with(change: fn(&mut ClientConfig)) -> Client {
    let mut config = ClientConfig::new(US);
    change(&mut config);
    Client::new(START, config, &Seed::from_number(1))
}

fn client() -> Client {
    client_with(|_| ())
}

fn said(client: &mut Client, now: Instant) -> Option<(Purpose, Msg)> {
    let transmit = client.poll_transmit(now)?;
    assert_eq!(client.poll_transmit(now), None);
    assert_eq!(transmit.to(), "[ff02::1:2]:547".parse().unwrap());
    let msg = Msg::read(&transmit.payload);
    assert_eq!(msg.option(1), Some(&OUR_DUID[..]), "every message says who");
    Some((transmit.purpose, msg))
}

/// The next message, however long it takes.
fn next(client: &mut Client) -> (Instant, Purpose, Msg) {
    for _ in 0..20 {
        let at = client.poll_timeout().expect("a deadline");
        client.handle_timeout(at);
        if let Some((purpose, msg)) = said(client, at) {
            return (at, purpose, msg);
        }
    }
    panic!("nothing is said");
}

fn hear(client: &mut Client, now: Instant, bytes: &[u8]) -> Option<DropReason> {
    client.handle_datagram(now, bytes).drop_reason()
}

/// Through all four messages, bound at the instant that is returned.
fn bound(client: &mut Client, times: (u32, u32), lives: (u32, u32)) -> Instant {
    let (at, _, solicit) = next(client);
    let urgent = [solicit.grant(ADVERTISE, SERVER, times, lives), option(7, &[255])].concat();
    assert_eq!(hear(client, at, &urgent), None);
    let (_, request) = said(client, at).expect("asked at once");
    assert_eq!(hear(client, at, &request.grant(REPLY, SERVER, times, lives)), None);
    assert!(matches!(client.poll_event(), Some(Event::Bound(_))));
    at
}

#[test]
fn solicit_leaves_within_a_second_and_says_what_is_wanted() {
    for seed in 0..30 {
        let client = Client::new(START, ClientConfig::new(US), &Seed::from_number(seed));
        assert!((0.0..=1.0).contains(&since(client.poll_timeout().unwrap(), START)));
    }
    let mut client = client();
    let (_, purpose, msg) = next(&mut client);
    assert_eq!((purpose, msg.kind, msg.elapsed()), (Purpose::Solicit, SOLICIT, 0));
    assert_eq!(msg.option(3), Some(&[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0][..]));
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
                assert!((1.9 * before..=2.1 * before).contains(&wait), "{wait} after {before}");
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
    let better = [solicit.grant(ADVERTISE, SECOND, (0, 0), (100, 200)), option(7, &[5])].concat();
    for advertise in [&modest, &better, &modest] {
        assert_eq!(hear(&mut client, at, advertise), None);
    }
    assert_eq!(said(&mut client, at), None, "others may be better");
    let (asked, purpose, request) = next(&mut client);
    assert!((1.0..=1.1).contains(&since(asked, at)));
    assert_eq!((purpose, request.kind), (Purpose::Request, REQUEST));
    assert_eq!((request.option(2), request.addresses()), (Some(SECOND), vec![ADDRESS]));
    assert_ne!(request.xid, solicit.xid);
    let other = request.grant(REPLY, SECOND, (0, 0), (100, 200));
    assert_eq!(hear(&mut client, asked, &other), None);
    assert_eq!(client.state(), State::Bound);
}

#[test]
fn highest_preference_is_asked_at_once_and_so_is_the_first_after_the_first_wait() {
    let mut client = client();
    let (at, _, solicit) = next(&mut client);
    let urgent = [solicit.grant(ADVERTISE, SERVER, (0, 0), (100, 200)), option(7, &[255])].concat();
    assert_eq!(hear(&mut client, at, &urgent), None);
    assert_eq!(said(&mut client, at).unwrap().0, Purpose::Request);

    let mut late = self::client();
    let _ = next(&mut late);
    let (at, _, solicit) = next(&mut late);
    assert_eq!(hear(&mut late, at, &solicit.grant(ADVERTISE, SERVER, (0, 0), (100, 200))), None);
    assert_eq!(said(&mut late, at).unwrap().0, Purpose::Request);
}

#[test]
fn advertisement_of_nothing_is_not_taken_but_its_pace_is() {
    let mut client = client();
    let (at, _, solicit) = next(&mut client);
    let nothing = [
        solicit.answer(ADVERTISE, SERVER, &[status(NO_ADDRS_AVAIL)]),
        solicit.answer(ADVERTISE, SERVER, &[association(0, 0, &status(NO_ADDRS_AVAIL))]),
        solicit.answer(ADVERTISE, SERVER, &[association(0, 0, &[])]),
        solicit.answer(ADVERTISE, SERVER, &[option(82, &[0, 0, 0, 60])]),
    ];
    for advertise in nothing {
        assert_eq!(hear(&mut client, at, &advertise), Some(DropReason::DhcpNoAddress));
    }
    let mut last = at;
    let mut waits = Vec::new();
    for _ in 0..12 {
        let (at, purpose, _) = next(&mut client);
        assert_eq!(purpose, Purpose::Solicit);
        waits.push(since(at, last));
        last = at;
    }
    assert!(waits.iter().all(|wait| *wait <= 66.0), "SOL_MAX_RT: {waits:?}");
}

#[test]
fn reply_binds_with_its_times_and_parameters() {
    let mut client = client();
    let (at, _, solicit) = next(&mut client);
    let urgent = [solicit.grant(ADVERTISE, SERVER, (0, 0), (100, 200)), option(7, &[255])].concat();
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
    assert_eq!((one.address, one.preferred, one.valid), (ADDRESS, seconds(100), seconds(200)));
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
    assert_eq!((lease.renew, lease.rebind), (Some(Duration::from_secs(50)), Some(Duration::from_secs(80))));
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
    let urgent = [solicit.grant(ADVERTISE, SERVER, (0, 0), (100, 200)), option(7, &[255])].concat();
    let _verdict = client.handle_datagram(at, &urgent);
    let (_, request) = said(&mut client, at).unwrap();
    let crossed = request.grant(REPLY, SERVER, (90, 80), (100, 200));
    assert_eq!(hear(&mut client, at, &crossed), Some(DropReason::DhcpInvalid));
    let two = [address(ADDRESS, 300, 200), address("2001:db8::2".parse().unwrap(), 100, 200)].concat();
    let reply = request.answer(REPLY, SERVER, &[association(0, 0, &two)]);
    assert_eq!(hear(&mut client, at, &reply), None);
    let lease = client.lease(at).unwrap();
    assert_eq!(lease.addresses.len(), 1, "preferred longer than valid: left out");
}

#[test]
fn unanswered_requests_end_after_ten_and_servers_are_looked_for_again() {
    let mut client = client();
    let (at, _, solicit) = next(&mut client);
    let urgent = [solicit.grant(ADVERTISE, SERVER, (0, 0), (100, 200)), option(7, &[255])].concat();
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
fn renew_goes_to_its_server_at_t1_and_extends() {
    let mut client = client();
    let at = bound(&mut client, (50, 80), (100, 200));
    let (renewed, purpose, msg) = next(&mut client);
    assert_eq!((since(renewed, at), purpose, msg.kind), (50.0, Purpose::Renew, RENEW));
    assert_eq!((msg.option(2), msg.addresses()), (Some(SERVER), vec![ADDRESS]));
    assert_eq!(hear(&mut client, renewed, &msg.grant(REPLY, SERVER, (50, 80), (100, 200))), None);
    assert!(matches!(client.poll_event(), Some(Event::Renewed(_))));
    assert_eq!(client.poll_timeout(), Some(renewed + Duration::from_secs(50)));
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
    let of = |purpose| seen.iter().filter(|(other, _)| *other == purpose).map(|(_, at)| *at).collect::<Vec<_>>();
    let (renews, rebinds) = (of(Purpose::Renew), of(Purpose::Rebind));
    assert_eq!((renews[0], rebinds[0]), (50.0, 80.0));
    assert!((59.0..=61.0).contains(&renews[1]), "REN_TIMEOUT: {renews:?}");
    assert!((89.0..=91.0).contains(&rebinds[1]), "REB_TIMEOUT: {rebinds:?}");
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
    assert_eq!(hear(&mut client, at, &msg.grant(REPLY, SECOND, (50, 80), (100, 200))), None);
    assert_eq!(next(&mut client).2.option(2), Some(SECOND));
}

#[test]
fn one_of_two_addresses_ends_and_the_other_is_kept() {
    let other: Ipv6Addr = "2001:db8::2".parse().unwrap();
    let mut client = client();
    let (at, _, solicit) = next(&mut client);
    let urgent = [solicit.grant(ADVERTISE, SERVER, (0, 0), (100, 200)), option(7, &[255])].concat();
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
    assert_eq!(lease.addresses.iter().map(|one| one.address).collect::<Vec<_>>(), [other]);
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
    assert_eq!(hear(&mut client, at, &unknown), Some(DropReason::DhcpNoAddress));
    let (purpose, request) = said(&mut client, at).unwrap();
    assert_eq!(purpose, Purpose::Request);
    assert_eq!((request.option(2), request.addresses()), (Some(SERVER), vec![ADDRESS]));
    assert_eq!(client.poll_event(), None, "they are still good");
    assert_eq!(hear(&mut client, at, &request.grant(REPLY, SERVER, (50, 80), (100, 200))), None);
    assert!(matches!(client.poll_event(), Some(Event::Renewed(_))));
}

#[test]
fn passing_trouble_of_a_server_is_waited_out_at_the_same_pace() {
    let mut client = client();
    let (at, _, solicit) = next(&mut client);
    let urgent = [solicit.grant(ADVERTISE, SERVER, (0, 0), (100, 200)), option(7, &[255])].concat();
    let _verdict = client.handle_datagram(at, &urgent);
    let (_, request) = said(&mut client, at).unwrap();
    let trouble = request.answer(REPLY, SERVER, &[status(UNSPEC_FAIL)]);
    assert_eq!(hear(&mut client, at, &trouble), Some(DropReason::DhcpNoAddress));
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
            let urgent = [solicit.grant(ADVERTISE, SERVER, (0, 0), (100, 200)), option(7, &[255])].concat();
            let _verdict = client.handle_datagram(at, &urgent);
            let (_, request) = said(&mut client, at).unwrap();
            let refusal = request.answer(REPLY, SERVER, &[association(0, 0, &status(code))]);
            assert_eq!(hear(&mut client, at, &refusal), Some(DropReason::DhcpNoAddress));
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
    assert_eq!((msg.option(2), msg.option(6), msg.addresses()), (None, None, vec![ADDRESS]));
    assert_eq!(hear(&mut client, asked, &msg.answer(REPLY, SECOND, &[status(0)])), None);
    assert_eq!((client.state(), client.poll_event()), (State::Bound, None));
    assert_eq!(client.poll_timeout(), Some(at + Duration::from_secs(50)), "the times stay");

    client.confirm(asked);
    let (asked, _, msg) = next(&mut client);
    assert_eq!(hear(&mut client, asked, &msg.answer(REPLY, SECOND, &[status(NOT_ON_LINK)])), None);
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
    assert_eq!((msg.option(2), msg.addresses()), (Some(SERVER), vec![ADDRESS]));
    let (again, purpose, _) = next(&mut client);
    assert_eq!(purpose, Purpose::Decline);
    assert_eq!(hear(&mut client, again, &msg.answer(REPLY, SERVER, &[status(0)])), None);
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
    assert_eq!((msg.option(2), msg.addresses()), (Some(SERVER), vec![ADDRESS]));
    let mut known = client.clone();
    for _ in 0..3 {
        assert_eq!(next(&mut client).1, Purpose::Release);
    }
    client.handle_timeout(client.poll_timeout().unwrap());
    assert_eq!((client.state(), client.poll_timeout(), said(&mut client, at)), (State::Ended, None, None));
    assert_eq!(hear(&mut known, at, &msg.answer(REPLY, SERVER, &[status(0)])), None);
    assert_eq!(known.state(), State::Ended);
}

#[test]
fn stateless_client_asks_for_parameters_and_again_when_told() {
    let mut client = client_with(|config| config.mode = Mode::Stateless);
    let (at, purpose, msg) = next(&mut client);
    assert_eq!((purpose, msg.kind), (Purpose::InformationRequest, INFORMATION_REQUEST));
    assert_eq!((msg.option(2), msg.option(3)), (None, None));
    assert_eq!(msg.option(6), Some(&[0, 23, 0, 24, 0, 32, 0, 83][..]));
    let dns: Ipv6Addr = "2001:db8::53".parse().unwrap();
    let reply = |msg: &Msg, refresh: u32| {
        let options = [option(23, &dns.octets()), option(32, &refresh.to_be_bytes())];
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
        assert_eq!(client.poll_timeout().map_or(0.0, |at| since(at, due)), waited);
    }
    let mut client = asked;
    assert_eq!(hear(&mut client, due, &msg.answer(REPLY, SERVER, &[])), None);
    assert_eq!(since(client.poll_timeout().unwrap(), due), 86_400.0);
}

#[test]
fn reply_at_once_is_taken_where_it_was_asked_for() {
    let mut quick = client_with(|config| config.rapid_commit = true);
    let (at, _, solicit) = next(&mut quick);
    assert_eq!(solicit.option(14), Some(&[][..]));
    let plain = solicit.grant(REPLY, SERVER, (0, 0), (100, 200));
    assert_eq!(hear(&mut quick, at, &plain), Some(DropReason::DhcpUnexpected));
    assert_eq!(hear(&mut quick, at, &[plain, option(14, &[])].concat()), None);
    assert_eq!(quick.state(), State::Bound);

    let mut patient = client();
    let (at, _, solicit) = next(&mut patient);
    let reply = [solicit.grant(REPLY, SERVER, (0, 0), (100, 200)), option(14, &[])].concat();
    assert_eq!(hear(&mut patient, at, &reply), Some(DropReason::DhcpUnexpected));
}

#[test]
fn answers_of_others_and_to_others_are_dropped_by_name() {
    let mut client = client();
    let (at, _, solicit) = next(&mut client);
    let good = solicit.grant(ADVERTISE, SERVER, (0, 0), (100, 200));
    let mut number = good.clone();
    number[3] ^= 1;
    assert_eq!(hear(&mut client, at, &number), Some(DropReason::DhcpUnrelated));
    let mut duid = good.clone();
    duid[17] ^= 1;
    assert_eq!(hear(&mut client, at, &duid), Some(DropReason::DhcpUnrelated));
    let [a, b, c] = solicit.xid;
    let serverless = [vec![ADVERTISE, a, b, c], option(1, &OUR_DUID)].concat();
    assert_eq!(hear(&mut client, at, &serverless), Some(DropReason::DhcpInvalid));
    let clientless = [vec![ADVERTISE, a, b, c], option(2, SERVER)].concat();
    assert_eq!(hear(&mut client, at, &clientless), Some(DropReason::DhcpUnrelated));
    for kind in [SOLICIT, REQUEST, RECONFIGURE, INFORMATION_REQUEST, 12, 13, 0, 255] {
        let msg = solicit.grant(kind, SERVER, (0, 0), (100, 200));
        assert_eq!(hear(&mut client, at, &msg), Some(DropReason::DhcpUnexpected), "{kind}");
    }
    assert_eq!(hear(&mut client, at, &good[..good.len() - 1]), Some(DropReason::DhcpMalformed));
}

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

/// A client in this state, what it last said, and when.
fn client_in(state: State) -> (Client, Msg, Instant) {
    let mut client = client_with(|_| ());
    if matches!(state, State::Asking | State::Informed) {
        client = client_with(|config| config.mode = Mode::Stateless);
    }
    if matches!(state, State::Soliciting | State::Asking | State::Informed) {
        let (at, _, msg) = next(&mut client);
        if state == State::Informed {
            assert_eq!(hear(&mut client, at, &msg.answer(REPLY, SERVER, &[])), None);
        }
        return (client, msg, at);
    }
    if state == State::Requesting {
        let (at, _, solicit) = next(&mut client);
        let urgent = [solicit.grant(ADVERTISE, SERVER, (0, 0), (100, 200)), option(7, &[255])].concat();
        assert_eq!(hear(&mut client, at, &urgent), None);
        let (_, msg) = said(&mut client, at).unwrap();
        return (client, msg, at);
    }
    let at = bound(&mut client, (50, 80), (100, 200));
    match state {
        State::Declining => client.decline(at, ADDRESS),
        State::Releasing | State::Ended => client.release(at),
        State::Confirming => client.confirm(at),
        _ => {}
    }
    let mut msg = said(&mut client, at);
    let mut now = at;
    if state == State::Ended {
        let reply = msg.as_ref().unwrap().1.answer(REPLY, SERVER, &[]);
        assert_eq!(hear(&mut client, at, &reply), None);
    }
    while client.state() != state || (msg.is_none() && state != State::Bound) {
        let (at, purpose, next) = next(&mut client);
        (now, msg) = (at, Some((purpose, next)));
    }
    let nothing = Msg { kind: 0, xid: [0; 3], options: Vec::new() };
    (client, msg.map_or(nothing, |(_, msg)| msg), now)
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
    use std::hash::{DefaultHasher, Hasher};
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
