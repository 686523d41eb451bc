//! Bodies as the `http-body` crate knows them.
//!
//! Job: one body type for answers made here and requests handed to services. Owns: what is still to be read.
//! Does not know: framing, connections. Data travels as `Bytes`, uncopied where it can.

mod chunk;
mod incoming;

use core::pin::Pin;
use core::task::{Context, Poll};
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use chunk::Chunk;
use incoming::Incoming;
pub(crate) use incoming::{Feeder, incoming};

type Foreign = Pin<Box<dyn http_body::Body<Data = Bytes, Error = io::Error> + Send>>;

/// The body of a request or response.
///
/// ```
/// use http_body::Body as _;
/// let body = outcrop_http::Body::from("hello");
/// assert_eq!(body.size_hint().exact(), Some(5));
/// ```
#[derive(Default)]
pub struct Body(Kind);

#[derive(Default)]
enum Kind {
    #[default]
    Empty,
    Full(Bytes),
    Parts(VecDeque<Part>),
    Incoming(Incoming),
    Foreign(Foreign),
}

/// A part of a body that is made of several.
pub(crate) enum Part {
    Bytes(Bytes),
    File(FilePart),
}

/// A stretch of a file, read as it is wanted.
pub(crate) struct FilePart {
    file: Arc<File>,
    at: u64,
    left: u64,
}

impl Body {
    /// No body.
    #[must_use]
    pub const fn empty() -> Self {
        Self(Kind::Empty)
    }

    /// Anything that is a body already.
    pub fn new<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn core::error::Error + Send + Sync>>,
    {
        Self(Kind::Foreign(Box::pin(MapError(Box::pin(body)))))
    }

    /// Pieces that are made as they are wanted: `None` ends the body. Its length is unknown beforehand.
    pub fn from_pieces(pieces: impl Iterator<Item = Bytes> + Send + 'static) -> Self {
        Self::new(Pieces(Box::new(pieces)))
    }

    /// Pieces of memory and of files, one after the other.
    pub(crate) const fn parts(parts: VecDeque<Part>) -> Self {
        Self(Kind::Parts(parts))
    }
}

impl From<Incoming> for Body {
    fn from(body: Incoming) -> Self {
        Self(Kind::Incoming(body))
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self(Kind::Full(bytes))
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::from(Bytes::from(text))
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Self::from(Bytes::from_static(text.as_bytes()))
    }
}

impl core::fmt::Debug for Body {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let kind = match &self.0 {
            Kind::Empty => "empty",
            Kind::Full(_) => "full",
            Kind::Parts(_) => "parts",
            Kind::Incoming(_) => "incoming",
            Kind::Foreign(_) => "foreign",
        };
        write!(f, "Body({kind})")
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut self.0 {
            Kind::Empty => Poll::Ready(None),
            Kind::Full(bytes) => {
                let bytes = core::mem::take(bytes);
                self.0 = Kind::Empty;
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            Kind::Parts(parts) => Poll::Ready(next_part(parts).map(|data| data.map(Frame::data))),
            Kind::Incoming(body) => body.poll_frame(cx),
            Kind::Foreign(body) => body.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Empty => true,
            Kind::Full(bytes) => bytes.is_empty(),
            Kind::Parts(parts) => parts.is_empty(),
            Kind::Incoming(body) => body.is_end_stream(),
            Kind::Foreign(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Empty => SizeHint::with_exact(0),
            Kind::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Parts(parts) => SizeHint::with_exact(parts.iter().map(Part::left).sum()),
            Kind::Incoming(body) => body.size_hint(),
            Kind::Foreign(body) => body.size_hint(),
        }
    }
}

impl Part {
    /// `length` bytes of `file` from `at` on.
    pub(crate) fn file(file: Arc<File>, at: u64, length: u64) -> Self {
        Self::File(FilePart {
            file,
            at,
            left: length,
        })
    }

    fn left(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(part) => part.left,
        }
    }
}

fn next_part(parts: &mut VecDeque<Part>) -> Option<io::Result<Bytes>> {
    loop {
        match parts.front_mut()? {
            Part::Bytes(bytes) => {
                let bytes = core::mem::take(bytes);
                parts.pop_front();
                if !bytes.is_empty() {
                    return Some(Ok(bytes));
                }
            }
            Part::File(part) if part.left == 0 => {
                parts.pop_front();
            }
            Part::File(part) => return Some(part.next()),
        }
    }
}

impl FilePart {
    fn next(&mut self) -> io::Result<Bytes> {
        let mut chunk = Chunk::take();
        let room = chunk.room(self.at, self.left);
        let got = self.file.read_at(room, self.at)?;
        if got == 0 {
            // Cut off while it was sent: the announced length cannot be kept.
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += got as u64;
        self.left -= got as u64;
        Ok(chunk.into_bytes(got))
    }
}

/// A foreign body whose errors became ours.
struct MapError<B>(Pin<Box<B>>);

impl<B> http_body::Body for MapError<B>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn core::error::Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let frame = self.0.as_mut().poll_frame(cx);
        frame.map(|frame| frame.map(|result| result.map_err(io::Error::other)))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

struct Pieces(Box<dyn Iterator<Item = Bytes> + Send>);

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        Poll::Ready(self.0.next().map(|piece| Ok(Frame::data(piece))))
    }
}
