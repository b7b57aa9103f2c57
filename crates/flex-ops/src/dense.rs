//! Convolutions in which every output channel sees every input channel: written once, compiled for
//! each instruction set.
//!
//! Everything here is inlined into the entry points of [`lanes::Isa::run`].

use lanes::{LANES, Lanes};

use crate::geometry::{Packed, ROWS, TILE};

#[inline(always)]
pub(crate) fn chunk<const N: usize>(values: &[f32], start: usize) -> &[f32; N] {
    values[start..start + N].as_array().expect("the slice has this length")
}

/// Planes of some numbers each, one after the other.
#[derive(Clone, Copy)]
pub(crate) struct Planes<'a> {
    pub(crate) values: &'a [f32],
    pub(crate) plane: usize,
}

/// Convolves padded planes `[n_in]` into output planes `[n_out]` of `step` numbers, whole tiles;
/// tap t reads at the distance `offsets[t]` from an output position.
#[inline(always)]
pub(crate) fn convolve<L: Lanes>(
    packed: &Packed,
    offsets: &[usize],
    padded: Planes<'_>,
    step: usize,
    out: &mut [f32],
) {
    let per_block = packed.n_in * offsets.len() * ROWS;
    let blocks = packed.weights.chunks_exact(per_block);
    for (weights, out) in blocks.zip(out.chunks_mut(ROWS * step)) {
        for start in (0..step).step_by(TILE) {
            let sums = tile::<L>(weights, offsets, padded, packed.n_in, start);
            for (sums, out) in sums.iter().zip(out.chunks_exact_mut(step)) {
                for (sum, to) in sums.iter().zip(out[start..start + TILE].as_chunks_mut().0) {
                    sum.store(to);
                }
            }
        }
    }
}

/// `ROWS` output channels at `TILE` positions.
#[inline(always)]
fn tile<L: Lanes>(
    weights: &[f32],
    offsets: &[usize],
    padded: Planes<'_>,
    n_in: usize,
    start: usize,
) -> [[L; TILE / LANES]; ROWS] {
    let mut sums = [[L::splat(0.0); TILE / LANES]; ROWS];
    let (columns, _) = weights.as_chunks::<ROWS>();
    let inputs = padded.values.chunks_exact(padded.plane).take(n_in);
    for (input, columns) in inputs.zip(columns.chunks_exact(offsets.len())) {
        for (offset, column) in offsets.iter().zip(columns) {
            let mut pixels = [L::splat(0.0); TILE / LANES];
            let window: &[f32; TILE] = chunk(input, start + offset);
            for (pixels, window) in pixels.iter_mut().zip(window.as_chunks().0) {
                *pixels = L::load(window);
            }
            for (sums, weight) in sums.iter_mut().zip(column) {
                let weight = L::splat(*weight);
                for (sum, pixels) in sums.iter_mut().zip(pixels) {
                    *sum = weight.mul_add(pixels, *sum);
                }
            }
        }
    }
    sums
}

/// Adds to `gradient` (`[n_out][n_in]`) the sums over positions of images times output gradients, over
/// all images of a chunk: of a kernel of 1 × 1.
///
/// Planes of output gradients start where the first of them stands; `step` numbers count.
#[inline(always)]
pub(crate) fn weight_gradient<L: Lanes>(
    step: usize,
    [n_out, n_in]: [usize; 2],
    images: Planes<'_>,
    outputs: Planes<'_>,
    gradient: &mut [f32],
) {
    for input in 0..n_in {
        for first in (0..n_out).step_by(ROWS) {
            let n_rows = ROWS.min(n_out - first);
            let images = Series { planes: images, first: input, every: n_in };
            let slopes = Series { planes: outputs, first, every: n_out };
            let sums = products::<L, ROWS, 1>(&[0], step, images, slopes, n_rows);
            for (row, [sums]) in sums.into_iter().enumerate().take(n_rows) {
                gradient[(first + row) * n_in + input] += sum_of_lanes(sums);
            }
        }
    }
}

/// One plane of each image: the first of them, and how many lie between two.
#[derive(Clone, Copy)]
pub(crate) struct Series<'a> {
    pub(crate) planes: Planes<'a>,
    pub(crate) first: usize,
    pub(crate) every: usize,
}

impl<'a> Series<'a> {
    /// What lies from the plane of an image on.
    #[inline(always)]
    fn from(self, image: usize) -> &'a [f32] {
        &self.planes.values[(image * self.every + self.first) * self.planes.plane..]
    }
}

/// The sums over images and positions of pixels at `T` taps times the gradients of `n_rows ≤ R`
/// channels that follow each other, lane by lane.
#[inline(always)]
pub(crate) fn products<L: Lanes, const R: usize, const T: usize>(
    offsets: &[usize],
    step: usize,
    images: Series<'_>,
    slopes: Series<'_>,
    n_rows: usize,
) -> [[L; T]; R] {
    let n = step / LANES;
    let n_images = images.planes.values.len() / (images.every * images.planes.plane);
    // The whole loop over images in one place, so that the sums stay in registers.
    let mut sums = [[L::splat(0.0); T]; R];
    for image in 0..n_images {
        let (pixels, gradients) = (images.from(image), slopes.from(image));
        // Slices of one known length: nothing is checked in the loop.
        let mut taps: [&[[f32; LANES]]; T] = [&[]; T];
        for (tap, offset) in taps.iter_mut().zip(offsets) {
            *tap = &pixels[*offset..][..step].as_chunks().0[..n];
        }
        let mut rows: [&[[f32; LANES]]; R] = [&[]; R];
        for (row, gradients_of_row) in rows.iter_mut().enumerate() {
            // Rows beyond the last repeat it; their sums are not used.
            let start = row.min(n_rows - 1) * slopes.planes.plane;
            *gradients_of_row = &gradients[start..][..step].as_chunks().0[..n];
        }
        for at in 0..n {
            let mut slopes = [L::splat(0.0); R];
            for (slope, row) in slopes.iter_mut().zip(rows) {
                *slope = L::load(&row[at]);
            }
            for (t, tap) in taps.iter().enumerate() {
                let values = L::load(&tap[at]);
                for (sums, slope) in sums.iter_mut().zip(slopes) {
                    sums[t] = slope.mul_add(values, sums[t]);
                }
            }
        }
    }
    sums
}

/// The sum of the lanes of a vector, one after the other.
#[inline(always)]
pub(crate) fn sum_of_lanes<L: Lanes>(vector: L) -> f32 {
    let mut lanes = [0.0; LANES];
    vector.store(&mut lanes);
    lanes.iter().sum()
}
