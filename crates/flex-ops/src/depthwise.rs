//! Convolutions in which every output channel sees its own input channel alone.
//!
//! Everything here is inlined into the entry points of [`lanes::Isa::run`].

use lanes::{LANES, Lanes};

use crate::dense::{Planes, Series, products};

/// Convolves padded planes into output planes of `step` numbers, whole vectors; tap t of a channel's
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
        // A vector waits for its last sum; others beside it fill the time.
        let n_wide = step / (4 * LANES) * 4 * LANES;
        let (wide, rest) = out.split_at_mut(n_wide);
        tiles::<L, 4>(weights, offsets, input, wide);
        let n_two = rest.len() / (2 * LANES) * 2 * LANES;
        let (two, one) = rest.split_at_mut(n_two);
        tiles::<L, 2>(weights, offsets, &input[n_wide..], two);
        tiles::<L, 1>(weights, offsets, &input[n_wide + n_two..], one);
    }
}

/// `V` vectors of positions at a time.
#[inline(always)]
fn tiles<L: Lanes, const V: usize>(
    weights: &[f32],
    offsets: &[usize],
    input: &[f32],
    out: &mut [f32],
) {
    for (tile, out) in out.chunks_exact_mut(V * LANES).enumerate() {
        let mut sums = [L::splat(0.0); V];
        for (offset, weight) in offsets.iter().zip(weights) {
            let weight = L::splat(*weight);
            let window = &input[tile * V * LANES + offset..][..V * LANES];
            for (sum, window) in sums.iter_mut().zip(window.as_chunks().0) {
                *sum = weight.mul_add(L::load(window), *sum);
            }
        }
        for (sum, to) in sums.iter().zip(out.as_chunks_mut().0) {
            sum.store(to);
        }
    }
}

/// Adds to `sums` (`[taps]`, lane by lane) the sums over positions of padded images times output
/// gradients of one channel.
///
/// Planes of output gradients start where the first of them stands; `step` numbers count.
#[inline(always)]
pub(crate) fn add_products<L: Lanes>(
    offsets: &[usize],
    step: usize,
    images: Series<'_>,
    slopes: Series<'_>,
    sums: &mut [[f32; LANES]],
) {
    // As many taps as sums fit into registers.
    match offsets.len() {
        9 if L::IS_REGISTER => taps::<L, 9>(offsets, step, images, slopes, sums),
        9 => taps::<L, 3>(offsets, step, images, slopes, sums),
        25 if L::IS_REGISTER => taps::<L, 25>(offsets, step, images, slopes, sums),
        25 => taps::<L, 5>(offsets, step, images, slopes, sums),
        49 => taps::<L, 7>(offsets, step, images, slopes, sums),
        _ => taps::<L, 1>(offsets, step, images, slopes, sums),
    }
}

/// `T` taps at a time.
#[inline(always)]
fn taps<L: Lanes, const T: usize>(
    offsets: &[usize],
    step: usize,
    images: Series<'_>,
    slopes: Series<'_>,
    sums: &mut [[f32; LANES]],
) {
    for (offsets, sums) in offsets.chunks_exact(T).zip(sums.chunks_exact_mut(T)) {
        let mut vectors = [[L::splat(0.0); T]];
        for (vector, sum) in vectors[0].iter_mut().zip(&*sums) {
            *vector = L::load(sum);
        }
        products::<L, 1, T>(offsets, step, images, slopes, 1, &mut vectors);
        for (vector, sum) in vectors[0].iter().zip(sums) {
            vector.store(sum);
        }
    }
}
