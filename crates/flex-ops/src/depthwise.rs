//! Convolutions in which every output channel sees its own input channel alone.
//!
//! Everything here is inlined into the entry points of [`lanes::Isa::run`].

use lanes::{LANES, Lanes};

use crate::dense::{Planes, Series, chunk, products, sum_of_lanes};
use crate::geometry::TILE;

/// Convolves padded planes into output planes of `step` numbers, whole tiles; tap t of a channel's
/// `weights` reads at the distance `offsets[t]` from an output position.
#[inline(always)]
pub(crate) fn convolve<L: Lanes>(
    weights: &[f32],
    offsets: &[usize],
    padded: Planes<'_>,
    step: usize,
    out: &mut [f32],
) {
    let inputs = padded.values.chunks_exact(padded.plane);
    let channels = inputs.zip(weights.chunks_exact(offsets.len()));
    for ((input, weights), out) in channels.zip(out.chunks_exact_mut(step)) {
        for (tile, out) in out.as_chunks_mut::<TILE>().0.iter_mut().enumerate() {
            let mut sums = [L::splat(0.0); TILE / LANES];
            for (offset, weight) in offsets.iter().zip(weights) {
                let (at, weight) = (tile * TILE + offset, L::splat(*weight));
                for (i, sum) in sums.iter_mut().enumerate() {
                    *sum = weight.mul_add(L::load(chunk(input, at + i * LANES)), *sum);
                }
            }
            for (sum, to) in sums.iter().zip(out.as_chunks_mut().0) {
                sum.store(to);
            }
        }
    }
}

/// Adds to `gradient` (`[channels][taps]`) the sums over positions of padded images times output
/// gradients, over all images of a chunk.
///
/// Planes of output gradients start where the first of them stands; `step` numbers count.
#[inline(always)]
pub(crate) fn weight_gradient<L: Lanes>(
    offsets: &[usize],
    step: usize,
    images: Planes<'_>,
    outputs: Planes<'_>,
    gradient: &mut [f32],
) {
    match offsets.len() {
        9 => weight_tiles::<L, 9>(offsets, step, images, outputs, gradient),
        25 => weight_tiles::<L, 25>(offsets, step, images, outputs, gradient),
        49 => weight_tiles::<L, 7>(offsets, step, images, outputs, gradient),
        _ => weight_tiles::<L, 1>(offsets, step, images, outputs, gradient),
    }
}

/// `T` taps at a time.
#[inline(always)]
fn weight_tiles<L: Lanes, const T: usize>(
    offsets: &[usize],
    step: usize,
    images: Planes<'_>,
    outputs: Planes<'_>,
    gradient: &mut [f32],
) {
    let n_channels = gradient.len() / offsets.len();
    for (channel, gradient) in gradient.chunks_exact_mut(offsets.len()).enumerate() {
        for (offsets, gradient) in offsets.chunks_exact(T).zip(gradient.chunks_exact_mut(T)) {
            let images = Series { planes: images, first: channel, every: n_channels };
            let slopes = Series { planes: outputs, first: channel, every: n_channels };
            let [sums] = products::<L, 1, T>(offsets, step, images, slopes, 1);
            for (to, sums) in gradient.iter_mut().zip(sums) {
                *to += sum_of_lanes(sums);
            }
        }
    }
}
