//! Stories of neighbours and of addresses in dispute, in virtual time.
#![expect(clippy::unwrap_used, reason = "tests")]

use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;

use bytes::Bytes;
use outcrop_base::{
    CallKind, Cast, Cause, DropReason, HeaderRoom, Instant, Limit, Note, PacketId, Seed, Why,
};
use outcrop_ethernet::wire::arp::{self, Operation, Packet};
use outcrop_ethernet::wire::{self, Header};
use outcrop_ethernet::{
    Config, Defence, Endpoint, Event, Filter, Heard, Limits, MacAddr, Plan, Received, Rule, State,
    Transmit, Wrap,
};
use proptest::prelude::*;

const US: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const PEER: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);
const OTHER: MacAddr = MacAddr([2, 0, 0, 0, 0, 3]);
const OUR_IP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const PEER_IP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const START: Instant = Instant::from_secs(1);

fn secs(n: u64) -> Instant {
    START + Duration::from_secs(n)
}

fn station() -> Endpoint {
    station_with(Config::new(US))
}

fn station_with(config: Config) -> Endpoint {
    let mut us = Endpoint::new(config, &Seed::from_number(1));
    us.own(OUR_IP);
    us
}

fn note() -> Note {
    Note::new(Why::Datagram, Limit::App, Cause::Call(CallKind::Send))
}

fn hold(
    us: &mut Endpoint,
    now: Instant,
    ip: impl Into<IpAddr>,
    data: &'static str,
) -> Option<Bytes> {
    let held = us.hold(now, ip.into(), Bytes::from(data), note());
    assert_eq!(held.verdict.drop_reason(), None);
    held.displaced
}

fn wrap(us: &Endpoint, ip: impl Into<IpAddr>) -> Wrap {
    let plan = Plan {
        next_hop: ip.into(),
        cast: Cast::Unicast,
    };
    us.wrap(&plan, &mut HeaderRoom::new())
}

fn sent(us: &mut Endpoint) -> Vec<Transmit> {
    core::iter::from_fn(|| us.poll_transmit(START)).collect()
}

fn whys(us: &mut Endpoint) -> Vec<Why> {
    sent(us).iter().map(|frame| frame.note.why()).collect()
}

/// Lets time pass until `end`, at the instants asked for; what left, and when in whole milliseconds.
fn pass(us: &mut Endpoint, end: Instant) -> Vec<(u64, Why, MacAddr)> {
    let mut seen = Vec::new();
    while let Some(at) = us.poll_timeout().filter(|at| *at <= end) {
        us.handle_timeout(at);
        let ms = at.saturating_since(START).as_millis();
        for frame in sent(us) {
            seen.push((
                u64::try_from(ms).unwrap(),
                frame.note.why(),
                frame.header.dst,
            ));
        }
    }
    us.handle_timeout(end);
    seen
}

fn frame(header: &Header, payload: &[u8]) -> Bytes {
    let mut room = HeaderRoom::new();
    wire::emit(header, &mut room);
    Bytes::from([room.as_slice(), payload].concat())
}

fn from(src: MacAddr, dst: MacAddr, ether_type: u16) -> Header {
    Header {
        dst,
        src,
        tag: None,
        ether_type,
    }
}

fn hear(us: &mut Endpoint, now: Instant, packet: &Packet) -> Received {
    let dst = match packet.operation {
        Operation::Request => MacAddr::BROADCAST,
        Operation::Reply => packet.target_mac,
    };
    let header = from(packet.sender_mac, dst, wire::TYPE_ARP);
    us.handle_frame(now, PacketId(7), frame(&header, &arp::emit(packet)))
}

fn request(mac: MacAddr, ip: Ipv4Addr, target: Ipv4Addr) -> Packet {
    Packet {
        operation: Operation::Request,
        sender_mac: mac,
        sender_ip: ip,
        target_mac: MacAddr::ZERO,
        target_ip: target,
    }
}

fn reply(mac: MacAddr, ip: Ipv4Addr) -> Packet {
    Packet {
        operation: Operation::Reply,
        sender_mac: mac,
        sender_ip: ip,
        target_mac: US,
        target_ip: OUR_IP,
    }
}

fn state(us: &Endpoint, ip: impl Into<IpAddr>) -> Option<(State, Option<MacAddr>)> {
    let ip = ip.into();
    let found = us.neighbors().find(|neighbor| neighbor.ip == ip)?;
    Some((found.state, found.mac))
}

/// A peer that answered a question of ours.
fn acquainted() -> Endpoint {
    let mut us = station();
    hold(&mut us, START, PEER_IP, "first");
    let _taken = hear(&mut us, START, &reply(PEER, PEER_IP));
    sent(&mut us);
    us
}

#[test]
fn unknown_neighbor_is_asked_for_and_its_packets_follow_in_order() {
    let mut us = station();
    assert_eq!(wrap(&us, PEER_IP), Wrap::Unresolved);
    hold(&mut us, START, PEER_IP, "one");
    hold(&mut us, START, PEER_IP, "two");
    let asked = sent(&mut us);
    assert_eq!(asked.len(), 1);
    assert_eq!(
        asked[0].header,
        from(US, MacAddr::BROADCAST, wire::TYPE_ARP)
    );
    assert_eq!(
        arp::parse(&asked[0].payload),
        Ok(request(US, OUR_IP, PEER_IP))
    );

    assert_eq!(
        hear(&mut us, START, &reply(PEER, PEER_IP)).verdict.rule,
        Rule::ArpMerge.as_ref()
    );
    let left = sent(&mut us);
    let data: Vec<_> = left.iter().map(|frame| &frame.payload[..]).collect();
    assert_eq!(data, [b"one", b"two"]);
    assert_eq!(left[0].header, from(US, PEER, wire::TYPE_IPV4));
    assert_eq!(left[0].note, note());
    assert_eq!(state(&us, PEER_IP), Some((State::Reachable, Some(PEER))));
    assert_eq!(wrap(&us, PEER_IP), Wrap::Wrapped);
}

#[test]
fn silent_neighbor_is_asked_three_times_and_given_up() {
    let mut us = station();
    hold(&mut us, START, PEER_IP, "lost");
    sent(&mut us);
    let all = MacAddr::BROADCAST;
    let asked = pass(&mut us, secs(10));
    assert_eq!(
        asked,
        [(1000, Why::ArpRequest, all), (2000, Why::ArpRequest, all)]
    );
    let packets = vec![Bytes::from("lost")];
    assert_eq!(
        us.poll_event(),
        Some(Event::Unreachable {
            ip: PEER_IP.into(),
            packets
        })
    );
    assert_eq!(us.poll_event(), None);
    assert_eq!((state(&us, PEER_IP), us.poll_timeout()), (None, None));
}

#[test]
fn full_queue_gives_up_its_oldest_and_holds_up_nobody_else() {
    let mut us = station_with(Config {
        neighbors: Limits {
            queue: 2,
            ..Limits::default()
        },
        ..Config::new(US)
    });
    let other_ip = Ipv4Addr::new(10, 0, 0, 3);
    assert_eq!(hold(&mut us, START, PEER_IP, "a"), None);
    assert_eq!(hold(&mut us, START, PEER_IP, "b"), None);
    assert_eq!(hold(&mut us, START, other_ip, "x"), None);
    assert_eq!(hold(&mut us, START, PEER_IP, "c"), Some(Bytes::from("a")));
    sent(&mut us);
    let _taken = hear(&mut us, START, &reply(OTHER, other_ip));
    let left = sent(&mut us);
    assert_eq!((left.len(), &left[0].payload[..]), (1, &b"x"[..]));
}

#[test]
fn known_neighbor_ages_is_asked_alone_and_is_confirmed_by_its_answer() {
    let mut us = acquainted();
    // 30 s, times between one half and one and a half.
    assert!(pass(&mut us, secs(14)).is_empty());
    assert_eq!(state(&us, PEER_IP).unwrap().0, State::Reachable);
    pass(&mut us, secs(46));
    assert_eq!(wrap(&us, PEER_IP), Wrap::Stale);
    us.used(secs(46), PEER_IP.into());
    assert_eq!(state(&us, PEER_IP).unwrap().0, State::Delay);
    assert_eq!(pass(&mut us, secs(51)), [(51_000, Why::ArpRequest, PEER)]);
    assert_eq!(state(&us, PEER_IP).unwrap().0, State::Probe);
    let _taken = hear(&mut us, secs(51), &reply(PEER, PEER_IP));
    assert_eq!(state(&us, PEER_IP).unwrap().0, State::Reachable);
}

#[test]
fn confirmation_from_above_spares_the_question() {
    let mut us = acquainted();
    for at in (0..600).step_by(10) {
        assert!(pass(&mut us, secs(at)).is_empty());
        us.confirm(secs(at), PEER_IP.into());
        assert_eq!(wrap(&us, PEER_IP), Wrap::Wrapped);
    }
    // Nothing confirms what was never found.
    us.confirm(secs(600), Ipv4Addr::new(10, 0, 0, 9).into());
    assert_eq!(us.neighbors().count(), 1);
}

#[test]
fn unused_neighbor_is_forgotten() {
    let mut us = acquainted();
    assert!(pass(&mut us, secs(700)).is_empty());
    assert_eq!((state(&us, PEER_IP), us.poll_timeout()), (None, None));
    assert_eq!(us.poll_event(), None);
}

#[test]
fn dead_neighbor_is_asked_three_times_alone_then_unreachable() {
    let mut us = acquainted();
    pass(&mut us, secs(46));
    us.used(secs(46), PEER_IP.into());
    let ask = |ms| (ms, Why::ArpRequest, PEER);
    assert_eq!(
        pass(&mut us, secs(60)),
        [ask(51_000), ask(52_000), ask(53_000)]
    );
    let packets = Vec::new();
    assert_eq!(
        us.poll_event(),
        Some(Event::Unreachable {
            ip: PEER_IP.into(),
            packets
        })
    );
}

#[test]
fn request_for_us_is_answered_and_its_sender_remembered() {
    let mut us = station();
    let _taken = hear(&mut us, START, &request(PEER, PEER_IP, OUR_IP));
    let answers = sent(&mut us);
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0].header.dst, PEER);
    assert_eq!(answers[0].note.cause(), Cause::Packet(PacketId(7)));
    let answer = Packet {
        target_mac: PEER,
        target_ip: PEER_IP,
        ..reply(US, OUR_IP)
    };
    assert_eq!(arp::parse(&answers[0].payload), Ok(answer));
    assert_eq!(state(&us, PEER_IP), Some((State::Stale, Some(PEER))));
}

#[test]
fn hearsay_creates_nothing() {
    let mut us = station();
    let elsewhere = Ipv4Addr::new(10, 0, 0, 77);
    let heard = hear(&mut us, START, &request(PEER, PEER_IP, elsewhere));
    assert_eq!(heard.verdict.rule, Rule::ArpOverheard.as_ref());
    let _announced = hear(&mut us, START, &request(PEER, PEER_IP, PEER_IP));
    let _unasked = hear(&mut us, START, &reply(PEER, PEER_IP));
    assert_eq!((us.neighbors().count(), sent(&mut us).len()), (0, 0));
}

#[test]
fn confirmed_neighbor_is_asked_before_another_takes_its_place() {
    let mut us = acquainted();
    for forged in [reply(OTHER, PEER_IP), request(OTHER, PEER_IP, PEER_IP)] {
        let _taken = hear(&mut us, START, &forged);
        assert_eq!(state(&us, PEER_IP), Some((State::Probe, Some(PEER))));
    }
    let asked = sent(&mut us);
    assert_eq!((asked.len(), asked[0].header.dst), (1, PEER));
    let _taken = hear(&mut us, START, &reply(PEER, PEER_IP));
    assert_eq!(state(&us, PEER_IP), Some((State::Reachable, Some(PEER))));
}

#[test]
fn impossible_speaker_is_refused() {
    let mut us = station();
    let group = MacAddr([3, 0, 0, 0, 0, 1]);
    let many = Ipv4Addr::new(224, 0, 0, 1);
    for packet in [
        reply(group, PEER_IP),
        reply(PEER, many),
        reply(PEER, Ipv4Addr::BROADCAST),
        reply(PEER, Ipv4Addr::UNSPECIFIED),
        request(MacAddr::ZERO, PEER_IP, OUR_IP),
    ] {
        let header = from(PEER, US, wire::TYPE_ARP);
        let heard = us.handle_frame(START, PacketId(1), frame(&header, &arp::emit(&packet)));
        assert_eq!(
            heard.verdict.drop_reason(),
            Some(DropReason::ArpSpoofed),
            "{packet:?}"
        );
    }
    assert_eq!((us.neighbors().count(), sent(&mut us).len()), (0, 0));
}

#[test]
fn scan_of_a_network_pushes_out_only_its_own_kind() {
    let mut us = station_with(Config {
        neighbors: Limits {
            entries: 16,
            unresolved: 8,
            ..Limits::default()
        },
        ..Config::new(US)
    });
    hold(&mut us, START, PEER_IP, "first");
    let _taken = hear(&mut us, START, &reply(PEER, PEER_IP));
    for n in 0..1000u16 {
        let [high, low] = n.to_be_bytes();
        hold(&mut us, START, Ipv4Addr::new(10, 1, high, low), "scan");
        assert!(us.neighbors().count() <= 9);
    }
    assert_eq!(state(&us, PEER_IP), Some((State::Reachable, Some(PEER))));
    let given_up = core::iter::from_fn(|| us.poll_event()).count();
    assert_eq!(given_up, 992);
}

#[test]
fn ipv6_neighbor_is_asked_for_by_discovery_and_found() {
    let mut us = station();
    let ip: IpAddr = "fe80::2".parse().unwrap();
    hold(&mut us, START, ip, "six");
    assert_eq!(us.poll_event(), Some(Event::Solicit { ip, to: None }));
    pass(&mut us, secs(1));
    assert_eq!(us.poll_event(), Some(Event::Solicit { ip, to: None }));
    let answer = Heard::Advertisement {
        solicited: true,
        replaces: true,
        router: true,
    };
    assert!(us.learn(secs(1), ip, None, answer).drop_reason().is_some());
    assert_eq!(
        us.learn(secs(1), ip, Some(PEER), answer).drop_reason(),
        None
    );
    let left = sent(&mut us);
    assert_eq!(left[0].header, from(US, PEER, wire::TYPE_IPV6));
    assert_eq!(state(&us, ip), Some((State::Reachable, Some(PEER))));
    // RFC 4861 7.3.3: it stops being a router.
    let answer = Heard::Advertisement {
        solicited: true,
        replaces: false,
        router: false,
    };
    let _taken = us.learn(secs(1), ip, None, answer);
    assert_eq!(us.poll_event(), Some(Event::NotARouter(ip)));
}

/// RFC 4861 7.2.5 and appendix C, but for the first row (D-52): what an advertisement with another address does to a known neighbour.
#[test]
fn advertisement_with_another_address_follows_the_table() {
    let ip: IpAddr = "fe80::2".parse().unwrap();
    let cases = [
        (State::Reachable, true, false, (State::Probe, PEER)),
        (State::Stale, true, false, (State::Stale, PEER)),
        (State::Stale, false, true, (State::Stale, OTHER)),
        (State::Reachable, false, true, (State::Stale, OTHER)),
        (State::Reachable, true, true, (State::Reachable, OTHER)),
        (State::Stale, true, true, (State::Reachable, OTHER)),
    ];
    for (before, solicited, replaces, (after, mac)) in cases {
        let mut us = station();
        let _taken = us.learn(START, ip, Some(PEER), Heard::Source);
        if before == State::Reachable {
            us.confirm(START, ip);
        }
        let heard = Heard::Advertisement {
            solicited,
            replaces,
            router: false,
        };
        let _taken = us.learn(START, ip, Some(OTHER), heard);
        assert_eq!(
            state(&us, ip),
            Some((after, Some(mac))),
            "{before:?} {solicited} {replaces}"
        );
    }
}

/// RFC 4861 6.3.4 and 7.3.3: who advertises itself is a router; who says later that it is none is told of.
#[test]
fn a_source_that_advertises_is_a_router_and_one_that_asks_is_not_made_one() {
    let ip: IpAddr = "fe80::2".parse().unwrap();
    let is_router = |us: &Endpoint| us.neighbors().next().unwrap().router;
    let mut us = station();
    // Where it is was not said, and nobody has asked.
    assert_eq!(us.learn(START, ip, None, Heard::Router).drop_reason(), None);
    assert_eq!(us.neighbors().count(), 0);
    let _taken = us.learn(START, ip, Some(PEER), Heard::Source);
    assert!(!is_router(&us));
    let _taken = us.learn(START, ip, None, Heard::Router);
    assert!(is_router(&us));
    let _taken = us.learn(START, ip, Some(PEER), Heard::Source);
    assert!(is_router(&us), "a question says nothing of it");
    let heard = Heard::Advertisement {
        solicited: false,
        replaces: true,
        router: false,
    };
    let _taken = us.learn(START, ip, Some(PEER), heard);
    assert!(!is_router(&us));
    assert_eq!(us.poll_event(), Some(Event::NotARouter(ip)));
}

#[test]
fn claimed_address_is_probed_announced_and_only_then_ours() {
    let mut us = Endpoint::new(Config::new(US), &Seed::from_number(1));
    assert!(us.claim(START, OUR_IP));
    let said = pass(&mut us, secs(20));
    let kinds: Vec<_> = said.iter().map(|(_, why, _)| *why).collect();
    let (probe, announce) = (Why::ArpProbe, Why::ArpAnnouncement);
    assert_eq!(kinds, [probe, probe, probe, announce, announce]);
    let at: Vec<_> = said.iter().map(|(ms, ..)| *ms).collect();
    // RFC 5227 1.1: up to 1 s; 1 to 2 s apart; 2 s after the last probe; 2 s apart.
    assert!(at[0] <= 1000);
    assert!(
        (1..3).all(|n| (1000..=2000).contains(&(at[n] - at[n - 1]))),
        "{at:?}"
    );
    assert!(
        at[3].abs_diff(at[2] + 2000) <= 1 && at[4].abs_diff(at[3] + 2000) <= 1,
        "{at:?}"
    );
    assert_eq!(us.poll_event(), Some(Event::Claimed(OUR_IP)));
}

/// RFC 5227 2.1.1: from no address, so that no cache learns it; the target's hardware address is zeros.
#[test]
fn probe_names_no_sender_and_no_hardware_and_goes_to_everybody() {
    let mut us = Endpoint::new(Config::new(US), &Seed::from_number(1));
    us.claim(START, OUR_IP);
    let at = us.poll_timeout().unwrap();
    us.handle_timeout(at);
    let probes = sent(&mut us);
    assert_eq!(probes.len(), 1);
    assert_eq!(
        probes[0].header,
        from(US, MacAddr::BROADCAST, wire::TYPE_ARP)
    );
    let probe = request(US, Ipv4Addr::UNSPECIFIED, OUR_IP);
    assert_eq!(probe.target_mac, MacAddr::ZERO);
    assert_eq!(arp::parse(&probes[0].payload), Ok(probe));
}

#[test]
fn address_in_use_is_not_taken() {
    for objection in [
        reply(PEER, OUR_IP),
        // RFC 5227 2.1.1: another probes for the same address at the same time.
        request(PEER, Ipv4Addr::UNSPECIFIED, OUR_IP),
    ] {
        let mut us = Endpoint::new(Config::new(US), &Seed::from_number(1));
        us.claim(START, OUR_IP);
        pass(&mut us, secs(2));
        let heard = hear(&mut us, secs(2), &objection);
        assert_eq!(heard.verdict.rule, Rule::ArpConflict.as_ref());
        assert_eq!(
            us.poll_event(),
            Some(Event::Conflict {
                ip: OUR_IP,
                with: PEER
            })
        );
        assert!(pass(&mut us, secs(60)).is_empty());
    }
}

#[test]
fn eleventh_attempt_after_ten_conflicts_waits_a_minute() {
    let mut us = Endpoint::new(Config::new(US), &Seed::from_number(1));
    for n in 0..10 {
        us.claim(START, OUR_IP);
        assert!(us.poll_timeout().unwrap() <= secs(1), "{n}");
        let _conflict = hear(&mut us, START, &reply(PEER, OUR_IP));
    }
    us.claim(START, OUR_IP);
    assert!(us.poll_timeout().unwrap() >= secs(60));
}

#[test]
fn address_in_dispute_is_defended_once_and_then_given_up() {
    let mut us = station();
    let claim = request(PEER, OUR_IP, OUR_IP);
    let heard = hear(&mut us, START, &claim);
    assert_eq!(heard.verdict.drop_reason(), Some(DropReason::ArpSpoofed));
    assert_eq!(whys(&mut us), [Why::ArpAnnouncement]);
    // Ten seconds later it is another dispute; within ten, the address is lost.
    let _again = hear(&mut us, secs(10), &claim);
    assert_eq!(whys(&mut us), [Why::ArpAnnouncement]);
    assert_eq!(us.poll_event(), None);
    let _again = hear(&mut us, secs(19), &claim);
    assert_eq!(
        us.poll_event(),
        Some(Event::Conflict {
            ip: OUR_IP,
            with: PEER
        })
    );
    let _asked = hear(&mut us, secs(19), &request(PEER, PEER_IP, OUR_IP));
    assert!(sent(&mut us).is_empty());
}

#[test]
fn address_defended_always_is_said_at_most_every_ten_seconds() {
    let mut us = station_with(Config {
        defence: Defence::Always,
        ..Config::new(US)
    });
    let mut said = 0;
    for second in 0..30 {
        let _heard = hear(&mut us, secs(second), &request(PEER, OUR_IP, OUR_IP));
        said += sent(&mut us).len();
    }
    assert_eq!((said, us.poll_event()), (3, None));
}

#[test]
fn frame_is_taken_by_address_group_and_vlan() {
    let mut us = station_with(Config {
        vlan: Some(5),
        ..Config::new(US)
    });
    let group: IpAddr = "ff02::1:ff00:1".parse().unwrap();
    let hear = |us: &mut Endpoint, dst, tag| {
        let header = Header {
            tag,
            ..from(PEER, dst, wire::TYPE_IPV6)
        };
        let got = us.handle_frame(START, PacketId(1), frame(&header, b"six"));
        got.verdict.drop_reason().map_or(Ok(got.cast), Err)
    };
    let five = Some(wire::Tag {
        vlan: 5,
        ..wire::Tag::default()
    });
    let to_group = MacAddr::of_group(group);
    assert_eq!(hear(&mut us, US, five), Ok(Cast::Unicast));
    assert_eq!(hear(&mut us, MacAddr::BROADCAST, five), Ok(Cast::Broadcast));
    assert_eq!(hear(&mut us, US, None), Err(DropReason::EthernetWrongVlan));
    assert_eq!(
        hear(&mut us, OTHER, five),
        Err(DropReason::EthernetNotForUs)
    );
    assert_eq!(
        hear(&mut us, to_group, five),
        Err(DropReason::EthernetNotForUs)
    );
    us.join(group);
    assert_eq!(hear(&mut us, to_group, five), Ok(Cast::Multicast));
    us.leave(group);
    assert_eq!(
        hear(&mut us, to_group, five),
        Err(DropReason::EthernetNotForUs)
    );
    let mut all = station_with(Config {
        filter: Filter::Promiscuous,
        ..Config::new(US)
    });
    assert_eq!(hear(&mut all, OTHER, None), Ok(Cast::Unicast));
}

#[test]
fn replaced_neighbor_is_forgotten_in_silence_and_the_new_one_found() {
    let mut us = acquainted();
    let _taken = hear(&mut us, START, &request(OTHER, PEER_IP, PEER_IP));
    assert_eq!(whys(&mut us), [Why::ArpRequest]);
    let at: Vec<_> = pass(&mut us, secs(3))
        .iter()
        .map(|(ms, _, to)| (*ms, *to))
        .collect();
    assert_eq!(at, [(1000, PEER), (2000, PEER)]);
    assert_eq!(wrap(&us, PEER_IP), Wrap::Unresolved);
    hold(&mut us, secs(3), PEER_IP, "again");
    let _taken = hear(&mut us, secs(3), &reply(OTHER, PEER_IP));
    assert_eq!(state(&us, PEER_IP), Some((State::Reachable, Some(OTHER))));
}

#[test]
fn neighbor_pushed_out_takes_its_deadline_along() {
    let mut us = station_with(Config {
        neighbors: Limits {
            unresolved: 1,
            ..Limits::default()
        },
        ..Config::new(US)
    });
    hold(&mut us, START, PEER_IP, "first");
    let later = START + Duration::from_millis(500);
    hold(&mut us, later, Ipv4Addr::new(10, 0, 0, 3), "second");
    assert_eq!(us.neighbors().count(), 1);
    assert_eq!(us.poll_timeout(), Some(later + Duration::from_secs(1)));
}

proptest! {
    /// Whatever is heard and asked: bounds hold, every unresolved neighbour has a deadline, and silence empties all.
    #[test]
    fn bounds_hold_and_silence_ends_everything(steps in prop::collection::vec((0u8..5, 0u8..40, 0u8..4, 0u64..3000), 0..200)) {
        let limits = Limits { entries: 12, unresolved: 6, queue: 3, ..Limits::default() };
        let mut us = station_with(Config { neighbors: limits, ..Config::new(US) });
        let mut now = START;
        for (what, host, mac, wait) in steps {
            let ip = Ipv4Addr::new(10, 0, 0, host);
            let mac = MacAddr([2, 0, 0, 0, 1, mac]);
            match what {
                0 => { hold(&mut us, now, ip, "data"); }
                1 => { let _ = hear(&mut us, now, &reply(mac, ip)); }
                2 => { let _ = hear(&mut us, now, &request(mac, ip, OUR_IP)); }
                3 => us.confirm(now, ip.into()),
                _ => us.used(now, ip.into()),
            }
            now += Duration::from_millis(wait);
            us.handle_timeout(now);
            let known: Vec<_> = us.neighbors().collect();
            prop_assert!(known.len() <= 12);
            prop_assert!(known.iter().filter(|n| n.mac.is_none()).count() <= 6);
            prop_assert!(known.iter().all(|n| n.queued <= 3));
            prop_assert!(known.is_empty() || us.poll_timeout().is_some_and(|at| at > now));
            prop_assert!(known.iter().all(|n| (n.state == State::Incomplete) == n.mac.is_none()));
        }
        pass(&mut us, now + Duration::from_secs(3600));
        prop_assert_eq!((us.neighbors().count(), us.poll_timeout()), (0, None));
    }
}
