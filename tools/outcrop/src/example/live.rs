//! What happens while a page is open.
//!
//! Job: news by server-sent events or by asking again and again, a chat by WebSocket. Owns: who listens, and tickets to
//! the chat. Does not know: what the news are.
//! A page cannot put a token into the request that opens a WebSocket, and in its address it would be in every log: so it
//! asks for a ticket first, which is good once and for half a minute.

use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use outcrop_http::Body;
use outcrop_web::auth::{self, Credentials};
use outcrop_web::longpoll::{Board, News};
use outcrop_web::problem::Problem;
use outcrop_web::session::Session;
use outcrop_web::sse::Hub;
use outcrop_web::websocket::{self, Message, Peer};
use outcrop_web::{chance, content, csrf};
use serde::{Deserialize, Serialize};

use crate::gate::timer;

use super::{BEARER, Example, Said, json, unauthorized};

/// People in the chat at once.
const PEOPLE: usize = 1000;
/// Bytes of a message that is said back: the longest that test suites send.
const ECHO_MAX: usize = 16 << 20;
/// Characters of a message.
const LONGEST: usize = 500;

/// Tickets that wait to be used, and how long each is good for.
const TICKETS: usize = 1000;
const TICKET: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
struct Room {
    people: Vec<Peer>,
    guests: u64,
    /// Whose they are, and until when they are good.
    tickets: BTreeMap<String, (String, Duration)>,
}

/// Something that happened to the list.
#[derive(Clone, Debug, Serialize)]
struct Event {
    name: String,
    what: serde_json::Value,
}

/// What happened since.
#[derive(Debug, Serialize)]
struct Since {
    last: u64,
    missed: bool,
    news: Vec<Event>,
}

#[derive(Debug, Default, Deserialize)]
struct Asked {
    since: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
struct Entry {
    ticket: Option<String>,
}

/// Everybody who listens.
#[derive(Clone, Debug, Default)]
pub(super) struct Live {
    hub: Hub,
    board: Board<Event>,
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
        let what = serde_json::to_value(what).unwrap_or_default();
        let _number = self.hub.tell(name, &what.to_string());
        let name = name.to_owned();
        let _number = self.board.tell(Event { name, what });
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
        self.board.close();
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

/// Says back what it hears: for programs that test WebSocket.
pub(super) fn echo(request: &Request<Body>) -> Said {
    let (response, _) = websocket::accept(request, ECHO_MAX, |peer, message| {
        let _gone_anyway = peer.send(message);
    })?;
    Ok(response)
}

impl Example {
    /// What happened after the number given, as soon as it does; without a number, which it would be.
    pub(super) async fn news(&self, request: Request<Body>) -> Said {
        let Asked { since } = content::query(request.uri().query())?;
        drop(request);
        let shard = self.1.as_ref();
        let shard = shard.ok_or_else(|| Problem::new(StatusCode::SERVICE_UNAVAILABLE))?;
        let wait = self.0.live.board.wait(since, timer(shard));
        let wait = wait.map_err(|full| {
            let later = HeaderValue::from_static("5");
            Problem::new(StatusCode::SERVICE_UNAVAILABLE)
                .detail(full.to_string())
                .field(header::RETRY_AFTER, later)
        })?;
        let News { last, missed, news } = wait.await;
        json(StatusCode::OK, &Since { last, missed, news })
    }

    /// A ticket to the chat, for whoever is known.
    pub(super) fn ticket(&self, request: Request<Body>) -> Said {
        let (head, _) = request.into_parts();
        let user = self.known_user(&head)?;
        let broken = |_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR);
        let ticket = chance::token().map_err(broken)?;
        let now = self.0.now.get();
        let mut room = self.0.live.room();
        room.tickets.retain(|_, (_, until)| *until > now);
        if room.tickets.len() >= TICKETS {
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE));
        }
        room.tickets.insert(ticket.clone(), (user, now + TICKET));
        drop(room);
        json(StatusCode::OK, &serde_json::json!({ "ticket": ticket }))
    }

    /// Who comes into the chat, if that is known: by ticket, token or session.
    fn guest(&self, request: &Request<Body>) -> Result<Option<String>, Problem> {
        let Entry { ticket } = content::query(request.uri().query())?;
        if let Some(ticket) = ticket {
            let used = self.0.live.room().tickets.remove(&ticket);
            let good = used.filter(|(_, until)| *until > self.0.now.get());
            let good = good.map(|(user, _)| Some(user));
            return good
                .ok_or_else(|| Problem::new(StatusCode::FORBIDDEN).detail("no such ticket"));
        }
        if let Some(Credentials::Bearer(token)) = auth::credentials(request.headers()) {
            let claims = self.0.tokens.verify(&token, self.0.now.get());
            return claims
                .map(|claims| Some(claims.sub))
                .map_err(|error| unauthorized(BEARER).detail(error.to_string()));
        }
        Ok(Session::of(request).and_then(|session| session.get("user")))
    }

    pub(super) fn chat(&self, request: &Request<Body>) -> Said {
        if csrf::other_origin(request.headers()) {
            return Err(Problem::new(StatusCode::FORBIDDEN));
        }
        let live = self.0.live.clone();
        let known = self.guest(request)?;
        let name = {
            let mut room = live.room();
            room.people.retain(Peer::is_open);
            if room.people.len() >= PEOPLE {
                return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE));
            }
            room.guests += 1;
            known.unwrap_or_else(|| format!("guest {}", room.guests))
        };
        let (from, room) = (name.clone(), live.clone());
        let (response, peer) =
            websocket::accept(request, websocket::MESSAGE_MAX, move |_, message| {
                if let Message::Text(text) = message {
                    room.say(&from, text.as_str());
                }
            })?;
        live.room().people.push(peer);
        live.say("server", &format!("{name} is here"));
        Ok(response)
    }
}
