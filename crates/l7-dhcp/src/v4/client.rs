//! The client of RFC 2131.
//!
//! Job: get an address, keep it, give it back. Owns: the state of figure 5, its timers, the lease.
//! Does not know: interfaces, ARP (the caller checks the address for conflicts before it uses it), sockets.
//! Sources: RFC 2131 4.4 and figure 5; RFC 4039 (rapid commit); RFC 4361, 6842 (client identifiers).

mod config;
mod output;
mod receive;

use core::hash::{Hash, Hasher};
use core::net::Ipv4Addr;
use core::time::Duration;

use outcrop_base::{Facts, Instant, Random, Seed, Verdict};

use super::{Lease, Purpose, Transmit};
use crate::{Loss, observe};
pub use config::{ClientConfig, ClientId};

/// RFC 2131 4.1: the first wait for an answer, its bound, and how far each is drawn apart.
const FIRST_WAIT: Duration = Duration::from_secs(4);
const LONGEST_WAIT: Duration = Duration::from_secs(64);
const SPREAD: Duration = Duration::from_secs(1);
/// RFC 2131 3.1 5: after so many requests without an answer, all begins again.
const MOST_REQUESTS: u32 = 4;
/// RFC 2131 4.4.5: no sooner is a renewal repeated.
const LEAST_RENEWAL_WAIT: Duration = Duration::from_secs(60);
/// RFC 2131 3.1 5: how long to stay quiet after an address was declined.
const DECLINE_WAIT: Duration = Duration::from_secs(10);

outcrop_base::vocabulary! {
    /// The states of RFC 2131's figure 5, and one for a client that was told to end.
    pub enum State {
        /// Waits to begin.
        Init = "INIT",
        /// Waits to begin with an address that it had before.
        InitReboot = "INIT-REBOOT",
        /// Looks for offers.
        Selecting = "SELECTING",
        /// Asked whether it may still have its old address.
        Rebooting = "REBOOTING",
        /// Accepted an offer.
        Requesting = "REQUESTING",
        /// Has an address.
        Bound = "BOUND",
        /// Has one, and asks its server for more time.
        Renewing = "RENEWING",
        /// Has one, and asks any server.
        Rebinding = "REBINDING",
        /// Gave it back; does nothing more.
        Released = "RELEASED",
    }
}

/// What the caller should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// An address was granted. Check it for conflicts (RFC 5227), then use it; else [`Client::decline`].
    Bound(Lease),
    /// Its time was extended; what belongs to it may have changed, the address did not.
    Renewed(Lease),
    /// Stop using it at once.
    Lost(Loss),
}

/// An offer that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Offer {
    address: Ipv4Addr,
    server: Ipv4Addr,
}

/// A lease, and the instants that follow from it; `None`: never.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Held {
    lease: Lease,
    renew: Option<Instant>,
    rebind: Option<Instant>,
    expire: Option<Instant>,
}

/// Edges, one place each; what came later replaces what was not fetched.
#[derive(Clone, Debug, Default)]
struct Events {
    lost: Option<Loss>,
    granted: Option<Event>,
}

/// One client, for one interface.
#[derive(Clone, Debug)]
pub struct Client {
    config: ClientConfig,
    random: Random,
    state: State,
    xid: u32,
    /// Messages that left in this state.
    sent: u32,
    /// Refusals in a row.
    refused: u32,
    /// When this attempt to get an address began; what `secs` counts from.
    began: Instant,
    /// What `secs` said in the last DISCOVER: its REQUEST says the same (RFC 2131 4.4.1).
    secs: u16,
    /// When the request was first sent that a grant would answer: a lease counts from there.
    asked: Instant,
    due: Option<Instant>,
    offer: Option<Offer>,
    held: Option<Held>,
    outgoing: Option<Purpose>,
    parting: Option<(Purpose, Offer)>,
    events: Events,
    facts: Facts,
}

impl Client {
    /// A client that begins after the configured wait.
    #[must_use]
    pub fn new(now: Instant, config: ClientConfig, seed: &Seed) -> Self {
        let mut random = seed.random("dhcp4-client");
        let (least, most) = config.start_wait;
        let wait = least + most.saturating_sub(least).mul_f64(random.unit());
        let state = match config.previous {
            Some(_) => State::InitReboot,
            None => State::Init,
        };
        Self {
            config,
            random,
            state,
            xid: 0,
            sent: 0,
            refused: 0,
            began: now,
            secs: 0,
            asked: now,
            due: Some(now + wait),
            offer: None,
            held: None,
            outgoing: None,
            parting: None,
            events: Events::default(),
            facts: Facts::default(),
        }
    }

    /// Where it stands.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// What it has.
    #[must_use]
    pub fn lease(&self) -> Option<&Lease> {
        self.held.as_ref().map(|held| &held.lease)
    }

    /// A datagram that arrived on port 68.
    pub fn handle_datagram(&mut self, now: Instant, bytes: &[u8]) -> Verdict {
        let verdict = receive::datagram(self, now, bytes);
        observe::judged(&mut self.facts, verdict)
    }

    /// Somebody else uses the address (RFC 2131 3.1 5): says so, waits, begins again. Nothing without a lease.
    pub fn decline(&mut self, now: Instant) {
        if let Some(offer) = self.give_up(Loss::Declined) {
            self.parting = Some((Purpose::Decline, offer));
            self.config.previous = None;
            self.enter(State::Init, Some(now + DECLINE_WAIT));
        }
    }

    /// Gives the address back, if there is one, and ends.
    pub fn release(&mut self) {
        if let Some(offer) = self.give_up(Loss::Released) {
            self.parting = Some((Purpose::Release, offer));
        }
        self.enter(State::Released, None);
    }

    /// What is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.due.is_none_or(|due| due > now) {
            return;
        }
        match self.state {
            State::Init => self.discover(now),
            State::InitReboot => self.reboot(now),
            State::Selecting => self.repeat(now, Purpose::Discover),
            State::Rebooting if self.sent < MOST_REQUESTS => self.repeat(now, Purpose::Reboot),
            State::Requesting if self.sent < MOST_REQUESTS => self.repeat(now, Purpose::Select),
            State::Rebooting | State::Requesting => self.discover(now),
            State::Bound | State::Renewing | State::Rebinding => self.extend(now),
            State::Released => self.due = None,
        }
    }

    /// When to call [`Client::handle_timeout`].
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// The next fact.
    pub fn poll_event(&mut self) -> Option<Event> {
        let lost = self.events.lost.take().map(Event::Lost);
        lost.or_else(|| self.events.granted.take())
    }

    /// The next datagram.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Transmit> {
        output::next(self, now)
    }

    /// The facts stated since they were last taken, and how much is recorded. Their cause is for the caller to say.
    pub const fn facts(&mut self) -> &mut Facts {
        &mut self.facts
    }

    /// Hashes all that decides what happens next, times relative to `now`.
    pub fn fingerprint(&self, now: Instant, mut into: &mut dyn Hasher) {
        let until = |at: Instant| at.saturating_since(now);
        let since = |at: Instant| now.saturating_since(at);
        (self.state, self.xid, self.sent, self.refused, self.secs).hash(&mut into);
        (since(self.began), since(self.asked)).hash(&mut into);
        (self.due.map(until), self.offer, self.outgoing, self.parting).hash(&mut into);
        if let Some(held) = &self.held {
            held.lease.hash(&mut into);
            [held.renew, held.rebind, held.expire]
                .map(|at| at.map(until))
                .hash(&mut into);
        }
        let granted = self.events.granted.is_some();
        (self.events.lost, granted).hash(&mut into);
        self.random.clone().next_u64().hash(&mut into);
    }

    #[track_caller]
    fn enter(&mut self, state: State, due: Option<Instant>) {
        observe::changed(&mut self.facts, self.state.name(), state.name());
        self.state = state;
        self.due = due;
        self.sent = 0;
        self.outgoing = None;
    }

    /// SELECTING from the start.
    fn discover(&mut self, now: Instant) {
        self.xid = self.random.next_u32();
        self.began = now;
        self.offer = None;
        self.enter(State::Selecting, None);
        self.repeat(now, Purpose::Discover);
    }

    /// REBOOTING, or SELECTING if there is nothing to verify.
    fn reboot(&mut self, now: Instant) {
        if self.config.previous.is_none() {
            return self.discover(now);
        }
        self.xid = self.random.next_u32();
        self.began = now;
        self.asked = now;
        self.enter(State::Rebooting, None);
        self.repeat(now, Purpose::Reboot);
    }

    /// Sends, and waits twice as long as the last time, give or take a second (RFC 2131 4.1).
    fn repeat(&mut self, now: Instant, purpose: Purpose) {
        let doubled = FIRST_WAIT.saturating_mul(1 << self.sent.min(4));
        let wait = doubled.min(LONGEST_WAIT) - SPREAD + (SPREAD * 2).mul_f64(self.random.unit());
        self.sent = self.sent.saturating_add(1);
        self.outgoing = Some(purpose);
        self.due = Some(now + wait);
    }

    /// BOUND and after: more time, or the end.
    fn extend(&mut self, now: Instant) {
        let passed = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        let Some(held) = &self.held else {
            return self.discover(now);
        };
        let (rebind, expire) = (held.rebind, held.expire);
        if passed(expire) {
            self.lose(Loss::Expired);
            return self.discover(now);
        }
        let (state, purpose, until) = if passed(rebind) {
            (State::Rebinding, Purpose::Rebind, expire)
        } else {
            (State::Renewing, Purpose::Renew, rebind)
        };
        if self.state != state {
            self.enter(state, None);
        }
        if self.sent == 0 {
            self.began = now;
        }
        // A fresh number each time, so that an answer tells which request it answers and the lease counts from it.
        self.xid = self.random.next_u32();
        self.asked = now;
        self.sent = self.sent.saturating_add(1);
        self.outgoing = Some(purpose);
        // RFC 2131 4.4.5: half of what remains, at least a minute.
        self.due = until.map(|until| {
            let half = until.saturating_since(now) / 2;
            until.min(now + half.max(LEAST_RENEWAL_WAIT))
        });
    }

    fn lose(&mut self, loss: Loss) {
        if self.held.take().is_some() {
            self.events.granted = None;
            self.events.lost = Some(loss);
        }
    }

    /// Loses the lease for a reason of the caller's; what it was.
    fn give_up(&mut self, loss: Loss) -> Option<Offer> {
        let held = self.held.as_ref()?;
        let offer = Offer {
            address: held.lease.address,
            server: held.lease.server,
        };
        self.lose(loss);
        Some(offer)
    }
}
