//! Inner products of centered points, with a bound on their error.
//!
//! ‖x − y‖² = ‖x‖² + ‖y‖² − 2⟨x, y⟩ costs one matrix product, but in `f32` it cancels. Here it only
//! chooses which points may be near; their distances are then taken from the differences. For the
//! choice to be safe, every chunk of columns is centered and scaled by a power of two of its own,
//! chunks are added in `f64`, and what is left of the error is bounded.

use std::ops::Range;

use gemm::Parallelism;
use rayon::prelude::*;

use crate::Points;

/// Columns multiplied at once. The shorter, the smaller the error of an `f32` sum; with [`TILE`]
/// rows the centered copy still fits a second-level cache.
const CHUNK: usize = 256;

/// Rows whose products with all others are held at once.
const TILE: usize = 128;

/// Sums of chunks kept apart, so that few rows still keep many threads busy. A constant, and not
/// the number of threads, because it decides the order of additions.
const N_LANES: usize = 16;

/// The most points for which the chunks are spread over lanes; for more, tiles are enough work.
const MAX_LANED_POINTS: usize = 512;

/// Half a unit in the last place of 1.
const ROUNDING: f64 = 0.5 * f32::EPSILON as f64;

/// Roundings besides those of the product: centering (4) and all that is done in `f64`, rounded up.
const OTHER_ROUNDINGS: usize = 16;

/// What a square may lose by underflow, for features scaled to `[-1, 1]`; rounded up from
/// 2⁻¹²⁶ (a product below the normal range) and (2⁻¹⁴⁹)² ∕ `ROUNDING` (a deviation there).
const UNDERFLOW: f64 = 1.0 / (1u128 << 120) as f64;

/// The largest power of two whose product with a deviation is taken in one step.
const MAX_EXPONENT: i32 = 126;

/// Centers of all columns, and the products that need them.
pub(crate) struct Gram<'a> {
    points: Points<'a>,
    frames: Vec<Frame>,
}

/// Bounds on the squared distances from the rows of one tile to all points.
pub(crate) struct Strip {
    rows: Range<usize>,
    products: Vec<f64>,
    squared_norms: Vec<f64>,
    relative_error: f64,
    absolute_error: f64,
}

/// How one chunk of columns is centered and scaled: `(value · halving − center) · scale`.
struct Frame {
    cols: Range<usize>,
    /// One half where a difference of two values could overflow, otherwise one.
    halving: f32,
    centers: Vec<f32>,
    scale: f32,
    /// Brings a product of two scaled features back to the scale of the data.
    weight: f64,
}

/// Products of the rows of one tile with those of another, summed over some chunks.
struct Tile {
    products: Vec<f64>,
    squared_norms: Vec<f64>,
}

impl<'a> Gram<'a> {
    /// Finds center and scale of every chunk.
    pub(crate) fn new(points: Points<'a>) -> Self {
        let starts: Vec<usize> = (0..points.d()).step_by(CHUNK).collect();
        let frames = starts
            .into_par_iter()
            .map(|start| Frame::new(points, start..points.d().min(start + CHUNK)))
            .collect();
        Self { points, frames }
    }

    /// The strips that make up the whole matrix, one after the other.
    pub(crate) fn strips(&self) -> impl Iterator<Item = Strip> {
        tiles(self.points.n()).map(|rows| self.strip(rows))
    }

    fn strip(&self, rows: Range<usize>) -> Strip {
        let n = self.points.n();
        let n_lanes = if n <= MAX_LANED_POINTS { N_LANES } else { 1 };
        let lanes: Vec<&[Frame]> =
            self.frames.chunks(self.frames.len().div_ceil(n_lanes)).collect();
        let tasks: Vec<(Range<usize>, &[Frame])> =
            tiles(n).flat_map(|cols| lanes.iter().map(move |&lane| (cols.clone(), lane))).collect();
        let parts: Vec<Tile> = tasks
            .into_par_iter()
            .map(|(cols, lane)| Tile::new(self.points, rows.clone(), cols, lane))
            .collect();

        let mut products = vec![0.0; rows.len() * n];
        let mut squared_norms = vec![0.0; n];
        for (cols, lanes) in tiles(n).zip(parts.chunks(lanes.len())) {
            for part in lanes {
                add(&mut squared_norms[cols.clone()], &part.squared_norms);
                let targets = products.chunks_exact_mut(n);
                for (target, source) in targets.zip(part.products.chunks_exact(cols.len())) {
                    add(&mut target[cols.clone()], source);
                }
            }
        }
        let width = CHUNK.min(self.points.d());
        let underflow = |frame: &Frame| frame.cols.len() as f64 * UNDERFLOW * frame.weight;
        Strip {
            rows,
            products,
            squared_norms,
            relative_error: (width + OTHER_ROUNDINGS) as f64 * ROUNDING,
            absolute_error: self.frames.iter().map(underflow).sum(),
        }
    }
}

impl Strip {
    /// The rows of the strip.
    pub(crate) fn rows(&self) -> Range<usize> {
        self.rows.clone()
    }

    /// The points that may be among the `k` nearest of `row`: at least `k`, in ascending order,
    /// never `row` itself.
    ///
    /// A point is left out only if `k` others are nearer whatever the errors are.
    pub(crate) fn candidates(&self, row: usize, k: usize) -> Vec<usize> {
        let n = self.squared_norms.len();
        let products = &self.products[(row - self.rows.start) * n..][..n];
        let squared_norm = self.squared_norms[row];
        let bounds = |col: usize| {
            let norms = squared_norm + self.squared_norms[col];
            let distance = norms - 2.0 * products[col];
            // 2|⟨x, y⟩ − computed| ≤ 2γ‖x‖‖y‖ ≤ γ(‖x‖² + ‖y‖²), with γ = width · rounding.
            let error = self.relative_error * norms + self.absolute_error;
            (distance - error, distance + error)
        };
        let others = || (0..n).filter(|&col| col != row);
        let mut upper: Vec<f64> = others().map(|col| bounds(col).1).collect();
        let (_, &mut radius, _) = upper.select_nth_unstable_by(k - 1, f64::total_cmp);
        others().filter(|&col| bounds(col).0 <= radius).collect()
    }
}

impl Frame {
    fn new(points: Points<'_>, cols: Range<usize>) -> Self {
        let n = points.n();
        let mut sums = vec![0.0_f64; cols.len()];
        let mut magnitude = 0.0_f32;
        for row in 0..n {
            for (sum, &value) in sums.iter_mut().zip(&points.row(row)[cols.clone()]) {
                *sum += f64::from(value);
                magnitude = if magnitude < value.abs() { value.abs() } else { magnitude };
            }
        }
        let halving = if magnitude <= f32::MAX / 2.0 { 1.0 } else { 0.5 };
        let mean = |sum: f64| (sum / n as f64 * f64::from(halving)) as f32;
        let centers: Vec<f32> = sums.into_iter().map(mean).collect();

        let mut reach = 0.0_f32;
        for row in 0..n {
            for (&center, &value) in centers.iter().zip(&points.row(row)[cols.clone()]) {
                let deviation = (value * halving - center).abs();
                reach = if reach < deviation { deviation } else { reach };
            }
        }
        // The exponent of the least power of two above the reach; a reach of 0 needs no scale.
        let exponent = if reach <= 0.0 { 0 } else { f64::from(reach).log2().floor() as i32 + 1 };
        let exponent = exponent.max(-MAX_EXPONENT);
        Self {
            cols,
            halving,
            centers,
            // By way of f64, because the largest reach asks for a subnormal scale.
            scale: 2.0_f64.powi(-exponent) as f32,
            weight: 4.0_f64.powi(exponent) / f64::from(halving).powi(2),
        }
    }

    /// The chunk of `rows`, centered and scaled.
    fn centered(&self, points: Points<'_>, rows: Range<usize>) -> Vec<f32> {
        let mut centered = Vec::with_capacity(rows.len() * self.cols.len());
        for row in rows {
            let features = &points.row(row)[self.cols.clone()];
            let deviations = features.iter().zip(&self.centers);
            centered.extend(
                deviations.map(|(value, center)| (value * self.halving - center) * self.scale),
            );
        }
        centered
    }
}

impl Tile {
    fn new(points: Points<'_>, rows: Range<usize>, cols: Range<usize>, frames: &[Frame]) -> Self {
        let mut products = vec![0.0; rows.len() * cols.len()];
        let mut squared_norms = vec![0.0; cols.len()];
        let mut chunk = vec![0.0; rows.len() * cols.len()];
        for frame in frames {
            let width = frame.cols.len();
            let right = frame.centered(points, cols.clone());
            if rows == cols {
                multiply_transposed(&right, &right, width, &mut chunk);
            } else {
                let left = frame.centered(points, rows.clone());
                multiply_transposed(&left, &right, width, &mut chunk);
            }
            for (sum, &product) in products.iter_mut().zip(&chunk) {
                *sum += frame.weight * f64::from(product);
            }
            for (sum, features) in squared_norms.iter_mut().zip(right.chunks_exact(width)) {
                *sum += frame.weight * squared_norm(features);
            }
        }
        Self { products, squared_norms }
    }
}

/// The product of `left` with `right` transposed, on the calling thread.
///
/// # Shapes
///
/// - `left`: `[n, d]`, `right`: `[m, d]`, `product`: `[n, m]`, all row-major
///
/// # Panics
///
/// If the lengths do not fit.
#[expect(unsafe_code, reason = "gemm takes pointers; their extents are asserted")]
pub(crate) fn multiply_transposed(left: &[f32], right: &[f32], d: usize, product: &mut [f32]) {
    let (n, m) = (left.len() / d, right.len() / d);
    assert_eq!((left.len(), right.len(), product.len()), (n * d, m * d, n * m));
    // SAFETY: the strides below stay inside [n, d], [m, d] and [n, m], which are the lengths of
    // the slices, and `product` is borrowed alone.
    unsafe {
        gemm::gemm(
            n,
            m,
            d,
            product.as_mut_ptr(),
            1,
            m.cast_signed(),
            false,
            left.as_ptr(),
            1,
            d.cast_signed(),
            right.as_ptr(),
            d.cast_signed(),
            1,
            0.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

fn squared_norm(features: &[f32]) -> f64 {
    let (blocks, rest) = features.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for block in blocks {
        for (sum, &feature) in sums.iter_mut().zip(block) {
            *sum += f64::from(feature) * f64::from(feature);
        }
    }
    let rest: f64 = rest.iter().map(|&feature| f64::from(feature) * f64::from(feature)).sum();
    sums.iter().sum::<f64>() + rest
}

fn tiles(n: usize) -> impl Iterator<Item = Range<usize>> {
    (0..n).step_by(TILE).map(move |start| start..n.min(start + TILE))
}

fn add(target: &mut [f64], source: &[f64]) {
    for (target, source) in target.iter_mut().zip(source) {
        *target += source;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fractions of golden-ratio multiples, spread evenly over `[0, 1)`.
    fn spread(n: usize, d: usize) -> Vec<f32> {
        (1..=n * d).map(|at| (at as f64 * 0.618_033_988_749_895).fract() as f32).collect()
    }

    #[test]
    fn products_of_hand_made_rows() {
        let mut product = [0.0_f32; 6];
        let (left, right) = ([1.0, 2.0, 3.0, 4.0], [1.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
        multiply_transposed(&left, &right, 2, &mut product);
        let product = product.map(|value| value as i32);
        assert_eq!(product, [1, 2, 3, 3, 4, 7]);
    }

    #[test]
    fn bounds_hold_for_every_pair() {
        for (n, d, offset) in [(40, 3, 0.0), (130, 300, 1e4), (33, 257, -1e-3), (600, 20, 7.0)] {
            let values: Vec<f32> = spread(n, d).iter().map(|value| value + offset).collect();
            let points = Points::new(&values, d).unwrap();
            for strip in Gram::new(points).strips() {
                for row in strip.rows() {
                    let products = &strip.products[(row - strip.rows.start) * n..][..n];
                    for (col, product) in products.iter().enumerate() {
                        let norms = strip.squared_norms[row] + strip.squared_norms[col];
                        let exact =
                            crate::exact::squared_distance(points.row(row), points.row(col));
                        let error = (norms - 2.0 * product - exact).abs();
                        let bound = strip.relative_error * norms + strip.absolute_error;
                        assert!(error <= bound, "{row}, {col}: {error} over {bound}");
                    }
                }
            }
        }
    }

    #[test]
    fn few_points_are_candidates_where_the_points_are_spread() {
        let values = spread(128, 4096);
        let points = Points::new(&values, 4096).unwrap();
        let strip = Gram::new(points).strip(0..128);
        let n_candidates: usize = strip.rows().map(|row| strip.candidates(row, 20).len()).sum();
        // The bound is 2e-5 of a squared distance, so hardly any pair is in doubt.
        assert!(n_candidates <= 128 * 22, "{n_candidates} for {}", 128 * 20);
    }

    #[test]
    fn points_that_cannot_be_told_apart_are_all_candidates() {
        // Two bundles far apart: within one, distances are below the rounding of the products.
        let values: Vec<f32> =
            (0..40).map(|at| if at % 2 == 0 { 1e4 } else { -1e4 } + 0.01 * at as f32).collect();
        let strip = Gram::new(Points::new(&values, 1).unwrap()).strip(0..40);
        for row in strip.rows() {
            let own_bundle: Vec<usize> =
                (0..40).filter(|&col| col % 2 == row % 2 && col != row).collect();
            assert_eq!(strip.candidates(row, 3), own_bundle);
        }
    }
}
