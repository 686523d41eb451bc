//! What a router says of itself on a link, and when.
//!
//! Job: keep the settings of RFC 4861 6.2.1 within their bounds, and draw the moments to speak. Owns: one schedule a
//! family. Does not know: how a message is written; `endpoint/advertise` sends it.
//! Sources: RFC 4861 6.2 and 10, RFC 8106 5.1 (resolvers), RFC 1256 4 and 5 (the same for IPv4).

use core::hash::{Hash, Hasher};
use core::net::Ipv6Addr;
use core::time::Duration;

use outcrop_base::{Instant, InterfaceId, Random};

use crate::ConfigError;
use crate::wire::ipv6;
use crate::wire::nd::{Prefix, Router};

/// The first advertisements come sooner, so that hosts which began with the router need not wait (RFC 4861 10).
const INITIAL: u8 = 3;
const INITIAL_INTERVAL: Duration = Duration::from_secs(16);
/// Nothing makes a router speak to all more often than that (RFC 4861 10).
pub(crate) const MIN_DELAY: Duration = Duration::from_secs(3);
/// Answers are spread over so much time (RFC 4861 10, RFC 1256 5).
const RESPONSE_V6: Duration = Duration::from_millis(500);
const RESPONSE_V4: Duration = Duration::from_secs(2);
/// Prefixes, resolvers and domains of one advertisement: what hosts keep, and what fits the smallest MTU.
const MAX_LISTED: usize = 16;

/// What a router says on one link (RFC 4861 6.2.1); the defaults are the RFC's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Advertising {
    /// The longest time between two advertisements: 4 to 1800 seconds.
    pub max_interval: Duration,
    /// The shortest: 3 seconds to three quarters of the longest.
    pub min_interval: Duration,
    /// The router itself. Its lifetime is zero, or between the longest interval and 9000 seconds.
    pub router: Router,
    /// The link's MTU, if hosts are to be told.
    pub mtu: Option<u32>,
    /// Prefixes. Empty: those of our addresses on the link, with the times below.
    pub prefixes: Vec<Prefix>,
    /// Seconds such a prefix is good for: thirty days.
    pub valid: u32,
    /// Seconds an address of it begins new things: seven days.
    pub preferred: u32,
    /// Who resolves names. How long follows from the interval (RFC 8106 5.1).
    pub resolvers: Vec<Ipv6Addr>,
    /// Which domains are searched.
    pub domains: Vec<String>,
    /// Whether IPv4 hosts are told too (RFC 1256), at the same intervals.
    pub v4: bool,
}

impl Default for Advertising {
    fn default() -> Self {
        Self::every(Duration::from_secs(600))
    }
}

impl Advertising {
    /// The defaults that follow from the longest interval.
    #[must_use]
    pub fn every(max_interval: Duration) -> Self {
        // RFC 4861 6.2.1: a third of it, but as much as there is of a very short one.
        let min_interval = if max_interval >= Duration::from_secs(9) {
            max_interval.mul_f64(0.33)
        } else {
            max_interval.mul_f64(0.75)
        };
        let lifetime = u16::try_from(max_interval.as_secs() * 3).unwrap_or(u16::MAX);
        Self {
            max_interval,
            min_interval: min_interval.max(MIN_DELAY),
            router: Router {
                hop_limit: outcrop_base::DEFAULT_HOP_LIMIT,
                lifetime,
                ..Router::default()
            },
            mtu: None,
            prefixes: Vec::new(),
            valid: 30 * 86_400,
            preferred: 7 * 86_400,
            resolvers: Vec::new(),
            domains: Vec::new(),
            v4: false,
        }
    }

    /// Seconds that resolvers and domains are good for.
    pub(crate) fn naming_lifetime(&self) -> u32 {
        u32::try_from(self.max_interval.as_secs() * 3).unwrap_or(u32::MAX)
    }

    /// Whether every value is one that the RFC allows, on a link of this MTU.
    pub(crate) fn check(&self, link_mtu: u32) -> Result<(), ConfigError> {
        let seconds = Duration::from_secs;
        let lifetime = seconds(u64::from(self.router.lifetime));
        let listed = [
            self.prefixes.len(),
            self.resolvers.len(),
            self.domains.len(),
        ];
        let bounds = [
            (
                (seconds(4)..=seconds(1800)).contains(&self.max_interval),
                "the longest interval must be 4 to 1800 seconds",
            ),
            (
                (MIN_DELAY..=self.max_interval.mul_f64(0.75).max(MIN_DELAY))
                    .contains(&self.min_interval),
                "the shortest interval must be 3 seconds to three quarters of the longest",
            ),
            (
                lifetime.is_zero() || (self.max_interval..=seconds(9000)).contains(&lifetime),
                "the lifetime must be zero, or between the longest interval and 9000 seconds",
            ),
            (
                self.router.reachable <= 3_600_000,
                "a neighbour counts as reachable for an hour at most",
            ),
            (
                self.mtu
                    .is_none_or(|mtu| (ipv6::MIN_MTU..=link_mtu).contains(&mtu)),
                "the MTU must be 1280 bytes or more, and fit the link",
            ),
            (
                self.preferred <= self.valid
                    && self
                        .prefixes
                        .iter()
                        .all(|prefix| prefix.preferred <= prefix.valid),
                "a prefix cannot be preferred for longer than it is valid",
            ),
            (
                listed.iter().all(|count| *count <= MAX_LISTED),
                "no more than 16 prefixes, resolvers or domains",
            ),
        ];
        match bounds.into_iter().find(|(holds, _)| !holds) {
            Some((_, why)) => Err(ConfigError::Advertising(why)),
            None => Ok(()),
        }
    }
}

/// Which of a link's two voices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Voice {
    /// Router advertisements of neighbour discovery.
    V6,
    /// RFC 1256's.
    V4,
}

impl Voice {
    const fn response(self) -> Duration {
        match self {
            Self::V6 => RESPONSE_V6,
            Self::V4 => RESPONSE_V4,
        }
    }
}

/// When one voice speaks.
#[derive(Clone, Copy, Debug)]
struct Schedule {
    voice: Voice,
    /// The next time; none before there is an address to speak from.
    next: Option<Instant>,
    last: Option<Instant>,
    initial: u8,
}

impl Schedule {
    const fn new(voice: Voice) -> Self {
        Self {
            voice,
            next: None,
            last: None,
            initial: INITIAL,
        }
    }

    /// A host asks (RFC 4861 6.2.6): all are answered, soon, but not sooner than it is allowed.
    fn asked(&mut self, now: Instant, random: &mut Random) {
        let delay = self.voice.response().mul_f64(random.unit());
        let soon = now + delay;
        let at = match self.last {
            Some(last) if soon < last + MIN_DELAY => last + MIN_DELAY + delay,
            Some(_) | None => soon,
        };
        self.next = self.next.map(|next| next.min(at));
    }

    /// Whether it is time; the next time is drawn then (RFC 4861 6.2.4).
    fn due(&mut self, now: Instant, config: &Advertising, random: &mut Random) -> bool {
        if self.next.is_none_or(|next| next > now) {
            return false;
        }
        let spread = config.max_interval - config.min_interval;
        let mut interval = config.min_interval + spread.mul_f64(random.unit());
        if self.initial > 0 {
            self.initial -= 1;
            interval = interval.min(INITIAL_INTERVAL);
        }
        self.last = Some(now);
        self.next = Some(now + interval);
        true
    }
}

/// One link on which we are a router.
#[derive(Clone, Debug)]
pub(crate) struct Advertiser {
    pub(crate) iface: InterfaceId,
    pub(crate) config: Advertising,
    voices: Vec<Schedule>,
}

impl Advertiser {
    pub(crate) fn new(iface: InterfaceId, config: Advertising) -> Self {
        let voices = [Some(Voice::V6), config.v4.then_some(Voice::V4)];
        let voices = voices.into_iter().flatten().map(Schedule::new).collect();
        Self {
            iface,
            config,
            voices,
        }
    }

    /// There is an address to speak from.
    pub(crate) fn begin(&mut self, now: Instant, voice: Voice) {
        for schedule in self.voices.iter_mut().filter(|s| s.voice == voice) {
            schedule.next.get_or_insert(now);
        }
    }

    pub(crate) fn asked(&mut self, now: Instant, voice: Voice, random: &mut Random) {
        for schedule in self.voices.iter_mut().filter(|s| s.voice == voice) {
            schedule.asked(now, random);
        }
    }

    /// The next voice whose time it is.
    pub(crate) fn due(&mut self, now: Instant, random: &mut Random) -> Option<Voice> {
        let config = &self.config;
        self.voices
            .iter_mut()
            .find_map(|voice| voice.due(now, config, random).then_some(voice.voice))
    }

    /// The voices that have spoken, which are to say that it is over.
    pub(crate) fn spoken(&self) -> Vec<Voice> {
        let spoken = self.voices.iter().filter(|voice| voice.last.is_some());
        spoken.map(|voice| voice.voice).collect()
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.voices.iter().filter_map(|voice| voice.next).min()
    }

    pub(crate) fn fingerprint(&self, now: Instant, mut into: &mut dyn Hasher) {
        (self.iface, &self.config).hash(&mut into);
        for Schedule {
            voice,
            next,
            last,
            initial,
        } in &self.voices
        {
            let ahead = next.map(|at| at.saturating_since(now));
            let since = last.map(|at| now.saturating_since(at).min(MIN_DELAY));
            (voice, ahead, since, initial).hash(&mut into);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_follow_from_the_interval_as_the_rfc_says() {
        // RFC 4861 6.2.1, RFC 8106 5.1.
        let usual = Advertising::default();
        assert_eq!(usual.min_interval, Duration::from_secs(198));
        assert_eq!((usual.router.lifetime, usual.router.hop_limit), (1800, 64));
        assert_eq!((usual.valid, usual.preferred), (2_592_000, 604_800));
        assert_eq!(usual.naming_lifetime(), 1800);
        let quick = Advertising::every(Duration::from_secs(4));
        assert_eq!((quick.min_interval, quick.router.lifetime), (MIN_DELAY, 12));
        for config in [usual, quick, Advertising::every(Duration::from_secs(1800))] {
            assert_eq!(config.check(1500), Ok(()));
        }
    }

    #[test]
    fn values_beyond_the_rfcs_bounds_are_refused_in_words() {
        let change = |change: fn(&mut Advertising)| {
            let mut config = Advertising::default();
            change(&mut config);
            config.check(1500).unwrap_err().to_string()
        };
        for (said, why) in [
            (
                change(|c| c.max_interval = Duration::from_secs(3)),
                "4 to 1800",
            ),
            (
                change(|c| c.max_interval = Duration::from_secs(1801)),
                "4 to 1800",
            ),
            (
                change(|c| c.min_interval = Duration::from_secs(2)),
                "three quarters",
            ),
            (
                change(|c| c.min_interval = Duration::from_secs(451)),
                "three quarters",
            ),
            (change(|c| c.router.lifetime = 599), "lifetime"),
            (change(|c| c.router.lifetime = 9001), "lifetime"),
            (change(|c| c.router.reachable = 3_600_001), "an hour"),
            (change(|c| c.mtu = Some(1279)), "1280"),
            (change(|c| c.mtu = Some(1501)), "fit the link"),
            (change(|c| c.preferred = c.valid + 1), "longer than"),
            (
                change(|c| c.domains = vec!["a".to_owned(); 17]),
                "no more than 16",
            ),
        ] {
            assert!(said.contains(why), "{said}");
        }
    }
}
