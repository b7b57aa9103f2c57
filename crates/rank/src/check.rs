//! What every figure asks of its numbers.

use crate::{RankError, Side};

/// Numbers that are compared: finite, and at least `needed` of them.
pub(crate) fn values(values: &[f64], side: Side, needed: usize) -> Result<(), RankError> {
    if values.len() < needed {
        return Err(RankError::TooFew { n: values.len(), needed });
    }
    for (index, &value) in values.iter().enumerate() {
        if !value.is_finite() {
            return Err(RankError::NotFinite { side, index, value });
        }
    }
    Ok(())
}

/// Pairs of numbers, finite on both sides.
pub(crate) fn pairs(predicted: &[f64], truth: &[f64], needed: usize) -> Result<(), RankError> {
    if predicted.len() != truth.len() {
        return Err(RankError::UnequalLengths { predicted: predicted.len(), truth: truth.len() });
    }
    values(predicted, Side::Predicted, needed)?;
    values(truth, Side::Truth, needed)
}

/// Pairs whose sides both vary, so that a correlation is defined.
pub(crate) fn varying_pairs(predicted: &[f64], truth: &[f64]) -> Result<(), RankError> {
    pairs(predicted, truth, 2)?;
    for (side, values) in [(Side::Predicted, predicted), (Side::Truth, truth)] {
        if values.windows(2).all(|pair| !(pair[0] < pair[1] || pair[1] < pair[0])) {
            return Err(RankError::Constant { side });
        }
    }
    Ok(())
}

/// A figure that is a number.
pub(crate) fn figure(value: f64) -> Result<f64, RankError> {
    if value.is_finite() { Ok(value) } else { Err(RankError::FigureNotFinite { value }) }
}

/// A copy in which zero has one sign, so that the total order of `f64` has the ties of `==`.
pub(crate) fn with_one_zero(values: &[f64]) -> Vec<f64> {
    // −0 + 0 is +0, and no other number changes.
    values.iter().map(|value| value + 0.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(predicted: &[f64], truth: &[f64], expected: Result<(), RankError>) {
        assert_eq!(varying_pairs(predicted, truth), expected);
    }

    #[test]
    fn pairs_without_a_correlation_are_refused() {
        check(&[1.0, 2.0], &[2.0, 1.0], Ok(()));
        check(&[1.0], &[], Err(RankError::UnequalLengths { predicted: 1, truth: 0 }));
        check(&[], &[], Err(RankError::TooFew { n: 0, needed: 2 }));
        check(&[1.0], &[1.0], Err(RankError::TooFew { n: 1, needed: 2 }));
        let constant = |side| Err(RankError::Constant { side });
        check(&[0.0, -0.0], &[1.0, 2.0], constant(Side::Predicted));
        check(&[1.0, 2.0], &[7.0, 7.0], constant(Side::Truth));
        let value = f64::INFINITY;
        let infinite = RankError::NotFinite { side: Side::Truth, index: 1, value };
        check(&[1.0, 2.0], &[7.0, value], Err(infinite));
        let refused = varying_pairs(&[f64::NAN, 2.0], &[7.0, 8.0]);
        assert!(matches!(refused, Err(RankError::NotFinite { index: 0, .. })));
    }
}
