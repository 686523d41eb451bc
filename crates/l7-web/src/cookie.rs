//! Cookies, as a server sees them and as a browser keeps them.
//!
//! Job: parse both header fields by the RFC's own algorithms, build the one a server sends. Owns: nothing.
//! Does not know: where they are kept (`client::jar`). Source: RFC 6265bis (draft 20) sections 4.1, 5.1, 5.6.

mod date;

use core::time::Duration;

use http::HeaderValue;

pub use date::{parse_date, to_unix};

/// Bytes of a name and a value together that are kept (section 5.6, step 5).
pub const PAIR_MAX: usize = 4096;
/// Bytes of one attribute's value that are looked at.
pub const ATTRIBUTE_MAX: usize = 1024;
/// A cookie lives 400 days at most (section 5.5).
pub const LIFE_MAX: Duration = Duration::from_secs(400 * 86_400);

/// When a cookie goes along with requests that another site caused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SameSite {
    /// Never.
    Strict,
    /// Only when a person follows a link.
    #[default]
    Lax,
    /// Always; browsers want `Secure` beside it.
    None,
}

/// The pairs of a `Cookie` field, in order. What has no `=` is nobody's cookie.
pub fn pairs(field: &str) -> impl Iterator<Item = (&str, &str)> {
    field.split(';').filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let name = name.trim_matches([' ', '\t']);
        (!name.is_empty()).then(|| (name, value.trim_matches([' ', '\t'])))
    })
}

/// The first value of this name in the request's `Cookie` fields.
#[must_use]
pub fn get<'a>(fields: &'a http::HeaderMap, name: &str) -> Option<&'a str> {
    let fields = fields.get_all(http::header::COOKIE).iter();
    let mut all = fields
        .filter_map(|field| field.to_str().ok())
        .flat_map(pairs);
    all.find(|(found, _)| *found == name)
        .map(|(_, value)| value)
}

/// Why a cookie cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CookieError {
    /// The name is no token.
    #[error("a cookie's name is a token")]
    Name,
    /// The value has a byte that none may have.
    #[error("a cookie's value has no space, quote, comma, semicolon, backslash or control")]
    Value,
    /// Name and value are too long to be kept.
    #[error("a cookie is {PAIR_MAX} bytes at most")]
    TooLong,
    /// Path or domain would end the attribute.
    #[error("an attribute has no semicolon or control")]
    Attribute,
    /// A prefix promises what the attributes do not keep.
    #[error("`__Secure-` wants Secure; `__Host-` wants Secure, Path=/ and no Domain")]
    Prefix,
    /// `SameSite=None` or `Partitioned` without `Secure`.
    #[error("SameSite=None and Partitioned want Secure")]
    Insecure,
}

/// A cookie to set. The defaults are the careful ones: this host only, every path, no script, `Lax`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetCookie {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// Below which path it is sent.
    pub path: Option<String>,
    /// To which hosts, this one's parents included; `None`: to this one alone.
    pub domain: Option<String>,
    /// How long it lives; `None`: as long as the browser runs. Zero removes it.
    pub max_age: Option<Duration>,
    /// Over encrypted connections only.
    pub secure: bool,
    /// Not shown to scripts.
    pub http_only: bool,
    /// Whether it goes along from elsewhere.
    pub same_site: SameSite,
    /// Kept apart for each site that embeds us.
    pub partitioned: bool,
}

impl SetCookie {
    /// A cookie with the careful defaults.
    #[must_use]
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: value.into(),
            path: Some("/".to_owned()),
            domain: None,
            max_age: None,
            secure: false,
            http_only: true,
            same_site: SameSite::Lax,
            partitioned: false,
        }
    }

    /// The field's value.
    ///
    /// # Errors
    /// What a browser would refuse, or take for something else.
    pub fn render(&self) -> Result<HeaderValue, CookieError> {
        self.check()?;
        let mut text = format!("{}={}", self.name, self.value);
        let mut add = |name: &str, value: &str| {
            text.push_str("; ");
            text.push_str(name);
            text.push_str(value);
        };
        if let Some(path) = &self.path {
            add("Path=", path);
        }
        if let Some(domain) = &self.domain {
            add("Domain=", domain);
        }
        if let Some(age) = self.max_age {
            add("Max-Age=", &age.as_secs().to_string());
        }
        for (wanted, name) in [
            (self.secure, "Secure"),
            (self.http_only, "HttpOnly"),
            (self.partitioned, "Partitioned"),
        ] {
            if wanted {
                add(name, "");
            }
        }
        add(
            "SameSite=",
            match self.same_site {
                SameSite::Strict => "Strict",
                SameSite::Lax => "Lax",
                SameSite::None => "None",
            },
        );
        HeaderValue::try_from(text).map_err(|_| CookieError::Value)
    }

    fn check(&self) -> Result<(), CookieError> {
        if self.name.is_empty() || !self.name.bytes().all(is_token) {
            return Err(CookieError::Name);
        }
        let octet =
            |b: u8| matches!(b, 0x21 | 0x23..=0x2b | 0x2d..=0x3a | 0x3c..=0x5b | 0x5d..=0x7e);
        if !self.value.bytes().all(octet) {
            return Err(CookieError::Value);
        }
        if self.name.len() + self.value.len() > PAIR_MAX {
            return Err(CookieError::TooLong);
        }
        let plain = |text: &String| {
            text.bytes()
                .all(|b| (b' '..=b'~').contains(&b) && b != b';')
        };
        if !self.path.iter().chain(&self.domain).all(plain) {
            return Err(CookieError::Attribute);
        }
        let prefix = Kept {
            secure: self.secure,
            host_only: self.domain.is_none(),
            path: self.path.as_deref().unwrap_or_default(),
        };
        if !prefix.allows(&self.name) {
            return Err(CookieError::Prefix);
        }
        if !self.secure && (self.partitioned || self.same_site == SameSite::None) {
            return Err(CookieError::Insecure);
        }
        Ok(())
    }
}

/// What the two prefixes promise.
pub(crate) struct Kept<'a> {
    pub(crate) secure: bool,
    pub(crate) host_only: bool,
    pub(crate) path: &'a str,
}

impl Kept<'_> {
    pub(crate) fn allows(&self, name: &str) -> bool {
        let has = |prefix: &str| {
            name.get(..prefix.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        };
        if has("__Host-") {
            return self.secure && self.host_only && self.path == "/";
        }
        !has("__Secure-") || self.secure
    }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// A `Set-Cookie` field as a client understood it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// The name; may be empty.
    pub name: String,
    /// The value.
    pub value: String,
    /// When it ends: seconds since 1970, from `Expires`.
    pub expires: Option<i64>,
    /// How many seconds it lives, from `Max-Age`; it wins.
    pub max_age: Option<i64>,
    /// Lower case, without a dot in front; empty means none.
    pub domain: Option<String>,
    /// Beginning with `/`.
    pub path: Option<String>,
    /// Over encrypted connections only.
    pub secure: bool,
    /// Not shown to scripts.
    pub http_only: bool,
    /// Whether it goes along from elsewhere, if it says.
    pub same_site: Option<SameSite>,
}

/// Reads a `Set-Cookie` field by the algorithm of section 5.6. `None`: to be ignored.
#[must_use]
pub fn receive(field: &[u8]) -> Option<Received> {
    let control = |b: &u8| matches!(b, 0..=8 | 10..=31 | 127);
    if field.iter().any(control) {
        return None;
    }
    let field = String::from_utf8_lossy(field);
    let mut parts = field.split(';');
    let pair = parts.next().unwrap_or_default();
    let (name, value) = pair.split_once('=').unwrap_or(("", pair));
    let (name, value) = (trim(name), trim(value));
    if name.len() + value.len() > PAIR_MAX || (name.is_empty() && value.is_empty()) {
        return None;
    }
    // A nameless cookie must not look like one with a prefix when it is sent back.
    let lower = value.to_ascii_lowercase();
    if name.is_empty() && (lower.starts_with("__host-") || lower.starts_with("__secure-")) {
        return None;
    }
    let mut received = Received {
        name: name.to_owned(),
        value: value.to_owned(),
        ..Received::default()
    };
    for attribute in parts {
        let (name, value) = attribute.split_once('=').unwrap_or((attribute, ""));
        let (name, value) = (trim(name), trim(value));
        if value.len() <= ATTRIBUTE_MAX {
            received.attribute(&name.to_ascii_lowercase(), value);
        }
    }
    Some(received)
}

fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

impl Received {
    fn attribute(&mut self, name: &str, value: &str) {
        match name {
            "expires" => self.expires = parse_date(value).or(self.expires),
            "max-age" => {
                let digits = value.strip_prefix('-').unwrap_or(value);
                if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
                    let most = i64::try_from(LIFE_MAX.as_secs()).unwrap_or(i64::MAX);
                    let seconds = if value.starts_with('-') {
                        0
                    } else {
                        digits.parse().unwrap_or(most)
                    };
                    self.max_age = Some(seconds.min(most));
                }
            }
            "domain" => {
                let domain = value.strip_prefix('.').unwrap_or(value);
                self.domain = Some(domain.to_ascii_lowercase()).filter(|domain| !domain.is_empty());
            }
            "path" => self.path = Some(value.to_owned()).filter(|path| path.starts_with('/')),
            "secure" => self.secure = true,
            "httponly" => self.http_only = true,
            "samesite" => {
                self.same_site = match value.to_ascii_lowercase().as_str() {
                    "none" => Some(SameSite::None),
                    "strict" => Some(SameSite::Strict),
                    "lax" => Some(SameSite::Lax),
                    _ => None,
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
