//! Neighbors of points whose features had 64 bits before they became [`Points`].

use rayon::prelude::*;

use crate::neighbors::{Neighbor, smallest};
use crate::{Neighbors, Points};

/// The most by which a feature changes when it is rounded to 32 bits, as a share of it.
const ROUNDING: f64 = 1.0 / (1 << 24) as f64;

/// The least that a feature can change by, where 32 bits have no smaller number.
const SMALLEST: f64 = f32::from_bits(1) as f64 / 2.0;

/// The share of the distance to the last neighbor by which rounding may move others unseen.
const SLACK: f64 = 1e-4;

/// The features of points before they were rounded.
#[derive(Clone, Copy, Debug)]
pub struct Unrounded<'a> {
    /// `[n, d]`, row-major.
    pub values: &'a [f64],
    /// What their differences are multiplied by to give those of the rounded features.
    pub scale: f64,
}

impl Unrounded<'_> {
    fn distance(&self, d: usize, [a, b]: [usize; 2]) -> f64 {
        let row = |i: usize| &self.values[i * d..][..d];
        let differences = row(a).iter().zip(row(b)).map(|(a, b)| (a - b) * self.scale);
        differences.map(|difference| difference * difference).sum::<f64>().sqrt()
    }
}

impl Neighbors {
    /// The same by the features that `points` had before each was rounded to 32 bits.
    ///
    /// All distances are taken anew, in `f64`. Rounding hides points that are nearer than those found where they lie
    /// together far from the origin: where it may change a distance by more than 10⁻⁴ of that to the last neighbor, all
    /// points are looked through, which takes n · d differences.
    ///
    /// # Shapes
    ///
    /// - `points`, `features`: `[n, d]`
    /// - output: `[n, k]`
    ///
    /// # Panics
    ///
    /// If there are not as many features as in `points`.
    ///
    /// # Examples
    ///
    /// ```
    /// use lid::{Neighbors, Points, Unrounded};
    ///
    /// let values = [0.0, 1.0, 1e9, 1e9 + 1.0, 1e9 + 3.0]; // To 32 bits the last three are one.
    /// let rounded = values.map(|value: f64| value as f32);
    /// let points = Points::new(&rounded, 1)?;
    /// let features = Unrounded { values: &values, scale: 1.0 };
    /// let neighbors = Neighbors::nearest(points, 2)?.unrounded(points, features);
    /// assert_eq!(neighbors.row(4), [2.0, 3.0]);
    /// # Ok::<(), lid::LidError>(())
    /// ```
    #[must_use]
    pub fn unrounded(&self, points: Points<'_>, features: Unrounded<'_>) -> Self {
        let (n, d, k) = (points.n(), points.d(), self.k());
        assert_eq!([features.values.len(), self.n()], [n * d, n], "features and neighbors");
        let of_row = |row: usize| {
            let to = |&col: &usize| (features.distance(d, [row, col]), col);
            let anew = smallest(self.indices(row).iter().map(to).collect(), k);
            if is_seen(points.row(row), anew[k - 1].0) {
                return anew;
            }
            let others: Vec<usize> = (0..n).filter(|&col| col != row).collect();
            smallest(others.iter().map(to).collect(), k)
        };
        let rows: Vec<Vec<Neighbor>> = (0..n).into_par_iter().map(of_row).collect();
        Self::from_rows(&rows, k)
    }
}

/// Whether rounding hides no point that is clearly nearer than one at that distance.
fn is_seen(features: &[f32], distance: f64) -> bool {
    let norm = features.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
    // Of the point itself, and of one as far from the origin and the distance more.
    let rounding = ROUNDING * (2.0 * norm + distance);
    let least = 2.0 * SMALLEST * (features.len() as f64).sqrt();
    // Nothing is nearer than a duplicate.
    rounding + least <= SLACK * distance || distance <= 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Points of a cube, moved away from the origin by `offset` if they have an odd number.
    fn clusters(n: usize, d: usize, offset: f64) -> Vec<f64> {
        let value = |i: usize| {
            let wave = ((i * i) as f64 * 0.618_033_988_749_895).fract();
            if i / d % 2 == 1 { wave + offset } else { wave }
        };
        (0..n * d).map(value).collect()
    }

    fn by_definition(values: &[f64], d: usize, k: usize, scale: f64) -> Neighbors {
        let n = values.len() / d;
        let features = Unrounded { values, scale };
        let distances: Vec<f64> =
            (0..n * n).map(|i| features.distance(d, [i / n, i % n])).collect();
        Neighbors::from_distances(&distances, k).unwrap()
    }

    #[track_caller]
    fn check(values: &[f64], d: usize, k: usize, scale: f64) -> Neighbors {
        let rounded: Vec<f32> = values.iter().map(|value| (value * scale) as f32).collect();
        let points = Points::new(&rounded, d).unwrap();
        let found = Neighbors::nearest(points, k).unwrap();
        let features = Unrounded { values, scale };
        assert_eq!(found.unrounded(points, features), by_definition(values, d, k, scale));
        found
    }

    #[test]
    fn clusters_far_apart_are_as_exact_as_one() {
        let (d, k) = (3, 4);
        for offset in [1e6, 1e9, 1e12] {
            let values = clusters(60, d, offset);
            let rounded = check(&values, d, k, 1.0);
            // What rounding alone makes of it: the test would see if nothing were taken anew.
            let exact = by_definition(&values, d, k, 1.0);
            assert!((rounded.row(1)[0] - exact.row(1)[0]).abs() > 1e-3 * exact.row(1)[0]);
        }
    }

    #[test]
    fn tiny_differences_and_duplicates_are_seen() {
        let mut values = clusters(40, 2, 1e8);
        let twin = [values[6], values[7]];
        values.extend(twin);
        check(&values, 2, 3, 1.0);
        let tiny: Vec<f64> = values.iter().map(|value| value * 1e-200).collect();
        check(&tiny, 2, 3, 1e200);
    }

    #[test]
    fn what_is_near_the_origin_is_not_looked_through() {
        assert!(is_seen(&[3.0, 4.0], 0.1) && !is_seen(&[3000.0, 4000.0], 0.1));
        assert!(is_seen(&[3000.0, 4000.0], 0.0));
    }
}
