//! The nearest other points of every point.

use std::cmp::Ordering;

use lanes::Isa;
use rayon::prelude::*;

use crate::exact::squared_distances;
use crate::gram::candidates;
use crate::{LidError, Points};

/// The `k` nearest other points of every point and their distances, ascending; of points equally far
/// the first come first.
///
/// A point is left out of its own neighbors by its row, never by a distance of zero.
#[derive(Clone, Debug, PartialEq)]
pub struct Neighbors {
    distances: Vec<f64>,
    indices: Vec<usize>,
    k: usize,
}

/// A distance and the row it leads to.
pub(crate) type Neighbor = (f64, usize);

impl Neighbors {
    /// Finds the `k` nearest of every point.
    ///
    /// A matrix product in `f32` tells which points may be near, with a bound on its error; their
    /// distances are then taken from differences of features, so neither an offset nor a scale harms
    /// them: exact to `f64` up to 512 features, beyond that to 10⁻⁸ as a rule and 2 · 10⁻⁷ at worst.
    /// The result is the same to the last bit whatever the number of threads. Memory: some 150 bytes
    /// for each neighbor, and a byte more for every 256 features; a few MiB for each thread. The features
    /// are not copied. Where the product leaves many in doubt, as in a crowd of duplicates, distances are
    /// taken while it goes on, which costs time and no memory.
    ///
    /// # Shapes
    ///
    /// - `points`: `[n, d]`
    /// - output: `[n, k]`
    ///
    /// # Errors
    ///
    /// [`LidError::NoNeighbors`] if `k` is 0, [`LidError::TooFewPoints`] unless it is below `n`.
    ///
    /// # Examples
    ///
    /// ```
    /// use lid::{Neighbors, Points};
    ///
    /// let corners = [0.0, 0.0, 3.0, 0.0, 0.0, 4.0]; // A triangle with sides 3, 4 and 5.
    /// let neighbors = Neighbors::nearest(Points::new(&corners, 2)?, 2)?;
    /// assert_eq!(neighbors.row(1), [3.0, 5.0]);
    /// # Ok::<(), lid::LidError>(())
    /// ```
    pub fn nearest(points: Points<'_>, k: usize) -> Result<Self, LidError> {
        Self::nearest_reporting(points, k, &|_, _| ())
    }

    /// The same; `report` is told how many of how many parts are done, by several threads.
    ///
    /// # Errors
    ///
    /// As [`Neighbors::nearest`].
    pub fn nearest_reporting(
        points: Points<'_>,
        k: usize,
        report: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<Self, LidError> {
        enough(points.n(), k)?;
        let pairs = pairs(candidates(points, k, report));
        let squares = squared_distances(Isa::widest(), points, &pairs);
        let mut rows: Vec<Vec<Neighbor>> = vec![Vec::new(); points.n()];
        for (&[row, col], square) in pairs.iter().zip(squares) {
            let distance = square.sqrt();
            // One that was no candidate of the other changes nothing there.
            rows[row].push((distance, col));
            rows[col].push((distance, row));
        }
        let rows: Vec<Vec<Neighbor>> = rows.into_par_iter().map(|row| smallest(row, k)).collect();
        Ok(Self::from_rows(&rows, k))
    }

    /// Finds the `k` nearest of every point in a matrix of distances, whose diagonal is ignored.
    ///
    /// # Shapes
    ///
    /// - `distances`: `[n, n]`, row-major
    /// - output: `[n, k]`
    ///
    /// # Errors
    ///
    /// [`LidError::Empty`], [`LidError::NotSquare`], [`LidError::BadDistance`] at the first that is
    /// negative or not finite, [`LidError::NoNeighbors`] if `k` is 0, [`LidError::TooFewPoints`] unless it is
    /// below `n`.
    pub fn from_distances(distances: &[f64], k: usize) -> Result<Self, LidError> {
        let n = distances.len().isqrt();
        if n == 0 {
            return Err(LidError::Empty);
        }
        if n * n != distances.len() {
            return Err(LidError::NotSquare { len: distances.len() });
        }
        enough(n, k)?;
        let mut rows = Vec::with_capacity(n);
        for (row, distances) in distances.chunks_exact(n).enumerate() {
            let of_col = |(col, distance): (usize, &f64)| (*distance, col);
            let others = || distances.iter().enumerate().map(of_col).filter(|&(_, col)| col != row);
            if let Some((value, col)) = others().find(|&(r, _)| !(0.0..f64::INFINITY).contains(&r))
            {
                return Err(LidError::BadDistance { row, col, value });
            }
            rows.push(smallest(others().collect(), k));
        }
        Ok(Self::from_rows(&rows, k))
    }

    /// Takes neighbors that were found elsewhere, on a graphics card for example; each row is sorted.
    /// Which of several points equally far is the last of a row is for the caller to say.
    ///
    /// # Shapes
    ///
    /// - `distances`, `indices`: `[n, k]`, row-major
    ///
    /// # Errors
    ///
    /// [`LidError::Empty`], [`LidError::NoNeighbors`] if `k` is 0, [`LidError::TooFewPoints`] unless it is below
    /// `n`, [`LidError::BadDistance`] at the first that is negative or not finite.
    ///
    /// # Panics
    ///
    /// If the lengths differ or fill no whole row, or if a neighbor is no row, the point itself or named
    /// twice.
    ///
    /// # Examples
    ///
    /// ```
    /// use lid::Neighbors;
    ///
    /// let neighbors = Neighbors::from_nearest(&[3.0, 3.0, 4.0], &[1, 0, 0], 1)?;
    /// assert_eq!((neighbors.row(2), neighbors.indices(2)), (&[4.0][..], &[0][..]));
    /// # Ok::<(), lid::LidError>(())
    /// ```
    pub fn from_nearest(distances: &[f64], indices: &[usize], k: usize) -> Result<Self, LidError> {
        assert_eq!(distances.len(), indices.len(), "distances with indices");
        if distances.is_empty() {
            return Err(LidError::Empty);
        }
        let n = distances.len() / k.max(1);
        enough(n, k)?;
        assert_eq!(distances.len(), n * k, "rows of {k} neighbors");
        let mut rows = Vec::with_capacity(n);
        let pairs = distances.chunks_exact(k).zip(indices.chunks_exact(k));
        for (row, (distances, cols)) in pairs.enumerate() {
            for (&value, &col) in distances.iter().zip(cols) {
                assert!(col < n && col != row, "neighbor {col} of row {row} among {n}");
                if !(0.0..f64::INFINITY).contains(&value) {
                    return Err(LidError::BadDistance { row, col, value });
                }
            }
            let mut sorted = cols.to_vec();
            sorted.sort_unstable();
            assert!(sorted.windows(2).all(|pair| pair[0] < pair[1]), "row {row} names one twice");
            let neighbors = distances.iter().copied().zip(cols.iter().copied()).collect();
            rows.push(smallest(neighbors, k));
        }
        Ok(Self::from_rows(&rows, k))
    }

    pub(crate) fn from_rows(rows: &[Vec<Neighbor>], k: usize) -> Self {
        let (distances, indices) = rows.iter().flatten().copied().unzip();
        Self { distances, indices, k }
    }

    /// Number of points.
    pub fn n(&self) -> usize {
        self.distances.len() / self.k
    }

    /// Neighbors per point.
    pub fn k(&self) -> usize {
        self.k
    }

    /// Distances of one point to its neighbors, ascending.
    ///
    /// # Shapes
    ///
    /// - output: `[k]`
    ///
    /// # Panics
    ///
    /// If there is no such row.
    pub fn row(&self, row: usize) -> &[f64] {
        &self.distances[row * self.k..][..self.k]
    }

    /// The rows of the neighbors of one point, nearest first.
    ///
    /// # Shapes
    ///
    /// - output: `[k]`
    ///
    /// # Panics
    ///
    /// If there is no such row.
    pub fn indices(&self, row: usize) -> &[usize] {
        &self.indices[row * self.k..][..self.k]
    }

    /// All rows in order.
    pub(crate) fn rows(&self) -> std::slice::ChunksExact<'_, f64> {
        self.distances.chunks_exact(self.k)
    }
}

/// Every pair once, whichever of its points has the other for a candidate.
fn pairs(candidates: Vec<Vec<usize>>) -> Vec<[usize; 2]> {
    let ordered = |row: usize, col: usize| if row < col { [row, col] } else { [col, row] };
    let of_row =
        |(row, cols): (usize, Vec<usize>)| cols.into_iter().map(move |col| ordered(row, col));
    let mut pairs: Vec<[usize; 2]> = candidates.into_iter().enumerate().flat_map(of_row).collect();
    pairs.par_sort_unstable();
    pairs.dedup();
    pairs
}

fn enough(n: usize, k: usize) -> Result<(), LidError> {
    match k {
        0 => Err(LidError::NoNeighbors),
        _ if k < n => Ok(()),
        _ => Err(LidError::TooFewPoints { n, k }),
    }
}

/// The order of neighbors: by distance, of those equally far by row.
pub(crate) fn nearer(a: &Neighbor, b: &Neighbor) -> Ordering {
    a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))
}

/// The `k` nearest, ascending.
pub(crate) fn smallest(mut neighbors: Vec<Neighbor>, k: usize) -> Vec<Neighbor> {
    neighbors.select_nth_unstable_by(k - 1, nearer);
    neighbors.truncate(k);
    neighbors.sort_unstable_by(nearer);
    neighbors
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_point_is_not_its_own_neighbor_but_its_duplicate_is() {
        let values = [5.0, 5.0, 6.0, 8.0];
        let neighbors = Neighbors::nearest(Points::new(&values, 1).unwrap(), 2).unwrap();
        assert_eq!(neighbors.row(0), [0.0, 1.0]);
        assert_eq!(neighbors.row(3), [2.0, 3.0]);
        assert_eq!(neighbors.indices(0), [1, 2]);
        // Both twins are equally far: the first comes first.
        assert_eq!(neighbors.indices(3), [2, 0]);
    }

    #[test]
    fn too_few_points_are_refused() {
        let values = [1.0, 2.0, 3.0];
        let nearest = |k| Neighbors::nearest(Points::new(&values, 1).unwrap(), k);
        for k in [3, usize::MAX] {
            assert_eq!(nearest(k), Err(LidError::TooFewPoints { n: 3, k }));
        }
        assert_eq!(nearest(0), Err(LidError::NoNeighbors));
    }

    #[test]
    fn malformed_distances_are_refused() {
        assert_eq!(Neighbors::from_distances(&[], 1), Err(LidError::Empty));
        let found = Neighbors::from_distances(&[0.0; 5], 1);
        assert_eq!(found, Err(LidError::NotSquare { len: 5 }));
        let found = Neighbors::from_distances(&[0.0, -1.0, 1.0, 0.0], 1);
        assert_eq!(found, Err(LidError::BadDistance { row: 0, col: 1, value: -1.0 }));
    }

    #[test]
    fn neighbors_found_elsewhere_are_sorted_and_checked() {
        let found =
            Neighbors::from_nearest(&[2.0, 1.0, 3.0, 1.0, 2.0, 3.0], &[2, 1, 2, 0, 0, 1], 2);
        let line = Neighbors::nearest(Points::new(&[1.0, 2.0, -1.0], 1).unwrap(), 2);
        assert_eq!(found, line);
        let found = Neighbors::from_nearest(&[1.0, f64::NAN], &[1, 0], 1);
        assert!(matches!(found, Err(LidError::BadDistance { row: 1, col: 0, .. })), "{found:?}");
        assert_eq!(Neighbors::from_nearest(&[], &[], 1), Err(LidError::Empty));
        let found = Neighbors::from_nearest(&[1.0], &[1], 0);
        assert_eq!(found, Err(LidError::NoNeighbors));
    }

    proptest! {
        #[test]
        fn an_offset_and_a_scale_do_no_harm(
            rows in prop::collection::vec(prop::collection::vec(-8i8..8, 3), 6..12),
            exponent in -40i32..40,
        ) {
            // Small integers times a power of two, plus an offset they survive exactly.
            let scale = 2f32.powi(exponent);
            let plain: Vec<f32> = rows.iter().flatten().map(|&x| f32::from(x)).collect();
            let moved: Vec<f32> = plain.iter().map(|x| (x + 1024.0) * scale).collect();
            let find = |values: &[f32]| {
                Neighbors::nearest(Points::new(values, 3).unwrap(), 3).unwrap()
            };
            let (plain, moved) = (find(&plain), find(&moved));
            for row in 0..plain.n() {
                for (a, b) in plain.row(row).iter().zip(moved.row(row)) {
                    // Every sum and difference is exact, and a root scales with an even power.
                    prop_assert!((a * f64::from(scale) - b).abs() <= 1e-15 * b);
                }
            }
        }
    }
}
