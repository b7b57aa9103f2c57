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
        match aggregate {
            Aggregate::Mean => self.mean(),
            Aggregate::HarmonicMean => self.harmonic_mean(),
            Aggregate::Median => self.median(),
        }
    }

    /// The arithmetic mean.
    pub fn mean(&self) -> f64 {
        self.known().sum::<f64>() / self.known().count() as f64
    }

    /// The harmonic mean.
    pub fn harmonic_mean(&self) -> f64 {
        self.known().count() as f64 / self.known().map(f64::recip).sum::<f64>()
    }

    /// The median; the mean of the middle two of an even number.
    pub fn median(&self) -> f64 {
        let mut known: Vec<f64> = self.known().collect();
        known.sort_unstable_by(f64::total_cmp);
        let middle = known.len() / 2;
        if known.len() % 2 == 1 { known[middle] } else { (known[middle - 1] + known[middle]) / 2.0 }
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
        assert!((lid.mean() - 3.0).abs() < 1e-15);
        assert!((lid.harmonic_mean() - 2.0).abs() < 1e-15);
        assert!((lid.median() - 4.0).abs() < 1e-15);
        assert_eq!(Lid::new(vec![None, None]), None);
    }
}
