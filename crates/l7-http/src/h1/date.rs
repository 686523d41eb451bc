//! The `Date` of a response.
//!
//! Job: civil time as the field line HTTP wants, made once a second. Owns: those bytes. Does not know: any clock,
//! not even the standard library's type for its readings, which is why the calendar is done here.
//! Sources: RFC 9110 sections 5.6.7 (the format) and 6.6.1 (when it is sent).

use outcrop_base::{Instant, WallClock};

/// `Sun, 06 Nov 1994 08:49:37 GMT`.
const DATE_LEN: usize = 29;
/// The last second the format can write: 9999-12-31 23:59:59.
const LAST_SECOND: u64 = 253_402_300_799;

/// Where the date begins in its line.
const DATE_AT: usize = 6;
/// The line with its end, and with the empty line that may follow.
const LINE_LEN: usize = DATE_AT + DATE_LEN + 2;
const LAST_LINE_LEN: usize = LINE_LEN + 2;

#[derive(Clone, Debug)]
pub(super) struct DateCache {
    /// When it was asked for last: for all answers of one batch it is the same.
    at: Option<Instant>,
    second: u64,
    line: [u8; LAST_LINE_LEN],
}

impl Default for DateCache {
    fn default() -> Self {
        Self {
            at: None,
            second: u64::MAX,
            line: *b"date: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n",
        }
    }
}

impl DateCache {
    /// The field line at `now`.
    pub(super) fn line(&mut self, clock: &WallClock, now: Instant) -> &[u8] {
        let line = self.last_line(clock, now);
        line.get(..LINE_LEN).unwrap_or_default()
    }

    /// The same, with the empty line that ends a head.
    pub(super) fn last_line(&mut self, clock: &WallClock, now: Instant) -> &[u8; LAST_LINE_LEN] {
        if self.at != Some(now) {
            self.at = Some(now);
            self.at_second(clock.unix(now).as_secs().min(LAST_SECOND));
        }
        &self.line
    }

    fn at_second(&mut self, second: u64) {
        if second != self.second {
            self.second = second;
            if let Some(date) = self.line.get_mut(DATE_AT..DATE_AT + DATE_LEN) {
                date.copy_from_slice(&text_of(second));
            }
        }
    }
}

/// By hand, because each connection makes its first date anew, and formatting costs more than the rest of an answer.
fn text_of(second: u64) -> [u8; DATE_LEN] {
    const WEEKDAYS: [&[u8; 3]; 7] = [b"Thu", b"Fri", b"Sat", b"Sun", b"Mon", b"Tue", b"Wed"];
    let days = second / 86_400;
    let (year, month, day) = civil(days);
    // 1970-01-01 was a Thursday.
    let weekday = usize::try_from(days % 7).ok();
    let [w0, w1, w2] = **weekday.and_then(|day| WEEKDAYS.get(day)).unwrap_or(&b"???");
    let [m0, m1, m2] = *month;
    let ([d0, d1], [y0, y1], [y2, y3]) = (two(day), two(year / 100), two(year % 100));
    let (hour, minute) = (two(second / 3600 % 24), two(second / 60 % 60));
    let ([h0, h1], [n0, n1], [s0, s1]) = (hour, minute, two(second % 60));
    [
        w0, w1, w2, b',', b' ', d0, d1, b' ', m0, m1, m2, b' ', y0, y1, y2, y3, b' ', h0, h1, b':',
        n0, n1, b':', s0, s1, b' ', b'G', b'M', b'T',
    ]
}

/// Two digits of a number below a hundred.
const fn two(number: u64) -> [u8; 2] {
    [b'0' + (number / 10 % 10) as u8, b'0' + (number % 10) as u8]
}

/// Year, month and day of a number of days since 1970-01-01.
///
/// Counted from the 1st of March of the year 0: then a leap day is the last of its year, every 400 years are alike, and the
/// months of a year, five in 153 days, follow one line.
fn civil(days: u64) -> (u64, &'static [u8; 3], u64) {
    const MONTHS: [&[u8; 3]; 12] = [
        b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec", b"Jan",
        b"Feb",
    ];
    const CYCLE: u64 = 146_097;
    let days = days + 719_468;
    let day = days % CYCLE;
    // What leap days have added by then is taken off before dividing by the days of a common year.
    let year = (day - day / 1_460 + day / 36_524 - day / (CYCLE - 1)) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    // January and February are the end of the year that began in March.
    let year = days / CYCLE * 400 + year + u64::from(month >= 10);
    let name = usize::try_from(month).ok();
    let name = name.and_then(|month| MONTHS.get(month));
    (year, name.unwrap_or(&b"???"), day)
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn date(second: u64) -> String {
        let clock = WallClock::new(Duration::from_secs(second));
        let mut cache = DateCache::default();
        let line = cache.last_line(&clock, Instant::ZERO);
        let line = String::from_utf8(line.to_vec()).unwrap();
        let date = line.strip_prefix("date: ").unwrap();
        date.strip_suffix("\r\n\r\n").unwrap().to_owned()
    }

    #[test]
    fn the_second_of_the_rfc_example_reads_as_in_the_rfc() {
        // RFC 9110 section 5.6.7: Sun, 06 Nov 1994 08:49:37 GMT is 784111777.
        let clock = WallClock::new(Duration::from_secs(784_111_770));
        let mut cache = DateCache::default();
        let line = cache.line(&clock, Instant::from_millis(7_999));
        assert_eq!(line, b"date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
        let line = cache.last_line(&clock, Instant::from_millis(8_000));
        assert_eq!(line, b"date: Sun, 06 Nov 1994 08:49:38 GMT\r\n\r\n");
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
