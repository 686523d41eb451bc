//! The layers of one host, joined.
//!
//! Job: be one engine made of three: hand packets up, plans down, calls through, news back.
//! Owns: the order of things, packet numbers, what no single layer knows (which ICMP error concerns
//! which flow). Does not know: any device, clock, recorder or program.
//! Sources: RFC 1122 1.1.3 (the layers of a host), RFC 5927 4 (ICMP errors are validated by the transport).
//!
//! `up` is the way in, `down` the way out, `calls` what programs ask, `events` what they are told,
//! `ping` the little that echo requests need above IP, `strays` what is for another core of the same host.

mod calls;
mod down;
mod events;
mod groups;
mod keys;
mod links;
mod news;
mod ping;
mod raw;
mod scope;
mod strays;
mod up;

use core::hash::{Hash as _, Hasher};

use bytes::Bytes;
use outcrop_base::{DropReason, Fact, Facts, Instant, InterfaceId, Level, PacketId, Seed, Share};
use outcrop_device::RxOffload;
use outcrop_ip::{Cidr, ConfigError, Filter, InterfaceConfig, Refusal};

use crate::Snapshot;

pub use calls::{ConnectError, SendError};
pub use down::PacketOut;
pub use events::{Event, ListenerId, PingId, RawId, StreamId, UdpId};
pub use keys::KeyOwner;
pub use ping::{Echo, PING_QUEUE};
pub use raw::{RAW_QUEUE, RawOptions};
pub use strays::{STRAYS, Stray};

/// Settings of every layer of one host.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// IP and ICMP.
    pub ip: outcrop_ip::Config,
    /// UDP.
    pub udp: outcrop_udp::Config,
    /// TCP.
    pub tcp: outcrop_tcp::Config,
    /// Which of several cores of the same host this is; it counts for UDP and TCP instead of what they say.
    pub share: Share,
}

/// A packet as the device gave it, with its number in this run.
#[derive(Clone, Debug)]
pub struct PacketIn {
    /// When the device gave it.
    pub at: Instant,
    /// From [`Core::next_packet_id`].
    pub id: PacketId,
    /// Where it came in.
    pub iface: InterfaceId,
    /// The packet, from its IP header on.
    pub bytes: Bytes,
    /// What the device said about it.
    pub offload: RxOffload,
}

/// One host: IP, UDP and TCP as one engine of six verbs.
#[derive(Clone, Debug)]
pub struct Core {
    ip: outcrop_ip::Endpoint,
    udp: outcrop_udp::Endpoint,
    tcp: outcrop_tcp::Endpoint,
    pings: ping::Pings,
    raws: raw::Raws,
    /// The links with neighbours; none on a TUN.
    links: links::Links,
    config_news: news::News,
    share: Share,
    /// What is for the next core.
    strays: strays::Strays,
    seed: Seed,
    /// Which UDP sockets hear which groups.
    listeners: Vec<groups::Listener>,
    level: Level,
    /// Facts of engines above the sockets.
    told: Facts,
    /// The last number given to a packet.
    last_id: u64,
    /// The state the last arriving packet met; filled at `Level::Full`.
    met: Snapshot,
    /// Whether any interface completes checksums for us, and whether any does not.
    offload: bool,
    plain: bool,
    /// News for waiters of what a program has closed.
    farewells: Vec<Event>,
    /// A call has caused something that `poll_transmit` or `poll_event` will show.
    touched: bool,
    /// Plans that could not become packets.
    unsent: u64,
    /// Packets to ourselves.
    looped: u64,
}

impl Core {
    /// A host without interfaces; everything random in it follows from `seed`.
    #[must_use]
    pub fn new(mut config: Config, seed: &Seed) -> Self {
        config.udp.share = config.share;
        config.tcp.share = config.share;
        Self {
            ip: outcrop_ip::Endpoint::new(config.ip, seed),
            udp: outcrop_udp::Endpoint::new(config.udp, seed),
            tcp: outcrop_tcp::Endpoint::new(config.tcp, seed),
            pings: ping::Pings::default(),
            raws: raw::Raws::default(),
            links: links::Links::default(),
            config_news: news::News::default(),
            share: config.share,
            strays: strays::Strays::new(),
            seed: seed.split("links"),
            listeners: Vec::new(),
            level: Level::Off,
            told: Facts::default(),
            last_id: 0,
            met: Snapshot::default(),
            offload: false,
            plain: false,
            farewells: Vec::new(),
            touched: false,
            unsent: 0,
            looped: 0,
        }
    }

    /// Attaches the host to a link. Networks of the addresses given become reachable there.
    ///
    /// # Errors
    /// What is wrong with the number, the MTU or an address.
    pub fn add_interface(&mut self, interface: InterfaceConfig) -> Result<(), ConfigError> {
        let offload = interface.checksum_offload;
        self.ip.add_interface(interface)?;
        self.offload |= offload;
        self.plain |= !offload;
        Ok(())
    }

    /// Sends what goes to `dest` over `iface`, by way of `via` if there is a gateway.
    ///
    /// # Errors
    /// An unknown interface, or a gateway of the other family.
    pub fn add_route(
        &mut self,
        dest: Cidr,
        via: Option<core::net::IpAddr>,
        iface: InterfaceId,
    ) -> Result<(), ConfigError> {
        self.ip.add_route(dest, via, iface)
    }

    /// Refuses what goes to `dest`: a route that leads nowhere.
    pub fn refuse_route(&mut self, dest: Cidr, how: Refusal) {
        self.ip.refuse_route(dest, how);
    }

    /// Passes packets to `groups` on to the links `to`, if they come in by `from`. An Ethernet among them has to take all
    /// groups (`ethernet::Filter::AllGroups`).
    ///
    /// # Errors
    /// What is no group, or stays on its link; an interface that does not exist or is named twice; too many routes.
    pub fn route_groups(
        &mut self,
        groups: Cidr,
        from: InterfaceId,
        to: Vec<InterfaceId>,
    ) -> Result<(), ConfigError> {
        self.ip.route_groups(groups, from, to)
    }

    /// Takes the route to exactly `dest` away; returns whether there was one.
    pub fn remove_route(&mut self, dest: Cidr) -> bool {
        self.ip.remove_route(dest)
    }

    /// Asks `filter` about every packet passed on for others from now on; `None` asks nobody.
    pub fn set_filter(&mut self, filter: Option<Box<dyn Filter>>) {
        self.ip.set_filter(filter);
    }

    /// The number for the next packet that crosses a device, counted from 1 in both directions.
    pub const fn next_packet_id(&mut self) -> PacketId {
        self.last_id += 1;
        PacketId(self.last_id)
    }

    /// The number given last.
    pub(crate) const fn last_packet_id(&self) -> PacketId {
        PacketId(self.last_id)
    }

    /// Lets every timer that is due at `now` act.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.ip.handle_timeout(now);
        self.links.handle_timeout(now);
        self.udp.handle_timeout(now);
        self.tcp.handle_timeout(now);
        while let Some(dst) = self.tcp.poll_doubt() {
            self.ip.doubt(dst);
        }
        self.hear_ip(now);
        self.hear_links(now);
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        Instant::first_of([
            self.ip.poll_timeout(),
            self.udp.poll_timeout(),
            self.tcp.poll_timeout(),
            self.links.poll_timeout(),
        ])
    }

    /// Sets how much is observed: facts from `Events` on, the state met by packets at `Full`.
    pub fn set_level(&mut self, level: Level) {
        self.level = level;
        self.ip.facts().set_level(level);
        self.tcp.facts().set_level(level);
        self.told.set_level(level);
    }

    /// Writes down what an engine above the sockets states: a lease, a transaction.
    pub fn tell(&mut self, fact: Fact) {
        self.told.emit(|| fact);
    }

    /// How much is observed.
    #[must_use]
    pub const fn level(&self) -> Level {
        self.level
    }

    /// Moves all facts stated since the last call to `into`, each layer's oldest first.
    pub fn drain_facts(&mut self, into: &mut Vec<Fact>) {
        if self.level != Level::Off {
            self.ip.facts().drain_into(into);
            self.tcp.facts().drain_into(into);
            self.told.drain_into(into);
        }
    }

    /// The state that the packet handled last met on arrival; empty below `Level::Full`.
    #[must_use]
    pub const fn met(&self) -> &Snapshot {
        &self.met
    }

    /// Whether a call since the last `take_touched` may have caused packets or events.
    pub const fn take_touched(&mut self) -> bool {
        let touched = self.touched;
        self.touched = false;
        touched
    }

    /// Plans that could not become packets: no route any more, or larger than a path that shrank.
    #[must_use]
    pub const fn unsent(&self) -> u64 {
        self.unsent
    }

    /// Packets to addresses of this host, which never reach a device.
    #[must_use]
    pub const fn looped(&self) -> u64 {
        self.looped
    }

    /// Fragments that were taken and dropped later, since this was last asked, by reason.
    pub fn take_given_up(&mut self) -> [(DropReason, u64); 2] {
        self.ip.take_given_up()
    }

    /// The TCP engine, to be asked: figures, counters, states.
    #[must_use]
    pub const fn tcp(&self) -> &outcrop_tcp::Endpoint {
        &self.tcp
    }

    /// The UDP engine, to be asked.
    #[must_use]
    pub const fn udp(&self) -> &outcrop_udp::Endpoint {
        &self.udp
    }

    /// The IP engine, to be asked.
    #[must_use]
    pub const fn ip(&self) -> &outcrop_ip::Endpoint {
        &self.ip
    }

    /// Hashes everything that decides the future, times relative to `now`.
    pub fn fingerprint(&self, now: Instant, into: &mut dyn Hasher) {
        self.ip.fingerprint(now, into);
        self.udp.fingerprint(now, into);
        self.tcp.fingerprint(now, into);
        self.pings.fingerprint(into);
        self.raws.fingerprint(into);
        self.links.fingerprint(now, into);
        self.config_news.fingerprint(into);
        self.strays.len().hash(&mut &mut *into);
        for listener in &self.listeners {
            listener.fingerprint(&mut &mut *into);
        }
    }

    /// Asserts the invariants of every layer.
    ///
    /// # Panics
    /// If one does not hold: a bug of ours.
    #[doc(hidden)]
    pub fn check(&self) {
        self.tcp.check();
    }
}
