//! What a server granted, or told.
//!
//! Job: read addresses and parameters out of a message, checked. Owns: the defaults of what it does not say.
//! Does not know: who waits for it. Sources: RFC 8415 14.2, 18.2.10.1, 21.4, 21.6; RFC 3646.

use core::net::Ipv6Addr;
use core::time::Duration;

use dhcproto::v6::{DhcpOption, IANA, Message, OptionCode, Status};

use super::wire;

/// RFC 8415 7.7: for ever.
pub(super) const INFINITE: u32 = u32::MAX;
/// Addresses, resolvers and domains that are kept of each.
const MOST: usize = 16;
const LONGEST_DOMAIN: usize = 253;

/// One address, and for how long from now on; `None`: for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// The address; its prefix on the link is the routers' to say (RFC 8415 18.2.10.1): 128 bits of it are known here.
    pub address: Ipv6Addr,
    /// How long new connections may begin from it.
    pub preferred: Option<Duration>,
    /// How long it may be used at all.
    pub valid: Option<Duration>,
}

/// What a link's hosts should know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Information {
    /// Resolvers, the best first.
    pub dns: Vec<Ipv6Addr>,
    /// Where names without a dot are looked for.
    pub search: Vec<String>,
}

/// Addresses for a time, and what belongs to them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lease {
    /// The addresses, in their order.
    pub addresses: Vec<Address>,
    /// When to ask the server for more; `None`: never.
    pub renew: Option<Duration>,
    /// When to ask any server.
    pub rebind: Option<Duration>,
    /// The server's name: a DUID.
    pub server: Vec<u8>,
    /// What else it said.
    pub information: Information,
}

pub(super) fn finite(seconds: u32) -> Option<Duration> {
    (seconds != INFINITE).then(|| Duration::from_secs(seconds.into()))
}

impl Information {
    pub(super) fn read(message: &Message) -> Self {
        let host = |address: &Ipv6Addr| !(address.is_unspecified() || address.is_multicast());
        let dns = wire::dns(message).into_iter().filter(host);
        let search = wire::domains(message)
            .into_iter()
            .filter_map(|text| domain(&text));
        Self {
            dns: dns.take(MOST).collect(),
            search: search.take(MOST).collect(),
        }
    }
}

/// A name that may be handed to programs.
fn domain(text: &str) -> Option<String> {
    let text = text.trim_end_matches('.');
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    (!text.is_empty() && text.len() <= LONGEST_DOMAIN && text.chars().all(plain))
        .then(|| text.to_owned())
}

/// The addresses of an association that can be; those whose time is zero are among them.
pub(super) fn addresses(association: &IANA) -> Vec<Address> {
    let all = association
        .opts
        .get_all(OptionCode::IAAddr)
        .unwrap_or_default();
    let read = |option: &DhcpOption| {
        let DhcpOption::IAAddr(one) = option else {
            return None;
        };
        // RFC 8415 21.6: such an address is left out.
        let possible = one.preferred_life <= one.valid_life
            && wire::status_in(&one.opts) == Status::Success
            && !(one.addr.is_unspecified() || one.addr.is_multicast() || one.addr.is_loopback());
        possible.then(|| Address {
            address: one.addr,
            preferred: finite(one.preferred_life),
            valid: finite(one.valid_life),
        })
    };
    all.iter().filter_map(read).take(MOST).collect()
}

/// T1 and T2; a zero leaves them to the client, who takes 0.5 and 0.8 of the shortest preferred time (RFC 8415 21.4).
/// Nothing if they contradict each other: then the association is not to be believed.
pub(super) fn times(
    association: &IANA,
    addresses: &[Address],
) -> Option<(Option<Duration>, Option<Duration>)> {
    let IANA { t1, t2, .. } = *association;
    if t1 > t2 && t2 > 0 {
        return None;
    }
    let shortest = addresses
        .iter()
        .filter_map(|one| one.preferred)
        .filter(|time| !time.is_zero())
        .min();
    let part = |part: f64| shortest.map(|time| time.mul_f64(part));
    let renew = if t1 == 0 { part(0.5) } else { finite(t1) };
    let rebind = if t2 == 0 { part(0.8) } else { finite(t2) };
    // With one of the two from each side they may cross.
    let renew = match (renew, rebind) {
        (Some(renew), Some(rebind)) => Some(renew.min(rebind)),
        (renew, _) => renew,
    };
    Some((renew, rebind))
}
