//! Errors that a program can read.
//!
//! Job: a status with a type, a title and what a client may know, as JSON. Owns: that text.
//! Does not know: why it happened: only what is put in goes out. Source: RFC 9457.

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use outcrop_http::Body;
use serde_json::{Map, Value};

/// A problem, on its way to becoming a response.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    status: StatusCode,
    members: Map<String, Value>,
    fields: HeaderMap,
}

impl Problem {
    /// A problem that is no more than its status: `about:blank`, whose title is the status' own (RFC 9457 section 4.2.1).
    #[must_use]
    pub fn new(status: StatusCode) -> Self {
        let mut members = Map::new();
        let title = status.canonical_reason().unwrap_or("Error");
        members.insert("title".to_owned(), title.into());
        members.insert("status".to_owned(), status.as_u16().into());
        Self {
            status,
            members,
            fields: HeaderMap::new(),
        }
    }

    /// Of a type of its own, named by a URI, with a title that is the same for every occurrence.
    #[must_use]
    pub fn of_type(self, uri: &str, title: &str) -> Self {
        self.with("type", uri).with("title", title)
    }

    /// What the client may know about this occurrence.
    #[must_use]
    pub fn detail(self, text: impl Into<String>) -> Self {
        self.with("detail", text.into())
    }

    /// Any further member.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    /// A field of the response that goes with it: `Allow` for a 405, say.
    #[must_use]
    pub fn field(mut self, name: header::HeaderName, value: HeaderValue) -> Self {
        self.fields.insert(name, value);
        self
    }

    /// The status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// As a response.
    #[must_use]
    pub fn respond(self) -> Response<Body> {
        let mut response = Response::new(Body::from(Value::Object(self.members).to_string()));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.fields;
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        let never = HeaderValue::from_static("no-store");
        response.headers_mut().insert(header::CACHE_CONTROL, never);
        response
    }
}

impl From<StatusCode> for Problem {
    fn from(status: StatusCode) -> Self {
        Self::new(status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problem_has_the_members_of_the_rfc_and_its_own() {
        let problem = Problem::new(StatusCode::FORBIDDEN)
            .of_type(
                "https://outcrop.test/probs/out-of-credit",
                "You do not have enough credit.",
            )
            .detail("30, but that costs 50")
            .with("balance", 30);
        let response = problem.clone().respond();
        assert_eq!(response.status(), 403);
        assert_eq!(
            response.headers()["content-type"],
            "application/problem+json"
        );
        let members = &problem.members;
        assert_eq!(members["status"], 403);
        assert_eq!(members["balance"], 30);
        assert_eq!(members["title"], "You do not have enough credit.");
        assert!(
            !Problem::new(StatusCode::NOT_FOUND)
                .members
                .contains_key("type")
        );
    }
}
