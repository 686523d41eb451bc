//! What happens while a page is open.
//!
//! Job: news by server-sent events, a chat by WebSocket. Owns: who listens. Does not know: what the news are.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{HeaderMap, Request, Response, StatusCode};
use outcrop_http::Body;
use outcrop_web::csrf;
use outcrop_web::problem::Problem;
use outcrop_web::session::Session;
use outcrop_web::sse::Hub;
use outcrop_web::websocket::{self, Message, Peer};
use serde::Serialize;

use super::{Example, Said};

/// People in the chat at once.
const PEOPLE: usize = 1000;
/// Characters of a message.
const LONGEST: usize = 500;

#[derive(Debug, Default)]
struct Room {
    people: Vec<Peer>,
    guests: u64,
}

/// Everybody who listens.
#[derive(Clone, Debug, Default)]
pub(super) struct Live {
    hub: Hub,
    room: Arc<Mutex<Room>>,
}

#[derive(Serialize)]
struct Line<'a> {
    from: &'a str,
    text: &'a str,
}

impl Live {
    fn room(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells every page what happened.
    pub(super) fn tell(&self, name: &str, what: &impl Serialize) {
        let text = serde_json::to_string(what).unwrap_or_default();
        let _number = self.hub.tell(name, &text);
    }

    pub(super) fn listen(&self, fields: &HeaderMap) -> Response<Body> {
        self.hub.listen(fields)
    }

    pub(super) fn breathe(&self) {
        self.hub.breathe();
        let ping = || Message::Ping(bytes::Bytes::new());
        self.room().people.retain(|peer| peer.send(ping()));
    }

    pub(super) fn close(&self) {
        self.hub.close();
        for peer in self.room().people.drain(..) {
            peer.close();
        }
    }

    /// A line for everybody in the room.
    fn say(&self, from: &str, text: &str) {
        let text: String = text
            .chars()
            .filter(|c| !c.is_control())
            .take(LONGEST)
            .collect();
        let line = serde_json::to_string(&Line { from, text: &text }).unwrap_or_default();
        self.room()
            .people
            .retain(|peer| peer.send(Message::text(line.clone())));
    }
}

impl Example {
    pub(super) fn chat(&self, request: &Request<Body>) -> Said {
        if csrf::other_origin(request.headers()) {
            return Err(Problem::new(StatusCode::FORBIDDEN));
        }
        let live = self.0.live.clone();
        let name = {
            let mut room = live.room();
            room.people.retain(Peer::is_open);
            if room.people.len() >= PEOPLE {
                return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE));
            }
            room.guests += 1;
            let known = Session::of(request).and_then(|session| session.get("user"));
            known.unwrap_or_else(|| format!("guest {}", room.guests))
        };
        let (from, room) = (name.clone(), live.clone());
        let (response, peer) = websocket::accept(request, move |_, message| {
            if let Message::Text(text) = message {
                room.say(&from, text.as_str());
            }
        })?;
        live.room().people.push(peer);
        live.say("server", &format!("{name} is here"));
        Ok(response)
    }
}
