//! What a request carries, ready to be sent more than once.
//!
//! Job: make the body again for every attempt. Owns: the bytes, or how to come by them. Does not know: connections.

use core::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use outcrop_http::Body;

type Make = Arc<dyn Fn() -> io::Result<Body> + Send + Sync>;

/// A request's body. Clones carry the same.
#[derive(Clone, Default)]
pub struct Payload(Kind);

#[derive(Clone, Default)]
enum Kind {
    #[default]
    Nothing,
    Bytes(Bytes),
    Made(Make),
    Once(Arc<Mutex<Option<Body>>>),
}

impl Payload {
    /// Nothing.
    #[must_use]
    pub const fn empty() -> Self {
        Self(Kind::Nothing)
    }

    /// A body that is made anew each time: a file that is opened, say.
    pub fn made(make: impl Fn() -> io::Result<Body> + Send + Sync + 'static) -> Self {
        Self(Kind::Made(Arc::new(make)))
    }

    /// A body that exists once. It is never sent again: not after a failure, not to where a redirect leads.
    #[must_use]
    pub fn once(body: Body) -> Self {
        Self(Kind::Once(Arc::new(Mutex::new(Some(body)))))
    }

    /// Whether it can be sent again.
    #[must_use]
    pub const fn replayable(&self) -> bool {
        !matches!(self.0, Kind::Once(_))
    }

    /// The body, for one attempt.
    pub(super) fn open(&self) -> io::Result<Body> {
        match &self.0 {
            Kind::Nothing => Ok(Body::empty()),
            Kind::Bytes(bytes) => Ok(Body::from(bytes.clone())),
            Kind::Made(make) => make(),
            Kind::Once(body) => {
                let mut body = body.lock().unwrap_or_else(PoisonError::into_inner);
                body.take()
                    .ok_or_else(|| io::Error::other("this body was sent already"))
            }
        }
    }
}

impl<T: Into<Bytes>> From<T> for Payload {
    fn from(bytes: T) -> Self {
        Self(Kind::Bytes(bytes.into()))
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.0 {
            Kind::Nothing => "nothing".to_owned(),
            Kind::Bytes(bytes) => format!("{} bytes", bytes.len()),
            Kind::Made(_) => "made".to_owned(),
            Kind::Once(_) => "once".to_owned(),
        };
        write!(f, "Payload({kind})")
    }
}
