//! Estimators of the dimension from the distances to the nearest neighbors.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Cause;
use crate::two_nn::{Fit, two_nn};
use crate::{Lid, LidError, Neighbors};

/// Neighbors whose distances differ by less than this share count as equally far: the rounding of
/// `f32` features leaves differences of about 2⁻²⁴ between distances that are equal.
pub(crate) const EQUIDISTANT: f64 = 1e-6;

/// A way to tell the dimension from distances r₁ ≤ … ≤ r_k.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Estimator {
    /// −((1/k) Σ ln(rᵢ/r_k))⁻¹: maximum likelihood (Amsaleg et al. 2015). The k-th logarithm is always 0,
    /// so the expectation of a point is k/(k − 2) times its dimension, 1.11 times for k = 20, and the
    /// harmonic mean over points tends to k/(k − 1) times.
    Mle,
    /// The same with 1/(k − 1), of which the inverse has no bias: for the harmonic mean over points. The
    /// expectation of a point is (k − 1)/(k − 2) times its dimension, 1.06 times for k = 20.
    MleUnbiased,
    /// Method of moments (Amsaleg et al. 2018): m / (r_k − m) with m the mean of all rᵢ.
    Mom,
    /// The slope of −ln(1 − F) against ln(r₂/r₁) through 0, the last tenth of the points left out
    /// (Facco et al. 2017): one number for all points.
    TwoNn,
    /// The same ratios by maximum likelihood, the last tenth known only to be larger.
    TwoNnMl,
}

/// The share of the ratios that TwoNN leaves out, as the paper and scikit-dimension do.
const DISCARDED: f64 = 0.1;

impl Estimator {
    const ALL: [Self; 5] = [Self::Mle, Self::MleUnbiased, Self::Mom, Self::TwoNn, Self::TwoNnMl];

    fn name(self) -> &'static str {
        match self {
            Self::Mle => "mle",
            Self::MleUnbiased => "mle-unbiased",
            Self::Mom => "mom",
            Self::TwoNn => "two-nn",
            Self::TwoNnMl => "two-nn-ml",
        }
    }
}

impl fmt::Display for Estimator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Estimator {
    type Err = LidError;

    fn from_str(name: &str) -> Result<Self, LidError> {
        let found = Self::ALL.into_iter().find(|estimator| estimator.name() == name);
        found.ok_or_else(|| LidError::UnknownEstimator(name.to_owned()))
    }
}

/// What to do with a row whose neighbors have no dimension: a duplicate of the row among them, or all equally far
/// ([`Cause`]). TwoNN keeps rows whose two neighbors are equally far, as ratios of 1, and gives up where all are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Degenerate {
    /// Refuse all rows, naming the first such row.
    Error,
    /// Leave the row out; [`Lid::skipped`] counts such rows.
    Skip,
}

/// Estimates the dimension at every point.
///
/// TwoNN estimates one for all points and gives it to every row that took part; [`two_nn`] leaves the
/// share of discarded ratios to the caller.
///
/// # Errors
///
/// [`LidError::TooFewNeighbors`] for fewer than 2, [`LidError::Degenerate`] by the rule that was
/// asked for, [`LidError::AllSkipped`] if no row is left.
pub fn estimate(
    neighbors: &Neighbors,
    estimator: Estimator,
    degenerate: Degenerate,
) -> Result<Lid, LidError> {
    if neighbors.k() < 2 {
        return Err(LidError::TooFewNeighbors { k: neighbors.k(), needed: 2 });
    }
    let of_distances = match estimator {
        Estimator::Mle => mle,
        Estimator::MleUnbiased => mle_unbiased,
        Estimator::Mom => mom,
        Estimator::TwoNn => return two_nn(neighbors, Fit::Linear, DISCARDED, degenerate),
        Estimator::TwoNnMl => {
            return two_nn(neighbors, Fit::MaximumLikelihood, DISCARDED, degenerate);
        }
    };
    let of_row = |(row, distances): (usize, &[f64])| match cause(distances) {
        None => Ok(Some(of_distances(distances))),
        Some(cause) => rule(row, cause, degenerate),
    };
    let per_point: Result<Vec<_>, _> = neighbors.rows().enumerate().map(of_row).collect();
    Lid::new(per_point?).ok_or(LidError::AllSkipped { n: neighbors.n() })
}

/// An error or a skipped row, as the caller asked.
pub(crate) fn rule(
    row: usize,
    cause: Cause,
    degenerate: Degenerate,
) -> Result<Option<f64>, LidError> {
    match degenerate {
        Degenerate::Error => Err(LidError::Degenerate { row, cause }),
        Degenerate::Skip => Ok(None),
    }
}

/// Why these distances have no dimension, if they have none.
pub(crate) fn cause(distances: &[f64]) -> Option<Cause> {
    let (first, last) = (distances.first()?, distances.last()?);
    if *first <= 0.0 {
        Some(Cause::Duplicate)
    } else if last - first <= EQUIDISTANT * last {
        Some(Cause::Equidistant)
    } else {
        None
    }
}

fn mle(distances: &[f64]) -> f64 {
    distances.len() as f64 / log_ratios(distances)
}

fn mle_unbiased(distances: &[f64]) -> f64 {
    (distances.len() - 1) as f64 / log_ratios(distances)
}

fn mom(distances: &[f64]) -> f64 {
    let radius = distances[distances.len() - 1];
    let sum: f64 = distances.iter().map(|r| r / radius).sum();
    let missing: f64 = distances.iter().map(|r| (radius - r) / radius).sum();
    sum / missing
}

/// Σ ln(r_k / rᵢ).
fn log_ratios(distances: &[f64]) -> f64 {
    let radius = distances[distances.len() - 1];
    distances.iter().map(|&r| log_ratio(r, radius)).sum()
}

/// ln(far / near): accurate where the two are nearly equal, and finite for all that are positive.
pub(crate) fn log_ratio(near: f64, far: f64) -> f64 {
    let excess = (far - near) / near;
    if excess.is_finite() { excess.ln_1p() } else { far.ln() - near.ln() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(values: &[f64]) -> Neighbors {
        let n = values.len();
        let between = |i: usize| (values[i / n] - values[i % n]).abs();
        let distances: Vec<f64> = (0..n * n).map(between).collect();
        Neighbors::from_distances(&distances, n - 1).unwrap()
    }

    #[track_caller]
    fn check(estimator: Estimator, expected: f64) {
        let lid = estimate(&line(&[0.0, 1.0, 2.0, 4.0]), estimator, Degenerate::Error).unwrap();
        let first = lid.per_point()[0].unwrap();
        assert!((first - expected).abs() < 1e-12, "{first}");
    }

    #[test]
    fn distances_1_2_4_by_hand() {
        let log_two = 2f64.ln();
        check(Estimator::Mle, 3.0 / (3.0 * log_two));
        check(Estimator::MleUnbiased, 2.0 / (3.0 * log_two));
        check(Estimator::Mom, (7.0 / 3.0) / (4.0 - 7.0 / 3.0));
    }

    #[test]
    fn duplicates_and_simplices_are_refused_or_skipped_and_counted() {
        let twins = line(&[0.0, 0.0, 1.0, 3.0]);
        let refused = estimate(&twins, Estimator::Mle, Degenerate::Error);
        assert_eq!(refused, Err(LidError::Degenerate { row: 0, cause: Cause::Duplicate }));
        assert_eq!(estimate(&twins, Estimator::Mle, Degenerate::Skip).unwrap().skipped(), 2);
        let simplex = Neighbors::from_distances(&[1.0; 16], 3).unwrap();
        let refused = estimate(&simplex, Estimator::Mom, Degenerate::Error);
        assert_eq!(refused, Err(LidError::Degenerate { row: 0, cause: Cause::Equidistant }));
        let skipped = estimate(&simplex, Estimator::Mom, Degenerate::Skip);
        assert_eq!(skipped, Err(LidError::AllSkipped { n: 4 }));
    }

    #[test]
    fn rounding_of_a_turned_simplex_is_no_spread() {
        // The corners of a simplex, turned: the f32 features leave distances a few 2⁻²⁴ apart.
        let turned = |i: usize, j: usize| {
            let angle = std::f64::consts::TAU * (i * j) as f64 / 32.0;
            ((angle.cos() + angle.sin()) / 32f64.sqrt()) as f32
        };
        let values: Vec<f32> = (0..1024).map(|at| turned(at / 32, at % 32)).collect();
        let neighbors = Neighbors::nearest(crate::Points::new(&values, 32).unwrap(), 20).unwrap();
        assert!(neighbors.row(0)[0] < neighbors.row(0)[19], "the case has a spread");
        for estimator in Estimator::ALL {
            let refused = estimate(&neighbors, estimator, Degenerate::Error);
            assert_eq!(refused, Err(LidError::Degenerate { row: 0, cause: Cause::Equidistant }));
            let skipped = estimate(&neighbors, estimator, Degenerate::Skip);
            assert_eq!(skipped, Err(LidError::AllSkipped { n: 32 }));
        }
    }

    #[test]
    fn the_ends_of_the_range_of_f64_have_a_dimension() {
        let far = line(&[0.0, 1e-300, 1e300]);
        for estimator in [Estimator::Mle, Estimator::MleUnbiased, Estimator::Mom] {
            let lid = estimate(&far, estimator, Degenerate::Skip).unwrap();
            assert!(0.0 < lid.mean() && lid.mean().is_finite(), "{estimator}: {}", lid.mean());
        }
    }

    #[test]
    fn two_nn_of_hand_made_ratios() {
        // On a line 0, 1, 3, 7 the ratios r₂/r₁ are 3, 2, 3/2 and 3/2. Sorted, the last left out:
        // ln 3/2, ln 3/2, ln 2 against −ln 3/4, −ln 1/2, −ln 1/4.
        let (a, b) = (1.5f64.ln(), 2f64.ln());
        let expected = (a * (4.0f64 / 3.0).ln() + a * b + b * 4f64.ln()) / (2.0 * a * a + b * b);
        let neighbors = line(&[0.0, 1.0, 3.0, 7.0]);
        let lid = estimate(&neighbors, Estimator::TwoNn, Degenerate::Error).unwrap();
        for found in lid.per_point() {
            assert!((found.unwrap() - expected).abs() < 1e-12, "{found:?} for {expected}");
        }
        // Points 0 and 1 are duplicates; two remain.
        let twins = line(&[0.0, 0.0, 1.0, 3.0]);
        let refused = estimate(&twins, Estimator::TwoNn, Degenerate::Error);
        assert_eq!(refused, Err(LidError::Degenerate { row: 0, cause: Cause::Duplicate }));
        let skipped = estimate(&line(&[0.0, 0.0, 0.0, 3.0]), Estimator::TwoNn, Degenerate::Skip);
        assert_eq!(skipped, Err(LidError::AllSkipped { n: 4 }));
    }

    #[test]
    fn one_neighbor_is_too_few() {
        let neighbors = Neighbors::from_distances(&[0.0, 1.0, 1.0, 0.0], 1).unwrap();
        for estimator in Estimator::ALL {
            let refused = estimate(&neighbors, estimator, Degenerate::Skip);
            assert_eq!(refused, Err(LidError::TooFewNeighbors { k: 1, needed: 2 }));
        }
    }

    #[test]
    fn names_read_back() {
        for estimator in Estimator::ALL {
            assert_eq!(estimator.to_string().parse(), Ok(estimator));
        }
        assert!("mel".parse::<Estimator>().is_err());
    }
}
