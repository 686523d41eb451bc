//! What a run has counted.
//!
//! Job: numbers for the report at the end and for live display. Owns: the counters.
//! Does not know: any packet. Every drop has its reason, every verdict its rule.

use outcrop_base::{DropReason, Fate, RuleRef, Verdict};

/// Packets and bytes that crossed the device, and what became of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets received.
    pub packets_in: u64,
    /// Bytes received, headers included.
    pub bytes_in: u64,
    /// Packets sent.
    pub packets_out: u64,
    /// Bytes sent, headers included.
    pub bytes_out: u64,
    /// Packets the device refused: lost, and repaired by timers.
    pub lost_out: u64,
    /// Packets handed on to the next shard of the host.
    pub strays_out: u64,
    /// Packets that another shard of the host handed over; they were counted where they came in.
    pub strays_in: u64,
    /// Turns of the loop.
    pub turns: u64,
    dropped: Vec<u64>,
    rules: Vec<(RuleRef, u64)>,
}

impl Counters {
    /// A packet of `len` bytes came in and met this verdict.
    pub fn received(&mut self, len: usize, verdict: &Verdict) {
        self.packets_in += 1;
        self.bytes_in += len as u64;
        self.judged(verdict);
    }

    /// A packet that another shard handed over met this verdict.
    pub fn taken_over(&mut self, verdict: &Verdict) {
        self.strays_in += 1;
        self.judged(verdict);
    }

    /// The same of another shard of the host as well.
    pub fn add(&mut self, other: &Self) {
        self.packets_in += other.packets_in;
        self.bytes_in += other.bytes_in;
        self.packets_out += other.packets_out;
        self.bytes_out += other.bytes_out;
        self.lost_out += other.lost_out;
        self.strays_out += other.strays_out;
        self.strays_in += other.strays_in;
        self.turns += other.turns;
        for (index, count) in other.dropped.iter().enumerate() {
            self.count_drop(index, *count);
        }
        for (rule, count) in &other.rules {
            self.rule(*rule, *count);
        }
    }

    /// So many packets that had been taken were dropped later.
    pub fn gave_up(&mut self, counts: [(DropReason, u64); 2]) {
        for (reason, count) in counts {
            if count > 0 {
                self.count_drop(reason as usize, count);
            }
        }
    }

    fn judged(&mut self, verdict: &Verdict) {
        if let Fate::Dropped(reason) = verdict.fate {
            self.count_drop(reason as usize, 1);
        }
        self.rule(verdict.rule, 1);
    }

    fn count_drop(&mut self, index: usize, more: u64) {
        if self.dropped.len() <= index {
            self.dropped.resize(index + 1, 0);
        }
        if let Some(count) = self.dropped.get_mut(index) {
            *count += more;
        }
    }

    fn rule(&mut self, rule: RuleRef, more: u64) {
        // A few dozen rules, and what was met most often stands first: a scan beats a hash.
        let same =
            |known: &RuleRef| core::ptr::eq(known.name, rule.name) || known.name == rule.name;
        let Some(at) = self.rules.iter().position(|(known, _)| same(known)) else {
            self.rules.push((rule, more));
            return;
        };
        let before = at.checked_sub(1).and_then(|at| self.rules.get(at));
        let ahead = before.map_or(u64::MAX, |(_, count)| *count);
        if let Some((_, count)) = self.rules.get_mut(at) {
            *count += more;
            if *count > ahead {
                self.rules.swap(at - 1, at);
            }
        }
    }

    /// A packet of `len` bytes went out, or the device refused it.
    pub const fn sent(&mut self, len: usize, taken: bool) {
        if taken {
            self.packets_out += 1;
            self.bytes_out += len as u64;
        } else {
            self.lost_out += 1;
        }
    }

    /// How many packets were dropped for `reason`.
    #[must_use]
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.dropped.get(reason as usize).copied().unwrap_or(0)
    }

    /// Every reason that occurred, in the order of the list.
    pub fn drops(&self) -> impl Iterator<Item = (DropReason, u64)> {
        DropReason::ALL
            .iter()
            .map(|reason| (*reason, self.dropped(*reason)))
            .filter(|(_, count)| *count > 0)
    }

    /// Every rule that decided, by name.
    #[must_use]
    pub fn rules(&self) -> Vec<(RuleRef, u64)> {
        let mut rules = self.rules.clone();
        rules.sort_unstable_by_key(|(rule, _)| *rule);
        rules
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_are_counted_by_reason_and_rule() {
        let rule = |name| RuleRef {
            name,
            source: "RFC 9293",
        };
        let mut counters = Counters::default();
        counters.received(40, &Verdict::taken(rule("tcp:a")));
        counters.received(
            40,
            &Verdict::dropped(DropReason::TcpNoSocket, rule("tcp:b")),
        );
        counters.received(
            60,
            &Verdict::dropped(DropReason::TcpNoSocket, rule("tcp:a")),
        );
        assert_eq!((counters.packets_in, counters.bytes_in), (3, 140));
        let drops: Vec<_> = counters.drops().collect();
        assert_eq!(drops, [(DropReason::TcpNoSocket, 2)]);
        assert_eq!(counters.rules(), [(rule("tcp:a"), 2), (rule("tcp:b"), 1)]);
    }
}
