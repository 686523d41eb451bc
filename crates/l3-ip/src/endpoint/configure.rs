//! Configuration by the link itself.
//!
//! Job: carry out what checks, routers and time say: take an address, change it, route by a router, forget both.
//! Owns: the order. Does not know: how a message is read.
//! Sources: RFC 4861 6.3.4-6.3.7 and 8.3, RFC 4862 5.3-5.5, RFC 7217 6, RFC 8981 3.4, RFC 8106 5.3.1.

use core::net::{IpAddr, Ipv6Addr};
use core::time::Duration;

use outcrop_base::{
    Cause, DropReason, Fact, FactKind, Instant, InterfaceId, Limit, Note, TimerKind, Verdict, Why,
};

use super::Endpoint;
use super::discovery::Said;
use crate::autoconf::check::Outcome;
use crate::autoconf::identifier;
use crate::autoconf::link::{self, Link};
use crate::route::Target;
use crate::wire::ipv6;
use crate::wire::nd::{self, Body, Message, Options, Prefix, Router};
use crate::{
    Address, AddressNews, AddressState, AutoConfig, Cidr, ConfigError, Event, Lease, Origin, Rule,
    address,
};

/// Every router of a link (RFC 4291 2.7.1).
const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
const LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0);
/// RFC 7217 6, RFC 8981 3.8: addresses tried before it is left to a person.
const MAX_RETRIES: u8 = 3;
/// RFC 8981 3.8.
const TEMPORARY_PREFERRED: Duration = Duration::from_secs(86_400);
const TEMPORARY_VALID: Duration = Duration::from_secs(2 * 86_400);
/// Better first hops remembered; the oldest give way.
const MAX_REDIRECTS: usize = 64;

impl Endpoint {
    /// Lets a link configure itself: a link-local address first, then what routers say.
    ///
    /// # Errors
    /// An interface that does not exist or whose neighbours have no addresses, or one too narrow for IPv6.
    pub fn autoconfigure(
        &mut self,
        now: Instant,
        iface: InterfaceId,
        config: AutoConfig,
    ) -> Result<(), ConfigError> {
        let mac = self
            .link_address(iface)
            .ok_or(ConfigError::UnknownInterface)?;
        if self.auto.link(iface).is_none() {
            self.auto.links.push(Link::new(iface, mac, config));
        }
        self.take_link_local(now, iface, mac, 0)
    }

    fn take_link_local(
        &mut self,
        now: Instant,
        iface: InterfaceId,
        mac: [u8; 6],
        counter: u8,
    ) -> Result<(), ConfigError> {
        let addr = identifier::stable(&self.auto.key, LINK_LOCAL, mac, counter);
        let cidr = Cidr::new(addr.into(), 64).map_err(|_| ConfigError::Address)?;
        let lease = Lease {
            origin: Origin::LinkLocal,
            check: true,
            ..Lease::FOREVER
        };
        self.assign(now, iface, cidr, lease)
    }

    /// What routers said of name resolution on a link: servers, and domains to search.
    #[must_use]
    pub fn resolvers(&self, iface: InterfaceId) -> (Vec<Ipv6Addr>, Vec<String>) {
        let link = self.auto.links.iter().find(|link| link.iface == iface);
        link.map(Link::resolvers).unwrap_or_default()
    }

    /// A neighbour says that it is no router any more (RFC 4861 7.2.5).
    pub fn not_a_router(&mut self, iface: InterfaceId, ip: IpAddr) {
        if let IpAddr::V6(router) = ip {
            self.doubt_router(iface, router, true);
        }
    }

    pub(super) fn doubt_router(&mut self, iface: InterfaceId, router: Ipv6Addr, gone: bool) {
        let known = self
            .auto
            .link(iface)
            .is_some_and(|link| link.doubt(router, gone));
        if known {
            self.choose_router(iface);
        }
    }

    /// Lets what is due happen.
    pub(super) fn configure_due(&mut self, now: Instant) {
        while let Some(outcome) = self.auto.checks.due(now) {
            match outcome {
                Outcome::Ask(iface, target, nonce) => {
                    let options = Options {
                        nonce: Some(nonce),
                        ..Options::default()
                    };
                    let body = Body::NeighborSolicitation { target };
                    let to = (Ipv6Addr::UNSPECIFIED, address::solicited_node(target));
                    let note = due_note(Why::NeighborSolicitation);
                    self.send_discovery(iface, to, &Message { body, options }, note);
                }
                Outcome::Free(iface, addr) => {
                    self.remark("nobody else has the address: it is ours");
                    self.adopt(now, iface, addr.into());
                    self.adopted(now, iface, addr);
                }
            }
        }
        let links: Vec<_> = self.auto.links.iter().map(|link| link.iface).collect();
        for iface in links {
            while let Some(change) = self.auto.link(iface).and_then(|link| link.due(now)) {
                self.link_changed(iface, change);
            }
        }
    }

    fn link_changed(&mut self, iface: InterfaceId, change: link::Change) {
        match change {
            link::Change::Ask => self.ask_for_routers(iface),
            link::Change::Routers => self.choose_router(iface),
            link::Change::Prefix(network, len) => self.unroute(iface, network, len),
            link::Change::Resolvers => self.push_event(Event::Resolvers { iface }),
        }
    }

    /// With a link-local address, routers can be asked.
    fn adopted(&mut self, now: Instant, iface: InterfaceId, addr: Ipv6Addr) {
        let auto = &mut self.auto;
        let link = auto.links.iter_mut().find(|link| link.iface == iface);
        if let (Some(link), true) = (link, addr.is_unicast_link_local()) {
            link.begin_asking(now, &mut auto.random);
        }
    }

    fn ask_for_routers(&mut self, iface: InterfaceId) {
        let Some(IpAddr::V6(src)) = self.source_on(iface, ALL_ROUTERS.into()) else {
            return;
        };
        let options = Options {
            source: self.link_address(iface),
            ..Options::default()
        };
        let body = Body::RouterSolicitation;
        let note = due_note(Why::RouterSolicitation);
        self.send_discovery(iface, (src, ALL_ROUTERS), &Message { body, options }, note);
    }

    /// Another station has an address that we wanted. One of our own making is made anew.
    pub(super) fn duplicate(&mut self, now: Instant, iface: InterfaceId, addr: Ipv6Addr) {
        let origin = self.book.find(iface, addr.into()).copied();
        self.remark("another station has the address: it is not taken");
        self.refuse(iface, addr.into());
        let Some(link) = self.auto.link(iface) else {
            return;
        };
        if link.conflicts >= MAX_RETRIES {
            return;
        }
        link.conflicts += 1;
        let (mac, counter) = (link.mac, link.conflicts);
        let Some(old) = origin else {
            return;
        };
        let lease = Lease {
            origin: old.origin,
            preferred: old.preferred,
            valid: old.valid,
            check: true,
        };
        let _taken = match old.origin {
            Origin::LinkLocal => self.take_link_local(now, iface, mac, counter),
            Origin::Router | Origin::Temporary => self.make_address(now, iface, addr, lease),
            Origin::Manual | Origin::Lease => Ok(()),
        };
    }

    /// A router spoke (RFC 4861 6.3.4).
    pub(super) fn hear_router(&mut self, said: &Said, router: &Router) -> Verdict {
        // RFC 4861 6.3.4: whoever says this is a router, whether it says where it is or not.
        self.push_event(Event::Neighbor {
            iface: said.iface,
            ip: said.src.into(),
            link: said.options.source,
            heard: crate::Heard::Router,
        });
        let (now, iface) = (said.at, said.iface);
        if let Some(compared) = self.compare(said, router) {
            return compared;
        }
        let Some(link) = self.auto.link(iface).filter(|link| link.config.routers) else {
            return Rule::NdRouter.drop(DropReason::IpFiltered);
        };
        let changed = link.hear(now, said.src, router);
        let resolvers = link.hear_resolvers(now, &said.options);
        let dhcp = link.hear_dhcp(router);
        if changed {
            self.choose_router(iface);
        }
        for prefix in &said.options.prefixes {
            self.hear_prefix(now, iface, prefix);
        }
        if let Some(mtu) = said.options.mtu {
            self.narrow(iface, mtu);
        }
        if resolvers {
            self.push_event(Event::Resolvers { iface });
        }
        if dhcp {
            let Router { managed, other, .. } = *router;
            self.tell_news(iface, AddressNews::Router { managed, other });
        }
        Rule::NdRouter.taken()
    }

    /// RFC 4861 6.3.4: a router may say that the link is narrower than we thought, never wider or too narrow.
    fn narrow(&mut self, iface: InterfaceId, mtu: u32) {
        let mut all = self.interfaces.iter_mut();
        if let Some(link) = all.find(|link| link.id == iface)
            && (ipv6::MIN_MTU..link.mtu).contains(&mtu)
        {
            link.mtu = mtu;
        }
    }

    /// RFC 4861 6.3.4 for the link, RFC 4862 5.5.3 for the address.
    fn hear_prefix(&mut self, now: Instant, iface: InterfaceId, prefix: &Prefix) {
        let Ok(cidr) = Cidr::new(prefix.network.into(), prefix.len) else {
            return;
        };
        let IpAddr::V6(network) = cidr.network() else {
            return;
        };
        if network.is_unicast_link_local() || network.is_multicast() {
            return;
        }
        let changed = prefix.on_link
            && self
                .auto
                .link(iface)
                .is_some_and(|link| link.hear_prefix(now, (network, prefix.len), prefix.valid));
        if changed && prefix.valid > 0 {
            self.routes.add(cidr, Target::Link { via: None, iface });
        } else if changed {
            self.unroute(iface, network, prefix.len);
        }
        // RFC 4862 5.5.3 c and d: times that contradict each other, and lengths no identifier fits.
        if prefix.autonomous && prefix.preferred <= prefix.valid && prefix.len == 64 {
            self.address_from(now, iface, network, prefix);
        }
    }

    fn address_from(
        &mut self,
        now: Instant,
        iface: InterfaceId,
        network: Ipv6Addr,
        prefix: &Prefix,
    ) {
        let ours = |entry: &&Address| {
            let made = matches!(entry.origin, Origin::Router | Origin::Temporary);
            let IpAddr::V6(addr) = entry.cidr.addr() else {
                return false;
            };
            made && entry.iface == iface && addr.to_bits() >> 64 == network.to_bits() >> 64
        };
        let known: Vec<_> = self.book.iter().filter(ours).copied().collect();
        let preferred = nd::lifetime(prefix.preferred).map(|time| now + time);
        for entry in &known {
            // A temporary address keeps its own end.
            if entry.origin == Origin::Router {
                let lease = Lease {
                    origin: entry.origin,
                    preferred,
                    valid: link::renewed(now, entry.valid, prefix.valid),
                    check: true,
                };
                let _renewed = self.assign(now, iface, entry.cidr, lease);
            }
        }
        if !known.is_empty() || prefix.valid == 0 {
            return;
        }
        let valid = nd::lifetime(prefix.valid).map(|time| now + time);
        let lease = Lease {
            origin: Origin::Router,
            preferred,
            valid,
            check: true,
        };
        let _taken = self.make_address(now, iface, network, lease);
        if self
            .auto
            .link(iface)
            .is_some_and(|link| link.config.temporary)
        {
            self.make_temporary(now, iface, network, &lease);
        }
    }

    /// Makes an address of a prefix.
    fn make_address(
        &mut self,
        now: Instant,
        iface: InterfaceId,
        network: Ipv6Addr,
        lease: Lease,
    ) -> Result<(), ConfigError> {
        let link = self.auto.link(iface).ok_or(ConfigError::UnknownInterface)?;
        let (mac, counter) = (link.mac, link.conflicts);
        let addr = match lease.origin {
            Origin::Temporary => identifier::temporary(&mut self.auto.random, network),
            Origin::Manual | Origin::LinkLocal | Origin::Router | Origin::Lease => {
                identifier::stable(&self.auto.key, network, mac, counter)
            }
        };
        // RFC 5942 4: having an address says nothing of who else is on the link; the prefix's own bit does.
        self.assign(now, iface, Cidr::host(addr.into()), lease)
    }

    fn make_temporary(
        &mut self,
        now: Instant,
        iface: InterfaceId,
        network: Ipv6Addr,
        stable: &Lease,
    ) {
        // RFC 8981 3.4 and 3.8: hosts that began together shall not change together.
        let spread = TEMPORARY_PREFERRED.mul_f64(0.4 * self.auto.random.unit());
        let least =
            |own: Instant, prefix: Option<Instant>| Some(prefix.map_or(own, |at| at.min(own)));
        let lease = Lease {
            origin: Origin::Temporary,
            preferred: least(now + (TEMPORARY_PREFERRED - spread), stable.preferred),
            valid: least(now + TEMPORARY_VALID, stable.valid),
            check: true,
        };
        let _taken = self.make_address(now, iface, network, lease);
    }

    /// A temporary address is deprecated: the next takes its place while the prefix is good (RFC 8981 3.4).
    pub(super) fn replace_temporary(&mut self, now: Instant, old: &Address) {
        let IpAddr::V6(addr) = old.cidr.addr() else {
            return;
        };
        let high = |addr: IpAddr| match addr {
            IpAddr::V6(addr) => addr.to_bits() >> 64,
            IpAddr::V4(_) => 0,
        };
        let stable = self.book.iter().find(|entry| {
            entry.iface == old.iface
                && entry.origin == Origin::Router
                && entry.state == AddressState::Preferred
                && high(entry.cidr.addr()) == high(addr.into())
        });
        if let Some(Address {
            origin,
            preferred,
            valid,
            ..
        }) = stable.copied()
        {
            let lease = Lease {
                origin,
                preferred,
                valid,
                check: true,
            };
            self.make_temporary(now, old.iface, addr, &lease);
        }
    }

    /// Routes what leads nowhere else by the router chosen, or not at all.
    fn choose_router(&mut self, iface: InterfaceId) {
        let Some(link) = self.auto.link(iface) else {
            return;
        };
        let via = link.default_router().map(IpAddr::V6);
        let Ok(everywhere) = Cidr::new(Ipv6Addr::UNSPECIFIED.into(), 0) else {
            return;
        };
        if via.is_some() {
            self.routes.add(everywhere, Target::Link { via, iface });
            self.remark("a router is chosen");
        } else {
            self.routes.remove(everywhere);
            self.remark("no router is left");
        }
        // RFC 4861 5.3: what went by an earlier one is found anew.
        while let Some(destination) = self.auto.redirects.pop_front() {
            self.routes.remove(Cidr::host(destination.into()));
        }
    }

    fn unroute(&mut self, iface: InterfaceId, network: Ipv6Addr, len: u8) {
        let needed = self.interface(iface).is_some_and(|link| {
            let same = |cidr: &Cidr| (cidr.network(), cidr.prefix()) == (network.into(), len);
            link.addresses.iter().any(same)
        });
        if let (Ok(cidr), false) = (Cidr::new(network.into(), len), needed) {
            self.routes.remove(cidr);
        }
    }

    /// There is a better first hop (RFC 4861 8.3), if the present one says so and it is on the link.
    pub(super) fn redirected(
        &mut self,
        said: &Said,
        target: Ipv6Addr,
        destination: Ipv6Addr,
    ) -> Verdict {
        let refused = Rule::NdRedirect.drop(DropReason::IcmpUnrelated);
        let present = self.routes.lookup(destination.into());
        let by_it =
            present.is_some_and(|hop| (hop.iface, hop.next) == (said.iface, said.src.into()));
        let on_link = target == destination;
        if !by_it || !(on_link || target.is_unicast_link_local()) || self.config.forward {
            return refused;
        }
        if self.auto.redirects.len() >= MAX_REDIRECTS
            && let Some(oldest) = self.auto.redirects.pop_front()
        {
            self.routes.remove(Cidr::host(oldest.into()));
        }
        self.auto.redirects.retain(|known| *known != destination);
        self.auto.redirects.push_back(destination);
        let (via, iface) = ((!on_link).then_some(target.into()), said.iface);
        let host = Cidr::host(destination.into());
        self.routes.add(host, Target::Link { via, iface });
        if let Some(link) = said.options.target {
            self.push_event(Event::Neighbor {
                iface,
                ip: target.into(),
                link: Some(link),
                heard: if on_link {
                    crate::Heard::Source
                } else {
                    crate::Heard::Router
                },
            });
        }
        Rule::NdRedirect.taken()
    }

    pub(super) fn remark(&mut self, text: &'static str) {
        let cause = Cause::Timer(TimerKind::Address);
        self.facts
            .emit(|| Fact::new(None, FactKind::Remark(text), cause));
    }
}

#[track_caller]
const fn due_note(why: Why) -> Note {
    Note::new(why, Limit::None, Cause::Timer(TimerKind::Address))
}
