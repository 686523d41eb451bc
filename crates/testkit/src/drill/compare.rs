//! A packet as expected beside one that left.
//!
//! Job: find what differs. Owns: what each dialect forgives. Does not know: when packets left.
//! Numbers on both sides are the script's.

use super::ast::{Counters, IpPrefix, Tcp, TcpOption};
use super::report::Dialect;
use super::wire::Seen;

/// What differs between two segments, in words; empty if nothing does.
pub(super) fn segments(expected: &Tcp, actual: &Tcp, dialect: Dialect) -> Vec<String> {
    let strict = dialect == Dialect::Ours;
    let mut wrong = Vec::new();
    let mut differ = |name: &str, expected: String, actual: String| {
        if expected != actual {
            wrong.push(format!("{name}: expected {expected}, got {actual}"));
        }
    };
    let (mut wanted, mut got) = (expected.flags, actual.flags);
    if !strict {
        (wanted.psh, got.psh) = (false, false);
    }
    differ("flags", wanted.to_string(), got.to_string());
    differ(
        "sequence number",
        expected.seq.to_string(),
        actual.seq.to_string(),
    );
    differ("length", expected.len.to_string(), actual.len.to_string());
    if let Some(ack) = expected.ack.filter(|_| expected.flags.ack) {
        let got = actual
            .ack
            .map_or_else(|| "none".to_owned(), |ack| ack.to_string());
        differ("acknowledgment", ack.to_string(), got);
    }
    if let (Some(win), Some(got)) = (expected.win, actual.win) {
        // Elsewhere a window is that system's buffer; what everybody means the same is a closed one.
        if strict {
            differ("window", win.to_string(), got.to_string());
        } else {
            let word = |win| if win == 0 { "closed" } else { "open" };
            differ("window", word(win).to_owned(), word(got).to_owned());
        }
    }
    differ(
        "urgent pointer",
        expected.urg.unwrap_or(0).to_string(),
        actual.urg.unwrap_or(0).to_string(),
    );
    if let (Some(wanted), Some(got)) = (&expected.options, &actual.options) {
        let both = counted(wanted).zip(counted(got)).filter(|_| !strict);
        let list = |options: &[TcpOption], other: Option<&Counters>| {
            let mut words: Vec<String> = options
                .iter()
                .filter(|o| counts(o, dialect))
                .filter_map(|o| match o {
                    TcpOption::AccurateEcn(own) if !strict => common(own, other?),
                    other => Some(word(other, dialect)),
                })
                .collect();
            if !strict {
                words.sort();
            }
            format!("<{}>", words.join(","))
        };
        let (theirs, ours) = both.unzip();
        differ("options", list(wanted, ours), list(got, theirs));
    }
    wrong
}

fn counted(options: &[TcpOption]) -> Option<&Counters> {
    options.iter().find_map(|option| match option {
        TcpOption::AccurateEcn(counters) => Some(counters),
        TcpOption::Eol
        | TcpOption::Nop
        | TcpOption::Mss(_)
        | TcpOption::WindowScale(_)
        | TcpOption::SackPermitted
        | TcpOption::Sack(_)
        | TcpOption::Timestamps { .. }
        | TcpOption::FastOpen { .. }
        | TcpOption::Md5(_)
        | TcpOption::UserTimeout { .. }
        | TcpOption::Other { .. } => None,
    })
}

/// The counters that both ends of a comparison tell: which segments tell them, in which order and how many, RFC 9768
/// 3.2.3.3 leaves to each system.
fn common(own: &Counters, other: &Counters) -> Option<String> {
    let told = |name| other.named().any(|(known, _)| known == name);
    let mut fields: Vec<String> = own
        .named()
        .filter(|(name, _)| told(*name))
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    fields.sort();
    (!fields.is_empty()).then(|| format!("ECN {}", fields.join(" ")))
}

/// Padding is a matter of taste.
const fn counts(option: &TcpOption, dialect: Dialect) -> bool {
    matches!(dialect, Dialect::Ours) || !matches!(option, TcpOption::Nop | TcpOption::Eol)
}

/// A window scale is half of a buffer's size: other systems have other buffers.
fn word(option: &TcpOption, dialect: Dialect) -> String {
    match (option, dialect) {
        (TcpOption::WindowScale(_), Dialect::Linux | Dialect::FreeBsd) => "wscale".to_owned(),
        _ => option.to_string(),
    }
}

/// What the IP header should say and does not.
pub(super) fn headers(expected: &IpPrefix, actual: &Seen) -> Vec<String> {
    let checks = [
        (
            "ECN",
            expected.ecn.map(u32::from),
            u32::from(actual.tos & 3),
        ),
        (
            "traffic class",
            expected.tos.map(u32::from),
            u32::from(actual.tos),
        ),
        (
            "hop limit",
            expected.ttl.map(u32::from),
            u32::from(actual.ttl),
        ),
        ("flow label", expected.flow_label, actual.flow_label),
        (
            "port",
            expected.port.map(u32::from),
            u32::from(actual.dst.port()),
        ),
    ];
    checks
        .into_iter()
        .filter_map(|(name, expected, actual)| {
            let expected = expected.filter(|expected| *expected != actual)?;
            Some(format!("{name}: expected {expected}, got {actual}"))
        })
        .collect()
}
