//! How well a scorer ranks, each figure with its interval.

use rand::Rng;
use rank::{
    RankError, Statistic, best_of, kendall_tau_b, precision_at_top, regret_of_top, spearman,
    statistic_interval,
};
use serde::{Deserialize, Serialize};

use crate::ReportError;

/// A figure and the interval that the bootstrap gives it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Estimate {
    /// On the whole sample.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// How well one scorer ranks a sample of architectures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// Kendall's τ-b.
    pub tau: Estimate,
    /// Spearman's ρ.
    pub spearman: Estimate,
    /// Share of the true best 1 % found among the predicted best 1 %.
    pub precision_at_1: Estimate,
    /// The same at 5 %.
    pub precision_at_5: Estimate,
    /// The same at 10 %.
    pub precision_at_10: Estimate,
    /// The truth of the best less that of the predicted best. Its interval and the next are rough: a resample lacks
    /// some of the best and has others twice, where the bootstrap of a maximum fails (Bickel & Freedman 1981).
    pub regret: Estimate,
    /// The best truth of the ten that are predicted best, or of all where there are fewer.
    pub best_of_ten: Estimate,
}

/// How many "best of ten" looks at.
pub const TEN: usize = 10;

/// Measures a scorer against the truth; higher is better in both.
///
/// # Shapes
///
/// - `predicted`, `truth`: `[n]`
///
/// # Errors
///
/// [`ReportError::Rank`] if the lengths differ, a side is constant, a value is not finite, there are
/// no resamples or `confidence` is outside `(0, 1)`.
pub fn measure(
    predicted: &[f64],
    truth: &[f64],
    resamples: usize,
    confidence: f64,
    rng: &mut impl Rng,
) -> Result<Measured, ReportError> {
    let mut estimate = |statistic: Statistic<'_>| {
        let value = statistic(predicted, truth)?;
        let interval = statistic_interval(predicted, truth, statistic, resamples, confidence, rng)?;
        Ok::<_, RankError>(Estimate { value, low: interval.low, high: interval.high })
    };
    Ok(Measured {
        tau: estimate(&kendall_tau_b)?,
        spearman: estimate(&spearman)?,
        precision_at_1: estimate(&|a, b| precision_at_top(a, b, 0.01))?,
        precision_at_5: estimate(&|a, b| precision_at_top(a, b, 0.05))?,
        precision_at_10: estimate(&|a, b| precision_at_top(a, b, 0.10))?,
        regret: estimate(&regret_of_top)?,
        best_of_ten: estimate(&|a, b| best_of(a, b, TEN.min(b.len())))?,
    })
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn rng() -> rand_chacha::ChaCha8Rng {
        rand_chacha::ChaCha8Rng::seed_from_u64(1)
    }

    #[test]
    fn a_perfect_scorer_is_certain() {
        let truth: Vec<f64> = (0..60).map(f64::from).collect();
        let measured = measure(&truth, &truth, 50, 0.9, &mut rng()).unwrap();
        let Estimate { value, low, high } = measured.tau;
        assert!([value, low, high].iter().all(|tau| (tau - 1.0).abs() < 1e-12));
        assert!((measured.precision_at_5.value - 1.0).abs() < 1e-12);
    }

    #[test]
    fn figures_are_those_of_the_whole_sample() {
        // Ten pairs; by hand: the swaps of neighbors make 5 of 45 pairs discordant, and the best
        // one of ten is predicted second.
        let truth: Vec<f64> = (0..10).map(f64::from).collect();
        let predicted: Vec<f64> = (0..10_u32).map(|i| f64::from(i ^ 1)).collect();
        let measured = measure(&predicted, &truth, 200, 0.95, &mut rng()).unwrap();
        assert!((measured.tau.value - 35.0 / 45.0).abs() < 1e-12);
        assert!((measured.spearman.value - (1.0 - 60.0 / 990.0)).abs() < 1e-12);
        assert!(measured.precision_at_10.value.abs() < 1e-12);
        // The predicted best is the second.
        let [regret, best] = [measured.regret, measured.best_of_ten].map(|figure| figure.value);
        assert_eq!([regret, best].map(f64::to_bits), [1.0_f64, 9.0].map(f64::to_bits));
        let Estimate { value, low, high } = measured.tau;
        assert!(low < value && value < high, "{low} {value} {high}");
        assert_eq!(measure(&predicted, &truth, 200, 0.95, &mut rng()).unwrap(), measured);
    }

    #[test]
    fn undefined_figures_are_refused() {
        let message = |predicted: &[f64], resamples, confidence| {
            let truth = [1.0, 2.0, 3.0];
            measure(predicted, &truth, resamples, confidence, &mut rng()).unwrap_err().to_string()
        };
        assert_eq!(message(&[1.0; 3], 50, 0.9), "all predicted values are equal");
        assert_eq!(message(&[1.0], 50, 0.9), "1 predictions do not pair with 3 true values");
        assert_eq!(message(&[1.0, 2.0, 3.0], 50, 1.0), "confidence 1 is outside (0, 1)");
        assert!(message(&[1.0, f64::NAN, 3.0], 50, 0.9).contains("is not finite"));
    }
}
