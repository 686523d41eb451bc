//! A router's own voice at the endpoint.
//!
//! Job: speak on links where we are a router, answer who asks, say when it is over, compare with other routers.
//! Owns: what an advertisement holds. Does not know: when; `advertise` draws the moments.
//! Sources: RFC 4861 6.2.3-6.2.8, RFC 4861 8.2 (redirects), RFC 1256 4, RFC 8106 5.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use outcrop_base::{
    CallKind, Cause, DropReason, Instant, InterfaceId, IpFields, Limit, Note, TimerKind, Verdict,
    Why,
};

use super::Endpoint;
use super::discovery::Said;
use super::forward::Traveller;
use super::receive::Datagram;
use crate::advertise::{Advertiser, Advertising, MAX_LISTED, Voice};
use crate::wire::nd::{Body, Message, Options, Prefix, Router};
use crate::wire::{icmp, ipv6, irdp};
use crate::{Cidr, ConfigError, Event, Hop, Plan, Redirect, Rule, address};

/// Every router of a link (RFC 1112, RFC 4291 2.7.1).
const ALL_ROUTERS_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 2);
const ALL_ROUTERS_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
/// How much of a packet a redirect quotes: what fits the smallest MTU, in whole units of an option (RFC 4861 4.6.3).
const QUOTED: usize = (ipv6::MIN_MTU as usize - 40 - 40 - 8) / 8 * 8;
/// Bytes of the option that says where the better hop is.
const LINK_OPTION: usize = 8;

impl Endpoint {
    /// Is a router on this link from now on: says so from time to time, and to who asks. It begins once there is a
    /// link-local address to speak from. What was said before is replaced.
    ///
    /// # Errors
    /// An interface whose neighbours have no addresses, a host that passes nothing on, or a value out of bounds.
    pub fn advertise_on(
        &mut self,
        now: Instant,
        iface: InterfaceId,
        config: Advertising,
    ) -> Result<(), ConfigError> {
        let link = self.interface(iface).ok_or(ConfigError::UnknownInterface)?;
        if link.link_address.is_none() {
            return Err(ConfigError::Advertising(
                "the link has no neighbours to tell",
            ));
        }
        config.check(link.mtu)?;
        if !self.config.forward && config.router.lifetime > 0 {
            return Err(ConfigError::Advertising(
                "a host that passes nothing on is no router",
            ));
        }
        let mut before = self.advertisers.iter();
        if !before.any(|known| known.iface == iface) {
            self.join_on_link(iface, ALL_ROUTERS_V6.into());
            if config.v4 {
                self.join_on_link(iface, ALL_ROUTERS_V4.into());
            }
        }
        self.advertisers.retain(|known| known.iface != iface);
        self.advertisers.push(Advertiser::new(iface, config));
        self.begin_advertising(now, iface);
        Ok(())
    }

    /// Begins where there is an address to speak from.
    pub(super) fn begin_advertising(&mut self, now: Instant, iface: InterfaceId) {
        let (six, four) = (self.link_local(iface), self.first_v4(iface));
        let mut all = self.advertisers.iter_mut();
        if let Some(advertiser) = all.find(|known| known.iface == iface) {
            if six.is_some() {
                advertiser.begin(now, Voice::V6);
            }
            if four.is_some() {
                advertiser.begin(now, Voice::V4);
            }
        }
    }

    /// Is a router no more: hosts that heard of us hear it at once (RFC 4861 6.2.5, RFC 1256 4.1).
    pub fn cease_advertising(&mut self) {
        let note = Note::new(
            Why::RouterAdvertisement,
            Limit::None,
            Cause::Call(CallKind::Configure),
        );
        for advertiser in core::mem::take(&mut self.advertisers) {
            let iface = advertiser.iface;
            for voice in advertiser.spoken() {
                self.speak(iface, &advertiser.config, (voice, true), note);
            }
        }
    }

    /// Speaks where it is time.
    pub(super) fn advertise_due(&mut self, now: Instant) {
        let note = Note::new(
            Why::RouterAdvertisement,
            Limit::None,
            Cause::Timer(TimerKind::Address),
        );
        while let Some((voice, iface, config)) = self.next_voice(now) {
            self.speak(iface, &config, (voice, false), note);
        }
    }

    fn next_voice(&mut self, now: Instant) -> Option<(Voice, InterfaceId, Advertising)> {
        let random = &mut self.auto.random;
        self.advertisers.iter_mut().find_map(|advertiser| {
            let voice = advertiser.due(now, random)?;
            Some((voice, advertiser.iface, advertiser.config.clone()))
        })
    }

    fn speak(
        &mut self,
        iface: InterfaceId,
        config: &Advertising,
        (voice, last): (Voice, bool),
        note: Note,
    ) {
        match voice {
            Voice::V6 => self.speak_v6(iface, config, last, note),
            Voice::V4 => self.speak_v4(iface, config, last, note),
        }
    }

    fn speak_v6(&mut self, iface: InterfaceId, config: &Advertising, last: bool, note: Note) {
        let Some(src) = self.link_local(iface) else {
            return;
        };
        let naming = config.naming_lifetime();
        let options = Options {
            source: self.link_address(iface),
            mtu: config.mtu,
            prefixes: self.prefixes_of(iface, config),
            resolvers: config.resolvers.iter().map(|one| (*one, naming)).collect(),
            domains: config
                .domains
                .iter()
                .map(|one| (one.clone(), naming))
                .collect(),
            ..Options::default()
        };
        let router = Router {
            lifetime: if last { 0 } else { config.router.lifetime },
            ..config.router
        };
        let body = Body::RouterAdvertisement(router);
        let to = (src, address::ALL_NODES);
        self.send_discovery(iface, to, &Message { body, options }, note);
    }

    /// The prefixes of the settings, else those of our addresses: their hosts are on the link, and an address can be
    /// made of one of 64 bits (RFC 4862 5.5.3 d).
    fn prefixes_of(&self, iface: InterfaceId, config: &Advertising) -> Vec<Prefix> {
        if !config.prefixes.is_empty() {
            return config.prefixes.clone();
        }
        let mut prefixes = Vec::<Prefix>::new();
        let addresses = self.interface(iface).map(|link| &link.addresses);
        for cidr in addresses.into_iter().flatten() {
            let (IpAddr::V6(network), len) = (cidr.network(), cidr.prefix()) else {
                continue;
            };
            let known = |prefix: &Prefix| (prefix.network, prefix.len) == (network, len);
            if network.is_unicast_link_local() || len == 128 || prefixes.iter().any(known) {
                continue;
            }
            if prefixes.len() >= MAX_LISTED {
                break;
            }
            prefixes.push(Prefix {
                network,
                len,
                on_link: true,
                autonomous: len == 64,
                valid: config.valid,
                preferred: config.preferred,
            });
        }
        prefixes
    }

    /// RFC 1256 3 and 4: to everybody who can hear it, never beyond the link.
    fn speak_v4(&mut self, iface: InterfaceId, config: &Advertising, last: bool, note: Note) {
        let Some(src) = self.first_v4(iface) else {
            return;
        };
        let addresses = self.interface(iface).map(|link| &link.addresses);
        let ours: Vec<_> = addresses.into_iter().flatten().filter_map(v4_of).collect();
        let lifetime = if last { 0 } else { config.router.lifetime };
        let payload = irdp::advertisement(lifetime, &ours);
        let plan = Plan {
            src: src.into(),
            dst: address::ALL_SYSTEMS.into(),
            protocol: icmp::PROTOCOL_V4,
            fields: IpFields {
                ttl: 1,
                df: false,
                ..IpFields::default()
            },
            payload_len: payload.len(),
            gso: None,
            iface: Some(iface),
        };
        // With the queue full, the next one says the same.
        let _queued = self.originate(&plan, &payload, &note);
    }

    /// Somebody asks which routers there are (RFC 4861 6.2.6).
    pub(super) fn asked_for_router(&mut self, said: &Said) -> Verdict {
        self.hear_source(said);
        self.answer_soon(said.at, said.iface, Voice::V6);
        Rule::NdRouterSolicitation.taken()
    }

    fn answer_soon(&mut self, now: Instant, iface: InterfaceId, voice: Voice) {
        let random = &mut self.auto.random;
        let mut all = self.advertisers.iter_mut();
        if let Some(advertiser) = all.find(|known| known.iface == iface) {
            advertiser.asked(now, voice, random);
        }
    }

    /// The same by RFC 1256: of nobody, or of a neighbour (4.2).
    pub(super) fn asked_for_router_v4(&mut self, datagram: &Datagram) -> Verdict {
        let (now, iface) = (datagram.packet.at, datagram.packet.iface);
        let addresses = self.interface(iface).map(|link| &link.addresses);
        let mut networks = addresses.into_iter().flatten();
        let near = datagram.src.is_unspecified() || networks.any(|net| net.contains(datagram.src));
        let speaks = self.advertisers.iter().any(|known| known.iface == iface);
        if !near || !speaks || !irdp::is_solicitation(&datagram.payload()) {
            return Rule::RouterDiscovery.drop(DropReason::IcmpUnrelated);
        }
        self.answer_soon(now, iface, Voice::V4);
        Rule::RouterDiscovery.taken()
    }

    /// Another router speaks on a link of ours. What it says otherwise than we do confuses hosts; people should know
    /// (RFC 4861 6.2.7).
    pub(super) fn compare(&mut self, said: &Said, theirs: &Router) -> Option<Verdict> {
        let advertiser = self
            .advertisers
            .iter()
            .find(|known| known.iface == said.iface)?;
        let (ours, config) = (&advertiser.config.router, &advertiser.config);
        let differs = |ours: u32, theirs: u32| ours != 0 && theirs != 0 && ours != theirs;
        let ours_of = self.prefixes_of(said.iface, config);
        let prefixes = said.options.prefixes.iter().any(|theirs| {
            ours_of.iter().any(|ours| {
                (ours.network, ours.len) == (theirs.network, theirs.len)
                    && (ours.valid, ours.preferred) != (theirs.valid, theirs.preferred)
            })
        });
        let contradicts = differs(ours.hop_limit.into(), theirs.hop_limit.into())
            || (ours.managed, ours.other) != (theirs.managed, theirs.other)
            || differs(ours.reachable, theirs.reachable)
            || differs(ours.retransmit, theirs.retransmit)
            || differs(config.mtu.unwrap_or(0), said.options.mtu.unwrap_or(0))
            || prefixes;
        if contradicts {
            self.remark("another router on the link says otherwise than we do");
        }
        Some(Rule::NdRouter.taken())
    }

    /// A neighbour sends by us what another neighbour, or its destination itself, is nearer to (RFC 4861 8.2).
    pub(super) fn redirect_v6(&mut self, traveller: &Traveller<'_>, hop: Hop) {
        let (IpAddr::V6(to), IpAddr::V6(destination), IpAddr::V6(target)) =
            (traveller.src, traveller.dst, hop.next)
        else {
            return;
        };
        let iface = traveller.packet.iface;
        // A better router is named by its link-local address, which its neighbours know it by.
        let named = target == destination || target.is_unicast_link_local();
        let addresses = self.interface(iface).map(|link| &link.addresses);
        let mut networks = addresses.into_iter().flatten();
        let has_neighbours = self.link_address(iface).is_some();
        let near = has_neighbours && networks.any(|net| net.contains(traveller.src));
        let (Some(_), true) = (self.link_local(iface), hop.iface == iface && named && near) else {
            return;
        };
        if !self.errors.take(traveller.packet.at) {
            return;
        }
        let packet = traveller.packet.bytes.clone();
        self.push_event(Event::Redirect(Redirect {
            iface,
            to,
            target,
            destination,
            packet,
            id: traveller.packet.id,
        }));
    }

    /// Tells a neighbour of a better first hop, and where on the link that is, if it is known; as much of its packet as
    /// fits is quoted (RFC 4861 4.5, 8.2).
    pub fn redirect(&mut self, redirect: &Redirect, link: Option<[u8; 6]>) {
        let iface = redirect.iface;
        let Some(src) = self.link_local(iface) else {
            return;
        };
        let quote = &redirect.packet;
        let room = QUOTED - if link.is_some() { LINK_OPTION } else { 0 };
        let quoted = quote.len().min(room) / 8 * 8;
        let options = Options {
            target: link,
            redirected: quote.get(..quoted).unwrap_or_default().to_vec(),
            ..Options::default()
        };
        let body = Body::Redirect {
            target: redirect.target,
            destination: redirect.destination,
        };
        let note = Note::new(Why::Redirect, Limit::None, Cause::Packet(redirect.id));
        self.send_discovery(iface, (src, redirect.to), &Message { body, options }, note);
    }

    fn link_local(&self, iface: InterfaceId) -> Option<Ipv6Addr> {
        let mut addresses = self.interface(iface)?.addresses.iter();
        addresses.find_map(|cidr| match cidr.addr() {
            IpAddr::V6(addr) if addr.is_unicast_link_local() => Some(addr),
            IpAddr::V6(_) | IpAddr::V4(_) => None,
        })
    }

    fn first_v4(&self, iface: InterfaceId) -> Option<Ipv4Addr> {
        self.interface(iface)?.addresses.iter().find_map(v4_of)
    }
}

fn v4_of(cidr: &Cidr) -> Option<Ipv4Addr> {
    match cidr.addr() {
        IpAddr::V4(addr) => Some(addr),
        IpAddr::V6(_) => None,
    }
}
