//! Neighbour discovery at the endpoint.
//!
//! Job: take a message apart under RFC 4861's checks, answer who asks for an address of ours, send what the link asks
//! for. Owns: the order of the checks. Does not know: who keeps the neighbours; what a router says goes to `configure`.
//! Sources: RFC 4861 6.1, 7 and 8, RFC 4862 5.4, RFC 6980 5, RFC 7527 4.

use core::net::{IpAddr, Ipv6Addr};

use bytes::{BufMut, Bytes, BytesMut};
use outcrop_base::{
    Cast, Cause, Checksum, DropReason, Instant, InterfaceId, IpFields, Limit, Note, PacketId,
    PathSignalKind, TimerKind, Verdict, Why,
};

use super::Endpoint;
use super::icmp::{About, read_quote};
use super::receive::Datagram;
use crate::wire::icmp::{self, Error};
use crate::wire::nd::{self, Body, Message, Options};
use crate::wire::{ipv4, ipv6};
use crate::{AddressState, Event, Heard, Hop, Quote, Rule, Transmit, address};

/// A message on its way to be judged.
pub(super) struct Said {
    pub(super) at: Instant,
    pub(super) cause: Cause,
    pub(super) iface: InterfaceId,
    pub(super) src: Ipv6Addr,
    pub(super) dst: Ipv6Addr,
    pub(super) options: Options,
}

impl Endpoint {
    /// Whether `addr` is everybody on this link.
    #[must_use]
    pub fn is_broadcast_on(&self, iface: InterfaceId, addr: IpAddr) -> bool {
        addr.is_ipv4() && self.cast(addr, iface) == Some(Cast::Broadcast)
    }

    /// The link wants to know where `ip` is: everybody is asked, or the one who had it.
    pub fn solicit(&mut self, iface: InterfaceId, ip: IpAddr, known: bool) {
        let IpAddr::V6(target) = ip else {
            return;
        };
        let Some(IpAddr::V6(src)) = self.source_on(iface, ip) else {
            return;
        };
        let dst = if known {
            target
        } else {
            address::solicited_node(target)
        };
        let options = Options {
            source: self.link_address(iface),
            ..Options::default()
        };
        let note = Note::new(
            Why::NeighborSolicitation,
            Limit::None,
            Cause::Timer(TimerKind::Neighbor),
        );
        let body = Body::NeighborSolicitation { target };
        self.send_discovery(iface, (src, dst), &Message { body, options }, note);
    }

    /// Nobody answered for `ip`; these packets waited. Their senders hear of it: ourselves as of any ICMP error.
    pub fn neighbor_lost(
        &mut self,
        now: Instant,
        iface: InterfaceId,
        ip: IpAddr,
        packets: Vec<Bytes>,
    ) {
        if let IpAddr::V6(router) = ip {
            self.doubt_router(iface, router, false);
        }
        for packet in packets {
            self.undeliverable(now, &packet);
        }
    }

    fn undeliverable(&mut self, now: Instant, packet: &Bytes) {
        let family = match packet.first().map(|first| first >> 4) {
            Some(4) => IpAddr::V4(core::net::Ipv4Addr::UNSPECIFIED),
            Some(_) | None => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let Some((src, dst, protocol, inner)) = read_quote(&family, packet) else {
            return;
        };
        if self.is_local(src) {
            let (icmp_type, icmp_code) = if src.is_ipv4() { (3, 1) } else { (1, 3) };
            let quote = Quote {
                from: src,
                local: src,
                remote: dst,
                protocol,
                inner,
                kind: PathSignalKind::Disrupted,
                icmp_type,
                icmp_code,
            };
            let id = PacketId(0);
            self.push_event(Event::IcmpError { quote, id });
            return;
        }
        let len = match src {
            IpAddr::V4(_) => packet
                .first()
                .map_or(0, |first| usize::from(first & 15) * 4),
            IpAddr::V6(_) => ipv6::HEADER_LEN,
        };
        let Some((header, payload)) = packet.split_at_checked(len.max(ipv4::HEADER_LEN)) else {
            return;
        };
        let about = About {
            now,
            cause: Cause::Timer(TimerKind::Neighbor),
            src,
            dst,
            cast: Cast::Unicast,
            header,
            payload,
            protocol,
        };
        let _verdict = self.error(&about, Error::HostUnreachable, false);
    }

    /// Takes a message for us; its checksum is right.
    pub(super) fn handle_discovery(&mut self, datagram: &Datagram, bytes: &[u8]) -> Verdict {
        let invalid = Rule::NdMessage.drop(DropReason::IcmpInvalid);
        let (IpAddr::V6(src), IpAddr::V6(dst)) = (datagram.src, datagram.dst) else {
            return invalid;
        };
        // RFC 6980 5: nobody needs to cut such a message, but who hides one.
        if datagram.hop_limit != nd::HOP_LIMIT || datagram.in_fragments {
            return invalid;
        }
        let Some(Message { body, options }) = nd::parse(bytes) else {
            return invalid;
        };
        let said = Said {
            at: datagram.packet.at,
            cause: Cause::Packet(datagram.packet.id),
            iface: datagram.packet.iface,
            src,
            dst,
            options,
        };
        match body {
            Body::NeighborSolicitation { target } if is_question(&said, target) => {
                self.asked(&said, target)
            }
            Body::NeighborAdvertisement {
                target,
                router,
                solicited,
                replaces,
            } if !(target.is_multicast() || solicited && dst.is_multicast()) => {
                let heard = Heard::Advertisement {
                    solicited,
                    replaces,
                    router,
                };
                self.answered_for(&said, target, heard)
            }
            Body::RouterAdvertisement(router) if src.is_unicast_link_local() => {
                self.hear_router(&said, &router)
            }
            Body::RouterSolicitation if !src.is_unspecified() || said.options.source.is_none() => {
                self.asked_for_router(&said)
            }
            Body::Redirect {
                target,
                destination,
            } if src.is_unicast_link_local() && !destination.is_multicast() => {
                self.redirected(&said, target, destination)
            }
            Body::NeighborSolicitation { .. }
            | Body::NeighborAdvertisement { .. }
            | Body::RouterAdvertisement(_)
            | Body::RouterSolicitation
            | Body::Redirect { .. } => invalid,
        }
    }

    /// Somebody asks for `target` (RFC 4861 7.2.3), or wants to have it (RFC 4862 5.4.3).
    fn asked(&mut self, said: &Said, target: Ipv6Addr) -> Verdict {
        let Some(entry) = self.book.find(said.iface, target.into()) else {
            return Rule::NdSolicitation.drop(DropReason::IcmpUnrelated);
        };
        if entry.state == AddressState::Tentative {
            if !said.src.is_unspecified() {
                // Somebody resolves an address that is not ours yet.
                return Rule::NdSolicitation.drop(DropReason::IcmpUnrelated);
            }
            let nonce = said.options.nonce;
            if nonce.is_some() && self.auto.checks.is_ours(said.iface, target, nonce) {
                return Rule::NdLoop.drop(DropReason::IcmpUnrelated);
            }
            self.duplicate(said.at, said.iface, target);
            return Rule::NdDuplicate.taken();
        }
        self.hear_source(said);
        // Who has no address hears the answer with everybody (RFC 4861 7.2.4).
        let solicited = !said.src.is_unspecified();
        let dst = if solicited {
            said.src
        } else {
            address::ALL_NODES
        };
        self.advertise(said.iface, (target, dst), solicited, said.cause);
        Rule::NdSolicitation.taken()
    }

    /// Says that `target` is ours.
    fn advertise(
        &mut self,
        iface: InterfaceId,
        (target, dst): (Ipv6Addr, Ipv6Addr),
        solicited: bool,
        cause: Cause,
    ) {
        let body = Body::NeighborAdvertisement {
            target,
            router: self.config.forward,
            solicited,
            replaces: true,
        };
        let options = Options {
            target: self.link_address(iface),
            ..Options::default()
        };
        let note = Note::new(Why::NeighborAdvertisement, Limit::None, cause);
        self.send_discovery(iface, (target, dst), &Message { body, options }, note);
    }

    /// Somebody says that it has `target`.
    fn answered_for(&mut self, said: &Said, target: Ipv6Addr, heard: Heard) -> Verdict {
        let state = self
            .book
            .find(said.iface, target.into())
            .map(|entry| entry.state);
        match state {
            Some(AddressState::Tentative) => {
                self.duplicate(said.at, said.iface, target);
                Rule::NdDuplicate.taken()
            }
            // RFC 4862 5.4.4: an address in use is not given up on one word.
            Some(_) => Rule::NdDuplicate.drop(DropReason::IcmpUnrelated),
            None => {
                self.push_event(Event::Neighbor {
                    iface: said.iface,
                    ip: target.into(),
                    link: said.options.target,
                    heard,
                });
                Rule::NdAdvertisement.taken()
            }
        }
    }

    /// The sender of a message says where it is.
    pub(super) fn hear_source(&mut self, said: &Said) {
        if !said.src.is_unspecified() && said.options.source.is_some() {
            self.push_event(Event::Neighbor {
                iface: said.iface,
                ip: said.src.into(),
                link: said.options.source,
                heard: Heard::Source,
            });
        }
    }

    pub(super) fn link_address(&self, iface: InterfaceId) -> Option<[u8; 6]> {
        self.interface(iface)?.link_address
    }

    /// Queues a message of neighbour discovery, straight to its link.
    pub(super) fn send_discovery(
        &mut self,
        iface: InterfaceId,
        (src, dst): (Ipv6Addr, Ipv6Addr),
        message: &Message,
        note: Note,
    ) {
        if self.link_address(iface).is_none() || self.out.len() >= self.config.transmit_queue {
            return;
        }
        let mut body = nd::emit(message);
        let len = u32::try_from(body.len()).unwrap_or(u32::MAX);
        let mut sum = Checksum::pseudo_header(src.into(), dst.into(), icmp::PROTOCOL_V6, len);
        sum.add(&body);
        if let Some(field) = body.get_mut(2..4) {
            field.copy_from_slice(&sum.finish().to_be_bytes());
        }
        let fields = IpFields::default();
        let header = ipv6::Header {
            dscp: fields.dscp,
            ecn: fields.ecn,
            flow_label: fields.flow_label,
            payload_len: body.len(),
            next_header: icmp::PROTOCOL_V6,
            hop_limit: nd::HOP_LIMIT,
            src,
            dst,
        };
        let mut head = [0; ipv6::HEADER_LEN];
        ipv6::emit(&header, &mut head);
        let mut bytes = BytesMut::with_capacity(head.len() + body.len());
        bytes.put_slice(&head);
        bytes.put_slice(&body);
        let next = dst.into();
        self.out.push_back(Transmit {
            hop: Hop { iface, next },
            bytes: bytes.freeze(),
            note,
        });
    }
}

/// RFC 4861 7.1.1: a question from nobody goes to the group of its target, and does not say where nobody is.
fn is_question(said: &Said, target: Ipv6Addr) -> bool {
    let from_nobody = said.src.is_unspecified();
    let to_group = said.dst == address::solicited_node(target);
    !target.is_multicast() && (!from_nobody || to_group && said.options.source.is_none())
}
