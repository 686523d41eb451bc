//! Requests answered by another server (a gateway, or reverse proxy).
//!
//! Job: ask another server as the client asked us, and answer as it answers. Owns: connections to it, and which fields
//! stay behind. Does not know: sockets ([`World`] has them), which requests come here ([`Forward::takes`] says).
//! Sources: RFC 9110 sections 7.6.1 (fields of one hop), 7.6.2 (Max-Forwards), 7.6.3 (Via), 15.6.3, 15.6.5; RFC 7239.

use core::time::Duration;
use std::io;

use http::uri::Authority;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header,
};
use http_body::Body as _;
use outcrop_http::Body;
use outcrop_http::client::FetchError;
use outcrop_http::h1::{ClientConfig, ClientError};
use outcrop_http::serve::About;

use crate::client::cache::Cache;
use crate::client::retry::Patience;
use crate::client::route::Place;
use crate::client::{Agent, Answer, Config, Error, Payload, World};
use crate::problem::Problem;
use crate::route::{joined, rest};

/// How long a connection to the other server may take, and each piece of its answer.
const CONNECT: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_secs(60);

/// Fields that are between two neighbours and nobody else's business.
const ONE_HOP: [HeaderName; 6] = [
    header::CONNECTION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::PROXY_AUTHORIZATION,
];
/// The same, and two without a name in the `http` crate.
const ODD: [&str; 2] = ["keep-alive", "proxy-connection"];
/// What a client says of those before it: from strangers, worth nothing.
const CLAIMS: [&str; 4] = [
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
];

/// Sends what begins with one path to another server. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Forward {
    from: String,
    to: Uri,
    name: HeaderValue,
    agent: Agent,
}

impl Forward {
    /// Paths that begin with `from`, whole segments, go to `to` (`http://host:port/path`) through `world`. `name` is ours
    /// in `Via`: a request that has been here already is not sent round again.
    ///
    /// Nothing if `to` is no such URI or `name` no token.
    pub fn new(from: &str, to: &Uri, name: &str, world: impl World + 'static) -> Option<Self> {
        Place::of(to)?;
        let config = Config {
            connect: CONNECT,
            http: ClientConfig {
                response: ANSWER,
                ..ClientConfig::default()
            },
            // The client is who tries again, follows, keeps cookies and decodes.
            patience: Patience {
                retries: 0,
                ..Patience::default()
            },
            redirects: 0,
            decode: false,
            cookies: false,
            ..Config::default()
        };
        Some(Self {
            from: from.to_owned(),
            to: to.clone(),
            name: HeaderValue::try_from(format!("1.1 {name}")).ok()?,
            agent: Agent::new(config, world, None),
        })
    }

    /// Keeps answers for everybody in `cache`, as far as HTTP allows (RFC 9111).
    #[must_use]
    pub fn keeping(self, cache: Cache) -> Self {
        self.agent.keep(cache.shared());
        self
    }

    /// Whether requests for this path come here.
    #[must_use]
    pub fn takes(&self, path: &str) -> bool {
        rest(path, &self.from).is_some()
    }

    /// The other server's answer. 502 and 504 if there is none, 503 if too many wait for one, 508 for one that would go
    /// round; 404 for a path that is not ours. CONNECT is not for us (405), and an offer to upgrade stays behind.
    pub async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let asked = match self.asked(request) {
            Ok(asked) => asked,
            Err(response) => return *response,
        };
        let head_only = asked.method() == Method::HEAD;
        match self.agent.fetch(asked).await {
            Ok(answer) => self.pass(answer, head_only),
            Err(error) => Problem::new(status_of(&error)).respond(),
        }
    }

    /// The request as the other server gets it.
    fn asked(&self, request: Request<Body>) -> Result<Request<Payload>, Box<Response<Body>>> {
        let refused = |status| Box::new(Problem::new(status).respond());
        let uri = self
            .target(request.uri())
            .ok_or_else(|| refused(StatusCode::NOT_FOUND))?;
        let (mut head, body) = request.into_parts();
        if head.method == Method::CONNECT {
            return Err(refused(StatusCode::METHOD_NOT_ALLOWED));
        }
        let been_here = |via: &HeaderValue| {
            let text = via.to_str().unwrap_or_default();
            text.split(',')
                .any(|one| one.trim().as_bytes() == self.name.as_bytes())
        };
        if head.headers.get_all(header::VIA).iter().any(been_here) {
            return Err(refused(StatusCode::LOOP_DETECTED));
        }
        if matches!(head.method, Method::OPTIONS | Method::TRACE) {
            count_down(&head.method, &mut head.headers)?;
        }
        strip(&mut head.headers);
        for name in [header::EXPECT, header::CONTENT_LENGTH] {
            head.headers.remove(name);
        }
        self.introduce(&mut head.headers, head.extensions.get::<About>(), &head.uri);
        let payload = if body.is_end_stream() {
            Payload::empty()
        } else {
            Payload::once(body)
        };
        let mut asked = Request::new(payload);
        (*asked.method_mut(), *asked.uri_mut()) = (head.method, uri);
        *asked.headers_mut() = head.headers;
        Ok(asked)
    }

    fn target(&self, uri: &Uri) -> Option<Uri> {
        let rest = rest(uri.path(), &self.from)?;
        let path = joined(self.to.path(), rest, uri.query());
        let mut parts = self.to.clone().into_parts();
        parts.path_and_query = path.parse().ok();
        Uri::from_parts(parts).ok()
    }

    /// Who asks, and whom he asked (RFC 7239), by us.
    fn introduce(&self, fields: &mut HeaderMap, about: Option<&About>, uri: &Uri) {
        let host = uri.authority().map(Authority::as_str);
        let host = host.map(|host| HeaderValue::try_from(host).ok());
        let host = host.unwrap_or_else(|| fields.get(header::HOST).cloned());
        for claim in CLAIMS {
            fields.remove(claim);
        }
        fields.remove(header::HOST);
        let client = about.and_then(|about| about.connection.remote);
        let mut said = Vec::new();
        if let Some(client) = client {
            let ip = client.ip();
            said.push(if ip.is_ipv6() {
                format!("for=\"[{ip}]\"")
            } else {
                format!("for={ip}")
            });
            if let Ok(value) = HeaderValue::try_from(ip.to_string()) {
                fields.insert("x-forwarded-for", value);
            }
        }
        if let Some(host) = host {
            // A host has no quote in it: the engine has looked.
            if let Ok(text) = host.to_str() {
                said.push(format!("host=\"{text}\""));
            }
            fields.insert("x-forwarded-host", host);
        }
        if let Ok(value) = HeaderValue::try_from(said.join(";"))
            && !value.is_empty()
        {
            fields.insert("forwarded", value);
        }
        fields.append(header::VIA, self.name.clone());
    }

    fn pass(&self, answer: Answer, head_only: bool) -> Response<Body> {
        let (status, mut fields) = (answer.status, answer.fields.clone());
        strip(&mut fields);
        fields.append(header::VIA, self.name.clone());
        let none = head_only || status == StatusCode::NOT_MODIFIED;
        let mut response = Response::new(if none {
            Body::empty()
        } else {
            Body::new(answer)
        });
        *response.status_mut() = status;
        *response.headers_mut() = fields;
        response
    }
}

/// Leaves behind what is between two neighbours: the fields known for it, and those that `Connection` names.
fn strip(fields: &mut HeaderMap) {
    let named: Vec<HeaderName> = fields
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&ONE_HOP) {
        fields.remove(name);
    }
    for name in ODD {
        fields.remove(name);
    }
}

/// Max-Forwards: one less, or the answer of the last in the row.
fn count_down(method: &Method, fields: &mut HeaderMap) -> Result<(), Box<Response<Body>>> {
    let Some(left) = fields.get(header::MAX_FORWARDS) else {
        return Ok(());
    };
    let left: Option<u32> = left.to_str().ok().and_then(|left| left.parse().ok());
    match left {
        None => Err(Box::new(Problem::new(StatusCode::BAD_REQUEST).respond())),
        Some(0) if *method == Method::OPTIONS => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            Err(Box::new(response))
        }
        // What a request came with is not shown from here.
        Some(0) => Err(Box::new(
            Problem::new(StatusCode::METHOD_NOT_ALLOWED).respond(),
        )),
        Some(left) => {
            fields.insert(header::MAX_FORWARDS, HeaderValue::from(left - 1));
            Ok(())
        }
    }
}

fn status_of(error: &Error) -> StatusCode {
    match error {
        Error::Late | Error::Exchange(FetchError::Answer(ClientError::Timeout)) => {
            StatusCode::GATEWAY_TIMEOUT
        }
        Error::Connect(error) if error.kind() == io::ErrorKind::TimedOut => {
            StatusCode::GATEWAY_TIMEOUT
        }
        Error::Busy => StatusCode::SERVICE_UNAVAILABLE,
        Error::Uri(_)
        | Error::Connect(_)
        | Error::Proxy(_)
        | Error::Secure(_)
        | Error::Exchange(_)
        | Error::Payload(_)
        | Error::Redirect(_)
        | Error::Coding(_)
        | Error::TooLong
        | Error::Chance(_) => StatusCode::BAD_GATEWAY,
    }
}
