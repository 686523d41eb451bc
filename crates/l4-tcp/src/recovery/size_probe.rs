//! A segment that is larger than the others on purpose.
//!
//! Job: tell what became of a probe for the path's MTU, and keep its loss from counting as congestion.
//! Owns: the probe's bytes while they are under way. Does not know: how large the segment was, what follows.
//! Sources: RFC 4821 7.6 (its loss alone is no sign of congestion; with others it is, and says nothing of the size).

use super::{Lost, Phase, Recovery};
use crate::plpmtud::SizeFate;
use crate::segment::StreamRange;
use crate::tx_record::{Fate, TxRecord};

/// The probe, by its bytes. Few connections ever have one, so it is kept aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum SizeProbe {
    /// Under way.
    UnderWay(StreamRange),
    /// Over, and nobody has asked yet.
    Over(SizeFate),
}

impl Recovery {
    /// What left last was a probe.
    pub fn on_size_probe(&mut self, range: StreamRange) {
        self.size_probe = Some(Box::new(SizeProbe::UnderWay(range)));
    }

    /// The probe under way is one no more: its bytes are data like others.
    pub fn forget_size_probe(&mut self) {
        self.size_probe = None;
    }

    /// What became of the probe, once that is known.
    pub fn take_size_fate(&mut self) -> Option<SizeFate> {
        let SizeProbe::Over(fate) = **self.size_probe.as_ref()? else {
            return None;
        };
        self.size_probe = None;
        Some(fate)
    }

    /// The bytes of the probe under way.
    fn sized(&self) -> Option<StreamRange> {
        match self.size_probe.as_deref()? {
            SizeProbe::UnderWay(range) => Some(*range),
            SizeProbe::Over(_) => None,
        }
    }

    fn end_size_probe(&mut self, fate: SizeFate) {
        if let Some(probe) = &mut self.size_probe {
            **probe = SizeProbe::Over(fate);
        }
    }

    /// After losses were looked for: whether `lost` is a probe and nothing else. All of it is lost then, whatever part
    /// was found, and no second look may blame the retransmission.
    #[inline]
    pub(super) fn judge_size(&mut self, lost: Option<&mut Lost>) -> bool {
        match self.sized() {
            Some(range) => self.judge_size_of(range, lost),
            None => false,
        }
    }

    fn judge_size_of(&mut self, range: StreamRange, lost: Option<&mut Lost>) -> bool {
        let Some(lost) = lost else {
            self.confirm_size(range);
            return false;
        };
        if lost.hull.intersection(range).is_empty() {
            self.end_size_probe(SizeFate::Unclear);
            return false;
        }
        let alone = lost.hull.intersection(range) == lost.hull && self.phase == Phase::Open;
        self.end_size_probe(if alone {
            SizeFate::Lost
        } else {
            SizeFate::Unclear
        });
        if alone {
            lost.bytes += self.records.on_lost(range);
            self.dup_acks.set_guard(self.records.nxt());
        }
        alone
    }

    /// A timeout declares everything lost; returns whether that is the probe alone.
    pub(super) fn judge_size_at_timeout(&mut self, hull: StreamRange) -> bool {
        let Some(range) = self.sized() else {
            return false;
        };
        let alone = hull.intersection(range) == hull;
        self.end_size_probe(if alone {
            SizeFate::Lost
        } else {
            SizeFate::Unclear
        });
        alone
    }

    /// Whether all of it has arrived.
    fn confirm_size(&mut self, range: StreamRange) {
        let sacked = |part: &TxRecord| part.fate == Fate::Sacked;
        let arrived =
            self.records.una() >= range.end || self.records.overlapping(range).all(sacked);
        if arrived {
            self.end_size_probe(SizeFate::Passed);
        }
    }
}
