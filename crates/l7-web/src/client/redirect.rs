//! Going where an answer points.
//!
//! Job: from a request and its answer, the next request, or none. Owns: nothing. Does not know: connections.
//! What was meant for one server does not go to another: `Authorization` and `Cookie` stay behind, and nothing leads
//! from https to http unasked. Sources: RFC 9110 section 15.4, RFC 3986 section 5 (resolution), the Fetch standard's 4.4.

use http::{HeaderMap, Method, StatusCode, Uri, header};
use outcrop_http::h1::same_origin;

/// How many in a row are followed.
pub const MOST: usize = 20;

/// Why a redirect is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedirectError {
    /// `Location` is none, or of another scheme.
    #[error("the redirect leads nowhere we can go")]
    Target,
    /// From https to http.
    #[error("the redirect leaves https")]
    Downgrade,
    /// More than [`MOST`].
    #[error("too many redirects")]
    Many,
}

/// The next request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Next {
    /// Where.
    pub uri: Uri,
    /// How.
    pub method: Method,
    /// Whether the body goes along again.
    pub keeps_body: bool,
    /// Whether it is the same server.
    pub same_origin: bool,
}

/// What to ask next after `status` with these fields; `None`: this is the answer.
///
/// # Errors
/// It points somewhere, but not where we go.
pub fn next(
    method: &Method,
    uri: &Uri,
    status: StatusCode,
    fields: &HeaderMap,
) -> Result<Option<Next>, RedirectError> {
    let Some(location) = fields.get(header::LOCATION) else {
        return Ok(None);
    };
    let (method, keeps_body) = match status {
        StatusCode::SEE_OTHER if *method != Method::HEAD => (Method::GET, false),
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND if *method == Method::POST => {
            (Method::GET, false)
        }
        StatusCode::MOVED_PERMANENTLY
        | StatusCode::FOUND
        | StatusCode::SEE_OTHER
        | StatusCode::TEMPORARY_REDIRECT
        | StatusCode::PERMANENT_REDIRECT => (method.clone(), true),
        _ => return Ok(None),
    };
    let location = location.to_str().map_err(|_| RedirectError::Target)?;
    let to = resolve(uri, location).ok_or(RedirectError::Target)?;
    if uri.scheme_str() == Some("https") && to.scheme_str() != Some("https") {
        return Err(RedirectError::Downgrade);
    }
    Ok(Some(Next {
        same_origin: same_origin(uri, &to),
        uri: to,
        method,
        keeps_body,
    }))
}

/// Leaves behind what was meant for the server before.
pub fn strip(fields: &mut HeaderMap, next: &Next) {
    if !next.same_origin {
        for name in [
            header::AUTHORIZATION,
            header::COOKIE,
            header::PROXY_AUTHORIZATION,
        ] {
            fields.remove(name);
        }
    }
    if !next.keeps_body {
        for name in [
            header::CONTENT_TYPE,
            header::CONTENT_LENGTH,
            header::CONTENT_ENCODING,
            header::TRANSFER_ENCODING,
        ] {
            fields.remove(name);
        }
    }
    fields.remove(header::HOST);
}

/// A reference against a base (RFC 3986 section 5.2); http and https only. The fragment is dropped.
#[must_use]
pub fn resolve(base: &Uri, reference: &str) -> Option<Uri> {
    let reference = reference.split('#').next()?;
    let scheme_end = reference.find(':').filter(|at| {
        reference.get(..*at).is_some_and(|s| {
            s.starts_with(|c: char| c.is_ascii_alphabetic())
                && s.bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
        })
    });
    let uri: Uri = if scheme_end.is_some() {
        reference.parse().ok()?
    } else {
        let (scheme, authority) = (base.scheme_str()?, base.authority()?);
        if let Some(rest) = reference.strip_prefix("//") {
            format!("{scheme}://{rest}").parse().ok()?
        } else {
            let (path, query) = match reference.split_once('?') {
                Some((path, query)) => (path, Some(query)),
                None => (reference, None),
            };
            let (path, query) = match path {
                "" => (base.path().to_owned(), query.or_else(|| base.query())),
                path if path.starts_with('/') => (without_dots(path), query),
                path => {
                    let folder = base
                        .path()
                        .rsplit_once('/')
                        .map_or("", |(folder, _)| folder);
                    (without_dots(&format!("{folder}/{path}")), query)
                }
            };
            let query = query.map_or_else(String::new, |query| format!("?{query}"));
            format!("{scheme}://{authority}{path}{query}")
                .parse()
                .ok()?
        }
    };
    let good = matches!(uri.scheme_str(), Some("http" | "https"))
        && uri.host().is_some_and(|h| !h.is_empty());
    good.then_some(uri)
}

/// RFC 3986 section 5.2.4.
fn without_dots(path: &str) -> String {
    let mut out: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    out.pop();
                }
                if last {
                    out.push("");
                }
            }
            other => out.push(other),
        }
    }
    format!("/{}", out.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3986 sections 5.4.1 and 5.4.2, those that are http; what an empty path means is added.
    #[test]
    fn references_resolve_as_the_standard_lists_them() {
        let base: Uri = "http://a/b/c/d;p?q".parse().unwrap();
        let rows = [
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g/"),
            ("?y", "http://a/b/c/d;p?y"),
            ("g?y", "http://a/b/c/g?y"),
            ("#s", "http://a/b/c/d;p?q"),
            ("g#s", "http://a/b/c/g"),
            (";x", "http://a/b/c/;x"),
            ("", "http://a/b/c/d;p?q"),
            (".", "http://a/b/c/"),
            ("./", "http://a/b/c/"),
            ("..", "http://a/b/"),
            ("../", "http://a/b/"),
            ("../g", "http://a/b/g"),
            ("../..", "http://a/"),
            ("../../g", "http://a/g"),
            ("../../../g", "http://a/g"),
            ("/./g", "http://a/g"),
            ("/../g", "http://a/g"),
            ("g.", "http://a/b/c/g."),
            ("..g", "http://a/b/c/..g"),
            ("./../g", "http://a/b/g"),
            ("./g/.", "http://a/b/c/g/"),
            ("g/../h", "http://a/b/c/h"),
            ("g;x=1/../y", "http://a/b/c/y"),
            ("g?y/../x", "http://a/b/c/g?y/../x"),
            ("http://b/x", "http://b/x"),
        ];
        for (reference, want) in rows {
            assert_eq!(resolve(&base, reference).unwrap(), want, "{reference}");
        }
        for bad in [
            "g:h",
            "javascript:alert(1)",
            "file:///etc/passwd",
            "http://",
            "http:///x",
            "//",
        ] {
            assert_eq!(resolve(&base, bad), None, "{bad}");
        }
    }

    fn ask(
        method: Method,
        status: u16,
        from: &str,
        to: &str,
    ) -> Result<Option<Next>, RedirectError> {
        let fields = HeaderMap::from_iter([(header::LOCATION, to.parse().unwrap())]);
        next(
            &method,
            &from.parse().unwrap(),
            StatusCode::from_u16(status).unwrap(),
            &fields,
        )
    }

    #[test]
    fn method_and_body_follow_the_status() {
        let rows = [
            (Method::GET, 301, Method::GET, true),
            (Method::POST, 301, Method::GET, false),
            (Method::POST, 302, Method::GET, false),
            (Method::PUT, 302, Method::PUT, true),
            (Method::PUT, 303, Method::GET, false),
            (Method::HEAD, 303, Method::HEAD, true),
            (Method::POST, 307, Method::POST, true),
            (Method::POST, 308, Method::POST, true),
        ];
        for (method, status, want, body) in rows {
            let next = ask(method, status, "http://a/x", "/y").unwrap().unwrap();
            assert_eq!((next.method, next.keeps_body), (want, body), "{status}");
        }
        for status in [200, 201, 300, 304, 404] {
            assert_eq!(ask(Method::GET, status, "http://a/x", "/y"), Ok(None));
        }
    }

    #[test]
    fn secrets_stay_with_the_server_they_were_for() {
        let stripped = |to: &str| {
            let next = ask(Method::GET, 302, "http://a/x", to).unwrap().unwrap();
            let mut fields = HeaderMap::from_iter([
                (header::AUTHORIZATION, "Bearer x".parse().unwrap()),
                (header::COOKIE, "a=b".parse().unwrap()),
                (header::ACCEPT, "*/*".parse().unwrap()),
            ]);
            strip(&mut fields, &next);
            fields.len()
        };
        assert_eq!(stripped("http://a:80/y"), 3);
        assert_eq!(stripped("http://a:81/y"), 1);
        assert_eq!(stripped("//b/y"), 1);
        assert_eq!(
            ask(Method::GET, 302, "https://a/", "http://a/"),
            Err(RedirectError::Downgrade)
        );
    }
}
