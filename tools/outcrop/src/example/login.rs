//! Who is who: by session, and by token.
//!
//! Job: both kinds of login. Owns: the accounts. Does not know: what users may do.

use http::request::Parts;
use http::{Request, Response, StatusCode};
use outcrop_http::Body;
use outcrop_web::auth::{self, Credentials};
use outcrop_web::problem::Problem;
use outcrop_web::session::Session;
use outcrop_web::{chance, content, csrf};
use serde::Deserialize;

use super::{BEARER, BODY_MAX, Example, Said, json, unauthorized};

/// Accounts to try with; the page names them.
const ACCOUNTS: [(&str, &str); 2] = [("ada", "lovelace"), ("alan", "turing")];

#[derive(Debug, Deserialize)]
struct Login {
    user: String,
    password: String,
}

#[derive(Debug, Deserialize)]
struct Renewal {
    refresh_token: String,
}

/// The account's name, if the password is its.
fn account(login: &Login) -> Result<&'static str, Problem> {
    let right = |(user, password): &&(&str, &str)| {
        // Both are compared, so that the time taken does not tell which was wrong.
        chance::equal(user.as_bytes(), login.user.as_bytes())
            & chance::equal(password.as_bytes(), login.password.as_bytes())
    };
    let found = ACCOUNTS.iter().find(right).map(|(user, _)| *user);
    found.ok_or_else(|| unauthorized(BEARER).detail("no such user, or another password"))
}

fn session(head: &Parts) -> Session {
    head.extensions
        .get::<Session>()
        .cloned()
        .unwrap_or_default()
}

/// A user and the token of the page, for scripts of ours.
fn me(user: Option<&str>, session: &Session) -> Said {
    let token = match user {
        Some(_) => {
            csrf::token(session).map_err(|_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR))?
        }
        None => String::new(),
    };
    json(
        StatusCode::OK,
        &serde_json::json!({ "user": user, "csrf": token }),
    )
}

impl Example {
    pub(super) fn me(&self, request: &Request<Body>) -> Said {
        let session = Session::of(request).unwrap_or_default();
        if let Some(Credentials::Bearer(token)) = auth::credentials(request.headers()) {
            let claims = self.0.tokens.verify(&token, self.0.now.get());
            return match claims {
                Ok(claims) => json(
                    StatusCode::OK,
                    &serde_json::json!({ "user": claims.sub, "csrf": "" }),
                ),
                Err(_) => Ok(auth::ask_bearer("todo", Some("invalid_token"))),
            };
        }
        me(session.get("user").as_deref(), &session)
    }

    pub(super) async fn login(&self, request: Request<Body>) -> Said {
        let (head, body) = request.into_parts();
        if csrf::from_elsewhere(&head.method, &head.headers) {
            return Err(Problem::new(StatusCode::FORBIDDEN));
        }
        let login: Login = if head
            .headers
            .get("content-type")
            .is_some_and(|kind| kind.as_bytes().starts_with(b"application/x-www-form"))
        {
            content::form(&head.headers, body, BODY_MAX).await?
        } else {
            content::json(&head.headers, body, BODY_MAX).await?
        };
        let user = account(&login)?;
        let session = session(&head);
        // Whatever name the client came with is worth nothing from here on.
        session.rotate();
        session.set("user", user);
        me(Some(user), &session)
    }

    pub(super) fn logout(&self, request: Request<Body>) -> Said {
        let (head, _) = request.into_parts();
        if self.user(&head)?.is_some() {
            session(&head).end();
        }
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        Ok(response)
    }

    /// A pair of tokens, for a password in `Authorization: Basic` or as JSON.
    pub(super) async fn token(&self, request: Request<Body>) -> Said {
        let (head, body) = request.into_parts();
        let login = match auth::credentials(&head.headers) {
            Some(Credentials::Basic { user, password }) => Login { user, password },
            Some(Credentials::Bearer(_)) => return Ok(auth::ask_basic("todo")),
            None if head.headers.contains_key("content-type") => {
                content::json(&head.headers, body, BODY_MAX).await?
            }
            None => return Ok(auth::ask_basic("todo")),
        };
        let Ok(user) = account(&login) else {
            return Ok(auth::ask_basic("todo"));
        };
        let pair = self.0.tokens.issue(user, self.0.now.get());
        let pair = pair.map_err(|_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR))?;
        no_store(json(StatusCode::OK, &pair))
    }

    pub(super) async fn refresh(&self, request: Request<Body>) -> Said {
        let (head, body) = request.into_parts();
        let renewal: Renewal = content::json(&head.headers, body, BODY_MAX).await?;
        match self
            .0
            .tokens
            .refresh(&renewal.refresh_token, self.0.now.get())
        {
            Ok(pair) => no_store(json(StatusCode::OK, &pair)),
            Err(error) => Err(unauthorized(BEARER).detail(error.to_string())),
        }
    }
}

/// Tokens are kept by nobody in between (RFC 6749 section 5.1).
fn no_store(said: Said) -> Said {
    let mut response = said?;
    let never = http::HeaderValue::from_static("no-store");
    response
        .headers_mut()
        .insert(http::header::CACHE_CONTROL, never);
    Ok(response)
}
