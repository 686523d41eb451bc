//! A TCP header, field by field.
//!
//! Job: show every field with its bits, its name in Wireshark and its source.
//! Owns: the list. Does not know: sequence numbers relative to anything; values are as they stand.
//! Sources: RFC 9293 3.1, 3.2; RFC 7323; RFC 2018; RFC 3168; RFC 9768 (the AE bit).

use core::ops::Range;

use outcrop_base::{Field, FieldValue};

use super::options::{
    self, ACCURATE_0, ACCURATE_1, AO, FAST_OPEN, MD5, MSS, NOP, Raw, SACK, SACK_PERMITTED,
    TIMESTAMPS, USER_TIMEOUT, WSCALE,
};

const HEADER: &str = "RFC 9293 3.1";
const OPTIONS: &str = "RFC 9293 3.2";

/// The fixed part: key, name, bits, source.
const FIXED: [(&str, &str, Range<u32>, &str); 18] = [
    ("tcp.srcport", "Source Port", 0..16, HEADER),
    ("tcp.dstport", "Destination Port", 16..32, HEADER),
    ("tcp.seq_raw", "Sequence Number", 32..64, HEADER),
    ("tcp.ack_raw", "Acknowledgment Number", 64..96, HEADER),
    ("tcp.hdr_len", "Data Offset", 96..100, HEADER),
    ("tcp.flags.res", "Reserved", 100..103, HEADER),
    ("tcp.flags.ae", "AE", 103..104, "RFC 9768 3.1"),
    ("tcp.flags.cwr", "CWR", 104..105, "RFC 3168 6.1"),
    ("tcp.flags.ece", "ECE", 105..106, "RFC 3168 6.1"),
    ("tcp.flags.urg", "URG", 106..107, HEADER),
    ("tcp.flags.ack", "ACK", 107..108, HEADER),
    ("tcp.flags.push", "PSH", 108..109, HEADER),
    ("tcp.flags.reset", "RST", 109..110, HEADER),
    ("tcp.flags.syn", "SYN", 110..111, HEADER),
    ("tcp.flags.fin", "FIN", 111..112, HEADER),
    ("tcp.window_size_value", "Window", 112..128, HEADER),
    ("tcp.checksum", "Checksum", 128..144, HEADER),
    ("tcp.urgent_pointer", "Urgent Pointer", 144..160, HEADER),
];

/// Tells every field of the header at the start of `bytes`; what is cut off is not told.
pub fn fields(bytes: &[u8], visit: &mut dyn FnMut(Field<'_>)) {
    for (key, name, bits, source) in FIXED {
        if let Some(value) = number(bytes, &bits) {
            visit(Field {
                key,
                name,
                bits,
                value: FieldValue::Number(value),
                source,
            });
        }
    }
    let words = number(bytes, &(96..100)).unwrap_or_default();
    let end = usize::try_from(words).unwrap_or_default() * 4;
    let Some(all) = bytes.get(super::MIN_HEADER_LEN..end) else {
        return;
    };
    for option in options::iterate(all).map_while(Result::ok) {
        visit_option(&option, visit);
    }
}

/// The big-endian number in these bits.
fn number(bytes: &[u8], bits: &Range<u32>) -> Option<u64> {
    let first = usize::try_from(bits.start / 8).ok()?;
    let last = usize::try_from(bits.end.div_ceil(8)).ok()?;
    let octets = bytes.get(first..last)?;
    let whole = octets
        .iter()
        .fold(0u64, |sum, octet| sum << 8 | u64::from(*octet));
    let behind = (8 - bits.end % 8) % 8;
    let width = bits.end - bits.start;
    Some(whole >> behind & ((1 << width) - 1))
}

fn visit_option(option: &Raw<'_>, visit: &mut dyn FnMut(Field<'_>)) {
    let at = u32::try_from(super::MIN_HEADER_LEN + option.at).unwrap_or_default() * 8;
    let len = u32::try_from(option.len).unwrap_or_default() * 8;
    let mut tell = |key, name, bits: Range<u32>, value, source| {
        visit(Field {
            key,
            name,
            bits: at + bits.start..at + bits.end,
            value,
            source,
        });
    };
    let part = |bits: Range<u32>| {
        let body = bits.start - 16..bits.end - 16;
        FieldValue::Number(number(option.body, &body).unwrap_or_default())
    };
    match (option.kind, option.body.len()) {
        (NOP, _) => tell(
            "tcp.options.nop",
            "No-Operation",
            0..8,
            FieldValue::Number(1),
            OPTIONS,
        ),
        (MSS, 2) => tell(
            "tcp.options.mss_val",
            "Maximum Segment Size",
            16..32,
            part(16..32),
            OPTIONS,
        ),
        (WSCALE, 1) => tell(
            "tcp.options.wscale.shift",
            "Window Scale",
            16..24,
            part(16..24),
            "RFC 7323 2.2",
        ),
        (SACK_PERMITTED, 0) => tell(
            "tcp.options.sack_perm",
            "SACK Permitted",
            0..16,
            FieldValue::Number(1),
            "RFC 2018 2",
        ),
        (SACK, body) if body % 8 == 0 => {
            let mut start = 16;
            while start < len {
                let (left, right) = (start..start + 32, start + 32..start + 64);
                let (l, r) = (part(left.clone()), part(right.clone()));
                tell("tcp.options.sack_le", "Left Edge", left, l, "RFC 2018 3");
                tell("tcp.options.sack_re", "Right Edge", right, r, "RFC 2018 3");
                start += 64;
            }
        }
        (TIMESTAMPS, 8) => {
            let (val, ecr) = (part(16..48), part(48..80));
            tell(
                "tcp.options.timestamp.tsval",
                "TSval",
                16..48,
                val,
                "RFC 7323 3.2",
            );
            tell(
                "tcp.options.timestamp.tsecr",
                "TSecr",
                48..80,
                ecr,
                "RFC 7323 3.2",
            );
        }
        (FAST_OPEN, body) => tell(
            if body == 0 {
                "tcp.options.tfo.request"
            } else {
                "tcp.options.tfo.cookie"
            },
            "TCP Fast Open Cookie",
            0..len,
            FieldValue::Bytes(option.body),
            "RFC 7413 2",
        ),
        (USER_TIMEOUT, 2) => visit_user_timeout(option, at, visit),
        (ACCURATE_0 | ACCURATE_1, _) => accurate(option, at, visit),
        (MD5, 16) | (AO, 2..) => visit_signature(option, at, visit),
        (_, _) => tell(
            "tcp.options.unknown",
            "Unknown Option",
            0..len,
            FieldValue::Bytes(option.body),
            OPTIONS,
        ),
    }
}

/// An option that proves its sender, at this bit of the header.
fn visit_signature(option: &Raw<'_>, at: u32, visit: &mut dyn FnMut(Field<'_>)) {
    let len = u32::try_from(option.len).unwrap_or_default() * 8;
    let mut tell = |key, name, bits: Range<u32>, value, source| {
        visit(Field {
            key,
            name,
            bits: at + bits.start..at + bits.end,
            value,
            source,
        });
    };
    match *option.body {
        [key_id, next_id, ref mac @ ..] if option.kind == AO => {
            let id = |id: u8| FieldValue::Number(u64::from(id));
            let source = "RFC 5925 2.2";
            tell("tcp.options.ao.keyid", "KeyID", 16..24, id(key_id), source);
            let key = "tcp.options.ao.rnextkeyid";
            tell(key, "RNextKeyID", 24..32, id(next_id), source);
            let mac = FieldValue::Bytes(mac);
            tell("tcp.options.ao.mac", "MAC", 32..len, mac, source);
        }
        ref digest => {
            let digest = FieldValue::Bytes(digest);
            let key = "tcp.options.md5.digest";
            tell(key, "MD5 Digest", 16..len, digest, "RFC 2385 3.0");
        }
    }
}

/// The counters of accurate ECN that are told, in the order of their kind.
fn accurate(option: &Raw<'_>, at: u32, visit: &mut dyn FnMut(Field<'_>)) {
    const ECT0: (&str, &str) = ("tcp.options.acc_ecn.ee0b", "ECT(0) Bytes");
    const CE: (&str, &str) = ("tcp.options.acc_ecn.eceb", "CE Bytes");
    const ECT1: (&str, &str) = ("tcp.options.acc_ecn.ee1b", "ECT(1) Bytes");
    let order = if option.kind == ACCURATE_0 {
        [ECT0, CE, ECT1]
    } else {
        [ECT1, CE, ECT0]
    };
    let mut start = at + 16;
    for ((key, name), [high, middle, low]) in order.into_iter().zip(option.body.as_chunks().0) {
        let value = u32::from_be_bytes([0, *high, *middle, *low]);
        visit(Field {
            key,
            name,
            bits: start..start + 24,
            value: FieldValue::Number(u64::from(value)),
            source: "RFC 9768 3.2.3",
        });
        start += 24;
    }
}

/// How long the sender keeps data unacknowledged, at this bit of the header.
fn visit_user_timeout(option: &Raw<'_>, at: u32, visit: &mut dyn FnMut(Field<'_>)) {
    let parts = [
        ("tcp.options.user_to_granularity", "Granularity", 16..17),
        ("tcp.options.user_to_val", "User Timeout", 17..32),
    ];
    for (key, name, bits) in parts {
        let body = bits.start - 16..bits.end - 16;
        visit(Field {
            key,
            name,
            bits: at + bits.start..at + bits.end,
            value: FieldValue::Number(number(option.body, &body).unwrap_or_default()),
            source: "RFC 5482 3",
        });
    }
}
