//! The addresses of a host.
//!
//! Job: a bounded list with times. Owns: the entries, and when the next of them changes.
//! Does not know: what a change entails.

use core::hash::{Hash, Hasher};
use core::net::IpAddr;

use outcrop_base::{Instant, InterfaceId};

use super::{Address, AddressState, Origin};
use crate::Cidr;
use crate::source::Candidate;

/// Addresses one interface may have: a flood of prefixes takes no more.
pub const MAX_ADDRESSES: usize = 64;

/// What time does to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Deprecated(Address),
    Expired(Address),
}

/// Every address of the host, tentative ones too.
#[derive(Clone, Debug, Default)]
pub(crate) struct Book {
    entries: Vec<Address>,
    next: Option<Instant>,
}

impl Book {
    /// Notes an address; one already there is replaced. `false` if the interface has too many.
    pub(crate) fn put(&mut self, address: Address) -> bool {
        let (iface, addr) = (address.iface, address.cidr.addr());
        if let Some(slot) = self.find_mut(iface, addr) {
            *slot = address;
        } else {
            let there = self.entries.iter().filter(|entry| entry.iface == iface);
            if there.count() >= MAX_ADDRESSES {
                return false;
            }
            self.entries.push(address);
        }
        self.rearm();
        true
    }

    pub(crate) fn take(&mut self, iface: InterfaceId, addr: IpAddr) -> Option<Address> {
        let same = |entry: &Address| entry.iface == iface && entry.cidr.addr() == addr;
        let at = self.entries.iter().position(same)?;
        let taken = self.entries.remove(at);
        self.rearm();
        Some(taken)
    }

    pub(crate) fn find(&self, iface: InterfaceId, addr: IpAddr) -> Option<&Address> {
        let same = |entry: &&Address| entry.iface == iface && entry.cidr.addr() == addr;
        self.entries.iter().find(same)
    }

    fn find_mut(&mut self, iface: InterfaceId, addr: IpAddr) -> Option<&mut Address> {
        let same = |entry: &&mut Address| entry.iface == iface && entry.cidr.addr() == addr;
        self.entries.iter_mut().find(same)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Address> {
        self.entries.iter()
    }

    /// What an address is as a source.
    pub(crate) fn candidate(&self, iface: InterfaceId, cidr: Cidr) -> Candidate {
        let entry = self.find(iface, cidr.addr());
        Candidate {
            addr: cidr.addr(),
            prefix: cidr.prefix(),
            deprecated: entry.is_some_and(|entry| entry.state == AddressState::Deprecated),
            temporary: entry.is_some_and(|entry| entry.origin == Origin::Temporary),
        }
    }

    /// The next change that is due; its entry is already as it says.
    pub(crate) fn due(&mut self, now: Instant) -> Option<Change> {
        if self.next.is_none_or(|at| at > now) {
            return None;
        }
        let passed = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        let expired = self.entries.iter().position(|entry| passed(entry.valid));
        let change = if let Some(at) = expired {
            Some(Change::Expired(self.entries.remove(at)))
        } else {
            let aged = |entry: &&mut Address| {
                entry.state == AddressState::Preferred && passed(entry.preferred)
            };
            self.entries.iter_mut().find(aged).map(|entry| {
                entry.state = AddressState::Deprecated;
                Change::Deprecated(*entry)
            })
        };
        self.rearm();
        change
    }

    pub(crate) const fn next(&self) -> Option<Instant> {
        self.next
    }

    fn rearm(&mut self) {
        let times = self.entries.iter().flat_map(|entry| {
            let preferred = entry.preferred;
            let aging = preferred.filter(|_| entry.state == AddressState::Preferred);
            [aging, entry.valid]
        });
        self.next = times.flatten().min();
    }

    pub(crate) fn fingerprint(&self, now: Instant, mut into: &mut dyn Hasher) {
        for entry in &self.entries {
            let Address {
                iface,
                cidr,
                origin,
                state,
                preferred,
                valid,
            } = entry;
            let ahead = |at: &Option<Instant>| at.map(|at| at.saturating_since(now));
            (iface, cidr, origin, state, ahead(preferred), ahead(valid)).hash(&mut into);
        }
    }
}
