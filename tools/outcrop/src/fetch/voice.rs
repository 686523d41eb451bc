//! What is said while fetching, in curl's manner.
//!
//! Job: a line for each step: `*` what is done, `>` what is asked, `<` what is answered. Owns: nothing. Does not know: how
//! any of it is done. What is secret is not shown.

use std::io::Write as _;

use http::{HeaderMap, Method, Uri, header};
use outcrop_http::h1::ResponseHead;
use outcrop_web::client::News;

/// Fields that are nobody else's business.
const SECRET: [header::HeaderName; 4] = [
    header::AUTHORIZATION,
    header::COOKIE,
    header::PROXY_AUTHORIZATION,
    header::SET_COOKIE,
];

/// One piece of news on standard error.
pub(super) fn say(news: News<'_>) {
    let line = match news {
        News::Reused(place) => format!("* Re-using existing connection with {}", place.authority()),
        News::Connecting(place) => format!("*   Trying {}...", place.authority()),
        News::Connected(to) => format!("* Connected to {to}"),
        News::Tunnelled(place) => {
            format!("* Tunnel to {} established", place.authority())
        }
        News::Secured(what) => format!("* SSL connection using {what}"),
        News::Asked(method, uri, fields) => asked(method, uri, fields),
        News::Answered(head) => answered(head),
        News::Fresh(age) => format!("* Using the answer kept {age} s ago"),
        News::Confirmed => "* The answer kept before is good still".to_owned(),
        News::Challenged(realm) => format!("* Server auth using Digest for '{}'", plain(realm)),
        News::Redirected(uri) => format!("* Issue another request to this URL: '{uri}'"),
        News::Again(error, wait) => format!("* {error}; again in {} ms", wait.as_millis()),
        News::Busy(status, wait) => format!("* {status}; again in {} ms", wait.as_millis()),
    };
    let mut out = std::io::stderr().lock();
    // There is nobody to tell that there is nobody to tell.
    let _gone = writeln!(out, "{line}");
}

fn asked(method: &Method, uri: &Uri, fields: &HeaderMap) -> String {
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let mut text = format!("> {method} {target} HTTP/1.1\n");
    if let Some(authority) = uri
        .authority()
        .filter(|_| !fields.contains_key(header::HOST))
    {
        text += &format!("> host: {authority}\n");
    }
    for (name, value) in fields {
        let value = shown(SECRET.contains(name), value.as_bytes());
        text += &format!("> {name}: {value}\n");
    }
    text + ">"
}

fn answered(head: &ResponseHead) -> String {
    let reason = String::from_utf8_lossy(head.reason());
    let mut text = format!("< {:?} {} {reason}", head.version(), head.status().as_u16());
    for (name, value) in head.fields().iter() {
        let secret = SECRET
            .iter()
            .any(|known| name.eq_ignore_ascii_case(known.as_str()));
        text += &format!("\n< {name}: {}", shown(secret, value));
    }
    text + "\n<"
}

fn shown(secret: bool, value: &[u8]) -> String {
    if secret {
        return "***".to_owned();
    }
    plain(&String::from_utf8_lossy(value))
}

/// Nothing a server says moves the cursor.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() && c != '\t' { '?' } else { c })
        .collect()
}
