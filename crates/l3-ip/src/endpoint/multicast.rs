//! Packets to groups, passed on.
//!
//! Job: copy what comes in by the link that a person named to the links named for it. Owns: those routes. Does not know:
//! who listens; no routing protocol speaks here, and no group is asked for.
//! Sources: RFC 1812 5.2.1.3 and 5.3.10, RFC 4291 2.7 (scopes that stay), RFC 5771 4 (the block that stays), RFC 4443 2.4 e.

use core::net::IpAddr;

use outcrop_base::{Cause, DropReason, InterfaceId, Limit, Note, Verdict, Why};

use super::Endpoint;
use super::forward::Traveller;
use crate::wire::icmp::Error;
use crate::{Cidr, ConfigError, Hop, Rule, address, cut};

/// Routes of groups.
const MAX_GROUP_ROUTES: usize = 64;

/// Where packets to some groups go on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct GroupRoute {
    groups: Cidr,
    from: InterfaceId,
    to: Vec<InterfaceId>,
}

impl Endpoint {
    /// Passes packets to `groups` on to the links `to`, if they come in by `from`; by any other, they might come round.
    ///
    /// # Errors
    /// What is no group, or stays on its link; an interface that does not exist or is named twice; too many routes.
    pub fn route_groups(
        &mut self,
        groups: Cidr,
        from: InterfaceId,
        to: Vec<InterfaceId>,
    ) -> Result<(), ConfigError> {
        if !groups.network().is_multicast() || groups.prefix() < 4 || stays(groups.network()) {
            return Err(ConfigError::Address);
        }
        if self.interface(from).is_none() || to.iter().any(|to| self.interface(*to).is_none()) {
            return Err(ConfigError::UnknownInterface);
        }
        let twice =
            |(at, one): (usize, &InterfaceId)| to.iter().skip(at + 1).any(|other| other == one);
        if to.contains(&from) || to.iter().enumerate().any(twice) {
            return Err(ConfigError::DuplicateInterface);
        }
        if self.transit.groups.len() >= MAX_GROUP_ROUTES {
            return Err(ConfigError::TooMany);
        }
        self.transit.groups.push(GroupRoute { groups, from, to });
        Ok(())
    }

    /// Whether a packet to this group that came in by `iface` goes on.
    pub(super) fn passes_group(&self, group: IpAddr, iface: InterfaceId) -> bool {
        self.group_route(group, iface).is_some()
    }

    fn group_route(&self, group: IpAddr, iface: InterfaceId) -> Option<&GroupRoute> {
        let mut all = self.transit.groups.iter();
        all.find(|route| route.groups.contains(group) && route.from == iface)
    }

    /// A copy for each link, one hop on; `None` if no route says so. Nobody is told of what goes no further, but of what
    /// is too long in IPv6: that alone an error may be sent about.
    pub(super) fn forward_group(&mut self, traveller: &Traveller<'_>) -> Option<Verdict> {
        let (dst, src) = (traveller.dst, traveller.src);
        let to = self.group_route(dst, traveller.packet.iface)?.to.clone();
        if stays(dst) || address::stays_on_link(src) || self.is_local(src) {
            return Some(Rule::ForwardScope.drop(DropReason::IpNotForwardable));
        }
        if traveller.hops <= 1 {
            let reason = match dst {
                IpAddr::V4(_) => DropReason::Ipv4TtlExpired,
                IpAddr::V6(_) => DropReason::Ipv6HopLimitExpired,
            };
            return Some(Rule::ForwardHops.drop(reason));
        }
        let mut verdict = Rule::ForwardGroup.taken();
        for iface in to {
            if let Err(refused) = self.copy_to(traveller, iface) {
                verdict = refused;
            }
        }
        Some(verdict)
    }

    fn copy_to(&mut self, traveller: &Traveller<'_>, iface: InterfaceId) -> Result<(), Verdict> {
        let no_link = Rule::ForwardRoute.drop(DropReason::IpNoRoute);
        let link = self.interface(iface).ok_or(no_link)?;
        let (mtu, narrow) = (usize::try_from(link.mtu).unwrap_or(usize::MAX), link.mtu);
        let bytes = self.one_hop_on(traveller, link);
        let cause = Cause::Packet(traveller.packet.id);
        let (why, pieces) = if bytes.len() <= mtu {
            (Why::Forwarded, Some(vec![bytes]))
        } else {
            let header = traveller.divisible();
            (
                Why::Fragment,
                header.and_then(|header| cut::cut_v4(&bytes, header, mtu)),
            )
        };
        let Some(pieces) = pieces else {
            if dst_is_v6(traveller) {
                let error = Error::TooBig { mtu: narrow };
                let _verdict = self.error(&traveller.about(), error, true);
            }
            return Err(Rule::ForwardSize.drop(DropReason::IpTooBig));
        };
        let hop = Hop {
            iface,
            next: traveller.dst,
        };
        let queued = self.queue_transit(hop, pieces, Note::new(why, Limit::None, cause));
        queued.map_err(|refused| refused.verdict())
    }
}

const fn dst_is_v6(traveller: &Traveller<'_>) -> bool {
    traveller.dst.is_ipv6()
}

/// Whether no router passes on what goes to `group`: 224.0.0/24, and scopes up to the link's.
fn stays(group: IpAddr) -> bool {
    match group {
        IpAddr::V4(group) => group.octets().starts_with(&[224, 0, 0]),
        IpAddr::V6(_) => address::scope(group) <= 2,
    }
}
