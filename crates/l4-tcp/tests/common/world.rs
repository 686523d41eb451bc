//! Two endpoints and a bad link between them, in virtual time.

use core::net::SocketAddr;
use std::collections::BTreeMap;
use std::io::IoSlice;

use core::time::Duration;

use bytes::Bytes;
use outcrop_base::{
    Arrival, Cast, ChecksumState, Ecn, HeaderRoom, Instant, InterfaceId, MAX_SLICES, PacketId,
    Path, Random, Seed,
};
use outcrop_tcp::{Config, ConnId, Endpoint, ListenerId, wire};

pub(crate) const ENDS: [&str; 2] = ["10.0.0.1:80", "10.0.0.2:40000"];
pub(crate) const ENDS_V6: [&str; 2] = ["[fd00::1]:80", "[fd00::2]:40000"];

/// How bad the link is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Badness {
    pub(crate) loss: f64,
    pub(crate) duplicate: f64,
    pub(crate) reorder: f64,
    pub(crate) delay: Duration,
}

/// Gives both ends their keys.
pub(crate) type Protect = fn(&mut [Endpoint; 2], ListenerId, ConnId);

pub(crate) struct World {
    pub(crate) ends: [Endpoint; 2],
    pub(crate) now: Instant,
    pub(crate) path: Path,
    pub(crate) badness: Badness,
    /// Bytes a second each way; `None` is no limit.
    pub(crate) rate: Option<u32>,
    /// When either end's last packet has left for good.
    clear_at: [Instant; 2],
    /// From then until then, nothing passes.
    pub(crate) outage: Option<(Instant, Instant)>,
    /// Packets larger than this vanish, and nobody says so.
    pub(crate) hole: Option<usize>,
    /// Every packet that could be marked is, with this chance.
    pub(crate) marking: f64,
    pub(crate) addrs: [SocketAddr; 2],
    /// What gives both ends their keys before the first SYN.
    pub(crate) protect: Option<Protect>,
    link: BTreeMap<(Instant, u64), (usize, Vec<u8>, Ecn)>,
    random: Random,
    packets: u64,
    /// Every packet that left, in order: (when, from, bytes).
    pub(crate) log: Vec<(Instant, usize, Vec<u8>)>,
}

impl World {
    pub(crate) fn new(seed: u64, configs: [Config; 2], badness: Badness) -> Self {
        let root = Seed::from_number(seed);
        let [a, b] = configs;
        Self {
            ends: [
                Endpoint::new(a, &root.split("a")),
                Endpoint::new(b, &root.split("b")),
            ],
            now: Instant::from_secs(1),
            path: Path::plain(1500),
            badness,
            rate: None,
            clear_at: [Instant::ZERO; 2],
            outage: None,
            protect: None,
            hole: None,
            marking: 0.0,
            addrs: [Self::addr(0), Self::addr(1)],
            link: BTreeMap::new(),
            random: root.random("link"),
            packets: 0,
            log: Vec::new(),
        }
    }

    pub(crate) fn addr(end: usize) -> SocketAddr {
        ENDS[end].parse().unwrap()
    }

    /// The same over IPv6.
    pub(crate) fn over_v6(mut self) -> Self {
        self.addrs = ENDS_V6.map(|end| end.parse().unwrap());
        self
    }

    fn ip_header(&self) -> usize {
        if self.addrs[0].is_ipv6() { 40 } else { 20 }
    }

    /// Lets both ends send all they want to at this instant.
    pub(crate) fn flush(&mut self) {
        for end in 0..2 {
            while let Some(t) = self.ends[end].poll_transmit(self.now) {
                let mut slices = [IoSlice::new(&[]); MAX_SLICES];
                let used = self.ends[end].payload(&t, &mut slices);
                let mut room = HeaderRoom::new();
                self.ends[end].emit(&t, &slices[..used], false, &mut room);
                let mut bytes = room.as_slice().to_vec();
                for slice in &slices[..used] {
                    bytes.extend_from_slice(slice);
                }
                let most = self.path.mtu.max(self.path.gso_max) as usize;
                assert!(bytes.len() + self.ip_header() <= most, "fits the path");
                let is_super = bytes.len() + self.ip_header() > self.path.mtu as usize;
                assert_eq!(t.gso.is_some(), is_super, "a super-segment says so");
                self.ends[end].check();
                self.log.push((self.now, end, bytes.clone()));
                self.launch(end, bytes, t.fields.ecn);
            }
            self.ends[end].check();
        }
    }

    fn launch(&mut self, from: usize, bytes: Vec<u8>, mark: Ecn) {
        let badness = self.badness;
        let dark = self
            .outage
            .is_some_and(|(from, until)| from <= self.now && self.now < until);
        let large = self
            .hole
            .is_some_and(|hole| bytes.len() + self.ip_header() > hole);
        let mark = match mark {
            Ecn::Ect0 | Ecn::Ect1 if self.marking > 0.0 && self.random.unit() < self.marking => {
                Ecn::Ce
            }
            other => other,
        };
        if dark || large || self.random.unit() < badness.loss {
            return;
        }
        let copies = 1 + usize::from(self.random.unit() < badness.duplicate);
        for _ in 0..copies {
            let extra = if self.random.unit() < badness.reorder {
                badness.delay * 2
            } else {
                Duration::ZERO
            };
            self.packets += 1;
            let rate = self.rate.map_or(f64::INFINITY, f64::from);
            let takes = Duration::from_secs_f64(bytes.len() as f64 / rate);
            let clear = self.clear_at[from].max(self.now) + takes;
            self.clear_at[from] = clear;
            let key = (clear + badness.delay + extra, self.packets);
            self.link.insert(key, (1 - from, bytes.clone(), mark));
        }
    }

    /// The next instant at which anything happens.
    pub(crate) fn next(&self) -> Option<Instant> {
        let arrival = self.link.keys().next().map(|(at, _)| *at);
        let timers = self.ends.iter().filter_map(Endpoint::poll_timeout).min();
        arrival.into_iter().chain(timers).min()
    }

    /// One step: time moves to the next happening, which happens; returns false when nothing is left.
    pub(crate) fn step(&mut self) -> bool {
        self.flush();
        let Some(next) = self.next() else {
            return false;
        };
        self.now = self.now.max(next);
        while let Some(((at, id), _)) = self.link.first_key_value()
            && *at <= self.now
        {
            let key = (*at, *id);
            let (to, bytes, mark) = self.link.remove(&key).unwrap();
            self.deliver(to, bytes, key.1, mark);
        }
        for end in &mut self.ends {
            end.handle_timeout(self.now);
            end.check();
        }
        true
    }

    fn deliver(&mut self, to: usize, bytes: Vec<u8>, id: u64, mark: Ecn) {
        let arrival = Arrival {
            at: self.now,
            id: PacketId(id),
            iface: InterfaceId(0),
            src: self.addrs[1 - to].ip(),
            dst: self.addrs[to].ip(),
            cast: Cast::Unicast,
            ecn: mark,
            hop_limit: 64,
            checksum: ChecksumState::Unverified,
            gso_size: None,
            path: self.path,
        };
        let (segment, payload) = wire::parse(&arrival, Bytes::from(bytes)).unwrap();
        let _verdict = self.ends[to].handle_segment(&arrival, segment, payload);
        self.ends[to].check();
    }
}
