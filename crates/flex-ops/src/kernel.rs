//! The arithmetic of one image: written once, compiled for each instruction set.
//!
//! Everything here is inlined into the entry points of [`crate::isa`]; arrays of fixed length
//! become vector registers there.

use crate::geometry::{Geometry, LANES, Packed, ROWS, TILE};

#[inline(always)]
fn chunk<const N: usize>(values: &[f32], start: usize) -> &[f32; N] {
    values[start..start + N].as_array().expect("the slice has this length")
}

/// Convolves padded planes `[n_in][padded_plane]` into output planes `[n_out][output_plane]`.
#[inline(always)]
pub(crate) fn convolve(geometry: Geometry, packed: &Packed, padded: &[f32], out: &mut [f32]) {
    let (plane, step) = (geometry.padded_plane(), geometry.output_plane());
    let per_block = packed.n_in * geometry.n_taps() * ROWS;
    let blocks = packed.weights.chunks_exact(per_block);
    for (weights, out) in blocks.zip(out.chunks_mut(ROWS * step)) {
        for start in (0..step).step_by(TILE) {
            let mut sums = [[0.0_f32; TILE]; ROWS];
            let mut weights = weights.chunks_exact(ROWS);
            for input in padded.chunks_exact(plane).take(packed.n_in) {
                for tap in 0..geometry.n_taps() {
                    let Some(column) = weights.next() else { break };
                    let column: &[f32; ROWS] = chunk(column, 0);
                    let pixels: &[f32; TILE] = chunk(input, start + geometry.offset(tap));
                    for row in 0..ROWS {
                        for i in 0..TILE {
                            sums[row][i] = column[row].mul_add(pixels[i], sums[row][i]);
                        }
                    }
                }
            }
            for (sums, out) in sums.iter().zip(out.chunks_exact_mut(step)) {
                out[start..start + TILE].copy_from_slice(sums);
            }
        }
    }
}

/// Adds to `gradient` (`[n_out][n_in][taps]`) the sums over positions of padded images times
/// padded output gradients, over all images of a chunk.
#[inline(always)]
pub(crate) fn weight_gradient(
    geometry: Geometry,
    [n_out, n_in]: [usize; 2],
    images: &[f32],
    outputs: &[f32],
    gradient: &mut [f32],
) {
    match geometry.kernel {
        1 => weight_tiles::<8, 1>(geometry, [n_out, n_in], images, outputs, gradient),
        3 => weight_tiles::<2, 9>(geometry, [n_out, n_in], images, outputs, gradient),
        _ => weight_tiles::<1, 1>(geometry, [n_out, n_in], images, outputs, gradient),
    }
}

/// Tiles of `R` output channels and `T` taps.
#[inline(always)]
fn weight_tiles<const R: usize, const T: usize>(
    geometry: Geometry,
    [n_out, n_in]: [usize; 2],
    images: &[f32],
    outputs: &[f32],
    gradient: &mut [f32],
) {
    let (plane, n_taps) = (geometry.padded_plane(), geometry.n_taps());
    let n_images = images.len() / (n_in * plane);
    for input in 0..n_in {
        for first in (0..n_out).step_by(R) {
            for tap in (0..n_taps).step_by(T) {
                let mut sums = [[[0.0_f32; LANES]; T]; R];
                for image in 0..n_images {
                    let pixels = &images[(image * n_in + input) * plane..][..plane];
                    let planes = &outputs[(image * n_out + first) * plane..];
                    accumulate(geometry, tap, pixels, planes, n_out - first, &mut sums);
                }
                for (row, sums) in sums.iter().enumerate().take(n_out - first) {
                    let start = ((first + row) * n_in + input) * n_taps + tap;
                    for (to, sums) in gradient[start..start + T].iter_mut().zip(sums) {
                        *to += sums.iter().sum::<f32>();
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn accumulate<const R: usize, const T: usize>(
    geometry: Geometry,
    tap: usize,
    pixels: &[f32],
    planes: &[f32],
    n_rows: usize,
    sums: &mut [[[f32; LANES]; T]; R],
) {
    let (plane, center) = (geometry.padded_plane(), geometry.center());
    let last_row = n_rows.min(R) - 1;
    let mut local = *sums;
    for start in (0..geometry.output_plane()).step_by(LANES) {
        let mut slopes = [[0.0_f32; LANES]; R];
        for (row, slopes) in slopes.iter_mut().enumerate() {
            // Rows beyond the last repeat it; their sums are not used.
            let from = row.min(last_row) * plane + start;
            *slopes = *chunk(planes, from + center);
        }
        for t in 0..T {
            let values: &[f32; LANES] = chunk(pixels, start + geometry.offset(tap + t));
            for row in 0..R {
                for i in 0..LANES {
                    local[row][t][i] = slopes[row][i].mul_add(values[i], local[row][t][i]);
                }
            }
        }
    }
    *sums = local;
}

/// The sum of `a` and the sum of products with `b`.
#[inline(always)]
pub(crate) fn sum_and_dot(a: &[f32], b: &[f32]) -> [f64; 2] {
    let (mut sums, mut dots) = ([0.0_f32; LANES], [0.0_f32; LANES]);
    let (heads, tail) = a.as_chunks::<LANES>();
    let (others, other_tail) = b.as_chunks::<LANES>();
    for (x, y) in heads.iter().zip(others) {
        for i in 0..LANES {
            sums[i] += x[i];
            dots[i] = x[i].mul_add(y[i], dots[i]);
        }
    }
    let mut sum: f64 = sums.iter().map(|&x| f64::from(x)).sum();
    let mut dot: f64 = dots.iter().map(|&x| f64::from(x)).sum();
    for (&x, &y) in tail.iter().zip(other_tail) {
        sum += f64::from(x);
        dot += f64::from(x) * f64::from(y);
    }
    [sum, dot]
}

/// `to[i] = factor · from[i] + shift`.
#[inline(always)]
pub(crate) fn affine(from: &[f32], factor: f32, shift: f32, to: &mut [f32]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = from.mul_add(factor, shift);
    }
}

/// `to[i] = factor · slope[i] + (slant · value[i] + shift)`.
#[inline(always)]
pub(crate) fn slanted(
    slopes: &[f32],
    values: &[f32],
    [factor, slant, shift]: [f32; 3],
    to: &mut [f32],
) {
    for ((to, slope), value) in to.iter_mut().zip(slopes).zip(values) {
        *to = slope.mul_add(factor, value.mul_add(slant, shift));
    }
}

/// Clears gradients where the input of a ReLU is not positive.
#[inline(always)]
pub(crate) fn mask_by_relu(inputs: &[f32], gradients: &mut [f32]) {
    for (gradient, input) in gradients.iter_mut().zip(inputs) {
        *gradient = if 0.0 < *input { *gradient } else { 0.0 };
    }
}
