//! What names in a script stand for.
//!
//! Job: numbers for symbols where a call needs the number. Owns: the table. Does not know: calls.
//! Source: POSIX.1-2024; the values are Linux's.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "values of a language, not a protocol"
)]

use super::super::ast::Value;

const NAMES: &[(&str, i64)] = &[
    ("SHUT_RD", 0),
    ("SHUT_WR", 1),
    ("SHUT_RDWR", 2),
    ("O_RDONLY", 0),
    ("O_WRONLY", 1),
    ("O_RDWR", 2),
    ("O_NONBLOCK", 0x800),
    ("POLLIN", 1),
    ("POLLPRI", 2),
    ("POLLOUT", 4),
    ("POLLERR", 8),
    ("POLLHUP", 0x10),
    ("POLLNVAL", 0x20),
    ("POLLRDNORM", 0x40),
    ("POLLRDBAND", 0x80),
    ("POLLWRNORM", 0x100),
    ("POLLWRBAND", 0x200),
    ("POLLRDHUP", 0x2000),
    ("EPOLLIN", 1),
    ("EPOLLPRI", 2),
    ("EPOLLOUT", 4),
    ("EPOLLERR", 8),
    ("EPOLLHUP", 0x10),
    ("EPOLLRDNORM", 0x40),
    ("EPOLLRDBAND", 0x80),
    ("EPOLLWRNORM", 0x100),
    ("EPOLLWRBAND", 0x200),
    ("EPOLLRDHUP", 0x2000),
    ("EPOLLONESHOT", 1 << 30),
    ("EPOLLET", 1 << 31),
    ("NULL", 0),
    ("INFTIM", -1),
    ("MSG_TRUNC", 0x20),
    ("MSG_CTRUNC", 8),
    ("MSG_ERRQUEUE", 0x2000),
    ("SO_EE_ORIGIN_NONE", 0),
    ("SO_EE_ORIGIN_LOCAL", 1),
    ("SO_EE_ORIGIN_ICMP", 2),
    ("SO_EE_ORIGIN_ICMP6", 3),
    ("SO_EE_ORIGIN_TIMESTAMPING", 4),
    ("SO_EE_ORIGIN_ZEROCOPY", 5),
    ("SO_EE_CODE_ZEROCOPY_COPIED", 1),
    ("MSG_EOR", 0x80),
    ("MSG_OOB", 1),
    ("IPTOS_LOWDELAY", 0x10),
    ("IPTOS_THROUGHPUT", 8),
    ("IPTOS_RELIABILITY", 4),
    ("IPTOS_ECN_NOT_ECT", 0),
    ("IPTOS_ECN_ECT0", 2),
    ("IPTOS_ECN_ECT1", 1),
    ("IPTOS_ECN_CE", 3),
    ("true", 1),
    ("false", 0),
];

/// The number a value stands for; `None` if it is none.
pub(in super::super) fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => Some(*number),
        Value::Symbol(words) => words.split('|').try_fold(0, |sum, word| {
            let named = NAMES.iter().find(|(name, _)| *name == word);
            let number = named.map(|(_, number)| *number);
            Some(sum | number.or_else(|| word.parse().ok())?)
        }),
        Value::List(values) => match values.as_slice() {
            [only] => number(only),
            _ => None,
        },
        Value::Call(name, args) if matches!(name.as_str(), "htons" | "htonl" | "ntohs") => {
            args.first().and_then(number)
        }
        _ => None,
    }
}

/// A value as written.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Any => "...".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Symbol(text) | Value::Text(text) => text.clone(),
        Value::List(values) => {
            let words: Vec<String> = values.iter().map(text).collect();
            format!("[{}]", words.join(", "))
        }
        Value::Struct(members) => {
            let member = |(name, value): &(String, Value)| format!("{name}={}", text(value));
            let words: Vec<String> = members.iter().map(member).collect();
            format!("{{{}}}", words.join(", "))
        }
        Value::Call(name, args) => {
            let words: Vec<String> = args.iter().map(text).collect();
            format!("{name}({})", words.join(", "))
        }
    }
}

/// A member of a struct.
pub(super) fn member<'a>(value: &'a Value, wanted: &str) -> Option<&'a Value> {
    match value {
        Value::Struct(members) => {
            let found = members.iter().find(|(name, _)| name == wanted);
            found.map(|(_, value)| value)
        }
        _ => None,
    }
}
