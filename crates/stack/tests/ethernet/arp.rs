//! IPv4 on Ethernet: ARP, addresses that come and go, who has none.

use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;

use bytes::Bytes;
use outcrop_stack::Event;
use outcrop_stack::ethernet::{MacAddr, State};
use outcrop_stack::ip::{AddressNews, AddressState, Lease, Origin};
use outcrop_stack::udp::SendOptions;

use crate::common::{IFACE, Lan, cidr, host, ip};

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
