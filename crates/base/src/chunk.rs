//! A queue of bytes that keeps pieces instead of copying them.
//!
//! Job: hold a stretch of a byte stream as reference-counted pieces, find any range of it, drop what is done.
//! Owns: the pieces and their stream offsets. Does not know: sequence numbers, windows, who reads.
//! Small pieces are gathered into a common tail, so that a gathered write stays short.

use std::collections::VecDeque;
use std::io::IoSlice;

use core::ops::Range;

use bytes::{Bytes, BytesMut};

/// The most slices one packet's payload may take: what a gathered write carries with its headers.
pub const MAX_SLICES: usize = 18;
/// Pieces shorter than this are copied into the tail: cheaper than a slice of their own.
pub const COALESCE_BELOW: usize = 4096;
/// Room of the first tail: enough for a short answer, and little enough that memory for it is at hand at once.
const FIRST_TAIL: usize = 1024;
/// Room of every later tail; a full segment's worth of small pieces then spans few slices.
const TAIL_CAPACITY: usize = 16 * 1024;
/// Room of the tail of a queue that waits, at least.
const SMALL_TAIL: usize = 256;
/// Places an emptied queue may keep: a batch of super-segments, in about half a kibibyte.
const FEW_PIECES: usize = 16;

/// Bytes `start .. end` of a stream, in pieces.
///
/// ```
/// use outcrop_base::ChunkQueue;
/// let mut queue = ChunkQueue::new();
/// queue.push_slice(b"GET / ");
/// queue.push_slice(b"HTTP/1.1");
/// assert_eq!(queue.len(), 14);
/// queue.advance(4);
/// assert_eq!(queue.range_to_vec(4..7), b"/ H");
/// ```
#[derive(Clone, Debug, Default)]
pub struct ChunkQueue {
    chunks: VecDeque<Chunk>,
    /// Bytes at the very end, still growing.
    tail: BytesMut,
    start: u64,
    end: u64,
}

#[derive(Clone, Debug)]
struct Chunk {
    /// Stream offset of the first byte.
    at: u64,
    bytes: Bytes,
    /// Whether it was a tail: then it lies in memory of this queue's own, [`TAIL_CAPACITY`] of it at most.
    gathered: bool,
}

impl Chunk {
    /// Whether it keeps no more than twice its length: a tail does that was sealed half full.
    const fn is_compact(&self, below: usize) -> bool {
        let len = self.bytes.len();
        len >= below || self.gathered && len >= TAIL_CAPACITY / 2
    }
}

impl ChunkQueue {
    /// An empty queue at offset zero; allocates nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::starting_at(0)
    }

    /// An empty queue whose first byte will have this stream offset.
    #[must_use]
    pub fn starting_at(offset: u64) -> Self {
        Self {
            chunks: VecDeque::new(),
            tail: BytesMut::new(),
            start: offset,
            end: offset,
        }
    }

    /// Bytes held.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::try_from(self.end - self.start).unwrap_or(usize::MAX)
    }

    /// Whether no byte is held.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Stream offset of the first byte held.
    #[must_use]
    pub const fn start(&self) -> u64 {
        self.start
    }

    /// Stream offset after the last byte held.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.end
    }

    /// Appends a piece: kept as it is if large, gathered into the tail if small.
    pub fn push(&mut self, bytes: Bytes) {
        if bytes.len() < COALESCE_BELOW {
            self.push_slice(&bytes);
        } else {
            self.push_whole(bytes);
        }
    }

    /// Appends a piece that others have, too: shared if large, copied if small.
    #[inline]
    pub fn push_shared(&mut self, bytes: &Bytes) {
        if bytes.len() < COALESCE_BELOW {
            self.push_slice(bytes);
        } else {
            self.push_whole(bytes.clone());
        }
    }

    fn push_whole(&mut self, bytes: Bytes) {
        self.seal_tail();
        let at = self.end;
        self.end += bytes.len() as u64;
        self.chunks.push_back(Chunk {
            at,
            bytes,
            gathered: false,
        });
    }

    /// Appends a copy of `bytes`.
    #[inline]
    pub fn push_slice(&mut self, bytes: &[u8]) {
        if bytes.len() > self.tail.capacity() - self.tail.len() {
            return self.push_beyond_tail(bytes);
        }
        self.tail.extend_from_slice(bytes);
        self.end += bytes.len() as u64;
    }

    /// Appends a copy of what the tail has no room for.
    fn push_beyond_tail(&mut self, mut bytes: &[u8]) {
        let left = self.tail.capacity();
        if self.is_empty() && 0 < left && left < bytes.len().min(TAIL_CAPACITY) {
            // Nothing is held: the memory used so far is whole again, instead of its rest being filled
            // and new memory asked for.
            self.tail.reserve(TAIL_CAPACITY);
        }
        while !bytes.is_empty() {
            let room = self.tail.capacity() - self.tail.len();
            if room == 0 {
                let first = self.chunks.is_empty() && self.tail.is_empty();
                let enough = if first && bytes.len() <= FIRST_TAIL {
                    FIRST_TAIL
                } else {
                    TAIL_CAPACITY
                };
                self.seal_tail();
                self.tail.reserve(enough);
                continue;
            }
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.tail.extend_from_slice(now);
            self.end += now.len() as u64;
            bytes = later;
        }
    }

    /// Copies the pieces that hold any of the last `count` bytes and are shorter than `below` into memory of their own:
    /// a small piece of a large buffer then no longer keeps all of it. What was gathered here fills its memory already,
    /// at least by half, and is not copied again. Nor does the tail keep much more than it holds.
    pub fn compact(&mut self, count: usize, below: usize) {
        let from = self.end.saturating_sub(count as u64);
        let last = self.chunks.iter_mut().rev();
        for chunk in last.take_while(|chunk| chunk.at + chunk.bytes.len() as u64 > from) {
            if !chunk.is_compact(below) {
                chunk.bytes = Bytes::copy_from_slice(&chunk.bytes);
            }
        }
        let fit = self.tail.len().next_power_of_two().max(SMALL_TAIL);
        if !self.tail.is_empty() && self.tail.capacity() > fit {
            let mut tail = BytesMut::with_capacity(fit);
            tail.extend_from_slice(&self.tail);
            self.tail = tail;
        }
    }

    /// Closes the tail: its bytes become a piece.
    fn seal_tail(&mut self) {
        if !self.tail.is_empty() {
            let bytes = self.tail.split().freeze();
            self.chunks.push_back(Chunk {
                at: self.end - bytes.len() as u64,
                bytes,
                gathered: true,
            });
        }
    }

    /// Moves everything in `other` to the end of this queue, without copying large pieces.
    pub fn append(&mut self, other: &mut Self) {
        self.append_up_to(other, usize::MAX);
    }

    /// Moves at most `max` bytes from the front of `other` to the end of this queue; returns how many.
    pub fn append_up_to(&mut self, other: &mut Self, max: usize) -> usize {
        let mut left = max.min(other.len());
        let moved = left;
        if other.chunks.is_empty() && left == other.tail.len() && left < COALESCE_BELOW {
            // As below, without making a piece of it first: an answer of some hundred bytes.
            self.push_slice(&other.tail);
            other.tail.clear();
            other.start = other.end;
            return moved;
        }
        while left > 0 {
            let Some(piece) = other.pop(left) else { break };
            left -= piece.len();
            self.push(piece);
        }
        moved - left
    }

    /// Takes at most `max` bytes off the front, as one piece; `None` when empty or `max` is zero.
    pub fn pop(&mut self, max: usize) -> Option<Bytes> {
        if max == 0 || self.is_empty() {
            return None;
        }
        if self.chunks.is_empty() {
            self.seal_tail();
        }
        let first = self.chunks.front_mut()?;
        let take = max.min(first.bytes.len());
        let piece = first.bytes.split_to(take);
        first.at += take as u64;
        if first.bytes.is_empty() {
            self.chunks.pop_front();
        }
        self.start += take as u64;
        Some(piece)
    }

    /// Drops `count` bytes off the front (all, if there are fewer).
    pub fn advance(&mut self, count: usize) {
        let to = self.end.min(self.start.saturating_add(count as u64));
        while let Some(first) = self.chunks.front_mut() {
            let past = usize::try_from(to.saturating_sub(first.at)).unwrap_or(usize::MAX);
            if past < first.bytes.len() {
                let _done = first.bytes.split_to(past);
                first.at += past as u64;
                break;
            }
            self.chunks.pop_front();
        }
        let tail_at = self.tail_at();
        if to > tail_at {
            if to == self.end {
                // Keeps the memory: a request/response exchange writes here again at once.
                self.tail.clear();
            } else {
                let past = usize::try_from(to - tail_at).unwrap_or(usize::MAX);
                let _done = self.tail.split_to(past.min(self.tail.len()));
            }
        }
        self.start = to;
    }

    /// Drops everything from stream offset `end` on; what is written next begins there.
    pub fn truncate(&mut self, end: u64) {
        let end = end.max(self.start);
        if end >= self.end {
            return;
        }
        self.seal_tail();
        while let Some(last) = self.chunks.back_mut() {
            let keep = usize::try_from(end.saturating_sub(last.at)).unwrap_or(usize::MAX);
            if keep > 0 {
                last.bytes.truncate(keep);
                break;
            }
            self.chunks.pop_back();
        }
        self.end = end;
    }

    /// Gives back the memory an empty queue still keeps for its next bytes.
    pub fn release(&mut self) {
        if self.is_empty() {
            self.tail = BytesMut::new();
            self.chunks = VecDeque::new();
        }
    }

    /// Gives back the memory of an empty queue, but for the places of a few pieces: a busy stream that is
    /// emptied after every batch needs them again at once.
    pub fn relax(&mut self) {
        if self.is_empty() {
            self.tail = BytesMut::new();
            if self.chunks.capacity() > FEW_PIECES {
                self.chunks = VecDeque::new();
            }
        }
    }

    fn tail_at(&self) -> u64 {
        self.end - self.tail.len() as u64
    }

    /// Borrows `range` (stream offsets, clipped to what is held) as slices, until `out` is full.
    /// Returns the slices used and the bytes in them.
    pub fn slices<'a>(&'a self, range: Range<u64>, out: &mut [IoSlice<'a>]) -> (usize, usize) {
        if self.chunks.is_empty() {
            // A short answer, which nearly every packet carries.
            return match (self.of_tail(&range), out.first_mut()) {
                (Some(piece), Some(slot)) => {
                    *slot = IoSlice::new(piece);
                    (1, piece.len())
                }
                (Some(_) | None, _) => (0, 0),
            };
        }
        let (mut used, mut bytes) = (0, 0);
        for piece in self.pieces(range) {
            let Some(slot) = out.get_mut(used) else { break };
            *slot = IoSlice::new(piece);
            used += 1;
            bytes += piece.len();
        }
        (used, bytes)
    }

    /// The longest prefix of `range` that spans at most `max_slices` pieces.
    #[must_use]
    pub fn cut_to_slices(&self, range: Range<u64>, max_slices: usize) -> Range<u64> {
        let start = range.start;
        if self.chunks.is_empty() && max_slices > 0 {
            let len = self.of_tail(&range).map_or(0, <[u8]>::len);
            return start..start + len as u64;
        }
        let len: u64 = self
            .pieces(range)
            .take(max_slices)
            .map(|piece| piece.len() as u64)
            .sum();
        start..start + len
    }

    /// A copy of `range` (stream offsets, clipped to what is held).
    #[must_use]
    pub fn range_to_vec(&self, range: Range<u64>) -> Vec<u8> {
        let mut copy = Vec::new();
        self.pieces(range)
            .for_each(|piece| copy.extend_from_slice(piece));
        copy
    }

    /// What of `range` lies in the tail, if anything does.
    fn of_tail(&self, range: &Range<u64>) -> Option<&[u8]> {
        let range = range.start.max(self.start)..range.end.min(self.end);
        clip(self.tail_at(), &self.tail, &range).filter(|piece| !piece.is_empty())
    }

    /// Which chunk holds `offset`: the first that ends after it. Chunks are mostly of one size, so where it lies in all
    /// of them tells; a search touches memory with each step that nobody else wants.
    fn index_of(&self, offset: u64) -> usize {
        let ends_before = |chunk: &Chunk| chunk.at + chunk.bytes.len() as u64 <= offset;
        let count = self.chunks.len() as u64;
        let held = (self.tail_at() - self.start).max(1);
        let guess = offset.saturating_sub(self.start).saturating_mul(count) / held;
        let guess = usize::try_from(guess).unwrap_or(usize::MAX);
        match self.chunks.get(guess) {
            Some(chunk) if chunk.at <= offset && !ends_before(chunk) => guess,
            Some(_) | None => self.chunks.partition_point(ends_before),
        }
    }

    /// The pieces that make up `range`, in order, clipped to it and to what is held.
    fn pieces(&self, range: Range<u64>) -> impl Iterator<Item = &[u8]> {
        let range = range.start.max(self.start)..range.end.min(self.end);
        let first = self.index_of(range.start);
        let chunks = self.chunks.range(first..).map(|c| (c.at, &c.bytes[..]));
        let tail = core::iter::once((self.tail_at(), &self.tail[..]));
        chunks
            .chain(tail)
            .map_while(move |(at, bytes)| clip(at, bytes, &range))
            .filter(|piece| !piece.is_empty())
    }
}

/// The part of `bytes` (at stream offset `at`) inside `range`; `None` once past the range.
fn clip<'a>(at: u64, bytes: &'a [u8], range: &Range<u64>) -> Option<&'a [u8]> {
    if at >= range.end {
        return None;
    }
    let from = usize::try_from(range.start.saturating_sub(at)).ok()?;
    let to = usize::try_from(range.end - at).unwrap_or(usize::MAX);
    let to = to.min(bytes.len());
    bytes.get(from.min(to)..to)
}

impl From<Bytes> for ChunkQueue {
    fn from(bytes: Bytes) -> Self {
        let mut queue = Self::new();
        queue.push(bytes);
        queue
    }
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "small test data")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn large_pieces_are_kept_not_copied() {
        let big = Bytes::from(vec![7; COALESCE_BELOW]);
        let mut queue = ChunkQueue::new();
        queue.push(big.clone());
        assert_eq!(queue.pop(usize::MAX).unwrap().as_ptr(), big.as_ptr());
    }

    #[test]
    fn compacting_gives_back_the_buffer_of_the_last_small_pieces_and_keeps_every_byte() {
        let piece = |len: usize| Bytes::from(vec![len as u8; 70_000]).slice(..len);
        let lens = [5_000, 6_000, 40_000, 7_000];
        let pieces = lens.map(piece);
        let mut queue = ChunkQueue::new();
        pieces.iter().for_each(|piece| queue.push(piece.clone()));
        let all = queue.range_to_vec(0..58_000);
        queue.compact(7_000 + 40_000 + 1, 34_000);
        assert_eq!(queue.range_to_vec(0..58_000), all);
        let same = pieces.map(|piece| queue.pop(usize::MAX).unwrap().as_ptr() == piece.as_ptr());
        assert_eq!(same, [true, false, true, false]);
    }

    #[test]
    fn tail_sealed_at_least_half_full_is_not_copied_again_a_shorter_one_is() {
        let first = |queue: &ChunkQueue| {
            let mut out = [IoSlice::new(&[]); 1];
            queue.slices(0..1, &mut out);
            out[0].as_ptr()
        };
        for (len, stays) in [(TAIL_CAPACITY / 2, true), (TAIL_CAPACITY / 2 - 1, false)] {
            let mut queue = ChunkQueue::new();
            queue.push_slice(&vec![1; len]);
            queue.push(Bytes::from(vec![2; COALESCE_BELOW]));
            let before = first(&queue);
            queue.compact(queue.len(), 34_000);
            assert_eq!(first(&queue) == before, stays, "{len}");
        }
    }

    #[test]
    fn small_pieces_share_one_slice() {
        let mut queue = ChunkQueue::new();
        for _ in 0..100 {
            queue.push(Bytes::from_static(b"0123456789"));
        }
        let mut out = [IoSlice::new(&[]); MAX_SLICES];
        assert_eq!(queue.slices(0..1000, &mut out), (1, 1000));
    }

    #[test]
    fn a_range_over_many_pieces_is_cut_where_the_slices_end() {
        let mut queue = ChunkQueue::new();
        for _ in 0..4 {
            queue.push(Bytes::from(vec![1; COALESCE_BELOW]));
        }
        assert_eq!(queue.cut_to_slices(10..20_000, 2), 10..8192);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Push(usize),
        Advance(usize),
        Pop(usize),
        Truncate(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0usize..9000).prop_map(Step::Push),
            (0usize..9000).prop_map(Step::Advance),
            (0usize..9000).prop_map(Step::Pop),
            (0usize..9000).prop_map(Step::Truncate),
        ]
    }

    proptest! {
        /// Against the plain model: one long vector and a start offset.
        #[test]
        fn behaves_as_one_vector(steps in prop::collection::vec(step(), 1..40), from in 0u64..40_000, len in 0u64..9000) {
            let mut queue = ChunkQueue::new();
            let mut all: Vec<u8> = Vec::new();
            let mut start = 0usize;
            for step in steps {
                match step {
                    Step::Push(n) => {
                        let piece: Vec<u8> = (0..n).map(|i| (all.len() + i) as u8).collect();
                        all.extend_from_slice(&piece);
                        queue.push(Bytes::from(piece));
                    }
                    Step::Advance(n) => {
                        start = (start + n).min(all.len());
                        queue.advance(n);
                    }
                    Step::Pop(n) => {
                        let piece = queue.pop(n).unwrap_or_default();
                        prop_assert_eq!(&piece[..], &all[start..start + piece.len()]);
                        prop_assert!(n == 0 || start == all.len() || !piece.is_empty());
                        start += piece.len();
                    }
                    Step::Truncate(n) => {
                        all.truncate(all.len().saturating_sub(n).max(start));
                        queue.truncate((all.len() as u64).min(queue.end()));
                    }
                }
                prop_assert_eq!((queue.start(), queue.end()), (start as u64, all.len() as u64));
            }
            let want = from.max(start as u64).min(all.len() as u64)..(from + len).min(all.len() as u64).max(start as u64);
            let want = if want.start < want.end { &all[want.start as usize..want.end as usize] } else { &[] };
            prop_assert_eq!(&queue.range_to_vec(from..from + len)[..], want);
        }
    }
}
