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

use crate::echo::Echo;
use crate::failure::Failure;
use crate::watch::Watch;

/// Where a request's own body comes back.
const ECHO: &str = "/_echo";
/// The picture beside the built-in page.
const PICTURE: &str = "/layers.svg";
const PICTURE_BYTES: &[u8] = include_bytes!("../assets/layers.svg");

/// Everything served on one host. Clones share the files.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    pages: Pages,
    watch: Option<Watch>,
    under_way: UnderWay,
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
            watch: None,
            under_way: UnderWay::default(),
        })
    }

    /// The same, with pages about the stack itself.
    pub(crate) fn with_watch(self, watch: Option<Watch>) -> Self {
        Self { watch, ..self }
    }
}

/// The answer under way belongs to one connection: a clone of the site has none.
#[derive(Debug, Default)]
enum UnderWay {
    #[default]
    Nothing,
    Answer(Answer),
    /// An echo that waits for the first bytes.
    Echo(Echo),
}

impl Clone for UnderWay {
    fn clone(&self) -> Self {
        Self::Nothing
    }
}

impl App for Site {
    type Body = Body;
    const READS_BODIES: bool = true;

    fn begin(&mut self, head: &RequestHead, about: &About, body: Body) {
        if let Some(answer) = self
            .watch
            .as_ref()
            .and_then(|watch| watch.answer(head, about))
        {
            self.under_way = UnderWay::Answer(answer);
            return;
        }
        let get = matches!(*head.method(), Method::GET | Method::HEAD);
        self.under_way = match &mut self.pages {
            _ if head.path() == ECHO && !get => UnderWay::Echo(Echo::new(head, body)),
            Pages::Files(files) => UnderWay::Answer(files.answer(head, about)),
            Pages::BuiltIn(picture) if head.path() == PICTURE && get => {
                UnderWay::Answer(picture.clone().into())
            }
            Pages::BuiltIn(_) => UnderWay::Answer(Welcome.answer(head, about)),
        };
    }

    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Answer> {
        match core::mem::take(&mut self.under_way) {
            UnderWay::Nothing => Poll::Pending,
            UnderWay::Answer(answer) => Poll::Ready(answer),
            UnderWay::Echo(mut echo) => {
                let answer = echo.poll_answer(cx);
                if answer.is_pending() {
                    self.under_way = UnderWay::Echo(echo);
                }
                answer
            }
        }
    }
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
