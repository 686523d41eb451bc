//! Tokens that carry their own proof: JSON Web Tokens, and how they are renewed.
//!
//! Job: sign, verify, rotate. Owns: the key, and which renewal token of a family is the last. Does not know: users.
//! One algorithm (HS256) by choice: which is not the sender's to choose (RFC 8725 section 3.1), so a header that names
//! another is refused. A renewal token is good once; used twice, one of the two was stolen and the family ends.
//! Sources: RFC 7515, 7519, 8725; RFC 9700 section 4.14.2 (rotation).

use core::time::Duration;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};

use crate::chance;

/// Families remembered at once; beyond it the one that ends first is forgotten, and its holder logs in again.
const FAMILIES: usize = 100_000;
/// Bytes of a token that are looked at.
const LONGEST: usize = 4096;

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Not three parts of what they should be.
    #[error("not a token")]
    Malformed,
    /// Signed otherwise than we sign.
    #[error("another algorithm or type of token")]
    Foreign,
    /// The signature is not ours.
    #[error("not signed by this server")]
    Forged,
    /// Its time is over.
    #[error("expired")]
    Expired,
    /// Not valid yet.
    #[error("not valid yet")]
    Early,
    /// A renewal token that was used before: the whole family is revoked.
    #[error("used before")]
    Reused,
    /// The system has no randomness.
    #[error("no randomness")]
    NoChance,
}

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Whom it speaks for.
    pub sub: String,
    /// When it ends, in seconds since 1970.
    pub exp: u64,
    /// Since when it holds.
    pub iat: u64,
    /// Its own number.
    pub jti: String,
    /// The family of a renewal token; empty for an access token.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub family: String,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    typ: String,
    #[serde(default)]
    crit: Option<serde_json::Value>,
}

/// A key for HS256. Its text never shows.
#[derive(Clone)]
pub struct Key(Hmac<sha2::Sha256>);

impl Key {
    /// From at least 32 bytes: as long as the hash (RFC 7518 section 3.2).
    #[must_use]
    pub fn new(secret: &[u8]) -> Option<Self> {
        let long = secret.len() >= 32;
        Hmac::new_from_slice(secret).ok().filter(|_| long).map(Self)
    }

    /// A random one, for as long as the program runs.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn random() -> Result<Self, TokenError> {
        let secret: [u8; 32] = chance::bytes().map_err(|_| TokenError::NoChance)?;
        Self::new(&secret).ok_or(TokenError::NoChance)
    }

    fn mac(&self, text: &[u8]) -> Hmac<sha2::Sha256> {
        let mut mac = self.0.clone();
        mac.update(text);
        mac
    }

    /// A signed token of this type (`at+jwt`, say).
    #[must_use]
    pub fn sign(&self, typ: &str, claims: &Claims) -> String {
        let header = serde_json::json!({ "alg": "HS256", "typ": typ });
        let claims = serde_json::to_vec(claims).unwrap_or_default();
        let text = format!(
            "{}.{}",
            BASE64.encode(header.to_string()),
            BASE64.encode(claims)
        );
        let tag = self.mac(text.as_bytes()).finalize().into_bytes();
        format!("{text}.{}", BASE64.encode(tag))
    }

    /// The bytes that a token signed with this key says, whatever they are.
    ///
    /// # Errors
    /// `Malformed`, `Foreign` or `Forged`.
    pub fn open(&self, typ: &str, token: &str) -> Result<Vec<u8>, TokenError> {
        if token.len() > LONGEST {
            return Err(TokenError::Malformed);
        }
        let (text, tag) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, claims) = text.split_once('.').ok_or(TokenError::Malformed)?;
        let decode = |part: &str| BASE64.decode(part).map_err(|_| TokenError::Malformed);
        let header: Header =
            serde_json::from_slice(&decode(header)?).map_err(|_| TokenError::Malformed)?;
        if header.alg != "HS256" || header.crit.is_some() || !header.typ.eq_ignore_ascii_case(typ) {
            return Err(TokenError::Foreign);
        }
        let tag = decode(tag)?;
        self.mac(text.as_bytes())
            .verify_slice(&tag)
            .map_err(|_| TokenError::Forged)?;
        decode(claims)
    }

    /// The claims of a token that holds now.
    ///
    /// # Errors
    /// Every [`TokenError`] but `Reused`.
    pub fn verify(&self, typ: &str, token: &str, now: Duration) -> Result<Claims, TokenError> {
        let claims = self.open(typ, token)?;
        let claims: Claims = serde_json::from_slice(&claims).map_err(|_| TokenError::Malformed)?;
        if claims.exp <= now.as_secs() {
            return Err(TokenError::Expired);
        }
        if claims.iat > now.as_secs() {
            return Err(TokenError::Early);
        }
        Ok(claims)
    }
}

impl core::fmt::Debug for Key {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Key(..)")
    }
}

/// What a login brings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pair {
    /// Sent with each request; short-lived, since nobody can take it back.
    pub access_token: String,
    /// Brings the next pair, once.
    pub refresh_token: String,
    /// Seconds that the first one holds.
    pub expires_in: u64,
    /// `Bearer`.
    pub token_type: &'static str,
}

const ACCESS: &str = "at+jwt";
const REFRESH: &str = "rt+jwt";

#[derive(Debug)]
struct Family {
    last: String,
    ends: u64,
}

/// Gives out pairs and renews them. Clones share what they know.
#[derive(Clone, Debug)]
pub struct Tokens {
    key: Key,
    access: Duration,
    refresh: Duration,
    families: Arc<Mutex<HashMap<String, Family>>>,
}

impl Tokens {
    /// Access for `access` a time, renewable for `refresh` after the last renewal.
    #[must_use]
    pub fn new(key: Key, access: Duration, refresh: Duration) -> Self {
        Self {
            key,
            access,
            refresh,
            families: Arc::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Family>> {
        self.families.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The pair for somebody who has just proven who they are.
    ///
    /// # Errors
    /// `NoChance`.
    pub fn issue(&self, subject: &str, now: Duration) -> Result<Pair, TokenError> {
        let family = chance::token().map_err(|_| TokenError::NoChance)?;
        self.next(subject, family, now)
    }

    fn next(&self, subject: &str, family: String, now: Duration) -> Result<Pair, TokenError> {
        let number = || chance::token().map_err(|_| TokenError::NoChance);
        let claims = |life: Duration, jti: String, family: String| Claims {
            sub: subject.to_owned(),
            exp: (now + life).as_secs(),
            iat: now.as_secs(),
            jti,
            family,
        };
        let access = claims(self.access, number()?, String::new());
        let refresh = claims(self.refresh, number()?, family.clone());
        let mut families = self.lock();
        families.retain(|_, family| family.ends > now.as_secs());
        if families.len() >= FAMILIES {
            let first = families.iter().map(|(id, f)| (f.ends, id.clone())).min();
            if let Some((_, id)) = first {
                families.remove(&id);
            }
        }
        families.insert(
            family,
            Family {
                last: refresh.jti.clone(),
                ends: refresh.exp,
            },
        );
        drop(families);
        Ok(Pair {
            access_token: self.key.sign(ACCESS, &access),
            refresh_token: self.key.sign(REFRESH, &refresh),
            expires_in: self.access.as_secs(),
            token_type: "Bearer",
        })
    }

    /// Whom an access token speaks for.
    ///
    /// # Errors
    /// Every [`TokenError`] but `Reused`.
    pub fn verify(&self, access: &str, now: Duration) -> Result<Claims, TokenError> {
        self.key.verify(ACCESS, access, now)
    }

    /// The next pair.
    ///
    /// # Errors
    /// Every [`TokenError`]; after `Reused` no token of the family brings another.
    pub fn refresh(&self, refresh: &str, now: Duration) -> Result<Pair, TokenError> {
        let claims = self.key.verify(REFRESH, refresh, now)?;
        let mut families = self.lock();
        let is_last = families
            .get(&claims.family)
            .is_some_and(|family| chance::equal(family.last.as_bytes(), claims.jti.as_bytes()));
        if !is_last {
            families.remove(&claims.family);
            return Err(TokenError::Reused);
        }
        drop(families);
        self.next(&claims.sub, claims.family, now)
    }

    /// Ends the family of a renewal token, if it is one: a logout.
    pub fn revoke(&self, refresh: &str, now: Duration) {
        if let Ok(claims) = self.key.verify(REFRESH, refresh, now) {
            self.lock().remove(&claims.family);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Duration = Duration::from_secs(1_000_000);

    fn tokens() -> Tokens {
        let key = Key::random().unwrap();
        Tokens::new(key, Duration::from_secs(300), Duration::from_secs(86_400))
    }

    /// RFC 7515 appendix A.1: key, token and payload, to the byte.
    #[test]
    fn example_of_the_standard_is_verified() {
        let key = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
        let key = Key::new(&BASE64.decode(key).unwrap()).unwrap();
        let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9\
                     .eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ\
                     .dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let said = key.open("JWT", token).unwrap();
        assert!(said.starts_with(b"{\"iss\":\"joe\",\r\n \"exp\":1300819380"));
        assert_eq!(
            key.open("JWT", &token.replace("9.eyJpc3M", "9.eyJpc3N")),
            Err(TokenError::Forged)
        );
        assert!(Key::new(&[7; 31]).is_none());
    }

    #[test]
    fn token_that_chooses_its_own_algorithm_is_refused() {
        let tokens = tokens();
        let pair = tokens.issue("ada", AT).unwrap();
        let (_, rest) = pair.access_token.split_once('.').unwrap();
        for header in [
            r#"{"alg":"none","typ":"at+jwt"}"#,
            r#"{"alg":"HS512","typ":"at+jwt"}"#,
            r#"{"alg":"HS256","typ":"rt+jwt"}"#,
            r#"{"alg":"HS256","typ":"at+jwt","crit":["x"]}"#,
        ] {
            let forged = format!("{}.{rest}", BASE64.encode(header));
            assert_eq!(
                tokens.verify(&forged, AT),
                Err(TokenError::Foreign),
                "{header}"
            );
        }
        for text in ["", "a.b", "a.b.c", &"x".repeat(5000)] {
            assert_eq!(tokens.verify(text, AT), Err(TokenError::Malformed));
        }
        let renewal = tokens.verify(&pair.refresh_token, AT);
        assert_eq!(
            renewal,
            Err(TokenError::Foreign),
            "a renewal token opens no door"
        );
    }

    #[test]
    fn access_holds_for_its_time_and_no_longer() {
        let tokens = tokens();
        let token = tokens.issue("ada", AT).unwrap().access_token;
        let at = |seconds: u64| tokens.verify(&token, Duration::from_secs(seconds));
        assert_eq!(at(1_000_299).unwrap().sub, "ada");
        assert_eq!(at(1_000_300), Err(TokenError::Expired));
        assert_eq!(at(999_999), Err(TokenError::Early));
    }

    #[test]
    fn renewal_token_used_twice_ends_its_family() {
        let tokens = tokens();
        let first = tokens.issue("ada", AT).unwrap();
        let second = tokens.refresh(&first.refresh_token, AT).unwrap();
        let other = tokens.issue("ada", AT).unwrap();
        assert_eq!(
            tokens.refresh(&first.refresh_token, AT),
            Err(TokenError::Reused)
        );
        assert_eq!(
            tokens.refresh(&second.refresh_token, AT),
            Err(TokenError::Reused)
        );
        let third = tokens.refresh(&other.refresh_token, AT).unwrap();
        tokens.revoke(&third.refresh_token, AT);
        assert_eq!(
            tokens.refresh(&third.refresh_token, AT),
            Err(TokenError::Reused)
        );
    }
}
