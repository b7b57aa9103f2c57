//! Convolutions in which every output channel sees every input channel: written once, compiled for
//! each instruction set.
//!
//! Everything here is inlined into the entry points of [`lanes::Isa::run`].

use std::ops::Range;

use lanes::{LANES, Lanes};

use crate::geometry::{Packed, ROWS, TILE};

/// Rows of a tile where a vector takes several registers: its sums must fit into all there are.
const FEW_ROWS: usize = ROWS / 2;

/// Planes of some numbers each, one after the other.
#[derive(Clone, Copy)]
pub(crate) struct Planes<'a> {
    pub(crate) values: &'a [f32],
    pub(crate) plane: usize,
}

/// Convolves padded planes `[n_in]` into output planes of `step` numbers, whole vectors, from channel
/// `first` on, a multiple of `ROWS`; tap t reads at the distance `offsets[t]` from an output position.
#[inline(always)]
pub(crate) fn convolve<L: Lanes>(
    packed: &Packed,
    first: usize,
    offsets: &[usize],
    padded: Planes<'_>,
    step: usize,
    out: &mut [f32],
) {
    let n_in = packed.n_in;
    let weights = &packed.weights[first * n_in * offsets.len()..];
    let blocks = weights.chunks_exact(n_in * offsets.len() * ROWS);
    for (weights, out) in blocks.zip(out.chunks_mut(ROWS * step)) {
        let block = Block { weights, offsets, inputs: padded, n_in };
        if L::IS_REGISTER {
            let n_wide = step / TILE * TILE;
            tiles::<L, ROWS, { TILE / LANES }>(block, step, 0..n_wide, out);
            tiles::<L, ROWS, 1>(block, step, n_wide..step, out);
        } else {
            tiles::<L, FEW_ROWS, 1>(block, step, 0..step, out);
        }
    }
}

/// `ROWS` output channels: their weights, and what they see.
#[derive(Clone, Copy)]
struct Block<'a> {
    /// `[n_in][taps][ROWS]`.
    weights: &'a [f32],
    offsets: &'a [usize],
    inputs: Planes<'a>,
    n_in: usize,
}

/// `R` output channels at `V` vectors of positions at a time.
#[inline(always)]
fn tiles<L: Lanes, const R: usize, const V: usize>(
    block: Block<'_>,
    step: usize,
    positions: Range<usize>,
    out: &mut [f32],
) {
    // Counted once: to cut a slice into chunks takes a division.
    let n_rows = out.len() / step;
    for start in positions.step_by(V * LANES) {
        for first in (0..n_rows).step_by(R) {
            let sums = tile::<L, R, V>(block, first / R, start);
            for (row, sums) in (first..n_rows).zip(&sums) {
                let to = &mut out[row * step + start..][..V * LANES];
                for (sum, to) in sums.iter().zip(to.as_chunks_mut().0) {
                    sum.store(to);
                }
            }
        }
    }
}

/// A tile of the channels of a group.
#[inline(always)]
fn tile<L: Lanes, const R: usize, const V: usize>(
    block: Block<'_>,
    group: usize,
    start: usize,
) -> [[L; V]; R] {
    let Block { weights, offsets, inputs: Planes { values, plane }, n_in } = block;
    let mut sums = [[L::splat(0.0); V]; R];
    let columns = &weights.as_chunks::<ROWS>().0[..n_in * offsets.len()];
    if let [offset] = *offsets {
        // One loop instead of two.
        for (input, column) in columns.iter().enumerate() {
            add::<L, R, V>(&values[input * plane + start + offset..], column, group, &mut sums);
        }
        return sums;
    }
    for (input, columns) in (0..n_in).zip(columns.chunks_exact(offsets.len())) {
        let input = &values[input * plane + start..];
        for (offset, column) in offsets.iter().zip(columns) {
            add::<L, R, V>(&input[*offset..], column, group, &mut sums);
        }
    }
    sums
}

/// Adds the products of the first pixels and the weights of a group.
#[inline(always)]
fn add<L: Lanes, const R: usize, const V: usize>(
    pixels: &[f32],
    column: &[f32; ROWS],
    group: usize,
    sums: &mut [[L; V]; R],
) {
    let mut vectors = [L::splat(0.0); V];
    for (vector, pixels) in vectors.iter_mut().zip(pixels[..V * LANES].as_chunks().0) {
        *vector = L::load(pixels);
    }
    let column: &[f32; R] = &column.as_chunks().0[group];
    for (sums, weight) in sums.iter_mut().zip(column) {
        let weight = L::splat(*weight);
        for (sum, vector) in sums.iter_mut().zip(vectors) {
            *sum = weight.mul_add(vector, *sum);
        }
    }
}

/// Adds to `gradient` (`[n_out][n_in]`) the sums over positions of images times output gradients, over
/// the images at hand: of a kernel of 1 × 1.
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
    if L::IS_REGISTER {
        weight_tiles::<L, 4, 4>(step, [n_out, n_in], images, outputs, gradient);
    } else {
        weight_tiles::<L, FEW_ROWS, 1>(step, [n_out, n_in], images, outputs, gradient);
    }
}

/// `R` output channels and `C` input channels at a time.
#[inline(always)]
fn weight_tiles<L: Lanes, const R: usize, const C: usize>(
    step: usize,
    [n_out, n_in]: [usize; 2],
    images: Planes<'_>,
    outputs: Planes<'_>,
    gradient: &mut [f32],
) {
    let n_whole = n_in / C * C;
    for first_out in (0..n_out).step_by(R) {
        let n_rows = R.min(n_out - first_out);
        let rows = &mut gradient[first_out * n_in..][..n_rows * n_in];
        let slopes = Series { planes: outputs, first: first_out, every: n_out };
        for first_in in (0..n_whole).step_by(C) {
            weight_tile::<L, R, C>(step, [n_in, first_in], images, slopes, rows);
        }
        for first_in in n_whole..n_in {
            weight_tile::<L, R, 1>(step, [n_in, first_in], images, slopes, rows);
        }
    }
}

/// Adds to some rows of the gradient, each of `n_in` numbers, in `C` columns from one on.
#[inline(always)]
fn weight_tile<L: Lanes, const R: usize, const C: usize>(
    step: usize,
    [n_in, first_in]: [usize; 2],
    images: Planes<'_>,
    slopes: Series<'_>,
    rows: &mut [f32],
) {
    const { assert!(R * C <= LANES, "as many sums as lanes") };
    // The next channel's plane lies as far away as a tap would.
    let mut offsets = [0; C];
    for (i, offset) in offsets.iter_mut().enumerate() {
        *offset = i * images.plane;
    }
    let images = Series { planes: images, first: first_in, every: n_in };
    let mut sums = [[L::splat(0.0); C]; R];
    products::<L, R, C>(&offsets, step, images, slopes, rows.len() / n_in, &mut sums);
    let mut vectors = [L::splat(0.0); LANES];
    for (vector, sum) in vectors.iter_mut().zip(sums.as_flattened()) {
        *vector = *sum;
    }
    let sums = L::sums(vectors);
    for (row, sums) in rows.chunks_exact_mut(n_in).zip(sums.chunks_exact(C)) {
        for (to, sum) in row[first_in..].iter_mut().zip(sums) {
            *to += sum;
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

/// Adds to `sums`, lane by lane, pixels at `T` taps times the gradients of `n_rows ≤ R` channels that
/// follow each other, over images and positions.
#[inline(always)]
pub(crate) fn products<L: Lanes, const R: usize, const T: usize>(
    offsets: &[usize],
    step: usize,
    images: Series<'_>,
    slopes: Series<'_>,
    n_rows: usize,
    sums: &mut [[L; T]; R],
) {
    let n = step / LANES;
    let n_images = images.planes.values.len() / (images.every * images.planes.plane);
    // The whole loop over images in one place, so that the sums stay in registers.
    let mut total = *sums;
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
                for (sums, slope) in total.iter_mut().zip(slopes) {
                    sums[t] = slope.mul_add(values, sums[t]);
                }
            }
        }
    }
    *sums = total;
}
