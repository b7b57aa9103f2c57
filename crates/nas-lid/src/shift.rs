//! What makes scores of several leaves comparable.
//!
//! Every leaf trains for as many epochs, whatever it holds: where networks are fewer or shallower, each is trained
//! more, and scores above a better network of another leaf. The supernet that all leaves come from trained all of
//! them alike: it decides between the leaves, and they decide within.

use std::fmt;

use space::{Accuracy, Valid};
use supernet::Evaluation;

/// A difference of scores, the same for all architectures of a leaf.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Shift {
    /// Of accuracy, as a fraction.
    accuracy: f64,
    /// Of the mean cross-entropy.
    loss: f64,
}

impl Shift {
    /// Scores as they are.
    pub(crate) const NONE: Self = Self { accuracy: 0.0, loss: 0.0 };

    /// The mean difference of two scores each of some architectures, in one order.
    pub(crate) fn between(from: &[Evaluation], to: &[Evaluation]) -> Self {
        let mean = |of: fn(&Evaluation) -> f64| {
            let differences = from.iter().zip(to).map(|(from, to)| of(to) - of(from));
            differences.sum::<f64>() / from.len() as f64
        };
        Self { accuracy: mean(|score| score.accuracy.fraction()), loss: mean(|score| score.loss) }
    }

    /// A score with the difference added.
    pub(crate) fn of(self, score: Evaluation) -> Evaluation {
        let accuracy = (score.accuracy.fraction() + self.accuracy).clamp(0.0, 1.0);
        let accuracy = Accuracy::<Valid>::from_fraction(accuracy);
        Evaluation { accuracy, loss: score.loss + self.loss }
    }
}

impl fmt::Display for Shift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "accuracy {:+.4}, loss {:+.4}", self.accuracy, self.loss)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(accuracy: f64, loss: f64) -> Evaluation {
        Evaluation { accuracy: Accuracy::from_fraction(accuracy), loss }
    }

    #[test]
    fn the_mean_comes_to_that_of_the_others() {
        let from = [score(0.5, 2.0), score(0.25, 1.0)];
        let to = [score(0.625, 1.5), score(0.375, 1.25)];
        let shift = Shift::between(&from, &to);
        assert_eq!(shift, Shift { accuracy: 0.125, loss: -0.125 });
        assert_eq!(from.map(|from| shift.of(from)), [score(0.625, 1.875), score(0.375, 0.875)]);
    }

    #[test]
    fn accuracies_stay_fractions() {
        let shift = Shift { accuracy: 0.5, loss: 0.0 };
        assert_eq!(shift.of(score(0.75, 2.0)), score(1.0, 2.0));
    }
}
