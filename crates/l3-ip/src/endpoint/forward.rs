//! Packets for others.
//!
//! Job: decide whether and where a packet goes on, and put it into the form the next link takes.
//! Owns: the order of the questions, the queue of what goes on. Does not know: how a filter decides.
//! Sources: RFC 1812 5.2.1 and 5.3 (the forwarder), RFC 8200 3 and 5, RFC 4443 3.

use std::collections::VecDeque;

use core::hash::{Hash, Hasher};
use core::net::{IpAddr, Ipv4Addr};

use bytes::{Bytes, BytesMut};
use outcrop_base::{Cast, Cause, DropReason, Instant, Limit, Note, Verdict, Why};

use super::Endpoint;
use super::icmp::About;
use super::multicast::GroupRoute;
use crate::filter::{Filter, Passing, Ruling};
use crate::route::Found;
use crate::wire::icmp::Error;
use crate::wire::{icmp, ipv4, ipv6};
use crate::{Hop, InterfaceConfig, PacketIn, Refusal, Rule, Transmit, address, cut, stamp};

/// What a router has beyond a host.
#[derive(Clone, Debug, Default)]
pub(super) struct Transit {
    pub(super) queue: VecDeque<Transmit>,
    pub(super) filter: Option<Box<dyn Filter>>,
    pub(super) groups: Vec<GroupRoute>,
}

impl Transit {
    pub(super) fn fingerprint(&self, now: Instant, into: &mut dyn Hasher) {
        if let Some(filter) = &self.filter {
            filter.fingerprint(now, into);
        }
        let mut into = into;
        self.groups.hash(&mut into);
        for transmit in &self.queue {
            transmit.bytes.hash(&mut into);
        }
    }
}

/// A packet for somebody else, its header read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Traveller<'a> {
    pub(super) packet: &'a PacketIn,
    pub(super) src: IpAddr,
    pub(super) dst: IpAddr,
    pub(super) hops: u8,
    protocol: u8,
    /// Where the transport's header begins.
    payload_at: usize,
    later_fragment: bool,
    /// It may be cut here: its IPv4 header, if so.
    divisible: Option<ipv4::Header>,
}

/// Why a packet goes no further, and what its sender is told.
pub(super) struct Refused {
    rule: Rule,
    reason: DropReason,
    error: Option<Error>,
}

impl Refused {
    pub(super) const fn verdict(&self) -> Verdict {
        self.rule.drop(self.reason)
    }
}

const fn refused(rule: Rule, reason: DropReason, error: Option<Error>) -> Refused {
    Refused {
        rule,
        reason,
        error,
    }
}

impl Endpoint {
    /// Passes an IPv4 packet on, or says why not. Its header has been checked.
    pub(super) fn forward_v4(&mut self, packet: &PacketIn, header: &ipv4::Header) -> Verdict {
        let options = packet.bytes.get(..header.header_len).unwrap_or_default();
        let walked = ipv4::check_options(options);
        let traveller = Traveller {
            packet,
            src: header.src.into(),
            dst: header.dst.into(),
            hops: header.ttl,
            protocol: header.protocol,
            payload_at: header.header_len,
            later_fragment: header.offset > 0,
            divisible: (!header.df).then_some(*header),
        };
        if let Err((reason, at)) = walked {
            let (code, pointer) = (0, usize::from(at));
            let error = Some(Error::Parameter { code, pointer });
            return self.turn_away(&traveller, refused(Rule::Ipv4Options, reason, error));
        }
        self.forward(&traveller)
    }

    /// Passes an IPv6 packet on, or says why not. Extension headers are the destination's business.
    pub(super) fn forward_v6(&mut self, packet: &PacketIn, header: &ipv6::Header) -> Verdict {
        let inner = ipv6::skip_extensions(&packet.bytes, header.next_header);
        self.forward(&Traveller {
            packet,
            src: header.src.into(),
            dst: header.dst.into(),
            hops: header.hop_limit,
            protocol: inner.protocol,
            payload_at: inner.payload_at,
            later_fragment: inner.later_fragment,
            divisible: None,
        })
    }

    fn forward(&mut self, traveller: &Traveller<'_>) -> Verdict {
        if traveller.dst.is_multicast()
            && let Some(verdict) = self.forward_group(traveller)
        {
            return verdict;
        }
        let way = self
            .may_cross(traveller)
            .and_then(|()| self.way_on(traveller));
        let sent = way.and_then(|hop| {
            self.ask_filter(traveller, hop)?;
            self.pass_on(traveller, hop)
        });
        match sent {
            Ok(()) => Rule::Forward.taken(),
            Err(refusal) => self.turn_away(traveller, refusal),
        }
    }

    /// Whether its addresses mean anything beyond the link.
    fn may_cross(&self, traveller: &Traveller<'_>) -> Result<(), Refused> {
        let Traveller {
            packet, src, dst, ..
        } = *traveller;
        if dst.is_multicast() {
            // No route says where it goes, and we are not in it: it is none of our business.
            let quiet = refused(Rule::Destination, DropReason::IpNotForUs, None);
            return Err(quiet);
        }
        let came_by = self.interface(packet.iface);
        let forged = self.is_local(src)
            || came_by.is_some_and(|link| link.is_broadcast(src))
            || packet.gso_size.is_some();
        let stays = address::stays_on_link(dst)
            || self.interfaces.iter().any(|link| link.is_broadcast(dst));
        if forged || stays || src.is_ipv4() && address::stays_on_link(src) {
            let rule = Rule::ForwardScope;
            return Err(refused(rule, DropReason::IpNotForwardable, None));
        }
        let back = self.routes.find(src);
        let would_answer = matches!(back, Some(Found::Hop(hop)) if hop.iface == packet.iface);
        if self.config.strict_source && !address::stays_on_link(src) && !would_answer {
            let rule = Rule::ForwardSource;
            return Err(refused(rule, DropReason::IpFiltered, None));
        }
        if address::stays_on_link(src) {
            // RFC 4443 3.1, code 2.
            let error = Some(Error::BeyondScope);
            let reason = DropReason::IpNotForwardable;
            return Err(refused(Rule::ForwardScope, reason, error));
        }
        Ok(())
    }

    /// Its next hop, if it has a route and hops left.
    fn way_on(&self, traveller: &Traveller<'_>) -> Result<Hop, Refused> {
        let no_route = DropReason::IpNoRoute;
        let hop = match self.routes.find(traveller.dst) {
            None => {
                let error = Some(Error::NoRoute);
                return Err(refused(Rule::ForwardRoute, no_route, error));
            }
            Some(Found::Refused(refusal)) => {
                let (reason, error) = match refusal {
                    Refusal::Blackhole => (no_route, None),
                    Refusal::Unreachable => (no_route, Some(Error::HostUnreachable)),
                    Refusal::Prohibited => (DropReason::IpFiltered, Some(Error::Prohibited)),
                };
                return Err(refused(Rule::ForwardRefusal, reason, error));
            }
            Some(Found::Hop(hop)) => hop,
        };
        let is_back = hop.iface == traveller.packet.iface && hop.next == traveller.dst;
        if is_back && self.interface(hop.iface).is_some_and(|l| l.point_to_point) {
            // Whoever is at the other end has just said that it is not them.
            let error = Some(Error::HostUnreachable);
            return Err(refused(Rule::ForwardReturn, no_route, error));
        }
        if traveller.hops <= 1 {
            let reason = match traveller.dst {
                IpAddr::V4(_) => DropReason::Ipv4TtlExpired,
                IpAddr::V6(_) => DropReason::Ipv6HopLimitExpired,
            };
            let error = Some(Error::HopLimit);
            return Err(refused(Rule::ForwardHops, reason, error));
        }
        Ok(hop)
    }

    fn ask_filter(&mut self, traveller: &Traveller<'_>, hop: Hop) -> Result<(), Refused> {
        let Some(filter) = &mut self.transit.filter else {
            return Ok(());
        };
        let (header, payload) = traveller.split();
        let ruling = filter.judge(
            traveller.packet.at,
            &Passing {
                from: traveller.packet.iface,
                to: hop.iface,
                src: traveller.src,
                dst: traveller.dst,
                protocol: traveller.protocol,
                later_fragment: traveller.later_fragment,
                header,
                payload,
            },
        );
        let error = match ruling {
            Ruling::Pass => return Ok(()),
            Ruling::Drop => None,
            Ruling::Refuse => Some(Error::Prohibited),
        };
        Err(refused(Rule::ForwardFilter, DropReason::IpFiltered, error))
    }

    fn pass_on(&mut self, traveller: &Traveller<'_>, hop: Hop) -> Result<(), Refused> {
        let no_route = || refused(Rule::ForwardRoute, DropReason::IpNoRoute, None);
        let link = self.interface(hop.iface).ok_or_else(no_route)?;
        let mtu = usize::try_from(link.mtu).unwrap_or(usize::MAX);
        let redirect = redirection(link, traveller, hop);
        let too_big = || {
            let error = Some(Error::TooBig { mtu: link.mtu });
            refused(Rule::ForwardSize, DropReason::IpTooBig, error)
        };
        let bytes = self.one_hop_on(traveller, link);
        let cause = Cause::Packet(traveller.packet.id);
        if bytes.len() <= mtu {
            let why = Note::new(Why::Forwarded, Limit::None, cause);
            self.queue_transit(hop, vec![bytes], why)?;
        } else {
            let header = traveller.divisible.ok_or_else(too_big)?;
            let pieces = cut::cut_v4(&bytes, &header, mtu).ok_or_else(too_big)?;
            let why = Note::new(Why::Fragment, Limit::None, cause);
            self.queue_transit(hop, pieces, why)?;
        }
        if let Some(gateway) = redirect {
            // The packet itself goes on.
            let about = traveller.about();
            let _verdict = self.error(&about, Error::Redirect { gateway }, false);
        }
        self.redirect_v6(traveller, hop);
        Ok(())
    }

    /// The packet as it leaves: one hop less, and with what its options ask of us.
    pub(super) fn one_hop_on(&self, traveller: &Traveller<'_>, link: &InterfaceConfig) -> Bytes {
        // A copy unless the buffer is nobody else's.
        let mut bytes = BytesMut::from(traveller.packet.bytes.clone());
        match traveller.dst {
            IpAddr::V6(_) => cut::take_hop_v6(&mut bytes),
            IpAddr::V4(_) => {
                cut::take_hop_v4(&mut bytes);
                let has_options = traveller.payload_at > ipv4::HEADER_LEN;
                let ours = link.addresses.iter().find_map(|cidr| match cidr.addr() {
                    IpAddr::V4(addr) => Some(addr),
                    IpAddr::V6(_) => None,
                });
                if let (true, Some(ours)) = (has_options, ours)
                    && let Some(header) = bytes.get_mut(..traveller.payload_at)
                {
                    stamp::stamp(header, ours, traveller.packet.at);
                }
            }
        }
        bytes.freeze()
    }

    /// All pieces or none: half a packet is of no use to anybody.
    pub(super) fn queue_transit(
        &mut self,
        hop: Hop,
        pieces: Vec<Bytes>,
        note: Note,
    ) -> Result<(), Refused> {
        if self.transit.queue.len() + pieces.len() > self.config.forward_queue {
            let reason = DropReason::IpQueueFull;
            return Err(refused(Rule::ForwardQueue, reason, None));
        }
        let plans = pieces
            .into_iter()
            .map(|bytes| Transmit { hop, bytes, note });
        self.transit.queue.extend(plans);
        Ok(())
    }

    /// Drops a packet, and tells its sender if that is due.
    fn turn_away(&mut self, traveller: &Traveller<'_>, refusal: Refused) -> Verdict {
        if let Some(error) = refusal.error
            && !traveller.later_fragment
        {
            // The packet's own verdict says why it was refused; whether the error left shows in what is sent.
            let _verdict = self.error(&traveller.about(), error, false);
        }
        refusal.rule.drop(refusal.reason)
    }
}

impl Traveller<'_> {
    fn split(&self) -> (&[u8], &[u8]) {
        let bytes = &self.packet.bytes;
        bytes.split_at(self.payload_at.min(bytes.len()))
    }

    /// Its IPv4 header, if it may be cut here.
    pub(super) const fn divisible(&self) -> Option<&ipv4::Header> {
        self.divisible.as_ref()
    }

    pub(super) fn about(&self) -> About<'_> {
        let (header, payload) = self.split();
        About {
            now: self.packet.at,
            cause: Cause::Packet(self.packet.id),
            src: self.src,
            dst: self.dst,
            cast: if self.dst.is_multicast() {
                Cast::Multicast
            } else {
                Cast::Unicast
            },
            header,
            payload,
            protocol: self.protocol,
        }
    }
}

/// The better first hop of a sender whose packet leaves by the link it came by (RFC 1812 5.2.7.2).
fn redirection(link: &InterfaceConfig, traveller: &Traveller<'_>, hop: Hop) -> Option<Ipv4Addr> {
    let (IpAddr::V4(gateway), false) = (hop.next, link.point_to_point) else {
        return None;
    };
    let shared = |cidr: &&crate::Cidr| cidr.contains(traveller.src) && cidr.contains(hop.next);
    let same = hop.iface == traveller.packet.iface && link.addresses.iter().any(|c| shared(&c));
    (same && traveller.protocol != icmp::PROTOCOL_V6).then_some(gateway)
}
