//! Link-local addresses on several links.
//!
//! Job: take the link out of an address that a program gives, so that transports see addresses alone. Owns: how a link is
//! numbered in a socket address. Does not know: what is on a link.
//! Sources: RFC 4007 6 (zones) and 11.2, RFC 3493 3.3 (`sin6_scope_id`; zero: not said).

use core::net::{IpAddr, SocketAddr};

use outcrop_base::InterfaceId;
use outcrop_ip::ConfigError;

use super::Core;

impl Core {
    /// How a socket address names an interface: `SocketAddrV6::new(fe80::1, 80, 0, Core::scope_id(iface))`.
    #[must_use]
    pub const fn scope_id(iface: InterfaceId) -> u32 {
        // Zero is taken.
        iface.0 as u32 + 1
    }

    /// What goes to the link-local address `addr` leaves by `iface` from now on.
    ///
    /// # Errors
    /// An interface that does not exist, or an address that is not of one link.
    pub fn scope_to(&mut self, addr: IpAddr, iface: InterfaceId) -> Result<(), ConfigError> {
        self.ip.scope_to(addr, iface)
    }

    /// An address without its link, which IP knows from now on.
    pub(super) fn unscoped(&mut self, remote: SocketAddr) -> Result<SocketAddr, ConfigError> {
        let SocketAddr::V6(mut scoped) = remote else {
            return Ok(remote);
        };
        let Some(number) = scoped.scope_id().checked_sub(1) else {
            return Ok(remote);
        };
        let iface = u16::try_from(number).map_err(|_| ConfigError::UnknownInterface)?;
        scoped.set_scope_id(0);
        // Of what is not link-local the number says nothing (RFC 4007 6).
        if scoped.ip().is_unicast_link_local() {
            self.scope_to((*scoped.ip()).into(), InterfaceId(iface))?;
        }
        Ok(scoped.into())
    }
}
