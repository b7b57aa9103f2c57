//! What makes scores of several leaves comparable.
//!
//! Every leaf trains for as many epochs, whatever it holds: where networks are fewer or shallower, each is trained
//! more, and scores above a better network of another leaf. The supernet that all leaves come from trained all of
//! them alike: it decides between the leaves, and they decide within.

use std::fmt;

use supernet::Evaluation;

/// A difference of scores, the same for all architectures of a leaf.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Shift {
    /// Of accuracy, as a fraction.
    pub(crate) accuracy: f64,
    /// Of the mean cross-entropy.
    pub(crate) loss: f64,
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
}

impl fmt::Display for Shift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "accuracy {:+.4}, loss {:+.4}", self.accuracy, self.loss)
    }
}

/// What was measured of an architecture, and what makes it comparable.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Score {
    pub(crate) measured: Evaluation,
    pub(crate) shift: Shift,
}

impl Score {
    /// To be compared with those of other leaves: no fraction of anything, it may leave 0 to 1.
    pub(crate) fn accuracy(&self) -> f64 {
        self.measured.accuracy.fraction() + self.shift.accuracy
    }

    /// To be compared with those of other leaves.
    pub(crate) fn loss(&self) -> f64 {
        self.measured.loss + self.shift.loss
    }
}

#[cfg(test)]
mod tests {
    use space::Accuracy;

    use super::*;

    #[test]
    fn the_mean_comes_to_that_of_the_others() {
        let measured =
            |accuracy, loss| Evaluation { accuracy: Accuracy::from_fraction(accuracy), loss };
        let from = [measured(0.5, 2.0), measured(0.25, 1.0)];
        let to = [measured(0.625, 1.5), measured(0.375, 1.25)];
        let shift = Shift::between(&from, &to);
        assert_eq!(shift, Shift { accuracy: 0.125, loss: -0.125 });
        let scores = from.map(|measured| Score { measured, shift });
        let numbers = scores.map(|score| [score.accuracy(), score.loss()]);
        assert_eq!(numbers, [[0.625, 1.875], [0.375, 0.875]].map(Into::<[f64; 2]>::into));
    }
}
