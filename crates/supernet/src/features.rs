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
    /// On the host by [`Neighbors::nearest`]. On a device one matrix product tells which points may
    /// be near and their distances are taken from differences, both in `f32`; only the distances of
    /// the `k` nearest come to the host. They agree with the host's within 10⁻⁵ where the features
    /// are of one scale, whatever their offset.
    ///
    /// # Errors
    ///
    /// As [`Points::new`] and [`Neighbors::nearest`].
    pub fn neighbors(&self, k: usize) -> Result<Neighbors, LidError> {
        match &self.place {
            Place::Host(values) => Neighbors::nearest(Points::new(values, self.d)?, k),
            Place::Device(values) => nearest_on_device((*values).clone(), k),
        }
    }
}

/// Points beside the nearest `k` whose distances are refined: the product is rounded, on tensor cores
/// to 11 bits of each feature.
const fn n_candidates(k: usize) -> usize {
    2 * k + 16
}

/// Numbers that the differences of some points to their candidates may take, 64 MiB.
const REFINED_AT_ONCE: usize = 1 << 24;

/// Beyond every square, for the distance of a point to itself.
const NEVER: f32 = 1e30;

fn nearest_on_device(values: Tensor<2>, k: usize) -> Result<Neighbors, LidError> {
    let [n, d] = values.dims();
    let is_finite = values.clone().is_finite().all().into_scalar::<bool>();
    if n == 0 || d == 0 || k == 0 || n <= k || !is_finite {
        // The host says what is wrong, and where.
        return Neighbors::nearest(Points::new(&to_host(values), d)?, k);
    }
    let centered = values.clone() - values.mean_dim(0);
    let largest: f32 = centered.clone().abs().max().into_scalar();
    let unit = if 0.0 < largest { largest } else { 1.0 };
    let points = centered / unit;
    let candidates = candidates(&points, n_candidates(k).min(n - 1));
    let [_, n_candidates] = candidates.dims();

    let (mut distances, mut indices) = (Vec::with_capacity(n * k), Vec::with_capacity(n * k));
    let n_rows = (REFINED_AT_ONCE / (n_candidates * d)).clamp(1, n);
    for start in (0..n).step_by(n_rows) {
        let end = n.min(start + n_rows);
        let candidates = candidates.clone().narrow(0, start, end - start);
        let squares = refined(&points, start, candidates.clone());
        let (nearest, at) = (-squares).topk_with_indices(k, 1);
        let squares: Vec<f32> = to_host(-nearest);
        let rows = candidates.gather(1, at).into_data().iter::<i64>().collect::<Vec<_>>();
        distances.extend(squares.iter().map(|&square| f64::from(square).sqrt() * f64::from(unit)));
        indices.extend(rows.into_iter().map(|row| row as usize));
    }
    Neighbors::from_nearest(&distances, &indices, k)
}

/// The points that seem nearest by squares of distances that a matrix product gives.
///
/// # Shapes
///
/// - `points`: `[n, d]`, centered
/// - output: `[n, c]`
fn candidates(points: &Tensor<2>, n_candidates: usize) -> Tensor<2, Int> {
    let [n, _] = points.dims();
    let norms = points.clone().square().sum_dim(1);
    let products = points.clone().matmul(points.clone().transpose());
    let squares = norms.clone() + norms.transpose() - products * 2.0;
    let itself = Tensor::<2>::eye(n, &points.device()) * NEVER;
    (-(squares + itself)).topk_with_indices(n_candidates, 1).1
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
            for (offset, scale) in [(0.0, 1.0), (1e4, 1.0), (0.0, 1e-20), (0.0, 1e15)] {
                check(&draws(n, d, offset, scale), d, k);
            }
        }
        // Refined in more than one part.
        check(&draws(80, 7000, 0.0, 1.0), 7000, 20);
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
        values[7] = f32::NAN;
        let found = on_device(&values, 4, 2);
        assert!(matches!(found, Err(LidError::NotFinite { row: 1, col: 3, .. })), "{found:?}");
    }
}
