//! Passes over the numbers of one channel.
//!
//! Everything here is inlined into the entry points of [`lanes::Isa::run`].

use lanes::{LANES, Lanes};

use crate::activation::Activation;

/// The mean of a channel and the sum of the squared distances from it.
#[inline(always)]
pub(crate) fn mean_and_scatter<L: Lanes>(values: &[f32]) -> [f64; 2] {
    // As differences from one of them, of those far from the padded border: squares of numbers far from zero
    // would leave nothing but rounding.
    let origin = values[values.len() / 2];
    let (mut sums, mut squares) = (L::splat(0.0), L::splat(0.0));
    let (heads, tail) = values.as_chunks::<LANES>();
    for values in heads {
        let offsets = L::load(values).sub(L::splat(origin));
        sums = sums.add(offsets);
        squares = offsets.mul_add(offsets, squares);
    }
    let (mut sum, mut square) = (total(sums), total(squares));
    for value in tail {
        let offset = f64::from(value - origin);
        sum += offset;
        square += offset * offset;
    }
    let mean = sum / values.len() as f64;
    [f64::from(origin) + mean, square - mean * sum]
}

/// The sum of the gradients of the norm's output and that of their products with the distances of the
/// convolution's values from their mean; `channel` takes a value to its normalized one.
#[inline(always)]
pub(crate) fn sum_and_dot<L: Lanes, A: Activation>(
    slopes: &[f32],
    values: &[f32],
    [factor, shift]: [f32; 2],
    mean: f32,
) -> [f64; 2] {
    let (mut sums, mut dots) = (L::splat(0.0), L::splat(0.0));
    let (heads, tail) = slopes.as_chunks::<LANES>();
    let (others, other_tail) = values.as_chunks::<LANES>();
    for (slopes, values) in heads.iter().zip(others) {
        let mut inner = *slopes;
        for (slope, value) in inner.iter_mut().zip(values) {
            *slope *= A::slope(value.mul_add(factor, shift));
        }
        let slopes = L::load(&inner);
        sums = sums.add(slopes);
        dots = slopes.mul_add(L::load(values).sub(L::splat(mean)), dots);
    }
    let (mut sum, mut dot) = (total(sums), total(dots));
    for (slope, value) in tail.iter().zip(other_tail) {
        let slope = slope * A::slope(value.mul_add(factor, shift));
        sum += f64::from(slope);
        dot += f64::from(slope) * f64::from(value - mean);
    }
    [sum, dot]
}

/// The sum of the lanes of a vector, one after the other.
#[inline(always)]
fn total<L: Lanes>(vector: L) -> f64 {
    let mut lanes = [0.0; LANES];
    vector.store(&mut lanes);
    lanes.iter().map(|&lane| f64::from(lane)).sum()
}

/// `values[i] = A(factor · values[i] + shift)`.
#[inline(always)]
pub(crate) fn normalize<A: Activation>(values: &mut [f32], [factor, shift]: [f32; 2]) {
    for value in values {
        *value = A::apply(value.mul_add(factor, shift));
    }
}

/// The gradient of the convolution: `factor · dy + (slant · value + lift)`, `dy` the gradient of the
/// norm's output.
#[inline(always)]
pub(crate) fn slanted<A: Activation>(
    slopes: &[f32],
    values: &[f32],
    [factor, shift]: [f32; 2],
    [slant, lift]: [f32; 2],
    to: &mut [f32],
) {
    for ((to, slope), value) in to.iter_mut().zip(slopes).zip(values) {
        let slope = slope * A::slope(value.mul_add(factor, shift));
        *to = slope.mul_add(factor, value.mul_add(slant, lift));
    }
}

/// Clears gradients where the input of a ReLU is not positive.
#[inline(always)]
pub(crate) fn mask_by_relu<L: Lanes>(inputs: &[f32], gradients: &mut [f32]) {
    // Vectors, for the compiler would leave out what is kept, by stores under a mask, which are slow on many processors.
    let (heads, tail) = gradients.as_chunks_mut::<LANES>();
    let (inputs, input_tail) = inputs.as_chunks::<LANES>();
    for (gradients, inputs) in heads.iter_mut().zip(inputs) {
        L::load(gradients).where_positive(L::load(inputs)).store(gradients);
    }
    L::load_part(tail).where_positive(L::load_part(input_tail)).store_part(tail);
}
