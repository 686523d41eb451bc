//! The host under test.
//!
//! Job: one stack in virtual time: packets in, timers, packets out. Owns: the present, and what left and
//! nobody has looked at. Does not know: the script.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::collections::VecDeque;

use outcrop_base::{Fact, FactKind, Instant, InterfaceId, Level, Seed};
use outcrop_device::RxOffload;
use outcrop_stack::ip::{Cidr, ConfigError, InterfaceConfig};
use outcrop_stack::{Config, Core, Event, PacketIn};

use super::report::{Family, Reached};
use super::wire::{self, Seen};

const IFACE: InterfaceId = InterfaceId(0);
/// Turns without time passing before we say that the host spins.
const PATIENCE: usize = 10_000;

/// The host, its clock and its link.
pub(super) struct Host {
    pub(super) core: Core,
    pub(super) now: Instant,
    /// What left, oldest first.
    pub(super) out: VecDeque<Seen>,
    /// What the program has not been told yet.
    pub(super) news: Vec<Event>,
    pub(super) local: IpAddr,
    pub(super) remote: IpAddr,
    /// What was come past.
    pub(super) reached: Reached,
    facts: Vec<Fact>,
    turns: usize,
}

impl Host {
    /// A host at the address that scripts call theirs.
    pub(super) fn new(
        config: Config,
        family: Family,
        mtu: u32,
        ends: (Option<IpAddr>, Option<IpAddr>),
    ) -> Result<Self, ConfigError> {
        let (local, remote, mtu) = match family {
            Family::V4 => (
                IpAddr::V4(Ipv4Addr::new(192, 168, 0, 1)),
                IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
                mtu,
            ),
            Family::V6 => (
                IpAddr::V6(Ipv6Addr::new(0xfd3d, 0xa0b, 0x17d6, 0, 0, 0, 0, 1)),
                IpAddr::V6(Ipv6Addr::new(0xfd3d, 0xfa7b, 0xd17d, 0, 0, 0, 0, 1)),
                mtu + 20,
            ),
        };
        let (local, remote) = (ends.0.unwrap_or(local), ends.1.unwrap_or(remote));
        let mut core = Core::new(config, &Seed::from_number(1));
        let addresses = vec![Cidr::host(local)];
        core.set_level(Level::Events);
        core.add_interface(InterfaceConfig::tun(IFACE, mtu, addresses))?;
        core.add_route(Cidr::host(remote), None, IFACE)?;
        Ok(Self {
            core,
            now: Instant::ZERO,
            out: VecDeque::new(),
            news: Vec::new(),
            local,
            remote,
            reached: Reached::default(),
            facts: Vec::new(),
            turns: 0,
        })
    }

    /// A packet arrives.
    pub(super) fn feed(&mut self, bytes: Vec<u8>) {
        let id = self.core.next_packet_id();
        // What becomes of it is what the script is about; which rule decided is for those who count rules.
        let verdict = self.core.handle_packet(PacketIn {
            at: self.now,
            id,
            iface: IFACE,
            bytes: bytes.into(),
            offload: RxOffload::default(),
        });
        self.reached.rules.insert(verdict.rule.name);
        self.flush();
    }

    /// Everything that can leave does.
    pub(super) fn flush(&mut self) {
        let (now, out, whys) = (self.now, &mut self.out, &mut self.reached.whys);
        while self.core.poll_transmit(now, &mut |packet| {
            let bytes: Vec<u8> = packet
                .bytes
                .iter()
                .flat_map(|piece| piece.to_vec())
                .collect();
            out.push_back(wire::dissect(now, &bytes));
            whys.insert(packet.note.why().name());
        }) {}
        while let Some(event) = self.core.poll_event() {
            self.news.push(event);
        }
        self.core.drain_facts(&mut self.facts);
        for fact in self.facts.drain(..) {
            if let FactKind::State { from, to } = fact.kind {
                self.reached.edges.insert((from, to));
            }
        }
        self.core.check();
    }

    /// When the host wants to act next, unless it spins.
    pub(super) fn next_timer(&self) -> Option<Instant> {
        self.core.poll_timeout().filter(|_| self.turns < PATIENCE)
    }

    /// Lets time pass up to `at`, which is no later than the next timer, and lets timers act.
    pub(super) fn step_to(&mut self, at: Instant) {
        self.turns = if at > self.now { 0 } else { self.turns + 1 };
        self.now = self.now.max(at);
        self.core.handle_timeout(self.now);
        self.flush();
    }

    /// Whether time stands still because timers never end.
    pub(super) const fn spins(&self) -> bool {
        self.turns >= PATIENCE
    }
}
