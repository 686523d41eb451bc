//! What a server granted.
//!
//! Job: read a lease out of an acknowledgment, checked. Owns: the defaults of what it does not say.
//! Does not know: who waits for it. Sources: RFC 2131 4.4.1, 4.4.5; RFC 2132; RFC 3442.

use core::net::Ipv4Addr;
use core::time::Duration;

use dhcproto::v4::Message;
use outcrop_base::Random;

use super::wire;

/// RFC 2131 3.3: a lease that never ends.
const INFINITE: u32 = u32::MAX;
/// RFC 2131 4.4.5: T1 and T2 as parts of the lease.
const T1_PART: f64 = 0.5;
const T2_PART: f64 = 0.875;
/// How far T1 and T2 are drawn forward at most, as a part of the lease: so that hosts that started together do not
/// renew together.
const FUZZ: f64 = 0.03;
/// RFC 791: no link is narrower, so nothing below is believed.
const LEAST_MTU: u16 = 68;
/// Routers, resolvers and routes that are kept of each.
const MOST: usize = 16;
/// RFC 1035 2.3.4.
const LONGEST_DOMAIN: usize = 253;

/// A way to a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Route {
    /// The network.
    pub network: Ipv4Addr,
    /// How many of its bits count.
    pub prefix: u8,
    /// Who leads there; unspecified means that it is on this link.
    pub router: Ipv4Addr,
}

/// An address for a time, and what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lease {
    /// The address.
    pub address: Ipv4Addr,
    /// How many bits of it name the network.
    pub prefix: u8,
    /// Ways out, the best first. With RFC 3442's option these are its routes, else one default route a router.
    pub routes: Vec<Route>,
    /// Resolvers, the best first.
    pub dns: Vec<Ipv4Addr>,
    /// The domain that names without a dot are in.
    pub domain: Option<String>,
    /// The link's MTU, where the server says one.
    pub mtu: Option<u16>,
    /// Who granted it.
    pub server: Ipv4Addr,
    /// How long it is good for, from the request on; `None`: for ever.
    pub time: Option<Duration>,
    /// When to ask its server for more, from the request on.
    pub renew: Duration,
    /// When to ask any server.
    pub rebind: Duration,
}

/// Whether a host may have it.
pub(crate) const fn is_host(address: Ipv4Addr) -> bool {
    !(address.is_unspecified()
        || address.is_broadcast()
        || address.is_multicast()
        || address.is_loopback())
}

impl Lease {
    /// The lease in an acknowledgment, unless it lacks what it must say.
    pub(crate) fn read(message: &Message, random: &mut Random) -> Option<Self> {
        let address = Some(message.yiaddr()).filter(|address| is_host(*address))?;
        let server = wire::server_id(message).filter(|server| is_host(*server))?;
        let seconds = wire::lease_time(message).filter(|seconds| *seconds > 0)?;
        let prefix = match wire::subnet_mask(message) {
            Some(mask) => prefix(mask)?,
            None => class(address),
        };
        let time = Duration::from_secs(seconds.into());
        let (renew, rebind) = times(message, time, random);
        Some(Self {
            address,
            prefix,
            routes: routes(message),
            dns: few(wire::dns(message)),
            domain: wire::domain(message).and_then(|text| domain(&text)),
            mtu: wire::mtu(message).filter(|mtu| *mtu >= LEAST_MTU),
            server,
            time: (seconds != INFINITE).then_some(time),
            renew,
            rebind,
        })
    }
}

/// T1 and T2: the server's if they are in order, else parts of the lease.
fn times(message: &Message, time: Duration, random: &mut Random) -> (Duration, Duration) {
    let said = |seconds: Option<u32>| seconds.map(|seconds| Duration::from_secs(seconds.into()));
    let fuzz = random.unit() * FUZZ;
    let t2 = said(wire::rebinding(message))
        .filter(|t2| !t2.is_zero() && *t2 < time)
        .unwrap_or_else(|| time.mul_f64(T2_PART - fuzz));
    let t1 = said(wire::renewal(message))
        .filter(|t1| !t1.is_zero() && *t1 < t2)
        .unwrap_or_else(|| {
            time.mul_f64(T1_PART - fuzz)
                .min(t2.mul_f64(T1_PART / T2_PART))
        });
    (t1, t2)
}

/// The bits of a mask, if they stand together.
fn prefix(mask: Ipv4Addr) -> Option<u8> {
    let bits = u32::from(mask);
    let ones = bits.leading_ones();
    (bits.count_ones() == ones)
        .then_some(ones)
        .and_then(|ones| u8::try_from(ones).ok())
}

/// The network part by class, for servers of old (RFC 950 2.1).
const fn class(address: Ipv4Addr) -> u8 {
    match address.octets() {
        [0..=127, ..] => 8,
        [128..=191, ..] => 16,
        [192..=255, ..] => 24,
    }
}

fn few(addresses: Option<Vec<Ipv4Addr>>) -> Vec<Ipv4Addr> {
    let hosts = addresses
        .into_iter()
        .flatten()
        .filter(|address| is_host(*address));
    hosts.take(MOST).collect()
}

fn routes(message: &Message) -> Vec<Route> {
    // RFC 3442: where the option is, the routers are not looked at.
    if let Some(routes) = wire::routes(message) {
        let each = routes.into_iter().map(|(network, prefix, router)| Route {
            network,
            prefix,
            router,
        });
        return each.take(MOST).collect();
    }
    let default = |router| Route {
        network: Ipv4Addr::UNSPECIFIED,
        prefix: 0,
        router,
    };
    few(wire::routers(message))
        .into_iter()
        .map(default)
        .collect()
}

/// A name that may be handed to programs: letters, digits, dots and hyphens.
fn domain(text: &str) -> Option<String> {
    let text = text.trim_end_matches(['\0', '.']);
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    (!text.is_empty() && text.len() <= LONGEST_DOMAIN && text.chars().all(plain))
        .then(|| text.to_owned())
}
