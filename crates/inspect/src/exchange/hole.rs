//! Holes at the far end, by what it says of them.
//!
//! Job: of one direction, when its receiver had bytes behind a hole, and which. Owns: a bounded list.
//! Does not know: messages' contents. Source: RFC 2018 4 (blocks above the acknowledgment are behind a hole).

use core::ops::Range;
use core::time::Duration;

use super::message::Message;
use crate::conversation::Relative;

/// Spells kept of a direction; later ones are not told.
const SPELLS_MAX: usize = 256;

/// A time with a hole.
#[derive(Debug)]
struct Spell {
    from: Duration,
    until: Duration,
    /// From the first byte missing to the last one there.
    bytes: Range<i64>,
}

/// The holes of one direction.
#[derive(Debug, Default)]
pub(super) struct Holes {
    spells: Vec<Spell>,
    open: bool,
}

impl Holes {
    /// The receiver acknowledges.
    pub(super) fn heard(&mut self, at: Duration, relative: &Relative) {
        let Some(ack) = relative.ack else {
            return;
        };
        // A block below the acknowledgment tells of a duplicate (RFC 2883).
        let above = relative.sack.iter().filter(|(left, _)| *left > ack);
        let high = above.map(|(_, right)| *right).max();
        let full = self.spells.len() >= SPELLS_MAX;
        match (high, self.spells.last_mut().filter(|_| self.open)) {
            (Some(high), Some(spell)) => {
                spell.until = at;
                spell.bytes.end = spell.bytes.end.max(high);
            }
            (Some(high), None) if !full => {
                self.open = true;
                self.spells.push(Spell {
                    from: at,
                    until: at,
                    bytes: ack..high,
                });
            }
            (None, Some(spell)) => {
                spell.until = at;
                self.open = false;
            }
            (Some(_), None) | (None, None) => {}
        }
    }

    /// Tells a message of the direction when its bytes waited.
    pub(super) fn tell(&self, message: &mut Message) {
        for spell in &self.spells {
            let touches =
                spell.bytes.start < message.range.end && message.range.start < spell.bytes.end;
            if touches {
                message.hold(spell.from, spell.until);
            }
        }
    }
}
