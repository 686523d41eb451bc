//! What is served.
//!
//! Job: answer each request with a file, the built-in page, or the client's own bytes. Owns: which of them.
//! Does not know: connections, framing.

use core::task::{Context, Poll};
use std::path::Path;

use http::{HeaderMap, HeaderValue, Method, header};
use outcrop_http::Body;
use outcrop_http::files::Files;
use outcrop_http::h1::{Prepared, RequestHead};
use outcrop_http::pages::Welcome;
use outcrop_http::serve::{About, Answer, App, Handler as _};

use crate::failure::Failure;

/// Where a request's own body comes back.
const ECHO: &str = "/_echo";
/// The picture beside the built-in page.
const PICTURE: &str = "/layers.svg";
const PICTURE_BYTES: &[u8] = include_bytes!("../assets/layers.svg");

/// Everything served on one host. Clones share the files.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    pages: Pages,
    answer: OwnAnswer,
}

#[derive(Clone, Debug)]
enum Pages {
    Files(Files),
    BuiltIn(Prepared),
}

impl Site {
    /// The files in `root`, or the built-in page.
    pub(crate) fn new(root: Option<&Path>) -> Result<Self, Failure> {
        let pages = match root {
            None => Pages::BuiltIn(picture()),
            Some(root) => {
                // A folder that is none has its own words; opening it would only say "not a directory".
                if root.exists() && !root.is_dir() {
                    return Err(Failure::new(format!(
                        "--root: {}: is not a folder",
                        root.display()
                    )));
                }
                Pages::Files(
                    Files::open(root).map_err(|error| Failure::file("--root", root, &error))?,
                )
            }
        };
        Ok(Self {
            pages,
            answer: OwnAnswer::default(),
        })
    }
}

impl Clone for OwnAnswer {
    fn clone(&self) -> Self {
        Self(None)
    }
}

/// The answer under way belongs to one connection: a clone of the site has none.
#[derive(Debug, Default)]
struct OwnAnswer(Option<Answer>);

impl App for Site {
    type Body = Body;
    const READS_BODIES: bool = true;

    fn begin(&mut self, head: &RequestHead, about: &About, body: Body) {
        let get = matches!(*head.method(), Method::GET | Method::HEAD);
        self.answer.0 = Some(match &mut self.pages {
            _ if head.path() == ECHO && !get => echo(head, body),
            Pages::Files(files) => files.answer(head, about),
            Pages::BuiltIn(picture) if head.path() == PICTURE && get => picture.clone().into(),
            Pages::BuiltIn(_) => Welcome.answer(head, about),
        });
    }

    fn poll_answer(&mut self, _: &mut Context<'_>) -> Poll<Answer> {
        self.answer.0.take().map_or(Poll::Pending, Poll::Ready)
    }
}

/// The request's body as the answer's, while it still arrives.
fn echo(head: &RequestHead, body: Body) -> Answer {
    let mut response = http::Response::new(body);
    let kind = head
        .fields()
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let kind = kind.and_then(|(_, value)| HeaderValue::from_bytes(value).ok());
    let kind = kind.unwrap_or(HeaderValue::from_static("application/octet-stream"));
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response.into()
}

fn picture() -> Prepared {
    let mut fields = HeaderMap::new();
    fields.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("image/svg+xml"),
    );
    Prepared::new(
        http::StatusCode::OK,
        &fields,
        bytes::Bytes::from_static(PICTURE_BYTES),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_that_is_no_folder_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let said = Site::new(Some(file.path())).unwrap_err().to_string();
        assert!(
            said.contains("is not a folder") && said.contains("--root"),
            "{said}"
        );
        let said = Site::new(Some(Path::new("/no/such/folder")))
            .unwrap_err()
            .to_string();
        assert!(said.contains("/no/such/folder: does not exist"), "{said}");
    }
}
