//! What an address is good for.
//!
//! Job: say which addresses may send, which are groups, and which source suits a destination.
//! Owns: the classification. Does not know: interfaces or routes.
//! Sources: RFC 1122 3.2.1.3, RFC 6890 (special-purpose addresses), RFC 4291 2, RFC 6724 3.1 and 5.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether a packet may come from `addr` over a link (RFC 1122 3.2.1.3, RFC 4291 2.5.2, 2.5.3, 2.7).
/// The unspecified IPv6 address is no host's either, but see [`is_solicitation`].
pub(crate) fn may_send(addr: IpAddr) -> bool {
    match addr {
        IpAddr::V4(addr) => {
            let [first, ..] = addr.octets();
            // 0/8 is "this network", 127/8 this host, 224/4 groups, 240/4 reserved with broadcast.
            !matches!(first, 0 | 127 | 224..)
        }
        IpAddr::V6(addr) => !addr.is_unspecified() && !addr.is_loopback() && !addr.is_multicast(),
    }
}

/// Whether the pair is that of a host still without an address speaking to a group (RFC 4862, RFC 3810).
pub(crate) const fn is_solicitation(src: IpAddr, dst: IpAddr) -> bool {
    src.is_ipv6() && src.is_unspecified() && dst.is_multicast()
}

/// Whether an interface can own `addr`.
pub(crate) fn may_own(addr: IpAddr) -> bool {
    may_send(addr) || addr.is_loopback()
}

/// Whether no router passes on what bears `addr` (RFC 1812 5.3.7, RFC 3927 7, RFC 4291 2.5.6, RFC 6890).
pub(crate) fn stays_on_link(addr: IpAddr) -> bool {
    !may_send(addr)
        || match addr {
            IpAddr::V4(addr) => addr.is_link_local(),
            IpAddr::V6(addr) => addr.is_unicast_link_local(),
        }
}

/// Groups that every host belongs to: all systems, all nodes.
pub(crate) fn is_all_hosts(addr: IpAddr) -> bool {
    match addr {
        IpAddr::V4(addr) => addr == Ipv4Addr::new(224, 0, 0, 1),
        IpAddr::V6(addr) => {
            addr == Ipv6Addr::new(0xff01, 0, 0, 0, 0, 0, 0, 1)
                || addr == Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1)
        }
    }
}

/// The group in which `addr` is asked for (RFC 4291 2.7.1).
pub(crate) fn solicited_node(addr: Ipv6Addr) -> Ipv6Addr {
    let low = addr.to_bits() & 0xff_ffff;
    Ipv6Addr::from_bits(0xff02_0000_0000_0000_0000_0001_ff00_0000 | low)
}

/// How far an address reaches, in RFC 4007's numbers: 2 the link, 14 everywhere.
fn scope(addr: IpAddr) -> u8 {
    let near = match addr {
        IpAddr::V4(addr) => addr.is_link_local() || addr.is_loopback(),
        IpAddr::V6(addr) if addr.is_multicast() => return addr.octets()[1] & 0x0f,
        IpAddr::V6(addr) => addr.is_unicast_link_local() || addr.is_loopback(),
    };
    if near { 2 } else { 14 }
}

/// Leading bits that two addresses have in common; zero across families.
fn common_prefix(a: IpAddr, b: IpAddr) -> u32 {
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => 0,
    }
}

/// The best source for `dst` among `candidates` (RFC 6724 5, rules 1, 2 and 8); the first of equals.
pub(crate) fn best_source(dst: IpAddr, candidates: impl Iterator<Item = IpAddr>) -> Option<IpAddr> {
    let wanted = scope(dst);
    let rank = |src: IpAddr| {
        let reach = scope(src);
        // Rule 2: the smallest scope that is enough; failing that, the largest there is.
        let by_scope = if reach >= wanted {
            (1, 15 - reach)
        } else {
            (0, reach)
        };
        (src == dst, by_scope, common_prefix(src, dst))
    };
    let family = candidates.filter(|src| src.is_ipv4() == dst.is_ipv4());
    // `max_by_key` would keep the last of equals.
    family.reduce(|best, next| if rank(next) > rank(best) { next } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_no_host_may_send_from_are_refused() {
        for bad in [
            "0.0.0.0",
            "0.1.2.3",
            "127.0.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "::",
            "::1",
            "ff02::1",
        ] {
            assert!(!may_send(ip(bad)), "{bad}");
        }
        for good in [
            "10.0.0.1",
            "169.254.0.1",
            "223.255.255.254",
            "fe80::1",
            "fd77::2",
            "2001:db8::1",
        ] {
            assert!(may_send(ip(good)), "{good}");
        }
    }

    #[test]
    fn source_is_chosen_by_scope_then_by_prefix() {
        // The first two rows are in the spirit of RFC 6724 10.1.
        let table = [
            (
                "2001:db8:1::1",
                vec!["2001:db8:3::1", "fe80::1"],
                "2001:db8:3::1",
            ),
            ("ff05::1", vec!["2001:db8:3::1", "fe80::1"], "2001:db8:3::1"),
            ("fe80::9", vec!["2001:db8:3::1", "fe80::1"], "fe80::1"),
            (
                "2001:db8:1::1",
                vec!["2001:db8:3::1", "2001:db8:1::2"],
                "2001:db8:1::2",
            ),
            ("10.2.0.1", vec!["10.1.0.1", "10.2.0.9"], "10.2.0.9"),
            ("10.2.0.9", vec!["10.2.0.8", "10.2.0.9"], "10.2.0.9"),
        ];
        for (dst, candidates, expected) in table {
            let candidates = candidates.into_iter().map(ip);
            assert_eq!(
                best_source(ip(dst), candidates),
                Some(ip(expected)),
                "{dst}"
            );
        }
        assert_eq!(
            best_source(ip("10.0.0.1"), [ip("fe80::1")].into_iter()),
            None
        );
    }

    #[test]
    fn solicited_node_group_takes_the_low_24_bits() {
        // RFC 4291 2.7.1's own example.
        let group = solicited_node("4037::01:800:200e:8c6c".parse().unwrap());
        assert_eq!(IpAddr::from(group), ip("ff02::1:ff0e:8c6c"));
    }
}
