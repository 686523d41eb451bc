//! Heads as values.
//!
//! Job: what a start line and fields say, over the bytes they arrived in. Owns: those bytes, shared.
//! Does not know: how they were checked. Sources: RFC 9112 sections 3 and 4; RFC 9110 section 6.2.

use bytes::Bytes;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, StatusCode, Uri, Version};

use super::fields::Fields;
use super::framing::Framing;
use super::grammar::split_absolute;
use super::parse::{RequestLine, StatusLine};

/// Whether HTTP might end on this connection with the request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum Leaves {
    /// No.
    #[default]
    Stays,
    /// The client offers another protocol (RFC 9110 section 7.8).
    Upgrade,
    /// The client asks for a tunnel (RFC 9110 section 9.3.6).
    Tunnel,
}

/// A request's start line and fields. Cloning shares the bytes.
#[derive(Clone)]
pub struct RequestHead {
    pub(super) raw: Bytes,
    pub(super) line: RequestLine,
    pub(super) framing: Framing,
    pub(super) keep_alive: bool,
    pub(super) expects_continue: bool,
    pub(super) conditional: bool,
    pub(super) leaves: Leaves,
}

impl RequestHead {
    /// The method.
    #[must_use]
    pub const fn method(&self) -> &Method {
        &self.line.method
    }

    /// The version, at most the highest that we speak.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.line.version
    }

    /// The request target as it was sent: `/a?b`, `http://host/a`, `*`, or for CONNECT `host:port`.
    #[must_use]
    pub fn target(&self) -> &str {
        let target = self.raw.get(self.line.target.clone()).unwrap_or_default();
        // Only ASCII passes the check of a target.
        core::str::from_utf8(target).unwrap_or_default()
    }

    /// The path, without query, in whichever form the target came; percent-encoding left as it is.
    #[must_use]
    pub fn path(&self) -> &str {
        let (path, _) = self.path_and_query();
        if path.is_empty() { "/" } else { path }
    }

    /// The query after the first `?`, if there is one.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.path_and_query().1
    }

    /// Bytes of it.
    pub(crate) const fn len(&self) -> usize {
        self.raw.len()
    }

    /// Whether there may be a precondition (`If-*`) or a range among the fields.
    pub(crate) const fn may_be_conditional(&self) -> bool {
        self.conditional
    }

    /// Both of [`path`](Self::path) and [`query`](Self::query), looked for once.
    pub(crate) fn path_and_query(&self) -> (&str, Option<&str>) {
        let path = self.path_bytes();
        let query = self.raw.get(self.line.path_end + 1..self.line.target.end);
        let text = |bytes| core::str::from_utf8(bytes).unwrap_or_default();
        (text(path), query.map(text))
    }

    /// What [`path`](Self::path) says, as it lies there: to be compared, it need not be text. May be empty.
    pub(crate) fn path_bytes(&self) -> &[u8] {
        let (start, end) = (self.line.target.start, self.line.path_end);
        match self.raw.get(start..end).unwrap_or_default() {
            path @ [b'/', ..] => path,
            other => split_absolute(other).map_or(other, |(_, path)| path),
        }
    }

    /// The host asked for: of an absolute target if there is one, else of `Host` (RFC 9112 section 3.2.2).
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        let target = self.target();
        let host = if target.starts_with('/') {
            None
        } else {
            split_absolute(target.as_bytes())
                .map(|(authority, _)| authority)
                .or_else(|| (self.line.method == Method::CONNECT).then_some(target.as_bytes()))
        };
        let host = host.or_else(|| self.fields().get("host"))?;
        core::str::from_utf8(host).ok()
    }

    /// The fields, in order.
    #[must_use]
    pub fn fields(&self) -> Fields<'_> {
        // A request of 1991 ends before they would begin.
        Fields::new(self.raw.get(self.line.len()..).unwrap_or_default())
    }

    /// How the body ends.
    #[must_use]
    pub const fn framing(&self) -> Framing {
        self.framing
    }

    /// Whether the client would send another request on this connection.
    #[must_use]
    pub const fn keep_alive(&self) -> bool {
        self.keep_alive
    }

    /// Whether the client holds its body back until it is told to go on.
    #[must_use]
    pub const fn expects_continue(&self) -> bool {
        self.expects_continue
    }

    /// Whether the client would go on in another protocol (RFC 9110 section 7.8): `Upgrade` says in which.
    #[must_use]
    pub const fn offers_upgrade(&self) -> bool {
        matches!(self.leaves, Leaves::Upgrade)
    }

    /// Whether the client asks for a tunnel to its target, `host:port` (RFC 9110 section 9.3.6), with nothing in the way
    /// of it: one that announces a body is no such thing.
    #[must_use]
    pub const fn asks_for_tunnel(&self) -> bool {
        matches!(self.leaves, Leaves::Tunnel)
    }

    /// Whether what follows might not be HTTP.
    pub(crate) const fn may_leave(&self) -> bool {
        !matches!(self.leaves, Leaves::Stays)
    }

    /// The head exactly as it arrived, with its empty line.
    #[must_use]
    pub const fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// As a request of the `http` crate; values share memory with this head.
    ///
    /// # Errors
    /// The target is none for the `http` crate (longer than 64 KiB, say).
    pub fn to_http(&self) -> Result<http::Request<()>, http::Error> {
        let mut request = http::Request::new(());
        *request.method_mut() = self.line.method.clone();
        *request.version_mut() = self.line.version;
        *request.uri_mut() = self.uri()?;
        *request.headers_mut() = self.fields().to_map(&self.raw);
        Ok(request)
    }

    fn uri(&self) -> Result<Uri, http::Error> {
        let target = self.raw.slice(self.line.target.clone());
        if !matches!(target.first(), Some(b'/' | b'*')) {
            let uri = Uri::from_maybe_shared(target)?;
            if uri.scheme().is_none() {
                // That of CONNECT, which is nothing but an authority.
                return Ok(uri);
            }
            let mut parts = uri.into_parts();
            parts.path_and_query = parts
                .path_and_query
                .or(Some(PathAndQuery::from_static("/")));
            return Ok(Uri::from_parts(parts)?);
        }
        let mut parts = http::uri::Parts::default();
        parts.path_and_query = Some(PathAndQuery::from_maybe_shared(target)?);
        Ok(Uri::from_parts(parts)?)
    }
}

impl core::fmt::Debug for RequestHead {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("RequestHead")
            .field("method", self.method())
            .field("target", &self.target())
            .field("version", &self.version())
            .field("fields", &self.fields())
            .field("framing", &self.framing)
            .finish_non_exhaustive()
    }
}

/// A response's status line and fields. Cloning shares the bytes.
#[derive(Clone)]
pub struct ResponseHead {
    pub(super) raw: Bytes,
    pub(super) line: StatusLine,
    pub(super) fields_at: usize,
    pub(super) framing: Framing,
    pub(super) keep_alive: bool,
}

impl ResponseHead {
    /// The status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.line.status
    }

    /// The version, at most the highest that we speak.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.line.version
    }

    /// The reason phrase, as it was sent.
    #[must_use]
    pub fn reason(&self) -> &[u8] {
        self.raw.get(self.line.reason.clone()).unwrap_or_default()
    }

    /// The fields, in order.
    #[must_use]
    pub fn fields(&self) -> Fields<'_> {
        Fields::new(self.raw.get(self.fields_at..).unwrap_or_default())
    }

    /// How the body ends.
    #[must_use]
    pub const fn framing(&self) -> Framing {
        self.framing
    }

    /// Whether the server would take another request on this connection.
    #[must_use]
    pub const fn keep_alive(&self) -> bool {
        self.keep_alive
    }

    /// The head exactly as it arrived, with its empty line.
    #[must_use]
    pub const fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// As a response of the `http` crate; values share memory with this head.
    #[must_use]
    pub fn to_http(&self) -> http::Response<()> {
        let mut response = http::Response::new(());
        *response.status_mut() = self.line.status;
        *response.version_mut() = self.line.version;
        *response.headers_mut() = self.fields().to_map(&self.raw);
        response
    }
}

impl core::fmt::Debug for ResponseHead {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ResponseHead")
            .field("status", &self.status())
            .field("version", &self.version())
            .field("fields", &self.fields())
            .field("framing", &self.framing)
            .finish_non_exhaustive()
    }
}

/// Whether two URIs point at the same server: what a client asks before it uses a connection again.
#[must_use]
pub fn same_origin(a: &Uri, b: &Uri) -> bool {
    let origin = |uri: &Uri| {
        let scheme = uri.scheme().cloned().unwrap_or(Scheme::HTTP);
        let default = if scheme == Scheme::HTTPS { 443 } else { 80 };
        let host = uri
            .authority()
            .map(Authority::host)
            .map(str::to_ascii_lowercase);
        (scheme, host, uri.port_u16().unwrap_or(default))
    };
    origin(a) == origin(b)
}
