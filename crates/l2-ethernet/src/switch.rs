//! A learning switch.
//!
//! Job: say through which ports a frame goes on. Owns: which station is behind which port, and for how long.
//! Does not know: devices; the caller writes the frame to the ports named. No spanning tree: do not close loops.
//! Sources: IEEE 802.1D-2004 7.7 to 7.9, 7.12.6; 802.1Q 8.8 (a station is learned for each VLAN apart).

use core::hash::{Hash, Hasher};
use core::time::Duration;
use std::collections::BTreeMap;

use outcrop_base::{DropReason, Instant, Verdict};

use crate::deadline::Deadlines;
use crate::{MacAddr, Rule, wire};

/// A port of a switch, from 0 to 63.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port(pub u8);

/// A set of ports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ports(u64);

impl Ports {
    /// No port.
    pub const NONE: Self = Self(0);

    /// The first `count` ports.
    #[must_use]
    pub const fn first(count: u8) -> Self {
        match 1u64.checked_shl(count as u32) {
            Some(bit) => Self(bit - 1),
            None => Self(u64::MAX),
        }
    }

    /// With this port too. A port beyond the last is no port.
    #[must_use]
    pub fn with(self, port: Port) -> Self {
        Self(self.0 | 1u64.checked_shl(port.0.into()).unwrap_or(0))
    }

    /// Without this port.
    #[must_use]
    pub fn without(self, port: Port) -> Self {
        Self(self.0 & !Self::NONE.with(port).0)
    }

    /// Those in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether the port is one of them.
    #[must_use]
    pub fn has(self, port: Port) -> bool {
        self.0 & Self::NONE.with(port).0 != 0
    }

    /// One after the other.
    pub fn iter(self) -> impl Iterator<Item = Port> {
        (0..64).map(Port).filter(move |port| self.has(*port))
    }
}

/// Settings of a [`Switch`].
#[derive(Clone, Debug)]
pub struct SwitchConfig {
    /// Ports, at most 64.
    pub ports: u8,
    /// Repeat everything everywhere and learn nothing: what a hub did.
    pub hub: bool,
    /// Time after which a silent station is forgotten (802.1D 7.9.2: 300 s).
    pub ageing: Duration,
    /// Stations remembered; new ones beyond are flooded to, and push out nobody.
    pub stations: usize,
    /// Of these, behind one port: a port that invents addresses fills only its own share.
    pub stations_per_port: usize,
}

impl Default for SwitchConfig {
    fn default() -> Self {
        Self {
            ports: 8,
            hub: false,
            ageing: Duration::from_secs(300),
            stations: 8192,
            stations_per_port: 2048,
        }
    }
}

/// A station in a VLAN.
type Key = (u16, MacAddr);

#[derive(Clone, Copy, Debug, Hash)]
struct Place {
    port: Port,
    until: Instant,
    /// Where the index has it: never later than `until`.
    armed: Instant,
}

/// What becomes of a frame.
#[must_use = "the caller writes the frame to the ports"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forward {
    /// Taken or dropped, and by what rule.
    pub verdict: Verdict,
    /// Where it goes.
    pub to: Ports,
}

/// A learning switch.
#[derive(Clone, Debug)]
pub struct Switch {
    config: SwitchConfig,
    stations: BTreeMap<Key, Place>,
    deadlines: Deadlines<Key>,
    behind: BTreeMap<Port, usize>,
    filters: BTreeMap<MacAddr, Ports>,
}

impl Switch {
    /// A switch that knows nobody.
    #[must_use]
    pub const fn new(config: SwitchConfig) -> Self {
        Self {
            config,
            stations: BTreeMap::new(),
            deadlines: Deadlines::new(),
            behind: BTreeMap::new(),
            filters: BTreeMap::new(),
        }
    }

    /// Frames to `mac` go through these ports only, whatever is learned: 802.1D's static entries.
    /// No ports: nowhere. `None` takes the filter away.
    pub fn filter(&mut self, mac: MacAddr, ports: Option<Ports>) {
        match ports {
            Some(ports) => {
                self.filters.insert(mac, ports);
            }
            None => {
                self.filters.remove(&mac);
            }
        }
    }

    /// Where a frame that came in by `port` goes on.
    pub fn handle_frame(&mut self, now: Instant, port: Port, frame: &[u8]) -> Forward {
        let others = Ports::first(self.config.ports).without(port);
        if self.config.hub {
            return forward(Rule::SwitchFlood, others);
        }
        // A length instead of a type is no reason to stop a frame here: only the addresses matter.
        let (addresses, vlan) = match (frame.first_chunk::<12>(), wire::read(frame)) {
            (Some(addresses), Ok((header, _))) => (addresses, header.tag.map_or(0, |tag| tag.vlan)),
            (Some(addresses), Err(DropReason::EthernetUnknownType)) => (addresses, 0),
            (_, _) => return refuse(Rule::Frame, DropReason::EthernetTruncated),
        };
        let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5] = *addresses;
        let (dst, src) = (
            MacAddr([d0, d1, d2, d3, d4, d5]),
            MacAddr([s0, s1, s2, s3, s4, s5]),
        );
        if !src.is_station() {
            return refuse(Rule::SwitchSource, DropReason::EthernetNotForUs);
        }
        self.learn(now, port, (vlan, src));
        if dst.is_link_local() {
            return refuse(Rule::SwitchReserved, DropReason::EthernetNotForUs);
        }
        if let Some(ports) = self.filters.get(&dst) {
            return forward(Rule::SwitchFilter, others.and(*ports));
        }
        match self.port_of(now, vlan, dst) {
            Some(known) => forward(Rule::SwitchForward, others.and(Ports::NONE.with(known))),
            None => forward(Rule::SwitchFlood, others),
        }
    }

    /// Behind which port a station is.
    #[must_use]
    pub fn port_of(&self, now: Instant, vlan: u16, mac: MacAddr) -> Option<Port> {
        let place = self.stations.get(&(vlan, mac))?;
        (place.until > now).then_some(place.port)
    }

    /// Every station remembered, with its VLAN (zero: none) and its port, in order of address within a VLAN.
    pub fn stations(&self, now: Instant) -> impl Iterator<Item = (MacAddr, u16, Port)> {
        let alive = self
            .stations
            .iter()
            .filter(move |(_, place)| place.until > now);
        alive.map(|((vlan, mac), place)| (*mac, *vlan, place.port))
    }

    /// Stations remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.stations.len()
    }

    /// Whether nobody is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.stations.is_empty()
    }

    fn learn(&mut self, now: Instant, port: Port, key: Key) {
        let until = now + self.config.ageing;
        let behind = self.behind.get(&port).copied().unwrap_or(0);
        let has_room = behind < self.config.stations_per_port;
        if let Some(place) = self.stations.get_mut(&key) {
            if place.port == port {
                place.until = until;
            } else if has_room {
                let from = core::mem::replace(&mut place.port, port);
                place.until = until;
                self.count(from, false);
                self.count(port, true);
            }
        } else if has_room && self.stations.len() < self.config.stations {
            let armed = until;
            self.stations.insert(key, Place { port, until, armed });
            self.deadlines.arm(None, until, key);
            self.count(port, true);
        }
    }

    fn count(&mut self, port: Port, more: bool) {
        let behind = self.behind.entry(port).or_insert(0);
        *behind = if more {
            *behind + 1
        } else {
            behind.saturating_sub(1)
        };
    }

    /// Forgets who has been silent for too long.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(key) = self.deadlines.pop_due(now) {
            let Some(place) = self.stations.get_mut(&key) else {
                continue;
            };
            if place.until > now {
                place.armed = place.until;
                self.deadlines.arm(None, place.until, key);
            } else {
                let port = place.port;
                self.stations.remove(&key);
                self.count(port, false);
            }
        }
    }

    /// When to call [`Switch::handle_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    /// Hashes everything that decides what happens next.
    pub fn fingerprint(&self, now: Instant, mut into: &mut dyn Hasher) {
        for (key, place) in &self.stations {
            let left = (
                place.until.saturating_since(now),
                place.armed.saturating_since(now),
            );
            (key, place.port, left).hash(&mut into);
        }
        self.filters.hash(&mut into);
    }
}

const fn forward(rule: Rule, to: Ports) -> Forward {
    Forward {
        verdict: rule.taken(),
        to,
    }
}

const fn refuse(rule: Rule, reason: DropReason) -> Forward {
    Forward {
        verdict: rule.drop(reason),
        to: Ports::NONE,
    }
}
