//! What every page should say of itself.
//!
//! Job: response fields that make browsers careful. Owns: their defaults; a response's own fields win.
//! Does not know: pages. Sources: Content Security Policy 3, RFC 6797 (HSTS), the Fetch standard (nosniff, CORP), HTML (COOP).

use core::ops::ControlFlow;

use http::{HeaderName, HeaderValue, Request, Response};
use outcrop_http::Body;

use crate::Pass;

/// Everything from ourselves alone, nobody frames us, forms stay here.
pub const POLICY: &str = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'";
/// A year, for a server that is reached over TLS only.
const TRANSPORT: &str = "max-age=31536000; includeSubDomains";

const FIELDS: [(&str, &str); 7] = [
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    (
        "permissions-policy",
        "camera=(), geolocation=(), microphone=()",
    ),
];

/// Adds the fields, as a [`Pass`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Harden {
    /// Reached over TLS: browsers may be told never to come otherwise.
    pub tls: bool,
    /// Answers are for other sites' scripts too (CORS): `Cross-Origin-Resource-Policy` is then left out.
    pub shared: bool,
}

impl Pass for Harden {
    type Memo = ();

    fn enter(&self, _: &mut Request<Body>) -> ControlFlow<Response<Body>, ()> {
        ControlFlow::Continue(())
    }

    fn leave(&self, (): (), mut response: Response<Body>) -> Response<Body> {
        let fields = response.headers_mut();
        for (name, value) in FIELDS {
            if self.shared && name == "cross-origin-resource-policy" {
                continue;
            }
            let name = HeaderName::from_static(name);
            fields
                .entry(name)
                .or_insert(HeaderValue::from_static(value));
        }
        if self.tls {
            let name = http::header::STRICT_TRANSPORT_SECURITY;
            fields
                .entry(name)
                .or_insert(HeaderValue::from_static(TRANSPORT));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pass::tests::through;

    #[test]
    fn fields_are_added_and_those_of_the_page_stay() {
        let page = Response::builder().header("content-security-policy", "default-src *");
        let page = page.body(Body::empty()).unwrap();
        let answer = through(
            &Harden {
                tls: true,
                shared: false,
            },
            Request::new(Body::empty()),
            page,
        );
        let fields = answer.headers();
        assert_eq!(fields["content-security-policy"], "default-src *");
        assert_eq!(fields["x-content-type-options"], "nosniff");
        assert!(fields.contains_key("strict-transport-security"));
        let plain = through(
            &Harden {
                tls: false,
                shared: true,
            },
            Request::new(Body::empty()),
            Response::new(Body::empty()),
        );
        assert_eq!(plain.headers()["content-security-policy"], POLICY);
        assert!(!plain.headers().contains_key("strict-transport-security"));
        assert!(!plain.headers().contains_key("cross-origin-resource-policy"));
    }
}
