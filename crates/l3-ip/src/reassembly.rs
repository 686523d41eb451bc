//! Packets that arrive in pieces.
//!
//! Job: keep fragments until their packet is whole, within bounds of memory and time.
//! Owns: the fragments. Does not know: headers beyond what a [`Piece`] says, or what the packet is for.
//! Sources: RFC 791 3.2, RFC 8200 4.5, RFC 5722 (overlap condemns the packet), RFC 3168 5.3 (ECN),
//! RFC 8900 4.5 (bounds).

use std::collections::VecDeque;

use core::hash::{Hash, Hasher};
use core::net::IpAddr;
use core::time::Duration;

use bytes::{Bytes, BytesMut};
use outcrop_base::{DropReason, Ecn, Instant};

use crate::Rule;

/// What a kept fragment costs beyond its bytes: an entry in a list and an allocation.
const PIECE_OVERHEAD: usize = 64;
/// What a packet costs beyond its fragments.
const PACKET_OVERHEAD: usize = 192;
/// Nothing that IP carries is longer.
const MAX_PAYLOAD: usize = 65_535;

/// What fragments of one packet have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) src: IpAddr,
    pub(crate) dst: IpAddr,
    pub(crate) ident: u32,
    /// IPv4 counts it in (RFC 791 3.2), IPv6 does not (RFC 8200 4.5): zero.
    pub(crate) protocol: u8,
}

/// One fragment.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub(crate) key: Key,
    /// Where its payload belongs.
    pub(crate) offset: usize,
    pub(crate) more: bool,
    /// Everything before the fragmentable part, as it came.
    pub(crate) header: Bytes,
    pub(crate) payload: Bytes,
    pub(crate) ecn: Ecn,
}

/// A packet that is whole again.
#[derive(Clone, Debug)]
pub(crate) struct Whole {
    /// The first fragment's header.
    pub(crate) header: Bytes,
    pub(crate) payload: Bytes,
    pub(crate) ecn: Ecn,
}

/// What became of a fragment.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    Kept,
    Whole(Whole),
    Refused(DropReason, Rule),
}

/// A packet given up for lack of time: what an error can quote, if the first fragment was there.
#[derive(Clone, Debug)]
pub(crate) struct Expired {
    pub(crate) key: Key,
    pub(crate) first: Option<(Bytes, Bytes)>,
}

#[derive(Clone, Debug)]
pub(crate) struct Reassembly {
    memory: usize,
    packets: usize,
    timeout: Duration,
    /// In order of arrival of their first fragment, so of their deadlines too.
    partials: VecDeque<Partial>,
    used: usize,
    given_up: GivenUp,
}

/// Fragments that were taken, and dropped later: nobody is told while it happens, so they are counted.
#[derive(Clone, Copy, Debug, Default)]
struct GivenUp {
    late: u64,
    displaced: u64,
}

#[derive(Clone, Debug)]
struct Partial {
    key: Key,
    deadline: Instant,
    header: Option<Bytes>,
    /// Sorted by offset, without overlap.
    pieces: Vec<(usize, Bytes)>,
    /// Bytes in them.
    held: usize,
    /// Length of the whole payload, once the last fragment is there.
    total: Option<usize>,
    ecn_seen: EcnSeen,
    /// A fragment overlapped: nothing more is kept, and the packet never becomes whole.
    condemned: bool,
}

/// Which markings the fragments carried.
#[derive(Clone, Copy, Debug, Default, Hash)]
struct EcnSeen {
    bits: u8,
}

impl EcnSeen {
    const fn add(&mut self, ecn: Ecn) {
        self.bits |= 1 << ecn.bits();
    }

    const fn has(self, ecn: Ecn) -> bool {
        self.bits & (1 << ecn.bits()) != 0
    }

    /// The marking of the whole packet, or `None` if the fragments contradict each other
    /// (RFC 3168 5.3: congestion experienced by a packet that could not be marked).
    const fn combined(self) -> Option<Ecn> {
        match (self.has(Ecn::Ce), self.has(Ecn::NotEct)) {
            (true, true) => None,
            (true, false) => Some(Ecn::Ce),
            (false, true) => Some(Ecn::NotEct),
            (false, false) if self.has(Ecn::Ect1) => Some(Ecn::Ect1),
            (false, false) => Some(Ecn::Ect0),
        }
    }
}

impl Reassembly {
    pub(crate) const fn new(memory: usize, packets: usize, timeout: Duration) -> Self {
        Self {
            memory,
            packets,
            timeout,
            partials: VecDeque::new(),
            used: 0,
            given_up: GivenUp {
                late: 0,
                displaced: 0,
            },
        }
    }

    /// Takes a fragment.
    pub(crate) fn insert(&mut self, now: Instant, piece: Piece) -> Outcome {
        let end = piece.offset + piece.payload.len();
        let ragged = piece.more && !piece.payload.len().is_multiple_of(8);
        if piece.payload.is_empty() || ragged || end > MAX_PAYLOAD {
            return Outcome::Refused(DropReason::FragmentMalformed, Rule::FragmentShape);
        }
        if !self.make_room(&piece) {
            return Outcome::Refused(DropReason::FragmentMemory, Rule::FragmentMemory);
        }
        let at = self.find_or_add(now, piece.key);
        let Some(partial) = self.partials.get_mut(at) else {
            return Outcome::Refused(DropReason::FragmentMemory, Rule::FragmentMemory);
        };
        let before = partial.cost();
        let kept = partial.keep(piece);
        self.used = self.used - before + partial.cost();
        if let Err((reason, rule)) = kept {
            return Outcome::Refused(reason, rule);
        }
        if !partial.is_complete() {
            return Outcome::Kept;
        }
        match self.remove(at).and_then(Partial::join) {
            Some(whole) => Outcome::Whole(whole),
            None => Outcome::Refused(DropReason::FragmentMalformed, Rule::FragmentShape),
        }
    }

    fn find_or_add(&mut self, now: Instant, key: Key) -> usize {
        if let Some(at) = self.partials.iter().position(|partial| partial.key == key) {
            return at;
        }
        let partial = Partial {
            key,
            deadline: now + self.timeout,
            header: None,
            pieces: Vec::new(),
            held: 0,
            total: None,
            ecn_seen: EcnSeen::default(),
            condemned: false,
        };
        self.used += partial.cost();
        self.partials.push_back(partial);
        self.partials.len() - 1
    }

    /// Gives up packets until `piece` fits: always the oldest one of whoever holds the most, so that a
    /// flood from one source displaces itself first. `false` if that would be the piece's own packet.
    fn make_room(&mut self, piece: &Piece) -> bool {
        let is_new = !self.partials.iter().any(|partial| partial.key == piece.key);
        let cost = piece.payload.len() + PIECE_OVERHEAD + if is_new { PACKET_OVERHEAD } else { 0 };
        loop {
            let too_many = is_new && self.partials.len() >= self.packets;
            if !too_many && self.used + cost <= self.memory {
                return true;
            }
            let Some(victim) = self.oldest_of_heaviest() else {
                return false;
            };
            let own = self
                .partials
                .get(victim)
                .is_some_and(|partial| partial.key == piece.key);
            if let Some(partial) = self.remove(victim) {
                self.given_up.displaced += partial.pieces.len() as u64;
            }
            if own {
                return false;
            }
        }
    }

    fn oldest_of_heaviest(&self) -> Option<usize> {
        let held_by = |src: IpAddr| -> usize {
            let of_src = self
                .partials
                .iter()
                .filter(|partial| partial.key.src == src);
            of_src.map(Partial::cost).sum()
        };
        let weights = self.partials.iter().map(|partial| held_by(partial.key.src));
        // The first of equals: `max_by_key` would take the last.
        let heaviest = weights
            .enumerate()
            .reduce(|best, next| if next.1 > best.1 { next } else { best });
        heaviest.map(|(at, _)| at)
    }

    fn remove(&mut self, at: usize) -> Option<Partial> {
        let partial = self.partials.remove(at)?;
        self.used -= partial.cost();
        Some(partial)
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.partials.front().map(|partial| partial.deadline)
    }

    /// Gives up one packet whose time is over.
    pub(crate) fn expire(&mut self, now: Instant) -> Option<Expired> {
        if self.next_deadline()? > now {
            return None;
        }
        let partial = self.remove(0)?;
        self.given_up.late += partial.pieces.len() as u64;
        let first = partial.pieces.first().filter(|(offset, _)| *offset == 0);
        let first = first.map(|(_, payload)| payload.clone());
        Some(Expired {
            key: partial.key,
            first: partial.header.zip(first),
        })
    }

    /// Fragments dropped after they had been taken, since this was last asked, by reason.
    pub(crate) fn take_given_up(&mut self) -> [(DropReason, u64); 2] {
        let GivenUp { late, displaced } = core::mem::take(&mut self.given_up);
        [
            (DropReason::FragmentTimeout, late),
            (DropReason::FragmentMemory, displaced),
        ]
    }

    pub(crate) fn fingerprint(&self, now: Instant, into: &mut dyn Hasher) {
        let mut into = into;
        for partial in &self.partials {
            let Partial {
                key,
                deadline,
                header,
                pieces,
                held: _,
                total,
                ecn_seen,
                condemned,
            } = partial;
            (
                key,
                deadline.saturating_since(now),
                header,
                pieces,
                total,
                ecn_seen,
                condemned,
            )
                .hash(&mut into);
        }
    }
}

impl Partial {
    const fn cost(&self) -> usize {
        PACKET_OVERHEAD + self.pieces.len() * PIECE_OVERHEAD + self.held
    }

    fn keep(&mut self, piece: Piece) -> Result<(), (DropReason, Rule)> {
        let overlap = (DropReason::FragmentOverlap, Rule::FragmentOverlap);
        if self.condemned {
            return Err(overlap);
        }
        let start = piece.offset;
        let end = start + piece.payload.len();
        let at = self.pieces.partition_point(|(offset, _)| *offset < start);
        let ends_it = self.total == Some(end);
        if let Some((offset, bytes)) = self.pieces.get(at)
            && *offset == start
            && *bytes == piece.payload
            && piece.more != ends_it
        {
            // An exact duplicate harms nobody: the network makes them (RFC 8200 4.5).
            return Err(overlap);
        }
        let after_previous = at.checked_sub(1).and_then(|before| self.pieces.get(before));
        let overlaps = after_previous.is_some_and(|(offset, bytes)| offset + bytes.len() > start)
            || self.pieces.get(at).is_some_and(|(offset, _)| *offset < end)
            || self.contradicts_total(end, piece.more);
        if overlaps {
            self.condemned = true;
            self.pieces.clear();
            self.held = 0;
            return Err(overlap);
        }
        if !piece.more {
            self.total = Some(end);
        }
        if start == 0 {
            self.header = Some(Bytes::copy_from_slice(&piece.header));
        }
        self.ecn_seen.add(piece.ecn);
        self.held += piece.payload.len();
        // Copied: a fragment must not pin the buffer of a whole read.
        self.pieces
            .insert(at, (start, Bytes::copy_from_slice(&piece.payload)));
        Ok(())
    }

    /// Whether a fragment that ends at `end` denies what is known about the packet's end.
    fn contradicts_total(&self, end: usize, more: bool) -> bool {
        let known_end = self
            .pieces
            .last()
            .map_or(0, |(offset, bytes)| offset + bytes.len());
        match self.total {
            Some(total) if more => end >= total,
            Some(total) => end != total,
            None => !more && end < known_end,
        }
    }

    fn is_complete(&self) -> bool {
        // Without overlap, as many bytes as the total are all of them.
        self.total == Some(self.held)
    }

    fn join(self) -> Option<Whole> {
        let mut payload = BytesMut::with_capacity(self.total?);
        for (_, bytes) in &self.pieces {
            payload.extend_from_slice(bytes);
        }
        Some(Whole {
            header: self.header?,
            payload: payload.freeze(),
            ecn: self.ecn_seen.combined()?,
        })
    }
}

#[cfg(test)]
#[path = "reassembly_tests.rs"]
mod tests;
