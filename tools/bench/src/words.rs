//! Figures as people read them.
//!
//! Job: say a rate in three digits that count. Owns: the abbreviations. Does not know: tables.

use core::fmt;

use crate::statistics::Spread;

/// A rate with its extremes and its unit: `147k (135k-159k)` requests a second, `29.1G (15.1G-29.9G)` bits a second.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate<'a>(pub(crate) Spread, pub(crate) &'a str);

impl fmt::Display for Rate<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(spread, unit) = self;
        let Spread {
            least,
            median,
            most,
        } = spread;
        let [least, median, most] = [least, median, most].map(|rate| said(*rate, unit));
        write!(f, "{median} ({least}-{most})")
    }
}

/// One rate, in `requests/s` or `Mbit/s`.
pub(crate) fn said(rate: f64, unit: &str) -> String {
    match unit {
        "Mbit/s" if rate < 1e3 => format!("{rate:.0}M"),
        "Mbit/s" => format!("{}G", digits(rate / 1e3)),
        _ if rate < 1e3 => format!("{rate:.0}"),
        _ if rate < 1e6 => format!("{}k", digits(rate / 1e3)),
        _ => format!("{}M", digits(rate / 1e6)),
    }
}

fn digits(figure: f64) -> String {
    if figure >= 100.0 {
        format!("{figure:.0}")
    } else if figure >= 10.0 {
        format!("{figure:.1}")
    } else {
        format!("{figure:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_count() {
        let requests = [147_200.0, 14_620.0, 955.0, 2_450_000.0];
        let said_of = |unit: &'static str| move |rate| said(rate, unit);
        assert_eq!(
            requests.map(said_of("requests/s")),
            ["147k", "14.6k", "955", "2.45M"]
        );
        assert_eq!(
            [41_800.0, 3_000.0, 671.4].map(said_of("Mbit/s")),
            ["41.8G", "3.00G", "671M"]
        );
    }
}
