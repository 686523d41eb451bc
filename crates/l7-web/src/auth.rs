//! Who asks.
//!
//! Job: read `Authorization`, and ask for it. Owns: nothing. Does not know: who may what.
//! Sources: RFC 9110 section 11, RFC 7617 (Basic), RFC 6750 (Bearer).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use outcrop_http::Body;

use crate::problem::Problem;

/// What came in `Authorization`.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// A user and a password, readable by everybody on the way.
    Basic {
        /// The user; no colon in it.
        user: String,
        /// The password.
        password: String,
    },
    /// A token.
    Bearer(String),
}

impl core::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Basic { user, .. } => write!(f, "Basic({user}, ..)"),
            Self::Bearer(_) => f.write_str("Bearer(..)"),
        }
    }
}

/// The credentials of a request; `None` if there are none that can be read, or several.
#[must_use]
pub fn credentials(fields: &HeaderMap) -> Option<Credentials> {
    let mut all = fields.get_all(header::AUTHORIZATION).iter();
    let (Some(only), None) = (all.next(), all.next()) else {
        return None;
    };
    let (scheme, rest) = only.to_str().ok()?.split_once(' ')?;
    let rest = rest.trim_matches(' ');
    if scheme.eq_ignore_ascii_case("bearer") {
        let token = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b);
        let good = !rest.is_empty() && rest.bytes().all(token);
        return good.then(|| Credentials::Bearer(rest.to_owned()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(rest).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    if text.chars().any(char::is_control) {
        return None;
    }
    Some(Credentials::Basic {
        user: user.to_owned(),
        password: password.to_owned(),
    })
}

/// The value of an `Authorization` field for Basic; `None` if the user has a colon.
#[must_use]
pub fn basic(user: &str, password: &str) -> Option<HeaderValue> {
    if user.contains(':') {
        return None;
    }
    let coded = STANDARD.encode(format!("{user}:{password}"));
    let mut value = HeaderValue::try_from(format!("Basic {coded}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// A 401 that asks for a user and a password.
#[must_use]
pub fn ask_basic(realm: &str) -> Response<Body> {
    ask(&format!(
        "Basic realm=\"{}\", charset=\"UTF-8\"",
        quoted(realm)
    ))
}

/// A 401 that asks for a token; `error` is one of RFC 6750's codes if one was given and refused.
#[must_use]
pub fn ask_bearer(realm: &str, error: Option<&str>) -> Response<Body> {
    let error = error.map_or_else(String::new, |code| format!(", error=\"{}\"", quoted(code)));
    ask(&format!("Bearer realm=\"{}\"{error}", quoted(realm)))
}

fn ask(challenge: &str) -> Response<Body> {
    let mut response = Problem::new(StatusCode::UNAUTHORIZED).respond();
    if let Ok(value) = HeaderValue::try_from(challenge) {
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, value);
    }
    response
}

fn quoted(text: &str) -> String {
    let plain = text.chars().filter(|c| !c.is_control());
    plain.fold(String::new(), |mut out, c| {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&str]) -> Option<Credentials> {
        let mut fields = HeaderMap::new();
        for value in values {
            fields.append(header::AUTHORIZATION, value.parse().unwrap());
        }
        credentials(&fields)
    }

    /// The examples of RFC 7617 sections 2 and 2.1, and of RFC 6750 section 2.1.
    #[test]
    fn examples_of_the_standards_are_read() {
        let of = |user: &str, password: &str| {
            Some(Credentials::Basic {
                user: user.into(),
                password: password.into(),
            })
        };
        assert_eq!(
            read(&["Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="]),
            of("Aladdin", "open sesame")
        );
        assert_eq!(read(&["basic dGVzdDoxMjPCow=="]), of("test", "123£"));
        assert_eq!(
            read(&["Bearer mF_9.B5f-4.1JqM"]),
            Some(Credentials::Bearer("mF_9.B5f-4.1JqM".into()))
        );
        assert_eq!(
            basic("Aladdin", "open sesame").unwrap(),
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
        );
    }

    #[test]
    fn what_is_ambiguous_or_broken_is_none() {
        for bad in [
            "Basic",
            "Basic !",
            "Basic bm9jb2xvbg==",
            "Bearer a b",
            "Bearer ",
            "Digest x",
            "Basic YQA6Yg==",
        ] {
            assert_eq!(read(&[bad]), None, "{bad}");
        }
        assert_eq!(read(&["Bearer a", "Bearer a"]), None);
        assert_eq!(basic("a:b", "c"), None);
    }

    #[test]
    fn challenges_name_the_realm_and_the_error() {
        let field =
            |r: Response<Body>| r.headers()["www-authenticate"].to_str().unwrap().to_owned();
        assert_eq!(
            field(ask_basic("a \"b\"\n")),
            "Basic realm=\"a \\\"b\\\"\", charset=\"UTF-8\""
        );
        assert_eq!(
            field(ask_bearer("x", Some("invalid_token"))),
            "Bearer realm=\"x\", error=\"invalid_token\""
        );
    }
}
