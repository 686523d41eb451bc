//! Bytes on their way out.
//!
//! Job: hold what the program wrote until the peer has it. Owns: the bytes from SND.UNA on, SND.NXT, and whether
//! our FIN is queued, sent or acknowledged. Does not know: windows, loss.
//! ```text
//!  offset  ....... SND.UNA ........ SND.NXT ....... end [FIN]
//!          gone    sent, not acked  not sent yet
//! ```
//! Sources: RFC 9293 3.3.1 (SND variables), 3.10.4 (CLOSE queues a FIN).

use core::hash::{Hash, Hasher};
use std::collections::VecDeque;
use std::io::IoSlice;

use outcrop_base::{ChunkQueue, MAX_SLICES};

use crate::params::MAX_RECORDS;
use crate::segment::StreamRange;

/// How far our FIN has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum FinState {
    /// The program may still write.
    #[default]
    Open,
    /// The program is done; the FIN has not left.
    Unsent,
    /// The FIN left.
    Sent,
    /// The peer has it.
    Acked,
}

/// What an acknowledgment freed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Freed {
    /// Bytes the program may write again.
    pub bytes: u64,
    /// Whether it acknowledged our FIN for the first time.
    pub fin: bool,
}

/// The sending stream.
// Invariant: una <= nxt <= end (+ 1 once the FIN is sent).
#[derive(Clone, Debug)]
pub struct SendBuffer {
    queue: ChunkQueue,
    capacity: usize,
    una: u64,
    nxt: u64,
    fin: FinState,
    /// Where records end that are not acknowledged yet; most programs have none.
    records: Option<Box<Records>>,
}

/// Ends of records, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Records {
    ends: VecDeque<u64>,
}

impl SendBuffer {
    /// An empty stream that takes `capacity` bytes.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            queue: ChunkQueue::new(),
            capacity,
            una: 0,
            nxt: 0,
            fin: FinState::Open,
            records: None,
        }
    }

    /// A stream of which everything before `una` was sent and acknowledged, the FIN included if that is `fin`'s
    /// state.
    pub(crate) fn acknowledged(una: u64, capacity: usize, fin: FinState) -> Self {
        let end = una.saturating_sub(u64::from(fin == FinState::Acked));
        Self {
            queue: ChunkQueue::starting_at(end),
            capacity,
            una,
            nxt: una,
            fin,
            records: None,
        }
    }

    /// Bytes the program may write now.
    #[must_use]
    pub fn room(&self) -> usize {
        match self.fin {
            FinState::Open => self.capacity.saturating_sub(self.queue.len()),
            FinState::Unsent | FinState::Sent | FinState::Acked => 0,
        }
    }

    /// Bytes held, sent or not.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether nothing is held.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Bytes it takes in all.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.capacity
    }

    /// Changes the capacity; what is held stays.
    pub const fn set_capacity(&mut self, capacity: usize) {
        self.capacity = capacity;
    }

    /// Takes from the front of `data` what there is room for; returns how many bytes.
    pub fn write(&mut self, data: &mut ChunkQueue) -> usize {
        self.write_up_to(data, usize::MAX)
    }

    /// The same, but at most `max` bytes.
    pub fn write_up_to(&mut self, data: &mut ChunkQueue, max: usize) -> usize {
        self.queue.append_up_to(data, self.room().min(max))
    }

    /// What was written so far ends a record: no segment will carry bytes from both sides of this place. Of more than
    /// [`MAX_RECORDS`] at once the later ones are not kept apart.
    pub fn end_record(&mut self) {
        let end = self.end();
        let records = self.records.get_or_insert_default();
        let is_new = end > self.nxt && records.ends.back() != Some(&end);
        if is_new && records.ends.len() < MAX_RECORDS {
            records.ends.push_back(end);
        }
    }

    /// Where the record ends that the byte at `offset` belongs to, if it does.
    #[must_use]
    pub fn record_end(&self, offset: u64) -> Option<u64> {
        let ends = &self.records.as_ref()?.ends;
        ends.get(ends.partition_point(|end| *end <= offset))
            .copied()
    }

    /// The start of `range` that belongs to one record.
    #[must_use]
    pub fn cut_to_record(&self, range: StreamRange) -> StreamRange {
        let end = self.record_end(range.start).unwrap_or(range.end);
        StreamRange::new(range.start, range.end.min(end))
    }

    /// Drops what has not left yet; returns how many bytes. SND.NXT is where the next one will be.
    pub fn discard_unsent(&mut self) -> u64 {
        let dropped = self.unsent();
        self.queue.truncate(self.nxt);
        let end = self.queue.end();
        if let Some(records) = &mut self.records {
            records.ends.retain(|at| *at <= end);
        }
        dropped
    }

    /// The program is done: a FIN follows the last byte.
    pub const fn close(&mut self) {
        if let FinState::Open = self.fin {
            self.fin = FinState::Unsent;
        }
    }

    /// How far our FIN has come.
    #[must_use]
    pub const fn fin(&self) -> FinState {
        self.fin
    }

    /// SND.UNA: the first offset not acknowledged.
    #[must_use]
    pub const fn una(&self) -> u64 {
        self.una
    }

    /// SND.NXT: the next offset to be sent for the first time.
    #[must_use]
    pub const fn nxt(&self) -> u64 {
        self.nxt
    }

    /// The offset after the last byte written: where the FIN is or will be.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.queue.end()
    }

    /// Bytes not sent yet, the FIN not counted.
    #[must_use]
    pub fn unsent(&self) -> u64 {
        self.end().saturating_sub(self.nxt)
    }

    /// Whether bytes or the FIN have not been sent.
    #[must_use]
    pub fn has_unsent(&self) -> bool {
        self.unsent() > 0 || self.fin == FinState::Unsent
    }

    /// The payload of `range`, and whether its last offset is the FIN.
    #[must_use]
    pub fn split_fin(&self, range: StreamRange) -> (StreamRange, bool) {
        let closed = self.fin != FinState::Open;
        let fin = closed && range.contains(self.end());
        (
            StreamRange::new(range.start, range.end.min(self.end())),
            fin,
        )
    }

    /// The longest start of `range` that one gathered write can carry.
    #[must_use]
    pub fn cut_to_slices(&self, range: StreamRange) -> StreamRange {
        let cut = self.queue.cut_to_slices(range.into(), MAX_SLICES);
        StreamRange::new(cut.start, cut.end)
    }

    /// Borrows the bytes of `range`; returns how many slices they take.
    pub fn slices<'a>(&'a self, range: StreamRange, out: &mut [IoSlice<'a>]) -> usize {
        let (used, _bytes) = self.queue.slices(range.into(), out);
        used
    }

    /// `range` left; a FIN is its last offset.
    pub fn on_sent(&mut self, range: StreamRange) {
        self.nxt = self.nxt.max(range.end);
        if self.fin == FinState::Unsent && self.nxt > self.end() {
            self.fin = FinState::Sent;
        }
    }

    /// The peer has everything before `una`, which is at most SND.NXT.
    pub fn on_ack(&mut self, una: u64) -> Freed {
        let una = una.min(self.nxt);
        let before = self.queue.len();
        let bytes = una.min(self.end()).saturating_sub(self.queue.start());
        self.queue
            .advance(usize::try_from(bytes).unwrap_or(usize::MAX));
        self.una = self.una.max(una);
        if let Some(records) = &mut self.records {
            while records.ends.pop_front_if(|end| *end <= una).is_some() {}
        }
        let fin = self.fin == FinState::Sent && self.una > self.end();
        if fin {
            self.fin = FinState::Acked;
        }
        Freed {
            bytes: (before - self.queue.len()) as u64,
            fin,
        }
    }

    /// Panics if an invariant does not hold.
    #[doc(hidden)]
    pub fn check(&self) {
        let fin_sent = matches!(self.fin, FinState::Sent | FinState::Acked);
        assert!(self.una <= self.nxt, "SND.UNA beyond SND.NXT");
        assert!(
            self.nxt <= self.end() + u64::from(fin_sent),
            "SND.NXT beyond the end"
        );
        assert_eq!(
            self.queue.start(),
            self.una.min(self.end()),
            "freed what is not acknowledged"
        );
    }

    /// Hashes what decides the future.
    pub fn fingerprint(&self, mut into: &mut dyn Hasher) {
        let offsets = (self.una, self.nxt, self.end());
        (offsets, self.fin, self.capacity, &self.records).hash(&mut into);
    }
}
