//! A view of n points of d features.

use lanes::Isa;

use crate::LidError;
use crate::exact::squared_distances;

/// Points between which distances can be taken.
pub trait Pairwise: Sync {
    /// Number of points.
    fn n(&self) -> usize;

    /// The squares of the Euclidean distances between the points of each pair.
    ///
    /// # Panics
    ///
    /// If there is no such point.
    fn squared_distances(&self, pairs: &[[usize; 2]]) -> Vec<f64>;
}

/// The rows of a row-major matrix of finite `f32` features.
///
/// # Examples
///
/// ```
/// let values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
/// let points = lid::Points::new(&values, 2)?;
/// assert_eq!((points.n(), points.d()), (3, 2));
/// assert_eq!(points.row(1), [3.0, 4.0]);
/// # Ok::<(), lid::LidError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Points<'a> {
    values: &'a [f32],
    d: usize,
}

impl<'a> Points<'a> {
    /// Reads `values` as rows of `d` features.
    ///
    /// # Shapes
    ///
    /// - `values`: `[n, d]`, row-major
    ///
    /// # Errors
    ///
    /// [`LidError::NoFeatures`] if `d` is 0, [`LidError::Empty`] without values,
    /// [`LidError::Ragged`] if the last row is not full, [`LidError::NotFinite`] at the first NaN
    /// or infinity.
    pub fn new(values: &'a [f32], d: usize) -> Result<Self, LidError> {
        check_rows(values.len(), d)?;
        for (row, features) in values.chunks_exact(d).enumerate() {
            // A fold without early exit is vectorized; the place is looked for only when needed.
            if features.iter().fold(true, |finite, value| finite & value.is_finite()) {
                continue;
            }
            if let Some(col) = features.iter().position(|value| !value.is_finite()) {
                return Err(LidError::NotFinite { row, col, value: features[col] });
            }
        }
        Ok(Self { values, d })
    }

    /// Rows that are known to be whole and finite.
    pub(crate) const fn of_checked(values: &'a [f32], d: usize) -> Self {
        Self { values, d }
    }

    /// Number of points.
    pub const fn n(&self) -> usize {
        self.values.len() / self.d
    }

    /// Features per point.
    pub const fn d(&self) -> usize {
        self.d
    }

    /// The features of point `row`.
    ///
    /// # Shapes
    ///
    /// - output: `[d]`
    ///
    /// # Panics
    ///
    /// If there is no such row.
    pub fn row(&self, row: usize) -> &'a [f32] {
        &self.values[row * self.d..][..self.d]
    }
}

/// Whether `len` values are some whole rows of `d` features.
pub(crate) fn check_rows(len: usize, d: usize) -> Result<(), LidError> {
    if d == 0 {
        return Err(LidError::NoFeatures);
    }
    if len == 0 {
        return Err(LidError::Empty);
    }
    if !len.is_multiple_of(d) {
        return Err(LidError::Ragged { len, d });
    }
    Ok(())
}

impl Pairwise for Points<'_> {
    fn n(&self) -> usize {
        Points::n(self)
    }

    /// As exact as those of [`Neighbors::nearest`](crate::Neighbors::nearest).
    fn squared_distances(&self, pairs: &[[usize; 2]]) -> Vec<f64> {
        squared_distances(Isa::widest(), *self, pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(values: &[f32], d: usize, expected: &LidError) {
        assert_eq!(Points::new(values, d).unwrap_err(), *expected);
    }

    #[test]
    fn malformed_points_are_refused() {
        check(&[1.0], 0, &LidError::NoFeatures);
        check(&[], 3, &LidError::Empty);
        check(&[1.0, 2.0, 3.0], 2, &LidError::Ragged { len: 3, d: 2 });
        let value = f32::INFINITY;
        check(&[1.0, 2.0, 3.0, value], 2, &LidError::NotFinite { row: 1, col: 1, value });
        let value = f32::NEG_INFINITY;
        check(&[1.0, 2.0, value, f32::NAN], 2, &LidError::NotFinite { row: 1, col: 0, value });
        // NaN is not equal to itself, so its place is compared alone.
        let error = Points::new(&[f32::NAN, 2.0], 2).unwrap_err();
        assert!(matches!(error, LidError::NotFinite { row: 0, col: 0, .. }));
    }
}
