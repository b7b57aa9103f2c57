//! The gradient of the weights of a dense kernel larger than 1 × 1 that no [tiles](crate::winograd) serve: a vector
//! holds output channels,
//! so that a pixel is one number, wherever it lies, and no place of the border is computed.
//!
//! Everything here is inlined into the entry points of [`lanes::Isa::run`].

use lanes::{LANES, Lanes};

use crate::dense::Planes;
use crate::geometry::Geometry;
use crate::vectors::{chunk, chunk_mut};

/// How many numbers one position, or one weight of all outputs, takes.
pub(crate) fn n_rows(n_out: usize) -> usize {
    n_out.next_multiple_of(LANES)
}

/// How many numbers a channel takes before it is transposed.
pub(crate) fn n_columns(geometry: Geometry) -> usize {
    geometry.output_area().next_multiple_of(LANES)
}

/// Takes `[n_rows][n_columns]` to `[n_columns][n_rows]`.
#[inline(always)]
pub(crate) fn transpose<L: Lanes>(channels: &[f32], n_columns: usize, positions: &mut [f32]) {
    let n_rows = channels.len() / n_columns;
    for row in (0..n_rows).step_by(LANES) {
        for column in (0..n_columns).step_by(LANES) {
            let mut block = [L::splat(0.0); LANES];
            for (i, vector) in block.iter_mut().enumerate() {
                *vector = L::load(chunk(channels, (row + i) * n_columns + column));
            }
            for (i, vector) in L::transpose(block).iter().enumerate() {
                vector.store(chunk_mut(positions, (column + i) * n_rows + row));
            }
        }
    }
}

/// Takes the first half of a vector of channels, `[n_columns]` each, to `[n_columns][half]`.
#[inline(always)]
pub(crate) fn transpose_half<L: Lanes>(channels: &[f32], n_columns: usize, positions: &mut [f32]) {
    const HALF: usize = LANES / 2;
    for column in (0..n_columns).step_by(LANES) {
        let mut block = [L::splat(0.0); LANES];
        for (i, vector) in block.iter_mut().take(HALF).enumerate() {
            *vector = L::load(chunk(channels, i * n_columns + column));
        }
        let columns = L::transpose(block);
        for (i, [one, next]) in columns.as_chunks().0.iter().enumerate() {
            one.lows(*next).store(chunk_mut(positions, (column + 2 * i) * HALF));
        }
    }
}

/// Adds to `sums`, `[n_in][taps][n_rows]`, the products of the padded planes of an image and output
/// gradients, `[positions][n_rows]`.
#[inline(always)]
pub(crate) fn weight_gradient<L: Lanes>(
    geometry: Geometry,
    offsets: &[usize],
    image: Planes<'_>,
    positions: &[f32],
    sums: &mut [f32],
) {
    let work = Products { geometry, offsets, image, positions };
    let n_rows = positions.len() / n_columns(geometry);
    match (offsets.len(), n_rows / LANES % 2) {
        (9, 0) if L::IS_REGISTER => tiles::<L, 2, 9>(work, n_rows, sums),
        (9, _) if L::IS_REGISTER => tiles::<L, 1, 9>(work, n_rows, sums),
        (9, _) => tiles::<L, 1, 3>(work, n_rows, sums),
        _ => tiles::<L, 1, 1>(work, n_rows, sums),
    }
}

/// What is multiplied.
#[derive(Clone, Copy)]
struct Products<'a> {
    geometry: Geometry,
    offsets: &'a [usize],
    image: Planes<'a>,
    positions: &'a [f32],
}

/// `R` vectors of outputs and `T` taps at a time.
#[inline(always)]
fn tiles<L: Lanes, const R: usize, const T: usize>(
    work: Products<'_>,
    n_rows: usize,
    sums: &mut [f32],
) {
    let inputs = work.image.values.chunks_exact(work.image.plane);
    for (input, sums) in inputs.zip(sums.chunks_exact_mut(work.offsets.len() * n_rows)) {
        let taps = work.offsets.as_chunks::<T>().0;
        for (offsets, sums) in taps.iter().zip(sums.chunks_exact_mut(T * n_rows)) {
            for first in (0..n_rows).step_by(R * LANES) {
                let tile = tile::<L, R, T>(work, offsets, input, n_rows, first);
                for (tile, sums) in tile.iter().zip(sums.chunks_exact_mut(n_rows)) {
                    let sums = sums[first..].as_chunks_mut::<LANES>().0;
                    for (vector, to) in tile.iter().zip(sums) {
                        L::load(to).add(*vector).store(to);
                    }
                }
            }
        }
    }
}

/// The sums over all positions for `R` vectors of outputs from `first` on.
#[inline(always)]
fn tile<L: Lanes, const R: usize, const T: usize>(
    work: Products<'_>,
    offsets: &[usize; T],
    input: &[f32],
    n_rows: usize,
    first: usize,
) -> [[L; R]; T] {
    let width = work.geometry.output_size()[1];
    let rows = work.positions[..work.geometry.output_area() * n_rows].chunks_exact(width * n_rows);
    let mut sums = [[L::splat(0.0); R]; T];
    for (row, slopes) in rows.enumerate() {
        // Slices of one known length: nothing is checked in the loop.
        let mut taps: [&[f32]; T] = [&[]; T];
        for (tap, offset) in taps.iter_mut().zip(offsets) {
            *tap = &input[row * work.geometry.pitch() + offset..][..width];
        }
        for (at, slopes) in (0..width).zip(slopes.chunks_exact(n_rows)) {
            // An array, because a copy of unknown length is a call.
            let slopes: &[[f32; LANES]; R] =
                slopes[first..].as_chunks().0.first_chunk().expect("whole tiles");
            let mut vectors = [L::splat(0.0); R];
            for (vector, slopes) in vectors.iter_mut().zip(slopes) {
                *vector = L::load(slopes);
            }
            for (sums, tap) in sums.iter_mut().zip(taps) {
                let pixel = L::splat(tap[at]);
                for (sum, vector) in sums.iter_mut().zip(vectors) {
                    *sum = pixel.mul_add(vector, *sum);
                }
            }
        }
    }
    sums
}

/// Takes sums of `n_taps` taps to weights `[n_out][n_in][taps]`.
pub(crate) fn weights(sums: &[f32], n_out: usize, n_taps: usize) -> Vec<f32> {
    let n_rows = n_rows(n_out);
    let n_in = sums.len() / (n_rows * n_taps);
    let of_output = |output| (0..n_in * n_taps).map(move |weight| sums[weight * n_rows + output]);
    (0..n_out).flat_map(of_output).collect()
}
