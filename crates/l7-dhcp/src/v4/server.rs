//! A small DHCP server, for one network.
//!
//! Job: lend the addresses of a pool. Owns: the table of who has which until when, and what is said to whom.
//! Does not know: interfaces, ARP, files; whoever wants leases to outlive it keeps its events.
//! Sources: RFC 2131 4.1 (where replies go), 4.3 (what a server does); RFC 6842 (the client's name comes back).

mod config;
mod receive;
mod reply;
mod table;

use core::hash::{Hash, Hasher};
use core::net::Ipv4Addr;
use std::collections::{BTreeMap, VecDeque};

use outcrop_base::{Instant, Verdict};

use super::Transmit;
pub use config::{ServerConfig, ServerConfigError};
use table::Table;
pub use table::{Binding, Status};

/// Replies that wait to leave; more are not made.
const MAX_REPLIES: usize = 64;

/// What became of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// Lent, or lent for longer.
    Leased(Ipv4Addr),
    /// Given back.
    Released(Ipv4Addr),
    /// Its time was over.
    Expired(Ipv4Addr),
    /// Its client says that somebody else has it.
    Declined(Ipv4Addr),
}

impl Change {
    const fn address(self) -> Ipv4Addr {
        match self {
            Self::Leased(address)
            | Self::Released(address)
            | Self::Expired(address)
            | Self::Declined(address) => address,
        }
    }
}

/// One server, for one interface.
#[derive(Clone, Debug)]
pub struct Server {
    config: ServerConfig,
    table: Table,
    replies: VecDeque<Transmit>,
    /// The last thing that became of each address and was not fetched.
    changes: BTreeMap<Ipv4Addr, Change>,
}

impl Server {
    /// A server with nothing lent.
    ///
    /// # Errors
    /// When the configuration contradicts itself: see [`ServerConfigError`].
    pub fn new(config: ServerConfig) -> Result<Self, ServerConfigError> {
        config.check()?;
        Ok(Self {
            table: Table::new(&config),
            config,
            replies: VecDeque::new(),
            changes: BTreeMap::new(),
        })
    }

    /// A datagram that arrived on port 67.
    pub fn handle_datagram(&mut self, now: Instant, bytes: &[u8]) -> Verdict {
        self.handle_timeout(now);
        receive::datagram(self, now, bytes)
    }

    /// Ends what is over at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        for address in self.table.expire(now) {
            self.tell(Change::Expired(address));
        }
    }

    /// When to call [`Server::handle_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.table.next()
    }

    /// The next datagram.
    pub fn poll_transmit(&mut self, _now: Instant) -> Option<Transmit> {
        self.replies.pop_front()
    }

    /// The next fact, by address.
    pub fn poll_event(&mut self) -> Option<Change> {
        self.changes.pop_first().map(|(_, change)| change)
    }

    /// Who has which address, in their order; those that are kept for a client that left are among them.
    pub fn bindings(&self) -> impl Iterator<Item = (Ipv4Addr, &Binding)> {
        self.table.iter()
    }

    /// Hashes all that decides what happens next, times relative to `now`.
    pub fn fingerprint(&self, now: Instant, into: &mut dyn Hasher) {
        self.table.fingerprint(now, into);
        let mut into = into;
        for reply in &self.replies {
            reply.payload.hash(&mut into);
        }
        for change in self.changes.values() {
            change.hash(&mut into);
        }
    }

    fn tell(&mut self, change: Change) {
        self.changes.insert(change.address(), change);
    }
}
