//! IPv6 on Ethernet: neighbour discovery, reachability, duplicate addresses.

use core::time::Duration;

use bytes::Bytes;
use outcrop_base::{Checksum, DropReason, Seed};
use outcrop_ip::wire::nd::{self, Body, Message, Options};
use outcrop_stack::ethernet::{MacAddr, State};
use outcrop_stack::ip::{AddressNews, AddressState, AutoConfig, InterfaceConfig, Lease};
use outcrop_stack::{Config, Core};

use crate::common::{IFACE, Lan, cidr, host, ip};

pub(crate) const STRANGER: [u8; 6] = [2, 0, 0, 0, 0, 99];

/// A frame with a message of neighbour discovery, written here and not by the engine.
pub(crate) fn frame(src: &str, dst: &str, hop_limit: u8, message: &Message) -> Bytes {
    let (src, dst) = (ip(src), ip(dst));
    let (core::net::IpAddr::V6(from), core::net::IpAddr::V6(to)) = (src, dst) else {
        panic!("not IPv6");
    };
    let mut body = nd::emit(message);
    let len = u32::try_from(body.len()).unwrap();
    let mut sum = Checksum::pseudo_header(src, dst, 58, len);
    sum.add(&body);
    body[2..4].copy_from_slice(&sum.finish().to_be_bytes());
    let mut bytes = vec![0x33, 0x33];
    bytes.extend(&to.octets()[12..]);
    if !to.is_multicast() {
        bytes = vec![2, 0, 0, 0, 0, 1];
    }
    bytes.extend(STRANGER);
    bytes.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
    bytes.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
    bytes.extend([58, hop_limit]);
    bytes.extend(from.octets());
    bytes.extend(to.octets());
    bytes.extend(body);
    bytes.into()
}

fn kinds(lan: &Lan) -> Vec<u8> {
    let icmp = lan
        .frames
        .iter()
        .filter(|f| f[12..14] == [0x86, 0xdd] && f[20] == 58);
    icmp.map(|f| f[54]).collect()
}

fn two() -> Lan {
    Lan::new(vec![host(1, &["fd00::1/64"]), host(2, &["fd00::2/64"])])
}

#[test]
fn two_hosts_of_ipv6_ping_solicits_and_is_answered() {
    let mut lan = two();
    assert!(lan.ping(0, "fd00::2"));
    assert_eq!(kinds(&lan), [135, 136, 128, 129]);
    let (question, answer) = (&lan.frames[0], &lan.frames[1]);
    // RFC 4861 7.2.2: to the solicited-node group, from our address, saying where we are; hop limit 255.
    assert_eq!(question[..6], [0x33, 0x33, 0xff, 0, 0, 2]);
    assert_eq!((question[21], answer[21]), (255, 255));
    assert_eq!(question[78..86], [1, 1, 2, 0, 0, 0, 0, 1]);
    // 7.2.4: to who asked, solicited and override.
    assert_eq!(answer[..6], [2, 0, 0, 0, 0, 1]);
    assert_eq!(answer[58] & 0xe0, 0x60);
    assert_eq!(
        lan.hosts[0].neighbors(IFACE).next().unwrap().state,
        State::Reachable
    );
}

#[test]
fn a_neighbor_unconfirmed_is_asked_alone_and_forgotten_when_silent() {
    let mut lan = two();
    assert!(lan.ping(0, "fd00::2"));
    lan.pass(Duration::from_secs(50));
    let state = |lan: &Lan| lan.hosts[0].neighbors(IFACE).next().map(|n| n.state);
    assert_eq!(state(&lan), Some(State::Stale));
    assert!(lan.ping(0, "fd00::2"));
    assert_eq!(state(&lan), Some(State::Delay));
    lan.frames.clear();
    lan.pass(Duration::from_secs(6));
    // RFC 4861 7.3.3: asked by unicast, and answered.
    let asked = lan
        .frames
        .iter()
        .find(|f| f[11] == 1 && f[54] == 135)
        .unwrap();
    assert_eq!(asked[..6], [2, 0, 0, 0, 0, 2]);
    assert_eq!(state(&lan), Some(State::Reachable));
    let gone = lan.hosts.pop().unwrap();
    lan.pass(Duration::from_secs(50));
    assert!(!lan.ping(0, "fd00::2"));
    lan.frames.clear();
    lan.pass(Duration::from_secs(10));
    assert_eq!(kinds(&lan), [135, 135, 135], "three questions");
    assert_eq!(state(&lan), None);
    drop(gone);
}

#[test]
fn nobody_answers_and_the_sender_of_a_ping_hears_it() {
    let mut lan = two();
    let ping = lan.hosts[0].ping_open().unwrap();
    lan.hosts[0]
        .ping_send(ping, ip("fd00::9"), 1, &Bytes::new())
        .unwrap();
    lan.pass(Duration::from_secs(4));
    let Some(outcrop_stack::Echo::Error(quote)) = lan.hosts[0].ping_recv(ping) else {
        panic!("silence");
    };
    // RFC 4443 3.1: address unreachable.
    assert_eq!(
        (quote.icmp_type, quote.icmp_code, quote.remote),
        (1, 3, ip("fd00::9"))
    );
}

const CHECKED: Lease = Lease {
    check: true,
    ..Lease::FOREVER
};

#[test]
fn a_tentative_address_nobody_objects_is_taken_after_one_question() {
    let mut lan = two();
    let now = lan.now;
    lan.hosts[0]
        .assign(now, IFACE, cidr("fd00::7/64"), CHECKED)
        .unwrap();
    lan.pass(Duration::from_millis(1000));
    let question = lan.frames.last().unwrap().clone();
    // RFC 4862 5.4.2: from nobody to the group, without saying where; RFC 7527 4.1: with a nonce.
    assert_eq!(question[22..38], [0; 16]);
    assert_eq!(question[78..80], [14, 1]);
    assert_eq!(
        lan.hosts[0].addresses().last().unwrap().state,
        AddressState::Tentative
    );
    lan.pass(Duration::from_millis(1000));
    assert!(lan.ping(1, "fd00::7"));
    assert!(lan.news(0).contains(&AddressNews::Ready(ip("fd00::7"))));
}

#[test]
fn a_tentative_address_in_use_is_refused_by_an_advertisement() {
    let mut lan = two();
    let now = lan.now;
    lan.news(0);
    lan.hosts[0]
        .assign(now, IFACE, cidr("fd00::2/64"), CHECKED)
        .unwrap();
    lan.pass(Duration::from_secs(3));
    assert_eq!(lan.news(0), [AddressNews::Duplicate(ip("fd00::2"))]);
    // RFC 4861 7.2.4: who has no address hears the answer with all nodes, unsolicited.
    let answer = lan.frames.last().unwrap();
    assert_eq!((answer[54], answer[58] & 0xe0), (136, 0x20));
    assert_eq!(answer[..6], [0x33, 0x33, 0, 0, 0, 1]);
    assert!(lan.ping(0, "fd00::2"), "by the address it had");
}

#[test]
fn two_hosts_that_check_one_address_at_once_never_both_have_it() {
    let mut lan = two();
    let now = lan.now;
    for host in &mut lan.hosts {
        host.assign(now, IFACE, cidr("fd00::7/64"), CHECKED)
            .unwrap();
    }
    lan.pass(Duration::from_secs(3));
    // RFC 4862 5.4.3: who hears the other's question does without.
    let taken = (0..2).filter(|n| lan.news(*n).contains(&AddressNews::Ready(ip("fd00::7"))));
    assert!(taken.count() <= 1);
}

/// RFC 4862 5.4.2: hosts switched on together shall not ask together.
#[test]
fn first_questions_of_two_hosts_wait_differently_and_never_more_than_a_second() {
    let waits = |number| {
        let mut lan = Lan::new(vec![host(number, &[])]);
        let now = lan.now;
        lan.hosts[0]
            .assign(now, IFACE, cidr("fd00::7/64"), CHECKED)
            .unwrap();
        while !kinds(&lan).contains(&135) {
            lan.pass(Duration::from_millis(1));
        }
        lan.now.saturating_since(now)
    };
    let all: Vec<_> = (1..=5).map(waits).collect();
    assert!(
        all.iter().all(|wait| *wait <= Duration::from_millis(1001)),
        "{all:?}"
    );
    assert!(all.iter().any(|wait| *wait != all[0]), "{all:?}");
}

/// RFC 4861 7.2.3: not for an address of somebody else, not for one that is tentative.
#[test]
fn a_question_for_an_address_not_ours_or_not_yet_ours_is_not_answered() {
    let ask = |target: &str| Message {
        body: Body::NeighborSolicitation {
            target: target.parse().unwrap(),
        },
        options: Options {
            source: Some(STRANGER),
            ..Options::default()
        },
    };
    let mut lan = Lan::new(vec![host(1, &["fd00::1/64"])]);
    let now = lan.now;
    lan.hosts[0]
        .assign(now, IFACE, cidr("fd00::7/64"), CHECKED)
        .unwrap();
    for target in ["fd00::2", "fd00::7"] {
        // To us alone, past the filter of groups.
        let verdict = lan
            .carry(9, &frame("fd00::9", "fd00::1", 255, &ask(target)))
            .unwrap();
        assert!(verdict.drop_reason().is_some(), "{target}");
        lan.settle();
        assert!(!kinds(&lan).contains(&136), "{target}");
    }
}

/// RFC 4861 7.2.3: who asks is where it says, but nobody has confirmed that.
#[test]
fn the_asker_is_remembered_as_stale() {
    let mut lan = Lan::new(vec![host(1, &["fd00::1/64"])]);
    let question = Message {
        body: Body::NeighborSolicitation {
            target: "fd00::1".parse().unwrap(),
        },
        options: Options {
            source: Some(STRANGER),
            ..Options::default()
        },
    };
    lan.carry(9, &frame("fd00::9", "ff02::1:ff00:1", 255, &question));
    // Before our answer leaves: that would be a use, and DELAY.
    let known: Vec<_> = lan.hosts[0].neighbors(IFACE).collect();
    assert_eq!(known.len(), 1);
    assert_eq!(
        (known[0].ip, known[0].mac, known[0].state),
        (ip("fd00::9"), Some(MacAddr(STRANGER)), State::Stale)
    );
}

/// RFC 4861 7.2.5: whoever has no entry gets none by it.
#[test]
fn an_advertisement_nobody_asked_for_creates_nothing() {
    let mut lan = Lan::new(vec![host(1, &["fd00::1/64"])]);
    let said = Message {
        body: Body::NeighborAdvertisement {
            target: "fd00::9".parse().unwrap(),
            router: false,
            solicited: true,
            replaces: true,
        },
        options: Options {
            target: Some(STRANGER),
            ..Options::default()
        },
    };
    lan.carry(9, &frame("fd00::9", "fd00::1", 255, &said));
    lan.settle();
    assert_eq!(lan.hosts[0].neighbors(IFACE).count(), 0);
}

#[test]
fn our_own_question_sent_back_by_the_link_is_no_duplicate() {
    let mut lan = two();
    let now = lan.now;
    lan.hosts[0]
        .assign(now, IFACE, cidr("fd00::7/64"), CHECKED)
        .unwrap();
    lan.pass(Duration::from_millis(1000));
    let question = lan.frames.last().unwrap().clone();
    // RFC 7527: a loop brings it back.
    lan.carry(1, &question);
    lan.pass(Duration::from_millis(1500));
    assert!(lan.news(0).contains(&AddressNews::Ready(ip("fd00::7"))));
}

#[test]
fn a_link_local_address_in_use_is_made_anew() {
    let alone = |n| {
        let mut lan = Lan::new(vec![host(n, &[])]);
        let config = AutoConfig {
            routers: false,
            temporary: false,
        };
        let now = lan.now;
        lan.hosts[0].autoconfigure(now, IFACE, config).unwrap();
        lan
    };
    let mut lan = alone(1);
    let wanted = lan.hosts[0].addresses().next().unwrap().cidr.addr();
    assert!(cidr("fe80::/64").contains(wanted));
    lan.hosts.push(host(2, &[&format!("{wanted}/64")]));
    lan.pass(Duration::from_secs(6));
    let taken = lan.hosts[0].addresses().next().unwrap();
    assert_eq!(taken.state, AddressState::Preferred);
    assert_ne!(taken.cidr.addr(), wanted);
    assert!(lan.ping(0, &wanted.to_string()));
}

/// RFC 4861 7.1.1, 7.1.2 and 6.1.2: each flaw alone condemns.
#[test]
fn a_message_that_did_not_begin_on_this_link_or_contradicts_itself_is_dropped() {
    let target = "fd00::1".parse().unwrap();
    let ns = |source| Message {
        body: Body::NeighborSolicitation { target },
        options: Options {
            source,
            ..Options::default()
        },
    };
    let na = |target: &str, solicited| Message {
        body: Body::NeighborAdvertisement {
            target: target.parse().unwrap(),
            router: false,
            solicited,
            replaces: true,
        },
        options: Options::default(),
    };
    let ra = Message {
        body: Body::RouterAdvertisement(nd::Router {
            lifetime: 9,
            ..nd::Router::default()
        }),
        options: Options::default(),
    };
    let group = "ff02::1:ff00:1";
    let flawed = [
        frame("fd00::9", group, 254, &ns(Some(STRANGER))),
        frame("::", group, 255, &ns(Some(STRANGER))),
        frame("::", "ff02::1", 255, &ns(None)),
        frame("fd00::9", "fd00::1", 64, &na("fd00::9", true)),
        frame("fd00::9", "ff02::1", 255, &na("fd00::9", true)),
        frame("fd00::9", "ff02::1", 255, &na("ff02::9", false)),
        frame("fd00::9", "ff02::1", 255, &ra),
    ];
    for (n, bytes) in flawed.iter().enumerate() {
        let mut lan = Lan::new(vec![host(1, &["fd00::1/64"])]);
        let verdict = lan.carry(9, bytes).unwrap();
        assert_eq!(verdict.drop_reason(), Some(DropReason::IcmpInvalid), "{n}");
        lan.settle();
        assert_eq!(lan.frames.len(), 1, "{n}: no answer");
        assert_eq!(lan.hosts[0].neighbors(IFACE).count(), 0, "{n}");
    }
    let mut lan = Lan::new(vec![host(1, &["fd00::1/64"])]);
    let good = lan
        .carry(9, &frame("fd00::9", group, 255, &ns(Some(STRANGER))))
        .unwrap();
    assert_eq!(
        (good.drop_reason(), good.rule.name),
        (None, "nd:solicitation")
    );
}

#[test]
fn a_flood_of_questions_from_strangers_keeps_the_cache_bounded() {
    let mut lan = Lan::new(vec![host(1, &["fd00::1/64"])]);
    let ns = Message {
        body: Body::NeighborSolicitation {
            target: "fd00::1".parse().unwrap(),
        },
        options: Options {
            source: Some(STRANGER),
            ..Options::default()
        },
    };
    for n in 0..5000 {
        lan.carry(
            9,
            &frame(&format!("fd00::{:x}", n + 100), "ff02::1:ff00:1", 255, &ns),
        );
        lan.hosts[0].handle_timeout(lan.now);
        if n % 100 == 0 {
            lan.settle();
            lan.frames.clear();
        }
    }
    assert!(lan.hosts[0].neighbors(IFACE).count() <= 1024);
}

#[test]
fn a_thousand_neighbors_are_all_found() {
    let mut lan = Lan::new(vec![host(1, &["fd00::1/48"])]);
    for n in 0..1000u16 {
        let [high, low] = n.to_be_bytes();
        let mac = MacAddr([2, 0, 0, 1, high, low]);
        let mut other = Core::new(Config::default(), &Seed::from_number(u64::from(n)));
        let interface = InterfaceConfig {
            addresses: vec![cidr(&format!("fd00::2:{n:x}/48"))],
            ..InterfaceConfig::ethernet(IFACE, 1500, mac.0)
        };
        let link = outcrop_stack::ethernet::Config::new(mac);
        other.add_ethernet(interface, link).unwrap();
        lan.hosts.truncate(1);
        lan.hosts.push(other);
        lan.frames.clear();
        assert!(lan.ping(0, &format!("fd00::2:{n:x}")), "{n}");
    }
    assert_eq!(lan.hosts[0].neighbors(IFACE).count(), 1000);
}
