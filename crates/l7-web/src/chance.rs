//! Numbers nobody can guess, and time.
//!
//! Job: the two things of the outside that an application's state needs. Owns: nothing. Does not know: what they are for.

use core::time::Duration;
use std::sync::Arc;
use std::time::SystemTime;

/// 128 random bits as 32 hexadecimal digits.
///
/// # Errors
/// The system has no randomness to give, which is fatal to whatever asks.
pub fn token() -> Result<String, getrandom::Error> {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits)?;
    Ok(hex(&bits))
}

/// So many random bytes.
///
/// # Errors
/// As for [`token`].
pub fn bytes<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bits = [0; N];
    getrandom::fill(&mut bits)?;
    Ok(bits)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use core::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _infallible = write!(out, "{byte:02x}");
        out
    })
}

/// Whether two secrets are equal, in a time that depends on their lengths alone.
#[must_use]
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    let differ = a.iter().zip(b).fold(0, |differ, (a, b)| differ | (a ^ b));
    a.len() == b.len() && core::hint::black_box(differ) == 0
}

/// What time it is, since 1970.
#[derive(Clone)]
pub struct Now(Arc<dyn Fn() -> Duration + Send + Sync>);

impl Now {
    /// From any clock: a simulation's, say.
    pub fn new(now: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The system's.
    #[must_use]
    pub fn system() -> Self {
        Self::new(|| {
            SystemTime::now()
                .duration_since(SystemTime::UNIX_EPOCH)
                .unwrap_or_default()
        })
    }

    /// Now.
    #[must_use]
    pub fn get(&self) -> Duration {
        (self.0)()
    }
}

impl core::fmt::Debug for Now {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Now({:?})", self.get())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use core::sync::atomic::{AtomicU64, Ordering};

    /// A clock that is moved by hand, in seconds.
    pub(crate) fn clock() -> (Now, Arc<AtomicU64>) {
        let hand = Arc::new(AtomicU64::new(1_000_000));
        let read = Arc::clone(&hand);
        let now = Now::new(move || Duration::from_secs(read.load(Ordering::Relaxed)));
        (now, hand)
    }

    #[test]
    fn tokens_are_long_and_never_the_same() {
        let (a, b) = (token().unwrap(), token().unwrap());
        assert!(a.len() == 32 && a != b);
        assert!(equal(b"same", b"same"));
        assert!(!equal(b"same", b"sama") && !equal(b"same", b"sam") && !equal(b"", b"x"));
    }
}
