//! Which of our addresses to speak from.
//!
//! Job: compare candidates by the rules of RFC 6724 in their order. Owns: the policy table. Does not know: interfaces or
//! routes; who asks gives the candidates of the link that the packet leaves by, so rule 5 (that link's addresses first)
//! has been kept before. Rule 4 (home addresses) is for mobile hosts, rule 5.5 (the prefix of the next hop) for those
//! that remember which router gave a prefix: no host of ours is either.
//! Sources: RFC 6724 2.1 (the default policy), 2.2 (common prefixes), 3 and 5.

use core::net::{IpAddr, Ipv6Addr};

use crate::address::scope;

/// An address of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) addr: IpAddr,
    /// Bits that name its network.
    pub(crate) prefix: u8,
    /// Nothing new should begin with it.
    pub(crate) deprecated: bool,
    /// Meant to be seen by strangers (RFC 8981).
    pub(crate) temporary: bool,
}

/// The best source for `dst`; the first of equals.
pub(crate) fn best(dst: IpAddr, candidates: impl Iterator<Item = Candidate>) -> Option<IpAddr> {
    let family = candidates.filter(|one| one.addr.is_ipv4() == dst.is_ipv4());
    // `max_by_key` would keep the last of equals.
    let best = family.reduce(|best, next| {
        if rank(dst, &next) > rank(dst, &best) {
            next
        } else {
            best
        }
    });
    best.map(|one| one.addr)
}

/// Rules 1, 2, 3, 6, 7 and 8, each of weight only among those that the ones before left equal.
type Rank = (bool, (bool, u8), bool, bool, bool, u32);

fn rank(dst: IpAddr, one: &Candidate) -> Rank {
    let (reach, wanted) = (scope(one.addr), scope(dst));
    // Rule 2: the smallest scope that is enough; failing that, the largest there is.
    let by_scope = if reach >= wanted {
        (true, 15 - reach)
    } else {
        (false, reach)
    };
    (
        one.addr == dst,
        by_scope,
        !one.deprecated,
        label(one.addr) == label(dst),
        one.temporary,
        common_prefix(one, dst),
    )
}

/// RFC 6724 2.1's default policy: network, bits, label. Precedence is for choosing among destinations.
const POLICY: [(Ipv6Addr, u8, u8); 9] = [
    (Ipv6Addr::LOCALHOST, 128, 0),
    (Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96, 4),
    (Ipv6Addr::UNSPECIFIED, 96, 3),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 32, 5),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, 2),
    (Ipv6Addr::new(0x3ffe, 0, 0, 0, 0, 0, 0, 0), 16, 12),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10, 11),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, 13),
    (Ipv6Addr::UNSPECIFIED, 0, 1),
];

/// Addresses of one label go together: longest prefixes stand first in the table.
fn label(addr: IpAddr) -> u8 {
    let addr = match addr {
        IpAddr::V4(addr) => addr.to_ipv6_mapped(),
        IpAddr::V6(addr) => addr,
    };
    let inside = |network: Ipv6Addr, len: u8| {
        let differs = addr.to_bits() ^ network.to_bits();
        differs.leading_zeros() >= u32::from(len)
    };
    let found = POLICY
        .iter()
        .find(|(network, len, _)| inside(*network, *len));
    found.map_or(1, |(_, _, label)| *label)
}

/// Leading bits in common, of those that name the source's network (RFC 6724 2.2). An address that a host made of a
/// prefix stands alone on its link (RFC 5942 4), but its network has 64 bits.
fn common_prefix(one: &Candidate, dst: IpAddr) -> u32 {
    match (one.addr, dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => (src.to_bits() ^ dst.to_bits()).leading_zeros(),
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            let network = match one.prefix {
                128 => 64,
                prefix => u32::from(prefix),
            };
            (src.to_bits() ^ dst.to_bits()).leading_zeros().min(network)
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// `address[ deprecated][ temporary]`.
    fn candidate(text: &str) -> Candidate {
        let mut words = text.split(' ');
        let addr = ip(words.next().unwrap());
        let said: Vec<_> = words.collect();
        Candidate {
            addr,
            prefix: if addr.is_ipv4() { 24 } else { 64 },
            deprecated: said.contains(&"deprecated"),
            temporary: said.contains(&"temporary"),
        }
    }

    fn check(dst: &str, candidates: [&str; 2], expected: &str) {
        let [first, second] = candidates;
        // Whatever order they come in.
        for order in [[first, second], [second, first]] {
            let chosen = best(ip(dst), order.into_iter().map(candidate));
            assert_eq!(chosen, Some(ip(expected)), "to {dst} of {order:?}");
        }
    }

    #[test]
    fn the_examples_of_the_rfc_choose_as_it_says() {
        // RFC 6724 10.1, all but the one of a mobile host.
        check(
            "2001:db8:1::1",
            ["2001:db8:3::1", "fe80::1"],
            "2001:db8:3::1",
        );
        check("ff05::1", ["2001:db8:3::1", "fe80::1"], "2001:db8:3::1");
        check(
            "2001:db8:1::1",
            ["2001:db8:1::1 deprecated", "2001:db8:2::1"],
            "2001:db8:1::1",
        );
        check(
            "fe80::1",
            ["fe80::2 deprecated", "2001:db8:1::1"],
            "fe80::2",
        );
        check(
            "2001:db8:1::1",
            ["2001:db8:1::2", "2001:db8:3::2"],
            "2001:db8:1::2",
        );
        check(
            "2002:c633:6401::1",
            [
                "2002:c633:6401::d5e3:7953:13eb:22e8 temporary",
                "2001:db8:1::2",
            ],
            "2002:c633:6401::d5e3:7953:13eb:22e8",
        );
        check(
            "2001:db8:1::d5e3:0:0:1",
            ["2001:db8:1::2", "2001:db8:1::d5e3:7953:13eb:22e8 temporary"],
            "2001:db8:1::d5e3:7953:13eb:22e8",
        );
    }

    #[test]
    fn each_rule_decides_only_what_the_ones_before_left_open() {
        // 2 before 3: deprecated, but of the scope that is enough.
        check("fd00::1", ["fe80::1", "fd00::2 deprecated"], "fd00::2");
        // 3 before 6: another label, but not deprecated.
        check(
            "fd00::1",
            ["fd00::2 deprecated", "2001:db8::1"],
            "2001:db8::1",
        );
        // 6 before 7 and 8.
        check("fd00::1", ["2001:db8::1 temporary", "fd12::1"], "fd12::1");
        check(
            "2002:102:304::1",
            ["2001:db8::1", "2002:506:708::1"],
            "2002:506:708::1",
        );
        check("2001::1", ["2001:db8::1", "2001::506:708"], "2001::506:708");
        check("3ffe::1", ["2001:db8::1", "3ffe:1::1"], "3ffe:1::1");
        // 7 before 8.
        check(
            "2001:db8:1::1",
            ["2001:db8:1::2", "2001:db8:3::2 temporary"],
            "2001:db8:3::2",
        );
        // 8 counts the bits of the network alone (2.2), so here the first of equals stays.
        let within = ["2001:db8:1::7000", "2001:db8:1::1"].map(candidate);
        assert_eq!(
            best(ip("2001:db8:1::2"), within.into_iter()),
            Some(ip("2001:db8:1::7000"))
        );
    }

    #[test]
    fn sources_of_ipv4_are_chosen_by_scope_and_common_bits() {
        check("10.2.0.1", ["10.1.0.1", "10.2.0.9"], "10.2.0.9");
        check("10.2.0.9", ["10.2.0.8", "10.2.0.9"], "10.2.0.9");
        check("192.0.2.1", ["169.254.3.4", "10.2.0.9"], "10.2.0.9");
        assert_eq!(
            best(ip("10.0.0.1"), [candidate("fe80::1")].into_iter()),
            None
        );
    }

    #[test]
    fn labels_are_those_of_the_default_policy() {
        // RFC 6724 2.1.
        for (addr, expected) in [
            ("::1", 0),
            ("2606:4700::1", 1),
            ("10.0.0.1", 4),
            ("2002::1", 2),
            ("2001::1", 5),
            ("2001:1::1", 1),
            ("fd00::1", 13),
            ("fc00::1", 13),
            ("::10.0.0.1", 3),
            ("fec0::1", 11),
            ("3ffe::1", 12),
        ] {
            assert_eq!(label(ip(addr)), expected, "{addr}");
        }
    }
}
