//! A few numbers out of many.
//!
//! Job: medians with their extremes, percentiles, ratios. Owns: the arithmetic. Does not know: what is counted.

use serde::{Deserialize, Serialize};

/// Least, median and most of some figures.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spread {
    pub(crate) least: f64,
    /// The middle one, or the mean of the two in the middle.
    pub(crate) median: f64,
    pub(crate) most: f64,
}

impl Spread {
    /// `None` of nothing.
    pub(crate) fn of(figures: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = figures.into_iter().collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let (first, last) = (*sorted.first()?, *sorted.last()?);
        let upper = *sorted.get(sorted.len() / 2)?;
        let lower = *sorted.get((sorted.len() - 1) / 2)?;
        Some(Self {
            least: first,
            median: lower.midpoint(upper),
            most: last,
        })
    }

    /// Whether the two are equal as far as they can be told apart: their extremes overlap.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.least <= other.most && other.least <= self.most
    }

    /// How many times `other`'s median this median is; nothing is no measure.
    pub(crate) fn ratio(&self, other: &Self) -> Option<f64> {
        (other.median > 0.0).then(|| self.median / other.median)
    }
}

/// The least of `sorted` figures that at least `share` of them do not exceed (nearest rank). Zero of nothing.
pub(crate) fn percentile(sorted: &[u64], share: f64) -> u64 {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank among at most a few million"
    )]
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_odd_number_of_figures_has_one_in_the_middle() {
        let spread = Spread::of([3.0, 1.0, 10.0]).unwrap();
        assert_eq!((spread.least, spread.median, spread.most), (1.0, 3.0, 10.0));
    }

    #[test]
    fn an_even_number_of_figures_has_the_mean_of_two() {
        // 1 2 | 6 9: between 2 and 6.
        let spread = Spread::of([9.0, 2.0, 6.0, 1.0]).unwrap();
        assert_eq!((spread.least, spread.median, spread.most), (1.0, 4.0, 9.0));
    }

    #[test]
    fn nothing_has_no_median() {
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn what_touches_overlaps() {
        let [low, middle, high] = [[1.0, 2.0], [2.0, 4.0], [5.0, 6.0]]
            .map(Spread::of)
            .map(Option::unwrap);
        assert!(low.overlaps(&middle) && middle.overlaps(&low));
        assert!(!low.overlaps(&high) && !high.overlaps(&middle));
    }

    #[test]
    fn a_ratio_is_of_medians() {
        let [six, four, none] = [6.0, 4.0, 0.0].map(|figure| Spread::of([figure]).unwrap());
        assert_eq!(six.ratio(&four), Some(1.5));
        assert_eq!(six.ratio(&none), None);
    }

    #[test]
    fn a_percentile_is_one_of_the_figures() {
        let hundred: Vec<u64> = (1..=100).collect();
        assert_eq!(percentile(&hundred, 0.5), 50);
        assert_eq!(percentile(&hundred, 0.99), 99);
        assert_eq!(percentile(&hundred, 0.999), 100);
        assert_eq!(percentile(&[7], 0.5), 7);
        assert_eq!(percentile(&[], 0.5), 0);
    }
}
