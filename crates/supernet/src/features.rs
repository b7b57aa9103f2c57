//! The features at one tap, and their nearest neighbors where the features lie.

use burn::tensor::Tensor;
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
    /// those of the `k` nearest come to the host. They agree with the host's within 10⁻⁵, whatever the features have in
    /// common.
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

/// Numbers that the differences of some points from all may take, 16 MiB.
const AT_ONCE: usize = 1 << 22;

/// Beyond every square, for the distance of a point to itself.
const NEVER: f32 = 1e30;

/// By the device, or by the host where it says what is wrong with the features, and where.
fn nearest(values: &Tensor<2>, k: usize) -> Result<Neighbors, LidError> {
    let [n, d] = values.dims();
    let found = if 0 < d && 0 < k && k < n { nearest_on_device(values, k) } else { None };
    match found {
        Some((distances, indices)) => Neighbors::from_nearest(&distances, &indices, k),
        None => Neighbors::nearest(Points::new(&to_host(values.clone()), d)?, k),
    }
}

/// Distances and rows `[n, k]`; none if features are not finite.
fn nearest_on_device(values: &Tensor<2>, k: usize) -> Option<(Vec<f64>, Vec<usize>)> {
    let [n, _] = values.dims();
    let values = if values.is_autodiff() { values.clone().inner() } else { values.clone() };
    let (finite, largest) = (values.clone().is_finite().all(), values.clone().abs().max());
    let (finite, largest): (bool, f32) = (finite.into_scalar(), largest.into_scalar());
    if !finite {
        return None;
    }
    // A power of two whose inverse is a normal number, too: nothing is rounded, and differences are as exact as the
    // features. Not by division, which some cards round otherwise.
    let unit = largest.max(f32::MIN_POSITIVE).log2().floor().exp2().min(1.0 / f32::MIN_POSITIVE);
    let squares = squared_distances(values * unit.recip());
    let itself = Tensor::<2>::eye(n, &squares.device()) * NEVER;
    let (negated, rows) = (-(squares + itself)).topk_with_indices(k, 1);
    let length = |square: f32| f64::from(square).sqrt() * f64::from(unit);
    let distances = to_host(-negated).into_iter().map(length).collect();
    Some((distances, rows.into_data().iter::<i64>().map(|row| row as usize).collect()))
}

/// Squares of the distances of all points from each other, from differences.
///
/// # Shapes
///
/// - `points`: `[n, d]`
/// - output: `[n, n]`
fn squared_distances(points: Tensor<2>) -> Tensor<2> {
    #[cfg(feature = "cuda")]
    if cube_ops::is_supported(&points.device()) {
        return cube_ops::squared_distances(points);
    }
    let [n, d] = points.dims();
    let at_once = (AT_ONCE / (n * d)).clamp(1, n);
    let of_some = |start| {
        let rows = at_once.min(n - start);
        let own = points.clone().narrow(0, start, rows).reshape([rows, 1, d]);
        (points.clone().reshape([1, n, d]) - own).square().sum_dim(2).reshape([rows, n])
    };
    Tensor::cat((0..n).step_by(at_once).map(of_some).collect(), 0)
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
        let points: Vec<&[f32]> = values.chunks_exact(d).collect();
        for (row, point) in points.iter().enumerate() {
            for (there, here) in there.row(row).iter().zip(here.row(row)) {
                assert!((there - here).abs() <= 1e-5 * here, "{there} for {here} in row {row}");
            }
            for (there, &other) in there.row(row).iter().zip(there.indices(row)) {
                let square = |(a, b): (&f32, &f32)| (f64::from(*a) - f64::from(*b)).powi(2);
                let exact = point.iter().zip(points[other]).map(square).sum::<f64>().sqrt();
                assert!((there - exact).abs() <= 1e-6 * exact, "{there} for {exact} in row {row}");
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
        // In more than one part.
        check(&draws(80, 7000, 0.0, 1.0), 7000, 20);
        // Two far clusters, in each of which all are nearly equally far.
        let mut clusters = draws(128, 50, 0.0, 1e-4);
        clusters[64 * 50..].iter_mut().for_each(|value| *value += 1.0);
        check(&clusters, 50, 20);
    }

    #[test]
    fn the_device_decides_alone_what_is_finite() {
        let found = |values: Vec<f32>| {
            let data = TensorData::new(values, [128, 50]);
            nearest_on_device(&Tensor::from_data(data, &Device::flex()), 20).is_some()
        };
        let mut values = draws(128, 50, 1.0, 1.0);
        assert!(found(values.clone()));
        values[77] = f32::INFINITY;
        assert!(!found(values));
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
        assert_eq!(on_device(&values, 4, 5), Err(LidError::TooFewPoints { n: 5, k: 5 }));
        assert_eq!(on_device(&values, 4, 0), Err(LidError::NoNeighbors));
        assert_eq!(on_device(&[], 3, 1), Err(LidError::Empty));
        values[7] = f32::NAN;
        let found = on_device(&values, 4, 2);
        assert!(matches!(found, Err(LidError::NotFinite { row: 1, col: 3, .. })), "{found:?}");
    }
}
