//! Proof that we know a password, without telling it.
//!
//! Job: from a server's challenge the `Authorization` of each request, counted. Owns: what was agreed on with each place.
//! Does not know: connections, when to ask again (`agent`). Whoever listens learns a hash that is good for one
//! request; a server that asks by MD5 may be no server (RFC 7616 section 5.8), so https is no less needed.
//! All of a server is one space (`domain` is not read). Spoken: MD5, SHA-256, SHA-512-256, each with `-sess`;
//! `qop=auth` or none; hashed names. Source: RFC 7616.

use core::fmt;

use http::{HeaderMap, HeaderValue, Method, Uri, header};
use md5::Md5;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest as _, Sha256, Sha512_256};

use super::challenge::{Challenge, challenges, parameters};
use super::route::Place;
use crate::chance::hex;

/// Places whose last challenge is remembered.
const PLACES: usize = 64;
/// What RFC 8187 section 3.2.1 leaves as it is in a name.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// Who we are, for servers that want it proved. As an extension of a request it is for the place the request names, and
/// does not go along to another.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    user: String,
    password: String,
}

impl Login {
    /// This user with this password.
    #[must_use]
    pub fn new(user: &str, password: &str) -> Self {
        Self {
            user: user.to_owned(),
            password: password.to_owned(),
        }
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Login({}, ..)", self.user)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    Md5,
    Sha256,
    Sha512_256,
}

impl Algorithm {
    /// By its name, and whether the hash of the secret is made anew for each session.
    fn of(name: &str) -> Option<(Self, bool)> {
        let lower = name.to_ascii_lowercase();
        let (name, session) = lower
            .strip_suffix("-sess")
            .map_or((lower.as_str(), false), |name| (name, true));
        let algorithm = match name {
            "md5" => Self::Md5,
            "sha-256" => Self::Sha256,
            "sha-512-256" => Self::Sha512_256,
            _ => return None,
        };
        Some((algorithm, session))
    }

    fn hash(self, text: &str) -> String {
        match self {
            Self::Md5 => hex(&Md5::digest(text)),
            Self::Sha256 => hex(&Sha256::digest(text)),
            Self::Sha512_256 => hex(&Sha512_256::digest(text)),
        }
    }
}

/// What a server asks for (section 3.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Demand {
    pub(super) realm: String,
    nonce: String,
    opaque: Option<String>,
    /// As the server wrote it, if it did.
    named: Option<String>,
    algorithm: Algorithm,
    session: bool,
    /// Whether the answer is counted (`qop=auth`), as everybody since 1999 does.
    counted: bool,
    /// Only the nonce was too old: the secret was right.
    pub(super) stale: bool,
    userhash: bool,
}

impl Demand {
    /// The first in these fields that can be met, as section 3.7 has it.
    pub(super) fn of(fields: &HeaderMap) -> Option<Self> {
        let all = challenges(fields, &header::WWW_AUTHENTICATE);
        all.into_iter().find_map(Self::read)
    }

    fn read(challenge: Challenge) -> Option<Self> {
        if challenge.scheme != "digest" {
            return None;
        }
        let mut said = challenge.parameters;
        let named = said.remove("algorithm");
        let (algorithm, session) = Algorithm::of(named.as_deref().unwrap_or("MD5"))?;
        let qop = said.remove("qop");
        let mut offered = qop.iter().flat_map(|list| list.split(','));
        let counted = offered.any(|one| one.trim().eq_ignore_ascii_case("auth"));
        if qop.is_some() && !counted {
            return None;
        }
        let yes = |value: Option<String>| value.is_some_and(|v| v.eq_ignore_ascii_case("true"));
        Some(Self {
            realm: said.remove("realm")?,
            nonce: said.remove("nonce")?,
            opaque: said.remove("opaque"),
            named,
            algorithm,
            session,
            counted,
            stale: yes(said.remove("stale")),
            userhash: yes(said.remove("userhash")),
        })
    }
}

/// A challenge that is being answered.
#[derive(Clone, Debug)]
struct Agreed {
    demand: Demand,
    /// H(A1), made once (section 3.4.2).
    secret: String,
    cnonce: String,
    count: u32,
}

impl Agreed {
    fn new(demand: Demand, login: &Login, cnonce: String) -> Self {
        let Login { user, password } = login;
        let mut secret = demand
            .algorithm
            .hash(&format!("{user}:{}:{password}", demand.realm));
        if demand.session {
            secret = demand
                .algorithm
                .hash(&format!("{secret}:{}:{cnonce}", demand.nonce));
        }
        Self {
            demand,
            secret,
            cnonce,
            count: 0,
        }
    }

    /// The next `Authorization` (section 3.4).
    fn next(&mut self, user: &str, method: &Method, target: &str) -> Option<HeaderValue> {
        self.count = self.count.checked_add(1)?;
        let (Self { cnonce, count, .. }, demand) = (&*self, &self.demand);
        let hash = |text: &str| demand.algorithm.hash(text);
        let asked = hash(&format!("{method}:{target}"));
        let mut text = format!("Digest {}", name(user, demand));
        let mut add = |name: &str, value: &str| text.push_str(&format!(", {name}=\"{value}\""));
        add("realm", &escaped(&demand.realm));
        add("nonce", &escaped(&demand.nonce));
        add("uri", target);
        let response = if demand.counted {
            format!(
                "{}:{}:{count:08x}:{cnonce}:auth:{asked}",
                self.secret, demand.nonce
            )
        } else {
            format!("{}:{}:{asked}", self.secret, demand.nonce)
        };
        add("response", &hash(&response));
        if let Some(opaque) = &demand.opaque {
            add("opaque", &escaped(opaque));
        }
        if demand.counted || demand.session {
            add("cnonce", cnonce);
        }
        // These three are never quoted, for servers' sake.
        if let Some(named) = &demand.named {
            text.push_str(&format!(", algorithm={named}"));
        }
        if demand.counted {
            text.push_str(&format!(", qop=auth, nc={count:08x}"));
        }
        if demand.userhash {
            text.push_str(", userhash=true");
        }
        let mut value = HeaderValue::from_bytes(text.as_bytes()).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

/// The user, hashed, or coded if the name has letters that a field has not (section 3.4.4).
fn name(user: &str, demand: &Demand) -> String {
    if demand.userhash {
        let hashed = demand.algorithm.hash(&format!("{user}:{}", demand.realm));
        return format!("username=\"{hashed}\"");
    }
    if user.bytes().all(|b| b == b' ' || b.is_ascii_graphic()) {
        return format!("username=\"{}\"", escaped(user));
    }
    format!("username*=UTF-8''{}", utf8_percent_encode(user, PLAIN))
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

/// What was agreed on, by place and login; the oldest is forgotten for a new one.
#[derive(Clone, Debug, Default)]
pub(super) struct Logins(Vec<(Place, Login, Agreed)>);

impl Logins {
    fn find(&mut self, place: &Place, login: &Login) -> Option<&mut Agreed> {
        let mut all = self.0.iter_mut();
        let found = all.find(|(at, who, _)| at == place && who == login);
        found.map(|(_, _, agreed)| agreed)
    }

    /// The proof for this request, if the place has asked for one before.
    pub(super) fn prove(
        &mut self,
        login: &Login,
        method: &Method,
        uri: &Uri,
    ) -> Option<HeaderValue> {
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        let agreed = self.find(&Place::of(uri)?, login)?;
        agreed.next(&login.user, method, target)
    }

    /// From now on this place's demand is met; `cnonce` is nobody's to guess.
    pub(super) fn agree(&mut self, place: Place, login: &Login, demand: Demand, cnonce: String) {
        self.0.retain(|(at, who, _)| *at != place || who != login);
        let excess = (self.0.len() + 1).saturating_sub(PLACES);
        self.0.drain(..excess);
        let agreed = Agreed::new(demand, login, cnonce);
        self.0.push((place, login.clone(), agreed));
    }

    /// What `Authentication-Info` says of the next request (section 3.5).
    pub(super) fn hear(&mut self, login: &Login, uri: &Uri, fields: &HeaderMap) {
        let info = fields.get("authentication-info");
        let info = info.and_then(|value| value.to_str().ok());
        let next = info.and_then(|text| parameters(text).remove("nextnonce"));
        let agreed = Place::of(uri).and_then(|place| self.find(&place, login));
        if let (Some(next), Some(agreed)) = (next, agreed)
            && next != agreed.demand.nonce
        {
            (agreed.demand.nonce, agreed.count) = (next, 0);
        }
    }
}

#[cfg(test)]
mod tests;
