//! Finding out how large a packet the path takes, without being told.
//!
//! Job: search between the largest size known to pass and the largest that may, one probe at a time; fall back to a
//! safe size where large segments vanish and no router says so.
//! Owns: the two ends of the search, the probe under way, the pauses. Does not know: bytes to send, windows,
//! headers; sizes are whole packets.
//! ```text
//!  low ──────────── probe ──────── high        passed: low = probe        lost: once more, then high = probe - 1
//!  in use                       not above the path's MTU       vanished: low = base, and the search begins again
//! ```
//! Sources: RFC 4821 7, with the pauses and counts of RFC 8899 5.1.

use core::hash::{Hash, Hasher};

use outcrop_base::Instant;

use crate::params;
use crate::segment::StreamRange;

/// When a connection searches for the size of its path by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PathProbing {
    /// Never: only ICMP tells. A path that drops large packets silently stalls the connection.
    Off,
    /// Once large segments have vanished without a word, as hosts commonly do.
    #[default]
    OnBlackHole,
    /// From the start, beginning with a size that nearly every path takes.
    Always,
}

/// What became of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SizeFate {
    /// All of it arrived.
    Passed,
    /// It was lost, and nothing beside it.
    Lost,
    /// It was lost together with others: that says nothing about its size (RFC 4821 7.6.4).
    Unclear,
}

/// What a search has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SearchTotals {
    /// Probes that left.
    pub probes: u32,
    /// Of them lost, for whatever reason.
    pub lost: u32,
    /// Times large segments vanished without a word.
    pub black_holes: u32,
}

/// A probe under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Probe {
    size: u32,
    range: StreamRange,
}

/// The search of one connection.
#[derive(Clone, Debug)]
pub struct Search {
    /// Known to pass, or hoped to: what segments are made to fit.
    low: u32,
    /// May pass; above it, probes were lost.
    high: u32,
    /// The smallest `low` we go down to.
    floor: u32,
    probe: Option<Probe>,
    /// Probes of this size that were lost.
    losses: u8,
    /// The largest size is tried before the search halves.
    top_first: bool,
    not_before: Instant,
    totals: SearchTotals,
}

impl Search {
    /// A search from `base` up to `high`, which is tried first; segments fit `base` until it has shown more.
    #[must_use]
    pub fn new(now: Instant, is_ipv6: bool, high: u32) -> Self {
        let (base, floor) = if is_ipv6 {
            (params::MIN_MTU_V6, params::MIN_MTU_V6)
        } else {
            (params::BASE_MTU, params::MIN_MTU)
        };
        Self {
            low: base.min(high),
            high,
            floor,
            probe: None,
            losses: 0,
            top_first: true,
            not_before: now,
            totals: SearchTotals::default(),
        }
    }

    /// What was counted so far.
    #[must_use]
    pub const fn totals(&self) -> SearchTotals {
        self.totals
    }

    /// The size that segments are made to fit.
    #[must_use]
    pub const fn size(&self) -> u32 {
        self.low
    }

    /// The bytes of the stream that the probe under way carries.
    #[must_use]
    pub fn under_way(&self) -> Option<StreamRange> {
        self.probe.map(|probe| probe.range)
    }

    /// How large the next probe is, if one may leave at `now`; `ceiling` is the largest packet that anybody could
    /// want.
    #[must_use]
    pub fn wanted(&self, now: Instant, ceiling: u32) -> Option<u32> {
        if self.probe.is_some() || now < self.not_before {
            return None;
        }
        // A search that ended begins anew, up to the top (RFC 8899 5.1.1, PMTU_RAISE_TIMER).
        let ended = self.high <= self.low;
        let high = if ended {
            ceiling
        } else {
            self.high.min(ceiling)
        };
        if high <= self.low {
            return None;
        }
        let top = self.top_first || ended || high - self.low <= params::PROBE_STEP;
        Some(if top {
            high
        } else {
            self.low + (high - self.low).div_ceil(2)
        })
    }

    /// A probe of `size` left with these bytes.
    pub fn on_sent(&mut self, size: u32, range: StreamRange) {
        if self.high <= self.low {
            self.top_first = true;
        }
        self.totals.probes += 1;
        self.high = self.high.max(size);
        self.probe = Some(Probe { size, range });
    }

    /// The fate of the probe is known; returns whether segments may be larger now.
    pub fn on_fate(&mut self, now: Instant, fate: SizeFate) -> bool {
        let Some(probe) = self.probe.take() else {
            return false;
        };
        self.totals.lost += u32::from(fate != SizeFate::Passed);
        match fate {
            SizeFate::Passed => {
                self.losses = 0;
                self.top_first = false;
                self.not_before = now;
                self.low = self.low.max(probe.size);
            }
            SizeFate::Lost => {
                self.losses += 1;
                self.not_before = now + params::PROBE_PAUSE;
                if self.losses >= params::MAX_PROBES {
                    self.losses = 0;
                    self.top_first = false;
                    self.high = probe.size - 1;
                }
            }
            SizeFate::Unclear => self.not_before = now + params::PROBE_PAUSE,
        }
        // Three that failed leave less to find than is worth another three.
        let least = if fate == SizeFate::Lost && self.losses == 0 {
            params::PROBE_STEP
        } else {
            1
        };
        if self.high < self.low + least {
            self.high = self.low;
            self.not_before = now + params::PROBE_AGAIN;
        }
        fate == SizeFate::Passed
    }

    /// A router said that `mtu` is the most; a larger probe was too large.
    pub fn on_limit(&mut self, mtu: u32) {
        self.low = self.low.min(mtu);
        self.high = self.high.min(mtu).max(self.low);
        if self.probe.is_some_and(|probe| probe.size > mtu) {
            self.probe = None;
            self.losses = 0;
            self.top_first = true;
        }
    }

    /// Segments of `size` vanish: a safe size is next, and below that the smallest. Returns whether there is one.
    pub fn on_black_hole(&mut self, now: Instant, size: u32) -> bool {
        let base = self.base();
        let next = if size > base { base } else { self.floor };
        if next >= size {
            return false;
        }
        self.totals.black_holes += 1;
        self.low = next;
        self.high = size - 1;
        self.probe = None;
        self.losses = 0;
        self.top_first = false;
        self.not_before = now + params::PROBE_PAUSE;
        true
    }

    /// The first size to fall back to.
    const fn base(&self) -> u32 {
        if self.floor == params::MIN_MTU_V6 {
            params::MIN_MTU_V6
        } else {
            params::BASE_MTU
        }
    }

    /// Hashes what decides the future, times relative to `now`.
    pub fn fingerprint(&self, now: Instant, mut into: &mut dyn Hasher) {
        let wait = self.not_before.max(now) - now;
        let ends = (self.low, self.high, self.floor);
        (ends, self.probe, self.losses, self.top_first, wait).hash(&mut into);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    const RANGE: StreamRange = StreamRange {
        start: 0,
        end: 1000,
    };

    /// Searches a path that passes `fits`; returns the sizes probed and what the search came to.
    fn search(mut search: Search, fits: u32, ceiling: u32) -> (Vec<u32>, u32) {
        let (mut now, mut sizes) = (Instant::from_secs(1), Vec::new());
        while now < Instant::from_secs(300) {
            if let Some(size) = search.wanted(now, ceiling) {
                sizes.push(size);
                search.on_sent(size, RANGE);
                let fate = if size <= fits {
                    SizeFate::Passed
                } else {
                    SizeFate::Lost
                };
                let _larger = search.on_fate(now, fate);
            }
            now += Duration::from_millis(100);
        }
        (sizes, search.size())
    }

    #[test]
    fn search_from_the_start_clear_path_takes_one_probe() {
        let fresh = Search::new(Instant::ZERO, false, 1500);
        assert_eq!(fresh.size(), 1200);
        assert_eq!(search(fresh, 1500, 1500), (vec![1500], 1500));
    }

    #[test]
    fn search_of_every_narrow_path_comes_within_a_step_and_never_above() {
        for fits in (1200..1500).chain([1280, 1480, 1492]) {
            let (sizes, found) = search(Search::new(Instant::ZERO, false, 1500), fits, 1500);
            assert!(
                found <= fits && fits - found < params::PROBE_STEP,
                "{fits}: {found}"
            );
            // Each size that is too large costs three probes, each that fits one.
            assert!(sizes.len() <= 32, "{fits}: {sizes:?}");
        }
    }

    #[test]
    fn black_hole_falls_to_base_then_floor_and_search_begins_below_what_vanished() {
        let mut search = Search::new(Instant::ZERO, false, 1500);
        search.low = 1500;
        assert!(search.on_black_hole(Instant::ZERO, 1500));
        assert_eq!(search.size(), 1200);
        assert!(search.on_black_hole(Instant::ZERO, 1200));
        assert_eq!(search.size(), params::MIN_MTU);
        assert!(!search.on_black_hole(Instant::ZERO, params::MIN_MTU));
        let later = Instant::ZERO + params::PROBE_PAUSE;
        assert_eq!(search.wanted(Instant::ZERO, 1500), None, "a pause first");
        assert!(search.wanted(later, 1500).is_some_and(|size| size < 1200));
        let mut v6 = Search::new(Instant::ZERO, true, 1500);
        assert_eq!(v6.size(), 1280);
        assert!(
            !v6.on_black_hole(Instant::ZERO, 1280),
            "every link takes 1280"
        );
    }

    #[test]
    fn ended_search_begins_again_at_the_top_after_ten_minutes() {
        let mut search = Search::new(Instant::ZERO, false, 1500);
        search.on_sent(1500, RANGE);
        assert!(search.on_fate(Instant::ZERO, SizeFate::Passed));
        let end = Instant::ZERO + params::PROBE_AGAIN;
        assert_eq!(search.wanted(end, 1500), None, "nothing larger to find");
        assert_eq!(search.wanted(end, 9000), Some(9000));
    }

    #[test]
    fn router_that_speaks_ends_the_guessing() {
        let mut search = Search::new(Instant::ZERO, false, 1500);
        search.on_sent(1500, RANGE);
        search.on_limit(1400);
        assert_eq!(search.under_way(), None);
        assert_eq!(search.wanted(Instant::ZERO, 1500), Some(1400));
        search.on_limit(1000);
        assert_eq!(search.size(), 1000);
    }

    // RFC 4821 7.4 and 7.6.2: one at a time, and a pause after one that was lost.
    #[test]
    fn probe_under_way_or_just_lost_no_other_is_wanted() {
        let mut search = Search::new(Instant::ZERO, false, 1500);
        search.on_sent(1500, RANGE);
        assert_eq!(search.wanted(Instant::from_secs(9), 1500), None);
        let now = Instant::from_secs(10);
        assert!(!search.on_fate(now, SizeFate::Lost));
        let paused = now + params::PROBE_PAUSE;
        assert_eq!(search.wanted(Instant::from_millis(10_999), 1500), None);
        assert_eq!(search.wanted(paused, 1500), Some(1500));
    }

    #[test]
    fn unclear_loss_changes_no_end() {
        let mut search = Search::new(Instant::ZERO, false, 1500);
        for n in 0..10 {
            let now = Instant::from_secs(n * 10);
            assert_eq!(search.wanted(now, 1500), Some(1500));
            search.on_sent(1500, RANGE);
            assert!(!search.on_fate(now, SizeFate::Unclear));
        }
    }
}
