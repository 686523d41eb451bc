//! The pages, as part of the program.
//!
//! Job: find them by name. Owns: their bytes. Does not know: who asks.

use http::{HeaderValue, Response, StatusCode, header};
use outcrop_http::Body;
use outcrop_web::problem::Problem;

use super::Said;

const PAGES: [(&str, &str, &str); 3] = [
    (
        "",
        "text/html; charset=utf-8",
        include_str!("../../assets/todo/index.html"),
    ),
    (
        "style.css",
        "text/css; charset=utf-8",
        include_str!("../../assets/todo/style.css"),
    ),
    (
        "app.js",
        "text/javascript; charset=utf-8",
        include_str!("../../assets/todo/app.js"),
    ),
];

pub(super) fn find(name: &str) -> Said {
    let page = PAGES.iter().find(|(known, _, _)| *known == name);
    let (_, kind, text) = page.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND))?;
    let mut response = Response::new(Body::from(*text));
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}
