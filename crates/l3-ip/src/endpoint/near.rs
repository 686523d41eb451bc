//! On which link a link-local address is.
//!
//! Job: remember for a while by which interface such an address was last spoken with: the address alone does not say.
//! Owns: a bounded list. Does not know: names of links, nor neighbours' hardware addresses.
//! Two neighbours with the same link-local address on two links are told apart only one after the other.
//! Sources: RFC 4007 6 and 9 (zones; an answer leaves by the zone of its question).

use core::hash::{Hash, Hasher};
use core::net::{IpAddr, Ipv6Addr};
use std::collections::VecDeque;

use outcrop_base::InterfaceId;

use super::Endpoint;
use crate::ConfigError;

/// Addresses remembered; the oldest give way.
const MAX_NEAR: usize = 256;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Place {
    addr: Ipv6Addr,
    iface: InterfaceId,
    /// A program said so; what is heard does not change it.
    named: bool,
}

/// Oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Near(VecDeque<Place>);

impl Near {
    fn note(&mut self, place: Place) {
        let known = self.0.iter().rev().find(|known| known.addr == place.addr);
        if known.is_some_and(|known| *known == place || known.named && !place.named) {
            return;
        }
        self.0.retain(|known| known.addr != place.addr);
        if self.0.len() >= MAX_NEAR {
            self.0.pop_front();
        }
        self.0.push_back(place);
    }

    pub(super) fn of(&self, addr: Ipv6Addr) -> Option<InterfaceId> {
        let found = self.0.iter().find(|place| place.addr == addr);
        found.map(|place| place.iface)
    }

    pub(super) fn fingerprint(&self, mut into: &mut dyn Hasher) {
        self.0.hash(&mut into);
    }
}

impl Endpoint {
    /// What goes to the link-local address `addr` leaves by `iface` from now on: the program named the link.
    ///
    /// # Errors
    /// An interface that does not exist, or an address that is not of one link.
    pub fn scope_to(&mut self, addr: IpAddr, iface: InterfaceId) -> Result<(), ConfigError> {
        if self.interface(iface).is_none() {
            return Err(ConfigError::UnknownInterface);
        }
        match addr {
            IpAddr::V6(addr) if addr.is_unicast_link_local() => {
                self.near.note(Place {
                    addr,
                    iface,
                    named: true,
                });
                Ok(())
            }
            IpAddr::V4(_) | IpAddr::V6(_) => Err(ConfigError::Address),
        }
    }

    /// Somebody spoke to us: the answer goes where the question came from.
    pub(super) fn heard_near(&mut self, addr: IpAddr, iface: InterfaceId) {
        if let (IpAddr::V6(addr), true) = (addr, self.interfaces.len() > 1)
            && addr.is_unicast_link_local()
        {
            self.near.note(Place {
                addr,
                iface,
                named: false,
            });
        }
    }
}
