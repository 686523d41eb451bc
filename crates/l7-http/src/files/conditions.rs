//! What a request asks beyond "give me this": only if, only that part.
//!
//! Job: weigh the preconditions in the order of the standard. Owns: the order. Does not know: files' contents.
//! Sources: RFC 9110 sections 13.1, 13.2.2 (precedence), 13.1.5 (If-Range), 14.2.

use std::time::SystemTime;

use http::HeaderMap;

use super::open::Opened;
use super::range::Ranges;
use crate::h1::Fields;

/// The fields that matter, as they came.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked<'a> {
    if_match: Option<&'a [u8]>,
    if_none_match: Option<&'a [u8]>,
    if_modified_since: Option<&'a [u8]>,
    if_unmodified_since: Option<&'a [u8]>,
    if_range: Option<&'a [u8]>,
    range: Option<&'a [u8]>,
}

/// What is to be sent.
pub(super) enum Outcome {
    Whole,
    NotModified,
    PreconditionFailed,
    Ranges(Ranges),
}

impl<'a> Asked<'a> {
    pub(super) fn of_fields(fields: Fields<'a>) -> Self {
        let mut asked = Self::default();
        for (name, value) in fields {
            // All of them begin with one of two letters: most fields are passed over by one comparison.
            if matches!(name.as_bytes().first(), Some(b'i' | b'I' | b'r' | b'R')) {
                asked.take(name, value);
            }
        }
        asked
    }

    pub(super) fn of_map(fields: &'a HeaderMap) -> Self {
        let mut asked = Self::default();
        for (name, value) in fields {
            asked.take(name.as_str(), value.as_bytes());
        }
        asked
    }

    fn take(&mut self, name: &str, value: &'a [u8]) {
        let slot = match name.len() {
            5 if name.eq_ignore_ascii_case("range") => &mut self.range,
            8 if name.eq_ignore_ascii_case("if-match") => &mut self.if_match,
            8 if name.eq_ignore_ascii_case("if-range") => &mut self.if_range,
            13 if name.eq_ignore_ascii_case("if-none-match") => &mut self.if_none_match,
            17 if name.eq_ignore_ascii_case("if-modified-since") => &mut self.if_modified_since,
            19 if name.eq_ignore_ascii_case("if-unmodified-since") => &mut self.if_unmodified_since,
            _ => return,
        };
        // A second one of the same name is not looked at.
        *slot = slot.or(Some(value));
    }

    /// Whether the file is wanted as it is, whatever it is.
    pub(super) const fn is_plain(&self) -> bool {
        matches!(
            self,
            Self {
                if_match: None,
                if_none_match: None,
                if_modified_since: None,
                if_unmodified_since: None,
                if_range: _,
                range: None,
            }
        )
    }

    /// RFC 9110 section 13.2.2, step by step.
    pub(super) fn evaluate(&self, file: &Opened) -> Outcome {
        let etag = file.etag();
        if let Some(tags) = self.if_match {
            if !lists_tag(tags, &etag, Comparison::Strong) {
                return Outcome::PreconditionFailed;
            }
        } else if let Some(date) = self.if_unmodified_since.and_then(seconds)
            && file.seconds() > date
        {
            return Outcome::PreconditionFailed;
        }
        if let Some(tags) = self.if_none_match {
            if lists_tag(tags, &etag, Comparison::Weak) {
                return Outcome::NotModified;
            }
        } else if let Some(date) = self.if_modified_since.and_then(seconds)
            && file.seconds() <= date
        {
            return Outcome::NotModified;
        }
        let same = self.if_range.is_none_or(|wanted| {
            // A date here must be exactly the last change (RFC 9110 section 13.1.5).
            wanted == etag.as_bytes() || seconds(wanted) == Some(file.seconds())
        });
        match self.range.filter(|_| same) {
            Some(range) => match Ranges::parse(range, file.length) {
                Ranges::Ignored => Outcome::Whole,
                ranges @ (Ranges::Impossible | Ranges::These(_)) => Outcome::Ranges(ranges),
            },
            None => Outcome::Whole,
        }
    }
}

/// How two entity tags are compared (RFC 9110 section 8.8.3.2).
#[derive(Clone, Copy, PartialEq)]
enum Comparison {
    Strong,
    Weak,
}

/// Whether a list of entity tags, or `*`, has this strong one.
fn lists_tag(list: &[u8], etag: &str, comparison: Comparison) -> bool {
    if list.trim_ascii() == b"*" {
        return true;
    }
    list.split(|b| *b == b',')
        .map(<[u8]>::trim_ascii)
        .any(|tag| {
            let weak = tag.strip_prefix(b"W/");
            match (weak, comparison) {
                (Some(tag), Comparison::Weak) => tag == etag.as_bytes(),
                (Some(_), Comparison::Strong) => false,
                (None, _) => tag == etag.as_bytes(),
            }
        })
}

/// An HTTP date as seconds since 1970. What is no date is as if it were not there (RFC 9110 section 13.1.3).
fn seconds(date: &[u8]) -> Option<u64> {
    let date = core::str::from_utf8(date).ok()?;
    let time = httpdate::parse_http_date(date).ok()?;
    let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(since.as_secs())
}
