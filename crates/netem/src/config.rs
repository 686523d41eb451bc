//! What a link does to packets.
//!
//! Job: the settings of one direction of a link. Owns: plain values. Does not know: how they are applied.

use core::time::Duration;
use std::collections::BTreeMap;

/// One direction of a link. The default is a perfect wire: no delay, no loss, no limit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// Time every packet spends on the wire.
    pub delay: Duration,
    /// Random addition to `delay`, uniform from zero to this. Jitter alone never reorders: a packet waits for
    /// the one before it.
    pub jitter: Duration,
    /// Bytes a second the sender can put onto the wire; `None` is without limit.
    pub rate: Option<u64>,
    /// Bytes that may wait for the wire, the packet on it included; `None` is without limit. What finds no
    /// room is dropped at the tail.
    pub queue: Option<usize>,
    /// Chance of losing a packet, 0 to 1.
    pub loss: f64,
    /// Chance of delivering a packet twice, 0 to 1.
    pub duplicate: f64,
    /// Chance of flipping one bit of a packet, 0 to 1.
    pub corrupt: f64,
    /// Chance of holding a packet back, 0 to 1, so that later ones overtake it.
    pub reorder: f64,
    /// How long such a packet is held back.
    pub reorder_by: Duration,
    /// Chance of marking an ECN-capable packet as having met congestion (RFC 3168 5), 0 to 1.
    pub mark: f64,
    /// What happens to the k-th packet (from 1), whatever chance says.
    pub script: BTreeMap<u64, Fault>,
}

/// What befalls one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is lost.
    Drop,
    /// It arrives twice.
    Duplicate,
    /// One bit of it is flipped.
    Corrupt,
    /// It arrives later by this, and does not hold up what follows.
    Delay(Duration),
}

impl Config {
    /// A wire with this delay and nothing else.
    #[must_use]
    pub fn delay(delay: Duration) -> Self {
        Self {
            delay,
            ..Self::default()
        }
    }

    /// The same, losing the packets of these numbers (from 1).
    #[must_use]
    pub fn dropping(mut self, numbers: impl IntoIterator<Item = u64>) -> Self {
        let drops = numbers.into_iter().map(|number| (number, Fault::Drop));
        self.script.extend(drops);
        self
    }
}
