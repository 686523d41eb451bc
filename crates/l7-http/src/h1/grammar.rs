//! The small words of the grammar.
//!
//! Job: say whether bytes are a token, a target, a host, a number. Owns: the character classes.
//! Does not know: which message they stand in, or what follows from a no.
//! Sources: RFC 9110 sections 5.6.2 (token), 5.6.4 (quoted string), 7.2 (Host); RFC 3986 section 3; RFC 9112 section 3.2.

use core::net::Ipv6Addr;

const TOKEN: [bool; 256] = class(b"!#$%&'*+-.^_`|~", true);
/// RFC 3986 pchar and `/`, with what browsers send unencoded; never `#`, space, a control or a high byte.
const PATH: [bool; 256] = class(b"!\"$%&'()*+,-./:;=@[\\]^_{|}~", true);
const QUERY: [bool; 256] = class(b"!$%&'()*+,-./:;=?@[\\]^_`{|}~", true);
/// RFC 3986 reg-name.
const HOST: [bool; 256] = class(b"!$%&'()*+,-._~;=", true);
/// The same, where nothing is encoded.
const PLAIN_HOST: [bool; 256] = class(b"!$&'()*+,-._~;=", true);

/// One in each byte of a word.
const ONES: u64 = u64::from_le_bytes([1; 8]);
/// The highest bit of each.
const HIGHS: u64 = ONES << 7;

const fn class(marks: &[u8], alphanumeric: bool) -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0u8;
    while byte < 128 {
        let mut at = 0;
        let mut marked = alphanumeric && byte.is_ascii_alphanumeric();
        while at < marks.len() {
            #[expect(clippy::indexing_slicing, reason = "evaluated while compiling")]
            if marks[at] == byte {
                marked = true;
            }
            at += 1;
        }
        #[expect(clippy::indexing_slicing, reason = "evaluated while compiling")]
        {
            table[byte as usize] = marked;
        }
        byte += 1;
    }
    table
}

fn all(table: &[bool; 256], bytes: &[u8]) -> bool {
    // A byte is always inside a table of 256.
    bytes
        .iter()
        .all(|b| table.get(usize::from(*b)) == Some(&true))
}

/// Where `byte` stands first in a line. Lines of a head are some tens of bytes: `memchr` would spend longer on choosing
/// how to search than on searching.
pub(super) fn find(byte: u8, bytes: &[u8]) -> Option<usize> {
    let wanted = ONES * u64::from(byte);
    let (words, rest) = bytes.as_chunks::<8>();
    for (n, word) in words.iter().enumerate() {
        let differs = u64::from_le_bytes(*word) ^ wanted;
        // The lowest zero byte is marked exactly; marks above it may be wrong.
        let zeros = differs.wrapping_sub(ONES) & !differs & HIGHS;
        if zeros != 0 {
            return Some(8 * n + (zeros.trailing_zeros() / 8) as usize);
        }
    }
    let at = rest.iter().position(|found| *found == byte)?;
    Some(8 * words.len() + at)
}

/// How many bytes at the beginning are neither controls nor beyond ASCII: those of a field's value, most often.
pub(super) fn printable(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<8>();
    for (n, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let below = word.wrapping_sub(ONES * 0x20) & !word;
        let delete = word ^ (ONES * 0x7f);
        let delete = delete.wrapping_sub(ONES) & !delete;
        // As in `find`: the lowest mark is exact.
        let others = (below | delete | word) & HIGHS;
        if others != 0 {
            return 8 * n + (others.trailing_zeros() / 8) as usize;
        }
    }
    let more = rest.iter().take_while(|byte| matches!(byte, b' '..=b'~'));
    8 * words.len() + more.count()
}

/// How many bytes at the beginning are those of a path.
pub(super) fn path_len(bytes: &[u8]) -> usize {
    leading::<b'/'>(&PATH, bytes)
}

/// How many bytes at the beginning are those of a query.
pub(super) fn query_len(bytes: &[u8]) -> usize {
    leading::<b'/'>(&QUERY, bytes)
}

/// How many bytes at the beginning are those of a token.
pub(super) fn token_len(bytes: &[u8]) -> usize {
    leading::<b'.'>(&TOKEN, bytes)
}

/// How many bytes at the beginning are in `table`, which has letters, digits and the marks from `-` to `LAST` in it:
/// most names and paths are nothing else, so they are looked at by the word.
#[inline]
fn leading<const LAST: u8>(table: &[bool; 256], bytes: &[u8]) -> usize {
    let mut rest = bytes;
    loop {
        if let Some((word, after)) = rest.split_first_chunk() {
            let others = others::<LAST>(u64::from_le_bytes(*word));
            if others == 0 {
                rest = after;
                continue;
            }
            rest = rest
                .get((others.trailing_zeros() / 8) as usize..)
                .unwrap_or_default();
        }
        match rest.split_first() {
            Some((first, after)) if all(table, &[*first]) => rest = after,
            Some(_) | None => return bytes.len() - rest.len(),
        }
    }
}

/// Marks, by its highest bit, each byte of a word that is neither letter nor digit nor one of the marks from `-` to `LAST`.
#[inline]
const fn others<const LAST: u8>(word: u64) -> u64 {
    let low = word & !HIGHS;
    let letters = between(low | (ONES * 0x20), b'a', b'z');
    // Behind `/` the digits begin: then both are one stretch.
    let good = if LAST + 1 == b'0' {
        letters | between(low, b'-', b'9')
    } else {
        letters | between(low, b'-', LAST) | between(low, b'0', b'9')
    };
    (!good | word) & HIGHS
}

/// Marks, by its highest bit, each byte of a word of ASCII that lies between two, both included. Without a highest bit of
/// its own no byte carries into the next. What the other bits say is nothing.
#[inline]
const fn between(ascii: u64, first: u8, last: u8) -> u64 {
    let from = ascii + ONES * (0x80 - first as u64);
    let beyond = ascii + ONES * (0x7f - last as u64);
    from & !beyond
}

/// `1*tchar`.
pub(super) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && all(&TOKEN, bytes)
}

pub(super) fn is_token_byte(byte: u8) -> bool {
    all(&TOKEN, &[byte])
}

/// `absolute-path [ "?" query ]`.
pub(super) fn is_origin_form(target: &[u8]) -> bool {
    let (path, query) = match find(b'?', target) {
        Some(at) => (target.get(..at), target.get(at + 1..)),
        None => (Some(target), None),
    };
    path.is_some_and(|p| p.first() == Some(&b'/') && all(&PATH, p))
        && query.is_none_or(|q| all(&QUERY, q))
}

/// `uri-host [ ":" port ]`; may be empty, as RFC 9110 section 7.2 asks for targets without authority.
pub(super) fn is_host(value: &[u8]) -> bool {
    let plain = leading::<b'.'>(&PLAIN_HOST, value);
    match value.get(plain..) {
        Some([]) => true,
        Some([b':', port @ ..]) => is_port(port),
        Some(_) | None => is_other_host(value),
    }
}

fn is_port(digits: &[u8]) -> bool {
    digits.is_empty() || decimal(digits).is_some_and(|port| port <= 65_535)
}

/// A host with something encoded in it, an IPv6 address, or none.
fn is_other_host(value: &[u8]) -> bool {
    let after_host = if value.first() == Some(&b'[') {
        let Some(end) = find(b']', value) else {
            return false;
        };
        let literal = value
            .get(1..end)
            .and_then(|inner| core::str::from_utf8(inner).ok());
        if literal.is_none_or(|inner| inner.parse::<Ipv6Addr>().is_err()) {
            return false;
        }
        value.get(end + 1..)
    } else {
        let end = find(b':', value).unwrap_or(value.len());
        let encoded = |host: &[u8]| find(b'%', host).is_none() || is_well_encoded(host);
        let valid = |host: &[u8]| all(&HOST, host) && encoded(host);
        if !value.get(..end).is_some_and(valid) {
            return false;
        }
        value.get(end..)
    };
    match after_host.and_then(<[u8]>::split_first) {
        None => true,
        Some((b':', port)) => is_port(port),
        Some(_) => false,
    }
}

/// Whether every percent sign begins two hexadecimal digits (RFC 3986 section 2.1).
fn is_well_encoded(text: &[u8]) -> bool {
    text.split(|b| *b == b'%').skip(1).all(|after| {
        let digits = after.first_chunk::<2>();
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

/// Whether this is `host:port`, the port not left out (RFC 9112 section 3.2.3).
pub(super) fn is_authority_form(target: &[u8]) -> bool {
    let Some(colon) = target.iter().rposition(|byte| *byte == b':') else {
        return false;
    };
    let (host, port) = target.split_at(colon);
    let port = decimal(port.get(1..).unwrap_or_default());
    !host.is_empty() && is_host(target) && matches!(port, Some(1..=65_535))
}

/// Splits `http://authority/path?query` after its authority. `None` if it is no such thing.
pub(super) fn split_absolute(target: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = find(b':', target)?;
    let (scheme, rest) = target.split_at_checked(colon)?;
    if !scheme.eq_ignore_ascii_case(b"http") && !scheme.eq_ignore_ascii_case(b"https") {
        return None;
    }
    let rest = rest.strip_prefix(b"://")?;
    let end = rest
        .iter()
        .position(|b| matches!(b, b'/' | b'?'))
        .unwrap_or(rest.len());
    rest.split_at_checked(end)
}

/// `1*DIGIT` that fits.
pub(super) fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |sum, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}

/// `1*HEXDIG` that fits.
pub(super) fn hexadecimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 16 {
        return None;
    }
    digits.iter().try_fold(0u64, |sum, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        Some(sum << 4 | u64::from(digit))
    })
}

/// Without the spaces and tabs around it.
pub(super) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let Some((b' ' | b'\t', rest)) = bytes.split_first() {
        bytes = rest;
    }
    while let Some((b' ' | b'\t', rest)) = bytes.split_last() {
        bytes = rest;
    }
    bytes
}

/// The members of a comma-separated list, trimmed; empty ones included.
pub(super) fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|b| *b == b',').map(trim)
}

/// `*( BWS ";" BWS token [ BWS "=" BWS ( token / quoted-string ) ] )`.
pub(super) fn is_chunk_extensions(mut rest: &[u8]) -> bool {
    while !rest.is_empty() {
        let Some(after) = trim_start(rest).strip_prefix(b";") else {
            return false;
        };
        let Some(after) = skip_token(trim_start(after)) else {
            return false;
        };
        rest = after;
        if let Some(value) = trim_start(rest).strip_prefix(b"=") {
            let value = trim_start(value);
            let Some(after) = skip_token(value).or_else(|| skip_quoted(value)) else {
                return false;
            };
            rest = after;
        }
    }
    true
}

fn trim_start(mut bytes: &[u8]) -> &[u8] {
    while let Some((b' ' | b'\t', rest)) = bytes.split_first() {
        bytes = rest;
    }
    bytes
}

fn skip_token(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes
        .iter()
        .position(|b| !is_token_byte(*b))
        .unwrap_or(bytes.len());
    if end == 0 { None } else { bytes.get(end..) }
}

fn skip_quoted(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = bytes.strip_prefix(b"\"")?;
    loop {
        rest = match rest.split_first()? {
            (b'"', after) => return Some(after),
            (b'\\', after) => match after.split_first()? {
                (b'\t' | b' '..=0x7e | 0x80.., after) => after,
                (_, _) => return None,
            },
            (b'\t' | b' '..=0x7e | 0x80.., after) => after,
            (_, _) => return None,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hosts_of_the_rfc_pass_and_others_do_not() {
        for good in [
            "",
            "a",
            "www.example.org",
            "example.org:",
            "example.org:8080",
            "10.77.0.2:80",
            "[::1]",
            "[fd77::2]:80",
            "xn--nxasmq6b",
            "a_b",
            "%41",
        ] {
            assert!(is_host(good.as_bytes()), "{good:?}");
        }
        for bad in [
            "a b",
            "a/b",
            "a:b",
            "a:65536",
            "a:1:2",
            "user@a",
            "[::1",
            "[::1]x",
            "[1.2.3.4]",
            "[fe80::1%25eth0]",
            "a\0",
            "a#",
            "é",
        ] {
            assert!(!is_host(bad.as_bytes()), "{bad:?}");
        }
    }

    #[test]
    fn chunk_extensions_follow_the_grammar() {
        for good in ["", ";a", ";a=b", "; a = \"b;\\\"\" ;c", " ;a", ";a;b=c"] {
            assert!(is_chunk_extensions(good.as_bytes()), "{good:?}");
        }
        for bad in [
            " ",
            ";",
            "a",
            ";a=",
            ";=b",
            ";a=\"b",
            ";a b",
            ";a=b\r",
            ";a=\"\0\"",
        ] {
            assert!(!is_chunk_extensions(bad.as_bytes()), "{bad:?}");
        }
    }

    proptest! {
        /// Against the tables, byte by byte.
        #[test]
        fn by_the_word_as_much_is_found_as_by_the_byte(bytes in prop_oneof!["[-./0-9A-Za-z%:?#_]{0,40}".prop_map(String::into_bytes), prop::collection::vec(any::<u8>(), 0..40)]) {
            let by_byte = |table: &[bool; 256]| bytes.iter().take_while(|b| table[usize::from(**b)]).count();
            prop_assert_eq!(path_len(&bytes), by_byte(&PATH));
            prop_assert_eq!(query_len(&bytes), by_byte(&QUERY));
            prop_assert_eq!(token_len(&bytes), by_byte(&TOKEN));
            prop_assert_eq!(is_host(&bytes), is_other_host(&bytes));
        }

        /// Against the library, with few distinct bytes so that there is something to find.
        #[test]
        fn find_finds_what_memchr_finds(byte in 0u8..3, bytes in prop::collection::vec(0u8..3, 0..40), high in prop::collection::vec(any::<u8>(), 0..40)) {
            prop_assert_eq!(find(byte, &bytes), memchr::memchr(byte, &bytes));
            prop_assert_eq!(find(byte | 0x80, &high), memchr::memchr(byte | 0x80, &high));
        }

        /// What we accept as a target, the `http` crate accepts too, and keeps as it is.
        #[test]
        fn accepted_targets_are_targets_for_everybody(tail in "[!-~]{0,40}") {
            let target = format!("/{tail}");
            if is_origin_form(target.as_bytes()) {
                let parsed = http::uri::PathAndQuery::try_from(&target[..]).unwrap();
                prop_assert_eq!(parsed.as_str(), target);
            }
        }

        #[test]
        fn numbers_are_read_as_the_standard_library_reads_them(n: u64) {
            prop_assert_eq!(decimal(n.to_string().as_bytes()), Some(n));
            prop_assert_eq!(hexadecimal(format!("{n:x}").as_bytes()), Some(n));
            prop_assert_eq!(hexadecimal(format!("{n:X}").as_bytes()), Some(n));
        }
    }
}
