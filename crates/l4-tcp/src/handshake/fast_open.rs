//! Who may speak in its SYN.
//!
//! Job: as a server, make and check the cookies that prove an address; as a client, remember what servers
//! gave, and where it does not get through. Owns: the key, the memory. Does not know: handshakes.
//! Sources: RFC 7413 4.1.1, 4.1.2 (the server's cookie), 4.1.3 (the client's cache), 4.1.3.1 (negative answers),
//! 5.1 (what a stolen cookie may cost).

use core::hash::{Hash, Hasher};
use core::net::IpAddr;
use std::collections::{BTreeMap, VecDeque};

use outcrop_base::{Flow, HashKey, Instant, Seed};

use super::Grant;
use crate::params::{FAST_OPEN_BLOCK, FAST_OPEN_CACHE, FAST_OPEN_PERIOD};
use crate::segment::FastOpenCookie;

/// The server's side: cookies are a keyed hash of the client's address and the period.
#[derive(Clone, Debug)]
pub(crate) struct Tokens {
    key: HashKey,
}

impl Tokens {
    /// Cookies that only we can make, from `seed`.
    pub(crate) fn new(seed: &Seed) -> Self {
        Self {
            key: seed.hash_key("fast open cookie"),
        }
    }

    /// The option that gives the peer of `flow` its cookie.
    pub(crate) fn grant(&self, now: Instant, flow: &Flow, how: Grant) -> Option<FastOpenCookie> {
        let cookie = self.cookie(flow, period(now));
        FastOpenCookie::new(&cookie, how == Grant::Experimental)
    }

    /// Whether `shown` is a cookie we gave to the peer of `flow`, in this period or the last.
    pub(crate) fn is_good(&self, now: Instant, flow: &Flow, shown: &FastOpenCookie) -> bool {
        let period = period(now);
        let last = period.checked_sub(1);
        core::iter::once(period)
            .chain(last)
            .any(|period| shown.as_slice() == self.cookie(flow, period))
    }

    fn cookie(&self, flow: &Flow, period: u64) -> [u8; 8] {
        let mut hasher = self.key.hasher();
        (flow.local.ip(), flow.remote.ip(), period).hash(&mut hasher);
        hasher.finish().to_be_bytes()
    }
}

fn period(now: Instant) -> u64 {
    now.as_millis() / u64::try_from(FAST_OPEN_PERIOD.as_millis()).unwrap_or(1)
}

/// The client's side: what is known about servers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    servers: BTreeMap<IpAddr, Server>,
    /// In the order in which they became known: beyond the limit the oldest is forgotten.
    order: VecDeque<IpAddr>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Server {
    cookie: FastOpenCookie,
    mss: u16,
    /// Until when no fast open is tried.
    blocked: Option<Instant>,
}

impl Known {
    /// The option a SYN to `server` carries, and the segment size known: its cookie, or the wish for one.
    pub(crate) fn option(&self, now: Instant, server: IpAddr) -> Option<(FastOpenCookie, u16)> {
        let known = self.servers.get(&server).copied().unwrap_or_default();
        let is_blocked = known.blocked.is_some_and(|end| now < end);
        (!is_blocked).then_some((known.cookie, known.mss))
    }

    /// `server` gave us `cookie`, and takes segments of `mss`.
    pub(crate) fn on_cookie(&mut self, server: IpAddr, cookie: FastOpenCookie, mss: u16) {
        if !cookie.is_request() {
            let known = self.entry(server);
            (known.cookie, known.mss) = (cookie, mss);
        }
    }

    /// A SYN with text was lost on the way to `server`, one without got through: something on the path
    /// may not like it (RFC 7413 4.1.3.1).
    pub(crate) fn on_failure(&mut self, now: Instant, server: IpAddr) {
        self.entry(server).blocked = Some(now + FAST_OPEN_BLOCK);
    }

    fn entry(&mut self, server: IpAddr) -> &mut Server {
        if !self.servers.contains_key(&server) {
            if self.order.len() >= FAST_OPEN_CACHE
                && let Some(oldest) = self.order.pop_front()
            {
                self.servers.remove(&oldest);
            }
            self.order.push_back(server);
        }
        self.servers.entry(server).or_default()
    }
}
