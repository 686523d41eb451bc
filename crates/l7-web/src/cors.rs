//! Who else's scripts may read our answers.
//!
//! Job: answer preflights, mark answers. Owns: the policy. Does not know: what is asked for.
//! The browser enforces; this only says. Source: the Fetch standard, section 3.2 (CORS protocol).

use core::ops::ControlFlow;
use core::time::Duration;
use std::sync::Arc;

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use outcrop_http::Body;

use crate::Pass;
use crate::compress::{joined, vary};

/// From where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// From anywhere.
    Any,
    /// From these: scheme, host, and port if it is not the usual one.
    These(Vec<String>),
}

/// A policy that contradicts the standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CorsError {
    /// A wildcard has no meaning for requests with credentials.
    #[error("credentials cannot be allowed from anywhere: name the origins")]
    AnyWithCredentials,
}

#[derive(Clone, Debug)]
struct Policy {
    origins: Origins,
    methods: Vec<Method>,
    headers: Vec<HeaderName>,
    exposed: Vec<HeaderName>,
    credentials: bool,
    max_age: Duration,
}

/// The policy, as a [`Pass`].
#[derive(Clone, Debug)]
pub struct Cors(Arc<Policy>);

impl Cors {
    /// Simple methods from these origins, without credentials.
    #[must_use]
    pub fn new(origins: Origins) -> Self {
        Self(Arc::new(Policy {
            origins,
            methods: vec![Method::GET, Method::HEAD, Method::POST],
            headers: Vec::new(),
            exposed: Vec::new(),
            credentials: false,
            max_age: Duration::from_secs(600),
        }))
    }

    fn change(mut self, change: impl FnOnce(&mut Policy)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// These methods.
    #[must_use]
    pub fn methods(self, methods: &[Method]) -> Self {
        self.change(|policy| policy.methods = methods.to_vec())
    }

    /// These request fields beyond the safelisted ones.
    #[must_use]
    pub fn headers(self, headers: &[HeaderName]) -> Self {
        self.change(|policy| policy.headers = headers.to_vec())
    }

    /// These response fields beyond the safelisted ones are shown to scripts.
    #[must_use]
    pub fn expose(self, headers: &[HeaderName]) -> Self {
        self.change(|policy| policy.exposed = headers.to_vec())
    }

    /// How long a browser may remember a preflight.
    #[must_use]
    pub fn max_age(self, age: Duration) -> Self {
        self.change(|policy| policy.max_age = age)
    }

    /// Cookies and authorization may come along.
    ///
    /// # Errors
    /// With [`Origins::Any`].
    pub fn credentials(self) -> Result<Self, CorsError> {
        if self.0.origins == Origins::Any {
            return Err(CorsError::AnyWithCredentials);
        }
        Ok(self.change(|policy| policy.credentials = true))
    }

    fn allowed(&self, origin: &HeaderValue) -> Option<HeaderValue> {
        match &self.0.origins {
            Origins::Any => Some(HeaderValue::from_static("*")),
            Origins::These(list) => {
                let known = list
                    .iter()
                    .any(|known| known.as_bytes() == origin.as_bytes());
                known.then(|| origin.clone())
            }
        }
    }

    fn mark(&self, fields: &mut HeaderMap, origin: Option<&HeaderValue>) {
        if self.0.origins != Origins::Any {
            vary(fields, "origin");
        }
        let Some(allowed) = origin.and_then(|origin| self.allowed(origin)) else {
            return;
        };
        fields.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        if self.0.credentials {
            let yes = HeaderValue::from_static("true");
            fields.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
        }
    }

    fn preflight(&self, request: &Request<Body>, origin: &HeaderValue) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let fields = response.headers_mut();
        vary(fields, "access-control-request-method");
        vary(fields, "access-control-request-headers");
        self.mark(fields, Some(origin));
        if !self.grants(request) {
            // Without the marks the browser asks no further; the answer says no more than it must.
            fields.remove(header::ACCESS_CONTROL_ALLOW_ORIGIN);
            fields.remove(header::ACCESS_CONTROL_ALLOW_CREDENTIALS);
            return response;
        }
        let methods: Vec<&str> = self.0.methods.iter().map(Method::as_str).collect();
        let headers: Vec<&str> = self.0.headers.iter().map(HeaderName::as_str).collect();
        let lists = [
            (header::ACCESS_CONTROL_ALLOW_METHODS, methods),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, headers),
        ];
        for (name, list) in lists {
            if let Ok(value) = HeaderValue::try_from(list.join(", ")) {
                fields.insert(name, value);
            }
        }
        let age = HeaderValue::from(self.0.max_age.as_secs());
        fields.insert(header::ACCESS_CONTROL_MAX_AGE, age);
        response
    }

    /// Whether method and fields of the announced request are within the policy.
    fn grants(&self, request: &Request<Body>) -> bool {
        let fields = request.headers();
        let method = fields.get(header::ACCESS_CONTROL_REQUEST_METHOD);
        let method = method.is_some_and(|asked| {
            self.0
                .methods
                .iter()
                .any(|known| known.as_str().as_bytes() == asked.as_bytes())
        });
        let asked = joined(fields, &header::ACCESS_CONTROL_REQUEST_HEADERS).unwrap_or_default();
        let mut asked = asked
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty());
        method
            && asked.all(|name| {
                self.0
                    .headers
                    .iter()
                    .any(|known| name.eq_ignore_ascii_case(known.as_str()))
            })
    }
}

impl Pass for Cors {
    type Memo = Option<HeaderValue>;

    fn enter(&self, request: &mut Request<Body>) -> ControlFlow<Response<Body>, Self::Memo> {
        let origin = request.headers().get(header::ORIGIN).cloned();
        let is_preflight = request.method() == Method::OPTIONS
            && request
                .headers()
                .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        match origin {
            Some(origin) if is_preflight => ControlFlow::Break(self.preflight(request, &origin)),
            origin => ControlFlow::Continue(origin),
        }
    }

    fn leave(&self, origin: Self::Memo, mut response: Response<Body>) -> Response<Body> {
        let fields = response.headers_mut();
        self.mark(fields, origin.as_ref());
        let exposed: Vec<&str> = self.0.exposed.iter().map(HeaderName::as_str).collect();
        if fields.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN)
            && !exposed.is_empty()
            && let Ok(value) = HeaderValue::try_from(exposed.join(", "))
        {
            fields.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, value);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pass::tests::through;

    fn ask(cors: &Cors, method: &str, fields: &[(&str, &str)]) -> Response<Body> {
        let mut request = Request::builder().method(method);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        through(
            cors,
            request.body(Body::empty()).unwrap(),
            Response::new("asked".into()),
        )
    }

    fn ours() -> Cors {
        Cors::new(Origins::These(vec!["https://a.test".into()]))
            .methods(&[Method::GET, Method::PUT])
            .headers(&[header::IF_MATCH])
            .expose(&[header::ETAG])
            .credentials()
            .unwrap()
    }

    #[test]
    fn known_origin_is_named_and_an_unknown_one_is_not() {
        let answer = ask(&ours(), "GET", &[("origin", "https://a.test")]);
        let fields = answer.headers();
        assert_eq!(fields["access-control-allow-origin"], "https://a.test");
        assert_eq!(fields["access-control-allow-credentials"], "true");
        assert_eq!(fields["access-control-expose-headers"], "etag");
        assert_eq!(fields["vary"], "origin");
        for origin in ["https://a.test.evil", "http://a.test", "null"] {
            let answer = ask(&ours(), "GET", &[("origin", origin)]);
            assert_eq!(answer.headers().len(), 1, "{origin}");
            assert_eq!(
                answer.headers()["vary"],
                "origin",
                "caches must know all the same"
            );
        }
    }

    #[test]
    fn preflight_is_answered_here_and_remembered() {
        let fields = [
            ("origin", "https://a.test"),
            ("access-control-request-method", "PUT"),
            ("access-control-request-headers", "If-Match"),
        ];
        let answer = ask(&ours(), "OPTIONS", &fields);
        assert_eq!(answer.status(), 204);
        assert_eq!(answer.headers()["access-control-allow-methods"], "GET, PUT");
        assert_eq!(answer.headers()["access-control-allow-headers"], "if-match");
        assert_eq!(answer.headers()["access-control-max-age"], "600");
    }

    #[test]
    fn preflight_for_more_than_is_allowed_gets_no_marks() {
        for (method, headers) in [
            ("DELETE", "if-match"),
            ("PUT", "if-match, x-other"),
            ("put", ""),
        ] {
            let fields = [
                ("origin", "https://a.test"),
                ("access-control-request-method", method),
                ("access-control-request-headers", headers),
            ];
            let answer = ask(&ours(), "OPTIONS", &fields);
            assert!(
                !answer.headers().contains_key("access-control-allow-origin"),
                "{method}"
            );
        }
    }

    #[test]
    fn anywhere_is_a_star_that_never_goes_with_credentials() {
        let any = Cors::new(Origins::Any);
        let answer = ask(&any, "GET", &[("origin", "https://b.test")]);
        assert_eq!(answer.headers()["access-control-allow-origin"], "*");
        assert!(!answer.headers().contains_key("vary"));
        assert_eq!(
            any.credentials().unwrap_err(),
            CorsError::AnyWithCredentials
        );
    }

    #[test]
    fn plain_options_without_an_announced_method_reaches_the_service() {
        let answer = ask(&ours(), "OPTIONS", &[("origin", "https://a.test")]);
        assert_eq!(answer.status(), 200);
    }
}
