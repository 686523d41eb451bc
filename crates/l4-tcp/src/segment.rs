//! A segment as values: what comes in, what goes out.
//!
//! Job: name the parts of a TCP header and the room a segment takes in sequence space.
//! Owns: [`Flags`], [`Options`], [`SegmentHeader`], [`Segment`], [`StreamRange`]. Does not know: bytes on the wire.
//! Sources: RFC 9293 3.1 (header), 3.2 (options), RFC 7323 (scale, timestamps), RFC 2018 (SACK),
//! RFC 3168 6.1 and RFC 9768 (ECE, CWR, AE).

use core::fmt;
use core::net::SocketAddr;
use core::num::NonZeroU16;
use core::ops::{BitOr, Range};
use core::time::Duration;

use bytes::Bytes;
use outcrop_base::{Arrival, Flow, Transport};

use crate::seq::SeqNum;

/// The control bits, as they stand in octets 12 and 13 of the header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(u16);

impl Flags {
    /// No bit.
    pub const NONE: Self = Self(0);
    /// No more data from the sender.
    pub const FIN: Self = Self(0x001);
    /// Synchronise sequence numbers.
    pub const SYN: Self = Self(0x002);
    /// Reset the connection.
    pub const RST: Self = Self(0x004);
    /// Push: hand what has arrived to the program.
    pub const PSH: Self = Self(0x008);
    /// The acknowledgment field counts.
    pub const ACK: Self = Self(0x010);
    /// The urgent pointer counts.
    pub const URG: Self = Self(0x020);
    /// ECN echo.
    pub const ECE: Self = Self(0x040);
    /// Congestion window reduced.
    pub const CWR: Self = Self(0x080);
    /// Accurate ECN (once the nonce sum).
    pub const AE: Self = Self(0x100);

    const NAMES: [(Self, char); 9] = [
        (Self::FIN, 'F'),
        (Self::SYN, 'S'),
        (Self::RST, 'R'),
        (Self::PSH, 'P'),
        (Self::ACK, '.'),
        (Self::URG, 'U'),
        (Self::ECE, 'E'),
        (Self::CWR, 'W'),
        (Self::AE, 'e'),
    ];

    /// The nine low bits of a header's third word.
    #[must_use]
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits & 0x1ff)
    }

    /// The bits.
    #[must_use]
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// Whether every bit of `other` is set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any bit of `other` is set.
    #[must_use]
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// These bits without those of `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// These bits, and `other` if `set`.
    #[must_use]
    pub const fn with_if(self, other: Self, set: bool) -> Self {
        if set { Self(self.0 | other.0) } else { self }
    }

    /// FIN is set.
    #[must_use]
    pub const fn fin(self) -> bool {
        self.contains(Self::FIN)
    }

    /// SYN is set.
    #[must_use]
    pub const fn syn(self) -> bool {
        self.contains(Self::SYN)
    }

    /// RST is set.
    #[must_use]
    pub const fn rst(self) -> bool {
        self.contains(Self::RST)
    }

    /// ACK is set.
    #[must_use]
    pub const fn ack(self) -> bool {
        self.contains(Self::ACK)
    }
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Display for Flags {
    /// As tcpdump prints them: `S`, `S.`, `P.`, `F.`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("none");
        }
        Self::NAMES
            .iter()
            .filter(|(flag, _)| self.contains(*flag))
            .try_for_each(|(_, name)| write!(f, "{name}"))
    }
}

/// Part of a stream, by offsets: `start` is the first byte, `end` the one after the last.
///
/// Offset 0 is the byte after the SYN. A FIN takes the offset after the last byte, as in sequence space.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct StreamRange {
    /// Offset of the first byte.
    pub start: u64,
    /// Offset after the last byte.
    pub end: u64,
}

impl StreamRange {
    /// The bytes from `start` up to, not including, `end`; empty if `end` is not after `start`.
    #[must_use]
    pub const fn new(start: u64, end: u64) -> Self {
        let end = if end < start { start } else { end };
        Self { start, end }
    }

    /// Nothing, at `offset`.
    #[must_use]
    pub const fn empty(offset: u64) -> Self {
        Self::new(offset, offset)
    }

    /// Bytes (a FIN counts as one).
    #[must_use]
    pub const fn len(self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// Whether it holds nothing.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Whether `offset` lies inside.
    #[must_use]
    pub const fn contains(self, offset: u64) -> bool {
        self.start <= offset && offset < self.end
    }

    /// The part inside `other` as well; empty if they do not overlap.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Self::new(self.start.max(other.start), self.end.min(other.end))
    }

    /// The first `len` bytes of it, or all.
    #[must_use]
    pub fn first(self, len: u64) -> Self {
        Self::new(self.start, self.end.min(self.start.saturating_add(len)))
    }
}

impl From<StreamRange> for Range<u64> {
    fn from(range: StreamRange) -> Self {
        range.start..range.end
    }
}

impl fmt::Display for StreamRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.start, self.end)
    }
}

/// The timestamps option (RFC 7323 3.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Timestamps {
    /// TSval: the sender's clock.
    pub val: u32,
    /// TSecr: the latest value received, echoed; meaningful only with ACK.
    pub ecr: u32,
}

impl Timestamps {
    /// How far the clock value `val` is ahead of `from`: compared as sequence numbers are (RFC 7323 5.3).
    #[must_use]
    pub const fn distance(val: u32, from: u32) -> i32 {
        val.wrapping_sub(from).cast_signed()
    }
}

/// One block of a SACK option: bytes the receiver holds (RFC 2018 3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SackBlock {
    /// First sequence number held.
    pub left: SeqNum,
    /// The number after the last one held.
    pub right: SeqNum,
}

/// The most SACK blocks one header can carry: 2 + 4 x 8 of 40 octets.
pub const MAX_SACK_BLOCKS: usize = 4;

/// Up to four SACK blocks, in the order of the option.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SackBlocks {
    blocks: [SackBlock; MAX_SACK_BLOCKS],
    count: u8,
}

/// How many blocks fit into a segment that is no SYN, beside timestamps or without them (RFC 2018 3), and beside
/// `signature` octets of a signature: the option takes 4 octets, padded, and 8 for each block.
#[must_use]
pub const fn max_sack_blocks(timestamps: bool, signature: u8) -> usize {
    let others = signature as usize + if timestamps { 12 } else { 0 };
    let room = 36usize.saturating_sub(others) / 8;
    if room < MAX_SACK_BLOCKS {
        room
    } else {
        MAX_SACK_BLOCKS
    }
}

impl SackBlocks {
    /// No block: the option is absent.
    #[must_use]
    pub const fn new() -> Self {
        let none = SackBlock {
            left: SeqNum::new(0),
            right: SeqNum::new(0),
        };
        Self {
            blocks: [none; MAX_SACK_BLOCKS],
            count: 0,
        }
    }

    /// Adds a block behind the others; returns whether there was room.
    pub fn push(&mut self, block: SackBlock) -> bool {
        match self.blocks.get_mut(usize::from(self.count)) {
            Some(slot) => {
                *slot = block;
                self.count += 1;
                true
            }
            None => false,
        }
    }

    /// The blocks.
    #[must_use]
    pub fn as_slice(&self) -> &[SackBlock] {
        self.blocks
            .get(..usize::from(self.count))
            .unwrap_or_default()
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::from(self.count)
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// At most the first `max` blocks.
    #[must_use]
    pub fn truncated(mut self, max: usize) -> Self {
        self.count = self.count.min(u8::try_from(max).unwrap_or(u8::MAX));
        for unused in self.blocks.iter_mut().skip(usize::from(self.count)) {
            *unused = SackBlock::default();
        }
        self
    }
}

/// The longest fast-open cookie (RFC 7413 2).
pub const MAX_FAST_OPEN_COOKIE: usize = 16;

/// The fast-open option of a SYN (RFC 7413 2): a cookie, or with none the wish for one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FastOpenCookie {
    bytes: [u8; MAX_FAST_OPEN_COOKIE],
    len: u8,
    /// Whether it came, or is to leave, under the experimental kind 254 of RFC 6994.
    pub experimental: bool,
}

impl FastOpenCookie {
    /// An option of these bytes: none, or an even number from 4 to 16.
    #[must_use]
    pub fn new(from: &[u8], experimental: bool) -> Option<Self> {
        if !matches!(from.len(), 0 | 4 | 6 | 8 | 10 | 12 | 14 | 16) {
            return None;
        }
        let mut bytes = [0; MAX_FAST_OPEN_COOKIE];
        for (to, from) in bytes.iter_mut().zip(from) {
            *to = *from;
        }
        Some(Self {
            bytes,
            len: u8::try_from(from.len()).ok()?,
            experimental,
        })
    }

    /// The cookie; empty if one is wished for.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// Whether it only wishes for a cookie.
    #[must_use]
    pub const fn is_request(&self) -> bool {
        self.len == 0
    }
}

/// The user timeout option (RFC 5482 3): how long its sender keeps data that is not acknowledged. Never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UserTimeout(NonZeroU16);

impl UserTimeout {
    /// The bit that says minutes.
    const MINUTES: u16 = 0x8000;

    /// What stands in the option; `None` if it says zero, which says nothing.
    #[must_use]
    pub const fn from_bits(bits: u16) -> Option<Self> {
        if bits & !Self::MINUTES == 0 {
            return None;
        }
        match NonZeroU16::new(bits) {
            Some(bits) => Some(Self(bits)),
            None => None,
        }
    }

    /// The bits.
    #[must_use]
    pub const fn bits(self) -> u16 {
        self.0.get()
    }

    /// This span, in seconds while fifteen bits hold them, else in minutes, as many as they hold; rounded up.
    /// `None` for no time at all.
    #[must_use]
    pub fn of(span: Duration) -> Option<Self> {
        let most = u64::from(!Self::MINUTES);
        let seconds = span
            .as_secs()
            .saturating_add(u64::from(span.subsec_nanos() > 0));
        let (unit, count) = if seconds <= most {
            (0, seconds)
        } else {
            (Self::MINUTES, seconds.div_ceil(60).min(most))
        };
        Self::from_bits(unit | u16::try_from(count).unwrap_or(!Self::MINUTES))
    }

    /// The span it stands for.
    #[must_use]
    pub const fn span(self) -> Duration {
        let count = (self.bits() & !Self::MINUTES) as u64;
        let unit = if self.bits() & Self::MINUTES == 0 {
            1
        } else {
            60
        };
        Duration::from_secs(count * unit)
    }
}

/// The most counters in an option of accurate ECN.
pub const MAX_ACCURATE_FIELDS: usize = 3;

/// The option of accurate ECN (RFC 9768 3.2.3): byte counters, 24 bits each, in one of two orders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct AccurateOption {
    fields: [u32; MAX_ACCURATE_FIELDS],
    count: u8,
    /// Whether ECT(1) comes first (kind 174) instead of ECT(0) (kind 172); CE is always second.
    pub order_1: bool,
}

impl AccurateOption {
    /// An option of these counters, at most three, of which the low 24 bits are told.
    #[must_use]
    pub fn new(order_1: bool, counters: &[u32]) -> Self {
        let mut fields = [0; MAX_ACCURATE_FIELDS];
        for (field, counter) in fields.iter_mut().zip(counters) {
            *field = counter & 0x00ff_ffff;
        }
        Self {
            fields,
            count: u8::try_from(counters.len().min(MAX_ACCURATE_FIELDS)).unwrap_or(0),
            order_1,
        }
    }

    /// The octets an option of `count` fields takes, padded to words.
    #[must_use]
    pub const fn padded_len(count: usize) -> usize {
        (2 + 3 * count).next_multiple_of(4)
    }

    /// The fields as they stand.
    #[must_use]
    pub fn as_slice(&self) -> &[u32] {
        self.fields
            .get(..usize::from(self.count))
            .unwrap_or_default()
    }

    /// Whether it has no field.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes that arrived marked ECT(0), if told.
    #[must_use]
    pub fn e0b(&self) -> Option<u32> {
        self.as_slice()
            .get(if self.order_1 { 2 } else { 0 })
            .copied()
    }

    /// Bytes that arrived marked CE, if told.
    #[must_use]
    pub fn ceb(&self) -> Option<u32> {
        self.as_slice().get(1).copied()
    }

    /// Bytes that arrived marked ECT(1), if told.
    #[must_use]
    pub fn e1b(&self) -> Option<u32> {
        self.as_slice()
            .get(if self.order_1 { 0 } else { 2 })
            .copied()
    }
}

/// The authentication option of a segment; its MAC stays in the header's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Signature {
    /// RFC 2385.
    Md5,
    /// RFC 5925 2.2.
    Ao {
        /// `KeyID`: under which key it is signed.
        key_id: u8,
        /// `RNextKeyID`: under which key its sender wants to be answered.
        next_id: u8,
    },
    /// Both of them, or one more than once (RFC 5925 2.2: never to be taken).
    Conflict,
}

/// The options of one segment. Absent ones are `None`, `false` or empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Options {
    /// Maximum segment size the sender of a SYN can receive (RFC 9293 3.7.1), bytes.
    pub mss: Option<u16>,
    /// Window scale shift offered in a SYN (RFC 7323 2.2), as sent: values above 14 count as 14.
    pub wscale: Option<u8>,
    /// SACK permitted, in a SYN (RFC 2018 2).
    pub sack_permitted: bool,
    /// What arrived out of order (RFC 2018 3), or twice (RFC 2883).
    pub sack: SackBlocks,
    /// Timestamps (RFC 7323 3).
    pub timestamps: Option<Timestamps>,
    /// Fast open, in a SYN (RFC 7413 2).
    pub fast_open: Option<FastOpenCookie>,
    /// How long its sender keeps data unacknowledged (RFC 5482 3).
    pub user_timeout: Option<UserTimeout>,
    /// Marked bytes, where accurate ECN is in use (RFC 9768 3.2.3).
    pub accurate: Option<AccurateOption>,
    /// Who vouches for the segment.
    pub signature: Option<Signature>,
}

/// What a header says apart from ports, checksum and lengths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SegmentHeader {
    /// SEG.SEQ: the number of the first byte, or of the SYN.
    pub seq: SeqNum,
    /// SEG.ACK, if the ACK bit is set. It alone decides that bit when a header is built.
    pub ack: Option<SeqNum>,
    /// The control bits.
    pub flags: Flags,
    /// The window field, unscaled as it stands in the header.
    pub wnd: u16,
    /// The urgent pointer; counts only with [`Flags::URG`].
    pub urg: u16,
    /// The options.
    pub options: Options,
}

impl SegmentHeader {
    /// The numbers that SYN and FIN take up.
    #[must_use]
    pub const fn control_len(&self) -> u32 {
        self.flags.syn() as u32 + self.flags.fin() as u32
    }
}

/// A received segment, without its payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The sender's port.
    pub src_port: u16,
    /// Our port.
    pub dst_port: u16,
    /// What the header says.
    pub header: SegmentHeader,
    /// Bytes of payload that came with it.
    pub payload_len: u32,
    /// The header's own bytes, for whoever checks a signature over them; none if it shows no signature.
    pub bytes: Bytes,
}

impl Segment {
    /// The flow it belongs to, from our side, having come with `a`.
    #[must_use]
    pub const fn flow(&self, a: &Arrival) -> Flow {
        Flow {
            transport: Transport::Tcp,
            local: SocketAddr::new(a.dst, self.dst_port),
            remote: SocketAddr::new(a.src, self.src_port),
        }
    }

    /// SEG.LEN: the numbers the segment takes up, SYN and FIN included (RFC 9293 3.4).
    #[must_use]
    pub const fn seq_len(&self) -> u32 {
        self.payload_len.saturating_add(self.header.control_len())
    }

    /// The number of the first payload byte: after the SYN, if there is one.
    #[must_use]
    pub fn payload_seq(&self) -> SeqNum {
        self.header.seq + u32::from(self.header.flags.syn())
    }

    /// The number after everything the segment takes up.
    #[must_use]
    pub fn seq_end(&self) -> SeqNum {
        self.header.seq + self.seq_len()
    }

    /// The header of the reset that refuses this segment where no connection exists
    /// (RFC 9293 3.10.7.1); `None` if it is a reset itself.
    #[must_use]
    pub fn reset_for(&self) -> Option<SegmentHeader> {
        let header = &self.header;
        if header.flags.rst() {
            return None;
        }
        Some(match header.ack {
            Some(ack) => SegmentHeader {
                seq: ack,
                flags: Flags::RST,
                ..SegmentHeader::default()
            },
            None => SegmentHeader {
                seq: SeqNum::new(0),
                ack: Some(self.seq_end()),
                flags: Flags::RST | Flags::ACK,
                ..SegmentHeader::default()
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(flags: Flags, ack: Option<u32>, payload_len: u32) -> Segment {
        Segment {
            src_port: 1,
            dst_port: 2,
            header: SegmentHeader {
                seq: SeqNum::new(u32::MAX),
                ack: ack.map(SeqNum::new),
                flags,
                ..SegmentHeader::default()
            },
            payload_len,
            bytes: Bytes::new(),
        }
    }

    #[test]
    fn syn_and_fin_take_a_number_each() {
        let both = segment(Flags::SYN | Flags::FIN, None, 10);
        assert_eq!(both.seq_len(), 12);
        assert_eq!(both.payload_seq(), SeqNum::new(0));
        assert_eq!(both.seq_end(), SeqNum::new(11));
    }

    // RFC 9293 3.10.7.1: the two forms of the reset.
    #[test]
    fn reset_takes_its_number_from_an_ack_and_otherwise_acknowledges() {
        let with_ack = segment(Flags::ACK, Some(77), 5).reset_for().unwrap();
        assert_eq!((with_ack.seq, with_ack.ack), (SeqNum::new(77), None));
        assert_eq!(with_ack.flags, Flags::RST);
        let without = segment(Flags::SYN, None, 5).reset_for().unwrap();
        assert_eq!(without.seq, SeqNum::new(0));
        assert_eq!(without.ack, Some(SeqNum::new(5)));
        assert_eq!(segment(Flags::RST, None, 0).reset_for(), None);
    }

    #[test]
    fn flags_print_as_tcpdump_prints_them() {
        assert_eq!((Flags::SYN | Flags::ACK).to_string(), "S.");
        assert_eq!((Flags::FIN | Flags::PSH | Flags::ACK).to_string(), "FP.");
        assert_eq!(Flags::NONE.to_string(), "none");
    }

    #[test]
    fn blocks_beyond_four_are_refused() {
        let mut blocks = SackBlocks::new();
        for n in 0..4 {
            assert!(blocks.push(SackBlock {
                left: SeqNum::new(n),
                right: SeqNum::new(n + 1)
            }));
        }
        assert!(!blocks.push(SackBlock::default()));
        assert_eq!(blocks.truncated(3).len(), 3);
    }
}
