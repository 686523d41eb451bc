//! Answers kept for the next time.
//!
//! Job: whether an answer may be kept, used as it is, or asked about. Owns: what is kept, within a bound of bytes.
//! Does not know: connections, clocks, where it lies (`shelf`). A private cache, one user's, unless it is told
//! otherwise. Source: RFC 9111 sections 3, 4, 5.2.

mod shelf;

use core::time::Duration;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use outcrop_http::h1::same_origin;

use super::redirect::resolve;
use crate::compress::joined;
use shelf::{Folder, Memory, Shelf};

/// A tenth of its age at birth is how long an answer without a lifetime is taken for fresh (RFC 9111 section 4.2.2) ..
const HEURISTIC: u32 = 10;
/// .. up to a day.
const HEURISTIC_MOST: Duration = Duration::from_secs(86_400);

/// What an answer counts for besides its body.
const OVERHEAD: usize = 1024;
/// Bytes of the largest body that is kept, whatever room there is.
const LARGEST: usize = 32 << 20;
/// Answers kept for one address, which vary with the request.
const VARIANTS: usize = 16;

/// Conditions that only the server can judge ..
const OWN: [HeaderName; 4] = [
    header::RANGE,
    header::IF_RANGE,
    header::IF_MATCH,
    header::IF_UNMODIFIED_SINCE,
];
/// .. and those of somebody who has the answer already (RFC 9111 section 4.3.2).
const ASKS: [HeaderName; 2] = [header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE];

/// An answer as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its status.
    pub status: StatusCode,
    /// Its fields.
    pub fields: HeaderMap,
    /// Its body, complete.
    pub body: Bytes,
    /// What of the request it varies with.
    varied: Vec<(HeaderName, Option<String>)>,
    /// When it was asked for, and when it came.
    asked: Duration,
    came: Duration,
}

/// What a cache has for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing: ask.
    Nothing,
    /// This, with its age in seconds.
    Fresh(Box<Stored>, u64),
    /// This, if the server says 304 to these fields.
    Stale(Box<Stored>, HeaderMap),
}

/// Whether this entity tag is one of these, weak ones too.
fn holds(tags: &str, tag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    tags.split(',').any(|one| opaque(one) == opaque(tag))
}

/// The directives of `Cache-Control`, names in lower case.
fn directives(fields: &HeaderMap) -> BTreeMap<String, String> {
    let list = joined(fields, &header::CACHE_CONTROL).unwrap_or_default();
    list.split(',')
        .map(|member| {
            let (name, value) = member.split_once('=').unwrap_or((member, ""));
            (
                name.trim().to_ascii_lowercase(),
                value.trim().trim_matches('"').to_owned(),
            )
        })
        .collect()
}

fn seconds(directives: &BTreeMap<String, String>, name: &str) -> Option<Duration> {
    let text = directives.get(name)?;
    // What is no number is "at once" (RFC 9111 section 4.2.1), what overflows is "very long" (section 1.2.2).
    let most = u64::from(u32::MAX);
    let good = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    Some(Duration::from_secs(if good {
        text.parse().unwrap_or(most).min(most)
    } else {
        0
    }))
}

fn date(fields: &HeaderMap, name: &HeaderName) -> Option<Duration> {
    let text = fields.get(name)?.to_str().ok()?;
    httpdate::parse_http_date(text)
        .ok()?
        .duration_since(UNIX_EPOCH)
        .ok()
}

impl Stored {
    /// RFC 9111 section 4.2.1.
    fn lifetime(&self, shared: bool) -> Duration {
        let said = directives(&self.fields);
        if shared && let Some(age) = seconds(&said, "s-maxage") {
            return age;
        }
        if let Some(age) = seconds(&said, "max-age") {
            return age;
        }
        let born = date(&self.fields, &header::DATE).unwrap_or(self.came);
        if self.fields.contains_key(header::EXPIRES) {
            return date(&self.fields, &header::EXPIRES)
                .map_or(Duration::ZERO, |at| at.saturating_sub(born));
        }
        match date(&self.fields, &header::LAST_MODIFIED) {
            Some(at) => (born.saturating_sub(at) / HEURISTIC).min(HEURISTIC_MOST),
            None => Duration::ZERO,
        }
    }

    /// RFC 9111 section 4.2.3.
    fn age(&self, now: Duration) -> Duration {
        let apparent = date(&self.fields, &header::DATE)
            .map_or(Duration::ZERO, |born| self.came.saturating_sub(born));
        // The first of several; what is no number counts for nothing (section 5.1).
        let said = joined(&self.fields, &header::AGE);
        let said = said.and_then(|ages| ages.split(',').next()?.trim().parse().ok());
        let corrected =
            Duration::from_secs(said.unwrap_or(0)) + self.came.saturating_sub(self.asked);
        apparent.max(corrected) + now.saturating_sub(self.came)
    }

    /// As a 304 if whoever asks has it (RFC 9110 sections 13.1.2, 13.1.3).
    fn unless_known(mut self, request: &HeaderMap) -> Self {
        let known = match joined(request, &header::IF_NONE_MATCH) {
            Some(tags) => {
                let ours = self.fields.get(header::ETAG);
                let ours = ours.and_then(|tag| tag.to_str().ok());
                tags.trim() == "*" || ours.is_some_and(|tag| holds(&tags, tag))
            }
            None => date(request, &header::IF_MODIFIED_SINCE).is_some_and(|since| {
                date(&self.fields, &header::LAST_MODIFIED).is_some_and(|at| at <= since)
            }),
        };
        if known && self.status == StatusCode::OK {
            (self.status, self.body) = (StatusCode::NOT_MODIFIED, Bytes::new());
        }
        self
    }

    fn fits(&self, request: &HeaderMap) -> bool {
        self.varied
            .iter()
            .all(|(name, value)| joined(request, name) == *value)
    }

    const fn size(&self) -> usize {
        self.body.len() + OVERHEAD
    }
}

/// Kept answers by address. Clones of one in memory go separate ways; those of one in a folder share it.
#[derive(Clone, Debug)]
pub struct Cache {
    shelf: Shelf,
    shared: bool,
}

impl Cache {
    /// In memory, for at most so many bytes.
    #[must_use]
    pub const fn new(most: usize) -> Self {
        Self {
            shelf: Shelf::Memory(Memory::new(most)),
            shared: false,
        }
    }

    /// In `folder`, which is made if it is not there; at most so many bytes. It outlives the program, and several may
    /// use it at the same time.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn in_folder(folder: impl AsRef<Path>, most: usize) -> io::Result<Self> {
        let folder = Folder::open(folder.as_ref(), most)?;
        Ok(Self {
            shelf: Shelf::Folder(folder),
            shared: false,
        })
    }

    /// For several users: what is meant for one of them alone is not kept (RFC 9111 sections 3.5, 5.2.2.7), and what
    /// servers say to such caches is heeded.
    #[must_use]
    pub fn shared(self) -> Self {
        Self {
            shared: true,
            ..self
        }
    }

    /// What there is for a request (RFC 9111 section 4).
    pub fn find(
        &mut self,
        method: &Method,
        uri: &Uri,
        request: &HeaderMap,
        now: Duration,
    ) -> Found {
        let wanted = directives(request);
        // Whoever has conditions of its own wants the server's judgement, and of a gateway only what it can say itself.
        let own = OWN.iter().any(|name| request.contains_key(name));
        let asks = ASKS.iter().any(|name| request.contains_key(name));
        if *method != Method::GET || wanted.contains_key("no-store") || own || asks && !self.shared
        {
            return Found::Nothing;
        }
        let all = self.shelf.load(&uri.to_string());
        let Some(stored) = all.into_iter().find(|stored| stored.fits(request)) else {
            return Found::Nothing;
        };
        let (age, life, said) = (
            stored.age(now),
            stored.lifetime(self.shared),
            directives(&stored.fields),
        );
        let most = seconds(&wanted, "max-age").unwrap_or(Duration::MAX);
        let reserve = seconds(&wanted, "min-fresh").unwrap_or(Duration::ZERO);
        let grace = match wanted.get("max-stale") {
            Some(_) if self.never_stale(&said) => Duration::ZERO,
            Some(any) if any.is_empty() => Duration::from_secs(u64::from(u32::MAX)),
            Some(_) => seconds(&wanted, "max-stale").unwrap_or(Duration::ZERO),
            None => Duration::ZERO,
        };
        let must_ask = said.contains_key("no-cache") || wanted.contains_key("no-cache");
        if !must_ask && age + reserve < life + grace && age <= most {
            let stored = stored.unless_known(request);
            return Found::Fresh(Box::new(stored), age.as_secs());
        }
        if asks {
            return Found::Nothing;
        }
        let mut conditions = HeaderMap::new();
        for (from, to) in [
            (header::ETAG, header::IF_NONE_MATCH),
            (header::LAST_MODIFIED, header::IF_MODIFIED_SINCE),
        ] {
            if let Some(value) = stored.fields.get(from) {
                conditions.insert(to, value.clone());
            }
        }
        if conditions.is_empty() {
            return Found::Nothing;
        }
        Found::Stale(Box::new(stored), conditions)
    }

    /// Keeps an answer, if that is allowed and there is room (RFC 9111 section 3). `asked` and `came`: when.
    pub fn keep(
        &mut self,
        uri: &Uri,
        request: &HeaderMap,
        answer: (StatusCode, &HeaderMap, Bytes),
        (asked, came): (Duration, Duration),
    ) {
        let (status, fields, body) = answer;
        let said = directives(fields);
        let forbidden = said.contains_key("no-store")
            || directives(request).contains_key("no-store")
            || self.shared && personal(request, &said);
        let vary = joined(fields, &header::VARY).unwrap_or_default();
        if forbidden
            || !self.keepable(status, fields, &said)
            || vary.contains('*')
            || body.len() > self.largest()
        {
            return;
        }
        let names = vary
            .split(',')
            .filter_map(|name| HeaderName::try_from(name.trim()).ok());
        let stored = Stored {
            status,
            fields: end_to_end(fields),
            body,
            varied: names
                .map(|name| (name.clone(), joined(request, &name)))
                .collect(),
            asked,
            came,
        };
        let worth = stored.lifetime(self.shared) > Duration::ZERO
            || fields.contains_key(header::ETAG)
            || fields.contains_key(header::LAST_MODIFIED);
        if !worth {
            return;
        }
        let mut all = self.shelf.load(&uri.to_string());
        all.retain(|old| !old.fits(request));
        // The newest that fits is the one to use, and one address does not grow without end.
        let excess = (all.len() + 1).saturating_sub(VARIANTS);
        all.drain(..excess);
        all.push(stored);
        self.shelf.save(&uri.to_string(), all);
    }

    /// Whether answers of this kind are kept (section 3): any final one that says for how long, unless it takes somebody
    /// who understands it; else those that are known to last (RFC 9110 section 15.1).
    fn keepable(
        &self,
        status: StatusCode,
        fields: &HeaderMap,
        said: &BTreeMap<String, String>,
    ) -> bool {
        let lasting = matches!(
            status.as_u16(),
            200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501
        );
        let explicit = said.contains_key("max-age")
            || self.shared && said.contains_key("s-maxage")
            || fields.contains_key(header::EXPIRES);
        let part = matches!(
            status,
            StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED
        );
        let final_ = !status.is_informational() && !part;
        lasting || explicit && final_ && !said.contains_key("must-understand")
    }

    /// Whether the server wants to be asked before anything old is used (sections 5.2.2.2, 5.2.2.8, 5.2.2.10).
    fn never_stale(&self, said: &BTreeMap<String, String>) -> bool {
        let shared = ["proxy-revalidate", "s-maxage"];
        said.contains_key("must-revalidate")
            || self.shared && shared.iter().any(|name| said.contains_key(*name))
    }

    /// Whether an answer with these fields may be kept, as far as can be seen before its body: what cannot need not be
    /// collected.
    #[must_use]
    pub fn might_keep(&self, method: &Method, request: &HeaderMap, fields: &HeaderMap) -> bool {
        let length = fields.get(header::CONTENT_LENGTH);
        let length = length.and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
        *method == Method::GET
            && !request.contains_key(header::RANGE)
            && !directives(request).contains_key("no-store")
            && !directives(fields).contains_key("no-store")
            && length.is_none_or(|length| length <= self.largest())
    }

    /// Bytes that an answer's body may have to be kept: it is collected in memory on the way.
    #[must_use]
    pub fn largest(&self) -> usize {
        self.shelf.most().saturating_sub(OVERHEAD).min(LARGEST)
    }

    /// The server said 304: what is kept has these fields now (RFC 9111 section 4.3.4); it is the answer.
    #[must_use]
    pub fn refresh(
        &mut self,
        uri: &Uri,
        mut stored: Stored,
        fields: &HeaderMap,
        (asked, came): (Duration, Duration),
    ) -> Stored {
        // Of another version than ours: it says nothing of ours.
        let strong = fields.get(header::ETAG);
        let strong = strong.filter(|tag| !tag.as_bytes().starts_with(b"W/"));
        if strong.is_some() && strong != stored.fields.get(header::ETAG) {
            return stored;
        }
        let fields = end_to_end(fields);
        for name in fields.keys() {
            // About the body that is here, which stays.
            let body = [
                "content-length",
                "content-encoding",
                "content-md5",
                "content-range",
            ];
            if !body.contains(&name.as_str()) {
                stored.fields.remove(name);
                let values: Vec<&HeaderValue> = fields.get_all(name).iter().collect();
                for value in values {
                    stored.fields.append(name.clone(), value.clone());
                }
            }
        }
        (stored.asked, stored.came) = (asked, came);
        let mut all = self.shelf.load(&uri.to_string());
        if let Some(old) = all.iter_mut().find(|old| old.varied == stored.varied) {
            *old = stored.clone();
        }
        self.shelf.save(&uri.to_string(), all);
        stored
    }

    /// A change went through: what is kept of the address is out of date, and of those that the answer names on the same
    /// server (RFC 9111 section 4.4).
    pub fn invalidate(
        &mut self,
        method: &Method,
        uri: &Uri,
        status: StatusCode,
        fields: &HeaderMap,
    ) {
        if method.is_safe() || !(status.is_success() || status.is_redirection()) {
            return;
        }
        self.shelf.save(&uri.to_string(), Vec::new());
        for name in [header::LOCATION, header::CONTENT_LOCATION] {
            let named = fields.get(name).and_then(|value| value.to_str().ok());
            let named = named.and_then(|reference| resolve(uri, reference));
            if let Some(named) = named.filter(|named| same_origin(uri, named)) {
                self.shelf.save(&named.to_string(), Vec::new());
            }
        }
    }
}

/// Whether an answer is for whoever asked and for nobody else (sections 3.5, 5.2.2.7).
fn personal(request: &HeaderMap, said: &BTreeMap<String, String>) -> bool {
    let public = ["public", "s-maxage", "must-revalidate"];
    said.contains_key("private")
        || request.contains_key(header::AUTHORIZATION)
            && !public.iter().any(|name| said.contains_key(*name))
}

/// Without what is about one connection only (RFC 9111 section 3.1, RFC 9110 section 7.6.1).
fn end_to_end(fields: &HeaderMap) -> HeaderMap {
    let named = joined(fields, &header::CONNECTION).unwrap_or_default();
    let mut kept = fields.clone();
    let always = [
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authentication-info",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    for name in named.split(',').map(str::trim).chain(always) {
        kept.remove(name);
    }
    kept
}

#[cfg(test)]
mod gateway_tests;
#[cfg(test)]
mod tests;
