//! Sums over the units of a cube, and over the shares of several cubes.

use burn_cubecl::cubecl;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use crate::tensors::{empty, n_cubes};

/// Units of a cube whose sums are added; a power of two.
pub(crate) const UNITS: usize = 256;

/// Units of a cube that add the shares of one number.
const TOGETHER: usize = 8;

fn log2(n: usize) -> usize {
    n.ilog2() as usize
}

/// The sum of a number of every unit, for all of them; always in one order.
#[cube]
pub(crate) fn cube_sum(value: f32, scratch: &mut Shared<[f32]>) -> f32 {
    let unit = UNIT_POS as usize;
    scratch[unit] = value;
    sync_cube();
    #[unroll]
    for level in 0..comptime!(log2(UNITS)) {
        let half = comptime!(UNITS >> (level + 1));
        if unit < half {
            scratch[unit] += scratch[unit + half];
        }
        sync_cube();
    }
    let sum = scratch[0];
    sync_cube();
    sum
}

/// The sum over the first axis.
///
/// # Shapes
///
/// - `partial`: `[shares, …]`
/// - output: `dims`, as many numbers as a share has
pub(crate) fn add_shares(partial: CubeTensor, dims: &[usize]) -> CubeTensor {
    let n: usize = dims.iter().product();
    let n_shares = partial.meta.shape()[0];
    let total = empty(&partial, dims);
    // SAFETY: the kernel looks at every place before it reads or writes there.
    unsafe {
        add::launch_unchecked(
            &partial.client.clone(),
            n_cubes([n.div_ceil(UNITS / TOGETHER), 1, 1]),
            CubeDim::new_1d(UNITS as u32),
            partial.into_buffer_arg(),
            total.clone().into_buffer_arg(),
            n,
            n_shares,
        );
    }
    total
}

#[cube(launch_unchecked)]
fn add(partial: &[f32], total: &mut [f32], n: usize, n_shares: usize) {
    let each = comptime!(UNITS / TOGETHER);
    let mut scratch = Shared::<[f32]>::new_slice(UNITS);
    let unit = UNIT_POS as usize;
    let place = CUBE_POS_X as usize * each + unit % each;
    let mut sum = 0.0f32;
    if place < n {
        let mut share = unit / each;
        while share < n_shares {
            sum += partial[share * n + place];
            share += TOGETHER;
        }
    }
    scratch[unit] = sum;
    sync_cube();
    if unit < each && place < n {
        let mut sum = 0.0f32;
        #[unroll]
        for i in 0..TOGETHER {
            sum += scratch[unit + comptime!(i * each)];
        }
        total[place] = sum;
    }
}
