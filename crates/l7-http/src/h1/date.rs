//! The `Date` of a response.
//!
//! Job: civil time as the 29 bytes HTTP wants, made once a second. Owns: those bytes. Does not know: any clock.
//! Sources: RFC 9110 sections 5.6.7 (the format) and 6.6.1 (when it is sent).

use core::fmt::Write as _;
use core::time::Duration;
use std::time::UNIX_EPOCH;

use outcrop_base::{Instant, WallClock};

/// `Sun, 06 Nov 1994 08:49:37 GMT`.
pub(super) const DATE_LEN: usize = 29;
/// The last second the format can write: 9999-12-31 23:59:59.
const LAST_SECOND: u64 = 253_402_300_799;

#[derive(Clone, Debug)]
pub(super) struct DateCache {
    second: u64,
    text: [u8; DATE_LEN],
}

impl Default for DateCache {
    fn default() -> Self {
        Self {
            second: u64::MAX,
            text: [b' '; DATE_LEN],
        }
    }
}

impl DateCache {
    /// The date at `now`.
    pub(super) fn at(&mut self, clock: &WallClock, now: Instant) -> &[u8; DATE_LEN] {
        let second = clock.unix(now).as_secs().min(LAST_SECOND);
        if second != self.second {
            self.second = second;
            let time = UNIX_EPOCH + Duration::from_secs(second);
            let mut into = Cursor {
                text: &mut self.text,
                at: 0,
            };
            // Always 29 bytes: the cursor has room for exactly that.
            let _fits = write!(into, "{}", httpdate::HttpDate::from(time));
        }
        &self.text
    }
}

struct Cursor<'a> {
    text: &'a mut [u8; DATE_LEN],
    at: usize,
}

impl core::fmt::Write for Cursor<'_> {
    fn write_str(&mut self, s: &str) -> core::fmt::Result {
        let to = self.at + s.len();
        let room = self.text.get_mut(self.at..to).ok_or(core::fmt::Error)?;
        room.copy_from_slice(s.as_bytes());
        self.at = to;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_of_the_rfc_example_reads_as_in_the_rfc() {
        // RFC 9110 section 5.6.7: Sun, 06 Nov 1994 08:49:37 GMT is 784111777.
        let clock = WallClock::new(Duration::from_secs(784_111_770));
        let mut cache = DateCache::default();
        let text = cache.at(&clock, Instant::from_millis(7_999));
        assert_eq!(text, b"Sun, 06 Nov 1994 08:49:37 GMT");
        let text = cache.at(&clock, Instant::from_millis(8_000));
        assert_eq!(text, b"Sun, 06 Nov 1994 08:49:38 GMT");
    }

    #[test]
    fn a_clock_beyond_the_year_9999_stops_there() {
        let clock = WallClock::new(Duration::from_secs(u64::MAX));
        let text = *DateCache::default().at(&clock, Instant::ZERO);
        assert_eq!(&text, b"Fri, 31 Dec 9999 23:59:59 GMT");
    }
}
