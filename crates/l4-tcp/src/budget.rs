//! Memory for queued bytes, shared by all connections of an endpoint.
//!
//! Job: count what is queued, and say how hard to save. Owns: the count and the limit. Does not know: whose bytes
//! they are; each connection is told the pressure and saves in its own place.
//! ```text
//!  0 ──────────── half ─────────── three quarters ──────────── the limit
//!    buffers grow      none grows        windows shrink to        out-of-order text is refused,
//!                                        a few segments           then what would queue unread
//! ```
//! Sources: RFC 9293 3.8.6 (a window is not taken back, so saving begins early), RFC 2018 8 (what is out of order may
//! be dropped); the shape of Linux's `tcp_mem`.

/// How hard to save memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Pressure {
    /// Not at all.
    #[default]
    Easy,
    /// No buffer grows.
    NoGrowth,
    /// Windows are opened by a few segments at most.
    Shrink,
    /// The limit is reached: what need not be kept is not.
    Full,
}

/// What is queued, and how much may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    held: u64,
    max: u64,
}

impl Budget {
    /// Nothing is queued; `max` bytes may be.
    pub(crate) const fn new(max: u64) -> Self {
        Self { held: 0, max }
    }

    /// Bytes queued.
    pub(crate) const fn held(&self) -> u64 {
        self.held
    }

    /// Somebody who held `before` bytes holds `after`.
    pub(crate) const fn change(&mut self, before: u64, after: u64) {
        self.held = (self.held + after).saturating_sub(before);
    }

    /// How hard to save.
    pub(crate) const fn pressure(&self) -> Pressure {
        // What it nearly always is comes first; a budget of nothing is full.
        if self.held < self.max / 2 {
            Pressure::Easy
        } else if self.held >= self.max {
            Pressure::Full
        } else if self.held >= self.max - self.max / 4 {
            Pressure::Shrink
        } else {
            Pressure::NoGrowth
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pressure_rises_with_what_is_held_and_falls_again() {
        let mut budget = Budget::new(1000);
        let steps = [
            (499, Pressure::Easy),
            (500, Pressure::NoGrowth),
            (749, Pressure::NoGrowth),
        ];
        let more = [
            (750, Pressure::Shrink),
            (1000, Pressure::Full),
            (10, Pressure::Easy),
        ];
        let mut before = 0;
        for (held, expected) in steps.into_iter().chain(more) {
            budget.change(before, held);
            before = held;
            assert_eq!((budget.held(), budget.pressure()), (held, expected));
        }
    }
}
