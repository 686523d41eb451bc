//! Link types: what stands before the IP packet in a record.
//!
//! Job: name the link types we read, and find the network packet behind each.
//! Owns: their numbers and header lengths. Does not know: IP.
//! Sources: the registry at tcpdump.org/linktypes.html; IEEE 802.1Q for VLAN tags.

/// What the bytes of a record begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Link {
    /// An IP packet of either family (101, also 12 and 14 as some systems number it).
    Raw,
    /// An IPv4 packet (228).
    Ipv4,
    /// An IPv6 packet (229).
    Ipv6,
    /// An Ethernet frame without its check sequence (1).
    Ethernet,
    /// Linux "any" device, version 1 (113).
    LinuxSll,
    /// Linux "any" device, version 2 (276).
    LinuxSll2,
    /// BSD loopback: four bytes of address family in the writer's byte order (0).
    Null,
    /// OpenBSD loopback: the same in network byte order (108).
    Loop,
}

/// Ether types.
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const VLAN: [u16; 3] = [0x8100, 0x88a8, 0x9100];

impl Link {
    /// By number in a file; `None` for the many we do not read.
    #[must_use]
    pub const fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            12 | 14 | 101 => Self::Raw,
            228 => Self::Ipv4,
            229 => Self::Ipv6,
            1 => Self::Ethernet,
            113 => Self::LinuxSll,
            276 => Self::LinuxSll2,
            0 => Self::Null,
            108 => Self::Loop,
            _ => return None,
        })
    }

    /// The number we write.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Self::Raw => 101,
            Self::Ipv4 => 228,
            Self::Ipv6 => 229,
            Self::Ethernet => 1,
            Self::LinuxSll => 113,
            Self::LinuxSll2 => 276,
            Self::Null => 0,
            Self::Loop => 108,
        }
    }

    /// The ether type of a record and where its network packet starts.
    /// `None` if the record ends within its link header.
    #[must_use]
    pub fn network(self, record: &[u8]) -> Option<(u16, usize)> {
        match self {
            Self::Raw => match record.first()? >> 4 {
                6 => Some((IPV6, 0)),
                _ => Some((IPV4, 0)),
            },
            Self::Ipv4 => Some((IPV4, 0)),
            Self::Ipv6 => Some((IPV6, 0)),
            Self::Ethernet => skip_vlans(record, 12),
            Self::LinuxSll => skip_vlans(record, 14),
            Self::LinuxSll2 => {
                let (_, head) = (record.get(..20)?, word(record, 0)?);
                Some((head, 20))
            }
            Self::Null | Self::Loop => {
                let family = record.first_chunk::<4>()?;
                // The family is below 256: the byte that is set shows the order.
                let family = u32::from_le_bytes(*family).min(u32::from_be_bytes(*family));
                Some((if family == 2 { IPV4 } else { IPV6 }, 4))
            }
        }
    }
}

/// Reads the ether type at `at`, past any VLAN tags.
fn skip_vlans(record: &[u8], mut at: usize) -> Option<(u16, usize)> {
    loop {
        let kind = word(record, at)?;
        if !VLAN.contains(&kind) {
            return Some((kind, at + 2));
        }
        at += 4;
    }
}

fn word(record: &[u8], at: usize) -> Option<u16> {
    let bytes = record.get(at..)?.first_chunk::<2>()?;
    Some(u16::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_packet_is_found_behind_each_link_header() {
        let mut tagged = vec![0; 12];
        tagged.extend([0x81, 0x00, 0, 7, 0x86, 0xdd, 0x60]);
        assert_eq!(Link::Ethernet.network(&tagged), Some((IPV6, 18)));
        let mut sll = vec![0; 14];
        sll.extend([0x08, 0x00, 0x45]);
        assert_eq!(Link::LinuxSll.network(&sll), Some((IPV4, 16)));
        let mut sll2 = vec![0x08, 0x00];
        sll2.extend([0; 18]);
        assert_eq!(Link::LinuxSll2.network(&sll2), Some((IPV4, 20)));
        assert_eq!(Link::Null.network(&[2, 0, 0, 0, 0x45]), Some((IPV4, 4)));
        assert_eq!(Link::Null.network(&[0, 0, 0, 30, 0x60]), Some((IPV6, 4)));
        assert_eq!(Link::Raw.network(&[0x60]), Some((IPV6, 0)));
    }

    #[test]
    fn record_shorter_than_its_link_header_has_no_network_packet() {
        for number in [0, 1, 12, 101, 108, 113, 276] {
            let link = Link::from_number(number).unwrap();
            assert_eq!(link.network(&[]), None);
        }
        assert_eq!(Link::Ethernet.network(&[0; 13]), None);
        assert_eq!(Link::from_number(127), None);
    }
}
