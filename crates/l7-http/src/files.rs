//! Files of one folder, as answers.
//!
//! Job: turn a request into the file it names, or the part of it, or word that it has not changed.
//! Owns: the folder's descriptor and small files in memory. Does not know: connections, framing.
//! Sources: RFC 9110 sections 8.6, 8.8 (validators), 9.3.1, 13 (conditional requests), 14 (ranges), 15.5.6 (405).

mod cache;
mod conditions;
mod listing;
mod open;
mod range;
mod sibling;

use core::convert::Infallible;
use core::future::{Ready, ready};
use core::task::{Context, Poll};
use std::borrow::Cow;
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
    options: Options,
    cache: Mutex<Cache>,
}

/// What is done beyond giving files as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// A client that takes `br`, `zstd` or `gzip` is given `FILE.br`, `FILE.zst` or `FILE.gz` where that lies beside the
    /// file and is no older.
    pub precompressed: bool,
    /// A folder without `index.html` is answered with the names in it.
    pub listing: bool,
    /// `Cache-Control` of every file.
    pub cache_control: Option<HeaderValue>,
}

/// A request, as far as files care.
struct Request<'a> {
    method: &'a Method,
    path: &'a str,
    query: Option<&'a str>,
    asked: Asked<'a>,
    /// `Accept-Encoding`, where it matters.
    accepts: Option<&'a [u8]>,
    at: Option<Instant>,
}

impl Files {
    /// The files below `root`.
    ///
    /// # Errors
    /// `root` is no folder, or cannot be read.
    pub fn open(root: impl AsRef<Path>) -> io::Result<Self> {
        Self::with(root, Options::default())
    }

    /// The files below `root`, in a manner of their own.
    ///
    /// # Errors
    /// As for [`Files::open`].
    pub fn with(root: impl AsRef<Path>, options: Options) -> io::Result<Self> {
        Ok(Self(Arc::new(Inner {
            root: Root::open(root.as_ref())?,
            options,
            cache: Mutex::new(Cache::default()),
        })))
    }

    /// The answer to a request of the `http` crate.
    #[must_use]
    pub fn answer_to<B>(&self, request: &http::Request<B>) -> Answer {
        self.respond(&Request {
            method: request.method(),
            path: request.uri().path(),
            query: request.uri().query(),
            asked: Asked::of_map(request.headers()),
            accepts: (request.headers().get(header::ACCEPT_ENCODING)).map(HeaderValue::as_bytes),
            at: request.extensions().get::<About>().map(|about| about.at),
        })
    }

    fn respond(&self, request: &Request<'_>) -> Answer {
        let get = match *request.method {
            Method::GET => true,
            Method::HEAD => false,
            Method::OPTIONS => return self.options(request.path),
            Method::POST
            | Method::PUT
            | Method::DELETE
            | Method::PATCH
            | Method::TRACE
            | Method::CONNECT => return pages::not_allowed(),
            // A method that is nobody's at all (RFC 9110 section 9.1).
            _ => return pages::error(StatusCode::NOT_IMPLEMENTED).into(),
        };
        if let Some(answer) = self.compressed(request, get) {
            return answer;
        }
        let plain = request.asked.is_plain();
        if plain && let Some(known) = self.cached(request.path.as_bytes(), request.at) {
            return known.into();
        }
        match self.0.root.find(request.path) {
            Ok(Found::File(opened)) => self.file(request, get, (opened, None)),
            Ok(Found::Folder) => redirect(request),
            Err(status) => {
                let listed = self.0.options.listing && request.path.ends_with('/');
                let page = listed.then(|| listing::page(&self.0.root, request.path));
                page.flatten()
                    .map_or_else(|| pages::error(status).into(), names)
            }
        }
    }

    /// What may be done with a file: nothing, if there is none.
    fn options(&self, path: &str) -> Answer {
        match self.0.root.find(path) {
            Err(status) if path != "*" && !(self.0.options.listing && path.ends_with('/')) => {
                pages::error(status).into()
            }
            Ok(_) | Err(_) => pages::allowed(pages::READ_ONLY).into(),
        }
    }

    /// The answer out of a file that was compressed before, if there is one that the client takes.
    fn compressed(&self, request: &Request<'_>, get: bool) -> Option<Answer> {
        if !self.0.options.precompressed {
            return None;
        }
        let accepts = core::str::from_utf8(request.accepts?).ok()?;
        let (coding, opened) = sibling::best(&self.0.root, request.path, accepts)?;
        if request.asked.is_plain() {
            let cache = self.0.cache.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(known) = cache.marked(&name(request.path, Some(coding)), opened.mark()) {
                return Some(known.into());
            }
        }
        Some(self.file(request, get, (opened, Some(coding))))
    }

    fn cached(&self, path: &[u8], at: Option<Instant>) -> Option<Arc<Prepared>> {
        let mut cache = self.0.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.get(path, at, &self.0.root)
    }

    /// The answer given before to a request that asks for nothing but a file as it is, and may be given again: most of
    /// them, so it is tried first.
    fn again(&self, head: &RequestHead, at: Instant) -> Option<Arc<Prepared>> {
        let plain = !head.may_be_conditional() && !self.0.options.precompressed;
        let reads = matches!(*head.method(), Method::GET | Method::HEAD);
        if !(plain && reads) {
            return None;
        }
        self.cached(head.path_bytes(), Some(at))
    }

    fn file(
        &self,
        request: &Request<'_>,
        get: bool,
        (opened, coding): (Opened, Option<&'static str>),
    ) -> Answer {
        let fields = self.fields(&opened, coding);
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
            return self.small(&name(request.path, coding), request.at, fields, &opened);
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
    fn small(&self, name: &str, at: Option<Instant>, fields: HeaderMap, opened: &Opened) -> Answer {
        let Ok(body) = opened.read_all() else {
            return pages::error(StatusCode::INTERNAL_SERVER_ERROR).into();
        };
        let prepared = Arc::new(Prepared::new(StatusCode::OK, &fields, body));
        let mut cache = self.0.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.put(name, opened, Arc::clone(&prepared), at);
        prepared.into()
    }

    /// The fields that describe a file as it is now.
    fn fields(&self, opened: &Opened, coding: Option<&'static str>) -> HeaderMap {
        let (mut fields, options) = (validators(opened), &self.0.options);
        if let Some(coding) = coding {
            fields.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
        }
        if options.precompressed {
            // Of what is not compressed too: it might have been (RFC 9110 section 12.5.5).
            fields.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        }
        if let Some(value) = &options.cache_control {
            fields.insert(header::CACHE_CONTROL, value.clone());
        }
        fields
    }
}

/// Under which name an answer is remembered: no path has a NUL in it.
fn name<'a>(path: &'a str, coding: Option<&str>) -> Cow<'a, str> {
    coding.map_or(Cow::Borrowed(path), |coding| {
        Cow::Owned(format!("{path}\0{coding}"))
    })
}

/// A page of names, which nobody should take for the folder a moment later.
fn names(page: Bytes) -> Answer {
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    let fields = HeaderMap::from_iter([
        (header::CONTENT_TYPE, html),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ]);
    Prepared::new(StatusCode::OK, &fields, page).into()
}

/// What tells one state of a file from another, and what kind it is.
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
        if let Some(known) = self.again(request, about.at) {
            return known.into();
        }
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
            accepts: (self.0.options.precompressed)
                .then(|| request.fields().get("accept-encoding"))
                .flatten(),
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
        let answer = self.answer_to(&request);
        let head_only = request.method() == Method::HEAD;
        ready(Ok(match answer {
            Answer::Response(response) => response,
            Answer::Prepared(page) => page.to_http(head_only),
        }))
    }
}

#[cfg(test)]
mod tests;
