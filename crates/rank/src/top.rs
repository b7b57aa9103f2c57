//! What the best-ranked are worth.
//!
//! One rule for ties throughout: of equal values the one at the lower index ranks higher.

use crate::check::{figure, pairs, values, with_one_zero};
use crate::{RankError, Side, kendall_tau_b};

/// The index of the highest value, the first of equals.
///
/// # Shapes
///
/// - `predicted`: `[n]`
///
/// # Errors
///
/// [`RankError::TooFew`] without values, [`RankError::NotFinite`].
pub fn top(predicted: &[f64]) -> Result<usize, RankError> {
    values(predicted, Side::Predicted, 1)?;
    Ok(first_of_highest(predicted))
}

/// The share of the truly best that is among the predicted best.
///
/// Both are the first max(1, round(`fraction` · n)) by value, equal values in the order of their
/// index; a half rounds up.
///
/// # Shapes
///
/// - `predicted`, `truth`: `[n]`
///
/// # Errors
///
/// [`RankError::UnequalLengths`], [`RankError::TooFew`] without pairs, [`RankError::NotFinite`],
/// [`RankError::BadFraction`] outside `(0, 1]`.
///
/// # Examples
///
/// ```
/// let predicted = [4.0, 3.0, 2.0, 1.0];
/// let truth = [40.0, 10.0, 30.0, 20.0];
/// assert_eq!(rank::precision_at_top(&predicted, &truth, 0.5)?, 0.5);
/// # Ok::<(), rank::RankError>(())
/// ```
pub fn precision_at_top(predicted: &[f64], truth: &[f64], fraction: f64) -> Result<f64, RankError> {
    pairs(predicted, truth, 1)?;
    let count = count(fraction, truth.len())?;
    let mut is_best = vec![false; truth.len()];
    for index in best(truth, count) {
        is_best[index] = true;
    }
    let n_found = best(predicted, count).into_iter().filter(|&index| is_best[index]).count();
    Ok(n_found as f64 / count as f64)
}

/// Kendall's τ-b among the truly best alone: whether a scorer can tell the good from the very good.
///
/// They are the first max(1, round(`fraction` · n)) by truth, as in [`precision_at_top`].
///
/// # Shapes
///
/// - `predicted`, `truth`: `[n]`
///
/// # Errors
///
/// Those of [`precision_at_top`] and of [`kendall_tau_b`] on these pairs.
///
/// # Examples
///
/// ```
/// let predicted = [1.0, 4.0, 2.0, 3.0];
/// let truth = [10.0, 20.0, 30.0, 40.0];
/// assert_eq!(rank::kendall_tau_of_top(&predicted, &truth, 0.5)?, 1.0);
/// # Ok::<(), rank::RankError>(())
/// ```
pub fn kendall_tau_of_top(
    predicted: &[f64],
    truth: &[f64],
    fraction: f64,
) -> Result<f64, RankError> {
    pairs(predicted, truth, 1)?;
    let best = best(truth, count(fraction, truth.len())?);
    let pick = |values: &[f64]| best.iter().map(|&index| values[index]).collect::<Vec<_>>();
    kendall_tau_b(&pick(predicted), &pick(truth))
}

/// How many a fraction of `n` is: at least one.
fn count(fraction: f64, n: usize) -> Result<usize, RankError> {
    if 0.0 < fraction && fraction <= 1.0 {
        // 0.29 of 50 are 14.5, though the product is rounded down to less.
        Ok(((fraction * n as f64 + 1e-9).round() as usize).max(1))
    } else {
        Err(RankError::BadFraction { fraction })
    }
}

/// How much truth is lost by taking the predicted best: the best truth less that of [`top`].
///
/// # Shapes
///
/// - `predicted`, `truth`: `[n]`
///
/// # Errors
///
/// [`RankError::UnequalLengths`], [`RankError::TooFew`] without pairs, [`RankError::NotFinite`],
/// [`RankError::FigureNotFinite`] if the difference is beyond the range of `f64`.
pub fn regret_of_top(predicted: &[f64], truth: &[f64]) -> Result<f64, RankError> {
    pairs(predicted, truth, 1)?;
    figure(truth[first_of_highest(truth)] - truth[first_of_highest(predicted)])
}

/// The best truth among the `k` predicted best.
///
/// # Shapes
///
/// - `predicted`, `truth`: `[n]`
///
/// # Errors
///
/// [`RankError::UnequalLengths`], [`RankError::TooFew`] without pairs, [`RankError::NotFinite`],
/// [`RankError::BadCount`] unless 1 ≤ `k` ≤ n.
pub fn best_of(predicted: &[f64], truth: &[f64], k: usize) -> Result<f64, RankError> {
    pairs(predicted, truth, 1)?;
    let n = truth.len();
    if k == 0 || n < k {
        return Err(RankError::BadCount { k, n });
    }
    let truths: Vec<f64> = best(predicted, k).into_iter().map(|index| truth[index]).collect();
    Ok(truths[first_of_highest(&truths)])
}

/// The indices of the `count` highest values, in no order; `1 ≤ count ≤ n`.
fn best(values: &[f64], count: usize) -> Vec<usize> {
    let values = with_one_zero(values);
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.select_nth_unstable_by(count - 1, |&a, &b| {
        values[b].total_cmp(&values[a]).then(a.cmp(&b))
    });
    order.truncate(count);
    order
}

/// The first index of the highest of at least one value.
fn first_of_highest(values: &[f64]) -> usize {
    (1..values.len()).fold(0, |best, index| if values[best] < values[index] { index } else { best })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PREDICTED: [f64; 5] = [1.0, 5.0, 3.0, 5.0, 2.0];
    const TRUTH: [f64; 5] = [10.0, 20.0, 60.0, 50.0, 40.0];

    #[track_caller]
    fn check_precision(fraction: f64, expected: Result<f64, RankError>) {
        assert_eq!(precision_at_top(&PREDICTED, &TRUTH, fraction), expected);
    }

    #[test]
    fn precision_of_hand_made_orders() {
        // Predicted order 1 3 2 4 0, true order 2 3 4 1 0.
        check_precision(1e-9, Ok(0.0)); // One.
        check_precision(0.29, Ok(0.0)); // 1.45 rounds to one.
        check_precision(0.3, Ok(0.5)); // 1.5 rounds to two.
        check_precision(0.6, Ok(2.0 / 3.0));
        check_precision(1.0, Ok(1.0));
        for fraction in [0.0, -0.1, 1.1] {
            check_precision(fraction, Err(RankError::BadFraction { fraction }));
        }
        let refused = precision_at_top(&PREDICTED, &TRUTH, f64::NAN);
        assert!(matches!(refused, Err(RankError::BadFraction { .. })));
    }

    #[test]
    fn the_first_of_equals_is_the_top() {
        assert_eq!(top(&PREDICTED), Ok(1));
        assert_eq!(top(&[-0.0, 0.0]), Ok(0));
        assert_eq!(top(&[]), Err(RankError::TooFew { n: 0, needed: 1 }));
        assert_eq!(regret_of_top(&PREDICTED, &TRUTH), Ok(40.0));
        assert_eq!(regret_of_top(&[7.0], &[3.0]), Ok(0.0));
    }

    #[test]
    fn the_best_of_more_is_better() {
        for (k, expected) in [(1, 20.0), (2, 50.0), (3, 60.0), (5, 60.0)] {
            assert_eq!(best_of(&PREDICTED, &TRUTH, k), Ok(expected));
        }
        for k in [0, 6] {
            assert_eq!(best_of(&PREDICTED, &TRUTH, k), Err(RankError::BadCount { k, n: 5 }));
        }
    }

    /// Indices by descending value; a stable sort keeps equal values in the order of index.
    fn sorted(values: &[f64]) -> Vec<usize> {
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|&a, &b| values[b].partial_cmp(&values[a]).unwrap());
        order
    }

    proptest! {
        #[test]
        fn figures_of_the_top_are_those_of_sorted_lists(
            pairs in prop::collection::vec((-4i8..4, -4i8..4), 1..40),
            fraction in 0.001..1.0f64,
        ) {
            let predicted: Vec<f64> = pairs.iter().map(|pair| f64::from(pair.0)).collect();
            let truth: Vec<f64> = pairs.iter().map(|pair| f64::from(pair.1)).collect();
            let count = ((fraction * truth.len() as f64).round() as usize).max(1);
            let (guess, order) = (sorted(&predicted), sorted(&truth));
            let n_found = guess[..count].iter().filter(|i| order[..count].contains(i)).count();
            prop_assert_eq!(
                precision_at_top(&predicted, &truth, fraction),
                Ok(n_found as f64 / count as f64)
            );
            prop_assert_eq!(top(&predicted), Ok(guess[0]));
            prop_assert_eq!(
                regret_of_top(&predicted, &truth),
                Ok(truth[order[0]] - truth[guess[0]])
            );
            let highest = guess[..count].iter().map(|&i| truth[i]).fold(f64::MIN, f64::max);
            prop_assert_eq!(best_of(&predicted, &truth, count), Ok(highest));
        }
    }
}
