//! Gradient descent with momentum: one kernel a parameter.

use burn::backend::Cube;
use burn::tensor::Tensor;
use burn_cubecl::cubecl;
use cubecl::prelude::*;
use flex_ops::{Descent, Lookahead};

use crate::sums::{UNITS, cube_sum};
use crate::tensors::{empty, n_cubes, plain};

#[derive(Clone, Copy, CubeLaunch, CubeType)]
struct By {
    clip: f32,
    weight_decay: f32,
    momentum: f32,
    lr: f32,
}

/// What is known when the kernel is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Plan {
    is_first: bool,
    looks_ahead: bool,
}

/// A weight after a step, and the update to be remembered; `last` is that of the step before, if there was one.
///
/// # Shapes
///
/// - all of one shape
///
/// # Panics
///
/// If shapes disagree, or the device is not [supported](crate::is_supported).
pub fn descend<const D: usize>(
    weight: Tensor<D>,
    gradient: Tensor<D>,
    last: Option<Tensor<D>>,
    by: Descent,
) -> [Tensor<D>; 2] {
    let dims = weight.dims();
    assert_eq!(dims, gradient.dims(), "weight and gradient");
    let Descent { clip, weight_decay, momentum, lookahead, lr } = by;
    let plan = Plan { is_first: last.is_none(), looks_ahead: lookahead == Lookahead::Nesterov };
    let (weight, gradient) = (plain(weight), plain(gradient));
    let last = last.map_or_else(
        || gradient.clone(),
        |last| {
            assert_eq!(dims, last.dims(), "weight and last update");
            plain(last)
        },
    );
    let n: usize = dims.iter().product();
    let [moved, update] = [(); 2].map(|()| empty(&weight, &dims));
    // SAFETY: the kernel looks at every place before it reads or writes there.
    unsafe {
        step::launch_unchecked(
            &weight.client.clone(),
            n_cubes([n.div_ceil(UNITS), 1, 1]),
            CubeDim::new_1d(UNITS as u32),
            weight.into_buffer_arg(),
            gradient.into_buffer_arg(),
            last.into_buffer_arg(),
            moved.clone().into_buffer_arg(),
            update.clone().into_buffer_arg(),
            n,
            ByLaunch::new(clip, weight_decay, momentum, lr),
            plan,
        );
    }
    [moved, update].map(Tensor::from_primitive::<Cube>)
}

#[cube(launch_unchecked)]
#[expect(clippy::too_many_arguments, reason = "a kernel takes its buffers one by one")]
fn step(
    weights: &[f32],
    gradients: &[f32],
    last: &[f32],
    moved: &mut [f32],
    updates: &mut [f32],
    n: usize,
    by: By,
    #[comptime] plan: Plan,
) {
    let place = ABSOLUTE_POS as usize;
    if place >= n {
        terminate!();
    }
    let weight = weights[place];
    let gradient = gradients[place] * by.clip + weight * by.weight_decay;
    let mut update = gradient;
    if comptime!(!plan.is_first) {
        update += last[place] * by.momentum;
    }
    let mut direction = update;
    if comptime!(plan.looks_ahead) {
        direction = gradient + update * by.momentum;
    }
    updates[place] = update;
    moved[place] = weight - direction * by.lr;
}

/// The sum of the squares of all numbers, `[1]`.
///
/// # Panics
///
/// If the device is not [supported](crate::is_supported).
pub fn sum_of_squares<const D: usize>(t: Tensor<D>) -> Tensor<1> {
    let n: usize = t.dims().iter().product();
    let t = plain(t);
    let sum = empty(&t, &[1]);
    // SAFETY: the kernel reads the numbers that there are and writes one.
    unsafe {
        square::launch_unchecked(
            &t.client.clone(),
            n_cubes([1, 1, 1]),
            CubeDim::new_1d(UNITS as u32),
            t.into_buffer_arg(),
            sum.clone().into_buffer_arg(),
            n,
        );
    }
    Tensor::from_primitive::<Cube>(sum)
}

#[cube(launch_unchecked)]
fn square(numbers: &[f32], output: &mut [f32], n: usize) {
    let mut scratch = Shared::<[f32]>::new_slice(UNITS);
    let mut sum = 0.0f32;
    let mut place = UNIT_POS as usize;
    while place < n {
        let x = numbers[place];
        sum = fma(x, x, sum);
        place += UNITS;
    }
    let sum = cube_sum(sum, &mut scratch);
    if UNIT_POS == 0 {
        output[0] = sum;
    }
}
