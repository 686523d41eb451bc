//! The options of a header.
//!
//! Job: read the options we know and skip those we do not; write ours, padded, in the order Linux uses, so
//! that a fingerprint of the stack says nothing unusual and 32-bit fields are aligned.
//! Owns: kinds and lengths. Does not know: which options were agreed upon.
//! Sources: RFC 9293 3.2 (MUST-4 to MUST-7, MUST-68), RFC 7323 2.2, 3.2 and appendix A, RFC 2018 2 and 3, RFC 7413 2,
//! RFC 2385 3.0, RFC 5482 3, RFC 5925 2.2.

use outcrop_base::DropReason;

use crate::segment::{
    AccurateOption, FastOpenCookie, MAX_ACCURATE_FIELDS, Options, SackBlock, SackBlocks, Signature,
    Timestamps, UserTimeout,
};
use crate::seq::SeqNum;

/// The room for options: a data offset of 15 words, less the fixed 20 octets.
pub(super) const MAX_LEN: usize = 40;

pub(super) const END: u8 = 0;
pub(super) const NOP: u8 = 1;
pub(super) const MSS: u8 = 2;
pub(super) const WSCALE: u8 = 3;
pub(super) const SACK_PERMITTED: u8 = 4;
pub(super) const SACK: u8 = 5;
pub(super) const TIMESTAMPS: u8 = 8;
/// MD5 signature (RFC 2385 3.0).
pub(crate) const MD5: u8 = 19;
/// TCP-AO (RFC 5925 2.2).
pub(crate) const AO: u8 = 29;
/// User timeout (RFC 5482 3).
pub(super) const USER_TIMEOUT: u8 = 28;
pub(super) const FAST_OPEN: u8 = 34;
/// Accurate ECN with ECT(0) first (RFC 9768 3.2.3).
pub(super) const ACCURATE_0: u8 = 172;
/// The same with ECT(1) first.
pub(super) const ACCURATE_1: u8 = 174;
/// The kind shared by experiments, which tell themselves apart by two more octets (RFC 6994).
pub(super) const EXPERIMENT: u8 = 254;
/// Fast open's, from before it had a kind (RFC 7413 appendix, RFC 6994).
pub(super) const FAST_OPEN_EXPERIMENT: [u8; 2] = [0xf9, 0x89];

const TIMESTAMPS_PADDED: usize = 12;
/// The MD5 signature with its padding.
pub(crate) const MD5_PADDED: u8 = 20;
/// TCP-AO with a MAC of 96 bits: kind, length, two ids, twelve octets.
pub(crate) const AO_LEN: u8 = 16;

/// One option as it stands in the header.
pub(super) struct Raw<'a> {
    /// Octets from the start of the options.
    pub(super) at: usize,
    pub(super) kind: u8,
    /// What follows kind and length.
    pub(super) body: &'a [u8],
    /// Octets in all.
    pub(super) len: usize,
}

/// The options one by one, `NOP` included, `END` not. An impossible length ends it with an error.
pub(super) fn iterate(all: &[u8]) -> impl Iterator<Item = Result<Raw<'_>, DropReason>> {
    let mut at = 0;
    core::iter::from_fn(move || {
        let rest = all.get(at..)?;
        let (kind, len) = match *rest {
            [] | [END, ..] => return None,
            [NOP, ..] => (NOP, 1),
            // RFC 9293 3.2 MUST-7: an option that says it is shorter than its own head, or that has
            // no length at all, must not confuse us: we cannot know where the next one begins.
            [_] | [_, 0 | 1, ..] => {
                at = all.len();
                return Some(Err(DropReason::TcpBadOption));
            }
            [kind, len, ..] => (kind, usize::from(len)),
        };
        let Some(whole) = rest.get(..len) else {
            at = all.len();
            return Some(Err(DropReason::TcpBadOption));
        };
        let option = Raw {
            at,
            kind,
            body: whole.get(2..).unwrap_or_default(),
            len,
        };
        at += len;
        Some(Ok(option))
    })
}

/// Reads the options. One we know with a length that is not its own is skipped like an unknown one
/// (MUST-6): it says nothing.
pub(super) fn parse(all: &[u8]) -> Result<Options, DropReason> {
    // What nearly every segment carries: NOP NOP timestamps.
    if let [NOP, NOP, TIMESTAMPS, 10, body @ ..] = all
        && let [v0, v1, v2, v3, e0, e1, e2, e3] = *body
    {
        let timestamps = Some(Timestamps {
            val: u32::from_be_bytes([v0, v1, v2, v3]),
            ecr: u32::from_be_bytes([e0, e1, e2, e3]),
        });
        return Ok(Options {
            timestamps,
            ..Options::default()
        });
    }
    let mut options = Options::default();
    for option in iterate(all) {
        let option = option?;
        match (option.kind, option.body) {
            (MSS, &[high, low]) => options.mss = Some(u16::from_be_bytes([high, low])),
            (WSCALE, &[shift]) => options.wscale = Some(shift),
            (SACK_PERMITTED, []) => options.sack_permitted = true,
            (SACK, blocks) => options.sack = sack_blocks(blocks),
            (TIMESTAMPS, &[v0, v1, v2, v3, e0, e1, e2, e3]) => {
                options.timestamps = Some(Timestamps {
                    val: u32::from_be_bytes([v0, v1, v2, v3]),
                    ecr: u32::from_be_bytes([e0, e1, e2, e3]),
                });
            }
            (kind @ (ACCURATE_0 | ACCURATE_1), body) => {
                options.accurate = Some(accurate(kind, body));
            }
            (FAST_OPEN, cookie) => options.fast_open = FastOpenCookie::new(cookie, false),
            (EXPERIMENT, [high, low, cookie @ ..])
                if [*high, *low] == FAST_OPEN_EXPERIMENT && options.fast_open.is_none() =>
            {
                options.fast_open = FastOpenCookie::new(cookie, true);
            }
            (USER_TIMEOUT, &[high, low]) => {
                options.user_timeout = UserTimeout::from_bits(u16::from_be_bytes([high, low]));
            }
            (MD5, digest) if digest.len() == 16 => {
                options.signature = Some(one(options.signature, Signature::Md5));
            }
            (AO, &[key_id, next_id, ..]) => {
                let shown = Signature::Ao { key_id, next_id };
                options.signature = Some(one(options.signature, shown));
            }
            _ => {}
        }
    }
    Ok(options)
}

/// Whole counters only; what is behind them is padding (RFC 9768 3.2.3).
fn accurate(kind: u8, body: &[u8]) -> AccurateOption {
    let (fields, _padding) = body.as_chunks::<3>();
    let mut counters = [0; MAX_ACCURATE_FIELDS];
    let mut count = 0;
    for (counter, [high, middle, low]) in counters.iter_mut().zip(fields) {
        *counter = u32::from_be_bytes([0, *high, *middle, *low]);
        count += 1;
    }
    let told = counters.get(..count).unwrap_or_default();
    AccurateOption::new(kind == ACCURATE_1, told)
}

/// Two of them are none that can be checked.
const fn one(before: Option<Signature>, shown: Signature) -> Signature {
    if before.is_some() {
        Signature::Conflict
    } else {
        shown
    }
}

fn sack_blocks(body: &[u8]) -> SackBlocks {
    let mut blocks = SackBlocks::new();
    let (words, rest) = body.as_chunks::<4>();
    let (pairs, odd) = words.as_chunks::<2>();
    if rest.is_empty() && odd.is_empty() {
        for [left, right] in pairs {
            blocks.push(SackBlock {
                left: SeqNum::new(u32::from_be_bytes(*left)),
                right: SeqNum::new(u32::from_be_bytes(*right)),
            });
        }
    }
    blocks
}

/// Octets [`write()`] will produce: always a multiple of four, at most [`MAX_LEN`].
pub(super) fn padded_len(o: &Options) -> usize {
    fixed_len(o) + sack_len(sack_count(o))
}

/// What everything but SACK blocks takes.
fn fixed_len(o: &Options) -> usize {
    let mss = if o.mss.is_some() { 4 } else { 0 };
    // SACK permitted takes the place of the two NOPs before timestamps.
    let timestamps = match (o.timestamps.is_some(), o.sack_permitted) {
        (true, _) => TIMESTAMPS_PADDED,
        (false, true) => 4,
        (false, false) => 0,
    };
    let wscale = if o.wscale.is_some() { 4 } else { 0 };
    let accurate = o.accurate.as_ref().map_or(0, |option| {
        AccurateOption::padded_len(option.as_slice().len())
    });
    let signature = usize::from(o.signature.map_or(0, signature_len));
    let user_timeout = if o.user_timeout.is_some() { 4 } else { 0 };
    let others = signature + user_timeout + accurate;
    others + mss + timestamps + wscale + o.fast_open.as_ref().map_or(0, fast_open_len)
}

/// What a signature takes, padded.
const fn signature_len(signature: Signature) -> u8 {
    match signature {
        Signature::Md5 => MD5_PADDED,
        Signature::Ao { .. } => AO_LEN,
        Signature::Conflict => 0,
    }
}

/// What the fast-open option takes, padded.
fn fast_open_len(cookie: &FastOpenCookie) -> usize {
    let head = if cookie.experimental { 4 } else { 2 };
    (head + cookie.as_slice().len()).next_multiple_of(4)
}

/// How many of the blocks fit behind the rest.
fn sack_count(o: &Options) -> usize {
    let room = MAX_LEN.saturating_sub(fixed_len(o) + 4) / 8;
    o.sack.len().min(room)
}

const fn sack_len(count: usize) -> usize {
    if count == 0 { 0 } else { 4 + 8 * count }
}

/// Writes the options; returns the octets and how many count.
pub(super) fn write(o: &Options) -> ([u8; MAX_LEN], usize) {
    let mut out = Writer {
        bytes: [0; MAX_LEN],
        len: 0,
    };
    match o.signature {
        Some(Signature::Md5) => out.put(&[NOP, NOP, MD5, 18]),
        Some(Signature::Ao { key_id, next_id }) => out.put(&[AO, AO_LEN, key_id, next_id]),
        Some(Signature::Conflict) | None => {}
    }
    // Zero for now, and always behind the first four octets.
    out.len = usize::from(o.signature.map_or(0, signature_len));
    if let Some(mss) = o.mss {
        out.put(&[MSS, 4]);
        out.put(&mss.to_be_bytes());
    }
    match (o.timestamps, o.sack_permitted) {
        (Some(_), true) => out.put(&[SACK_PERMITTED, 2]),
        (Some(_), false) => out.put(&[NOP, NOP]),
        (None, true) => out.put(&[NOP, NOP, SACK_PERMITTED, 2]),
        (None, false) => {}
    }
    if let Some(timestamps) = o.timestamps {
        out.put(&[TIMESTAMPS, 10]);
        out.put(&timestamps.val.to_be_bytes());
        out.put(&timestamps.ecr.to_be_bytes());
    }
    if let Some(shift) = o.wscale {
        out.put(&[NOP, WSCALE, 3, shift]);
    }
    if let Some(user_timeout) = o.user_timeout {
        out.put(&[USER_TIMEOUT, 4]);
        out.put(&user_timeout.bits().to_be_bytes());
    }
    if let Some(cookie) = &o.fast_open {
        write_fast_open(cookie, &mut out);
    }
    if let Some(option) = &o.accurate {
        write_accurate(option, &mut out);
    }
    let count = sack_count(o);
    if count > 0 {
        let len = u8::try_from(2 + 8 * count).unwrap_or(2);
        out.put(&[NOP, NOP, SACK, len]);
        for block in o.sack.as_slice().iter().take(count) {
            out.put(&block.left.value().to_be_bytes());
            out.put(&block.right.value().to_be_bytes());
        }
    }
    (out.bytes, out.len)
}

fn write_accurate(option: &AccurateOption, out: &mut Writer) {
    let kind = if option.order_1 {
        ACCURATE_1
    } else {
        ACCURATE_0
    };
    let fields = option.as_slice();
    let len = u8::try_from(2 + 3 * fields.len()).unwrap_or(2);
    out.put(&[kind, len]);
    for field in fields {
        let [_, counter @ ..] = field.to_be_bytes();
        out.put(&counter);
    }
    while !out.len.is_multiple_of(4) {
        out.put(&[NOP]);
    }
}

fn write_fast_open(cookie: &FastOpenCookie, out: &mut Writer) {
    let body = cookie.as_slice();
    let head = if cookie.experimental { 4 } else { 2 };
    let len = u8::try_from(head + body.len()).unwrap_or(2);
    if cookie.experimental {
        out.put(&[EXPERIMENT, len]);
        out.put(&FAST_OPEN_EXPERIMENT);
    } else {
        out.put(&[FAST_OPEN, len]);
    }
    out.put(body);
    while !out.len.is_multiple_of(4) {
        out.put(&[NOP]);
    }
}

struct Writer {
    bytes: [u8; MAX_LEN],
    len: usize,
}

impl Writer {
    fn put(&mut self, bytes: &[u8]) {
        let end = self.len + bytes.len();
        if let Some(to) = self.bytes.get_mut(self.len..end) {
            to.copy_from_slice(bytes);
            self.len = end;
        }
    }
}
