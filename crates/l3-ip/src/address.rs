//! What an address is good for.
//!
//! Job: say which addresses may send, which are groups, and how far each reaches.
//! Owns: the classification. Does not know: interfaces or routes.
//! Sources: RFC 1122 3.2.1.3, RFC 6890 (special-purpose addresses), RFC 4291 2, RFC 6724 3.1 (scopes).

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

/// Whether the pair is that of a host still without an address, speaking to a group (RFC 4862, RFC 3810) or to
/// everybody (RFC 1122 3.2.1.3 a, RFC 2131 4.1).
pub(crate) const fn is_solicitation(src: IpAddr, dst: IpAddr) -> bool {
    match (src, dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => src.is_unspecified() && dst.is_broadcast(),
        (IpAddr::V6(src), IpAddr::V6(dst)) => src.is_unspecified() && dst.is_multicast(),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
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

/// Every host of a link (RFC 1112 4).
pub(crate) const ALL_SYSTEMS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 1);

/// Every node of a link (RFC 4291 2.7.1).
pub(crate) const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// Whether packets to `dst` go straight to their link, whatever the routes say.
pub(crate) fn is_link_scoped(dst: IpAddr) -> bool {
    match dst {
        IpAddr::V4(dst) => dst.is_broadcast() || dst.is_multicast() || dst.is_link_local(),
        IpAddr::V6(dst) => dst.is_multicast() || dst.is_unicast_link_local(),
    }
}

/// Whether every host belongs to a group unasked: all systems, all nodes (RFC 1112 7.2, RFC 4291 2.7.1).
#[must_use]
pub fn is_all_hosts(addr: IpAddr) -> bool {
    match addr {
        IpAddr::V4(addr) => addr == ALL_SYSTEMS,
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
pub(crate) fn scope(addr: IpAddr) -> u8 {
    let near = match addr {
        IpAddr::V4(addr) => addr.is_link_local() || addr.is_loopback(),
        IpAddr::V6(addr) if addr.is_multicast() => return addr.octets()[1] & 0x0f,
        IpAddr::V6(addr) if is_site_local(addr) => return 5,
        IpAddr::V6(addr) => addr.is_unicast_link_local() || addr.is_loopback(),
    };
    if near { 2 } else { 14 }
}

/// Of a kind that is not given out any more (RFC 3879 4), and still reaches a site.
fn is_site_local(addr: Ipv6Addr) -> bool {
    addr.to_bits() >> 118 == 0xfec0 >> 6
}

/// Whether `src` means anything as far away as `dst` is.
pub(crate) fn reaches(src: IpAddr, dst: IpAddr) -> bool {
    scope(src) >= scope(dst)
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
    fn solicited_node_group_takes_the_low_24_bits() {
        // RFC 4291 2.7.1's own example.
        let group = solicited_node("4037::01:800:200e:8c6c".parse().unwrap());
        assert_eq!(IpAddr::from(group), ip("ff02::1:ff0e:8c6c"));
    }
}
