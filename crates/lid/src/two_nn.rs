//! TwoNN (Facco et al. 2017): the dimension from the ratio of two nearest distances.

use crate::error::Cause;
use crate::estimator::{Degenerate, rule};
use crate::{Lid, LidError, Neighbors};

/// The share of the largest ratios that the fit leaves out, as in the paper.
const DISCARDED: f64 = 0.1;

/// One dimension for all rows whose nearest neighbor is no duplicate.
pub(crate) fn estimate(neighbors: &Neighbors, degenerate: Degenerate) -> Result<Lid, LidError> {
    let mut ratios = Vec::with_capacity(neighbors.n());
    let mut took_part = Vec::with_capacity(neighbors.n());
    for (row, distances) in neighbors.rows().enumerate() {
        let duplicate = distances[0] <= 0.0;
        if duplicate {
            rule(row, Cause::Duplicate, degenerate)?;
        } else {
            ratios.push((distances[1] / distances[0]).ln());
        }
        took_part.push(!duplicate);
    }
    ratios.sort_unstable_by(f64::total_cmp);
    let n = ratios.len();
    let kept = ((n as f64 * (1.0 - DISCARDED)) as usize).max(1).min(n);
    let (mut products, mut squares) = (0.0, 0.0);
    for (i, log_ratio) in ratios.iter().take(kept).enumerate() {
        // The empirical distribution; its last value would be 1, whose logarithm is infinite.
        let share = (i + 1) as f64 / (n + 1) as f64;
        products -= log_ratio * (1.0 - share).ln();
        squares += log_ratio * log_ratio;
    }
    if squares <= 0.0 {
        return match (n, degenerate) {
            (0, _) | (_, Degenerate::Skip) => Err(LidError::AllSkipped { n: neighbors.n() }),
            _ => Err(LidError::Degenerate { row: 0, cause: Cause::Equidistant }),
        };
    }
    let slope = products / squares;
    let per_point = took_part.into_iter().map(|part| part.then_some(slope)).collect();
    Lid::new(per_point).ok_or(LidError::AllSkipped { n: neighbors.n() })
}
