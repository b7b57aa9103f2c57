//! TwoNN (Facco et al. 2017): the dimension from the ratio of two nearest distances.

use crate::error::Cause;
use crate::estimator::{Degenerate, EQUIDISTANT, log_ratio, rule};
use crate::{Lid, LidError, Neighbors};

/// Of so many ratios the fit leaves the largest out, as the paper and scikit-dimension do.
const DISCARDED_ONE_IN: usize = 10;

/// One dimension for all rows whose nearest neighbor is no duplicate; it takes two of them.
///
/// The ratio of rank i among n has the empirical share F = i / n.
pub(crate) fn estimate(neighbors: &Neighbors, degenerate: Degenerate) -> Result<Lid, LidError> {
    let mut ratios = Vec::with_capacity(neighbors.n());
    let mut took_part = Vec::with_capacity(neighbors.n());
    for (row, distances) in neighbors.rows().enumerate() {
        let duplicate = distances[0] <= 0.0;
        if duplicate {
            rule(row, Cause::Duplicate, degenerate)?;
        } else {
            ratios.push(log_ratio(distances[0], distances[1]));
        }
        took_part.push(!duplicate);
    }
    ratios.sort_unstable_by(f64::total_cmp);
    let n = ratios.len();
    // At least one is left out: the largest has the share 1, whose logarithm is infinite.
    let kept = n - n.div_ceil(DISCARDED_ONE_IN);
    let (mut products, mut squares) = (0.0, 0.0);
    for (i, log_ratio) in ratios.iter().take(kept).enumerate() {
        let share_above = (n - 1 - i) as f64 / n as f64;
        products -= log_ratio * share_above.ln();
        squares += log_ratio * log_ratio;
    }
    let spread = ratios[..kept].last().is_some_and(|largest| EQUIDISTANT < *largest);
    if !spread {
        return match (n, degenerate) {
            (0 | 1, _) | (_, Degenerate::Skip) => Err(LidError::AllSkipped { n: neighbors.n() }),
            _ => Err(LidError::Degenerate { row: 0, cause: Cause::Equidistant }),
        };
    }
    let slope = products / squares;
    let per_point = took_part.into_iter().map(|part| part.then_some(slope)).collect();
    Lid::new(per_point).ok_or(LidError::AllSkipped { n: neighbors.n() })
}
