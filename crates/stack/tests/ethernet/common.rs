//! Hosts on one Ethernet, joined by a cable without delay.

use core::net::IpAddr;
use core::time::Duration;

use bytes::Bytes;
use outcrop_base::{Instant, InterfaceId, Seed, Verdict};
use outcrop_stack::ethernet::MacAddr;
use outcrop_stack::ip::{AddressNews, Cidr, InterfaceConfig};
use outcrop_stack::{Config, Core, Echo, PacketIn};

pub(crate) const IFACE: InterfaceId = InterfaceId(1);

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn cidr(text: &str) -> Cidr {
    text.parse().unwrap()
}

pub(crate) fn host(number: u8, addresses: &[&str]) -> Core {
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
#[derive(Debug)]
pub(crate) struct Lan {
    pub(crate) now: Instant,
    pub(crate) hosts: Vec<Core>,
    /// What crossed the cable, without reports of groups joined.
    pub(crate) frames: Vec<Bytes>,
}

impl Lan {
    pub(crate) fn new(hosts: Vec<Core>) -> Self {
        let now = Instant::from_millis(1);
        let frames = Vec::new();
        Self { now, hosts, frames }
    }

    pub(crate) fn settle(&mut self) {
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
                self.carry(from, &bytes);
            }
        }
    }

    /// Brings a frame to everybody but `from`; says what the last made of it.
    pub(crate) fn carry(&mut self, from: usize, bytes: &Bytes) -> Option<Verdict> {
        if !is_report(bytes) {
            self.frames.push(bytes.clone());
        }
        let mut last = None;
        for (n, host) in self.hosts.iter_mut().enumerate() {
            if n != from {
                let id = host.next_packet_id();
                last = Some(host.handle_packet(PacketIn {
                    at: self.now,
                    id,
                    iface: IFACE,
                    bytes: bytes.clone(),
                    offload: outcrop_stack::device::RxOffload::default(),
                }));
            }
        }
        last
    }

    /// Lets time pass, with everything that is due meanwhile.
    pub(crate) fn pass(&mut self, time: Duration) {
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

    pub(crate) fn ping(&mut self, from: usize, to: &str) -> bool {
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

    pub(crate) fn news(&mut self, of: usize) -> Vec<AddressNews> {
        core::iter::from_fn(|| self.hosts[of].take_address_news(IFACE)).collect()
    }
}

/// Whether a frame tells routers of groups: IGMP, or MLD behind its router alert.
fn is_report(frame: &[u8]) -> bool {
    let is_type = |ether_type: [u8; 2]| frame.get(12..14) == Some(&ether_type);
    is_type([8, 0]) && frame.get(23) == Some(&2)
        || is_type([0x86, 0xdd]) && frame.get(20) == Some(&0)
}
