//! Messages about multicast groups.
//!
//! Job: read queries and others' reports, write reports and departures, of IGMP and MLD in their versions.
//! Owns: the layouts. Does not know: who belongs to which group.
//! Sources: RFC 2236 2 (IGMPv2), RFC 3376 4 (IGMPv3), RFC 2710 3 (MLDv1), RFC 3810 5 (MLDv2), RFC 2113 (router alert).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::num::NonZeroU8;
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

/// Bytes of records in one report: what the smallest MTU leaves beside the headers, with router alert, and the report's.
const RECORDS_V4: usize = 576 - 24 - 8;
const RECORDS_V6: usize = 1280 - 40 - 8 - 8;

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

/// A question: who listens?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// To this group; `None` asks about all.
    pub group: Option<IpAddr>,
    /// To these sources of it alone; none asks about the group.
    pub sources: Vec<IpAddr>,
    /// The longest time until the answer.
    pub within: Duration,
    /// The version of whoever asks.
    pub version: Version,
    /// How often things are said on this link, if the querier tells (RFC 3376 4.1.6).
    pub robustness: Option<NonZeroU8>,
    /// How often it asks about all, if it tells (RFC 3376 4.1.7).
    pub interval: Option<Duration>,
}

/// What a message about groups says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Who listens to this group, or to any?
    Query(Query),
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
    let within = Duration::from_millis(tenths * 100);
    let group = (!group.is_unspecified()).then_some(IpAddr::V4(group));
    let rest = bytes.get(8..).unwrap_or_default();
    let source = |octets: [u8; 4]| IpAddr::from(octets);
    question(group, (version, within), rest, source)
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
    let within = Duration::from_millis(millis);
    let group = (!group.is_unspecified()).then_some(IpAddr::V6(group));
    let rest = bytes.get(24..).unwrap_or_default();
    let source = |octets: [u8; 16]| IpAddr::from(octets);
    question(group, (version, within), rest, source)
}

/// What follows the group in the newest version (RFC 3376 4.1.5 to 4.1.9, RFC 3810 5.1.7 to 5.1.11): robustness, interval
/// and as many sources as are stated.
fn question<const N: usize>(
    group: Option<IpAddr>,
    (version, within): (Version, Duration),
    rest: &[u8],
    source: impl Fn([u8; N]) -> IpAddr,
) -> Result<Message, DropReason> {
    let mut query = Query {
        group,
        sources: Vec::new(),
        within,
        version,
        robustness: None,
        interval: None,
    };
    if let Some(([flags, interval, high, low], rest)) = rest.split_first_chunk::<4>() {
        let count = usize::from(u16::from_be_bytes([*high, *low]));
        let (octets, _) = rest.as_chunks::<N>();
        let stated = octets.get(..count).ok_or(DropReason::IcmpTruncated)?;
        query.sources = stated.iter().map(|octets| source(*octets)).collect();
        query.robustness = NonZeroU8::new(flags & 7);
        let seconds = spread((*interval).into(), 4);
        query.interval = (seconds > 0).then(|| Duration::from_secs(seconds));
    }
    Ok(Message::Query(query))
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

/// What a host says of a group in the newest version (RFC 3376 4.2.12, RFC 3810 5.2.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Listens to these sources alone: an answer.
    IsInclude,
    /// Listens to all but these: an answer.
    IsExclude,
    /// Has come to listen to these alone; to none, if it has left.
    ToInclude,
    /// Has come to listen to all but these.
    ToExclude,
    /// Listens to these as well.
    Allow,
    /// No longer listens to these.
    Block,
}

impl Kind {
    const fn number(self) -> u8 {
        match self {
            Self::IsInclude => 1,
            Self::IsExclude => 2,
            Self::ToInclude => 3,
            Self::ToExclude => 4,
            Self::Allow => 5,
            Self::Block => 6,
        }
    }

    /// Whether sources left out of such a record are heard nevertheless.
    const fn may_be_cut_short(self) -> bool {
        match self {
            Self::IsExclude | Self::ToExclude => true,
            Self::IsInclude | Self::ToInclude | Self::Allow | Self::Block => false,
        }
    }
}

/// What a host says of one group and some of its sources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What.
    pub kind: Kind,
    /// Of which group.
    pub group: IpAddr,
    /// And which sources.
    pub sources: Vec<IpAddr>,
}

impl Record {
    const fn address_len(&self) -> usize {
        if self.group.is_ipv4() { 4 } else { 16 }
    }

    fn len(&self) -> usize {
        4 + (1 + self.sources.len()) * self.address_len()
    }

    /// The same in pieces of at most `room` bytes (RFC 3376 4.2.16): the sources are dealt out; what says "all but these"
    /// names as many as fit.
    fn pieces(self, room: usize) -> Vec<Self> {
        let each = (room.saturating_sub(4) / self.address_len()).saturating_sub(1);
        if self.sources.len() <= each {
            return vec![self];
        }
        let Self { kind, group, .. } = self;
        let all = self.sources.chunks(each.max(1));
        let parts = all.take(if kind.may_be_cut_short() {
            1
        } else {
            usize::MAX
        });
        let piece = |sources: &[IpAddr]| Self {
            kind,
            group,
            sources: sources.to_vec(),
        };
        parts.map(piece).collect()
    }
}

/// Deals records out to reports that fit the smallest MTU of their family.
#[must_use]
pub fn pack(is_v4: bool, records: Vec<Record>) -> Vec<Vec<Record>> {
    let room = if is_v4 { RECORDS_V4 } else { RECORDS_V6 };
    let mut reports: Vec<Vec<Record>> = Vec::new();
    let mut left = 0;
    for record in records.into_iter().flat_map(|record| record.pieces(room)) {
        let len = record.len();
        match reports.last_mut().filter(|_| len <= left) {
            Some(report) => report.push(record),
            None => {
                reports.push(vec![record]);
                left = room;
            }
        }
        left -= len.min(left);
    }
    reports
}

/// A report of the newest version about several groups of one family, checksum included: destination and payload.
#[must_use]
pub fn report(src: IpAddr, records: &[Record]) -> (IpAddr, Vec<u8>) {
    let count = |len: usize| u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes();
    let is_v4 = src.is_ipv4();
    let mut out = vec![if is_v4 { REPORT_3 } else { MLD_REPORT_2 }, 0, 0, 0, 0, 0];
    out.extend(count(records.len()));
    for record in records {
        out.extend([record.kind.number(), 0]);
        out.extend(count(record.sources.len()));
        push(&mut out, record.group);
        for source in &record.sources {
            push(&mut out, *source);
        }
    }
    let dst = if is_v4 {
        REPORTS_TO_V4.into()
    } else {
        REPORTS_TO_V6.into()
    };
    seal(src, dst, &mut out);
    (dst, out)
}

/// The same in the words of an older querier: whether one group is listened to, to whom it concerns. `None` where the
/// version has no word.
#[must_use]
pub fn old_report(
    src: IpAddr,
    version: Version,
    (listens, group): (bool, IpAddr),
) -> Option<(IpAddr, Vec<u8>)> {
    let (kind, dst) = match (group, listens, version) {
        (IpAddr::V4(_), false, Version::First) => return None,
        (IpAddr::V4(_), false, _) => (LEAVE, ROUTERS_V4.into()),
        (IpAddr::V4(_), true, Version::First) => (REPORT_1, group),
        (IpAddr::V4(_), true, _) => (REPORT_2, group),
        (IpAddr::V6(_), false, _) => (MLD_DONE, ROUTERS_V6.into()),
        (IpAddr::V6(_), true, _) => (MLD_REPORT, group),
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
#[path = "group_tests.rs"]
mod tests;
