//! Passes over the numbers of one channel.
//!
//! Everything here is inlined into the entry points of [`lanes::Isa::run`].

use lanes::LANES;

use crate::activation::Activation;

/// The sum of the gradients of the norm's output and that of their products with the convolution's
/// values; `channel` takes a value to its normalized one.
///
/// For values alone, with [`Identity`](crate::activation::Identity), their sum and that of their
/// squares.
#[inline(always)]
pub(crate) fn sum_and_dot<A: Activation>(
    slopes: &[f32],
    values: &[f32],
    [factor, shift]: [f32; 2],
) -> [f64; 2] {
    let (mut sums, mut dots) = ([0.0_f32; LANES], [0.0_f32; LANES]);
    let (heads, tail) = slopes.as_chunks::<LANES>();
    let (others, other_tail) = values.as_chunks::<LANES>();
    for (slopes, values) in heads.iter().zip(others) {
        for i in 0..LANES {
            let slope = slopes[i] * A::slope(values[i].mul_add(factor, shift));
            sums[i] += slope;
            dots[i] = slope.mul_add(values[i], dots[i]);
        }
    }
    let (mut sum, mut dot) = (0.0, 0.0);
    for i in 0..LANES {
        sum += f64::from(sums[i]);
        dot += f64::from(dots[i]);
    }
    for (slope, value) in tail.iter().zip(other_tail) {
        let slope = slope * A::slope(value.mul_add(factor, shift));
        sum += f64::from(slope);
        dot += f64::from(slope) * f64::from(*value);
    }
    [sum, dot]
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
