//! The features at one tap, and their nearest neighbors where the features lie.

use burn::tensor::{Int, Tensor};
use lid::{LidError, Neighbors, Points};

use crate::checkpoint::to_host;

/// The features of a batch at one tap.
#[derive(Debug)]
pub struct Features<'a> {
    place: Place<'a>,
    d: usize,
}

#[derive(Debug)]
enum Place<'a> {
    /// Row by row.
    Host(&'a [f32]),
    /// `[n, d]`.
    Device(&'a Tensor<2>),
}

impl<'a> Features<'a> {
    /// Features in the memory of the host.
    ///
    /// # Shapes
    ///
    /// - `values`: `[n, d]`
    pub fn on_host(values: &'a [f32], d: usize) -> Self {
        Self { place: Place::Host(values), d }
    }

    /// Features in the memory of a device.
    ///
    /// # Shapes
    ///
    /// - `values`: `[n, d]`
    pub fn on_device(values: &'a Tensor<2>) -> Self {
        let [_, d] = values.dims();
        Self { place: Place::Device(values), d }
    }

    /// Features per point.
    pub fn d(&self) -> usize {
        self.d
    }

    /// All of them, copied from the device if they lie there.
    ///
    /// # Shapes
    ///
    /// - output: `[n, d]`
    pub fn to_vec(&self) -> Vec<f32> {
        match &self.place {
            Place::Host(values) => values.to_vec(),
            Place::Device(values) => to_host((*values).clone()),
        }
    }

    /// The `k` nearest other points of every point.
    ///
    /// On the host by [`Neighbors::nearest`]. On a device distances are taken from differences in `f32`, and only
    /// those of the `k` nearest come to the host. They agree with the host's within 10⁻⁵ where the features are of one
    /// scale, whatever their offset. A card takes all of them; elsewhere one matrix product tells which points may be
    /// near, and where its rounding leaves a doubt who is, the features come to the host.
    ///
    /// # Errors
    ///
    /// As [`Points::new`] and [`Neighbors::nearest`].
    pub fn neighbors(&self, k: usize) -> Result<Neighbors, LidError> {
        match &self.place {
            Place::Host(values) => Neighbors::nearest(Points::new(values, self.d)?, k),
            Place::Device(values) => nearest(values, k),
        }
    }
}

/// Points whose distances are refined for each point, the nearest `k` among them.
const fn n_refined(k: usize) -> usize {
    2 * k + 16
}

/// By which part of the largest square of a point's length a square of a distance may be wrong: on
/// tensor cores a product is of factors rounded to 11 bits.
const ROUNDING: f32 = 1.0 / 512.0;

/// Numbers that the differences of some points to their candidates may take, 16 MiB.
const REFINED_AT_ONCE: usize = 1 << 22;

/// Beyond every square, for the distance of a point to itself.
const NEVER: f32 = 1e30;

/// By the device if it can tell who is near, and otherwise by the host, which also says what is wrong
/// with the features, and where.
fn nearest(values: &Tensor<2>, k: usize) -> Result<Neighbors, LidError> {
    let [n, d] = values.dims();
    let found = if 0 < d && 0 < k && k < n { nearest_on_device(values, k) } else { None };
    match found {
        Some((distances, indices)) => Neighbors::from_nearest(&distances, &indices, k),
        None => Neighbors::nearest(Points::new(&to_host(values.clone()), d)?, k),
    }
}

/// Distances and rows `[n, k]`; none if features are not finite or the product is too rough for them.
fn nearest_on_device(values: &Tensor<2>, k: usize) -> Option<(Vec<f64>, Vec<usize>)> {
    let [n, d] = values.dims();
    let centered = values.clone() - values.clone().mean_dim(0);
    let (finite, largest) = (centered.clone().is_finite().all(), centered.clone().abs().max());
    let (finite, largest): (bool, f32) = (finite.into_scalar(), largest.into_scalar());
    if !finite || !largest.is_finite() {
        return None;
    }
    let unit = if 0.0 < largest { largest } else { 1.0 };
    let points = centered / unit;
    #[cfg(feature = "cuda")]
    if cube_ops::is_supported(&points.device()) {
        let points = if points.is_autodiff() { points.inner() } else { points };
        let squares = cube_ops::squared_distances(points);
        let itself = Tensor::<2>::eye(n, &squares.device()) * NEVER;
        let (negated, rows) = (-(squares + itself)).topk_with_indices(k, 1);
        return Some((lengths(&to_host(-negated), unit), numbers(rows)));
    }
    let c = n_refined(k).min(n - 1);
    let Candidates { rows, farthest, doubt } = candidates(&points, c);

    let at_once = (REFINED_AT_ONCE / (c * d)).clamp(1, n);
    let some = |start| {
        let rows = rows.clone().narrow(0, start, at_once.min(n - start));
        let (negated, at) = (-refined(&points, start, rows.clone())).topk_with_indices(k, 1);
        (negated, rows.gather(1, at))
    };
    // None is waited for before all are on their way.
    let (negated, indices): (Vec<_>, Vec<_>) = (0..n).step_by(at_once).map(some).unzip();
    let squares: Vec<f32> = to_host(-Tensor::cat(negated, 0));
    let is_certain = |(squares, farthest): (&[f32], &f32)| {
        let last = squares.iter().copied().fold(0.0, f32::max);
        c == n - 1 || last <= farthest - doubt
    };
    if !squares.chunks_exact(k).zip(&farthest).all(is_certain) {
        return None;
    }
    Some((lengths(&squares, unit), numbers(Tensor::cat(indices, 0))))
}

/// Distances in so large units from their squares.
fn lengths(squares: &[f32], unit: f32) -> Vec<f64> {
    squares.iter().map(|square| f64::from(*square).sqrt() * f64::from(unit)).collect()
}

fn numbers(rows: Tensor<2, Int>) -> Vec<usize> {
    rows.into_data().iter::<i64>().map(|row| row as usize).collect()
}

/// The points that seem nearest by squares of distances that a matrix product gives.
struct Candidates {
    /// `[n, c]`.
    rows: Tensor<2, Int>,
    /// The largest square among each point's candidates, as the product gives it: `[n]`.
    farthest: Vec<f32>,
    /// By how much the product may be wrong.
    doubt: f32,
}

/// # Shapes
///
/// - `points`: `[n, d]`, centered
fn candidates(points: &Tensor<2>, c: usize) -> Candidates {
    let [n, _] = points.dims();
    let norms = points.clone().square().sum_dim(1);
    let products = points.clone().matmul(points.clone().transpose());
    let largest: f32 = norms.clone().max().into_scalar();
    let squares = norms.clone() + norms.transpose() - products * 2.0;
    let itself = Tensor::<2>::eye(n, &points.device()) * NEVER;
    let (negated, rows) = (-(squares + itself)).topk_with_indices(c, 1);
    let farthest = to_host(-negated.min_dim(1));
    Candidates { rows, farthest, doubt: ROUNDING * largest }
}

/// Squared distances of the points from `start` on to their candidates, from differences.
///
/// # Shapes
///
/// - `points`: `[n, d]`
/// - `candidates` and output: `[rows, c]`
fn refined(points: &Tensor<2>, start: usize, candidates: Tensor<2, Int>) -> Tensor<2> {
    let [_, d] = points.dims();
    let [rows, c] = candidates.dims();
    let own = points.clone().narrow(0, start, rows).reshape([rows, 1, d]);
    let others = points.clone().select(0, candidates.reshape([rows * c])).reshape([rows, c, d]);
    (others - own).square().sum_dim(2).reshape([rows, c])
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};
    use lid::{Degenerate, Estimator, estimate};
    use rand::RngExt;
    use space::Seed;

    use super::*;

    /// Uniform numbers around an offset.
    fn draws(n: usize, d: usize, offset: f32, scale: f32) -> Vec<f32> {
        let mut rng = Seed::new(3).rng();
        (0..n * d).map(|_| offset + scale * rng.random::<f32>()).collect()
    }

    /// The generic code of devices, on the processor.
    fn on_device(values: &[f32], d: usize, k: usize) -> Result<Neighbors, LidError> {
        let data = TensorData::new(values.to_vec(), [values.len() / d, d]);
        Features::on_device(&Tensor::from_data(data, &Device::flex())).neighbors(k)
    }

    #[track_caller]
    fn check(values: &[f32], d: usize, k: usize) {
        let there = on_device(values, d, k).unwrap();
        let here = Features::on_host(values, d).neighbors(k).unwrap();
        for row in 0..here.n() {
            for (there, here) in there.row(row).iter().zip(here.row(row)) {
                assert!((there - here).abs() <= 1e-5 * here, "{there} for {here} in row {row}");
            }
        }
        let lid = |neighbors| estimate(neighbors, Estimator::Mle, Degenerate::Error).unwrap();
        let (there, here) = (lid(&there).mean(), lid(&here).mean());
        assert!((there / here - 1.0).abs() < 1e-4, "{there} for {here}");
    }

    #[test]
    fn devices_find_the_distances_of_the_host() {
        for (n, d, k) in [(128, 300, 20), (64, 3, 5), (30, 7, 29)] {
            for (offset, scale) in [(0.0, 1.0), (1e4, 1.0), (0.0, 1e-20), (0.0, 1e15), (0.0, 3e37)]
            {
                check(&draws(n, d, offset, scale), d, k);
            }
        }
        // Refined in more than one part.
        check(&draws(80, 7000, 0.0, 1.0), 7000, 20);
    }

    #[test]
    fn the_device_decides_alone_where_it_can() {
        let tensor = |values: Vec<f32>, d| {
            let data = TensorData::new(values, [128, d]);
            Tensor::<2>::from_data(data, &Device::flex())
        };
        assert!(nearest_on_device(&tensor(draws(128, 4096, 1.0, 1.0), 4096), 20).is_some());
        // Two far clusters, in each of which all are nearly equally far for such a product.
        let mut clusters = draws(128, 50, 0.0, 1e-4);
        clusters[64 * 50..].iter_mut().for_each(|value| *value += 1.0);
        assert_eq!(nearest_on_device(&tensor(clusters.clone(), 50), 20), None);
        check(&clusters, 50, 20);
    }

    #[test]
    fn duplicates_are_at_distance_zero_and_no_point_is_its_own_neighbor() {
        let mut values = draws(40, 50, 7.0, 1.0);
        values.copy_within(0..50, 50);
        let neighbors = on_device(&values, 50, 3).unwrap();
        assert_eq!((neighbors.row(0)[0], neighbors.indices(0)[0]), (0.0, 1));
        assert_eq!((neighbors.row(1)[0], neighbors.indices(1)[0]), (0.0, 0));
        let equal = on_device(&[2.5; 12], 2, 2).unwrap();
        assert!(equal.row(5).iter().all(|&distance| distance == 0.0));
    }

    #[test]
    fn what_is_wrong_is_told_as_on_the_host() {
        let mut values = draws(5, 4, 0.0, 1.0);
        for k in [0, 5] {
            let found = on_device(&values, 4, k);
            assert_eq!(found, Err(LidError::TooFewPoints { n: 5, k }));
        }
        assert_eq!(on_device(&[], 3, 1), Err(LidError::Empty));
        values[7] = f32::NAN;
        let found = on_device(&values, 4, 2);
        assert!(matches!(found, Err(LidError::NotFinite { row: 1, col: 3, .. })), "{found:?}");
    }
}
