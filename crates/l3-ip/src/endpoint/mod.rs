//! The engine's face.
//!
//! Job: hold a host's interfaces, routes and memory of the network, and answer the six verbs.
//! Owns: the composition and the queues. Does not know: what transports mean, where packets are read.
//! `receive` takes packets apart, `forward` passes them on, `icmp` answers and reports, `send` puts packets together.

mod addresses;
mod advertise;
mod configure;
mod discovery;
mod forward;
mod group;
mod icmp;
mod multicast;
mod near;
mod raw;
mod receive;
mod send;

pub use raw::RawPacket;

use std::collections::VecDeque;

use core::hash::{Hash, Hasher};
use core::net::IpAddr;

use outcrop_base::{
    Cast, Cause, DropReason, Fact, FactKind, Facts, Instant, InterfaceId, Path, Seed, TimerKind,
};

use crate::address;
use crate::advertise::Advertiser;
use crate::autoconf::Auto;
use crate::autoconf::book::Book;
use crate::filter::Filter;
use crate::group::Groups;
use crate::ident::Idents;
use crate::label::Labels;
use crate::limiter::TokenBucket;
use crate::path_mtu::PathMtus;
use crate::reassembly::Reassembly;
use crate::route::{Refusal, Route, Routes, Target};
use crate::source;
use crate::wire::{ipv4, ipv6};
use crate::{
    Cidr, Config, ConfigError, Event, Hop, InterfaceConfig, LOOPBACK, LOOPBACK_MTU, Lease, Transmit,
};

/// Events that may wait; the oldest stay, what comes later is lost.
const MAX_EVENTS: usize = 256;
/// Echo requests whose answers are awaited; the oldest give way.
const MAX_PINGS: usize = 1024;

/// IPv4, IPv6 and ICMP of one host.
#[derive(Clone, Debug)]
pub struct Endpoint {
    config: Config,
    interfaces: Vec<InterfaceConfig>,
    routes: Routes,
    path_mtus: PathMtus,
    reassembly: Reassembly,
    errors: TokenBucket,
    idents: Idents,
    labels: Labels,
    near: near::Near,
    /// Echo requests not yet answered: to whom, identifier, sequence number.
    pings: VecDeque<(IpAddr, u16, u16)>,
    out: VecDeque<Transmit>,
    events: VecDeque<Event>,
    facts: Facts,
    transit: forward::Transit,
    raw: raw::Raw,
    book: Book,
    auto: Auto,
    groups: Groups,
    /// Links on which we are a router.
    advertisers: Vec<Advertiser>,
}

impl Endpoint {
    /// A host without interfaces.
    #[must_use]
    pub fn new(config: Config, seed: &Seed) -> Self {
        Self {
            interfaces: Vec::new(),
            routes: Routes::default(),
            path_mtus: PathMtus::new(config.path_mtu_age, config.path_mtu_entries),
            reassembly: Reassembly::new(
                config.reassembly_memory,
                config.reassembly_packets,
                config.reassembly_timeout,
            ),
            errors: TokenBucket::new(config.error_burst, config.errors_per_second),
            idents: Idents::new(seed),
            labels: Labels::new(seed),
            near: near::Near::default(),
            pings: VecDeque::new(),
            out: VecDeque::new(),
            events: VecDeque::new(),
            facts: Facts::default(),
            transit: forward::Transit::default(),
            raw: raw::Raw::default(),
            book: Book::default(),
            auto: Auto::new(seed),
            groups: Groups::new(seed),
            advertisers: Vec::new(),
            config,
        }
    }

    /// Attaches an interface; its prefixes become routes.
    ///
    /// # Errors
    /// A number taken, an MTU too small or an address no host can have.
    pub fn add_interface(&mut self, interface: InterfaceConfig) -> Result<(), ConfigError> {
        if self.interface(interface.id).is_some() || interface.id == LOOPBACK {
            return Err(ConfigError::DuplicateInterface);
        }
        let speaks_v6 = interface.addresses.iter().any(|cidr| cidr.addr().is_ipv6());
        let least = if speaks_v6 {
            ipv6::MIN_MTU
        } else {
            ipv4::MIN_MTU
        };
        if !(least..=65_535).contains(&interface.mtu) {
            return Err(ConfigError::Mtu);
        }
        if !interface
            .addresses
            .iter()
            .all(|cidr| address::may_own(cidr.addr()))
        {
            return Err(ConfigError::Address);
        }
        let (id, mtu, untold) = (interface.id, interface.mtu, self.events.len());
        let addresses = interface.addresses;
        let addressless = InterfaceConfig {
            addresses: Vec::new(),
            ..interface
        };
        self.interfaces.push(addressless);
        self.join_on_link(id, address::ALL_SYSTEMS.into());
        if mtu >= ipv6::MIN_MTU {
            self.join_on_link(id, address::ALL_NODES.into());
        }
        for cidr in addresses {
            self.assign(Instant::ZERO, id, cidr, Lease::FOREVER)?;
        }
        if self
            .interface(id)
            .is_some_and(|link| link.link_address.is_none())
        {
            // What was given at the start is no news, and such a link filters nothing.
            self.events.truncate(untold);
        }
        Ok(())
    }

    /// Adds a route to `dest` through `iface`, by way of `via` if that is not the destination itself.
    /// A route to the same prefix is replaced.
    ///
    /// # Errors
    /// An unknown interface, or a gateway of the other family.
    pub fn add_route(
        &mut self,
        dest: Cidr,
        via: Option<IpAddr>,
        iface: InterfaceId,
    ) -> Result<(), ConfigError> {
        if self.interface(iface).is_none() {
            return Err(ConfigError::UnknownInterface);
        }
        if via.is_some_and(|via| via.is_ipv4() != dest.addr().is_ipv4()) {
            return Err(ConfigError::MixedFamilies);
        }
        self.routes.add(dest, Target::Link { via, iface });
        Ok(())
    }

    /// Refuses what goes to `dest`: what is passed on for others by an answer or in silence, what is our own by an
    /// error to the caller. A route to the same prefix is replaced.
    pub fn refuse_route(&mut self, dest: Cidr, how: Refusal) {
        self.routes.add(dest, Target::Refusal(how));
    }

    /// Takes the route to exactly `dest` away; returns whether there was one.
    pub fn remove_route(&mut self, dest: Cidr) -> bool {
        self.routes.remove(dest)
    }

    /// Every route: IPv4 before IPv6, longest prefix first.
    pub fn routes(&self) -> impl Iterator<Item = Route> {
        self.routes.iter()
    }

    /// Every interface, in the order they were added.
    #[must_use]
    pub fn interfaces(&self) -> &[InterfaceConfig] {
        &self.interfaces
    }

    /// Asks `filter` about every packet passed on from now on; `None` asks nobody.
    pub fn set_filter(&mut self, filter: Option<Box<dyn Filter>>) {
        self.transit.filter = filter;
    }

    /// Forgets path MTUs and incomplete packets whose time is over. A spurious call is a no-op.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(expired) = self.reassembly.expire(now) {
            let cause = Cause::Timer(TimerKind::Reassembly);
            let timer = TimerKind::Reassembly;
            self.facts
                .emit(|| Fact::new(None, FactKind::TimerFired { timer }, cause));
            self.reassembly_expired(now, &expired);
        }
        self.routes.forget_due(now);
        self.age_addresses(now);
        self.configure_due(now);
        self.advertise_due(now);
        if self.groups.is_due(now) {
            self.tell_groups(now, true);
        }
        while let Some(dst) = self.path_mtus.forget_due(now) {
            if let Some(path) = self.path(dst) {
                self.push_event(Event::PathChanged { dst, mtu: path.mtu });
            }
        }
    }

    /// Fragments that were taken and dropped later, since this was last asked: their packet's time was over, or another's
    /// needed the room.
    pub fn take_given_up(&mut self) -> [(DropReason, u64); 2] {
        self.reassembly.take_given_up()
    }

    /// The next packet of our own, an echo, an error, a fragment; then what is passed on for others.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Transmit> {
        if self.groups.is_fresh() {
            self.tell_groups(now, false);
        }
        self.out
            .pop_front()
            .or_else(|| self.transit.queue.pop_front())
    }

    /// The next news for the layers above.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`Endpoint::handle_timeout`] has something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let deadlines = [
            self.reassembly.next_deadline(),
            self.path_mtus.next_expiry(),
            self.book.next(),
            self.auto.next(),
            self.groups.next_due(),
            self.routes.next_expiry(),
        ];
        let voices = self.advertisers.iter().filter_map(Advertiser::next);
        deadlines.into_iter().flatten().chain(voices).min()
    }

    /// What the way to `dst` means to a transport; `None` without a route.
    #[must_use]
    pub fn path(&self, dst: IpAddr) -> Option<Path> {
        self.path_by(&self.hop(dst)?, dst)
    }

    /// The same where the hop is known.
    fn path_by(&self, hop: &Hop, dst: IpAddr) -> Option<Path> {
        if hop.iface == LOOPBACK {
            return Some(Path::plain(LOOPBACK_MTU));
        }
        let interface = self.interface(hop.iface)?;
        Some(self.path_over(interface, dst))
    }

    /// Who a packet to `dst` is handed to.
    #[must_use]
    pub fn next_hop(&self, dst: IpAddr) -> Option<Hop> {
        self.hop(dst)
    }

    /// Where a packet to `dst` goes: to ourselves, if it is an address of ours.
    fn hop(&self, dst: IpAddr) -> Option<Hop> {
        if self.is_own(dst) {
            return Some(Hop {
                iface: LOOPBACK,
                next: dst,
            });
        }
        if let IpAddr::V6(near) = dst
            && near.is_unicast_link_local()
            && let Some(iface) = self.near.of(near)
        {
            return Some(Hop { iface, next: dst });
        }
        let hop = self.routes.lookup(dst);
        if !dst.is_multicast() {
            return hop;
        }
        // A group has no gateway: every listener on the link hears it, and routers take it from there.
        let first = || self.interfaces.first().map(|link| link.id);
        let iface = hop.map(|hop| hop.iface).or_else(first)?;
        Some(Hop { iface, next: dst })
    }

    /// Whether `addr` never leaves this host: one of our addresses, or one that names every host itself.
    fn is_own(&self, addr: IpAddr) -> bool {
        self.is_local(addr) || addr.is_loopback()
    }

    fn path_over(&self, interface: &InterfaceConfig, dst: IpAddr) -> Path {
        Path {
            mtu: self.path_mtus.limit(dst, interface.mtu),
            gso_max: interface.gso_max,
            checksum_offload: interface.checksum_offload,
        }
    }

    /// The address to speak to `dst` from; `None` without a route or an address of that family.
    #[must_use]
    pub fn source_for(&self, dst: IpAddr) -> Option<IpAddr> {
        let hop = self.hop(dst)?;
        if hop.iface == LOOPBACK {
            // RFC 6724 5 rule 1: the same address.
            return Some(dst);
        }
        let there = self.interface(hop.iface)?;
        let own = self.best_source(core::iter::once(there), dst);
        let reaches = |src: &IpAddr| address::reaches(*src, dst);
        // A link may be without an address that means anything beyond it (RFC 6724 4: a router may borrow one).
        own.filter(reaches).or_else(|| {
            let others = self.best_source(self.interfaces.iter(), dst);
            others.filter(reaches).or(own)
        })
    }

    /// The address to speak to `dst` from over `iface`, whatever the routes say.
    #[must_use]
    pub fn source_on(&self, iface: InterfaceId, dst: IpAddr) -> Option<IpAddr> {
        self.best_source(core::iter::once(self.interface(iface)?), dst)
    }

    fn best_source<'a>(
        &self,
        interfaces: impl Iterator<Item = &'a InterfaceConfig>,
        dst: IpAddr,
    ) -> Option<IpAddr> {
        let candidates = interfaces.flat_map(|interface| {
            let list = interface.addresses.iter();
            list.map(|cidr| self.book.candidate(interface.id, *cidr))
        });
        source::best(dst, candidates)
    }

    /// Whether `addr` is one of ours.
    #[must_use]
    pub fn is_local(&self, addr: IpAddr) -> bool {
        let has = |link: &InterfaceConfig| link.addresses.iter().any(|cidr| cidr.addr() == addr);
        self.interfaces.iter().any(has)
    }

    /// Whether `addr` is everybody on a link of ours, or on any link.
    #[must_use]
    pub fn is_broadcast(&self, addr: IpAddr) -> bool {
        let mut links = self.interfaces.iter().map(|link| link.id);
        links.any(|iface| self.cast(addr, iface) == Some(Cast::Broadcast))
    }

    /// Believes that `mtu` is the most that reaches `dst`. To be called only once the transport concerned
    /// has recognised the packet quoted as its own (RFC 8201 4, RFC 5927 7.2).
    pub fn learn_mtu(&mut self, now: Instant, dst: IpAddr, mtu: u32) {
        let Some(from) = self.path(dst).map(|path| path.mtu) else {
            return;
        };
        if let Some(to) = self.path_mtus.learn(now, dst, mtu, from) {
            self.facts
                .emit(|| Fact::new(None, FactKind::Mtu { from, to }, Cause::None));
            self.push_event(Event::PathChanged { dst, mtu: to });
        }
    }

    /// A transport has waited in vain for answers from `dst` (RFC 1122 3.3.1.4, negative advice): what is known about
    /// the way there may be out of date. Its MTU is forgotten; if the way is still narrow, a router will say so again.
    pub fn doubt(&mut self, dst: IpAddr) {
        let Some(from) = self.path(dst).map(|path| path.mtu) else {
            return;
        };
        if self.path_mtus.forget(dst) {
            let to = self.path(dst).map_or(from, |path| path.mtu);
            self.facts
                .emit(|| Fact::new(None, FactKind::Mtu { from, to }, Cause::None));
            self.push_event(Event::PathChanged { dst, mtu: to });
        }
    }

    /// The facts stated since they were last taken, and how much is recorded.
    pub const fn facts(&mut self) -> &mut Facts {
        &mut self.facts
    }

    /// Hashes everything that decides what happens next, times relative to `now`.
    pub fn fingerprint(&self, now: Instant, into: &mut dyn Hasher) {
        self.path_mtus.fingerprint(now, into);
        self.reassembly.fingerprint(now, into);
        self.idents.fingerprint(into);
        self.near.fingerprint(into);
        self.transit.fingerprint(now, into);
        self.routes.fingerprint(now, into);
        self.raw.fingerprint(into);
        self.book.fingerprint(now, into);
        self.auto.fingerprint(now, into);
        self.groups.fingerprint(now, into);
        for advertiser in &self.advertisers {
            advertiser.fingerprint(now, into);
        }
        let mut into = into;
        self.errors.parts_at(now).hash(&mut into);
        self.pings.hash(&mut into);
        for transmit in &self.out {
            transmit.bytes.hash(&mut into);
        }
        self.events.len().hash(&mut into);
    }

    fn interface(&self, id: InterfaceId) -> Option<&InterfaceConfig> {
        self.interfaces.iter().find(|interface| interface.id == id)
    }

    fn push_event(&mut self, event: Event) {
        if self.events.len() < MAX_EVENTS {
            self.events.push_back(event);
        }
    }

    /// To whom `dst` speaks, seen from `iface`; `None` if not to us. Any of our addresses will do,
    /// whichever interface it belongs to (RFC 1122 3.3.4.2, the weak model).
    fn cast(&self, dst: IpAddr, iface: InterfaceId) -> Option<Cast> {
        if let IpAddr::V6(near) = dst
            && near.is_unicast_link_local()
        {
            // RFC 4007 6: such an address is ours on its own link alone.
            let ours = &self.interface(iface)?.addresses;
            let here = ours.iter().any(|cidr| cidr.addr() == dst);
            return here.then_some(Cast::Unicast);
        }
        if self.is_local(dst) {
            return Some(Cast::Unicast);
        }
        let ours = &self.interface(iface)?.addresses;
        let in_group = |group: IpAddr| {
            let mut groups = ours.iter().map(|cidr| cidr.addr());
            address::is_all_hosts(group)
                || groups.any(|addr| is_solicited(addr, group))
                || self.groups.contains(iface, group)
        };
        match dst {
            dst if dst.is_multicast() => in_group(dst).then_some(Cast::Multicast),
            IpAddr::V4(dst) => {
                let ours = ours.iter().any(|cidr| cidr.broadcast() == Some(dst));
                (ours || dst.is_broadcast()).then_some(Cast::Broadcast)
            }
            IpAddr::V6(_) => None,
        }
    }
}

/// Whether `group` is the solicited-node group of `addr`.
fn is_solicited(addr: IpAddr, group: IpAddr) -> bool {
    match (addr, group) {
        (IpAddr::V6(addr), IpAddr::V6(group)) => address::solicited_node(addr) == group,
        (IpAddr::V4(_), _) | (_, IpAddr::V4(_)) => false,
    }
}
