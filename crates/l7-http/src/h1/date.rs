//! The `Date` of a response.
//!
//! Job: civil time as the 29 bytes HTTP wants, made once a second. Owns: those bytes. Does not know: any clock,
//! not even the standard library's type for its readings, which is why the calendar is done here.
//! Sources: RFC 9110 sections 5.6.7 (the format) and 6.6.1 (when it is sent).

use core::fmt::Write as _;

use outcrop_base::{Instant, WallClock};

/// `Sun, 06 Nov 1994 08:49:37 GMT`.
const DATE_LEN: usize = 29;
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
            let mut into = Cursor {
                text: &mut self.text,
                at: 0,
            };
            // Always 29 bytes: the cursor has room for exactly that.
            let _fits = write_date(second, &mut into);
        }
        &self.text
    }
}

fn write_date(second: u64, into: &mut Cursor<'_>) -> core::fmt::Result {
    const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    let days = second / 86_400;
    let (year, month, day) = civil(days);
    // 1970-01-01 was a Thursday.
    let weekday = (days % 7)
        .try_into()
        .ok()
        .and_then(|i: usize| WEEKDAYS.get(i));
    let weekday = weekday.ok_or(core::fmt::Error)?;
    let (hour, minute, second) = (second / 3600 % 24, second / 60 % 60, second % 60);
    write!(
        into,
        "{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT"
    )
}

/// Year, month and day of a number of days since 1970-01-01.
fn civil(mut days: u64) -> (u64, &'static str, u64) {
    // The Gregorian calendar repeats every 400 years; 1970 to 2370 is as good a cycle as any.
    let mut year = 1970 + days / 146_097 * 400;
    days %= 146_097;
    loop {
        let length = if is_leap(year) { 366 } else { 365 };
        if days < length {
            break;
        }
        days -= length;
        year += 1;
    }
    let february = if is_leap(year) { 29 } else { 28 };
    let months = [
        ("Jan", 31),
        ("Feb", february),
        ("Mar", 31),
        ("Apr", 30),
        ("May", 31),
        ("Jun", 30),
        ("Jul", 31),
        ("Aug", 31),
        ("Sep", 30),
        ("Oct", 31),
        ("Nov", 30),
    ];
    for (month, length) in months {
        if days < length {
            return (year, month, days + 1);
        }
        days -= length;
    }
    (year, "Dec", days + 1)
}

const fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
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
    use core::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn date(second: u64) -> String {
        let clock = WallClock::new(Duration::from_secs(second));
        let text = *DateCache::default().at(&clock, Instant::ZERO);
        String::from_utf8(text.to_vec()).unwrap()
    }

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
        assert_eq!(date(u64::MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
    }

    proptest! {
        /// Against the library that also reads the dates of conditional requests.
        #[test]
        fn every_second_reads_as_the_library_writes_it(second in 0..=LAST_SECOND) {
            let time = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(second);
            prop_assert_eq!(date(second), httpdate::fmt_http_date(time));
        }
    }
}
