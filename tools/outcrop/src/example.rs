//! An application to try everything on: a list of things to do, and a chat.
//!
//! Job: which request goes to which part, and who asks. Owns: the layers around the application, its tokens and sessions.
//! Does not know: connections. The lesson of it: a session is remembered here (stateful, can be ended at once), a token
//! carries its own proof (stateless, holds until its time is over). The accounts are for trying and no secret.

mod live;
mod login;
mod pages;
mod todos;

use core::convert::Infallible;
use core::future::Future;
use core::pin::Pin;
use core::time::Duration;
use std::sync::Arc;

use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use outcrop_http::Body;
use outcrop_stack::Shard;
use outcrop_web::access_log::{AccessLog, Format};
use outcrop_web::auth::{self, Credentials};
use outcrop_web::chance::Now;
use outcrop_web::compress::Compress;
use outcrop_web::cors::{Cors, Origins};
use outcrop_web::harden::Harden;
use outcrop_web::problem::Problem;
use outcrop_web::rate::Rate;
use outcrop_web::session::{Lifetimes, MemoryStore, Session, Sessions};
use outcrop_web::token::{Key, Tokens};
use outcrop_web::{Around, csrf};
use tower::{Layer as _, ServiceExt as _};

use crate::failure::Failure;
use live::Live;
use todos::Todos;

/// An answer in the making.
pub(crate) type Answering = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;
/// What a part of the application says.
type Said = Result<Response<Body>, Problem>;

/// Sessions kept.
const SESSIONS: usize = 10_000;
/// How long an access token holds, and how long a login can be renewed.
const ACCESS: Duration = Duration::from_secs(300);
const RENEWAL: Duration = Duration::from_secs(86_400);
/// Requests of one client at once, and how soon another may follow.
const BURST: u32 = 500;
const REFILL: Duration = Duration::from_millis(5);
/// Bytes of a body that are read.
const BODY_MAX: usize = 64 * 1024;

/// The application. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Example(Arc<Inside>, Option<Shard>);

#[derive(Debug)]
struct Inside {
    todos: Todos,
    live: Live,
    tokens: Tokens,
    sessions: Sessions<MemoryStore>,
    rate: Rate,
    log: AccessLog,
    cors: Cors,
    now: Now,
}

impl Example {
    /// With a few things to do.
    pub(crate) fn new() -> Result<Self, Failure> {
        let now = Now::system();
        let key = Key::random().map_err(|error| Failure::new(format!("--example: {error}")))?;
        let store = MemoryStore::new(SESSIONS);
        let methods = [
            Method::GET,
            Method::HEAD,
            Method::POST,
            Method::PUT,
            Method::DELETE,
        ];
        let fields = [
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_MATCH,
        ];
        let inside = Arc::new(Inside {
            todos: Todos::default(),
            live: Live::default(),
            tokens: Tokens::new(key, ACCESS, RENEWAL),
            sessions: Sessions::new(store, Lifetimes::default(), now.clone()).plain(),
            rate: Rate::new(BURST, REFILL, now.clone()),
            log: AccessLog::new(Format::Combined, now.clone(), |line| log::info!("{line}")),
            // From everywhere, but never with cookies: other sites' scripts bring a token of their own.
            cors: Cors::new(Origins::Any)
                .methods(&methods)
                .headers(&fields)
                .expose(&[header::ETAG, header::LOCATION]),
            now,
        });
        Ok(Self(inside, None))
    }

    /// The same, with the clock of this shard.
    pub(crate) fn at(&self, shard: &Shard) -> Self {
        Self(Arc::clone(&self.0), Some(shard.clone()))
    }

    /// Answers a request.
    pub(crate) fn answer(&self, request: Request<Body>) -> Answering {
        let (this, parts) = (self.clone(), &self.0);
        let inner = tower::service_fn(move |request| {
            let this = this.clone();
            async move { Ok::<_, Infallible>(this.route(request).await) }
        });
        let inner = Around(parts.sessions.clone()).layer(Around(Compress).layer(inner));
        let inner = Around(parts.rate.clone()).layer(Around(parts.cors.clone()).layer(inner));
        let harden = Harden {
            tls: false,
            shared: true,
        };
        let service = Around(parts.log.clone()).layer(Around(harden).layer(inner));
        Box::pin(async move {
            match service.oneshot(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            }
        })
    }

    /// Says that the connection is still there to everybody who listens.
    pub(crate) fn breathe(&self) {
        self.0.live.breathe();
    }

    /// Says good-bye to everybody who listens.
    pub(crate) fn close(&self) {
        self.0.live.close();
    }

    async fn route(&self, request: Request<Body>) -> Response<Body> {
        let head_only = request.method() == Method::HEAD;
        let said = self.dispatch(request).await;
        let mut response = said.unwrap_or_else(Problem::respond);
        if head_only {
            let length = http_body::Body::size_hint(response.body()).exact();
            if let Some(length) = length {
                let fields = response.headers_mut();
                fields.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
            }
            *response.body_mut() = Body::empty();
        }
        response
    }

    async fn dispatch(&self, request: Request<Body>) -> Said {
        let path = request.uri().path().to_owned();
        let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let methods = methods(&segments).ok_or_else(|| Problem::new(StatusCode::NOT_FOUND))?;
        if request.method() == Method::OPTIONS {
            return Ok(allowed(methods));
        }
        only(&request, methods)?;
        match segments.as_slice() {
            ["api", "todos"] => self.collection(request).await,
            ["api", "todos", id] => self.item(id, request).await,
            ["api", "me"] => self.me(&request),
            ["api", "login"] => self.login(request).await,
            ["api", "logout"] => self.logout(request),
            ["api", "token"] => self.token(request).await,
            ["api", "token", "refresh"] => self.refresh(request).await,
            ["api", "events"] => Ok(self.0.live.listen(request.headers())),
            ["api", "news"] => self.news(request).await,
            ["api", "chat", "ticket"] => self.ticket(request),
            ["api", "chat"] => self.chat(&request),
            ["api", "echo"] => live::echo(&request),
            [page] => pages::find(page),
            _ => Err(Problem::new(StatusCode::NOT_FOUND)),
        }
    }

    /// Who asks, if anybody known: by token, or by session. A session's word counts for changes only with the page's token.
    fn user(&self, head: &Parts) -> Result<Option<String>, Problem> {
        if let Some(Credentials::Bearer(token)) = auth::credentials(&head.headers) {
            let claims = self.0.tokens.verify(&token, self.0.now.get());
            let claims = claims.map_err(|error| {
                unauthorized(HeaderValue::from_static(
                    "Bearer realm=\"todo\", error=\"invalid_token\"",
                ))
                .detail(error.to_string())
            })?;
            return Ok(Some(claims.sub));
        }
        let session = head
            .extensions
            .get::<Session>()
            .cloned()
            .unwrap_or_default();
        let user = session.get("user");
        if user.is_some() && !head.method.is_safe() {
            let token = head
                .headers
                .get(csrf::FIELD)
                .and_then(|value| value.to_str().ok());
            let ours = token.is_some_and(|token| csrf::matches(&session, token));
            if !ours || csrf::from_elsewhere(&head.method, &head.headers) {
                return Err(
                    Problem::new(StatusCode::FORBIDDEN).detail("this is not from a page of ours")
                );
            }
        }
        Ok(user)
    }

    /// The same, for whom somebody must be known.
    fn known_user(&self, head: &Parts) -> Result<String, Problem> {
        let known = self.user(head)?;
        known.ok_or_else(|| unauthorized(BEARER).detail("log in first"))
    }
}

/// How to come back with a token.
const BEARER: HeaderValue = HeaderValue::from_static("Bearer realm=\"todo\"");

/// A 401 always says what would do (RFC 9110 section 15.5.2).
fn unauthorized(challenge: HeaderValue) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED).field(header::WWW_AUTHENTICATE, challenge)
}

/// What may be done at a path; nothing if there is nothing.
fn methods(segments: &[&str]) -> Option<&'static [Method]> {
    Some(match segments {
        ["*"] => &[Method::GET, Method::POST, Method::PUT, Method::DELETE],
        ["api", "todos"] => &[Method::GET, Method::POST],
        ["api", "todos", _] => &[Method::GET, Method::PUT, Method::DELETE],
        ["api", "login" | "logout" | "token"]
        | ["api", "token", "refresh"]
        | ["api", "chat", "ticket"] => &[Method::POST],
        ["api", "me" | "events" | "news" | "chat" | "echo"] => &[Method::GET],
        [page] if pages::find(page).is_ok() => &[Method::GET],
        _ => return None,
    })
}

/// The answer to OPTIONS (RFC 9110 section 9.3.7).
fn allowed(methods: &[Method]) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    if let Some(names) = names(methods) {
        response.headers_mut().insert(header::ALLOW, names);
    }
    response
}

/// As `Allow` has them.
fn names(methods: &[Method]) -> Option<HeaderValue> {
    let mut names: Vec<&str> = methods.iter().map(Method::as_str).collect();
    if let Some(get) = names.iter().position(|name| *name == "GET") {
        names.insert(get + 1, "HEAD");
    }
    names.push("OPTIONS");
    HeaderValue::try_from(names.join(", ")).ok()
}

/// 405 unless the method is one of these (HEAD goes with GET).
fn only(request: &Request<Body>, methods: &[Method]) -> Result<(), Problem> {
    let method = request.method();
    let is_head = method == Method::HEAD && methods.contains(&Method::GET);
    if is_head || methods.contains(method) {
        return Ok(());
    }
    let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED);
    Err(match names(methods) {
        Some(names) => problem.field(header::ALLOW, names),
        None => problem,
    })
}

/// A value as JSON.
fn json(status: StatusCode, value: &impl serde::Serialize) -> Said {
    let text = serde_json::to_string(value);
    let text = text.map_err(|_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR))?;
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let fields = response.headers_mut();
    fields.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}
