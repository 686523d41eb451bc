//! Addresses and ways that come and go while the host runs.
//!
//! Job: take an address, let it age, give it up. Owns: the order in which the table of routes,
//! the interface and the layers above learn of it. Does not know: where an address came from.
//! Sources: RFC 4862 5.4 and 5.5.4, RFC 5227 2.1, RFC 4291 2.8 (the groups a host belongs to).

use core::net::IpAddr;

use outcrop_base::{Instant, InterfaceId};

use super::Endpoint;
use crate::autoconf::book::Change;
use crate::route::Target;
use crate::wire::ipv6;
use crate::{Address, AddressNews, AddressState, Cidr, ConfigError, Event, Lease, Origin, address};

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
                self.join_on_link(iface, address::solicited_node(addr).into());
            }
            if state == AddressState::Tentative {
                self.check_address(now, iface, addr);
            } else {
                self.install(iface, cidr);
                self.begin_advertising(now, iface);
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
            self.begin_advertising(now, iface);
        }
    }

    /// Another station has an address of ours: it is withdrawn.
    pub fn refuse(&mut self, iface: InterfaceId, addr: IpAddr) {
        if let Some(entry) = self.book.take(iface, addr) {
            self.remove_address(&entry);
            self.tell_news(iface, AddressNews::Duplicate(addr));
        }
    }

    /// Gives an address up; returns whether it was ours.
    pub fn withdraw(&mut self, iface: InterfaceId, addr: IpAddr) -> bool {
        let entry = self.book.take(iface, addr);
        if let Some(entry) = &entry {
            self.remove_address(entry);
            self.tell_news(iface, AddressNews::Expired(addr));
        }
        entry.is_some()
    }

    /// Every address, tentative ones too, in the order they came.
    pub fn addresses(&self) -> impl Iterator<Item = Address> {
        self.book.iter().copied()
    }

    /// Joins a group that neighbours find us by; where there are none, nobody asks.
    pub(super) fn join_on_link(&mut self, iface: InterfaceId, group: IpAddr) {
        if self.link_address(iface).is_some() {
            // With as many groups as there may be, an address is found by those who know it already.
            let _joined = self.join_group(iface, group);
        }
    }

    fn leave_on_link(&mut self, iface: InterfaceId, group: IpAddr) {
        if self.link_address(iface).is_some() {
            let _left = self.leave_group(iface, group);
        }
    }

    /// Lets the times of addresses pass.
    pub(super) fn age_addresses(&mut self, now: Instant) {
        while let Some(change) = self.book.due(now) {
            match change {
                Change::Deprecated(old) => {
                    self.tell_news(old.iface, AddressNews::Deprecated(old.cidr.addr()));
                    if old.origin == Origin::Temporary {
                        self.replace_temporary(now, &old);
                    }
                }
                Change::Expired(entry) => {
                    self.remove_address(&entry);
                    self.tell_news(entry.iface, AddressNews::Expired(entry.cidr.addr()));
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
        self.tell_news(iface, AddressNews::Ready(cidr.addr()));
    }

    fn remove_address(&mut self, entry: &Address) {
        let Address { iface, cidr, .. } = *entry;
        if let IpAddr::V6(addr) = cidr.addr() {
            self.leave_on_link(iface, address::solicited_node(addr).into());
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

    pub(super) fn tell_news(&mut self, iface: InterfaceId, news: AddressNews) {
        self.push_event(Event::Address { iface, news });
    }
}
