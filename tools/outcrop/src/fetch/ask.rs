//! What is asked.
//!
//! Job: the request that the options describe. Owns: it. Does not know: connections, redirects.

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
use outcrop_web::client::{Login, Payload};

use crate::cli::Asking;
use crate::failure::Failure;
use crate::values::Url;

/// Bytes of a file that are read at a time.
const PIECE: usize = 64 * 1024;

/// The request for `url` from byte `from` on.
pub(super) fn request(url: &Url, asking: &Asking, from: u64) -> Result<Request<Payload>, Failure> {
    let (payload, usual) = payload(asking)?;
    let uri: Uri = url
        .to_string()
        .parse()
        .map_err(|error| Failure::asked(format!("{url}: {error}")))?;
    let mut request = Request::new(payload);
    *request.uri_mut() = uri;
    *request.method_mut() = asking.request.clone().unwrap_or(usual);
    *request.headers_mut() = fields(asking, from)?;
    if let (Some(user), true) = (&asking.user, asking.digest) {
        let (user, password) = user.split_once(':').unwrap_or((user, ""));
        request.extensions_mut().insert(Login::new(user, password));
    }
    Ok(request)
}

fn fields(asking: &Asking, from: u64) -> Result<HeaderMap, Failure> {
    let mut fields = HeaderMap::new();
    let agent = concat!("outcrop/", env!("CARGO_PKG_VERSION"));
    fields.insert(header::USER_AGENT, HeaderValue::from_static(agent));
    fields.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
    if !asking.data.is_empty() {
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        fields.insert(header::CONTENT_TYPE, form);
    }
    if from > 0 {
        let range = HeaderValue::try_from(format!("bytes={from}-"));
        fields.extend(range.map(|range| (header::RANGE, range)));
    }
    if let (Some(user), false) = (&asking.user, asking.digest) {
        let (user, password) = user.split_once(':').unwrap_or((user, ""));
        let value =
            auth::basic(user, password).ok_or_else(|| Failure::asked("--user: not sendable"))?;
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
    Ok(fields)
}

/// What is sent, and by which method unless another is named.
fn payload(asking: &Asking) -> Result<(Payload, Method), Failure> {
    if let Some(path) = &asking.upload {
        let path = path.clone();
        // Once now, so that a name that is none is told as such.
        let opened = FileBody::open(&path);
        opened.map_err(|error| Failure::file("--upload", &path, &error))?;
        let made = Payload::made(move || FileBody::open(&path).map(Body::new));
        return Ok((made, Method::PUT));
    }
    if asking.data.is_empty() {
        return Ok((Payload::empty(), Method::GET));
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
    Ok((all.into(), Method::POST))
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
