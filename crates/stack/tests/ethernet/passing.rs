//! A router of ours between two Ethernets: what hosts learn from it, and what it passes on.

use core::time::Duration;

use bytes::Bytes;
use etherparse::PacketBuilder;
use outcrop_base::{DropReason, Instant, InterfaceId, Seed, Verdict};
use outcrop_stack::device::RxOffload;
use outcrop_stack::ethernet::{self, MacAddr};
use outcrop_stack::ip::{self, AddressState, Advertising, AutoConfig, InterfaceConfig, Origin};
use outcrop_stack::{Config, Core, Echo, PacketIn};

use crate::common::{IFACE, cidr, ip as addr};

const WEST: InterfaceId = InterfaceId(0);
const EAST: InterfaceId = InterfaceId(1);
const AUTO: AutoConfig = AutoConfig {
    routers: false,
    temporary: false,
};

fn attach(core: &mut Core, iface: InterfaceId, last: u8, addresses: &[&str], auto: AutoConfig) {
    let mac = MacAddr([2, 0, 0, 0, 0, last]);
    let link = InterfaceConfig {
        addresses: addresses.iter().copied().map(cidr).collect(),
        ..InterfaceConfig::ethernet(iface, 1500, mac.0)
    };
    core.add_ethernet(link, ethernet::Config::new(mac)).unwrap();
    core.autoconfigure(Instant::ZERO, iface, auto).unwrap();
}

/// A host in the west, the router, a host in the east; both wires without delay.
struct Lab {
    now: Instant,
    west: Core,
    router: Core,
    east: Core,
}

impl Lab {
    fn new(strict_source: bool) -> Self {
        let config = Config {
            ip: ip::Config {
                forward: true,
                strict_source,
                ..ip::Config::default()
            },
            ..Config::default()
        };
        let mut router = Core::new(config, &Seed::from_number(1));
        attach(
            &mut router,
            WEST,
            1,
            &["10.1.0.1/24", "2001:db8:1::1/64"],
            AUTO,
        );
        attach(
            &mut router,
            EAST,
            2,
            &["10.2.0.1/24", "2001:db8:2::1/64"],
            AUTO,
        );
        for iface in [WEST, EAST] {
            let config = Advertising {
                mtu: Some(1400),
                ..Advertising::default()
            };
            router.advertise_on(Instant::ZERO, iface, config).unwrap();
        }
        let listens = AutoConfig {
            routers: true,
            ..AUTO
        };
        let [west, east] = [3, 4].map(|last| {
            let mut host = Core::new(Config::default(), &Seed::from_number(last.into()));
            attach(&mut host, IFACE, last, &[], listens);
            host
        });
        let now = Instant::from_millis(1);
        let mut lab = Self {
            now,
            west,
            router,
            east,
        };
        lab.pass(Duration::from_secs(20));
        lab
    }

    fn settle(&mut self) {
        loop {
            let now = self.now;
            let mut quiet = true;
            for bytes in drain(&mut self.west, now) {
                quiet = false;
                let _verdict = give(&mut self.router, now, WEST, bytes.1);
            }
            for bytes in drain(&mut self.east, now) {
                quiet = false;
                let _verdict = give(&mut self.router, now, EAST, bytes.1);
            }
            for (iface, bytes) in drain(&mut self.router, now) {
                quiet = false;
                let host = if iface == WEST {
                    &mut self.west
                } else {
                    &mut self.east
                };
                let _verdict = give(host, now, IFACE, bytes);
            }
            if quiet {
                return;
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        self.settle();
        loop {
            let all = [&self.west, &self.router, &self.east];
            let due = all.iter().filter_map(|core| core.poll_timeout()).min();
            let Some(at) = due.filter(|at| *at <= end) else {
                break;
            };
            self.now = self.now.max(at);
            for core in [&mut self.west, &mut self.router, &mut self.east] {
                core.handle_timeout(self.now);
            }
            self.settle();
        }
        self.now = end;
    }
}

fn drain(core: &mut Core, now: Instant) -> Vec<(InterfaceId, Bytes)> {
    let mut sent = Vec::new();
    while core.poll_transmit(now, &mut |packet| {
        let bytes: Vec<u8> = packet.bytes.iter().flat_map(|p| p.to_vec()).collect();
        sent.push((packet.iface, bytes.into()));
    }) {}
    sent
}

fn give(core: &mut Core, at: Instant, iface: InterfaceId, bytes: Bytes) -> Verdict {
    let id = core.next_packet_id();
    core.handle_packet(PacketIn {
        at,
        id,
        iface,
        bytes,
        offload: RxOffload::default(),
    })
}

/// The address a host made of the router's prefix.
fn global(host: &Core) -> Option<core::net::IpAddr> {
    let mut all = host.addresses();
    all.find(|a| a.origin == Origin::Router && a.state == AddressState::Preferred)
        .map(|a| a.cidr.addr())
}

#[test]
fn two_hosts_that_know_nothing_configure_themselves_by_our_router_and_speak_through_it() {
    let mut lab = Lab::new(false);
    let (west, east) = (global(&lab.west).unwrap(), global(&lab.east).unwrap());
    assert!(cidr("2001:db8:1::/64").contains(west), "{west}");
    assert!(cidr("2001:db8:2::/64").contains(east), "{east}");
    assert_eq!(lab.west.ip().interfaces()[0].mtu, 1400);
    let ping = lab.west.ping_open().unwrap();
    lab.west
        .ping_send(ping, east, 1, &Bytes::from_static(b"there?"))
        .unwrap();
    lab.pass(Duration::from_secs(1));
    let Some(Echo::Reply(reply)) = lab.west.ping_recv(ping) else {
        panic!("no answer");
    };
    assert_eq!((reply.from, reply.hop_limit), (east, 63));
    // The router goes: its hosts know at once, not only when its lifetime is over.
    assert!(lab.west.ip().next_hop(east).is_some());
    lab.router.cease_advertising();
    lab.pass(Duration::from_secs(1));
    assert_eq!(lab.west.ip().next_hop(east), None);
}

/// A datagram to a host in the east, in a frame from the west to `to`.
fn frame(to: [u8; 6], src: &str, dst: &str) -> Bytes {
    let builder = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 3], to);
    let mut out = Vec::new();
    match (addr(src), addr(dst)) {
        (core::net::IpAddr::V4(src), core::net::IpAddr::V4(dst)) => {
            let builder = builder.ipv4(src.octets(), dst.octets(), 64).udp(4000, 9);
            builder.write(&mut out, b"data").unwrap();
        }
        (core::net::IpAddr::V6(src), core::net::IpAddr::V6(dst)) => {
            let builder = builder.ipv6(src.octets(), dst.octets(), 64).udp(4000, 9);
            builder.write(&mut out, b"data").unwrap();
        }
        _ => panic!("of two families"),
    }
    out.into()
}

const ROUTER: [u8; 6] = [2, 0, 0, 0, 0, 1];

#[test]
fn a_packet_for_another_that_came_to_everybody_is_not_passed_on() {
    // RFC 1812 5.3.4: in frames to all, and to a group of stations we are in.
    let mut lab = Lab::new(false);
    for (src, dst) in [("10.1.0.9", "10.2.0.9"), ("2001:db8:1::9", "2001:db8:2::9")] {
        for (to, passes) in [
            (ROUTER, true),
            ([0xff; 6], false),
            ([0x33, 0x33, 0, 0, 0, 1], false),
        ] {
            let verdict = give(&mut lab.router, lab.now, WEST, frame(to, src, dst));
            let dropped = (!passes).then_some(DropReason::EthernetNotForUs);
            assert_eq!(verdict.drop_reason(), dropped, "{dst} to {to:?}");
        }
    }
    // For the router itself it is taken in IPv6, where nobody is spoken to by broadcast.
    let verdict = give(
        &mut lab.router,
        lab.now,
        WEST,
        frame([0xff; 6], "2001:db8:1::9", "2001:db8:1::1"),
    );
    assert_ne!(verdict.drop_reason(), Some(DropReason::EthernetNotForUs));
}

#[test]
fn a_source_that_an_answer_would_not_reach_by_the_link_it_came_from_is_refused_if_asked_for() {
    for strict in [false, true] {
        let mut lab = Lab::new(strict);
        let east = global(&lab.east).unwrap().to_string();
        for (src, dst, honest) in [
            ("10.1.0.9", "10.2.0.9", true),
            ("10.2.0.7", "10.2.0.9", false),
            ("192.0.2.1", "10.2.0.9", false),
            ("2001:db8:1::9", &*east, true),
            ("2001:db8:2::7", &*east, false),
        ] {
            let verdict = give(&mut lab.router, lab.now, WEST, frame(ROUTER, src, dst));
            let dropped = (strict && !honest).then_some(DropReason::IpFiltered);
            assert_eq!(verdict.drop_reason(), dropped, "{src}");
        }
    }
}
