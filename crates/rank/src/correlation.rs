//! Correlation of values and of ranks.

use std::ops::RangeInclusive;

use crate::RankError;
use crate::check::{pairs, varying_pairs, with_one_zero};

/// Between these bounds neither a sum of values overflows nor a mean loses bits to underflow.
const SAFE: RangeInclusive<f64> = 1e-280..=1e280;

/// A power of two that brings what is beyond [`SAFE`] well inside.
const RESCALING: f64 = (1u128 << 127) as f64;

/// Spearman's ρ: the Pearson correlation of ranks, equal values sharing the mean of their ranks.
///
/// # Shapes
///
/// - `predicted`, `truth`: `[n]`
///
/// # Errors
///
/// As [`kendall_tau_b`](crate::kendall_tau_b).
///
/// # Examples
///
/// ```
/// let rho = rank::spearman(&[1.0, 2.0, 3.0], &[1.0, 100.0, 10.0])?;
/// assert!((rho - 0.5).abs() < 1e-12);
/// # Ok::<(), rank::RankError>(())
/// ```
pub fn spearman(predicted: &[f64], truth: &[f64]) -> Result<f64, RankError> {
    varying_pairs(predicted, truth)?;
    pearson(&average_ranks(predicted), &average_ranks(truth))
}

/// Pearson's correlation: Σ(x − x̄)(y − ȳ) ∕ √(Σ(x − x̄)² · Σ(y − ȳ)²).
///
/// Neither offset nor scale of the values does harm, up to the largest and the smallest `f64`.
///
/// # Shapes
///
/// - `predicted`, `truth`: `[n]`
///
/// # Errors
///
/// As [`kendall_tau_b`](crate::kendall_tau_b).
///
/// # Examples
///
/// ```
/// let correlation = rank::pearson(&[1.0, 2.0, 3.0], &[30.0, 20.0, 10.0])?;
/// assert!((correlation + 1.0).abs() < 1e-12);
/// # Ok::<(), rank::RankError>(())
/// ```
pub fn pearson(predicted: &[f64], truth: &[f64]) -> Result<f64, RankError> {
    varying_pairs(predicted, truth)?;
    let (x, y) = (deviations(predicted), deviations(truth));
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let correlation = product(&x, &y) / (product(&x, &x) * product(&y, &y)).sqrt();
    // By Cauchy and Schwarz only rounding leads beyond 1.
    Ok(correlation.clamp(-1.0, 1.0))
}

/// What several scorers say together (Borda 1781): the mean of the ranks that they give, from 1
/// upward, equal values sharing the mean of theirs. A scorer weighs as much as any other, whatever
/// the scale of its scores.
///
/// # Shapes
///
/// - each of `scorers` and output: `[n]`
///
/// # Errors
///
/// [`RankError::TooFew`] without scorers or values, [`RankError::UnequalLengths`],
/// [`RankError::NotFinite`].
///
/// # Examples
///
/// ```
/// let together = rank::mean_rank(&[&[0.1, 0.9, 0.5], &[300.0, 300.0, 100.0]])?;
/// assert_eq!(together, [1.75, 2.75, 1.5]);
/// # Ok::<(), rank::RankError>(())
/// ```
pub fn mean_rank(scorers: &[&[f64]]) -> Result<Vec<f64>, RankError> {
    let first = scorers.first().ok_or(RankError::TooFew { n: 0, needed: 1 })?;
    let mut sums = vec![0.0; first.len()];
    for scores in scorers {
        pairs(scores, first, 1)?;
        for (sum, rank) in sums.iter_mut().zip(average_ranks(scores)) {
            *sum += rank;
        }
    }
    let n = scorers.len() as f64;
    Ok(sums.into_iter().map(|sum| sum / n).collect())
}

/// Deviations from the mean, in units of the largest. The values are not all equal.
fn deviations(values: &[f64]) -> Vec<f64> {
    let magnitude = largest(values);
    let scale = if magnitude < *SAFE.start() {
        RESCALING
    } else if *SAFE.end() < magnitude {
        1.0 / RESCALING
    } else {
        1.0
    };
    let mut deviations: Vec<f64> = values.iter().map(|value| value * scale).collect();
    // Far from zero the first mean rounds to a multiple of the spacing there; the second corrects.
    for _ in 0..2 {
        let mean = mean(&deviations);
        for deviation in &mut deviations {
            *deviation -= mean;
        }
    }
    let unit = largest(&deviations);
    deviations.into_iter().map(|deviation| deviation / unit).collect()
}

pub(crate) fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |largest, value| value.abs().max(largest))
}

pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Ranks from 1 upward, equal values sharing the mean of theirs.
fn average_ranks(values: &[f64]) -> Vec<f64> {
    let values = with_one_zero(values);
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut n_below = 0;
    for run in order.chunk_by(|&a, &b| values[b] <= values[a]) {
        // The mean of n_below + 1 … n_below + len.
        let rank = n_below as f64 + (run.len() + 1) as f64 / 2.0;
        for &index in run {
            ranks[index] = rank;
        }
        n_below += run.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(found: Result<f64, RankError>, expected: f64) {
        let found = found.unwrap();
        // Sums of few terms near 1.
        assert!((found - expected).abs() < 1e-14, "{found} for {expected}");
    }

    #[test]
    fn hand_made_correlations() {
        check(pearson(&[1.0, 2.0, 4.0], &[1.0, 3.0, 2.0]), 1.0 / (14.0 / 3.0 * 2f64).sqrt());
        check(spearman(&[1.0, 2.0, 4.0], &[1.0, 3.0, 2.0]), 0.5);
        // Ranks 1, 2.5, 2.5, 4 against 1, 2, 3, 4: 4.5 / √(4.5 · 5).
        check(spearman(&[1.0, 2.0, 2.0, 9.0], &[1.0, 2.0, 3.0, 4.0]), 4.5 / 22.5f64.sqrt());
    }

    #[test]
    fn the_ends_of_the_range_of_f64_correlate() {
        let huge = [f64::MAX, -f64::MAX, f64::MAX];
        let tiny = [5e-324, 0.0, 5e-324];
        check(pearson(&huge, &tiny), 1.0);
        // Neighbors of 10¹⁶ are 2 apart.
        check(pearson(&[1e16, 1e16 + 2.0, 1e16 + 4.0], &[1.0, 2.0, 3.0]), 1.0);
    }

    proptest! {
        #[test]
        fn ranks_count_the_smaller_and_half_the_equal(
            values in prop::collection::vec(-5i8..5, 1..40),
        ) {
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            let ranks = average_ranks(&values);
            for (value, rank) in values.iter().zip(ranks) {
                let n_smaller = values.iter().filter(|other| *other < value).count();
                let n_not_larger = values.iter().filter(|other| *other <= value).count();
                // Twice a rank is a whole number.
                prop_assert_eq!((2.0 * rank) as usize, n_smaller + n_not_larger + 1);
            }
        }

        #[test]
        fn pearson_ignores_offset_and_scale(
            pairs in prop::collection::vec((-1.0..1.0, -1.0..1.0), 3..30),
            offset in -1e3..1e3,
            scale in 1e-3..1e3,
        ) {
            let (predicted, truth): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
            let moved: Vec<f64> = predicted.iter().map(|value| value * scale + offset).collect();
            // The offset costs log2(1e3 / 1e-3) = 20 of the 53 bits; in a sample the spread may be
            // a hundred times smaller than its range.
            let error = pearson(&moved, &truth).unwrap() - pearson(&predicted, &truth).unwrap();
            prop_assert!(error.abs() < 1e-7, "{}", error);
        }

        #[test]
        fn spearman_ignores_what_is_monotonic(
            pairs in prop::collection::vec((-5i8..5, -20.0..20.0), 3..30),
        ) {
            let predicted: Vec<f64> = pairs.iter().map(|pair| f64::from(pair.0)).collect();
            let truth: Vec<f64> = pairs.iter().map(|pair| pair.1).collect();
            let bent: Vec<f64> = predicted.iter().map(|value| value.powi(3)).collect();
            // The ranks are the same numbers, and so is the result.
            prop_assert_eq!(spearman(&bent, &truth), spearman(&predicted, &truth));
        }
    }
}
