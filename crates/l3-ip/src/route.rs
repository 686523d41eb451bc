//! Which way a packet goes.
//!
//! Job: find the route with the longest prefix that contains a destination.
//! Owns: the table. Does not know: whether the way is open. Source: RFC 1812 5.2.4.3 (longest match), RFC 4632 5.1.

use core::net::IpAddr;

use outcrop_base::InterfaceId;

use crate::config::masked;
use crate::{Cidr, Hop};

/// Routes of both families.
#[derive(Clone, Debug, Default)]
pub(crate) struct Routes {
    /// Longest prefix first. Prefix lengths that nobody uses cost nothing.
    v4: Vec<Length>,
    v6: Vec<Length>,
}

/// All routes of one prefix length, sorted by network.
#[derive(Clone, Debug)]
struct Length {
    prefix: u8,
    routes: Vec<(IpAddr, Route)>,
}

#[derive(Clone, Copy, Debug)]
struct Route {
    via: Option<IpAddr>,
    iface: InterfaceId,
}

impl Routes {
    /// Adds a route; one to the same network is replaced.
    pub(crate) fn add(&mut self, dest: Cidr, via: Option<IpAddr>, iface: InterfaceId) {
        let lengths = match dest.addr() {
            IpAddr::V4(_) => &mut self.v4,
            IpAddr::V6(_) => &mut self.v6,
        };
        let prefix = dest.prefix();
        let at = lengths.partition_point(|length| length.prefix > prefix);
        if lengths.get(at).is_none_or(|length| length.prefix != prefix) {
            let routes = Vec::new();
            lengths.insert(at, Length { prefix, routes });
        }
        let Some(length) = lengths.get_mut(at) else {
            return;
        };
        let route = Route { via, iface };
        let network = dest.network();
        match length
            .routes
            .binary_search_by_key(&network, |(net, _)| *net)
        {
            Ok(found) => {
                if let Some(slot) = length.routes.get_mut(found) {
                    *slot = (network, route);
                }
            }
            Err(place) => length.routes.insert(place, (network, route)),
        }
    }

    /// Where a packet to `dst` goes next.
    pub(crate) fn lookup(&self, dst: IpAddr) -> Option<Hop> {
        let lengths = match dst {
            IpAddr::V4(_) => &self.v4,
            IpAddr::V6(_) => &self.v6,
        };
        lengths.iter().find_map(|length| {
            let network = masked(dst, length.prefix);
            let found = length
                .routes
                .binary_search_by_key(&network, |(net, _)| *net);
            let (_, route) = length.routes.get(found.ok()?)?;
            Some(Hop {
                iface: route.iface,
                next: route.via.unwrap_or(dst),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::{Ipv4Addr, Ipv6Addr};
    use proptest::prelude::*;

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
                table.add(*cidr, None, InterfaceId(u16::try_from(n).unwrap()));
            }
            let dst = asked.addr();
            let best = routes.iter().enumerate().filter(|(_, cidr)| cidr.contains(dst)).max_by_key(|(n, cidr)| (cidr.prefix(), *n));
            let expected = best.map(|(n, _)| InterfaceId(u16::try_from(n).unwrap()));
            prop_assert_eq!(table.lookup(dst).map(|hop| hop.iface), expected);
        }
    }

    #[test]
    fn a_gateway_is_the_next_hop_and_a_link_route_leads_to_the_destination() {
        let mut table = Routes::default();
        let gateway: IpAddr = "10.0.0.1".parse().unwrap();
        table.add("0.0.0.0/0".parse().unwrap(), Some(gateway), InterfaceId(1));
        table.add("10.0.0.0/24".parse().unwrap(), None, InterfaceId(1));
        let next = |dst: &str| table.lookup(dst.parse().unwrap()).map(|hop| hop.next);
        assert_eq!(next("203.0.113.9"), Some(gateway));
        assert_eq!(next("10.0.0.7"), Some("10.0.0.7".parse().unwrap()));
        assert_eq!(next("2001:db8::1"), None);
    }
}
