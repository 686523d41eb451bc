//! Requests that another site made the browser send.
//!
//! Job: a token that only our own pages know, and the browser's own word on where a request comes from.
//! Owns: nothing: the secret lies in the session. Does not know: forms.
//! The token is masked anew for each page, so that compressing the page gives nothing away (BREACH).
//! Sources: Fetch Metadata (`Sec-Fetch-Site`), RFC 6454 (`Origin`).

use http::{HeaderMap, Method, header};

use crate::chance;
use crate::session::Session;

/// Under which name the secret lies in the session.
const SECRET: &str = "csrf";
/// The field in which scripts send the token.
pub const FIELD: &str = "x-csrf-token";

/// A token for a page; the secret is made if there is none.
///
/// # Errors
/// The system has no randomness.
pub fn token(session: &Session) -> Result<String, getrandom::Error> {
    let secret = match session.get(SECRET) {
        Some(secret) => secret,
        None => {
            let secret = chance::token()?;
            session.set(SECRET, secret.clone());
            secret
        }
    };
    let mask = chance::token()?;
    Ok(format!("{mask}{}", mix(&mask, &secret)))
}

/// Whether `token` was given out for this session.
#[must_use]
pub fn matches(session: &Session, token: &str) -> bool {
    let (Some(secret), Some((mask, mixed))) = (session.get(SECRET), token.split_at_checked(32))
    else {
        return false;
    };
    chance::equal(mix(mask, mixed).as_bytes(), secret.as_bytes())
}

/// Digit by digit, exclusive or; what is no digit spoils the result.
fn mix(a: &str, b: &str) -> String {
    let digit = |(a, b): (char, char)| {
        let mixed = a.to_digit(16)? ^ b.to_digit(16)?;
        char::from_digit(mixed, 16)
    };
    a.chars()
        .zip(b.chars())
        .map(|pair| digit(pair).unwrap_or('?'))
        .collect()
}

/// Whether the browser says that a page of another site caused the request. Programs that are no browsers say nothing,
/// and have no cookies of anybody to misuse.
#[must_use]
pub fn from_elsewhere(method: &Method, fields: &HeaderMap) -> bool {
    if method.is_safe() {
        return false;
    }
    let text = |name: &str| fields.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return !matches!(site, "same-origin" | "none");
    }
    other_origin(fields)
}

/// Whether `Origin` names another server than `Host`; to be asked before a WebSocket is accepted (RFC 6455 section 10.2).
#[must_use]
pub fn other_origin(fields: &HeaderMap) -> bool {
    let text = |name: &str| fields.get(name).and_then(|value| value.to_str().ok());
    let (Some(origin), Some(host)) = (text("origin"), fields.get(header::HOST)) else {
        return false;
    };
    let of = origin.split_once("://").map_or("", |(_, host)| host);
    !of.as_bytes().eq_ignore_ascii_case(host.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_page_has_another_token_and_all_of_them_match() {
        let (session, other) = (Session::default(), Session::default());
        let (one, two) = (token(&session).unwrap(), token(&session).unwrap());
        assert_ne!(one, two);
        assert!(matches(&session, &one) && matches(&session, &two));
        assert!(
            !matches(&other, &one),
            "another session, even one without a secret"
        );
        let _secret = token(&other).unwrap();
        assert!(!matches(&other, &one));
        for bad in ["", "x", &one[..63], &"?".repeat(64), &"é".repeat(40)] {
            assert!(!matches(&session, bad), "{bad}");
        }
    }

    #[test]
    fn browser_is_believed_about_where_a_request_comes_from() {
        let ask = |fields: &[(&'static str, &str)]| {
            let pairs = fields
                .iter()
                .map(|(n, v)| (n.parse().unwrap(), v.parse().unwrap()));
            from_elsewhere(&Method::POST, &HeaderMap::from_iter(pairs))
        };
        assert!(!ask(&[]));
        assert!(!ask(&[
            ("sec-fetch-site", "same-origin"),
            ("origin", "http://other")
        ]));
        assert!(ask(&[("sec-fetch-site", "cross-site")]));
        assert!(ask(&[("sec-fetch-site", "same-site")]));
        assert!(!ask(&[
            ("origin", "http://a.test:8080"),
            ("host", "a.test:8080")
        ]));
        assert!(ask(&[("origin", "http://b.test"), ("host", "a.test")]));
        assert!(ask(&[("origin", "null"), ("host", "a.test")]));
        assert!(!from_elsewhere(&Method::GET, &HeaderMap::new()));
    }
}
