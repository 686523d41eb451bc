//! Cookies as a client keeps them.
//!
//! Job: what `Set-Cookie` leaves, and which of it goes with a request. Owns: the cookies. Does not know: clocks, disks.
//! There is no list of public suffixes here: a `Domain` of one label is refused, one like `co.uk` is not (a browser
//! would). Source: RFC 6265bis sections 5.1.3, 5.1.4, 5.7, 5.8.

use core::time::Duration;

use http::{HeaderMap, HeaderValue, Uri, header};

use crate::cookie::{Kept, LIFE_MAX, receive};

/// Cookies of one host, at most; the one unused longest goes first.
const PER_HOST: usize = 180;
/// Cookies at all.
const ALL: usize = 3000;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Cookie {
    name: String,
    value: String,
    domain: String,
    host_only: bool,
    path: String,
    secure: bool,
    expires: Option<Duration>,
    made: u64,
    used: u64,
}

/// The jar.
#[derive(Clone, Debug, Default)]
pub struct Jar {
    cookies: Vec<Cookie>,
    ticks: u64,
}

/// Host in lower case, path, and whether the way there is encrypted.
fn place(uri: &Uri) -> Option<(String, &str, bool)> {
    let host = uri.host()?.to_ascii_lowercase();
    Some((host, uri.path(), uri.scheme_str() == Some("https")))
}

/// RFC 6265bis section 5.1.3.
fn domain_matches(host: &str, domain: &str) -> bool {
    let is_address = host.starts_with('[') || host.parse::<core::net::Ipv4Addr>().is_ok();
    host == domain
        || (!is_address
            && host
                .strip_suffix(domain)
                .is_some_and(|before| before.ends_with('.')))
}

/// RFC 6265bis section 5.1.4.
fn path_matches(asked: &str, path: &str) -> bool {
    asked
        .strip_prefix(path)
        .is_some_and(|rest| rest.is_empty() || path.ends_with('/') || rest.starts_with('/'))
}

fn default_path(asked: &str) -> &str {
    match asked.rfind('/') {
        Some(at) if at > 0 => asked.get(..at).unwrap_or("/"),
        Some(_) | None => "/",
    }
}

impl Jar {
    /// Keeps what an answer from `uri` sets.
    pub fn take(&mut self, uri: &Uri, fields: &HeaderMap, now: Duration) {
        let Some((host, path, secure)) = place(uri) else {
            return;
        };
        for field in fields.get_all(header::SET_COOKIE) {
            if let Some(cookie) = self.understand(field.as_bytes(), (&host, path, secure), now) {
                self.store(cookie, secure, now);
            }
        }
    }

    fn understand(
        &mut self,
        field: &[u8],
        (host, path, secure): (&str, &str, bool),
        now: Duration,
    ) -> Option<Cookie> {
        let received = receive(field)?;
        let domain = received.domain.filter(|domain| domain != host);
        if domain
            .as_ref()
            .is_some_and(|domain| !domain_matches(host, domain) || !domain.contains('.'))
        {
            return None;
        }
        let path = received
            .path
            .unwrap_or_else(|| default_path(path).to_owned());
        let kept = Kept {
            secure: received.secure,
            host_only: domain.is_none(),
            path: &path,
        };
        if (received.secure && !secure) || !kept.allows(&received.name) {
            return None;
        }
        let from_now = |seconds: i64| {
            u64::try_from(seconds).map_or(Duration::ZERO, |s| now + Duration::from_secs(s))
        };
        let at = |unix: i64| Duration::from_secs(u64::try_from(unix).unwrap_or(0));
        let expires = received
            .max_age
            .map(from_now)
            .or_else(|| received.expires.map(at));
        self.ticks += 1;
        Some(Cookie {
            name: received.name,
            value: received.value,
            host_only: kept.host_only,
            domain: domain.unwrap_or_else(|| host.to_owned()),
            path,
            secure: received.secure,
            expires: expires.map(|at| at.min(now + LIFE_MAX)),
            made: self.ticks,
            used: self.ticks,
        })
    }

    fn store(&mut self, mut cookie: Cookie, secure: bool, now: Duration) {
        // One set over an encrypted connection is not overlaid from a plain one (section 5.7, step 16).
        let overlays = |old: &Cookie| {
            old.secure
                && old.name == cookie.name
                && (domain_matches(&old.domain, &cookie.domain)
                    || domain_matches(&cookie.domain, &old.domain))
                && path_matches(&cookie.path, &old.path)
        };
        if !secure && self.cookies.iter().any(overlays) {
            return;
        }
        let same = |old: &Cookie| {
            (&old.name, &old.domain, &old.path, old.host_only)
                == (&cookie.name, &cookie.domain, &cookie.path, cookie.host_only)
        };
        if let Some(at) = self.cookies.iter().position(same) {
            cookie.made = self.cookies.remove(at).made;
        }
        self.cookies
            .retain(|old| old.expires.is_none_or(|at| at > now));
        if cookie.expires.is_some_and(|at| at <= now) {
            return;
        }
        let of_host = self
            .cookies
            .iter()
            .filter(|old| old.domain == cookie.domain)
            .count();
        let domain = cookie.domain.clone();
        self.cookies.push(cookie);
        let crowded = |old: &&Cookie| of_host < PER_HOST || old.domain == domain;
        if (of_host >= PER_HOST || self.cookies.len() > ALL)
            && let Some(oldest) = self
                .cookies
                .iter()
                .filter(crowded)
                .map(|old| old.used)
                .min()
        {
            self.cookies.retain(|old| old.used != oldest);
        }
    }

    /// The `Cookie` field for a request to `uri`; `None` if there is nothing to send.
    pub fn give(&mut self, uri: &Uri, now: Duration) -> Option<HeaderValue> {
        let (host, path, secure) = place(uri)?;
        self.ticks += 1;
        let ticks = self.ticks;
        let mut sent: Vec<&mut Cookie> = self
            .cookies
            .iter_mut()
            .filter(|cookie| {
                let there = if cookie.host_only {
                    host == cookie.domain
                } else {
                    domain_matches(&host, &cookie.domain)
                };
                there
                    && path_matches(path, &cookie.path)
                    && (secure || !cookie.secure)
                    && cookie.expires.is_none_or(|at| at > now)
            })
            .collect();
        // Longer paths first, then the older.
        sent.sort_by_key(|cookie| (core::cmp::Reverse(cookie.path.len()), cookie.made));
        let mut text = String::new();
        for cookie in sent {
            cookie.used = ticks;
            if !text.is_empty() {
                text.push_str("; ");
            }
            if !cookie.name.is_empty() {
                text.push_str(&cookie.name);
                text.push('=');
            }
            text.push_str(&cookie.value);
        }
        (!text.is_empty()).then(|| HeaderValue::try_from(text).ok())?
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.cookies.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.cookies.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_000_000_000);

    fn set(jar: &mut Jar, uri: &str, cookie: &str) {
        let fields = HeaderMap::from_iter([(header::SET_COOKIE, cookie.parse().unwrap())]);
        jar.take(&uri.parse().unwrap(), &fields, NOW);
    }

    fn sent(jar: &mut Jar, uri: &str, after: u64) -> String {
        let value = jar.give(&uri.parse().unwrap(), NOW + Duration::from_secs(after));
        value.map_or_else(String::new, |value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn cookies_go_where_domain_path_and_encryption_say() {
        let mut jar = Jar::default();
        set(&mut jar, "http://www.a.test/x/y", "host=1");
        set(
            &mut jar,
            "http://www.a.test/x/y",
            "wide=2; Domain=a.test; Path=/",
        );
        set(&mut jar, "https://www.a.test/", "safe=3; Secure; Path=/");
        let rows = [
            ("http://www.a.test/x/z", "host=1; wide=2"),
            ("http://www.a.test/x", "host=1; wide=2"),
            ("http://www.a.test/xx", "wide=2"),
            ("https://WWW.a.test/", "wide=2; safe=3"),
            ("http://a.test/", "wide=2"),
            ("http://b.a.test/x", "wide=2"),
            ("http://nota.test/", ""),
        ];
        for (uri, want) in rows {
            assert_eq!(sent(&mut jar, uri, 0), want, "{uri}");
        }
    }

    #[test]
    fn cookies_that_reach_too_far_are_refused() {
        let mut jar = Jar::default();
        for (uri, cookie) in [
            ("http://a.test/", "x=1; Domain=b.test"),
            ("http://a.test/", "x=1; Domain=www.a.test"),
            ("http://a.test/", "x=1; Domain=test"),
            ("http://10.0.0.1/", "x=1; Domain=0.0.1"),
            ("http://a.test/", "x=1; Secure"),
            (
                "https://a.test/",
                "__Host-x=1; Secure; Path=/; Domain=a.test.",
            ),
            ("https://a.test/", "__Host-x=1; Secure; Path=/p"),
            ("https://a.test/", "__Secure-x=1"),
        ] {
            set(&mut jar, uri, cookie);
            assert!(jar.is_empty(), "{cookie}");
        }
        set(&mut jar, "https://a.test/", "s=1; Secure; Path=/");
        set(&mut jar, "http://a.test/", "s=2; Path=/");
        assert_eq!(
            sent(&mut jar, "https://a.test/", 0),
            "s=1",
            "not overlaid from a plain page"
        );
    }

    #[test]
    fn cookies_end_by_age_by_date_and_by_being_set_again() {
        let mut jar = Jar::default();
        set(
            &mut jar,
            "http://a.test/",
            "a=1; Max-Age=10; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
        );
        set(
            &mut jar,
            "http://a.test/",
            "b=2; Expires=Sun, 09 Sep 2001 01:47:00 GMT",
        );
        set(&mut jar, "http://a.test/", "c=3");
        set(&mut jar, "http://a.test/", "a=4; Max-Age=10");
        assert_eq!(sent(&mut jar, "http://a.test/", 9), "a=4; b=2; c=3");
        assert_eq!(sent(&mut jar, "http://a.test/", 10), "b=2; c=3");
        assert_eq!(sent(&mut jar, "http://a.test/", 20), "c=3");
        set(&mut jar, "http://a.test/", "c=gone; Max-Age=0");
        assert!(!sent(&mut jar, "http://a.test/", 0).contains("c="));
    }

    #[test]
    fn jar_stays_bounded() {
        let mut jar = Jar::default();
        for n in 0..PER_HOST + 50 {
            set(&mut jar, "http://a.test/", &format!("c{n}=1"));
        }
        assert_eq!(jar.len(), PER_HOST);
        assert!(!sent(&mut jar, "http://a.test/", 0).contains("c0="));
    }
}
