//! Field lines, left where they arrived.
//!
//! Job: walk over a checked field section without a table of its own. Owns: nothing; it borrows the bytes.
//! Does not know: what a field means. A request whose handler asks for no field costs no allocation.
//! Sources: RFC 9110 sections 5.1, 5.3 (order, combining), 5.5.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::grammar::trim;

/// The fields of a head or of trailers, in the order they came.
#[derive(Clone, Copy)]
pub struct Fields<'a> {
    section: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Over a section that [`super::parse::check_fields`] has passed.
    pub(super) const fn new(section: &'a [u8]) -> Self {
        Self { section }
    }

    /// Every field line: name as written, value without the white space around it.
    pub fn iter(&self) -> FieldIter<'a> {
        FieldIter { rest: self.section }
    }

    /// The value of the first field of this name, letter case apart.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        self.all(name).next()
    }

    /// The values of all fields of this name, letter case apart.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.iter()
            .filter(move |(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// As a map whose values share the memory of `raw`, the bytes these fields lie in.
    #[must_use]
    pub(super) fn to_map(self, raw: &Bytes) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in self.iter() {
            let name = HeaderName::from_bytes(name.as_bytes());
            let value = HeaderValue::from_maybe_shared(raw.slice_ref(value));
            // Both were checked when the head was; a name of more than 64 KiB cannot occur below the limits.
            if let (Ok(name), Ok(value)) = (name, value) {
                map.append(name, value);
            }
        }
        map
    }
}

impl core::fmt::Debug for Fields<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_map()
            .entries(self.iter().map(|(n, v)| (n, v.escape_ascii().to_string())))
            .finish()
    }
}

impl<'a> IntoIterator for Fields<'a> {
    type Item = (&'a str, &'a [u8]);
    type IntoIter = FieldIter<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Walks over field lines.
#[derive(Clone, Debug)]
pub struct FieldIter<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for FieldIter<'a> {
    type Item = (&'a str, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let end = memchr::memchr(b'\n', self.rest)?;
        let (line, rest) = self.rest.split_at_checked(end + 1)?;
        self.rest = rest;
        let colon = memchr::memchr(b':', line)?;
        let (name, value) = line.split_at_checked(colon)?;
        let value = value.strip_prefix(b":")?.strip_suffix(b"\r\n")?;
        Some((core::str::from_utf8(name).ok()?, trim(value)))
    }
}

/// The trailer section of a chunked message.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Trailers(pub(super) Bytes);

impl Trailers {
    /// The fields.
    #[must_use]
    pub fn fields(&self) -> Fields<'_> {
        Fields::new(&self.0)
    }

    /// As a map, sharing memory.
    #[must_use]
    pub fn to_map(&self) -> HeaderMap {
        self.fields().to_map(&self.0)
    }
}
