//! One of several engines of the same host.
//!
//! Job: say which local numbers (ports, echo identifiers) are this engine's to choose, so that two engines never choose
//! the same one. Owns: the arithmetic. Does not know: who the others are.

use core::num::NonZeroU16;

/// Which of several engines of one host this is. The default is: the only one.
///
/// ```
/// use outcrop_base::Share;
/// let [first, second] = [0, 1].map(|index| Share::new(index, 2).unwrap());
/// assert!(first.owns(50_000) && second.owns(50_001) && !first.owns(50_001));
/// assert!(Share::ALL.owns(50_000) && Share::ALL.owns(50_001));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Share {
    index: u16,
    of: NonZeroU16,
}

impl Share {
    /// Everything.
    pub const ALL: Self = Self {
        index: 0,
        of: NonZeroU16::MIN,
    };

    /// Share `index` of `of`, counted from zero; `None` if there is no such share.
    #[must_use]
    pub fn new(index: u16, of: u16) -> Option<Self> {
        let of = NonZeroU16::new(of)?;
        (index < of.get()).then_some(Self { index, of })
    }

    /// Whether `number` is this engine's to choose.
    #[must_use]
    pub const fn owns(self, number: u16) -> bool {
        number % self.of.get() == self.index
    }

    /// How many engines there are.
    #[must_use]
    pub const fn of(self) -> u16 {
        self.of.get()
    }
}

impl Default for Share {
    fn default() -> Self {
        Self::ALL
    }
}
