//! What happens on the way to an answer, for whoever wants to watch.

use core::time::Duration;

use http::{HeaderMap, Method, Uri};
use outcrop_http::h1::ResponseHead;

use super::error::Error;
use super::route::Place;

/// A piece of news.
#[derive(Clone, Copy, Debug)]
pub enum News<'a> {
    /// An idle connection is used again.
    Reused(&'a Place),
    /// A connection is being made.
    Connecting(&'a Place),
    /// It stands; with whom.
    Connected(&'a str),
    /// A proxy has opened the way to this place.
    Tunnelled(&'a Place),
    /// Keys are agreed on; which kind.
    Secured(&'a str),
    /// This is asked.
    Asked(&'a Method, &'a Uri, &'a HeaderMap),
    /// This is answered.
    Answered(&'a ResponseHead),
    /// The answer was kept from before, so many seconds ago, and is good still.
    Fresh(u64),
    /// The server says that what was kept is good still.
    Confirmed,
    /// The server wants proof of who we are, for this realm, and gets it.
    Challenged(&'a str),
    /// The answer is elsewhere.
    Redirected(&'a Uri),
    /// It failed and is tried again after a wait.
    Again(&'a Error, Duration),
    /// The server is busy and is asked again after a wait.
    Busy(http::StatusCode, Duration),
}

/// Who watches.
pub type Watch<'a> = &'a mut (dyn FnMut(News<'_>) + Send);
