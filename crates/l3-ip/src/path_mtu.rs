//! Paths that are narrower than the link they begin with.
//!
//! Job: remember for a while how large a packet reaches a destination.
//! Owns: the entries and their age. Does not know: whether the news was true; the transport it concerns decides.
//! Sources: RFC 1191 6.3, RFC 8201 4 and 5.3.

use std::collections::{BTreeMap, VecDeque};

use core::hash::{Hash, Hasher};
use core::net::IpAddr;
use core::time::Duration;

use outcrop_base::Instant;

use crate::wire::ipv6;

/// The smallest path MTU believed for IPv4. RFC 1191 3 allows 68, with which a forger could make us send
/// a dozen bytes a packet; every link of the last decades carries what is needed for 552, and TCP's default
/// segment of 536 fits in 576.
const FLOOR_V4: u32 = 552;

#[derive(Clone, Debug)]
pub(crate) struct PathMtus {
    age: Duration,
    max: usize,
    entries: BTreeMap<IpAddr, u32>,
    /// When entries are forgotten, soonest first: one for each entry, all of the same age.
    expiry: VecDeque<(Instant, IpAddr)>,
}

impl PathMtus {
    pub(crate) const fn new(age: Duration, max: usize) -> Self {
        Self {
            age,
            max,
            entries: BTreeMap::new(),
            expiry: VecDeque::new(),
        }
    }

    /// The MTU of the path to `dst`, if it is narrower than the link's `mtu`.
    pub(crate) fn limit(&self, dst: IpAddr, mtu: u32) -> u32 {
        if self.entries.is_empty() {
            return mtu;
        }
        self.entries.get(&dst).map_or(mtu, |entry| mtu.min(*entry))
    }

    /// Believes that `mtu` is the most that reaches `dst`; never more than believed before
    /// (RFC 8201 4). Returns the new MTU if it changed.
    pub(crate) fn learn(
        &mut self,
        now: Instant,
        dst: IpAddr,
        mtu: u32,
        current: u32,
    ) -> Option<u32> {
        let floor = match dst {
            IpAddr::V4(_) => FLOOR_V4,
            IpAddr::V6(_) => ipv6::MIN_MTU,
        };
        let mtu = mtu.max(floor);
        if mtu >= current || self.max == 0 {
            return None;
        }
        if self.entries.insert(dst, mtu).is_some() {
            self.expiry.retain(|(_, addr)| *addr != dst);
        }
        self.expiry.push_back((now + self.age, dst));
        if self.entries.len() > self.max
            && let Some((_, oldest)) = self.expiry.pop_front()
        {
            self.entries.remove(&oldest);
        }
        Some(mtu)
    }

    /// Forgets what is known about `dst`; returns whether anything was.
    pub(crate) fn forget(&mut self, dst: IpAddr) -> bool {
        let known = self.entries.remove(&dst).is_some();
        if known {
            self.expiry.retain(|(_, addr)| *addr != dst);
        }
        known
    }

    pub(crate) fn next_expiry(&self) -> Option<Instant> {
        self.expiry.front().map(|(at, _)| *at)
    }

    /// Forgets one entry whose time has come: a larger packet may be tried again.
    pub(crate) fn forget_due(&mut self, now: Instant) -> Option<IpAddr> {
        let (at, dst) = *self.expiry.front()?;
        if at > now {
            return None;
        }
        self.expiry.pop_front();
        self.entries.remove(&dst);
        Some(dst)
    }

    pub(crate) fn fingerprint(&self, now: Instant, into: &mut dyn Hasher) {
        let mut into = into;
        self.entries.hash(&mut into);
        for (at, dst) in &self.expiry {
            (at.saturating_since(now), dst).hash(&mut into);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGE: Duration = Duration::from_secs(600);

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn path_narrows_until_its_time_is_over() {
        let mut paths = PathMtus::new(AGE, 8);
        let (dst, t0) = (ip("10.0.0.9"), Instant::ZERO);
        assert_eq!(paths.learn(t0, dst, 1400, 1500), Some(1400));
        assert_eq!(paths.learn(t0, dst, 1450, 1400), None, "never wider");
        assert_eq!(
            paths.learn(Instant::from_secs(10), dst, 1300, 1400),
            Some(1300)
        );
        assert_eq!(paths.limit(dst, 1500), 1300);
        assert_eq!(paths.limit(ip("10.0.0.8"), 1500), 1500);
        assert_eq!(paths.next_expiry(), Some(Instant::from_secs(610)));
        assert_eq!(paths.forget_due(Instant::from_secs(609)), None);
        assert_eq!(paths.forget_due(Instant::from_secs(610)), Some(dst));
        assert_eq!(paths.limit(dst, 1500), 1500);
    }

    #[test]
    fn tiny_mtu_is_believed_only_down_to_the_floor() {
        let mut paths = PathMtus::new(AGE, 8);
        assert_eq!(
            paths.learn(Instant::ZERO, ip("10.0.0.9"), 68, 1500),
            Some(552)
        );
        assert_eq!(
            paths.learn(Instant::ZERO, ip("fd77::9"), 68, 1500),
            Some(1280)
        );
    }

    #[test]
    fn path_forgotten_early_is_as_wide_as_the_link_and_expires_no_more() {
        let mut paths = PathMtus::new(AGE, 8);
        let dst = ip("10.0.0.9");
        assert!(!paths.forget(dst));
        let _narrow = paths.learn(Instant::ZERO, dst, 1400, 1500);
        assert!(paths.forget(dst));
        assert_eq!(paths.limit(dst, 1500), 1500);
        assert_eq!(paths.next_expiry(), None);
    }

    #[test]
    fn a_full_cache_forgets_its_oldest_entry() {
        let mut paths = PathMtus::new(AGE, 2);
        for n in 1..=3u8 {
            let dst = IpAddr::from([10, 0, 0, n]);
            let _ = paths.learn(Instant::from_secs(n.into()), dst, 1400, 1500);
        }
        assert_eq!(paths.limit(ip("10.0.0.1"), 1500), 1500);
        assert_eq!(paths.limit(ip("10.0.0.3"), 1500), 1400);
    }
}
