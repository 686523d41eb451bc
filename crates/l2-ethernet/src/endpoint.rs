//! A station on a link.
//!
//! Job: the verbs. Owns: the cache, our addresses, the groups joined, what waits to leave.
//! Does not know: IP beyond its addresses; neighbour discovery's messages (it asks by [`Event::Solicit`]).

mod arp;

use core::hash::{Hash, Hasher};
use core::net::{IpAddr, Ipv4Addr};
use std::collections::VecDeque;

use bytes::Bytes;
use outcrop_base::{
    Cast, Cause, DropReason, HeaderRoom, Instant, Limit, Note, PacketId, Seed, Value, Verdict, Why,
};

use crate::claim::{Act, Claims};
use crate::filter::Groups;
use crate::neighbor::{Action, Cache, Neighbor, State, Waiting};
use crate::wire::arp::Operation;
use crate::wire::{self, Header, Tag};
use crate::{Config, Event, Heard, Held, MacAddr, Plan, Received, Rule, Transmit, Wrap};

/// Frames that may wait for the device, and events for the layer above; beyond, the oldest is lost.
const MAX_WAITING: usize = 4096;

/// A station on a link: the engine of this layer.
#[derive(Clone, Debug)]
pub struct Endpoint {
    config: Config,
    cache: Cache,
    claims: Claims,
    groups: Groups,
    out: VecDeque<Transmit>,
    events: VecDeque<Event>,
}

impl Endpoint {
    /// A station without addresses.
    #[must_use]
    pub fn new(config: Config, seed: &Seed) -> Self {
        Self {
            cache: Cache::new(config.neighbors.clone(), seed),
            claims: Claims::new(seed),
            groups: Groups::default(),
            out: VecDeque::new(),
            events: VecDeque::new(),
            config,
        }
    }

    /// Our address on the link.
    #[must_use]
    pub const fn mac(&self) -> MacAddr {
        self.config.mac
    }

    /// Takes an IPv4 address without asking whether it is free; `false` if there are too many.
    pub fn own(&mut self, ip: Ipv4Addr) -> bool {
        self.cache.forget(ip.into());
        self.claims.own(ip)
    }

    /// Takes an IPv4 address if nobody objects (RFC 5227): [`Event::Claimed`] or [`Event::Conflict`] follows.
    /// `false` if there are too many.
    pub fn claim(&mut self, now: Instant, ip: Ipv4Addr) -> bool {
        self.claims.claim(now, ip)
    }

    /// Gives an IPv4 address up.
    pub fn release(&mut self, ip: Ipv4Addr) {
        self.claims.release(ip);
    }

    /// Whether an IPv4 address is ours, and not only claimed.
    #[must_use]
    pub fn owns(&self, ip: Ipv4Addr) -> bool {
        self.claims.is_ours(ip)
    }

    /// Takes frames to a group of hosts from now on; once for each call of [`Endpoint::leave`].
    pub fn join(&mut self, group: IpAddr) {
        self.groups.join(MacAddr::of_group(group));
    }

    /// Takes them no more.
    pub fn leave(&mut self, group: IpAddr) {
        self.groups.leave(MacAddr::of_group(group));
    }

    /// Takes a frame from the device.
    pub fn handle_frame(&mut self, now: Instant, id: PacketId, frame: Bytes) -> Received {
        let dropped = |rule: Rule, reason| Received {
            verdict: rule.drop(reason),
            packet: None,
            cast: Cast::Unicast,
        };
        let (header, packet) = match wire::parse(frame) {
            Ok(parsed) => parsed,
            Err(reason) => return dropped(Rule::Frame, reason),
        };
        if !header.src.is_station() {
            return dropped(Rule::Frame, DropReason::EthernetNotForUs);
        }
        let vlan = header.tag.map_or(0, |tag| tag.vlan);
        if vlan != self.config.vlan.unwrap_or(0) {
            return dropped(Rule::Vlan, DropReason::EthernetWrongVlan);
        }
        let config = &self.config;
        let Some(cast) = self.groups.judge(config.filter, config.mac, header.dst) else {
            return dropped(Rule::Address, DropReason::EthernetNotForUs);
        };
        let (verdict, packet) = match header.ether_type {
            wire::TYPE_IPV4 | wire::TYPE_IPV6 => (Rule::Address.taken(), Some(packet)),
            wire::TYPE_ARP => (self.handle_arp(now, id, &packet), None),
            0..=0x07ff | 0x0801..=0x0805 | 0x0807..=0x86dc | 0x86de.. => {
                let reason = DropReason::EthernetUnknownType;
                (Rule::Type.drop(reason), None)
            }
        };
        Received {
            verdict,
            packet,
            cast,
        }
    }

    /// Writes the header of a packet, if it is known where it goes. Changes nothing.
    pub fn wrap(&self, plan: &Plan, room: &mut HeaderRoom) -> Wrap {
        let (dst, wrap) = match plan.cast {
            Cast::Broadcast => (MacAddr::BROADCAST, Wrap::Wrapped),
            Cast::Multicast => (MacAddr::of_group(plan.next_hop), Wrap::Wrapped),
            Cast::Unicast => match self.cache.find(plan.next_hop) {
                Some((mac, State::Stale)) => (mac, Wrap::Stale),
                Some((mac, _)) => (mac, Wrap::Wrapped),
                None => return Wrap::Unresolved,
            },
        };
        wire::emit(&self.header(dst, type_of(plan.next_hop)), room);
        wrap
    }

    /// Lets a packet wait for its neighbour. One neighbour's queue never delays another's.
    pub fn hold(&mut self, now: Instant, next_hop: IpAddr, packet: Bytes, note: Note) -> Held {
        let held = self.cache.hold(now, next_hop, Waiting { packet, note });
        self.settle();
        held
    }

    /// Finds a neighbour for packets to come, where the one at hand cannot wait.
    pub fn resolve(&mut self, now: Instant, next_hop: IpAddr) {
        self.cache.resolve(now, next_hop);
        self.settle();
    }

    /// A packet left by what [`Wrap::Stale`] said.
    pub fn used(&mut self, now: Instant, next_hop: IpAddr) {
        self.cache.used(now, next_hop);
    }

    /// The layers above made progress: packets reach this neighbour (RFC 4861 7.3.1).
    pub fn confirm(&mut self, now: Instant, ip: IpAddr) {
        self.cache.confirm(now, ip);
    }

    /// What neighbour discovery heard about an address, with the link-layer option if there was one.
    pub fn learn(
        &mut self,
        now: Instant,
        ip: IpAddr,
        mac: Option<MacAddr>,
        heard: Heard,
    ) -> Verdict {
        let verdict = self.cache.learn(now, ip, (mac, heard), true);
        self.settle();
        verdict
    }

    /// What is known, in order of address.
    pub fn neighbors(&self) -> impl Iterator<Item = Neighbor> {
        self.cache.iter()
    }

    /// Lets time pass; a spurious call does nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.cache.handle_timeout(now);
        self.claims.handle_timeout(now);
        self.settle();
    }

    /// The next frame to leave.
    pub fn poll_transmit(&mut self, _now: Instant) -> Option<Transmit> {
        self.out.pop_front()
    }

    /// The next news.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When to call [`Endpoint::handle_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let claims = self.claims.poll_timeout();
        self.cache.poll_timeout().into_iter().chain(claims).min()
    }

    /// Tells the state as keys and values.
    pub fn describe(&self, visit: &mut dyn FnMut(&'static str, Value<'_>)) {
        let count = |wanted: fn(&Neighbor) -> bool| self.neighbors().filter(wanted).count() as u64;
        visit("neighbors", Value::Number(count(|_| true)));
        visit("unresolved", Value::Number(count(|n| n.mac.is_none())));
        visit("txq", Value::Number(self.out.len() as u64));
    }

    /// Hashes everything that decides what happens next.
    pub fn fingerprint(&self, now: Instant, mut into: &mut dyn Hasher) {
        self.cache.fingerprint(now, into);
        self.claims.fingerprint(now, into);
        self.groups.hash(&mut into);
        for Transmit {
            header, payload, ..
        } in &self.out
        {
            (header, payload).hash(&mut into);
        }
        self.events.hash(&mut into);
    }

    const fn header(&self, dst: MacAddr, ether_type: u16) -> Header {
        let tag = match self.config.vlan {
            None => None,
            Some(vlan) => Some(Tag {
                priority: 0,
                drop_eligible: false,
                vlan,
            }),
        };
        Header {
            dst,
            src: self.config.mac,
            tag,
            ether_type,
        }
    }

    /// Carries out what the parts decided.
    fn settle(&mut self) {
        while let Some(action) = self.cache.next_action() {
            match action {
                Action::Ask(IpAddr::V4(ip), to, cause) => self.ask(ip, to, cause),
                Action::Ask(ip @ IpAddr::V6(_), to, _) => self.tell(Event::Solicit { ip, to }),
                Action::Release(ip, mac, Waiting { packet, note }) => {
                    let header = self.header(mac, type_of(ip));
                    self.push(header, packet, note);
                }
                Action::Unreachable(ip, packets) => self.tell(Event::Unreachable { ip, packets }),
                Action::NotARouter(ip) => self.tell(Event::NotARouter(ip)),
            }
        }
        for act in self.claims.drain() {
            match act {
                Act::Send(ip, why, cause) => self.say(ip, why, cause),
                Act::Claimed(ip) => self.tell(Event::Claimed(ip)),
                Act::Lost(ip, with) => self.tell(Event::Conflict { ip, with }),
            }
        }
    }

    fn push(&mut self, header: Header, payload: Bytes, note: Note) {
        if self.out.len() >= MAX_WAITING {
            self.out.pop_front();
        }
        self.out.push_back(Transmit {
            header,
            payload,
            note,
        });
    }

    fn tell(&mut self, event: Event) {
        if self.events.len() >= MAX_WAITING {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }
}

/// What a packet of this family is called in a header.
const fn type_of(ip: IpAddr) -> u16 {
    match ip {
        IpAddr::V4(_) => wire::TYPE_IPV4,
        IpAddr::V6(_) => wire::TYPE_IPV6,
    }
}

const fn arp_note(operation: Operation, cause: Cause) -> Note {
    let why = match operation {
        Operation::Request => Why::ArpRequest,
        Operation::Reply => Why::ArpReply,
    };
    Note::new(why, Limit::None, cause)
}
