//! What the peer may send.
//!
//! Job: decide the window to advertise and when that is news worth a packet. Owns: the buffer's capacity and the
//! right edge promised. Does not know: what is in the buffer.
//! The edge never moves left, rounding by the scale included: where the field cannot say the exact
//! distance it says the next larger one, and a margin of the capacity takes what that adds up to.
//! Sources: RFC 9293 3.8.6.2.2 (silly windows, receiver), 3.8.6 (SHLD-14: do not shrink), RFC 7323 2.3, 2.4.

use core::hash::Hash;

use crate::params::LAST_SEGMENTS;

/// The receive window of one connection.
#[derive(Clone, Debug, Hash)]
pub struct RecvWindow {
    /// The first offset the peer may not send: RCV.NXT + RCV.WND at its largest so far.
    edge: u64,
    capacity: u32,
    mss: u32,
    /// The largest window ever promised.
    peak: u32,
    scale: u8,
    /// Memory is scarce: a few segments at most are asked for.
    squeezed: bool,
    /// The most to offer so far, if the window opens slowly.
    open: Option<u32>,
}

/// A window as it would be advertised now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advertised {
    /// The header's field, scaled down.
    pub field: u16,
    /// The right edge it promises.
    pub edge: u64,
}

impl RecvWindow {
    /// A window for a buffer of `capacity` bytes of which `promised` are already known to the peer.
    #[must_use]
    pub fn new(capacity: u32, scale: u8, mss: u32, promised: u32) -> Self {
        let scale = scale.min(crate::params::MAX_WINDOW_SHIFT);
        Self {
            edge: u64::from(promised),
            capacity: expressible(capacity, scale),
            mss,
            peak: promised,
            scale,
            squeezed: false,
            open: None,
        }
    }

    /// The same, opening from what was promised by twice what arrives.
    #[must_use]
    pub fn opening_slowly(mut self, slowly: bool) -> Self {
        self.open = slowly.then_some(self.peak.max(1 << self.scale));
        self
    }

    /// So much arrived in order.
    pub fn on_arrival(&mut self, bytes: u64) {
        if let Some(open) = &mut self.open {
            let twice = u32::try_from(2 * bytes).unwrap_or(u32::MAX);
            *open = open.saturating_add(twice);
        }
    }

    /// The first offset the peer may not send.
    #[must_use]
    pub const fn edge(&self) -> u64 {
        self.edge
    }

    /// The buffer's capacity, bytes.
    #[must_use]
    pub const fn capacity(&self) -> u64 {
        self.capacity as u64
    }

    /// Says whether memory is scarce. What was promised stays promised: the edge rests until the peer has come
    /// within a few segments of it.
    pub(crate) const fn squeeze(&mut self, squeezed: bool) {
        self.squeezed = squeezed;
    }

    /// What may be queued now.
    fn usable(&self) -> u64 {
        let most = match self.open {
            Some(open) => self.capacity.min(open),
            None => self.capacity,
        };
        if self.squeezed {
            u64::from(most.min(LAST_SEGMENTS * self.mss))
        } else {
            u64::from(most)
        }
    }

    /// Changes the capacity; what was promised stays promised.
    pub fn set_capacity(&mut self, capacity: u32) {
        self.capacity = expressible(capacity, self.scale);
    }

    /// Changes the size of a full segment.
    pub const fn set_mss(&mut self, mss: u32) {
        self.mss = mss;
    }

    /// The window to advertise, with `queued` bytes unread before `nxt`.
    #[must_use]
    pub fn plan(&self, nxt: u64, queued: u64) -> Advertised {
        let open = nxt + self.usable().saturating_sub(queued);
        // RFC 9293 3.8.6.2.2: hold the edge until it can move by a useful step.
        let wanted = if open >= self.edge + self.step() {
            open
        } else {
            self.edge
        };
        let down = self.field(wanted.saturating_sub(nxt));
        let up = nxt + self.value(down.saturating_add(1));
        // The most this end will ever hold: what was read, the capacity, and the margin.
        let limit = (nxt + self.capacity() + self.capacity() / 8).saturating_sub(queued);
        let field = if nxt + self.value(down) < self.edge && up <= limit {
            // Rounding down would move the edge left.
            down.saturating_add(1)
        } else {
            down
        };
        self.of_field(nxt, field)
    }

    /// What `field` beside an acknowledgment of everything before `nxt` says.
    pub(crate) fn of_field(&self, nxt: u64, field: u16) -> Advertised {
        Advertised {
            field,
            edge: nxt + self.value(field),
        }
    }

    /// Whether the peer should hear of the window now: half of it is used up, and it would at least double.
    ///
    /// A peer that has more than half left is not waiting for us (its own rule against silly windows
    /// lets it send into half of the largest it has seen); it hears of the rest with the next
    /// acknowledgment. So a buffer larger than a SYN can announce costs no packet of its own.
    #[must_use]
    pub fn update_due(&self, nxt: u64, queued: u64) -> bool {
        let open = self.usable().saturating_sub(queued);
        let left = self.edge.saturating_sub(nxt);
        let gain = open.saturating_sub(left);
        left <= u64::from(self.peak / 2)
            && open >= 2 * left
            && gain >= self.step().max(1 << self.scale)
    }

    /// A packet with this window has left.
    pub fn on_advertised(&mut self, window: Advertised) {
        self.edge = self.edge.max(window.edge);
        let value = u32::try_from(self.value(window.field)).unwrap_or(u32::MAX);
        self.peak = self.peak.max(value);
    }

    /// RFC 9293 3.8.6.2.2: min(Fr * RCV.BUFF, Eff.snd.MSS) with Fr = 1/2.
    fn step(&self) -> u64 {
        (self.usable() / 2).min(u64::from(self.mss)).max(1)
    }

    fn field(&self, bytes: u64) -> u16 {
        u16::try_from(bytes >> self.scale).unwrap_or(u16::MAX)
    }

    fn value(&self, field: u16) -> u64 {
        u64::from(field) << self.scale
    }
}

/// A buffer smaller than one step of the scaled field could never be offered: the peer would wait for ever.
fn expressible(capacity: u32, scale: u8) -> u32 {
    capacity.max(1 << scale)
}
