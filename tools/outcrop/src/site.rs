//! What is served.
//!
//! Job: answer each request with a file, the built-in page, or the client's own bytes. Owns: which of them.
//! Does not know: connections, framing.

use core::task::{Context, Poll};
use std::path::Path;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method, Request, header};
use outcrop_http::Body;
use outcrop_http::files::{Files, Options};
use outcrop_http::h1::{Prepared, RequestHead};
use outcrop_http::pages::{self, Welcome};
use outcrop_http::serve::{About, Answer, App, Handler as _, Upgrade};
use outcrop_stack::Shard;
use outcrop_web::crowd::Crowd;

use crate::cli::{ExampleName, Serving};
use crate::echo::Echo;
use crate::example::{Answering, Example};
use crate::failure::Failure;
use crate::gate::{Gate, Passed};
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
    offered: Option<Upgrade>,
    /// How many connections each client has, over all shards, if that is bounded.
    crowd: Option<Crowd>,
    /// Whether requests of 1991 are answered.
    simple: bool,
}

#[derive(Clone, Debug)]
enum Pages {
    /// What is served, behind what is not for it.
    Behind(Gate, Box<Self>),
    Files(Files),
    BuiltIn(Arc<Prepared>),
    Example(Example),
}

impl Site {
    /// What was asked for.
    pub(crate) fn of(serving: &Serving) -> Result<Self, Failure> {
        let crowd = (serving.per_client > 0).then(|| Crowd::new(serving.per_client));
        let site = match serving.example {
            Some(ExampleName::Todo) => Ok(Self::with(Pages::Example(Example::new()?))),
            None => {
                let options = Options {
                    precompressed: serving.precompressed,
                    listing: serving.listing,
                    cache_control: serving.cache_control.clone(),
                };
                Self::new(serving.root.as_deref(), options)
            }
        }?;
        let pages = match Gate::of(serving)? {
            Some(gate) => Pages::Behind(gate, Box::new(site.pages.clone())),
            None => site.pages.clone(),
        };
        Ok(Self {
            pages,
            crowd,
            simple: serving.http09,
            ..site
        })
    }

    /// The same in this shard.
    pub(crate) fn at(&self, shard: &Shard) -> Self {
        Self {
            pages: self.pages.at(shard),
            ..self.clone()
        }
    }

    /// Whether CONNECT is understood.
    pub(crate) fn connects(&self) -> bool {
        matches!(&self.pages, Pages::Behind(gate, _) if gate.connects())
    }

    /// Whether HTTP/0.9 is.
    pub(crate) const fn simple(&self) -> bool {
        self.simple
    }

    /// Who counts the connections of each client, if somebody does.
    pub(crate) const fn crowd(&self) -> Option<&Crowd> {
        self.crowd.as_ref()
    }

    /// The application, if one is served.
    pub(crate) const fn example(&self) -> Option<&Example> {
        let mut pages = &self.pages;
        while let Pages::Behind(_, behind) = pages {
            pages = behind;
        }
        match pages {
            Pages::Example(example) => Some(example),
            Pages::Behind(..) | Pages::Files(_) | Pages::BuiltIn(_) => None,
        }
    }

    const fn with(pages: Pages) -> Self {
        Self {
            pages,
            watch: None,
            under_way: UnderWay::Nothing,
            offered: None,
            crowd: None,
            simple: false,
        }
    }

    /// The files in `root`, or the built-in page.
    pub(crate) fn new(root: Option<&Path>, options: Options) -> Result<Self, Failure> {
        let pages = match root {
            None => Pages::BuiltIn(Arc::new(picture())),
            Some(root) => {
                // A folder that is none has its own words; opening it would only say "not a directory".
                if root.exists() && !root.is_dir() {
                    return Err(Failure::new(format!(
                        "--root: {}: is not a folder",
                        root.display()
                    )));
                }
                Pages::Files(
                    Files::with(root, options)
                        .map_err(|error| Failure::file("--root", root, &error))?,
                )
            }
        };
        Ok(Self::with(pages))
    }

    /// The same, with pages about the stack itself.
    pub(crate) fn with_watch(self, watch: Option<Watch>) -> Self {
        Self { watch, ..self }
    }
}

/// The answer under way belongs to one connection: a clone of the site has none.
#[derive(Default)]
enum UnderWay {
    #[default]
    Nothing,
    /// Files, most often: nothing is allocated.
    Prepared(Arc<Prepared>),
    Response(Box<http::Response<Body>>),
    /// An echo that waits for the first bytes.
    Echo(Box<Echo>),
    /// The application thinks.
    Answering(Answering),
}

impl From<Answer> for UnderWay {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Prepared(page) => Self::Prepared(page),
            Answer::Response(response) => Self::Response(Box::new(response)),
        }
    }
}

impl core::fmt::Debug for UnderWay {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Nothing => "nothing",
            Self::Prepared(_) | Self::Response(_) => "an answer",
            Self::Echo(_) => "an echo",
            Self::Answering(_) => "an application",
        })
    }
}

impl Clone for UnderWay {
    fn clone(&self) -> Self {
        Self::Nothing
    }
}

impl App for Site {
    type Body = Body;
    const READS_BODIES: bool = true;

    fn offer(&mut self, upgrade: Upgrade) {
        self.offered = Some(upgrade);
    }

    fn begin(&mut self, head: &RequestHead, about: &About, body: Body) {
        let offered = self.offered.take();
        if self.watch.is_none()
            && let Pages::Files(files) = &mut self.pages
            && is_read(head)
        {
            // Most requests: neither a body nor an offer is of use.
            self.under_way = files.answer(head, about).into();
            return;
        }
        if let Some(answer) = self
            .watch
            .as_ref()
            .and_then(|watch| watch.answer(head, about))
        {
            self.under_way = answer.into();
            return;
        }
        self.under_way = self.pages.begin((head, about, body), offered);
    }

    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Answer> {
        match core::mem::take(&mut self.under_way) {
            UnderWay::Nothing => Poll::Pending,
            UnderWay::Prepared(page) => Poll::Ready(page.into()),
            UnderWay::Response(response) => Poll::Ready((*response).into()),
            UnderWay::Answering(mut answering) => {
                let answer = answering.as_mut().poll(cx).map(Answer::Response);
                if answer.is_pending() {
                    self.under_way = UnderWay::Answering(answering);
                }
                answer
            }
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

/// A request as it came.
type Came<'a> = (&'a RequestHead, &'a About, Body);

impl Pages {
    fn begin(&mut self, (head, about, body): Came<'_>, offered: Option<Upgrade>) -> UnderWay {
        let get = is_read(head);
        match self {
            Self::Example(example) => {
                let request = request((head, about, body), offered);
                request.map_or_else(refused, |request| {
                    UnderWay::Answering(example.answer(request))
                })
            }
            Self::Behind(gate, behind) => {
                let (gate, request) = (gate.clone(), request((head, about, body), offered));
                request.map_or_else(refused, |request| {
                    behind.pass(&gate, (head, about), request)
                })
            }
            _ if !get && head.path() == ECHO && *head.method() != Method::OPTIONS => {
                UnderWay::Echo(Box::new(Echo::new(head, body)))
            }
            Self::Files(files) => files.answer(head, about).into(),
            Self::BuiltIn(picture) if head.path() == PICTURE && get => {
                UnderWay::Prepared(Arc::clone(picture))
            }
            Self::BuiltIn(_) => Welcome.answer(head, about).into(),
        }
    }

    /// What these pages answer to what the gate lets through.
    fn pass(
        &mut self,
        gate: &Gate,
        (head, about): (&RequestHead, &About),
        request: Request<Body>,
    ) -> UnderWay {
        let request = match gate.pass(head, request) {
            Passed::Answer(answer) => return answer.into(),
            Passed::Answering(answering) => return UnderWay::Answering(answering),
            Passed::On(request) => request,
        };
        let options = request.method() == Method::OPTIONS;
        let under_way = match self {
            Self::Example(example) => UnderWay::Answering(example.answer(request)),
            Self::Files(files) if request.uri().path() != ECHO => files.answer_to(&request).into(),
            Self::Files(_) | Self::BuiltIn(_) | Self::Behind(..) => {
                self.begin((head, about, request.into_body()), None)
            }
        };
        match under_way {
            UnderWay::Prepared(page) if options => gate.add_methods(page.into()).into(),
            UnderWay::Response(response) if options => gate.add_methods((*response).into()).into(),
            UnderWay::Nothing
            | UnderWay::Prepared(_)
            | UnderWay::Response(_)
            | UnderWay::Echo(_)
            | UnderWay::Answering(_) => under_way,
        }
    }

    fn at(&self, shard: &Shard) -> Self {
        match self {
            Self::Behind(gate, behind) => Self::Behind(gate.at(shard), Box::new(behind.at(shard))),
            Self::Example(example) => Self::Example(example.at(shard)),
            Self::Files(_) | Self::BuiltIn(_) => self.clone(),
        }
    }
}

/// Whether it asks for what there is, and no more.
fn is_read(head: &RequestHead) -> bool {
    matches!(*head.method(), Method::GET | Method::HEAD)
}

/// As a request of the `http` crate.
fn request((head, about, body): Came<'_>, offered: Option<Upgrade>) -> Option<Request<Body>> {
    let mut request = head.to_http().ok()?.map(|()| body);
    request.extensions_mut().insert(*about);
    if let Some(upgrade) = offered {
        request.extensions_mut().insert(upgrade);
    }
    Some(request)
}

fn refused() -> UnderWay {
    Answer::from(pages::error(http::StatusCode::BAD_REQUEST)).into()
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
        let said = Site::new(Some(file.path()), Options::default())
            .unwrap_err()
            .to_string();
        assert!(
            said.contains("is not a folder") && said.contains("--root"),
            "{said}"
        );
        let said = Site::new(Some(Path::new("/no/such/folder")), Options::default())
            .unwrap_err()
            .to_string();
        assert!(said.contains("/no/such/folder: does not exist"), "{said}");
    }
}
