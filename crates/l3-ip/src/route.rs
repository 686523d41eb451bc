//! Which way a packet goes.
//!
//! Job: find the route with the longest prefix that contains a destination.
//! Owns: the table, and what gateways have said against it. Does not know: whether the way is open.
//! RFC 1122 3.2.2.2 and 3.3.1.2 (redirects).
//! Sources: RFC 1812 5.2.4.3 (longest match) and 5.2.4.4 (what has no way on), RFC 4632 5.1.

use std::collections::VecDeque;

use core::hash::{Hash, Hasher};
use core::net::IpAddr;
use core::time::Duration;

use outcrop_base::{Instant, InterfaceId};

use crate::config::masked;
use crate::{Cidr, Hop};

/// Routes of both families.
#[derive(Clone, Debug, Default)]
pub(crate) struct Routes {
    /// Longest prefix first. Prefix lengths that nobody uses cost nothing.
    v4: Vec<Length>,
    v6: Vec<Length>,
    /// Better first hops for single hosts, by what a gateway said; oldest first.
    redirects: VecDeque<Redirect>,
}

/// Better first hops remembered; the oldest gives way.
pub(crate) const MAX_REDIRECTS: usize = 64;
/// How long one is: long enough for a conversation, short enough for a gateway that has gone.
const REDIRECT_AGE: Duration = Duration::from_secs(600);

#[derive(Clone, Copy, Debug, Hash)]
struct Redirect {
    dst: IpAddr,
    via: IpAddr,
    until: Instant,
}

/// All routes of one prefix length, sorted by network.
#[derive(Clone, Debug)]
struct Length {
    prefix: u8,
    routes: Vec<(IpAddr, Target)>,
}

/// Where a route leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// Over a link.
    Link {
        /// The gateway; none if destinations are on the link.
        via: Option<IpAddr>,
        /// The link.
        iface: InterfaceId,
    },
    /// Nowhere.
    Refusal(Refusal),
}

/// How a route without a way on refuses a packet in transit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Without a word.
    Blackhole,
    /// With "host unreachable".
    Unreachable,
    /// With "administratively prohibited".
    Prohibited,
}

/// One route, for showing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Route {
    /// Its network.
    pub dest: Cidr,
    /// Where it leads.
    pub target: Target,
}

/// What the table says of a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Hop(Hop),
    Refused(Refusal),
}

impl Length {
    /// Where the route leads whose network `dst` is in.
    #[inline]
    fn find(&self, dst: IpAddr) -> Option<&Target> {
        // Most often there is one, and order is dearer to find out than equality.
        if let [(only, target)] = self.routes.as_slice() {
            return share(dst, *only, self.prefix).then_some(target);
        }
        let network = masked(dst, self.prefix);
        let found = self.routes.binary_search_by_key(&network, |(net, _)| *net);
        Some(&self.routes.get(found.ok()?)?.1)
    }
}

/// The way over a link: by the gateway, if there is one.
#[inline]
fn over(iface: InterfaceId, via: Option<IpAddr>, dst: IpAddr) -> Hop {
    Hop {
        iface,
        next: via.unwrap_or(dst),
    }
}

/// Whether the first `prefix` bits of two addresses are the same.
#[inline]
const fn share(a: IpAddr, b: IpAddr, prefix: u8) -> bool {
    // So many places to the right, what differs is gone; all of them are no shift.
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            let differ = (a.to_bits() ^ b.to_bits()) as u64;
            differ >> 32u32.saturating_sub(prefix as u32) == 0
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            let differ = a.to_bits() ^ b.to_bits();
            prefix == 0 || differ >> 128u32.saturating_sub(prefix as u32) == 0
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

impl Routes {
    /// Adds a route; one to the same network is replaced.
    pub(crate) fn add(&mut self, dest: Cidr, target: Target) {
        let lengths = self.family(dest.addr());
        let prefix = dest.prefix();
        let at = lengths.partition_point(|length| length.prefix > prefix);
        if lengths.get(at).is_none_or(|length| length.prefix != prefix) {
            let routes = Vec::new();
            lengths.insert(at, Length { prefix, routes });
        }
        let Some(length) = lengths.get_mut(at) else {
            return;
        };
        let network = dest.network();
        match length
            .routes
            .binary_search_by_key(&network, |(net, _)| *net)
        {
            Ok(found) => {
                if let Some(slot) = length.routes.get_mut(found) {
                    *slot = (network, target);
                }
            }
            Err(place) => length.routes.insert(place, (network, target)),
        }
    }

    /// Takes the route to exactly this network away; returns whether there was one.
    pub(crate) fn remove(&mut self, dest: Cidr) -> bool {
        let lengths = self.family(dest.addr());
        let Some(at) = lengths.iter().position(|l| l.prefix == dest.prefix()) else {
            return false;
        };
        let Some(length) = lengths.get_mut(at) else {
            return false;
        };
        let network = dest.network();
        let found = length
            .routes
            .binary_search_by_key(&network, |(net, _)| *net);
        let Ok(place) = found else { return false };
        length.routes.remove(place);
        if length.routes.is_empty() {
            lengths.remove(at);
        }
        true
    }

    fn family(&mut self, addr: IpAddr) -> &mut Vec<Length> {
        match addr {
            IpAddr::V4(_) => &mut self.v4,
            IpAddr::V6(_) => &mut self.v6,
        }
    }

    /// What is said of packets to `dst`.
    pub(crate) fn find(&self, dst: IpAddr) -> Option<Found> {
        Some(match *self.target(dst)? {
            Target::Link { via, iface } => Found::Hop(over(iface, via, dst)),
            Target::Refusal(refusal) => Found::Refused(refusal),
        })
    }

    #[inline]
    fn target(&self, dst: IpAddr) -> Option<&Target> {
        let lengths = match dst {
            IpAddr::V4(_) => &self.v4,
            IpAddr::V6(_) => &self.v6,
        };
        lengths.iter().find_map(|length| length.find(dst))
    }

    /// Where a packet of our own to `dst` goes next.
    #[inline]
    pub(crate) fn lookup(&self, dst: IpAddr) -> Option<Hop> {
        let hop = match *self.target(dst)? {
            Target::Link { via, iface } => over(iface, via, dst),
            Target::Refusal(_) => return None,
        };
        if self.redirects.is_empty() {
            return Some(hop);
        }
        let better = self.redirects.iter().find(|redirect| redirect.dst == dst);
        Some(better.map_or(hop, |redirect| Hop {
            next: redirect.via,
            ..hop
        }))
    }

    /// Sends what goes to `dst` by way of `via` for a while.
    pub(crate) fn redirect(&mut self, now: Instant, dst: IpAddr, via: IpAddr) {
        self.redirects.retain(|redirect| redirect.dst != dst);
        if self.redirects.len() >= MAX_REDIRECTS {
            self.redirects.pop_front();
        }
        let until = now + REDIRECT_AGE;
        self.redirects.push_back(Redirect { dst, via, until });
    }

    /// When the oldest redirect is forgotten.
    pub(crate) fn next_expiry(&self) -> Option<Instant> {
        self.redirects.front().map(|redirect| redirect.until)
    }

    /// Forgets what is too old.
    pub(crate) fn forget_due(&mut self, now: Instant) {
        while self.next_expiry().is_some_and(|at| at <= now) {
            self.redirects.pop_front();
        }
    }

    pub(crate) fn fingerprint(&self, now: Instant, into: &mut dyn Hasher) {
        let mut into = into;
        for Redirect { dst, via, until } in &self.redirects {
            (dst, via, until.saturating_since(now)).hash(&mut into);
        }
    }

    /// Every route: IPv4 before IPv6, longest prefix first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Route> {
        let lengths = self.v4.iter().chain(&self.v6);
        lengths.flat_map(|length| {
            let routes = length.routes.iter();
            routes.filter_map(|(network, target)| {
                let dest = Cidr::new(*network, length.prefix).ok()?;
                let target = *target;
                Some(Route { dest, target })
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::{Ipv4Addr, Ipv6Addr};
    use proptest::prelude::*;

    const fn link(via: Option<IpAddr>, iface: u16) -> Target {
        let iface = InterfaceId(iface);
        Target::Link { via, iface }
    }

    fn any_cidr() -> impl Strategy<Value = Cidr> {
        // Few distinct networks, so that prefixes nest.
        let v4 = (0u32..16, 0u8..=32)
            .prop_map(|(n, p)| (IpAddr::from(Ipv4Addr::from_bits(n << 28 | n)), p));
        let v6 = (0u128..16, 0u8..=128)
            .prop_map(|(n, p)| (IpAddr::from(Ipv6Addr::from_bits(n << 124 | n)), p));
        prop_oneof![v4, v6].prop_map(|(addr, prefix)| Cidr::new(addr, prefix).unwrap())
    }

    proptest! {
        /// Against the definition: of all routes that contain the destination, the longest; of equals, the newest.
        #[test]
        fn lookup_is_the_longest_match_of_a_plain_list(routes in prop::collection::vec(any_cidr(), 0..60), asked in any_cidr()) {
            let mut table = Routes::default();
            for (n, cidr) in routes.iter().enumerate() {
                table.add(*cidr, link(None, u16::try_from(n).unwrap()));
            }
            let dst = asked.addr();
            let best = routes.iter().enumerate().filter(|(_, cidr)| cidr.contains(dst)).max_by_key(|(n, cidr)| (cidr.prefix(), *n));
            let expected = best.map(|(n, _)| InterfaceId(u16::try_from(n).unwrap()));
            prop_assert_eq!(table.lookup(dst).map(|hop| hop.iface), expected);
        }
    }

    proptest! {
        /// Against a plain list again, with routes taken away and routes that lead nowhere between.
        #[test]
        fn table_after_any_changes_is_the_list_of_what_is_left(changes in prop::collection::vec((any_cidr(), any::<bool>(), any::<bool>()), 0..80), asked in any_cidr()) {
            let (mut table, mut list) = (Routes::default(), Vec::<(Cidr, Target)>::new());
            for (n, (cidr, removed, refused)) in changes.iter().enumerate() {
                let same = |other: &Cidr| other.prefix() == cidr.prefix() && other.network() == cidr.network();
                let before = list.len();
                list.retain(|(other, _)| !same(other));
                if *removed {
                    prop_assert_eq!(table.remove(*cidr), list.len() < before);
                    continue;
                }
                let target = if *refused { Target::Refusal(Refusal::Blackhole) } else { link(None, u16::try_from(n).unwrap()) };
                table.add(*cidr, target);
                list.push((*cidr, target));
            }
            prop_assert_eq!(table.iter().count(), list.len());
            let dst = asked.addr();
            let best = list.iter().filter(|(cidr, _)| cidr.contains(dst)).max_by_key(|(cidr, _)| cidr.prefix());
            let expected = best.map(|(_, target)| match *target {
                Target::Link { iface, .. } => Found::Hop(Hop { iface, next: dst }),
                Target::Refusal(refusal) => Found::Refused(refusal),
            });
            prop_assert_eq!(table.find(dst), expected);
        }
    }

    #[test]
    fn a_gateway_is_the_next_hop_and_a_link_route_leads_to_the_destination() {
        let mut table = Routes::default();
        let gateway: IpAddr = "10.0.0.1".parse().unwrap();
        table.add("0.0.0.0/0".parse().unwrap(), link(Some(gateway), 1));
        table.add("10.0.0.0/24".parse().unwrap(), link(None, 1));
        let next = |dst: &str| table.lookup(dst.parse().unwrap()).map(|hop| hop.next);
        assert_eq!(next("203.0.113.9"), Some(gateway));
        assert_eq!(next("10.0.0.7"), Some("10.0.0.7".parse().unwrap()));
        assert_eq!(next("2001:db8::1"), None);
    }
}
