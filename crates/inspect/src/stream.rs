//! One direction of a connection as the bytes a program would read.
//!
//! Job: put segments in order, and keep when each byte came and when it could be read.
//! Owns: what waits behind a hole, up to a limit. Does not know: messages.

use core::time::Duration;
use std::collections::BTreeMap;

use bytes::Bytes;

use crate::conversation::Relative;
use crate::dissect::{Flags, Tcp};

/// What may wait behind holes; beyond, the direction is given up.
const HELD_MAX: usize = 4 << 20;

/// Bytes in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Where the first of them is in the stream.
    pub(crate) seq: i64,
    pub(crate) bytes: Bytes,
    /// When they came.
    pub(crate) arrived: Duration,
    /// When nothing was missing before them.
    pub(crate) readable: Duration,
    /// The packet that brought them, as it is shown.
    pub(crate) packet: u64,
    /// That packet's ordinal in the file, and where in it they begin.
    pub(crate) place: (u64, usize),
}

/// A packet with a segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Carrier {
    pub(crate) at: Duration,
    /// Its number as shown.
    pub(crate) packet: u64,
    /// Its ordinal in the file, and where in it the payload begins.
    pub(crate) place: (u64, usize),
}

/// One direction.
#[derive(Debug)]
pub(crate) struct Stream {
    /// The next byte in order; the first is 1, behind the SYN.
    next: i64,
    held: BTreeMap<i64, (Bytes, Carrier)>,
    held_bytes: usize,
    /// Where the FIN is.
    end: Option<i64>,
    /// Bytes are missing that will never come.
    broken: bool,
}

impl Default for Stream {
    fn default() -> Self {
        Self {
            next: 1,
            held: BTreeMap::new(),
            held_bytes: 0,
            end: None,
            broken: false,
        }
    }
}

impl Stream {
    /// Takes a segment; what has become readable is appended to `out`.
    pub(crate) fn segment(
        &mut self,
        carrier: Carrier,
        tcp: &Tcp,
        relative: &Relative,
        out: &mut Vec<Piece>,
    ) {
        let start = relative.seq + i64::from(tcp.flags.has(Flags::SYN));
        if tcp.flags.has(Flags::FIN) {
            self.end = Some(relative.end - 1);
        }
        // A record cut short by the one who captured leaves a hole for ever.
        self.broken |= !tcp.payload.is_whole();
        if self.broken || tcp.payload.bytes.is_empty() {
            return;
        }
        self.hold(start, tcp.payload.bytes.clone(), carrier);
        while let Some(entry) = self.held.first_entry() {
            let seq = *entry.key();
            if seq > self.next {
                break;
            }
            let (bytes, came) = entry.remove();
            self.held_bytes -= bytes.len();
            let known = usize::try_from(self.next - seq).unwrap_or(usize::MAX);
            if known < bytes.len() {
                let bytes = bytes.slice(known..);
                let seq = self.next;
                self.next += i64::try_from(bytes.len()).unwrap_or(0);
                out.push(Piece {
                    seq,
                    bytes,
                    arrived: came.at,
                    readable: carrier.at,
                    packet: came.packet,
                    place: (came.place.0, came.place.1 + known),
                });
            }
        }
    }

    fn hold(&mut self, start: i64, bytes: Bytes, carrier: Carrier) {
        let longer = self
            .held
            .get(&start)
            .is_none_or(|(old, ..)| old.len() < bytes.len());
        if !longer {
            return;
        }
        self.held_bytes += bytes.len();
        if let Some((old, ..)) = self.held.insert(start, (bytes, carrier)) {
            self.held_bytes -= old.len();
        }
        if self.held_bytes > HELD_MAX {
            self.give_up();
        }
    }

    /// What waits behind holes, bytes.
    pub(crate) const fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// Follows no further.
    pub(crate) fn give_up(&mut self) {
        self.broken = true;
        self.held.clear();
        self.held_bytes = 0;
    }

    /// Whether all was read up to the FIN.
    pub(crate) fn has_ended(&self) -> bool {
        !self.broken && self.end.is_some_and(|end| self.next >= end)
    }
}
