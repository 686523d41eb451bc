//! A segment that is larger than the others on purpose.
//!
//! Job: tell what became of a probe for the path's MTU, and keep its loss from counting as congestion.
//! Owns: the probe's bytes while they are under way. Does not know: how large the segment was, what follows.
//! Sources: RFC 4821 7.6 (its loss alone is no sign of congestion; with others it is, and says nothing of the size).

use super::{Lost, Phase, Recovery};
use crate::plpmtud::SizeFate;
use crate::segment::StreamRange;
use crate::tx_record::Fate;

/// The probe, by its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum SizeProbe {
    /// None.
    #[default]
    Idle,
    /// Under way.
    UnderWay(StreamRange),
    /// Over, and nobody has asked yet.
    Over(SizeFate),
}

impl Recovery {
    /// What left last was a probe.
    pub const fn on_size_probe(&mut self, range: StreamRange) {
        self.size_probe = SizeProbe::UnderWay(range);
    }

    /// The probe under way is one no more: its bytes are data like others.
    pub const fn forget_size_probe(&mut self) {
        self.size_probe = SizeProbe::Idle;
    }

    /// What became of the probe, once that is known.
    pub const fn take_size_fate(&mut self) -> Option<SizeFate> {
        let SizeProbe::Over(fate) = self.size_probe else {
            return None;
        };
        self.size_probe = SizeProbe::Idle;
        Some(fate)
    }

    /// After losses were looked for: whether `lost` is a probe and nothing else. All of it is lost then, whatever part
    /// was found, and no second look may blame the retransmission.
    pub(super) fn judge_size(&mut self, lost: Option<&mut Lost>) -> bool {
        let SizeProbe::UnderWay(range) = self.size_probe else {
            return false;
        };
        let Some(lost) = lost else {
            self.confirm_size(range);
            return false;
        };
        if lost.hull.intersection(range).is_empty() {
            self.size_probe = SizeProbe::Over(SizeFate::Unclear);
            return false;
        }
        let alone = lost.hull.intersection(range) == lost.hull && self.phase == Phase::Open;
        self.size_probe = SizeProbe::Over(if alone {
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
        let SizeProbe::UnderWay(range) = self.size_probe else {
            return false;
        };
        let alone = hull.intersection(range) == hull;
        self.size_probe = SizeProbe::Over(if alone {
            SizeFate::Lost
        } else {
            SizeFate::Unclear
        });
        alone
    }

    /// Whether all of it has arrived.
    fn confirm_size(&mut self, range: StreamRange) {
        let mut rest = self.records.overlapping(range);
        let arrived = self.records.una() >= range.end || rest.all(|part| part.fate == Fate::Sacked);
        if arrived {
            self.size_probe = SizeProbe::Over(SizeFate::Passed);
        }
    }
}
