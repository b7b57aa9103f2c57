//! The checked similarity matrix.

use serde::{Deserialize, Serialize};

use crate::PartitionError;

/// Mirrored entries may differ by this fraction of the largest entry: so far apart are those of a matrix
/// product in `f32`.
const SYMMETRY_TOLERANCE: f64 = 1e-6;

/// How alike each two of `n` vertices are: a finite, symmetric matrix.
///
/// Negative entries are allowed, since correlations have them. In files it is a list of rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Vec<f64>>", into = "Vec<Vec<f64>>")]
pub struct Similarity {
    n: usize,
    values: Vec<f64>,
}

impl Similarity {
    /// Checks a matrix given row by row.
    ///
    /// Mirrored entries may differ by 10⁻⁶ of the largest entry, the diagonal included; their mean is kept for
    /// both.
    ///
    /// # Shapes
    ///
    /// - `values`: `[n, n]`, row after row
    ///
    /// # Errors
    ///
    /// If `n` is zero, the number of values is not `n²`, an entry is not finite or `n²` of its kind have no
    /// finite sum, or the matrix is not symmetric; the last three name row and column.
    ///
    /// # Examples
    ///
    /// ```
    /// use partition::{PartitionError, Similarity};
    ///
    /// let similarity = Similarity::new(2, vec![1.0, 0.5, 0.5, 1.0])?;
    /// assert_eq!((similarity.n(), similarity.get(0, 1)), (2, 0.5));
    ///
    /// let skewed = Similarity::new(2, vec![1.0, 0.5, 0.4, 1.0]);
    /// assert!(matches!(skewed, Err(PartitionError::NotSymmetric { row: 0, col: 1, .. })));
    /// # Ok::<(), PartitionError>(())
    /// ```
    pub fn new(n: usize, values: Vec<f64>) -> Result<Self, PartitionError> {
        if n == 0 {
            return Err(PartitionError::Empty);
        }
        if n.checked_mul(n) != Some(values.len()) {
            return Err(PartitionError::Count { n, got: values.len() });
        }
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            let (row, col) = (at / n, at % n);
            return Err(PartitionError::NotFinite { row, col, value: values[at] });
        }
        let most = f64::MAX / values.len() as f64;
        if let Some(at) = values.iter().position(|value| most < value.abs()) {
            let (row, col) = (at / n, at % n);
            return Err(PartitionError::TooLarge { row, col, value: values[at] });
        }
        let mut similarity = Self { n, values };
        similarity.check_symmetry()?;
        similarity.mirror();
        Ok(similarity)
    }

    /// The mean of matrices, entry by entry: one for each probe batch, say.
    ///
    /// # Shapes
    ///
    /// - each of `similarities`: `[n, n]`
    /// - output: `[n, n]`
    ///
    /// # Errors
    ///
    /// If there are none, if their sizes differ, or if a sum overflows.
    pub fn mean(similarities: &[Self]) -> Result<Self, PartitionError> {
        let n = similarities.first().ok_or(PartitionError::Empty)?.n;
        let mut sums = vec![0.0; n * n];
        for (matrix, similarity) in similarities.iter().enumerate() {
            if similarity.n != n {
                let got = similarity.n;
                return Err(PartitionError::UnequalSimilarities { matrix, expected: n, got });
            }
            for (sum, value) in sums.iter_mut().zip(&similarity.values) {
                *sum += value;
            }
        }
        let count = similarities.len() as f64;
        Self::new(n, sums.into_iter().map(|sum| sum / count).collect())
    }

    /// Number of vertices.
    pub fn n(&self) -> usize {
        self.n
    }

    /// How alike vertices `row` and `col` are.
    ///
    /// # Panics
    ///
    /// If one of them is not below `n`.
    pub fn get(&self, row: usize, col: usize) -> f64 {
        let n = self.n;
        assert!(row < n && col < n, "entry ({row}, {col}) of a similarity of {n} vertices");
        self.values[row * n + col]
    }

    /// The pairs `row < col`, row by row, with their similarity.
    pub fn pairs(&self) -> impl Iterator<Item = (usize, usize, f64)> + '_ {
        (0..self.n).flat_map(move |row| {
            (row + 1..self.n).map(move |col| (row, col, self.values[row * self.n + col]))
        })
    }

    /// The largest magnitude off the diagonal, the yardstick of rounding errors.
    pub(crate) fn magnitude(&self) -> f64 {
        self.pairs().map(|(_, _, value)| value.abs()).fold(0.0, f64::max)
    }

    fn mirror(&mut self) {
        let n = self.n;
        for row in 0..n {
            for col in 0..row {
                let mean = self.values[row * n + col].midpoint(self.values[col * n + row]);
                self.values[row * n + col] = mean;
                self.values[col * n + row] = mean;
            }
        }
    }

    fn check_symmetry(&self) -> Result<(), PartitionError> {
        let largest = self.values.iter().map(|value| value.abs()).fold(0.0, f64::max);
        for (row, col, value) in self.pairs() {
            let mirrored = self.get(col, row);
            // Halved first, so that two huge entries of opposite sign do not overflow.
            let difference = (value / 2.0 - mirrored / 2.0).abs();
            if SYMMETRY_TOLERANCE * largest / 2.0 < difference {
                return Err(PartitionError::NotSymmetric { row, col, value, mirrored });
            }
        }
        Ok(())
    }
}

impl TryFrom<Vec<Vec<f64>>> for Similarity {
    type Error = PartitionError;

    fn try_from(rows: Vec<Vec<f64>>) -> Result<Self, PartitionError> {
        let n = rows.len();
        if let Some(row) = rows.iter().position(|entries| entries.len() != n) {
            return Err(PartitionError::Ragged { row, n, got: rows[row].len() });
        }
        Self::new(n, rows.concat())
    }
}

impl From<Similarity> for Vec<Vec<f64>> {
    fn from(similarity: Similarity) -> Self {
        similarity.values.chunks(similarity.n).map(<[f64]>::to_vec).collect()
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    #[track_caller]
    fn check_error(n: usize, values: &[f64], expect: Expect) {
        expect.assert_eq(&Similarity::new(n, values.to_vec()).unwrap_err().to_string());
    }

    #[test]
    fn bad_matrices_name_the_entry() {
        check_error(0, &[], expect!["nothing to compare: at least one vertex is needed"]);
        check_error(2, &[1.0, 0.5, 0.5], expect!["2 vertices need 2 × 2 similarities, got 3"]);
        check_error(
            2,
            &[1.0, 0.5, f64::NAN, 1.0],
            expect!["similarity at row 1, column 0 is NaN, not a finite number"],
        );
        check_error(
            2,
            &[1.0, 0.5, 0.25, 1.0],
            expect!["similarity is not symmetric: row 0, column 1 is 0.5, mirrored 0.25"],
        );
        check_error(
            2,
            &[1.0, 1e308, 1e308, 1.0],
            expect![["similarity at row 0, column 1 is 1e308: a sum of such numbers overflows"]],
        );
    }

    #[test]
    fn symmetry_may_be_off_by_rounding() {
        // 1e-7 of the largest entry is rounding in f32, 1e-5 is a mistake.
        let similarity = Similarity::new(2, vec![1.0, 1e-7, 0.0, 1.0]).unwrap();
        let expected = Similarity::new(2, vec![1.0, 0.5e-7, 0.5e-7, 1.0]);
        assert_eq!(Ok(similarity), expected);
        assert!(Similarity::new(2, vec![1.0, 1e-5, 0.0, 1.0]).is_err());
    }

    #[test]
    fn files_hold_rows() {
        let similarity: Similarity = serde_json::from_str("[[1.0,0.5],[0.5,1.0]]").unwrap();
        assert_eq!(serde_json::to_string(&similarity).unwrap(), "[[1.0,0.5],[0.5,1.0]]");
        let ragged = serde_json::from_str::<Similarity>("[[1.0,0.5],[0.5]]").unwrap_err();
        assert!(ragged.to_string().contains("row 1 of a similarity of 2 rows has 1 entries"));
    }

    #[test]
    fn mean_is_taken_entry_by_entry() {
        let matrix = |off: f64| Similarity::new(2, vec![1.0, off, off, 1.0]).unwrap();
        let mean = Similarity::mean(&[matrix(0.25), matrix(0.75)]).unwrap();
        assert_eq!(mean, matrix(0.5));
        assert_eq!(Similarity::mean(&[]), Err(PartitionError::Empty));
        let small = Similarity::new(1, vec![1.0]).unwrap();
        let error = Similarity::mean(&[matrix(0.5), small]).unwrap_err();
        assert_eq!(error, PartitionError::UnequalSimilarities { matrix: 1, expected: 2, got: 1 });
    }
}
