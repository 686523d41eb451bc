//! Two hosts and a wire between them, in virtual time.
#![allow(dead_code, reason = "each test program uses its part")]

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::collections::VecDeque;

use bytes::Bytes;
use outcrop_base::{
    Checksum, ChecksumState, ChunkQueue, Instant, InterfaceId, Level, Seed, Verdict, Why,
};
use outcrop_device::{Offload, RxOffload};
use outcrop_stack::ip::{Cidr, InterfaceConfig};
use outcrop_stack::{Config, Core, PacketIn, StreamId};

pub(crate) const IFACE: InterfaceId = InterfaceId(0);
/// One way over the wire.
pub(crate) const DELAY: Duration = Duration::from_millis(5);

/// A host at 10.77.0.`last` and fd77::`last` on a TUN of 1500 bytes.
pub(crate) fn host(last: u8, seed: u64) -> Core {
    host_with(last, seed, Config::default())
}

pub(crate) fn host_with(last: u8, seed: u64, config: Config) -> Core {
    let mut core = Core::new(config, &Seed::from_number(seed));
    let addresses = vec![
        Cidr::new(v4(last), 24).unwrap(),
        Cidr::new(v6(last), 64).unwrap(),
    ];
    core.add_interface(InterfaceConfig::tun(IFACE, 1500, addresses))
        .unwrap();
    core.set_level(Level::Full);
    core
}

pub(crate) fn v4(last: u8) -> IpAddr {
    IpAddr::from([10, 77, 0, last])
}

pub(crate) fn v6(last: u8) -> IpAddr {
    IpAddr::from([0xfd77, 0, 0, 0, 0, 0, 0, u16::from(last)])
}

pub(crate) fn sock(last: u8, port: u16) -> SocketAddr {
    SocketAddr::new(v4(last), port)
}

/// A packet that left a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) at: Instant,
    pub(crate) from: usize,
    pub(crate) why: Why,
    pub(crate) bytes: Bytes,
    pub(crate) offload: Offload,
}

/// Two cores, a wire of constant delay between them, and the log of both directions.
pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) hosts: [Core; 2],
    wire: VecDeque<(Instant, usize, Bytes, RxOffload)>,
    pub(crate) sent: Vec<Sent>,
    pub(crate) verdicts: Vec<(usize, Verdict)>,
    /// The packets (counted from 1 over both directions) that the wire loses.
    pub(crate) lose: Vec<usize>,
    /// The largest packet that passes; a router says so about larger ones.
    pub(crate) mtu: usize,
}

impl World {
    pub(crate) fn new(a: Core, b: Core) -> Self {
        Self {
            now: Instant::ZERO,
            hosts: [a, b],
            wire: VecDeque::new(),
            sent: Vec::new(),
            verdicts: Vec::new(),
            lose: Vec::new(),
            mtu: 1500,
        }
    }

    /// 10.77.0.1 and 10.77.0.2.
    pub(crate) fn plain() -> Self {
        Self::new(host(1, 1), host(2, 2))
    }

    fn flush(&mut self) {
        for from in [0, 1] {
            let (now, sent) = (self.now, &mut self.sent);
            while self.hosts[from].poll_transmit(now, &mut |packet| {
                let bytes = packet
                    .bytes
                    .iter()
                    .flat_map(|piece| piece.iter().copied())
                    .collect();
                let why = packet.note.why();
                sent.push(Sent {
                    at: now,
                    from,
                    why,
                    bytes,
                    offload: packet.offload,
                });
            }) {
                let last = sent.last().unwrap();
                if last.offload.gso.is_none() && last.bytes.len() > self.mtu {
                    let news = too_big(&last.bytes, u16::try_from(self.mtu).unwrap());
                    self.wire
                        .push_back((now + DELAY, from, news, RxOffload::default()));
                } else if !self.lose.contains(&sent.len()) {
                    let arrival = (now + DELAY, 1 - from, last.bytes.clone(), received_as(last));
                    self.wire.push_back(arrival);
                }
            }
            self.hosts[from].check();
        }
    }

    /// Puts a packet on the wire to `to` by hand.
    pub(crate) fn inject(&mut self, to: usize, bytes: Bytes) {
        self.wire
            .push_front((self.now, to, bytes, RxOffload::default()));
    }

    /// Lets whatever is due next happen; returns false once nothing is before `until`.
    pub(crate) fn step(&mut self, until: Instant) -> bool {
        self.flush();
        let timers = self.hosts.iter().filter_map(Core::poll_timeout).min();
        let arrival = self.wire.front().map(|(at, ..)| *at);
        let next = timers.into_iter().chain(arrival).min();
        let Some(next) = next.filter(|next| *next <= until) else {
            self.now = until;
            return false;
        };
        self.now = self.now.max(next);
        if let Some((at, to, bytes, offload)) = self.wire.pop_front_if(|(at, ..)| *at <= next) {
            let id = self.hosts[to].next_packet_id();
            let verdict = self.hosts[to].handle_packet(PacketIn {
                at,
                id,
                iface: IFACE,
                bytes,
                offload,
            });
            self.verdicts.push((to, verdict));
        }
        for host in &mut self.hosts {
            host.handle_timeout(self.now);
            host.check();
        }
        true
    }

    /// Runs for `span`.
    pub(crate) fn run(&mut self, span: Duration) {
        let until = self.now + span;
        while self.step(until) {}
    }

    /// What left, in order: who and why.
    pub(crate) fn story(&self) -> Vec<(usize, Why)> {
        self.sent.iter().map(|sent| (sent.from, sent.why)).collect()
    }

    pub(crate) fn write(&mut self, host: usize, stream: StreamId, data: &[u8]) {
        let mut queue = ChunkQueue::new();
        queue.push_slice(data);
        self.hosts[host].tcp_write(stream, &mut queue).unwrap();
        assert!(queue.is_empty(), "the send buffer takes small writes whole");
    }

    /// Everything readable now, and whether the peer has finished.
    pub(crate) fn read(&mut self, host: usize, stream: StreamId) -> (Vec<u8>, bool) {
        let mut all = Vec::new();
        loop {
            match self.hosts[host].tcp_read(stream) {
                Ok(Some(bytes)) => all.extend_from_slice(&bytes),
                Ok(None) => return (all, true),
                Err(_) => return (all, false),
            }
        }
    }
}

/// What a router at 10.77.0.254 says about `packet`, which does not fit its next link of `mtu` bytes:
/// RFC 792 with the field of RFC 1191 4.
pub(crate) fn too_big(packet: &[u8], mtu: u16) -> Bytes {
    icmp_error(packet, [3, 4], mtu)
}

/// An ICMP error of this type and code about `packet`, from 10.77.0.254 (RFC 792).
pub(crate) fn icmp_error(packet: &[u8], kind: [u8; 2], last: u16) -> Bytes {
    let quote = &packet[..28];
    let mut icmp = vec![kind[0], kind[1], 0, 0, 0, 0];
    icmp.extend(last.to_be_bytes());
    icmp.extend(quote);
    let mut sum = Checksum::new();
    sum.add(&icmp);
    icmp[2..4].copy_from_slice(&sum.finish().to_be_bytes());
    let len = u16::try_from(20 + icmp.len()).unwrap().to_be_bytes();
    let mut ip = vec![0x45, 0, len[0], len[1], 0, 0, 0x40, 0, 64, 1, 0, 0];
    ip.extend([10, 77, 0, 254]);
    ip.extend(&packet[12..16]);
    let mut sum = Checksum::new();
    sum.add(&ip);
    ip[10..12].copy_from_slice(&sum.finish().to_be_bytes());
    ip.extend(icmp);
    ip.into()
}

/// What the other end's device says about a packet that never left this machine: its checksum was left
/// to a device and is vouched for, a super-segment arrives whole.
fn received_as(sent: &Sent) -> RxOffload {
    RxOffload {
        checksum: match sent.offload.checksum {
            Some(_) => ChecksumState::Verified,
            None => ChecksumState::Unverified,
        },
        partial: sent.offload.checksum,
        gso_size: sent.offload.gso.map(|gso| gso.size),
    }
}
