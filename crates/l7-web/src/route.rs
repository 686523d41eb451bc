//! Which request goes where.
//!
//! Job: redirects and rewrites by rule, hosts by name. Owns: the rules. Does not know: what answers.
//! Sources: RFC 9110 sections 7.2 (`Host`), 7.4 (421), 15.4 (redirects).

use core::ops::ControlFlow;
use core::task::{Context, Poll};
use std::collections::BTreeMap;
use std::sync::Arc;

use http::uri::PathAndQuery;
use http::{HeaderValue, Request, Response, StatusCode, Uri, header};
use outcrop_http::Body;
use tower_service::Service;

use crate::Pass;
use crate::problem::Problem;

/// One rule for paths that begin with something: whole segments, so `/old` is not the beginning of `/older`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Send the client elsewhere, with the rest of the path and the query.
    Redirect {
        /// The beginning.
        from: String,
        /// What takes its place: a path, or a URL.
        to: String,
        /// 301, 302, 303, 307 or 308.
        status: StatusCode,
    },
    /// Answer as if the path began otherwise.
    Rewrite {
        /// The beginning.
        from: String,
        /// What takes its place: a path.
        to: String,
    },
}

/// Rules, the first that fits counts, as a [`Pass`].
#[derive(Clone, Debug, Default)]
pub struct Rules(Arc<Vec<Rule>>);

impl Rules {
    /// These.
    #[must_use]
    pub fn new(rules: Vec<Rule>) -> Self {
        Self(Arc::new(rules))
    }
}

/// What follows `from` in `path`, if that is where it begins.
pub(crate) fn rest<'a>(path: &'a str, from: &str) -> Option<&'a str> {
    let rest = path.strip_prefix(from.trim_end_matches('/'))?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

pub(crate) fn joined(to: &str, rest: &str, query: Option<&str>) -> String {
    let mut target = format!("{}{rest}", to.trim_end_matches('/'));
    if target.is_empty() {
        target.push('/');
    }
    // A path that begins with two slashes names another server (RFC 3986 section 4.2).
    if target.starts_with("//") {
        target = format!("/{}", target.trim_start_matches('/'));
    }
    if let Some(query) = query {
        target.push('?');
        target.push_str(query);
    }
    target
}

impl Pass for Rules {
    type Memo = ();

    fn enter(&self, request: &mut Request<Body>) -> ControlFlow<Response<Body>, ()> {
        let (path, query) = (request.uri().path(), request.uri().query());
        for rule in self.0.iter() {
            match rule {
                Rule::Redirect { from, to, status } => {
                    if let Some(rest) = rest(path, from) {
                        return ControlFlow::Break(redirect(*status, &joined(to, rest, query)));
                    }
                }
                Rule::Rewrite { from, to } => {
                    if let Some(rest) = rest(path, from) {
                        let target = joined(to, rest, query);
                        let mut parts = request.uri().clone().into_parts();
                        parts.path_and_query = PathAndQuery::try_from(target).ok();
                        if let Ok(uri) = Uri::from_parts(parts) {
                            *request.uri_mut() = uri;
                        }
                        return ControlFlow::Continue(());
                    }
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn leave(&self, (): (), response: Response<Body>) -> Response<Body> {
        response
    }
}

/// A redirect; 500 if `to` is no field value.
#[must_use]
pub fn redirect(status: StatusCode, to: &str) -> Response<Body> {
    let Ok(value) = HeaderValue::try_from(to) else {
        return Problem::new(StatusCode::INTERNAL_SERVER_ERROR).respond();
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response.headers_mut().insert(header::LOCATION, value);
    response
}

/// Services by the host asked for.
#[derive(Clone, Debug)]
pub struct Hosts<S> {
    known: BTreeMap<String, S>,
    other: Option<S>,
}

impl<S> Default for Hosts<S> {
    fn default() -> Self {
        Self {
            known: BTreeMap::new(),
            other: None,
        }
    }
}

impl<S> Hosts<S> {
    /// With a service for this host; `*.name` for every host below it.
    #[must_use]
    pub fn host(mut self, name: &str, service: S) -> Self {
        self.known.insert(name.to_ascii_lowercase(), service);
        self
    }

    /// With a service for every other host; without, they get 421.
    #[must_use]
    pub fn other(mut self, service: S) -> Self {
        self.other = Some(service);
        self
    }

    fn find(&mut self, request: &Request<Body>) -> Option<&mut S> {
        let named = request.uri().host().or_else(|| {
            let host = request.headers().get(header::HOST)?.to_str().ok()?;
            // Without the port, which may follow a bracket.
            Some(host.rsplit_once(':').map_or(host, |(name, port)| {
                if port.bytes().all(|b| b.is_ascii_digit()) {
                    name
                } else {
                    host
                }
            }))
        });
        let name = named
            .unwrap_or_default()
            .trim_end_matches('.')
            .to_ascii_lowercase();
        let above = name.split_once('.').map(|(_, above)| format!("*.{above}"));
        let key = [Some(name), above]
            .into_iter()
            .flatten()
            .find(|key| self.known.contains_key(key));
        match key {
            Some(key) => self.known.get_mut(&key),
            None => self.other.as_mut(),
        }
    }
}

impl<S> Service<Request<Body>> for Hosts<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = core::pin::Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        // Whichever it will be: all of them must be ready.
        for service in self.known.values_mut().chain(&mut self.other) {
            core::task::ready!(service.poll_ready(cx))?;
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        match self.find(&request) {
            Some(service) => Box::pin(service.call(request)),
            None => Box::pin(async { Ok(Problem::new(StatusCode::MISDIRECTED_REQUEST).respond()) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pass::tests::through;

    fn rules() -> Rules {
        Rules::new(vec![
            Rule::Redirect {
                from: "/old".into(),
                to: "/new".into(),
                status: StatusCode::PERMANENT_REDIRECT,
            },
            Rule::Redirect {
                from: "/away/".into(),
                to: "https://b.test/".into(),
                status: StatusCode::FOUND,
            },
            Rule::Redirect {
                from: "/up".into(),
                to: "/".into(),
                status: StatusCode::FOUND,
            },
            Rule::Rewrite {
                from: "/api/v1".into(),
                to: "/".into(),
            },
        ])
    }

    #[test]
    fn redirects_keep_the_rest_and_lead_nowhere_they_should_not() {
        let rows = [
            ("/old", Some("/new")),
            ("/old/a%20b?c=d", Some("/new/a%20b?c=d")),
            ("/older", None),
            ("/away/x?y", Some("https://b.test/x?y")),
            ("/up", Some("/")),
            ("/up//evil.test/x", Some("/evil.test/x")),
        ];
        for (path, want) in rows {
            let request = Request::get(path).body(Body::empty()).unwrap();
            let answer = through(&rules(), request, Response::new(Body::empty()));
            let got = answer
                .headers()
                .get("location")
                .map(|v| v.to_str().unwrap());
            assert_eq!(got, want, "{path}");
        }
    }

    #[test]
    fn rewrite_changes_what_the_service_sees() {
        let mut request = Request::get("/api/v1/todos?done")
            .body(Body::empty())
            .unwrap();
        assert!(rules().enter(&mut request).is_continue());
        assert_eq!(request.uri(), "/todos?done");
    }

    #[test]
    fn hosts_are_told_apart_and_strangers_are_misdirected() {
        use tower::ServiceExt as _;
        let named = |name: &'static str| {
            tower::service_fn(move |_: Request<Body>| async move {
                Ok::<_, core::convert::Infallible>(Response::new(Body::from(name)))
            })
            .boxed_clone()
        };
        let hosts = Hosts::default()
            .host("a.test", named("a"))
            .host("*.b.test", named("below b"));
        let rows = [
            ("A.test", 200),
            ("a.test:8080", 200),
            ("a.test.", 200),
            ("x.b.test", 200),
            ("b.test", 421),
            ("[::1]:80", 421),
            ("evil", 421),
        ];
        for (host, want) in rows {
            let request = Request::get("/")
                .header("host", host)
                .body(Body::empty())
                .unwrap();
            let answer = futures_executor::block_on(hosts.clone().oneshot(request)).unwrap();
            assert_eq!(answer.status(), want, "{host}");
        }
    }
}
