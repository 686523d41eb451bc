//! Connections kept for the next request.
//!
//! Job: for a request to a place, say which connection, or that one may be made, or that its turn has not come. Owns:
//! idle connections, the count of all, the queue of those who wait. Does not know: what a connection is, clocks.
//! The last one used is lent first, since it is the least likely to have been closed at the other end; whoever waits
//! longest is served first. Sources: RFC 9112 sections 9.3 (persistence), 9.4 (how many), 9.5 (idle ones).

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use outcrop_base::Instant;

/// How many, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Connections to one place; a server may take more for an attack (RFC 9112 section 9.4).
    pub per_place: usize,
    /// Connections at all; an idle one elsewhere is given up when a new one needs its room.
    pub total: usize,
    /// How long an idle one is kept: less than servers usually do, so that we are the one who ends it.
    pub idle: Duration,
    /// Requests that may wait for a connection.
    pub waiting: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            per_place: 6,
            total: 64,
            idle: Duration::from_secs(45),
            waiting: 1024,
        }
    }
}

/// A place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(u64);

/// What a ticket is worth.
#[derive(Debug, PartialEq, Eq)]
pub enum Grant<C> {
    /// This connection, used before.
    Reuse(C),
    /// A new one may be made. The idle one here, if any, made room for it: it is to be closed.
    Dial(Option<C>),
}

#[derive(Clone, Debug)]
struct Place<C> {
    /// Lent, being made, and idle.
    open: usize,
    idle: Vec<(Instant, C)>,
}

/// The pool. `K` names a place, `C` is a connection.
#[derive(Clone, Debug)]
pub struct Pool<K, C> {
    bounds: Bounds,
    places: BTreeMap<K, Place<C>>,
    open: usize,
    queue: VecDeque<(Ticket, K)>,
    tickets: u64,
}

impl<K: Ord + Clone, C> Pool<K, C> {
    /// With room for so many.
    #[must_use]
    pub const fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            places: BTreeMap::new(),
            open: 0,
            queue: VecDeque::new(),
            tickets: 0,
        }
    }

    /// Takes a place in the queue; `None` if too many wait.
    pub fn join(&mut self, to: K) -> Option<Ticket> {
        if self.queue.len() >= self.bounds.waiting {
            return None;
        }
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.queue.push_back((ticket, to));
        Some(ticket)
    }

    /// Gives the place in the queue up.
    pub fn leave(&mut self, ticket: Ticket) {
        self.queue.retain(|(other, _)| *other != ticket);
    }

    /// Who may have something now, first in the queue first.
    #[must_use]
    pub fn next(&self) -> Option<Ticket> {
        let may = |(_, to): &&(Ticket, K)| self.has_idle(to) || self.has_room(to);
        self.queue.iter().find(may).map(|(ticket, _)| *ticket)
    }

    /// What there is for `ticket`, which then leaves the queue; `None` if it must wait on.
    pub fn grant(&mut self, ticket: Ticket, now: Instant) -> Option<Grant<C>> {
        if self.next() != Some(ticket) {
            return None;
        }
        let at = self.queue.iter().position(|(other, _)| *other == ticket)?;
        let (_, to) = self.queue.remove(at)?;
        let place = self.places.entry(to).or_insert_with(|| Place {
            open: 0,
            idle: Vec::new(),
        });
        while let Some((since, connection)) = place.idle.pop() {
            if now - since < self.bounds.idle {
                return Some(Grant::Reuse(connection));
            }
            // Too old; those below it are older.
            place.open -= 1;
            self.open -= 1;
        }
        place.open += 1;
        let evicted = if self.open >= self.bounds.total {
            self.evict()
        } else {
            None
        };
        self.open += 1;
        Some(Grant::Dial(evicted))
    }

    /// A connection is idle again.
    pub fn give_back(&mut self, to: &K, connection: C, now: Instant) {
        if let Some(place) = self.places.get_mut(to) {
            place.idle.push((now, connection));
        }
    }

    /// A connection that was lent or being made is no more.
    pub fn gone(&mut self, to: &K) {
        if let Some(place) = self.places.get_mut(to) {
            place.open = place.open.saturating_sub(1);
            self.open = self.open.saturating_sub(1);
            if place.open == 0 {
                self.places.remove(to);
            }
        }
    }

    /// Those that have been idle for too long: to be closed.
    pub fn expire(&mut self, now: Instant) -> Vec<C> {
        let mut old = Vec::new();
        for place in self.places.values_mut() {
            let fresh =
                (place.idle.iter()).take_while(|(since, _)| now - *since >= self.bounds.idle);
            let count = fresh.count();
            old.extend(place.idle.drain(..count).map(|(_, connection)| connection));
            place.open -= count;
            self.open -= count;
        }
        self.places.retain(|_, place| place.open > 0);
        old
    }

    /// When [`Pool::expire`] has something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let oldest = self.places.values().filter_map(|place| place.idle.first());
        oldest.map(|(since, _)| *since + self.bounds.idle).min()
    }

    /// Connections lent, being made and idle.
    #[must_use]
    pub const fn open(&self) -> usize {
        self.open
    }

    /// Idle ones.
    #[must_use]
    pub fn idle(&self) -> usize {
        self.places.values().map(|place| place.idle.len()).sum()
    }

    fn has_idle(&self, to: &K) -> bool {
        self.places
            .get(to)
            .is_some_and(|place| !place.idle.is_empty())
    }

    fn has_room(&self, to: &K) -> bool {
        let here = self.places.get(to).map_or(0, |place| place.open);
        here < self.bounds.per_place && (self.open < self.bounds.total || self.idle() > 0)
    }

    /// The one idle for longest, wherever it leads.
    fn evict(&mut self) -> Option<C> {
        let oldest =
            |(to, place): (&K, &Place<C>)| place.idle.first().map(|(at, _)| (*at, to.clone()));
        let (_, to) = self.places.iter().filter_map(oldest).min()?;
        let place = self.places.get_mut(&to)?;
        let (_, connection) = place.idle.remove(0);
        self.gone(&to);
        Some(connection)
    }
}

#[cfg(test)]
mod tests;
