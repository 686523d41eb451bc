//! Bytes that arrive in any order, put in order.
//!
//! Job: keep what arrived, hand out what is in order, know what is missing. Owns: the pieces, RCV.NXT, where the
//! stream ends. Does not know: windows, acknowledgments, timers.
//! The first copy of a byte wins; a later one is never looked at. Memory stays bounded whatever arrives: bytes by
//! the window the caller clips to, pieces by a count, and small pieces that wait are copied so that they pin no large buffer.
//! Sources: RFC 9293 3.10.7.4 (seventh and eighth step), RFC 2018 8 (keeping what was reported).

use std::collections::BTreeMap;

use core::hash::Hasher;

use bytes::Bytes;
use outcrop_base::ChunkQueue;

use crate::params::{KEEP_FROM, MAX_OUT_OF_ORDER, OUT_OF_ORDER_AVERAGE};
use crate::range_set::RangeSet;
use crate::segment::StreamRange;

/// What became of one arrival.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Placed {
    /// How far RCV.NXT moved; a FIN counts as one.
    pub advanced: u64,
    /// Bytes kept out of order.
    pub stored: u64,
    /// The first part of it that was held already.
    pub duplicate: Option<StreamRange>,
    /// Whether it closed a gap, wholly or in part: something out of order was waiting.
    pub filled: bool,
    /// Whether part of it was refused for want of room for pieces.
    pub refused: bool,
}

/// The receiving stream.
// Invariant: every piece lies after `nxt`; pieces do not overlap; `held` covers exactly the pieces and,
// if it arrived out of order, the FIN.
#[derive(Clone, Debug, Default)]
pub struct Assembler {
    /// In order, not yet read. A first small piece stays whole: a request that is read at once is never copied.
    first: Bytes,
    queue: ChunkQueue,
    nxt: u64,
    /// Everything in order before this pins no buffer that is more than twice as large.
    compacted: u64,
    pieces: BTreeMap<u64, Bytes>,
    /// Bytes in `pieces`.
    kept: usize,
    held: RangeSet,
    /// The offset of the FIN, once seen.
    fin: Option<u64>,
}

impl Assembler {
    /// An empty stream at offset zero.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A stream of which everything before `nxt` has arrived and was read, its FIN included if `finished`.
    pub(crate) fn after(nxt: u64, finished: bool) -> Self {
        let fin = nxt.checked_sub(1).filter(|_| finished);
        Self {
            nxt,
            compacted: nxt,
            fin,
            ..Self::default()
        }
    }

    /// RCV.NXT as an offset: everything before has arrived. One past the FIN once that has.
    #[must_use]
    pub const fn nxt(&self) -> u64 {
        self.nxt
    }

    /// Bytes in order that nobody has read.
    #[must_use]
    pub fn queued(&self) -> u64 {
        (self.first.len() + self.queue.len()) as u64
    }

    /// Bytes held out of order.
    pub(crate) const fn kept(&self) -> usize {
        self.kept
    }

    /// Drops everything held out of order: the peer will send it again (RFC 2018 8).
    pub(crate) fn shed(&mut self) {
        self.pieces.clear();
        self.kept = 0;
        self.held.clear();
        self.fin = self.fin.filter(|fin| self.nxt > *fin);
    }

    /// Whether the FIN has arrived, and everything before it.
    #[must_use]
    pub fn finished(&self) -> bool {
        self.fin.is_some_and(|fin| self.nxt > fin)
    }

    /// What is held out of order, a FIN included.
    #[must_use]
    pub const fn held(&self) -> &RangeSet {
        &self.held
    }

    /// The next bytes, as one piece; `None` if nothing is in order.
    pub fn read(&mut self) -> Option<Bytes> {
        if !self.first.is_empty() {
            return Some(core::mem::take(&mut self.first));
        }
        let piece = self.queue.pop(usize::MAX)?;
        if self.queue.is_empty() {
            self.queue.relax();
        }
        Some(piece)
    }

    /// Lets go of read buffers that unread small pieces keep. To be called once programs had their chance to read: what
    /// is read in the turn it came in is never copied.
    pub(crate) fn compact(&mut self) {
        if self.queued() == 0 {
            self.compacted = self.nxt;
        }
        if self.compacted >= self.nxt {
            return;
        }
        let end = self.nxt.min(self.stream_end());
        let fresh = usize::try_from(end.saturating_sub(self.compacted)).unwrap_or(usize::MAX);
        self.compacted = self.nxt;
        if fresh > self.queue.len() && !self.first.is_empty() {
            self.first = unpinned(core::mem::take(&mut self.first));
        }
        self.queue.compact(fresh, KEEP_FROM);
    }

    /// Places the bytes at offset `at`, and a FIN behind them if `fin`. The caller has clipped them to the window.
    pub fn insert(&mut self, at: u64, bytes: Bytes, fin: bool) -> Placed {
        let mut placed = Placed::default();
        let end = at.saturating_add(bytes.len() as u64);
        let fin = self.take_fin(end, fin);
        let whole = StreamRange::new(at, end.min(self.stream_end()));
        placed.duplicate = self.duplicate_of(StreamRange::new(at, whole.end + u64::from(fin)));
        if at <= self.nxt {
            let before = self.nxt;
            placed.filled = !self.held.is_empty() && whole.end + u64::from(fin) > self.nxt;
            self.append(whole, bytes);
            self.join();
            placed.advanced = self.nxt - before;
        } else {
            self.keep(whole, &bytes, fin, &mut placed);
        }
        placed
    }

    /// Where bytes must end: at the FIN.
    fn stream_end(&self) -> u64 {
        self.fin.unwrap_or(u64::MAX - 1)
    }

    /// Learns where the stream ends; the first FIN decides, unless bytes after it have arrived already.
    /// Returns whether the arrival holds the FIN that counts.
    fn take_fin(&mut self, at: u64, fin: bool) -> bool {
        if fin && self.fin.is_none() && at >= self.nxt && self.held.end().is_none_or(|e| e <= at) {
            self.fin = Some(at);
        }
        fin && self.fin == Some(at)
    }

    /// The first part of `range` that is held already.
    fn duplicate_of(&self, range: StreamRange) -> Option<StreamRange> {
        if range.start < self.nxt {
            return Some(StreamRange::new(range.start, range.end.min(self.nxt)));
        }
        let mut parts = self.held.as_slice().iter().map(|h| h.intersection(range));
        parts.find(|part| !part.is_empty())
    }

    /// Adds what of `whole` lies at RCV.NXT or later, up to the first piece kept.
    fn append(&mut self, whole: StreamRange, bytes: Bytes) {
        let new = StreamRange::new(whole.start.max(self.nxt), whole.end);
        if self.held.is_empty() {
            // What nearly every segment is: in order, with nothing behind it.
            if new.len() == bytes.len() as u64 && !new.is_empty() {
                self.push(bytes);
            } else if !new.is_empty() {
                self.push(slice_of(&bytes, whole.start, new));
            }
            return;
        }
        for gap in self.gaps(new) {
            while self.nxt < gap.start && self.join_next() {}
            self.push(slice_of(&bytes, whole.start, gap));
        }
    }

    fn gaps(&self, range: StreamRange) -> impl Iterator<Item = StreamRange> + use<> {
        let gaps: Vec<_> = self.held.missing(range).collect();
        gaps.into_iter()
    }

    fn push(&mut self, piece: Bytes) {
        self.nxt += piece.len() as u64;
        if self.first.is_empty() && self.queue.is_empty() {
            self.first = piece;
        } else {
            self.queue.push(piece);
        }
    }

    /// Appends every kept piece that has come into order, then the FIN.
    fn join(&mut self) {
        while !self.pieces.is_empty() && self.join_next() {}
        if self.fin == Some(self.nxt) {
            self.nxt += 1;
        }
        self.held.remove_before(self.nxt);
    }

    fn join_next(&mut self) -> bool {
        match self.pieces.first_entry() {
            Some(entry) if *entry.key() == self.nxt => {
                let piece = entry.remove();
                self.kept -= piece.len();
                self.push(piece);
                true
            }
            _ => false,
        }
    }

    const fn most_pieces(&self) -> usize {
        MAX_OUT_OF_ORDER + self.kept / OUT_OF_ORDER_AVERAGE
    }

    /// Keeps the new parts of an arrival that is not in order.
    fn keep(&mut self, whole: StreamRange, bytes: &Bytes, fin: bool, placed: &mut Placed) {
        for gap in self.gaps(whole) {
            if self.pieces.len() >= self.most_pieces() {
                placed.refused = true;
                return;
            }
            let piece = slice_of(bytes, whole.start, gap);
            let piece = unpinned(piece);
            placed.stored += gap.len();
            self.kept += piece.len();
            self.pieces.insert(gap.start, piece);
            self.held.insert(gap);
        }
        if fin {
            self.held.insert(StreamRange::new(whole.end, whole.end + 1));
        }
    }

    /// Panics if an invariant does not hold.
    #[doc(hidden)]
    pub fn check(&self) {
        let mut covered = RangeSet::new();
        let mut at = self.nxt;
        for (start, piece) in &self.pieces {
            assert!(*start > self.nxt && *start >= at, "pieces overlap");
            at = start + piece.len() as u64;
            covered.insert(StreamRange::new(*start, at));
        }
        if let Some(fin) = self.fin.filter(|fin| self.held.containing(*fin).is_some()) {
            covered.insert(StreamRange::new(fin, fin + 1));
        }
        assert_eq!(covered, self.held, "ranges held are not the pieces");
        assert!(self.pieces.len() <= self.most_pieces());
        assert_eq!(self.kept, self.pieces.values().map(Bytes::len).sum());
    }

    /// Hashes what decides the future.
    pub fn fingerprint(&self, mut into: &mut dyn Hasher) {
        use core::hash::Hash;
        (self.nxt, self.queued(), self.fin, &self.held).hash(&mut into);
    }
}

/// The piece, in memory of its own if it is small.
fn unpinned(piece: Bytes) -> Bytes {
    if piece.len() < KEEP_FROM {
        Bytes::copy_from_slice(&piece)
    } else {
        piece
    }
}

/// The part `range` of `bytes`, which begin at offset `at`.
fn slice_of(bytes: &Bytes, at: u64, range: StreamRange) -> Bytes {
    let from = usize::try_from(range.start.saturating_sub(at)).unwrap_or(usize::MAX);
    let to = usize::try_from(range.end.saturating_sub(at)).unwrap_or(usize::MAX);
    let to = to.min(bytes.len());
    bytes.slice(from.min(to)..to)
}
