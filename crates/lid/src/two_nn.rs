//! TwoNN (Facco et al. 2017): the dimension from the ratio of two nearest distances.

use serde::{Deserialize, Serialize};

use crate::error::Cause;
use crate::estimator::{Degenerate, EQUIDISTANT, log_ratio, rule};
use crate::{Lid, LidError, Neighbors};

/// How the dimension follows from the ratios r₂/r₁, which are distributed as F(μ) = 1 − μ⁻ᵈ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fit {
    /// The slope of −ln(1 − F) against ln μ through 0, as published.
    Linear,
    /// Maximum likelihood of ratios of which the largest are only known to be larger:
    /// m / (Σ ln μᵢ + (n − m) ln μₘ) over the m that are kept.
    MaximumLikelihood,
}

/// One dimension for all rows whose nearest neighbor is no duplicate; it takes two of them.
///
/// The share `discarded` of the ratios, the largest, is left out (published: 0.1), in a linear fit at
/// least one: the largest has the share F = 1, whose logarithm is infinite.
///
/// # Errors
///
/// [`LidError::BadShare`] unless `discarded` is in `[0, 1)`, [`LidError::NothingLeft`] if it leaves no
/// ratio, and those of
/// [`estimate`](crate::estimate).
///
/// # Examples
///
/// ```
/// use lid::{Degenerate, Fit, Neighbors, Points, two_nn};
///
/// let values = [0.0, 1.0, 3.0, 7.0]; // Ratios 3, 2, 3/2 and 3/2.
/// let neighbors = Neighbors::nearest(Points::new(&values, 1)?, 2)?;
/// let lid = two_nn(&neighbors, Fit::MaximumLikelihood, 0.0, Degenerate::Error)?;
/// assert!((lid.mean() - 4.0 / (3.0 * 2.0 * 1.5 * 1.5_f64).ln()).abs() < 1e-12);
/// # Ok::<(), lid::LidError>(())
/// ```
pub fn two_nn(
    neighbors: &Neighbors,
    fit: Fit,
    discarded: f64,
    degenerate: Degenerate,
) -> Result<Lid, LidError> {
    if neighbors.k() < 2 {
        return Err(LidError::TooFewNeighbors { k: neighbors.k(), needed: 2 });
    }
    if !(0.0..1.0).contains(&discarded) {
        return Err(LidError::BadShare(discarded));
    }
    let mut ratios = Vec::with_capacity(neighbors.n());
    let mut took_part = Vec::with_capacity(neighbors.n());
    let mut equidistant = None;
    for (row, distances) in neighbors.rows().enumerate() {
        let duplicate = distances[0] <= 0.0;
        if duplicate {
            rule(row, Cause::Duplicate, degenerate)?;
        } else {
            let ratio = log_ratio(distances[0], distances[1]);
            if ratio <= EQUIDISTANT {
                equidistant.get_or_insert(row);
            }
            ratios.push(ratio);
        }
        took_part.push(!duplicate);
    }
    ratios.sort_unstable_by(f64::total_cmp);
    let n = ratios.len();
    let none = LidError::AllSkipped { n: neighbors.n() };
    if n < 2 {
        return Err(none);
    }
    let least = match fit {
        Fit::Linear => 1,
        Fit::MaximumLikelihood => 0,
    };
    // A share of 0.1 of 70 is 7, though the product is rounded up to more.
    let n_discarded = ((discarded * n as f64 - 1e-9).ceil() as usize).max(least);
    let kept = n.saturating_sub(n_discarded);
    let nothing = LidError::NothingLeft { share: discarded, n };
    let largest = ratios[..kept].last().ok_or(nothing)?;
    if *largest <= EQUIDISTANT {
        return Err(match (degenerate, equidistant) {
            (Degenerate::Error, Some(row)) => {
                LidError::Degenerate { row, cause: Cause::Equidistant }
            }
            _ => none,
        });
    }
    let dimension = match fit {
        Fit::Linear => slope(&ratios, kept),
        Fit::MaximumLikelihood => {
            let known: f64 = ratios[..kept].iter().sum();
            kept as f64 / (known + (n - kept) as f64 * ratios[kept - 1])
        }
    };
    let per_point = took_part.into_iter().map(|part| part.then_some(dimension)).collect();
    Lid::new(per_point).ok_or(LidError::AllSkipped { n: neighbors.n() })
}

/// The logarithm of the ratio of rank i among n belongs to the share F = i / n.
fn slope(log_ratios: &[f64], kept: usize) -> f64 {
    let n = log_ratios.len();
    let (mut products, mut squares) = (0.0, 0.0);
    for (i, log_ratio) in log_ratios[..kept].iter().enumerate() {
        let share_above = (n - 1 - i) as f64 / n as f64;
        products -= log_ratio * share_above.ln();
        squares += log_ratio * log_ratio;
    }
    products / squares
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Points;

    fn ratios() -> Neighbors {
        // Ratios 3, 2, 3/2 and 3/2.
        Neighbors::nearest(Points::new(&[0.0, 1.0, 3.0, 7.0], 1).unwrap(), 2).unwrap()
    }

    #[test]
    fn likelihood_of_ratios_of_which_the_largest_is_unknown() {
        let lid = two_nn(&ratios(), Fit::MaximumLikelihood, 0.25, Degenerate::Error).unwrap();
        // Kept are 3/2, 3/2 and 2; the fourth is at least 2.
        let expected = 3.0 / (1.5_f64.ln() * 2.0 + 2.0 * 2_f64.ln());
        assert!((lid.mean() - expected).abs() < 1e-12, "{}", lid.mean());
    }

    #[test]
    fn shares_that_leave_nothing_are_refused() {
        for share in [1.0, -0.1, f64::NAN] {
            let refused = two_nn(&ratios(), Fit::Linear, share, Degenerate::Error);
            assert!(matches!(refused, Err(LidError::BadShare(_))), "{share}");
        }
        for degenerate in [Degenerate::Skip, Degenerate::Error] {
            let nothing = two_nn(&ratios(), Fit::Linear, 0.99, degenerate);
            assert_eq!(nothing, Err(LidError::NothingLeft { share: 0.99, n: 4 }));
        }
    }

    #[test]
    fn the_first_row_of_equal_distances_is_named() {
        // Of twenty points on a line, in order, the first and the last alone have a ratio above 1.
        let line: Vec<f32> = (0..20u8).map(f32::from).collect();
        let neighbors = Neighbors::nearest(Points::new(&line, 1).unwrap(), 2).unwrap();
        let refused = two_nn(&neighbors, Fit::Linear, 0.1, Degenerate::Error);
        let cause = Cause::Equidistant;
        assert_eq!(refused, Err(LidError::Degenerate { row: 1, cause }));
        let skipped = two_nn(&neighbors, Fit::Linear, 0.1, Degenerate::Skip);
        assert_eq!(skipped, Err(LidError::AllSkipped { n: 20 }));
    }
}
