//! Whether a figure, or the difference of two, could be chance.

use rand::Rng;
use rand::seq::SliceRandom;

use crate::check::{figure, pairs};
use crate::interval::bootstrap_interval;
use crate::{Interval, RankError};

/// A figure of predictions and truth, such as [`kendall_tau_b`](crate::kendall_tau_b).
pub type Statistic<'a> = &'a dyn Fn(&[f64], &[f64]) -> Result<f64, RankError>;

/// The bootstrap interval of a figure over resampled pairs.
///
/// # Shapes
///
/// - `predicted`, `truth`: `[n]`
///
/// # Errors
///
/// As [`bootstrap_interval`], and those of `statistic`.
pub fn statistic_interval(
    predicted: &[f64],
    truth: &[f64],
    statistic: Statistic<'_>,
    resamples: usize,
    confidence: f64,
    rng: &mut impl Rng,
) -> Result<Interval, RankError> {
    pairs(predicted, truth, 1)?;
    bootstrap_interval(truth.len(), resamples, confidence, rng, |drawn| {
        statistic(&pick(predicted, drawn), &pick(truth, drawn))
    })
}

/// The two-sided p-value of a coefficient by permutation: how often shuffled predictions have one at
/// least as far from 0, or none because they make one side constant.
///
/// (1 + such permutations) / (1 + all), so it is never 0 and exact in its level (Phipson & Smyth
/// 2010). Right for any statistic that is 0 on average if predictions and truth are independent, ties
/// or not.
///
/// # Shapes
///
/// - `predicted`, `truth`: `[n]`
///
/// # Errors
///
/// [`RankError::TooFew`] without pairs or permutations, [`RankError::FigureNotFinite`] if `statistic` returns
/// such a number, and its own errors; [`RankError::Constant`] only for the pairs as they are.
///
/// # Examples
///
/// ```
/// use rand::SeedableRng;
///
/// let (predicted, truth) = ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1.0, 3.0, 2.0, 4.0, 6.0, 5.0]);
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(666);
/// let p = rank::permutation_p_value(&predicted, &truth, &rank::kendall_tau_b, 999, &mut rng)?;
/// assert!((0.01..0.1).contains(&p), "{p}");
/// # Ok::<(), rank::RankError>(())
/// ```
pub fn permutation_p_value(
    predicted: &[f64],
    truth: &[f64],
    statistic: Statistic<'_>,
    permutations: usize,
    rng: &mut impl Rng,
) -> Result<f64, RankError> {
    pairs(predicted, truth, 1)?;
    if permutations == 0 {
        return Err(RankError::TooFew { n: 0, needed: 1 });
    }
    let observed = figure(statistic(predicted, truth)?)?.abs();
    let (mut shuffled, mut others) = (predicted.to_vec(), Vec::with_capacity(permutations));
    for _ in 0..permutations {
        shuffled.shuffle(rng);
        others.push(match statistic(&shuffled, truth) {
            Ok(value) => figure(value)?.abs(),
            Err(RankError::Constant { .. }) => f64::INFINITY,
            Err(error) => return Err(error),
        });
    }
    // Permutations of equal worth may differ in the last bits, of whatever scale the figures are.
    let known = others.iter().copied().filter(|other| other.is_finite());
    let slack = 1e-12 * known.fold(observed, f64::max);
    let n_extreme = others.iter().filter(|&&other| observed <= other + slack).count();
    Ok((1 + n_extreme) as f64 / (1 + permutations) as f64)
}

/// By how much one scorer exceeds another on the same truth, and the bootstrap interval of that.
///
/// Both are measured on the same resamples, so what makes a resample easy for both cancels: an
/// interval without 0 tells them apart where the intervals of the two overlap.
///
/// # Shapes
///
/// - `first`, `second`, `truth`: `[n]`
///
/// # Errors
///
/// As [`bootstrap_interval`], and those of `statistic` on all pairs.
///
/// # Examples
///
/// ```
/// use rand::SeedableRng;
///
/// let truth: Vec<f64> = (0..40).map(f64::from).collect();
/// let (good, bad): (Vec<f64>, Vec<f64>) =
///     truth.iter().map(|t| (t + 3.0 * t.sin(), 40.0 * t.sin())).unzip();
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(666);
/// let statistic = &rank::kendall_tau_b;
/// let (by, interval) =
///     rank::paired_difference([&good, &bad], &truth, statistic, 200, 0.95, &mut rng)?;
/// assert!(0.0 < interval.low && interval.low < by && by < interval.high);
/// # Ok::<(), rank::RankError>(())
/// ```
pub fn paired_difference(
    [first, second]: [&[f64]; 2],
    truth: &[f64],
    statistic: Statistic<'_>,
    resamples: usize,
    confidence: f64,
    rng: &mut impl Rng,
) -> Result<(f64, Interval), RankError> {
    pairs(first, truth, 1)?;
    pairs(second, truth, 1)?;
    let by = |first: &[f64], second: &[f64], truth: &[f64]| {
        Ok(statistic(first, truth)? - statistic(second, truth)?)
    };
    let difference = figure(by(first, second, truth)?)?;
    let interval = bootstrap_interval(truth.len(), resamples, confidence, rng, |drawn| {
        by(&pick(first, drawn), &pick(second, drawn), &pick(truth, drawn))
    })?;
    Ok((difference, interval))
}

fn pick(values: &[f64], drawn: &[usize]) -> Vec<f64> {
    drawn.iter().map(|&index| values[index]).collect()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::{Side, kendall_tau_b, kendall_tau_of_top, pearson};

    #[test]
    fn the_p_value_of_three_pairs_is_known() {
        // Two of the six orders of three have |τ| = 1: p tends to 1/3.
        let (predicted, truth) = ([1.0, 2.0, 3.0], [10.0, 20.0, 30.0]);
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let p = permutation_p_value(&predicted, &truth, &kendall_tau_b, 9_999, &mut rng).unwrap();
        // A share of 10 000 draws: standard deviation 0.005.
        assert!((p - 1.0 / 3.0).abs() < 0.025, "{p}");
        let none = permutation_p_value(&predicted, &truth, &pearson, 0, &mut rng);
        assert_eq!(none, Err(RankError::TooFew { n: 0, needed: 1 }));
    }

    #[test]
    fn no_scale_of_a_statistic_changes_its_p_value() {
        let truth: Vec<f64> = (0..20).map(f64::from).collect();
        let predicted: Vec<f64> = truth.iter().map(|t| t + 4.0 * t.sin()).collect();
        let p = |scale: f64| {
            let covariance = |a: &[f64], b: &[f64]| {
                let products = a.iter().zip(b).map(|(a, b)| (a - 9.5) * (b - 9.5));
                Ok(products.sum::<f64>() * scale)
            };
            let mut rng = ChaCha8Rng::seed_from_u64(1);
            permutation_p_value(&predicted, &truth, &covariance, 99, &mut rng).unwrap()
        };
        for exponent in [-1000, -60, 0, 900] {
            assert!((p(2f64.powi(exponent)) - 0.01).abs() < 1e-12, "{exponent}");
        }
    }

    #[test]
    fn what_rounding_leaves_of_zero_is_as_good_as_zero() {
        let predicted = [0.4, 0.5, 0.6, 0.4, 0.9];
        let truth = [0.7, 0.0, 0.2, 0.2, 0.4];
        let left = pearson(&predicted, &truth).unwrap();
        assert!(0.0 < left.abs() && left.abs() < 1e-15, "{left}");
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let p = permutation_p_value(&predicted, &truth, &pearson, 999, &mut rng);
        assert_eq!(p, Ok(1.0));
    }

    #[test]
    fn figures_that_are_none_are_refused_and_undefined_ones_count_as_extreme() {
        let (predicted, truth) = ([1.0, 1.0, 2.0, 3.0], [10.0, 20.0, 30.0, 40.0]);
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let infinite = |_: &[f64], _: &[f64]| Ok(f64::INFINITY);
        let refused = Err(RankError::FigureNotFinite { value: f64::INFINITY });
        let p = permutation_p_value(&predicted, &truth, &infinite, 9, &mut rng);
        assert_eq!(p, refused);
        // Of the best two by truth, 2 and 3 or any of the other 5 pairs as often: 1 and 1 have no τ, all others 1
        // or −1.
        let top = |a: &[f64], b: &[f64]| kendall_tau_of_top(a, b, 0.5);
        let p = permutation_p_value(&predicted, &truth, &top, 99, &mut rng);
        assert_eq!(p, Ok(1.0));
        let constant = permutation_p_value(&[1.0; 4], &truth, &kendall_tau_b, 9, &mut rng);
        assert_eq!(constant, Err(RankError::Constant { side: Side::Predicted }));
        let apart = |a: &[f64], _: &[f64]| Ok(a[0] * f64::MAX);
        let both = [&[1.0, 2.0][..], &[-1.0, 2.0]];
        let found = paired_difference(both, &[1.0, 2.0], &apart, 5, 0.9, &mut rng);
        assert_eq!(found.map(drop), refused.map(drop));
    }

    #[test]
    fn pairs_are_drawn_together() {
        let truth: Vec<f64> = (0..30).map(f64::from).collect();
        let double: Vec<f64> = truth.iter().map(|t| 2.0 * t).collect();
        let mean = |of: &[f64]| of.iter().sum::<f64>() / of.len() as f64;
        let ratio = |a: &[f64], b: &[f64]| Ok(mean(a) / mean(b));
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let interval = statistic_interval(&double, &truth, &ratio, 50, 0.9, &mut rng).unwrap();
        assert!((interval.low - 2.0).abs() < 1e-12 && (interval.high - 2.0).abs() < 1e-12);
        let both = [&double[..], &truth[..]];
        let (by, interval) = paired_difference(both, &truth, &ratio, 50, 0.9, &mut rng).unwrap();
        assert!([by, interval.low, interval.high].iter().all(|x| (x - 1.0).abs() < 1e-12));
    }

    #[test]
    fn a_scorer_does_not_exceed_itself() {
        let truth = [1.0, 2.0, 3.0, 4.0, 5.0];
        let scorer = [1.0, 3.0, 2.0, 5.0, 4.0];
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let both = [&scorer[..], &scorer[..]];
        let (by, interval) =
            paired_difference(both, &truth, &kendall_tau_b, 50, 0.9, &mut rng).unwrap();
        assert!(by.abs() < 1e-15 && interval.low.abs() < 1e-15 && interval.high.abs() < 1e-15);
        let short = paired_difference([&scorer, &[1.0]], &truth, &kendall_tau_b, 5, 0.9, &mut rng);
        assert_eq!(short, Err(RankError::UnequalLengths { predicted: 1, truth: 5 }));
    }
}
