//! Links with neighbours.
//!
//! Job: put a frame's header before a packet, let packets wait for their neighbour, and carry news between the link
//! and IP. Owns: one link engine for each interface that has neighbours. Does not know: ARP, or what IP asks them.
//! Sources: RFC 894, RFC 2464 (IP in frames), RFC 1122 2.3.2.2 and 3.3.1 (packets that wait; who cannot be reached).

use core::hash::Hasher;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::io::IoSlice;

use bytes::{Bytes, BytesMut};
use outcrop_base::{
    Cast, Checksum, DropReason, HeaderRoom, Instant, InterfaceId, Note, PacketId, RuleRef, Verdict,
};
use outcrop_device::PartialChecksum;
use outcrop_ethernet::{Endpoint, Event, Heard, MacAddr, Neighbor, Plan, Transmit, Wrap, wire};
use outcrop_ip::{AddressNews, AutoConfig, ConfigError, Hop, InterfaceConfig};

use super::Core;

/// A frame for an interface that the host does not have.
const NO_LINK: RuleRef = RuleRef {
    name: "ethernet:interface",
    source: "RFC 1122 2.1",
};

/// What is for one host is not sent to all.
const CAST: RuleRef = RuleRef {
    name: "ethernet:cast",
    source: "RFC 1122 3.3.6",
};

/// One link.
#[derive(Clone, Debug)]
struct Link {
    iface: InterfaceId,
    engine: Endpoint,
}

/// Every link with neighbours.
#[derive(Clone, Debug, Default)]
pub(super) struct Links(Vec<Link>);

/// What became of a packet at its link.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framed {
    /// Send it; the frame's header is in the room, if the link has one.
    Ready,
    /// It waits for its neighbour, or is lost to one who waits longer.
    Waits,
    /// It cannot wait.
    Lost,
}

impl Links {
    /// Whether an interface has frames.
    pub(super) fn has(&self, iface: InterfaceId) -> bool {
        self.0.iter().any(|link| link.iface == iface)
    }

    pub(super) fn get(&mut self, iface: InterfaceId) -> Option<&mut Endpoint> {
        let found = self.0.iter_mut().find(|link| link.iface == iface);
        found.map(|link| &mut link.engine)
    }

    fn peek(&self, iface: InterfaceId) -> Option<&Endpoint> {
        let found = self.0.iter().find(|link| link.iface == iface);
        found.map(|link| &link.engine)
    }

    /// Where a neighbour is, if the link knows.
    pub(super) fn mac_of(&self, iface: InterfaceId, ip: IpAddr) -> Option<[u8; 6]> {
        let mut known = self.peek(iface)?.neighbors();
        known
            .find(|neighbor| neighbor.ip == ip)?
            .mac
            .map(|mac| mac.0)
    }

    /// Writes the frame's header before the packet's, if the link has frames; else the packet's copy waits.
    pub(super) fn frame(
        &mut self,
        now: Instant,
        hop: Hop,
        room: &mut HeaderRoom,
        packet: &Leaving<'_>,
    ) -> Framed {
        let Some(engine) = self.get(hop.iface) else {
            return Framed::Ready;
        };
        let (next_hop, cast) = target(hop, packet.dst, packet.broadcast);
        match engine.wrap(&Plan { next_hop, cast }, room) {
            Wrap::Wrapped => Framed::Ready,
            Wrap::Stale => {
                engine.used(now, next_hop);
                Framed::Ready
            }
            Wrap::Unresolved if packet.gso => {
                // The device would have cut it; nobody cuts what waits. TCP repeats it.
                engine.resolve(now, next_hop);
                Framed::Lost
            }
            Wrap::Unresolved => {
                let bytes = packet.gathered(room);
                let held = engine.hold(now, next_hop, bytes, packet.note);
                if held.verdict.drop_reason().is_some() {
                    Framed::Lost
                } else {
                    Framed::Waits
                }
            }
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        for link in &mut self.0 {
            link.engine.handle_timeout(now);
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let all = self.0.iter().map(|link| link.engine.poll_timeout());
        all.flatten().min()
    }

    /// The next frame a link sends of its own.
    pub(super) fn poll_transmit(&mut self, now: Instant) -> Option<(InterfaceId, Transmit)> {
        let mut all = self.0.iter_mut();
        all.find_map(|link| Some((link.iface, link.engine.poll_transmit(now)?)))
    }

    fn poll_event(&mut self) -> Option<(InterfaceId, Event)> {
        let mut all = self.0.iter_mut();
        all.find_map(|link| Some((link.iface, link.engine.poll_event()?)))
    }

    pub(super) fn fingerprint(&self, now: Instant, into: &mut dyn Hasher) {
        for link in &self.0 {
            link.engine.fingerprint(now, into);
        }
    }
}

/// A packet at its link.
pub(super) struct Leaving<'a> {
    pub(super) dst: IpAddr,
    /// Whether `dst` is everybody there.
    pub(super) broadcast: bool,
    /// What follows the headers.
    pub(super) payload: &'a [IoSlice<'a>],
    /// A checksum the device was to complete.
    pub(super) partial: Option<PartialChecksum>,
    /// The device was to cut it.
    pub(super) gso: bool,
    pub(super) note: Note,
}

impl Leaving<'_> {
    /// The packet as it can wait: in one piece, its checksum complete.
    fn gathered(&self, room: &HeaderRoom) -> Bytes {
        let mut bytes = BytesMut::from(room.as_slice());
        for piece in self.payload {
            bytes.extend_from_slice(piece);
        }
        if let Some(partial) = self.partial {
            complete(&mut bytes, partial);
        }
        bytes.freeze()
    }
}

/// Completes a checksum whose field holds the pseudo-header's sum.
fn complete(packet: &mut [u8], partial: PartialChecksum) {
    let start = usize::from(partial.start);
    let at = start + usize::from(partial.offset);
    let mut sum = Checksum::new();
    sum.add(packet.get(start..).unwrap_or_default());
    // UDP says zero for none; to TCP both are the same number.
    let sum = match sum.finish() {
        0 => u16::MAX,
        sum => sum,
    };
    if let Some(field) = packet.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
        *field = sum.to_be_bytes();
    }
}

/// Who is to receive a frame: the next hop, a group, or everybody.
const fn target(hop: Hop, dst: IpAddr, broadcast: bool) -> (IpAddr, Cast) {
    if dst.is_multicast() {
        (dst, Cast::Multicast)
    } else if broadcast {
        (dst, Cast::Broadcast)
    } else {
        (hop.next, Cast::Unicast)
    }
}

/// Where a packet of IP's own goes.
fn destination(packet: &[u8]) -> Option<IpAddr> {
    match packet.first()? >> 4 {
        4 => Some(Ipv4Addr::from(*packet.get(16..)?.first_chunk::<4>()?).into()),
        6 => Some(Ipv6Addr::from(*packet.get(24..)?.first_chunk::<16>()?).into()),
        _ => None,
    }
}

/// Links.
impl Core {
    /// Attaches the host to a link with neighbours: what crosses its device are frames.
    ///
    /// # Errors
    /// What is wrong with the number, the MTU or an address.
    pub fn add_ethernet(
        &mut self,
        interface: InterfaceConfig,
        link: outcrop_ethernet::Config,
    ) -> Result<(), ConfigError> {
        let iface = interface.id;
        let interface = InterfaceConfig {
            link_address: Some(link.mac.0),
            point_to_point: false,
            ..interface
        };
        self.add_interface(interface)?;
        let seed = self.seed.split(&iface.0.to_string());
        let engine = Endpoint::new(link, &seed);
        self.links.0.push(Link { iface, engine });
        self.hear_ip(Instant::ZERO);
        Ok(())
    }

    /// Our hardware address on a link that has such.
    #[must_use]
    pub fn mac(&self, iface: InterfaceId) -> Option<[u8; 6]> {
        self.links.peek(iface).map(|engine| engine.mac().0)
    }

    /// Who is known on a link, in order of address.
    pub fn neighbors(&self, iface: InterfaceId) -> impl Iterator<Item = Neighbor> {
        let there = self.links.peek(iface).into_iter();
        there.flat_map(Endpoint::neighbors)
    }

    /// Takes a frame apart. A packet inside goes on; everything else ends here.
    pub(super) fn unframe(
        &mut self,
        at: Instant,
        id: PacketId,
        (iface, frame): (InterfaceId, Bytes),
    ) -> Result<Bytes, Verdict> {
        let Some(engine) = self.links.get(iface) else {
            return Err(Verdict::dropped(DropReason::IpNotForUs, NO_LINK));
        };
        let received = engine.handle_frame(at, id, frame);
        self.hear_links(at);
        let packet = received.packet.ok_or(received.verdict)?;
        let dst = destination(&packet);
        let ours = |dst: IpAddr| dst.is_ipv6() && self.ip.is_local(dst);
        // What came to all is for one of us at most: passed on, it would come to all again (RFC 1812 5.3.4).
        let to_one = received.cast == Cast::Unicast
            || dst.is_none_or(|dst| dst.is_multicast() || ours(dst))
            || dst.is_some_and(|dst| self.ip.is_broadcast_on(iface, dst));
        if to_one {
            Ok(packet)
        } else {
            Err(Verdict::dropped(DropReason::EthernetNotForUs, CAST))
        }
    }

    /// Takes the links' news to IP.
    pub(super) fn hear_links(&mut self, now: Instant) {
        while let Some((iface, event)) = self.links.poll_event() {
            match event {
                Event::Solicit { ip, to } => self.ip.solicit(iface, ip, to.is_some()),
                Event::Unreachable { ip, packets } => {
                    self.ip.neighbor_lost(now, iface, ip, packets);
                }
                Event::NotARouter(ip) => self.ip.not_a_router(iface, ip),
                Event::Claimed(ip) => self.ip.adopt(now, iface, ip.into()),
                Event::Conflict { ip, .. } => self.ip.refuse(iface, ip.into()),
            }
            self.hear_ip(now);
        }
    }

    /// Where a packet of IP's own goes, and whether that is everybody.
    pub(super) fn own_target(&self, packet: &[u8], hop: Hop) -> (IpAddr, bool) {
        let dst = destination(packet).unwrap_or(hop.next);
        (dst, self.ip.is_broadcast_on(hop.iface, dst))
    }

    /// An address came or went: ARP answers for it, or no more.
    pub(super) fn hear_address(&mut self, iface: InterfaceId, news: AddressNews) {
        self.config_news.push(iface, news);
        self.tell_link(iface, |link| match news {
            AddressNews::Ready(IpAddr::V4(ip)) if !link.owns(ip) => {
                link.own(ip);
            }
            AddressNews::Duplicate(IpAddr::V4(ip)) | AddressNews::Expired(IpAddr::V4(ip)) => {
                link.release(ip);
            }
            AddressNews::Ready(_)
            | AddressNews::Duplicate(_)
            | AddressNews::Deprecated(_)
            | AddressNews::Expired(_)
            | AddressNews::Resolvers
            | AddressNews::Router { .. } => {}
        });
    }

    /// Neighbour discovery heard where an address is; the link judges.
    pub(super) fn hear_neighbor(
        &mut self,
        now: Instant,
        (iface, ip): (InterfaceId, IpAddr),
        mac: Option<[u8; 6]>,
        heard: outcrop_ip::Heard,
    ) -> Option<Verdict> {
        let heard = match heard {
            outcrop_ip::Heard::Source => Heard::Source,
            outcrop_ip::Heard::Router => Heard::Router,
            outcrop_ip::Heard::Advertisement {
                solicited,
                replaces,
                router,
            } => Heard::Advertisement {
                solicited,
                replaces,
                router,
            },
        };
        let link = self.links.get(iface)?;
        let verdict = link.learn(now, ip, mac.map(MacAddr), heard);
        verdict.drop_reason().is_some().then_some(verdict)
    }

    /// Packets to `dst` get through: its first hop is reachable (RFC 4861 7.3.1).
    pub(super) fn confirm(&mut self, now: Instant, dst: IpAddr) {
        if let Some(hop) = self.ip.next_hop(dst)
            && let Some(link) = self.links.get(hop.iface)
        {
            link.confirm(now, hop.next);
        }
    }

    /// Lets a link configure itself: a link-local address first, then what routers say.
    ///
    /// # Errors
    /// An interface without neighbours, or too narrow for IPv6.
    pub fn autoconfigure(
        &mut self,
        now: Instant,
        iface: InterfaceId,
        config: AutoConfig,
    ) -> Result<(), ConfigError> {
        self.touched = true;
        self.ip.autoconfigure(now, iface, config)?;
        self.hear_ip(now);
        Ok(())
    }

    /// Is a router on this link from now on, and says so as [`Advertising`](outcrop_ip::Advertising) has it.
    ///
    /// # Errors
    /// An interface without neighbours, a host that passes nothing on, or a value out of bounds.
    pub fn advertise_on(
        &mut self,
        now: Instant,
        iface: InterfaceId,
        config: outcrop_ip::Advertising,
    ) -> Result<(), ConfigError> {
        self.touched = true;
        self.ip.advertise_on(now, iface, config)?;
        self.hear_ip(now);
        Ok(())
    }

    /// Is a router no more, and says that too.
    pub fn cease_advertising(&mut self) {
        self.touched = true;
        self.ip.cease_advertising();
    }

    /// What neighbour discovery and multicast want of a link.
    pub(super) fn tell_link(&mut self, iface: InterfaceId, tell: impl FnOnce(&mut Endpoint)) {
        if let Some(engine) = self.links.get(iface) {
            tell(engine);
        }
    }
}

/// Writes a frame's header.
pub(super) fn emit(header: &wire::Header) -> HeaderRoom {
    let mut room = HeaderRoom::new();
    wire::emit(header, &mut room);
    room
}
