//! Who has which address.
//!
//! Job: find an address for a client, and keep it theirs. Owns: the bindings and their ends. Bounded by the pool.
//! Does not know: messages. Sources: RFC 2131 4.3.1 (which address to offer), 4.3.3 (declined ones).

use core::hash::{Hash, Hasher};
use core::net::Ipv4Addr;
use core::time::Duration;
use std::collections::BTreeMap;

use outcrop_base::Instant;

use super::config::ServerConfig;

/// How long an offered address is kept for who was offered it: longer than a client repeats its request.
const OFFER_HOLD: Duration = Duration::from_secs(60);
/// How long an address that was found in use is not lent.
const QUARANTINE: Duration = Duration::from_mins(10);

/// How a client is told from others: what it calls itself, or its hardware address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// Option 61, or hardware type and address.
    pub(super) name: Vec<u8>,
    /// Its hardware address.
    pub(super) hardware: Vec<u8>,
}

/// What an address is to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// Offered, not yet accepted.
    Offered,
    /// Lent.
    Leased,
    /// Not theirs any longer, but theirs first should they return.
    Past,
    /// Found in use by somebody unknown.
    Declined,
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Binding {
    key: Key,
    status: Status,
    until: Option<Instant>,
}

impl Binding {
    /// What the address is to the client.
    #[must_use]
    pub const fn status(&self) -> Status {
        self.status
    }

    /// Until when; `None`: for ever.
    #[must_use]
    pub const fn until(&self) -> Option<Instant> {
        self.until
    }

    /// The client's hardware address.
    #[must_use]
    pub fn hardware(&self) -> &[u8] {
        &self.key.hardware
    }

    fn is(&self, key: &Key) -> bool {
        self.key.name == key.name
    }
}

#[derive(Clone, Debug)]
pub(super) struct Table {
    rows: BTreeMap<Ipv4Addr, Binding>,
    pool: (Ipv4Addr, Ipv4Addr),
    own: Ipv4Addr,
    reserved: BTreeMap<[u8; 6], Ipv4Addr>,
}

impl Table {
    pub(super) fn new(config: &ServerConfig) -> Self {
        Self {
            rows: BTreeMap::new(),
            pool: config.pool,
            own: config.address,
            reserved: config.reservations.iter().copied().collect(),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Ipv4Addr, &Binding)> {
        self.rows.iter().map(|(address, row)| (*address, row))
    }

    /// What a client has or had.
    pub(super) fn of(&self, key: &Key) -> Option<(Ipv4Addr, Status)> {
        let theirs = |row: &Binding| row.is(key) && row.status != Status::Declined;
        self.iter()
            .find(|(_, row)| theirs(row))
            .map(|(address, row)| (address, row.status))
    }

    /// Whether this address may be lent to this client.
    pub(super) fn is_free_for(&self, address: Ipv4Addr, key: &Key) -> bool {
        let reserved_for = self.reserved_for(key);
        if reserved_for.is_some_and(|theirs| theirs != address) || address == self.own {
            return false;
        }
        let in_pool = (self.pool.0..=self.pool.1).contains(&address);
        let of_another = self.reserved.values().any(|reserved| *reserved == address);
        let lendable = reserved_for == Some(address) || (in_pool && !of_another);
        let row = self.rows.get(&address);
        lendable
            && row.is_none_or(|row| match row.status {
                Status::Past => true,
                Status::Declined => false,
                Status::Offered | Status::Leased => row.is(key),
            })
    }

    /// RFC 2131 4.3.1: what is theirs, what was, what they ask for, what nobody had, what somebody once had.
    pub(super) fn choose(&self, key: &Key, asked: Option<Ipv4Addr>) -> Option<Ipv4Addr> {
        let theirs = self.of(key).map(|(address, _)| address);
        let first = [self.reserved_for(key), theirs, asked];
        let free = |address: &Ipv4Addr| self.is_free_for(*address, key);
        let mut first = first.into_iter().flatten();
        first.find(free).or_else(|| {
            let fresh = |address: &Ipv4Addr| !self.rows.contains_key(address);
            let pool = || (u32::from(self.pool.0)..=u32::from(self.pool.1)).map(Ipv4Addr::from);
            let unused = pool().filter(fresh).find(free);
            unused.or_else(|| pool().find(free))
        })
    }

    fn reserved_for(&self, key: &Key) -> Option<Ipv4Addr> {
        let hardware = <[u8; 6]>::try_from(key.hardware.as_slice()).ok()?;
        self.reserved.get(&hardware).copied()
    }

    pub(super) fn offer(&mut self, now: Instant, address: Ipv4Addr, key: Key) {
        let leased = self
            .rows
            .get(&address)
            .is_some_and(|row| row.status == Status::Leased);
        // Who asks anew while it has a lease keeps it: the message may be an old one, or somebody's else.
        if !leased {
            self.put(address, key, Status::Offered, Some(now + OFFER_HOLD));
        }
    }

    pub(super) fn lease(&mut self, address: Ipv4Addr, key: Key, until: Option<Instant>) {
        self.put(address, key, Status::Leased, until);
    }

    pub(super) fn decline(&mut self, now: Instant, address: Ipv4Addr) {
        if let Some(row) = self.rows.get_mut(&address) {
            row.status = Status::Declined;
            row.until = Some(now + QUARANTINE);
        }
    }

    pub(super) fn free(&mut self, address: Ipv4Addr) {
        if let Some(row) = self.rows.get_mut(&address) {
            row.status = Status::Past;
            row.until = None;
        }
    }

    /// One row a client: what it had before is anybody's.
    fn put(&mut self, address: Ipv4Addr, key: Key, status: Status, until: Option<Instant>) {
        self.rows
            .retain(|at, row| *at == address || !row.is(&key) || row.status == Status::Declined);
        self.rows.insert(address, Binding { key, status, until });
    }

    /// Ends what is over; the addresses whose leases ended.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<Ipv4Addr> {
        let over = |row: &Binding| row.until.is_some_and(|until| until <= now);
        let mut ended = Vec::new();
        for (address, row) in self.rows.iter_mut().filter(|(_, row)| over(row)) {
            if row.status == Status::Leased {
                ended.push(*address);
            }
            row.status = Status::Past;
            row.until = None;
        }
        ended
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.rows.values().filter_map(|row| row.until).min()
    }

    pub(super) fn fingerprint(&self, now: Instant, mut into: &mut dyn Hasher) {
        for (address, row) in &self.rows {
            let until = row.until.map(|until| until.saturating_since(now));
            (address, &row.key, row.status, until).hash(&mut into);
        }
    }
}
