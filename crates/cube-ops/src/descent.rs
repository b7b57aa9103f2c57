//! Gradient descent with momentum, and the norm of a gradient: one kernel for many parameters, since a kernel takes
//! longer to launch than to move a parameter.

use burn::backend::Cube;
use burn::tensor::Tensor;
use burn_cubecl::cubecl;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;
use flex_ops::{Descent, Lookahead};

use crate::sums::{UNITS, cube_sum};
use crate::tensors::{empty, n_cubes, plain};

/// Parameters that a kernel takes together, if the card lets it have as many buffers.
const TOGETHER: usize = 16;

/// A weight on its way.
#[derive(Clone, Debug)]
pub struct Moving {
    /// `[n]`.
    pub weight: Tensor<1>,
    /// `[n]`.
    pub gradient: Tensor<1>,
    /// The update of the step before, `[n]`, if there was one.
    pub last: Option<Tensor<1>>,
}

/// [`Moving`] in a kernel.
#[derive(CubeLaunch, CubeType)]
struct Parameter {
    weight: Box<[f32]>,
    gradient: Box<[f32]>,
    /// The last update, and the next one afterwards.
    update: Box<[f32]>,
    moved: Box<[f32]>,
    n: usize,
}

#[derive(Clone, Copy, CubeLaunch, CubeType)]
struct By {
    clip: f32,
    weight_decay: f32,
    momentum: f32,
    lr: f32,
}

/// The weights after a step, and the updates to be remembered, in their order.
///
/// # Panics
///
/// If the numbers of a weight are not as many as those of its gradient and last update, or a device is not
/// [supported](crate::is_supported) or tracks gradients.
pub fn descend(moving: Vec<Moving>, by: Descent) -> Vec<[Tensor<1>; 2]> {
    let Some(first) = moving.first() else { return Vec::new() };
    let n = n_together(&plain(first.weight.clone()), 4);
    let (n_all, mut found) = (moving.len(), Vec::with_capacity(moving.len()));
    // By value: an update in other hands would be copied.
    let mut moving = moving.into_iter();
    while found.len() < n_all {
        found.extend(descend_together(moving.by_ref().take(n).collect(), by));
    }
    found
}

/// As many as the card has buffers for, if each needs so many and another is for all.
fn n_together(on: &CubeTensor, n_buffers: usize) -> usize {
    let most = on.client.properties().hardware.max_bindings as usize;
    (most.saturating_sub(2) / n_buffers).clamp(1, TOGETHER)
}

fn descend_together(moving: Vec<Moving>, by: Descent) -> Vec<[Tensor<1>; 2]> {
    let mut parameters = SequenceArg::<Parameter>::new();
    let (mut found, mut most, mut client) = (Vec::new(), 0, None);
    for Moving { weight, gradient, last } in moving {
        let [n] = weight.dims();
        assert_eq!([n], gradient.dims(), "weight and gradient");
        let update = match last {
            Some(last) => in_own_memory(plain(last)),
            None => plain(weight.zeros_like()),
        };
        assert_eq!(n, update.meta.num_elements(), "weight and last update");
        let (weight, gradient) = (plain(weight), plain(gradient));
        let moved = empty(&weight, &[n]);
        client = Some(weight.client.clone());
        most = most.max(n);
        parameters.push(ParameterLaunch::new(
            weight.into_buffer_arg(),
            gradient.into_buffer_arg(),
            update.clone().into_buffer_arg(),
            moved.clone().into_buffer_arg(),
            n,
        ));
        found.push([moved, update].map(Tensor::from_primitive::<Cube>));
    }
    let Some(client) = client else { return found };
    let Descent { clip, weight_decay, momentum, lookahead, lr } = by;
    // SAFETY: the kernel looks at every place before it reads or writes there, and nobody else holds an update.
    unsafe {
        step::launch_unchecked(
            &client,
            n_cubes([most.div_ceil(UNITS), found.len(), 1]),
            CubeDim::new_1d(UNITS as u32),
            parameters,
            ByLaunch::new(clip, weight_decay, momentum, lr),
            lookahead,
        );
    }
    found
}

/// The same numbers where nobody else sees them change.
fn in_own_memory(t: CubeTensor) -> CubeTensor {
    if t.handle.can_mut() { t } else { t.copy() }
}

#[cube(launch_unchecked)]
fn step(parameters: &mut Sequence<Parameter>, by: By, #[comptime] lookahead: Lookahead) {
    let place = CUBE_POS_X as usize * UNITS + UNIT_POS as usize;
    #[unroll]
    for i in 0..parameters.len() {
        let parameter = &mut parameters[i];
        if CUBE_POS_Y as usize == i && place < parameter.n {
            let weight = parameter.weight[place];
            let gradient = parameter.gradient[place] * by.clip + weight * by.weight_decay;
            let update = gradient + parameter.update[place] * by.momentum;
            let mut direction = update;
            if comptime!(lookahead == Lookahead::Nesterov) {
                direction = gradient + update * by.momentum;
            }
            parameter.update[place] = update;
            parameter.moved[place] = weight - direction * by.lr;
        }
    }
}

/// Numbers that a cube squares.
const SQUARED_AT_ONCE: usize = 1 << 14;

/// A tensor in a kernel.
#[derive(CubeLaunch, CubeType)]
struct Numbers {
    values: Box<[f32]>,
    n: usize,
    /// Where its first sum is written.
    to: usize,
}

/// Sums of squares of some numbers each, which together are that of all; none of no tensor.
///
/// # Panics
///
/// If a device is not [supported](crate::is_supported) or tracks gradients.
pub fn sums_of_squares(tensors: Vec<Tensor<1>>) -> Option<Tensor<1>> {
    let tensors: Vec<CubeTensor> = tensors.into_iter().map(plain).collect();
    let first = tensors.first()?;
    let n_sums = |t: &CubeTensor| t.meta.num_elements().div_ceil(SQUARED_AT_ONCE);
    let (client, sums) = (first.client.clone(), empty(first, &[tensors.iter().map(n_sums).sum()]));
    let mut to = 0;
    for tensors in tensors.chunks(n_together(first, 1)) {
        let mut arguments = SequenceArg::<Numbers>::new();
        for t in tensors {
            let n = t.meta.num_elements();
            arguments.push(NumbersLaunch::new(t.clone().into_buffer_arg(), n, to));
            to += n_sums(t);
        }
        let most = tensors.iter().map(n_sums).max().unwrap_or(0);
        // SAFETY: the kernel looks at every place before it reads there, and writes as many sums as were counted.
        unsafe {
            square::launch_unchecked(
                &client,
                n_cubes([most, tensors.len(), 1]),
                CubeDim::new_1d(UNITS as u32),
                arguments,
                sums.clone().into_buffer_arg(),
            );
        }
    }
    Some(Tensor::from_primitive::<Cube>(sums))
}

#[cube(launch_unchecked)]
fn square(tensors: &Sequence<Numbers>, output: &mut [f32]) {
    let mut scratch = Shared::<[f32]>::new_slice(UNITS);
    let first = CUBE_POS_X as usize * SQUARED_AT_ONCE;
    let mut sum = 0.0f32;
    #[unroll]
    for i in 0..tensors.len() {
        let numbers = &tensors[i];
        if CUBE_POS_Y as usize == i {
            let mut end = first + SQUARED_AT_ONCE;
            if numbers.n < end {
                end = numbers.n;
            }
            let mut place = first + UNIT_POS as usize;
            while place < end {
                let x = numbers.values[place];
                sum = fma(x, x, sum);
                place += UNITS;
            }
        }
    }
    let sum = cube_sum(sum, &mut scratch);
    #[unroll]
    for i in 0..tensors.len() {
        let numbers = &tensors[i];
        if CUBE_POS_Y as usize == i && first < numbers.n && UNIT_POS == 0 {
            output[numbers.to + CUBE_POS_X as usize] = sum;
        }
    }
}
