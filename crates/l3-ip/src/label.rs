//! IPv6 flow labels.
//!
//! Job: one number for all packets of a flow, that tells strangers nothing. Owns: the key. Does not know: flows; it sees
//! one packet at a time, and the same words give the same number.
//! Source: RFC 6437 3 (labels, 5-tuples) and 5 (keyed, so that nobody foresees them).

use core::hash::Hasher as _;
use core::net::Ipv6Addr;

use outcrop_base::{HashKey, Seed};

/// Twenty bits.
const MASK: u64 = 0xf_ffff;

#[derive(Clone, Debug)]
pub(crate) struct Labels {
    key: HashKey,
}

impl Labels {
    pub(crate) fn new(seed: &Seed) -> Self {
        Self {
            key: seed.hash_key("flow-label"),
        }
    }

    /// The label of packets from `src` to `dst` whose transport header begins with `transport`. Never zero, which would
    /// say that there is none.
    pub(crate) fn of(&self, src: Ipv6Addr, dst: Ipv6Addr, protocol: u8, transport: &[u8]) -> u32 {
        let mut hasher = self.key.hasher();
        hasher.write(&src.octets());
        hasher.write(&dst.octets());
        hasher.write_u8(protocol);
        if let (true, Some(ports)) = (has_ports(protocol), transport.first_chunk::<4>()) {
            hasher.write(ports);
        }
        let label = hasher.finish() & MASK;
        u32::try_from(label).unwrap_or(0).max(1)
    }
}

/// TCP, UDP, DCCP, SCTP and UDP-Lite begin with two ports.
const fn has_ports(protocol: u8) -> bool {
    matches!(protocol, 6 | 17 | 33 | 132 | 136)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1);
    const B: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2);

    #[test]
    fn packets_of_one_flow_share_a_label_and_flows_do_not() {
        let labels = Labels::new(&Seed::from_number(1));
        let of = |port: u16, more: &[u8]| {
            let mut header = vec![0, 80];
            header.extend(port.to_be_bytes());
            header.extend(more);
            labels.of(A, B, 6, &header)
        };
        assert_eq!(of(4000, &[1; 16]), of(4000, &[2; 30]));
        // RFC 6437 2: spread evenly, none of them zero.
        let mut all: Vec<_> = (0..1000).map(|port| of(port, &[])).collect();
        assert!(all.iter().all(|label| (1..=0xf_ffff).contains(label)));
        all.sort_unstable();
        all.dedup();
        assert!(all.len() > 990, "{} of a thousand", all.len());
        let ones: u32 = all.iter().map(|label| label.count_ones()).sum();
        assert!((9..=11).contains(&(ones / 1000)), "half of twenty bits");
    }

    #[test]
    fn a_label_depends_on_the_key_the_direction_and_the_protocol() {
        let labels = Labels::new(&Seed::from_number(1));
        let ports = [0, 7, 0, 9];
        let label = labels.of(A, B, 17, &ports);
        assert_ne!(label, labels.of(B, A, 17, &ports));
        assert_ne!(label, labels.of(A, B, 6, &ports));
        let other = Labels::new(&Seed::from_number(2));
        assert_ne!(label, other.of(A, B, 17, &ports));
        // What has no ports is one flow of its protocol.
        assert_eq!(
            labels.of(A, B, 58, &[128, 0, 1, 2]),
            labels.of(A, B, 58, &[129, 0, 3, 4])
        );
    }
}
