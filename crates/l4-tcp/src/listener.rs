//! A port that answers.
//!
//! Job: count the handshakes under way and line up the connections that completed.
//! Owns: the two queues of one listener. Does not know: handshakes, connections.
//! Sources: RFC 9293 3.10.1 (passive OPEN) and 3.10.7.2; RFC 4987 (why both queues are bounded).

use std::collections::{BTreeMap, VecDeque};

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use outcrop_base::Instant;

use crate::config::{Listen, SynCookies};
use crate::params;
use crate::table::ListenerId;
use crate::transmit::ConnId;

/// What becomes of a SYN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// An embryo remembers it.
    Embryo,
    /// The peer is made to remember it.
    Cookie,
    /// It is dropped; the peer will repeat it.
    Refused,
}

/// One listener.
#[derive(Clone, Debug)]
pub(crate) struct Listener {
    /// Where it listens; an unspecified address means every address of that family.
    pub(crate) local: SocketAddr,
    /// What it was set to.
    pub(crate) settings: Listen,
    /// Handshakes under way.
    embryos: usize,
    /// When a SYN was last answered by a cookie.
    cookie_at: Option<Instant>,
    /// Connections opened early, until they are found to be opening no more.
    early: Vec<ConnId>,
    /// Whether the program is about to be told.
    pub(crate) told: bool,
    /// Completed, waiting for `accept`.
    completed: VecDeque<ConnId>,
}

impl Listener {
    fn limit(set: usize) -> usize {
        if set == 0 { params::BACKLOG } else { set }
    }

    /// What is to become of a SYN. While connections wait that nobody accepts, more of them help
    /// nobody; while only handshakes are too many, cookies go on without memory (RFC 4987 3.2, 3.6).
    pub(crate) fn admits(&self) -> Admission {
        let has_room = self.has_room();
        match self.settings.syn_cookies {
            _ if !self.takes_connection() => Admission::Refused,
            SynCookies::Always => Admission::Cookie,
            SynCookies::Never | SynCookies::WhenFull if has_room => Admission::Embryo,
            SynCookies::WhenFull => Admission::Cookie,
            SynCookies::Never => Admission::Refused,
        }
    }

    /// Whether another embryo finds a place.
    pub(crate) fn has_room(&self) -> bool {
        self.embryos < Self::limit(self.settings.syn_backlog)
    }

    /// A connection was opened early.
    pub(crate) fn on_fast_open(&mut self, id: ConnId) {
        self.early.push(id);
    }

    /// How many of those have not completed their handshake.
    pub(crate) fn pending_fast_opens(&mut self, is_opening: impl Fn(ConnId) -> bool) -> usize {
        self.early.retain(|id| is_opening(*id));
        self.early.len()
    }

    /// A SYN was answered by a cookie.
    pub(crate) const fn on_cookie(&mut self, now: Instant) {
        self.cookie_at = Some(now);
    }

    /// Whether a cookie may come back: without a flood, no number is taken for one.
    pub(crate) fn expects_cookies(&self, now: Instant) -> bool {
        let span = Duration::from_secs(60) * params::COOKIE_MINUTES;
        self.cookie_at.is_some_and(|last| now - last <= span)
    }

    /// Whether a completed handshake finds a place.
    pub(crate) fn takes_connection(&self) -> bool {
        self.completed.len() < Self::limit(self.settings.accept_backlog)
    }

    /// A handshake began.
    pub(crate) const fn on_embryo(&mut self) {
        self.embryos += 1;
    }

    /// A handshake ended without a connection.
    pub(crate) const fn on_embryo_gone(&mut self) {
        self.embryos = self.embryos.saturating_sub(1);
    }

    /// A handshake completed.
    pub(crate) fn on_completed(&mut self, id: ConnId) {
        self.on_embryo_gone();
        self.completed.push_back(id);
    }

    /// The longest waiting connection.
    pub(crate) fn accept(&mut self) -> Option<ConnId> {
        self.completed.pop_front()
    }

    /// Whether a connection is waiting.
    pub(crate) fn has_completed(&self) -> bool {
        !self.completed.is_empty()
    }
}

/// Every listener of an endpoint.
#[derive(Clone, Debug, Default)]
pub(crate) struct Listeners {
    slots: Vec<(u32, Option<Listener>)>,
    /// By port, then address; `None` is the wildcard of a family.
    by_local: BTreeMap<(u16, bool, Option<IpAddr>), u32>,
}

const fn key(local: SocketAddr) -> (u16, bool, Option<IpAddr>) {
    let addr = if local.ip().is_unspecified() {
        None
    } else {
        Some(local.ip())
    };
    (local.port(), local.is_ipv6(), addr)
}

impl Listeners {
    /// Adds a listener; `None` if the address is taken.
    pub(crate) fn insert(&mut self, local: SocketAddr, settings: Listen) -> Option<ListenerId> {
        if self.by_local.contains_key(&key(local)) {
            return None;
        }
        let listener = Listener {
            local,
            settings,
            embryos: 0,
            cookie_at: None,
            early: Vec::new(),
            told: false,
            completed: VecDeque::new(),
        };
        let empty = self.slots.iter().position(|(_, place)| place.is_none());
        let at = empty.unwrap_or_else(|| {
            self.slots.push((0, None));
            self.slots.len() - 1
        });
        let (generation, place) = self.slots.get_mut(at)?;
        *place = Some(listener);
        let slot = u32::try_from(at).ok()?;
        self.by_local.insert(key(local), slot);
        Some(ListenerId {
            slot,
            generation: *generation,
        })
    }

    /// Takes a listener away.
    pub(crate) fn remove(&mut self, id: ListenerId) -> Option<Listener> {
        let (generation, place) = self.slots.get_mut(id.slot as usize)?;
        if *generation != id.generation {
            return None;
        }
        let listener = place.take()?;
        *generation = generation.wrapping_add(1);
        self.by_local.remove(&key(listener.local));
        Some(listener)
    }

    /// The listener for a segment to `local`: an exact address before the wildcard.
    pub(crate) fn find(&self, local: SocketAddr) -> Option<ListenerId> {
        let any = (local.port(), local.is_ipv6(), None);
        let slot = *self
            .by_local
            .get(&key(local))
            .or_else(|| self.by_local.get(&any))?;
        let (generation, _) = self.slots.get(slot as usize)?;
        Some(ListenerId {
            slot,
            generation: *generation,
        })
    }

    /// What `id` names.
    pub(crate) fn get(&self, id: ListenerId) -> Option<&Listener> {
        let (generation, place) = self.slots.get(id.slot as usize)?;
        place.as_ref().filter(|_| *generation == id.generation)
    }

    /// What `id` names.
    pub(crate) fn get_mut(&mut self, id: ListenerId) -> Option<&mut Listener> {
        let (generation, place) = self.slots.get_mut(id.slot as usize)?;
        place.as_mut().filter(|_| *generation == id.generation)
    }
}
