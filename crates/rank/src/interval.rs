//! How sure a figure is.

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use crate::check::{figure, values};
use crate::correlation::{largest, mean};
use crate::student::t_975;
use crate::{RankError, Side};

/// An interval of confidence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Resamples left out because the statistic is undefined on them.
    pub skipped: usize,
}

/// The percentile interval of a statistic by the bootstrap (Efron 1979).
///
/// Draws `resamples` times `n` of the indices `0..n` with replacement and hands them to
/// `statistic`. The ends are the quantiles at (1 ∓ `confidence`) ∕ 2 of what it returns, between
/// two values by linear interpolation. Resamples on which one side is constant, so that the
/// statistic is undefined, are left out and counted.
///
/// # Errors
///
/// [`RankError::TooFew`] if `n` or `resamples` is 0, [`RankError::BadConfidence`] outside `(0, 1)`,
/// [`RankError::AllUndefined`] if no resample is left, and every error of `statistic` except
/// [`RankError::Constant`]; [`RankError::FigureNotFinite`] if it returns such a number.
///
/// # Examples
///
/// ```
/// use rand::SeedableRng;
///
/// let (predicted, truth) = ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1.0, 3.0, 2.0, 4.0, 6.0, 5.0]);
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(666);
/// let interval = rank::bootstrap_interval(6, 200, 0.95, &mut rng, |indices| {
///     let pick = |values: &[f64]| indices.iter().map(|&i| values[i]).collect::<Vec<_>>();
///     rank::kendall_tau_b(&pick(&predicted), &pick(&truth))
/// })?;
/// assert!(interval.low < 0.73 && 0.73 < interval.high);
/// # Ok::<(), rank::RankError>(())
/// ```
pub fn bootstrap_interval(
    n: usize,
    resamples: usize,
    confidence: f64,
    rng: &mut impl Rng,
    mut statistic: impl FnMut(&[usize]) -> Result<f64, RankError>,
) -> Result<Interval, RankError> {
    if n == 0 || resamples == 0 {
        return Err(RankError::TooFew { n: 0, needed: 1 });
    }
    if !(0.0 < confidence && confidence < 1.0) {
        return Err(RankError::BadConfidence { confidence });
    }
    let mut statistics = Vec::with_capacity(resamples);
    let mut indices = vec![0; n];
    for _ in 0..resamples {
        indices.fill_with(|| rng.random_range(0..n));
        match statistic(&indices) {
            Ok(value) => statistics.push(figure(value)?),
            Err(RankError::Constant { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    if statistics.is_empty() {
        return Err(RankError::AllUndefined { resamples });
    }
    statistics.sort_unstable_by(f64::total_cmp);
    Ok(Interval {
        low: quantile(&statistics, (1.0 - confidence) / 2.0),
        high: quantile(&statistics, f64::midpoint(1.0, confidence)),
        skipped: resamples - statistics.len(),
    })
}

/// The mean over seeds and its interval of 95 % by Student's t: mean ± t · s ∕ √n.
///
/// # Shapes
///
/// - `seeds`: `[n]`, one figure for each seed
///
/// # Errors
///
/// [`RankError::TooFew`] below two seeds, [`RankError::NotFinite`], [`RankError::FigureNotFinite`] if the sum of
/// the figures or an end of the interval is beyond the range of `f64`.
///
/// # Examples
///
/// ```
/// let (mean, interval) = rank::mean_and_interval(&[1.0, 2.0, 3.0])?;
/// assert_eq!(mean, 2.0);
/// assert!((interval.high - (2.0 + 4.302_653 / 3f64.sqrt())).abs() < 1e-6);
/// # Ok::<(), rank::RankError>(())
/// ```
pub fn mean_and_interval(seeds: &[f64]) -> Result<(f64, Interval), RankError> {
    values(seeds, Side::Predicted, 2)?;
    let n = seeds.len();
    let from = |center: f64| seeds.iter().map(|value| value - center).collect::<Vec<_>>();
    // Rounded, the first mean may lie beside equal figures.
    let first = figure(mean(seeds))?;
    let mean = first + mean(&from(first));
    let deviations = from(mean);
    // In units of the largest, whose squares neither overflow nor vanish.
    let unit = largest(&deviations).max(f64::MIN_POSITIVE);
    let squares: f64 = deviations.iter().map(|deviation| (deviation / unit).powi(2)).sum();
    let margin = t_975(n - 1) * (squares / (n - 1) as f64 / n as f64).sqrt() * unit;
    let [low, high] = [figure(mean - margin)?, figure(mean + margin)?];
    Ok((mean, Interval { low, high, skipped: 0 }))
}

/// The quantile of sorted values, at least one, by linear interpolation.
fn quantile(sorted: &[f64], level: f64) -> f64 {
    let place = level * (sorted.len() - 1) as f64;
    let below = sorted[place.floor() as usize];
    let above = sorted[place.ceil() as usize];
    below + (above - below) * place.fract()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn rng() -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(666)
    }

    #[test]
    fn quantiles_of_hand_made_lists() {
        let sorted = [1.0, 2.0, 4.0, 8.0, 16.0];
        for (level, expected) in [(0.0, 1.0), (0.125, 1.5), (0.5, 4.0), (0.875, 12.0), (1.0, 16.0)]
        {
            assert!((quantile(&sorted, level) - expected).abs() < 1e-12);
        }
        assert!((quantile(&[3.0], 0.3) - 3.0).abs() < 1e-12);
    }

    #[test]
    fn the_bootstrap_of_a_mean_has_the_width_of_theory() {
        // The standard error of the mean of 0 … 99 is √((100² − 1) / 12 / 100) = 2.887.
        let mean_of = |indices: &[usize]| {
            Ok(indices.iter().map(|&index| index as f64).sum::<f64>() / indices.len() as f64)
        };
        let interval = bootstrap_interval(100, 4000, 0.95, &mut rng(), mean_of).unwrap();
        // A 2.5 % quantile of 4 000 draws has a standard error of 0.042 standard deviations, here
        // 0.12; four of them.
        assert!((interval.low - (49.5 - 1.96 * 2.887)).abs() < 0.5, "{interval:?}");
        assert!((interval.high - (49.5 + 1.96 * 2.887)).abs() < 0.5, "{interval:?}");
        assert_eq!(interval.skipped, 0);
        let again = bootstrap_interval(100, 4000, 0.95, &mut rng(), mean_of);
        assert_eq!(again, Ok(interval));
    }

    #[test]
    fn undefined_resamples_are_counted() {
        let mut n_calls = 0;
        let every_other = |_: &[usize]| {
            n_calls += 1;
            if n_calls % 2 == 0 { Err(RankError::Constant { side: Side::Truth }) } else { Ok(1.0) }
        };
        let interval = bootstrap_interval(3, 11, 0.9, &mut rng(), every_other).unwrap();
        assert_eq!(interval, Interval { low: 1.0, high: 1.0, skipped: 5 });
    }

    #[test]
    fn intervals_of_nothing_are_refused() {
        let one = |_: &[usize]| Ok(1.0);
        let nothing = Err(RankError::TooFew { n: 0, needed: 1 });
        assert_eq!(bootstrap_interval(0, 10, 0.9, &mut rng(), one), nothing);
        assert_eq!(bootstrap_interval(10, 0, 0.9, &mut rng(), one), nothing);
        let confidence = 1.0;
        let refused = bootstrap_interval(10, 10, confidence, &mut rng(), one);
        assert_eq!(refused, Err(RankError::BadConfidence { confidence }));
        let undefined = |_: &[usize]| Err(RankError::Constant { side: Side::Predicted });
        let refused = bootstrap_interval(10, 10, 0.9, &mut rng(), undefined);
        assert_eq!(refused, Err(RankError::AllUndefined { resamples: 10 }));
        let broken = |_: &[usize]| Err(RankError::BadFraction { fraction: 2.0 });
        let refused = bootstrap_interval(10, 10, 0.9, &mut rng(), broken);
        assert_eq!(refused, Err(RankError::BadFraction { fraction: 2.0 }));
        assert_eq!(mean_and_interval(&[1.0]), Err(RankError::TooFew { n: 1, needed: 2 }));
    }

    #[test]
    fn equal_seeds_have_no_margin() {
        for seed in [0.5, 0.1, -1e300, 5e-324] {
            let (mean, interval) = mean_and_interval(&[seed; 3]).unwrap();
            let found = [mean, interval.low, interval.high];
            assert!(found.iter().all(|found| found.to_bits() == seed.to_bits()), "{found:?}");
        }
    }

    #[test]
    fn intervals_of_all_scales_are_alike() {
        let (_, one) = mean_and_interval(&[1.0, 3.0]).unwrap();
        for exponent in [-1000, -560, 660] {
            let scale = 2f64.powi(exponent);
            let (mean, interval) = mean_and_interval(&[scale, 3.0 * scale]).unwrap();
            let found = [mean, interval.low, interval.high].map(|end| end / scale);
            for (found, expected) in found.into_iter().zip([2.0, one.low, one.high]) {
                assert!((found - expected).abs() < 1e-12, "{exponent}: {found} for {expected}");
            }
        }
        for seeds in [[1.5e308; 2], [1.5e308, -1.5e308]] {
            let found = mean_and_interval(&seeds);
            assert!(matches!(found, Err(RankError::FigureNotFinite { .. })), "{found:?}");
        }
    }
}
