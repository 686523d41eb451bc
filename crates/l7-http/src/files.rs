//! Files of one folder, as answers.
//!
//! Job: turn a request into the file it names, or the part of it, or word that it has not changed.
//! Owns: the folder's descriptor and small files in memory. Does not know: connections, framing.
//! Sources: RFC 9110 sections 8.6, 8.8 (validators), 9.3.1, 13 (conditional requests), 14 (ranges), 15.5.6 (405).

mod cache;
mod conditions;
mod open;
mod range;

use core::convert::Infallible;
use core::future::{Ready, ready};
use core::task::{Context, Poll};
use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use outcrop_base::Instant;

use crate::body::Part;
use crate::h1::{Prepared, RequestHead};
use crate::serve::{About, Answer, Handler};
use crate::{Body, pages};
use cache::Cache;
use conditions::{Asked, Outcome};
use open::{Found, Opened, Root};
use range::Ranges;

/// Serves the files below one folder. Cloning shares folder and memory.
///
/// No request reaches outside the folder: paths are decoded once, `..` and hidden names are refused, and the
/// system resolves what is left beneath the folder's own descriptor, symbolic links included.
#[derive(Clone, Debug)]
pub struct Files(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    root: Root,
    cache: Mutex<Cache>,
}

/// A request, as far as files care.
struct Request<'a> {
    method: &'a Method,
    path: &'a str,
    query: Option<&'a str>,
    asked: Asked<'a>,
    at: Option<Instant>,
}

impl Files {
    /// The files below `root`.
    ///
    /// # Errors
    /// `root` is no folder, or cannot be read.
    pub fn open(root: impl AsRef<Path>) -> io::Result<Self> {
        Ok(Self(Arc::new(Inner {
            root: Root::open(root.as_ref())?,
            cache: Mutex::new(Cache::default()),
        })))
    }

    fn respond(&self, request: &Request<'_>) -> Answer {
        let get = match *request.method {
            Method::GET => true,
            Method::HEAD => false,
            Method::OPTIONS
            | Method::POST
            | Method::PUT
            | Method::DELETE
            | Method::PATCH
            | Method::TRACE
            | Method::CONNECT => return pages::not_allowed(),
            // A method that is nobody's at all (RFC 9110 section 9.1).
            _ => return pages::error(StatusCode::NOT_IMPLEMENTED).into(),
        };
        let plain = request.asked.is_plain();
        if plain && let Some(known) = self.cached(request) {
            return known.into();
        }
        match self.0.root.find(request.path) {
            Ok(Found::File(opened)) => self.file(request, get, opened),
            Ok(Found::Folder) => redirect(request),
            Err(status) => pages::error(status).into(),
        }
    }

    fn cached(&self, request: &Request<'_>) -> Option<Prepared> {
        let mut cache = self.0.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.get(request.path, request.at, &self.0.root)
    }

    fn file(&self, request: &Request<'_>, get: bool, opened: Opened) -> Answer {
        let fields = validators(&opened);
        match request.asked.evaluate(&opened) {
            Outcome::NotModified => {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = StatusCode::NOT_MODIFIED;
                let headers = response.headers_mut();
                headers.extend(fields);
                headers.remove(header::CONTENT_TYPE);
                return response.into();
            }
            Outcome::PreconditionFailed => {
                return pages::error(StatusCode::PRECONDITION_FAILED).into();
            }
            // Ranges are defined for GET alone (RFC 9110 section 14.2).
            Outcome::Ranges(Ranges::Impossible) if get => return impossible(opened.length),
            Outcome::Ranges(Ranges::These(ranges)) if get => {
                return range::answer(fields, opened, &ranges).into();
            }
            Outcome::Ranges(_) | Outcome::Whole => {}
        }
        if opened.length <= cache::SMALL {
            return self.small(request, fields, &opened);
        }
        let mut response = Response::new(Body::empty());
        let length = opened.length;
        *response.headers_mut() = fields;
        if get {
            let part = Part::file(Arc::new(opened.file), 0, length);
            *response.body_mut() = Body::parts(VecDeque::from([part]));
        } else {
            response
                .headers_mut()
                .insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        response.into()
    }

    /// Reads a small file whole, answers with it, and remembers it.
    fn small(&self, request: &Request<'_>, fields: HeaderMap, opened: &Opened) -> Answer {
        let Ok(body) = opened.read_all() else {
            return pages::error(StatusCode::INTERNAL_SERVER_ERROR).into();
        };
        let prepared = Prepared::new(StatusCode::OK, &fields, body);
        let mut cache = self.0.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.put(request.path, opened, prepared.clone(), request.at);
        prepared.into()
    }
}

/// The fields that describe a file as it is now.
fn validators(opened: &Opened) -> HeaderMap {
    let mut fields = HeaderMap::new();
    let mut put = |name, value: String| {
        // All made of printable ASCII.
        if let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from(value)) {
            fields.insert(name, value);
        }
    };
    put(header::CONTENT_TYPE, opened.media_type.clone());
    put(header::ETAG, opened.etag());
    put(header::LAST_MODIFIED, opened.last_modified());
    fields.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    fields
}

fn impossible(length: u64) -> Answer {
    let mut fields = HeaderMap::new();
    if let Ok(value) = HeaderValue::try_from(format!("bytes */{length}")) {
        fields.insert(header::CONTENT_RANGE, value);
    }
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    fields.insert(header::CONTENT_TYPE, html);
    let status = StatusCode::RANGE_NOT_SATISFIABLE;
    Prepared::new(status, &fields, pages::error_body(status)).into()
}

/// A folder without its last slash: relative links in its page would go wrong.
fn redirect(request: &Request<'_>) -> Answer {
    // Never `//elsewhere/`, which a client would take for another server.
    let mut to = format!("/{}/", request.path.trim_matches('/'));
    if let Some(query) = request.query {
        to.push('?');
        to.push_str(query);
    }
    let mut fields = HeaderMap::new();
    if let Ok(value) = HeaderValue::try_from(to) {
        fields.insert(header::LOCATION, value);
    }
    Prepared::new(StatusCode::MOVED_PERMANENTLY, &fields, Bytes::new()).into()
}

impl Handler for Files {
    fn answer(&mut self, request: &RequestHead, about: &About) -> Answer {
        let (path, query) = request.path_and_query();
        let asked = if request.may_be_conditional() {
            Asked::of_fields(request.fields())
        } else {
            Asked::default()
        };
        self.respond(&Request {
            method: request.method(),
            path: if path.is_empty() { "/" } else { path },
            query,
            asked,
            at: Some(about.at),
        })
    }
}

impl<B> tower_service::Service<http::Request<B>> for Files {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let answer = self.respond(&Request {
            method: request.method(),
            path: request.uri().path(),
            query: request.uri().query(),
            asked: Asked::of_map(request.headers()),
            at: request.extensions().get::<About>().map(|about| about.at),
        });
        let head_only = request.method() == Method::HEAD;
        ready(Ok(match answer {
            Answer::Response(response) => response,
            Answer::Prepared(page) => page.to_http(head_only),
        }))
    }
}

#[cfg(test)]
mod tests;
