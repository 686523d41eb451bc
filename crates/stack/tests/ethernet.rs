//! Hosts on one Ethernet, in virtual time.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;

use bytes::Bytes;
use outcrop_base::{Instant, InterfaceId, Seed};
use outcrop_stack::ethernet::{MacAddr, State};
use outcrop_stack::ip::{AddressNews, AddressState, Cidr, InterfaceConfig, Lease, Origin};
use outcrop_stack::udp::SendOptions;
use outcrop_stack::{Config, Core, Echo, Event, PacketIn};

const IFACE: InterfaceId = InterfaceId(1);

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn cidr(text: &str) -> Cidr {
    text.parse().unwrap()
}

fn host(number: u8, addresses: &[&str]) -> Core {
    let seed = Seed::from_number(u64::from(number));
    let mut core = Core::new(Config::default(), &seed);
    let mac = MacAddr([2, 0, 0, 0, 0, number]);
    let link = outcrop_stack::ethernet::Config::new(mac);
    let interface = InterfaceConfig {
        addresses: addresses.iter().copied().map(cidr).collect(),
        ..InterfaceConfig::ethernet(IFACE, 1500, mac.0)
    };
    core.add_ethernet(interface, link).unwrap();
    core
}

/// A cable of no delay: what one sends, the others hear, until all are silent.
struct Lan {
    now: Instant,
    hosts: Vec<Core>,
    frames: Vec<Bytes>,
}

impl Lan {
    fn new(hosts: Vec<Core>) -> Self {
        let now = Instant::from_millis(1);
        let frames = Vec::new();
        Self { now, hosts, frames }
    }

    fn settle(&mut self) {
        loop {
            let mut sent = Vec::new();
            for (n, host) in self.hosts.iter_mut().enumerate() {
                while host.poll_transmit(self.now, &mut |packet| {
                    let bytes: Vec<u8> = packet.bytes.iter().flat_map(|p| p.to_vec()).collect();
                    sent.push((n, Bytes::from(bytes)));
                }) {}
            }
            if sent.is_empty() {
                return;
            }
            for (from, bytes) in sent {
                self.frames.push(bytes.clone());
                for (n, host) in self.hosts.iter_mut().enumerate() {
                    if n != from {
                        let id = host.next_packet_id();
                        let _verdict = host.handle_packet(PacketIn {
                            at: self.now,
                            id,
                            iface: IFACE,
                            bytes: bytes.clone(),
                            offload: Default::default(),
                        });
                    }
                }
            }
        }
    }

    /// Lets time pass, with everything that is due meanwhile.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        self.settle();
        loop {
            let due = self.hosts.iter().filter_map(Core::poll_timeout).min();
            let Some(at) = due.filter(|at| *at <= end) else {
                break;
            };
            self.now = self.now.max(at);
            for host in &mut self.hosts {
                host.handle_timeout(self.now);
            }
            self.settle();
        }
        self.now = end;
    }

    fn ping(&mut self, from: usize, to: &str) -> bool {
        let ping = self.hosts[from].ping_open().unwrap();
        let sent = self.hosts[from].ping_send(ping, ip(to), 1, &Bytes::from_static(b"there?"));
        if sent.is_err() {
            return false;
        }
        self.settle();
        let answered = matches!(self.hosts[from].ping_recv(ping), Some(Echo::Reply(_)));
        self.hosts[from].ping_close(ping);
        answered
    }

    fn news(&mut self, of: usize) -> Vec<AddressNews> {
        core::iter::from_fn(|| self.hosts[of].take_address_news(IFACE)).collect()
    }
}

#[test]
fn two_hosts_on_a_link_ping_resolves_and_is_answered() {
    let mut lan = Lan::new(vec![host(1, &["10.0.0.1/24"]), host(2, &["10.0.0.2/24"])]);
    assert!(lan.ping(0, "10.0.0.2"));
    // Request and reply of ARP, request and reply of ICMP: RFC 826, RFC 792.
    let types: Vec<_> = lan
        .frames
        .iter()
        .map(|f| u16::from_be_bytes([f[12], f[13]]))
        .collect();
    assert_eq!(types, [0x0806, 0x0806, 0x0800, 0x0800]);
    assert_eq!(lan.frames[0][..6], [0xff; 6]);
    let known: Vec<_> = lan.hosts[0].neighbors(IFACE).collect();
    assert_eq!(known[0].state, State::Reachable);
    assert_eq!(known[0].mac, Some(MacAddr([2, 0, 0, 0, 0, 2])));
}

#[test]
fn an_unconfigured_host_speaks_to_everybody_and_hears_everybody() {
    let mut lan = Lan::new(vec![host(1, &[]), host(2, &["10.0.0.2/24"])]);
    let client = lan.hosts[0]
        .udp_bind("0.0.0.0:68".parse().unwrap())
        .unwrap();
    let server = lan.hosts[1]
        .udp_bind("0.0.0.0:67".parse().unwrap())
        .unwrap();
    let all = |port| Some(SocketAddr::new(Ipv4Addr::BROADCAST.into(), port));
    let out = SendOptions {
        iface: Some(IFACE),
        ..SendOptions::default()
    };
    lan.hosts[0]
        .udp_send(client, all(67), Bytes::from_static(b"discover"), &out)
        .unwrap();
    lan.settle();
    let heard = lan.hosts[1].udp_recv(server).unwrap().unwrap();
    assert_eq!(heard.from, "0.0.0.0:68".parse().unwrap());
    assert_eq!(heard.iface, IFACE);
    lan.hosts[1]
        .udp_send(server, all(68), Bytes::from_static(b"offer"), &out)
        .unwrap();
    lan.settle();
    let heard = lan.hosts[0].udp_recv(client).unwrap().unwrap();
    assert_eq!(
        (heard.from, &heard.data[..]),
        ("10.0.0.2:67".parse().unwrap(), &b"offer"[..])
    );
    // Nobody was asked where everybody is.
    assert!(
        lan.frames
            .iter()
            .all(|f| f[..6] == [0xff; 6] && f[12..14] == [8, 0])
    );
}

#[test]
fn a_leased_address_is_checked_used_renewed_and_expires() {
    let mut lan = Lan::new(vec![host(1, &[]), host(2, &["10.0.0.2/24"])]);
    let until = |lan: &Lan, secs| Some(lan.now + Duration::from_secs(secs));
    let lease = |lan: &Lan, secs| Lease {
        origin: Origin::Lease,
        preferred: None,
        valid: until(lan, secs),
        check: true,
    };
    let terms = lease(&lan, 60);
    let now = lan.now;
    lan.hosts[0]
        .assign(now, IFACE, cidr("10.0.0.1/24"), terms)
        .unwrap();
    assert!(!lan.ping(0, "10.0.0.2"), "a tentative address is not used");
    lan.pass(Duration::from_secs(10));
    assert_eq!(lan.news(0), [AddressNews::Ready(ip("10.0.0.1"))]);
    assert_eq!(lan.hosts[0].poll_event(), Some(Event::Address(IFACE)));
    assert!(lan.ping(0, "10.0.0.2") && lan.ping(1, "10.0.0.1"));
    let (terms, now) = (lease(&lan, 60), lan.now);
    lan.hosts[0]
        .assign(now, IFACE, cidr("10.0.0.1/24"), terms)
        .unwrap();
    lan.pass(Duration::from_secs(59));
    assert!(lan.ping(1, "10.0.0.1"), "renewed");
    lan.pass(Duration::from_secs(2));
    assert_eq!(lan.news(0), [AddressNews::Expired(ip("10.0.0.1"))]);
    assert!(!lan.ping(1, "10.0.0.1"));
    assert_eq!(lan.hosts[0].addresses().count(), 0);
}

#[test]
fn an_address_in_use_is_refused_to_who_checks() {
    let mut lan = Lan::new(vec![host(1, &[]), host(2, &["10.0.0.2/24"])]);
    let terms = Lease {
        check: true,
        ..Lease::FOREVER
    };
    let now = lan.now;
    lan.hosts[0]
        .assign(now, IFACE, cidr("10.0.0.2/24"), terms)
        .unwrap();
    let states: Vec<_> = lan.hosts[0].addresses().map(|a| a.state).collect();
    assert_eq!(states, [AddressState::Tentative]);
    lan.pass(Duration::from_secs(10));
    assert_eq!(lan.news(0), [AddressNews::Duplicate(ip("10.0.0.2"))]);
    assert_eq!(lan.hosts[0].addresses().count(), 0);
    assert_eq!(lan.news(1), [AddressNews::Ready(ip("10.0.0.2"))]);
}
