//! What routers say: prefixes, times, who resolves names, better first hops.

use core::time::Duration;

use outcrop_ip::wire::nd::{Body, Message, Options, Prefix, Router};
use outcrop_stack::ethernet::{MacAddr, State};
use outcrop_stack::ip::{Address, AddressNews, AddressState, AutoConfig, InterfaceConfig, Origin};
use outcrop_stack::{Config, Core};

use crate::common::{IFACE, Lan, cidr, host, ip};
use crate::discovery::{STRANGER, frame};

fn lan(temporary: bool) -> Lan {
    let mut lan = Lan::new(vec![host(1, &[])]);
    let config = AutoConfig {
        routers: true,
        temporary,
    };
    let now = lan.now;
    lan.hosts[0].autoconfigure(now, IFACE, config).unwrap();
    lan.pass(Duration::from_secs(4));
    lan
}

fn prefix(network: &str, valid: u32, preferred: u32) -> Prefix {
    Prefix {
        network: network.parse().unwrap(),
        len: 64,
        on_link: true,
        autonomous: true,
        valid,
        preferred,
    }
}

fn advertise(lan: &mut Lan, from: &str, router: Router, options: Options) {
    let body = Body::RouterAdvertisement(router);
    let options = Options {
        source: Some(STRANGER),
        ..options
    };
    lan.carry(9, &frame(from, "ff02::1", 255, &Message { body, options }));
    lan.pass(Duration::from_secs(3));
}

fn global(lan: &Lan) -> Vec<Address> {
    let all = lan.hosts[0].addresses();
    all.filter(|a| a.origin != Origin::LinkLocal).collect()
}

const ROUTER: Router = Router {
    hop_limit: 64,
    managed: false,
    other: false,
    preference: 0,
    lifetime: 1800,
    reachable: 0,
    retransmit: 0,
};

fn with(prefix: Prefix) -> Options {
    Options {
        prefixes: vec![prefix],
        ..Options::default()
    }
}

#[test]
fn a_silent_link_is_asked_for_routers_three_times() {
    let mut lan = lan(false);
    lan.pass(Duration::from_secs(60));
    let asked = lan
        .frames
        .iter()
        .filter(|f| f[12..14] == [0x86, 0xdd] && f[54] == 133);
    // RFC 4861 6.3.7: to all routers, from the link-local address, hop limit 255.
    let asked: Vec<_> = asked.collect();
    assert_eq!(asked.len(), 3);
    assert!(
        asked.iter().all(|f| f[..6] == [0x33, 0x33, 0, 0, 0, 2]
            && f[21] == 255
            && f[22..24] == [0xfe, 0x80])
    );
    // 4.1: where we are, in the option for it.
    assert!(asked.iter().all(|f| f[62..70] == [1, 1, 2, 0, 0, 0, 0, 1]));
}

#[test]
fn a_prefix_gives_an_address_that_ages_and_goes() {
    let mut lan = lan(false);
    lan.news(0);
    advertise(
        &mut lan,
        "fe80::99",
        ROUTER,
        with(prefix("2001:db8:1::", 7300, 100)),
    );
    let [address] = global(&lan)[..] else {
        panic!("{:?}", global(&lan))
    };
    assert!(cidr("2001:db8:1::/64").contains(address.cidr.addr()));
    assert_eq!(address.state, AddressState::Preferred);
    let addr = address.cidr.addr();
    assert!(lan.news(0).contains(&AddressNews::Ready(addr)));
    assert_eq!(
        lan.hosts[0].ip().source_for(ip("2001:db8:2::1")),
        Some(addr)
    );
    assert_eq!(
        lan.hosts[0]
            .ip()
            .next_hop(ip("2001:db8:2::1"))
            .unwrap()
            .next,
        ip("fe80::99")
    );
    assert_eq!(
        lan.hosts[0]
            .ip()
            .next_hop(ip("2001:db8:1::7"))
            .unwrap()
            .next,
        ip("2001:db8:1::7")
    );
    lan.pass(Duration::from_secs(100));
    assert_eq!(lan.news(0), [AddressNews::Deprecated(addr)]);
    lan.pass(Duration::from_secs(7300));
    assert_eq!(lan.news(0), [AddressNews::Expired(addr)]);
    assert!(global(&lan).is_empty());
    assert_eq!(
        lan.hosts[0].ip().next_hop(ip("2001:db8:2::1")),
        None,
        "the router's time is over too"
    );
}

#[test]
fn a_deprecated_address_begins_nothing_new_while_another_is_there() {
    let mut lan = lan(false);
    advertise(
        &mut lan,
        "fe80::99",
        ROUTER,
        with(prefix("2001:db8:1::", 9000, 9000)),
    );
    advertise(
        &mut lan,
        "fe80::99",
        ROUTER,
        with(prefix("2001:db8:2::", 9000, 9000)),
    );
    let dst = ip("2001:db8:1:ffff::1");
    let before = lan.hosts[0].ip().source_for(dst).unwrap();
    assert!(
        cidr("2001:db8:1::/64").contains(before),
        "the longer match, RFC 6724 rule 8"
    );
    advertise(
        &mut lan,
        "fe80::99",
        ROUTER,
        with(prefix("2001:db8:1::", 9000, 0)),
    );
    lan.pass(Duration::from_secs(1));
    let after = lan.hosts[0].ip().source_for(dst).unwrap();
    assert!(cidr("2001:db8:2::/64").contains(after), "rule 3");
}

#[test]
fn one_message_does_not_take_an_address_away() {
    let mut lan = lan(false);
    advertise(
        &mut lan,
        "fe80::99",
        ROUTER,
        with(prefix("2001:db8:1::", 86_400, 86_400)),
    );
    advertise(
        &mut lan,
        "fe80::99",
        ROUTER,
        with(prefix("2001:db8:1::", 0, 0)),
    );
    // RFC 4862 5.5.3 e: two hours are left.
    lan.pass(Duration::from_secs(7100));
    assert_eq!(global(&lan).len(), 1);
    lan.pass(Duration::from_secs(200));
    assert!(global(&lan).is_empty());
}

#[test]
fn prefixes_that_contradict_themselves_give_no_address() {
    let mut lan = lan(false);
    for bad in [
        prefix("2001:db8:1::", 100, 200),
        Prefix {
            len: 48,
            ..prefix("2001:db8:1::", 200, 100)
        },
        prefix("fe80::", 200, 100),
        prefix("2001:db8:1::", 0, 0),
    ] {
        advertise(&mut lan, "fe80::99", ROUTER, with(bad));
        assert!(global(&lan).is_empty(), "{bad:?}");
    }
}

#[test]
fn the_links_mtu_is_a_routers_to_say_within_bounds() {
    // RFC 4861 6.3.4: no less than 1280, no more than the link's own.
    let mut lan = lan(false);
    let mtu = |lan: &Lan| lan.hosts[0].ip().path(ip("2001:db8:1::9")).unwrap().mtu;
    for (said, taken) in [
        (None, 1500),
        (Some(1279), 1500),
        (Some(1501), 1500),
        (Some(1400), 1400),
    ] {
        let options = Options {
            mtu: said,
            ..with(prefix("2001:db8:1::", 9000, 9000))
        };
        advertise(&mut lan, "fe80::a", ROUTER, options);
        assert_eq!(mtu(&lan), taken, "{said:?}");
    }
}

#[test]
fn a_message_in_fragments_is_dropped_even_if_there_is_but_one() {
    // RFC 6980 5: a solicitation that would be answered, behind a fragment header: the whole, and in two pieces.
    let mut lan = Lan::new(vec![host(1, &["2001:db8:1::5/64"])]);
    lan.pass(Duration::from_secs(3));
    let message = Message {
        body: Body::NeighborSolicitation {
            target: "2001:db8:1::5".parse().unwrap(),
        },
        options: Options {
            source: Some(STRANGER),
            ..Options::default()
        },
    };
    let plain = frame("fe80::a", "2001:db8:1::5", 255, &message);
    let (head, body) = plain.split_at(54);
    let piece = |offset: usize, more: u8, part: &[u8]| {
        let mut bytes = head.to_vec();
        let len = u16::try_from(part.len() + 8).unwrap();
        bytes[18..20].copy_from_slice(&len.to_be_bytes());
        bytes[20] = 44;
        let word = u16::try_from(offset).unwrap() | u16::from(more);
        bytes.extend([58, 0]);
        bytes.extend(word.to_be_bytes());
        bytes.extend([0, 0, 0, 9]);
        bytes.extend_from_slice(part);
        bytes.into()
    };
    let dropped = |verdict: Option<outcrop_base::Verdict>| {
        let verdict = verdict.unwrap();
        (verdict.rule.name, verdict.drop_reason())
    };
    let refused = ("nd:message", Some(outcrop_base::DropReason::IcmpInvalid));
    let (first, last) = body.split_at(16);
    assert_eq!(dropped(lan.carry(9, &piece(0, 0, body))), refused);
    let _kept = lan.carry(9, &piece(0, 1, first));
    assert_eq!(dropped(lan.carry(9, &piece(16, 0, last))), refused);
    // By itself it is answered.
    assert_eq!(dropped(lan.carry(9, &plain)), ("nd:solicitation", None));
}

#[test]
fn a_flood_of_prefixes_and_routers_is_bounded() {
    let mut lan = lan(false);
    for n in 0..200 {
        let from = format!("fe80::{n:x}99");
        let options = with(prefix(&format!("2001:db8:{n:x}::"), 9000, 9000));
        advertise(&mut lan, &from, ROUTER, options);
    }
    assert!(lan.hosts[0].addresses().count() <= 64);
    assert!(lan.hosts[0].ip().routes().count() <= 200);
}

#[test]
fn the_preferred_router_is_taken_and_a_silent_one_left() {
    let mut lan = lan(false);
    let via = |lan: &Lan| {
        lan.hosts[0]
            .ip()
            .next_hop(ip("2001:db8:9::1"))
            .map(|hop| hop.next)
    };
    advertise(
        &mut lan,
        "fe80::a",
        ROUTER,
        with(prefix("2001:db8:1::", 9000, 9000)),
    );
    assert_eq!(via(&lan), Some(ip("fe80::a")));
    advertise(
        &mut lan,
        "fe80::b",
        Router {
            preference: 1,
            ..ROUTER
        },
        Options::default(),
    );
    assert_eq!(via(&lan), Some(ip("fe80::b")), "RFC 4191 3.1");
    // Nobody answers there: the first packet waits in vain, then RFC 4861 6.3.6 takes the other.
    lan.pass(Duration::from_secs(60));
    lan.ping(0, "2001:db8:9::1");
    lan.pass(Duration::from_secs(20));
    assert_eq!(via(&lan), Some(ip("fe80::a")));
    advertise(
        &mut lan,
        "fe80::a",
        Router {
            lifetime: 0,
            ..ROUTER
        },
        Options::default(),
    );
    assert_eq!(via(&lan), Some(ip("fe80::b")));
}

#[test]
fn resolvers_come_with_their_time_and_go() {
    let mut lan = lan(false);
    let options = Options {
        resolvers: vec![("2001:db8::53".parse().unwrap(), 60)],
        domains: vec![("example.net".to_owned(), 60)],
        ..Options::default()
    };
    advertise(
        &mut lan,
        "fe80::99",
        Router {
            managed: true,
            ..ROUTER
        },
        options,
    );
    assert_eq!(lan.hosts[0].resolvers(), [ip("2001:db8::53")]);
    assert_eq!(lan.hosts[0].search_domains(), ["example.net"]);
    assert!(lan.news(0).contains(&AddressNews::Router {
        managed: true,
        other: false
    }));
    // RFC 4861 6.3.4: what an advertisement leaves out stays.
    advertise(&mut lan, "fe80::99", ROUTER, Options::default());
    assert_eq!(lan.hosts[0].resolvers(), [ip("2001:db8::53")]);
    assert_eq!(lan.hosts[0].search_domains(), ["example.net"]);
    lan.pass(Duration::from_secs(61));
    assert!(lan.hosts[0].resolvers().is_empty() && lan.hosts[0].search_domains().is_empty());
}

#[test]
fn a_temporary_address_speaks_first_and_is_replaced() {
    let mut lan = lan(true);
    advertise(
        &mut lan,
        "fe80::99",
        Router {
            lifetime: 0,
            ..ROUTER
        },
        with(prefix("2001:db8:1::", u32::MAX, u32::MAX)),
    );
    let temporary = |lan: &Lan| -> Vec<_> {
        global(lan)
            .into_iter()
            .filter(|a| a.origin == Origin::Temporary)
            .collect()
    };
    let first = temporary(&lan)[0];
    let dst = ip("2001:db8:1::1");
    assert_eq!(
        lan.hosts[0].ip().source_for(dst),
        Some(first.cidr.addr()),
        "RFC 6724 rule 7"
    );
    lan.pass(Duration::from_secs(86_400));
    let now = temporary(&lan);
    assert_eq!(now.len(), 2);
    assert_eq!(now[0].state, AddressState::Deprecated);
    assert_eq!(lan.hosts[0].ip().source_for(dst), Some(now[1].cidr.addr()));
    lan.pass(Duration::from_secs(2 * 86_400));
    assert!(temporary(&lan).iter().all(|a| a.cidr != first.cidr));
}

#[test]
fn a_redirect_is_believed_of_the_first_hop_alone() {
    let mut lan = lan(false);
    advertise(
        &mut lan,
        "fe80::a",
        ROUTER,
        with(prefix("2001:db8:1::", 9000, 9000)),
    );
    let ours = global(&lan)[0].cidr.addr().to_string();
    let (target, destination) = ("fe80::b".parse().unwrap(), "2001:db8:9::1".parse().unwrap());
    let message = Message {
        body: Body::Redirect {
            target,
            destination,
        },
        options: Options {
            target: Some(STRANGER),
            ..Options::default()
        },
    };
    let via = |lan: &Lan| {
        lan.hosts[0]
            .ip()
            .next_hop(ip("2001:db8:9::1"))
            .map(|hop| hop.next)
    };
    let refused = lan
        .carry(9, &frame("fe80::c", &ours, 255, &message))
        .unwrap();
    assert!(refused.drop_reason().is_some());
    assert_eq!(via(&lan), Some(ip("fe80::a")));
    let taken = lan
        .carry(9, &frame("fe80::a", &ours, 255, &message))
        .unwrap();
    assert_eq!(
        (taken.drop_reason(), taken.rule.name),
        (None, "nd:redirect")
    );
    assert_eq!(via(&lan), Some(ip("fe80::b")));
    // RFC 4861 8.3: the message says where the better hop is; that is known, and not yet confirmed.
    let mut known = lan.hosts[0].neighbors(IFACE);
    let better = known.find(|known| known.ip == ip("fe80::b")).unwrap();
    assert_eq!(
        (better.mac, better.state, better.router),
        (Some(MacAddr(STRANGER)), State::Stale, true)
    );
    drop(known);
    assert_eq!(
        lan.hosts[0]
            .ip()
            .next_hop(ip("2001:db8:9::2"))
            .unwrap()
            .next,
        ip("fe80::a")
    );
}

/// A host that passes packets on, with one link.
fn router_of(addresses: &[&str]) -> Core {
    let mut config = Config::default();
    config.ip.forward = true;
    let seed = outcrop_base::Seed::from_number(1);
    let mut router = Core::new(config, &seed);
    let mac = MacAddr([2, 0, 0, 0, 0, 1]);
    let interface = InterfaceConfig {
        addresses: addresses.iter().copied().map(cidr).collect(),
        ..InterfaceConfig::ethernet(IFACE, 1500, mac.0)
    };
    let link = outcrop_stack::ethernet::Config::new(mac);
    router.add_ethernet(interface, link).unwrap();
    router
}

#[test]
fn a_redirect_of_our_router_says_where_the_better_hop_is_if_it_knows() {
    let router = router_of(&["2001:db8:1::1/64", "fe80::1/64"]);
    let mut far = host(2, &["2001:db8:1::5/128", "fe80::2/64"]);
    far.add_route(cidr("::/0"), Some(ip("fe80::1")), IFACE)
        .unwrap();
    let near = host(3, &["2001:db8:1::6/64", "fe80::3/64"]);
    let mut lan = Lan::new(vec![router, far, near]);
    lan.pass(Duration::from_secs(3));
    assert!(lan.ping(0, "2001:db8:1::6"), "the router has met it");
    lan.frames.clear();
    let _answered = lan.ping(1, "2001:db8:1::6");
    // In IPv6: a redirect whose body is followed by the option of type 2.
    let redirect = lan.frames.iter().find(|f| f[54..].starts_with(&[137, 0]));
    let redirect = redirect.expect("a redirect");
    assert_eq!(
        redirect[54 + 8..54 + 24],
        "2001:db8:1::6"
            .parse::<core::net::Ipv6Addr>()
            .unwrap()
            .octets()
    );
    assert_eq!(redirect[54 + 40..54 + 48], [2, 1, 2, 0, 0, 0, 0, 3]);
}

/// RFC 4861 8.2: a router goes by its own table.
#[test]
fn a_router_takes_no_redirect_of_its_first_hop() {
    let mut router = router_of(&["2001:db8:1::1/64"]);
    router
        .add_route(cidr("::/0"), Some(ip("fe80::a")), IFACE)
        .unwrap();
    let mut lan = Lan::new(vec![router]);
    let message = Message {
        body: Body::Redirect {
            target: "fe80::b".parse().unwrap(),
            destination: "2001:db8:9::1".parse().unwrap(),
        },
        options: Options::default(),
    };
    let refused = lan
        .carry(9, &frame("fe80::a", "2001:db8:1::1", 255, &message))
        .unwrap();
    assert!(refused.drop_reason().is_some());
    let hop = lan.hosts[0].ip().next_hop(ip("2001:db8:9::1"));
    assert_eq!(hop.unwrap().next, ip("fe80::a"));
}
