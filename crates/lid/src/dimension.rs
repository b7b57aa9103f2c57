//! Dimensions of many points, and one number for all of them.

use serde::{Deserialize, Serialize};

/// How the dimensions of many points become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aggregate {
    /// Arithmetic mean, as published.
    Mean,
    /// Harmonic mean, of lower variance (MacKay & Ghahramani 2005).
    HarmonicMean,
    /// Median.
    Median,
}

impl Aggregate {
    /// One number for some dimensions.
    ///
    /// # Panics
    ///
    /// If there are none.
    pub fn of(self, mut lids: Vec<f64>) -> f64 {
        let n = lids.len();
        assert!(0 < n, "the aggregate of no dimensions");
        match self {
            Self::Mean => lids.iter().sum::<f64>() / n as f64,
            Self::HarmonicMean => n as f64 / lids.iter().map(|lid| lid.recip()).sum::<f64>(),
            Self::Median => {
                lids.sort_unstable_by(f64::total_cmp);
                (lids[(n - 1) / 2] + lids[n / 2]) / 2.0
            }
        }
    }
}

/// The dimension of every point that has one; at least one has.
#[derive(Clone, Debug, PartialEq)]
pub struct Lid {
    per_point: Vec<Option<f64>>,
}

impl Lid {
    /// From one dimension per row; `None` if no row has one.
    pub(crate) fn new(per_point: Vec<Option<f64>>) -> Option<Self> {
        per_point.iter().any(Option::is_some).then_some(Self { per_point })
    }

    /// The dimension of every row; none where the row was skipped.
    ///
    /// # Shapes
    ///
    /// - output: `[n]`
    pub fn per_point(&self) -> &[Option<f64>] {
        &self.per_point
    }

    /// How many rows were skipped.
    pub fn skipped(&self) -> usize {
        self.per_point.iter().filter(|lid| lid.is_none()).count()
    }

    /// One number for all rows that have a dimension.
    pub fn aggregate(&self, aggregate: Aggregate) -> f64 {
        aggregate.of(self.known().collect())
    }

    /// The arithmetic mean.
    pub fn mean(&self) -> f64 {
        self.aggregate(Aggregate::Mean)
    }

    /// The harmonic mean.
    pub fn harmonic_mean(&self) -> f64 {
        self.aggregate(Aggregate::HarmonicMean)
    }

    /// The median; the mean of the middle two of an even number.
    pub fn median(&self) -> f64 {
        self.aggregate(Aggregate::Median)
    }

    fn known(&self) -> impl Iterator<Item = f64> + '_ {
        self.per_point.iter().flatten().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_leave_skipped_rows_out() {
        let lid = Lid::new(vec![Some(1.0), None, Some(4.0), Some(4.0)]).unwrap();
        assert_eq!(lid.skipped(), 1);
        assert!((Aggregate::Median.of(vec![5.0, 1.0, 2.0, 4.0]) - 3.0).abs() < 1e-15);
        assert!((lid.mean() - 3.0).abs() < 1e-15);
        assert!((lid.harmonic_mean() - 2.0).abs() < 1e-15);
        assert!((lid.median() - 4.0).abs() < 1e-15);
        assert_eq!(Lid::new(vec![None, None]), None);
    }
}
