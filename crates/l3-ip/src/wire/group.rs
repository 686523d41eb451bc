//! Messages about multicast groups.
//!
//! Job: read queries and others' reports, write reports and departures, of IGMP and MLD in their versions.
//! Owns: the layouts. Does not know: who belongs to which group.
//! Sources: RFC 2236 2 (IGMPv2), RFC 3376 4 (IGMPv3), RFC 2710 3 (MLDv1), RFC 3810 5 (MLDv2), RFC 2113 (router alert).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::time::Duration;

use outcrop_base::{Checksum, DropReason};

use super::{be16, be32, icmp};

/// Protocol number of IGMP; MLD is ICMPv6.
pub const PROTOCOL: u8 = 2;
/// ICMPv6 types of MLD.
pub const MLD_QUERY: u8 = 130;
/// A report of the first version.
pub const MLD_REPORT: u8 = 131;
/// A departure of the first version.
pub const MLD_DONE: u8 = 132;
/// A report of the second version.
pub const MLD_REPORT_2: u8 = 143;

const QUERY: u8 = 0x11;
const REPORT_1: u8 = 0x12;
const REPORT_2: u8 = 0x16;
const LEAVE: u8 = 0x17;
const REPORT_3: u8 = 0x22;

/// Everybody who routes multicast and speaks the newest version (RFC 3376 4.2.14, RFC 3810 5.2.14).
const REPORTS_TO_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 22);
const REPORTS_TO_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x16);
/// All routers of the link.
const ROUTERS_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 2);
const ROUTERS_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);

/// Whether an ICMPv6 message is one about groups.
#[must_use]
pub fn is_mld(bytes: &[u8]) -> bool {
    let kinds = [MLD_QUERY, MLD_REPORT, MLD_DONE, MLD_REPORT_2];
    bytes.first().is_some_and(|kind| kinds.contains(kind))
}

/// Which messages the querier of a link understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// IGMPv1: no departures.
    First,
    /// IGMPv2, MLDv1: one group a message.
    Second,
    /// IGMPv3, MLDv2.
    Third,
}

/// What a message about groups says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// Who listens to this group, or to any?
    Query {
        /// `None` asks about all.
        group: Option<IpAddr>,
        /// The longest time until the answer.
        within: Duration,
        /// The version of whoever asks.
        version: Version,
    },
    /// Somebody else listens: one report is enough.
    Report(IpAddr),
    /// Of no concern for a host.
    Other,
}

/// Reads a message of the family of `dst`; its checksum is verified.
///
/// # Errors
/// `IcmpTruncated` or `IcmpBadChecksum` for IGMP; MLD's checksum is ICMPv6's and was verified there.
pub fn parse(dst: IpAddr, bytes: &[u8]) -> Result<Message, DropReason> {
    match dst {
        IpAddr::V4(_) => parse_igmp(bytes),
        IpAddr::V6(_) => parse_mld(bytes),
    }
}

fn parse_igmp(bytes: &[u8]) -> Result<Message, DropReason> {
    let Some([kind, code, ..]) = bytes.first_chunk::<8>().copied() else {
        return Err(DropReason::IcmpTruncated);
    };
    let mut sum = Checksum::new();
    sum.add(bytes);
    if sum.finish() != 0 {
        return Err(DropReason::IcmpBadChecksum);
    }
    let group = Ipv4Addr::from_bits(be32(bytes, 4));
    let (version, tenths) = match (kind, code, bytes.len()) {
        (QUERY, 0, 8) => (Version::First, 100),
        (QUERY, code, 8) => (Version::Second, u64::from(code)),
        (QUERY, code, 12..) => (Version::Third, spread(code.into(), 4)),
        (REPORT_1 | REPORT_2, ..) => return Ok(Message::Report(group.into())),
        _ => return Ok(Message::Other),
    };
    let group = (!group.is_unspecified()).then_some(IpAddr::V4(group));
    Ok(query(group, Duration::from_millis(tenths * 100), version))
}

fn parse_mld(bytes: &[u8]) -> Result<Message, DropReason> {
    let octets = bytes.get(8..24).and_then(<[u8]>::first_chunk::<16>);
    let Some(octets) = octets else {
        return Ok(Message::Other);
    };
    let group = Ipv6Addr::from(*octets);
    let code = be16(bytes, 4);
    let (version, millis) = match (bytes.first(), bytes.len()) {
        (Some(&MLD_QUERY), 24) => (Version::Second, u64::from(code)),
        (Some(&MLD_QUERY), 28..) => (Version::Third, spread(code, 12)),
        (Some(&MLD_QUERY), _) => return Err(DropReason::IcmpTruncated),
        (Some(&MLD_REPORT), _) => return Ok(Message::Report(group.into())),
        _ => return Ok(Message::Other),
    };
    let group = (!group.is_unspecified()).then_some(IpAddr::V6(group));
    Ok(query(group, Duration::from_millis(millis), version))
}

const fn query(group: Option<IpAddr>, within: Duration, version: Version) -> Message {
    Message::Query {
        group,
        within,
        version,
    }
}

/// A number with a small exponent above half of its field (RFC 3376 4.1.1, RFC 3810 5.1.3): `bits` of mantissa.
fn spread(code: u16, bits: u16) -> u64 {
    let half = 1u64 << (bits + 3);
    let code = u64::from(code);
    if code < half {
        return code;
    }
    let mantissa = code & ((1 << bits) - 1);
    let exponent = code >> bits & 7;
    (mantissa | 1 << bits) << (exponent + 3)
}

/// What a host says of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Record {
    /// Listens, from whomever it comes: the answer to a query.
    Listens,
    /// Has begun to listen.
    Joined,
    /// Has stopped.
    Left,
}

impl Record {
    /// Mode is exclude, change to exclude, change to include: each with no sources (RFC 3376 4.2.12).
    const fn number(self) -> u8 {
        match self {
            Self::Listens => 2,
            Self::Joined => 4,
            Self::Left => 3,
        }
    }
}

/// A report of the newest version about several groups of one family, checksum included: destination and payload.
#[must_use]
pub fn report(src: IpAddr, records: &[(Record, IpAddr)]) -> (IpAddr, Vec<u8>) {
    let count = u16::try_from(records.len()).unwrap_or(u16::MAX);
    let is_v4 = src.is_ipv4();
    let mut out = vec![if is_v4 { REPORT_3 } else { MLD_REPORT_2 }, 0, 0, 0, 0, 0];
    out.extend(count.to_be_bytes());
    for (record, group) in records {
        out.extend([record.number(), 0, 0, 0]);
        push(&mut out, *group);
    }
    let dst = if is_v4 {
        REPORTS_TO_V4.into()
    } else {
        REPORTS_TO_V6.into()
    };
    seal(src, dst, &mut out);
    (dst, out)
}

/// The same in the words of an older querier: one group, to whom it concerns. `None` where the version has no word.
#[must_use]
pub fn old_report(
    src: IpAddr,
    version: Version,
    record: Record,
    group: IpAddr,
) -> Option<(IpAddr, Vec<u8>)> {
    let (kind, dst) = match (group, record, version) {
        (IpAddr::V4(_), Record::Left, Version::First) => return None,
        (IpAddr::V4(_), Record::Left, _) => (LEAVE, ROUTERS_V4.into()),
        (IpAddr::V4(_), _, Version::First) => (REPORT_1, group),
        (IpAddr::V4(_), ..) => (REPORT_2, group),
        (IpAddr::V6(_), Record::Left, _) => (MLD_DONE, ROUTERS_V6.into()),
        (IpAddr::V6(_), ..) => (MLD_REPORT, group),
    };
    let mut out = vec![kind, 0, 0, 0];
    if group.is_ipv6() {
        out.extend([0; 4]);
    }
    push(&mut out, group);
    seal(src, dst, &mut out);
    Some((dst, out))
}

fn push(out: &mut Vec<u8>, group: IpAddr) {
    match group {
        IpAddr::V4(group) => out.extend(group.octets()),
        IpAddr::V6(group) => out.extend(group.octets()),
    }
}

fn seal(src: IpAddr, dst: IpAddr, out: &mut [u8]) {
    let mut sum = match dst {
        IpAddr::V4(_) => Checksum::new(),
        IpAddr::V6(_) => {
            let len = u32::try_from(out.len()).unwrap_or(u32::MAX);
            Checksum::pseudo_header(src, dst, icmp::PROTOCOL_V6, len)
        }
    };
    sum.add(out);
    if let Some(field) = out.get_mut(2..4) {
        field.copy_from_slice(&sum.finish().to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn igmp(mut bytes: Vec<u8>) -> Message {
        seal(ip("10.0.0.1"), ip("224.0.0.1"), &mut bytes);
        parse(ip("224.0.0.1"), &bytes).unwrap()
    }

    #[test]
    fn version_of_a_query_is_told_by_its_length_and_its_code() {
        // RFC 3376 7.1, RFC 2236 2.2 (tenths of a second), RFC 2236 4 (ten seconds for a router of version 1).
        let seconds = Duration::from_secs;
        let table = [
            (vec![0x11, 0, 0, 0, 0, 0, 0, 0], Version::First, seconds(10)),
            (
                vec![0x11, 50, 0, 0, 0, 0, 0, 0],
                Version::Second,
                seconds(5),
            ),
            (
                vec![0x11, 100, 0, 0, 0, 0, 0, 0, 2, 125, 0, 0],
                Version::Third,
                seconds(10),
            ),
        ];
        for (bytes, version, within) in table {
            assert_eq!(igmp(bytes), query(None, within, version));
        }
        let about = igmp(vec![0x11, 10, 0, 0, 239, 1, 2, 3, 2, 125, 0, 0]);
        let group = Some(ip("239.1.2.3"));
        assert_eq!(about, query(group, seconds(1), Version::Third));
    }

    #[test]
    fn long_response_times_have_an_exponent() {
        // RFC 3376 4.1.1: 0x80 is 16 << 3; RFC 3810 5.1.3: 0x8000 is 4096 << 3.
        assert_eq!(spread(127, 4), 127);
        assert_eq!(spread(0x80, 4), 16 << 3);
        assert_eq!(spread(0xff, 4), 31 << 10);
        assert_eq!(spread(0x7fff, 12), 0x7fff);
        assert_eq!(spread(0x8000, 12), 4096 << 3);
        assert_eq!(spread(0xffff, 12), 8191 << 10);
    }

    #[test]
    fn damaged_and_short_messages_are_refused() {
        let dst = ip("224.0.0.1");
        assert_eq!(parse(dst, &[0x11; 7]), Err(DropReason::IcmpTruncated));
        let bad = [0x11, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(parse(dst, &bad), Err(DropReason::IcmpBadChecksum));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = parse(ip("ff02::1"), &bytes);
            let mut sealed = bytes;
            seal(ip("10.0.0.1"), ip("224.0.0.1"), &mut sealed);
            let _ = parse(ip("224.0.0.1"), &sealed);
        }
    }
}
