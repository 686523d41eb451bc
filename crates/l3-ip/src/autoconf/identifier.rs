//! The low half of an address.
//!
//! Job: an identifier that stays on one network and tells nothing on another, and one that changes.
//! Owns: the derivation. Does not know: whether an address is free.
//! Sources: RFC 7217 5 (stable and opaque), RFC 8981 3.3 (temporary), RFC 5453 (reserved identifiers).

use core::hash::Hasher;
use core::net::Ipv6Addr;

use outcrop_base::{HashKey, Random};

/// RFC 7217 5: F(prefix, interface, network, counter, secret); a network has no name of its own here.
pub(crate) fn stable(key: &HashKey, prefix: Ipv6Addr, mac: [u8; 6], counter: u8) -> Ipv6Addr {
    (0..=u8::MAX)
        .map(|round| {
            let mut hasher = key.hasher();
            hasher.write_u128(prefix.to_bits() >> 64);
            hasher.write(&mac);
            hasher.write(&[counter, round]);
            hasher.finish()
        })
        .find(|id| is_usable(*id))
        .map_or(prefix, |id| join(prefix, id))
}

/// RFC 8981 3.3.1: by chance.
pub(crate) fn temporary(random: &mut Random, prefix: Ipv6Addr) -> Ipv6Addr {
    loop {
        let id = random.next_u64();
        if is_usable(id) {
            return join(prefix, id);
        }
    }
}

fn join(prefix: Ipv6Addr, id: u64) -> Ipv6Addr {
    let high = prefix.to_bits() & !u128::from(u64::MAX);
    Ipv6Addr::from_bits(high | u128::from(id))
}

/// RFC 5453 3: all zeros is the routers' (RFC 4291 2.6.1), the highest 128 are anycast's, and IANA's block.
const fn is_usable(id: u64) -> bool {
    let anycast = id >= 0xfdff_ffff_ffff_ff80 && id <= 0xfdff_ffff_ffff_ffff;
    let iana = id >= 0x0200_5eff_fe00_0000 && id <= 0x0200_5eff_feff_ffff;
    id != 0 && !anycast && !iana
}

#[cfg(test)]
mod tests {
    use super::*;
    use outcrop_base::Seed;

    #[test]
    fn an_identifier_stays_on_its_network_and_differs_on_another() {
        let key = Seed::from_number(1).hash_key("stable");
        let (here, there) = (
            "2001:db8:1::".parse().unwrap(),
            "2001:db8:2::".parse().unwrap(),
        );
        let mac = [2, 0, 0, 0, 0, 1];
        let id = |addr: Ipv6Addr| addr.to_bits() & u128::from(u64::MAX);
        let first = stable(&key, here, mac, 0);
        assert_eq!(first, stable(&key, here, mac, 0));
        assert_eq!(first.octets()[..8], here.octets()[..8]);
        let others = [
            stable(&key, there, mac, 0),
            stable(&key, here, mac, 1),
            stable(&key, here, [2, 0, 0, 0, 0, 2], 0),
            stable(&Seed::from_number(2).hash_key("stable"), here, mac, 0),
        ];
        assert!(others.iter().all(|other| id(*other) != id(first)));
    }

    #[test]
    fn reserved_identifiers_are_not_used() {
        for reserved in [
            0,
            0xfdff_ffff_ffff_ff80,
            0xfdff_ffff_ffff_ffff,
            0x0200_5eff_fe00_5213,
        ] {
            assert!(!is_usable(reserved), "{reserved:x}");
        }
        assert!(is_usable(0xfdff_ffff_ffff_ff7f) && is_usable(1));
    }
}
