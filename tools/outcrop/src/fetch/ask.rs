//! What is asked.
//!
//! Job: the request that the options describe, and what of it survives a redirect. Owns: it. Does not know: connections.

use core::pin::Pin;
use core::task::{Context, Poll};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::PathBuf;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Uri, header};
use http_body::{Frame, SizeHint};
use outcrop_http::Body;
use outcrop_web::auth;
use outcrop_web::client::redirect::{self, Next};
use outcrop_web::compress::CODINGS;

use crate::cli::Asking;
use crate::failure::Failure;
use crate::values::Url;

/// Bytes of a file that are read at a time.
const PIECE: usize = 64 * 1024;

enum Content {
    Nothing,
    Bytes(Bytes),
    File(PathBuf),
}

/// The request, as far as it does not depend on the connection.
pub(super) struct Ask {
    pub(super) url: Url,
    pub(super) method: Method,
    fields: HeaderMap,
    content: Content,
}

impl Ask {
    pub(super) fn new(url: Url, asking: &Asking, from: u64) -> Result<Self, Failure> {
        let content = content(asking)?;
        let usual = match &content {
            Content::Nothing => Method::GET,
            Content::Bytes(_) => Method::POST,
            Content::File(_) => Method::PUT,
        };
        let mut fields = HeaderMap::new();
        let agent = concat!("outcrop/", env!("CARGO_PKG_VERSION"));
        fields.insert(header::USER_AGENT, HeaderValue::from_static(agent));
        fields.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
        fields.insert(header::CONNECTION, HeaderValue::from_static("close"));
        if asking.compressed
            && let Ok(value) = HeaderValue::try_from(CODINGS.join(", "))
        {
            fields.insert(header::ACCEPT_ENCODING, value);
        }
        if matches!(content, Content::Bytes(_)) {
            let form = HeaderValue::from_static("application/x-www-form-urlencoded");
            fields.insert(header::CONTENT_TYPE, form);
        }
        if from > 0 {
            let range = HeaderValue::try_from(format!("bytes={from}-"));
            fields.extend(range.map(|range| (header::RANGE, range)));
        }
        if let Some(user) = &asking.user {
            let (user, password) = user.split_once(':').unwrap_or((user, ""));
            let value = auth::basic(user, password)
                .ok_or_else(|| Failure::asked("--user: not sendable"))?;
            fields.insert(header::AUTHORIZATION, value);
        }
        if let Some(cookie) = &asking.cookie {
            let value = HeaderValue::try_from(cookie.as_str())
                .map_err(|_| Failure::asked("--cookie: not sendable"))?;
            fields.insert(header::COOKIE, value);
        }
        for line in &asking.headers {
            match &line.value {
                Some(value) => drop(fields.insert(line.name.clone(), value.clone())),
                None => drop(fields.remove(&line.name)),
            }
        }
        let method = asking.request.clone().unwrap_or(usual);
        Ok(Self {
            url,
            method,
            fields,
            content,
        })
    }

    pub(super) fn uri(&self) -> Result<Uri, Failure> {
        let uri = self.url.to_string().parse();
        uri.map_err(|error| Failure::asked(format!("{}: {error}", self.url)))
    }

    /// The request, with the cookies the jar has for it.
    pub(super) fn request(
        &self,
        uri: &Uri,
        cookies: Option<HeaderValue>,
    ) -> Result<Request<Body>, Failure> {
        let body = match &self.content {
            Content::Nothing => Body::empty(),
            Content::Bytes(bytes) => Body::from(bytes.clone()),
            Content::File(path) => {
                let opened = FileBody::open(path);
                Body::new(opened.map_err(|error| Failure::file("--upload", path, &error))?)
            }
        };
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = uri.clone();
        *request.headers_mut() = self.fields.clone();
        if let Some(cookies) = cookies {
            // Those of the command line and those of the way are one field (RFC 6265bis section 5.8.3).
            let named = self.fields.get(header::COOKIE).map(HeaderValue::as_bytes);
            let all = named.map_or_else(
                || cookies.as_bytes().to_vec(),
                |named| [named, b"; ", cookies.as_bytes()].concat(),
            );
            if let Ok(all) = HeaderValue::from_bytes(&all) {
                request.headers_mut().insert(header::COOKIE, all);
            }
        }
        Ok(request)
    }

    /// Goes on with `next`.
    pub(super) fn follow(&mut self, next: &Next) -> Result<(), Failure> {
        redirect::strip(&mut self.fields, next);
        self.url = next.uri.to_string().parse().map_err(Failure::new)?;
        self.method = next.method.clone();
        if !next.keeps_body {
            self.content = Content::Nothing;
        }
        Ok(())
    }
}

fn content(asking: &Asking) -> Result<Content, Failure> {
    if let Some(path) = &asking.upload {
        return Ok(Content::File(path.clone()));
    }
    if asking.data.is_empty() {
        return Ok(Content::Nothing);
    }
    let mut all = Vec::new();
    for data in &asking.data {
        if !all.is_empty() {
            all.push(b'&');
        }
        match data.strip_prefix('@') {
            None => all.extend_from_slice(data.as_bytes()),
            Some(path) => {
                let read = std::fs::read(path);
                all.extend(read.map_err(|error| Failure::file("--data", path.as_ref(), &error))?);
            }
        }
    }
    Ok(Content::Bytes(all.into()))
}

/// The request as curl shows it; what is secret is not shown.
pub(super) fn show(request: &Request<Body>) {
    let target = request
        .uri()
        .path_and_query()
        .map_or("/", |target| target.as_str());
    eprintln!("> {} {target} HTTP/1.1", request.method());
    if let Some(authority) = request.uri().authority() {
        eprintln!("> host: {authority}");
    }
    for (name, value) in request.headers() {
        let secret = [header::AUTHORIZATION, header::COOKIE].contains(name);
        let value = if secret {
            "***".into()
        } else {
            String::from_utf8_lossy(value.as_bytes())
        };
        eprintln!("> {name}: {value}");
    }
    eprintln!(">");
}

/// A file on its way, read as it is wanted.
struct FileBody {
    file: File,
    left: u64,
}

impl FileBody {
    fn open(path: &PathBuf) -> io::Result<Self> {
        let file = File::open(path)?;
        let left = file.metadata()?.len();
        Ok(Self { file, left })
    }
}

impl http_body::Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let want = usize::try_from(self.left).map_or(PIECE, |left| left.min(PIECE));
        if want == 0 {
            return Poll::Ready(None);
        }
        let mut piece = vec![0; want];
        Poll::Ready(Some(self.file.read(&mut piece).and_then(|count| {
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.left -= count as u64;
            piece.truncate(count);
            Ok(Frame::data(piece.into()))
        })))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
