//! What a server remembers of a client between requests.
//!
//! Job: give each client a random name in a cookie, and its values to the handler. Owns: lifetimes, when a name changes.
//! Does not know: where sessions are kept (`store`), what is in them.
//! A session's name is 128 random bits and changes at login ([`Session::rotate`]), so that one planted before is worth
//! nothing after. Sources: RFC 6265bis section 8; OWASP's session management rules, in our words.

#[cfg(feature = "redis")]
mod redis;
mod store;

use core::ops::ControlFlow;
use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{Request, Response, StatusCode, header};
use outcrop_http::Body;
use serde::{Deserialize, Serialize};

use crate::chance::{self, Now};
use crate::cookie::{self, SetCookie};
use crate::problem::Problem;
use crate::{Pass, cookie::SameSite};
#[cfg(feature = "redis")]
pub use redis::RedisStore;
pub use store::{FileStore, MemoryStore, Store};

/// How long sessions live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// From the first request, whatever happens.
    pub whole: Duration,
    /// Since the last request.
    pub idle: Duration,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self {
            whole: Duration::from_secs(7 * 86_400),
            idle: Duration::from_secs(3600),
        }
    }
}

/// A session as it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Seconds since 1970 at its birth.
    pub born: u64,
    /// .. and when it was last used.
    pub seen: u64,
    /// What the application put in.
    pub values: BTreeMap<String, String>,
}

impl Record {
    fn alive(&self, now: Duration, lives: Lifetimes) -> bool {
        let now = now.as_secs();
        now.saturating_sub(self.born) < lives.whole.as_secs()
            && now.saturating_sub(self.seen) < lives.idle.as_secs()
    }
}

#[derive(Debug, Default)]
struct State {
    record: Record,
    dirty: bool,
    rotate: bool,
    ended: bool,
}

/// The client's session, in the request's extensions. Clones are the same session.
#[derive(Clone, Debug, Default)]
pub struct Session(Arc<Mutex<State>>);

impl Session {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session of a request that passed [`Sessions`].
    #[must_use]
    pub fn of<B>(request: &Request<B>) -> Option<Self> {
        request.extensions().get::<Self>().cloned()
    }

    /// A value.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<String> {
        self.lock().record.values.get(name).cloned()
    }

    /// Sets a value; the first one makes the session known to the client.
    pub fn set(&self, name: &str, value: impl Into<String>) {
        let mut state = self.lock();
        state.record.values.insert(name.to_owned(), value.into());
        state.dirty = true;
    }

    /// Gives the session a new name: to be called whenever somebody gains rights, at login above all.
    pub fn rotate(&self) {
        let mut state = self.lock();
        state.rotate = true;
        state.dirty = true;
    }

    /// Ends the session: its values are forgotten here, its name there.
    pub fn end(&self) {
        let mut state = self.lock();
        state.record.values.clear();
        state.ended = true;
    }
}

/// Sessions around a service.
#[derive(Clone, Debug)]
pub struct Sessions<S> {
    store: S,
    lives: Lifetimes,
    now: Now,
    secure: bool,
}

impl<S: Store> Sessions<S> {
    /// Over encrypted connections; the cookie is `__Host-session`.
    #[must_use]
    pub fn new(store: S, lives: Lifetimes, now: Now) -> Self {
        Self {
            store,
            lives,
            now,
            secure: true,
        }
    }

    /// Over plain ones as well: for a laboratory. The cookie is `session`.
    #[must_use]
    pub fn plain(mut self) -> Self {
        self.secure = false;
        self
    }

    const fn name(&self) -> &'static str {
        if self.secure {
            "__Host-session"
        } else {
            "session"
        }
    }

    fn cookie(&self, id: &str, life: Duration) -> SetCookie {
        SetCookie {
            secure: self.secure,
            max_age: Some(life),
            same_site: SameSite::Lax,
            ..SetCookie::new(self.name(), id)
        }
    }

    fn set_cookie(&self, response: &mut Response<Body>, id: &str, life: Duration) {
        if let Ok(value) = self.cookie(id, life).render() {
            response.headers_mut().append(header::SET_COOKIE, value);
            // A shared cache must not hand one client's name to another.
            let private = http::HeaderValue::from_static("no-store");
            response
                .headers_mut()
                .entry(header::CACHE_CONTROL)
                .or_insert(private);
        }
    }

    /// Saves under the name it had, or under a new one that the client is told.
    fn keep(
        &self,
        known: Option<String>,
        state: &State,
        response: &mut Response<Body>,
    ) -> std::io::Result<()> {
        let kept = known.filter(|_| !state.rotate);
        let id = match &kept {
            Some(id) => id.clone(),
            None => chance::token().map_err(std::io::Error::other)?,
        };
        let mut record = state.record.clone();
        record.seen = self.now.get().as_secs();
        self.store.save(&id, &record)?;
        if kept.is_none() {
            self.set_cookie(response, &id, self.lives.whole);
        }
        Ok(())
    }
}

/// Whether a client may have been given this name by us.
fn is_name(id: &str) -> bool {
    id.len() == 32 && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

impl<S: Store> Pass for Sessions<S> {
    type Memo = (Option<String>, Session);

    fn enter(&self, request: &mut Request<Body>) -> ControlFlow<Response<Body>, Self::Memo> {
        let now = self.now.get();
        let id = cookie::get(request.headers(), self.name())
            .filter(|id| is_name(id))
            .map(str::to_owned);
        let found = id.and_then(|id| {
            let record = self.store.load(&id).ok()??;
            if record.alive(now, self.lives) {
                return Some((id, record));
            }
            let _gone_anyway = self.store.remove(&id);
            None
        });
        let (known, record) = match found {
            Some((id, record)) => (Some(id), record),
            // A name that is not ours is never taken over: whoever planted it would know it.
            None => (
                None,
                Record {
                    born: now.as_secs(),
                    seen: now.as_secs(),
                    ..Record::default()
                },
            ),
        };
        let session = Session(Arc::new(Mutex::new(State {
            record,
            ..State::default()
        })));
        request.extensions_mut().insert(session.clone());
        ControlFlow::Continue((known, session))
    }

    fn leave(&self, (known, session): Self::Memo, mut response: Response<Body>) -> Response<Body> {
        let state = session.lock();
        if state.ended || state.rotate {
            let _gone_anyway = known.as_ref().map(|id| self.store.remove(id));
        }
        if state.ended {
            self.set_cookie(&mut response, "", Duration::ZERO);
            return response;
        }
        if !state.dirty && known.is_none() {
            return response;
        }
        match self.keep(known, &state, &mut response) {
            Ok(()) => response,
            // Better no answer than one whose effect is forgotten.
            Err(error) => {
                log::error!("a session cannot be kept: {error}");
                Problem::new(StatusCode::INTERNAL_SERVER_ERROR).respond()
            }
        }
    }
}

#[cfg(test)]
mod tests;
