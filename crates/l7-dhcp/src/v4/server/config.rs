//! What a server is told.
//!
//! Job: the settings, and whether they go together. Owns: the defaults. Does not know: what is done with them.

use core::net::Ipv4Addr;
use core::time::Duration;

use crate::v4::lease::is_host;

/// Addresses one pool may have; the table has no more rows than this and the reservations.
pub(super) const MAX_POOL: u32 = 4096;
/// Addresses fixed by hand.
const MAX_RESERVATIONS: usize = 1024;
/// Routers and resolvers: what fits beside everything else into 576 octets.
const MAX_LIST: usize = 8;
const LONGEST_DOMAIN: usize = 128;
const DAY: Duration = Duration::from_hours(24);

/// What a server is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// Its own address: how clients name it.
    pub address: Ipv4Addr,
    /// How many bits of an address name the network.
    pub prefix: u8,
    /// First and last address to lend.
    pub pool: (Ipv4Addr, Ipv4Addr),
    /// Hardware addresses that always get the same.
    pub reservations: Vec<([u8; 6], Ipv4Addr)>,
    /// The longest lease, and what is given when none is asked for.
    pub lease_time: Duration,
    /// Ways out.
    pub routers: Vec<Ipv4Addr>,
    /// Resolvers.
    pub dns: Vec<Ipv4Addr>,
    /// The domain of names without a dot.
    pub domain: Option<String>,
    /// The link's MTU, if clients are to be told.
    pub mtu: Option<u16>,
    /// Grant at once whoever asks for that (RFC 4039).
    pub rapid_commit: bool,
}

impl ServerConfig {
    /// A server at `address/prefix` that lends `first` to `last` for a day.
    #[must_use]
    pub const fn new(address: Ipv4Addr, prefix: u8, first: Ipv4Addr, last: Ipv4Addr) -> Self {
        Self {
            address,
            prefix,
            pool: (first, last),
            reservations: Vec::new(),
            lease_time: DAY,
            routers: Vec::new(),
            dns: Vec::new(),
            domain: None,
            mtu: None,
            rapid_commit: false,
        }
    }

    pub(super) fn mask(&self) -> Ipv4Addr {
        let host_bits = 32_u32.saturating_sub(self.prefix.into());
        Ipv4Addr::from(u32::MAX.checked_shl(host_bits).unwrap_or(0))
    }

    /// Whether an address is one of a host on this network.
    pub(super) fn is_on_link(&self, address: Ipv4Addr) -> bool {
        let mask = u32::from(self.mask());
        let (bits, ours) = (u32::from(address), u32::from(self.address));
        let host = bits & !mask;
        // Of the short prefixes 31 and 32 every address is a host's (RFC 3021).
        let inner = self.prefix >= 31 || (host != 0 && host != !mask);
        bits & mask == ours & mask && inner && is_host(address)
    }

    pub(super) fn in_pool(&self, address: Ipv4Addr) -> bool {
        (self.pool.0..=self.pool.1).contains(&address) && address != self.address
    }

    pub(super) fn check(&self) -> Result<(), ServerConfigError> {
        let (first, last) = self.pool;
        let size = u32::from(last).checked_sub(first.into());
        if self.prefix > 32 || !self.is_on_link(self.address) {
            return Err(ServerConfigError::Address);
        }
        if !(self.is_on_link(first) && self.is_on_link(last)) {
            return Err(ServerConfigError::PoolElsewhere);
        }
        if size.is_none_or(|size| size >= MAX_POOL) {
            return Err(ServerConfigError::PoolSize);
        }
        let fits = |(_, address): &([u8; 6], Ipv4Addr)| {
            self.is_on_link(*address) && *address != self.address
        };
        if self.reservations.len() > MAX_RESERVATIONS || !self.reservations.iter().all(fits) {
            return Err(ServerConfigError::Reservation);
        }
        if self.lease_time < Duration::from_secs(1) {
            return Err(ServerConfigError::LeaseTime);
        }
        let long = self
            .domain
            .as_ref()
            .is_some_and(|text| text.len() > LONGEST_DOMAIN);
        if long || self.routers.len() > MAX_LIST || self.dns.len() > MAX_LIST {
            return Err(ServerConfigError::TooMuch);
        }
        Ok(())
    }
}

/// Why a configuration contradicts itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServerConfigError {
    /// The server's own address cannot be one.
    #[error("the server's own address is none a host of that network can have")]
    Address,
    /// The pool is not on the server's network.
    #[error("the pool is not within the server's network")]
    PoolElsewhere,
    /// The pool ends before it begins, or is too large.
    #[error("a pool has 1 to 4096 addresses, the first first")]
    PoolSize,
    /// A reserved address is elsewhere, or there are too many.
    #[error("reserved addresses are on the server's network, 1024 of them at most")]
    Reservation,
    /// Shorter than a second.
    #[error("a lease lasts a second at least")]
    LeaseTime,
    /// More than fits into a message.
    #[error("more than 8 routers or resolvers, or a domain of more than 128 octets")]
    TooMuch,
}
