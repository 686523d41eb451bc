//! Addresses, groups and ways that come and go while the host runs.
//!
//! Job: take an address, let it age, give it up; join and leave groups. Owns: the order in which the table of routes,
//! the interface and the layers above learn of it. Does not know: where an address came from.
//! Sources: RFC 4862 5.4 and 5.5.4, RFC 5227 2.1, RFC 4291 2.8 (the groups a host belongs to).

use core::net::IpAddr;

use outcrop_base::{Instant, InterfaceId};

use super::Endpoint;
use crate::autoconf::book::Change;
use crate::route::Target;
use crate::wire::ipv6;
use crate::{Address, AddressNews, AddressState, Cidr, ConfigError, Event, Lease, Origin, address};

/// Groups one interface may belong to.
pub const MAX_GROUPS: usize = 256;

impl Endpoint {
    /// Gives an interface one more address, or other times to one that it has.
    ///
    /// With `lease.check` the address is tentative: an IPv6 one is checked here, an IPv4 one until [`Endpoint::adopt`]
    /// or [`Endpoint::refuse`].
    ///
    /// # Errors
    /// An unknown interface, an address no host can have, IPv6 over a link too narrow for it, or too many.
    pub fn assign(
        &mut self,
        now: Instant,
        iface: InterfaceId,
        cidr: Cidr,
        lease: Lease,
    ) -> Result<(), ConfigError> {
        let addr = cidr.addr();
        let link = self.interface(iface).ok_or(ConfigError::UnknownInterface)?;
        if addr.is_ipv6() && link.mtu < ipv6::MIN_MTU {
            return Err(ConfigError::Mtu);
        }
        if !address::may_own(addr) {
            return Err(ConfigError::Address);
        }
        let check = lease.check && link.link_address.is_some();
        let known = self.book.find(iface, addr).map(|known| known.state);
        let aged = lease.preferred.is_some_and(|at| at <= now);
        let state = match known {
            Some(AddressState::Tentative) => AddressState::Tentative,
            None if check => AddressState::Tentative,
            Some(_) | None if aged => AddressState::Deprecated,
            Some(_) | None => AddressState::Preferred,
        };
        let Lease {
            origin,
            preferred,
            valid,
            ..
        } = lease;
        let entry = Address {
            iface,
            cidr,
            origin,
            state,
            preferred,
            valid,
        };
        if !self.book.put(entry) {
            return Err(ConfigError::TooMany);
        }
        if known.is_none() {
            if let IpAddr::V6(addr) = addr {
                self.join_group(iface, address::solicited_node(addr).into());
            }
            if state == AddressState::Tentative {
                self.check_address(now, iface, addr);
            } else {
                self.install(iface, cidr);
            }
        }
        Ok(())
    }

    /// Nobody objected to a tentative address: it is ours.
    pub fn adopt(&mut self, now: Instant, iface: InterfaceId, addr: IpAddr) {
        let Some(entry) = self.book.find(iface, addr).copied() else {
            return;
        };
        if entry.state == AddressState::Tentative {
            let aged = entry.preferred.is_some_and(|at| at <= now);
            let state = if aged {
                AddressState::Deprecated
            } else {
                AddressState::Preferred
            };
            self.book.put(Address { state, ..entry });
            self.install(iface, entry.cidr);
        }
    }

    /// Another station has an address of ours: it is withdrawn.
    pub fn refuse(&mut self, iface: InterfaceId, addr: IpAddr) {
        if let Some(entry) = self.book.take(iface, addr) {
            self.remove_address(&entry);
            self.tell(iface, AddressNews::Duplicate(addr));
        }
    }

    /// Gives an address up; returns whether it was ours.
    pub fn withdraw(&mut self, iface: InterfaceId, addr: IpAddr) -> bool {
        let entry = self.book.take(iface, addr);
        if let Some(entry) = &entry {
            self.remove_address(entry);
            self.tell(iface, AddressNews::Expired(addr));
        }
        entry.is_some()
    }

    /// Every address, tentative ones too, in the order they came.
    pub fn addresses(&self) -> impl Iterator<Item = Address> {
        self.book.iter().copied()
    }

    /// Takes packets to `group` from this link from now on; once for each call of [`Endpoint::leave_group`].
    pub fn join_group(&mut self, iface: InterfaceId, group: IpAddr) -> bool {
        if let Some(found) = self
            .groups
            .iter_mut()
            .find(|g| (g.0, g.1) == (iface, group))
        {
            found.2 = found.2.saturating_add(1);
            return true;
        }
        let there = self.groups.iter().filter(|found| found.0 == iface);
        if there.count() >= MAX_GROUPS {
            return false;
        }
        self.groups.push((iface, group, 1));
        self.push_event(Event::Group {
            iface,
            group,
            joined: true,
        });
        true
    }

    /// Takes them no more, when everybody who joined has left.
    pub fn leave_group(&mut self, iface: InterfaceId, group: IpAddr) {
        let same = |found: &(InterfaceId, IpAddr, u32)| (found.0, found.1) == (iface, group);
        let Some(at) = self.groups.iter().position(same) else {
            return;
        };
        let last = self.groups.get_mut(at).is_some_and(|found| {
            found.2 = found.2.saturating_sub(1);
            found.2 == 0
        });
        if last {
            self.groups.remove(at);
            self.push_event(Event::Group {
                iface,
                group,
                joined: false,
            });
        }
    }

    /// The groups an interface has joined.
    pub fn groups(&self, iface: InterfaceId) -> impl Iterator<Item = IpAddr> {
        let there = self.groups.iter().filter(move |found| found.0 == iface);
        there.map(|found| found.1)
    }

    /// Lets the times of addresses pass.
    pub(super) fn age_addresses(&mut self, now: Instant) {
        while let Some(change) = self.book.due(now) {
            match change {
                Change::Deprecated(old) => {
                    self.tell(old.iface, AddressNews::Deprecated(old.cidr.addr()));
                    if old.origin == Origin::Temporary {
                        self.replace_temporary(now, &old);
                    }
                }
                Change::Expired(entry) => {
                    self.remove_address(&entry);
                    self.tell(entry.iface, AddressNews::Expired(entry.cidr.addr()));
                }
            }
        }
    }

    /// An address is in use from now on, and its network on the link.
    fn install(&mut self, iface: InterfaceId, cidr: Cidr) {
        if let Some(link) = self.interfaces.iter_mut().find(|link| link.id == iface) {
            link.addresses.push(cidr);
        }
        self.routes.add(cidr, Target::Link { via: None, iface });
        self.tell(iface, AddressNews::Ready(cidr.addr()));
    }

    fn remove_address(&mut self, entry: &Address) {
        let Address { iface, cidr, .. } = *entry;
        if let IpAddr::V6(addr) = cidr.addr() {
            self.leave_group(iface, address::solicited_node(addr).into());
        }
        self.forget_check(iface, cidr.addr());
        if entry.state == AddressState::Tentative {
            return;
        }
        let mut needed = false;
        if let Some(link) = self.interfaces.iter_mut().find(|link| link.id == iface) {
            link.addresses.retain(|other| other.addr() != cidr.addr());
            let same =
                |other: &Cidr| (other.network(), other.prefix()) == (cidr.network(), cidr.prefix());
            needed = link.addresses.iter().any(same);
        }
        if !needed {
            self.routes.remove(cidr);
        }
    }

    /// Begins to ask the link whether a tentative address is free.
    fn check_address(&mut self, now: Instant, iface: InterfaceId, addr: IpAddr) {
        match addr {
            IpAddr::V4(addr) => self.push_event(Event::Claim { iface, addr }),
            IpAddr::V6(addr) => {
                let auto = &mut self.auto;
                auto.checks.begin(now, iface, addr, &mut auto.random);
            }
        }
    }

    fn forget_check(&mut self, iface: InterfaceId, addr: IpAddr) {
        if let IpAddr::V6(addr) = addr {
            self.auto.checks.forget(iface, addr);
        }
    }

    pub(super) fn tell(&mut self, iface: InterfaceId, news: AddressNews) {
        self.push_event(Event::Address { iface, news });
    }
}
