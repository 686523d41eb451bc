//! What a router says of itself, how often, to whom, and when it is over.

use core::net::{IpAddr, Ipv6Addr};
use core::time::Duration;

use bytes::Bytes;
use etherparse::PacketBuilder;
use outcrop_base::{
    Checksum, Fact, FactKind, Instant, InterfaceId, Level, PacketId, Seed, Verdict,
};
use outcrop_ip::wire::nd::{self, Body, Message, Options, Prefix, Router};
use outcrop_ip::{
    Advertising, AutoConfig, Cidr, Config, ConfigError, Endpoint, Event, InterfaceConfig, PacketIn,
    Rule,
};

use crate::host::{build, packet, verdict};

const LAN: InterfaceId = InterfaceId(1);
const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];

fn cidr(text: &str) -> Cidr {
    text.parse().unwrap()
}

fn six(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

/// A router with one link of many neighbours, whose link-local address has been checked.
struct Lab {
    router: Endpoint,
    now: Instant,
    /// When each packet left, and the packet.
    sent: Vec<(Instant, Bytes)>,
    /// Where the link says that a better hop is.
    better_at: Option<[u8; 6]>,
}

impl Lab {
    fn new(forward: bool) -> Self {
        let config = Config {
            forward,
            ..Config::default()
        };
        let mut router = Endpoint::new(config, &Seed::from_number(7));
        let link = InterfaceConfig {
            addresses: vec![cidr("10.9.0.1/24"), cidr("fd09::1/64")],
            ..InterfaceConfig::ethernet(LAN, 1500, MAC)
        };
        router.add_interface(link).unwrap();
        let now = Instant::from_millis(1);
        let auto = AutoConfig {
            routers: false,
            temporary: false,
        };
        router.autoconfigure(now, LAN, auto).unwrap();
        let sent = Vec::new();
        let better_at = None;
        let mut lab = Self {
            router,
            now,
            sent,
            better_at,
        };
        lab.pass(Duration::from_secs(10));
        lab.sent.clear();
        lab
    }

    fn advertising(config: Advertising) -> Self {
        let mut lab = Self::new(true);
        lab.router.advertise_on(lab.now, LAN, config).unwrap();
        lab
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            while let Some(transmit) = self.router.poll_transmit(self.now) {
                self.sent.push((self.now, transmit.bytes));
            }
            match self.router.poll_timeout().filter(|at| *at <= end) {
                Some(at) => self.now = self.now.max(at),
                None => break,
            }
            self.router.handle_timeout(self.now);
        }
        self.now = end;
    }

    fn hears(&mut self, bytes: Bytes) -> Verdict {
        let arrived = PacketIn {
            at: self.now,
            iface: LAN,
            id: PacketId(9),
            ..packet(9, bytes)
        };
        let verdict = verdict(&self.router.handle_packet(arrived));
        // What a link would be asked.
        while let Some(event) = self.router.poll_event() {
            if let Event::Redirect(redirect) = event {
                self.router.redirect(&redirect, self.better_at);
            }
        }
        verdict
    }

    /// What was advertised by ICMPv6, and when.
    fn said(&self) -> Vec<(Instant, Router, Options)> {
        let all = self
            .sent
            .iter()
            .filter(|(_, bytes)| bytes[0] >> 4 == 6 && bytes[6] == 58);
        let read = all.filter_map(|(at, bytes)| match nd::parse(&bytes[40..])? {
            Message {
                body: Body::RouterAdvertisement(router),
                options,
            } => Some((*at, router, options)),
            _ => None,
        });
        read.collect()
    }

    /// The IPv4 advertisements, from their ICMP header on, and when.
    fn said_v4(&self) -> Vec<(Instant, Bytes)> {
        let all = self
            .sent
            .iter()
            .filter(|(_, bytes)| bytes[0] == 0x45 && bytes[20] == 9);
        all.map(|(at, bytes)| (*at, bytes.slice(20..))).collect()
    }
}

/// Gaps between moments, in milliseconds.
fn gaps(moments: impl Iterator<Item = Instant>) -> Vec<u128> {
    let moments: Vec<_> = moments.collect();
    moments
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).as_millis())
        .collect()
}

/// A message of neighbour discovery, written here and not by the engine.
fn message(src: &str, dst: &str, message: &Message) -> Bytes {
    let (src, dst) = (six(src), six(dst));
    let mut body = nd::emit(message);
    let len = u32::try_from(body.len()).unwrap();
    let mut sum = Checksum::pseudo_header(src.into(), dst.into(), 58, len);
    sum.add(&body);
    body[2..4].copy_from_slice(&sum.finish().to_be_bytes());
    let mut bytes = vec![0x60, 0, 0, 0];
    bytes.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
    bytes.extend([58, 255]);
    bytes.extend(src.octets());
    bytes.extend(dst.octets());
    bytes.extend(body);
    bytes.into()
}

fn solicitation() -> Bytes {
    let options = Options {
        source: Some([2, 0, 0, 0, 0, 9]),
        ..Options::default()
    };
    let body = Body::RouterSolicitation;
    message("fe80::9", "ff02::2", &Message { body, options })
}

#[test]
fn a_router_that_begins_speaks_at_once_soon_again_and_then_by_chance_within_bounds() {
    // RFC 4861 6.2.4: the first three intervals are 16 s at most, the others between a third and the whole.
    let mut lab = Lab::advertising(Advertising::default());
    let began = lab.now;
    lab.pass(Duration::from_secs(20_000));
    let said = lab.said();
    assert_eq!(said[0].0, began);
    let gaps = gaps(said.iter().map(|(at, ..)| *at));
    assert!(gaps[..3].iter().all(|gap| *gap <= 16_000), "{gaps:?}");
    let rest = &gaps[3..];
    assert!(
        rest.iter().all(|gap| (198_000..=600_000).contains(gap)),
        "{gaps:?}"
    );
    let spread = rest.iter().max().unwrap() - rest.iter().min().unwrap();
    assert!(spread > 100_000, "drawn anew each time: {gaps:?}");
}

#[test]
fn an_advertisement_holds_router_link_mtu_prefix_and_who_resolves_names() {
    let config = Advertising {
        mtu: Some(1400),
        resolvers: vec![six("fd09::53")],
        domains: vec!["example.net".to_owned()],
        ..Advertising::every(Duration::from_secs(60))
    };
    let mut lab = Lab::advertising(config);
    lab.pass(Duration::ZERO);
    let (_, bytes) = lab.sent.iter().find(|(_, b)| b[40] == 134).unwrap();
    // To all nodes, from a link-local address, with 255 hops (RFC 4861 4.2).
    assert_eq!(bytes[24..40], six("ff02::1").octets());
    assert_eq!((&bytes[8..10], bytes[7]), (&[0xfe, 0x80][..], 255));
    let (_, router, options) = lab.said().remove(0);
    let expected = Router {
        hop_limit: 64,
        lifetime: 180,
        ..Router::default()
    };
    assert_eq!(router, expected);
    let prefix = Prefix {
        network: six("fd09::"),
        len: 64,
        on_link: true,
        autonomous: true,
        valid: 2_592_000,
        preferred: 604_800,
    };
    let expected = Options {
        source: Some(MAC),
        mtu: Some(1400),
        prefixes: vec![prefix],
        resolvers: vec![(six("fd09::53"), 180)],
        domains: vec![("example.net".to_owned(), 180)],
        ..Options::default()
    };
    assert_eq!(options, expected);
}

#[test]
fn a_host_that_asks_is_answered_within_half_a_second_and_a_thousand_no_sooner() {
    let mut lab = Lab::advertising(Advertising::default());
    lab.pass(Duration::from_secs(100));
    lab.sent.clear();
    let asked = lab.now;
    assert_eq!(
        lab.hears(solicitation()).rule,
        Rule::NdRouterSolicitation.as_ref()
    );
    lab.pass(Duration::from_millis(500));
    // RFC 4861 6.2.6: to all, after a time drawn by chance.
    let said = lab.said();
    assert_eq!(said.len(), 1);
    assert!(said[0].0 > asked && said[0].0 - asked <= Duration::from_millis(500));
    lab.sent.clear();
    for _ in 0..1000 {
        let _taken = lab.hears(solicitation());
        lab.pass(Duration::from_millis(30));
    }
    let gaps = gaps(lab.said().iter().map(|(at, ..)| *at));
    assert!(
        (8..=10).contains(&(gaps.len() + 1)),
        "in thirty seconds: {gaps:?}"
    );
    assert!(gaps.iter().all(|gap| *gap >= 3000), "{gaps:?}");
}

#[test]
fn a_question_from_beyond_the_link_or_of_no_shape_is_not_answered() {
    let mut lab = Lab::advertising(Advertising::default());
    lab.pass(Duration::from_secs(100));
    lab.sent.clear();
    let mut far = solicitation().to_vec();
    far[7] = 254;
    let from_nobody = message(
        "::",
        "ff02::2",
        &Message {
            body: Body::RouterSolicitation,
            options: Options {
                source: Some([2, 0, 0, 0, 0, 9]),
                ..Options::default()
            },
        },
    );
    for bad in [far.into(), from_nobody] {
        assert!(lab.hears(bad).drop_reason().is_some());
    }
    lab.pass(Duration::from_secs(3));
    assert!(lab.said().is_empty());
}

#[test]
fn a_router_that_ceases_says_so_once_and_then_nothing_more() {
    let config = Advertising {
        v4: true,
        ..Advertising::default()
    };
    let mut lab = Lab::advertising(config);
    lab.pass(Duration::from_secs(100));
    lab.sent.clear();
    lab.router.cease_advertising();
    lab.pass(Duration::from_secs(3000));
    // RFC 4861 6.2.5: lifetime zero; RFC 1256 4.1 likewise.
    let (six, four) = (lab.said(), lab.said_v4());
    assert_eq!((six.len(), four.len()), (1, 1));
    assert_eq!((six[0].1.lifetime, &four[0].1[6..8]), (0, &[0, 0][..]));
    assert!(lab.hears(solicitation()).drop_reason().is_none());
    lab.pass(Duration::from_secs(10));
    assert_eq!(lab.said().len(), 1);
}

#[test]
fn another_router_that_says_otherwise_is_remarked_and_one_that_agrees_is_not() {
    let mut lab = Lab::advertising(Advertising {
        mtu: Some(1500),
        ..Advertising::default()
    });
    lab.router.facts().set_level(Level::Events);
    lab.pass(Duration::from_secs(1));
    let ours = lab.said().remove(0);
    let remarks = |lab: &mut Lab| {
        let mut facts = Vec::<Fact>::new();
        lab.router.facts().drain_into(&mut facts);
        let otherwise = |fact: &&Fact| matches!(fact.kind, FactKind::Remark(text) if text.contains("says otherwise"));
        facts.iter().filter(otherwise).count()
    };
    let says = |lab: &mut Lab, router: Router, options: Options| {
        let body = Body::RouterAdvertisement(router);
        let verdict = lab.hears(message("fe80::7", "ff02::1", &Message { body, options }));
        assert_eq!(verdict.rule, Rule::NdRouter.as_ref());
        remarks(lab)
    };
    let (_, router, options) = ours;
    // RFC 4861 6.2.7: hop limit, flags, times, MTU and the times of a common prefix; not the lifetime.
    let agreed = Router {
        lifetime: 77,
        hop_limit: 0,
        ..router
    };
    assert_eq!(says(&mut lab, agreed, options.clone()), 0);
    let managed = Router {
        managed: true,
        ..router
    };
    assert_eq!(says(&mut lab, managed, options.clone()), 1);
    let hops = Router {
        hop_limit: 63,
        ..router
    };
    assert_eq!(says(&mut lab, hops, options.clone()), 1);
    let narrow = Options {
        mtu: Some(1280),
        ..options.clone()
    };
    assert_eq!(says(&mut lab, router, narrow), 1);
    let mut short = options;
    short.prefixes[0].valid -= 1;
    assert_eq!(says(&mut lab, router, short), 1);
}

#[test]
fn a_host_or_a_link_without_neighbours_advertises_nothing() {
    let mut host = Lab::new(false);
    let refused = host
        .router
        .advertise_on(host.now, LAN, Advertising::default());
    assert!(
        matches!(refused, Err(ConfigError::Advertising(_))),
        "{refused:?}"
    );
    let mut lab = Lab::new(true);
    let tun = InterfaceConfig::tun(InterfaceId(5), 1500, vec![cidr("fd05::1/64")]);
    lab.router.add_interface(tun).unwrap();
    let refused = lab
        .router
        .advertise_on(lab.now, InterfaceId(5), Advertising::default());
    assert!(
        matches!(refused, Err(ConfigError::Advertising(_))),
        "{refused:?}"
    );
    let unknown = lab
        .router
        .advertise_on(lab.now, InterfaceId(6), Advertising::default());
    assert_eq!(unknown, Err(ConfigError::UnknownInterface));
}

#[test]
fn hosts_of_ipv4_are_told_by_multicast_and_answered_if_they_are_neighbours() {
    let config = Advertising {
        v4: true,
        ..Advertising::default()
    };
    let mut lab = Lab::advertising(config);
    lab.pass(Duration::from_secs(100));
    let (_, first) = &lab.sent.iter().find(|(_, b)| b[0] == 0x45).unwrap();
    // RFC 1256 3: from our address to all systems, one hop; one address of two words, for half an hour.
    assert_eq!(
        (first[8], &first[12..20]),
        (1, &[10, 9, 0, 1, 224, 0, 0, 1][..])
    );
    assert_eq!(first[24..], [1, 2, 7, 8, 10, 9, 0, 1, 0, 0, 0, 0]);
    lab.sent.clear();
    let ask = |src: [u8; 4]| {
        let solicitation = etherparse::Icmpv4Type::Unknown {
            type_u8: 10,
            code_u8: 0,
            bytes5to8: [0; 4],
        };
        let builder = PacketBuilder::ipv4(src, [224, 0, 0, 2], 1).icmpv4(solicitation);
        build(|out| builder.write(out, &[]).unwrap())
    };
    // 4.2: a stranger's question is none.
    assert!(lab.hears(ask([10, 8, 0, 9])).drop_reason().is_some());
    lab.pass(Duration::from_secs(3));
    assert!(lab.said_v4().is_empty());
    assert_eq!(
        lab.hears(ask([10, 9, 0, 9])).rule,
        Rule::RouterDiscovery.as_ref()
    );
    lab.pass(Duration::from_secs(2));
    assert_eq!(lab.said_v4().len(), 1);
}

/// A datagram between hosts of IPv6.
fn datagram(src: &str, dst: &str, len: usize) -> Bytes {
    let builder = PacketBuilder::ipv6(six(src).octets(), six(dst).octets(), 64).udp(4000, 9);
    build(|out| builder.write(out, &vec![7; len]).unwrap())
}

/// The redirects that left: to whom, better hop, destination, bytes quoted.
fn redirects(lab: &Lab) -> Vec<(IpAddr, Ipv6Addr, Ipv6Addr, Vec<u8>)> {
    let all = lab.sent.iter().filter(|(_, bytes)| bytes[6] == 58);
    let read = all.filter_map(|(_, bytes)| match nd::parse(&bytes[40..])? {
        Message {
            body:
                Body::Redirect {
                    target,
                    destination,
                },
            options,
        } => {
            assert_eq!(bytes[7], 255);
            assert_eq!(
                bytes[8..10],
                [0xfe, 0x80],
                "from a link-local address: RFC 4861 8.1"
            );
            assert!(bytes.len() <= 1280);
            let to: [u8; 16] = bytes[24..40].try_into().unwrap();
            Some((
                Ipv6Addr::from(to).into(),
                target,
                destination,
                options.redirected,
            ))
        }
        _ => None,
    });
    read.collect()
}

#[test]
fn a_neighbour_that_sends_by_us_what_another_is_nearer_to_is_redirected() {
    let mut lab = Lab::new(true);
    let via = |text: &str| Some(text.parse().unwrap());
    lab.router
        .add_route(cidr("2001:db8:1::/48"), via("fe80::7"), LAN)
        .unwrap();
    lab.router
        .add_route(cidr("2001:db8:2::/48"), via("fd09::7"), LAN)
        .unwrap();
    // RFC 4861 8.2: by a better router, named by its link-local address; the packet itself goes on.
    let small = datagram("fd09::5", "2001:db8:1::1", 100);
    assert_eq!(lab.hears(small.clone()).drop_reason(), None);
    lab.pass(Duration::ZERO);
    let quoted = small.slice(..small.len() / 8 * 8).to_vec();
    let to = "fd09::5".parse().unwrap();
    assert_eq!(
        redirects(&lab),
        [(to, six("fe80::7"), six("2001:db8:1::1"), quoted)]
    );
    assert_eq!(lab.sent.len(), 2);
    lab.sent.clear();
    // The destination itself is a neighbour.
    let _taken = lab.hears(datagram("fd09::5", "fd09::6", 1400));
    lab.pass(Duration::ZERO);
    let said = redirects(&lab);
    assert_eq!(
        (said[0].1, said[0].2, said[0].3.len()),
        (six("fd09::6"), six("fd09::6"), 1192)
    );
    lab.sent.clear();
    // RFC 4861 4.5: where the better hop is, if the link knows; the packet is quoted as far as it still fits.
    lab.better_at = Some([2, 0, 0, 0, 0, 6]);
    let _taken = lab.hears(datagram("fd09::5", "fd09::6", 1400));
    lab.pass(Duration::ZERO);
    let (_, bytes) = &lab.sent[0];
    assert_eq!(
        bytes[80..88],
        [2, 1, 2, 0, 0, 0, 0, 6],
        "an option of type 2"
    );
    assert_eq!(redirects(&lab)[0].3.len(), 1184);
    assert_eq!(bytes.len(), 1280);
    lab.sent.clear();
    // Not to whom is no neighbour, and not to a router whose link-local address nobody knows.
    let _taken = lab.hears(datagram("2001:db8:9::1", "2001:db8:1::1", 100));
    let _taken = lab.hears(datagram("fd09::5", "2001:db8:2::1", 100));
    lab.pass(Duration::ZERO);
    assert_eq!((redirects(&lab).len(), lab.sent.len()), (0, 2));
}

#[test]
fn redirects_are_rationed_with_the_other_errors() {
    let mut lab = Lab::new(true);
    for _ in 0..100 {
        let _taken = lab.hears(datagram("fd09::5", "fd09::6", 10));
    }
    lab.pass(Duration::ZERO);
    assert_eq!(redirects(&lab).len(), 10, "the burst that is allowed");
}
