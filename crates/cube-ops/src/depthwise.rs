//! Depthwise convolution and its gradients: every place and channel by itself.

use burn_cubecl::cubecl;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;
use flex_ops::Before;

use crate::activation::gated;
use crate::shape::{Direction, Shape};
use crate::shares::{Shares, end_of_share};
use crate::sums::{UNITS, add_shares, cube_sum};
use crate::tensors::{empty, n_cubes};

/// What is known when a kernel is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Plan {
    kernel: usize,
    stride: usize,
    direction: Direction,
    before: Before,
}

#[derive(Clone, Copy, CubeLaunch, CubeType)]
struct Sizes {
    channels: usize,
    /// Of what is read.
    height: usize,
    width: usize,
    /// Of what is written, or of the slopes.
    down: usize,
    across: usize,
    /// Numbers that are written, or images.
    n: usize,
    /// Images that a cube takes.
    share: usize,
}

fn plan(shape: Shape, direction: Direction) -> Plan {
    let Shape { kernel, stride, before, .. } = shape;
    Plan { kernel, stride, direction, before }
}

/// The convolution of images after ReLU, if the shape has one; or the gradient of the images from that of the
/// convolution.
///
/// # Shapes
///
/// - `source`: as `x`, or as the output forward
/// - `weight`: `[c, 1, k, k]`
/// - `x`, and output backward: `[b, c, h, w]`
/// - output forward: `[b, c, ⌈h / stride⌉, ⌈w / stride⌉]`
pub(crate) fn launch(
    shape: Shape,
    direction: Direction,
    source: CubeTensor,
    weight: CubeTensor,
    x: CubeTensor,
) -> CubeTensor {
    let [from, to] = shape.ends(direction);
    let [_, channels, height, width] = from;
    let [_, _, down, across] = to;
    let n = to.iter().product();
    let target = empty(&x, &to);
    // SAFETY: the kernel looks at every place before it reads or writes there.
    unsafe {
        slide::launch_unchecked(
            &x.client.clone(),
            n_cubes([usize::div_ceil(n, UNITS), 1, 1]),
            CubeDim::new_1d(UNITS as u32),
            source.into_buffer_arg(),
            weight.into_buffer_arg(),
            x.into_buffer_arg(),
            target.clone().into_buffer_arg(),
            SizesLaunch::new(channels, height, width, down, across, n, 0),
            plan(shape, direction),
        );
    }
    target
}

#[cube(launch_unchecked)]
fn slide(
    source: &[f32],
    weights: &[f32],
    images: &[f32],
    target: &mut [f32],
    sizes: Sizes,
    #[comptime] plan: Plan,
) {
    let place = ABSOLUTE_POS;
    if place >= sizes.n {
        terminate!();
    }
    let taps = comptime!(plan.kernel * plan.kernel);
    let padding = comptime!(plan.kernel / 2);
    let line = place / sizes.across;
    let plane = line / sizes.down;
    let first_weight = plane % sizes.channels * taps;
    let first_pixel = plane * sizes.height * sizes.width;
    let (to_y, to_x) = (line % sizes.down, place % sizes.across);
    let mut sum = 0.0f32;
    #[unroll]
    for tap in 0..taps {
        let (down, right) = comptime!((tap / plan.kernel, tap % plan.kernel));
        match comptime!(plan.direction) {
            Direction::Forward => {
                // Before 0 is a huge number.
                let y = to_y * plan.stride + down - padding;
                let x = to_x * plan.stride + right - padding;
                if y < sizes.height && x < sizes.width {
                    let value = gated(source[first_pixel + y * sizes.width + x], plan.before);
                    sum = fma(value, weights[first_weight + tap], sum);
                }
            }
            Direction::Backward => {
                let (y, x) = (to_y + padding - down, to_x + padding - right);
                let is_met = y % plan.stride == 0 && x % plan.stride == 0;
                let (y, x) = (y / plan.stride, x / plan.stride);
                if is_met && y < sizes.height && x < sizes.width {
                    let value = source[first_pixel + y * sizes.width + x];
                    sum = fma(value, weights[first_weight + tap], sum);
                }
            }
        }
    }
    if comptime!(plan.before == Before::Relu && plan.direction == Direction::Backward) {
        let is_open = 0.0 < images[place];
        if !is_open {
            sum = 0.0;
        }
    }
    target[place] = sum;
}

/// The gradient of the weights from that of the convolution.
///
/// # Shapes
///
/// - `x`: `[b, c, h, w]`
/// - `slopes`: `[b, c, ⌈h / stride⌉, ⌈w / stride⌉]`
/// - output: `[c, 1, k, k]`
pub(crate) fn to_weights(shape: Shape, x: CubeTensor, slopes: CubeTensor) -> CubeTensor {
    let Shape { n_images, n_in: channels, height, width, kernel, .. } = shape;
    let [_, _, down, across] = shape.output();
    let shares = Shares::of(n_images, channels, 1);
    let partial = empty(&x, &[shares.n, channels, kernel * kernel]);
    // SAFETY: the kernel looks at every place before it reads or writes there.
    unsafe {
        weigh::launch_unchecked(
            &x.client.clone(),
            n_cubes([channels, shares.n, 1]),
            CubeDim::new_1d(UNITS as u32),
            x.into_buffer_arg(),
            slopes.into_buffer_arg(),
            partial.clone().into_buffer_arg(),
            SizesLaunch::new(channels, height, width, down, across, n_images, shares.each),
            plan(shape, Direction::Forward),
        );
    }
    add_shares(partial, &[channels, 1, kernel, kernel])
}

#[cube(launch_unchecked)]
fn weigh(
    images: &[f32],
    slopes: &[f32],
    partial: &mut [f32],
    sizes: Sizes,
    #[comptime] plan: Plan,
) {
    let taps = comptime!(plan.kernel * plan.kernel);
    let padding = comptime!(plan.kernel / 2);
    let channel = CUBE_POS_X as usize;
    let first = CUBE_POS_Y as usize * sizes.share;
    let n_images = end_of_share(first, sizes.share, sizes.n) - first;
    let area = sizes.down * sizes.across;
    let mut sums = Array::<f32>::new(taps);
    #[unroll]
    for tap in 0..taps {
        sums[tap] = 0.0;
    }
    let mut term = UNIT_POS as usize;
    while term < n_images * area {
        let plane = (first + term / area) * sizes.channels + channel;
        let pixel = term % area;
        let slope = slopes[plane * area + pixel];
        let first_pixel = plane * sizes.height * sizes.width;
        let top = pixel / sizes.across * plan.stride;
        let left = pixel % sizes.across * plan.stride;
        #[unroll]
        for tap in 0..taps {
            let (down, right) = comptime!((tap / plan.kernel, tap % plan.kernel));
            // Before 0 is a huge number.
            let (y, x) = (top + down - padding, left + right - padding);
            if y < sizes.height && x < sizes.width {
                let value = gated(images[first_pixel + y * sizes.width + x], plan.before);
                sums[tap] = fma(value, slope, sums[tap]);
            }
        }
        term += UNITS;
    }
    let mut scratch = Shared::<[f32]>::new_slice(UNITS);
    #[unroll]
    for tap in 0..taps {
        let sum = cube_sum(sums[tap], &mut scratch);
        if UNIT_POS == 0 {
            partial[(CUBE_POS_Y as usize * sizes.channels + channel) * taps + tap] = sum;
        }
    }
}
