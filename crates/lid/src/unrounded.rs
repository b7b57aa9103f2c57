//! Neighbors of points whose features had 64 bits before they became [`Points`].

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use crate::exact::in_f64;
use crate::neighbors::{Neighbor, smallest};
use crate::{LidError, Neighbors, Pairwise, Points};

/// The most by which a feature changes when it is rounded to 32 bits, as a share of it.
const ROUNDING: f64 = 1.0 / (1 << 24) as f64;

/// The most that one changes by where 32 bits have no numbers small enough.
const SMALLEST: f64 = f32::from_bits(1) as f64 / 2.0;

/// The share of the distance to the last neighbor by which a point that is hidden may be nearer.
const SLACK: f64 = 1e-4;

/// The features of points before they were rounded.
#[derive(Clone, Copy, Debug)]
pub struct Unrounded<'a> {
    values: &'a [f64],
    scale: f64,
    rounded: &'a [bool],
}

impl<'a> Unrounded<'a> {
    /// Takes features of which those in the columns `rounded` changed when they became [`Points`]; differences of the
    /// points are those of the features times `scale`, a positive number, but for that.
    ///
    /// # Shapes
    ///
    /// - `values`: `[n, d]`, row-major
    /// - `rounded`: `[d]`
    ///
    /// # Errors
    ///
    /// [`LidError::NoFeatures`] if `d` is 0, [`LidError::Ragged`] if the last row is not full,
    /// [`LidError::NotFinite`] at the first NaN or infinity.
    pub fn new(values: &'a [f64], scale: f64, rounded: &'a [bool]) -> Result<Self, LidError> {
        let d = rounded.len();
        if d == 0 {
            return Err(LidError::NoFeatures);
        }
        if !values.len().is_multiple_of(d) {
            return Err(LidError::Ragged { len: values.len(), d });
        }
        match values.iter().position(|value| !value.is_finite()) {
            Some(at) => {
                Err(LidError::NotFinite { row: at / d, col: at % d, value: values[at] as f32 })
            }
            None => Ok(Self { values, scale, rounded }),
        }
    }

    fn squared_distance(&self, a: usize, b: usize) -> f64 {
        let d = self.rounded.len();
        let row = |row: usize| &self.values[row * d..][..d];
        in_f64(row(a), row(b), self.scale)
    }

    /// Whether rounding hides no point that is clearly nearer to one than `distance`.
    fn is_seen(&self, features: &[f32], distance: f64) -> bool {
        let rounded = features.iter().zip(self.rounded).filter(|(_, rounded)| **rounded);
        let norm = rounded.map(|(&x, _)| f64::from(x).powi(2)).sum::<f64>().sqrt();
        // Of the point itself, and of one as far from the origin and the distance more.
        let of_two = ROUNDING * (2.0 * norm + distance);
        let least = 2.0 * SMALLEST * (features.len() as f64).sqrt();
        // The distance to the last neighbor and that to a hidden point; nothing is nearer than a duplicate.
        2.0 * (of_two + least) <= SLACK * distance || distance <= 0.0
    }
}

impl Pairwise for Unrounded<'_> {
    fn n(&self) -> usize {
        self.values.len() / self.rounded.len()
    }

    /// In units of the points that the features became, in `f64`.
    fn squared_distances(&self, pairs: &[[usize; 2]]) -> Vec<f64> {
        pairs.iter().map(|&[a, b]| self.squared_distance(a, b)).collect()
    }
}

impl Neighbors {
    /// Finds the nearest again by the features that `points` had before they were rounded to 32 bits, `self` being the
    /// nearest of `points`; `report` is told how many of how many points are done, by several threads.
    ///
    /// All distances are taken anew, in `f64`. Rounding hides points where they lie together far from the origin of their
    /// columns: where one that was not found may be nearer than the last neighbor by more than 10⁻⁴ of its distance, all
    /// points are looked through, n · d differences for each that it concerns. Else one that is nearer by less may be missing.
    ///
    /// # Shapes
    ///
    /// - `points`, `features`: `[n, d]`
    /// - output: `[n, k]`
    ///
    /// # Errors
    ///
    /// [`LidError::BadDistance`] at the first that is not finite.
    ///
    /// # Panics
    ///
    /// If `self`, `points` and `features` are not of as many points, or these of as many features.
    ///
    /// # Examples
    ///
    /// ```
    /// use lid::{Neighbors, Points, Unrounded};
    ///
    /// let values = [0.0, 1.0, 1e9, 1e9 + 1.0, 1e9 + 3.0]; // To 32 bits the last three are one.
    /// let rounded = values.map(|value: f64| value as f32);
    /// let points = Points::new(&rounded, 1)?;
    /// let features = Unrounded::new(&values, 1.0, &[true])?;
    /// let neighbors = Neighbors::nearest(points, 2)?.by_unrounded(points, features, &|_, _| ())?;
    /// assert_eq!(neighbors.row(4), [2.0, 3.0]);
    /// # Ok::<(), lid::LidError>(())
    /// ```
    pub fn by_unrounded(
        &self,
        points: Points<'_>,
        features: Unrounded<'_>,
        report: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<Self, LidError> {
        let (n, d, k) = (points.n(), points.d(), self.k());
        let sizes = [features.rounded.len(), features.n(), self.n()];
        assert_eq!(sizes, [d, n, n], "features and neighbors");
        let n_done = AtomicUsize::new(0);
        let of_row = |row: usize| {
            let to = |col: usize| (features.squared_distance(row, col).sqrt(), col);
            let mut nearest = smallest(self.indices(row).iter().map(|&col| to(col)).collect(), k);
            let reach = nearest[k - 1].0;
            if !features.is_seen(points.row(row), reach) {
                let others = (0..n).filter(|&col| col != row).map(to);
                nearest = smallest(others.filter(|(distance, _)| *distance <= reach).collect(), k);
                // Those of all points would be too many to keep the room for them.
                nearest.shrink_to_fit();
            }
            report(n_done.fetch_add(1, Ordering::Relaxed) + 1, n);
            match nearest.iter().find(|(distance, _)| !distance.is_finite()) {
                Some(&(value, col)) => Err(LidError::BadDistance { row, col, value }),
                None => Ok(nearest),
            }
        };
        let rows: Result<Vec<Vec<Neighbor>>, LidError> =
            (0..n).into_par_iter().map(of_row).collect();
        Ok(Self::from_rows(&rows?, k))
    }
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

    /// For every point the distances to all others, sorted.
    fn by_definition(values: &[f64], d: usize, k: usize) -> Vec<Vec<f64>> {
        let rows: Vec<&[f64]> = values.chunks_exact(d).collect();
        let nearest = |i: usize| {
            let mut distances = Vec::new();
            for (j, other) in rows.iter().enumerate() {
                if j != i {
                    let pairs = rows[i].iter().zip(*other);
                    distances.push(pairs.fold(0.0_f64, |norm, (a, b)| norm.hypot(a - b)));
                }
            }
            distances.sort_unstable_by(f64::total_cmp);
            distances.truncate(k);
            distances
        };
        (0..rows.len()).map(nearest).collect()
    }

    /// Compares what is found with the definition, and returns what rounding makes of it.
    #[track_caller]
    fn check(values: &[f64], d: usize, k: usize, scale: f64) -> Neighbors {
        let narrow: Vec<f32> = values.iter().map(|value| (value * scale) as f32).collect();
        let points = Points::new(&narrow, d).unwrap();
        let rounded = Neighbors::nearest(points, k).unwrap();
        let columns = vec![true; d];
        let features = Unrounded::new(values, scale, &columns).unwrap();
        let found = rounded.by_unrounded(points, features, &|_, _| ()).unwrap();
        for (row, expected) in by_definition(values, d, k).iter().enumerate() {
            for (found, expected) in found.row(row).iter().zip(expected) {
                let expected = expected * scale;
                assert!((found - expected).abs() <= 1e-14 * expected, "{found} for {expected}");
            }
        }
        rounded
    }

    #[test]
    fn clusters_far_apart_are_as_exact_as_one() {
        let (d, k) = (11, 4);
        for offset in [1e6, 1e9, 1e12] {
            let values = clusters(60, d, offset);
            let rounded = check(&values, d, k, 1.0);
            // What rounding alone makes of it: the test would see if nothing were taken anew.
            let exact = by_definition(&values, d, k)[1][0];
            assert!((rounded.row(1)[0] - exact).abs() > 1e-4 * exact);
        }
    }

    #[test]
    fn tiny_differences_and_duplicates_are_seen() {
        let mut values = clusters(40, 2, 1e8);
        let twin = [values[6], values[7]];
        values.extend(twin);
        check(&values, 2, 3, 1.0);
        let tiny: Vec<f64> = values.iter().map(|value| value * 1e-100).collect();
        check(&tiny, 2, 3, 1e100);
        // Numbers of which 32 bits hold a few digits.
        let subnormal: Vec<f64> = clusters(40, 2, 1.0).iter().map(|x| x * 1e-43).collect();
        check(&subnormal, 2, 3, 1.0);
    }

    #[test]
    fn what_was_not_rounded_or_is_near_the_origin_is_not_looked_through() {
        let features = |rounded| Unrounded::new(&[0.0; 4], 1.0, rounded).unwrap();
        let all = features(&[true, true]);
        assert!(all.is_seen(&[3.0, 4.0], 0.1) && !all.is_seen(&[3000.0, 4000.0], 0.1));
        assert!(all.is_seen(&[3000.0, 4000.0], 0.0));
        assert!(features(&[true, false]).is_seen(&[3.0, 4000.0], 0.1));
        assert!(!all.is_seen(&[1e-43, 2e-43], 1e-43));
    }

    #[test]
    fn malformed_features_are_refused() {
        let new = |values: &[f64], rounded: &[bool]| Unrounded::new(values, 1.0, rounded).err();
        assert_eq!(new(&[], &[]), Some(LidError::NoFeatures));
        assert_eq!(new(&[1.0; 3], &[true; 2]), Some(LidError::Ragged { len: 3, d: 2 }));
        let value = f32::INFINITY;
        let expected = LidError::NotFinite { row: 1, col: 0, value };
        assert_eq!(new(&[1.0, 2.0, f64::INFINITY, 3.0], &[true; 2]), Some(expected));

        let values = [0.0, 1e300, -1e300];
        let points = Points::new(&[0.0, 1.0, -1.0], 1).unwrap();
        let features = Unrounded::new(&values, 1.0, &[true]).unwrap();
        let found = Neighbors::nearest(points, 1).unwrap();
        let found = found.by_unrounded(points, features, &|_, _| ());
        assert!(matches!(found, Err(LidError::BadDistance { row: 0, .. })), "{found:?}");
    }
}
