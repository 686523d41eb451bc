//! Losses found by time.
//!
//! Job: declare lost what was sent a reordering window before something that has already arrived.
//! Owns: the latest delivery, the reordering window, the transmissions in the order they left. Does not know: windows.
//! Ties in time are decided by the order of transmission, and within one super-segment by offset.
//! Sources: RFC 8985 6.

use std::collections::VecDeque;

use core::hash::{Hash, Hasher};
use core::time::Duration;

use outcrop_base::Instant;

use crate::params::{DUP_THRESH, REO_WND_PERSIST};
use crate::rtt::RttEstimator;
use crate::segment::StreamRange;
use crate::tx_record::{Fate, TxRecord, TxRecords};

/// RACK's state.
#[derive(Clone, Debug)]
pub struct Rack {
    /// Of everything delivered, what was sent last.
    latest: Option<Latest>,
    /// RACK.fack: the highest offset delivered.
    high: u64,
    reordering_seen: bool,
    /// Overtakings not yet reported.
    reorderings: u32,
    /// RACK.reo_wnd_mult, and after how many recoveries it falls back to one.
    multiplier: u32,
    persist: u8,
    /// No second D-SACK counts before SND.UNA passes this.
    dsack_round: Option<u64>,
    /// Transmissions as they left; what has been delivered or sent again since is skipped.
    sent: VecDeque<Transmission>,
    deadline: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Latest {
    order: u64,
    end: u64,
    /// RACK.rtt: how long it took.
    rtt: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Transmission {
    order: u64,
    range: StreamRange,
}

impl Default for Rack {
    fn default() -> Self {
        Self {
            latest: None,
            high: 0,
            reordering_seen: false,
            reorderings: 0,
            multiplier: 1,
            persist: 0,
            dsack_round: None,
            sent: VecDeque::new(),
            deadline: None,
        }
    }
}

/// What RACK has learned about the path, apart from single transmissions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Habits {
    reordering_seen: bool,
    multiplier: u32,
    persist: u8,
}

/// What the reordering window depends on.
#[derive(Clone, Copy, Debug)]
pub struct Situation {
    /// A loss is being repaired.
    pub in_recovery: bool,
    /// A full segment.
    pub mss: u64,
}

impl Rack {
    /// What stays when everything sent has arrived.
    pub(crate) const fn habits(&self) -> Habits {
        Habits {
            reordering_seen: self.reordering_seen,
            multiplier: self.multiplier,
            persist: self.persist,
        }
    }

    /// RACK on a path known by `habits`, with everything before `una` delivered.
    pub(crate) fn with_habits(una: u64, habits: Habits) -> Self {
        Self {
            high: una,
            reordering_seen: habits.reordering_seen,
            multiplier: habits.multiplier,
            persist: habits.persist,
            ..Self::default()
        }
    }

    /// When to look again.
    #[must_use]
    pub const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// `range` left as transmission number `order`.
    pub fn on_sent(&mut self, range: StreamRange, order: u64) {
        self.sent.push_back(Transmission { order, range });
    }

    /// Part of a record has arrived (steps 1 to 3).
    pub fn on_delivered(
        &mut self,
        now: Instant,
        record: &TxRecord,
        echo: Option<Instant>,
        min_rtt: Option<Duration>,
    ) {
        let rtt = now - record.sent_at;
        if record.retransmitted() {
            // Which transmission arrived? Not the latest, if the echo is older or it came too fast.
            let older = echo.is_some_and(|echo| echo.as_millis() < record.sent_at.as_millis());
            if older || min_rtt.is_some_and(|min| rtt < min) {
                return;
            }
        } else if record.range.end < self.high {
            self.reordering_seen = true;
            self.reorderings = self.reorderings.saturating_add(1);
        }
        self.high = self.high.max(record.range.end);
        let key = (record.order, record.range.end);
        if self
            .latest
            .is_none_or(|latest| key > (latest.order, latest.end))
        {
            self.latest = Some(Latest {
                order: record.order,
                end: record.range.end,
                rtt,
            });
        }
    }

    /// What looked like a loss was a change of order.
    pub const fn on_reordering(&mut self) {
        self.reordering_seen = true;
    }

    /// A retransmission was needless: what its acknowledgment seemed to time was the original's.
    pub const fn on_spurious(&mut self) {
        self.latest = None;
        self.deadline = None;
    }

    /// A D-SACK arrived: we retransmitted too early (step 4).
    pub fn on_duplicate(&mut self, una: u64, nxt: u64) {
        if self.dsack_round.is_none_or(|round| una >= round) {
            self.dsack_round = Some(nxt);
            self.multiplier = self.multiplier.saturating_add(1);
            self.persist = REO_WND_PERSIST;
        }
    }

    /// A recovery ended (step 4).
    pub const fn on_recovered(&mut self) {
        self.persist = self.persist.saturating_sub(1);
        if self.persist == 0 {
            self.multiplier = 1;
        }
    }

    /// How often something delivered since the last call had been overtaken.
    pub const fn take_reorderings(&mut self) -> u32 {
        core::mem::replace(&mut self.reorderings, 0)
    }

    /// The reordering window at present, outside of recovery.
    #[must_use]
    pub fn reorder_window(&self, rtt: &RttEstimator) -> Option<Duration> {
        let window = (rtt.min()? / 4).saturating_mul(self.multiplier);
        Some(window.min(rtt.srtt().unwrap_or_default()))
    }

    /// RACK_update_reo_wnd (step 4).
    fn window(&self, rtt: &RttEstimator, s: &Situation, records: &TxRecords) -> Duration {
        if !self.reordering_seen && (s.in_recovery || enough_sacked(records, s.mss)) {
            return Duration::ZERO;
        }
        let quarter = rtt.min().unwrap_or_default() / 4;
        let window = quarter.saturating_mul(self.multiplier);
        window.min(rtt.srtt().unwrap_or_default())
    }

    /// Declares losses (step 5); returns the hull of what was lost and how many bytes of it.
    pub fn detect(
        &mut self,
        now: Instant,
        rtt: &RttEstimator,
        s: &Situation,
        records: &mut TxRecords,
    ) -> Option<(StreamRange, u64)> {
        self.deadline = None;
        let latest = self.latest?;
        if records.count() == 0 && self.sent.back().is_none_or(|t| t.order <= latest.order) {
            // Everything has arrived: what a request and its answer nearly always come to.
            self.sent.clear();
            return None;
        }
        let patience = latest.rtt + self.window(rtt, s, records);
        let mut found: Option<(StreamRange, u64)> = None;
        while let Some(oldest) = self.sent.front().copied() {
            if oldest.order > latest.order {
                break;
            }
            let live = records
                .overlapping(oldest.range)
                .find(|r| r.order == oldest.order && r.fate == Fate::InFlight)
                .copied();
            let Some(record) = live else {
                self.sent.pop_front();
                continue;
            };
            if record.order == latest.order && record.range.end > latest.end {
                break;
            }
            let due = record.sent_at + patience;
            if due > now {
                self.deadline = Some(due);
                break;
            }
            let bytes = records.on_lost(record.range);
            let hull = found.map_or(record.range, |(hull, _)| {
                StreamRange::new(
                    hull.start.min(record.range.start),
                    hull.end.max(record.range.end),
                )
            });
            found = Some((hull, found.map_or(0, |(_, sum)| sum) + bytes));
        }
        self.compact(records);
        found
    }

    /// Keeps the list of transmissions no longer than twice what is alive.
    fn compact(&mut self, records: &TxRecords) {
        if self.sent.len() > 2 * records.count() + 64 {
            self.rebuild(records);
        }
    }

    /// Makes the list anew: fates were changed in other ways than by delivery.
    pub fn rebuild(&mut self, records: &TxRecords) {
        let alive = records.iter().filter(|r| r.fate == Fate::InFlight);
        let mut sent: Vec<_> = alive
            .map(|r| Transmission {
                order: r.order,
                range: r.range,
            })
            .collect();
        sent.sort_by_key(|t| (t.order, t.range.start));
        self.sent = sent.into();
    }

    /// Hashes what decides the future, times relative to `now`.
    pub fn fingerprint(&self, now: Instant, mut into: &mut dyn Hasher) {
        let latest = self.latest.map(|l| (l.end, l.rtt));
        let deadline = self.deadline.map(|at| (at - now, now - at));
        (latest, deadline, self.high, self.reordering_seen).hash(&mut into);
        (self.multiplier, self.persist, self.dsack_round).hash(&mut into);
        for transmission in &self.sent {
            transmission.range.hash(&mut into);
        }
    }
}

/// Whether at least [`DUP_THRESH`] segments are selectively acknowledged.
fn enough_sacked(records: &TxRecords, mss: u64) -> bool {
    let threshold = u64::from(DUP_THRESH);
    if records.sacked() >= threshold * mss.max(1) {
        return true;
    }
    if records.sacked() == 0 {
        return false;
    }
    let mut segments = 0;
    for record in records.iter().rev().filter(|r| r.fate == Fate::Sacked) {
        segments += record.len().div_ceil(mss.max(1));
        if segments >= threshold {
            return true;
        }
    }
    false
}
