//! Pages that need no file.
//!
//! Job: the page a server shows when it was given nothing to serve, and pages for what went wrong.
//! Owns: their text; everything is in one file each, nothing is fetched. Does not know: why something went
//! wrong, so that an error page can reveal nothing.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use crate::Body;
use crate::h1::{Prepared, RequestHead};
use crate::serve::{About, Answer, Handler};

const WELCOME: &str = include_str!("pages/welcome.html");
const ERROR: &str = include_str!("pages/error.html");
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// The page for a status: its number, its name, and one sentence that says nothing about this server.
#[must_use]
pub fn error(status: StatusCode) -> Prepared {
    let mut fields = HeaderMap::new();
    fields.insert(header::CONTENT_TYPE, HTML);
    Prepared::new(status, &fields, error_body(status))
}

pub(crate) fn error_body(status: StatusCode) -> Bytes {
    let page = ERROR
        .replace("{{code}}", status.as_str())
        .replace("{{name}}", status.canonical_reason().unwrap_or("Error"))
        .replace("{{sentence}}", sentence(status));
    Bytes::from(page)
}

fn sentence(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 => "The request could not be understood. It was not read any further.",
        403 => "This is not for you to see.",
        404 => "There is nothing at this address.",
        405 => "That method does not apply to this address.",
        408 => "The request took too long to arrive.",
        412 => "What you expected to find here has changed.",
        413 => "That is more than this server takes.",
        414 => "The address is longer than this server reads.",
        416 => "This part of the document does not exist.",
        417 => "This server cannot meet that expectation.",
        431 => "The request's header fields are larger than this server reads.",
        501 => "This server does not know how to do that.",
        503 => "This server is busy. Try again in a moment.",
        505 => "This server speaks HTTP/1.0 and HTTP/1.1.",
        _ if status.is_client_error() => "Something about the request is not as it should be.",
        _ => "Something went wrong here. It is not your fault.",
    }
}

/// Shows the built-in page at `/`: what just happened, and on which connection. Elsewhere 404.
#[derive(Clone, Copy, Debug, Default)]
pub struct Welcome;

impl Handler for Welcome {
    fn answer(&mut self, request: &RequestHead, about: &About) -> Answer {
        let path = request.path();
        let known = ["/", "/index.html", "*"].contains(&path);
        if *request.method() == Method::OPTIONS && known {
            return allowed(READ_ONLY).into();
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return not_allowed();
        }
        if path != "/" && path != "/index.html" {
            return error(StatusCode::NOT_FOUND).into();
        }
        let mut response = http::Response::new(Body::from(welcome(request, about)));
        let fields = response.headers_mut();
        fields.insert(header::CONTENT_TYPE, HTML);
        fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response.into()
    }
}

/// What an address takes that can only be read.
pub(crate) const READ_ONLY: &str = "GET, HEAD, OPTIONS";

/// The answer to OPTIONS: these methods, and nothing more to say (RFC 9110 section 9.3.7).
pub(crate) fn allowed(methods: &'static str) -> Prepared {
    let allow = HeaderValue::from_static(methods);
    let fields = HeaderMap::from_iter([(header::ALLOW, allow)]);
    Prepared::new(StatusCode::NO_CONTENT, &fields, Bytes::new())
}

/// 405 for an address that can only be read.
pub(crate) fn not_allowed() -> Answer {
    let mut fields = HeaderMap::new();
    fields.insert(header::CONTENT_TYPE, HTML);
    fields.insert(header::ALLOW, HeaderValue::from_static(READ_ONLY));
    let status = StatusCode::METHOD_NOT_ALLOWED;
    Prepared::new(status, &fields, error_body(status)).into()
}

/// The built-in page for this request.
#[must_use]
pub fn welcome(request: &RequestHead, about: &About) -> String {
    let unknown = || String::from("unknown");
    let connection = about.connection;
    let fields = request
        .fields()
        .iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value);
            format!(
                "<tr><th>{}</th><td>{}</td></tr>",
                escape(name),
                escape(&value)
            )
        })
        .collect::<String>();
    WELCOME
        .replace(
            "{{remote}}",
            &connection.remote.map_or_else(unknown, |a| a.to_string()),
        )
        .replace(
            "{{local}}",
            &connection.local.map_or_else(unknown, |a| a.to_string()),
        )
        .replace("{{request}}", &about.request.to_string())
        .replace("{{at}}", &about.at.to_string())
        .replace("{{bytes}}", &request.raw().len().to_string())
        .replace("{{line}}", &escape(&start_line(request)))
        // Last, so that nothing a client sends is taken for a place to fill in.
        .replace("{{fields}}", &fields)
}

fn start_line(request: &RequestHead) -> String {
    let raw = request.raw();
    let end = memchr::memchr(b'\r', raw).unwrap_or(raw.len());
    let line = String::from_utf8_lossy(raw.get(..end).unwrap_or_default());
    line.replace("{{", "{ {")
}

pub(crate) fn escape(text: &str) -> String {
    text.chars()
        .fold(String::with_capacity(text.len()), |mut out, c| {
            match c {
                '&' => out.push_str("&amp;"),
                '<' => out.push_str("&lt;"),
                '>' => out.push_str("&gt;"),
                '"' => out.push_str("&quot;"),
                '\'' => out.push_str("&#39;"),
                other => out.push(other),
            }
            out
        })
}
