//! Losses found by counting duplicate acknowledgments.
//!
//! Job: where the peer sends no SACK, tell from repeated acknowledgments that a segment is missing.
//! Owns: the count. Does not know: which segments arrived; each duplicate stands for one of full size.
//! Sources: RFC 5681 2 and 3.2, RFC 6582 3.2 (NewReno), RFC 3042 (the first two duplicates let new data out, which
//! follows here from each of them counting as delivered).

use crate::params::DUP_THRESH;

/// Duplicate acknowledgments since SND.UNA last moved.
#[derive(Clone, Debug, Default, Hash)]
pub struct DupAcks {
    count: u32,
    /// `recover` of the last recovery: duplicates of it are echoes of our own retransmissions.
    guard: Option<u64>,
}

impl DupAcks {
    /// How many there were.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// Bytes they stand for.
    #[must_use]
    pub fn bytes(&self, mss: u64) -> u64 {
        u64::from(self.count) * mss
    }

    /// One more; returns whether it is the one that means a loss.
    pub fn on_duplicate(&mut self, una: u64) -> bool {
        self.count = self.count.saturating_add(1);
        self.count >= DUP_THRESH && self.guard.is_none_or(|recover| una > recover)
    }

    /// SND.UNA moved by `segments`: the retransmission, and what the duplicates stood for.
    pub fn on_progress(&mut self, segments: u64, in_recovery: bool) {
        let others = u32::try_from(segments.saturating_sub(1)).unwrap_or(u32::MAX);
        self.count = if in_recovery {
            self.count.saturating_sub(others)
        } else {
            0
        };
    }

    /// A recovery up to `recover` begins (RFC 6582 3.2 step 2) or a timeout ends all counting (step 4).
    pub const fn set_guard(&mut self, recover: u64) {
        self.guard = Some(recover);
    }

    /// Whether duplicates of `una` are echoes of a recovery that ended there.
    pub(crate) fn guards(&self, una: u64) -> bool {
        self.guard.is_some_and(|recover| recover >= una)
    }

    /// Starts counting anew.
    pub const fn reset(&mut self) {
        self.count = 0;
    }
}
