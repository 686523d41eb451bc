//! The client of RFC 8415.
//!
//! Job: get addresses or parameters, keep them, give them back. Owns: exchanges, lifetimes. Does not know: routers'
//! flags that say whether to ask (the caller chooses the mode), duplicate address detection, sockets.
//! Sources: RFC 8415 18.2.

mod config;
mod exchange;
mod output;
mod receive;

use core::hash::{Hash, Hasher};
use core::net::Ipv6Addr;
use core::time::Duration;
use std::collections::BTreeMap;

use outcrop_base::{Facts, Instant, Random, Seed, Verdict};

use super::lease::Address;
use super::retry::{self, Retry};
use super::{Information, Lease, Purpose, Transmit};
use crate::{Loss, observe};
pub use config::{ClientConfig, Mode};

outcrop_base::vocabulary! {
    /// What a client is doing.
    pub enum State {
        /// Looks for servers.
        Soliciting = "soliciting",
        /// Asked one of them.
        Requesting = "requesting",
        /// Has addresses.
        Bound = "bound",
        /// Has addresses, and asks whether they fit this link.
        Confirming = "confirming",
        /// Has addresses, and asks its server for more time.
        Renewing = "renewing",
        /// Has addresses, and asks any server.
        Rebinding = "rebinding",
        /// Told a server that an address is taken.
        Declining = "declining",
        /// Gave them back, and waits to hear that it is known.
        Releasing = "releasing",
        /// Asked for parameters alone.
        Asking = "asking",
        /// Has them.
        Informed = "informed",
        /// Ended.
        Ended = "ended",
    }
}

/// What the caller should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Addresses were granted. Check them (RFC 4862 5.4), then use them; else [`Client::decline`].
    Bound(Lease),
    /// Their times, or the addresses themselves, changed: this is all there is now.
    Renewed(Lease),
    /// Stop using all of them at once.
    Lost(Loss),
    /// Parameters alone.
    Informed(Information),
}

/// Until when; `None`: for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Until {
    preferred: Option<Instant>,
    valid: Option<Instant>,
}

/// What was granted, in instants.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Held {
    addresses: BTreeMap<Ipv6Addr, Until>,
    renew: Option<Instant>,
    rebind: Option<Instant>,
    server: Vec<u8>,
    information: Information,
}

/// The best advertisement so far.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Advertised {
    preference: u8,
    server: Vec<u8>,
    addresses: Vec<Address>,
}

/// Edges, one place each.
#[derive(Clone, Debug, Default)]
struct Events {
    lost: Option<Loss>,
    granted: Option<Event>,
}

/// One client, for one interface and one identity association.
#[derive(Clone, Debug)]
pub struct Client {
    config: ClientConfig,
    random: Random,
    state: State,
    xid: [u8; 3],
    retry: Retry,
    due: Option<Instant>,
    best: Option<Advertised>,
    held: Option<Held>,
    /// What a farewell names: server and addresses.
    parting: Option<(Vec<u8>, Vec<Ipv6Addr>)>,
    outgoing: Option<Purpose>,
    events: Events,
    /// SOL_MAX_RT and INF_MAX_RT, where a server said them.
    slowest: [Option<Duration>; 2],
    /// Refusals in a row.
    refused: u32,
    facts: Facts,
}

impl Client {
    /// A client that begins within a second (RFC 8415 18.2.1, 18.2.6).
    #[must_use]
    pub fn new(now: Instant, config: ClientConfig, seed: &Seed) -> Self {
        let mut client = Self {
            random: seed.random("dhcp6-client"),
            state: State::Soliciting,
            xid: [0; 3],
            retry: Retry::new(now, retry::SOLICIT, None),
            due: None,
            best: None,
            held: None,
            parting: None,
            outgoing: None,
            events: Events::default(),
            slowest: [None; 2],
            refused: 0,
            facts: Facts::default(),
            config,
        };
        client.begin(now);
        client
    }

    /// What it is doing.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// What it has at `now`.
    #[must_use]
    pub fn lease(&self, now: Instant) -> Option<Lease> {
        self.held.as_ref().map(|held| held.lease(now))
    }

    /// A datagram that arrived on port 546.
    pub fn handle_datagram(&mut self, now: Instant, bytes: &[u8]) -> Verdict {
        let verdict = receive::datagram(self, now, bytes);
        observe::judged(&mut self.facts, verdict)
    }

    /// The link may have changed: asks whether the addresses still fit (RFC 8415 18.2.3). Nothing without addresses.
    pub fn confirm(&mut self, now: Instant) {
        if self.held.is_some() {
            let until = now + retry::CONFIRM_FOR;
            self.exchange(now, State::Confirming, (retry::CONFIRM, Some(until)));
        }
    }

    /// Somebody else uses this address (RFC 8415 18.2.8): says so, then begins again. Nothing if it is not held.
    pub fn decline(&mut self, now: Instant, address: Ipv6Addr) {
        let held = self
            .held
            .as_ref()
            .filter(|held| held.addresses.contains_key(&address));
        if let Some(server) = held.map(|held| held.server.clone()) {
            self.lose(Loss::Declined);
            self.parting = Some((server, vec![address]));
            self.exchange(now, State::Declining, (retry::FAREWELL, None));
        }
    }

    /// Gives all addresses back (RFC 8415 18.2.7), and ends.
    pub fn release(&mut self, now: Instant) {
        let Some(held) = self.held.as_ref() else {
            self.end();
            return;
        };
        let addresses = held.addresses.keys().copied().collect();
        self.parting = Some((held.server.clone(), addresses));
        self.lose(Loss::Released);
        self.exchange(now, State::Releasing, (retry::FAREWELL, None));
    }

    /// What is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.due.is_some_and(|due| due <= now) {
            exchange::due(self, now);
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
        let purpose = self.outgoing.take()?;
        Some(output::message(self, purpose, now))
    }

    /// The facts stated since they were last taken, and how much is recorded. Their cause is for the caller to say.
    pub const fn facts(&mut self) -> &mut Facts {
        &mut self.facts
    }

    /// Hashes all that decides what happens next, times relative to `now`.
    pub fn fingerprint(&self, now: Instant, mut into: &mut dyn Hasher) {
        let until = |at: Option<Instant>| at.map(|at| at.saturating_since(now));
        (self.state, self.xid, self.refused, self.outgoing).hash(&mut into);
        self.retry.fingerprint(now).hash(&mut into);
        until(self.due).hash(&mut into);
        (&self.best, &self.parting, self.slowest, self.events.lost).hash(&mut into);
        if let Some(held) = &self.held {
            for (address, times) in &held.addresses {
                (address, until(times.preferred), until(times.valid)).hash(&mut into);
            }
            (until(held.renew), until(held.rebind)).hash(&mut into);
            (&held.server, &held.information).hash(&mut into);
        }
        self.events.granted.is_some().hash(&mut into);
        self.random.clone().next_u64().hash(&mut into);
    }

    fn lose(&mut self, loss: Loss) {
        if self.held.take().is_some() {
            self.events.granted = None;
            self.events.lost = Some(loss);
        }
    }

    #[track_caller]
    fn enter(&mut self, state: State) {
        observe::changed(&mut self.facts, self.state.name(), state.name());
        self.state = state;
    }

    fn end(&mut self) {
        self.enter(State::Ended);
        self.due = None;
        self.outgoing = None;
        self.parting = None;
    }
}

impl Held {
    /// The same, in times from `now` on.
    fn lease(&self, now: Instant) -> Lease {
        let left = |at: Option<Instant>| at.map(|at| at.saturating_since(now));
        let address = |(address, until): (&Ipv6Addr, &Until)| Address {
            address: *address,
            preferred: left(until.preferred),
            valid: left(until.valid),
        };
        Lease {
            addresses: self.addresses.iter().map(address).collect(),
            renew: left(self.renew),
            rebind: left(self.rebind),
            server: self.server.clone(),
            information: self.information.clone(),
        }
    }

    /// When the last address may not be used any longer; nothing: never.
    fn end(&self) -> Option<Instant> {
        let ends: Option<Vec<_>> = self.addresses.values().map(|until| until.valid).collect();
        ends.map(|ends| ends.into_iter().max().unwrap_or(Instant::ZERO))
    }

    /// When the first address ends.
    fn first_end(&self) -> Option<Instant> {
        self.addresses
            .values()
            .filter_map(|until| until.valid)
            .min()
    }
}
