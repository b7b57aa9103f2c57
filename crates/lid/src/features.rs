//! Points whose features have 64 bits.

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use crate::exact::in_f64;
use crate::neighbors::{Neighbor, smallest};
use crate::points::check_rows;
use crate::{LidError, Neighbors, Pairwise, Points};

/// The most by which a feature changes when it is rounded to 32 bits, as a share of it.
const ROUNDING: f64 = 1.0 / (1 << 24) as f64;

/// The most that one changes by where 32 bits have no numbers small enough.
const SMALLEST: f64 = f32::from_bits(1) as f64 / 2.0;

/// The share of the distance to the last neighbor by which a point that is hidden may be nearer.
const SLACK: f64 = 1e-4;

/// Features of 64 bits, and the [`Points`] that they are searched by.
///
/// Only ratios of distances make a dimension. So columns that 32 bits do not hold become differences from their
/// medians, and where all differences are tiny they are multiplied by a power of two: neither an offset nor a scale
/// does harm. Distances are taken from the features themselves, times that power.
#[derive(Clone, Debug)]
pub struct Features {
    /// Row by row, as the search sees them.
    narrow: Vec<f32>,
    d: usize,
    /// As they were given, if some are others in the rows above.
    wide: Option<Vec<f64>>,
    /// What differences are multiplied by.
    scale: f64,
    /// For each column whether some of its numbers were rounded.
    rounded: Vec<bool>,
}

impl Features {
    /// Takes rows of `d` features.
    ///
    /// # Shapes
    ///
    /// - `values`: `[n, d]`, row-major
    ///
    /// # Errors
    ///
    /// [`LidError::NoFeatures`] if `d` is 0, [`LidError::Empty`] without values, [`LidError::Ragged`] if the last row is
    /// not full, [`LidError::NotFinite`] at the first NaN or infinity, [`LidError::TooFar`] at the first that is farther
    /// from the median of its column than 32 bits can tell.
    pub fn new(values: Vec<f64>, d: usize) -> Result<Self, LidError> {
        check_rows(values.len(), d)?;
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            let value = values[at] as f32;
            return Err(LidError::NotFinite { row: at / d, col: at % d, value });
        }
        let scale = scale(&values, d);
        let origin = |col| match scale {
            None if is_narrow(&values, d, col) => 0.0,
            _ => median(&values, d, col),
        };
        let origins: Vec<f64> = (0..d).into_par_iter().map(origin).collect();
        let scale = scale.unwrap_or(1.0);
        let (mut narrow, mut rounded) = (Vec::with_capacity(values.len()), vec![false; d]);
        for (row, features) in values.chunks_exact(d).enumerate() {
            for (col, (&value, &origin)) in features.iter().zip(&origins).enumerate() {
                let exact = (value - origin) * scale;
                let feature = exact as f32;
                if !feature.is_finite() {
                    return Err(LidError::TooFar { row, col, value, median: origin });
                }
                rounded[col] |= f64::from(feature).to_bits() != exact.to_bits();
                narrow.push(feature);
            }
        }
        let wide = rounded.contains(&true).then_some(values);
        Ok(Self { narrow, d, wide, scale, rounded })
    }

    /// Finds the `k` nearest of every point; `report` is told how many of how many parts are done, by several threads:
    /// of the search by 32 bits, and then, where some features were rounded, of the points.
    ///
    /// Distances are as exact as those of [`Neighbors::nearest`], and to `f64` where features were rounded. Rounding
    /// hides points where they lie together far from the origin of their columns: where one that the search did not
    /// find may be nearer than the last neighbor by more than 10⁻⁴ of its distance, all points are looked through,
    /// n · d differences for each that it concerns. Else one that is nearer by less may be missing.
    ///
    /// # Shapes
    ///
    /// - output: `[n, k]`
    ///
    /// # Errors
    ///
    /// As [`Neighbors::nearest`].
    ///
    /// # Examples
    ///
    /// ```
    /// use lid::Features;
    ///
    /// let features = Features::new(vec![0.0, 1.0, 1e9, 1e9 + 1.0, 1e9 + 3.0], 1)?; // To 32 bits the last three are one.
    /// let neighbors = features.nearest(2, &|_, _| ())?;
    /// assert_eq!(neighbors.row(4), [2.0, 3.0]);
    /// # Ok::<(), lid::LidError>(())
    /// ```
    pub fn nearest(
        &self,
        k: usize,
        report: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<Neighbors, LidError> {
        let found = Neighbors::nearest_reporting(self.points(), k, report)?;
        Ok(match &self.wide {
            Some(wide) => self.nearest_again(wide, &found, report),
            None => found,
        })
    }

    fn points(&self) -> Points<'_> {
        Points::of_checked(&self.narrow, self.d)
    }

    /// By the features as they were, `found` being the nearest after rounding.
    fn nearest_again(
        &self,
        wide: &[f64],
        found: &Neighbors,
        report: &(dyn Fn(usize, usize) + Sync),
    ) -> Neighbors {
        let (points, k) = (self.points(), found.k());
        let n = points.n();
        let n_done = AtomicUsize::new(0);
        let of_row = |row: usize| {
            let to = |col: usize| (self.squared_distance(wide, [row, col]).sqrt(), col);
            let mut nearest = smallest(found.indices(row).iter().map(|&col| to(col)).collect(), k);
            let reach = nearest[k - 1].0;
            if !self.is_seen(points.row(row), reach) {
                let others = (0..n).filter(|&col| col != row).map(to);
                nearest = smallest(others.filter(|(distance, _)| *distance <= reach).collect(), k);
                // Those of all points would be too many to keep the room for them.
                nearest.shrink_to_fit();
            }
            report(n_done.fetch_add(1, Ordering::Relaxed) + 1, n);
            nearest
        };
        let rows: Vec<Vec<Neighbor>> = (0..n).into_par_iter().map(of_row).collect();
        Neighbors::from_rows(&rows, k)
    }

    fn squared_distance(&self, wide: &[f64], pair: [usize; 2]) -> f64 {
        let [a, b] = pair.map(|row| &wide[row * self.d..][..self.d]);
        in_f64(a, b, self.scale)
    }

    /// Whether rounding hides no point that is clearly nearer to one than `distance`.
    fn is_seen(&self, features: &[f32], distance: f64) -> bool {
        let rounded = features.iter().zip(&self.rounded).filter(|(_, rounded)| **rounded);
        let norm = rounded.map(|(&x, _)| f64::from(x).powi(2)).sum::<f64>().sqrt();
        // Of the point itself, and of one as far from the origin and the distance more.
        let of_two = ROUNDING * (2.0 * norm + distance);
        let least = 2.0 * SMALLEST * (features.len() as f64).sqrt();
        // The distance to the last neighbor and that to a hidden point; nothing is nearer than a duplicate.
        2.0 * (of_two + least) <= SLACK * distance || distance <= 0.0
    }
}

impl Pairwise for Features {
    fn n(&self) -> usize {
        self.points().n()
    }

    /// In the units of [`Features::nearest`], and as exact.
    fn squared_distances(&self, pairs: &[[usize; 2]]) -> Vec<f64> {
        match &self.wide {
            Some(wide) => pairs.iter().map(|pair| self.squared_distance(wide, *pair)).collect(),
            None => self.points().squared_distances(pairs),
        }
    }
}

/// Whether 32 bits hold a column.
fn is_narrow(values: &[f64], d: usize, col: usize) -> bool {
    let mut column = values.iter().skip(col).step_by(d);
    // Bits, because there is nothing else that a conversion back must give again.
    column.all(|&value| f64::from(value as f32).to_bits() == value.to_bits())
}

fn median(values: &[f64], d: usize, col: usize) -> f64 {
    let mut column: Vec<f64> = values.iter().skip(col).step_by(d).copied().collect();
    let middle = column.len() / 2;
    *column.select_nth_unstable_by(middle, f64::total_cmp).1
}

/// What brings differences, if all are tiny, to where 32 bits hold all of their digits.
fn scale(values: &[f64], d: usize) -> Option<f64> {
    const TINY: f64 = 1e-18;
    /// Of the powers of two, of which the first that is infinite is 2¹⁰²⁴.
    const MOST: i32 = 1000;
    let from_first = values.par_chunks_exact(d).flat_map_iter(|features| {
        features.iter().zip(values).map(|(value, first)| (value - first).abs())
    });
    let largest = from_first.reduce(|| 0.0, f64::max);
    (0.0 < largest && largest < TINY).then(|| 2_f64.powi((-largest.log2() as i32).min(MOST)))
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

    /// Compares what is found with the definition, and returns what rounding alone makes of it.
    #[track_caller]
    fn check(values: &[f64], d: usize, k: usize) -> Neighbors {
        let features = Features::new(values.to_vec(), d).unwrap();
        let found = features.nearest(k, &|_, _| ()).unwrap();
        for (row, expected) in by_definition(values, d, k).iter().enumerate() {
            for (found, expected) in found.row(row).iter().zip(expected) {
                let expected = expected * features.scale;
                assert!((found - expected).abs() <= 1e-14 * expected, "{found} for {expected}");
            }
        }
        Neighbors::nearest(Points::new(&features.narrow, d).unwrap(), k).unwrap()
    }

    #[test]
    fn clusters_far_apart_are_as_exact_as_one() {
        let (d, k) = (11, 4);
        for offset in [1e6, 1e9, 1e12] {
            let values = clusters(60, d, offset);
            let rounded = check(&values, d, k);
            // The test would see if nothing were taken anew.
            let exact = by_definition(&values, d, k)[1][0];
            let far = (0..60).map(|row| rounded.row(row)[0] - by_definition(&values, d, k)[row][0]);
            assert!(far.fold(0.0, |most, off| f64::max(most, off.abs())) > 1e-4 * exact);
        }
    }

    #[test]
    fn tiny_differences_and_duplicates_are_seen() {
        let mut values = clusters(40, 2, 1e8);
        let twin = [values[6], values[7]];
        values.extend(twin);
        check(&values, 2, 3);
        for scale in [1e-30, 1e-100, 1e-300] {
            let tiny: Vec<f64> = values.iter().map(|value| value * scale).collect();
            check(&tiny, 2, 3);
        }
        // Numbers of which 32 bits hold a few digits, beside one that they hold.
        let subnormal = clusters(40, 2, 1.0);
        let subnormal = subnormal.chunks_exact(2).flat_map(|x| [x[0] * 1e-43, x[1] * 1e-43, 7.0]);
        check(&subnormal.collect::<Vec<_>>(), 3, 3);
    }

    #[test]
    fn differences_survive_rounding() {
        let columns = |d, values: &[f64]| Features::new(values.to_vec(), d).unwrap().narrow;
        let line = |values: &[f64]| columns(1, values);
        // What 32 bits hold stays as it is; 1e9 + 1/4 they do not, but differences from it.
        assert_eq!(line(&[1e8, 0.125, 0.25]), [1e8, 0.125, 0.25]);
        assert_eq!(line(&[1e9, 1e9 + 0.25, 1e9 + 1.0]), [-0.25, 0.0, 0.75]);
        // The median lies where most are: one that is far off does them no harm.
        let small = line(&[1.0, 1e-9, 2e-9, 3e-9, 4e-9]);
        assert!((small[2] - small[1] - 1e-9).abs() < 1e-15 && (small[4] - 1e-9).abs() < 1e-15);
        // Ratios of tiny ones, too, beside a column that says nothing.
        let tiny = columns(2, &[0.0, 1e-50, 3e-50].map(|tiny| [1.0, tiny]).concat());
        assert!([0, 2, 3, 4].iter().all(|&at| tiny[at].to_bits() == 0), "{tiny:?}");
        assert!((tiny[5] + 2.0 * tiny[1]).abs() < 1e-6 * tiny[5], "{tiny:?}");
        for scale in [1e-30, 1e-200, 1e-307] {
            let tiny = line(&[0.0, scale, 3.0 * scale]);
            let [first, second] = [tiny[1] - tiny[0], tiny[2] - tiny[1]];
            assert!((second - 2.0 * first).abs() < 1e-6 * first, "{tiny:?}");
        }
    }

    #[test]
    fn what_32_bits_hold_is_measured_as_theirs() {
        let d = 700;
        let narrow: Vec<f32> = (0..12 * d).map(|i| 1e3 + (i as f32 * 0.37).sin()).collect();
        let features = Features::new(narrow.iter().map(|&x| x.into()).collect(), d).unwrap();
        let points = Points::new(&narrow, d).unwrap();
        assert_eq!(features.nearest(4, &|_, _| ()), Neighbors::nearest(points, 4));
        let pairs = [[0, 1], [7, 3]];
        assert_eq!(features.squared_distances(&pairs), points.squared_distances(&pairs));
    }

    #[test]
    fn what_was_not_rounded_or_is_near_the_origin_is_not_looked_through() {
        let features = |rounded: &[bool]| {
            let plain = Features::new(vec![0.0; 4], 2).unwrap();
            Features { rounded: rounded.to_vec(), ..plain }
        };
        let all = features(&[true, true]);
        assert!(all.is_seen(&[3.0, 4.0], 0.1) && !all.is_seen(&[3000.0, 4000.0], 0.1));
        assert!(all.is_seen(&[3000.0, 4000.0], 0.0));
        assert!(features(&[true, false]).is_seen(&[3.0, 4000.0], 0.1));
        assert!(!all.is_seen(&[1e-43, 2e-43], 1e-43));
    }

    #[test]
    fn malformed_features_are_refused() {
        let new = |values: &[f64], d| Features::new(values.to_vec(), d).err();
        assert_eq!(new(&[1.0], 0), Some(LidError::NoFeatures));
        assert_eq!(new(&[], 2), Some(LidError::Empty));
        assert_eq!(new(&[1.0; 3], 2), Some(LidError::Ragged { len: 3, d: 2 }));
        let infinite = LidError::NotFinite { row: 1, col: 0, value: f32::INFINITY };
        assert_eq!(new(&[1.0, 2.0, f64::INFINITY, 3.0], 2), Some(infinite));
        let far = LidError::TooFar { row: 1, col: 0, value: 1e300, median: 0.2 };
        assert_eq!(new(&[0.1, 1e300, 0.2], 1), Some(far));
        let few = Features::new(vec![0.1, 0.2], 1).unwrap().nearest(2, &|_, _| ());
        assert_eq!(few, Err(LidError::TooFewPoints { n: 2, k: 2 }));
    }
}
