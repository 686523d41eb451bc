//! A complete head, understood.
//!
//! Job: start line and fields of a head into values, or the one reason why not.
//! Owns: the order of checks. Does not know: connections, time, what will be answered.
//! The field section goes through `httparse`; what HTTP/1.1 forbids beyond its grammar is checked here.
//! Sources: RFC 9112 sections 2 to 6; RFC 9110 sections 7.2 (Host), 10.1.1 (Expect).

use core::ops::Range;

use bytes::Bytes;
use http::{Method, StatusCode, Version};

use super::config::Limits;
use super::framing::{self, Framing, Lengths};
use super::grammar::{
    find, is_authority_form, is_host, is_origin_form, is_token, list, split_absolute,
};
use super::head::{Leaves, RequestHead, ResponseHead};
use super::reject::Reject;

/// Methods longer than this are nobody's.
const LONGEST_METHOD: usize = 32;
/// Fields for which there is room without allocating.
const FEW_FIELDS: usize = 32;

/// The parts of a request line, as positions in the head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RequestLine {
    pub(super) method: Method,
    pub(super) target: Range<usize>,
    /// Where the query's `?` stands, or the target ends: none stands before it, in whichever form the target came.
    pub(super) path_end: usize,
    pub(super) version: Version,
}

impl RequestLine {
    /// Bytes of the line with its end: behind the target stand a blank, a version, CR and LF.
    pub(super) const fn len(&self) -> usize {
        self.target.end + " HTTP/1.1\r\n".len()
    }
}

/// Understands a request line; `connect`: whether CONNECT is among what is spoken here.
pub(super) fn request_line(line: &[u8], connect: bool) -> Result<RequestLine, Reject> {
    let method_end = find(b' ', line).ok_or_else(|| {
        if is_token(line) {
            Reject::BadStartLine
        } else {
            Reject::BadMethod
        }
    })?;
    let method = line.get(..method_end).unwrap_or_default();
    if !is_token(method) {
        return Err(Reject::BadMethod);
    }
    let rest = line.get(method_end + 1..).unwrap_or_default();
    let target_len = find(b' ', rest).ok_or(Reject::BadStartLine)?;
    let target = rest.get(..target_len).unwrap_or_default();
    let version = version(rest.get(target_len + 1..).unwrap_or_default())?;
    let method = match method {
        _ if method.len() > LONGEST_METHOD => return Err(Reject::MethodUnknown),
        b"CONNECT" if !connect => return Err(Reject::MethodUnknown),
        b"CONNECT" if !is_authority_form(target) => return Err(Reject::BadTarget),
        b"CONNECT" => Method::CONNECT,
        other => {
            let method = Method::from_bytes(other).map_err(|_| Reject::BadMethod)?;
            check_target(&method, target)?;
            method
        }
    };
    let start = method_end + 1;
    Ok(RequestLine {
        method,
        target: start..start + target_len,
        path_end: start + find(b'?', target).unwrap_or(target_len),
        version,
    })
}

/// The request of 1991: `GET` and a path, without a version and without fields.
pub(super) fn simple_request(line: &[u8]) -> Option<RequestLine> {
    let target = line.strip_prefix(b"GET ")?;
    let start = line.len() - target.len();
    (target.starts_with(b"/") && is_origin_form(target)).then_some(RequestLine {
        method: Method::GET,
        target: start..line.len(),
        path_end: start + find(b'?', target).unwrap_or(target.len()),
        version: Version::HTTP_09,
    })
}

/// As a head: nothing is asked beside the path, and nothing follows on this connection.
pub(super) const fn simple_head(raw: Bytes, line: RequestLine) -> RequestHead {
    RequestHead {
        raw,
        line,
        framing: Framing::Length(0),
        keep_alive: false,
        expects_continue: false,
        conditional: false,
        leaves: Leaves::Stays,
    }
}

fn version(text: &[u8]) -> Result<Version, Reject> {
    match text {
        b"HTTP/1.1" => Ok(Version::HTTP_11),
        b"HTTP/1.0" => Ok(Version::HTTP_10),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            // A higher minor version is read as the highest we know (RFC 9110 section 2.5).
            if *major == b'1' {
                Ok(Version::HTTP_11)
            } else {
                Err(Reject::VersionUnknown)
            }
        }
        _ if text.contains(&b' ') => Err(Reject::BadStartLine),
        _ => Err(Reject::BadVersion),
    }
}

fn check_target(method: &Method, target: &[u8]) -> Result<(), Reject> {
    let good = match target {
        b"*" => method == Method::OPTIONS,
        [b'/', ..] => is_origin_form(target),
        _ => split_absolute(target).is_some_and(|(authority, path)| {
            !authority.is_empty()
                && is_host(authority)
                && match path.first() {
                    None => true,
                    Some(b'/') => is_origin_form(path),
                    Some(_) => is_origin_form(&[b"/", path].concat()),
                }
        }),
    };
    if good { Ok(()) } else { Err(Reject::BadTarget) }
}

/// What the fields say about the message itself.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Meaning {
    lengths: Lengths,
    /// At most as many as it can count: one and more than one is all that matters.
    hosts: u8,
    host_valid: bool,
    close: bool,
    keep_alive: bool,
    expects_continue: bool,
    expects_other: bool,
    /// `Connection: upgrade`, and an `Upgrade` beside it.
    upgrade: (bool, bool),
    /// Some field may be a precondition or a range: only then is it worth looking for them.
    conditional: bool,
}

/// Checks a field section that ends with its empty line, and tells every field to `visit`.
pub(super) fn check_fields<'a>(
    section: &'a [u8],
    limits: &Limits,
    visit: impl FnMut(&'a str, &'a [u8]),
) -> Result<(), Reject> {
    let mut few = [httparse::EMPTY_HEADER; FEW_FIELDS];
    match httparse::parse_headers(section, &mut few) {
        Err(httparse::Error::TooManyHeaders) => {
            let mut many = vec![httparse::EMPTY_HEADER; limits.fields.max(FEW_FIELDS)];
            visit_fields(httparse::parse_headers(section, &mut many), visit)
        }
        other => visit_fields(other, visit),
    }
}

fn visit_fields<'a>(
    parsed: httparse::Result<(usize, &[httparse::Header<'a>])>,
    mut visit: impl FnMut(&'a str, &'a [u8]),
) -> Result<(), Reject> {
    use httparse::Error;
    match parsed {
        Ok(httparse::Status::Complete((_, fields))) => {
            for field in fields {
                visit(field.name, field.value);
            }
            Ok(())
        }
        // The scan found the empty line, so the section cannot be partial.
        Ok(httparse::Status::Partial) | Err(Error::HeaderName) => Err(Reject::BadFieldName),
        Err(Error::TooManyHeaders) => Err(Reject::FieldsTooLarge),
        Err(Error::NewLine) => Err(Reject::BareCr),
        Err(Error::HeaderValue | Error::Status | Error::Token | Error::Version) => {
            Err(Reject::BadFieldValue)
        }
    }
}

impl Meaning {
    /// Takes in what a field says; of most it says nothing.
    pub(super) fn note(&mut self, name: &[u8], value: &[u8]) {
        let is = |wanted: &str| name.eq_ignore_ascii_case(wanted.as_bytes());
        let initial = name.first().map_or(0, u8::to_ascii_lowercase);
        self.conditional |= matches!(initial, b'i' | b'r');
        match (initial, name.len()) {
            (b'h', 4) if is("host") => {
                self.hosts = self.hosts.saturating_add(1);
                self.host_valid = is_host(value);
            }
            (b'u', 7) if is("upgrade") => self.upgrade.1 = !value.is_empty(),
            (b'e', 6) if is("expect") => {
                if value.eq_ignore_ascii_case(b"100-continue") {
                    self.expects_continue = true;
                } else {
                    self.expects_other = true;
                }
            }
            (b'c', 10) if is("connection") => self.note_options(value),
            (b'c', 14) if is("content-length") => self.lengths.content_length(value),
            (b't', 17) if is("transfer-encoding") => self.lengths.transfer_encoding(value),
            _ => {}
        }
    }

    /// What `Connection` lists: one option, most often.
    fn note_options(&mut self, value: &[u8]) {
        for option in list(value) {
            match option.len() {
                5 => self.close |= option.eq_ignore_ascii_case(b"close"),
                7 => self.upgrade.0 |= option.eq_ignore_ascii_case(b"upgrade"),
                10 => self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive"),
                _ => {}
            }
        }
    }
}

fn meaning(section: &[u8], limits: &Limits) -> Result<Meaning, Reject> {
    let mut found = Meaning::default();
    check_fields(section, limits, |name, value| {
        found.note(name.as_bytes(), value);
    })?;
    Ok(found)
}

/// Understands a request head: `raw` ends with the empty line, `line` is its start line.
pub(super) fn request(
    raw: Bytes,
    line: RequestLine,
    limits: &Limits,
) -> Result<RequestHead, Reject> {
    let section = raw.get(line.len()..).unwrap_or_default();
    let found = meaning(section, limits)?;
    judge(raw, line, &found, limits)
}

/// Whether a request that says this can be answered.
#[inline]
pub(super) fn judge(
    raw: Bytes,
    line: RequestLine,
    found: &Meaning,
    limits: &Limits,
) -> Result<RequestHead, Reject> {
    match found.hosts {
        0 if line.version == Version::HTTP_11 => return Err(Reject::HostMissing),
        0 => {}
        1 if found.host_valid => {}
        1 => return Err(Reject::HostInvalid),
        2.. => return Err(Reject::HostRepeated),
    }
    let framing = framing::request(&found.lengths, &line, limits.require_length)?;
    if let (Framing::Length(length), Some(most)) = (framing, limits.body)
        && length > most
    {
        return Err(Reject::BodyTooLarge);
    }
    let is_11 = line.version == Version::HTTP_11;
    if found.expects_other && is_11 {
        return Err(Reject::ExpectationUnknown);
    }
    Ok(RequestHead {
        keep_alive: !found.close && (is_11 || found.keep_alive),
        // A 1.0 client does not know 1xx (RFC 9110 section 10.1.1), and a request without body awaits nothing.
        expects_continue: found.expects_continue && is_11 && framing != Framing::Length(0),
        conditional: found.conditional,
        leaves: match framing {
            // One with a body would have to be read first (RFC 9110 section 7.8); what follows a CONNECT is not HTTP's.
            Framing::Length(1..) | Framing::Chunked | Framing::UntilClose => Leaves::Stays,
            Framing::Length(0) if line.method == Method::CONNECT => Leaves::Tunnel,
            // A 1.0 client's offer is to be ignored.
            Framing::Length(0) if found.upgrade == (true, true) && is_11 => Leaves::Upgrade,
            Framing::Length(0) => Leaves::Stays,
        },
        raw,
        line,
        framing,
    })
}

/// The parts of a status line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StatusLine {
    pub(super) version: Version,
    pub(super) status: StatusCode,
    pub(super) reason: Range<usize>,
}

pub(super) fn status_line(line: &[u8]) -> Result<StatusLine, Reject> {
    let (first, rest) = line
        .split_at_checked("HTTP/1.1".len())
        .ok_or(Reject::BadVersion)?;
    if !first.starts_with(b"HTTP/") {
        return Err(Reject::BadVersion);
    }
    let version = version(first)?;
    let rest = rest.strip_prefix(b" ").ok_or(Reject::BadStartLine)?;
    let (code, reason) = rest.split_at_checked(3).ok_or(Reject::BadStatus)?;
    let status = match code {
        [b'1'..=b'5', b'0'..=b'9', b'0'..=b'9'] => {
            StatusCode::from_bytes(code).map_err(|_| Reject::BadStatus)?
        }
        _ => return Err(Reject::BadStatus),
    };
    // The space before an empty reason is often left out; nothing depends on it.
    let reason_at = match reason.first() {
        None => line.len(),
        Some(b' ') => line.len() - reason.len() + 1,
        Some(_) => return Err(Reject::BadStatus),
    };
    let printable = |b: &u8| matches!(b, b'\t' | b' '..=0x7e | 0x80..);
    if !reason.iter().all(printable) {
        return Err(Reject::BadStartLine);
    }
    Ok(StatusLine {
        version,
        status,
        reason: reason_at..line.len(),
    })
}

/// Understands a response head; `asked` is the method of the request it answers.
pub(super) fn response(
    raw: Bytes,
    line: StatusLine,
    fields_at: usize,
    asked: &Method,
    limits: &Limits,
) -> Result<ResponseHead, Reject> {
    let section = raw.get(fields_at..).unwrap_or_default();
    let found = meaning(section, limits)?;
    let framing = framing::response(&found.lengths, &line, asked)?;
    if let (Framing::Length(length), Some(most)) = (framing, limits.body)
        && length > most
    {
        return Err(Reject::BodyTooLarge);
    }
    let is_11 = line.version == Version::HTTP_11;
    Ok(ResponseHead {
        keep_alive: !found.close && (is_11 || found.keep_alive) && framing != Framing::UntilClose,
        raw,
        line,
        fields_at,
        framing,
    })
}
