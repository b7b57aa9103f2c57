//! Passes over the numbers of one channel.
//!
//! Everything here is inlined into the entry points of [`lanes::Isa::run`].

use lanes::{LANES, Lanes};

use crate::activation::Activation;

/// The sum of the gradients of the norm's output and that of their products with the convolution's
/// values; `channel` takes a value to its normalized one.
///
/// For values alone, with [`Identity`](crate::activation::Identity), their sum and that of their
/// squares.
#[inline(always)]
pub(crate) fn sum_and_dot<L: Lanes, A: Activation>(
    slopes: &[f32],
    values: &[f32],
    [factor, shift]: [f32; 2],
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
        dots = slopes.mul_add(L::load(values), dots);
    }
    let (mut sum, mut dot) = (total(sums), total(dots));
    for (slope, value) in tail.iter().zip(other_tail) {
        let slope = slope * A::slope(value.mul_add(factor, shift));
        sum += f64::from(slope);
        dot += f64::from(slope) * f64::from(*value);
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
pub(crate) fn mask_by_relu(inputs: &[f32], gradients: &mut [f32]) {
    for (gradient, input) in gradients.iter_mut().zip(inputs) {
        *gradient = if 0.0 < *input { *gradient } else { 0.0 };
    }
}
