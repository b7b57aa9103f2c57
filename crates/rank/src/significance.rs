//! Whether a figure, or the difference of two, could be chance.

use rand::Rng;
use rand::seq::SliceRandom;

use crate::check::pairs;
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
/// least as far from 0.
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
/// [`RankError::TooFew`] without pairs or permutations, and those of `statistic`.
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
    // Permutations of equal worth may differ in the last bits.
    let observed = statistic(predicted, truth)?.abs() - 1e-12;
    let mut shuffled = predicted.to_vec();
    let mut n_extreme = 0;
    for _ in 0..permutations {
        shuffled.shuffle(rng);
        n_extreme += usize::from(observed <= statistic(&shuffled, truth)?.abs());
    }
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
/// As [`bootstrap_interval`], and those of `statistic`.
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
    let difference = by(first, second, truth)?;
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
    use crate::{kendall_tau_b, pearson};

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
